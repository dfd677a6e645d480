//! The one thread that writes the log: takes what waits, writes it in one go, syncs once, tells all that waited.
//!
//! Disk work is blocking and the order of the chain is one order, so this is a thread of its own and no task. What is
//! written but not known to be on disk is kept until it is: a failed sync cuts the segment back to what was synced, and
//! records that nobody waits for any more (ended ones) are written again when that works.
//!
//! INVARIANT: a begun record is acknowledged only after it was written, and with [`Durability::Always`](super::Durability) synced.
//! INVARIANT: no good record ever follows a torn one.

use super::chain::{Link, seal};
use super::error::AuditError;
use super::file::{AuditOptions, Durability};
use super::record::AuditRecord;
use super::segment::{Folder, Segment, SegmentName};
use crate::quota::Clock;
use chrono::{NaiveDate, SecondsFormat, Timelike};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// The most bytes and records that are written in one go.
const BATCH_BYTES: usize = 4 << 20;
const BATCH_RECORDS: usize = 4096;
/// How long an ended record that nobody waits for may lie unsynced, and how often a failing disk is tried again.
const LINGER: Duration = Duration::from_millis(100);
/// How long an ended record may wait for others to be written together with.
const GATHER: Duration = Duration::from_millis(20);

type Answer = oneshot::Sender<Result<(), AuditError>>;
pub(super) type Answered = oneshot::Receiver<Result<(), AuditError>>;

/// What goes through the queue.
pub(super) enum Message {
    /// A record.
    Record(Box<Entry>),
    /// Answer when everything before is on disk.
    Flush(Answer),
    /// Write what is queued, answer, and stop.
    Close(Answer),
    /// There are ended records.
    Wake,
}

/// Ended records on their way: nobody waits for them, so they wake the writer only if nothing else is about to.
#[derive(Debug)]
pub(super) struct Endings {
    /// `None` once the log is closed.
    entries: Mutex<Option<Vec<Entry>>>,
    /// Whether the writer sleeps until a message comes.
    is_asleep: AtomicBool,
    /// Whether the last attempt to write failed.
    is_failing: AtomicBool,
}

impl Endings {
    pub(super) fn new() -> Self {
        Self {
            entries: Mutex::new(Some(Vec::new())),
            is_asleep: AtomicBool::new(false),
            is_failing: AtomicBool::new(false),
        }
    }

    fn entries(&self) -> MutexGuard<'_, Option<Vec<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is there. Nothing comes after the last time.
    fn take(&self, is_last: bool) -> Vec<Entry> {
        let mut entries = self.entries();
        if is_last {
            entries.take().unwrap_or_default()
        } else {
            entries.as_mut().map(std::mem::take).unwrap_or_default()
        }
    }
}

/// A record on its way to the log.
#[derive(Debug)]
pub(super) struct Entry {
    json: String,
    /// Whom to tell; nobody for an ended record.
    waiting: Option<Answer>,
    /// Its place in the queue, free again when the record is on disk or given up.
    _place: OwnedSemaphorePermit,
}

/// The way into the writer. It never blocks and never overflows: whoever sends holds a place.
#[derive(Debug)]
pub(super) struct Queue {
    sender: SyncSender<Message>,
    endings: Arc<Endings>,
    places: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
}

impl Queue {
    /// Messages beyond the places: flush, close, wake.
    pub(super) const CONTROL: usize = 64;

    pub(super) fn new(
        sender: SyncSender<Message>,
        endings: Arc<Endings>,
        places: usize,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { sender, endings, places: Arc::new(Semaphore::new(places)), clock }
    }

    /// Waits for so many places at once: a statement takes the place of its ended record together with that of its
    /// begun one, so no two can hold one each and wait for the other.
    pub(super) async fn places(&self, count: u32) -> Result<OwnedSemaphorePermit, AuditError> {
        Arc::clone(&self.places).acquire_many_owned(count).await.map_err(AuditError::unavailable)
    }

