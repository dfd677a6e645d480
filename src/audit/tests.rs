//! The log as a whole: what it promises when all goes well, when the disk fails, when it is killed, when it is changed.

use super::segment::segments;
use super::*;
use crate::error::SqlState;
use crate::quota::{Clock, ManualClock};
use crate::types::StatementId;
use chrono::{Duration as Hours, TimeZone, Utc};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

mod faults;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Utc.with_ymd_and_hms(2026, 2, 28, 23, 0, 0).unwrap()))
}

fn open(folder: &Path) -> FileAudit {
    FileAudit::open(AuditOptions::new(folder), clock()).unwrap()
}

fn query(event: &str) -> AuditRecord {
    AuditRecord::new(&StatementId::from(event), Action::QueryExecute)
        .user(&"ana".into())
        .resource(ResourceType::Query, event)
        .workspace(&"adhoc".into())
}

fn success(rows: u64) -> AuditEnd {
    AuditEnd {
        result: AuditResult::Success,
        rows,
        bytes: rows * 10,
        duration: Duration::from_millis(7),
        sqlstate: None,
    }
}

fn records(folder: &Path) -> Vec<LoggedRecord> {
    let mut records = Vec::new();
    read(folder, |record| records.push(record)).unwrap();
    records
}

/// A log of one login, two statements and a refusal.
async fn small_log() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let audit = open(folder.path());
    audit.event(AuditRecord::new(&"l1".into(), Action::Login).user(&"ana".into())).await.unwrap();
    audit.begin(query("q1")).await.unwrap().finish(success(3));
    let failed = AuditEnd { result: AuditResult::Failure, sqlstate: Some(SqlState::QUERY_CANCELED), ..success(1) };
    audit.begin(query("q2")).await.unwrap().finish(failed);
    audit.event(query("q3").result(AuditResult::Denied)).await.unwrap();
    audit.close().await.unwrap();
    folder
}

fn only_segment(folder: &Path) -> PathBuf {
    let names = segments(folder).unwrap();
    assert_eq!(names.len(), 1);
    folder.join(names[0].file())
}

fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap().lines().map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn a_statement_has_two_linked_records_and_the_log_verifies() {
    let folder = small_log().await;
    let report = verify(folder.path()).unwrap();
    assert_eq!((report.records, report.statements, report.segments, report.interrupted), (6, 3, 1, 0));
    let records = records(folder.path());
    let of = |event: &str| records.iter().filter(|record| record.event_id == event).collect::<Vec<_>>();
    let [begun, ended] = of("q1")[..] else { panic!("{records:?}") };
    assert_eq!((begun.result, begun.rows), (None, None));
    assert_eq!(
        (ended.result, ended.rows, ended.bytes, ended.duration_ms),
        (Some(AuditResult::Success), Some(3), Some(30), Some(7))
    );
    assert_eq!(ended.user_id.as_deref(), Some("ana"));
    assert_eq!(of("q2")[1].parameters["sqlstate"], "57014");
    assert_eq!(of("q3")[0].result, Some(AuditResult::Denied));
    assert_eq!(begun.timestamp, "2026-02-28T23:00:00.000000Z");
    assert_eq!(report.head.as_deref(), Some(records[5].hash.as_str()));
}

#[tokio::test]
async fn a_begun_record_is_on_disk_before_begin_returns() {
    let folder = tempfile::tempdir().unwrap();
    let audit = open(folder.path());
    let receipt = audit.begin(query("q1")).await.unwrap();
    let report = verify(folder.path()).unwrap();
    assert_eq!((report.records, report.interrupted), (1, 1));
    assert_eq!(receipt.event_id().as_str(), "q1");
    receipt.finish(success(1));
    audit.flush().await.unwrap();
    assert_eq!(verify(folder.path()).unwrap().interrupted, 0);
}

