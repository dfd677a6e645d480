//! The connections to one upstream, shared: bounded, first come first served, never with anything of the last user in it.

use super::breaker::Breaker;
use super::connect::Connector;
use super::connection::Connection;
use super::dsn::Dsn;
use super::error::UpstreamError;
use super::lease::{Held, Lease, until};
use super::settings::SessionSettings;
use crate::catalog::PoolSettings;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A message of an upstream may be as long as this, unless the pool is told otherwise.
pub const LONGEST_MESSAGE: usize = 64 * 1024 * 1024;
/// A connection that lay unused for longer is asked whether it is there before it is lent.
const TRUSTED_FOR: Duration = Duration::from_secs(30);
/// One that came back less than so long ago is not even looked at: whatever came since is read before its next answer.
const JUST_USED: Duration = Duration::from_millis(1);
/// How long that may take, and how long a reset may.
const ANSWER: Duration = Duration::from_secs(5);

/// How a pool is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolStats {
    /// The most connections at a time.
    pub max: usize,
    /// Connections that are lent, being made, or being put in order.
    pub in_use: usize,
    /// Connections that wait to be lent.
    pub idle: usize,
    /// Requests that wait for a connection.
    pub waiting: usize,
    /// Connections that were ever made.
    pub opened: u64,
    /// Attempts to connect that failed.
    pub failed: u64,
    /// Whether the last attempt failed: then requests fail at once, but for one now and then.
    pub down: bool,
}

#[allow(clippy::vec_box, reason = "a connection goes from the pool to a lease and back without being moved in memory")]
type Idle = Vec<Box<Connection>>;

/// What all parts of a pool share.
pub(super) struct Inner {
    name: String,
    connector: Connector,
    settings: PoolSettings,
    room: Arc<Semaphore>,
    idle: Mutex<Idle>,
    breaker: Breaker,
    waiting: AtomicUsize,
    in_use: AtomicUsize,
    opened: AtomicU64,
    failed: AtomicU64,
    released: Notify,
    /// No new leases; what comes back is closed.
    draining: CancellationToken,
    /// No leases at all: what runs ends now.
    killed: CancellationToken,
}

/// Room for one connection.
pub(super) struct Slot {
    pool: Arc<Inner>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.pool.in_use.fetch_sub(1, Ordering::SeqCst);
        self.pool.released.notify_waiters();
    }
}

/// Counts somebody who waits, for as long as they do.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The connections to one upstream. Cheap to clone.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("name", &self.0.name).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool for a source, without a connection yet. Must be called within a runtime: it looks after what lies unused.
    ///
    /// # Errors
    /// [`UpstreamError::Tls`] if the certificates that the connection string names can't be used.
    pub fn new(name: &str, dsn: Dsn, settings: PoolSettings) -> Result<Self, UpstreamError> {
        Self::with_longest_message(name, dsn, settings, LONGEST_MESSAGE)
    }

    /// The same with another bound on the length of one message, which is that of one row, in bytes.
    ///
    /// # Errors
    /// As [`Pool::new`].
    pub fn with_longest_message(
        name: &str,
        dsn: Dsn,
        settings: PoolSettings,
        longest_message: usize,
    ) -> Result<Self, UpstreamError> {
        let statements = usize::try_from(settings.prepared_statements).unwrap_or(usize::MAX);
        let inner = Arc::new(Inner {
            name: name.to_owned(),
            connector: Connector::new(dsn, statements, longest_message)?,
            room: Arc::new(Semaphore::new(usize::try_from(settings.max).unwrap_or(Semaphore::MAX_PERMITS))),
            idle: Mutex::new(Vec::new()),
            breaker: Breaker::default(),
            waiting: AtomicUsize::new(0),
            in_use: AtomicUsize::new(0),
            opened: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            released: Notify::new(),
            draining: CancellationToken::new(),
            killed: CancellationToken::new(),
            settings,
        });
        tokio::spawn(sweep(Arc::downgrade(&inner), inner.draining.clone(), inner.settings.idle_timeout));
        Ok(Self(inner))
    }

    /// The source's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether two are the same pool, and not merely one like the other.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The pool's bounds.
    pub fn settings(&self) -> &PoolSettings {
        &self.0.settings
    }

    /// Lends a connection on which `owner` finds nothing of anybody else, with these settings.
    ///
    /// Two requests with the same owner may be lent the same connection, one after the other, without a reset in between:
    /// an owner is whoever may see all that the other left behind, such as one user.
    ///
    /// # Errors
    /// [`UpstreamError::QueueTimeout`] when none came free in the pool's time, [`UpstreamError::Deadline`] in the
    /// request's; [`UpstreamError::Down`] at once while the upstream can't be reached; [`UpstreamError::Closed`]; and
    /// whatever connecting runs into.
    pub async fn lease(
        &self,
        owner: &str,
        settings: &SessionSettings,
        deadline: Option<Instant>,
    ) -> Result<Lease, UpstreamError> {
        let pool = &self.0;
        let slot = pool.queue(deadline).await?;
        let mut connection = until(deadline, pool, pin!(pool.find(owner, settings))).await?;
        if connection.owner.as_deref() != Some(owner) {
            connection.owner = Some(owner.into());
        }
        Ok(Lease::new(Held { connection, slot }, Arc::new(settings.clone()), Arc::clone(pool)))
    }

    /// How it is doing.
    pub fn stats(&self) -> PoolStats {
        let pool = &self.0;
        PoolStats {
            max: usize::try_from(pool.settings.max).unwrap_or(usize::MAX),
            in_use: pool.in_use.load(Ordering::SeqCst),
            idle: pool.lock().len(),
            waiting: pool.waiting.load(Ordering::SeqCst),
            opened: pool.opened.load(Ordering::Relaxed),
            failed: pool.failed.load(Ordering::Relaxed),
            down: pool.breaker.is_open(),
        }
    }

    /// Lends nothing more, and waits for what is lent: those who wait get an error now, those who work have this long.
    /// Then their statements end with an error. Gives the number of connections that were still lent at that moment.
    pub async fn drain(&self, grace: Duration) -> usize {
        let pool = &self.0;
        pool.draining.cancel();
        pool.room.close();
        pool.close_idle(|_| true);
        let _ = tokio::time::timeout(grace, pool.all_released()).await;
        let left = pool.in_use.load(Ordering::SeqCst);
        pool.killed.cancel();
        left
    }
}

