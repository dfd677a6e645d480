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

/// What came of a cancel request. Whoever asked is never told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// A statement was stopped.
    Stopped,
    /// The key was right, and nothing ran.
    Idle,
    /// There is no such connection, or the key is another's.
    Wrong,
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

    /// Stops what a connection runs, if the secret is right.
    pub fn cancel(&self, pid: i32, secret: &[u8]) -> Cancelled {
        let running = match self.lock().get(&pid) {
            Some(connection) if bool::from(connection.secret.ct_eq(secret)) => Arc::clone(&connection.running),
            _ => return Cancelled::Wrong,
        };
        match &*running.lock() {
            Some(token) => {
                token.cancel();
                Cancelled::Stopped
            }
            None => Cancelled::Idle,
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
        assert_eq!(registry.cancel(connection.pid(), connection.secret()), Cancelled::Idle);
        let first = connection.arm();
        assert_eq!(registry.cancel(connection.pid(), connection.secret()), Cancelled::Stopped);
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
        assert_eq!(registry.cancel(connection.pid(), b""), Cancelled::Wrong);
        assert_eq!(registry.cancel(connection.pid(), &[0; 32]), Cancelled::Wrong);
        let other = registry.register(0);
        assert_eq!(registry.cancel(other.pid(), connection.secret()), Cancelled::Wrong);
        assert!(!armed.token().is_cancelled());
        drop((connection, other));
        assert!(registry.is_empty());
    }
}
