//! INSERT, UPDATE, DELETE: handed to the engine, and answered with a count or with rows.

use super::engine::Written;
use super::query::Execution;
use super::reply::{Reply, RowsTag};
use super::state::Session;
use super::transaction::Event;
use crate::error::{ErrorReport, SqlState};
use crate::sql::{ParsedStatement, WriteKind};
use std::sync::{Arc, PoisonError};

impl Session {
    /// Runs a statement that writes.
    ///
    /// # Errors
    /// 0A000 where nothing may be written, 25006 in a transaction that is read-only, and what the engine refuses.
    pub(super) async fn write(
        &mut self,
        statement: &ParsedStatement,
        kind: WriteKind,
        execution: Execution,
    ) -> Result<Reply, ErrorReport> {
        let binding = execution.binding();
        let refused = if !self.engine.may_write() {
            Some(kind.refused())
        } else if self.settings.on("transaction_read_only") {
            let what = format!("cannot execute {} in a read-only transaction", kind.word());
            Some(ErrorReport::new(SqlState::READ_ONLY_SQL_TRANSACTION, what))
        } else if statement.parameters() > binding.parameters.len() {
            let missing = binding.parameters.len().saturating_add(1);
            Some(ErrorReport::new(SqlState::UNDEFINED_PARAMETER, format!("there is no parameter ${missing}")))
        } else {
            None
        };
        if let Some(error) = refused {
            return Err(self.refuse(statement, error).await);
        }
        self.transaction = self.transaction.step(Event::Query)?.next;
        let context = self.context();
        let mut counted = execution.budget.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let engine = Arc::clone(&self.engine);
        let written = engine.write(&context, statement, binding, &mut counted).await?;
        *execution.budget.lock().unwrap_or_else(PoisonError::into_inner) = counted;
        match written {
            Written::Count { rows, notices } => {
                for notice in notices {
                    self.notice(notice);
                }
                Ok(Reply::Command { tag: kind.tag(rows) })
            }
            Written::Rows(mut stream) => {
                for notice in std::mem::take(&mut stream.notices) {
                    self.notice(notice);
                }
                self.rows_reply(*stream, execution, RowsTag::Write(kind))
            }
        }
    }
}
