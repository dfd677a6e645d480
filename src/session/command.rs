//! What SET, BEGIN, DEALLOCATE and their like would do: worked out first, recorded next, done last.
//!
//! [`change`] changes nothing and does no I/O. Only [`Session::answer`] puts a change in its place, after the audit log
//! has it.

use super::settings::{Settings, Shown};
use super::state::Session;
use super::transaction::{Effect, Event, Transaction, only_in_blocks_warning};
use crate::error::{ErrorReport, SqlState};
use crate::sql::{Command, Discard, ParsedStatement, Set, SetValue, Target, TransactionMode};

/// What a statement would do to a session.
#[derive(Debug, Default)]
pub(super) struct Change {
    settings: Option<Settings>,
    transaction: Option<Transaction>,
    /// What the end of a transaction does to portals; settings are in `settings` already.
    effect: Option<Effect>,
    close: Option<Dropped>,
    deallocate: Option<Dropped>,
    warning: Option<ErrorReport>,
    tag: &'static str,
}

impl Change {
    /// What it does to the transaction, if anything.
    pub(super) fn effect(&self) -> Option<Effect> {
        self.effect
    }
}

/// Which portals or prepared statements go.
#[derive(Debug)]
enum Dropped {
    All,
    Named(String),
}

impl Session {
    /// Answers a statement that neither reads data nor makes portals; gives its tag.
    ///
    /// # Errors
    /// What the statement is refused with, or 58000 if it can't be recorded. Nothing has changed then.
    pub(super) async fn answer(
        &mut self,
        statement: &ParsedStatement,
        command: &Command<'_>,
    ) -> Result<String, ErrorReport> {
        match self.change(command) {
            Ok(change) => {
                self.carry_out(statement, &change).await?;
                let tag = change.tag.to_owned();
                self.apply(change);
                Ok(tag)
            }
            Err(error) => Err(self.refuse(statement, error).await),
        }
    }

    /// What SHOW shows.
    ///
    /// # Errors
    /// 42704 for a name that does not exist.
    pub(super) fn shown(&self, target: &Target) -> Result<Vec<Shown>, ErrorReport> {
        match target {
            Target::All => Ok(self.settings.all().collect()),
            Target::Named(name) => self.settings.show(name).map(|shown| vec![shown]),
        }
    }

    fn apply(&mut self, change: Change) {
        let Change { settings, transaction, effect, close, deallocate, warning, tag: _ } = change;
        if let Some(effect) = effect {
            self.take_effect(effect);
        }
        if let Some(settings) = settings {
            self.settings = settings;
        }
        if let Some(transaction) = transaction {
            self.transaction = transaction;
        }
        match close {
            Some(Dropped::All) => self.portals.close_all(),
            Some(Dropped::Named(name)) => {
                self.portals.close(&name);
            }
            None => {}
        }
        match deallocate {
            Some(Dropped::All) => self.prepared.clear(),
            Some(Dropped::Named(name)) => {
                self.prepared.remove(&name);
            }
            None => {}
        }
        if let Some(warning) = warning {
            self.notice(warning);
        }
    }

