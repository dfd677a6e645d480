//! A client that speaks bytes: what it sends is what stands in the test.

use super::fake::{Gate, Seen};
use crate::wire::auth::scram;
use crate::wire::config::{TlsMode, WireConfig};
use crate::wire::interrupt::Phase;
use crate::wire::origin::Origin;
use crate::wire::server::{Shared, handle};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, BytesMut};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A server without sockets.
pub(in crate::wire) struct Server {
    seen: Arc<Seen>,
    pub(super) shared: Arc<Shared>,
    pub(super) phase: watch::Sender<Phase>,
}

impl Server {
    pub(in crate::wire) fn new() -> Self {
        Self::with(Gate::new(), WireConfig { tls_mode: TlsMode::Off, ..WireConfig::default() })
    }

    pub(super) fn with(gate: Gate, config: WireConfig) -> Self {
        let (phase, phases) = watch::channel(Phase::Serving);
        let seen = Arc::clone(&gate.seen);
        Self { seen, shared: Arc::new(Shared::new(config, Arc::new(gate), phases)), phase }
    }

    /// Streams that were made and not dropped yet.
    pub(in crate::wire) fn alive(&self) -> usize {
        self.seen.alive.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// A new connection.
    pub(in crate::wire) fn connect(&self) -> (DuplexStream, JoinHandle<()>) {
        let (client, server) = tokio::io::duplex(4096);
        let shared = Arc::clone(&self.shared);
        let peer: SocketAddr = "192.0.2.1:50000".parse().unwrap();
        let place = shared.startups.enter(Origin::of(peer.ip()), Instant::now()).unwrap();
        (client, tokio::spawn(async move { handle(Box::new(server), peer, place, &shared).await }))
    }

    /// A client that has logged in.
    pub(in crate::wire) async fn log_in(&self) -> Client<DuplexStream> {
        let (stream, task) = self.connect();
        let mut client = Client { stream, task, pid: 0, secret: Vec::new() };
        client.start(0, &[("user", "ann"), ("database", "sales")]).await;
        client.prove("pencil", None).await;
        client.finish_login().await;
        client
    }
}

pub(in crate::wire) struct Client<S> {
    pub(in crate::wire) stream: S,
    pub(in crate::wire) task: JoinHandle<()>,
    pub(super) pid: i32,
    pub(super) secret: Vec<u8>,
}

/// A message of type `kind`.
pub(super) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend((body.len() as u32 + 4).to_be_bytes());
    out.extend(body);
    out
}

pub(super) fn query(text: &str) -> Vec<u8> {
    message(b'Q', format!("{text}\0").as_bytes())
}

pub(super) fn parse(name: &str, text: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{text}\0\0\0").as_bytes())
}

pub(super) fn bind(portal: &str, statement: &str) -> Vec<u8> {
    message(b'B', format!("{portal}\0{statement}\0\0\0\0\0\0\0").as_bytes())
}

pub(super) fn execute(portal: &str, max_rows: i32) -> Vec<u8> {
    let mut body = format!("{portal}\0").into_bytes();
    body.extend(max_rows.to_be_bytes());
    message(b'E', &body)
}

pub(super) fn sync() -> Vec<u8> {
    message(b'S', b"")
}

