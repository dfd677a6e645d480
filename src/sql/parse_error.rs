//! Why a text was not taken, and what its sender is told.

use super::bounds::Exceeded;
use crate::error::{ErrorReport, SqlState};

/// Why a query string was refused. Its texts may quote the query string, so they are for its sender alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// PostgreSQL's own grammar refuses it.
    #[error("{message}")]
    Syntax {
        /// PostgreSQL's message.
        message: String,
        /// Where: characters, the first is 1.
        position: Option<usize>,
    },
    /// PostgreSQL would take it, the gateway does not.
    #[error("{what} is not supported by the gateway yet")]
    Unsupported {
        /// What it is.
        what: String,
        /// Where: characters, the first is 1.
        position: Option<usize>,
    },
    /// A NUL byte in it.
    #[error("invalid byte sequence for encoding \"UTF8\": 0x00")]
    NulByte {
        /// Where: characters, the first is 1.
        position: usize,
    },
    /// Too large or too deep.
    #[error("statement too complex: {bound}")]
    TooComplex {
        /// The bound, for people.
        bound: String,
        /// How to get below it.
        hint: &'static str,
    },
}

impl From<Exceeded> for ParseError {
    fn from(exceeded: Exceeded) -> Self {
        const SMALLER: &str = "Send less in one text; long lists of values can be bound as one array parameter.";
        const SHALLOWER: &str =
            "Split it with WITH queries, or write long chains of OR as IN (…) and long unions as VALUES.";
        let (bound, hint) = match exceeded {
            Exceeded::Bytes(most) => (format!("more than {most} bytes"), SMALLER),
            Exceeded::Tokens(most) => (format!("more than {most} words and symbols"), SMALLER),
            Exceeded::Nesting(most) => (format!("more than {most} levels of parentheses, brackets or CASE"), SHALLOWER),
            Exceeded::Depth(most) => {
                (format!("more than {most} levels of operators and nested expressions"), SHALLOWER)
            }
            Exceeded::Relations(most) => (format!("more than {most} joined tables"), SHALLOWER),
            Exceeded::Statements(most) => (format!("more than {most} statements in one text"), SMALLER),
        };
        Self::TooComplex { bound, hint }
    }
}

impl ParseError {
    /// What the client is told.
    pub fn report(&self) -> ErrorReport {
        let message = self.to_string();
        match self {
            Self::Syntax { position, .. } => ErrorReport::new(SqlState::SYNTAX_ERROR, message).at(*position),
            Self::Unsupported { position, .. } => ErrorReport::new(SqlState::FEATURE_NOT_SUPPORTED, message)
                .with_hint("The statement is valid PostgreSQL; write it without this form.")
                .at(*position),
            Self::NulByte { position } => {
                ErrorReport::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, message).at(Some(*position))
            }
            Self::TooComplex { hint, .. } => {
                ErrorReport::new(SqlState::STATEMENT_TOO_COMPLEX, message).with_hint(*hint)
            }
        }
    }
}
