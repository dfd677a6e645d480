//! A connection lent to one user, for a statement, a transaction or a session; and how it comes back.
//!
//! INVARIANT: what goes back to the pool has answered everything, is in no transaction, and has no request to stop on its
//! way. Whatever else it is in, it is put in order first, by somebody who owns it, or closed.

use super::cancel::Canceller;
use super::connection::{Connection, TransactionStatus};
use super::control::Control;
use super::error::UpstreamError;
use super::pool::{Inner, Slot};
use super::query::Run;
use super::request::Request;
use super::settings::SessionSettings;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// How long an upstream may take to end a statement that it was asked to stop, before its connection is closed.
const GRACE: Duration = Duration::from_secs(5);
/// How long a back-end that was asked to stop may take before it is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(300);

/// One connection, for one user. Dropping it gives it back.
pub struct Lease {
    /// `None` only while it is dropped.
    held: Option<Held>,
    wanted: Arc<SessionSettings>,
    canceller: Canceller,
    pool: Arc<Inner>,
}

pub(super) struct Held {
    pub(super) connection: Box<Connection>,
    pub(super) slot: Slot,
}

impl Lease {
    pub(super) fn new(held: Held, wanted: Arc<SessionSettings>, pool: Arc<Inner>) -> Self {
        let canceller = Canceller::new(held.connection.key.clone());
        Self { held: Some(held), wanted, canceller, pool }
    }

