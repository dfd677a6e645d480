//! Transactions as a client sees them: a pure state machine.
//!
//! There is nothing to write, so a transaction is about settings, cursors and the failed state alone. It gives no
//! snapshot: two statements in one block may see different files. The rules are those of PostgreSQL's `xact.c`.

use crate::error::{ErrorReport, Severity, SqlState};

/// The most savepoints that are open at one time.
pub(super) const MAX_SAVEPOINTS: usize = 1_000;

/// What ReadyForQuery says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionStatus {
    /// Outside a transaction block.
    Idle,
    /// In one.
    InTransaction,
    /// In one that has failed: all but its end is refused.
    Failed,
}

/// Where a session stands between its statements.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Transaction {
    block: Block,
    /// Statements share an implicit transaction: those of one query string, if they are several.
    several: bool,
    savepoints: Vec<String>,
    /// A query has run: SET TRANSACTION comes too late.
    queried: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Block {
    #[default]
    None,
    Open,
    Failed,
}

/// What happens to a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// A query string of so many statements begins.
    QueryString(usize),
    /// BEGIN.
    Begin,
    /// COMMIT.
    Commit {
        /// AND CHAIN
        chain: bool,
    },
    /// ROLLBACK.
    Rollback {
        /// AND CHAIN
        chain: bool,
    },
    /// SAVEPOINT.
    Savepoint(&'a str),
    /// RELEASE.
    Release(&'a str),
    /// ROLLBACK TO.
    RollbackTo(&'a str),
    /// A query runs.
    Query,
    /// A statement failed.
    Error,
    /// The query string has ended, or Sync came.
    End,
}

/// What must be done with settings and portals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    None,
    /// Keep settings, drop portals.
    Commit,
    /// Undo settings, drop portals.
    Rollback,
    /// Remember settings.
    Push,
    /// Forget savepoints from here on, and keep what was set since.
    Release(usize),
    /// Undo settings since savepoint so-and-so, drop portals made since. The savepoint stays.
    RollbackTo(usize),
}

/// The answer to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// The state from now on.
    pub(super) next: Transaction,
    /// What to do.
    pub(super) effect: Effect,
    /// The command's tag.
    pub(super) tag: &'static str,
    /// What to warn of.
    pub(super) warning: Option<ErrorReport>,
}

impl Transaction {
    /// What ReadyForQuery says.
    pub(super) fn status(&self) -> TransactionStatus {
        match self.block {
            Block::None => TransactionStatus::Idle,
            Block::Open => TransactionStatus::InTransaction,
            Block::Failed => TransactionStatus::Failed,
        }
    }

    /// Whether all but the end of the transaction is refused.
    pub(super) fn has_failed(&self) -> bool {
        self.block == Block::Failed
    }

    /// Whether a cursor lives longer than its statement: in a block, or in a query string of several statements.
    pub(super) fn in_block(&self) -> bool {
        self.block != Block::None || self.several
    }

    /// How many savepoints are open: what is made now belongs to the innermost.
    pub(super) fn depth(&self) -> usize {
        self.savepoints.len()
    }

    /// Whether a query has run in this transaction.
    pub(super) fn has_queried(&self) -> bool {
        self.queried
    }

    /// Ends the transaction: a block is closed, or begun anew.
    fn ended(&self, chain: bool) -> Self {
        Self { block: if chain { Block::Open } else { Block::None }, several: self.several, ..Self::default() }
    }

    /// The innermost savepoint of a name.
    fn savepoint(&self, name: &str) -> Result<usize, ErrorReport> {
        self.savepoints.iter().rposition(|savepoint| savepoint == name).ok_or_else(|| {
            ErrorReport::new(SqlState::INVALID_SAVEPOINT, format!("savepoint \"{name}\" does not exist"))
        })
    }