/// Waits until all statements of a log are over in its file, asking nothing of the log.
async fn ended(folder: &Path) -> bool {
    for _ in 0..200 {
        if verify(folder).unwrap().interrupted == 0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn an_ended_record_is_written_although_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let audit = open(folder.path());
    // At once, and after the writer has gone to sleep.
    for pause in [0, 1, 15, 25, 150, 300] {
        let receipt = audit.begin(query(&format!("q{pause}"))).await.unwrap();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        receipt.finish(success(1));
        assert!(ended(folder.path()).await, "{pause}");
    }
    let receipts = futures::future::join_all((0..50).map(|n| audit.begin(query(&format!("many{n}"))))).await;
    for receipt in receipts {
        receipt.unwrap().finish(success(1));
    }
    assert!(ended(folder.path()).await);
    assert_eq!(verify(folder.path()).unwrap().records, 112);
}

#[tokio::test]
async fn what_says_nothing_of_whose_it_is_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let audit = open(folder.path());
    let nobody = AuditRecord::new(&"q1".into(), Action::QueryExecute).who(&Who::default());
    assert!(matches!(audit.begin(nobody.clone()).await, Err(AuditError::Unavailable { .. })));
    assert!(matches!(audit.event(nobody).await, Err(AuditError::Unavailable { .. })));
    assert_eq!(verify(folder.path()).unwrap().records, 0);
}

#[tokio::test]
async fn both_records_of_a_statement_say_whose_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let audit = open(folder.path());
    let about = About {
        user: &"ana".into(),
        roles: &["ANALYST".into(), "AUDITOR".into()],
        client: "10.0.0.7".parse().unwrap(),
        workspace: &"adhoc".into(),
        tenant: Some(&"acme".into()),
        purpose: Some("billing"),
        session: "s1",
    };
    let begun = AuditRecord::new(&"q1".into(), Action::QueryExecute).who(&Who::new(&about));
    audit.begin(begun).await.unwrap().finish(success(1));
    audit.close().await.unwrap();
    for record in records(folder.path()) {
        let said = [&record.user_id, &record.user_role, &record.client_ip, &record.workspace_id, &record.tenant_id];
        assert_eq!(said.map(|said| said.as_deref().unwrap()), ["ana", "ANALYST,AUDITOR", "10.0.0.7", "adhoc", "acme"]);
        let said = [&record.purpose, &record.trace_id, &record.resource_id, &record.resource_type];
        assert_eq!(said.map(|said| said.as_deref().unwrap()), ["billing", "s1", "s1", "QUERY"]);
    }
}

#[tokio::test]
async fn a_dropped_receipt_reads_as_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let audit = open(folder.path());
    drop(audit.begin(query("q1")).await.unwrap());
    audit.close().await.unwrap();
    let records = records(folder.path());
    assert_eq!(records[1].result, Some(AuditResult::Failure));
    assert_eq!(records[1].parameters["interrupted"], true);
    assert_eq!(verify(folder.path()).unwrap().interrupted, 1);
    assert!(matches!(audit.begin(query("q2")).await, Err(AuditError::Unavailable { .. })));
}

