//! What a client's session holds of upstreams: the connections that its transaction runs on, one for each source.
//!
//! The first statement that is forwarded in a transaction pins a connection; all others of the transaction run on it, one
//! after the other. Savepoints are the client's, under names of our own.
//!
//! INVARIANT: a transaction writes in one source at most, which is committed last: it is kept in all of them, or in none.
//!
//! INVARIANT: a connection that is pinned goes back to its pool only when its transaction has ended there. Whoever does not
//! wait for that, such as a client that is gone, leaves it to the lease: it is rolled back and reset by its pool.

use super::connection::TransactionStatus;
use super::control::{Control, Isolation};
use super::error::UpstreamError;
use super::lease::Lease;
use super::pool::Pool;
use super::settings::SessionSettings;
use crate::catalog::PoolMode;
use std::borrow::{Borrow, BorrowMut};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

/// How long a statement waits for what the one before it left to be put in order.
const IN_ORDER: Duration = Duration::from_secs(10);
/// How long a rollback may take before its connection is closed instead.
const ROLLBACK: Duration = Duration::from_secs(5);

/// What a transaction is, as its client asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionModes {
    /// How much of others' work it sees.
    pub isolation: Isolation,
    /// Whether it may not write.
    pub read_only: bool,
    /// Whether it waits for a moment at which it can't fail to serialize.
    pub deferrable: bool,
}

/// What is done to savepoints. They are counted from the outermost, which is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SavepointStep {
    /// Makes the one of this number.
    Set(usize),
    /// Forgets it and those within it, and keeps what was done since.
    Release(usize),
    /// Goes back to it. It stays.
    RollBackTo(usize),
}

/// Why a transaction did not go on, and in which source.
#[derive(Debug)]
pub struct HoldingsError {
    /// The source's name.
    pub source_name: String,
    /// What it ran into.
    pub error: UpstreamError,
}

/// The connections that a session holds. Clones are the same.
#[derive(Clone, Default)]
pub struct Holdings(Arc<Mutex<BTreeMap<String, Arc<Pin>>>>);

impl std::fmt::Debug for Holdings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}

/// One connection that is held.
pub(super) struct Pin {
    pool: Pool,
    /// `None` never while anybody can see it; the lock is held by the statement that runs.
    lease: Arc<tokio::sync::Mutex<Option<Lease>>>,
    /// A transaction was begun on it, or may have been.
    began: AtomicBool,
    /// Something was written in it, or may have been.
    wrote: AtomicBool,
    portals: AtomicU64,
    /// Portals that nobody reads any more and that are still to be closed there.
    closing: Mutex<Vec<String>>,
}

/// What a statement wants a connection for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) pool: &'a Pool,
    pub(super) owner: &'a str,
    pub(super) settings: &'a SessionSettings,
    /// The transaction that it is in, and how many savepoints that has.
    pub(super) transaction: Option<(TransactionModes, usize)>,
    /// Whether it writes.
    pub(super) writes: bool,
}

/// A connection for one statement: its own, or a pinned one.
pub(super) struct Loan(Lent);

enum Lent {
    Own(Lease),
    Pinned(OwnedMutexGuard<Option<Lease>>),
}

impl Loan {
    pub(super) fn own(lease: Lease) -> Self {
        Self(Lent::Own(lease))
    }

    pub(super) fn lease(&mut self) -> &mut Lease {
        self.borrow_mut()
    }
}

const HELD: &str = "a pinned connection is there for as long as it is lent";

impl Borrow<Lease> for Loan {
    #[expect(
        clippy::expect_used,
        reason = "a loan is made only of a pin that holds its lease, and nothing takes it out"
    )]
    fn borrow(&self) -> &Lease {
        match &self.0 {
            Lent::Own(lease) => lease,
            Lent::Pinned(held) => held.as_ref().expect(HELD),
        }
    }
}

impl BorrowMut<Lease> for Loan {
    #[expect(
        clippy::expect_used,
        reason = "a loan is made only of a pin that holds its lease, and nothing takes it out"
    )]
    fn borrow_mut(&mut self) -> &mut Lease {
        match &mut self.0 {
            Lent::Own(lease) => lease,
            Lent::Pinned(held) => held.as_mut().expect(HELD),
        }
    }
}

impl Pin {
    fn new(pool: Pool, lease: Lease) -> Self {
        Self {
            pool,
            lease: Arc::new(tokio::sync::Mutex::new(Some(lease))),
            began: AtomicBool::new(false),
            wrote: AtomicBool::new(false),
            portals: AtomicU64::new(0),
            closing: Mutex::default(),
        }
    }

    fn is_of_session(&self) -> bool {
        self.pool.settings().mode == PoolMode::Session
    }

