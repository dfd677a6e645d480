//! Connections that have not logged in yet: how many there may be, and who goes when there are too many.
//!
//! Nobody has proved anything here, so nobody may keep another out: the longest that waits, of the address that has the
//! most waiting, makes room for a newcomer from an address that has fewer. An honest log-in takes milliseconds and is
//! through long before it is the longest.

use super::origin::Origin;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// For so long a connection keeps its place against others of its own address: a crowd that all come at once after a
/// restart would else push each other out, over and over.
const PATIENCE: Duration = Duration::from_secs(1);

/// All connections that are still logging in.
pub(super) struct Startups {
    /// In all.
    most: usize,
    /// Of one address.
    most_of_one: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    all: usize,
    /// By the order in which they came.
    by_origin: HashMap<Origin, BTreeMap<u64, One>>,
}

struct One {
    since: Instant,
    out: CancellationToken,
}

impl Startups {
    pub(super) fn new(most: usize, most_of_one: usize) -> Self {
        Self { most, most_of_one, waiting: Mutex::default() }
    }

    /// A place for a newcomer; `None` if there is none that could be made free.
    pub(super) fn enter(self: &Arc<Self>, origin: Origin, now: Instant) -> Option<Place> {
        let mut waiting = self.lock();
        let own = waiting.count(origin);
        if own >= self.most_of_one {
            waiting.put_out(origin, now, PATIENCE)?;
        } else if waiting.all >= self.most {
            match waiting.heaviest() {
                Some((heaviest, count)) if count > own => waiting.put_out(heaviest, now, Duration::ZERO)?,
                _ => waiting.put_out(origin, now, PATIENCE)?,
            }
        }
        let number = waiting.next;
        waiting.next = waiting.next.wrapping_add(1);
        waiting.all = waiting.all.saturating_add(1);
        let out = CancellationToken::new();
        waiting.by_origin.entry(origin).or_default().insert(number, One { since: now, out: out.clone() });
        Some(Place { startups: Arc::clone(self), origin, number, out })
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn count(&self, origin: Origin) -> usize {
        self.by_origin.get(&origin).map_or(0, BTreeMap::len)
    }

    /// The address with the most; of several, the one whose first has waited the longest.
    fn heaviest(&self) -> Option<(Origin, usize)> {
        let first = |ones: &BTreeMap<u64, One>| ones.keys().next().copied();
        self.by_origin
            .iter()
            .max_by_key(|(_, ones)| (ones.len(), std::cmp::Reverse(first(ones))))
            .map(|(origin, ones)| (*origin, ones.len()))
    }

    /// Puts out the one of an address that has waited the longest, if that is long enough.
    fn put_out(&mut self, origin: Origin, now: Instant, patience: Duration) -> Option<()> {
        let (number, oldest) = self.by_origin.get(&origin)?.first_key_value()?;
        if now.saturating_duration_since(oldest.since) < patience {
            return None;
        }
        oldest.out.cancel();
        let number = *number;
        self.remove(origin, number);
        Some(())
    }

    fn remove(&mut self, origin: Origin, number: u64) {
        let Some(ones) = self.by_origin.get_mut(&origin) else { return };
        if ones.remove(&number).is_some() {
            self.all = self.all.saturating_sub(1);
        }
        if ones.is_empty() {
            self.by_origin.remove(&origin);
        }
    }
}

/// A place among those who are logging in, until it is dropped or taken away.
pub(super) struct Place {
    startups: Arc<Startups>,
    origin: Origin,
    number: u64,
    out: CancellationToken,
}

impl Place {
    /// Whose it is.
    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    /// Waits until somebody else gets it.
    pub(super) async fn taken_away(&self) {
        self.out.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.startups.lock().remove(self.origin, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(last: u8) -> Origin {
        Origin::of([192, 0, 2, last].into())
    }

    #[test]
    fn the_address_with_the_most_makes_room() {
        let (startups, now) = (Arc::new(Startups::new(4, 3)), Instant::now());
        let heavy: Vec<Place> = (0..3).map(|_| startups.enter(origin(1), now).unwrap()).collect();
        let light = startups.enter(origin(2), now).unwrap();
        // Of its own, none is old enough yet.
        assert!(startups.enter(origin(1), now).is_none());
        let newcomer = startups.enter(origin(3), now).unwrap();
        assert!(heavy[0].out.is_cancelled() && !heavy[1].out.is_cancelled() && !light.out.is_cancelled());
        let later = now + PATIENCE;
        let own = startups.enter(origin(1), later).unwrap();
        assert!(heavy[1].out.is_cancelled() && !heavy[2].out.is_cancelled());
        assert_eq!(startups.lock().all, 4);
        drop((heavy, light, newcomer, own));
        let waiting = startups.lock();
        assert_eq!((waiting.all, waiting.by_origin.len()), (0, 0));
    }

    #[test]
    fn among_many_addresses_with_one_each_the_longest_goes() {
        let (startups, now) = (Arc::new(Startups::new(100, 100)), Instant::now());
        let many: Vec<Place> = (0..100).map(|last| startups.enter(origin(last), now).unwrap()).collect();
        let _newcomer = startups.enter(origin(200), now).unwrap();
        assert!(many[0].out.is_cancelled());
        assert_eq!(many.iter().filter(|place| place.out.is_cancelled()).count(), 1);
        // One that has a place itself is not better than the others.
        assert!(startups.enter(origin(200), now).is_none());
    }
}