    /// What an event does, without doing it.
    ///
    /// # Errors
    /// The event is refused: nothing changes, and the refusal is an error of its own.
    pub(super) fn step(&self, event: Event<'_>) -> Result<Step, ErrorReport> {
        let step = |next: Self, effect: Effect, tag: &'static str| Step { next, effect, tag, warning: None };
        match event {
            Event::QueryString(statements) => {
                Ok(step(Self { several: statements > 1, ..self.clone() }, Effect::None, ""))
            }
            Event::Begin => match self.block {
                Block::None => Ok(step(Self { block: Block::Open, ..self.clone() }, Effect::None, "BEGIN")),
                Block::Open => Ok(Step {
                    warning: Some(warning(
                        SqlState::ACTIVE_SQL_TRANSACTION,
                        "there is already a transaction in progress",
                    )),
                    ..step(self.clone(), Effect::None, "BEGIN")
                }),
                Block::Failed => Err(failed_transaction()),
            },
            Event::Commit { chain } => match self.block {
                Block::None if chain => Err(only_in_blocks("COMMIT AND CHAIN")),
                Block::None => {
                    Ok(Step { warning: Some(no_transaction()), ..step(self.ended(false), Effect::Commit, "COMMIT") })
                }
                Block::Open => Ok(step(self.ended(chain), Effect::Commit, "COMMIT")),
                Block::Failed => Ok(step(self.ended(chain), Effect::Rollback, "ROLLBACK")),
            },
            Event::Rollback { chain } => match self.block {
                Block::None if chain => Err(only_in_blocks("ROLLBACK AND CHAIN")),
                Block::None => Ok(Step {
                    warning: Some(no_transaction()),
                    ..step(self.ended(false), Effect::Rollback, "ROLLBACK")
                }),
                Block::Open | Block::Failed => Ok(step(self.ended(chain), Effect::Rollback, "ROLLBACK")),
            },
            Event::Savepoint(name) => match self.block {
                Block::None => Err(only_in_blocks("SAVEPOINT")),
                Block::Failed => Err(failed_transaction()),
                Block::Open if self.savepoints.len() >= MAX_SAVEPOINTS => Err(ErrorReport::new(
                    SqlState::PROGRAM_LIMIT_EXCEEDED,
                    format!("a transaction has at most {MAX_SAVEPOINTS} savepoints"),
                )
                .with_hint("Release savepoints that are no longer needed.")),
                Block::Open => {
                    let mut next = self.clone();
                    next.savepoints.push(name.to_owned());
                    Ok(step(next, Effect::Push, "SAVEPOINT"))
                }
            },
            Event::Release(name) => match self.block {
                Block::None => Err(only_in_blocks("RELEASE SAVEPOINT")),
                Block::Failed => Err(failed_transaction()),
                Block::Open => {
                    let depth = self.savepoint(name)?;
                    let mut next = self.clone();
                    next.savepoints.truncate(depth);
                    Ok(step(next, Effect::Release(depth), "RELEASE"))
                }
            },
            Event::RollbackTo(name) => match self.block {
                Block::None => Err(only_in_blocks("ROLLBACK TO SAVEPOINT")),
                Block::Open | Block::Failed => {
                    let depth = self.savepoint(name)?;
                    let mut next = Self { block: Block::Open, ..self.clone() };
                    next.savepoints.truncate(depth.saturating_add(1));
                    Ok(step(next, Effect::RollbackTo(depth), "ROLLBACK"))
                }
            },
            Event::Query => Ok(step(Self { queried: true, ..self.clone() }, Effect::None, "")),
            Event::Error => Ok(match (self.block, self.savepoints.len().checked_sub(1)) {
                (Block::None, _) => step(self.ended(false), Effect::Rollback, ""),
                (Block::Failed, _) => step(self.clone(), Effect::None, ""),
                (Block::Open, None) => step(Self { block: Block::Failed, ..self.clone() }, Effect::Rollback, ""),
                (Block::Open, Some(innermost)) => {
                    step(Self { block: Block::Failed, ..self.clone() }, Effect::RollbackTo(innermost), "")
                }
            }),
            Event::End => Ok(match self.block {
                Block::None => step(Self::default(), Effect::Commit, ""),
                Block::Open | Block::Failed => step(Self { several: false, ..self.clone() }, Effect::None, ""),
            }),
        }
    }
}

