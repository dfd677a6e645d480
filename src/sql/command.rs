//! What a statement asks for: a closed world. Whatever is not listed here is refused by name.
//!
//! A command says nothing about who may run it. INVARIANT: a [`Command::Query`] reads and nothing else: no query in it
//! writes, locks rows or makes a table.

use super::statement::{Body, ParsedStatement};
use super::write::Write;
use crate::error::{ErrorReport, SqlState};
use postgres_types::Type;
use sqlparser::ast::Expr;

/// What a statement asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command<'a> {
    /// SELECT, VALUES, TABLE, WITH: see [`ParsedStatement::query`].
    Query,
    /// INSERT, UPDATE, DELETE: its query reads and nothing else.
    Write(&'a Write),
    /// COPY … TO STDOUT.
    CopyOut(&'a CopyOut),
    /// DECLARE … CURSOR FOR.
    Declare(&'a Declare),
    /// FETCH.
    Fetch(&'a Fetch),
    /// MOVE.
    Move(&'a Fetch),
    /// CLOSE.
    CloseCursor(&'a Target),
    /// PREPARE.
    Prepare(&'a Prepare),
    /// EXECUTE.
    Execute(&'a Execute),
    /// DEALLOCATE.
    Deallocate(&'a Target),
    /// EXPLAIN.
    Explain(&'a Explain),
    /// SET name, SET TIME ZONE, SET NAMES.
    Set(&'a Set),
    /// SET TRANSACTION: modes of the transaction that is open.
    SetTransaction(&'a [TransactionMode]),
    /// SET SESSION CHARACTERISTICS AS TRANSACTION: modes of the transactions to come.
    SetSessionCharacteristics(&'a [TransactionMode]),
    /// RESET.
    Reset(&'a Target),
    /// SHOW.
    Show(&'a Target),
    /// BEGIN.
    Begin(&'a [TransactionMode]),
    /// START TRANSACTION: the same under another tag.
    StartTransaction(&'a [TransactionMode]),
    /// COMMIT, END.
    Commit {
        /// AND CHAIN: begin another with the same modes.
        chain: bool,
    },
    /// ROLLBACK, ABORT.
    Rollback {
        /// AND CHAIN: begin another with the same modes.
        chain: bool,
    },
    /// ROLLBACK TO SAVEPOINT.
    RollbackTo(&'a str),
    /// SAVEPOINT.
    Savepoint(&'a str),
    /// RELEASE SAVEPOINT.
    Release(&'a str),
    /// DISCARD.
    Discard(Discard),
    /// UNLISTEN: there is nothing to listen to, so it does nothing.
    Unlisten,
}

impl Command<'_> {
    /// The command tag's first word or words, such as `SELECT`, `SET`, `START TRANSACTION`: what policies and audit call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Query => "SELECT",
            Self::Write(write) => write.kind.word(),
            Self::CopyOut(_) => "COPY",
            Self::Declare(_) => "DECLARE CURSOR",
            Self::Fetch(_) => "FETCH",
            Self::Move(_) => "MOVE",
            Self::CloseCursor(_) => "CLOSE CURSOR",
            Self::Prepare(_) => "PREPARE",
            Self::Execute(_) => "EXECUTE",
            Self::Deallocate(_) => "DEALLOCATE",
            Self::Explain(_) => "EXPLAIN",
            Self::Set(_) | Self::SetTransaction(_) | Self::SetSessionCharacteristics(_) => "SET",
            Self::Reset(_) => "RESET",
            Self::Show(_) => "SHOW",
            Self::Begin(_) => "BEGIN",
            Self::StartTransaction(_) => "START TRANSACTION",
            Self::Commit { .. } => "COMMIT",
            Self::Rollback { .. } | Self::RollbackTo(_) => "ROLLBACK",
            Self::Savepoint(_) => "SAVEPOINT",
            Self::Release(_) => "RELEASE",
            Self::Discard(_) => "DISCARD",
            Self::Unlisten => "UNLISTEN",
        }
    }
}

/// One by name, or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// ALL.
    All,
    /// One. Cursors and prepared statements: the folded name. Settings: lower case, with `TIME ZONE` as `timezone`,
    /// `SESSION AUTHORIZATION` as `session_authorization`, `TRANSACTION ISOLATION LEVEL` as `transaction_isolation`.
    Named(String),
}

/// `COPY … TO STDOUT`.
#[derive(Debug, Clone, PartialEq)]
pub struct CopyOut {
    /// What to copy: the query as written, or `SELECT columns FROM table` made from a table.
    pub query: ParsedStatement,
    /// In which form.
    pub options: CopyOptions,
}

/// The form of a COPY, with PostgreSQL's defaults filled in ("COPY" in its reference).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOptions {
    /// text, csv or binary.
    pub format: CopyFormat,
    /// Between columns: one single-byte character.
    pub delimiter: char,
    /// What stands for NULL.
    pub null: String,
    /// A first line with the column names.
    pub header: bool,
    /// CSV: what encloses a value.
    pub quote: char,
    /// CSV: what stands before a quote inside of a value.
    pub escape: char,
    /// CSV: which columns are always quoted.
    pub force_quote: ForceQuote,
    /// The encoding asked for, in lower case; `None` is the client's.
    pub encoding: Option<String>,
}

/// Which columns a CSV quotes even where it need not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForceQuote {
    /// None of them.
    None,
    /// `*`
    All,
    /// These, folded.
    Columns(Vec<String>),
}

/// The forms of a COPY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CopyFormat {
    /// Tab-separated lines with backslash escapes.
    Text,
    /// Comma-separated values.
    Csv,
    /// PostgreSQL's binary form.
    Binary,
}

/// `DECLARE name [BINARY] [[NO] SCROLL] CURSOR [WITH HOLD] FOR query`.
#[derive(Debug, Clone, PartialEq)]
pub struct Declare {
    /// The cursor's folded name.
    pub name: String,
    /// Results in binary form.
    pub binary: bool,
    /// `Some(true)` SCROLL, `Some(false)` NO SCROLL, `None` neither.
    pub scroll: Option<bool>,
    /// WITH HOLD: it outlives its transaction.
    pub hold: bool,
    /// What it reads.
    pub query: ParsedStatement,
}

/// `FETCH` and `MOVE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Where to and how many.
    pub direction: FetchDirection,
    /// The cursor's folded name.
    pub cursor: String,
}

/// Where a FETCH goes and how many rows it takes, with synonyms worked out: `NEXT` is `Forward(1)`, `FIRST`
/// `Absolute(1)`, `LAST` `Absolute(-1)`, a negative count turns the direction round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchDirection {
    /// The next so many rows; 0 is the row where it stands.
    Forward(u64),
    /// All rows that are left.
    ForwardAll,
    /// The so many rows before; never 0.
    Backward(u64),
    /// All rows before.
    BackwardAll,
    /// One row by its number; negative counts from the end.
    Absolute(i64),
    /// One row, so many from here.
    Relative(i64),
}

/// `PREPARE name (types) AS statement`.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepare {
    /// The folded name.
    pub name: String,
    /// The types that it gives for `$1`, `$2` …; [`Type::UNKNOWN`] is left to be found out.
    pub types: Vec<Type>,
    /// What it prepares: a query.
    pub statement: ParsedStatement,
}

/// `EXECUTE name (arguments)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Execute {
    /// The folded name.
    pub name: String,
    /// The arguments: constants for the most part, see [`super::literal::constant`].
    pub arguments: Vec<Expr>,
}

/// `EXPLAIN (options) statement`.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// GOVERNANCE: decide and show, run nothing.
    pub governance: bool,
    /// ANALYZE: run it.
    pub analyze: bool,
    /// VERBOSE.
    pub verbose: bool,
    /// FORMAT.
    pub format: ExplainFormat,
    /// What to explain: a query, an EXECUTE or a DECLARE.
    pub statement: ParsedStatement,
}

/// The forms of an EXPLAIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ExplainFormat {
    /// Lines for people.
    #[default]
    Text,
    /// XML.
    Xml,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// `SET [SESSION | LOCAL] name = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// The setting in lower case, such as `querygate.purpose`; `SET TIME ZONE` is `timezone`, `SET NAMES` `client_encoding`.
    /// `role` and `session_authorization` are only ever set to what the connection has anyway.
    pub name: String,
    /// The value.
    pub value: SetValue,
    /// LOCAL: until the transaction ends.
    pub local: bool,
}

/// What a SET sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetValue {
    /// DEFAULT, and `SET TIME ZONE LOCAL`.
    Default,
    /// One or several values as text; quotes are taken off, words are folded. Most settings take one.
    Values(Vec<String>),
}

impl SetValue {
    /// The value as `SHOW` would print it: several are joined by `, `. `None` is DEFAULT.
    pub fn as_text(&self) -> Option<String> {
        match self {
            Self::Default => None,
            Self::Values(values) => Some(values.join(", ")),
        }
    }
}

/// One mode of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionMode {
    /// ISOLATION LEVEL.
    Isolation(IsolationLevel),
    /// READ ONLY.
    ReadOnly,
    /// READ WRITE.
    ReadWrite,
    /// [NOT] DEFERRABLE.
    Deferrable(bool),
}

/// The isolation levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IsolationLevel {
    /// READ UNCOMMITTED
    ReadUncommitted,
    /// READ COMMITTED
    ReadCommitted,
    /// REPEATABLE READ
    RepeatableRead,
    /// SERIALIZABLE
    Serializable,
}

impl IsolationLevel {
    /// As `SHOW transaction_isolation` prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "read uncommitted",
            Self::ReadCommitted => "read committed",
            Self::RepeatableRead => "repeatable read",
            Self::Serializable => "serializable",
        }
    }
}

/// What a DISCARD drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Discard {
    /// Everything that a session holds.
    All,
    /// Cached plans.
    Plans,
    /// Sequences' last values: the gateway has none.
    Sequences,
    /// Temporary tables: the gateway has none.
    Temp,
}

