//! Connection strings: `postgres://user:password@host:port,host/database?sslmode=…` or `host=… user=… password=…`.
//!
//! A connection string holds a password. No error here repeats any part of it, not even a key that nobody knows: a
//! password with a bare `&` in it looks like one.

mod keywords;
mod uri;

use crate::catalog::DsnSource;
use crate::types::Redacted;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

const DEFAULT_PORT: u16 = 5432;
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Hosts to try, at most: each may cost its whole time-out.
const MOST_HOSTS: usize = 16;

/// What may be set, as messages list it.
pub(super) const KEYS: [&str; 13] = [
    "host",
    "port",
    "user",
    "password",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "channel_binding",
    "target_session_attrs",
    "connect_timeout",
    "application_name",
];

/// What can be wrong with a connection string. None of these shows a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DsnError {
    /// The environment variable is not set.
    #[error("the environment variable for the connection string is not set")]
    NoVariable,
    /// The file can't be read.
    #[error("the file with the connection string can't be read")]
    NoFile,
    /// It is not text in UTF-8, or holds the zero character.
    #[error("the connection string is not plain text")]
    NotText,
    /// Neither form.
    #[error("the connection string is neither postgres://… nor a list of key=value")]
    NeitherForm,
    /// A key without `=`, a quote without its end.
    #[error("the connection string has a key without a value, or a quote without its end")]
    Unfinished,
    /// `%` and no two hexadecimal digits.
    #[error("the connection string has a % that is not followed by two hexadecimal digits; write %25 for a plain %")]
    Escape,
    /// A key that is not known, or is refused.
    #[error("the connection string sets what can't be set here; it may set {}", KEYS.join(", "))]
    UnknownKey,
    /// A key given twice.
    #[error("the connection string sets {0} twice")]
    Twice(&'static str),
    /// A key that must be there.
    #[error("the connection string does not say {0}")]
    Missing(&'static str),
    /// A port that is no port, or not one for each host.
    #[error("a port of the connection string is no number from 1 to 65535, or there is not one port for each host")]
    Port,
    /// An empty host, one with blanks or `=@"'`, a broken `[…]`, or too many.
    #[error("a host of the connection string is empty or malformed, or there are more than {MOST_HOSTS}")]
    Host,
    /// `sslmode` is none that is known.
    #[error("sslmode must be one of disable, require, verify-ca, verify-full")]
    SslMode,
    /// `prefer` and `allow` promise nothing.
    #[error(
        "sslmode prefer and allow are refused: whoever is on the network decides whether they encrypt; say verify-full, \
         or say disable where that is meant"
    )]
    SslModeOpportunistic,
    /// `verify-ca` with every authority of the system would let everybody in.
    #[error(
        "sslmode verify-ca needs sslrootcert with a file: without the host's name, a certificate of any public \
         authority would do"
    )]
    VerifyCaNeedsRoot,
    /// `sslcert` without `sslkey`, or the other way round.
    #[error("sslcert and sslkey go together")]
    ClientCertificate,
    /// `channel_binding` is none that is known.
    #[error("channel_binding must be one of disable, prefer, require")]
    ChannelBinding,
    /// `channel_binding=require` without TLS.
    #[error("channel_binding=require needs a connection over TLS")]
    ChannelBindingNeedsTls,
    /// `target_session_attrs` is none that is known.
    #[error("target_session_attrs must be one of any, read-write, read-only, primary, standby")]
    TargetSession,
    /// `connect_timeout` is no time.
    #[error("connect_timeout must be a whole number of seconds from 1 to 600")]
    ConnectTimeout,
}

/// One place where a server may listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name or an address, and a port.
    Tcp {
        /// DNS name or IP address: also what its certificate must name.
        name: String,
        /// Its port.
        port: u16,
    },
    /// The socket in this folder.
    Unix {
        /// The folder.
        folder: PathBuf,
        /// The number in the socket's name.
        port: u16,
    },
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Not at all: everybody on the way can read and change it.
    Disable,
    /// Encrypted, to whoever answers. With `sslrootcert` as [`SslMode::VerifyCa`], as in libpq.
    Require,
    /// Encrypted, to somebody whom the authority in `sslrootcert` knows.
    VerifyCa,
    /// Encrypted, to the host that was named.
    VerifyFull,
}

