//! One authenticated connection: messages in, replies out, until somebody ends it.
//!
//! While a statement runs the connection is read ahead, so that a client that is gone is noticed and its statement
//! dropped at once. Rows go out at the socket's pace: one buffer is filled, sent, and filled again.

use super::backend;
use super::backend::Plain;
use super::cancel::{Armed, Registration};
use super::frontend::{self, Frontend};
use super::inbox::{Inbox, Unread};
use super::interrupt::{Interrupt, Phase, shutting_down};
use super::outbox::{Outbox, SOFT_BYTES};
use crate::egress::{Progress, ResultBudget};
use crate::error::{ErrorReport, Severity, SqlState};
use crate::session::{CopyReply, Reply, RowsEnd, RowsReply, Session, TransactionStatus};
use bytes::Bytes;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

/// Why a piece of work did not end well.
#[derive(Debug)]
pub(super) enum Stop {
    /// The client is told, and the session goes on unless it is FATAL.
    Error(ErrorReport),
    /// There is nobody to tell.
    Gone,
}

impl From<ErrorReport> for Stop {
    fn from(error: ErrorReport) -> Self {
        Self::Error(error)
    }
}

/// Whether the connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    GoOn,
    End,
}

/// One authenticated connection.
pub(super) struct Connection<R, W> {
    pub(super) inbox: Inbox<R>,
    pub(super) outbox: Outbox<W>,
    pub(super) session: Session,
    pub(super) registration: Registration,
    pub(super) phase: watch::Receiver<Phase>,
    /// After an error in the extended protocol everything up to the next Sync is passed over.
    pub(super) skipping: bool,
    /// Inside a batch of extended messages that no Sync has ended yet.
    pub(super) in_batch: bool,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Connection<R, W> {
    /// Serves the client until it leaves, breaks the protocol, or the server stops.
    pub(super) async fn serve(mut self) {
        self.greet();
        loop {
            let (kind, body) = match self.next_message().await {
                Ok(message) => message,
                Err(Stop::Gone) => return,
                Err(Stop::Error(error)) => return self.end_with(&error).await,
            };
            if !frontend::is_known(kind) {
                return self.end_with(&frontend::unknown_type(kind)).await;
            }
            match self.answer(kind, body).await {
                Ok(Next::GoOn) => {}
                Ok(Next::End) | Err(Stop::Gone) => return,
                Err(Stop::Error(error)) => return self.end_with(&error).await,
            }
        }
    }

    /// ParameterStatus for each setting, BackendKeyData, ReadyForQuery.
    fn greet(&mut self) {
        for (name, value) in self.session.parameter_status() {
            backend::parameter_status(&mut self.outbox.buffer, &name, &value);
        }
        // The changes up to here are in what was just said.
        self.session.take_parameter_changes();
        backend::backend_key_data(&mut self.outbox.buffer, self.registration.pid(), self.registration.secret());
        self.ready();
    }

    /// Waits for a message. Before it waits, everything that is ready is sent.
    async fn next_message(&mut self) -> Result<(u8, Bytes), Stop> {
        let idle = !self.in_batch;
        if let Some(message) = self.inbox.ready_message().map_err(unread)? {
            return Ok(message);
        }
        if idle && *self.phase.borrow() != Phase::Serving {
            return Err(shutting_down().into());
        }
        let until = if idle { Phase::Draining } else { Phase::Stopping };
        let idle_timeout = if idle { self.session.idle_timeout() } else { self.session.batch_timeout() };
        let status = self.session.transaction_status();
        let mut phase = self.phase.clone();
        let outbox = &mut self.outbox;
        let inbox = &mut self.inbox;
        let message = async {
            outbox.flush().await.map_err(|_| Stop::Gone)?;
            outbox.rest();
            inbox.message().await.map_err(unread)
        };
        let silent = async {
            match idle_timeout.filter(|timeout| !timeout.is_zero()) {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        let ending = async {
            if phase.wait_for(|phase| *phase >= until).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            message = message => message,
            () = ending => Err(shutting_down().into()),
            () = silent => Err(idle_too_long(if idle { status } else { TransactionStatus::InTransaction }).into()),
        }
    }

    async fn answer(&mut self, kind: u8, body: Bytes) -> Result<Next, Stop> {
        if self.skipping && !matches!(kind, b'S' | b'X') {
            return Ok(Next::GoOn);
        }
        let message = match frontend::read(kind, body) {
            Ok(message) => message,
            Err(error) => {
                self.session.refused("a message that could not be read", &error).await;
                return self.recover(kind, error);
            }
        };
        match message {
            Frontend::Query(text) => {
                let result = self.query_string(&text).await;
                let failed = result.is_err();
                if let Err(stop) = result {
                    self.tell(stop)?;
                }
                if let Err(stop) = self.end_implicit(Some(failed)).await {
                    self.tell(stop)?;
                }
                self.in_batch = false;
                self.ready();
            }
            Frontend::Sync => {
                if let Err(stop) = self.end_implicit(None).await {
                    self.tell(stop)?;
                }
                self.skipping = false;
                self.in_batch = false;
                self.ready();
            }
            Frontend::Flush => self.flush().await?,
            Frontend::Terminate => return Ok(Next::End),
            Frontend::FunctionCall => {
                let error = ErrorReport::new(SqlState::FEATURE_NOT_SUPPORTED, "function calls are not supported")
                    .with_hint("Call the function in a SELECT.");
                self.session.refused("FunctionCall", &error).await;
                self.tell(error.into())?;
                self.ready();
            }
            Frontend::StrayCopy => {}
            extended => {
                self.in_batch = true;
                if let Err(stop) = self.extended(extended).await {
                    self.tell(stop)?;
                    self.skipping = true;
                }
            }
        }
        if self.outbox.buffer.len() >= SOFT_BYTES {
            self.flush().await?;
        }
        Ok(Next::GoOn)
    }

    /// After a message that could not be read: the session goes on where PostgreSQL's would.
    fn recover(&mut self, kind: u8, error: ErrorReport) -> Result<Next, Stop> {
        self.tell(error.into())?;
        if frontend::is_extended(kind) {
            self.in_batch = true;
            self.skipping = true;
        } else {
            self.skipping = false;
            self.in_batch = false;
            self.ready();
        }
        Ok(Next::GoOn)
    }

    async fn query_string(&mut self, text: &str) -> Result<(), Stop> {
        let armed = self.registration.arm();
        let interrupt = self.interrupt(&armed);
        let begun = {
            let begin = pin!(self.session.begin_query_string(text));
            guarded(&mut self.inbox, &interrupt, begin).await
        };
        let statements = match begun {
            Ok(result) => result?,
            Err(stop) => return Err(self.stopped(stop).await),
        };
        if statements.is_empty() {
            backend::plain(&mut self.outbox.buffer, Plain::EmptyQueryResponse);
            return Ok(());
        }
        let budget = Arc::new(Mutex::new(ResultBudget::default()));
        for statement in statements {
            let interrupt = self.interrupt(&armed);
            let run = {
                let run = pin!(self.session.run(statement, &budget));
                guarded(&mut self.inbox, &interrupt, run).await
            };
            let reply = match run {
                Ok(result) => result?,
                Err(stop) => return Err(self.stopped(stop).await),
            };
            self.reply(reply, interrupt).await?;
        }
        Ok(())
    }

    /// A query string, or a batch of messages, is over: ends what was a transaction without being called one. The client
    /// may stop waiting for it. `failed`: whether the query string has; `None` for a batch.
    async fn end_implicit(&mut self, failed: Option<bool>) -> Result<(), Stop> {
        let timeout = self.session.statement_timeout();
        let ended = {
            let mut end = pin!(async {
                match failed {
                    Some(failed) => self.session.end_query_string(failed).await,
                    None => self.session.sync().await,
                }
            });
            // Most have nothing to wait for.
            if let Poll::Ready(ended) = futures::poll!(&mut end) {
                return ended.map_err(Stop::Error);
            }
            let armed = self.registration.arm();
            let interrupt = Interrupt::new(armed.token().clone(), timeout, self.phase.clone());
            guarded(&mut self.inbox, &interrupt, end).await
        };
        match ended {
            Ok(result) => result.map_err(Stop::Error),
            Err(stop) => Err(self.stopped(stop).await),
        }
    }

    /// What may stop the statement that starts now.
    pub(super) fn interrupt(&self, armed: &Armed) -> Interrupt {
        Interrupt::new(armed.token().clone(), self.session.statement_timeout(), self.phase.clone())
    }

    /// Takes note of a statement that was stopped from outside.
    pub(super) async fn stopped(&mut self, stop: Stop) -> Stop {
        if let Stop::Error(error) = &stop {
            self.session.cancelled(error).await;
        }
        stop
    }

    /// Sends the answer to one statement.
    pub(super) async fn reply(&mut self, reply: Reply, interrupt: Interrupt) -> Result<(), Stop> {
        match reply {
            Reply::Empty => {
                self.notices();
                backend::plain(&mut self.outbox.buffer, Plain::EmptyQueryResponse);
                Ok(())
            }
            Reply::Command { tag } => {
                self.notices();
                backend::command_complete(&mut self.outbox.buffer, &tag);
                Ok(())
            }
            Reply::Rows(reply) => self.send_rows(*reply, interrupt).await,
            Reply::Copy(reply) => self.send_copy(*reply, interrupt).await,
        }
    }

    async fn send_rows(&mut self, reply: RowsReply, interrupt: Interrupt) -> Result<(), Stop> {
        let RowsReply { mut rows, describe, max_rows, suspends, ticket, tag } = reply;
        self.notices();
        for notice in rows.take_notices() {
            backend::notice(&mut self.outbox.buffer, &notice);
        }
        let before = rows.rows();
        let described = match rows.fields() {
            Ok(fields) if describe => {
                backend::row_description(&mut self.outbox.buffer, fields);
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => Err(Stop::Error(error)),
        };
        let streamed = match described {
            Ok(()) => self.stream(&mut rows, max_rows, interrupt).await,
            Err(stop) => Err(stop),
        };
        let sent = rows.rows().saturating_sub(before);
        match streamed {
            Ok(progress) => {
                let suspended = progress == Progress::Suspended;
                self.session.finish_rows(ticket, rows, if suspended { RowsEnd::Suspended } else { RowsEnd::Done });
                self.notices();
                if suspended && suspends {
                    backend::plain(&mut self.outbox.buffer, Plain::PortalSuspended);
                } else {
                    backend::command_complete(&mut self.outbox.buffer, &tag.command_tag(sent));
                }
                Ok(())
            }
            Err(stop) => {
                self.session.finish_rows(ticket, rows, RowsEnd::Failed(cause(&stop)));
                Err(self.stream_stopped(stop).await)
            }
        }
    }

    async fn send_copy(&mut self, reply: CopyReply, interrupt: Interrupt) -> Result<(), Stop> {
        let CopyReply { mut rows, format, ticket } = reply;
        self.notices();
        for notice in rows.take_notices() {
            backend::notice(&mut self.outbox.buffer, &notice);
        }
        let streamed = match rows.fields() {
            Ok(fields) => {
                backend::copy_out_response(&mut self.outbox.buffer, format.code(), fields.len());
                self.stream(&mut rows, None, interrupt).await
            }
            Err(error) => Err(Stop::Error(error)),
        };
        let sent = rows.rows();
        match streamed {
            Ok(_) => {
                self.session.finish_rows(ticket, rows, RowsEnd::Done);
                backend::plain(&mut self.outbox.buffer, Plain::CopyDone);
                self.notices();
                backend::command_complete(&mut self.outbox.buffer, &format!("COPY {sent}"));
                Ok(())
            }
            Err(stop) => {
                self.session.finish_rows(ticket, rows, RowsEnd::Failed(cause(&stop)));
                Err(self.stream_stopped(stop).await)
            }
        }
    }

    /// A stream that a cancel or the time stopped is recorded as such; one that failed by itself has its own record.
    async fn stream_stopped(&mut self, stop: Stop) -> Stop {
        match &stop {
            Stop::Error(error) if error.sqlstate == SqlState::QUERY_CANCELED => self.stopped(stop).await,
            _ => stop,
        }
    }

    /// Fills and sends until the rows are out, with the interrupt around both.
    async fn stream(
        &mut self,
        rows: &mut crate::egress::ResultRows,
        max_rows: Option<u64>,
        mut interrupt: Interrupt,
    ) -> Result<Progress, Stop> {
        let before = rows.rows();
        interrupt.tighten(rows.timeout());
        loop {
            let left = max_rows.map(|max| max.saturating_sub(rows.rows().saturating_sub(before)));
            let progress = {
                let fill = pin!(rows.fill(&mut self.outbox.buffer, left, SOFT_BYTES));
                guarded(&mut self.inbox, &interrupt, fill).await??
            };
            if progress != Progress::More {
                return Ok(progress);
            }
            let flush = pin!(self.outbox.flush());
            guarded(&mut self.inbox, &interrupt, flush).await?.map_err(|_| Stop::Gone)?;
        }
    }

    /// Writes an error; gives it back if it ends the connection.
    fn tell(&mut self, stop: Stop) -> Result<(), Stop> {
        match stop {
            Stop::Error(error) if error.severity != Severity::Fatal => {
                self.notices();
                backend::error(&mut self.outbox.buffer, &error);
                self.session.failed(&error);
                Ok(())
            }
            ending => Err(ending),
        }
    }

    fn notices(&mut self) {
        for notice in self.session.take_notices() {
            backend::notice(&mut self.outbox.buffer, &notice);
        }
    }

    fn ready(&mut self) {
        self.notices();
        for (name, value) in self.session.take_parameter_changes() {
            backend::parameter_status(&mut self.outbox.buffer, &name, &value);
        }
        backend::ready_for_query(&mut self.outbox.buffer, self.session.transaction_status());
    }

    /// Sends what waits, until it is out or the client or the server is gone.
    async fn flush(&mut self) -> Result<(), Stop> {
        let mut phase = self.phase.clone();
        let stopping = async {
            if phase.wait_for(|phase| *phase == Phase::Stopping).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            flushed = self.outbox.flush() => flushed.map_err(|_| Stop::Gone),
            () = self.inbox.gone() => Err(Stop::Gone),
            () = stopping => Err(shutting_down().into()),
        }
    }

    /// The last words.
    async fn end_with(mut self, error: &ErrorReport) {
        let fatal = ErrorReport { severity: Severity::Fatal, ..error.clone() };
        backend::error(&mut self.outbox.buffer, &fatal);
        let words = async {
            if self.outbox.flush().await.is_ok() {
                self.outbox.shutdown().await;
            }
        };
        // A client that does not read its last words keeps nobody waiting.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(5), words).await;
    }
}

/// Runs a piece of a statement until it ends, something stops it, or the client is gone. Whoever calls it pins what may be
/// large: here it would be copied from one guard into the next, and each would have room for it.
pub(super) async fn guarded<R: AsyncRead + Unpin, F: Future>(
    inbox: &mut Inbox<R>,
    interrupt: &Interrupt,
    work: F,
) -> Result<F::Output, Stop> {
    tokio::select! {
        biased;
        output = interrupt.guard(work) => output.map_err(Stop::Error),
        () = inbox.gone() => Err(Stop::Gone),
    }
}

/// What the record of a statement says about why it was stopped.
fn cause(stop: &Stop) -> ErrorReport {
    match stop {
        Stop::Error(error) => error.clone(),
        Stop::Gone => ErrorReport::fatal(SqlState::CONNECTION_FAILURE, "connection to client lost"),
    }
}

fn unread(unread: Unread) -> Stop {
    match unread {
        Unread::Gone => Stop::Gone,
        Unread::Violation(error) => Stop::Error(error),
    }
}

fn idle_too_long(status: TransactionStatus) -> ErrorReport {
    match status {
        TransactionStatus::Idle => {
            ErrorReport::fatal(SqlState("57P05"), "terminating connection due to idle-session timeout")
        }
        TransactionStatus::InTransaction | TransactionStatus::Failed => {
            ErrorReport::fatal(SqlState("25P03"), "terminating connection due to idle-in-transaction timeout")
        }
    }
}
