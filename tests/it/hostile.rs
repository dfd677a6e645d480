//! Attacks that take more than one statement, or that aim at the process instead of the data.

use crate::fixture::{self, Gate};
use std::path::{Path, PathBuf};

/// A copy of the demo's folder whose policies say something more.
fn folder(policy: &str) -> PathBuf {
    let extra = format!("package analytics.data_access\n\n{policy}\n");
    fixture::folder_with(|to| std::fs::write(to.join("policies/extra.rego"), extra).unwrap())
}

async fn gate(policy: &str) -> Gate {
    fixture::gate_over(&folder(policy)).await
}

/// Records of statements' beginnings and of single events, by the words of `needle`.
fn records(audit: &Path, needle: &str) -> usize {
    std::fs::read_dir(audit)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|of| of == "jsonl"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .map(|text| text.lines().filter(|line| line.contains(needle)).count())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_ends_the_process() {
    let gate = fixture::gate_with(fixture::demo_folder(), |config| config.engine.memory_bytes = 64 << 20).await;
    let client = gate.connect("bob").await;
    let big = "replace(repeat('x', 10000), 'x', repeat('y', 100))";
    let text = format!("SELECT '{}' FROM generate_series(1, 8192)", "x".repeat(1_500_000));
    let cases = [
        // Functions that multiply.
        (format!("SELECT length(replace({big}, 'y', repeat('z', 10000)))"), "54000"),
        (format!("SELECT length(replace(name, '*', {big})) FROM people"), "54000"),
        (format!("SELECT count({big} || id) FROM people"), "54000"),
        (format!("EXPLAIN SELECT repeat({big}, 10000)"), "54000"),
        ("SELECT array_to_string(string_to_array(repeat('x,', 10000), ','), repeat('y', 10000))".to_owned(), "54000"),
        // A constant that would stand in every row.
        (text, "54000"),
        (format!("SELECT {big} FROM generate_series(1, 8192)"), "54000"),
        // Rows that an operator keeps.
        ("SELECT max(s) FROM (SELECT sum(n) OVER () s FROM generate_series(1, 200000000) g(n)) t".to_owned(), "53200"),
        ("SELECT array_agg(n) FROM generate_series(1, 200000000) g(n)".to_owned(), "53200"),
        ("SELECT count(DISTINCT n::text || 'x') FROM generate_series(1, 200000000) g(n)".to_owned(), "53200"),
    ];
    for (sql, code) in cases {
        let short: String = sql.chars().take(100).collect();
        let told = client.ask(&sql).await;
        // EXPLAIN of a constant may show the call, which runs nothing.
        let fits = told.error.as_deref() == Some(code) || (sql.starts_with("EXPLAIN") && told.error.is_none());
        assert!(fits, "{short}: {:?} {:.300}", told.error, told.words);
        assert_eq!(client.ask("SELECT 1").await.rows.len(), 1, "{short}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sessions_time_zone_does_not_move_a_row_filter() {
    // True in UTC alone.
    let filter = r#"row_filters contains {
	"policy": "P-2026-012",
	"expression": "cast('2024-01-01 00:00:00' as timestamptz) = cast('2024-01-01 00:00:00+00' as timestamptz)",
} if input.dataset.name == "public.people""#;
    let gate = gate(filter).await;
    let client = gate.connect("bob").await;
    let count = "SELECT count(*) FROM people";
    let in_utc = client.ask(count).await;
    assert!(in_utc.error.is_none() && in_utc.rows[0][0].as_deref() != Some("0"), "{in_utc:?}");
    for zone in ["Pacific/Kiritimati", "America/New_York", "+05:30"] {
        assert_eq!(client.ask(&format!("SET TIME ZONE '{zone}'")).await.error, None);
        // The session's own expressions do move.
        let own = client
            .ask("SELECT cast('2024-01-01 00:00:00' as timestamptz) = cast('2024-01-01 00:00:00+00' as timestamptz)")
            .await;
        assert_eq!(own.rows[0][0].as_deref(), Some("f"), "{zone}");
        assert_eq!(client.ask(count).await.rows, in_utc.rows, "{zone}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_filter_that_fails_on_one_row_does_not_tell_which() {
    // It fails on the row 16. Were a predicate of bob's evaluated before it, he could ask for each row in turn.
    let filter = r#"row_filters contains {"policy": "P-2026-012", "expression": "1 / (id - 16) > -2"}
if input.dataset.name == "public.people""#;
    let gate = gate(filter).await;
    let client = gate.connect("bob").await;
    for predicate in ["id = 16", "id = 17", "id < 0", "id <> 16", "id > 16 OR id < 16"] {
        let told = client.ask(&format!("SELECT id FROM people WHERE {predicate}")).await;
        assert_eq!(told.error.as_deref(), Some("58000"), "{predicate}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mask_that_fails_on_one_row_does_not_tell_which() {
    // It fails on a row of bob's, in a column of its own.
    let mask = r#"column_masks["tenant_id"] := {"expression": "cast(1 / (id - 2) as text)", "policy": "P-2026-012"}
if input.dataset.name == "public.people""#;
    let gate = gate(mask).await;
    let client = gate.connect("bob").await;
    let own = client.ask("SELECT min(id) FROM people").await;
    let own: i64 = own.rows[0][0].as_deref().unwrap().parse().unwrap();
    let gate = fixture::gate_over(&folder(&mask.replace("id - 2", &format!("id - {own}")))).await;
    let client = gate.connect("bob").await;
    for predicate in [format!("id = {own}"), format!("id > {own}"), format!("id IN ({own}, 7)"), "true".to_owned()] {
        let told = client.ask(&format!("SELECT tenant_id FROM people WHERE {predicate}")).await;
        assert_eq!(told.error.as_deref(), Some("58000"), "{predicate}: {told:?}");
    }
    // Who does not ask for it is not bothered.
    assert_eq!(client.ask(&format!("SELECT id FROM people WHERE id = {own}")).await.rows.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_can_not_be_applied_shows_nothing_and_stays_secret() {
    let on_people = r#"if input.dataset.name == "public.people""#;
    for rule in [
        // Expressions that the engine can't plan, with a parameter that is nobody's business.
        r#"row_filters contains {"policy": "P-2026-012", "expression": "id = cast(:secret as int)", "params": {"secret": "hush-hush"}}"#,
        r#"row_filters contains {"policy": "P-2026-012", "expression": "region = 5 + :secret", "params": {"secret": "hush-hush"}}"#,
        r#"column_masks["ssn"] := {"expression": "left(ssn, 'x')", "policy": "P-2026-012"}"#,
        // Expressions that fail on a row: the engine's own words would hold its value.
        r#"row_filters contains {"policy": "P-2026-012", "expression": "cast(ssn as int) > 0"}"#,
        r#"column_masks["ssn"] := {"expression": "cast(cast(ssn as int) as text)", "policy": "P-2026-012"}"#,
        // An answer of the wrong type, and a policy that fails while it is asked.
        "row_filters contains 7",
        r#"denials contains {"policy": "P-2026-012", "message": sprintf("%d", [1 / (count(input.user.roles) - count(input.user.roles))])}"#,
    ] {
        let folder = folder(&format!("{rule} {on_people}"));
        let audit = tempfile::tempdir().unwrap().keep();
        // Refused when it is loaded, or closed when it is asked.
        let Ok(server) = querygate::server::Server::start(fixture::config(&folder, &audit)).await else { continue };
        drop(server);
        let gate = fixture::gate_over(&folder).await;
        let client = gate.connect("bob").await;
        for sql in
            ["SELECT ssn FROM people", "EXPLAIN SELECT ssn FROM people", "SELECT count(ssn) FROM people WHERE id = 16"]
        {
            let told = client.ask(sql).await;
            // A mask that can't be ranked against the tag's denies; all else can't be applied. A plan has no rows yet.
            let closed = matches!(told.error.as_deref(), Some("58000" | "42501"));
            assert!(closed || (sql.starts_with("EXPLAIN") && told.error.is_none()), "{rule}: {sql}: {told:?}");
            assert!(!told.words.contains("hush"), "{rule}: {sql}: {told:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_tried_is_in_the_log() {
    let gate = fixture::gate_over(fixture::demo_folder()).await;
    let client = gate.connect("bob").await;
    let tried = [
        "SELECT iban FROM payroll",
        "EXPLAIN SELECT iban FROM payroll",
        "EXPLAIN (GOVERNANCE) SELECT iban FROM payroll",
        "EXPLAIN ANALYZE SELECT 1",
        "SELECT * FROM hr.investigations",
        "SELECT nothing FROM people",
        "SELECT * FROM people WHERE id = 'x'",
        "SELEKT 1",
        "COPY payroll TO STDOUT",
        "DROP TABLE people",
        "SELECT 1 / 0",
        "SELECT pg_read_file('/etc/passwd')",
        "SET no_such_setting = 'a secret'",
        "BEGIN",
        "ROLLBACK",
        "SELECT 1; SELECT 2; SELECT iban FROM payroll; SELECT 3",
    ];
    for sql in tried {
        let before = records(&gate.audit, "\"sanitizedQuery\":\"");
        let _ = client.ask(sql).await;
        let after = records(&gate.audit, "\"sanitizedQuery\":\"");
        assert!(after > before, "{sql} left no record");
    }
    // What is only prepared and described is a try as well.
    let before = records(&gate.audit, "payroll");
    assert!(client.client.prepare("SELECT iban FROM payroll").await.is_err());
    assert!(records(&gate.audit, "payroll") > before, "a Describe left no record");
    assert_eq!(records(&gate.audit, "a secret"), 0);
    assert_eq!(records(&gate.audit, "/etc/passwd"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_what_is_denied_is_as_visible_as_who_tries() {
    let limit =
        r#"limits contains {"policy": "P-2026-012", "min_group_size": 5} if input.dataset.name == "public.people""#;
    let gate = gate(limit).await;
    let client = gate.connect("alice").await;
    let shown = client.ask("EXPLAIN (GOVERNANCE) SELECT iban FROM payroll").await;
    assert!(shown.error.is_none() && shown.words.contains("Decision: DENY"), "{shown:?}");
    assert_eq!(client.ask("EXPLAIN SELECT bonus FROM payroll").await.error.as_deref(), Some("42501"));
    let shown = client.ask("EXPLAIN (GOVERNANCE) SELECT salary FROM people").await;
    assert!(shown.error.is_none() && shown.words.contains("Decision: DENY"), "{shown:?}");
    let shown = client.ask("EXPLAIN (GOVERNANCE) SELECT count(*) FROM people").await;
    assert!(shown.error.is_none(), "{shown:?}");
    let log: Vec<serde_json::Value> = std::fs::read_dir(&gate.audit)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|of| of == "jsonl"))
        .flat_map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>()
        })
        .collect();
    let of = |words: &str| {
        let mut found =
            log.iter().filter(|record| record["sanitizedQuery"].as_str().is_some_and(|q| q.contains(words)));
        let record = found.next().unwrap_or_else(|| panic!("no record of {words}"));
        assert_eq!(record["parameters"]["explain"], true, "{record}");
        let field = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        let effect = record["policyDecision"]["effect"].as_str().unwrap_or_default().to_owned();
        let dataset = record["datasets"][0].as_str().unwrap_or_default().to_owned();
        (field("action"), field("result"), effect, dataset)
    };
    let said = |action: &str, result: &str, effect: &str, dataset: &str| {
        (action.to_owned(), result.to_owned(), effect.to_owned(), dataset.to_owned())
    };
    let denied = said("POLICY_VIOLATION", "DENIED", "DENY", "public.payroll");
    assert_eq!(of("iban"), denied);
    assert_eq!(of("bonus"), denied);
    assert_eq!(of("salary"), said("POLICY_VIOLATION", "DENIED", "DENY", "public.people"));
    assert_eq!(of("count"), said("QUERY_EXECUTE", "SUCCESS", "ALLOW", "public.people"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_denied_dataset_holds_is_not_told() {
    let gate = fixture::gate();
    let client = gate.connect("alice").await;
    let there = client.ask("SELECT iban FROM payroll").await;
    for sql in [
        "SELECT ibam FROM payroll",
        "SELECT payroll.ibam FROM payroll",
        "SELECT p.base_pai FROM public.payroll p",
        "SELECT id FROM people WHERE id IN (SELECT nothing FROM payroll)",
        "SELECT * FROM people JOIN payroll USING (ibam)",
        "SELECT id FROM people, payroll WHERE department = 'x'",
        "WITH x AS (SELECT bonu FROM payroll) SELECT * FROM x",
        "SELECT FROM_UNKNOWN(1) FROM payroll",
    ] {
        let told = client.ask(sql).await;
        assert_eq!(told.error, there.error, "{sql}\n{}", told.words);
        for column in ["iban", "base_pay", "bonus", "pay_month", "person_id"] {
            assert!(!told.words.contains(column), "{sql} tells of {column}\n{}", told.words);
        }
    }
    // A word that only looks like the dataset's name is no denial, and a mistake in what one may read is told with help.
    assert_eq!(client.ask("SELECT payroll FROM people").await.error.as_deref(), Some("42703"));
    assert!(client.ask("SELECT emial FROM people").await.words.contains("\\\"email\\\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_column_is_not_suggested() {
    let gate = gate(r#"column_masks["ssn"] := {"name": "deny", "policy": "P-2026-012"} if "ssn" in {column.name | some column in input.dataset.columns}"#).await;
    let client = gate.connect("bob").await;
    assert_eq!(client.ask("SELECT ssn FROM people").await.error.as_deref(), Some("42501"));
    let told = client.ask("SELECT ssm FROM people").await;
    assert_eq!(told.error.as_deref(), Some("42703"));
    assert!(!told.words.contains("ssn"), "{}", told.words);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_outside_of_the_workspace_is_absent_whatever_else_is_wrong() {
    let folder = fixture::folder_with(|to| {
        let file = to.join("catalog/workspaces.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let some = "name: retail\n    datasets: [public.people, public.regions]";
        std::fs::write(&file, text.replacen("name: retail", some, 1)).unwrap();
    });
    let gate = fixture::gate_over(&folder).await;
    let client = gate.connect("alice").await;
    for sql in ["SELECT * FROM payroll", "SELECT ibam FROM payroll", "SELECT nothing FROM people, payroll"] {
        let (told, absent) = (client.ask(sql).await, client.ask(&sql.replace("payroll", "payrall")).await);
        assert_eq!(told.error.as_deref(), Some("42P01"), "{sql}\n{}", told.words);
        assert_eq!(told.words.replace("payroll", "payrall"), absent.words, "{sql}");
    }
    assert_eq!(client.ask("SELECT payroll FROM people").await.error.as_deref(), Some("42703"));
}
