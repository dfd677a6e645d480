//! What the front end is told: bounds, timeouts and how connections are encrypted.

use super::tls::Tls;
use crate::types::Redacted;
use std::sync::Arc;
use std::time::Duration;

/// Whether connections may, or must, be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TlsMode {
    /// Never: a request for TLS is answered with N.
    Off,
    /// As the client likes.
    Allow,
    /// Always: a start-up in the clear is refused.
    #[default]
    Require,
}

/// How wrong passwords are slowed down. A number of zero: it is not counted that way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginLimits {
    /// Wrong passwords of one user from one address before the next has to wait.
    pub attempts: u32,
    /// The same of one user from all addresses that they have not come in from before; one address counts for five at most.
    pub attempts_per_user: u32,
    /// The same of one address for all users who have not come in from it before.
    pub attempts_per_address: u32,
    /// The first wait. It doubles with each further wrong password.
    pub delay: Duration,
    /// The longest wait.
    pub delay_max: Duration,
}

impl Default for LoginLimits {
    fn default() -> Self {
        Self {
            attempts: 3,
            attempts_per_user: 20,
            attempts_per_address: 50,
            delay: Duration::from_secs(1),
            delay_max: Duration::from_secs(60),
        }
    }
}

/// The front end's bounds.
#[derive(Clone)]
pub struct WireConfig {
    /// Whether connections may, or must, be encrypted. Without [`Self::tls`] it is [`TlsMode::Off`] in effect, except
    /// that `Require` then refuses everybody.
    pub tls_mode: TlsMode,
    /// Certificate and key.
    pub tls: Option<Arc<Tls>>,
    /// Connections at one time that have logged in.
    pub max_connections: usize,
    /// Connections at one time that are still logging in.
    pub max_startups: usize,
    /// The same from one address.
    pub max_startups_per_address: usize,
    /// How wrong passwords are slowed down.
    pub logins: LoginLimits,
    /// What users who do not exist have their salts from. The same in each process that serves the same users: a salt that
    /// changes with a start would tell who does not exist. `None`: made at start.
    pub decoy_key: Option<Redacted<Vec<u8>>>,
    /// From accept to the end of the login.
    pub startup_timeout: Duration,
    /// How long running statements may go on after shutdown began.
    pub shutdown_grace: Duration,
    /// How long a client may take nothing of what it is sent; `None` is for ever.
    pub write_timeout: Option<Duration>,
    /// The largest message after the login, in bytes.
    pub max_message_bytes: usize,
}

impl Default for WireConfig {
    fn default() -> Self {
        Self {
            tls_mode: TlsMode::default(),
            tls: None,
            max_connections: 10_000,
            max_startups: 2_000,
            max_startups_per_address: 1_000,
            logins: LoginLimits::default(),
            decoy_key: None,
            startup_timeout: Duration::from_secs(60),
            shutdown_grace: Duration::from_secs(30),
            write_timeout: None,
            max_message_bytes: 64 << 20,
        }
    }
}
