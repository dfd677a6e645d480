//! The first bytes of a connection: TLS or not, cancel or start-up, and what the start-up asks for ("Start-up" and
//! "SSL Session Encryption" in the manual's protocol chapter).
//!
//! INVARIANT: no byte that came before a handshake is ever read as if it had come after it.

use super::backend;
use super::config::{TlsMode, WireConfig};
use super::frontend::Body;
use super::inbox::{Expect, Inbox, Unread};
use super::tls::{ALPN, Tls};
use crate::error::{ErrorReport, Severity, SqlState};
use bytes::{Buf, Bytes, BytesMut};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;
/// The newest minor version that is spoken.
const NEWEST_MINOR: u16 = 2;
/// First byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// A connection's bytes, encrypted or not.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// What a connection turns out to want.
pub(super) enum Opening {
    /// To stop a statement.
    Cancel {
        /// The connection that runs it.
        pid: i32,
        /// The proof that it may.
        secret: Bytes,
    },
    /// To log in.
    Start(Box<Start>),
}

/// A connection that wants to log in.
pub(super) struct Start {
    pub(super) inbox: Inbox<Box<dyn Duplex>>,
    /// Whether it is encrypted.
    pub(super) tls: bool,
    pub(super) startup: Startup,
}

/// A start-up message that was understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Startup {
    /// The minor version to speak.
    pub(super) minor: u16,
    /// Whether the client must be told that it is another than it asked for, or that options are unknown.
    pub(super) negotiate: bool,
    /// Protocol options that are not known.
    pub(super) unknown_options: Vec<String>,
    pub(super) user: String,
    pub(super) database: String,
    /// Everything else.
    pub(super) parameters: BTreeMap<String, String>,
}

/// A connection that was refused, and how to tell it.
pub(super) struct Refused {
    pub(super) inbox: Inbox<Box<dyn Duplex>>,
    pub(super) why: Unread,
}

/// Reads until it is clear what the connection wants; does the TLS handshake on the way.
///
/// # Errors
/// What to tell the client, FATAL, and the connection to tell it on.
pub(super) async fn open(stream: Box<dyn Duplex>, config: &WireConfig) -> Result<Opening, Box<Refused>> {
    let mut inbox = Inbox::new(stream, BytesMut::new(), Expect::Startup);
    let mut encrypted = false;
    let mut asked = (false, false);
    let usable = config.tls.as_ref().filter(|_| config.tls_mode != TlsMode::Off);
    macro_rules! refuse {
        ($why:expr) => {
            return Err(Box::new(Refused { inbox, why: $why }))
        };
    }
    macro_rules! attempt {
        ($result:expr) => {
            match $result {
                Ok(value) => value,
                Err(why) => refuse!(why),
            }
        };
    }
    if attempt!(inbox.peek().await) == TLS_HANDSHAKE {
        // Direct negotiation: the client speaks TLS from its first byte, and must say what for.
        let Some(tls) = usable else { refuse!(Unread::Gone) };
        inbox = attempt_handshake(inbox, tls, true).await?;
        encrypted = true;
    }
    loop {
        let mut packet = attempt!(inbox.packet().await);
        let code = match packet.try_get_u32() {
            Ok(code) => code,
            Err(_) => refuse!(violation("invalid length of startup packet")),
        };
        match code {
            SSL_REQUEST | GSS_REQUEST => {
                let seen = if code == SSL_REQUEST { &mut asked.0 } else { &mut asked.1 };
                let again = std::mem::replace(seen, true);
                if again || encrypted || !packet.is_empty() {
                    refuse!(violation("unexpected request for encryption"));
                }
                if inbox.has_buffered() {
                    refuse!(Unread::Violation(
                        ErrorReport::fatal(
                            SqlState::PROTOCOL_VIOLATION,
                            "received unencrypted data after SSL request"
                        )
                        .with_detail(
                            "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack."
                        )
                    ));
                }
                match usable.filter(|_| code == SSL_REQUEST) {
                    Some(tls) => {
                        attempt!(send(inbox.stream(), &mut BytesMut::from("S")).await);
                        inbox = attempt_handshake(inbox, tls, false).await?;
                        encrypted = true;
                    }
                    None => attempt!(send(inbox.stream(), &mut BytesMut::from("N")).await),
                }
            }
            CANCEL_REQUEST => {
                let Ok(pid) = packet.try_get_i32() else { refuse!(Unread::Gone) };
                if !(4..=256).contains(&packet.len()) {
                    refuse!(Unread::Gone);
                }
                return Ok(Opening::Cancel { pid, secret: packet });
            }
            _ => {
                if !encrypted && config.tls_mode == TlsMode::Require {
                    refuse!(Unread::Violation(
                        ErrorReport::fatal(
                            SqlState::INVALID_AUTHORIZATION,
                            "connections that are not encrypted are refused"
                        )
                        .with_hint("Connect with sslmode=require.")
                    ));
                }
                let startup = attempt!(read_startup(code, packet).map_err(fatal));
                return Ok(Opening::Start(Box::new(Start { inbox, tls: encrypted, startup })));
            }
        }
    }
}