pub(super) fn startup(version: u32, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = BytesMut::new();
    body.put_u32(version);
    for (name, value) in parameters {
        body.put_slice(format!("{name}\0{value}\0").as_bytes());
    }
    body.put_u8(0);
    let mut out = (body.len() as u32 + 4).to_be_bytes().to_vec();
    out.extend(body);
    out
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub(super) async fn start(&mut self, minor: u32, parameters: &[(&str, &str)]) {
        self.send(&startup(3 << 16 | minor, parameters)).await;
    }

    /// The next message; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let kind = self.stream.read_u8().await.ok()?;
        let length = self.stream.read_u32().await.ok()? as usize;
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body).await.ok()?;
        Some((kind, body))
    }

    /// All messages up to ReadyForQuery or the end, each in a few words.
    pub(super) async fn answers(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        while let Some((kind, body)) = self.next().await {
            found.push(words(kind, &body));
            if kind == b'Z' {
                break;
            }
        }
        found
    }

    /// The client's side of SCRAM.
    pub(super) async fn prove(&mut self, password: &str, end_point: Option<&[u8]>) {
        let (kind, body) = self.next().await.unwrap();
        assert_eq!((kind, body[3]), (b'R', 10), "{}", words(kind, &body));
        let mechanism = if end_point.is_some() { scram::MECHANISM_PLUS } else { scram::MECHANISM };
        let offered = String::from_utf8(body[4..].to_vec()).unwrap();
        assert!(offered.split('\0').any(|offer| offer == mechanism), "{offered:?}");
        self.prove_asked(password, end_point).await;
    }

    /// The same, after the server has asked for it.
    pub(super) async fn prove_asked(&mut self, password: &str, end_point: Option<&[u8]>) {
        let mechanism = if end_point.is_some() { scram::MECHANISM_PLUS } else { scram::MECHANISM };
        let header = if end_point.is_some() { "p=tls-server-end-point,," } else { "n,," };
        let bare = "n=,r=clientnonce";
        let first = format!("{header}{bare}");
        let mut initial = format!("{mechanism}\0").into_bytes();
        initial.extend((first.len() as u32).to_be_bytes());
        initial.extend(first.as_bytes());
        self.send(&message(b'p', &initial)).await;

        let (kind, body) = self.next().await.unwrap();
        assert_eq!((kind, body[3]), (b'R', 11), "{}", words(kind, &body));
        let server_first = String::from_utf8(body[4..].to_vec()).unwrap();
        let field = |name: &str| server_first.split(',').find_map(|part| part.strip_prefix(name)).unwrap().to_owned();
        let mut binding = header.as_bytes().to_vec();
        binding.extend(end_point.unwrap_or_default());
        let without_proof = format!("c={},r={}", STANDARD.encode(binding), field("r="));
        let salt = STANDARD.decode(field("s=")).unwrap();
        let salted = salted(password, &salt, field("i=").parse().unwrap());
        let client_key = mac(&salted, b"Client Key");
        let auth_message = format!("{bare},{server_first},{without_proof}");
        let signature = mac(&Sha256::digest(client_key), auth_message.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, mask)| key ^ mask).collect();
        self.send(&message(b'p', format!("{without_proof},p={}", STANDARD.encode(proof)).as_bytes())).await;
    }

    /// Everything from SASLFinal to the first ReadyForQuery.
    pub(super) async fn finish_login(&mut self) {
        loop {
            let (kind, body) = self.next().await.unwrap();
            match kind {
                b'K' => {
                    self.pid = i32::from_be_bytes(body[..4].try_into().unwrap());
                    self.secret = body[4..].to_vec();
                }
                b'Z' => break,
                b'E' => panic!("{}", words(kind, &body)),
                _ => {}
            }
        }
    }

    pub(super) async fn ask(&mut self, bytes: &[u8]) -> Vec<String> {
        self.send(bytes).await;
        self.answers().await
    }
}

fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// RFC 5802's Hi().
fn salted(password: &str, salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut block = mac(password.as_bytes(), &[salt, &[0, 0, 0, 1]].concat());
    let mut sum = block;
    for _ in 1..iterations {
        block = mac(password.as_bytes(), &block);
        sum.iter_mut().zip(block).for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

fn words(kind: u8, body: &[u8]) -> String {
    let texts = || -> Vec<String> {
        body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    };
    match kind {
        b'E' | b'N' => {
            let field = |code: char| {
                texts().iter().find_map(|text| text.strip_prefix(code).map(str::to_owned)).unwrap_or_default()
            };
            format!("{} {} {} {}", char::from(kind), field('S'), field('C'), field('M'))
        }
        b'D' => {
            let mut body = &body[2..];
            let mut columns = Vec::new();
            while !body.is_empty() {
                let length = i32::from_be_bytes(body[..4].try_into().unwrap());
                let end = 4 + usize::try_from(length).unwrap_or(0);
                columns.push(String::from_utf8_lossy(&body[4..end]).into_owned());
                body = &body[end..];
            }
            format!("D {}", columns.join(","))
        }
        b'd' => format!("d {}", String::from_utf8_lossy(body).trim_end()),
        b'C' => format!("C {}", texts()[0]),
        b'Z' => format!("Z {}", char::from(body[0])),
        b'S' => format!("S {}={}", texts()[0], texts()[1]),
        other => char::from(other).to_string(),
    }
}
