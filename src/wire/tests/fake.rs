//! A gatekeeper with two users, and an engine whose answers stand in the statement's text.

use crate::catalog::{CatalogSnapshot, Principal, User, UserAttributes, Workspace, WorkspaceKind, WorkspaceLimits};
use crate::decision::Limits;
use crate::egress::{Outcome, ResultBudget, RowStream, Rows};
use crate::error::{ErrorReport, SqlState};
use crate::policy::Environment;
use crate::session::{
    Binding, Description, Engine, Purpose, Session, SessionEvent, SessionLimits, SessionStart, StatementContext,
};
use crate::sql::ParsedStatement;
use crate::types::{Redacted, Revision, Role, UserId, WorkspaceName};
use crate::wire::auth::scram::make_verifier;
use crate::wire::{Gatekeeper, LoginAttempt, SessionOpening, VerifierForm};
use arrow::array::{Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use futures::stream::{self, StreamExt};
use postgres_types::Type;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happened, for the tests to look at.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) logins: Mutex<Vec<(String, Option<&'static str>)>>,
    pub(super) ended: Mutex<Vec<Option<&'static str>>>,
    /// Streams that were made and not dropped yet.
    pub(super) alive: AtomicUsize,
    pub(super) cancelled: AtomicUsize,
}

pub(super) struct Gate {
    pub(super) seen: Arc<Seen>,
    catalog: Arc<CatalogSnapshot>,
    verifier: String,
    pub(super) audit_works: bool,
}

impl Gate {
    pub(super) fn new() -> Self {
        let catalog = CatalogSnapshot {
            revision: Revision(1),
            sources: BTreeMap::new(),
            tags: BTreeMap::new(),
            datasets: BTreeMap::new(),
            users: HashMap::new(),
            workspaces: BTreeMap::new(),
            roles: BTreeMap::new(),
        };
        let verifier = make_verifier("pencil", 1, b"0123456789abcdef");
        Self { seen: Arc::default(), catalog: Arc::new(catalog), verifier, audit_works: true }
    }
}

fn workspace() -> Workspace {
    Workspace {
        name: WorkspaceName::from("sales"),
        kind: WorkspaceKind::AdHoc,
        owner: None,
        members: BTreeSet::from([UserId::from("ann")]),
        member_roles: BTreeSet::new(),
        datasets: BTreeSet::new(),
        limits: WorkspaceLimits {
            statement: Limits::default(),
            concurrent_statements: 3,
            statements_a_day: 100,
            engine_memory: 1 << 30,
        },
    }
}

#[async_trait]
impl Gatekeeper for Gate {
    fn verifier(&self, user: &str) -> Option<Redacted<String>> {
        (user == "ann").then(|| Redacted::new(self.verifier.clone()))
    }

    fn decoy_form(&self, _: u64) -> VerifierForm {
        VerifierForm { iterations: 1, salt_bytes: 16 }
    }

    fn login(&self, user: &str, database: &str) -> Result<(Arc<Principal>, Arc<Workspace>), ErrorReport> {
        if database != "sales" {
            let message = format!("database \"{database}\" does not exist");
            return Err(ErrorReport::new(SqlState::INVALID_CATALOG_NAME, message));
        }
        let user = User {
            id: UserId::from(user),
            verifier: None,
            roles: vec![Role::from("ANALYST")],
            tenant: None,
            attributes: UserAttributes::default(),
        };
        Ok((Arc::new(Principal::authenticated(Arc::new(user), &self.catalog)), Arc::new(workspace())))
    }

    async fn audit_login(&self, attempt: &LoginAttempt, result: Result<(), &ErrorReport>) -> Result<(), ErrorReport> {
        let state = result.err().map(|error| error.sqlstate.0);
        self.seen.logins.lock().unwrap().push((attempt.user.clone(), state));
        if self.audit_works {
            Ok(())
        } else {
            Err(ErrorReport::new(SqlState::SYSTEM_ERROR, "the audit log is not available"))
        }
    }

