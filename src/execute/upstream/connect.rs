//! From a connection string to a session that is logged in, pinned, and of the kind that is wanted.

use super::cancel::CancelKey;
use super::connection::{Connection, Heard};
use super::dsn::{Dsn, Host, SslMode, TargetSession};
use super::error::{ProtocolError, UpstreamError};
use super::login;
use super::message::Body;
use super::settings::SessionSettings;
use super::tls;
use super::transport::{self, Endpoint};
use postgres_protocol::message::backend::BACKEND_KEY_DATA_TAG;
use postgres_protocol::message::frontend;
use std::io;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// What makes connections to one upstream.
pub(super) struct Connector {
    dsn: Dsn,
    tls: Option<TlsConnector>,
    statements: usize,
    longest_message: usize,
}

impl Connector {
    /// Reads the certificates that the connection string names.
    pub(super) fn new(dsn: Dsn, statements: usize, longest_message: usize) -> Result<Self, UpstreamError> {
        // Where all hosts are sockets of this machine, nothing is encrypted and no certificates are needed.
        let remote = dsn.hosts.iter().any(|host| matches!(host, Host::Tcp { .. }));
        let tls = if remote { tls::connector(&dsn)? } else { None };
        Ok(Self { dsn, tls, statements, longest_message })
    }

    /// Tries the hosts in their order, and all addresses of each. The error is that of the last one; that none is what
    /// is wanted is told if any answered.
    pub(super) async fn connect(&self, settings: &SessionSettings) -> Result<Connection, UpstreamError> {
        let mut last = UpstreamError::Connect(io::ErrorKind::NotFound.into());
        let mut wrong_target = false;
        for host in &self.dsn.hosts {
            match self.try_host(host, settings).await {
                Ok(connection) => return Ok(connection),
                Err(UpstreamError::WrongTarget) => wrong_target = true,
                Err(error) => last = error,
            }
        }
        Err(if wrong_target { UpstreamError::WrongTarget } else { last })
    }

    async fn try_host(&self, host: &Host, settings: &SessionSettings) -> Result<Connection, UpstreamError> {
        let within = self.dsn.connect_timeout;
        let late = UpstreamError::ConnectTimeout(within);
        let endpoints = match tokio::time::timeout(within, transport::endpoints(host)).await {
            Err(_) => return Err(late),
            Ok(found) => found.map_err(UpstreamError::Connect)?,
        };
        let mut last = UpstreamError::Connect(io::ErrorKind::NotFound.into());
        for endpoint in endpoints {
            match tokio::time::timeout(within, self.establish(&endpoint, settings)).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => last = error,
                Err(_) => last = UpstreamError::ConnectTimeout(within),
            }
        }
        Err(last)
    }

    async fn establish(&self, endpoint: &Endpoint, settings: &SessionSettings) -> Result<Connection, UpstreamError> {
        let transport = transport::open(endpoint, self.dsn.ssl_mode, self.tls.as_ref()).await?;
        let mode = if transport.is_tls() { self.dsn.ssl_mode } else { SslMode::Disable };
        let mut connection = Connection::new(transport, self.statements);
        let parameters = [
            ("user", self.dsn.user.as_str()),
            ("database", self.dsn.database.as_str()),
            ("application_name", self.dsn.application_name.as_str()),
            ("client_encoding", "UTF8"),
        ];
        frontend::startup_message(parameters, &mut connection.out).map_err(|_| ProtocolError::Unsendable)?;
        connection.send().await?;
        login::log_in(&mut connection, &self.dsn).await?;
        let (process_id, secret_key) = begin(&mut connection).await?.unzip();
        connection.key = process_id.zip(secret_key).map(|(process_id, secret_key)| {
            Arc::new(CancelKey { endpoint: endpoint.clone(), mode, tls: self.tls.clone(), process_id, secret_key })
        });
        connection.trust(self.longest_message);
        self.check_target(&mut connection).await?;
        connection.pin(settings).await?;
        Ok(connection)
    }

    /// Looks whether the server is of the kind that is wanted: before the pins, which make every session read-only.
    async fn check_target(&self, connection: &mut Connection) -> Result<(), UpstreamError> {
        if self.dsn.target_session == TargetSession::Any {
            return Ok(());
        }
        let question = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')";
        let rows = connection.own(&[question]).await?;
        let answer: Vec<&str> = rows.iter().flatten().flatten().map(String::as_str).collect();
        let fits = match (answer.as_slice(), self.dsn.target_session) {
            (_, TargetSession::Any) => true,
            ([recovery, read_only], TargetSession::ReadWrite) => *recovery == "f" && *read_only == "off",
            ([recovery, read_only], TargetSession::ReadOnly) => *recovery == "t" || *read_only == "on",
            ([recovery, _], TargetSession::Primary) => *recovery == "f",
            ([recovery, _], TargetSession::Standby) => *recovery == "t",
            (
                _,
                TargetSession::ReadWrite | TargetSession::ReadOnly | TargetSession::Primary | TargetSession::Standby,
            ) => false,
        };
        if fits { Ok(()) } else { Err(UpstreamError::WrongTarget) }
    }
}

/// From the end of the login to the first ReadyForQuery: the key to cancel with, if the server gives one.
async fn begin(connection: &mut Connection) -> Result<Option<(i32, i32)>, UpstreamError> {
    let mut key = None;
    // The server says by itself when it is ready.
    connection.owes_ready();
    loop {
        let frame = connection.frame().await?;
        match connection.absorb(frame)? {
            None | Some(Heard::Notice(_)) => {}
            Some(Heard::Ready) => return Ok(key),
            Some(Heard::Error(error)) => {
                connection.break_off();
                return Err(UpstreamError::Server(Box::new(error)));
            }
            Some(Heard::Other(frame)) if frame.tag == BACKEND_KEY_DATA_TAG => {
                let mut body = Body { tag: frame.tag, rest: &frame.body };
                let pair = (i32::from_be_bytes(body.array()?), i32::from_be_bytes(body.array()?));
                key = Some(body.end(pair)?);
            }
            Some(Heard::Other(frame)) => return Err(connection.unexpected(frame.tag)),
        }
    }
}