    /// One place, if there is one.
    pub(super) fn place_now(&self) -> Result<OwnedSemaphorePermit, AuditError> {
        Arc::clone(&self.places).try_acquire_owned().map_err(AuditError::unavailable)
    }

    /// Whether what was last to be written could not be.
    pub(super) fn is_failing(&self) -> bool {
        self.endings.is_failing.load(Ordering::SeqCst)
    }

    /// Queues a record and says where the answer will come.
    pub(super) fn record(&self, record: &mut AuditRecord, place: OwnedSemaphorePermit) -> Result<Answered, AuditError> {
        let (answer, answered) = oneshot::channel();
        let json = self.json(record)?;
        self.send(Message::Record(Box::new(Entry { json, waiting: Some(answer), _place: place })))?;
        Ok(answered)
    }

    /// Queues the ended record of a statement. `begun`: its begun record is known to be in the log; another's may still be
    /// on its way, and this one must not overtake it.
    pub(super) fn ended(&self, mut record: AuditRecord, place: OwnedSemaphorePermit, begun: bool) {
        let sent = self.json(&mut record).and_then(|json| {
            let entry = Entry { json, waiting: None, _place: place };
            if begun { self.end(entry) } else { self.send(Message::Record(Box::new(entry))) }
        });
        if let Err(error) = sent {
            tracing::error!(event = record.event_id, %error, "the end of a statement could not be recorded");
        }
    }

    fn end(&self, entry: Entry) -> Result<(), AuditError> {
        match self.endings.entries().as_mut() {
            Some(entries) => entries.push(entry),
            None => return Err(AuditError::unavailable("the log is closed")),
        }
        // The writer says that it sleeps before it looks for ended records, so one of the two sees the other.
        if self.endings.is_asleep.swap(false, Ordering::SeqCst) { self.send(Message::Wake) } else { Ok(()) }
    }

    pub(super) fn send(&self, message: Message) -> Result<(), AuditError> {
        self.sender.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => AuditError::unavailable("the queue is full"),
            TrySendError::Disconnected(_) => AuditError::unavailable("the log is closed"),
        })
    }

    fn json(&self, record: &mut AuditRecord) -> Result<String, AuditError> {
        record.timestamp = self.clock.now().to_rfc3339_opts(SecondsFormat::Micros, true);
        record.json()
    }
}

/// The end of the log and the segment that grows.
pub(super) struct Log {
    folder: Box<dyn Folder>,
    clock: Arc<dyn Clock>,
    options: AuditOptions,
    endings: Arc<Endings>,
    current: Option<Current>,
    next_number: u64,
    head: Link,
    /// The last record that is known to be on disk.
    synced_head: Link,
    /// Records written after that, kept so that they can be written again.
    unsynced: Vec<Entry>,
    /// When the oldest of these was written.
    unsynced_since: Option<Instant>,
    /// Records that nobody waits for any more and that could not be written yet.
    backlog: Vec<Entry>,
}

struct Current {
    segment: Box<dyn Segment>,
    name: SegmentName,
    hour: (NaiveDate, u32),
    length: u64,
    synced_length: u64,
    /// There may be something after `length`; nothing may be appended before it is cut off.
    torn: bool,
}

impl Current {
    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.segment.cut(self.length)?;
            self.torn = false;
        }
        Ok(())
    }
}

impl Log {
    pub(super) fn new(
        folder: Box<dyn Folder>,
        clock: Arc<dyn Clock>,
        options: AuditOptions,
        endings: Arc<Endings>,
        (next_number, head): (u64, Link),
    ) -> Self {
        Self {
            folder,
            clock,
            options,
            endings,
            current: None,
            next_number,
            synced_head: head,
            head,
            unsynced: Vec::new(),
            unsynced_since: None,
            backlog: Vec::new(),
        }
    }

