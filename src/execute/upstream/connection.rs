//! One session with an upstream: what was sent, what is owed, and whether it can be used again.
//!
//! INVARIANT: a connection is ready only if the server has answered everything that it was sent and nothing is left to
//! read. Every path that stops in between leaves something owed, or breaks the connection.

use super::cancel::CancelKey;
use super::error::{ProtocolError, UpstreamError};
use super::frame::{Frame, FrameBuffer};
use super::message::{self, Body, ServerMessage};
use super::settings::{self, SessionSettings};
use super::statements::Statements;
use super::transport::Transport;
use bytes::BytesMut;
use futures::FutureExt;
use postgres_protocol::message::backend::{
    COMMAND_COMPLETE_TAG, DATA_ROW_TAG, EMPTY_QUERY_RESPONSE_TAG, ERROR_RESPONSE_TAG, NOTICE_RESPONSE_TAG,
    NOTIFICATION_RESPONSE_TAG, PARAMETER_STATUS_TAG, READY_FOR_QUERY_TAG, ROW_DESCRIPTION_TAG,
};
use postgres_protocol::message::frontend;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

/// What one read asks for: big enough to cost little for a long result, small enough to be held by each that runs one.
const READ: usize = 64 * 1024;
/// What a connection that waits in its pool may hold to send from.
const RESTING: usize = 4 * 1024;
/// While nothing is trusted, nothing is long.
pub(super) const LOGIN_BOUND: usize = 64 * 1024;
/// How long what has arrived may take to be read.
const NEWS: Duration = Duration::from_millis(100);
/// Rows that the answer to one of our own statements may have.
const OWN_ROWS: usize = 64;

/// Where a session stands, as ReadyForQuery tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    /// In no transaction.
    Idle,
    /// In one.
    Active,
    /// In one that has failed: only its end is accepted.
    Failed,
}

/// What holds for the rest of a transaction in place of the session's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Local {
    Nothing,
    Settings(SessionSettings),
    /// A savepoint was rolled back to: what held then holds again, whatever it was.
    Unknown,
}

/// A message that was not dealt with by [`Connection::absorb`].
pub(super) enum Heard {
    Notice(ServerMessage),
    Error(ServerMessage),
    Ready,
    Other(Frame),
}

pub(super) struct Connection {
    transport: Transport,
    frames: FrameBuffer,
    /// What is still to be sent.
    pub(super) out: BytesMut,
    parameters: BTreeMap<String, String>,
    status: TransactionStatus,
    /// How often the server still has to say ReadyForQuery.
    owed: u32,
    /// Messages were sent that no Sync has followed yet.
    unsynced: bool,
    broken: bool,
    /// Something happened that a reset has to undo before anybody else, or anything else, uses the session.
    pub(super) touched: bool,
    pub(super) statements: Statements,
    /// Prepared statements that were forgotten here and are still to be closed there.
    pub(super) closing: Vec<u64>,
    /// Portals that nobody reads any more.
    pub(super) closing_portals: Vec<String>,
    /// What the session's settings are; `None` while nobody knows.
    session: Option<SessionSettings>,
    local: Local,
    /// A transaction was begun, or may have been, in which the session acts as another role: [`super::lease::Lease::act_as`].
    acting: bool,
    /// For whom it last worked.
    pub(super) owner: Option<Box<str>>,
    pub(super) key: Option<Arc<CancelKey>>,
    pub(super) born: Instant,
    pub(super) idle_since: Instant,
}

