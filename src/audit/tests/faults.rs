//! The log over a folder in memory that fails on demand.

use super::*;
use crate::audit::chain::Link;
use crate::audit::file::Tail;
use crate::audit::segment::{Folder, Segment, SegmentName};
use std::sync::Mutex;

#[derive(Debug, Default)]
struct Disk {
    segments: BTreeMap<SegmentName, Vec<u8>>,
    synced: HashMap<SegmentName, usize>,
    appends: usize,
    syncs: usize,
    /// Bytes that still fit.
    room: Option<usize>,
    fail_sync: bool,
    fail_cut: bool,
    fail_create: bool,
    slow_sync: bool,
}

#[derive(Clone, Default)]
struct FakeFolder(Arc<Mutex<Disk>>);

struct FakeSegment(Arc<Mutex<Disk>>, SegmentName);

impl Folder for FakeFolder {
    fn create(&mut self, name: &SegmentName) -> io::Result<Box<dyn Segment>> {
        let mut disk = self.0.lock().unwrap();
        if disk.fail_create {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        assert!(disk.segments.insert(name.clone(), Vec::new()).is_none());
        Ok(Box::new(FakeSegment(Arc::clone(&self.0), name.clone())))
    }
}

impl Segment for FakeSegment {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.appends += 1;
        let fits = disk.room.unwrap_or(usize::MAX).min(bytes.len());
        disk.segments.get_mut(&self.1).unwrap().extend_from_slice(&bytes[..fits]);
        if let Some(room) = &mut disk.room {
            *room -= fits;
        }
        if fits == bytes.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.syncs += 1;
        if disk.slow_sync {
            std::thread::sleep(Duration::from_millis(2));
        }
        if disk.fail_sync {
            return Err(io::Error::other("input/output error"));
        }
        let length = disk.segments[&self.1].len();
        disk.synced.insert(self.1.clone(), length);
        Ok(())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        if disk.fail_cut {
            return Err(io::Error::other("read-only file system"));
        }
        disk.segments.get_mut(&self.1).unwrap().truncate(usize::try_from(length).unwrap());
        Ok(())
    }

    fn is_intact(&self, length: u64) -> bool {
        self.0.lock().unwrap().segments[&self.1].len() as u64 == length
    }
}

impl FakeFolder {
    fn start(&self, durability: Durability) -> FileAudit {
        let tail = Tail { head: Link::first(), next_number: 1, torn_bytes: None };
        let options = AuditOptions { durability, ..AuditOptions::new("fake") };
        FileAudit::start(options, clock(), Box::new(self.clone()), &tail).unwrap()
    }

    fn set(&self, change: impl FnOnce(&mut Disk)) {
        change(&mut self.0.lock().unwrap());
    }

    /// What would be found after a power failure.
    fn dump(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let disk = self.0.lock().unwrap();
        for (name, bytes) in &disk.segments {
            let synced = disk.synced.get(name).copied().unwrap_or(0);
            std::fs::write(folder.path().join(name.file()), &bytes[..synced.min(bytes.len())]).unwrap();
        }
        folder
    }
}

