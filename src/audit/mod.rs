//! The audit log: who did what, with which data, under which decision; and the proof that nobody changed it since.
//!
//! A statement has two records with one `eventId`: *begun*, which is on disk before the statement runs, and *ended*,
//! with what came of it. A begun record has no `result`; one without an ended record reads as interrupted. Everything
//! else (a login, a refused statement, a reload) is one record with a result.
//!
//! The log is a chain: every line carries the hash of the line before it and its own (`chain`). It lies in segment
//! files that only ever grow (`segment`), written by one thread that gathers what waits and syncs once for all of it
//! (`writer`). `verify` reads the chain and names the first broken record.
//!
//! What is deliberately absent: sealing segments into signed Parquet, which comes with its own file beside `segment`;
//! a head file in the folder, because whoever can cut the log can rewrite that too. The head is logged when the log is
//! opened, when a segment ends and when it is closed, so that it lies with another system, and `verify` can be given
//! such a head to look for: that is what shows a log whose end was cut off.
//!
//! INVARIANT: no literal of a user's statement is in any record: SQL enters only as `SanitizedSql`.

mod chain;
mod error;
mod file;
mod logged;
mod receipt;
mod record;
mod segment;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use error::AuditError;
pub use file::{AuditOptions, Durability, FileAudit};
pub use logged::{LoggedRecord, read};
pub use receipt::{Announced, AuditEnd, AuditReceipt, Beginning};
pub use record::{
    About, Action, AuditRecord, AuditResult, ColumnRecord, Decided, Effect, ParameterValue, ResourceType,
    RowFilterRecord, Used, Who, fresh_id,
};
pub use verify::{VerifyFailure, VerifyOptions, VerifyReport, verify, verify_with};

use async_trait::async_trait;

/// Where audit records go.
///
/// What must not happen unrecorded waits for [`begin`](Self::begin) or [`event`](Self::event) and does not happen if
/// that fails.
#[async_trait]
pub trait AuditSink: std::fmt::Debug + Send + Sync + 'static {
    /// Sends the record of a statement's beginning on its way, for what may begin beside it: nothing that comes of the
    /// statement may go on before it [has arrived](Announced::recorded). Waits while the log can't keep up, and until the
    /// record has arrived if the last one could not be written. Dropping the future leaves either no record or a begun and
    /// an interrupted one.
    ///
    /// # Errors
    /// [`AuditError`] if the log is not available: the statement must then not run.
    async fn announce(&self, record: AuditRecord) -> Result<Announced, AuditError>;

    /// Records that a statement begins, and returns once that is durably in the log. Otherwise as
    /// [`announce`](Self::announce).
    ///
    /// # Errors
    /// [`AuditError`] if it could not be written: the statement must then not run.
    async fn begin(&self, record: AuditRecord) -> Result<AuditReceipt, AuditError> {
        self.announce(record).await?.recorded().await
    }

    /// Records something that is over with one record: a login, a refusal, a reload. Returns once it is durably in the
    /// log. A record without a result is given SUCCESS.
    ///
    /// # Errors
    /// [`AuditError`] if it could not be written: the act must then not take effect.
    async fn event(&self, record: AuditRecord) -> Result<(), AuditError>;
}
