//! Rows that an upstream has encoded: whole DataRow messages, which pass through as they came.
//!
//! What is counted and copied is told by the lengths in the messages' headers. A value is looked at only where a client
//! wants another frame around it: COPY.

use super::fields::Format;
use crate::error::{ErrorReport, SqlState};
use bytes::{Buf, Bytes};
use std::sync::Arc;

/// Tag and length.
const HEADER: usize = 5;

/// Whole DataRow messages, one after the other ("Message Formats").
#[derive(Debug, Clone)]
pub struct EncodedRows {
    messages: Bytes,
    left: u64,
    formats: Arc<[Format]>,
}

impl EncodedRows {
    /// `rows` messages, with their values in these formats, one for each column.
    pub fn new(messages: Bytes, rows: u64, formats: &Arc<[Format]>) -> Self {
        Self { messages, left: rows, formats: Arc::clone(formats) }
    }

    /// Rows that are left.
    pub fn count(&self) -> u64 {
        self.left
    }

    /// How the values are written.
    pub(super) fn formats(&self) -> &[Format] {
        &self.formats
    }

    /// The next message, tag and length included.
    ///
    /// # Errors
    /// 08P01 if what came is no whole message.
    pub(super) fn peek(&self) -> Result<&[u8], ErrorReport> {
        let length = self.messages.get(1..HEADER).and_then(|length| <[u8; 4]>::try_from(length).ok());
        let length = length.and_then(|length| usize::try_from(u32::from_be_bytes(length)).ok());
        length.and_then(|length| self.messages.get(..length.checked_add(1)?)).filter(is_row).ok_or_else(malformed)
    }

    /// Passes over the next message.
    ///
    /// # Errors
    /// As [`Self::peek`].
    pub(super) fn pass(&mut self) -> Result<(), ErrorReport> {
        let length = self.peek()?.len();
        self.messages.advance(length);
        self.left = self.left.saturating_sub(1);
        Ok(())
    }
}

fn is_row(message: &&[u8]) -> bool {
    message.len() >= HEADER && message.first() == Some(&b'D')
}

/// The values of a message; `None` is NULL.
///
/// # Errors
/// 08P01 if they are not all there.
pub(super) fn values(message: &[u8]) -> Result<Vec<Option<&[u8]>>, ErrorReport> {
    let mut rest = message.get(HEADER..).ok_or_else(malformed)?;
    let count = usize::from(rest.try_get_u16().map_err(|_| malformed())?);
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        let length = rest.try_get_i32().map_err(|_| malformed())?;
        values.push(match usize::try_from(length) {
            Ok(length) => {
                let (value, after) = rest.split_at_checked(length).ok_or_else(malformed)?;
                rest = after;
                Some(value)
            }
            Err(_) if length == -1 => None,
            Err(_) => return Err(malformed()),
        });
    }
    if rest.is_empty() { Ok(values) } else { Err(malformed()) }
}

fn malformed() -> ErrorReport {
    ErrorReport::new(SqlState::PROTOCOL_VIOLATION, "the upstream sent a row that is not well formed")
}

/// 0A000: what an upstream sends in one format can't be given in another.
pub(super) fn other_format() -> ErrorReport {
    ErrorReport::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        "rows of this cursor come in the format that it was declared with",
    )
    .with_hint("Declare it BINARY, or fetch it as text.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> EncodedRows {
        // (NULL, 'ab'), ('', 'c')
        let bytes = [
            b"D\0\0\0\x10\0\x02\xff\xff\xff\xff\0\0\0\x02ab".as_slice(),
            b"D\0\0\0\x0f\0\x02\0\0\0\0\0\0\0\x01c".as_slice(),
        ]
        .concat();
        EncodedRows::new(bytes.into(), 2, &[Format::Text, Format::Text].into())
    }

    #[test]
    fn messages_come_one_by_one_with_their_values() {
        let mut rows = rows();
        assert_eq!(values(rows.peek().unwrap()).unwrap(), [None, Some(b"ab".as_slice())]);
        rows.pass().unwrap();
        assert_eq!(values(rows.peek().unwrap()).unwrap(), [Some(b"".as_slice()), Some(b"c")]);
        rows.pass().unwrap();
        assert!(rows.count() == 0 && rows.peek().is_err());
    }

    #[test]
    fn what_is_no_row_is_refused() {
        for bytes in
            [b"".as_slice(), b"D\0\0", b"D\0\0\0\x20\0\0", b"D\0\0\0\0", b"C\0\0\0\x06\0\0", b"D\xff\xff\xff\xff"]
        {
            let rows = EncodedRows::new(Bytes::copy_from_slice(bytes), 1, &[].into());
            assert!(rows.peek().is_err(), "{bytes:?}");
        }
        for bytes in
            [b"D\0\0\0\x06\0\x01".as_slice(), b"D\0\0\0\x0a\0\x01\0\0\0\x01", b"D\0\0\0\x0a\0\x01\xff\xff\xff\xfe"]
        {
            assert!(values(bytes).is_err(), "{bytes:?}");
        }
    }
}
