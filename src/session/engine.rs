//! What a session needs of the gateway below it: describe, run, explain, record.
//!
//! The wire and the session know nothing of catalogs, policies or engines beyond this trait.

use crate::audit::Who;
use crate::catalog::{CatalogSnapshot, Principal, Workspace};
use crate::egress::{Outcome, ResultBudget, RowStream};
use crate::error::ErrorReport;
use crate::execute::metadata::LastResult;
use crate::execute::upstream::{Holdings, SavepointStep};
use crate::policy::Environment;
use crate::sql::{ParseError, ParsedStatement};
use crate::types::{BoundParameter, SessionId, SettingValues, UserId};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use postgres_types::Type;
use std::sync::Arc;
use std::time::Duration;

/// Everything about a connection that a decision or an engine may read, as it is when one statement starts.
#[derive(Debug, Clone)]
pub struct StatementContext {
    /// Which connection.
    pub session: SessionId,
    /// Who.
    pub principal: Arc<Principal>,
    /// Where.
    pub workspace: Arc<Workspace>,
    /// From where.
    pub environment: Arc<Environment>,
    /// Why, if stated.
    pub purpose: Option<String>,
    /// Schemas to look a plain name up in, in order; `pg_catalog` is searched first unless it is named.
    pub search_path: Vec<String>,
    /// IANA name or offset: how timestamps with time zone are shown and read.
    pub time_zone: String,
    /// The session's own `statement_timeout`, if it set one.
    pub statement_timeout: Option<Duration>,
    /// Set by `SET querygate.notices = on`: say which masks and filters were applied.
    pub notices: bool,
    /// All settings that `SHOW` and `current_setting()` answer, by lower-case name.
    pub settings: Arc<SettingValues>,
    /// What the session holds of upstreams.
    pub holdings: Holdings,
    /// The columns of the session's last result.
    pub last_result: LastResult,
    /// What records say of whose statement it is.
    pub who: Who,
    /// The transaction that the statement is part of: a block, or a query string of several statements.
    pub transaction: Option<OpenBlock>,
}

/// A transaction that goes on after the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenBlock {
    /// How many savepoints it has.
    pub savepoints: usize,
}

/// What Describe tells.
#[derive(Debug, Clone)]
pub struct Description {
    /// The types of `$1`, `$2` …
    pub parameters: Vec<Type>,
    /// The result's columns; `None`: no result.
    pub schema: Option<SchemaRef>,
}

/// What a statement is run with, as Bind gives it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Binding<'a> {
    /// The values of `$1`, `$2` …
    pub parameters: &'a [BoundParameter],
    /// Format codes of the result, for what encodes its rows itself: none is text, one is for all columns.
    pub result_formats: &'a [i16],
    /// How many rows go out at first, if there may be more later; `None`: all, or none at all. Zero: none yet.
    pub page: Option<u64>,
    /// The rows are to outlive the transaction.
    pub holds: bool,
    /// It came by the extended protocol: outside of a block, what is written is committed when the batch ends.
    pub in_portal: bool,
}

/// What came of a statement that writes.
#[derive(Debug)]
pub enum Written {
    /// It is done.
    Count {
        /// How many rows of the target were written.
        rows: u64,
        /// What the client is to be told.
        notices: Vec<ErrorReport>,
    },
    /// RETURNING. It is done when they have all been read.
    Rows(Box<RowStream>),
}

/// What is to be done to a transaction that has reached upstreams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStep {
    /// Keeps its work.
    Commit,
    /// Undoes it.
    RollBack,
    /// A savepoint.
    Savepoint(SavepointStep),
}

/// Why a step was not taken.
#[derive(Debug)]
pub enum StepError {
    /// Nothing was done: it could not be recorded, or is not allowed.
    NotDone(ErrorReport),
    /// It was tried and failed. What was to be committed is rolled back, unless the report says otherwise.
    Failed(ErrorReport),
}

/// Why a statement is run: policies and the audit record tell these apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// SELECT, VALUES, TABLE.
    Query,
    /// COPY … TO STDOUT: an export.
    Copy,
    /// A SQL cursor.
    Cursor,
    /// EXPLAIN (GOVERNANCE): decide and show, run nothing.
    ExplainGovernance,
    /// EXPLAIN: plan and show, run nothing.
    ExplainPlan,
    /// EXPLAIN ANALYZE: run, show no rows.
    ExplainAnalyze,
}

/// The gateway below the session.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// The catalog that serves now.
    fn catalog(&self) -> Arc<CatalogSnapshot>;

    /// Reads a query string of a user's. What is read says nothing of what may be run.
    ///
    /// # Errors
    /// [`ParseError`]; nothing of the text is then run.
    fn read(&self, user: &UserId, text: &str) -> Result<Vec<ParsedStatement>, ParseError>;

    /// Parameters and result columns, as governed for this principal at this moment. Decides, runs nothing.
    async fn describe(
        &self,
        context: &StatementContext,
        statement: &ParsedStatement,
        parameter_types: &[Option<Type>],
    ) -> Result<Description, ErrorReport>;

    /// Decides again, audits the beginning, reserves and starts. Tightens `budget` to what applies. Dropping the future
    /// stops whatever has begun.
    async fn run(
        &self,
        context: &StatementContext,
        statement: &ParsedStatement,
        binding: Binding<'_>,
        purpose: Purpose,
        budget: &mut ResultBudget,
    ) -> Result<RowStream, ErrorReport>;

    /// Whether anything may be written at all, by anybody.
    fn may_write(&self) -> bool {
        false
    }

    /// Decides on a statement that writes, audits its beginning, and has it done. Outside of a transaction and of a batch
    /// of messages it is committed by then, or when its rows have been read. Dropping the future undoes it.
    async fn write(
        &self,
        _context: &StatementContext,
        _statement: &ParsedStatement,
        _binding: Binding<'_>,
        _budget: &mut ResultBudget,
    ) -> Result<Written, ErrorReport> {
        Err(ErrorReport::new(crate::error::SqlState::INTERNAL_ERROR, "nothing can be written"))
    }

    /// Takes a step of the transaction in all upstreams that it has reached, and records the statement that asked for it;
    /// `None`: nobody asked, a query string or a batch of messages has ended. A commit that has begun is carried through
    /// and recorded even when the future is dropped.
    ///
    /// # Errors
    /// [`StepError`].
    async fn step(
        &self,
        _context: &StatementContext,
        _statement: Option<&ParsedStatement>,
        _step: TransactionStep,
    ) -> Result<(), StepError> {
        let what = "there is no transaction that reaches beyond the session";
        Err(StepError::NotDone(ErrorReport::new(crate::error::SqlState::INTERNAL_ERROR, what)))
    }

    /// Records what the session did itself: SET, SHOW, BEGIN, a statement that did not parse, a refused message.
    ///
    /// # Errors
    /// 58000 if it can't be recorded: it must then not happen.
    async fn record(&self, context: &StatementContext, event: SessionEvent<'_>) -> Result<(), ErrorReport>;
}

/// Something that a session answered without the engine.
#[derive(Debug)]
pub enum SessionEvent<'a> {
    /// A statement such as SET, SHOW, BEGIN, DEALLOCATE.
    Statement {
        /// The statement.
        statement: &'a ParsedStatement,
        /// How it went.
        outcome: Outcome,
    },
    /// A text that did not parse. It is recorded with everything but its shape taken out.
    Unparsed {
        /// The text.
        text: &'a str,
        /// What the client was told.
        error: &'a ErrorReport,
    },
    /// A running statement was cancelled, by its user or by time.
    Cancelled,
}
