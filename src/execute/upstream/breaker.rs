//! When to try again after an upstream could not be reached: later each time, with chance in it, and one at a time.

use super::error::UpstreamError;
use rand::Rng;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Nobody tries before this; `None` while all is well.
    retry_at: Option<Instant>,
    /// Somebody is trying.
    probing: bool,
    /// The upstream is there and full.
    full: bool,
}

/// What lets attempts to connect through, or not.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

/// One attempt. Dropped without a word on how it went, it counts for nothing.
pub(super) struct Attempt<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

impl Breaker {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets an attempt through, at this time: any number while all is well, one at a time after a pause while it is not.
    ///
    /// # Errors
    /// [`UpstreamError::Down`]
    pub(super) fn attempt(&self, now: Instant) -> Result<Attempt<'_>, UpstreamError> {
        let mut state = self.lock();
        let Some(retry_at) = state.retry_at else { return Ok(Attempt { breaker: self, probe: false }) };
        if now < retry_at || state.probing {
            let retry_in = retry_at.saturating_duration_since(now).max(Duration::from_millis(1));
            return Err(UpstreamError::Down { retry_in, full: state.full });
        }
        state.probing = true;
        Ok(Attempt { breaker: self, probe: true })
    }

    /// Whether the last attempt failed.
    pub(super) fn is_open(&self) -> bool {
        self.lock().retry_at.is_some()
    }
}

impl Attempt<'_> {
    pub(super) fn succeeded(self) {
        let mut state = self.breaker.lock();
        (state.failures, state.retry_at, state.full) = (0, None, false);
    }

    pub(super) fn failed(self, full: bool, now: Instant) {
        let mut state = self.breaker.lock();
        state.full = full;
        // Of many that failed together only the first counts.
        if state.retry_at.is_none_or(|retry_at| retry_at <= now) {
            let pause = FIRST.saturating_mul(1 << state.failures.min(10)).min(LONGEST);
            state.failures = state.failures.saturating_add(1);
            state.retry_at = Some(now + pause.mul_f64(rand::rng().random_range(0.5..=1.0)));
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.lock().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(breaker: &Breaker, now: Instant) -> Duration {
        match breaker.attempt(now) {
            Err(UpstreamError::Down { retry_in, .. }) => retry_in,
            _ => panic!("let through"),
        }
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        let breaker = Breaker::default();
        let mut now = Instant::now();
        for index in 0..12 {
            breaker.attempt(now).unwrap().failed(false, now);
            let pause = refused(&breaker, now);
            let most = FIRST.saturating_mul(1 << index.min(10)).min(LONGEST);
            assert!(pause <= most && pause >= most / 2, "{index}: {pause:?}");
            now += pause;
        }
        breaker.attempt(now).unwrap().succeeded();
        assert!(!breaker.is_open() && breaker.attempt(now).is_ok());
    }

    #[test]
    fn one_tries_at_a_time_and_failures_together_count_once() {
        let breaker = Breaker::default();
        let now = Instant::now();
        let together: Vec<_> = (0..5).map(|_| breaker.attempt(now).unwrap()).collect();
        together.into_iter().for_each(|attempt| attempt.failed(true, now));
        let pause = refused(&breaker, now);
        assert!(pause <= FIRST);
        let now = now + pause;
        let probe = breaker.attempt(now).unwrap();
        refused(&breaker, now);
        drop(probe);
        breaker.attempt(now).unwrap().succeeded();
        assert!(breaker.attempt(now).is_ok());
    }
}
