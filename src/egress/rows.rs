//! A result on its way out: pulled from its stream, charged to its budget row by row, encoded into the client's buffer.

use super::copy::{BINARY_HEADER, BINARY_TRAILER};
use super::encode::Column;
use super::encoded::other_format;
use super::fields::field_descriptions;
use super::{CopyFormat, CopyText, EncodeOptions, FieldDescription, Format, Outcome, ResultBudget, RowStream, Rows};
use crate::error::ErrorReport;
use arrow::datatypes::SchemaRef;
use bytes::{BufMut, BytesMut};
use futures::StreamExt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

mod row;

use row::{Batch, Encoding, Held, Source, put_copied_message, put_copy_row, put_data_row, put_message};

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
    /// Worked out when they are first asked for.
    fields: OnceLock<Result<Vec<FieldDescription>, ErrorReport>>,
    held: Option<Held>,
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
            fields: OnceLock::new(),
            held: None,
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
    pub fn fields(&self) -> Result<&[FieldDescription], ErrorReport> {
        let fields = self.fields.get_or_init(|| field_descriptions(&self.stream.schema, self.formats()));
        fields.as_deref().map_err(Clone::clone)
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
            self.fields = OnceLock::new();
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
            match &mut self.held {
                Some(held) if held.rows.left() > 0 => {
                    let step = left.min(held.rows.left());
                    held.rows.pass(step)?;
                    skipped = skipped.saturating_add(step);
                }
                _ if self.ended => return Ok(skipped),
                _ => {
                    self.want(max_rows.map(|_| left));
                    let next = self.stream.batches.next().await;
                    self.take_rows(next)?;
                }
            }
        }
    }

    fn want(&self, rows: Option<u64>) {
        if let Some(demand) = &self.stream.demand {
            demand(rows);
        }
    }

    fn take_rows(&mut self, next: Option<Result<Rows, ErrorReport>>) -> Result<(), ErrorReport> {
        self.held = None;
        let Some(next) = next else {
            self.ended = true;
            return Ok(());
        };
        let fields = self.stream.schema.fields();
        let rows = match next.inspect_err(|_| self.ended = true)? {
            Rows::Values(batch) => {
                let columns = batch.columns().iter().zip(fields).map(|(array, field)| Column::new(array, field));
                let columns = columns.collect::<Result<Vec<_>, _>>()?;
                Source::Values(Batch { columns, rows: batch.num_rows(), next: 0 })
            }
            Rows::Encoded(rows) => {
                let wanted = match &self.form {
                    Form::DataRow(formats) => rows.formats() == formats.as_slice(),
                    Form::Copy(CopyFormat::Binary) => rows.formats().iter().all(|format| *format == Format::Binary),
                    Form::Copy(CopyFormat::Text(_) | CopyFormat::Csv(_)) => {
                        rows.formats().iter().all(|format| *format == Format::Text)
                    }
                };
                if !wanted {
                    self.ended = true;
                    return Err(other_format());
                }
                Source::Encoded(rows)
            }
        };
        let forced = match &self.form {
            Form::Copy(CopyFormat::Csv(csv)) => fields.iter().map(|field| csv.forces(field.name())).collect(),
            _ => Vec::new(),
        };
        self.held = Some(Held { rows, forced });
        Ok(())
    }

    /// Encodes rows of those at hand; gives whether they are used up.
    fn encode_held(&mut self, out: &mut BytesMut, rows_wanted: u64, soft_bytes: usize) -> Result<bool, ErrorReport> {
        let Some(Held { rows, forced }) = &mut self.held else { return Ok(true) };
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Source::Encoded(rows), Form::DataRow(_)) = (&mut *rows, &self.form) {
            let (passed, bytes, stopped) =
                rows.pass_on(out, rows_wanted, soft_bytes, |length| budget.charge_row(length));
            self.rows = self.rows.saturating_add(passed);
            self.bytes = self.bytes.saturating_add(bytes);
            return stopped.map(|()| rows.count() == 0);
        }
        let mut wanted = rows_wanted;
        while rows.left() > 0 {
            if wanted == 0 || out.len() >= soft_bytes {
                return Ok(false);
            }
            let start = out.len();
            let encoded = match (&*rows, &self.form) {
                (Source::Values(batch), Form::DataRow(formats)) => put_data_row(batch, formats, &self.options, out),
                (Source::Values(batch), Form::Copy(format)) => {
                    let mut row = Encoding { options: &self.options, scratch: &mut self.scratch };
                    put_copy_row(batch.columns.len(), format, forced, out, |column, form, out| {
                        row.put(batch, column, form, out)
                    })
                }
                // Passed on above.
                (Source::Encoded(_), Form::DataRow(_)) => Err(other_format()),
                (Source::Encoded(rows), Form::Copy(format)) => put_copied_message(rows, format, forced, out),
            };
            let length = (out.len() - start) as u64;
            if let Err(error) = encoded.and_then(|()| budget.charge_row(length)).and_then(|()| rows.pass(1)) {
                out.truncate(start);
                return Err(error);
            }
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
            if !rows.encode_held(out, wanted, soft_bytes)? {
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
            let left = max_rows.map(|max| max.saturating_sub(rows.rows - before));
            if left == Some(0) && rows.stream.demand.is_some() {
                // Who asks for more now asks for more than was wanted.
                return Ok(Progress::Suspended);
            }
            rows.want(left);
            let next = match futures::poll!(rows.stream.batches.next()) {
                std::task::Poll::Ready(next) => next,
                std::task::Poll::Pending if !out.is_empty() => return Ok(Progress::More),
                std::task::Poll::Pending => rows.stream.batches.next().await,
            };
            rows.take_rows(next)?;
        }
    }
}

impl std::fmt::Debug for ResultRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResultRows").field("rows", &self.rows).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