/// Where the authorities come from that may vouch for a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCertificates {
    /// Those of the machine.
    System,
    /// A file in PEM.
    File(PathBuf),
}

/// Whether a login is bound to its TLS connection (SCRAM-SHA-256-PLUS).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// Where the server offers it.
    Prefer,
    /// Always, or no login.
    Require,
}

/// Which of several servers is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetSession {
    /// The first that answers.
    Any,
    /// One whose sessions may write.
    ReadWrite,
    /// One whose sessions may not write.
    ReadOnly,
    /// One that is not in recovery.
    Primary,
    /// One that is in recovery.
    Standby,
}

/// A connection string, read and checked. `Debug` shows neither password nor user.
#[derive(Clone, PartialEq, Eq)]
pub struct Dsn {
    /// Where to try, in this order.
    pub hosts: Vec<Host>,
    /// Who logs in.
    pub user: String,
    /// With what, if the server asks.
    pub password: Option<Redacted<String>>,
    /// The database; without one, the user's name.
    pub database: String,
    /// How the connection is protected.
    pub ssl_mode: SslMode,
    /// Who may vouch for the server.
    pub roots: RootCertificates,
    /// A certificate and its key, both PEM files, for servers that ask for one.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Whether the login is bound to the TLS connection.
    pub channel_binding: ChannelBinding,
    /// Which of the hosts will do.
    pub target_session: TargetSession,
    /// For each host: from its name to a session that is ready.
    pub connect_timeout: Duration,
    /// What the upstream calls the session.
    pub application_name: String,
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dsn")
            .field("hosts", &self.hosts)
            .field("ssl_mode", &self.ssl_mode)
            .field("target_session", &self.target_session)
            .finish_non_exhaustive()
    }
}

/// Reads the connection string that a source names.
///
/// # Errors
/// [`DsnError`], which never shows a part of it.
pub fn read(source: &DsnSource) -> Result<Dsn, DsnError> {
    let text = match source {
        DsnSource::Env(name) => Redacted::new(std::env::var(name).map_err(|error| match error {
            std::env::VarError::NotPresent => DsnError::NoVariable,
            std::env::VarError::NotUnicode(_) => DsnError::NotText,
        })?),
        DsnSource::File(path) => {
            let bytes = std::fs::read(path).map_err(|_| DsnError::NoFile)?;
            Redacted::new(String::from_utf8(bytes).map_err(|_| DsnError::NotText)?)
        }
    };
    parse(text.expose())
}

/// Reads a connection string in either form. White space around it does not count.
///
/// # Errors
/// [`DsnError`], which never shows a part of it.
pub fn parse(text: &str) -> Result<Dsn, DsnError> {
    let text = text.trim();
    if text.contains('\0') {
        return Err(DsnError::NotText);
    }
    let parts = match text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) {
        Some(rest) => uri::parts(rest)?,
        None => keywords::parts(text)?,
    };
    assemble(parts)
}

/// What was said, by key. Values are secrets until it is known which of them is.
#[derive(Default)]
pub(super) struct Parts(BTreeMap<&'static str, Redacted<String>>);

impl Parts {
    fn set(&mut self, key: &str, value: String) -> Result<(), DsnError> {
        let value = Redacted::new(value);
        let key = KEYS.iter().find(|known| **known == key).ok_or(DsnError::UnknownKey)?;
        // A percent-escape may hide one.
        if value.expose().contains('\0') {
            return Err(DsnError::NotText);
        }
        if self.0.insert(key, value).is_some() { Err(DsnError::Twice(key)) } else { Ok(()) }
    }

    /// An empty value counts as none, as in libpq.
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|value| value.expose().as_str()).filter(|value| !value.is_empty())
    }
}