/// A statement for the session, owned. [`command`] gives it out by reference.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Session {
    CopyOut(CopyOut),
    Declare(Declare),
    Fetch(Fetch),
    Move(Fetch),
    CloseCursor(Target),
    Prepare(Prepare),
    Execute(Execute),
    Deallocate(Target),
    Explain(Explain),
    Set(Set),
    SetTransaction(Vec<TransactionMode>),
    SetSessionCharacteristics(Vec<TransactionMode>),
    Reset(Target),
    Show(Target),
    Begin(Vec<TransactionMode>),
    StartTransaction(Vec<TransactionMode>),
    Commit { chain: bool },
    Rollback { chain: bool },
    RollbackTo(String),
    Savepoint(String),
    Release(String),
    Discard(Discard),
    Unlisten,
}

/// A statement that PostgreSQL's grammar takes and the gateway does not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    pub(super) sqlstate: SqlState,
    pub(super) message: String,
    pub(super) hint: Option<&'static str>,
}

impl Refused {
    /// Not supported (`0A000`).
    pub(super) fn unsupported(message: impl Into<String>, hint: &'static str) -> Self {
        Self { sqlstate: SqlState::FEATURE_NOT_SUPPORTED, message: message.into(), hint: Some(hint) }
    }

    /// Wrong (`42601` and the like).
    pub(super) fn wrong(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self { sqlstate, message: message.into(), hint: None }
    }

