//! Messages of the protocol as they lie on the wire: split, counted and passed on, never decoded here.
//!
//! Rows are handed out in batches: all whole row messages that one read brought, as one piece of the read buffer.

use super::error::ProtocolError;
use bytes::{Buf, Bytes, BytesMut};
use postgres_protocol::message::backend::{COPY_DATA_TAG, DATA_ROW_TAG};

/// Tag and length.
const HEADER: usize = 5;

/// One message of the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// What it is.
    pub(super) tag: u8,
    /// What follows tag and length.
    pub(super) body: Bytes,
}

/// What kind of messages a batch holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// DataRow.
    Data,
    /// CopyData.
    Copy,
}

/// Whole row messages, one after the other, as the upstream sent them: ready to be sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowBatch {
    kind: RowKind,
    bytes: Bytes,
    rows: u64,
}

impl RowBatch {
    /// DataRow or CopyData.
    pub fn kind(&self) -> RowKind {
        self.kind
    }

    /// How many messages it holds: never zero.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The messages, each with its tag and length.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The same, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Keeps the first rows only: for a cap that ends within the batch.
    pub fn truncate(&mut self, rows: u64) {
        if rows < self.rows {
            let end: usize = self.frames().take(usize::try_from(rows).unwrap_or(usize::MAX)).map(<[u8]>::len).sum();
            self.bytes.truncate(end);
            self.rows = rows;
        }
    }

    /// Each message, with its tag and length.
    pub fn frames(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest: &[u8] = &self.bytes;
        std::iter::from_fn(move || {
            let header = Header::of(rest)?;
            let (frame, after) = rest.split_at_checked(header.total)?;
            rest = after;
            Some(frame)
        })
    }
}

#[derive(Clone, Copy)]
struct Header {
    tag: u8,
    /// Of the whole message.
    total: usize,
}

impl Header {
    /// `None` if the bytes hold no whole header. A length that can't be comes out as zero and is refused by `checked`.
    fn of(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let length = u32::from_be_bytes(*rest.first_chunk()?);
        let total = usize::try_from(length).ok().filter(|length| *length >= HEADER - 1).map_or(0, |length| length + 1);
        Some(Self { tag: *tag, total })
    }

    fn checked(self, bound: usize) -> Result<Self, ProtocolError> {
        match self.total {
            0 => Err(ProtocolError::Length),
            total if total > bound => Err(ProtocolError::TooLong(bound)),
            _ => Ok(self),
        }
    }
}

/// What was read and not yet handed out.
#[derive(Debug)]
pub(super) struct FrameBuffer {
    bytes: BytesMut,
    bound: usize,
    /// How much room the next read gets: little at first, since most answers are short, and more while reads fill it.
    step: usize,
}

/// Room for the answer to a point lookup.
const FIRST_STEP: usize = 4 << 10;

impl FrameBuffer {
    /// With a bound on the length of one message, header included.
    pub(super) fn new(bound: usize) -> Self {
        Self { bytes: BytesMut::new(), bound, step: FIRST_STEP }
    }

    /// Changes the bound on the length of a message.
    pub(super) fn set_bound(&mut self, bound: usize) {
        self.bound = bound;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Where to read to. Room for one read is made, of at most `chunk` bytes; for the rest of a long message as it comes, so
    /// that a length alone reserves nothing.
    pub(super) fn room(&mut self, chunk: usize) -> &mut BytesMut {
        let spare = self.bytes.capacity() - self.bytes.len();
        if spare == 0 && !self.bytes.is_empty() {
            self.step = (self.step * 4).min(chunk);
        }
        if spare < self.step / 4 || spare == 0 {
            self.bytes.reserve(self.step.max(self.bytes.len().min(chunk * 16)));
        }
        &mut self.bytes
    }

    /// Gives the memory back, if nothing is in it and it is more than the answer to a point lookup takes.
    pub(super) fn shrink(&mut self) {
        if self.bytes.is_empty() {
            if self.bytes.capacity() > FIRST_STEP {
                self.bytes = BytesMut::new();
            }
            self.step = FIRST_STEP;
        }
    }

    /// The next message, if a whole one is there.
    ///
    /// # Errors
    /// A length that can't be, or that is beyond the bound: as soon as the header is there.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, ProtocolError> {
        let Some(header) = Header::of(&self.bytes) else { return Ok(None) };
        let header = header.checked(self.bound)?;
        if self.bytes.len() < header.total {
            return Ok(None);
        }
        let mut body = self.bytes.split_to(header.total).freeze();
        body.advance(HEADER);
        Ok(Some(Frame { tag: header.tag, body }))
    }

