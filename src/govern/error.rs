//! What resolving and governing refuse, and how a client is told.
//!
//! No text here may name a relation or column that its reader can not see.

use crate::error::{ErrorReport, SqlState};
use crate::types::DatasetName;
use sqlparser::tokenizer::Span;

/// A place in the statement's text: line and column, both from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// The line, from 1.
    pub line: u64,
    /// The column in characters, from 1.
    pub column: u64,
}

impl Location {
    /// Where a span begins; `None` for a node that the parser made without one.
    pub fn of(span: Span) -> Option<Self> {
        (span.start.line > 0).then_some(Self { line: span.start.line, column: span.start.column })
    }

    /// The place as PostgreSQL counts it: characters of the whole text, from 1.
    pub fn position_in(self, text: &str) -> Option<usize> {
        let (mut line, mut column) = (1_u64, 1_u64);
        let mut position = 1_usize;
        for character in text.chars() {
            if line == self.line && column == self.column {
                return Some(position);
            }
            position = position.checked_add(1)?;
            if character == '\n' {
                line = line.checked_add(1)?;
                column = 1;
            } else {
                column = column.checked_add(1)?;
            }
        }
        (line == self.line && column == self.column).then_some(position)
    }
}

/// Why a statement could not be resolved, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct ResolveError {
    /// What is wrong.
    pub fault: ResolveFault,
    /// Where, if the parser kept it.
    pub at: Option<Location>,
}

/// The faults that resolving finds. The texts are PostgreSQL's where it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveFault {
    /// Syntax or a use of it that the gateway does not understand: 0A000.
    #[error("{what} is not supported")]
    NotSupported {
        /// What was found.
        what: String,
        /// What works instead, as sentences.
        hint: String,
    },
    /// The parser took it, PostgreSQL's grammar does not: 42601.
    #[error("{0}")]
    Syntax(String),
    /// No such relation, or none that its user may know of: 42P01.
    #[error("relation \"{name}\" does not exist")]
    UndefinedRelation {
        /// As it was written.
        name: String,
        /// A visible name that is near.
        suggestion: Option<String>,
    },
    /// No such column in scope: 42703. The name is quoted unless it is qualified, as PostgreSQL does it.
    #[error("column {name} does not exist")]
    UndefinedColumn {
        /// `"x"` or `t.x`.
        name: String,
        /// A visible name that is near.
        suggestion: Option<String>,
    },
    /// More than one column in scope: 42702.
    #[error("column reference \"{0}\" is ambiguous")]
    AmbiguousColumn(String),
    /// More than one relation of that name in scope: 42P09.
    #[error("table reference \"{0}\" is ambiguous")]
    AmbiguousAlias(String),
    /// A qualified name whose relation is not in scope: 42P01.
    #[error("missing FROM-clause entry for table \"{0}\"")]
    MissingFrom(String),
    /// 42712.
    #[error("table name \"{0}\" specified more than once")]
    DuplicateAlias(String),
    /// 42712.
    #[error("WITH query name \"{0}\" specified more than once")]
    DuplicateCte(String),
    /// No such function, or one that is not on the allow-list: 42883.
    #[error("function {name}(...) does not exist")]
    UndefinedFunction {
        /// As it was written.
        name: String,
        /// An allowed name that is near.
        suggestion: Option<String>,
    },
    /// No such type, window or collation: 42704.
    #[error("{0} does not exist")]
    UndefinedObject(String),
    /// A wrong ordinal, a wrong column list, USING of a column that is not there: 42P10.
    #[error("{0}")]
    InvalidReference(String),
    /// Aggregates where there can be none, or nested: 42803.
    #[error("{0}")]
    Grouping(String),
    /// Another database than the connection's: 0A000.
    #[error("cross-database references are not implemented: \"{0}\"")]
    CrossDatabase(String),
    /// A column that its user's decision denies was named: 42501, written by the pipeline with its reasons.
    #[error("permission denied for column \"{column}\" of table \"{}\"", dataset.name())]
    DeniedColumn {
        /// Its dataset.
        dataset: DatasetName,
        /// Its name.
        column: String,
    },
    /// Nested too deeply, or too long: 54001.
    #[error("statement too complex")]
    TooComplex,
}

