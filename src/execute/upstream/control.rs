//! Statements about the transaction, printed here: no text of a client is among them.

use postgres_protocol::escape::escape_identifier;

/// How much of others' work a transaction sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// `READ COMMITTED`
    ReadCommitted,
    /// `REPEATABLE READ`
    RepeatableRead,
    /// `SERIALIZABLE`
    Serializable,
}

impl Isolation {
    fn words(self) -> &'static str {
        match self {
            Self::ReadCommitted => "READ COMMITTED",
            Self::RepeatableRead => "REPEATABLE READ",
            Self::Serializable => "SERIALIZABLE",
        }
    }
}

/// One step of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Begins one. Nothing is left to the upstream's own defaults.
    Begin {
        /// How much of others' work it sees.
        isolation: Isolation,
        /// Whether it may not write.
        read_only: bool,
        /// Whether it waits for a moment at which it can't fail to serialize.
        deferrable: bool,
    },
    /// Ends it and keeps its work.
    Commit,
    /// Ends it and undoes its work.
    Rollback,
    /// Marks a point to go back to.
    Savepoint(String),
    /// Goes back to it.
    RollbackTo(String),
    /// Forgets it.
    Release(String),
    /// Closes a portal.
    ClosePortal(String),
}

impl Control {
    pub(super) fn sql(&self) -> String {
        match self {
            Self::Begin { isolation, read_only, deferrable } => format!(
                "BEGIN ISOLATION LEVEL {} {} {}",
                isolation.words(),
                if *read_only { "READ ONLY" } else { "READ WRITE" },
                if *deferrable { "DEFERRABLE" } else { "NOT DEFERRABLE" },
            ),
            Self::Commit => "COMMIT".to_owned(),
            Self::Rollback => "ROLLBACK".to_owned(),
            Self::Savepoint(name) => format!("SAVEPOINT {}", escape_identifier(name)),
            Self::RollbackTo(name) => format!("ROLLBACK TO SAVEPOINT {}", escape_identifier(name)),
            Self::Release(name) => format!("RELEASE SAVEPOINT {}", escape_identifier(name)),
            Self::ClosePortal(name) => format!("CLOSE {}", escape_identifier(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_names() {
        let name = "a\"; DROP TABLE t; --".to_owned();
        assert_eq!(Control::Savepoint(name).sql(), "SAVEPOINT \"a\"\"; DROP TABLE t; --\"");
        let begin = Control::Begin { isolation: Isolation::RepeatableRead, read_only: true, deferrable: false };
        assert_eq!(begin.sql(), "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY NOT DEFERRABLE");
    }
}
