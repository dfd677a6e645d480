//! What the engine says when it fails, in PostgreSQL's words and codes.
//!
//! All of these texts come from above the barrier: they can speak of governed rows only. What fails inside a barrier
//! arrives as a [`BarrierError`] and says no more than that.

use super::barrier::BarrierError;
use super::source::SourceError;
use super::verify::VerifyError;
use crate::error::{ErrorReport, SqlState};
use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};

/// Why the engine did not run a statement, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The plan could not be proved to be governed.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The engine's planner or an operator failed.
    #[error(transparent)]
    Engine(#[from] DataFusionError),
    /// A dataset's files can't be used.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A policy's own expression can't be planned. The text is the policy author's and stays in the log.
    #[error("a policy expression for {dataset} can't be planned: {problem}")]
    PolicyExpression {
        /// The dataset.
        dataset: String,
        /// What the planner said of it.
        problem: String,
    },
    /// A parameter's bytes are no value of its type.
    #[error("parameter ${number} is no {type_name}")]
    Parameter {
        /// Which one, from 1.
        number: usize,
        /// The type it should be of.
        type_name: String,
        /// Whether it came in binary form.
        binary: bool,
    },
    /// A parameter's type can't be bound.
    #[error("parameter ${number} has type {type_name}, which can't be bound")]
    ParameterType {
        /// Which one, from 1.
        number: usize,
        /// The type.
        type_name: String,
    },
    /// The task that ran the statement ended without an answer.
    #[error("the engine's task ended")]
    TaskEnded,
}

impl EngineError {
    /// What the client is told.
    pub fn report(&self) -> ErrorReport {
        match self {
            Self::Verify(error) => {
                tracing::error!(%error, "a plan could not be verified");
                ErrorReport::new(SqlState::INTERNAL_ERROR, "the statement could not be verified and was not run")
                    .with_hint("Simplify the statement; the gateway's log names this decision.")
            }
            Self::Engine(error) => report(error),
            Self::Source(error) => {
                tracing::error!(%error, "a dataset can't be read");
                ErrorReport::new(SqlState::SYSTEM_ERROR, "a dataset can't be read at the moment")
            }
            Self::PolicyExpression { dataset, problem } => {
                tracing::error!(dataset, problem, "a policy expression can't be planned");
                ErrorReport::new(SqlState::SYSTEM_ERROR, format!("a policy for {dataset} can't be applied"))
                    .with_hint("Tell the dataset's steward: a row filter or a mask expression is wrong.")
            }
            Self::Parameter { number, type_name, binary: false } => ErrorReport::new(
                SqlState::INVALID_TEXT_REPRESENTATION,
                format!("invalid input syntax for type {type_name} in parameter ${number}"),
            ),
            Self::Parameter { number, type_name, binary: true } => ErrorReport::new(
                SqlState::INVALID_BINARY_REPRESENTATION,
                format!("incorrect binary data format for type {type_name} in parameter ${number}"),
            ),
            Self::ParameterType { number, type_name } => ErrorReport::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("parameter ${number} has type {type_name}, which the gateway can't bind"),
            )
            .with_hint("Cast it: $1::text, $1::bigint, $1::timestamp …"),
            Self::TaskEnded => ErrorReport::new(SqlState::INTERNAL_ERROR, "the engine stopped unexpectedly"),
        }
    }
}

/// What the client is told of an engine's error above the barrier.
pub(super) fn report(error: &DataFusionError) -> ErrorReport {
    match error {
        DataFusionError::ArrowError(error, _) => arrow_report(error),
        DataFusionError::ParquetError(_) | DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) => {
            tracing::error!(%error, "the engine could not read or write");
            ErrorReport::new(SqlState::SYSTEM_ERROR, "the engine could not read its files")
        }
        DataFusionError::SQL(error, _) => ErrorReport::new(SqlState::SYNTAX_ERROR, lower(&error.to_string())),
        DataFusionError::NotImplemented(text) => unsupported(text),
        DataFusionError::Plan(text) => plan_report(text),
        DataFusionError::SchemaError(error, _) => schema_report(error),
        DataFusionError::Execution(text) => execution_report(text),
        DataFusionError::ResourcesExhausted(_) => out_of_memory(),
        DataFusionError::External(external) => match external.downcast_ref::<BarrierError>() {
            Some(BarrierError { out_of_memory: true, .. }) => out_of_memory(),
            Some(BarrierError { dataset, .. }) => {
                ErrorReport::new(SqlState::SYSTEM_ERROR, format!("could not read {dataset}"))
                    .with_hint("Try again; if it stays so, tell the dataset's steward.")
            }
            // Functions of the gateway's own say what a client is told.
            None => match (external.downcast_ref::<ErrorReport>(), external.downcast_ref::<ArrowError>()) {
                (Some(report), _) => report.clone(),
                (None, Some(error)) => arrow_report(error),
                (None, None) => internal(error),
            },
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => report(inner),
        DataFusionError::Shared(inner) => report(inner),
        DataFusionError::Collection(errors) => errors.first().map_or_else(|| internal(error), report),
        DataFusionError::Internal(_)
        | DataFusionError::Configuration(_)
        | DataFusionError::ExecutionJoin(_)
        | DataFusionError::Substrait(_)
        | DataFusionError::Ffi(_) => internal(error),
    }
}

