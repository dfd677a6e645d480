//! Rows that an upstream has encoded: whole DataRow messages, which pass through as they came.
//!
//! What is counted and copied is told by the lengths in the messages' headers. A value is looked at only where a client
//! wants another frame around it: COPY.

use super::fields::Format;
use crate::error::{ErrorReport, SqlState};
use bytes::{Buf, BufMut, Bytes, BytesMut};
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
        first(&self.messages)
    }

    /// Puts messages into a buffer as they are: at most so many, and until it holds `soft_bytes`. Each is charged before,
    /// by its length.
    ///
    /// Gives how many messages and bytes went, and what stopped them, if that is an error.
    pub(super) fn pass_on(
        &mut self,
        out: &mut BytesMut,
        most: u64,
        soft_bytes: usize,
        mut charge: impl FnMut(u64) -> Result<(), ErrorReport>,
    ) -> (u64, u64, Result<(), ErrorReport>) {
        let room = soft_bytes.saturating_sub(out.len());
        let (mut end, mut rows, mut stopped) = (0_usize, 0, Ok(()));
        while rows < most.min(self.left) && end < room {
            let next = first(self.messages.get(end..).unwrap_or_default()).map(<[u8]>::len);
            match next.and_then(|length| charge(length as u64).map(|()| length)) {
                Ok(length) => end = end.saturating_add(length),
                Err(error) => {
                    stopped = Err(error);
                    break;
                }
            }
            rows += 1;
        }
        // All of them in one piece.
        out.put_slice(self.messages.get(..end).unwrap_or_default());
        self.messages.advance(end);
        self.left = self.left.saturating_sub(rows);
        (rows, end as u64, stopped)
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

/// The first message, tag and length included.
fn first(messages: &[u8]) -> Result<&[u8], ErrorReport> {
    let message = || {
        let (tag, rest) = messages.split_first()?;
        let length = usize::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?;
        messages.get(..length.checked_add(1)?).filter(|message| *tag == b'D' && message.len() >= HEADER)
    };
    message().ok_or_else(malformed)
}

/// The values of a message, in order; `None` is NULL.
pub(super) struct Values<'a> {
    rest: &'a [u8],
    count: usize,
}

impl<'a> Values<'a> {
    /// # Errors
    /// 08P01 if the message has no room for their number.
    pub(super) fn of(message: &'a [u8]) -> Result<Self, ErrorReport> {
        let (count, rest) = message.get(HEADER..).and_then(<[u8]>::split_first_chunk).ok_or_else(malformed)?;
        Ok(Self { rest, count: usize::from(u16::from_be_bytes(*count)) })
    }

    /// How many there are in all.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The next one.
    ///
    /// # Errors
    /// 08P01 if it is not there.
    pub(super) fn next(&mut self) -> Result<Option<&'a [u8]>, ErrorReport> {
        let (length, rest) = self.rest.split_first_chunk().ok_or_else(malformed)?;
        let length = i32::from_be_bytes(*length);
        self.rest = rest;
        match usize::try_from(length) {
            Ok(length) => {
                let (value, rest) = rest.split_at_checked(length).ok_or_else(malformed)?;
                self.rest = rest;
                Ok(Some(value))
            }
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(malformed()),
        }
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// 08P01.
    pub(super) fn end(&self) -> Result<(), ErrorReport> {
        if self.rest.is_empty() { Ok(()) } else { Err(malformed()) }
    }
}

#[cold]
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
    fn messages_pass_on_until_the_buffer_is_full_or_one_is_too_many() {
        let free = |_| Ok(());
        let (mut all, mut out) = (rows(), BytesMut::new());
        let whole = all.messages.clone();
        assert_eq!(all.pass_on(&mut out, 9, 1_000, free), (2, whole.len() as u64, Ok(())));
        assert!(out == whole && all.count() == 0);
        for (most, soft_bytes) in [(1, 1_000), (9, 1), (9, 17)] {
            let (mut all, mut out) = (rows(), BytesMut::new());
            assert_eq!(all.pass_on(&mut out, most, soft_bytes, free), (1, 17, Ok(())));
            assert!(all.count() == 1 && out.len() == 17);
        }
        let (mut all, mut out) = (rows(), BytesMut::new());
        let mut charged = Vec::new();
        let (passed, bytes, stopped) = all.pass_on(&mut out, 9, 1_000, |length| {
            charged.push(length);
            if charged.len() > 1 { Err(malformed()) } else { Ok(()) }
        });
        assert!(stopped.is_err());
        assert_eq!((passed, bytes, out.len(), all.count(), charged), (1, 17, 17, 1, vec![17, 16]));
        let mut lying = EncodedRows::new(Bytes::from_static(b"D\0\0\0\x20\0\0"), 1, &[].into());
        assert!(lying.pass_on(&mut out, 9, 1_000, free).2.is_err());
    }

    fn values(message: &[u8]) -> Result<Vec<Option<&[u8]>>, ErrorReport> {
        let mut values = Values::of(message)?;
        let all = (0..values.count()).map(|_| values.next()).collect::<Result<_, _>>()?;
        values.end().map(|()| all)
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