    fn change(&self, command: &Command<'_>) -> Result<Change, ErrorReport> {
        match command {
            Command::Set(set) => self.set(set),
            Command::Reset(target) => self.reset(target),
            Command::SetTransaction(modes) => {
                if !self.transaction.in_block() {
                    let warning = Some(only_in_blocks_warning("SET TRANSACTION"));
                    return Ok(Change { warning, tag: "SET", ..Change::default() });
                }
                let mut settings = self.settings.clone();
                set_modes(&mut settings, modes, &self.transaction)?;
                Ok(Change { settings: Some(settings), tag: "SET", ..Change::default() })
            }
            Command::SetSessionCharacteristics(modes) => {
                let mut settings = self.settings.clone();
                for mode in *modes {
                    let (name, value) = mode_setting(*mode);
                    settings.set_text(&format!("default_{name}"), value, false)?;
                }
                Ok(Change { settings: Some(settings), tag: "SET", ..Change::default() })
            }
            Command::Begin(modes) => self.begin(modes),
            Command::StartTransaction(modes) => Ok(Change { tag: "START TRANSACTION", ..self.begin(modes)? }),
            Command::Commit { chain } => self.end(Event::Commit { chain: *chain }, *chain),
            Command::Rollback { chain } => self.end(Event::Rollback { chain: *chain }, *chain),
            Command::RollbackTo(name) => self.transaction_step(Event::RollbackTo(name)),
            Command::Savepoint(name) => self.transaction_step(Event::Savepoint(name)),
            Command::Release(name) => self.transaction_step(Event::Release(name)),
            Command::CloseCursor(Target::All) => {
                Ok(Change { close: Some(Dropped::All), tag: "CLOSE CURSOR ALL", ..Change::default() })
            }
            Command::CloseCursor(Target::Named(name)) => {
                self.portals.get(name, "cursor")?;
                Ok(Change { close: Some(Dropped::Named(name.clone())), tag: "CLOSE CURSOR", ..Change::default() })
            }
            Command::Deallocate(Target::All) => {
                Ok(Change { deallocate: Some(Dropped::All), tag: "DEALLOCATE ALL", ..Change::default() })
            }
            Command::Deallocate(Target::Named(name)) => {
                self.prepared.get(name)?;
                Ok(Change { deallocate: Some(Dropped::Named(name.clone())), tag: "DEALLOCATE", ..Change::default() })
            }
            Command::Discard(what) => self.discard(*what),
            Command::Unlisten => Ok(Change { tag: "UNLISTEN", ..Change::default() }),
            Command::Query
            | Command::Write(_)
            | Command::CopyOut(_)
            | Command::Declare(_)
            | Command::Fetch(_)
            | Command::Move(_)
            | Command::Prepare(_)
            | Command::Execute(_)
            | Command::Explain(_)
            | Command::Show(_) => {
                Err(ErrorReport::new(SqlState::INTERNAL_ERROR, format!("{} is not answered here", command.kind())))
            }
        }
    }

    fn begin(&self, modes: &[TransactionMode]) -> Result<Change, ErrorReport> {
        let change = self.transaction_step(Event::Begin)?;
        if modes.is_empty() {
            return Ok(change);
        }
        let mut settings = self.settings.clone();
        set_modes(&mut settings, modes, &self.transaction)?;
        Ok(Change { settings: Some(settings), ..change })
    }

    fn set(&self, set: &Set) -> Result<Change, ErrorReport> {
        let Set { name, value, local } = set;
        let mut settings = self.settings.clone();
        if name.starts_with("transaction_") && self.transaction.has_queried() && self.transaction.in_block() {
            return Err(ErrorReport::new(
                SqlState::ACTIVE_SQL_TRANSACTION,
                format!("SET {name} must be called before any query"),
            ));
        }
        match value {
            // Nobody can take another identity, so there is nothing to set.
            SetValue::Default if matches!(name.as_str(), "role" | "session_authorization") => {}
            SetValue::Default => settings.reset(name, *local)?,
            SetValue::Values(values) => settings.set(name, values, *local)?,
        }
        if *local && !self.transaction.in_block() {
            let warning = Some(only_in_blocks_warning("SET LOCAL"));
            return Ok(Change { warning, tag: "SET", ..Change::default() });
        }
        Ok(Change { settings: Some(settings), tag: "SET", ..Change::default() })
    }

    fn reset(&self, target: &Target) -> Result<Change, ErrorReport> {
        let mut settings = self.settings.clone();
        match target {
            Target::All => settings.reset_all(),
            // Nobody can take another identity, so there is nothing to go back from.
            Target::Named(name) if matches!(name.as_str(), "role" | "session_authorization") => {}
            Target::Named(name) => settings.reset(name, false)?,
        }
        Ok(Change { settings: Some(settings), tag: "RESET", ..Change::default() })
    }

