//! One statement on a lease, by the extended protocol: what is sent, and its answer as a stream.
//!
//! The stream reads the socket when it is asked for more and never ahead, so a reader that is slow makes the upstream
//! wait. Who drops it before its end stops the statement in the upstream.

use super::connection::{Connection, Heard, TransactionStatus};
use super::error::{ProtocolError, UpstreamError};
use super::frame::{Frame, RowBatch};
use super::lease::Lease;
use super::message::{self, Column, Format, ServerMessage};
use super::request::{CommandTag, Request, Sent, encode, execute};
use super::statements::{Lookup, Shape};
use postgres_protocol::message::backend::{
    BIND_COMPLETE_TAG, CLOSE_COMPLETE_TAG, COMMAND_COMPLETE_TAG, COPY_DONE_TAG, COPY_OUT_RESPONSE_TAG,
    EMPTY_QUERY_RESPONSE_TAG, NO_DATA_TAG, PARSE_COMPLETE_TAG, PORTAL_SUSPENDED_TAG, ROW_DESCRIPTION_TAG,
};
use std::borrow::BorrowMut;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::time::Instant;

/// Notices that wait to be fetched: a server can send any number before its first row.
const MOST_NOTICES: usize = 64;
/// What comes of a statement.
#[derive(Debug)]
pub enum Event {
    /// Rows, as they came.
    Rows(RowBatch),
    /// The upstream remarks something.
    Notice(Box<ServerMessage>),
    /// `max_rows` were sent, and there are more.
    Suspended,
    /// It is done, and so is its transaction, if it had one of its own. The last event.
    Complete(CommandTag),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Rows or an end will come.
    Running,
    /// Suspended without a Sync: the portal waits.
    Suspended,
    /// Nothing more will come.
    Done,
}

/// A statement that runs: `Run<&mut Lease>` of [`Lease::run`], or `Run<Lease>` of [`Lease::into_run`].
pub struct Run<L: BorrowMut<Lease>> {
    /// `None` only after [`Run::into_lease`].
    lease: Option<L>,
    answer: Answer,
    deadline: Option<Instant>,
}

/// What is known of the answer so far.
struct Answer {
    state: State,
    columns: Option<Arc<[Column]>>,
    copy: Option<Vec<Format>>,
    notices: VecDeque<ServerMessage>,
    tag: Option<CommandTag>,
    suspended: bool,
    error: Option<Box<ServerMessage>>,
    /// Flush, not Sync, follows the Execute: a portal outside of a transaction block ends with the Sync.
    by_flush: bool,
    /// A COMMIT follows it: after its own end there is one more to come.
    commits: bool,
    /// What comes now is the answer to that.
    committing: bool,
}

impl Answer {
    fn new(by_flush: bool) -> Self {
        Self {
            state: State::Running,
            columns: None,
            copy: None,
            notices: VecDeque::new(),
            tag: None,
            suspended: false,
            error: None,
            by_flush,
            commits: false,
            committing: false,
        }
    }
}

impl<L: BorrowMut<Lease>> Run<L> {
    /// Sends a statement and reads its answer up to its description.
    pub(super) async fn start(mut lease: L, request: Request<'_>) -> Result<Self, (UpstreamError, Option<L>)> {
        let mut again = true;
        loop {
            if request.acts {
                // Nothing that would put the session in order: that ends the role.
                if !lease.borrow_mut().connection().may_act() || request.max_rows > 0 || request.prepare_only {
                    return Err((UpstreamError::Unusable, Some(lease)));
                }
            } else if let Err(error) = lease.borrow_mut().make_ready().await {
                return Err((error, Some(lease)));
            }
            let connection = lease.borrow_mut().connection();
            let by_flush = request.max_rows > 0 && connection.status() == TransactionStatus::Idle;
            let mut answer = Answer::new(by_flush);
            answer.commits = request.acts;
            let sent = match encode(connection, request, by_flush) {
                Ok(sent) => sent,
                Err(error) => {
                    connection.out.clear();
                    return Err((error.into(), Some(lease)));
                }
            };
            answer.columns = sent.shape.as_ref().and_then(|shape| shape.columns.clone());
            // From here on, being dropped stops the statement.
            let mut run = Self { lease: Some(lease), answer, deadline: request.deadline };
            match run.begin(&sent).await {
                Ok(()) => return Ok(run),
                Err(error) => {
                    let Some(back) = run.take() else { return Err((error, None)) };
                    lease = back;
                    let stale = matches!(sent.lookup, Lookup::Held(_)) && is_stale(&error);
                    if stale {
                        forget(lease.borrow_mut().connection(), &request);
                    }
                    // Nothing of it has run yet, and there is no transaction that the error has spoilt.
                    let connection = lease.borrow_mut().connection();
                    let unspoilt = connection.is_ready() && connection.status() == TransactionStatus::Idle;
                    if request.acts || !(stale && unspoilt && std::mem::replace(&mut again, false)) {
                        return Err((error, Some(lease)));
                    }
                }
            }
        }
    }

