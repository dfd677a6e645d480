//! The audit log on disk: opening, repair after a crash, and the sink that the gateway writes to.

use super::AuditSink;
use super::chain::{Link, check};
use super::error::AuditError;
use super::receipt::{Announced, AuditReceipt};
use super::record::{Action, AuditRecord, AuditResult, ResourceType};
use super::segment::{DiskFolder, Folder, SegmentName, private, segments};
use super::writer::{Endings, Log, Message, Queue};
use crate::quota::Clock;
use async_trait::async_trait;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// When a record counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// When it is on the disk: it outlives a power failure.
    #[default]
    Always,
    /// When the operating system has it, which outlives a kill of the gateway; it is on the disk after at most so long.
    /// What a power failure takes are the last records, never one between two others.
    Interval(Duration),
}

/// How the log is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditOptions {
    /// The folder; it is made if it is absent.
    pub folder: PathBuf,
    /// When a record counts as written.
    pub durability: Durability,
    /// A segment ends when it has at least so many bytes, and with every hour.
    pub segment_bytes: u64,
    /// Statements that may be open at one time; one more waits.
    pub open_statements: u32,
}

impl AuditOptions {
    /// The defaults of a folder: every record synced, segments of 64 MB, 32,768 open statements.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            durability: Durability::Always,
            segment_bytes: 64 << 20,
            open_statements: 1 << 15,
        }
    }
}

/// The audit log in a folder. Clones write to the same log.
#[derive(Debug, Clone)]
pub struct FileAudit {
    queue: Arc<Queue>,
}

impl FileAudit {
    /// Opens the log in a folder for this process alone, repairs the end that a crash may have left, and starts the
    /// thread that writes. Blocking; reads the last segment.
    ///
    /// A last line without an end is moved into `<segment>.torn`, and the log says so in a `CONFIG_RELOAD` record. It
    /// was never acknowledged: no statement ran on it.
    ///
    /// # Errors
    /// [`AuditError::InUse`], [`AuditError::Open`], or [`AuditError::Broken`] if the last segment is not a chain: a
    /// changed log is evidence, so move the folder away and begin another.
    pub fn open(options: AuditOptions, clock: Arc<dyn Clock>) -> Result<Self, AuditError> {
        let folder = DiskFolder::open(&options.folder)?;
        let tail = recover(&options.folder, &folder)?;
        let audit = Self::start(options, clock, Box::new(folder), &tail)?;
        if let Some(bytes) = tail.torn_bytes {
            let record = AuditRecord::new(&AuditRecord::event_id(), Action::ConfigReload)
                .resource(ResourceType::Gateway, "audit log")
                .parameter("recovered", true)
                .parameter("tornBytes", bytes)
                .result(AuditResult::Success);
            if let Ok(place) = audit.queue.place_now() {
                audit.queue.ended(record, place, true);
            }
        }
        Ok(audit)
    }

    pub(super) fn start(
        options: AuditOptions,
        clock: Arc<dyn Clock>,
        folder: Box<dyn Folder>,
        tail: &Tail,
    ) -> Result<Self, AuditError> {
        // Two records for each statement, and as many again for single ones.
        let places = (options.open_statements.max(1) as usize).saturating_mul(2).min(1 << 20);
        let (sender, receiver) = std::sync::mpsc::sync_channel(places + Queue::CONTROL);
        let endings = Arc::new(Endings::new());
        let queue = Arc::new(Queue::new(sender, Arc::clone(&endings), places, Arc::clone(&clock)));
        let path = options.folder.clone();
        let log = Log::new(folder, clock, options, endings, (tail.next_number, tail.head));
        std::thread::Builder::new()
            .name("querygate-audit".to_owned())
            .spawn(move || log.run(&receiver))
            .map_err(|error| AuditError::Open { folder: path, cause: Arc::from(error.to_string()) })?;
        Ok(Self { queue })
    }

    /// Returns when everything that was queued before is on disk, ended records too.
    ///
    /// # Errors
    /// [`AuditError::Unavailable`]
    pub async fn flush(&self) -> Result<(), AuditError> {
        self.control(Message::Flush).await
    }

    /// Writes what is queued and closes the log; what comes after is refused. A receipt that is still held then leaves
    /// its statement to read as interrupted.
    ///
    /// # Errors
    /// [`AuditError::Unavailable`] if the rest could not be written.
    pub async fn close(&self) -> Result<(), AuditError> {
        self.control(Message::Close).await
    }

