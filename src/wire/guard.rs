//! Guesses: at passwords and at cancel keys. Each wrong one makes the next wait longer.
//!
//! Wrong passwords are counted three times over:
//!
//! - by user *and* address: a few are free (people mistype), then each doubles the wait, up to a bound;
//! - by user: so that many addresses together guess no faster than one would. One address counts for a few here and no
//!   more, so it can lock nobody out of all others by itself;
//! - by address: so that one address does not try one password on everybody. One user counts for a few here and no more.
//!
//! Whoever has come in from an address goes on doing so: where a user has logged in from before, the last two hold
//! nobody back. A log-in that goes well takes back what was counted for this user at this address, and nothing else: an
//! account of one's own is no way to begin again. A user who does not exist is counted like one who does.
//!
//! INVARIANT: who has to wait is not told whether the password was right; it is not looked at.

use super::auth::scram::ScramError;
use super::config::LoginLimits;
use super::origin::Origin;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How much of one user's failures at one address counts for the user and for the address as a whole: so one address alone
/// holds the user back nowhere else, and one program with an old password holds back nobody else who works there.
const COUNTED_OF_ONE: u32 = 5;
/// What has not failed for so long has not failed at all. Longer than any wait.
pub(crate) const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);
/// How long it is remembered that a user came in from an address.
const KNOWN_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// Attempts of one address that are held back are recorded once in so long, with their number.
const RECORDED_EVERY: Duration = Duration::from_secs(60);
/// The most entries of each table: about 4 MB each.
const MOST: usize = 1 << 16;

/// Counts wrong passwords.
pub(super) struct LoginGuard {
    limits: LoginLimits,
    /// Names are kept as numbers that nobody outside can make collide.
    hasher: RandomState,
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    pairs: Table,
    users: Table,
    origins: Table,
    /// When a user last came in from an address.
    known: HashMap<u64, Instant>,
    held_back: HashMap<u64, HeldBack>,
}

struct HeldBack {
    since_record: u64,
    recorded: Instant,
}

/// Why a log-in goes no further.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// It comes too soon after too many others; the password was not looked at.
    TooSoon(Duration),
    /// The proof was looked at, and is wrong.
    Wrong(ScramError),
}

impl LoginGuard {
    pub(super) fn new(limits: LoginLimits) -> Self {
        Self { limits, hasher: RandomState::new(), tables: Mutex::default() }
    }

    /// How long a log-in must wait; `None` is not at all.
    pub(super) fn wait(&self, user: &str, origin: Origin, now: Instant) -> Option<Duration> {
        self.wait_in(&self.lock(), user, origin, now)
    }

    /// Looks at a proof, if that may be done now, and counts how it went. One at a time: guesses that come side by side
    /// are counted one by one.
    ///
    /// # Errors
    /// [`Stopped`].
    pub(super) fn attempt<T>(
        &self,
        user: &str,
        origin: Origin,
        now: Instant,
        look: impl FnOnce() -> Result<T, ScramError>,
    ) -> Result<T, Stopped> {
        let mut tables = self.lock();
        if let Some(wait) = self.wait_in(&tables, user, origin, now) {
            return Err(Stopped::TooSoon(wait));
        }
        let (pair, name, place) = self.keys(user, origin);
        match look() {
            Ok(right) => {
                tables.pairs.0.remove(&pair);
                if tables.known.len() >= MOST {
                    tables.known.retain(|_, since| now.saturating_duration_since(*since) < KNOWN_FOR);
                    drop_oldest(&mut tables.known, |since| *since);
                }
                tables.known.insert(pair, now);
                Ok(right)
            }
            Err(ScramError::Proof) => {
                let failures = tables.pairs.add(pair, now);
                tables.users.add_of_one(name, failures, self.limits.attempts_per_user, now);
                tables.origins.add_of_one(place, failures, self.limits.attempts_per_address, now);
                Err(Stopped::Wrong(ScramError::Proof))
            }
            Err(other) => {
                tables.origins.add(place, now);
                Err(Stopped::Wrong(other))
            }
        }
    }