impl Inner {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends when the pool has been drained and the time for it is over.
    pub(super) async fn killed(&self) {
        self.killed.cancelled().await;
    }

    /// Whether that has happened.
    pub(super) fn is_killed(&self) -> bool {
        self.killed.is_cancelled()
    }

    /// Waits for room. The semaphore serves in the order of asking.
    async fn queue(self: &Arc<Self>, deadline: Option<Instant>) -> Result<Slot, UpstreamError> {
        let began = Instant::now();
        let until = began + self.settings.queue_timeout;
        let room = Arc::clone(&self.room);
        let permit = match Arc::clone(&room).try_acquire_owned() {
            Ok(permit) => permit,
            Err(tokio::sync::TryAcquireError::Closed) => return Err(UpstreamError::Closed(self.name.clone())),
            Err(tokio::sync::TryAcquireError::NoPermits) => {
                self.waiting.fetch_add(1, Ordering::SeqCst);
                let _waiting = Waiting(&self.waiting);
                let sooner = deadline.map_or(until, |deadline| deadline.min(until));
                match tokio::time::timeout_at(sooner, room.acquire_owned()).await {
                    Ok(Ok(permit)) => permit,
                    Ok(Err(_)) => return Err(UpstreamError::Closed(self.name.clone())),
                    Err(_) if sooner < until => return Err(UpstreamError::Deadline),
                    Err(_) => {
                        let waited = began.elapsed();
                        return Err(UpstreamError::QueueTimeout { pool: self.name.clone(), waited });
                    }
                }
            }
        };
        self.in_use.fetch_add(1, Ordering::SeqCst);
        Ok(Slot { pool: Arc::clone(self), _permit: permit })
    }

    /// A connection that is in order: one that lies there, or a new one.
    async fn find(&self, owner: &str, settings: &SessionSettings) -> Result<Box<Connection>, UpstreamError> {
        while let Some(connection) = self.pick(owner) {
            if let Some(connection) = self.prepare(connection, owner, settings).await? {
                return Ok(connection);
            }
        }
        let attempt = self.breaker.attempt(Instant::now())?;
        // Without the request's own settings: that the upstream does not take one of those does not make it down.
        let mut connection = match self.connector.connect(&SessionSettings::default()).await {
            Ok(connection) => {
                attempt.succeeded();
                self.opened.fetch_add(1, Ordering::Relaxed);
                Box::new(connection)
            }
            Err(error) => {
                attempt.failed(error.is_full(), Instant::now());
                self.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(source = %self.name, %error, "no connection to an upstream");
                return Err(error);
            }
        };
        match tokio::time::timeout(ANSWER, connection.follow(settings)).await {
            Ok(Ok(())) => Ok(connection),
            Ok(Err(error)) => {
                self.keep(connection);
                Err(error)
            }
            Err(_) => Err(UpstreamError::ConnectTimeout(ANSWER)),
        }
    }

