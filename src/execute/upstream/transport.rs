//! The byte stream to an upstream: TCP, TLS over TCP, or a Unix socket.

use super::dsn::{Host, SslMode};
use super::error::UpstreamError;
use crate::types::tls_server_end_point;
use postgres_protocol::message::frontend;
use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A silent peer is asked after this time, and then this often; after this many questions without an answer it is gone.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(30), Duration::from_secs(10), 3);
/// What was sent and not acknowledged for this long means the same.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// One stream to one server.
pub(super) enum Transport {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

/// An address that was found for a host.
#[derive(Debug, Clone)]
pub(super) enum Endpoint {
    /// With the name that the server's certificate must have.
    Tcp {
        address: SocketAddr,
        name: String,
    },
    Unix(PathBuf),
}

/// All addresses of a host.
pub(super) async fn endpoints(host: &Host) -> io::Result<Vec<Endpoint>> {
    match host {
        Host::Unix { folder, port } => Ok(vec![Endpoint::Unix(folder.join(format!(".s.PGSQL.{port}")))]),
        Host::Tcp { name, port } => {
            let found = tokio::net::lookup_host((name.as_str(), *port)).await?;
            Ok(found.map(|address| Endpoint::Tcp { address, name: name.clone() }).collect())
        }
    }
}

/// Connects and, where the mode asks for it, encrypts. A Unix socket is on this machine and never encrypted, as in libpq.
pub(super) async fn open(
    endpoint: &Endpoint,
    mode: SslMode,
    tls: Option<&TlsConnector>,
) -> Result<Transport, UpstreamError> {
    let (address, name) = match endpoint {
        Endpoint::Unix(path) => {
            return UnixStream::connect(path).await.map(Transport::Unix).map_err(UpstreamError::Connect);
        }
        Endpoint::Tcp { address, name } => (address, name),
    };
    let stream = TcpStream::connect(address).await.map_err(UpstreamError::Connect)?;
    configure(&stream).map_err(UpstreamError::Connect)?;
    match (mode, tls) {
        (SslMode::Disable, _) => Ok(Transport::Tcp(stream)),
        // INVARIANT: every other mode ends in TLS or in an error.
        (SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull, Some(tls)) => encrypt(stream, name, tls).await,
        (SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull, None) => Err(UpstreamError::NoTls),
    }
}

fn configure(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (idle, interval, retries) = KEEPALIVE;
    let keepalive = TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(retries);
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(())
}

async fn encrypt(mut stream: TcpStream, name: &str, tls: &TlsConnector) -> Result<Transport, UpstreamError> {
    let mut request = bytes::BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await.map_err(UpstreamError::Connect)?;
    // Room for two: whoever sends more than the one byte wants it taken for something said inside TLS. What is read
    // here is looked at here; nothing of it can become part of the session.
    let mut answer = [0; 2];
    match stream.read(&mut answer).await.map_err(UpstreamError::Connect)? {
        0 => return Err(UpstreamError::Connect(io::ErrorKind::UnexpectedEof.into())),
        1 => {}
        _ => return Err(UpstreamError::Smuggled),
    }
    let [answer, _] = answer;
    if answer != b'S' {
        // 'N', or the 'E' of a server that is too old to know the question: neither is TLS.
        return Err(UpstreamError::NoTls);
    }
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| UpstreamError::Handshake(io::Error::other("the host's name can't be in a certificate")))?;
    let stream = tls.connect(name, stream).await.map_err(UpstreamError::Handshake)?;
    Ok(Transport::Tls(Box::new(stream)))
}

impl Transport {
    /// Whether nobody on the way can read it: TLS, or this machine.
    pub(super) fn is_private(&self) -> bool {
        matches!(self, Self::Tls(_) | Self::Unix(_))
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Asks the operating system, and not the runtime, which may not have heard of it yet, whether something has arrived:
    /// an error of kind `WouldBlock` means nothing has, zero that the stream has ended.
    pub(super) fn peek(&self) -> io::Result<usize> {
        let mut one = [MaybeUninit::uninit(); 1];
        match self {
            Self::Tcp(stream) => SockRef::from(stream).peek(&mut one),
            Self::Tls(stream) => SockRef::from(stream.get_ref().0).peek(&mut one),
            Self::Unix(stream) => SockRef::from(stream).peek(&mut one),
        }
    }

    /// What a login over this stream is bound to, if it can be.
    pub(super) fn end_point(&self) -> Option<Vec<u8>> {
        let Self::Tls(stream) = self else { return None };
        let (_, session) = stream.get_ref();
        tls_server_end_point(session.peer_certificates()?.first()?)
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
