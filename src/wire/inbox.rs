//! Reading frames: a length is checked before a byte of the body is waited for, and memory grows only with bytes that came.

use super::frontend;
use crate::error::{ErrorReport, SqlState};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much is read ahead while a statement runs.
const READ_AHEAD: usize = 64 << 10;
const CHUNK: usize = 8 << 10;
/// Room for what comes first: most messages fit, and most connections wait most of the time.
const WAITING: usize = 1 << 10;
/// The largest packet of a start-up, as in PostgreSQL.
const STARTUP_BYTES: usize = 10_000;
/// The largest message of SASL, as in PostgreSQL.
const SASL_BYTES: usize = 1024;
/// The largest message of a type that is always short, as in PostgreSQL.
const SHORT_BYTES: usize = 10_000;

/// What may come now, and how long it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// Packets without a type.
    Startup,
    /// Answers to a request for a password.
    Password,
    /// What a session takes.
    Session {
        /// The largest message with a text or values in it, in bytes.
        max_bytes: usize,
    },
}

impl Expect {
    /// The longest body of a message of this type.
    fn longest(self, kind: u8) -> Result<usize, ErrorReport> {
        match self {
            Self::Startup => Ok(STARTUP_BYTES),
            Self::Password if kind == b'p' => Ok(SASL_BYTES),
            Self::Password => Err(violation(format!("expected SASL response, got message type {kind}"))),
            Self::Session { .. } if !frontend::is_known(kind) => Err(frontend::unknown_type(kind)),
            Self::Session { max_bytes } if frontend::may_be_long(kind) => Ok(max_bytes),
            Self::Session { max_bytes } => Ok(max_bytes.min(SHORT_BYTES)),
        }
    }
}

/// The reading half of a connection.
pub(super) struct Inbox<R> {
    reader: R,
    buffer: BytesMut,
    expect: Expect,
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
    pub(super) fn new(reader: R, buffer: BytesMut, expect: Expect) -> Self {
        Self { reader, buffer, expect }
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
            if let Some(packet) = self.take(0, 0)? {
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
        Ok(self.take(1, kind)?.map(|body| (kind, body)))
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

    /// Another part of the conversation begins.
    pub(super) fn expect(&mut self, expect: Expect) {
        self.expect = expect;
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

    /// Takes a whole frame of a type out of the buffer; its length stands after so many bytes.
    fn take(&mut self, offset: usize, kind: u8) -> Result<Option<Bytes>, Unread> {
        // A type that may not come is refused before its length has come.
        let longest = self.expect.longest(kind).map_err(Unread::Violation)?;
        let Some(mut length) = self.buffer.get(offset..offset + 4) else { return Ok(None) };
        let length = length.get_i32();
        let body = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
        // A packet without a type has a code at least.
        let Some(body) = body.filter(|body| self.expect != Expect::Startup || *body >= 4) else {
            return Err(Unread::Violation(violation("invalid message length")));
        };
        if body > longest {
            return Err(Unread::Violation(
                violation("message is too long")
                    .with_detail(format!("It says that it has {body} bytes; the limit is {longest} bytes.")),
            ));
        }
        if self.buffer.len() < offset + 4 + body {
            return Ok(None);
        }
        self.buffer.advance(offset + 4);
        Ok(Some(self.buffer.split_to(body).freeze()))
    }
}

fn violation(message: impl Into<String>) -> ErrorReport {
    ErrorReport::fatal(SqlState::PROTOCOL_VIOLATION, message)
}