fn internal(error: &DataFusionError) -> ErrorReport {
    if error.strip_backtrace().contains("regex parse error") {
        return ErrorReport::new(SqlState::INVALID_REGULAR_EXPRESSION, "invalid regular expression");
    }
    // What the planner says of a call that it knows in no form at all.
    if error.strip_backtrace().contains("No functions registered with this context") {
        return unsupported("a function in this form");
    }
    if let Some(report) = wrong_types(&error.strip_backtrace()) {
        return report;
    }
    tracing::error!(error = %error.strip_backtrace(), "the engine failed");
    ErrorReport::new(SqlState::INTERNAL_ERROR, "the engine could not run the statement")
        .with_hint("Simplify the statement: the engine has a fault with this shape.")
}

/// Types that the engine finds out too late that it can't do with: it calls that its own fault.
fn wrong_types(text: &str) -> Option<ErrorReport> {
    if let Some((before, _)) = text.split_once(" failed to match any signature") {
        let function = before.rsplit('\'').nth(1)?;
        let message = format!("function {function} over files does not take arguments of these types");
        return Some(
            ErrorReport::new(SqlState::UNDEFINED_FUNCTION, message).with_hint("Cast the arguments to other types."),
        );
    }
    text.contains("Cannot run range queries on datatype").then(|| unsupported("a window frame by RANGE over this type"))
}

fn out_of_memory() -> ErrorReport {
    ErrorReport::new(SqlState::OUT_OF_MEMORY, "out of memory for this statement")
        .with_hint("Filter or aggregate earlier, join fewer rows, or sort fewer columns.")
}

fn unsupported(text: &str) -> ErrorReport {
    ErrorReport::new(SqlState::FEATURE_NOT_SUPPORTED, format!("not supported by the engine: {}", clean(text)))
}

fn arrow_report(error: &ArrowError) -> ErrorReport {
    match error {
        ArrowError::DivideByZero => ErrorReport::new(SqlState::DIVISION_BY_ZERO, "division by zero"),
        ArrowError::ArithmeticOverflow(_) => {
            ErrorReport::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range")
        }
        // A number that is no number of the other type; texts are "Cannot cast string".
        ArrowError::CastError(text) if text.starts_with("Can't cast value") => {
            ErrorReport::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, lower(&clean(text)))
        }
        ArrowError::CastError(text) | ArrowError::ParseError(text) => {
            ErrorReport::new(SqlState::INVALID_TEXT_REPRESENTATION, lower(&clean(text)))
        }
        ArrowError::ComputeError(text) | ArrowError::InvalidArgumentError(text) => {
            ErrorReport::new(SqlState::DATA_EXCEPTION, lower(&clean(text)))
        }
        ArrowError::NotYetImplemented(text) => unsupported(text),
        ArrowError::MemoryError(_) => out_of_memory(),
        ArrowError::ExternalError(external) => match external.downcast_ref::<DataFusionError>() {
            Some(error) => report(error),
            None => unexplained(error),
        },
        ArrowError::SchemaError(_)
        | ArrowError::CsvError(_)
        | ArrowError::JsonError(_)
        | ArrowError::AvroError(_)
        | ArrowError::IoError(..)
        | ArrowError::IpcError(_)
        | ArrowError::ParquetError(_)
        | ArrowError::CDataInterface(_)
        | ArrowError::DictionaryKeyOverflowError
        | ArrowError::RunEndIndexOverflowError
        | ArrowError::OffsetOverflowError(_) => unexplained(error),
    }
}

fn unexplained(error: &ArrowError) -> ErrorReport {
    tracing::error!(%error, "the engine failed");
    ErrorReport::new(SqlState::INTERNAL_ERROR, "the engine could not run the statement")
}

fn schema_report(error: &SchemaError) -> ErrorReport {
    match error {
        SchemaError::FieldNotFound { field, .. } => {
            ErrorReport::new(SqlState::UNDEFINED_COLUMN, format!("column \"{}\" does not exist", field.name))
        }
        SchemaError::AmbiguousReference { field } => {
            ErrorReport::new(SqlState::AMBIGUOUS_COLUMN, format!("column reference \"{}\" is ambiguous", field.name))
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            ErrorReport::new(SqlState::FEATURE_NOT_SUPPORTED, format!("two columns are both named \"{name}\""))
                .with_hint("Give one of them another name with AS.")
        }
    }
}

