//! What a client is told when something is refused or fails: PostgreSQL's fields, and only what its reader may see.
//!
//! Each stage has its own `thiserror` enum and turns it into an [`ErrorReport`] itself, variant by variant. There is
//! deliberately no conversion from `anyhow` or `Box<dyn Error>`: a text that nobody thought about never reaches a client.

use std::fmt;

/// A five-character code from PostgreSQL's appendix A, "PostgreSQL Error Codes".
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState(pub &'static str);

#[rustfmt::skip]
#[expect(missing_docs, reason = "each is named as PostgreSQL's appendix names it")]
impl SqlState {
    pub const PROTOCOL_VIOLATION: Self = Self("08P01");
    pub const CONNECTION_FAILURE: Self = Self("08006");
    pub const FEATURE_NOT_SUPPORTED: Self = Self("0A000");
    pub const CARDINALITY_VIOLATION: Self = Self("21000");
    pub const DATA_EXCEPTION: Self = Self("22000");
    pub const NUMERIC_VALUE_OUT_OF_RANGE: Self = Self("22003");
    pub const INVALID_DATETIME_FORMAT: Self = Self("22007");
    pub const DATETIME_FIELD_OVERFLOW: Self = Self("22008");
    pub const DIVISION_BY_ZERO: Self = Self("22012");
    pub const CHARACTER_NOT_IN_REPERTOIRE: Self = Self("22021");
    pub const INVALID_REGULAR_EXPRESSION: Self = Self("2201B");
    pub const INVALID_PARAMETER_VALUE: Self = Self("22023");
    pub const INVALID_ESCAPE_SEQUENCE: Self = Self("22025");
    pub const INVALID_TEXT_REPRESENTATION: Self = Self("22P02");
    pub const INVALID_BINARY_REPRESENTATION: Self = Self("22P03");
    pub const ACTIVE_SQL_TRANSACTION: Self = Self("25001");
    pub const READ_ONLY_SQL_TRANSACTION: Self = Self("25006");
    pub const NO_ACTIVE_SQL_TRANSACTION: Self = Self("25P01");
    pub const IN_FAILED_SQL_TRANSACTION: Self = Self("25P02");
    pub const INVALID_SQL_STATEMENT_NAME: Self = Self("26000");
    pub const INVALID_AUTHORIZATION: Self = Self("28000");
    pub const INVALID_PASSWORD: Self = Self("28P01");
    pub const INVALID_CURSOR_NAME: Self = Self("34000");
    pub const INVALID_CATALOG_NAME: Self = Self("3D000");
    pub const INVALID_SAVEPOINT: Self = Self("3B001");
    pub const INVALID_SCHEMA_NAME: Self = Self("3F000");
    pub const INSUFFICIENT_PRIVILEGE: Self = Self("42501");
    pub const SYNTAX_ERROR: Self = Self("42601");
    pub const INVALID_COLUMN_REFERENCE: Self = Self("42P10");
    pub const UNDEFINED_COLUMN: Self = Self("42703");
    pub const AMBIGUOUS_COLUMN: Self = Self("42702");
    pub const UNDEFINED_OBJECT: Self = Self("42704");
    pub const DUPLICATE_ALIAS: Self = Self("42712");
    pub const GROUPING_ERROR: Self = Self("42803");
    pub const DATATYPE_MISMATCH: Self = Self("42804");
    pub const UNDEFINED_FUNCTION: Self = Self("42883");
    pub const UNDEFINED_TABLE: Self = Self("42P01");
    pub const UNDEFINED_PARAMETER: Self = Self("42P02");
    pub const DUPLICATE_CURSOR: Self = Self("42P03");
    pub const DUPLICATE_PREPARED_STATEMENT: Self = Self("42P05");
    pub const CANT_CHANGE_RUNTIME_PARAM: Self = Self("55P02");
    pub const OUT_OF_MEMORY: Self = Self("53200");
    pub const TOO_MANY_CONNECTIONS: Self = Self("53300");
    pub const CONFIGURATION_LIMIT_EXCEEDED: Self = Self("53400");
    pub const PROGRAM_LIMIT_EXCEEDED: Self = Self("54000");
    pub const STATEMENT_TOO_COMPLEX: Self = Self("54001");
    pub const TOO_MANY_COLUMNS: Self = Self("54011");
    pub const QUERY_CANCELED: Self = Self("57014");
    pub const ADMIN_SHUTDOWN: Self = Self("57P01");
    pub const CANNOT_CONNECT_NOW: Self = Self("57P03");
    pub const SYSTEM_ERROR: Self = Self("58000");
    pub const INTERNAL_ERROR: Self = Self("XX000");
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// How bad it is: an ERROR ends the statement, a FATAL one the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The statement fails; the session goes on.
    Error,
    /// The connection ends.
    Fatal,
    /// Something to know; nothing failed.
    Notice,
    /// Something to worry about; nothing failed.
    Warning,
}

impl Severity {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Notice => "NOTICE",
            Self::Warning => "WARNING",
        }
    }
}

/// One error or notice, ready for the wire ("Error and Notice Message Fields" in PostgreSQL's protocol chapter).
///
/// INVARIANT: every text in it may be read by the client it is sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorReport {
    /// ERROR, FATAL, NOTICE …
    pub severity: Severity,
    /// The code that tools act on.
    pub sqlstate: SqlState,
    /// Lower case, no full stop.
    pub message: String,
    /// Why, as sentences.
    pub detail: Option<String>,
    /// What to do instead, as sentences.
    pub hint: Option<String>,
    /// Where in the statement: characters, the first is 1.
    pub position: Option<usize>,
}

impl ErrorReport {
    /// An ERROR with a code and a message.
    pub fn new(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, sqlstate, message: message.into(), detail: None, hint: None, position: None }
    }

    /// The same, FATAL.
    pub fn fatal(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self { severity: Severity::Fatal, ..Self::new(sqlstate, message) }
    }

    /// A NOTICE (`00000`).
    pub fn notice(message: impl Into<String>) -> Self {
        Self { severity: Severity::Notice, ..Self::new(SqlState("00000"), message) }
    }

    /// Adds why.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds what to do instead.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds where: a character offset that starts at 1.
    #[must_use]
    pub fn at(mut self, position: Option<usize>) -> Self {
        self.position = position;
        self
    }
}

impl fmt::Display for ErrorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.severity.as_str(), self.sqlstate, self.message)
    }
}

impl std::error::Error for ErrorReport {}
