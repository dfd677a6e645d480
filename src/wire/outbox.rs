//! Writing: messages gather in one buffer, which the socket's pace empties. Nothing is queued behind it.

use bytes::{Buf, BytesMut};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// How full the buffer gets before it is sent.
pub(super) const SOFT_BYTES: usize = 64 << 10;

/// What a connection that waits may hold to send from: the answer to a point lookup fits.
const RESTING: usize = 1 << 10;

/// The writing half of a connection.
pub(super) struct Outbox<W> {
    writer: W,
    /// How long the client may take nothing before it counts as gone; `None` is for ever.
    patience: Option<Duration>,
    /// What waits to be sent.
    pub(super) buffer: BytesMut,
}

impl<W: AsyncWrite + Unpin> Outbox<W> {
    pub(super) fn new(writer: W, patience: Option<Duration>) -> Self {
        Self { writer, patience, buffer: BytesMut::new() }
    }

    /// Sends all that waits. Safe to drop while it waits: what was not sent is still there, in order.
    ///
    /// # Errors
    /// The client is gone, or has taken nothing for too long.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        while self.buffer.has_remaining() {
            let sent = within(self.patience, self.writer.write(&self.buffer)).await?;
            if sent == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.buffer.advance(sent);
        }
        within(self.patience, self.writer.flush()).await?;
        if self.buffer.capacity() > 16 * SOFT_BYTES {
            // One huge row must not stay this connection's memory for good.
            self.buffer = BytesMut::new();
        }
        Ok(())
    }

    /// Gives memory back, if nothing waits to be sent: most connections wait most of the time.
    pub(super) fn rest(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > RESTING {
            self.buffer = BytesMut::new();
        }
    }

    /// Says goodbye: closes TLS and the socket for writing.
    pub(super) async fn shutdown(&mut self) {
        // The client may have gone already.
        let _ = self.writer.shutdown().await;
    }
}

/// One step of sending, which may take so long.
async fn within<T>(patience: Option<Duration>, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match patience {
        Some(patience) => tokio::time::timeout(patience, step).await?,
        None => step.await,
    }
}
