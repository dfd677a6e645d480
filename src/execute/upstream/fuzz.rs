//! The bytes of an upstream that is not what it should be, for [`crate::fuzzing`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::connection::{Connection, Heard};
use super::frame::FrameBuffer;
use super::message;
use super::settings::SessionSettings;
use super::transport::Transport;
use super::{dsn, login};
use bytes::BytesMut;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

/// More than any answer of a fuzzer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a server answers to a login, to statements of the gateway's own, to settings, or at any time: the first byte says
/// which. It is read or refused, in time; and messages are the same however they arrive.
pub(crate) fn answer(input: &[u8]) {
    let Some((first, bytes)) = input.split_first() else { return };
    assert_eq!(frames(bytes, bytes.len().max(1)), frames(bytes, 1), "messages depend on how they arrive");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let bytes = bytes.to_vec();
        let server = tokio::spawn(async move {
            let _ = theirs.write_all(&bytes).await;
            let _ = theirs.shutdown().await;
            // What is sent to it is taken, whatever it is.
            let _ = tokio::io::copy(&mut theirs, &mut tokio::io::sink()).await;
        });
        let mut connection = Connection::new(Transport::Unix(ours), 8);
        let work = async {
            match first % 4 {
                0 => {
                    let dsn = dsn::parse("postgres://u:p@localhost/d").unwrap();
                    let _ = login::log_in(&mut connection, &dsn).await;
                }
                1 => {
                    let _ = connection.own(&["SELECT 1", "SELECT 2"]).await;
                }
                2 => {
                    let _ = connection.reset(&SessionSettings::default()).await;
                }
                _ => {
                    while let Ok(frame) = connection.frame().await {
                        let (_, _) = (message::columns(&frame.body), message::parameter_types(&frame.body));
                        let _ = message::copy_formats(&frame.body);
                        match connection.absorb(frame) {
                            Ok(None | Some(Heard::Notice(_) | Heard::Error(_) | Heard::Ready | Heard::Other(_))) => {}
                            Err(_) => break,
                        }
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, work).await.expect("no end");
        drop(connection);
        server.abort();
    });
}

/// The messages of bytes that arrive in pieces, and whether they end in an error.
fn frames(bytes: &[u8], piece: usize) -> (Vec<(u8, Vec<u8>)>, bool) {
    let (mut buffer, mut found) = (FrameBuffer::new(1 << 16), Vec::new());
    for piece in bytes.chunks(piece) {
        let room: &mut BytesMut = buffer.room(1 << 16);
        room.extend_from_slice(piece);
        loop {
            match buffer.next() {
                Ok(Some(frame)) => found.push((frame.tag, frame.body.to_vec())),
                Ok(None) => break,
                Err(_) => return (found, true),
            }
        }
    }
    (found, false)
}
