//! The session itself: what a connection holds between its messages.

use super::engine::{Engine, OpenBlock, SessionEvent, StatementContext};
use super::portal::{PortalState, Portals};
use super::prepared::PreparedStatements;
use super::reply::{Owner, ReplyTicket, RowsEnd};
use super::settings::{Facts, Settings};
use super::transaction::{Effect, Event, Transaction, TransactionStatus};
use crate::audit::{About, Who};
use crate::catalog::{Principal, Workspace};
use crate::egress::{Outcome, ResultRows};
use crate::error::{ErrorReport, Severity, SqlState};
use crate::execute::metadata::LastResult;
use crate::execute::upstream::Holdings;
use crate::policy::Environment;
use crate::sql::ParsedStatement;
use crate::types::{SessionId, UserId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The most notices that wait for the wire.
const MAX_NOTICES: usize = 100;

/// The operator's bounds on one session. Its own settings can only make them narrower; `None` is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Silence outside of a transaction.
    pub idle_timeout: Option<Duration>,
    /// Silence within one, or in the middle of a batch of messages.
    pub idle_in_transaction_timeout: Option<Duration>,
    /// One statement.
    pub statement_timeout: Option<Duration>,
    /// Bytes of one query string.
    pub max_statement_bytes: usize,
    /// Prepared statements.
    pub max_prepared_statements: usize,
    /// Portals and cursors.
    pub max_portals: usize,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            idle_timeout: None,
            idle_in_transaction_timeout: None,
            statement_timeout: None,
            max_statement_bytes: usize::MAX,
            max_prepared_statements: 1_000,
            max_portals: 1_000,
        }
    }
}

/// What a new session is made from.
pub struct SessionStart {
    /// The gateway below.
    pub engine: Arc<dyn Engine>,
    /// Which connection.
    pub session: SessionId,
    /// Who.
    pub principal: Arc<Principal>,
    /// Where.
    pub workspace: Arc<Workspace>,
    /// From where.
    pub environment: Environment,
    /// What the start-up message asked for, `options` as one text among it.
    pub startup_parameters: BTreeMap<String, String>,
    /// The process id of BackendKeyData.
    pub backend_pid: i32,
    /// The operator's bounds on it.
    pub limits: SessionLimits,
}

/// One connection's session. It answers everything but queries itself, and has all of it recorded first.
///
/// INVARIANT: what could not be recorded did not happen.
pub struct Session {
    pub(super) engine: Arc<dyn Engine>,
    id: SessionId,
    principal: Arc<Principal>,
    workspace: Arc<Workspace>,
    environment: Arc<Environment>,
    pub(super) settings: Settings,
    pub(super) transaction: Transaction,
    pub(super) prepared: PreparedStatements,
    pub(super) portals: Portals,
    /// What its transaction runs on in upstreams.
    pub(super) holdings: Holdings,
    last_result: LastResult,
    /// What records say of whose statements these are, and the purpose that is in it.
    who: Option<(String, Who)>,
    notices: Vec<ErrorReport>,
    tickets: u64,
    limits: SessionLimits,
    /// Length of the query string that runs.
    pub(super) text_bytes: usize,
}

impl Session {
    /// Begins a session of somebody who has proved who they are.
    ///
    /// # Errors
    /// 42704, 55P02, 42501, 22023 if a start-up parameter can't be set: the connection then ends.
    pub fn start(start: SessionStart) -> Result<Self, ErrorReport> {
        let user = start.principal.user();
        let roles: Vec<&str> = start.principal.roles().iter().map(|role| role.as_str()).collect();
        let facts = Facts {
            user: user.id.as_str(),
            tenant: user.tenant.as_ref().map_or("", |tenant| tenant.as_str()),
            roles: roles.join(","),
            workspace: start.workspace.name.as_str(),
            backend_pid: start.backend_pid,
        };
        let settings = Settings::start(&facts, &start.startup_parameters)?;
        Ok(Self {
            settings,
            engine: start.engine,
            id: start.session,
            principal: start.principal,
            workspace: start.workspace,
            environment: Arc::new(start.environment),
            transaction: Transaction::default(),
            prepared: PreparedStatements::new(start.limits.max_prepared_statements),
            portals: Portals::new(start.limits.max_portals),
            holdings: Holdings::default(),
            last_result: LastResult::default(),
            who: None,
            notices: Vec::new(),
            tickets: 0,
            limits: start.limits,
            text_bytes: 0,
        })
    }