/// Planner errors, by what PostgreSQL would call them.
fn plan_report(text: &str) -> ErrorReport {
    if let Some(report) = wrong_types(text) {
        return report;
    }
    let message = lower(&clean(text));
    let state = if message.contains("must appear in the group by clause")
        || message.contains("group by")
        || message.contains("aggregate")
    {
        SqlState::GROUPING_ERROR
    } else if message.contains("function") {
        SqlState::UNDEFINED_FUNCTION
    } else if message.contains("coerce") || message.contains("type") || message.contains("cast") {
        SqlState::DATATYPE_MISMATCH
    } else if message.contains("not supported")
        || message.contains("unsupported")
        || message.contains("not implemented")
        || message.starts_with("window")
    {
        SqlState::FEATURE_NOT_SUPPORTED
    } else {
        SqlState::SYNTAX_ERROR
    };
    ErrorReport::new(state, message)
}

fn execution_report(text: &str) -> ErrorReport {
    let message = lower(&clean(text));
    let state = if message.contains("scalar subquery returned more than one row") {
        let message = "more than one row returned by a subquery used as an expression";
        return ErrorReport::new(SqlState::CARDINALITY_VIOLATION, message);
    } else if message.contains("divide by zero") {
        return ErrorReport::new(SqlState::DIVISION_BY_ZERO, "division by zero");
    } else if message.contains("overflow") || message.contains("out of range") {
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE
    } else if message.contains("timestamp") || message.contains("date") {
        SqlState::INVALID_DATETIME_FORMAT
    } else if message.contains("pars") || message.contains("cast") {
        SqlState::INVALID_TEXT_REPRESENTATION
    } else {
        SqlState::DATA_EXCEPTION
    };
    ErrorReport::new(state, message)
}

/// An engine's text without the names that the rewriter gave relations and without advice meant for engine developers.
fn clean(text: &str) -> String {
    let first = text.split("\n").next().unwrap_or_default();
    let first = first.split("\n\nbacktrace").next().unwrap_or_default();
    if first.contains("__querygate") {
        return "the statement does not fit the relations that it names".to_owned();
    }
    first
        .replace("DataFusion", "the engine")
        .replace("Utf8View", "text")
        .replace("LargeUtf8", "text")
        .replace("Utf8", "text")
        .trim()
        .to_owned()
}

fn lower(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect::<String>().trim_end_matches('.').to_owned(),
        None => "the engine refused the statement".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_postgresqls() {
        let by_zero = DataFusionError::ArrowError(Box::new(ArrowError::DivideByZero), None);
        assert_eq!(report(&by_zero).sqlstate, SqlState::DIVISION_BY_ZERO);
        let cast = ArrowError::CastError("Cannot cast string 'x' to value of Int64 type".into());
        assert_eq!(
            report(&DataFusionError::ArrowError(Box::new(cast), None)).sqlstate,
            SqlState::INVALID_TEXT_REPRESENTATION
        );
    }

    #[test]
    fn types_that_the_engine_does_not_take_are_no_fault_of_its_own() {
        let late = "Function 'date_trunc' failed to match any signature, errors: Error during planning: …";
        let told = report(&DataFusionError::Internal(late.into()));
        assert_eq!(told.sqlstate, SqlState::UNDEFINED_FUNCTION);
        assert!(told.message.contains("date_trunc") && !told.message.contains("signature"), "{}", told.message);
        let told = report(&DataFusionError::Plan(format!("Internal error: {late}")));
        assert_eq!(told.sqlstate, SqlState::UNDEFINED_FUNCTION);
        let frame = "Cannot run range queries on datatype: Binary".to_owned();
        assert_eq!(report(&DataFusionError::Internal(frame)).sqlstate, SqlState::FEATURE_NOT_SUPPORTED);
        assert_eq!(report(&DataFusionError::Internal("else".into())).sqlstate, SqlState::INTERNAL_ERROR);
    }

    #[test]
    fn what_fails_inside_a_barrier_says_no_more_than_that() {
        let inside = BarrierError { dataset: "public.people".into_name(), out_of_memory: false };
        let report = report(&DataFusionError::External(Box::new(inside)));
        assert_eq!(report.sqlstate, SqlState::SYSTEM_ERROR);
        assert_eq!(report.message, "could not read public.people");
        assert_eq!(report.detail, None);
    }

    trait IntoName {
        fn into_name(self) -> crate::types::DatasetName;
    }

    impl IntoName for &str {
        fn into_name(self) -> crate::types::DatasetName {
            crate::types::DatasetName::parse(self).unwrap()
        }
    }

    #[test]
    fn names_of_the_rewriter_do_not_show() {
        assert!(!plan_report("table __querygate.r0 is odd").message.contains("__querygate"));
    }
}
