//! The bytes of clients, for [`crate::fuzzing`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::frontend::{self, Frontend};
use super::startup::read_startup;
use super::tests::Server;
use bytes::{Buf, Bytes};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// More than anything here takes, once the client has gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// A start-up packet behind its length.
pub(crate) fn startup(input: &[u8]) {
    let mut packet = Bytes::copy_from_slice(input);
    let Ok(version) = packet.try_get_u32() else { return };
    match read_startup(version, packet) {
        Ok(startup) => assert!(!startup.user.is_empty() && !startup.database.is_empty()),
        Err(error) => assert!(!error.message.is_empty()),
    }
}

/// A message: its type, then its body. What it holds is no more than what was sent.
pub(crate) fn message(input: &[u8]) {
    let Some((kind, body)) = input.split_first() else { return };
    match frontend::read(*kind, Bytes::copy_from_slice(body)) {
        Ok(read) => {
            assert!(frontend::is_known(*kind));
            if let Frontend::Bind(bind) = read {
                let least =
                    4 * bind.parameters.len() + 2 * bind.parameter_formats.len() + 2 * bind.result_formats.len();
                assert!(least <= body.len(), "{} bytes hold {bind:?}", body.len());
            }
        }
        Err(error) => assert!(matches!(error.sqlstate.0, "08P01" | "22021"), "{error:?}"),
    }
}

/// A connection: before its start-up if the first byte is even, logged in if it is odd. Whatever is sent, what comes back
/// is whole messages, and when the client has gone the connection ends and leaves nothing that runs.
pub(crate) fn conversation(input: &[u8]) {
    let Some((first, bytes)) = input.split_first() else { return };
    // The engine of these tests panics when it is asked to.
    if bytes.windows(7).any(|word| word.eq_ignore_ascii_case(b"explode")) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::new();
        let (stream, task) = if first % 2 == 1 {
            let client = server.log_in().await;
            (client.stream, client.task)
        } else {
            server.connect()
        };
        let (mut answers, mut requests) = tokio::io::split(stream);
        let heard = tokio::spawn(async move {
            let mut heard = Vec::new();
            // An endless answer is as good as its beginning.
            let _ = (&mut answers).take(1 << 20).read_to_end(&mut heard).await;
            heard
        });
        let _ = tokio::time::timeout(PATIENCE, requests.write_all(bytes)).await;
        let _ = requests.shutdown().await;
        let heard = tokio::time::timeout(PATIENCE, heard).await.expect("no end of the answer").unwrap();
        drop(requests);
        tokio::time::timeout(PATIENCE, task).await.expect("the connection does not end").unwrap();
        assert!(are_messages(&heard), "{heard:?}");
        assert_eq!(server.alive(), 0, "something still runs");
    });
}

/// Whether bytes are messages one after the other; the last may be cut, as the client left. The answer to SSLRequest and
/// its like is one letter.
fn are_messages(heard: &[u8]) -> bool {
    let mut rest = heard;
    while rest.first() == Some(&b'N') && rest.get(1).is_none_or(|next| *next != 0) {
        rest = &rest[1..];
    }
    while let (Some(kind), Some(length)) = (rest.first(), rest.get(1..5)) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        if !b"RSKZTtDCENGHdc123nsIAvV".contains(kind) || length < 4 {
            return false;
        }
        rest = rest.get(length + 1..).unwrap_or_default();
    }
    true
}
