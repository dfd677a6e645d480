//! All that can stop a running statement: its user's cancel, its deadline, the end of the server.

use crate::error::{ErrorReport, SqlState};
use std::future::Future;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How far a shutdown has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Phase {
    /// No shutdown.
    #[default]
    Serving,
    /// Running statements may end; idle connections are closed.
    Draining,
    /// Running statements are stopped.
    Stopping,
}

/// What may stop one statement.
#[derive(Debug, Clone)]
pub struct Interrupt {
    token: CancellationToken,
    deadline: Option<Instant>,
    phase: watch::Receiver<Phase>,
}

impl Interrupt {
    /// For a statement that starts now. A timeout of zero is none, as in PostgreSQL's setting.
    pub fn new(token: CancellationToken, timeout: Option<Duration>, phase: watch::Receiver<Phase>) -> Self {
        let started = Instant::now();
        let mut interrupt = Self { token, deadline: None, phase };
        interrupt.tighten_from(started, timeout.filter(|timeout| !timeout.is_zero()));
        interrupt
    }

    /// Lowers the deadline to so long after now, if that is sooner. Zero is now.
    pub fn tighten(&mut self, timeout: Option<Duration>) {
        self.tighten_from(Instant::now(), timeout);
    }

    fn tighten_from(&mut self, start: Instant, timeout: Option<Duration>) {
        // A bound too far off to be said is no bound.
        let deadline = timeout.and_then(|timeout| start.checked_add(timeout));
        self.deadline = match (self.deadline, deadline) {
            (Some(held), Some(new)) => Some(held.min(new)),
            (held, new) => held.or(new),
        };
    }

    /// Whether something has stopped it already.
    fn stopped(&self) -> Result<(), ErrorReport> {
        if self.token.is_cancelled() {
            return Err(canceled("user request"));
        }
        if *self.phase.borrow() == Phase::Stopping {
            return Err(shutting_down());
        }
        match self.deadline {
            Some(deadline) if deadline <= Instant::now() => Err(canceled("statement timeout")),
            Some(_) | None => Ok(()),
        }
    }

    /// Runs a future until it ends or something stops it; then the future is dropped.
    ///
    /// # Errors
    /// 57014 for a cancel or the deadline, FATAL 57P01 when the server stops.
    pub async fn guard<F: Future>(&self, future: F) -> Result<F::Output, ErrorReport> {
        // Most of what is guarded need not wait: it is asked first, and only what waits is waited for with all the rest.
        self.stopped()?;
        let mut future = std::pin::pin!(future);
        if let Poll::Ready(output) = futures::poll!(&mut future) {
            return Ok(output);
        }
        let mut phase = self.phase.clone();
        let stopping = async {
            if phase.wait_for(|phase| *phase == Phase::Stopping).await.is_err() {
                // The server's end of it is gone: nobody will stop us that way.
                std::future::pending::<()>().await;
            }
        };
        let late = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.token.cancelled() => Err(canceled("user request")),
            () = stopping => Err(shutting_down()),
            () = late => Err(canceled("statement timeout")),
            output = future => Ok(output),
        }
    }
}

/// FATAL 57P01.
pub(super) fn shutting_down() -> ErrorReport {
    ErrorReport::fatal(SqlState::ADMIN_SHUTDOWN, "terminating connection due to administrator command")
}

fn canceled(cause: &str) -> ErrorReport {
    ErrorReport::new(SqlState::QUERY_CANCELED, format!("canceling statement due to {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    fn interrupt(timeout: Option<Duration>) -> (Interrupt, CancellationToken, watch::Sender<Phase>) {
        let (sender, phase) = watch::channel(Phase::Serving);
        let token = CancellationToken::new();
        (Interrupt::new(token.clone(), timeout, phase), token, sender)
    }

    #[tokio::test]
    async fn each_cause_says_its_name() {
        let (guard, token, _sender) = interrupt(None);
        token.cancel();
        let error = guard.guard(pending::<()>()).await.unwrap_err();
        assert_eq!(error.message, "canceling statement due to user request");

        let (guard, _token, _sender) = interrupt(Some(Duration::from_millis(5)));
        let error = guard.guard(pending::<()>()).await.unwrap_err();
        assert_eq!(
            (error.sqlstate.0, error.message.as_str()),
            ("57014", "canceling statement due to statement timeout")
        );

        let (guard, _token, sender) = interrupt(None);
        sender.send(Phase::Draining).unwrap();
        assert_eq!(guard.guard(async { 1 }).await, Ok(1), "draining lets a statement end");
        sender.send(Phase::Stopping).unwrap();
        assert_eq!(guard.guard(pending::<()>()).await.unwrap_err().sqlstate, SqlState::ADMIN_SHUTDOWN);
    }

    #[tokio::test]
    async fn a_deadline_only_comes_nearer() {
        let (mut guard, _token, _sender) = interrupt(Some(Duration::from_millis(20)));
        guard.tighten(Some(Duration::from_secs(50)));
        guard.tighten(None);
        let before = Instant::now();
        assert!(guard.guard(pending::<()>()).await.is_err());
        assert!(before.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn time_that_is_used_up_stops_at_once() {
        let (mut guard, _token, _sender) = interrupt(None);
        guard.tighten(Some(Duration::ZERO));
        assert!(guard.guard(pending::<()>()).await.is_err());
    }
}
