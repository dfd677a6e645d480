//! The simple protocol: one text, its statements one after the other.

use super::engine::SessionEvent;
use super::query::Execution;
use super::reply::Reply;
use super::state::Session;
use super::transaction::Event;
use crate::egress::ResultBudget;
use crate::error::ErrorReport;
use crate::sql::ParsedStatement;
use std::sync::{Arc, Mutex};

impl Session {
    /// Reads the text of a Query message. The statements are to be run in order; if one fails, the rest is not run.
    ///
    /// # Errors
    /// 42601 and others if it can't be read: none of it runs then.
    pub async fn begin_query_string(&mut self, text: &str) -> Result<Vec<ParsedStatement>, ErrorReport> {
        self.prepared.remove("");
        self.portals.close("");
        match self.read(text).await {
            Ok(statements) => {
                self.text_bytes = text.len();
                self.transaction = self.transaction.step(Event::QueryString(statements.len()))?.next;
                Ok(statements)
            }
            Err(error) => {
                self.failed(&error);
                Err(error)
            }
        }
    }

    /// Runs one of the statements. All results of one query string count against one budget.
    ///
    /// # Errors
    /// What the statement is refused with, recorded; the transaction has failed by then.
    pub async fn run(
        &mut self,
        statement: ParsedStatement,
        budget: &Arc<Mutex<ResultBudget>>,
    ) -> Result<Reply, ErrorReport> {
        let result = self.perform(&statement, Execution::simple(budget, self.text_bytes)).await;
        result.inspect_err(|error| self.failed(error))
    }

    /// The query string is over: all of it ran, or one of its statements failed.
    ///
    /// # Errors
    /// Its statements were a transaction, and that can't be committed.
    pub async fn end_query_string(&mut self, failed: bool) -> Result<(), ErrorReport> {
        if failed && let Ok(step) = self.transaction.step(Event::Error) {
            // Noted already if the statement failed here; if it failed on the wire, this is where it is noted.
            self.take_effect(step.effect);
            self.transaction = step.next;
        }
        self.end_implicit().await
    }

    /// Reads a text, and records one that can't be read.
    pub(super) async fn read(&mut self, text: &str) -> Result<Vec<ParsedStatement>, ErrorReport> {
        let read = match self.admit_text(text) {
            Ok(()) => self.engine.read(self.user(), text).map_err(|error| error.report()),
            Err(error) => Err(error),
        };
        match read {
            Ok(statements) => Ok(statements),
            Err(error) => {
                let context = self.context();
                self.engine.record(&context, SessionEvent::Unparsed { text, error: &error }).await?;
                Err(error)
            }
        }
    }
}