    /// Something came in place of a proof. It is no guess, but somebody has to look at its record.
    pub(super) fn rubbish(&self, origin: Origin, now: Instant) {
        let key = self.hasher.hash_one(origin);
        self.lock().origins.add(key, now);
    }

    /// An attempt was held back. Gives how many of its address were since one of them was last recorded, if it is time to
    /// do so again: what nobody had to prove anything for must not fill the log.
    pub(super) fn held_back(&self, origin: Origin, now: Instant) -> Option<u64> {
        let key = self.hasher.hash_one(origin);
        let table = &mut self.lock().held_back;
        match table.get_mut(&key) {
            Some(held) => {
                held.since_record = held.since_record.saturating_add(1);
                if now.saturating_duration_since(held.recorded) < RECORDED_EVERY {
                    return None;
                }
                held.recorded = now;
                Some(std::mem::take(&mut held.since_record))
            }
            None => {
                if table.len() >= MOST {
                    table.retain(|_, held| now.saturating_duration_since(held.recorded) < RECORDED_EVERY);
                    drop_oldest(table, |held| held.recorded);
                }
                table.insert(key, HeldBack { since_record: 0, recorded: now });
                Some(1)
            }
        }
    }

    fn keys(&self, user: &str, origin: Origin) -> (u64, u64, u64) {
        (self.hasher.hash_one((user, origin)), self.hasher.hash_one(user), self.hasher.hash_one(origin))
    }

