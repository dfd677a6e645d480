//! What can go wrong with an upstream, and what a client is told of it.
//!
//! INVARIANT: no text that an upstream wrote is in a report made here: it may hold values that the reader may not see.

use super::codes;
use super::connection::LOGIN_BOUND;
use super::dsn::DsnError;
use super::message::ServerMessage;
use super::tls::TlsError;
use crate::error::{ErrorReport, Severity, SqlState};
use crate::govern::forward::MARK;
use std::io;
use std::time::Duration;

/// A message that breaks the protocol: the connection it came on is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A length below four.
    #[error("a message of the upstream has an impossible length")]
    Length,
    /// More than the bound.
    #[error("a message of the upstream is longer than {0} bytes")]
    TooLong(usize),
    /// A message that does not belong here.
    #[error("the upstream sent a message of type {:?} that was not expected", char::from(*.0))]
    Unexpected(u8),
    /// Its content does not fit its type.
    #[error("a message of type {:?} of the upstream is malformed", char::from(*.0))]
    Malformed(u8),
    /// Too much to be sent in one message: a text, a number of parameters, a zero character in a text.
    #[error(
        "a statement can't be sent to the upstream: too long, too many parameters, or a zero character in its text"
    )]
    Unsendable,
}

/// Why a login failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The server asks for a password and the connection string has none.
    #[error("the upstream asks for a password, and the connection string has none")]
    NoPassword,
    /// It asks for the password itself over a connection that others can read.
    #[error("the upstream asks for the password in the clear, and the connection is not encrypted")]
    ClearText,
    /// GSSAPI, SSPI and the like.
    #[error("the upstream asks for a way of login that is not supported (code {0})")]
    Method(i32),
    /// No SASL mechanism that is known.
    #[error("the upstream offers no SASL mechanism that is supported")]
    Mechanism,
    /// `channel_binding=require`, and the server does not offer it or the certificate can't be bound to.
    #[error("channel_binding=require, and the upstream does not offer SCRAM-SHA-256-PLUS over this connection")]
    NoChannelBinding,
    /// The exchange itself: a server that does not know the password either is not the server.
    #[error(
        "the SCRAM exchange with the upstream failed: it does not follow the protocol, or does not know the password"
    )]
    Scram,
}

