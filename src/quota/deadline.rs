//! How long a statement may run: the smallest of all bounds that apply, and which of them it is.

use crate::error::{ErrorReport, SqlState};
use std::time::Duration;

/// Which bound is the smallest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bound {
    /// A policy's `timeout_ms`.
    Policy,
    /// The workspace's.
    Workspace,
    /// The session's own `statement_timeout`.
    Session,
}

/// The bound on one statement's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    timeout: Option<(Duration, Bound)>,
}

impl Deadline {
    /// The smallest of the policy's, the workspace's and the session's bound; of equal ones the first of these.
    ///
    /// A session's bound of zero is none, as in PostgreSQL (`SET statement_timeout = 0`); a zero of a policy or a
    /// workspace is a bound that nothing meets.
    pub fn smallest(policy: Option<Duration>, workspace: Option<Duration>, session: Option<Duration>) -> Self {
        let session = session.filter(|bound| !bound.is_zero());
        let timeout = [(policy, Bound::Policy), (workspace, Bound::Workspace), (session, Bound::Session)]
            .into_iter()
            .filter_map(|(bound, whose)| Some((bound?, whose)))
            .min_by_key(|(bound, _)| *bound);
        Self { timeout }
    }

    /// How long the statement may run from its start; `None` is no bound.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout.map(|(bound, _)| bound)
    }

    /// What is left of it after so long; `None` is no bound, zero is none left.
    pub fn left(&self, spent: Duration) -> Option<Duration> {
        self.timeout().map(|timeout| timeout.saturating_sub(spent))
    }

    /// Whose bound it is.
    pub fn bound(&self) -> Option<Bound> {
        self.timeout.map(|(_, whose)| whose)
    }

    /// 57014 for a statement that ran into it, with whose bound it was.
    pub fn report(&self) -> ErrorReport {
        let report = ErrorReport::new(SqlState::QUERY_CANCELED, "canceling statement due to statement timeout");
        match self.timeout {
            Some((bound, Bound::Policy)) => report
                .with_detail(format!("A policy bounds this statement to {}.", shown(bound)))
                .with_hint("Read less: filter, aggregate or use a smaller dataset."),
            Some((bound, Bound::Workspace)) => report
                .with_detail(format!("The workspace bounds its statements to {}.", shown(bound)))
                .with_hint("Read less, or work in a workspace with a longer bound."),
            Some((bound, Bound::Session)) => report
                .with_detail(format!("This session's statement_timeout is {}.", shown(bound)))
                .with_hint("Raise statement_timeout, up to what the workspace allows."),
            None => report,
        }
    }
}

/// `1500 ms`, `30 s`, `5 min`, `2 h`
fn shown(bound: Duration) -> String {
    match (bound.as_secs(), bound.subsec_millis()) {
        (seconds, 0) if seconds >= 3600 && seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        (seconds, 0) if seconds >= 60 && seconds % 60 == 0 => format!("{} min", seconds / 60),
        (seconds, 0) => format!("{seconds} s"),
        _ => format!("{} ms", bound.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(n: u64) -> Option<Duration> {
        Some(Duration::from_secs(n))
    }

    #[test]
    fn the_smallest_bound_wins_and_says_whose_it_is() {
        let deadline = Deadline::smallest(secs(30), secs(300), secs(60));
        assert_eq!((deadline.timeout(), deadline.bound()), (secs(30), Some(Bound::Policy)));
        let deadline = Deadline::smallest(None, secs(300), secs(600));
        assert_eq!((deadline.timeout(), deadline.bound()), (secs(300), Some(Bound::Workspace)));
        assert!(deadline.report().detail.unwrap().contains("5 min"));
        assert_eq!(deadline.report().sqlstate, SqlState::QUERY_CANCELED);
    }

    #[test]
    fn a_session_can_not_lift_a_bound_by_setting_zero() {
        assert_eq!(Deadline::smallest(None, secs(300), secs(0)).timeout(), secs(300));
        assert_eq!(Deadline::smallest(None, None, secs(0)).timeout(), None);
        assert_eq!(Deadline::smallest(secs(0), secs(300), None).timeout(), secs(0));
    }

    #[test]
    fn what_is_left_never_grows() {
        let deadline = Deadline::smallest(None, secs(5), None);
        assert_eq!(deadline.left(Duration::from_secs(2)), secs(3));
        assert_eq!(deadline.left(Duration::from_secs(9)), secs(0));
        assert_eq!(Deadline::smallest(None, None, None).left(Duration::from_secs(9)), None);
    }

    #[test]
    fn bounds_read_well() {
        assert_eq!(shown(Duration::from_millis(1500)), "1500 ms");
        assert_eq!(shown(Duration::from_secs(30)), "30 s");
        assert_eq!(shown(Duration::from_secs(7200)), "2 h");
        assert_eq!(shown(Duration::from_secs(90)), "90 s");
    }
}
