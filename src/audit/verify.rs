//! Proving the chain, or naming the first record where it breaks.
//!
//! What the chain shows by itself: a changed byte, a line or a segment that is missing, added, doubled or moved, a
//! beginning that is cut off. What it can not show by itself is an end that is cut off between two records, or a log that
//! somebody with write access made anew as a whole: for these, give a head hash that was kept elsewhere (the gateway logs
//! it) as [`VerifyOptions::expect_head`].

use super::chain::{Link, check};
use super::logged::LoggedRecord;
use super::segment::{SegmentName, is_in_use, segments};
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// What else must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyOptions {
    /// A record with this hash must be in the log: a head that was noted down before.
    pub expect_head: Option<String>,
}

/// A log that holds together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// Records.
    pub records: u64,
    /// Statements that began, and statements that were refused before they could.
    pub statements: u64,
    /// Segment files.
    pub segments: u64,
    /// Statements that began and have no end, or whose end says that they were interrupted. On a log that is being
    /// written to, those that run are among them.
    pub interrupted: u64,
    /// The hash of the last record; `None` if there is none. Keep it elsewhere.
    pub head: Option<String>,
}

/// The first thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {what}", file.display())]
pub struct VerifyFailure {
    /// The segment, or the folder if it is the whole.
    pub file: PathBuf,
    /// The line, the first is 1; 0 if it is the whole file.
    pub line: u64,
    /// What is wrong, in words.
    pub what: String,
}

/// Proves the log in a folder. Blocking; reads all of it. Works while a gateway writes to it: a last line that is just
/// being written is left out then.
///
/// # Errors
/// The first broken record.
pub fn verify(folder: &Path) -> Result<VerifyReport, VerifyFailure> {
    verify_with(folder, &VerifyOptions::default())
}

/// The same, and more.
///
/// # Errors
/// The first broken record, or what else does not hold.
pub fn verify_with(folder: &Path, options: &VerifyOptions) -> Result<VerifyReport, VerifyFailure> {
    walk(folder, options, &mut |_| {})
}

pub(super) fn walk(
    folder: &Path,
    options: &VerifyOptions,
    each: &mut dyn FnMut(LoggedRecord),
) -> Result<VerifyReport, VerifyFailure> {
    let whole = |what: String| VerifyFailure { file: folder.to_owned(), line: 0, what };
    let is_live = is_in_use(folder);
    let names = segments(folder).map_err(|error| whole(format!("can't be read: {error}")))?;
    let mut walk = Walk {
        head: Link::first(),
        is_first: true,
        expected: options.expect_head.as_deref(),
        open: HashSet::new(),
        report: VerifyReport::default(),
    };
    for (index, name) in names.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| names.get(before));
        let expected_number = before.map_or(1, |before| before.number.saturating_add(1));
        let file = folder.join(name.file());
        if name.number != expected_number {
            let what = if before.is_some_and(|before| before.number == name.number) {
                format!("there are two segments with the number {}", name.number)
            } else {
                format!("segment {expected_number} is missing before this one")
            };
            return Err(VerifyFailure { file, line: 0, what });
        }
        let is_last = index + 1 == names.len();
        walk.segment(&file, name, is_live && is_last, each)?;
    }
    if let Some(expected) = walk.expected {
        return Err(whole(format!(
            "there is no record with the hash {expected}: the end of the log was cut off, or it was made anew"
        )));
    }
    walk.report.interrupted += walk.open.len() as u64;
    walk.report.head = (!walk.is_first).then(|| walk.head.as_str().to_owned());
    Ok(walk.report)
}

struct Walk<'a> {
    head: Link,
    is_first: bool,
    /// The hash that is still to be found.
    expected: Option<&'a str>,
    /// Statements that have begun and not ended.
    open: HashSet<String>,
    report: VerifyReport,
}

impl Walk<'_> {
    fn segment(
        &mut self,
        file: &Path,
        name: &SegmentName,
        may_be_torn: bool,
        each: &mut dyn FnMut(LoggedRecord),
    ) -> Result<(), VerifyFailure> {
        let mut number = 0;
        let broken = |line: u64, what: &str| VerifyFailure { file: file.to_owned(), line, what: what.to_owned() };
        let unreadable = |error: std::io::Error| broken(0, &format!("can't be read: {error}"));
        let mut lines = BufReader::new(File::open(file).map_err(unreadable)?);
        let mut line = Vec::new();
        self.report.segments += 1;
        loop {
            line.clear();
            if lines.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
                return Ok(());
            }
            number += 1;
            let Some(text) = line.strip_suffix(b"\n") else {
                if may_be_torn {
                    return Ok(());
                }
                return Err(broken(
                    number,
                    "the last line has no end: a crash, repaired when a gateway starts, or a cut",
                ));
            };
            let sealed = check(text).map_err(|what| broken(number, what))?;
            if sealed.previous != self.head {
                let what = if sealed.hash == self.head {
                    "the record before it once more"
                } else if self.is_first {
                    "this is not the log's first record: its beginning is missing"
                } else {
                    "the record does not follow the one before it: a record is missing, added or moved"
                };
                return Err(broken(number, what));
            }
            let record: LoggedRecord = serde_json::from_slice(text).map_err(|error| {
                broken(number, &format!("segment {} holds something that is no record: {error}", name.number))
            })?;
            self.head = sealed.hash;
            self.is_first = false;
            if self.expected.is_some_and(|expected| expected == self.head.as_str()) {
                self.expected = None;
            }
            self.count(&record);
            each(record);
        }
    }

    fn count(&mut self, record: &LoggedRecord) {
        self.report.records += 1;
        if record.result.is_none() {
            self.report.statements += 1;
            self.open.insert(record.event_id.clone());
        } else if self.open.remove(&record.event_id) {
            if record.parameters.get("interrupted") == Some(&serde_json::Value::Bool(true)) {
                self.report.interrupted += 1;
            }
        } else if record.resource_type.as_deref() == Some("QUERY") {
            self.report.statements += 1;
        }
    }
}
