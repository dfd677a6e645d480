//! An engine that knows a few tables and writes down what it is asked.

use crate::catalog::{CatalogSnapshot, Principal, Workspace};
use crate::decision::Limits;
use crate::egress::{Outcome, ResultBudget, RowStream, Rows};
use crate::error::{ErrorReport, SqlState};
use crate::session::{Binding, Description, Engine, Purpose, SessionEvent, StatementContext};
use crate::sql::ParsedStatement;
use arrow::array::{ArrayRef, Int32Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use futures::StreamExt;
use postgres_types::Type;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// `one` and `ten` have so many rows, `empty` none, `capped` may give 5 of its 10, `broken` fails after 4, `denied` is
/// denied, `slow` never starts, `stuck` never gives a row, `changed` has another column whenever `flip` was called,
/// `noted` sends a notice.
#[derive(Default)]
pub(super) struct FakeEngine {
    log: Arc<Mutex<Vec<String>>>,
    deaf: AtomicBool,
    flipped: AtomicBool,
}

impl FakeEngine {
    /// What it was asked so far.
    pub(super) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// From now on nothing can be recorded.
    pub(super) fn lose_the_audit_log(&self, lost: bool) {
        self.deaf.store(lost, Ordering::SeqCst);
    }

    /// `changed` gets another shape.
    pub(super) fn flip(&self) {
        self.flipped.fetch_xor(true, Ordering::SeqCst);
    }

    fn write(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }

    fn audit(&self) -> Result<(), ErrorReport> {
        if self.deaf.load(Ordering::SeqCst) {
            return Err(ErrorReport::new(SqlState::SYSTEM_ERROR, "the audit log cannot be written"));
        }
        Ok(())
    }

    fn schema(&self, text: &str, purpose: Purpose) -> SchemaRef {
        let n = Field::new("n", DataType::Int32, false);
        let t = |name: &str| Field::new(name, DataType::Utf8, true);
        Arc::new(Schema::new(match purpose {
            Purpose::ExplainGovernance | Purpose::ExplainPlan | Purpose::ExplainAnalyze => vec![t("QUERY PLAN")],
            Purpose::Query | Purpose::Copy | Purpose::Cursor if text.contains("changed") => {
                if self.flipped.load(Ordering::SeqCst) { vec![n, t("extra")] } else { vec![n] }
            }
            Purpose::Query | Purpose::Copy | Purpose::Cursor if text.contains("t FROM") => vec![t("t")],
            Purpose::Query | Purpose::Copy | Purpose::Cursor => vec![n],
        }))
    }
}

fn denied(text: &str) -> Result<(), ErrorReport> {
    if text.contains("denied") {
        return Err(ErrorReport::new(SqlState::INSUFFICIENT_PRIVILEGE, "permission denied for table \"denied\""));
    }
    Ok(())
}

fn batch(schema: &SchemaRef, first: i32, rows: i32) -> RecordBatch {
    let columns = schema
        .fields()
        .iter()
        .map(|field| -> ArrayRef {
            if *field.data_type() == DataType::Int32 {
                Arc::new(Int32Array::from_iter_values(first..first + rows))
            } else {
                Arc::new(StringArray::from_iter_values((first..first + rows).map(|n| format!("text {n}"))))
            }
        })
        .collect();
    RecordBatch::try_new(Arc::clone(schema), columns).unwrap()
}

#[async_trait]
impl Engine for FakeEngine {
    fn catalog(&self) -> Arc<CatalogSnapshot> {
        unreachable!("a session decides nothing")
    }

    fn read(&self, _: &crate::types::UserId, text: &str) -> Result<Vec<ParsedStatement>, crate::sql::ParseError> {
        crate::sql::parse(text, &crate::sql::ParseBounds::default())
    }

    async fn describe(
        &self,
        _context: &StatementContext,
        statement: &ParsedStatement,
        parameter_types: &[Option<Type>],
    ) -> Result<Description, ErrorReport> {
        let text = statement.tree().to_string();
        self.write(format!("describe {text}"));
        denied(&text)?;
        let parameters = (0..statement.parameters())
            .map(|position| parameter_types.get(position).cloned().flatten().unwrap_or(Type::INT4))
            .collect();
        Ok(Description { parameters, schema: Some(self.schema(&text, Purpose::Query)) })
    }

    async fn run(
        &self,
        _context: &StatementContext,
        statement: &ParsedStatement,
        binding: Binding<'_>,
        purpose: Purpose,
        budget: &mut ResultBudget,
    ) -> Result<RowStream, ErrorReport> {
        let text = statement.tree().to_string();
        let values: Vec<String> = binding
            .parameters
            .iter()
            .map(|p| {
                let value = p.value.as_ref().map_or("NULL".to_owned(), |value| match p.binary {
                    true => format!("{value:?}"),
                    false => String::from_utf8_lossy(value).into_owned(),
                });
                format!("{value}:{}", p.pg_type)
            })
            .collect();
        self.audit()?;
        self.write(format!("run {purpose:?} {text} [{}]", values.join(", ")));
        denied(&text)?;
        if text.contains("slow") {
            std::future::pending::<()>().await;
        }
        if text.contains("capped") {
            budget.tighten(&Limits { max_rows: Some(5), ..Limits::default() });
        }
        let schema = self.schema(&text, purpose);
        let mut batches: Vec<Result<RecordBatch, ErrorReport>> = Vec::new();
        match text.as_str() {
            _ if schema.field(0).name() == "QUERY PLAN" => batches.push(Ok(batch(&schema, 1, 1))),
            text if text.contains("empty") => {}
            text if text.contains("ten") || text.contains("capped") => {
                batches.extend([Ok(batch(&schema, 1, 4)), Ok(batch(&schema, 5, 4)), Ok(batch(&schema, 9, 2))]);
            }
            text if text.contains("broken") => {
                batches.push(Ok(batch(&schema, 1, 4)));
                batches.push(Err(ErrorReport::new(SqlState::DIVISION_BY_ZERO, "division by zero")));
            }
            _ => batches.push(Ok(batch(&schema, 1, 1))),
        }
        let log = Arc::clone(&self.log);
        let stream = futures::stream::iter(batches).map(|batch| batch.map(Rows::Values));
        Ok(RowStream {
            schema,
            batches: if text.contains("stuck") { futures::stream::pending().boxed() } else { stream.boxed() },
            notices: if text.contains("noted") { vec![ErrorReport::notice("masked: email")] } else { Vec::new() },
            timeout: None,
            demand: None,
            on_end: Box::new(move |outcome, rows, _bytes| {
                log.lock().unwrap().push(match outcome {
                    Outcome::Success => format!("end success {rows} rows"),
                    Outcome::Failed(error) => format!("end {} {rows} rows", error.sqlstate),
                });
            }),
        })
    }

    async fn record(&self, _context: &StatementContext, event: SessionEvent<'_>) -> Result<(), ErrorReport> {
        self.audit()?;
        self.write(match event {
            SessionEvent::Statement { statement, outcome: Outcome::Success } => {
                format!("record {}", statement.sanitized())
            }
            SessionEvent::Statement { statement, outcome: Outcome::Failed(error) } => {
                format!("record {} {}", error.sqlstate, statement.sanitized())
            }
            SessionEvent::Unparsed { error, .. } => format!("record unparsed {}", error.sqlstate),
            SessionEvent::Cancelled => "record cancelled".to_owned(),
        });
        Ok(())
    }
}

/// Somebody called `ana` of the tenant `acme`.
pub(super) fn principal() -> Arc<Principal> {
    use crate::catalog::{User, UserAttributes};
    use crate::types::{Role, TenantId, UserId};
    let user = User {
        id: UserId::new("ana"),
        verifier: None,
        roles: vec![Role::new("ANALYST")],
        tenant: Some(TenantId::new("acme")),
        attributes: UserAttributes::default(),
    };
    let catalog = CatalogSnapshot {
        revision: crate::types::Revision(1),
        sources: Default::default(),
        tags: Default::default(),
        datasets: Default::default(),
        users: Default::default(),
        workspaces: Default::default(),
        roles: Default::default(),
    };
    Arc::new(Principal::authenticated(Arc::new(user), &catalog))
}

/// The workspace `sales`.
pub(super) fn workspace() -> Arc<Workspace> {
    use crate::catalog::{WorkspaceKind, WorkspaceLimits};
    Arc::new(Workspace {
        name: crate::types::WorkspaceName::new("sales"),
        kind: WorkspaceKind::AdHoc,
        owner: None,
        members: Default::default(),
        member_roles: Default::default(),
        datasets: Default::default(),
        limits: WorkspaceLimits {
            statement: Limits::default(),
            concurrent_statements: 3,
            statements_a_day: 100,
            engine_memory: 1 << 30,
        },
    })
}
