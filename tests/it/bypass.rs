//! Attacks, end to end: whatever a user sends, no canary comes back. A canary is any value that the user may not see,
//! read from the files themselves.

mod upstream;
mod world;

use crate::case::{cases, updating, write};
use crate::fixture::{self, Client};
use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Two tests fill in what the same files expect: one of them at a time.
static FILES: Mutex<()> = Mutex::new(());

/// A column of a dataset's Parquet files as text, with the text of another column beside it.
fn values(folder: &str, column: &str, beside: &str) -> Vec<(String, String)> {
    let path = fixture::demo_folder().join("demo-data").join(folder);
    let files: Vec<_> = if path.is_dir() {
        std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect()
    } else {
        vec![path]
    };
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|of| of == "parquet")) {
        let reader =
            ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(file).unwrap()).unwrap().build().unwrap();
        for batch in reader {
            let batch = batch.unwrap();
            let text = |name: &str| cast(batch.column_by_name(name).unwrap(), &DataType::Utf8).unwrap();
            let (texts, besides) = (text(column), text(beside));
            let (texts, besides) = (texts.as_string::<i32>(), besides.as_string::<i32>());
            for row in 0..batch.num_rows() {
                if !texts.is_null(row) {
                    found.push((texts.value(row).to_owned(), besides.value(row).to_owned()));
                }
            }
        }
    }
    assert!(!found.is_empty(), "{folder}.{column} has no values");
    found
}

/// What a user may never be told: long enough that it is not there by chance.
fn canaries(user: &str) -> BTreeSet<String> {
    let (region, tenant) = match user {
        "alice" => ("EU", "acme"),
        "bob" => ("US", "globex"),
        other => panic!("no canaries for {other}"),
    };
    let mut canaries = BTreeSet::new();
    // Masked for both of them, in every row.
    for column in ["email", "ssn", "phone", "notes"] {
        canaries.extend(values("people", column, "region").into_iter().map(|(value, _)| value));
    }
    // Rows of other regions, by what stands in no visible row.
    for column in ["name", "created_at"] {
        let all = values("people", column, "region");
        let visible: BTreeSet<&String> = all.iter().filter(|(_, of)| of == region).map(|(value, _)| value).collect();
        canaries.extend(
            all.iter().filter(|(value, of)| of != region && !visible.contains(value)).map(|(value, _)| value.clone()),
        );
    }
    // Names are masked too.
    canaries.extend(values("people", "name", "region").into_iter().map(|(value, _)| value));
    // Raw and hidden data.
    canaries.extend(values("payroll.parquet", "iban", "department").into_iter().map(|(value, _)| value));
    canaries.extend(values("hr/investigations.parquet", "subject", "status").into_iter().map(|(value, _)| value));
    canaries.extend(values("hr/investigations.parquet", "findings", "status").into_iter().map(|(value, _)| value));
    // Tickets of other tenants, and every body.
    let subjects = values("tickets", "subject", "tenant_id");
    let visible: BTreeSet<&String> = subjects.iter().filter(|(_, of)| of == tenant).map(|(value, _)| value).collect();
    canaries.extend(subjects.iter().filter(|(value, _)| !visible.contains(value)).map(|(value, _)| value.clone()));
    canaries.extend(values("tickets", "body", "tenant_id").into_iter().map(|(value, _)| value));
    canaries.retain(|canary| canary.chars().count() >= 8);
    assert!(canaries.len() > 1000, "{} canaries", canaries.len());
    canaries
}

/// Canaries by their first eight bytes, so that a text is read once.
type ByBeginning = BTreeMap<[u8; 8], Vec<String>>;

/// What no client may see, by user.
struct Watch {
    canaries: Vec<(&'static str, ByBeginning)>,
}

impl Watch {
    fn new() -> Self {
        let of = |user| {
            let mut by_start = ByBeginning::new();
            for canary in canaries(user) {
                by_start.entry(*canary.as_bytes().first_chunk().unwrap()).or_default().push(canary);
            }
            by_start
        };
        Self { canaries: vec![("alice", of("alice")), ("bob", of("bob"))] }
    }

