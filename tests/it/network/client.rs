//! A client that says exactly the bytes that a test has for it, from an address of the test's choice.

use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use querygate::wire::tls::demo_certificate;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;

pub const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
pub const GSS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30];

/// How long a test waits for what must come soon.
pub const SOON: Duration = Duration::from_secs(20);

/// A connection, encrypted or not.
pub struct Client<S = TcpStream> {
    pub stream: S,
}

/// The server's last words before it closes, or what it says until it is ready.
pub type Said = Vec<String>;

pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend((body.len() as u32 + 4).to_be_bytes());
    out.extend(body);
    out
}

pub fn query(text: &str) -> Vec<u8> {
    message(b'Q', format!("{text}\0").as_bytes())
}

pub fn packet(body: &[u8]) -> Vec<u8> {
    let mut out = (body.len() as u32 + 4).to_be_bytes().to_vec();
    out.extend(body);
    out
}

pub fn startup(minor: u16, user: &str, database: &str) -> Vec<u8> {
    let mut body = vec![0, 3];
    body.extend(minor.to_be_bytes());
    body.extend(format!("user\0{user}\0database\0{database}\0\0").as_bytes());
    packet(&body)
}

pub fn cancel(pid: i32, secret: &[u8]) -> Vec<u8> {
    packet(&[&80_877_102_u32.to_be_bytes(), &pid.to_be_bytes(), secret].concat())
}

/// `SASLInitialResponse` of a mechanism.
pub fn initial(mechanism: &str, first: &[u8]) -> Vec<u8> {
    let mut body = format!("{mechanism}\0").into_bytes();
    body.extend((first.len() as u32).to_be_bytes());
    body.extend(first);
    message(b'p', &body)
}

impl Client {
    /// From one of the loopback network's many addresses.
    pub async fn from(host: [u8; 4], address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((host, 0))).unwrap();
        let stream = socket.connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    pub async fn new(address: SocketAddr) -> Self {
        Self::from([127, 0, 0, 1], address).await
    }

    /// Asks for TLS and speaks it from here on.
    pub async fn encrypt(mut self, files: &Certificate) -> Client<TlsStream<TcpStream>> {
        self.send(&SSL_REQUEST).await;
        assert_eq!(self.stream.read_u8().await.unwrap(), b'S');
        self.handshake(files, true).await.unwrap()
    }