impl Connection {
    pub(super) fn new(transport: Transport, statements: usize) -> Self {
        let now = Instant::now();
        Self {
            transport,
            frames: FrameBuffer::new(LOGIN_BOUND),
            out: BytesMut::new(),
            parameters: BTreeMap::new(),
            status: TransactionStatus::Idle,
            owed: 0,
            unsynced: false,
            broken: false,
            touched: false,
            statements: Statements::new(statements),
            closing: Vec::new(),
            closing_portals: Vec::new(),
            session: None,
            local: Local::Nothing,
            acting: false,
            owner: None,
            key: None,
            born: now,
            idle_since: now,
        }
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The login is over: from here on rows may come.
    pub(super) fn trust(&mut self, longest_message: usize) {
        self.frames.set_bound(longest_message);
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    pub(super) fn status(&self) -> TransactionStatus {
        self.status
    }

    /// Everything that was asked has been answered.
    pub(super) fn is_ready(&self) -> bool {
        !self.broken && self.owed == 0 && !self.unsynced && self.out.is_empty()
    }

    /// Ready, in no transaction, and with nothing to undo.
    pub(super) fn is_clean(&self) -> bool {
        let at_rest = self.is_ready() && self.status == TransactionStatus::Idle && !self.acting;
        at_rest && !self.touched && self.frames.is_empty()
    }

    /// From here to the end of the transaction that begins the session may act as another role.
    pub(super) fn acts(&mut self) {
        self.acting = true;
    }

    /// Whether it may.
    pub(super) fn is_acting(&self) -> bool {
        self.acting
    }

    /// Whether a text may be sent that is meant for another role: all that made it one has been answered, and nothing
    /// has ended its transaction.
    pub(super) fn may_act(&self) -> bool {
        self.is_ready() && self.acting && self.status == TransactionStatus::Active
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    pub(super) fn break_off(&mut self) {
        self.broken = true;
    }

    /// A request that ends with a Sync was put into `out`.
    pub(super) fn owes_ready(&mut self) {
        self.owed += 1;
        self.unsynced = false;
    }

    /// A request without a Sync was put into `out`.
    pub(super) fn owes_sync(&mut self) {
        self.unsynced = true;
    }

    /// Puts a Sync into `out`.
    pub(super) fn sync(&mut self) {
        frontend::sync(&mut self.out);
        self.owes_ready();
    }

    /// Sends what is to be sent. When dropped in between, the next call goes on with it.
    pub(super) async fn send(&mut self) -> Result<(), UpstreamError> {
        let sent = async {
            self.transport.write_all_buf(&mut self.out).await?;
            self.transport.flush().await
        };
        sent.await.map_err(|error| self.lost(error))?;
        if self.out.capacity() > READ {
            self.out = BytesMut::new();
        }
        Ok(())
    }

    fn lost(&mut self, error: io::Error) -> UpstreamError {
        self.broken = true;
        UpstreamError::Lost(error)
    }

    /// A message whose content breaks the protocol.
    pub(super) fn bad(&mut self, error: ProtocolError) -> UpstreamError {
        self.broken = true;
        error.into()
    }

    /// A message that should not have come.
    pub(super) fn unexpected(&mut self, tag: u8) -> UpstreamError {
        self.bad(ProtocolError::Unexpected(tag))
    }

    /// Reads once. When dropped in between, nothing is lost.
    pub(super) async fn fill(&mut self) -> Result<(), UpstreamError> {
        match self.transport.read_buf(self.frames.room(READ)).await {
            Ok(0) => Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(()),
            Err(error) => Err(self.lost(error)),
        }
    }

    /// The next message, if it is there already.
    pub(super) fn buffered(&mut self) -> Result<Option<Frame>, UpstreamError> {
        self.frames.next().map_err(|error| self.bad(error))
    }

    /// The rows that are there already.
    pub(super) fn buffered_rows(&mut self) -> Result<Option<super::frame::RowBatch>, UpstreamError> {
        self.frames.next_rows().map_err(|error| self.bad(error))
    }

    pub(super) async fn frame(&mut self) -> Result<Frame, UpstreamError> {
        loop {
            if let Some(frame) = self.buffered()? {
                return Ok(frame);
            }
            self.fill().await?;
        }
    }

    /// Deals with what may come at any time; gives back what its reader has to deal with.
    pub(super) fn absorb(&mut self, frame: Frame) -> Result<Option<Heard>, UpstreamError> {
        let parsed = match frame.tag {
            PARAMETER_STATUS_TAG => {
                let (name, value) = message::parameter_status(&frame.body).map_err(|error| self.bad(error))?;
                self.told(name, value);
                return Ok(None);
            }
            // Somebody ran LISTEN. What it says is for nobody; that it can say it is to be undone.
            NOTIFICATION_RESPONSE_TAG => {
                self.touched = true;
                return Ok(None);
            }
            READY_FOR_QUERY_TAG => {
                self.ready(&frame)?;
                return Ok(Some(Heard::Ready));
            }
            NOTICE_RESPONSE_TAG => ServerMessage::parse(frame.tag, &frame.body).map(Heard::Notice),
            ERROR_RESPONSE_TAG => ServerMessage::parse(frame.tag, &frame.body).map(Heard::Error),
            _ => return Ok(Some(Heard::Other(frame))),
        };
        let heard = parsed.map_err(|error| self.bad(error))?;
        if let Heard::Error(error) = &heard
            && error.is_fatal()
        {
            self.broken = true;
        }
        Ok(Some(heard))
    }

    fn told(&mut self, name: String, value: String) {
        // While settings are being changed nobody knows them: that the change came through is looked at afterwards.
        let effective = self.effective();
        if effective.is_some_and(|settings| settings.contradicts(&name, &value)) && self.local == Local::Nothing {
            self.touched = true;
            self.session = None;
        }
        self.parameters.insert(name, value);
    }

    fn ready(&mut self, frame: &Frame) -> Result<(), UpstreamError> {
        let status = match frame.body.as_ref() {
            b"I" => TransactionStatus::Idle,
            b"T" => TransactionStatus::Active,
            b"E" => TransactionStatus::Failed,
            _ => return Err(self.bad(ProtocolError::Malformed(READY_FOR_QUERY_TAG))),
        };
        let Some(owed) = self.owed.checked_sub(1) else { return Err(self.unexpected(READY_FOR_QUERY_TAG)) };
        self.owed = owed;
        self.status = status;
        if status == TransactionStatus::Idle {
            // They ended with their transaction, and so did the role of SET LOCAL.
            self.closing_portals.clear();
            self.acting = self.acting && self.owed > 0;
        }
        if status == TransactionStatus::Idle && std::mem::replace(&mut self.local, Local::Nothing) != Local::Nothing {
            self.forget_statements();
            // What held for the transaction hid whether the session's own settings are still what they were.
            let held = self.session.as_ref().is_none_or(|session| session.confirmed_by(&self.parameters).is_ok());
            if !held {
                self.touched = true;
                self.session = None;
            }
        }
        Ok(())
    }

    /// Runs texts of our own, each as one query string. Gives their rows, all together.
    ///
    /// All of them are sent at once; the first error is what comes back, after everything was answered.
    pub(super) async fn own(&mut self, texts: &[&str]) -> Result<Vec<Vec<Option<String>>>, UpstreamError> {
        if !self.is_ready() {
            return Err(UpstreamError::Unusable);
        }
        for text in texts {
            if frontend::query(text, &mut self.out).is_err() {
                self.out.clear();
                return Err(ProtocolError::Unsendable.into());
            }
        }
        self.owed += u32::try_from(texts.len()).unwrap_or(u32::MAX);
        self.send().await?;
        let (mut rows, mut failed) = (Vec::new(), None);
        while self.owed > 0 {
            let frame = self.frame().await?;
            match self.absorb(frame)? {
                None | Some(Heard::Ready | Heard::Notice(_)) => {}
                Some(Heard::Error(error)) => {
                    if error.is_fatal() {
                        return Err(UpstreamError::Server(Box::new(error)));
                    }
                    failed.get_or_insert(error);
                }
                Some(Heard::Other(frame)) => match frame.tag {
                    DATA_ROW_TAG if rows.len() < OWN_ROWS => {
                        rows.push(values(&frame).map_err(|error| self.bad(error))?);
                    }
                    COMMAND_COMPLETE_TAG | EMPTY_QUERY_RESPONSE_TAG | ROW_DESCRIPTION_TAG | DATA_ROW_TAG => {}
                    other => return Err(self.unexpected(other)),
                },
            }
        }
        failed.map_or(Ok(rows), |error| Err(UpstreamError::Server(Box::new(error))))
    }

    /// Pins all settings of a new session, and looks whether they are.
    pub(super) async fn pin(&mut self, settings: &SessionSettings) -> Result<(), UpstreamError> {
        self.session = None;
        let rows = self.own(&[&settings.pin(), &settings::question()]).await?;
        settings::answered(rows.first().map(Vec::as_slice).unwrap_or_default())?;
        self.pinned(settings)
    }

    /// Makes the session what it was when it was new, and pins it: nothing of what ran before can be seen.
    pub(super) async fn reset(&mut self, settings: &SessionSettings) -> Result<(), UpstreamError> {
        if self.status != TransactionStatus::Idle {
            self.own(&["ROLLBACK"]).await?;
        }
        self.session = None;
        self.statements.clear();
        self.closing.clear();
        // DISCARD ALL is refused within a query string of several statements, which is a transaction.
        let rows = self.own(&["DISCARD ALL", &settings.pin(), &settings::question()]).await?;
        settings::answered(rows.first().map(Vec::as_slice).unwrap_or_default())?;
        self.pinned(settings)?;
        self.touched = false;
        self.owner = None;
        Ok(())
    }

    fn pinned(&mut self, settings: &SessionSettings) -> Result<(), UpstreamError> {
        if let Err(error) = settings.confirmed_by(&self.parameters) {
            self.broken = true;
            return Err(error);
        }
        self.session = Some(settings.clone());
        Ok(())
    }

    /// What holds now, if that is known.
    fn effective(&self) -> Option<&SessionSettings> {
        match &self.local {
            Local::Nothing => self.session.as_ref(),
            Local::Settings(settings) => Some(settings),
            Local::Unknown => None,
        }
    }

    /// Follows a client's settings, if they are not what holds already. In a transaction they hold until its end; in one
    /// that has failed nothing can be done, and nothing will run.
    pub(super) async fn follow(&mut self, settings: &SessionSettings) -> Result<(), UpstreamError> {
        if self.effective() == Some(settings) || self.status == TransactionStatus::Failed {
            return Ok(());
        }
        if !self.effective().is_some_and(|held| held.reads_alike(settings)) {
            self.forget_statements();
        }
        if self.status == TransactionStatus::Active {
            self.local = Local::Unknown;
            self.own(&[&settings.pin_locally()]).await?;
            settings.confirmed_by(&self.parameters)?;
            self.local = Local::Settings(settings.clone());
            return Ok(());
        }
        self.session = None;
        self.own(&[&settings.follow()]).await?;
        self.pinned(settings)
    }

    /// The server reads constants where it parses a statement: one that was parsed by another clock means other moments.
    fn forget_statements(&mut self) {
        let names = self.statements.take_all();
        self.closing.extend(names);
    }

    /// A savepoint was rolled back to.
    pub(super) fn forget_local_settings(&mut self) {
        self.local = Local::Unknown;
    }

    /// Reads to the end of everything that is owed, and throws it away. Afterwards the session is ready, or broken.
    pub(super) async fn settle(&mut self, within: Duration) -> bool {
        if self.is_ready() {
            return true;
        }
        if self.broken {
            return false;
        }
        // What was thrown away may have been the news of a statement that was parsed.
        self.touched = true;
        if self.unsynced {
            self.sync();
        }
        let settled = async {
            self.send().await?;
            while self.owed > 0 {
                let frame = self.frame().await?;
                self.absorb(frame)?;
                if self.broken {
                    return Err(UpstreamError::Unusable);
                }
            }
            Ok(())
        };
        let settled = tokio::time::timeout(within, settled).await;
        self.broken |= !matches!(settled, Ok(Ok(())));
        !self.broken
    }

    /// Whether nothing has come to a connection that nobody used: no word, and not its end.
    pub(super) fn is_silent(&self) -> bool {
        let nothing = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        !self.broken && self.frames.is_empty() && self.transport.peek().is_err_and(|error| nothing(&error))
    }

    /// Whether a connection that nobody used still is what it was: nothing came but news of settings, and it has not ended.
    pub(super) async fn is_quiet(&mut self) -> bool {
        // An end needs no more than one look. News is short: who talks on and on is not quiet.
        for _ in 0..8 {
            if self.is_silent() {
                self.frames.shrink();
                return true;
            }
            // Over TLS, what came need not be anything for us.
            if tokio::time::timeout(NEWS, self.fill()).await.is_ok_and(|filled| filled.is_err()) {
                return false;
            }
            while let Ok(Some(frame)) = self.buffered() {
                // An ErrorResponse says why the session ends.
                if !matches!(self.absorb(frame), Ok(None | Some(Heard::Notice(_)))) {
                    self.broken = true;
                }
            }
        }
        false
    }

    /// Asks the server whether it is there.
    pub(super) async fn answers(&mut self, within: Duration) -> bool {
        if !self.is_ready() {
            return false;
        }
        let touched = self.touched;
        self.sync();
        let answers = self.settle(within).await;
        // Nothing but a Sync was on its way: nothing is to be undone.
        self.touched = touched;
        answers
    }

    /// Gives memory back that only a running statement needs, but for what the next one is likely to need as well.
    pub(super) fn rest(&mut self) {
        self.frames.shrink();
        if self.out.capacity() > RESTING {
            self.out = BytesMut::new();
        }
        self.idle_since = Instant::now();
    }

    /// Ends the session in order, as far as that can be done without waiting.
    pub(super) fn hang_up(mut self) {
        if self.is_ready() {
            frontend::terminate(&mut self.out);
            let _ = self.send().now_or_never();
        }
    }
}

/// The values of a row of one of our own statements, as text.
fn values(frame: &Frame) -> Result<Vec<Option<String>>, ProtocolError> {
    let mut body = Body { tag: frame.tag, rest: &frame.body };
    let count = i16::from_be_bytes(body.array()?);
    let mut row = Vec::new();
    for _ in 0..count {
        let length = i32::from_be_bytes(body.array()?);
        row.push(match usize::try_from(length) {
            Err(_) => None,
            Ok(length) => {
                let (value, rest) = body.rest.split_at_checked(length).ok_or(ProtocolError::Malformed(frame.tag))?;
                body.rest = rest;
                Some(String::from_utf8_lossy(value).into_owned())
            }
        });
    }
    Ok(row)
}