/// 25P02.
pub(super) fn failed_transaction() -> ErrorReport {
    ErrorReport::new(
        SqlState::IN_FAILED_SQL_TRANSACTION,
        "current transaction is aborted, commands ignored until end of transaction block",
    )
}

/// 25P01, as an error.
pub(super) fn only_in_blocks(what: &str) -> ErrorReport {
    ErrorReport::new(SqlState::NO_ACTIVE_SQL_TRANSACTION, format!("{what} can only be used in transaction blocks"))
}

/// 25P01, as a warning: the statement does nothing.
pub(super) fn only_in_blocks_warning(what: &str) -> ErrorReport {
    ErrorReport { severity: Severity::Warning, ..only_in_blocks(what) }
}

fn no_transaction() -> ErrorReport {
    warning(SqlState::NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress")
}

fn warning(sqlstate: SqlState, message: &str) -> ErrorReport {
    ErrorReport { severity: Severity::Warning, ..ErrorReport::new(sqlstate, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs events; each line is `tag effect status [warning or error]`.
    fn transcript(events: &[Event<'_>]) -> Vec<String> {
        let mut state = Transaction::default();
        events
            .iter()
            .map(|event| match state.step(*event) {
                Ok(step) => {
                    state = step.next;
                    let warning =
                        step.warning.map(|w| format!(" {} {}", w.severity.as_str(), w.sqlstate)).unwrap_or_default();
                    format!("{} {:?} {:?}{warning}", step.tag, step.effect, state.status())
                }
                Err(error) => format!("{} {:?}", error.sqlstate, state.status()),
            })
            .collect()
    }

    const COMMIT: Event<'_> = Event::Commit { chain: false };
    const ROLLBACK: Event<'_> = Event::Rollback { chain: false };

    #[test]
    fn a_block_opens_and_closes() {
        assert_eq!(
            transcript(&[Event::Begin, Event::Begin, COMMIT, COMMIT, ROLLBACK]),
            [
                "BEGIN None InTransaction",
                "BEGIN None InTransaction WARNING 25001",
                "COMMIT Commit Idle",
                "COMMIT Commit Idle WARNING 25P01",
                "ROLLBACK Rollback Idle WARNING 25P01",
            ]
        );
    }

    #[test]
    fn a_failed_block_ends_by_rollback_whatever_is_said() {
        assert_eq!(
            transcript(&[Event::Begin, Event::Error, Event::Begin, Event::Savepoint("a"), Event::Error, COMMIT]),
            [
                "BEGIN None InTransaction",
                " Rollback Failed",
                "25P02 Failed",
                "25P02 Failed",
                " None Failed",
                "ROLLBACK Rollback Idle"
            ]
        );
    }

    #[test]
    fn a_savepoint_brings_a_failed_block_back() {
        assert_eq!(
            transcript(&[
                Event::Begin,
                Event::Savepoint("a"),
                Event::Savepoint("b"),
                Event::Error,
                Event::RollbackTo("a"),
                Event::RollbackTo("b"),
                Event::Release("a"),
                Event::Release("a"),
                COMMIT
            ]),
            [
                "BEGIN None InTransaction",
                "SAVEPOINT Push InTransaction",
                "SAVEPOINT Push InTransaction",
                " RollbackTo(1) Failed",
                "ROLLBACK RollbackTo(0) InTransaction",
                "3B001 InTransaction",
                "RELEASE Release(0) InTransaction",
                "3B001 InTransaction",
                "COMMIT Commit Idle"
            ]
        );
    }

    #[test]
    fn savepoints_of_one_name_stack() {
        assert_eq!(
            transcript(&[
                Event::Begin,
                Event::Savepoint("a"),
                Event::Savepoint("a"),
                Event::RollbackTo("a"),
                Event::Release("a"),
                Event::RollbackTo("a")
            ]),
            [
                "BEGIN None InTransaction",
                "SAVEPOINT Push InTransaction",
                "SAVEPOINT Push InTransaction",
                "ROLLBACK RollbackTo(1) InTransaction",
                "RELEASE Release(1) InTransaction",
                "ROLLBACK RollbackTo(0) InTransaction"
            ]
        );
    }

    #[test]
    fn outside_a_block_there_are_no_savepoints_and_no_chains() {
        assert_eq!(
            transcript(&[
                Event::Savepoint("a"),
                Event::Release("a"),
                Event::RollbackTo("a"),
                Event::Commit { chain: true },
                Event::Rollback { chain: true }
            ]),
            ["25P01 Idle", "25P01 Idle", "25P01 Idle", "25P01 Idle", "25P01 Idle"]
        );
    }

    #[test]
    fn a_chain_begins_anew_even_after_a_failure() {
        assert_eq!(
            transcript(&[
                Event::Begin,
                Event::Commit { chain: true },
                Event::Error,
                Event::Rollback { chain: true },
                COMMIT
            ]),
            [
                "BEGIN None InTransaction",
                "COMMIT Commit InTransaction",
                " Rollback Failed",
                "ROLLBACK Rollback InTransaction",
                "COMMIT Commit Idle"
            ]
        );
    }

    #[test]
    fn several_statements_of_one_string_are_one_transaction() {
        let mut state = Transaction::default().step(Event::QueryString(2)).unwrap().next;
        assert!(state.in_block());
        assert_eq!(state.status(), TransactionStatus::Idle);
        let error = state.step(Event::Error).unwrap();
        assert_eq!(error.effect, Effect::Rollback);
        state = state.step(Event::End).unwrap().next;
        assert!(!state.in_block());
    }

    #[test]
    fn a_block_that_a_string_begins_outlives_it() {
        assert_eq!(
            transcript(&[
                Event::QueryString(2),
                Event::Begin,
                Event::End,
                Event::QueryString(1),
                Event::Error,
                Event::End
            ]),
            [
                " None Idle",
                "BEGIN None InTransaction",
                " None InTransaction",
                " None InTransaction",
                " Rollback Failed",
                " None Failed"
            ]
        );
    }

    #[test]
    fn savepoints_are_bounded() {
        let mut state = Transaction::default().step(Event::Begin).unwrap().next;
        for _ in 0..MAX_SAVEPOINTS {
            state = state.step(Event::Savepoint("s")).unwrap().next;
        }
        assert_eq!(state.step(Event::Savepoint("s")).unwrap_err().sqlstate.0, "54000");
    }

    #[test]
    fn no_sequence_of_events_reaches_a_state_that_cannot_end() {
        let events = [
            Event::QueryString(1),
            Event::QueryString(2),
            Event::Begin,
            COMMIT,
            ROLLBACK,
            Event::Commit { chain: true },
            Event::Savepoint("a"),
            Event::Release("a"),
            Event::RollbackTo("a"),
            Event::Query,
            Event::Error,
            Event::End,
        ];
        let mut reached = vec![Transaction::default()];
        let mut next = 0;
        while let Some(state) = reached.get(next).cloned() {
            next += 1;
            for event in events {
                if let Ok(step) = state.step(event)
                    && step.next.depth() < 3
                    && !reached.contains(&step.next)
                {
                    reached.push(step.next);
                }
            }
            let ended = state.step(ROLLBACK).unwrap().next.step(Event::End).unwrap().next;
            assert_eq!(ended, Transaction::default(), "{state:?}");
        }
        assert!(reached.len() > 20);
    }
}