impl ResolveFault {
    /// The same, at a place.
    pub fn at(self, at: Option<Location>) -> ResolveError {
        ResolveError { fault: self, at }
    }
}

impl From<ResolveFault> for ResolveError {
    fn from(fault: ResolveFault) -> Self {
        fault.at(None)
    }
}

impl ResolveError {
    /// What the client is told, without a position.
    pub fn report(&self) -> ErrorReport {
        let report = ErrorReport::new(self.sqlstate(), self.to_string());
        match &self.fault {
            ResolveFault::NotSupported { hint, .. } => report.with_hint(hint.clone()),
            ResolveFault::UndefinedRelation { suggestion: Some(name), .. }
            | ResolveFault::UndefinedColumn { suggestion: Some(name), .. } => {
                report.with_hint(format!("Perhaps you meant to reference \"{name}\"."))
            }
            ResolveFault::UndefinedFunction { suggestion: Some(name), .. } => report
                .with_hint(format!("Perhaps you meant {name}. Only functions on the gateway's list can be called.")),
            ResolveFault::UndefinedFunction { suggestion: None, .. } => {
                report.with_hint("Only functions on the gateway's list can be called.")
            }
            ResolveFault::CrossDatabase(_) => report.with_hint("Name the relation as schema.name."),
            ResolveFault::DeniedColumn { .. } => report.with_hint("Leave the column out of the statement."),
            ResolveFault::TooComplex => report.with_hint(
                "Split the statement, or use fewer nested parentheses and fewer references to WITH queries.",
            ),
            ResolveFault::Syntax(_)
            | ResolveFault::UndefinedRelation { suggestion: None, .. }
            | ResolveFault::UndefinedColumn { suggestion: None, .. }
            | ResolveFault::AmbiguousColumn(_)
            | ResolveFault::AmbiguousAlias(_)
            | ResolveFault::MissingFrom(_)
            | ResolveFault::DuplicateAlias(_)
            | ResolveFault::DuplicateCte(_)
            | ResolveFault::UndefinedObject(_)
            | ResolveFault::InvalidReference(_)
            | ResolveFault::Grouping(_) => report,
        }
    }

    /// What the client is told, with the position in the text that it sent.
    pub fn report_in(&self, text: &str) -> ErrorReport {
        self.report().at(self.at.and_then(|at| at.position_in(text)))
    }

    /// The code.
    pub fn sqlstate(&self) -> SqlState {
        match &self.fault {
            ResolveFault::NotSupported { .. } | ResolveFault::CrossDatabase(_) => SqlState::FEATURE_NOT_SUPPORTED,
            ResolveFault::Syntax(_) => SqlState::SYNTAX_ERROR,
            ResolveFault::UndefinedRelation { .. } | ResolveFault::MissingFrom(_) => SqlState::UNDEFINED_TABLE,
            ResolveFault::UndefinedColumn { .. } => SqlState::UNDEFINED_COLUMN,
            ResolveFault::AmbiguousColumn(_) => SqlState::AMBIGUOUS_COLUMN,
            ResolveFault::AmbiguousAlias(_) => SqlState("42P09"),
            ResolveFault::DuplicateAlias(_) | ResolveFault::DuplicateCte(_) => SqlState::DUPLICATE_ALIAS,
            ResolveFault::UndefinedFunction { .. } => SqlState::UNDEFINED_FUNCTION,
            ResolveFault::UndefinedObject(_) => SqlState::UNDEFINED_OBJECT,
            ResolveFault::InvalidReference(_) => SqlState::INVALID_COLUMN_REFERENCE,
            ResolveFault::Grouping(_) => SqlState::GROUPING_ERROR,
            ResolveFault::DeniedColumn { .. } => SqlState::INSUFFICIENT_PRIVILEGE,
            ResolveFault::TooComplex => SqlState("54001"),
        }
    }
}

