//! A result on its way out: pulled from its stream, charged to its budget row by row, encoded into the client's buffer.

use super::copy::{BINARY_HEADER, BINARY_TRAILER};
use super::encode::{Column, put_sized, too_large};
use super::fields::field_descriptions;
use super::{CopyFormat, CopyText, EncodeOptions, FieldDescription, Format, Outcome, ResultBudget, RowStream};
use crate::error::ErrorReport;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use bytes::{BufMut, BytesMut};
use futures::StreamExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Where [`ResultRows::fill`] stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The buffer should be sent; there may be more.
    More,
    /// As many rows as were asked for; there may be more.
    Suspended,
    /// That was all.
    Done,
}

/// A result on its way out. It keeps what is left of a batch between pages of a portal.
///
/// INVARIANT: a row is in the buffer only if the budget was charged for it.
pub struct ResultRows {
    stream: RowStream,
    form: Form,
    options: EncodeOptions,
    budget: Arc<Mutex<ResultBudget>>,
    batch: Option<Batch>,
    opened: bool,
    ended: bool,
    rows: u64,
    bytes: u64,
    spent: Duration,
    scratch: BytesMut,
}

/// How rows are framed and written.
enum Form {
    /// DataRow messages; a format for each column.
    DataRow(Vec<Format>),
    /// CopyData messages.
    Copy(CopyFormat),
}

/// A batch with its columns looked at, and the next row of it.
struct Batch {
    columns: Vec<Column>,
    /// Which columns a CSV quotes in any case.
    forced: Vec<bool>,
    rows: usize,
    next: usize,
}

impl ResultRows {
    /// A result as DataRow messages.
    pub fn new(
        stream: RowStream,
        formats: Vec<Format>,
        options: EncodeOptions,
        budget: Arc<Mutex<ResultBudget>>,
    ) -> Self {
        Self::with_form(stream, Form::DataRow(formats), options, budget)
    }

    /// A result as the CopyData messages of a COPY.
    pub fn for_copy(
        stream: RowStream,
        format: CopyFormat,
        options: EncodeOptions,
        budget: Arc<Mutex<ResultBudget>>,
    ) -> Self {
        Self::with_form(stream, Form::Copy(format), options, budget)
    }

    fn with_form(stream: RowStream, form: Form, options: EncodeOptions, budget: Arc<Mutex<ResultBudget>>) -> Self {
        Self {
            stream,
            form,
            options,
            budget,
            batch: None,
            opened: false,
            ended: false,
            rows: 0,
            bytes: 0,
            spent: Duration::ZERO,
            scratch: BytesMut::new(),
        }
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.stream.schema
    }

    /// The columns as RowDescription has them.
    ///
    /// # Errors
    /// 0A000 if a type has no form on the wire, 54011 if there are too many.
    pub fn fields(&self) -> Result<Vec<FieldDescription>, ErrorReport> {
        field_descriptions(&self.stream.schema, self.formats())
    }

    fn formats(&self) -> &[Format] {
        match &self.form {
            Form::DataRow(formats) => formats,
            Form::Copy(_) => &[],
        }
    }

    /// Writes what is still to come in other formats: two FETCHes of one cursor may ask for different ones.
    pub fn set_formats(&mut self, formats: Vec<Format>) {
        if let Form::DataRow(held) = &mut self.form {
            *held = formats;
        }
    }

    /// The messages to send before the rows.
    pub fn take_notices(&mut self) -> Vec<ErrorReport> {
        std::mem::take(&mut self.stream.notices)
    }

    /// What is left of the stream's own bound on time. Only the time inside [`Self::fill`] and [`Self::skip`] counts,
    /// not the time that a suspended portal waits for its client.
    pub fn timeout(&self) -> Option<Duration> {
        self.stream.timeout.map(|timeout| timeout.saturating_sub(self.spent))
    }

    /// Rows that have left, in all pages.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes that have left, in all pages.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Ends the statement below and records how.
    pub fn finish(self, outcome: Outcome) {
        self.stream.finish(outcome, self.rows, self.bytes);
    }

    /// Encodes rows into a buffer: at most `max_rows` of them, until the buffer holds `soft_bytes` or the stream makes
    /// wait while there is something to send.
    ///
    /// Safe to drop while it waits: nothing is lost, and it can be called again.
    ///
    /// # Errors
    /// What the stream gave, 54000 if the budget is used up, or an encoding error. The rows before the error are in the
    /// buffer, and nothing of the one that it stopped at.
    pub async fn fill(
        &mut self,
        out: &mut BytesMut,
        max_rows: Option<u64>,
        soft_bytes: usize,
    ) -> Result<Progress, ErrorReport> {
        let (started, spent) = (Instant::now(), self.spent);
        Spent { rows: self, started, spent }.fill(out, max_rows, soft_bytes).await
    }