#[tokio::test]
async fn every_changed_byte_is_found() {
    let folder = small_log().await;
    let file = only_segment(folder.path());
    let good = std::fs::read(&file).unwrap();
    for at in 0..good.len() {
        for flip in [0x01, 0x20, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= flip;
            std::fs::write(&file, &bad).unwrap();
            let failure = verify(folder.path()).expect_err(&format!("byte {at} ^ {flip:#x}"));
            let line = 1 + good[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
            assert!(failure.line == line, "byte {at} of line {line}: {failure}");
        }
    }
    std::fs::write(&file, &good).unwrap();
    verify(folder.path()).unwrap();
}

#[tokio::test]
async fn removed_swapped_and_doubled_lines_are_found_where_they_are() {
    let folder = small_log().await;
    let file = only_segment(folder.path());
    let good = lines(&file);
    let fails_at = |lines: &[String]| {
        std::fs::write(&file, lines.concat()).unwrap();
        let failure = verify(folder.path()).unwrap_err();
        (failure.line, failure.what)
    };
    let mut removed = good.clone();
    removed.remove(2);
    assert_eq!(fails_at(&removed).0, 3);
    let mut swapped = good.clone();
    swapped.swap(3, 4);
    assert_eq!(fails_at(&swapped).0, 4);
    let mut doubled = good.clone();
    doubled.insert(2, doubled[1].clone());
    assert_eq!(fails_at(&doubled), (3, "the record before it once more".to_owned()));
    let (line, what) = fails_at(&good[1..]);
    assert!(line == 1 && what.contains("beginning is missing"), "{what}");
    let (line, what) = fails_at(&[good.concat(), "{\"torn".to_owned()]);
    assert!(line == 7 && what.contains("no end"), "{what}");
}

#[tokio::test]
async fn a_cut_end_is_found_by_a_head_that_was_kept_elsewhere() {
    let folder = small_log().await;
    let head = verify(folder.path()).unwrap().head;
    let options = VerifyOptions { expect_head: head };
    verify_with(folder.path(), &options).unwrap();
    let file = only_segment(folder.path());
    std::fs::write(&file, lines(&file)[..4].concat()).unwrap();
    assert_eq!(verify(folder.path()).unwrap().records, 4);
    let failure = verify_with(folder.path(), &options).unwrap_err();
    assert!(failure.what.contains("cut off"), "{failure}");
}

#[tokio::test]
async fn segments_end_with_their_size_and_with_the_hour_and_none_may_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let options = AuditOptions { segment_bytes: 600, ..AuditOptions::new(folder.path()) };
    let audit = FileAudit::open(options, Arc::<ManualClock>::clone(&clock) as Arc<dyn Clock>).unwrap();
    for i in 0..4 {
        audit.event(query(&format!("small{i}")).result(AuditResult::Denied)).await.unwrap();
    }
    let by_size = segments(folder.path()).unwrap().len();
    assert!(by_size >= 2, "{by_size}");
    clock.advance(Hours::hours(1));
    audit.event(query("later").result(AuditResult::Denied)).await.unwrap();
    let names = segments(folder.path()).unwrap();
    assert_eq!(names.len(), by_size + 1);
    assert!(names.last().unwrap().file().starts_with("audit-20260301T000000Z-"));
    audit.close().await.unwrap();
    assert_eq!(verify(folder.path()).unwrap().records, 5);

    let middle = folder.path().join(names[1].file());
    let content = std::fs::read(&middle).unwrap();
    std::fs::remove_file(&middle).unwrap();
    let failure = verify(folder.path()).unwrap_err();
    assert!(failure.what.contains("segment 2 is missing"), "{failure}");
    // Also if the numbers are made to fit, or the file is emptied.
    std::fs::write(&middle, b"").unwrap();
    assert!(verify(folder.path()).unwrap_err().what.contains("does not follow"));
    std::fs::write(&middle, content).unwrap();
    verify(folder.path()).unwrap();
    std::fs::remove_file(folder.path().join(names[0].file())).unwrap();
    assert!(verify(folder.path()).unwrap_err().what.contains("segment 1 is missing"));
}

#[tokio::test]
async fn a_log_killed_in_the_middle_of_a_record_goes_on_without_it() {
    let folder = small_log().await;
    let file = only_segment(folder.path());
    let good = std::fs::read(&file).unwrap();
    let last = good[..good.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for cut in (last..good.len()).step_by(37) {
        for extra in segments(folder.path()).unwrap().into_iter().skip(1) {
            std::fs::remove_file(folder.path().join(extra.file())).unwrap();
        }
        std::fs::write(&file, &good[..cut]).unwrap();
        assert_eq!(verify(folder.path()).is_ok(), cut == last);
        let audit = open(folder.path());
        audit.begin(query("after")).await.unwrap().finish(success(1));
        audit.close().await.unwrap();
        let records = records(folder.path());
        let recovered: Vec<_> = records.iter().filter(|record| record.action == Action::ConfigReload).collect();
        assert_eq!(recovered.len(), usize::from(cut > last));
        if let [recovered] = recovered[..] {
            assert_eq!(recovered.parameters["tornBytes"], (cut - last) as u64);
            let mut note = file.clone().into_os_string();
            note.push(".torn");
            assert_eq!(std::fs::read(note).unwrap(), &good[last..cut]);
        }
        assert_eq!(records.last().unwrap().event_id, "after");
    }
}

#[tokio::test]
async fn a_changed_log_is_not_added_to() {
    let folder = small_log().await;
    let file = only_segment(folder.path());
    let changed = std::fs::read_to_string(&file).unwrap().replacen("\"ana\"", "\"bob\"", 1);
    std::fs::write(&file, changed).unwrap();
    let error = FileAudit::open(AuditOptions::new(folder.path()), clock()).unwrap_err();
    assert!(matches!(error, AuditError::Broken { line: 1, .. }), "{error}");
    assert_eq!(error.report().sqlstate, SqlState::SYSTEM_ERROR);
}

#[tokio::test]
async fn two_gateways_do_not_write_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    assert!(matches!(FileAudit::open(AuditOptions::new(folder.path()), clock()), Err(AuditError::InUse { .. })));
    first.close().await.unwrap();
    let second = open(folder.path());
    second.event(query("q").result(AuditResult::Denied)).await.unwrap();
}