    /// All whole row messages of one kind at the front, if there are any.
    ///
    /// # Errors
    /// As [`FrameBuffer::next`].
    pub(super) fn next_rows(&mut self) -> Result<Option<RowBatch>, ProtocolError> {
        let kind = match self.bytes.first() {
            Some(&DATA_ROW_TAG) => RowKind::Data,
            Some(&COPY_DATA_TAG) => RowKind::Copy,
            _ => return Ok(None),
        };
        let first = self.bytes.first().copied();
        let (mut end, mut rows) = (0, 0);
        while let Some(rest) = self.bytes.get(end..) {
            let Some(header) = Header::of(rest).filter(|header| Some(header.tag) == first) else { break };
            let header = match header.checked(self.bound) {
                Ok(header) => header,
                // What came before it still counts; the next call tells.
                Err(_) if rows > 0 => break,
                Err(error) => return Err(error),
            };
            if rest.len() < header.total {
                break;
            }
            end += header.total;
            rows += 1;
        }
        if rows == 0 {
            return Ok(None);
        }
        Ok(Some(RowBatch { kind, bytes: self.bytes.split_to(end).freeze(), rows }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let mut message = vec![tag];
        message.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        message.extend_from_slice(body);
        message
    }

    fn buffer(bytes: &[u8]) -> FrameBuffer {
        let mut buffer = FrameBuffer::new(100);
        buffer.room(64).extend_from_slice(bytes);
        buffer
    }

    #[test]
    fn messages_come_out_whole_however_they_arrive() {
        let wire = [message(b'T', b"abc"), message(b'Z', b"I"), message(b'1', b"")].concat();
        let mut buffer = FrameBuffer::new(100);
        let mut seen = Vec::new();
        for byte in wire {
            buffer.room(8).extend_from_slice(&[byte]);
            while let Some(frame) = buffer.next().unwrap() {
                seen.push((frame.tag, frame.body.to_vec()));
            }
        }
        assert_eq!(seen, [(b'T', b"abc".to_vec()), (b'Z', b"I".to_vec()), (b'1', Vec::new())]);
        assert!(buffer.is_empty());
    }

    #[test]
    fn rows_are_one_piece_and_counted() {
        let rows = [message(b'D', b"one"), message(b'D', b""), message(b'D', b"three")].concat();
        let mut held = buffer(&[rows.clone(), message(b'D', b"cut")[..6].to_vec()].concat());
        let mut batch = held.next_rows().unwrap().unwrap();
        assert_eq!((batch.rows(), batch.kind(), batch.bytes().as_ref()), (3, RowKind::Data, rows.as_slice()));
        assert_eq!(batch.frames().map(<[u8]>::len).collect::<Vec<_>>(), [8, 5, 10]);
        assert_eq!(held.next_rows().unwrap(), None);
        assert_eq!(held.next().unwrap(), None);
        batch.truncate(2);
        assert_eq!((batch.rows(), batch.bytes().len()), (2, 13));
        batch.truncate(9);
        assert_eq!(batch.rows(), 2);
        batch.truncate(0);
        assert_eq!((batch.rows(), batch.bytes().len()), (0, 0));
    }

    #[test]
    fn a_batch_ends_where_another_message_begins() {
        let mut held = buffer(&[message(b'd', b"x"), message(b'D', b"y"), message(b'C', b"z")].concat());
        assert_eq!(held.next_rows().unwrap().unwrap().kind(), RowKind::Copy);
        assert_eq!(held.next_rows().unwrap().unwrap().rows(), 1);
        assert_eq!(held.next_rows().unwrap(), None);
        assert_eq!(held.next().unwrap().unwrap().tag, b'C');
    }

    #[test]
    fn lengths_are_bounded_before_anything_is_kept() {
        assert_eq!(buffer(b"D\0\0\0\x03").next(), Err(ProtocolError::Length));
        assert_eq!(buffer(b"D\0\0\0\x00").next_rows(), Err(ProtocolError::Length));
        assert_eq!(buffer(b"D\xff\xff\xff\xff").next_rows(), Err(ProtocolError::TooLong(100)));
        assert_eq!(buffer(b"T\0\0\0\x64").next(), Err(ProtocolError::TooLong(100)));
        assert_eq!(buffer(b"T\0\0\0\x63").next(), Ok(None));
        let mut held = buffer(&[message(b'D', b"fine"), b"D\xff\xff\xff\xff".to_vec()].concat());
        assert_eq!(held.next_rows().unwrap().unwrap().rows(), 1);
        assert_eq!(held.next_rows(), Err(ProtocolError::TooLong(100)));
    }
}
