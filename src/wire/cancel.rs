//! CancelRequest: who may stop which statement.
//!
//! INVARIANT: a cancel hits a statement that runs when it comes, never the next one.

use bytes::Bytes;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

/// The connections that can be cancelled, by process id. It is as large as the number of connections.
#[derive(Default)]
pub struct CancelRegistry {
    connections: Mutex<HashMap<i32, Connection>>,
}

struct Connection {
    secret: Bytes,
    running: Arc<Running>,
}

/// The statement that a connection runs now, if any.
#[derive(Default)]
struct Running(Mutex<Option<CancellationToken>>);

impl Running {
    fn lock(&self) -> MutexGuard<'_, Option<CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CancelRegistry {
    /// Gives a connection its process id and secret: 4 bytes for protocol 3.0, 32 from 3.2 on.
    pub fn register(self: &Arc<Self>, protocol_minor: u16) -> Registration {
        let secret: Bytes = if protocol_minor >= 2 {
            Bytes::copy_from_slice(&rand::random::<[u8; 32]>())
        } else {
            Bytes::copy_from_slice(&rand::random::<[u8; 4]>())
        };
        let running = Arc::new(Running::default());
        let mut connections = self.lock();
        loop {
            let pid = rand::random_range(1..=i32::MAX);
            if let Entry::Vacant(free) = connections.entry(pid) {
                free.insert(Connection { secret: secret.clone(), running: Arc::clone(&running) });
                return Registration { registry: Arc::clone(self), pid, secret, running };
            }
        }
    }

    /// Stops what a connection runs, if the secret is right. Whoever asks is never told.
    pub fn cancel(&self, pid: i32, secret: &[u8]) -> bool {
        let running = match self.lock().get(&pid) {
            Some(connection) if bool::from(connection.secret.ct_eq(secret)) => Arc::clone(&connection.running),
            _ => return false,
        };
        match &*running.lock() {
            Some(token) => {
                token.cancel();
                true
            }
            None => false,
        }
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place in the registry, for as long as it lasts.
pub struct Registration {
    registry: Arc<CancelRegistry>,
    pid: i32,
    secret: Bytes,
    running: Arc<Running>,
}

impl Registration {
    /// The process id of BackendKeyData.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The secret of BackendKeyData.
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// A statement begins: from now until the guard is dropped a cancel reaches its token.
    pub fn arm(&self) -> Armed {
        let token = CancellationToken::new();
        *self.running.lock() = Some(token.clone());
        Armed { running: Arc::clone(&self.running), token }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.pid);
    }
}

/// A running statement that can be cancelled.
pub struct Armed {
    running: Arc<Running>,
    token: CancellationToken,
}

impl Armed {
    /// What a cancel triggers.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        *self.running.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_hits_the_running_statement_alone() {
        let registry = Arc::new(CancelRegistry::default());
        let connection = registry.register(2);
        assert_eq!(connection.secret().len(), 32);
        assert!(!registry.cancel(connection.pid(), connection.secret()), "nothing runs");
        let first = connection.arm();
        assert!(registry.cancel(connection.pid(), connection.secret()));
        assert!(first.token().is_cancelled());
        drop(first);
        let second = connection.arm();
        assert!(!second.token().is_cancelled());
    }

    #[test]
    fn a_wrong_secret_cancels_nothing() {
        let registry = Arc::new(CancelRegistry::default());
        let connection = registry.register(0);
        assert_eq!(connection.secret().len(), 4);
        let armed = connection.arm();
        assert!(!registry.cancel(connection.pid(), b""));
        assert!(!registry.cancel(connection.pid(), &[0; 32]));
        let other = registry.register(0);
        assert!(!registry.cancel(other.pid(), connection.secret()));
        assert!(!armed.token().is_cancelled());
        drop((connection, other));
        assert!(registry.is_empty());
    }
}