    /// Passes over rows, as MOVE does: nothing is encoded and nothing charged, for nothing leaves. Gives how many.
    ///
    /// # Errors
    /// What the stream gave.
    pub async fn skip(&mut self, max_rows: Option<u64>) -> Result<u64, ErrorReport> {
        let mut skipped = 0_u64;
        loop {
            let left = max_rows.map_or(u64::MAX, |max| max - skipped);
            if left == 0 {
                return Ok(skipped);
            }
            match &mut self.batch {
                Some(batch) if batch.next < batch.rows => {
                    let step = usize::try_from(left).unwrap_or(usize::MAX).min(batch.rows - batch.next);
                    batch.next += step;
                    skipped = skipped.saturating_add(step as u64);
                }
                _ if self.ended => return Ok(skipped),
                _ => {
                    let next = self.stream.batches.next().await;
                    self.take_batch(next)?;
                }
            }
        }
    }

    fn take_batch(&mut self, next: Option<Result<RecordBatch, ErrorReport>>) -> Result<(), ErrorReport> {
        self.batch = None;
        let Some(next) = next else {
            self.ended = true;
            return Ok(());
        };
        let batch = next.inspect_err(|_| self.ended = true)?;
        let fields = self.stream.schema.fields();
        let columns = batch.columns().iter().zip(fields).map(|(array, field)| Column::new(array, field));
        let forced = match &self.form {
            Form::Copy(CopyFormat::Csv(csv)) => fields.iter().map(|field| csv.forces(field.name())).collect(),
            _ => Vec::new(),
        };
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        self.batch = Some(Batch { columns, forced, rows: batch.num_rows(), next: 0 });
        Ok(())
    }

    /// Encodes rows of the batch at hand; gives whether the batch is used up.
    fn encode_batch(&mut self, out: &mut BytesMut, rows_wanted: u64, soft_bytes: usize) -> Result<bool, ErrorReport> {
        let Some(batch) = &mut self.batch else { return Ok(true) };
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted = rows_wanted;
        while batch.next < batch.rows {
            if wanted == 0 || out.len() >= soft_bytes {
                return Ok(false);
            }
            let start = out.len();
            let encoded = match &self.form {
                Form::DataRow(formats) => put_data_row(batch, formats, &self.options, out),
                Form::Copy(format) => put_copy_row(batch, format, &self.options, &mut self.scratch, out),
            };
            let length = (out.len() - start) as u64;
            if let Err(error) = encoded.and_then(|()| budget.charge_row(length)) {
                out.truncate(start);
                return Err(error);
            }
            batch.next += 1;
            wanted -= 1;
            self.rows = self.rows.saturating_add(1);
            self.bytes = self.bytes.saturating_add(length);
        }
        Ok(true)
    }

    fn put_opening(&self, out: &mut BytesMut) -> Result<(), ErrorReport> {
        let names = || self.stream.schema.fields().iter().map(|field| field.name().as_bytes()).enumerate();
        match &self.form {
            Form::DataRow(_) => Ok(()),
            Form::Copy(CopyFormat::Binary) => put_message(out, b'd', |out| {
                out.put_slice(BINARY_HEADER);
                Ok(())
            }),
            Form::Copy(CopyFormat::Text(text)) if text.header => put_message(out, b'd', |out| {
                for (position, name) in names() {
                    if position > 0 {
                        out.put_u8(text.delimiter);
                    }
                    text.put_value(name, out);
                }
                CopyText::put_line_end(out);
                Ok(())
            }),
            Form::Copy(CopyFormat::Csv(csv)) if csv.header => put_message(out, b'd', |out| {
                let only = self.stream.schema.fields().len() == 1;
                for (position, name) in names() {
                    if position > 0 {
                        out.put_u8(csv.delimiter);
                    }
                    csv.put_value(name, false, only, out);
                }
                CopyText::put_line_end(out);
                Ok(())
            }),
            Form::Copy(CopyFormat::Text(_) | CopyFormat::Csv(_)) => Ok(()),
        }
    }
}

/// Counts the time even of a fill that is dropped while it waits.
struct Spent<'a> {
    rows: &'a mut ResultRows,
    started: Instant,
    spent: Duration,
}

impl Drop for Spent<'_> {
    fn drop(&mut self) {
        self.rows.spent = self.spent.saturating_add(self.started.elapsed());
    }
}

