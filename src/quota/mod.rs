//! What a workspace may use: statements at one time, statements a day, time for one statement.
//!
//! Counts live in memory and start at nothing when the gateway starts; the durable ones come with the store
//! (see `control`). Nothing here waits: a statement gets its reservation at once or is told why not.

mod clock;
mod deadline;

pub use clock::{Clock, ManualClock, SystemClock};
pub use deadline::{Bound, Deadline};

use crate::catalog::Workspace;
use crate::error::{ErrorReport, SqlState};
use crate::types::{UserId, WorkspaceName};
use chrono::NaiveDate;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// Counts the statements of every workspace. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct Quota {
    clock: Arc<dyn Clock>,
    workspaces: Arc<RwLock<HashMap<WorkspaceName, Arc<Mutex<Counts>>>>>,
}

#[derive(Debug, Default)]
struct Counts {
    day: Option<NaiveDate>,
    today: u64,
    running: u32,
    by_user: BTreeMap<UserId, u32>,
}

/// What a workspace uses now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Statements that run.
    pub running: u32,
    /// Statements that were started since midnight UTC.
    pub today: u64,
}

/// Why a statement may not start. Only what the workspace's own members may know is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// As many statements run as may.
    #[error("workspace \"{workspace}\" already runs {running} statements")]
    Concurrent {
        /// Which workspace.
        workspace: WorkspaceName,
        /// How many run.
        running: u32,
        /// How many of these are the asking user's own.
        own: u32,
        /// How many may.
        limit: u32,
    },
    /// As many statements were started today as may be.
    #[error("workspace \"{workspace}\" has used up its {limit} statements of today")]
    Daily {
        /// Which workspace.
        workspace: WorkspaceName,
        /// How many a day.
        limit: u64,
    },
}

impl QuotaError {
    /// 53400, with what is used up and what to do.
    pub fn report(&self) -> ErrorReport {
        let report = ErrorReport::new(SqlState::CONFIGURATION_LIMIT_EXCEEDED, self.to_string());
        match self {
            Self::Concurrent { running, own, limit, .. } => report
                .with_detail(format!(
                    "{running} of {limit} statements at one time are running in this workspace, {own} of them yours."
                ))
                .with_hint("Wait until one of them ends, or cancel one of yours."),
            Self::Daily { limit, .. } => report
                .with_detail(format!("The workspace may start {limit} statements a day; the day ends at midnight UTC."))
                .with_hint("Go on tomorrow, or ask the workspace's owner for a higher limit."),
        }
    }
}

impl Quota {
    /// Counts that start at nothing.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, workspaces: Arc::default() }
    }

    /// Takes a place for one statement; it is given back when the reservation is dropped. A statement that is refused
    /// does not count for the day.
    ///
    /// The limits are those of `workspace` as it is given, so that a reload of the catalog acts from the next statement.
    ///
    /// # Errors
    /// [`QuotaError`], which says what is used up.
    pub fn reserve(&self, workspace: &Workspace, user: &UserId) -> Result<Reservation, QuotaError> {
        self.take(workspace, user, 1)
    }

    /// Takes a place for describing a statement, which costs what planning costs. It does not count for the day, since
    /// running the statement will; on a day that is used up there is none.
    ///
    /// # Errors
    /// As [`Self::reserve`].
    pub fn reserve_to_describe(&self, workspace: &Workspace, user: &UserId) -> Result<Reservation, QuotaError> {
        self.take(workspace, user, 0)
    }

    /// A place that counts for so many statements of the day.
    fn take(&self, workspace: &Workspace, user: &UserId, statements: u64) -> Result<Reservation, QuotaError> {
        let counts = self.counts(&workspace.name);
        let today = self.clock.now().date_naive();
        {
            let mut held = lock(&counts);
            // A clock that is set back must not give a second day's worth.
            if held.day.is_none_or(|day| day < today) {
                held.day = Some(today);
                held.today = 0;
            }
            if held.running >= workspace.limits.concurrent_statements {
                return Err(QuotaError::Concurrent {
                    workspace: workspace.name.clone(),
                    running: held.running,
                    own: held.by_user.get(user).copied().unwrap_or(0),
                    limit: workspace.limits.concurrent_statements,
                });
            }
            if held.today >= workspace.limits.statements_a_day {
                return Err(QuotaError::Daily {
                    workspace: workspace.name.clone(),
                    limit: workspace.limits.statements_a_day,
                });
            }
            held.running = held.running.saturating_add(1);
            held.today = held.today.saturating_add(statements);
            let own = held.by_user.entry(user.clone()).or_insert(0);
            *own = own.saturating_add(1);
        }
        Ok(Reservation { counts, user: user.clone() })
    }

    /// What a workspace uses now.
    pub fn usage(&self, workspace: &WorkspaceName) -> Usage {
        let counts = self.counts(workspace);
        let held = lock(&counts);
        let today = if held.day == Some(self.clock.now().date_naive()) { held.today } else { 0 };
        Usage { running: held.running, today }
    }

    fn counts(&self, workspace: &WorkspaceName) -> Arc<Mutex<Counts>> {
        let known = self.workspaces.read().unwrap_or_else(PoisonError::into_inner).get(workspace).cloned();
        known.unwrap_or_else(|| {
            let mut workspaces = self.workspaces.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(workspaces.entry(workspace.clone()).or_default())
        })
    }
}

/// A place for one statement. Dropping it gives the place back.
#[derive(Debug)]
#[must_use = "the place is given back as soon as the reservation is dropped"]
pub struct Reservation {
    counts: Arc<Mutex<Counts>>,
    user: UserId,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut held = lock(&self.counts);
        held.running = held.running.saturating_sub(1);
        if let Some(own) = held.by_user.get_mut(&self.user) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                held.by_user.remove(&self.user);
            }
        }
    }
}