#[tokio::test]
async fn a_full_disk_refuses_statements_and_loses_no_end() {
    let disk = FakeFolder::default();
    let audit = disk.start(Durability::Always);
    let running = audit.begin(query("q1")).await.unwrap();
    disk.set(|disk| disk.room = Some(100));
    assert!(matches!(audit.begin(query("q2")).await, Err(AuditError::Unavailable { .. })));
    running.finish(success(9));
    assert!(audit.begin(query("q3")).await.is_err());
    assert!(audit.event(query("q4")).await.is_err());
    disk.set(|disk| disk.room = None);
    audit.begin(query("q5")).await.unwrap().finish(success(1));
    audit.close().await.unwrap();
    let folder = disk.dump();
    let seen: Vec<(String, bool)> =
        records(folder.path()).into_iter().map(|record| (record.event_id, record.result.is_some())).collect();
    let expected = [("q1", false), ("q1", true), ("q5", false), ("q5", true)].map(|(e, r)| (e.to_owned(), r));
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn what_was_announced_goes_on_when_its_beginning_is_on_disk() {
    let disk = FakeFolder::default();
    let audit = disk.start(Durability::Always);
    let mut announced = Vec::new();
    for event in ["q1", "q2"] {
        announced.push(audit.announce(query(event)).await.unwrap());
    }
    for announced in announced {
        announced.recorded().await.unwrap().finish(success(1));
    }
    // One that nobody waits for has been interrupted, and its end comes after its beginning.
    drop(audit.announce(query("q3")).await.unwrap());
    audit.flush().await.unwrap();

    // The disk fails behind its back: nothing goes on, and nothing is left to be ended.
    disk.set(|disk| disk.fail_sync = true);
    let lost = async { audit.announce(query("q4")).await?.recorded().await };
    assert!(matches!(lost.await, Err(AuditError::Unavailable { .. })));
    // From now on nothing begins before it is written, however long nothing is to be written.
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(matches!(audit.announce(query("q5")).await, Err(AuditError::Unavailable { .. })));
    disk.set(|disk| disk.fail_sync = false);
    audit.announce(query("q6")).await.unwrap().recorded().await.unwrap().finish(success(1));
    audit.close().await.unwrap();
    let folder = disk.dump();
    let report = verify(folder.path()).unwrap();
    assert_eq!((report.records, report.statements, report.interrupted), (8, 4, 1));
    let records = records(folder.path());
    let q3: Vec<_> = records.iter().filter(|record| record.event_id == "q3").collect();
    assert_eq!((q3[0].result, q3[1].parameters["interrupted"].as_bool()), (None, Some(true)));
    assert!(!records.iter().any(|record| matches!(record.event_id.as_str(), "q4" | "q5")));
}

#[tokio::test]
async fn a_torn_record_is_never_followed_by_a_good_one() {
    let disk = FakeFolder::default();
    let audit = disk.start(Durability::Always);
    drop(audit.begin(query("q1")).await.unwrap());
    audit.flush().await.unwrap();
    disk.set(|disk| (disk.room, disk.fail_cut) = (Some(50), true));
    assert!(audit.begin(query("q2")).await.is_err());
    // There is room again, but the torn bytes can't be cut off yet.
    disk.set(|disk| disk.room = None);
    assert!(audit.begin(query("q3")).await.is_err());
    disk.set(|disk| disk.fail_cut = false);
    drop(audit.begin(query("q4")).await.unwrap());
    audit.close().await.unwrap();
    let folder = disk.dump();
    let report = verify(folder.path()).unwrap();
    assert_eq!((report.records, report.statements), (4, 2));
}

#[tokio::test]
async fn a_failed_sync_refuses_the_statement_and_writes_the_rest_again() {
    let disk = FakeFolder::default();
    let audit = disk.start(Durability::Always);
    let running = audit.begin(query("q1")).await.unwrap();
    disk.set(|disk| disk.fail_sync = true);
    running.finish(success(4));
    for i in 0..3 {
        assert!(audit.begin(query(&format!("refused{i}"))).await.is_err());
    }
    assert!(audit.flush().await.is_err());
    disk.set(|disk| disk.fail_sync = false);
    audit.flush().await.unwrap();
    audit.begin(query("q2")).await.unwrap().finish(success(1));
    audit.close().await.unwrap();
    let folder = disk.dump();
    let seen: Vec<String> = records(folder.path()).into_iter().map(|record| record.event_id).collect();
    assert_eq!(seen, ["q1", "q1", "q2", "q2"]);
    assert_eq!(verify(folder.path()).unwrap().interrupted, 0);
}

#[tokio::test]
async fn with_an_interval_a_record_that_was_acknowledged_survives_a_failed_sync() {
    let disk = FakeFolder::default();
    let audit = disk.start(Durability::Interval(Duration::from_secs(3600)));
    let running = audit.begin(query("q1")).await.unwrap();
    disk.set(|disk| disk.fail_sync = true);
    assert!(audit.flush().await.is_err());
    disk.set(|disk| disk.fail_sync = false);
    running.finish(success(1));
    audit.close().await.unwrap();
    assert_eq!(verify(disk.dump().path()).unwrap().records, 2);
}

#[tokio::test]
async fn a_segment_that_can_not_be_made_refuses_statements() {
    let disk = FakeFolder::default();
    disk.set(|disk| disk.fail_create = true);
    let audit = disk.start(Durability::Always);
    assert!(audit.begin(query("q1")).await.is_err());
    disk.set(|disk| disk.fail_create = false);
    drop(audit.begin(query("q2")).await.unwrap());
    audit.close().await.unwrap();
    assert_eq!(verify(disk.dump().path()).unwrap().statements, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_share_writes_and_syncs_and_each_begins_before_it_ends() {
    let disk = FakeFolder::default();
    disk.set(|disk| disk.slow_sync = true);
    let audit = disk.start(Durability::Always);
    let mut tasks = Vec::new();
    for client in 0..64 {
        let audit = audit.clone();
        tasks.push(tokio::spawn(async move {
            for i in 0..20 {
                let receipt = audit.begin(query(&format!("{client}-{i}"))).await.unwrap();
                if i % 5 == 0 { drop(receipt) } else { receipt.finish(success(1)) }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    audit.close().await.unwrap();
    let (appends, syncs) = {
        let disk = disk.0.lock().unwrap();
        (disk.appends, disk.syncs)
    };
    assert!(appends < 1000 && syncs <= appends + 1, "{appends} appends, {syncs} syncs for 2560 records");
    let folder = disk.dump();
    let report = verify(folder.path()).unwrap();
    assert_eq!((report.records, report.statements, report.interrupted), (2560, 1280, 64 * 4));
    let mut begun = std::collections::HashSet::new();
    for record in records(folder.path()) {
        if record.result.is_none() {
            assert!(begun.insert(record.event_id));
        } else {
            assert!(begun.remove(&record.event_id));
        }
    }
    assert!(begun.is_empty());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    /// Whatever a client calls itself, the log stays one line a record, verifies, and reads back.
    #[test]
    fn any_name_is_one_good_line(name in ".{0,40}", application in "\\PC{0,300}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        runtime.block_on(async {
            let options = AuditOptions { durability: Durability::Interval(Duration::from_secs(60)), ..AuditOptions::new(folder.path()) };
            let audit = FileAudit::open(options, clock()).unwrap();
            let record = AuditRecord::new(&"l".into(), Action::Login)
                .user(&name.as_str().into())
                .parameter("applicationName", application.as_str());
            audit.event(record).await.unwrap();
            audit.close().await.unwrap();
        });
        let records = records(folder.path());
        proptest::prop_assert_eq!(records.len(), 1);
        let user = records[0].user_id.clone().unwrap();
        proptest::prop_assert!(!user.chars().any(char::is_control));
    }
}