    fn found(&self, user: &str, words: &str) -> Vec<&str> {
        let (_, canaries) = self.canaries.iter().find(|(of, _)| *of == user).unwrap();
        let here = |at: usize, window: &[u8]| {
            let near = canaries.get(window).into_iter().flatten();
            near.filter(move |canary| words.as_bytes()[at..].starts_with(canary.as_bytes())).map(String::as_str)
        };
        let all = words.as_bytes().windows(8).enumerate().flat_map(|(at, window)| here(at, window));
        all.take(3).collect()
    }
}

async fn attack(client: &Client, sql: &str) -> (Option<String>, usize, String) {
    let simple = client.ask(sql).await;
    // What the extended protocol is told may differ in its words; it must not leak either.
    let extended = if sql.contains(';') { Default::default() } else { client.ask_extended(sql).await };
    let _ = client.ask("ROLLBACK").await;
    (simple.error, simple.rows.len(), simple.words + &extended.words)
}

#[test]
fn the_watch_sees_a_leak() {
    let watch = Watch::new();
    let (value, _) = values("people", "email", "region").into_iter().find(|(value, _)| value.len() >= 8).unwrap();
    assert_eq!(watch.found("alice", &format!("the row said {value}!")), vec![value.as_str()]);
    assert!(watch.found("bob", "nothing at all").is_empty());
}

#[test]
fn no_attack_gets_a_canary() {
    let gate = fixture::gate();
    let watch = Watch::new();
    let _held = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let mut all = cases("bypass");
    assert!(all.len() >= 100, "there are {} bypass cases", all.len());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut wrong = Vec::new();
    // What expects nothing of files is for upstreams alone.
    for case in all.iter_mut().filter(|case| case.get("expect").is_some()) {
        let user = case.get("user").unwrap_or("alice").to_owned();
        let sql = case.section("sql").unwrap_or_else(|| panic!("{} has no sql", case.name())).to_owned();
        let (error, rows, words) = runtime.block_on(async {
            let client = gate.connect(&user).await;
            attack(&client, &sql).await
        });
        let leaked = watch.found(&user, &words);
        if !leaked.is_empty() {
            wrong.push(format!("{} leaks {leaked:?}\n  {sql}", case.name()));
        }
        let seen = error.clone().unwrap_or_else(|| format!("{rows} rows"));
        // A new case says `?` and is filled in on request; a person then reads what it says.
        if updating() && case.get("expect") == Some("?") {
            case.head.insert("expect".into(), seen.clone());
        }
        // `expect` is a code, a count of rows, `rows`, or several of these with `|` between.
        let expected = case.get("expect").unwrap_or_else(|| panic!("{} expects nothing", case.name()));
        let fits = expected.split('|').map(str::trim).any(|one| one == seen || (one == "rows" && error.is_none()));
        if !fits {
            wrong.push(format!(
                "{} expected {expected}, saw {seen}\n  {sql}\n  {}",
                case.name(),
                words.chars().take(300).collect::<String>()
            ));
        }
        if matches!(error.as_deref(), Some("XX000" | "client")) {
            wrong.push(format!("{} ends in {error:?}\n  {sql}", case.name()));
        }
    }
    if updating() {
        write(&all);
    }
    let log = audit_text(&gate.audit);
    for user in ["alice", "bob"] {
        // The log is for auditors, and has no values at all.
        let leaked = watch.found(user, &log);
        if !leaked.is_empty() {
            wrong.push(format!("the audit log holds {leaked:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

/// A floor for groups, and pay in the clear, so that a value of one person is told from all others.
const FLOOR: &str = r#"package analytics.data_access

limits contains {"policy": "P-2026-012", "min_group_size": 5} if input.dataset.name == "public.people"

unmask contains "SALARY" if input.dataset.name == "public.people"
"#;

#[test]
fn no_statement_gets_one_entity_out_of_a_group() {
    let mut pay = values("people", "salary", "region").into_iter().map(|(value, _)| value).collect::<Vec<_>>();
    pay.sort();
    let alone = |at: usize| pay.get(at.wrapping_sub(1)) != pay.get(at) && pay.get(at + 1) != pay.get(at);
    let canaries: Vec<f64> = (0..pay.len()).filter(|at| alone(*at)).map(|at| pay[at].parse().unwrap()).collect();
    assert!(canaries.len() > 1000, "{} canaries", canaries.len());
    let folder = fixture::folder_with(|to| std::fs::write(to.join("policies/floor.rego"), FLOOR).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let gate = runtime.block_on(fixture::gate_over(&folder));
    let mut all = cases("groups");
    let mut wrong = Vec::new();
    for case in &mut all {
        let sql = case.section("sql").unwrap_or_else(|| panic!("{} has no sql", case.name())).to_owned();
        let told = runtime.block_on(async { gate.connect(case.get("user").unwrap_or("alice")).await.ask(&sql).await });
        let numbers = told.rows.iter().flatten().flatten().filter_map(|cell| cell.parse::<f64>().ok());
        let leaked: Vec<f64> = numbers.filter(|n| canaries.iter().any(|pay| (pay - n).abs() < 0.001)).collect();
        let seen = told.error.clone().unwrap_or_else(|| format!("{} rows", told.rows.len()));
        if updating() && case.get("expect") == Some("?") {
            case.head.insert("expect".into(), seen.clone());
        }
        if !leaked.is_empty() || case.get("expect") != Some(&seen) {
            let expected = case.get("expect").unwrap_or("nothing");
            wrong.push(format!(
                "{} expected {expected}, saw {seen} {leaked:?}\n  {sql}\n  {}",
                case.name(),
                told.words
            ));
        }
    }
    if updating() {
        write(&all);
    }
    assert!(all.len() >= 40, "there are {} cases", all.len());
    assert!(wrong.is_empty(), "{} of {} cases\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

fn audit_text(folder: &Path) -> String {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|of| of == "jsonl"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect()
}