    /// What the client is told.
    pub fn report(&self) -> ErrorReport {
        let report = ErrorReport::new(self.sqlstate, self.message.clone());
        match self.hint {
            Some(hint) => report.with_hint(hint),
            None => report,
        }
    }
}

/// Says what a statement asks for.
///
/// # Errors
/// [`Refused`] for everything that the gateway does not run.
pub fn command(statement: &ParsedStatement) -> Result<Command<'_>, Refused> {
    match &statement.body {
        Body::Tree(tree) => super::refusal::query_only(tree).map(|_| Command::Query),
        // Looked at when the template was made: constants of its kind change nothing of what a statement does.
        Body::Templated(_) => Ok(Command::Query),
        Body::Write(write) => super::refusal::read_only(&write.query).map(|()| Command::Write(write)),
        Body::Session(session) => Ok(session_command(session)),
        Body::Refused(refused) => Err((**refused).clone()),
    }
}

fn session_command(session: &Session) -> Command<'_> {
    match session {
        Session::CopyOut(copy) => Command::CopyOut(copy),
        Session::Declare(declare) => Command::Declare(declare),
        Session::Fetch(fetch) => Command::Fetch(fetch),
        Session::Move(fetch) => Command::Move(fetch),
        Session::CloseCursor(target) => Command::CloseCursor(target),
        Session::Prepare(prepare) => Command::Prepare(prepare),
        Session::Execute(execute) => Command::Execute(execute),
        Session::Deallocate(target) => Command::Deallocate(target),
        Session::Explain(explain) => Command::Explain(explain),
        Session::Set(set) => Command::Set(set),
        Session::SetTransaction(modes) => Command::SetTransaction(modes),
        Session::SetSessionCharacteristics(modes) => Command::SetSessionCharacteristics(modes),
        Session::Reset(target) => Command::Reset(target),
        Session::Show(target) => Command::Show(target),
        Session::Begin(modes) => Command::Begin(modes),
        Session::StartTransaction(modes) => Command::StartTransaction(modes),
        Session::Commit { chain } => Command::Commit { chain: *chain },
        Session::Rollback { chain } => Command::Rollback { chain: *chain },
        Session::RollbackTo(name) => Command::RollbackTo(name),
        Session::Savepoint(name) => Command::Savepoint(name),
        Session::Release(name) => Command::Release(name),
        Session::Discard(discard) => Command::Discard(*discard),
        Session::Unlisten => Command::Unlisten,
    }
}
