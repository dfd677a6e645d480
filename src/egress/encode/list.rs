//! Arrays: `{a,"b c",NULL}`, and the form of `array_send`.

use super::column::{Column, put_sized};
use super::text::array_element;
use crate::egress::EncodeOptions;
use crate::error::{ErrorReport, SqlState};
use arrow::buffer::OffsetBuffer;
use bytes::{BufMut, BytesMut};
use postgres_types::Type;
use std::ops::Range;

/// Where each row's elements lie among all elements.
pub(super) enum Offsets {
    Small(OffsetBuffer<i32>),
    Large(OffsetBuffer<i64>),
    Fixed(usize),
}

impl Offsets {
    fn range(&self, row: usize) -> Range<usize> {
        let bounds = |start: Option<i64>, end: Option<i64>| {
            let bound = |at: Option<i64>| at.and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
            bound(start)..bound(end)
        };
        match self {
            Self::Small(offsets) => {
                bounds(offsets.get(row).map(|at| (*at).into()), offsets.get(row + 1).map(|at| (*at).into()))
            }
            Self::Large(offsets) => bounds(offsets.get(row).copied(), offsets.get(row + 1).copied()),
            Self::Fixed(size) => row * size..(row + 1) * size,
        }
    }
}

/// A column of arrays.
pub(super) struct Lists {
    pub(super) offsets: Offsets,
    pub(super) elements: Column,
    /// The type of what is not an array any more.
    pub(super) element_type: Type,
    /// `int2vector`, `oidvector`.
    pub(super) vector: bool,
}

impl Lists {
    pub(super) fn put_text(&self, row: usize, options: &EncodeOptions, out: &mut BytesMut) -> Result<(), ErrorReport> {
        let mut scratch = BytesMut::new();
        if self.vector {
            for (position, element) in self.offsets.range(row).enumerate() {
                if position > 0 {
                    out.put_u8(b' ');
                }
                self.elements.put_text(element, options, out)?;
            }
            return Ok(());
        }
        out.put_u8(b'{');
        for (position, element) in self.offsets.range(row).enumerate() {
            if position > 0 {
                out.put_u8(b',');
            }
            if self.elements.is_null(element) {
                out.put_slice(b"NULL");
            } else if self.elements.as_lists().is_some() {
                self.elements.put_text(element, options, out)?;
            } else {
                scratch.clear();
                self.elements.put_text(element, options, &mut scratch)?;
                array_element(&scratch, out);
            }
        }
        out.put_u8(b'}');
        Ok(())
    }

    pub(super) fn put_binary(&self, row: usize, out: &mut BytesMut) -> Result<(), ErrorReport> {
        let mut dimensions = Vec::new();
        self.measure(row, 0, &mut dimensions)?;
        // An array without elements has no dimensions at all.
        if dimensions.contains(&0) {
            dimensions.clear();
        }
        out.put_i32(i32::try_from(dimensions.len()).map_err(|_| ragged())?);
        out.put_i32(i32::from(!dimensions.is_empty() && self.has_null(row)));
        out.put_u32(self.element_type.oid());
        for length in &dimensions {
            out.put_i32(i32::try_from(*length).map_err(|_| ragged())?);
            out.put_i32(i32::from(!self.vector));
        }
        if dimensions.is_empty() { Ok(()) } else { self.put_elements(row, out) }
    }

    /// Collects the length of each dimension; all arrays of one depth must have the same.
    fn measure(&self, row: usize, depth: usize, dimensions: &mut Vec<usize>) -> Result<(), ErrorReport> {
        let range = self.offsets.range(row);
        match dimensions.get(depth) {
            None => dimensions.push(range.len()),
            Some(length) if *length == range.len() => {}
            Some(_) => return Err(ragged()),
        }
        if let Some(inner) = self.elements.as_lists() {
            for element in range {
                if self.elements.is_null(element) {
                    return Err(ragged());
                }
                inner.measure(element, depth + 1, dimensions)?;
            }
        }
        Ok(())
    }

    fn has_null(&self, row: usize) -> bool {
        self.offsets.range(row).any(|element| match self.elements.as_lists() {
            Some(inner) => inner.has_null(element),
            None => self.elements.is_null(element),
        })
    }

    fn put_elements(&self, row: usize, out: &mut BytesMut) -> Result<(), ErrorReport> {
        for element in self.offsets.range(row) {
            if let Some(inner) = self.elements.as_lists() {
                inner.put_elements(element, out)?;
            } else if self.elements.is_null(element) {
                out.put_i32(-1);
            } else {
                put_sized(out, |out| self.elements.put_binary(element, out))?;
            }
        }
        Ok(())
    }
}

fn ragged() -> ErrorReport {
    ErrorReport::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        "an array whose inner arrays differ in length cannot be sent in binary form",
    )
    .with_hint("Ask for the column in text form, or cast it to text.")
}