    fn began(&self) -> bool {
        self.began.load(Ordering::SeqCst)
    }

    fn wrote(&self) -> bool {
        self.began() && self.wrote.load(Ordering::SeqCst)
    }

    /// Waits until nobody else runs anything on it.
    async fn lend(&self) -> Result<Loan, UpstreamError> {
        let held = tokio::time::timeout(IN_ORDER, Arc::clone(&self.lease).lock_owned()).await;
        let mut loan = match held {
            Ok(held) if held.is_some() => Loan(Lent::Pinned(held)),
            Ok(_) | Err(_) => return Err(UpstreamError::Unusable),
        };
        let mut closing = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        loan.lease().connection().closing_portals.append(&mut closing);
        Ok(loan)
    }

    /// The same for a transaction that is open there.
    pub(super) async fn lend_within(&self) -> Result<Loan, UpstreamError> {
        let mut loan = self.lend().await?;
        if loan.lease().is_broken() { Err(lost()) } else { Ok(loan) }
    }

    /// The name of a portal that nothing else has.
    pub(super) fn portal(&self) -> String {
        format!("g{}", self.portals.fetch_add(1, Ordering::Relaxed))
    }

    /// Has a portal closed before the next statement runs.
    pub(super) fn close(&self, portal: String) {
        if self.began() {
            self.closing.lock().unwrap_or_else(PoisonError::into_inner).push(portal);
        }
    }