    /// The settings that a new connection is told, by name.
    pub fn parameter_status(&self) -> Vec<(String, String)> {
        self.settings.reported_now().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Those of them that have changed since the last call.
    pub fn take_parameter_changes(&mut self) -> Vec<(String, String)> {
        self.settings.take_changes()
    }

    /// Notices and warnings that wait to be sent, as far as `client_min_messages` lets them.
    pub fn take_notices(&mut self) -> Vec<ErrorReport> {
        std::mem::take(&mut self.notices)
    }

    /// What ReadyForQuery says.
    pub fn transaction_status(&self) -> TransactionStatus {
        self.transaction.status()
    }

    /// The bound on one statement by the session's own setting and by the operator's; `None` is none.
    pub fn statement_timeout(&self) -> Option<Duration> {
        self.narrower("statement_timeout", self.limits.statement_timeout)
    }

    /// How long the client may now be silent, by its own settings, by the operator's, and by those of what it holds; `None`
    /// is no bound.
    pub fn idle_timeout(&self) -> Option<Duration> {
        let own = match self.transaction.status() {
            TransactionStatus::Idle => self.narrower("idle_session_timeout", self.limits.idle_timeout),
            TransactionStatus::InTransaction | TransactionStatus::Failed => {
                self.narrower("idle_in_transaction_session_timeout", self.limits.idle_in_transaction_timeout)
            }
        };
        own.into_iter().chain(self.holdings.idle_bound()).min()
    }

    /// How long the client may be silent in the middle of a batch of messages: by the operator's setting, and because its
    /// transaction holds a connection to an upstream.
    pub fn batch_timeout(&self) -> Option<Duration> {
        self.limits.idle_in_transaction_timeout.into_iter().chain(self.holdings.idle_bound()).min()
    }

    /// The smaller of a setting of the session's and the operator's bound.
    fn narrower(&self, setting: &str, limit: Option<Duration>) -> Option<Duration> {
        // Zero is none, as in PostgreSQL's settings.
        let own = self.settings.duration(setting).filter(|timeout| !timeout.is_zero());
        own.into_iter().chain(limit).min()
    }

    /// Whether a text may be read at all.
    ///
    /// # Errors
    /// 54001 if it is too long.
    pub(super) fn admit_text(&self, text: &str) -> Result<(), ErrorReport> {
        let most = self.limits.max_statement_bytes;
        if text.len() <= most {
            return Ok(());
        }
        let error = ErrorReport::new(SqlState::STATEMENT_TOO_COMPLEX, "statement is too long")
            .with_detail(format!("It has {} bytes; the limit is {most} bytes.", text.len()))
            .with_hint("Send it in several statements, or long values as parameters.");
        Err(error)
    }

    /// Takes rows back from the wire, however far they went.
    pub fn finish_rows(&mut self, ticket: ReplyTicket, rows: ResultRows, end: RowsEnd) {
        let sent = rows.rows().saturating_sub(ticket.rows_before);
        let name = match &ticket.owner {
            Owner::Statement => None,
            Owner::Portal(name) | Owner::Cursor { cursor: name, .. } => Some(name.clone()),
        };
        // A holder that was closed meanwhile, or made anew under the same name, does not get these rows.
        let holder = name
            .as_deref()
            .and_then(|name| self.portals.get_mut(name, "portal").ok())
            .filter(|portal| matches!(portal.state, PortalState::Running(id) if id == ticket.id));
        match (end, holder) {
            (RowsEnd::Failed(error), holder) => {
                if holder.is_some()
                    && let Some(name) = name
                {
                    self.portals.close(&name);
                }
                rows.finish(Outcome::Failed(error.clone()));
                self.failed(&error);
                return;
            }
            (RowsEnd::Done, Some(portal)) => {
                portal.position = portal.position.saturating_add(sent);
                portal.state = PortalState::Done;
                rows.finish(Outcome::Success);
            }
            (RowsEnd::Suspended, Some(portal)) => {
                portal.position = portal.position.saturating_add(sent);
                portal.state = PortalState::Suspended(Box::new(rows));
            }
            (RowsEnd::Done | RowsEnd::Suspended, None) => rows.finish(Outcome::Success),
        }
        if let Owner::Cursor { cursor, fetch: Some((name, left)) } = ticket.owner {
            let left = left.map(|left| left.saturating_sub(sent));
            let more = !matches!(self.portals.get(&cursor, "cursor").map(|c| &c.state), Ok(PortalState::Done) | Err(_));
            if let Ok(portal) = self.portals.get_mut(&name, "portal") {
                portal.state =
                    if more && left != Some(0) { PortalState::Fetching { cursor, left } } else { PortalState::Done };
            }
        }
    }

    /// Takes note of an error that the client was told: a transaction block fails, anything else is undone.
    pub fn failed(&mut self, _error: &ErrorReport) {
        if let Ok(step) = self.transaction.step(Event::Error) {
            self.take_effect(step.effect);
            self.transaction = step.next;
        }
    }

    /// Records something that was refused before it was a statement, such as a FunctionCall, and takes note of it.
    pub async fn refused(&mut self, what: &str, error: &ErrorReport) {
        let context = self.context();
        // It is refused already: that it can't be recorded changes nothing for the client.
        let _ = self.engine.record(&context, SessionEvent::Unparsed { text: what, error }).await;
        self.failed(error);
    }

    /// Records that a running statement was cancelled, by its user or by time, and takes note of it.
    pub async fn cancelled(&mut self, error: &ErrorReport) {
        let context = self.context();
        // What was cancelled stays cancelled; the engine's own record says how far it came.
        let _ = self.engine.record(&context, SessionEvent::Cancelled).await;
        self.failed(error);
    }

    /// Who this is.
    pub(super) fn user(&self) -> &UserId {
        &self.principal.user().id
    }

    /// What a statement that starts now may know of its connection.
    pub(super) fn context(&mut self) -> StatementContext {
        let settings = self.settings.snapshot();
        let application_name = settings.get("application_name").unwrap_or_default();
        if self.environment.application_name != application_name {
            let application_name = application_name.to_owned();
            self.environment = Arc::new(Environment { application_name, ..(*self.environment).clone() });
        }
        let purpose = self.settings.text("querygate.purpose");
        let who = self.who(&purpose);
        StatementContext {
            session: self.id.clone(),
            principal: Arc::clone(&self.principal),
            workspace: Arc::clone(&self.workspace),
            environment: Arc::clone(&self.environment),
            purpose: Some(purpose).filter(|purpose| !purpose.is_empty()),
            search_path: self.settings.search_path(),
            time_zone: self.settings.time_zone(),
            statement_timeout: self.statement_timeout(),
            notices: self.settings.on("querygate.notices"),
            settings,
            holdings: self.holdings.clone(),
            last_result: self.last_result.clone(),
            who,
            transaction: self.transaction.in_block().then(|| OpenBlock { savepoints: self.transaction.depth() }),
        }
    }

    /// What records say of whose statements these are: written out once for each purpose.
    fn who(&mut self, purpose: &str) -> Who {
        match &self.who {
            Some((of, who)) if of == purpose => who.clone(),
            Some(_) | None => {
                let user = self.principal.user();
                let who = Who::new(&About {
                    user: &user.id,
                    roles: &user.roles,
                    client: self.environment.client_ip,
                    workspace: &self.workspace.name,
                    tenant: user.tenant.as_ref(),
                    purpose: Some(purpose).filter(|purpose| !purpose.is_empty()),
                    session: self.id.as_str(),
                });
                self.who = Some((purpose.to_owned(), who.clone()));
                who
            }
        }
    }

    /// Records a statement that the session answers itself.
    ///
    /// # Errors
    /// 58000 if it can't be recorded: it must then not happen.
    pub(super) async fn record(&mut self, statement: &ParsedStatement, outcome: Outcome) -> Result<(), ErrorReport> {
        let context = self.context();
        self.engine.record(&context, SessionEvent::Statement { statement, outcome }).await
    }

    /// Records a statement as refused, and gives what the client is told.
    pub(super) async fn refuse(&mut self, statement: &ParsedStatement, error: ErrorReport) -> ErrorReport {
        match self.record(statement, Outcome::Failed(error.clone())).await {
            Ok(()) => error,
            Err(unrecorded) => unrecorded,
        }
    }

    /// Does to settings and portals what the transaction's end asks for.
    pub(super) fn take_effect(&mut self, effect: Effect) {
        match effect {
            Effect::None => {}
            Effect::Commit => {
                self.settings.commit();
                self.portals.commit();
            }
            Effect::Rollback => {
                self.settings.rollback();
                self.portals.roll_back();
                self.holdings.abandon();
            }
            Effect::Push => self.settings.push(),
            Effect::Release(depth) => {
                self.settings.release(depth);
                self.portals.raise_to(depth);
            }
            Effect::RollbackTo(depth) => {
                self.settings.rollback_to(depth);
                self.portals.close_from(depth.saturating_add(1));
            }
        }
    }

    /// A message to the client that is no error.
    pub(super) fn notice(&mut self, report: ErrorReport) {
        let level = self.settings.text("client_min_messages");
        let wanted = match report.severity {
            Severity::Notice => !matches!(level.as_str(), "warning" | "error"),
            Severity::Warning => level != "error",
            Severity::Error | Severity::Fatal => true,
        };
        if wanted && self.notices.len() < MAX_NOTICES {
            self.notices.push(report);
        }
    }

    /// A number that no other reply has.
    pub(super) fn next_ticket(&mut self) -> u64 {
        self.tickets = self.tickets.wrapping_add(1);
        self.tickets
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("id", &self.id).field("transaction", &self.transaction).finish_non_exhaustive()
    }
}
