//! A client that keeps every message as the bytes that came: what other clients take apart and forget (types' modifiers,
//! every field of an error, command tags) can be compared.

use bytes::{BufMut, BytesMut};
use postgres_protocol::IsNull;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;
use std::net::SocketAddr;
use std::path::Path;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection that is logged in.
pub struct Raw(BufReader<Box<dyn Stream>>);

/// What a server said until it was ready again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    pub messages: Vec<(u8, Vec<u8>)>,
    /// Settings that the server told of on its way.
    pub settings: Vec<Vec<u8>>,
    /// The connection ended before the server was ready again.
    pub ended: bool,
}

/// One column of a RowDescription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    pub name: String,
    pub oid: u32,
    pub len: i16,
    pub modifier: i32,
}

/// Values as they came, `None` is NULL.
pub type Row = Vec<Option<Vec<u8>>>;

impl Raw {
    /// A user of the gateway's, with the demo's password.
    pub async fn gateway(address: SocketAddr, user: &str, database: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::log_in(Box::new(stream), user, database, &format!("{user}-demo")).await
    }

    /// A user of PostgreSQL's over its Unix socket, which trusts it.
    pub async fn socket(folder: &Path, port: u16, user: &str, database: &str) -> Self {
        let stream = UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await.unwrap();
        Self::log_in(Box::new(stream), user, database, "").await
    }

    async fn log_in(stream: Box<dyn Stream>, user: &str, database: &str, password: &str) -> Self {
        let mut raw = Self(BufReader::new(stream));
        raw.send(|buffer| frontend::startup_message([("user", user), ("database", database)], buffer).unwrap()).await;
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        loop {
            let (kind, body) = raw.message().await.unwrap();
            match (kind, body.get(..4)) {
                (b'R', Some([0, 0, 0, 10])) => {
                    let first = scram.message().to_vec();
                    raw.send(|buffer| frontend::sasl_initial_response(SCRAM_SHA_256, &first, buffer).unwrap()).await;
                }
                (b'R', Some([0, 0, 0, 11])) => {
                    scram.update(&body[4..]).unwrap();
                    let last = scram.message().to_vec();
                    raw.send(|buffer| frontend::sasl_response(&last, buffer).unwrap()).await;
                }
                (b'R', Some([0, 0, 0, 12])) => scram.finish(&body[4..]).unwrap(),
                (b'Z', _) => return raw,
                (b'E', _) => panic!("{user} can't log in: {}", String::from_utf8_lossy(&body)),
                _parameters => {}
            }
        }
    }

    async fn send(&mut self, fill: impl FnOnce(&mut BytesMut)) {
        let mut buffer = BytesMut::new();
        fill(&mut buffer);
        self.0.get_mut().write_all(&buffer).await.unwrap();
        self.0.get_mut().flush().await.unwrap();
    }

    async fn message(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let kind = self.0.read_u8().await?;
        let length = self.0.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        self.0.read_exact(&mut body).await?;
        Ok((kind, body))
    }

    async fn reply(&mut self) -> Reply {
        let mut reply = Reply::default();
        loop {
            let Ok((kind, body)) = self.message().await else {
                reply.ended = true;
                return reply;
            };
            match kind {
                b'Z' => return reply,
                b'S' => reply.settings.push(body),
                _other => reply.messages.push((kind, body)),
            }
        }
    }

    /// By the simple protocol.
    pub async fn query(&mut self, sql: &str) -> Reply {
        self.send(|buffer| frontend::query(sql, buffer).unwrap()).await;
        self.reply().await
    }

    /// By the simple protocol, whatever the bytes are.
    pub async fn query_bytes(&mut self, sql: &[u8]) -> Reply {
        self.send(|buffer| {
            buffer.put_u8(b'Q');
            buffer.put_u32(u32::try_from(sql.len() + 5).unwrap());
            buffer.put_slice(sql);
            buffer.put_u8(0);
        })
        .await;
        self.reply().await
    }

    /// By the extended protocol: parameters as text, whose types are the server's to say; values as text or binary.
    pub async fn prepared(&mut self, sql: &str, parameters: &[Option<String>], binary: bool) -> Reply {
        self.send(|buffer| {
            frontend::parse("", sql, [], buffer).unwrap();
            frontend::describe(b'S', "", buffer).unwrap();
            let values = parameters.iter().map(Option::as_deref);
            let bound = frontend::bind(
                "",
                "",
                [],
                values,
                |value, buffer| {
                    Ok(match value {
                        Some(text) => {
                            buffer.extend_from_slice(text.as_bytes());
                            IsNull::No
                        }
                        None => IsNull::Yes,
                    })
                },
                [i16::from(binary)],
                buffer,
            );
            assert!(bound.is_ok());
            frontend::execute("", 0, buffer).unwrap();
            frontend::sync(buffer);
        })
        .await;
        self.reply().await
    }
}

impl Reply {
    /// The columns of the last RowDescription.
    pub fn columns(&self) -> Vec<Described> {
        let Some((_, body)) = self.messages.iter().rfind(|(kind, _)| *kind == b'T') else { return Vec::new() };
        let (count, mut rest) = body.split_at(2);
        let mut columns = Vec::new();
        for _ in 0..u16::from_be_bytes(count.try_into().unwrap()) {
            let end = rest.iter().position(|byte| *byte == 0).unwrap();
            let fixed = &rest[end + 1..end + 19];
            columns.push(Described {
                name: String::from_utf8(rest[..end].to_vec()).unwrap(),
                oid: u32::from_be_bytes(fixed[6..10].try_into().unwrap()),
                len: i16::from_be_bytes(fixed[10..12].try_into().unwrap()),
                modifier: i32::from_be_bytes(fixed[12..16].try_into().unwrap()),
            });
            rest = &rest[end + 19..];
        }
        columns
    }

    /// The oids of a prepared statement's parameters.
    pub fn parameters(&self) -> Vec<u32> {
        let described = self.messages.iter().find(|(kind, _)| *kind == b't');
        let oids = described.map_or(&[][..], |(_, body)| &body[2..]);
        oids.chunks_exact(4).map(|oid| u32::from_be_bytes(oid.try_into().unwrap())).collect()
    }

    /// The rows in their order.
    pub fn rows(&self) -> Vec<Row> {
        self.messages.iter().filter(|(kind, _)| *kind == b'D').map(|(_, body)| row(body)).collect()
    }

    /// A field of the error, `C` for its SQLSTATE.
    pub fn error_field(&self, wanted: u8) -> Option<String> {
        let (_, body) = self.messages.iter().find(|(kind, _)| *kind == b'E')?;
        let field = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&wanted))?;
        Some(String::from_utf8_lossy(&field[1..]).into_owned())
    }

    /// The error's SQLSTATE.
    pub fn error(&self) -> Option<String> {
        self.error_field(b'C')
    }
}

fn row(body: &[u8]) -> Row {
    let (count, mut rest) = body.split_at(2);
    let mut row = Vec::new();
    for _ in 0..u16::from_be_bytes(count.try_into().unwrap()) {
        let (length, after) = rest.split_at(4);
        match i32::from_be_bytes(length.try_into().unwrap()) {
            -1 => {
                row.push(None);
                rest = after;
            }
            length => {
                let (value, after) = after.split_at(usize::try_from(length).unwrap());
                row.push(Some(value.to_vec()));
                rest = after;
            }
        }
    }
    row
}