    /// The transaction is over, whatever is left to be done for that.
    fn ended(&self) {
        self.began.store(false, Ordering::SeqCst);
        self.wrote.store(false, Ordering::SeqCst);
        self.closing.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Holdings {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Pin>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn began(&self) -> Vec<(String, Arc<Pin>)> {
        let pins = self.lock();
        pins.iter().filter(|(_, pin)| pin.began()).map(|(name, pin)| (name.clone(), Arc::clone(pin))).collect()
    }

    /// Whether a transaction is open in any source.
    pub fn in_transaction(&self) -> bool {
        self.lock().values().any(|pin| pin.began())
    }

    /// Whether a transaction is open in this source.
    pub(super) fn is_open_in(&self, source: &str) -> bool {
        self.lock().get(source).is_some_and(|pin| pin.began())
    }

    /// How long a client may be silent while its transaction holds connections.
    pub fn idle_bound(&self) -> Option<Duration> {
        self.lock().values().filter(|pin| pin.began()).map(|pin| pin.pool.settings().transaction_idle_timeout).min()
    }

    /// The source that the transaction writes to, if it is not this one.
    fn written_elsewhere(&self, source: &str) -> Option<String> {
        let pins = self.lock();
        pins.iter().find(|(name, pin)| *name != source && pin.wrote()).map(|(name, _)| name.clone())
    }

    /// The connection that a statement runs on, pinned from now on; a transaction is begun on it if one is wanted.
    ///
    /// # Errors
    /// [`UpstreamError::WritesElsewhere`] before anything is done, and what a connection runs into.
    pub(super) async fn borrow(&self, wanted: Wanted<'_>) -> Result<(Loan, Arc<Pin>), UpstreamError> {
        let source = wanted.pool.name();
        if wanted.writes
            && let Some(other) = self.written_elsewhere(source)
        {
            return Err(UpstreamError::WritesElsewhere(other));
        }
        let (loan, pin) = self.lend(wanted).await?;
        if wanted.writes {
            pin.wrote.store(true, Ordering::SeqCst);
        }
        Ok((loan, pin))
    }

    async fn lend(&self, wanted: Wanted<'_>) -> Result<(Loan, Arc<Pin>), UpstreamError> {
        let source = wanted.pool.name();
        let pinned = self.lock().get(source).cloned();
        let pin = match pinned {
            Some(pin) if pin.pool.is(wanted.pool) => pin,
            Some(pin) if pin.began() => return Err(UpstreamError::Replaced),
            Some(_) | None => self.pin(wanted).await?,
        };
        let mut loan = pin.lend().await?;
        if loan.lease().is_broken() {
            if pin.began() {
                return Err(lost());
            }
            drop(loan);
            self.lock().remove(source);
            let pin = self.pin(wanted).await?;
            loan = pin.lend().await?;
            return self.begin(wanted, loan, pin).await;
        }
        loan.lease().follow(wanted.settings);
        self.begin(wanted, loan, pin).await
    }

    async fn pin(&self, wanted: Wanted<'_>) -> Result<Arc<Pin>, UpstreamError> {
        let lease = wanted.pool.lease(wanted.owner, wanted.settings, None).await?;
        let pin = Arc::new(Pin::new(wanted.pool.clone(), lease));
        self.lock().insert(wanted.pool.name().to_owned(), Arc::clone(&pin));
        Ok(pin)
    }

    async fn begin(
        &self,
        wanted: Wanted<'_>,
        mut loan: Loan,
        pin: Arc<Pin>,
    ) -> Result<(Loan, Arc<Pin>), UpstreamError> {
        let Some((modes, savepoints)) = wanted.transaction else { return Ok((loan, pin)) };
        if pin.began.swap(true, Ordering::SeqCst) {
            return Ok((loan, pin));
        }
        let TransactionModes { isolation, read_only, deferrable } = modes;
        let begun = async {
            let lease = loan.lease();
            if lease.transaction() != TransactionStatus::Idle {
                lease.control(&Control::Rollback, None).await?;
            }
            lease.control(&Control::Begin { isolation, read_only, deferrable }, None).await?;
            for number in 0..savepoints {
                lease.control(&Control::Savepoint(name(number)), None).await?;
            }
            Ok(())
        };
        match begun.await {
            Ok(()) => Ok((loan, pin)),
            Err(error) => {
                drop(loan);
                pin.ended();
                self.lock().remove(wanted.pool.name());
                Err(error)
            }
        }
    }

    /// Does something to savepoints, in each source that the transaction has reached.
    ///
    /// # Errors
    /// [`HoldingsError`]: the transaction can't go on.
    pub async fn savepoint(&self, step: SavepointStep, deadline: Option<Instant>) -> Result<(), HoldingsError> {
        let control = match step {
            SavepointStep::Set(number) => Control::Savepoint(name(number)),
            SavepointStep::Release(number) => Control::Release(name(number)),
            SavepointStep::RollBackTo(number) => Control::RollbackTo(name(number)),
        };
        for (source_name, pin) in self.began() {
            let done = async {
                let mut loan = pin.lend_within().await?;
                loan.lease().control(&control, deadline).await
            };
            done.await.map_err(|error| HoldingsError { source_name, error })?;
        }
        Ok(())
    }

    /// Takes what the transaction holds out of the session's hands: the session is in none from here on.
    pub fn take(&self) -> OpenTransaction {
        let mut pins = self.began();
        // What has only been read is ended first: if that fails, what was written is undone.
        pins.sort_by_key(|(_, pin)| pin.wrote());
        for (name, pin) in &pins {
            if !pin.is_of_session() {
                self.lock().remove(name);
            }
        }
        OpenTransaction(pins)
    }

    /// Ends the transaction, if there is one, without waiting for it: everything is rolled back.
    pub fn abandon(&self) {
        drop(self.take());
    }
}

/// A transaction that is to be ended. Dropping it rolls it back.
#[must_use = "dropping it rolls the transaction back"]
pub struct OpenTransaction(Vec<(String, Arc<Pin>)>);

impl OpenTransaction {
    /// Keeps what was done, in each source. What could be kept in one and not in another has only been read.
    ///
    /// # Errors
    /// [`HoldingsError`]: what had not been kept by then is rolled back. [`UpstreamError::Unresolved`] if nobody knows.
    pub async fn commit(mut self, deadline: Option<Instant>) -> Result<(), HoldingsError> {
        while let Some((source_name, pin)) = self.0.first().cloned() {
            let done = async {
                let mut loan = pin.lend().await?;
                loan.lease().commit(deadline).await
            };
            done.await.map_err(|error| HoldingsError { source_name, error })?;
            pin.ended();
            self.0.remove(0);
        }
        Ok(())
    }

    /// Undoes everything.
    pub async fn roll_back(mut self) {
        for (_, pin) in std::mem::take(&mut self.0) {
            roll_back(pin).await;
        }
    }
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        for (_, pin) in std::mem::take(&mut self.0) {
            // A pin that only the transaction has is rolled back by its lease, when it is dropped.
            if pin.is_of_session()
                && let Ok(runtime) = tokio::runtime::Handle::try_current()
            {
                runtime.spawn(roll_back(pin));
            } else {
                pin.ended();
            }
        }
    }
}

async fn roll_back(pin: Arc<Pin>) {
    let done = async {
        let mut loan = pin.lend().await?;
        let lease = loan.lease();
        lease.control(&Control::Rollback, Some(Instant::now() + ROLLBACK)).await
    };
    if let Err(error) = done.await {
        tracing::debug!(source = %pin.pool.name(), %error, "a transaction was not rolled back; its connection is reset");
    }
    pin.ended();
}

fn name(savepoint: usize) -> String {
    format!("s{savepoint}")
}

fn lost() -> UpstreamError {
    UpstreamError::Lost(io::ErrorKind::NotConnected.into())
}