    /// Goes on with a portal that was suspended in a transaction block.
    pub(super) async fn resume_portal(
        mut lease: L,
        portal: &str,
        max_rows: u32,
        deadline: Option<Instant>,
    ) -> Result<Self, UpstreamError> {
        lease.borrow_mut().make_ready().await?;
        let connection = lease.borrow_mut().connection();
        if connection.status() == TransactionStatus::Idle {
            return Err(UpstreamError::Unusable);
        }
        if execute(connection, portal, max_rows, false).is_err() {
            connection.out.clear();
            return Err(ProtocolError::Unsendable.into());
        }
        let mut run = Self { lease: Some(lease), answer: Answer::new(false), deadline };
        run.send().await?;
        Ok(run)
    }

    fn lease(&mut self) -> Result<&mut Lease, UpstreamError> {
        self.lease.as_mut().map(BorrowMut::borrow_mut).ok_or(UpstreamError::Unusable)
    }

    fn connection(&mut self) -> Result<&mut Connection, UpstreamError> {
        self.lease().map(Lease::connection)
    }

    /// The lease, and nothing to be done when this is dropped.
    fn take(mut self) -> Option<L> {
        self.lease.take()
    }

    /// The columns; `None` for a statement without rows, and for COPY.
    pub fn columns(&self) -> Option<&Arc<[Column]>> {
        self.answer.columns.as_ref()
    }

    /// For COPY TO STDOUT: the format of each column. Known before its first row.
    pub fn copy_formats(&self) -> Option<&[Format]> {
        self.answer.copy.as_deref()
    }

    /// Gives the lease back. A statement that has not ended is stopped when the lease is used next or dropped.
    pub fn into_lease(mut self) -> Option<L> {
        if self.answer.state == State::Running
            && let Ok(lease) = self.lease()
        {
            lease.abandon();
        }
        self.lease.take()
    }

    async fn begin(&mut self, sent: &Sent<'_>) -> Result<(), UpstreamError> {
        self.send().await?;
        loop {
            let frame = self.next_frame().await?;
            let Some(frame) = self.hear(frame).await? else {
                // The answer ended before it began: an error.
                match self.answer.state {
                    State::Done => return self.finish().map(|_| ()),
                    State::Running | State::Suspended => continue,
                }
            };
            let connection =
                self.lease.as_mut().map(BorrowMut::borrow_mut).ok_or(UpstreamError::Unusable)?.connection();
            match frame.tag {
                CLOSE_COMPLETE_TAG => {}
                COMMAND_COMPLETE_TAG if self.answer.committing => {}
                PARSE_COMPLETE_TAG => {
                    if let Lookup::New { name, .. } = sent.lookup {
                        connection.statements.keep(sent.request.text, sent.request.parameter_types, name);
                    }
                }
                BIND_COMPLETE_TAG if sent.shape.is_some() => return Ok(()),
                BIND_COMPLETE_TAG => {}
                ROW_DESCRIPTION_TAG | NO_DATA_TAG => {
                    if frame.tag == ROW_DESCRIPTION_TAG {
                        self.answer.columns =
                            Some(message::columns(&frame.body).map_err(|error| connection.bad(error))?.into());
                    }
                    if sent.lookup != Lookup::Unnamed {
                        let shape = Shape {
                            result_formats: sent.request.result_formats.into(),
                            columns: self.answer.columns.clone(),
                        };
                        connection.statements.set_shape(sent.request.text, sent.request.parameter_types, shape);
                    }
                    return Ok(());
                }
                other => return Err(connection.unexpected(other)),
            }
        }
    }

    /// The next event; `None` after [`Event::Complete`], and after [`Event::Suspended`] of a portal in a transaction block.
    /// May be dropped while it waits, and called again.
    ///
    /// # Errors
    /// [`UpstreamError::Server`] for what the upstream reports; [`UpstreamError::Deadline`] when it was stopped for being
    /// late; [`UpstreamError::Lost`] and [`UpstreamError::Protocol`] when the connection ended.
    pub async fn next(&mut self) -> Result<Option<Event>, UpstreamError> {
        loop {
            if let Some(notice) = self.answer.notices.pop_front() {
                return Ok(Some(Event::Notice(Box::new(notice))));
            }
            match self.answer.state {
                State::Done => return self.finish(),
                State::Suspended if std::mem::take(&mut self.answer.suspended) => return Ok(Some(Event::Suspended)),
                State::Suspended => return Ok(None),
                State::Running => {}
            }
            if let Some(rows) = self.connection()?.buffered_rows()? {
                return Ok(Some(Event::Rows(rows)));
            }
            let Some(frame) = self.connection()?.buffered()? else {
                self.fill().await?;
                continue;
            };
            self.advance(frame).await?;
        }
    }

    /// Lets a suspended portal go on; only after [`Event::Suspended`], outside of a transaction block.
    ///
    /// # Errors
    /// [`UpstreamError::Unusable`] if it is not suspended; what sending can fail with.
    pub async fn resume(&mut self, portal: &str, max_rows: u32) -> Result<(), UpstreamError> {
        if self.answer.state != State::Suspended {
            return Err(UpstreamError::Unusable);
        }
        let connection = self.connection()?;
        if execute(connection, portal, max_rows, true).is_err() {
            connection.out.clear();
            return Err(ProtocolError::Unsendable.into());
        }
        self.answer.suspended = false;
        self.answer.state = State::Running;
        self.send().await
    }