/// The counts are right after every line that changes them, so a panic elsewhere in the holder does not spoil them.
fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{WorkspaceKind, WorkspaceLimits};
    use crate::decision::Limits;
    use chrono::{Duration, TimeZone, Utc};
    use std::collections::BTreeSet;

    fn workspace(name: &str, concurrent: u32, daily: u64) -> Workspace {
        Workspace {
            name: name.into(),
            kind: WorkspaceKind::AdHoc,
            owner: None,
            members: BTreeSet::new(),
            member_roles: BTreeSet::new(),
            datasets: BTreeSet::new(),
            limits: WorkspaceLimits {
                statement: Limits::default(),
                concurrent_statements: concurrent,
                statements_a_day: daily,
                engine_memory: 1 << 30,
            },
        }
    }

    fn quota() -> (Quota, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(Utc.with_ymd_and_hms(2026, 2, 28, 23, 0, 0).unwrap()));
        (Quota::new(Arc::<ManualClock>::clone(&clock)), clock)
    }

    #[test]
    fn the_fourth_statement_waits_for_one_of_three() {
        let (quota, _) = quota();
        let adhoc = workspace("adhoc", 3, 100);
        let (ana, ben) = (UserId::from("ana"), UserId::from("ben"));
        let first = quota.reserve(&adhoc, &ana).unwrap();
        let _second = quota.reserve(&adhoc, &ana).unwrap();
        let _third = quota.reserve(&adhoc, &ben).unwrap();
        let refused = quota.reserve(&adhoc, &ana).unwrap_err();
        assert_eq!(refused, QuotaError::Concurrent { workspace: "adhoc".into(), running: 3, own: 2, limit: 3 });
        let report = refused.report();
        assert_eq!(report.sqlstate, SqlState::CONFIGURATION_LIMIT_EXCEEDED);
        assert!(report.detail.unwrap().contains("3 of 3"));
        assert!(report.hint.unwrap().contains("cancel"));
        drop(first);
        assert!(quota.reserve(&adhoc, &ana).is_ok());
    }

    #[test]
    fn workspaces_count_apart() {
        let (quota, _) = quota();
        let ana = UserId::from("ana");
        let _one = quota.reserve(&workspace("a", 1, 10), &ana).unwrap();
        assert!(quota.reserve(&workspace("a", 1, 10), &ana).is_err());
        assert!(quota.reserve(&workspace("b", 1, 10), &ana).is_ok());
    }

    #[test]
    fn a_day_ends_at_midnight_utc_and_refused_statements_do_not_count() {
        let (quota, clock) = quota();
        let (adhoc, ana) = (workspace("adhoc", 1, 2), UserId::from("ana"));
        let held = quota.reserve(&adhoc, &ana).unwrap();
        assert!(matches!(quota.reserve(&adhoc, &ana), Err(QuotaError::Concurrent { .. })));
        drop(held);
        drop(quota.reserve(&adhoc, &ana).unwrap());
        assert_eq!(quota.usage(&adhoc.name), Usage { running: 0, today: 2 });
        assert_eq!(quota.reserve(&adhoc, &ana).unwrap_err(), QuotaError::Daily { workspace: "adhoc".into(), limit: 2 });
        clock.advance(Duration::minutes(59));
        assert!(quota.reserve(&adhoc, &ana).is_err());
        clock.advance(Duration::minutes(1));
        assert_eq!(quota.usage(&adhoc.name).today, 0);
        assert!(quota.reserve(&adhoc, &ana).is_ok());
    }

    #[test]
    fn describing_takes_a_place_and_no_statement_of_the_day() {
        let (quota, _) = quota();
        let (workspace, user) = (workspace("w", 1, 1), UserId::new("u"));
        let place = quota.reserve_to_describe(&workspace, &user).unwrap();
        assert_eq!(quota.usage(&workspace.name), Usage { running: 1, today: 0 });
        assert!(matches!(quota.reserve(&workspace, &user), Err(QuotaError::Concurrent { .. })));
        drop(place);
        drop(quota.reserve(&workspace, &user).unwrap());
        assert!(matches!(quota.reserve_to_describe(&workspace, &user), Err(QuotaError::Daily { .. })));
    }

    #[test]
    fn a_clock_set_back_gives_no_second_day() {
        let (quota, clock) = quota();
        let (adhoc, ana) = (workspace("adhoc", 5, 1), UserId::from("ana"));
        drop(quota.reserve(&adhoc, &ana).unwrap());
        clock.advance(Duration::days(-1));
        assert!(quota.reserve(&adhoc, &ana).is_err());
    }

    #[test]
    fn a_lower_limit_acts_at_once_and_zero_lets_nothing_through() {
        let (quota, _) = quota();
        let ana = UserId::from("ana");
        let _one = quota.reserve(&workspace("a", 5, 10), &ana).unwrap();
        assert!(quota.reserve(&workspace("a", 1, 10), &ana).is_err());
        assert!(quota.reserve(&workspace("b", 0, 10), &ana).is_err());
    }

    #[test]
    fn many_threads_never_pass_the_limit() {
        let (quota, _) = quota();
        let adhoc = Arc::new(workspace("adhoc", 4, 1_000_000));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (quota, adhoc) = (quota.clone(), Arc::clone(&adhoc));
                scope.spawn(move || {
                    let user = UserId::new(format!("user{thread}"));
                    for _ in 0..2_000 {
                        if let Ok(_held) = quota.reserve(&adhoc, &user) {
                            assert!(quota.usage(&adhoc.name).running <= 4);
                        }
                    }
                });
            }
        });
        assert_eq!(quota.usage(&adhoc.name).running, 0);
    }
}