    pub async fn handshake(self, files: &Certificate, alpn: bool) -> std::io::Result<Client<TlsStream<TcpStream>>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(files.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        if alpn {
            config.alpn_protocols = vec![b"postgresql".to_vec()];
        }
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect(ServerName::try_from("localhost").unwrap(), self.stream).await?;
        Ok(Client { stream })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub async fn send(&mut self, bytes: &[u8]) {
        // The server may have hung up already; what it said is what the test looks at.
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// The next message, or `None` if the server hung up.
    pub async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let read = async {
            let kind = self.stream.read_u8().await.ok()?;
            let length = self.stream.read_u32().await.ok()? as usize;
            let mut body = vec![0; length - 4];
            self.stream.read_exact(&mut body).await.ok()?;
            Some((kind, body))
        };
        tokio::time::timeout(SOON, read).await.expect("the server says nothing and does not hang up")
    }

    /// Everything up to ReadyForQuery or the end, in a few words each; settings are left out. The end is `.`.
    pub async fn said(&mut self) -> Said {
        let mut said = Vec::new();
        loop {
            match self.next().await {
                None => said.push(".".to_owned()),
                Some((b'S', _)) => continue,
                Some((kind, body)) => said.push(words(kind, &body)),
            }
            if said.last().is_some_and(|last| last == "." || last.starts_with("Z ")) {
                return said;
            }
        }
    }

    /// Whether the server has hung up, or says something, within a time.
    pub async fn stirs(&mut self, within: Duration) -> bool {
        tokio::time::timeout(within, self.stream.read_u8()).await.is_ok()
    }

    /// Whether what runs comes to its end within a time.
    pub async fn ends(&mut self, within: Duration) -> bool {
        tokio::time::timeout(within, self.said()).await.is_ok()
    }

    /// Start-up and the first half of SCRAM. Gives what was offered and the exchange after the server's first message.
    pub async fn challenge(&mut self, user: &str, password: &str) -> (String, ScramSha256) {
        self.send(&startup(0, user, "retail")).await;
        let (kind, body) = self.next().await.unwrap();
        assert_eq!((kind, body.get(3)), (b'R', Some(&10)), "{}", words(kind, &body));
        let offered = String::from_utf8(body[4..].to_vec()).unwrap();
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        self.send(&initial("SCRAM-SHA-256", scram.message())).await;
        let (kind, body) = self.next().await.unwrap();
        assert_eq!((kind, body.get(3)), (b'R', Some(&11)), "{}", words(kind, &body));
        scram.update(&body[4..]).unwrap();
        (offered, scram)
    }

    /// Logs in, or hears why not.
    pub async fn log_in(&mut self, user: &str, password: &str) -> Said {
        self.log_in_as(0, user, password).await
    }

    pub async fn log_in_as(&mut self, minor: u16, user: &str, password: &str) -> Said {
        self.send(&startup(minor, user, "retail")).await;
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        loop {
            let (kind, body) = match self.next().await {
                None => return vec![".".to_owned()],
                Some((kind, body)) => (kind, body),
            };
            match (kind, body.get(3)) {
                (b'R', Some(10)) => {
                    let first = initial("SCRAM-SHA-256", scram.message());
                    self.send(&first).await;
                }
                (b'R', Some(11)) => {
                    scram.update(&body[4..]).unwrap();
                    let last = message(b'p', scram.message());
                    self.send(&last).await;
                    return self.said().await;
                }
                _ => return vec![words(kind, &body)],
            }
        }
    }

    pub async fn ask(&mut self, bytes: &[u8]) -> Said {
        self.send(bytes).await;
        self.said().await
    }
}

/// Whether log-in went well.
pub fn is_in(said: &Said) -> bool {
    said.last().is_some_and(|last| last == "Z I")
}

/// Whether a statement was stopped, and the session is there for the next.
pub fn is_cancelled(said: &Said) -> bool {
    said.iter().any(|word| word.starts_with("E ERROR 57014")) && said.last().is_some_and(|last| last == "Z I")
}

/// The process id and secret of BackendKeyData.
pub fn key_of(said: &Said) -> (i32, Vec<u8>) {
    let text = said.iter().find_map(|word| word.strip_prefix("K ")).unwrap();
    let bytes = hex::decode(text).unwrap();
    (i32::from_be_bytes(bytes[..4].try_into().unwrap()), bytes[4..].to_vec())
}

pub fn words(kind: u8, body: &[u8]) -> String {
    let texts: Vec<String> =
        body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    let field =
        |code: char| texts.iter().find_map(|text| text.strip_prefix(code).map(str::to_owned)).unwrap_or_default();
    match kind {
        b'E' | b'N' => format!("{} {} {} {}", char::from(kind), field('S'), field('C'), field('M')),
        b'Z' => format!("Z {}", char::from(body[0])),
        b'C' => format!("C {}", texts[0]),
        b'K' => format!("K {}", hex::encode(body)),
        b'R' => format!("R {}", body[3]),
        other => char::from(other).to_string(),
    }
}

/// A certificate for localhost with its key, in files.
pub struct Certificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub der: CertificateDer<'static>,
}

impl Certificate {
    pub fn made() -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        let (certificate, key) = demo_certificate().unwrap();
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let made = Self { certificate: folder.join("cert.pem"), key: folder.join("key.pem"), der };
        std::fs::write(&made.certificate, certificate).unwrap();
        std::fs::write(&made.key, key).unwrap();
        made
    }

    /// What a client must bind its log-in to.
    pub fn end_point(&self) -> Vec<u8> {
        Sha256::digest(&self.der).to_vec()
    }
}
