//! The files that hold the log: their names, their folder's lock, and what the writer asks of them.
//!
//! A segment only ever grows, except when a half-written record is cut off again. Sealing a finished segment (Parquet,
//! signed manifest) will take the place of its `.jsonl` here and nowhere else.

use super::error::AuditError;
use chrono::{DateTime, Utc};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the writer needs of a folder. The tests put one in its place that fails on demand.
pub(super) trait Folder: Send {
    /// Makes a new, empty segment that outlives a crash.
    fn create(&mut self, name: &SegmentName) -> io::Result<Box<dyn Segment>>;
}

/// What the writer needs of a file.
pub(super) trait Segment: Send {
    /// Appends. After an error any part of the bytes may have been written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when all that was appended is on disk.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts everything after so many bytes off, and syncs.
    fn cut(&mut self, length: u64) -> io::Result<()>;
    /// Whether it is still in its place and as long as the writer left it. An unlinked file takes writes without a
    /// word, so this has to be asked.
    fn is_intact(&self, length: u64) -> bool;
}

/// `audit-20260228T230000Z-00000001.jsonl`: when it was begun, and its number. The numbers have no gaps.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SegmentName {
    pub(super) number: u64,
    begun: String,
}

impl SegmentName {
    pub(super) fn new(number: u64, begun: DateTime<Utc>) -> Self {
        Self { number, begun: begun.format("%Y%m%dT%H%M%SZ").to_string() }
    }

    pub(super) fn parse(file: &str) -> Option<Self> {
        let (begun, number) = file.strip_prefix("audit-")?.strip_suffix(".jsonl")?.rsplit_once('-')?;
        let name = Self { number: number.parse().ok()?, begun: begun.to_owned() };
        (name.file() == file).then_some(name)
    }

    pub(super) fn file(&self) -> String {
        format!("audit-{}-{:08}.jsonl", self.begun, self.number)
    }
}

/// The segments in a folder, oldest first.
pub(super) fn segments(folder: &Path) -> io::Result<Vec<SegmentName>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        if let Some(name) = entry?.file_name().to_str().and_then(SegmentName::parse) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The name of the file that a writing gateway holds locked.
const LOCK: &str = "audit.lock";

/// A folder on disk, locked for this process for as long as it lives.
#[derive(Debug)]
pub(super) struct DiskFolder {
    path: PathBuf,
    _lock: File,
}

impl DiskFolder {
    /// Makes the folder if it is absent, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, AuditError> {
        let failed =
            |error: io::Error| AuditError::Open { folder: path.to_owned(), cause: Arc::from(error.to_string()) };
        std::fs::create_dir_all(path).map_err(failed)?;
        let lock = private().create(true).append(true).open(path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(AuditError::InUse { folder: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Makes the names in the folder outlive a crash.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

/// Whether a gateway writes to the folder now.
pub(super) fn is_in_use(folder: &Path) -> bool {
    let Ok(lock) = File::open(folder.join(LOCK)) else { return false };
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

impl Folder for DiskFolder {
    fn create(&mut self, name: &SegmentName) -> io::Result<Box<dyn Segment>> {
        let path = self.path.join(name.file());
        let file = private().create_new(true).append(true).open(&path)?;
        if let Err(error) = self.sync() {
            // Not ours to keep if it might be gone after a crash; the next try takes the same name.
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        let identity = identity(&file.metadata()?);
        Ok(Box::new(DiskSegment { path, file, identity }))
    }
}

#[derive(Debug)]
struct DiskSegment {
    path: PathBuf,
    file: File,
    identity: (u64, u64),
}

impl Segment for DiskSegment {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.file.sync_data()
    }

    fn is_intact(&self, length: u64) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|named| named.len() == length && identity(&named) == self.identity)
    }
}

/// What a file is, by whatever name.
#[cfg(unix)]
fn identity(of: &std::fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (of.dev(), of.ino())
}

/// Not known: the length alone tells.
#[cfg(not(unix))]
fn identity(_of: &std::fs::Metadata) -> (u64, u64) {
    (0, 0)
}

/// Options for files that only the gateway's own user may read.
#[cfg(unix)]
pub(super) fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Options for files; who may read them is for the folder to say.
#[cfg(not(unix))]
pub(super) fn private() -> OpenOptions {
    OpenOptions::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    #[test]
    fn names_sort_by_number_and_nothing_else_is_a_segment() {
        let name = SegmentName::new(12, Utc.with_ymd_and_hms(2026, 2, 28, 23, 0, 0).unwrap());
        assert_eq!(name.file(), "audit-20260228T230000Z-00000012.jsonl");
        assert_eq!(SegmentName::parse(&name.file()), Some(name.clone()));
        assert!(SegmentName::new(9, Utc::now()) < name);
        for other in ["audit.lock", "audit-x.jsonl", "audit-20260228T230000Z-12.jsonl", "a", "audit-1-2.jsonl.torn"] {
            assert_eq!(SegmentName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn one_folder_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let held = DiskFolder::open(folder.path()).unwrap();
        assert!(matches!(DiskFolder::open(folder.path()), Err(AuditError::InUse { .. })));
        assert!(is_in_use(folder.path()));
        drop(held);
        assert!(!is_in_use(folder.path()));
        assert!(DiskFolder::open(folder.path()).is_ok());
    }

    #[test]
    fn a_removed_or_changed_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = DiskFolder::open(dir.path()).unwrap();
        let name = SegmentName::new(1, Utc::now());
        let mut segment = folder.create(&name).unwrap();
        segment.append(b"one\n").unwrap();
        assert!(segment.is_intact(4));
        segment.append(b"tw").unwrap();
        segment.cut(4).unwrap();
        segment.append(b"two\n").unwrap();
        assert_eq!(std::fs::read(dir.path().join(name.file())).unwrap(), b"one\ntwo\n");
        assert!(segment.is_intact(8) && !segment.is_intact(7));
        std::fs::remove_file(dir.path().join(name.file())).unwrap();
        assert!(!segment.is_intact(8));
        std::fs::write(dir.path().join(name.file()), b"one\ntwo\n").unwrap();
        assert!(!segment.is_intact(8));
    }
}
