//! What the front end is told: bounds, timeouts and how connections are encrypted.

use super::tls::Tls;
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

/// The front end's bounds.
#[derive(Clone)]
pub struct WireConfig {
    /// Whether connections may, or must, be encrypted. Without [`Self::tls`] it is [`TlsMode::Off`] in effect, except
    /// that `Require` then refuses everybody.
    pub tls_mode: TlsMode,
    /// Certificate and key.
    pub tls: Option<Arc<Tls>>,
    /// Connections at one time, those that are still logging in included.
    pub max_connections: usize,
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
            startup_timeout: Duration::from_secs(60),
            shutdown_grace: Duration::from_secs(30),
            write_timeout: None,
            max_message_bytes: 64 << 20,
        }
    }
}