    /// What [`Run::next`] says once nothing more can come: the error or the end, once.
    fn finish(&mut self) -> Result<Option<Event>, UpstreamError> {
        if let Some(error) = self.answer.error.take() {
            return Err(UpstreamError::Server(error));
        }
        if std::mem::take(&mut self.answer.suspended) {
            return Ok(Some(Event::Suspended));
        }
        Ok(self.answer.tag.take().map(Event::Complete))
    }

    /// One message that is no row.
    async fn advance(&mut self, frame: Frame) -> Result<(), UpstreamError> {
        let Some(frame) = self.hear(frame).await? else { return Ok(()) };
        match frame.tag {
            COMMAND_COMPLETE_TAG if self.answer.committing => {}
            COMMAND_COMPLETE_TAG | EMPTY_QUERY_RESPONSE_TAG => {
                let text = frame.body.strip_suffix(b"\0").unwrap_or(&frame.body);
                let tag = CommandTag(String::from_utf8_lossy(text).into_owned());
                if !tag.is_plain() {
                    self.connection()?.touched = true;
                }
                self.answer.tag = Some(tag);
                self.sync_if_flushed().await?;
            }
            PORTAL_SUSPENDED_TAG => {
                self.answer.suspended = true;
                if self.answer.by_flush {
                    self.answer.state = State::Suspended;
                }
            }
            COPY_OUT_RESPONSE_TAG => {
                let formats = message::copy_formats(&frame.body);
                self.answer.copy = Some(formats.or_else(|error| Err(self.connection()?.bad(error)))?);
            }
            COPY_DONE_TAG => {}
            other => return Err(self.connection()?.unexpected(other)),
        }
        Ok(())
    }

    /// Errors, notices and the end, which may come at any time; what is none of them is given back.
    async fn hear(&mut self, frame: Frame) -> Result<Option<Frame>, UpstreamError> {
        match self.connection()?.absorb(frame)? {
            None => {}
            Some(Heard::Notice(notice)) if self.answer.notices.len() < MOST_NOTICES => {
                self.answer.notices.push_back(notice);
            }
            Some(Heard::Notice(_)) => {}
            Some(Heard::Error(error)) => {
                if error.is_fatal() {
                    self.answer.state = State::Done;
                    return Err(UpstreamError::Server(Box::new(error)));
                }
                self.answer.tag = None;
                // The first says what went wrong.
                self.answer.error.get_or_insert(Box::new(error));
                self.sync_if_flushed().await?;
            }
            Some(Heard::Ready) if std::mem::take(&mut self.answer.commits) => self.answer.committing = true,
            Some(Heard::Ready) => self.answer.state = State::Done,
            Some(Heard::Other(frame)) => return Ok(Some(frame)),
        }
        Ok(None)
    }

    /// After the end or an error of what was only flushed, the server waits for a Sync.
    async fn sync_if_flushed(&mut self) -> Result<(), UpstreamError> {
        if std::mem::take(&mut self.answer.by_flush) {
            self.connection()?.sync();
            self.send().await?;
        }
        Ok(())
    }

    async fn next_frame(&mut self) -> Result<Frame, UpstreamError> {
        loop {
            if let Some(frame) = self.connection()?.buffered()? {
                return Ok(frame);
            }
            self.fill().await?;
        }
    }

    /// Reads once, until the deadline. When that passes the statement is stopped, and the lease is in order again or broken.
    async fn fill(&mut self) -> Result<(), UpstreamError> {
        let deadline = self.deadline;
        let filled = self.lease()?.fill_until(deadline).await;
        self.stop_if_late(filled).await
    }

    /// Sends what is to be sent, in the same way.
    async fn send(&mut self) -> Result<(), UpstreamError> {
        let deadline = self.deadline;
        let sent = self.lease()?.send_until(deadline).await;
        self.stop_if_late(sent).await
    }

    async fn stop_if_late(&mut self, done: Result<(), UpstreamError>) -> Result<(), UpstreamError> {
        if matches!(done, Err(UpstreamError::Deadline)) {
            self.lease()?.stop().await;
            self.answer.state = State::Done;
            self.answer.tag = None;
        }
        done
    }
}

impl<L: BorrowMut<Lease>> Drop for Run<L> {
    fn drop(&mut self) {
        if self.answer.state == State::Running
            && let Ok(lease) = self.lease()
        {
            lease.abandon();
        }
    }
}

/// Whether a prepared statement has to be parsed again: its tables have changed, or it is not there any more.
pub(super) fn is_stale(error: &UpstreamError) -> bool {
    let UpstreamError::Server(error) = error else { return false };
    match &*error.code {
        "26000" => true,
        "0A000" => error.routine.as_deref() == Some("RevalidateCachedQuery"),
        _ => false,
    }
}

fn forget(connection: &mut Connection, request: &Request<'_>) {
    if let Some(number) = connection.statements.forget(request.text, request.parameter_types) {
        connection.closing.push(number);
    }
}
