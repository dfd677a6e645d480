//! The audit log in the hands of somebody who may write to it.

use crate::audit::{
    Action, AuditEnd, AuditOptions, AuditRecord, AuditResult, AuditSink, FileAudit, ResourceType, verify as verify_log,
};
use crate::quota::SystemClock;
use crate::types::StatementId;
use arbitrary::Unstructured;
use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// A log of a few statements: the name of its segment, and its lines.
static LOG: LazyLock<(String, Vec<Vec<u8>>)> = LazyLock::new(|| {
    let folder = scratch("made");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let audit = FileAudit::open(AuditOptions::new(&folder), Arc::new(SystemClock)).unwrap();
        for number in 0..4_u64 {
            let event = format!("q{number}");
            let record = AuditRecord::new(&StatementId::from(event.as_str()), Action::QueryExecute)
                .user(&"ana".into())
                .resource(ResourceType::Query, &event);
            let end = AuditEnd {
                result: AuditResult::Success,
                rows: number,
                bytes: 10 * number,
                duration: Duration::from_millis(7),
                sqlstate: None,
            };
            audit.begin(record).await.unwrap().finish(end);
        }
        audit.close().await.unwrap();
    });
    let segment = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|of| of == "jsonl"))
        .expect("the log has a segment");
    let lines = std::fs::read(&segment).unwrap().split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let name = segment.file_name().unwrap().to_str().unwrap().to_owned();
    let _ = std::fs::remove_dir_all(&folder);
    (name, lines)
});

fn scratch(name: &str) -> PathBuf {
    let thread = format!("{:?}", std::thread::current().id());
    let thread: String = thread.chars().filter(char::is_ascii_digit).collect();
    let folder = std::env::temp_dir().join(format!("querygate-fuzz-{}-{thread}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

thread_local! {
    static FOLDER: RefCell<Scratch> = RefCell::new(Scratch(scratch("changed")));
}

/// Whether a folder with this one segment holds together.
fn holds(segment: &[u8]) -> bool {
    FOLDER.with_borrow(|folder| {
        std::fs::write(folder.0.join(&LOG.0), segment).unwrap();
        verify_log(&folder.0).is_ok()
    })
}

/// One change of the log.
fn changed(lines: &mut Vec<Vec<u8>>, bytes: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let line = bytes.choose_index(lines.len().max(1))?;
    match bytes.int_in_range(0..=6_u8)? {
        0 if line < lines.len() => drop(lines.remove(line)),
        1 if line < lines.len() => lines.insert(line, lines[line].clone()),
        2 if line < lines.len() => {
            let other = bytes.choose_index(lines.len())?;
            lines.swap(line, other);
        }
        3 => {
            let junk = bytes.bytes(bytes.len().min(20))?.to_vec();
            lines.insert(line.min(lines.len()), junk);
        }
        4 if line < lines.len() => {
            let keep = bytes.int_in_range(0..=lines[line].len())?;
            lines[line].truncate(keep);
        }
        _ => {
            if let Some(line) = lines.get_mut(line).filter(|line| !line.is_empty()) {
                let at = bytes.choose_index(line.len())?;
                line[at] = bytes.arbitrary()?;
            }
        }
    }
    Ok(())
}

/// Changes of a log that held: none is taken for it, but an end that is cut off between two records, as documented. And
/// any bytes as a log.
pub(super) fn verify(input: &[u8]) {
    let whole = LOG.1.concat();
    assert!(holds(&whole), "the log does not hold as it was written");
    let (mut lines, mut bytes) = (LOG.1.clone(), Unstructured::new(input));
    for _ in 0..4 {
        if bytes.is_empty() || changed(&mut lines, &mut bytes).is_err() {
            break;
        }
    }
    let log = lines.concat();
    let cut_at_the_end = (0..=LOG.1.len()).any(|kept| log == LOG.1[..kept].concat());
    assert_eq!(holds(&log), cut_at_the_end, "{:?}", String::from_utf8_lossy(&log));
    let _ = holds(input);
}
