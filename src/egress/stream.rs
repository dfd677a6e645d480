//! Rows on their way from an engine to a client.

use super::encoded::EncodedRows;
use crate::error::ErrorReport;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use futures::Stream;
use std::pin::Pin;
use std::time::Duration;

/// How a statement ended, for its second audit record.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// All of it, or all that was asked for.
    Success,
    /// An error that the client was told.
    Failed(ErrorReport),
}

/// Rows as their engine makes them.
#[derive(Debug, Clone)]
pub enum Rows {
    /// Values, still to be encoded.
    Values(RecordBatch),
    /// Messages that an upstream has encoded already: they pass through.
    Encoded(EncodedRows),
}

impl Rows {
    /// How many.
    pub fn count(&self) -> u64 {
        match self {
            Self::Values(batch) => batch.num_rows() as u64,
            Self::Encoded(rows) => rows.count(),
        }
    }
}

/// Rows on their way. It owns the audit receipt and the quota reservation. Dropping it stops the work at once; if it was
/// not finished before, the audit log says that it was interrupted.
pub struct RowStream {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows. An item that is an error is the last.
    pub batches: Pin<Box<dyn Stream<Item = Result<Rows, ErrorReport>> + Send>>,
    /// Messages to send before the rows: which masks and filters were applied, if the session asked.
    pub notices: Vec<ErrorReport>,
    /// The bound on this statement's time: the smallest of the policy's, the workspace's and the session's.
    pub timeout: Option<Duration>,
    /// Told how many rows are wanted next, before they are asked for; `None`: nobody needs to know.
    pub demand: Option<Box<dyn Fn(Option<u64>) + Send>>,
    /// Called once, with what left.
    pub on_end: Box<dyn FnOnce(Outcome, u64, u64) + Send>,
}

impl RowStream {
    /// Ends the statement: how, and the rows and bytes that left.
    pub fn finish(self, outcome: Outcome, rows: u64, bytes: u64) {
        drop(self.batches);
        (self.on_end)(outcome, rows, bytes);
    }
}

impl std::fmt::Debug for RowStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}
