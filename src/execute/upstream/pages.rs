//! The rows of a statement, all at once or page by page.
//!
//! On a connection of its own a statement that is not read on waits on the wire. On one that a transaction shares nothing
//! may be left there for the next statement to meet: so what may be suspended is a portal of the upstream, of which
//! exactly as many rows are asked for as its reader wants, and a page is read to its end before its last rows are given.

use super::error::UpstreamError;
use super::frame::RowBatch;
use super::holdings::{Loan, Pin};
use super::query::{Event, Run};
use super::request::CommandTag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many rows the reader of a statement wants next; zero is all. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Demand(Arc<AtomicU64>);

impl Demand {
    /// Wants so many rows from here on; `None` is all.
    pub fn want(&self, rows: Option<u64>) {
        self.0.store(rows.unwrap_or(0), Ordering::Relaxed);
    }

    /// How many are wanted; zero is all. No page has more than the protocol can count.
    fn wanted(&self) -> u32 {
        let most = i32::MAX.unsigned_abs();
        u32::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(most).min(most)
    }
}

/// A portal of the upstream that a statement runs in.
pub(super) struct UpstreamPortal {
    pub(super) pin: Arc<Pin>,
    pub(super) name: String,
}

/// The rows of a statement. Dropping it stops it in the upstream.
pub struct Pages {
    run: Option<Run<Loan>>,
    portal: Option<UpstreamPortal>,
    demand: Demand,
    /// Rows that this page still has; zero is any number.
    left: u64,
    tag: Option<CommandTag>,
    /// There is nothing more to ask for.
    ended: bool,
}

impl Pages {
    /// All rows of a statement that runs.
    pub(super) fn all(run: Run<Loan>) -> Self {
        Self { run: Some(run), portal: None, demand: Demand::default(), left: 0, tag: None, ended: false }
    }

    /// Those of a portal of which a page is on its way; `None`: it has been made and not run.
    pub(super) fn of_portal(portal: UpstreamPortal, page: Option<(Run<Loan>, u32)>, demand: Demand) -> Self {
        let (run, left) = page.map_or((None, 0), |(run, page)| (Some(run), u64::from(page)));
        Self { run, portal: Some(portal), demand, left, tag: None, ended: false }
    }

    /// What the statement said when it ended.
    pub fn tag(&self) -> Option<&CommandTag> {
        self.tag.as_ref()
    }

    /// The next rows; `None` after the last.
    ///
    /// # Errors
    /// As [`Run::next`]; [`UpstreamError::Lost`] for an answer that ends before its end.
    pub async fn next(&mut self) -> Result<Option<RowBatch>, UpstreamError> {
        loop {
            if self.ended {
                return Ok(None);
            }
            let Some(run) = &mut self.run else {
                let Some(portal) = &self.portal else { return Err(broken_off()) };
                let page = self.demand.wanted();
                let loan = portal.pin.lend_within().await?;
                self.run = Some(Run::resume_portal(loan, &portal.name, page, None).await?);
                self.left = u64::from(page);
                continue;
            };
            match run.next().await? {
                Some(Event::Rows(rows)) => {
                    if self.left > 0 {
                        self.left = self.left.saturating_sub(rows.rows());
                        if self.left == 0 {
                            self.end_of_page().await?;
                        }
                    }
                    return Ok(Some(rows));
                }
                Some(Event::Notice(_)) => {}
                Some(Event::Suspended) if self.portal.is_some() => self.run = None,
                Some(Event::Complete(tag)) => self.complete(tag),
                // An end that is not one.
                Some(Event::Suspended) | None => return Err(broken_off()),
            }
        }
    }

    /// The page has all its rows: reads what says so, so that the connection is free.
    async fn end_of_page(&mut self) -> Result<(), UpstreamError> {
        while let Some(run) = &mut self.run {
            match run.next().await? {
                Some(Event::Suspended) => self.run = None,
                Some(Event::Complete(tag)) => self.complete(tag),
                Some(Event::Notice(_)) => {}
                Some(Event::Rows(_)) | None => return Err(broken_off()),
            }
        }
        Ok(())
    }

    fn complete(&mut self, tag: CommandTag) {
        self.tag = Some(tag);
        self.run = None;
        self.ended = true;
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // First the connection, then what is to be done on it.
        self.run = None;
        if let Some(UpstreamPortal { pin, name }) = self.portal.take() {
            pin.close(name);
        }
    }
}

fn broken_off() -> UpstreamError {
    UpstreamError::Lost(io::ErrorKind::UnexpectedEof.into())
}
