//! What clients' transactions do in upstreams: begun by the first statement there, ended and recorded here.

use super::Gateway;
use super::record::Ending;
use super::run::deadline;
use crate::audit::{Action, AuditResult};
use crate::decision::Limits;
use crate::egress::Outcome;
use crate::error::ErrorReport;
use crate::execute::upstream::{HoldingsError, Isolation, TransactionModes};
use crate::session::{OpenBlock, StatementContext, StepError, TransactionStep};
use crate::sql::ParsedStatement;
use crate::types::SettingValues;
use std::time::Duration;
use tokio::time::Instant;

/// How long a step may take where nothing else bounds it.
const LONGEST_STEP: Duration = Duration::from_secs(3600);

/// The transaction that a statement runs in, as an upstream is told of it.
pub(super) fn modes(
    settings: &SettingValues,
    transaction: Option<OpenBlock>,
    may_write: bool,
) -> Option<(TransactionModes, usize)> {
    let word = |name: &str| settings.get(name);
    let isolation = match word("transaction_isolation") {
        Some("serializable") => Isolation::Serializable,
        Some("repeatable read") => Isolation::RepeatableRead,
        // PostgreSQL reads nothing uncommitted.
        _ => Isolation::ReadCommitted,
    };
    // Where nothing may be written, nothing can be.
    let read_only = !may_write || word("transaction_read_only") == Some("on");
    let modes = TransactionModes { isolation, read_only, deferrable: word("transaction_deferrable") == Some("on") };
    transaction.map(|open| (modes, open.savepoints))
}

fn report(failed: &HoldingsError) -> ErrorReport {
    failed.error.report(&failed.source_name)
}

impl Gateway {
    /// See [`crate::session::Engine::step`].
    pub(super) async fn step(
        &self,
        context: &StatementContext,
        statement: Option<&ParsedStatement>,
        step: TransactionStep,
    ) -> Result<(), StepError> {
        let started = Instant::now();
        // Who may not use the connection any more commits nothing.
        let moment = match step {
            TransactionStep::Commit => Some(self.now(context).map_err(StepError::NotDone)?),
            TransactionStep::RollBack | TransactionStep::Savepoint(_) => None,
        };
        let until = match &moment {
            Some(moment) => deadline(context, moment, &Limits::default()).left(Duration::ZERO),
            None => context.statement_timeout.filter(|timeout| !timeout.is_zero()),
        };
        let until = started.checked_add(until.unwrap_or(LONGEST_STEP).min(LONGEST_STEP));
        let receipt = match statement {
            Some(statement) => {
                let record =
                    self.about(context, Action::QueryExecute).statement(statement.sanitized(), statement.fingerprint());
                Some(self.audit.begin(record).await.map_err(|error| StepError::NotDone(error.report()))?)
            }
            None => None,
        };
        let ending = receipt.map(|receipt| Ending::new(receipt, started.into_std()));
        let done = match step {
            TransactionStep::Savepoint(step) => {
                let done = context.holdings.savepoint(step, until).await.map_err(|failed| report(&failed));
                finish(ending, &done);
                done
            }
            TransactionStep::Commit | TransactionStep::RollBack => {
                // Taken now, and carried through by a task of its own: nobody can stop it halfway by not waiting.
                let transaction = context.holdings.take();
                let ended = tokio::spawn(async move {
                    let done = match step {
                        TransactionStep::Commit => transaction.commit(until).await.map_err(|failed| report(&failed)),
                        TransactionStep::RollBack | TransactionStep::Savepoint(_) => {
                            transaction.roll_back().await;
                            Ok(())
                        }
                    };
                    finish(ending, &done);
                    done
                });
                ended.await.unwrap_or_else(|_| {
                    let what = "a transaction could not be ended";
                    Err(ErrorReport::new(crate::error::SqlState::INTERNAL_ERROR, what))
                })
            }
        };
        if let (Err(error), None) = (&done, statement) {
            let record = self
                .about(context, Action::QueryExecute)
                .parameter("transaction", "not committed")
                .parameter("sqlstate", error.sqlstate.0)
                .result(AuditResult::Failure);
            self.audit.event(record).await.map_err(|error| StepError::Failed(error.report()))?;
        }
        done.map_err(StepError::Failed)
    }
}

fn finish(ending: Option<Ending>, done: &Result<(), ErrorReport>) {
    if let Some(ending) = ending {
        let outcome = match done {
            Ok(()) => Outcome::Success,
            Err(error) => Outcome::Failed(error.clone()),
        };
        ending.finish(&outcome, 0, 0);
    }
}