    /// INVARIANT: `held` is there for as long as anybody can have a lease; see `Drop`.
    #[expect(clippy::expect_used, reason = "nothing takes it out but drop")]
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.held.as_mut().expect("a lease holds its connection until it is dropped").connection
    }

    fn peek(&self) -> Option<&Connection> {
        self.held.as_ref().map(|held| &*held.connection)
    }

    /// In a transaction, in none, or in one that has failed.
    pub fn transaction(&self) -> TransactionStatus {
        self.peek().map_or(TransactionStatus::Idle, Connection::status)
    }

    /// Whether the connection is gone: then nothing can be done but to drop this.
    pub fn is_broken(&self) -> bool {
        self.peek().is_none_or(Connection::is_broken)
    }

    /// What the server last reported of a setting, such as `server_version`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.peek()?.parameter(name)
    }

    /// How many prepared statements the connection keeps.
    pub fn prepared_statements(&self) -> usize {
        self.peek().map_or(0, |connection| connection.statements.len())
    }

    /// The server's process, as `pg_stat_activity` shows it.
    pub fn process_id(&self) -> Option<i32> {
        Some(self.peek()?.key.as_ref()?.process_id)
    }

    /// What stops the statement that runs on this lease, and nothing else ever.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Says that the session was changed in a way that the pool can't see: it is reset before anybody uses it again.
    pub fn taint(&mut self) {
        self.connection().touched = true;
    }

    /// Follows these settings from the next statement on; within a transaction, up to its end.
    pub fn follow(&mut self, settings: &SessionSettings) {
        if *self.wanted != *settings {
            self.wanted = Arc::new(settings.clone());
        }
    }

    /// Runs a statement. Its answer is read as far as its description.
    ///
    /// # Errors
    /// [`UpstreamError::Server`] for what the upstream reports, a parse error among others; after it the lease can be
    /// used again. [`UpstreamError::Deadline`], [`UpstreamError::Lost`] and others: see [`Lease::is_broken`].
    pub async fn run(&mut self, request: Request<'_>) -> Result<Run<&mut Self>, UpstreamError> {
        Run::start(self, request).await.map_err(|(error, _)| error)
    }

    /// The same, with the lease in the stream: it goes back to the pool when the stream ends or is dropped.
    ///
    /// # Errors
    /// As [`Lease::run`], and the lease, if it can still be used for anything.
    pub async fn into_run(self, request: Request<'_>) -> Result<Run<Self>, (UpstreamError, Option<Self>)> {
        Run::start(self, request).await
    }

    /// Goes on with a portal that [`Event::Suspended`](super::Event::Suspended) ended, in the same transaction block.
    ///
    /// # Errors
    /// As [`Lease::run`]; [`UpstreamError::Unusable`] outside of a transaction block, where no portal outlives its run.
    pub async fn resume(
        &mut self,
        portal: &str,
        max_rows: u32,
        deadline: Option<Instant>,
    ) -> Result<Run<&mut Self>, UpstreamError> {
        Run::resume_portal(self, portal, max_rows, deadline).await
    }

    /// Does one step of a transaction.
    ///
    /// # Errors
    /// As [`Lease::run`].
    pub async fn control(&mut self, control: &Control, deadline: Option<Instant>) -> Result<(), UpstreamError> {
        match control {
            // Settings that change within a transaction have to be set anew in each.
            Control::Begin { .. } => self.make_ready().await?,
            Control::Commit
            | Control::Rollback
            | Control::Savepoint(_)
            | Control::RollbackTo(_)
            | Control::Release(_)
            | Control::ClosePortal(_) => self.settle().await?,
        }
        let pool = Arc::clone(&self.pool);
        let sql = control.sql();
        let done = until(deadline, &pool, async { self.connection().own(&[&sql]).await.map(|_| ()) }).await;
        if matches!(done, Err(UpstreamError::Deadline)) {
            self.stop().await;
        }
        if matches!(control, Control::RollbackTo(_)) {
            self.connection().forget_local_settings();
        }
        done
    }

    /// Ends a transaction and keeps its work.
    ///
    /// Its answer is waited for also past the deadline, for some seconds after the upstream was asked to stop: only the
    /// upstream knows what came of it.
    ///
    /// # Errors
    /// [`UpstreamError::Aborted`] if it has failed there, [`UpstreamError::Server`] for what the upstream reports: then it
    /// is rolled back. [`UpstreamError::Unresolved`] if there was no answer.
    pub(super) async fn commit(&mut self, deadline: Option<Instant>) -> Result<(), UpstreamError> {
        self.settle().await?;
        if self.transaction() != TransactionStatus::Active {
            return Err(UpstreamError::Aborted);
        }
        let (pool, canceller) = (Arc::clone(&self.pool), self.canceller.clone());
        let answer = {
            let mut commit = std::pin::pin!(self.connection().own(&["COMMIT"]));
            match until(deadline, &pool, commit.as_mut()).await {
                Err(UpstreamError::Deadline) => {
                    if let Err(error) = canceller.cancel().await {
                        tracing::warn!(%error, source = %pool.name(), "an upstream could not be asked to stop a commit");
                    }
                    tokio::time::timeout(GRACE, commit).await.unwrap_or(Err(UpstreamError::Unresolved))
                }
                answer => answer,
            }
        };
        match answer {
            Ok(_) if self.transaction() == TransactionStatus::Idle => Ok(()),
            Err(error @ UpstreamError::Server(_)) if !self.is_broken() => Err(error),
            Ok(_) | Err(_) => Err(UpstreamError::Unresolved),
        }
    }

    /// Waits out what a statement that was dropped has left behind.
    async fn settle(&mut self) -> Result<(), UpstreamError> {
        self.canceller.settled().await;
        if self.connection().settle(GRACE).await {
            Ok(())
        } else {
            Err(UpstreamError::Lost(io::ErrorKind::NotConnected.into()))
        }
    }

    /// Begins a transaction in which the session acts as another role, for one [`Request`] that is meant for it and ends
    /// it. `steps` begin with BEGIN and hold SET LOCAL ROLE; their rows are given back.
    ///
    /// INVARIANT: the role is the transaction's alone. Whatever else is to run on this connection puts it in order first, and
    /// that rolls the transaction back; nor does a connection in a transaction go back to the pool.
    ///
    /// # Errors
    /// As [`Lease::run`]; then the session acts as the login.
    pub(super) async fn act_as(
        &mut self,
        steps: &[&str],
        deadline: Instant,
    ) -> Result<Vec<Vec<Option<String>>>, UpstreamError> {
        self.make_ready().await?;
        if self.transaction() != TransactionStatus::Idle {
            return Err(UpstreamError::Unusable);
        }
        let pool = Arc::clone(&self.pool);
        self.connection().acts();
        let done = until(Some(deadline), &pool, self.connection().own(steps)).await;
        if matches!(done, Err(UpstreamError::Deadline)) {
            self.stop().await;
        }
        match done {
            Ok(rows) if self.connection().may_act() => Ok(rows),
            Ok(_) => self.act_no_more().await.and(Err(UpstreamError::Unusable)),
            Err(error) => self.act_no_more().await.and(Err(error)),
        }
    }

    /// Ends the transaction of [`Lease::act_as`], if it is still open.
    ///
    /// # Errors
    /// The connection is gone.
    pub(super) async fn act_no_more(&mut self) -> Result<(), UpstreamError> {
        self.settle().await?;
        if self.connection().is_acting() {
            let (pool, within) = (Arc::clone(&self.pool), Instant::now() + GRACE);
            until(Some(within), &pool, self.connection().own(&["ROLLBACK"])).await?;
        }
        Ok(())
    }

    /// Ends the transaction of [`Lease::act_as`] and keeps its work.
    ///
    /// # Errors
    /// As [`Lease::run`]: it was not kept, or nobody knows.
    pub(super) async fn act_for_good(&mut self, deadline: Instant) -> Result<(), UpstreamError> {
        if !self.connection().may_act() {
            return Err(UpstreamError::Unusable);
        }
        let pool = Arc::clone(&self.pool);
        let done = until(Some(deadline), &pool, self.connection().own(&["COMMIT"])).await;
        if matches!(done, Err(UpstreamError::Deadline)) {
            self.stop().await;
        }
        done.map(|_| ())
    }

    /// Brings the connection to where a statement can be sent, with the settings that are wanted, and as the login.
    pub(super) async fn make_ready(&mut self) -> Result<(), UpstreamError> {
        self.act_no_more().await?;
        let wanted = Arc::clone(&self.wanted);
        let pool = Arc::clone(&self.pool);
        let within = Instant::now() + GRACE;
        until(Some(within), &pool, self.connection().follow(&wanted)).await
    }

    /// Reads once; see [`until`].
    pub(super) async fn fill_until(&mut self, deadline: Option<Instant>) -> Result<(), UpstreamError> {
        let pool = Arc::clone(&self.pool);
        until(deadline, &pool, self.connection().fill()).await
    }

    /// Sends what is to be sent; see [`until`].
    pub(super) async fn send_until(&mut self, deadline: Option<Instant>) -> Result<(), UpstreamError> {
        let pool = Arc::clone(&self.pool);
        until(deadline, &pool, self.connection().send()).await
    }

    /// Asks the upstream to stop and reads up to where it has. Afterwards the lease is in order, or broken.
    pub(super) async fn stop(&mut self) {
        if let Err(error) = self.canceller.cancel().await {
            tracing::warn!(%error, source = %self.pool.name(), "an upstream could not be asked to stop a statement");
        }
        self.connection().settle(GRACE).await;
    }

    /// Asks the upstream to stop, and leaves the rest to whoever uses or drops the lease next.
    pub(super) fn abandon(&mut self) {
        if !self.connection().is_ready() && !self.connection().is_broken() {
            self.canceller.cancel_once_in_background();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.abandon();
        let Some(held) = self.held.take() else { return };
        let may_be_stopped = self.canceller.end();
        if held.connection.is_clean() && !may_be_stopped {
            self.pool.take_back(held);
            return;
        }
        // Not in order: somebody has to see to it, or it goes.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if held.connection.is_broken() {
            return;
        }
        let (pool, canceller) = (Arc::clone(&self.pool), self.canceller.clone());
        runtime.spawn(async move {
            canceller.settled().await;
            let mut held = held;
            // The reset is a round trip: a request to stop that arrives late meets it, and not somebody's statement.
            let mended = async {
                let settled = {
                    let mut settling = std::pin::pin!(held.connection.settle(GRACE));
                    loop {
                        tokio::select! {
                            settled = &mut settling => break settled,
                            // Delivered in whole before the wait goes on: none is left to meet anybody's next statement.
                            () = tokio::time::sleep(ASK_AGAIN) => canceller.ask_again().await,
                        }
                    }
                };
                if !settled {
                    return false;
                }
                held.connection.reset(&SessionSettings::default()).await.is_ok()
            };
            if matches!(tokio::time::timeout(GRACE * 2, mended).await, Ok(true)) {
                pool.take_back(held);
            }
        });
    }
}

/// Waits for something until a deadline, or until the pool is closed for good. What it waits for may be dropped.
pub(super) async fn until<T>(
    deadline: Option<Instant>,
    pool: &Inner,
    what: impl Future<Output = Result<T, UpstreamError>>,
) -> Result<T, UpstreamError> {
    if pool.is_killed() {
        return Err(UpstreamError::Closed(pool.name().to_owned()));
    }
    if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
        return Err(UpstreamError::Deadline);
    }
    // Most of it need not wait: it is asked first, and only what waits is waited for with all the rest.
    let mut what = std::pin::pin!(what);
    if let Poll::Ready(done) = futures::poll!(&mut what) {
        return done;
    }
    let late = async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    // In this order: an upstream that always has something to say is stopped as well.
    tokio::select! {
        biased;
        () = pool.killed() => Err(UpstreamError::Closed(pool.name().to_owned())),
        () = late => Err(UpstreamError::Deadline),
        done = what => done,
    }
}