    /// Puts a connection back whose settings could not be made what a request wants, if nothing else is wrong with it.
    fn keep(&self, mut connection: Box<Connection>) {
        connection.rest();
        if connection.is_clean() && !self.draining.is_cancelled() {
            self.lock().push(connection);
        }
    }

    /// The last one that worked for this owner, or else the last one: the others grow old and go.
    fn pick(&self, owner: &str) -> Option<Box<Connection>> {
        let mut idle = self.lock();
        let of_owner = idle.iter().rposition(|connection| connection.owner.as_deref() == Some(owner));
        match of_owner {
            Some(index) => Some(idle.remove(index)),
            None => idle.pop(),
        }
    }

    /// Makes a connection that lay there fit for its next owner; `None` if it is not there any more.
    ///
    /// # Errors
    /// The upstream does not take one of the settings. The connection is kept: others have other settings.
    async fn prepare(
        &self,
        mut connection: Box<Connection>,
        owner: &str,
        settings: &SessionSettings,
    ) -> Result<Option<Box<Connection>>, UpstreamError> {
        let was_just_used = connection.idle_since.elapsed() < JUST_USED;
        if self.is_expired(&connection) || !(was_just_used || connection.is_quiet().await) {
            connection.hang_up();
            return Ok(None);
        }
        if connection.idle_since.elapsed() > TRUSTED_FOR && !connection.answers(ANSWER).await {
            return Ok(None);
        }
        let same_owner = connection.owner.as_deref().is_none_or(|last| last == owner);
        let prepared = {
            let prepare = pin!(async {
                if same_owner && !connection.touched {
                    connection.follow(settings).await
                } else {
                    let reset = connection.reset(settings).await;
                    if matches!(reset, Err(UpstreamError::Server(_))) && connection.is_ready() {
                        connection.reset(&SessionSettings::default()).await?;
                    }
                    reset
                }
            });
            tokio::time::timeout(ANSWER, prepare).await
        };
        match prepared {
            Ok(Ok(())) => Ok(Some(connection)),
            Ok(Err(error @ UpstreamError::Server(_))) if connection.is_ready() => {
                self.keep(connection);
                Err(error)
            }
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }

    fn is_expired(&self, connection: &Connection) -> bool {
        connection.born.elapsed() > self.settings.max_lifetime
            || connection.idle_since.elapsed() > self.settings.idle_timeout
    }

    /// Takes a connection back that is in order.
    pub(super) fn take_back(&self, held: Held) {
        let Held { mut connection, slot } = held;
        connection.rest();
        if !connection.is_clean() || self.is_expired(&connection) || self.draining.is_cancelled() {
            connection.hang_up();
        } else {
            self.lock().push(connection);
            // A drain that began in between has already looked.
            if self.draining.is_cancelled() {
                self.close_idle(|_| true);
            }
        }
        // Only now: whoever waits for room finds the connection.
        drop(slot);
    }

    fn close_idle(&self, which: impl Fn(&Connection) -> bool) {
        let mut gone = Vec::new();
        {
            let mut idle = self.lock();
            for connection in std::mem::take(&mut *idle) {
                if which(&connection) {
                    gone.push(connection);
                } else {
                    idle.push(connection);
                }
            }
        }
        gone.into_iter().for_each(|connection| connection.hang_up());
    }

    async fn all_released(&self) {
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            if self.in_use.load(Ordering::SeqCst) == 0 {
                return;
            }
            released.await;
        }
    }
}

/// Closes what lay unused for too long, or has ended by itself, for as long as there is a pool.
async fn sweep(pool: Weak<Inner>, draining: CancellationToken, idle_timeout: Duration) {
    let every = (idle_timeout / 2).clamp(Duration::from_millis(100), Duration::from_secs(30));
    loop {
        tokio::select! {
            () = draining.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        let Some(pool) = pool.upgrade() else { return };
        pool.close_idle(|connection| pool.is_expired(connection) || !connection.is_silent());
    }
}