/// What can go wrong with an upstream. Texts are for the log: see [`UpstreamError::report`] for what a client is told.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The connection string.
    #[error("{0}")]
    Dsn(#[from] DsnError),
    /// Certificates that can't be read or used.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// No connection could be made.
    #[error("no connection to the upstream: {0}")]
    Connect(#[source] io::Error),
    /// The TLS handshake failed: an unknown authority, another host's certificate, or no TLS at all behind it.
    #[error("the TLS handshake with the upstream failed: {0}")]
    Handshake(#[source] io::Error),
    /// The server does not speak TLS, and it has to.
    #[error("the upstream does not support TLS, and sslmode asks for it")]
    NoTls,
    /// Bytes came with the answer to SSLRequest, before TLS (the shape of CVE-2021-23222).
    #[error("the upstream sent data in the clear before the TLS handshake")]
    Smuggled,
    /// The login.
    #[error("{0}")]
    Login(#[from] LoginError),
    /// No answer in the time that the connection string allows.
    #[error("the upstream did not answer within {0:?}")]
    ConnectTimeout(Duration),
    /// It answers, and is not the kind of server that is wanted.
    #[error("no host of the upstream is what target_session_attrs asks for")]
    WrongTarget,
    /// It did not take over a setting on which the meaning of statements depends.
    #[error("the upstream does not confirm the setting {0}")]
    Unpinned(&'static str),
    /// It was down a moment ago; the next attempt is due after this time.
    #[error("the upstream is down; the next attempt is in {retry_in:?}")]
    Down {
        /// Until then, requests fail at once.
        retry_in: Duration,
        /// What the last attempt ran into.
        full: bool,
    },
    /// Nobody gave a connection back in time.
    #[error("no connection of the pool {pool:?} became free within {waited:?}")]
    QueueTimeout {
        /// The source's name.
        pool: String,
        /// How long this request waited.
        waited: Duration,
    },
    /// The pool is shutting down.
    #[error("the pool {0:?} is shutting down")]
    Closed(String),
    /// The connection ended or broke.
    #[error("the connection to the upstream was lost: {0}")]
    Lost(#[source] io::Error),
    /// The upstream broke the protocol.
    #[error("{0}")]
    Protocol(#[from] ProtocolError),
    /// The upstream says no.
    #[error("the upstream reports {}", .0.code)]
    Server(Box<ServerMessage>),
    /// The deadline passed; the upstream was asked to stop.
    #[error("the deadline passed while the upstream worked")]
    Deadline,
    /// COMMIT was sent, and what came of it is not known.
    #[error("the connection was lost while a transaction was being committed")]
    Unresolved,
    /// The transaction has failed there: there is nothing to commit.
    #[error("the transaction has failed in the upstream")]
    Aborted,
    /// The source is another one than when the transaction began.
    #[error("the source was configured anew while a transaction was open in it")]
    Replaced,
    /// The transaction has written to another source, of this name.
    #[error("the transaction writes to source {0:?} already")]
    WritesElsewhere(String),
    /// The lease is in a state in which this can't be done: in a suspended statement, or broken.
    #[error("the connection to the upstream can't be used for this now")]
    Unusable,
}

impl UpstreamError {
    /// What a client is told: the right code, and no word that the upstream wrote.
    pub fn report(&self, source: &str) -> ErrorReport {
        let lost = |what: &str| ErrorReport::new(SqlState::CONNECTION_FAILURE, format!("{what} source \"{source}\""));
        let retry = "Try again in a moment.";
        match self {
            Self::Dsn(_) | Self::Tls(_) => {
                ErrorReport::new(SqlState::SYSTEM_ERROR, format!("source \"{source}\" is not configured as it must be"))
            }
            Self::Connect(_)
            | Self::Handshake(_)
            | Self::NoTls
            | Self::Smuggled
            | Self::Login(_)
            | Self::ConnectTimeout(_)
            | Self::WrongTarget
            | Self::Unpinned(_) => lost("no connection to"),
            Self::Down { full: false, .. } => lost("no connection to").with_hint(retry),
            Self::Down { full: true, .. } => ErrorReport::new(
                SqlState::TOO_MANY_CONNECTIONS,
                format!("source \"{source}\" takes no more connections"),
            )
            .with_hint(retry),
            Self::QueueTimeout { pool, waited } => ErrorReport::new(
                SqlState::TOO_MANY_CONNECTIONS,
                format!("no connection to source \"{pool}\" became free"),
            )
            .with_detail(format!("The statement waited {} ms for the pool \"{pool}\".", waited.as_millis()))
            .with_hint(retry),
            Self::Closed(_) => ErrorReport::new(SqlState::ADMIN_SHUTDOWN, "the gateway is shutting down"),
            Self::Lost(_) | Self::Protocol(ProtocolError::Length | ProtocolError::Unexpected(_)) => {
                lost("lost the connection to")
            }
            Self::Protocol(ProtocolError::Malformed(_)) => lost("lost the connection to"),
            // Before the login is over there are no rows: whatever this is, it is no PostgreSQL.
            Self::Protocol(ProtocolError::TooLong(LOGIN_BOUND)) => lost("no connection to"),
            Self::Protocol(ProtocolError::TooLong(bound)) => ErrorReport::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!("a row of source \"{source}\" is longer than {bound} bytes"),
            ),
            Self::Protocol(ProtocolError::Unsendable) => ErrorReport::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!("the statement can't be sent to source \"{source}\""),
            ),
            Self::Server(message) => server(message, source),
            Self::Deadline => {
                ErrorReport::new(SqlState::QUERY_CANCELED, "canceling statement due to statement timeout")
            }
            Self::Unresolved => {
                ErrorReport::new(SqlState("08007"), format!("lost the connection to source \"{source}\" during COMMIT"))
                    .with_detail("It is not known whether the transaction was committed.")
                    .with_hint("Look at the data before you do the work again.")
            }
            Self::Aborted => ErrorReport::new(
                SqlState::IN_FAILED_SQL_TRANSACTION,
                format!("the transaction was rolled back by source \"{source}\""),
            ),
            Self::Replaced => ErrorReport::new(
                SqlState("55000"),
                format!("source \"{source}\" was configured anew during this transaction"),
            )
            .with_hint("End the transaction and begin it again."),
            Self::WritesElsewhere(other) => ErrorReport::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("a transaction that writes to sources \"{other}\" and \"{source}\" is not supported"),
            )
            .with_detail("They would be committed one after the other: the first could be kept, and the second lost.")
            .with_hint("Write to each source in a transaction of its own."),
            Self::Unusable => ErrorReport::new(
                SqlState::INTERNAL_ERROR,
                format!("the connection to source \"{source}\" can't be used for this now"),
            ),
        }
    }

    /// Whether a row was to be written for which the row filter does not hold: see [`MARK`].
    pub fn is_of_row_filter(&self) -> bool {
        matches!(self, Self::Server(message) if message.code.as_ref() == "22P02" && message.message.contains(MARK))
    }

    /// Whether the upstream is full: its own 53300.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Server(message) if message.code.as_ref() == SqlState::TOO_MANY_CONNECTIONS.0)
    }
}

/// An error that the upstream reported, in words of our own.
fn server(message: &ServerMessage, source: &str) -> ErrorReport {
    let code = codes::known(&message.code);
    let text = match code {
        SqlState::QUERY_CANCELED => "canceling statement due to user request or time-out".to_owned(),
        SqlState::TOO_MANY_CONNECTIONS => format!("source \"{source}\" takes no more connections"),
        SqlState::ADMIN_SHUTDOWN => format!("source \"{source}\" ended the connection"),
        SqlState::CANNOT_CONNECT_NOW => format!("source \"{source}\" is starting up or shutting down"),
        _ => match codes::class(code) {
            Some(class) => format!("source \"{source}\" reports: {class}"),
            None => format!("source \"{source}\" reports an error"),
        },
    };
    // The upstream's session ends with a FATAL; the client's does not.
    ErrorReport { severity: Severity::Error, ..ErrorReport::new(code, text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(code: &str) -> UpstreamError {
        let body =
            format!("SERROR\0VERROR\0C{code}\0Minvalid input syntax for type integer: \"123-45-6789\"\0DHidden.\0\0");
        UpstreamError::Server(Box::new(ServerMessage::parse(b'E', body.as_bytes()).unwrap()))
    }

    #[test]
    fn no_word_of_the_upstream_reaches_a_client() {
        let report = message("22P02").report("crm");
        assert_eq!(report.sqlstate, SqlState::INVALID_TEXT_REPRESENTATION);
        assert_eq!(report.message, "source \"crm\" reports: invalid text representation");
        let all = format!("{report:?} {}", message("22P02"));
        assert!(!all.contains("6789") && !all.contains("Hidden"), "{all}");
    }

    #[test]
    fn codes_are_the_upstreams_where_a_client_can_act_on_them() {
        assert_eq!(message("57P01").report("crm").sqlstate, SqlState::ADMIN_SHUTDOWN);
        assert_eq!(message("53300").report("crm").sqlstate, SqlState::TOO_MANY_CONNECTIONS);
        assert_eq!(message("40P01").report("crm").sqlstate, SqlState("40P01"));
        // A code that nobody knows: its class, and what is no code at all: an internal error.
        assert_eq!(message("22Z99").report("crm").sqlstate, SqlState::DATA_EXCEPTION);
        assert_eq!(message("Q!").report("crm").sqlstate, SqlState::INTERNAL_ERROR);
    }
}
