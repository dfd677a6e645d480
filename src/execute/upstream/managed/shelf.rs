//! What is kept in an upstream, by name: how it was shown when it was made, when it was used, and what goes for another.

use super::Unready;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What was used more recently is not dropped for another.
const YOUNG: Duration = Duration::from_secs(1);
/// Made in a minute, at most: filters that are other ones with each statement would do nothing but DDL.
const MOST_A_MINUTE: usize = 120;
/// After a failure, statements are fenced for so long before anything is tried again.
const PAUSE: Duration = Duration::from_secs(10);

/// What is kept in one upstream.
#[derive(Debug)]
pub(super) struct Kept {
    max: u32,
    state: Mutex<State>,
    /// One maker at a time.
    making: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    known: BTreeMap<String, Known>,
    made_lately: VecDeque<Instant>,
    paused_until: Option<Instant>,
}

/// One that is there, as far as is known.
#[derive(Debug, Default)]
struct Known {
    /// How the upstream showed it when this process had made it; `None`: it is of another time, and will be made anew.
    shown: Option<String>,
    used: Option<Instant>,
    /// Statements that are about to read it.
    in_use: usize,
}

/// What is not dropped while this is held.
#[derive(Debug)]
pub(in crate::execute::upstream) struct Held {
    shelf: Arc<Kept>,
    names: Vec<String>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.shelf.lock();
        for name in &self.names {
            if let Some(known) = state.known.get_mut(name) {
                known.in_use = known.in_use.saturating_sub(1);
            }
        }
    }
}

impl Kept {
    /// Nothing is known yet; there may be so many.
    pub(super) fn new(max: u32) -> Self {
        Self { max, state: Mutex::default(), making: tokio::sync::Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody else makes anything.
    pub(super) async fn making(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.making.lock().await
    }

    pub(super) fn is_paused(&self) -> bool {
        self.lock().paused_until.is_some_and(|until| Instant::now() < until)
    }

    pub(super) fn pause(&self) {
        self.lock().paused_until = Some(Instant::now() + PAUSE);
    }

    /// One of another time was found.
    pub(super) fn found(&self, name: String) {
        self.lock().known.entry(name).or_default();
    }

    /// How it was shown when this process had made it.
    pub(super) fn shown(&self, name: &str) -> Option<String> {
        self.lock().known.get(name)?.shown.clone()
    }

    /// It was made, and this is how it is shown.
    pub(super) fn made(&self, name: &str, shown: String) {
        let mut state = self.lock();
        state.made_lately.push_back(Instant::now());
        let known = state.known.entry(name.to_owned()).or_default();
        known.shown = Some(shown);
        known.used = Some(Instant::now());
    }

    /// They are used now.
    pub(super) fn used<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        let mut state = self.lock();
        for name in names {
            if let Some(known) = state.known.get_mut(name) {
                known.used = Some(Instant::now());
            }
        }
    }

    /// Keeps those that are known from being dropped.
    pub(super) fn hold<'a>(self: &Arc<Self>, names: impl IntoIterator<Item = &'a str>) -> Held {
        let mut state = self.lock();
        let mut held = Vec::new();
        for name in names {
            if let Some(known) = state.known.get_mut(name) {
                known.in_use = known.in_use.saturating_add(1);
                held.push(name.to_owned());
            }
        }
        Held { shelf: Arc::clone(self), names: held }
    }

    /// Makes room for one that is to be made, or made anew: gives those that are to be dropped for it. From now on they are
    /// unknown: whoever needs one makes it anew.
    ///
    /// # Errors
    /// [`Unready::Full`]
    pub(super) fn make_room(&self, name: &str) -> Result<Vec<String>, Unready> {
        let now = Instant::now();
        let most = usize::try_from(self.max).unwrap_or(usize::MAX);
        let mut state = self.lock();
        while state.made_lately.front().is_some_and(|made| now.duration_since(*made) > Duration::from_secs(60)) {
            state.made_lately.pop_front();
        }
        if state.made_lately.len() >= MOST_A_MINUTE {
            return Err(Unready::Full);
        }
        let others = state.known.len().saturating_sub(usize::from(state.known.contains_key(name)));
        let many = others.saturating_add(1).saturating_sub(most);
        let is_old = |known: &Known| known.used.is_none_or(|used| now.duration_since(used) > YOUNG);
        let mut old: Vec<(Option<Instant>, &String)> = state
            .known
            .iter()
            .filter(|(other, known)| *other != name && known.in_use == 0 && is_old(known))
            .map(|(name, known)| (known.used, name))
            .collect();
        old.sort();
        let victims: Vec<String> = old.into_iter().take(many).map(|(_, name)| name.clone()).collect();
        if victims.len() < many {
            return Err(Unready::Full);
        }
        for victim in &victims {
            state.known.remove(victim);
        }
        Ok(victims)
    }
}

/// Whether a name is one that the gateway gives: these digits behind a prefix.
pub(super) fn is_name(name: &str, prefix: &str) -> bool {
    let digits = name.strip_prefix(prefix).unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