async fn attempt_handshake(
    inbox: Inbox<Box<dyn Duplex>>,
    tls: &Tls,
    direct: bool,
) -> Result<Inbox<Box<dyn Duplex>>, Box<Refused>> {
    let (stream, ahead) = inbox.into_parts();
    // What was read ahead belongs to the handshake and to nothing else.
    let stream = Ahead { ahead, stream };
    let gone = || {
        let nothing: Box<dyn Duplex> = Box::new(tokio::io::empty());
        Box::new(Refused { inbox: Inbox::new(nothing, BytesMut::new(), Expect::Startup), why: Unread::Gone })
    };
    let stream = tls.acceptor().accept(stream).await.map_err(|_| gone())?;
    if direct && stream.get_ref().1.alpn_protocol() != Some(ALPN) {
        return Err(gone());
    }
    Ok(Inbox::new(Box::new(stream), BytesMut::new(), Expect::Startup))
}

/// Reads a StartupMessage behind its version.
pub(super) fn read_startup(version: u32, packet: Bytes) -> Result<Startup, ErrorReport> {
    // The two halves of a 32-bit number.
    let (major, asked_minor) = ((version >> 16) as u16, (version & 0xffff) as u16);
    if major != 3 {
        return Err(ErrorReport::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("unsupported frontend protocol {major}.{asked_minor}: server supports 3.0 to 3.{NEWEST_MINOR}"),
        ));
    }
    let mut body = Body(packet);
    let mut parameters = BTreeMap::new();
    let mut unknown_options = Vec::new();
    loop {
        let name = body.text()?;
        if name.is_empty() {
            break;
        }
        let value = body.text()?;
        if name.starts_with("_pq_.") {
            unknown_options.push(name);
        } else {
            parameters.insert(name, value);
        }
    }
    body.end()?;
    if let Some(replication) = parameters.remove("replication")
        && !matches!(replication.to_ascii_lowercase().as_str(), "false" | "off" | "no" | "0")
    {
        return Err(ErrorReport::new(SqlState::FEATURE_NOT_SUPPORTED, "replication is not supported")
            .with_hint("Connect without the replication parameter."));
    }
    if let Some(encoding) = parameters.get("client_encoding") {
        let plain: String = encoding.chars().filter(char::is_ascii_alphanumeric).collect();
        if !matches!(plain.to_ascii_lowercase().as_str(), "utf8" | "unicode" | "sqlascii") {
            return Err(ErrorReport::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("client encoding \"{encoding}\" is not supported"),
            )
            .with_hint("Use client_encoding=UTF8."));
        }
    }
    let user = parameters.remove("user").filter(|user| !user.is_empty()).ok_or_else(|| {
        ErrorReport::new(SqlState::INVALID_AUTHORIZATION, "no PostgreSQL user name specified in startup packet")
    })?;
    let database = parameters.remove("database").filter(|name| !name.is_empty()).unwrap_or_else(|| user.clone());
    let negotiate = asked_minor > NEWEST_MINOR || !unknown_options.is_empty();
    Ok(Startup { minor: asked_minor.min(NEWEST_MINOR), negotiate, unknown_options, user, database, parameters })
}

