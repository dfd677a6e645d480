//! The proof that a statement's beginning is in the log, and the duty to record its end.

use super::error::AuditError;
use super::record::{Action, AuditRecord, AuditResult, ResourceType, Shown, Who};
use super::writer::{Answered, Queue};
use crate::error::SqlState;
use crate::types::StatementId;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// What came of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEnd {
    /// How it came out.
    pub result: AuditResult,
    /// Rows that left.
    pub rows: u64,
    /// Bytes that left.
    pub bytes: u64,
    /// From its beginning to its end.
    pub duration: Duration,
    /// The error's code, if there was one.
    pub sqlstate: Option<SqlState>,
}

/// A statement whose beginning is in the log.
///
/// It can't be cloned and is used up by [`finish`](Self::finish). One that is dropped instead records the statement as
/// interrupted. Room in the queue for the second record was taken together with that of the first, so neither waits.
#[must_use = "dropping a receipt records the statement as interrupted"]
pub struct AuditReceipt {
    open: Option<Open>,
}

struct Open {
    queue: Arc<Queue>,
    place: OwnedSemaphorePermit,
    ended: Ended,
    /// The begun record is known to be in the log.
    is_begun: bool,
}

/// The facts that an ended record repeats, so that it can be read on its own.
struct Ended {
    event_id: String,
    action: Action,
    user_id: Option<Shown>,
    resource_type: Option<ResourceType>,
    resource_id: Option<Shown>,
    workspace_id: Option<Shown>,
    tenant_id: Option<Shown>,
    trace_id: Option<Shown>,
    who: Option<Who>,
}

impl AuditReceipt {
    pub(super) fn new(queue: Arc<Queue>, place: OwnedSemaphorePermit, begun: &AuditRecord) -> Self {
        let ended = Ended {
            event_id: begun.event_id.clone(),
            action: begun.action,
            user_id: begun.user_id.clone(),
            resource_type: begun.resource_type,
            resource_id: begun.resource_id.clone(),
            workspace_id: begun.workspace_id.clone(),
            tenant_id: begun.tenant_id.clone(),
            trace_id: begun.trace_id.clone(),
            who: begun.who.clone(),
        };
        Self { open: Some(Open { queue, place, ended, is_begun: false }) }
    }

    /// The `eventId` that both records carry.
    pub fn event_id(&self) -> StatementId {
        StatementId::new(self.open.as_ref().map_or("", |open| open.ended.event_id.as_str()))
    }

    /// Records the end, without waiting for the disk.
    pub fn finish(mut self, end: AuditEnd) {
        if let Some(open) = self.open.take() {
            let sqlstate = end.sqlstate;
            let mut record = open.ended.record(end.result);
            record.rows = Some(end.rows);
            record.bytes = Some(end.bytes);
            record.duration_ms = Some(u64::try_from(end.duration.as_millis()).unwrap_or(u64::MAX));
            if let Some(sqlstate) = sqlstate {
                record = record.parameter("sqlstate", sqlstate.0);
            }
            open.queue.ended(record, open.place, open.is_begun);
        }
    }

    /// Takes note that the begun record is in the log.
    pub(super) fn begun(mut self) -> Self {
        if let Some(open) = &mut self.open {
            open.is_begun = true;
        }
        self
    }

    /// Gives the receipt up because the begun record was not written: there is nothing to end.
    pub(super) fn void(mut self) {
        self.open = None;
    }
}

/// A statement whose beginning is on its way into the log.
#[derive(Debug)]
#[must_use = "dropping it records the statement as interrupted"]
pub struct Announced {
    receipt: AuditReceipt,
    /// `None`: it has arrived.
    answered: Option<Answered>,
}

impl Announced {
    pub(super) fn new(receipt: AuditReceipt, answered: Answered) -> Self {
        Self { receipt, answered: Some(answered) }
    }

    /// Returns once the beginning is durably in the log.
    ///
    /// # Errors
    /// [`AuditError`] if it could not be written: nothing that came of the statement may go on.
    pub async fn recorded(self) -> Result<AuditReceipt, AuditError> {
        Ok(self.arrived().await?.receipt)
    }

    pub(super) async fn arrived(mut self) -> Result<Self, AuditError> {
        if let Some(answered) = self.answered.as_mut() {
            let answer = answered.await.unwrap_or_else(|_| Err(AuditError::unavailable("the log is closed")));
            self.answered = None;
            if let Err(error) = answer {
                self.receipt.void();
                return Err(error);
            }
            self.receipt = self.receipt.begun();
        }
        Ok(self)
    }
}

/// What a statement may have of its beginning before it is run.
pub trait Beginning: sealed::Sealed {
    /// Whether it is known to be in the log.
    const IS_RECORDED: bool;
}

impl Beginning for AuditReceipt {
    const IS_RECORDED: bool = true;
}

impl Beginning for Announced {
    const IS_RECORDED: bool = false;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::AuditReceipt {}
    impl Sealed for super::Announced {}
}

impl Ended {
    fn record(self, result: AuditResult) -> AuditRecord {
        let mut record = AuditRecord::new(&StatementId::new(self.event_id), self.action).result(result);
        record.user_id = self.user_id;
        record.resource_type = self.resource_type;
        record.resource_id = self.resource_id;
        record.workspace_id = self.workspace_id;
        record.tenant_id = self.tenant_id;
        record.trace_id = self.trace_id;
        record.who = self.who;
        record
    }
}

impl Drop for AuditReceipt {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            let record = open.ended.record(AuditResult::Failure).parameter("interrupted", true);
            open.queue.ended(record, open.place, open.is_begun);
        }
    }
}

impl fmt::Debug for AuditReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditReceipt").field("event", &self.event_id()).finish_non_exhaustive()
    }
}
