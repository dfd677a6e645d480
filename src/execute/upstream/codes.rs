//! The codes that an upstream's errors may carry on to a client, and what they mean in words of our own.

use crate::error::SqlState;

/// Codes that a client may act on, with what they mean ("PostgreSQL Error Codes", appendix A).
const KNOWN: &[(SqlState, &str)] = &[
    (SqlState("21000"), "a subquery gave more than one row"),
    (SqlState::DATA_EXCEPTION, "data exception"),
    (SqlState("22001"), "a value is too long"),
    (SqlState("22004"), "a null value where none may be"),
    (SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "numeric value out of range"),
    (SqlState::INVALID_DATETIME_FORMAT, "invalid datetime format"),
    (SqlState::DATETIME_FIELD_OVERFLOW, "datetime field overflow"),
    (SqlState("22009"), "invalid time zone displacement"),
    (SqlState("22011"), "substring error"),
    (SqlState::DIVISION_BY_ZERO, "division by zero"),
    (SqlState("22013"), "invalid preceding or following size"),
    (SqlState("22014"), "invalid argument for ntile"),
    (SqlState("22016"), "invalid argument for nth_value"),
    (SqlState::INVALID_REGULAR_EXPRESSION, "invalid regular expression"),
    (SqlState("2201E"), "invalid argument for logarithm"),
    (SqlState("2201F"), "invalid argument for power function"),
    (SqlState("2201G"), "invalid argument for width bucket function"),
    (SqlState("2201W"), "invalid row count in limit clause"),
    (SqlState("2201X"), "invalid row count in offset clause"),
    (SqlState::CHARACTER_NOT_IN_REPERTOIRE, "character not in repertoire"),
    (SqlState::INVALID_PARAMETER_VALUE, "invalid parameter value"),
    (SqlState::INVALID_ESCAPE_SEQUENCE, "invalid escape sequence"),
    (SqlState("2202E"), "array subscript error"),
    (SqlState("22030"), "duplicate JSON object key value"),
    (SqlState("22032"), "invalid JSON text"),
    (SqlState("22033"), "invalid SQL/JSON subscript"),
    (SqlState("22P01"), "floating point exception"),
    (SqlState::INVALID_TEXT_REPRESENTATION, "invalid text representation"),
    (SqlState::INVALID_BINARY_REPRESENTATION, "invalid binary representation"),
    (SqlState("22P05"), "untranslatable character"),
    (SqlState("23000"), "integrity constraint violation"),
    (SqlState("23502"), "not null violation"),
    (SqlState("23503"), "foreign key violation"),
    (SqlState("23505"), "unique violation"),
    (SqlState("23514"), "check violation"),
    (SqlState("23P01"), "exclusion violation"),
    (SqlState("24000"), "invalid cursor state"),
    (SqlState::ACTIVE_SQL_TRANSACTION, "a transaction is in progress"),
    (SqlState::READ_ONLY_SQL_TRANSACTION, "the transaction is read-only"),
    (SqlState::NO_ACTIVE_SQL_TRANSACTION, "no transaction is in progress"),
    (SqlState::IN_FAILED_SQL_TRANSACTION, "the transaction has failed"),
    (SqlState("25P03"), "the transaction was idle for too long"),
    (SqlState::INVALID_SQL_STATEMENT_NAME, "invalid statement name"),
    (SqlState::INVALID_CURSOR_NAME, "invalid cursor name"),
    (SqlState::INVALID_SAVEPOINT, "invalid savepoint"),
    (SqlState("40001"), "serialization failure"),
    (SqlState("40P01"), "deadlock detected"),
    (SqlState::INSUFFICIENT_PRIVILEGE, "the gateway's own login lacks a privilege"),
    (SqlState::SYNTAX_ERROR, "syntax error"),
    (SqlState("42000"), "syntax error or access rule violation"),
    (SqlState("42702"), "ambiguous column"),
    (SqlState("42725"), "ambiguous function"),
    (SqlState("42809"), "wrong object type"),
    (SqlState("42P10"), "invalid column reference"),
    (SqlState("42P17"), "invalid object definition"),
    (SqlState("42P19"), "invalid recursion"),
    (SqlState("42P20"), "windowing error"),
    (SqlState("42P21"), "collation mismatch"),
    (SqlState("55000"), "an object is not in the state that this needs"),
    (SqlState::UNDEFINED_COLUMN, "undefined column"),
    (SqlState::UNDEFINED_OBJECT, "undefined object"),
    (SqlState::GROUPING_ERROR, "grouping error"),
    (SqlState::DATATYPE_MISMATCH, "datatype mismatch"),
    (SqlState("42846"), "cannot coerce"),
    (SqlState::UNDEFINED_FUNCTION, "undefined function"),
    (SqlState::UNDEFINED_TABLE, "undefined table"),
    (SqlState("42P18"), "indeterminate datatype"),
    (SqlState("42P22"), "indeterminate collation"),
    (SqlState("53100"), "disk full"),
    (SqlState::OUT_OF_MEMORY, "out of memory"),
    (SqlState::TOO_MANY_CONNECTIONS, "too many connections"),
    (SqlState::CONFIGURATION_LIMIT_EXCEEDED, "configuration limit exceeded"),
    (SqlState::PROGRAM_LIMIT_EXCEEDED, "program limit exceeded"),
    (SqlState::STATEMENT_TOO_COMPLEX, "statement too complex"),
    (SqlState::TOO_MANY_COLUMNS, "too many columns"),
    (SqlState("54023"), "too many arguments"),
    (SqlState("55P03"), "lock not available"),
    (SqlState::QUERY_CANCELED, "query canceled"),
    (SqlState::ADMIN_SHUTDOWN, "admin shutdown"),
    (SqlState("57P02"), "crash shutdown"),
    (SqlState::CANNOT_CONNECT_NOW, "cannot connect now"),
    (SqlState::SYSTEM_ERROR, "system error"),
    (SqlState("58030"), "input or output error"),
    (SqlState::FEATURE_NOT_SUPPORTED, "feature not supported"),
];

/// What a class of codes becomes where the code itself is not known.
const CLASSES: &[(&str, SqlState)] = &[
    ("08", SqlState::CONNECTION_FAILURE),
    ("0A", SqlState::FEATURE_NOT_SUPPORTED),
    ("22", SqlState::DATA_EXCEPTION),
    ("23", SqlState("23000")),
    // Whom it does not let in is the gateway, not its client.
    ("28", SqlState::CONNECTION_FAILURE),
    ("3D", SqlState::CONNECTION_FAILURE),
    ("42", SqlState("42000")),
    ("53", SqlState("53000")),
    ("54", SqlState::PROGRAM_LIMIT_EXCEEDED),
    ("55", SqlState("55000")),
    ("57", SqlState::CONNECTION_FAILURE),
    ("58", SqlState::SYSTEM_ERROR),
];

/// The code that a client is told for one of an upstream's.
pub(super) fn known(code: &str) -> SqlState {
    let exact = KNOWN.iter().map(|(known, _)| *known).find(|known| known.0 == code);
    let of_class = || CLASSES.iter().find(|(class, _)| code.len() == 5 && code.starts_with(class));
    exact.or_else(|| of_class().map(|(_, code)| *code)).unwrap_or(SqlState::INTERNAL_ERROR)
}

/// What a code means.
pub(super) fn class(code: SqlState) -> Option<&'static str> {
    KNOWN.iter().find(|(known, _)| *known == code).map(|(_, meaning)| *meaning)
}
