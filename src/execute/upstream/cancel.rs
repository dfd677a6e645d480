//! Asking an upstream's back-end to stop: over a connection of its own, to the very address that the back-end was met at.
//!
//! A request names a back-end, not a statement: one that arrives late would stop whatever runs there by then. So a
//! [`Canceller`] works for one lease only, and a connection with a request under way is not given to anybody else.

use super::dsn::SslMode;
use super::error::UpstreamError;
use super::transport::{self, Endpoint};
use bytes::BytesMut;
use postgres_protocol::message::frontend;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;

/// How long a request to stop may take to be delivered.
const DELIVERY: Duration = Duration::from_secs(5);

/// What a back-end gave out to be cancelled by.
pub(super) struct CancelKey {
    pub(super) endpoint: Endpoint,
    pub(super) mode: SslMode,
    pub(super) tls: Option<TlsConnector>,
    pub(super) process_id: i32,
    pub(super) secret_key: i32,
}

impl CancelKey {
    /// Delivers the request. That the server has closed the connection means that it has told the back-end.
    async fn deliver(&self) -> Result<(), UpstreamError> {
        let delivery = async {
            let mut stream = transport::open(&self.endpoint, self.mode, self.tls.as_ref()).await?;
            let mut message = BytesMut::new();
            frontend::cancel_request(self.process_id, self.secret_key, &mut message);
            stream.write_all(&message).await.map_err(UpstreamError::Connect)?;
            stream.flush().await.map_err(UpstreamError::Connect)?;
            // Whatever comes, or that nothing can come any more: the end is what counts.
            let mut rest = [0; 64];
            while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
            Ok(())
        };
        tokio::time::timeout(DELIVERY, delivery).await.unwrap_or(Err(UpstreamError::ConnectTimeout(DELIVERY)))
    }
}

#[derive(Default)]
struct State {
    ended: bool,
    fired: bool,
    under_way: usize,
}

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    delivered: Notify,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request under way; counted until it is delivered, failed or dropped.
struct UnderWay(Arc<Gate>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.lock().under_way -= 1;
        self.0.delivered.notify_waiters();
    }
}

/// Stops what a lease runs. It may be kept and called by anybody, and does nothing once the lease has ended.
#[derive(Clone)]
pub struct Canceller {
    key: Option<Arc<CancelKey>>,
    gate: Arc<Gate>,
}

impl Canceller {
    pub(super) fn new(key: Option<Arc<CancelKey>>) -> Self {
        Self { key, gate: Arc::default() }
    }

    /// Asks the back-end of the lease to stop what it does, and waits until it has been told. `false` if the lease has
    /// ended, or the server gave out no key.
    ///
    /// # Errors
    /// The request could not be delivered.
    pub async fn cancel(&self) -> Result<bool, UpstreamError> {
        let Some((key, under_way)) = self.begin() else { return Ok(false) };
        let delivered = key.deliver().await;
        drop(under_way);
        delivered.map(|()| true)
    }

    /// The same without waiting, where there is a runtime to do it; not while a request is under way already.
    pub(super) fn cancel_once_in_background(&self) {
        if self.gate.lock().under_way > 0 {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let Some((key, under_way)) = self.begin() else { return };
        runtime.spawn(async move {
            if let Err(error) = key.deliver().await {
                tracing::warn!(%error, "an upstream could not be asked to stop a statement");
            }
            drop(under_way);
        });
    }

    /// Asks once more, for whoever holds the connection after its lease has ended. A request that met the back-end
    /// between two messages of a statement has stopped nothing.
    pub(super) async fn ask_again(&self) {
        if let Some(key) = &self.key
            && let Err(error) = key.deliver().await
        {
            tracing::warn!(%error, "an upstream could not be asked again to stop a statement");
        }
    }

    fn begin(&self) -> Option<(Arc<CancelKey>, UnderWay)> {
        let key = self.key.clone()?;
        let mut state = self.gate.lock();
        if state.ended {
            return None;
        }
        state.fired = true;
        state.under_way += 1;
        Some((key, UnderWay(Arc::clone(&self.gate))))
    }

    /// From here on it does nothing. Whether it was ever used: then a request may still be on its way.
    pub(super) fn end(&self) -> bool {
        let mut state = self.gate.lock();
        state.ended = true;
        state.fired
    }

    /// Waits until every request has been delivered or given up.
    pub(super) async fn settled(&self) {
        loop {
            let delivered = self.gate.delivered.notified();
            tokio::pin!(delivered);
            delivered.as_mut().enable();
            if self.gate.lock().under_way == 0 {
                return;
            }
            delivered.await;
        }
    }
}
