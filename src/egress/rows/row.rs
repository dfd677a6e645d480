//! One row at a time: from values or from an upstream's message into a client's.

use crate::egress::copy::CopyText;
use crate::egress::encode::{Column, put_sized, too_large};
use crate::egress::encoded::{EncodedRows, Values};
use crate::egress::{CopyFormat, EncodeOptions, Format};
use crate::error::ErrorReport;
use bytes::{BufMut, BytesMut};

/// Rows that have come and not yet left.
pub(super) struct Held {
    pub(super) rows: Source,
    /// Which columns a CSV quotes in any case.
    pub(super) forced: Vec<bool>,
}

pub(super) enum Source {
    Values(Batch),
    Encoded(EncodedRows),
}

/// A batch with its columns looked at, and the next row of it.
pub(super) struct Batch {
    pub(super) columns: Vec<Column>,
    pub(super) rows: usize,
    pub(super) next: usize,
}

impl Source {
    pub(super) fn left(&self) -> u64 {
        match self {
            Self::Values(batch) => (batch.rows - batch.next) as u64,
            Self::Encoded(rows) => rows.count(),
        }
    }

    /// Passes over rows that are there.
    pub(super) fn pass(&mut self, count: u64) -> Result<(), ErrorReport> {
        match self {
            Self::Values(batch) => {
                let step = usize::try_from(count).unwrap_or(usize::MAX);
                batch.next = batch.next.saturating_add(step).min(batch.rows);
                Ok(())
            }
            Self::Encoded(rows) => (0..count).try_for_each(|_| rows.pass()),
        }
    }
}

/// Writes one message: type, length, and what `put` writes.
pub(super) fn put_message(
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

pub(super) fn put_data_row(
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

/// One value of a row as COPY has it.
pub(super) enum CopyValue<'a> {
    /// By the text format's or CSV's own rules of quoting.
    Quoted(&'a dyn Fn(&[u8], &mut BytesMut)),
    /// With its length before it.
    Sized,
}

/// How values of a batch are encoded.
pub(super) struct Encoding<'a> {
    pub(super) options: &'a EncodeOptions,
    pub(super) scratch: &'a mut BytesMut,
}

impl Encoding<'_> {
    /// Puts a value; gives whether it is NULL instead.
    pub(super) fn put(
        &mut self,
        batch: &Batch,
        column: usize,
        form: CopyValue<'_>,
        out: &mut BytesMut,
    ) -> Result<bool, ErrorReport> {
        let Some(values) = batch.columns.get(column) else { return Err(too_large()) };
        if values.is_null(batch.next) {
            return Ok(true);
        }
        match form {
            CopyValue::Quoted(quote) => {
                self.scratch.clear();
                values.put_text(batch.next, self.options, self.scratch)?;
                quote(self.scratch, out);
            }
            CopyValue::Sized => put_sized(out, |out| values.put_binary(batch.next, out))?,
        }
        Ok(false)
    }
}

/// A row that an upstream has encoded, with COPY's frame around its values.
pub(super) fn put_copied_message(
    rows: &EncodedRows,
    format: &CopyFormat,
    forced: &[bool],
    out: &mut BytesMut,
) -> Result<(), ErrorReport> {
    let message = rows.peek()?;
    let mut values = Values::of(message)?;
    // Room for what comes of most rows, so that it is looked for once.
    out.reserve(message.len());
    put_copy_row(values.count(), format, forced, out, |_, form, out| {
        let Some(value) = values.next()? else { return Ok(true) };
        match form {
            CopyValue::Quoted(quote) => quote(value, out),
            CopyValue::Sized => put_sized(out, |out| {
                out.put_slice(value);
                Ok(())
            })?,
        }
        Ok(false)
    })?;
    values.end()
}

/// One CopyData message. `put` puts a column's value, or says that it is NULL; it is asked for each once, in order.
pub(super) fn put_copy_row(
    columns: usize,
    format: &CopyFormat,
    forced: &[bool],
    out: &mut BytesMut,
    mut put: impl FnMut(usize, CopyValue<'_>, &mut BytesMut) -> Result<bool, ErrorReport>,
) -> Result<(), ErrorReport> {
    put_message(out, b'd', |out| match format {
        CopyFormat::Text(text) => {
            for column in 0..columns {
                if column > 0 {
                    out.put_u8(text.delimiter);
                }
                if put(column, CopyValue::Quoted(&|value, out| text.put_value(value, out)), out)? {
                    out.put_slice(text.null.as_bytes());
                }
            }
            CopyText::put_line_end(out);
            Ok(())
        }
        CopyFormat::Csv(csv) => {
            for column in 0..columns {
                if column > 0 {
                    out.put_u8(csv.delimiter);
                }
                let forced = forced.get(column).copied().unwrap_or(false);
                let quote = |value: &[u8], out: &mut BytesMut| csv.put_value(value, forced, columns == 1, out);
                if put(column, CopyValue::Quoted(&quote), out)? {
                    out.put_slice(csv.null.as_bytes());
                }
            }
            CopyText::put_line_end(out);
            Ok(())
        }
        CopyFormat::Binary => {
            out.put_i16(i16::try_from(columns).map_err(|_| too_large())?);
            for column in 0..columns {
                if put(column, CopyValue::Sized, out)? {
                    out.put_i32(-1);
                }
            }
            Ok(())
        }
    })
}
