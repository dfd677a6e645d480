//! Records: `(a,"b c",)`, and the form of `record_send`.

use super::column::{Column, put_sized};
use super::text::record_field;
use crate::egress::EncodeOptions;
use crate::error::ErrorReport;
use bytes::{BufMut, BytesMut};
use postgres_types::Type;

/// A column of records: one column for each field.
pub(super) struct Records(pub(super) Vec<(Type, Column)>);

impl Records {
    pub(super) fn put_text(&self, row: usize, options: &EncodeOptions, out: &mut BytesMut) -> Result<(), ErrorReport> {
        let mut scratch = BytesMut::new();
        out.put_u8(b'(');
        for (position, (_, column)) in self.0.iter().enumerate() {
            if position > 0 {
                out.put_u8(b',');
            }
            if !column.is_null(row) {
                scratch.clear();
                column.put_text(row, options, &mut scratch)?;
                record_field(&scratch, out);
            }
        }
        out.put_u8(b')');
        Ok(())
    }

    pub(super) fn put_binary(&self, row: usize, out: &mut BytesMut) -> Result<(), ErrorReport> {
        // A schema never has 2^31 fields.
        out.put_i32(i32::try_from(self.0.len()).unwrap_or(i32::MAX));
        for (pg_type, column) in &self.0 {
            out.put_u32(pg_type.oid());
            if column.is_null(row) {
                out.put_i32(-1);
            } else {
                put_sized(out, |out| column.put_binary(row, out))?;
            }
        }
        Ok(())
    }
}