/// Why a resolved statement could not be governed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GovernError {
    /// A policy's row filter or mask is not usable: 58000. It names the policy and nothing of the hidden rows.
    #[error("policy {policy} can not be applied to table \"{}\"", dataset.name())]
    Policy {
        /// Whose expression it is.
        policy: String,
        /// Which dataset.
        dataset: DatasetName,
        /// What is wrong, for the operator's log; not for clients.
        problem: String,
    },
    /// The statement shows single entities of a dataset that may be read in groups alone: 42501.
    #[error("permission denied for table \"{}\"", dataset.name())]
    GroupSize {
        /// Which dataset.
        dataset: DatasetName,
        /// The fewest entities in a group.
        least: u64,
        /// What in the statement blocks, as a sentence.
        problem: String,
        /// What to write instead, as a sentence; `None`: an aggregate.
        instead: Option<String>,
    },
    /// A column that may be seen masked at most, or that the catalog does not list, may not be written: 42501.
    #[error("permission denied for column \"{column}\" of table \"{}\"", dataset.name())]
    NotWritable {
        /// Which dataset.
        dataset: DatasetName,
        /// Which column.
        column: String,
        /// Whether the catalog lists it.
        is_listed: bool,
    },
    /// A relation that nobody can write to through the gateway: 0A000.
    #[error("writing to \"{}\" is not supported", relation.name())]
    NotWritten {
        /// Which relation.
        relation: DatasetName,
        /// Why.
        why: NotWritten,
    },
    /// A dataset without a decision: the pipeline's own fault, XX000.
    #[error("no decision for a relation of the statement")]
    Undecided(DatasetName),
    /// The tree is not what resolving made: XX000.
    #[error("statement could not be governed")]
    Broken(&'static str),
}

/// Why nobody can write to a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotWritten {
    /// It is made by the gateway.
    System,
    /// It lies in files.
    Files,
}

impl GovernError {
    /// What the client is told.
    pub fn report(&self) -> ErrorReport {
        let message = self.to_string();
        match self {
            Self::Policy { .. } => ErrorReport::new(SqlState::SYSTEM_ERROR, message)
                .with_detail("An expression of the policy is not valid; the statement was not run.")
                .with_hint("Ask the owner of the policy to run querygate check."),
            Self::GroupSize { least, problem, instead, .. } => {
                let aggregate = || {
                    format!(
                        "Use an aggregate over at least {least} entities in each group, such as count, sum or avg of a \
                         column, in the query block that reads the table."
                    )
                };
                ErrorReport::new(SqlState::INSUFFICIENT_PRIVILEGE, message)
                    .with_detail(problem.clone())
                    .with_hint(instead.clone().unwrap_or_else(aggregate))
            }
            Self::NotWritable { is_listed, .. } => ErrorReport::new(SqlState::INSUFFICIENT_PRIVILEGE, message)
                .with_detail(if *is_listed {
                    "Values of this column are masked for you, so you may not set them."
                } else {
                    "The gateway's catalog does not list this column, so nobody has said what may be done with it."
                })
                .with_hint("Leave the column out: a new row gets its default, an old row keeps its value."),
            Self::NotWritten { why, .. } => {
                ErrorReport::new(SqlState::FEATURE_NOT_SUPPORTED, message).with_hint(match why {
                    NotWritten::System => "It shows what the gateway knows; there is nothing to write.",
                    NotWritten::Files => {
                        "The dataset lies in files, which the gateway only reads: files of others are never rewritten. \
                     Datasets of PostgreSQL sources can be written where a policy grants it."
                    }
                })
            }
            Self::Undecided(_) | Self::Broken(_) => ErrorReport::new(SqlState::INTERNAL_ERROR, message),
        }
    }
}

/// A refusal by name: what was found, and what works instead.
pub(super) fn refuse(what: impl Into<String>, hint: impl Into<String>) -> ResolveFault {
    ResolveFault::NotSupported { what: what.into(), hint: hint.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_counts_characters_over_lines() {
        let text = "SELECT 'ä'\nFROM x";
        assert_eq!(Location { line: 1, column: 1 }.position_in(text), Some(1));
        assert_eq!(Location { line: 2, column: 6 }.position_in(text), Some(17));
        assert_eq!(Location { line: 2, column: 7 }.position_in(text), Some(18));
        assert_eq!(Location { line: 5, column: 1 }.position_in(text), None);
    }
}