    fn wait_in(&self, tables: &Tables, user: &str, origin: Origin, now: Instant) -> Option<Duration> {
        let (pair, name, place) = self.keys(user, origin);
        let limits = &self.limits;
        let known = tables.known.get(&pair).is_some_and(|since| now.saturating_duration_since(*since) < KNOWN_FOR);
        let pair = tables.pairs.wait(pair, limits.attempts, limits, now);
        let others = if known {
            None
        } else {
            let user = tables.users.wait(name, limits.attempts_per_user, limits, now);
            user.max(tables.origins.wait(place, limits.attempts_per_address, limits, now))
        };
        pair.max(others)
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Failures by key.
#[derive(Default)]
struct Table(HashMap<u64, Failures>);

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Table {
    /// Counts one more, and gives how many that makes.
    fn add(&mut self, key: u64, now: Instant) -> u32 {
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            self.0.retain(|_, failures| !failures.forgotten(now));
            // Those that failed the least have the least to lose: a flood of made-up names washes out none that is held.
            drop_oldest(&mut self.0, |failures| (failures.count, failures.last));
        }
        let failures = self.0.entry(key).or_insert(Failures { count: 0, last: now });
        if failures.forgotten(now) {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        failures.count
    }

    /// Counts one more of a user at an address, whose own that many are, among what the user or the address has in all.
    fn add_of_one(&mut self, key: u64, failures: u32, free: u32, now: Instant) {
        // Once they have to wait because of others, whoever goes on makes them wait as well: many that had counted as much
        // as they may would else each have a guess of their own.
        if failures <= COUNTED_OF_ONE.min(free) || self.count(key, now) > free {
            self.add(key, now);
        }
    }

    fn count(&self, key: u64, now: Instant) -> u32 {
        self.0.get(&key).filter(|failures| !failures.forgotten(now)).map_or(0, |failures| failures.count)
    }

    /// How long the next must wait: none after so many, which are free, then twice as long each time. None are free: it
    /// is not counted this way.
    fn wait(&self, key: u64, free: u32, limits: &LoginLimits, now: Instant) -> Option<Duration> {
        let failures = self.0.get(&key).filter(|failures| !failures.forgotten(now))?;
        let beyond = failures.count.checked_sub(free).filter(|beyond| free > 0 && *beyond > 0)?;
        let doubled = limits.delay.saturating_mul(1_u32.checked_shl(beyond - 1).unwrap_or(u32::MAX));
        let wait = doubled.min(limits.delay_max).saturating_sub(now.saturating_duration_since(failures.last));
        (!wait.is_zero()).then_some(wait)
    }
}

impl Failures {
    fn forgotten(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) >= FORGOTTEN_AFTER
    }
}

/// Makes room in a full table: an eighth of it goes, that with the least rank. Rare enough to be cheap.
fn drop_oldest<V, R: Ord + Copy>(table: &mut HashMap<u64, V>, rank: impl Fn(&V) -> R) {
    if table.len() < MOST {
        return;
    }
    let mut ranks: Vec<(R, u64)> = table.iter().map(|(key, value)| (rank(value), *key)).collect();
    let (least, ..) = ranks.select_nth_unstable(MOST / 8);
    for (_, key) in least {
        table.remove(key);
    }
}

/// Counts wrong cancel keys by address: so many at once, and one more each second.
#[derive(Default)]
pub(super) struct CancelGuard {
    wrong: Mutex<HashMap<Origin, Failures>>,
}

/// Wrong cancel requests of one address that are looked at in a burst: drivers send some that come too late.
const WRONG_CANCELS: u32 = 100;

impl CancelGuard {
    /// Does what a request asks for, unless its address has guessed too often. `act` says whether the key was right.
    pub(super) fn attempt(&self, origin: Origin, now: Instant, act: impl FnOnce() -> bool) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let left = |failures: &Failures| {
            let seconds = now.saturating_duration_since(failures.last).as_secs();
            failures.count.saturating_sub(u32::try_from(seconds).unwrap_or(u32::MAX))
        };
        let count = wrong.get(&origin).map_or(0, left);
        if count >= WRONG_CANCELS || act() {
            return;
        }
        if wrong.len() >= MOST {
            wrong.retain(|_, failures| left(failures) > 0);
            if wrong.len() >= MOST {
                // So many addresses guess at once that no single one matters.
                wrong.clear();
            }
        }
        wrong.insert(origin, Failures { count: count + 1, last: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn origin(number: u32) -> Origin {
        Origin::of(std::net::Ipv4Addr::from_bits(number).into())
    }

    fn guard() -> (LoginGuard, Instant) {
        (LoginGuard::new(LoginLimits::default()), Instant::now())
    }

    fn wrong(guard: &LoginGuard, user: &str, from: u32, now: Instant) -> bool {
        guard.attempt(user, origin(from), now, || Err::<(), _>(ScramError::Proof))
            == Err(Stopped::Wrong(ScramError::Proof))
    }

    fn right(guard: &LoginGuard, user: &str, from: u32, now: Instant) -> bool {
        guard.attempt(user, origin(from), now, || Ok(())).is_ok()
    }

    #[test]
    fn the_wait_begins_with_the_fourth_and_doubles_up_to_a_minute() {
        let (guard, mut now) = guard();
        for _ in 0..3 {
            assert!(wrong(&guard, "ann", 1, now));
        }
        assert_eq!(guard.wait("ann", origin(1), now), None, "a slip of the finger costs nothing");
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(wrong(&guard, "ann", 1, now));
            assert_eq!(guard.wait("ann", origin(1), now), Some(seconds * SECOND));
            let almost = now + seconds * SECOND - Duration::from_millis(1);
            let looked_at = guard.attempt("ann", origin(1), almost, || -> Result<(), _> { panic!("it is looked at") });
            assert_eq!(looked_at, Err(Stopped::TooSoon(Duration::from_millis(1))));
            now += seconds * SECOND;
        }
        assert!(right(&guard, "ann", 1, now));
        assert!((0..3).all(|_| wrong(&guard, "ann", 1, now)), "after that all is as it was");
        assert_eq!(guard.wait("ann", origin(1), now), None);
        assert!(wrong(&guard, "ann", 1, now));
        assert_eq!(guard.wait("ann", origin(1), now + FORGOTTEN_AFTER), None);
    }

    #[test]
    fn one_address_that_goes_on_for_a_day_locks_a_user_out_nowhere_else() {
        let (guard, begun) = guard();
        let mut looked_at = 0;
        for second in 0..86_400 {
            let now = begun + second * SECOND;
            looked_at += u32::from(wrong(&guard, "ann", 1, now));
            assert_eq!(guard.wait("ann", origin(2), now), None);
        }
        assert!((1_400..1_500).contains(&looked_at), "a guess a minute: {looked_at}");
    }

    #[test]
    fn one_program_with_an_old_password_holds_back_nobody_else_there() {
        let (guard, begun) = guard();
        for second in 0..86_400 {
            let now = begun + second * SECOND;
            wrong(&guard, "job", 1, now);
            assert_eq!(guard.wait("ann", origin(1), now), None);
        }
    }

    #[test]
    fn a_thousand_addresses_guess_no_faster_than_one() {
        let (guard, begun) = guard();
        assert!(right(&guard, "ann", 5_000, begun));
        let mut looked_at = 0;
        for second in 0..3600 {
            for from in 0..1000 {
                looked_at += u32::from(wrong(&guard, "ann", from, begun + second * SECOND));
            }
        }
        assert!((60..100).contains(&looked_at), "{looked_at}");
        let now = begun + 3600 * SECOND;
        assert!(guard.wait("ann", origin(5_001), now).is_none_or(|wait| wait <= 60 * SECOND));
        assert!(right(&guard, "ann", 5_000, now), "from where they have come in before they still do");
        assert_eq!(guard.wait("bob", origin(5_001), now), None);
    }

    #[test]
    fn an_address_that_tries_everybody_is_held_back_but_for_those_who_are_known_there() {
        let (guard, now) = guard();
        assert!(right(&guard, "ann", 1, now));
        let looked_at = (0..1000).filter(|number| wrong(&guard, &format!("user{number}"), 1, now)).count();
        assert_eq!(looked_at, 51);
        assert!(guard.wait("ben", origin(1), now).is_some());
        assert!(right(&guard, "ann", 1, now));
        assert!(guard.wait("ben", origin(1), now).is_some(), "an account of one's own is no way to begin again");
        assert_eq!(guard.wait("ben", origin(2), now), None);
    }

    #[test]
    fn memory_is_bounded_and_a_flood_of_names_washes_nobody_out() {
        let (guard, now) = guard();
        for _ in 0..4 {
            assert!(wrong(&guard, "ann", 1, now));
        }
        for number in 0..200_000_u32 {
            let now = now + Duration::from_millis(1);
            wrong(&guard, &format!("user{number}"), 10 + number, now);
            guard.held_back(origin(number), now);
            assert!(right(&guard, &format!("friend{number}"), 1_000_000 + number, now));
        }
        let tables = guard.lock();
        for length in [&tables.pairs, &tables.users, &tables.origins].map(|table| table.0.len()) {
            assert!((MOST / 2..=MOST).contains(&length));
        }
        assert!(tables.known.len() <= MOST && tables.held_back.len() <= MOST);
        drop(tables);
        assert!(guard.wait("ann", origin(1), now + Duration::from_millis(2)).is_some());
    }

    #[test]
    fn what_is_held_back_is_recorded_once_a_minute_with_its_number() {
        let (guard, now) = guard();
        assert_eq!(guard.held_back(origin(1), now), Some(1));
        assert!((0..10).all(|_| guard.held_back(origin(1), now + SECOND).is_none()));
        assert_eq!(guard.held_back(origin(2), now), Some(1));
        assert_eq!(guard.held_back(origin(1), now + RECORDED_EVERY), Some(11));
    }

    #[test]
    fn what_is_not_to_be_counted_is_not() {
        let limits =
            LoginLimits { attempts: 0, attempts_per_user: 0, attempts_per_address: 0, ..LoginLimits::default() };
        let (guard, now) = (LoginGuard::new(limits), Instant::now());
        assert!((0..1000).all(|_| wrong(&guard, "ann", 1, now)));
    }

    #[test]
    fn wrong_cancel_keys_run_out_and_come_back_one_a_second() {
        let (guard, now) = (CancelGuard::default(), Instant::now());
        let looked_at = |from, now, right| {
            let mut looked_at = false;
            guard.attempt(origin(from), now, || {
                looked_at = true;
                right
            });
            looked_at
        };
        assert!((0..500).all(|_| looked_at(1, now, true)), "right ones do not count");
        assert_eq!((0..500).filter(|_| looked_at(1, now, false)).count(), 100);
        assert!(!looked_at(1, now, true));
        assert!(looked_at(2, now, true));
        assert!(looked_at(1, now + SECOND, false) && !looked_at(1, now + SECOND, false));
    }
}