#[tokio::test]
async fn a_removed_folder_stops_statements_until_it_is_back() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("audit");
    let audit = open(&folder);
    audit.begin(query("q1")).await.unwrap().finish(success(1));
    std::fs::remove_dir_all(&folder).unwrap();
    for _ in 0..3 {
        let error = audit.begin(query("q2")).await.unwrap_err();
        assert_eq!(error.report().message, "audit log is not available");
    }
    std::fs::create_dir(&folder).unwrap();
    audit.begin(query("q3")).await.unwrap().finish(success(1));
    audit.close().await.unwrap();
    assert!(verify(&folder).unwrap_err().what.contains("missing"));
}

#[tokio::test]
async fn one_statement_more_than_fit_waits_for_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let options = AuditOptions { open_statements: 1, ..AuditOptions::new(folder.path()) };
    let audit = FileAudit::open(options, clock()).unwrap();
    let first = audit.begin(query("q1")).await.unwrap();
    // The second half of the first one's places is free again, but one place is not enough to begin.
    let second = tokio::spawn({
        let audit = audit.clone();
        async move { audit.begin(query("q2")).await.unwrap().finish(success(2)) }
    });
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(!second.is_finished());
    assert_eq!(records(folder.path()).len(), 1);
    first.finish(success(1));
    second.await.unwrap();
    audit.close().await.unwrap();
    assert_eq!(verify(folder.path()).unwrap().statements, 2);
}

#[tokio::test]
async fn a_statement_given_up_while_it_waits_for_the_log_is_interrupted_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let audit = open(folder.path());
    for i in 0..20 {
        let beginning = audit.begin(query(&format!("q{i}")));
        tokio::select! {
            biased;
            receipt = beginning => receipt.unwrap().finish(success(1)),
            () = tokio::task::yield_now() => {}
        }
    }
    audit.close().await.unwrap();
    let mut ended: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for record in records(folder.path()) {
        let counts = ended.entry(record.event_id).or_default();
        if record.result.is_none() {
            assert_eq!(counts.1, 0, "begun comes first");
            counts.0 += 1;
        } else {
            counts.1 += 1;
        }
    }
    assert_eq!(ended.len(), 20);
    assert!(ended.values().all(|counts| *counts == (1, 1)), "{ended:?}");
}

/// Set for the process that the test below starts and kills.
const CHILD: &str = "QUERYGATE_TEST_AUDIT_FOLDER";

/// Not a test of its own: what the killed process does. It begins and ends statements, several at a time, and prints
/// the number of each that `begin` has acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_will_be_killed() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let audit = FileAudit::open(AuditOptions::new(PathBuf::from(folder)), clock()).unwrap();
    let mut clients = Vec::new();
    for client in 0..8 {
        let audit = audit.clone();
        clients.push(tokio::spawn(async move {
            for i in 0..100_000 {
                let event = format!("{client}-{i}");
                let receipt = audit.begin(query(&event)).await.unwrap();
                println!("acknowledged {event}.");
                receipt.finish(success(1));
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
}

#[test]
fn killed_at_any_moment_every_acknowledged_statement_is_in_the_log() {
    use std::io::BufRead;
    let folder = tempfile::tempdir().unwrap();
    let path = module_path!().split_once("::").unwrap().1;
    let mut acknowledged = 0;
    for round in 1..=4 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("{path}::a_process_that_will_be_killed"), "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = io::BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut events: Vec<String> =
            lines.by_ref().filter(|line| line.contains("acknowledged")).take(40 * round).collect();
        child.kill().unwrap();
        events.extend(lines);
        child.wait().unwrap();

        let audit = open(folder.path());
        std::thread::scope(|scope| {
            let closing = tokio::runtime::Builder::new_current_thread().build().unwrap();
            scope.spawn(move || closing.block_on(audit.close()).unwrap());
        });
        let mut begun: HashMap<String, usize> = HashMap::new();
        for record in records(folder.path()).into_iter().filter(|record| record.result.is_none()) {
            *begun.entry(record.event_id).or_default() += 1;
        }
        for line in &events {
            // The harness's own words can stand before the first; the last line may be torn.
            let Some(event) = line.split_once("acknowledged ").and_then(|(_, event)| event.strip_suffix('.')) else {
                continue;
            };
            acknowledged += 1;
            assert!(begun.contains_key(event), "{event} was acknowledged and is not in the log");
        }
    }
    assert!(acknowledged >= 400, "{acknowledged}");
}
