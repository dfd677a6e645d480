//! The cap on what one query string, portal or cursor may return.

use crate::decision::Limits;
use crate::error::{ErrorReport, SqlState};

/// Counts rows and bytes over all results that belong together: every statement of one query string, every page of a
/// portal or cursor, a COPY.
///
/// INVARIANT: a cap only ever gets tighter, a count only ever grows.
#[derive(Debug, Clone, Default)]
pub struct ResultBudget {
    max_rows: Option<u64>,
    max_bytes: Option<u64>,
    rows: u64,
    bytes: u64,
}

impl ResultBudget {
    /// Lowers the caps to these limits, where they are lower.
    pub fn tighten(&mut self, limits: &Limits) {
        let least = |held: Option<u64>, new: Option<u64>| match (held, new) {
            (Some(held), Some(new)) => Some(held.min(new)),
            (held, new) => held.or(new),
        };
        self.max_rows = least(self.max_rows, limits.max_rows);
        self.max_bytes = least(self.max_bytes, limits.max_bytes);
    }

    /// How many rows may still leave; `None` is no cap.
    pub fn rows_left(&self) -> Option<u64> {
        self.max_rows.map(|max| max.saturating_sub(self.rows))
    }

    /// Counts one row of so many bytes before it leaves.
    ///
    /// # Errors
    /// 54000 if it would be a row or a byte too many: the row must then not leave.
    pub fn charge_row(&mut self, bytes: u64) -> Result<(), ErrorReport> {
        if let Some(max) = self.max_rows
            && self.rows >= max
        {
            return Err(ErrorReport::new(SqlState::PROGRAM_LIMIT_EXCEEDED, format!("result is limited to {max} rows"))
                .with_detail("The rows up to the limit have been sent.")
                .with_hint("Aggregate, filter or add a LIMIT; or ask the workspace's owner for a higher limit."));
        }
        if let Some(max) = self.max_bytes
            && self.bytes.saturating_add(bytes) > max
        {
            return Err(ErrorReport::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!("result is limited to {max} bytes"),
            )
            .with_detail("The rows up to the limit have been sent.")
            .with_hint("Select fewer columns or rows; or ask the workspace's owner for a higher limit."));
        }
        self.rows = self.rows.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// Rows counted so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes counted so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}