    async fn control(
        &self,
        message: impl FnOnce(oneshot::Sender<Result<(), AuditError>>) -> Message,
    ) -> Result<(), AuditError> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(message(answer))?;
        answered.await.map_err(|_| AuditError::unavailable("the log is closed"))?
    }
}

#[async_trait]
impl AuditSink for FileAudit {
    async fn announce(&self, mut record: AuditRecord) -> Result<Announced, AuditError> {
        record.result = None;
        let mut place = self.queue.places(2).await?;
        let ended = place.split(1).ok_or_else(|| AuditError::unavailable("no place for the end of the statement"))?;
        let answered = self.queue.record(&mut record, place)?;
        // From here on a dropped future leaves an interrupted statement in the log, not a begun one for ever.
        let announced = Announced::new(AuditReceipt::new(Arc::clone(&self.queue), ended, &record), answered);
        if self.queue.is_failing() { announced.arrived().await } else { Ok(announced) }
    }

    async fn event(&self, mut record: AuditRecord) -> Result<(), AuditError> {
        record.result.get_or_insert(AuditResult::Success);
        let place = self.queue.places(1).await?;
        let answered = self.queue.record(&mut record, place)?;
        answered.await.unwrap_or_else(|_| Err(AuditError::unavailable("the log is closed")))
    }
}

/// Where the next record goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) head: Link,
    pub(super) next_number: u64,
    pub(super) torn_bytes: Option<u64>,
}

/// Finds the last record. Repairs a torn last line of the last segment.
fn recover(path: &Path, folder: &DiskFolder) -> Result<Tail, AuditError> {
    let failed = |error: io::Error| AuditError::Open { folder: path.to_owned(), cause: Arc::from(error.to_string()) };
    let names = segments(path).map_err(failed)?;
    let next_number = names.last().map_or(1, |last| last.number.saturating_add(1));
    let mut torn_bytes = None;
    for (back, name) in names.iter().rev().enumerate() {
        let file = path.join(name.file());
        let (head, whole, length) = last_record(&file, name).map_err(|problem| match problem {
            Problem::Io(error) => failed(error),
            Problem::Line(line, what) => AuditError::Broken { file: file.clone(), line, what: what.to_owned() },
        })?;
        if whole < length {
            if back > 0 {
                let what = "a line without an end in a segment that is not the last".to_owned();
                return Err(AuditError::Broken { file, line: 0, what });
            }
            cut_torn(&file, whole).and_then(|()| folder.sync()).map_err(failed)?;
            torn_bytes = Some(length - whole);
            tracing::warn!(segment = name.file(), bytes = length - whole, "a half-written audit record was cut off");
        }
        if let Some(head) = head {
            return Ok(Tail { head, next_number, torn_bytes });
        }
    }
    Ok(Tail { head: Link::first(), next_number, torn_bytes })
}

enum Problem {
    Io(io::Error),
    Line(u64, &'static str),
}

/// The last whole record of a segment, how many bytes are whole lines, and how many bytes there are.
fn last_record(file: &Path, name: &SegmentName) -> Result<(Option<Link>, u64, u64), Problem> {
    let mut lines = BufReader::new(File::open(file).map_err(Problem::Io)?);
    let (mut head, mut whole, mut length, mut number) = (None::<Link>, 0, 0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines.read_until(b'\n', &mut line).map_err(Problem::Io)?;
        length += read as u64;
        number += 1;
        let Some(record) = line.strip_suffix(b"\n") else { return Ok((head, whole, length)) };
        let sealed = check(record).map_err(|what| Problem::Line(number, what))?;
        let follows = match &head {
            Some(head) => sealed.previous == *head,
            None => name.number > 1 || sealed.previous == Link::first(),
        };
        if !follows {
            return Err(Problem::Line(number, "the record does not follow the one before it"));
        }
        head = Some(sealed.hash);
        whole = length;
    }
}

/// Moves what follows `whole` bytes into `<file>.torn`.
fn cut_torn(file: &Path, whole: u64) -> io::Result<()> {
    let mut segment = OpenOptions::new().read(true).write(true).open(file)?;
    segment.seek(io::SeekFrom::Start(whole))?;
    let mut torn = Vec::new();
    segment.read_to_end(&mut torn)?;
    let mut note_name = file.as_os_str().to_owned();
    note_name.push(".torn");
    let mut note = private().create(true).write(true).truncate(true).open(note_name)?;
    note.write_all(&torn)?;
    note.sync_all()?;
    segment.set_len(whole)?;
    segment.sync_all()
}