    fn discard(&self, what: Discard) -> Result<Change, ErrorReport> {
        match what {
            Discard::All if self.transaction.in_block() => Err(ErrorReport::new(
                SqlState::ACTIVE_SQL_TRANSACTION,
                "DISCARD ALL cannot run inside a transaction block",
            )),
            Discard::All => {
                let mut settings = self.settings.clone();
                settings.reset_all();
                Ok(Change {
                    settings: Some(settings),
                    close: Some(Dropped::All),
                    deallocate: Some(Dropped::All),
                    tag: "DISCARD ALL",
                    ..Change::default()
                })
            }
            Discard::Plans => Ok(Change { tag: "DISCARD PLANS", ..Change::default() }),
            Discard::Sequences => Ok(Change { tag: "DISCARD SEQUENCES", ..Change::default() }),
            Discard::Temp => Ok(Change { tag: "DISCARD TEMP", ..Change::default() }),
        }
    }

    fn transaction_step(&self, event: Event<'_>) -> Result<Change, ErrorReport> {
        let step = self.transaction.step(event)?;
        Ok(Change {
            transaction: Some(step.next),
            effect: Some(step.effect),
            warning: step.warning,
            tag: step.tag,
            ..Change::default()
        })
    }

    /// COMMIT and ROLLBACK; a chain hands the transaction's modes on.
    fn end(&self, event: Event<'_>, chain: bool) -> Result<Change, ErrorReport> {
        let change = self.transaction_step(event)?;
        let modes = self.settings.transaction_modes();
        if !chain || modes.is_empty() {
            return Ok(change);
        }
        let mut settings = self.settings.clone();
        match change.effect {
            Some(Effect::Commit) => settings.commit(),
            _ => settings.rollback(),
        }
        for (name, value) in modes {
            settings.set_text(name, &value, true)?;
        }
        Ok(Change { settings: Some(settings), ..change })
    }
}

/// The modes of the transaction that is open, by the rules of PostgreSQL's `variable.c`.
fn set_modes(settings: &mut Settings, modes: &[TransactionMode], transaction: &Transaction) -> Result<(), ErrorReport> {
    for mode in modes {
        let (name, value) = mode_setting(*mode);
        let changes = settings.text(name) != value;
        let (in_subtransaction, after_a_query) = match mode {
            TransactionMode::Isolation(_) => (
                "SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction",
                "SET TRANSACTION ISOLATION LEVEL must be called before any query",
            ),
            TransactionMode::Deferrable(_) => (
                "SET TRANSACTION [NOT] DEFERRABLE cannot be called within a subtransaction",
                "SET TRANSACTION [NOT] DEFERRABLE must be called before any query",
            ),
            TransactionMode::ReadWrite => (
                "cannot set transaction read-write mode inside a read-only transaction",
                "transaction read-write mode must be set before any query",
            ),
            TransactionMode::ReadOnly => ("", ""), // may be said at any time
        };
        if changes && *mode != TransactionMode::ReadOnly {
            if transaction.depth() > 0 {
                return Err(ErrorReport::new(SqlState::ACTIVE_SQL_TRANSACTION, in_subtransaction));
            }
            if transaction.has_queried() && transaction.in_block() {
                return Err(ErrorReport::new(SqlState::ACTIVE_SQL_TRANSACTION, after_a_query));
            }
        }
        settings.set_text(name, value, true)?;
    }
    Ok(())
}

fn mode_setting(mode: TransactionMode) -> (&'static str, &'static str) {
    match mode {
        TransactionMode::Isolation(level) => ("transaction_isolation", level.as_str()),
        TransactionMode::ReadOnly => ("transaction_read_only", "on"),
        TransactionMode::ReadWrite => ("transaction_read_only", "off"),
        TransactionMode::Deferrable(true) => ("transaction_deferrable", "on"),
        TransactionMode::Deferrable(false) => ("transaction_deferrable", "off"),
    }
}

/// Whether a statement may run in a transaction that has failed: only what ends it, or goes back to before it failed.
pub(super) fn ends_failure(command: &Command<'_>) -> bool {
    matches!(command, Command::Commit { .. } | Command::Rollback { .. } | Command::RollbackTo(_))
}
