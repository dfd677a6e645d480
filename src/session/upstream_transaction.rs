//! What the client's transaction does in upstreams, and in which order with what it does here.
//!
//! INVARIANT: a transaction that was to be committed there is over here before anybody waits for the answer. Whoever stops
//! waiting, by a cancel or by its own time, finds a session that is in no transaction.

use super::command::Change;
use super::engine::{StepError, TransactionStep};
use super::state::Session;
use super::transaction::{Effect, Event};
use crate::egress::Outcome;
use crate::error::ErrorReport;
use crate::execute::upstream::SavepointStep;
use crate::sql::ParsedStatement;
use std::sync::Arc;

/// What an effect here is there. `savepoints` is how many were open before.
fn step_of(effect: Effect, savepoints: usize) -> Option<TransactionStep> {
    match effect {
        Effect::None => None,
        Effect::Commit => Some(TransactionStep::Commit),
        Effect::Rollback => Some(TransactionStep::RollBack),
        Effect::Push => Some(TransactionStep::Savepoint(SavepointStep::Set(savepoints))),
        Effect::Release(depth) => Some(TransactionStep::Savepoint(SavepointStep::Release(depth))),
        Effect::RollbackTo(depth) => Some(TransactionStep::Savepoint(SavepointStep::RollBackTo(depth))),
    }
}

impl Session {
    /// Records a statement that the session answers itself, and does in upstreams what it asks for.
    ///
    /// # Errors
    /// What the client is told; a transaction that could not be committed is over then, and undone.
    pub(super) async fn carry_out(&mut self, statement: &ParsedStatement, change: &Change) -> Result<(), ErrorReport> {
        let step = change.effect().and_then(|effect| step_of(effect, self.transaction.depth()));
        let Some(step) = step.filter(|_| self.holdings.in_transaction()) else {
            return self.record(statement, Outcome::Success).await;
        };
        let context = self.context();
        let engine = Arc::clone(&self.engine);
        let ends = matches!(step, TransactionStep::Commit | TransactionStep::RollBack);
        let before = self.transaction.clone();
        if ends {
            self.transaction = self.transaction.step(Event::Rollback { chain: false })?.next;
        }
        match engine.step(&context, Some(statement), step).await {
            Ok(()) => {
                self.transaction = before;
                Ok(())
            }
            Err(StepError::NotDone(report)) => {
                self.transaction = before;
                Err(report)
            }
            Err(StepError::Failed(report)) => {
                if ends {
                    self.take_effect(Effect::Rollback);
                }
                Err(report)
            }
        }
    }

    /// Ends the transaction that statements outside a block share.
    ///
    /// # Errors
    /// It can't be committed: it is undone.
    pub(super) async fn end_implicit(&mut self) -> Result<(), ErrorReport> {
        let step = self.transaction.step(Event::End)?;
        self.transaction = step.next;
        if step.effect == Effect::Commit && self.holdings.in_transaction() {
            let context = self.context();
            let engine = Arc::clone(&self.engine);
            if let Err(StepError::NotDone(report) | StepError::Failed(report)) =
                engine.step(&context, None, TransactionStep::Commit).await
            {
                self.take_effect(Effect::Rollback);
                return Err(report);
            }
        }
        self.take_effect(step.effect);
        Ok(())
    }
}