fn assemble(parts: Parts) -> Result<Dsn, DsnError> {
    let hosts = hosts(parts.get("host").ok_or(DsnError::Missing("host"))?, parts.get("port"))?;
    let user = parts.get("user").ok_or(DsnError::Missing("user"))?.to_owned();
    let ssl_mode = ssl_mode(parts.get("sslmode"))?;
    let roots = match parts.get("sslrootcert") {
        None | Some("system") => RootCertificates::System,
        Some(path) => RootCertificates::File(path.into()),
    };
    let ssl_mode = match (ssl_mode, &roots) {
        (SslMode::VerifyCa, RootCertificates::System) => return Err(DsnError::VerifyCaNeedsRoot),
        (SslMode::Require, RootCertificates::File(_)) => SslMode::VerifyCa,
        (mode, _) => mode,
    };
    let client_certificate = match (parts.get("sslcert"), parts.get("sslkey")) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
        (Some(_), None) | (None, Some(_)) => return Err(DsnError::ClientCertificate),
    };
    let channel_binding = channel_binding(parts.get("channel_binding"))?;
    let plain = ssl_mode == SslMode::Disable || hosts.iter().any(|host| matches!(host, Host::Unix { .. }));
    if channel_binding == ChannelBinding::Require && plain {
        return Err(DsnError::ChannelBindingNeedsTls);
    }
    Ok(Dsn {
        hosts,
        password: parts.get("password").map(|password| Redacted::new(password.to_owned())),
        database: parts.get("dbname").unwrap_or(&user).to_owned(),
        user,
        ssl_mode,
        roots,
        client_certificate,
        channel_binding,
        target_session: target_session(parts.get("target_session_attrs"))?,
        connect_timeout: connect_timeout(parts.get("connect_timeout"))?,
        application_name: parts.get("application_name").unwrap_or("querygate").to_owned(),
    })
}

fn hosts(names: &str, ports: Option<&str>) -> Result<Vec<Host>, DsnError> {
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    // What no host has is part of something else, such as a password, that stands in the wrong place; hosts are printed.
    let is_none = |name: &&str| name.is_empty() || name.contains(|c: char| c.is_whitespace() || "=@\"'".contains(c));
    if names.len() > MOST_HOSTS || names.iter().any(is_none) {
        return Err(DsnError::Host);
    }
    let ports: Vec<u16> = match ports {
        None => vec![DEFAULT_PORT],
        Some(ports) => ports.split(',').map(port).collect::<Result<_, _>>()?,
    };
    if ports.len() != 1 && ports.len() != names.len() {
        return Err(DsnError::Port);
    }
    Ok(names.into_iter().zip(ports.into_iter().cycle()).map(|(name, port)| host(name, port)).collect())
}

fn host(name: &str, port: u16) -> Host {
    if name.starts_with('/') {
        Host::Unix { folder: name.into(), port }
    } else {
        Host::Tcp { name: name.to_owned(), port }
    }
}

fn port(text: &str) -> Result<u16, DsnError> {
    match text.trim() {
        "" => Ok(DEFAULT_PORT),
        digits => digits.parse().ok().filter(|port| *port != 0).ok_or(DsnError::Port),
    }
}

fn ssl_mode(text: Option<&str>) -> Result<SslMode, DsnError> {
    match text {
        None | Some("verify-full") => Ok(SslMode::VerifyFull),
        Some("verify-ca") => Ok(SslMode::VerifyCa),
        Some("require") => Ok(SslMode::Require),
        Some("disable") => Ok(SslMode::Disable),
        Some("prefer" | "allow") => Err(DsnError::SslModeOpportunistic),
        Some(_) => Err(DsnError::SslMode),
    }
}

fn channel_binding(text: Option<&str>) -> Result<ChannelBinding, DsnError> {
    match text {
        None | Some("prefer") => Ok(ChannelBinding::Prefer),
        Some("disable") => Ok(ChannelBinding::Disable),
        Some("require") => Ok(ChannelBinding::Require),
        Some(_) => Err(DsnError::ChannelBinding),
    }
}

fn target_session(text: Option<&str>) -> Result<TargetSession, DsnError> {
    match text {
        None | Some("any") => Ok(TargetSession::Any),
        Some("read-write") => Ok(TargetSession::ReadWrite),
        Some("read-only") => Ok(TargetSession::ReadOnly),
        Some("primary") => Ok(TargetSession::Primary),
        Some("standby") => Ok(TargetSession::Standby),
        Some(_) => Err(DsnError::TargetSession),
    }
}

fn connect_timeout(text: Option<&str>) -> Result<Duration, DsnError> {
    let Some(text) = text else { return Ok(DEFAULT_CONNECT_TIMEOUT) };
    let seconds = text.parse().ok().filter(|seconds| (1..=600).contains(seconds));
    seconds.map(Duration::from_secs).ok_or(DsnError::ConnectTimeout)
}

#[cfg(test)]
mod tests;