/// Sends all of a buffer and leaves it empty.
///
/// # Errors
/// [`Unread::Gone`] if the client is.
pub(super) async fn send<W: AsyncWrite + Unpin>(writer: &mut W, out: &mut BytesMut) -> Result<(), Unread> {
    let sent = async {
        writer.write_all_buf(out).await?;
        writer.flush().await
    };
    sent.await.map_err(|_: std::io::Error| Unread::Gone)
}

/// Tells a client why it can't come in, behind what waits to be sent, as far as it listens, and closes.
pub(super) async fn turn_away<W: AsyncWrite + Unpin>(writer: &mut W, mut out: BytesMut, error: &ErrorReport) {
    backend::error(&mut out, error);
    if send(writer, &mut out).await.is_ok() {
        let _ = writer.shutdown().await;
    }
}

fn violation(message: &str) -> Unread {
    Unread::Violation(ErrorReport::fatal(SqlState::PROTOCOL_VIOLATION, message))
}

fn fatal(error: ErrorReport) -> Unread {
    Unread::Violation(ErrorReport { severity: Severity::Fatal, ..error })
}

/// A stream with bytes that were read from it already in front.
struct Ahead<S> {
    ahead: BytesMut,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Ahead<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let some = self.ahead.len().min(buf.remaining());
        buf.put_slice(&self.ahead.split_to(some));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Ahead<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V3: u32 = 3 << 16;

    fn startup(version: u32, body: &'static [u8]) -> Result<Startup, &'static str> {
        read_startup(version, Bytes::from_static(body)).map_err(|error| error.sqlstate.0)
    }

    #[test]
    fn the_database_defaults_to_the_user() {
        let plain = startup(V3, b"user\0ann\0application_name\0psql\0\0").unwrap();
        assert_eq!((plain.user.as_str(), plain.database.as_str(), plain.minor), ("ann", "ann", 0));
        assert!(!plain.negotiate);
        assert_eq!(plain.parameters.get("application_name").map(String::as_str), Some("psql"));
        assert_eq!(startup(V3, b"user\0ann\0database\0sales\0\0").unwrap().database, "sales");
    }

    #[test]
    fn what_is_too_new_is_negotiated_down() {
        let newest = startup(V3 | 2, b"user\0ann\0\0").unwrap();
        assert_eq!((newest.minor, newest.negotiate), (2, false));
        let newer = startup(V3 | 9999, b"user\0ann\0\0").unwrap();
        assert_eq!((newer.minor, newer.negotiate), (2, true));
        let options = startup(V3, b"user\0ann\0_pq_.magic\0on\0\0").unwrap();
        assert_eq!(
            (options.minor, options.negotiate, options.unknown_options),
            (0, true, vec!["_pq_.magic".to_owned()])
        );
    }

    proptest::proptest! {
        #[test]
        fn any_packet_is_a_startup_or_an_error(version: u32, body: Vec<u8>) {
            for version in [version, V3] {
                if let Ok(startup) = read_startup(version, Bytes::from(body.clone())) {
                    assert!(!startup.user.is_empty() && startup.minor <= NEWEST_MINOR);
                }
            }
        }
    }

    #[test]
    fn startups_that_cannot_be_served_say_why() {
        for (version, body, state) in [
            (2 << 16, b"".as_slice(), "0A000"),
            (V3, b"database\0sales\0\0", "28000"),
            (V3, b"user\0\0\0", "28000"),
            (V3, b"user\0ann\0replication\0database\0\0", "0A000"),
            (V3, b"user\0ann\0client_encoding\0LATIN1\0\0", "22023"),
            (V3, b"user\0ann", "08P01"),
            (V3, b"user\0ann\0", "08P01"),
            (V3, b"user\0ann\0\0more", "08P01"),
            (V3, b"user\0\xff\0\0", "22021"),
        ] {
            assert_eq!(startup(version, body), Err(state), "{body:?}");
        }
        assert!(startup(V3, b"user\0ann\0replication\0off\0client_encoding\0'utf-8'\0\0").is_ok());
    }
}