    /// Serves the queue until it is closed, or until everybody who could send is gone.
    pub(super) fn run(mut self, queue: &Receiver<Message>) {
        tracing::info!(head = self.head.as_str(), "audit log opened");
        let mut closing: Option<Answer> = None;
        let mut failing = false;
        let mut was_busy = false;
        loop {
            let mut batch;
            let mut flush = Vec::new();
            let mut is_over = false;
            match self.next(queue, closing.is_some(), was_busy) {
                Ok(first) => {
                    batch = self.endings.take(false);
                    let mut bytes: usize = batch.iter().map(|entry| entry.json.len()).sum();
                    let mut next = Some(first);
                    while let Some(message) = next {
                        match message {
                            Message::Record(entry) => {
                                bytes += entry.json.len();
                                batch.push(*entry);
                            }
                            Message::Flush(answer) => flush.push(answer),
                            Message::Close(answer) => closing = Some(answer),
                            Message::Wake => {}
                        }
                        let is_full = bytes >= BATCH_BYTES || batch.len() >= BATCH_RECORDS;
                        next = if is_full { None } else { queue.try_recv().ok() };
                    }
                    if !flush.is_empty() {
                        batch.append(&mut self.endings.take(false));
                    }
                }
                Err(RecvTimeoutError::Timeout) => batch = self.endings.take(false),
                Err(RecvTimeoutError::Disconnected) => {
                    batch = self.endings.take(true);
                    is_over = true;
                }
            }
            was_busy = !batch.is_empty();
            let has_work = was_busy || !self.backlog.is_empty() || !self.unsynced.is_empty();
            let result = self.commit(batch, is_over || !flush.is_empty());
            match &result {
                Err(error) if !failing => {
                    tracing::error!(%error, "audit log can not be written: statements are refused")
                }
                Ok(()) if failing && has_work => tracing::warn!("audit log is written again"),
                Err(_) | Ok(()) => {}
            }
            // That there was nothing to write does not say that it could have been.
            if has_work || result.is_err() {
                failing = result.is_err();
                self.endings.is_failing.store(failing, Ordering::SeqCst);
            }
            for answer in flush {
                let _ = answer.send(result.clone());
            }
            if is_over {
                if !self.backlog.is_empty() {
                    tracing::error!(
                        records = self.backlog.len(),
                        "audit log closed with records that could not be written"
                    );
                }
                tracing::info!(head = self.synced_head.as_str(), "audit log closed");
                // The folder's lock is free before whoever closed the log hears of it.
                drop(self);
                if let Some(answer) = closing {
                    let _ = answer.send(result);
                }
                return;
            }
        }
    }

    /// The next message. A timeout says that something may have to be written, synced or tried again; a log that is being
    /// closed is over as soon as nothing is queued.
    fn next(&self, queue: &Receiver<Message>, is_closing: bool, was_busy: bool) -> Result<Message, RecvTimeoutError> {
        if is_closing {
            return queue.try_recv().map_err(|_| RecvTimeoutError::Disconnected);
        }
        if self.backlog.is_empty() && self.unsynced.is_empty() && !was_busy {
            self.endings.is_asleep.store(true, Ordering::SeqCst);
            let nothing_ended = self.endings.entries().as_ref().is_none_or(Vec::is_empty);
            let message = if nothing_ended {
                queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                Err(RecvTimeoutError::Timeout)
            };
            self.endings.is_asleep.store(false, Ordering::SeqCst);
            return message;
        }
        let due_in = |since: Instant| self.linger().saturating_sub(since.elapsed());
        let until_sync = self.unsynced_since.map_or(LINGER, due_in);
        let until_retry = if self.backlog.is_empty() { GATHER } else { LINGER };
        queue.recv_timeout(until_sync.min(until_retry).max(Duration::from_millis(1)))
    }

    fn linger(&self) -> Duration {
        match self.options.durability {
            Durability::Always => LINGER,
            Durability::Interval(interval) => interval,
        }
    }