impl Spent<'_> {
    async fn fill(
        &mut self,
        out: &mut BytesMut,
        max_rows: Option<u64>,
        soft_bytes: usize,
    ) -> Result<Progress, ErrorReport> {
        let rows = &mut *self.rows;
        let before = rows.rows;
        if !rows.opened {
            rows.put_opening(out)?;
            rows.opened = true;
        }
        loop {
            let wanted = max_rows.map_or(u64::MAX, |max| max.saturating_sub(rows.rows - before));
            if wanted == 0 {
                return Ok(Progress::Suspended);
            }
            if !rows.encode_batch(out, wanted, soft_bytes)? {
                // Out of rows to give or out of room: the next turn of the loop tells which.
                if out.len() >= soft_bytes {
                    return Ok(Progress::More);
                }
                continue;
            }
            if rows.ended {
                if matches!(rows.form, Form::Copy(CopyFormat::Binary)) {
                    put_message(out, b'd', |out| {
                        out.put_slice(&BINARY_TRAILER);
                        Ok(())
                    })?;
                }
                return Ok(Progress::Done);
            }
            let next = match futures::poll!(rows.stream.batches.next()) {
                std::task::Poll::Ready(next) => next,
                std::task::Poll::Pending if !out.is_empty() => return Ok(Progress::More),
                std::task::Poll::Pending => rows.stream.batches.next().await,
            };
            rows.take_batch(next)?;
        }
    }
}

/// Writes one message: type, length, and what `put` writes.
fn put_message(
    out: &mut BytesMut,
    kind: u8,
    put: impl FnOnce(&mut BytesMut) -> Result<(), ErrorReport>,
) -> Result<(), ErrorReport> {
    out.put_u8(kind);
    let start = out.len();
    put_sized(out, put)?;
    // The length on the wire counts itself.
    let length = u32::try_from(out.len() - start).ok().filter(|length| *length <= i32::MAX.unsigned_abs());
    let length = length.ok_or_else(too_large)?;
    if let Some(slot) = out.get_mut(start..start + 4) {
        slot.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

fn put_data_row(
    batch: &Batch,
    formats: &[Format],
    options: &EncodeOptions,
    out: &mut BytesMut,
) -> Result<(), ErrorReport> {
    put_message(out, b'D', |out| {
        out.put_i16(i16::try_from(batch.columns.len()).map_err(|_| too_large())?);
        for (position, column) in batch.columns.iter().enumerate() {
            if column.is_null(batch.next) {
                out.put_i32(-1);
                continue;
            }
            put_sized(out, |out| match formats.get(position) {
                None | Some(Format::Text) => column.put_text(batch.next, options, out),
                Some(Format::Binary) => column.put_binary(batch.next, out),
            })?;
        }
        Ok(())
    })
}

fn put_copy_row(
    batch: &Batch,
    format: &CopyFormat,
    options: &EncodeOptions,
    scratch: &mut BytesMut,
    out: &mut BytesMut,
) -> Result<(), ErrorReport> {
    let columns = || batch.columns.iter().enumerate();
    put_message(out, b'd', |out| match format {
        CopyFormat::Text(text) => {
            for (position, column) in columns() {
                if position > 0 {
                    out.put_u8(text.delimiter);
                }
                if column.is_null(batch.next) {
                    out.put_slice(text.null.as_bytes());
                } else {
                    scratch.clear();
                    column.put_text(batch.next, options, scratch)?;
                    text.put_value(scratch, out);
                }
            }
            CopyText::put_line_end(out);
            Ok(())
        }
        CopyFormat::Csv(csv) => {
            for (position, column) in columns() {
                if position > 0 {
                    out.put_u8(csv.delimiter);
                }
                if column.is_null(batch.next) {
                    out.put_slice(csv.null.as_bytes());
                } else {
                    scratch.clear();
                    column.put_text(batch.next, options, scratch)?;
                    let forced = batch.forced.get(position).copied().unwrap_or(false);
                    csv.put_value(scratch, forced, batch.columns.len() == 1, out);
                }
            }
            CopyText::put_line_end(out);
            Ok(())
        }
        CopyFormat::Binary => {
            out.put_i16(i16::try_from(batch.columns.len()).map_err(|_| too_large())?);
            for (_, column) in columns() {
                if column.is_null(batch.next) {
                    out.put_i32(-1);
                } else {
                    put_sized(out, |out| column.put_binary(batch.next, out))?;
                }
            }
            Ok(())
        }
    })
}

impl std::fmt::Debug for ResultRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResultRows").field("rows", &self.rows).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