    async fn open_session(&self, opening: SessionOpening) -> Result<Session, ErrorReport> {
        Session::start(SessionStart {
            engine: Arc::new(Canned { seen: Arc::clone(&self.seen), catalog: Arc::clone(&self.catalog) }),
            session: opening.session,
            principal: opening.principal,
            workspace: opening.workspace,
            environment: Environment {
                name: "test".into(),
                region: "eu".into(),
                network_zone: "office".into(),
                client_ip: opening.peer.ip(),
                tls: opening.tls,
                application_name: String::new(),
            },
            startup_parameters: opening.startup_parameters,
            backend_pid: opening.backend_pid,
            limits: SessionLimits::default(),
        })
    }
}

/// Answers by the relation that a statement names: `rows3`, `endless`, `stuck`, `hang`, `broken`, `capped`, `slow`.
struct Canned {
    seen: Arc<Seen>,
    catalog: Arc<CatalogSnapshot>,
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, true)]))
}

fn batch(numbers: std::ops::Range<i32>) -> RecordBatch {
    RecordBatch::try_new(schema(), vec![Arc::new(Int32Array::from_iter_values(numbers))]).unwrap()
}

struct Alive(Arc<Seen>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

fn absent() -> ErrorReport {
    ErrorReport::new(SqlState::UNDEFINED_TABLE, "relation \"absent\" does not exist").at(Some(15))
}

#[async_trait]
impl Engine for Canned {
    fn catalog(&self) -> Arc<CatalogSnapshot> {
        Arc::clone(&self.catalog)
    }

    fn read(&self, _: &crate::types::UserId, text: &str) -> Result<Vec<ParsedStatement>, crate::sql::ParseError> {
        crate::sql::parse(text, &crate::sql::ParseBounds::default())
    }

    async fn describe(
        &self,
        _: &StatementContext,
        statement: &ParsedStatement,
        types: &[Option<Type>],
    ) -> Result<Description, ErrorReport> {
        if statement.tree().to_string().contains("absent") {
            return Err(absent());
        }
        let given = types.iter().map(|given| given.clone().unwrap_or(Type::INT4));
        let parameters = given.chain(std::iter::repeat(Type::INT4)).take(statement.parameters()).collect();
        Ok(Description { parameters, schema: Some(schema()) })
    }

    async fn run(
        &self,
        _: &StatementContext,
        statement: &ParsedStatement,
        _: Binding<'_>,
        _: Purpose,
        budget: &mut ResultBudget,
    ) -> Result<RowStream, ErrorReport> {
        let text = statement.tree().to_string();
        let named = |name: &str| text.contains(name);
        if named("hang") {
            return std::future::pending().await;
        }
        if named("absent") {
            return Err(absent());
        }
        if named("explode") {
            panic!("as asked");
        }
        self.seen.alive.fetch_add(1, Ordering::SeqCst);
        let alive = Alive(Arc::clone(&self.seen));
        let fault = || ErrorReport::new(SqlState::DIVISION_BY_ZERO, "division by zero");
        let batches = if named("endless") {
            stream::iter(0..).map(|n: i32| Ok(batch(n..n + 1000))).boxed()
        } else if named("stuck") || named("slow") {
            stream::iter([Ok(batch(0..1))]).chain(stream::pending()).boxed()
        } else if named("broken") {
            stream::iter([Ok(batch(0..2)), Err(fault())]).boxed()
        } else {
            stream::iter([Ok(batch(0..3))]).boxed()
        };
        if named("capped") {
            budget.tighten(&Limits { max_rows: Some(2), ..Limits::default() });
        }
        let seen = Arc::clone(&self.seen);
        Ok(RowStream {
            schema: schema(),
            batches: batches
                .map(|batch| batch.map(Rows::Values))
                .inspect(move |_| {
                    let _ = &alive;
                })
                .boxed(),
            notices: if named("noted") { vec![ErrorReport::notice("masks applied: email(email)")] } else { Vec::new() },
            timeout: named("slow").then_some(Duration::from_millis(30)),
            demand: None,
            on_end: Box::new(move |outcome, _, _| {
                seen.ended.lock().unwrap().push(match outcome {
                    Outcome::Success => None,
                    Outcome::Failed(error) => Some(error.sqlstate.0),
                });
            }),
        })
    }

    async fn record(&self, _: &StatementContext, event: SessionEvent<'_>) -> Result<(), ErrorReport> {
        if matches!(event, SessionEvent::Cancelled) {
            self.seen.cancelled.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}