    /// Writes what is left from before and a batch, syncs if that is due, and answers everybody who waits.
    fn commit(&mut self, batch: Vec<Entry>, must_sync: bool) -> Result<(), AuditError> {
        let mut batch: Vec<Entry> = std::mem::take(&mut self.backlog).into_iter().chain(batch).collect();
        let is_due = self.unsynced_since.is_some_and(|since| since.elapsed() >= self.linger());
        let is_waited_for = batch.iter().any(|entry| entry.waiting.is_some());
        let must_sync = must_sync || is_due || (is_waited_for && self.options.durability == Durability::Always);
        if !batch.is_empty() {
            if let Err(error) = self.append(&batch) {
                let error = AuditError::unavailable(error);
                self.refuse(batch, &error);
                return Err(error);
            }
            if !must_sync {
                for answer in batch.iter_mut().filter_map(|entry| entry.waiting.take()) {
                    let _ = answer.send(Ok(()));
                }
            }
            self.unsynced.append(&mut batch);
            self.unsynced_since.get_or_insert_with(Instant::now);
        }
        if must_sync { self.sync().map_err(AuditError::unavailable) } else { Ok(()) }
    }

    /// Tells those who wait, and keeps the records that nobody waits for: their statements have run.
    fn refuse(&mut self, entries: Vec<Entry>, error: &AuditError) {
        // Before anybody hears of it: whoever does may be the next to come.
        self.endings.is_failing.store(true, Ordering::SeqCst);
        for mut entry in entries {
            match entry.waiting.take() {
                Some(answer) => drop(answer.send(Err(error.clone()))),
                None => self.backlog.push(entry),
            }
        }
    }

    fn append(&mut self, batch: &[Entry]) -> io::Result<()> {
        self.prepare()?;
        let current = self.current.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let mut lines = Vec::with_capacity(batch.iter().map(|entry| entry.json.len() + 200).sum());
        let mut head = self.head;
        for entry in batch {
            head = seal(&entry.json, &head, &mut lines);
        }
        if let Err(error) = current.segment.append(&lines) {
            current.torn = true;
            // If this fails too, `prepare` tries again before anything else is written.
            let _ = current.mend();
            return Err(error);
        }
        current.length += lines.len() as u64;
        self.head = head;
        Ok(())
    }

    /// Leaves a segment in place that can be appended to.
    fn prepare(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        let hour = (now.date_naive(), now.hour());
        if let Some(current) = &mut self.current {
            current.mend()?;
            if !current.segment.is_intact(current.length) {
                tracing::error!(segment = current.name.file(), "a segment of the audit log was changed or removed");
                self.current = None;
                // Whatever was in it, `verify` names it. What was not yet synced is written once more.
                self.backlog.append(&mut self.unsynced);
                self.unsynced_since = None;
                self.synced_head = self.head;
            } else if current.length > 0 && (current.length >= self.options.segment_bytes || current.hour != hour) {
                let name = current.name.file();
                self.sync()?;
                tracing::info!(segment = name, head = self.synced_head.as_str(), "audit log segment ended");
                self.current = None;
            }
        }
        if self.current.is_none() {
            let name = SegmentName::new(self.next_number, now);
            let segment = self.folder.create(&name)?;
            self.next_number += 1;
            self.current = Some(Current { segment, name, hour, length: 0, synced_length: 0, torn: false });
        }
        Ok(())
    }

    /// Syncs, and answers those who waited for it. On failure the segment is cut back to what was synced: the kernel may
    /// have dropped the rest, and would not say so again.
    fn sync(&mut self) -> io::Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let outcome = current.mend().and_then(|()| current.segment.sync());
        let entries = std::mem::take(&mut self.unsynced);
        self.unsynced_since = None;
        match outcome {
            Ok(()) => {
                current.synced_length = current.length;
                self.synced_head = self.head;
                for answer in entries.into_iter().filter_map(|entry| entry.waiting) {
                    let _ = answer.send(Ok(()));
                }
                Ok(())
            }
            Err(error) => {
                current.length = current.synced_length;
                current.torn = true;
                let _ = current.mend();
                self.head = self.synced_head;
                self.refuse(entries, &AuditError::unavailable(&error));
                Err(error)
            }
        }
    }
}
