//! Reading frames: a length is checked before a byte of the body is waited for, and memory grows only with bytes that came.

use crate::error::{ErrorReport, SqlState};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much is read ahead while a statement runs.
const READ_AHEAD: usize = 64 << 10;
const CHUNK: usize = 8 << 10;
/// Room for what comes first: most messages fit, and most connections wait most of the time.
const WAITING: usize = 1 << 10;

/// The reading half of a connection.
pub(super) struct Inbox<R> {
    reader: R,
    buffer: BytesMut,
    max_body: usize,
}

/// Why there is no next frame.
#[derive(Debug)]
pub(super) enum Unread {
    /// The client has gone.
    Gone,
    /// It broke the protocol; FATAL.
    Violation(ErrorReport),
}

impl<R: AsyncRead + Unpin> Inbox<R> {
    /// Reads from here; what has been read before comes first.
    pub(super) fn new(reader: R, buffer: BytesMut, max_body: usize) -> Self {
        Self { reader, buffer, max_body }
    }

    /// Whether bytes are here that no message has used yet.
    pub(super) fn has_buffered(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The first byte of what comes, without taking it.
    pub(super) async fn peek(&mut self) -> Result<u8, Unread> {
        loop {
            if let Some(first) = self.buffer.first() {
                return Ok(*first);
            }
            self.more().await?;
        }
    }

    /// A packet without a type, as start-up has them: its body, the length not in it.
    pub(super) async fn packet(&mut self) -> Result<Bytes, Unread> {
        loop {
            if let Some(packet) = self.take(0)? {
                return Ok(packet);
            }
            self.more().await?;
        }
    }

    /// A message: type and body. Safe to drop while it waits.
    pub(super) async fn message(&mut self) -> Result<(u8, Bytes), Unread> {
        loop {
            if let Some(message) = self.ready_message()? {
                return Ok(message);
            }
            self.more().await?;
        }
    }

    /// A message that is here already.
    pub(super) fn ready_message(&mut self) -> Result<Option<(u8, Bytes)>, Unread> {
        let Some(kind) = self.buffer.first().copied() else { return Ok(None) };
        Ok(self.take(1)?.map(|body| (kind, body)))
    }

    /// Reads ahead until the client is gone. Never ends while it is there.
    pub(super) async fn gone(&mut self) {
        while self.buffer.len() < READ_AHEAD {
            if self.more().await.is_err() {
                return;
            }
        }
        std::future::pending().await
    }

    /// Changes how long a message may be.
    pub(super) fn set_max_body(&mut self, max_body: usize) {
        self.max_body = max_body;
    }

    /// Takes the reader and what it has read ahead apart.
    pub(super) fn into_parts(self) -> (R, BytesMut) {
        (self.reader, self.buffer)
    }

    /// The stream itself, while nobody reads from it.
    pub(super) fn stream(&mut self) -> &mut R {
        &mut self.reader
    }

    async fn more(&mut self) -> Result<(), Unread> {
        self.buffer.reserve(if self.buffer.is_empty() { WAITING } else { CHUNK });
        match self.reader.read_buf(&mut self.buffer).await {
            Ok(0) | Err(_) => Err(Unread::Gone),
            Ok(_) => Ok(()),
        }
    }

    /// Takes a whole frame out of the buffer; its length stands after so many bytes.
    fn take(&mut self, offset: usize) -> Result<Option<Bytes>, Unread> {
        let Some(mut length) = self.buffer.get(offset..offset + 4) else { return Ok(None) };
        let length = length.get_i32();
        let body = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
        let Some(body) = body else {
            return Err(Unread::Violation(ErrorReport::fatal(SqlState::PROTOCOL_VIOLATION, "invalid message length")));
        };
        if body > self.max_body {
            return Err(Unread::Violation(
                ErrorReport::fatal(SqlState::PROTOCOL_VIOLATION, "message is too long")
                    .with_detail(format!("It says that it has {body} bytes; the limit is {} bytes.", self.max_body)),
            ));
        }
        if self.buffer.len() < offset + 4 + body {
            return Ok(None);
        }
        self.buffer.advance(offset + 4);
        Ok(Some(self.buffer.split_to(body).freeze()))
    }
}
