//! Bounds, reloads and faults, as a client meets them.

use crate::fixture::{self, Gate};
use crate::forwarded::World;
use futures::StreamExt;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_postgres::NoTls;

fn edit(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{} has no {from}", file.display());
    std::fs::write(file, text.replace(from, to)).unwrap();
}

async fn gate(change: impl FnOnce(&Path)) -> Gate {
    fixture::gate_over(&fixture::folder_with(change)).await
}

const MANY: &str = "statements_a_day: 10_000_000, concurrent_statements: 100";
const ENDLESS: &str =
    "SELECT sum(a.l_quantity * b.l_quantity * c.l_tax) FROM tpch.lineitem a, tpch.lineitem b, tpch.lineitem c";

#[tokio::test(flavor = "multi_thread")]
async fn rows_up_to_the_cap_leave_and_then_an_error() {
    let gate = gate(|to| edit(&to.join("catalog/workspaces.yaml"), MANY, "max_rows: 10")).await;
    let client = gate.connect("bob").await;
    let portal = client.client.query("SELECT id FROM people", &[]).await;
    assert_eq!(portal.unwrap_err().as_db_error().unwrap().code().code(), "54000");
    assert_eq!(client.ask("SELECT id FROM people LIMIT 10").await.rows.len(), 10);
    // Counted over all statements of one query string.
    let both = client.ask("SELECT id FROM people LIMIT 6; SELECT id FROM people LIMIT 6").await;
    assert_eq!(both.error.as_deref(), Some("54000"));
    // And over all pages of a cursor.
    let paged = client.ask("BEGIN; DECLARE c CURSOR FOR SELECT id FROM people").await;
    assert_eq!(paged.error, None);
    assert_eq!(client.ask("FETCH 8 FROM c").await.rows.len(), 8);
    assert_eq!(client.ask("FETCH 8 FROM c").await.error.as_deref(), Some("54000"));
    assert_eq!(client.ask("ROLLBACK").await.error, None);
    let copy = client.client.copy_out("COPY (SELECT id FROM people ORDER BY id) TO STDOUT").await.unwrap();
    let (mut lines, mut code) = (0, None);
    let mut copy = std::pin::pin!(copy);
    while let Some(line) = copy.next().await {
        match line {
            Ok(bytes) => lines += bytes.iter().filter(|byte| **byte == b'\n').count(),
            Err(error) => {
                code = error.as_db_error().map(|error| error.code().code().to_owned());
                break;
            }
        }
    }
    assert_eq!((lines, code.as_deref()), (10, Some("54000")));
    assert_eq!(client.ask("SELECT 1").await.rows.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_ends_at_its_time_and_others_go_on() {
    let gate = fixture::gate();
    let client = gate.connect("alice").await;
    client.ask("SET statement_timeout = '300ms'").await;
    let start = Instant::now();
    assert_eq!(client.ask(ENDLESS).await.error.as_deref(), Some("57014"));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    let other = gate.connect("bob").await;
    assert_eq!(other.ask("SELECT 1").await.rows.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_request_stops_the_running_statement_and_no_other() {
    let gate = fixture::gate();
    let client = gate.connect("alice").await;
    let cancel = client.client.cancel_token();
    let (answer, cancelled) = tokio::join!(client.ask(ENDLESS), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancel.cancel_query(NoTls).await
    });
    cancelled.unwrap();
    assert_eq!(answer.error.as_deref(), Some("57014"));
    assert_eq!(client.ask("SELECT 1").await.rows.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_statements_run_as_the_workspace_has() {
    let gate = gate(|to| edit(&to.join("catalog/workspaces.yaml"), MANY, "concurrent_statements: 1")).await;
    let (one, two) = (gate.connect("alice").await, gate.connect("bob").await);
    let cancel = one.client.cancel_token();
    let (first, second) = tokio::join!(one.ask(ENDLESS), async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let refused = two.ask("SELECT count(*) FROM people").await;
        cancel.cancel_query(NoTls).await.unwrap();
        refused
    });
    assert_eq!(first.error.as_deref(), Some("57014"));
    assert_eq!(second.error.as_deref(), Some("53400"), "{second:?}");
    // The place is given back.
    let again = two.ask("SELECT count(*) FROM people").await;
    assert_eq!(again.error, None, "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_acts_on_the_next_statement_also_on_a_prepared_one() {
    let gate = gate(|_| {}).await;
    let client = gate.connect("alice").await;
    let statement = client.client.prepare("SELECT count(*) FROM people").await.unwrap();
    assert!(client.client.query_one(&statement, &[]).await.unwrap().get::<_, i64>(0) > 0);
    let deny = "package analytics.data_access\ndenials contains {\"policy\": \"P-9\", \"message\": \"closed\"}\n";
    std::fs::write(gate.folder.join("policies/closed.rego"), deny).unwrap();
    gate.reload().await.unwrap();
    let denied = client.client.query_one(&statement, &[]).await.unwrap_err();
    assert_eq!(denied.as_db_error().unwrap().code().code(), "42501");
    // A bad catalog leaves the old one serving.
    std::fs::remove_file(gate.folder.join("policies/closed.rego")).unwrap();
    std::fs::write(gate.folder.join("catalog/more.yaml"), "datasets: [{name: x}]\n").unwrap();
    assert!(gate.reload().await.is_err());
    assert_eq!(client.ask("SELECT count(*) FROM people").await.error.as_deref(), Some("42501"));
    // A user who is taken out can't go on.
    std::fs::remove_file(gate.folder.join("catalog/more.yaml")).unwrap();
    edit(&gate.folder.join("catalog/workspaces.yaml"), "[alice, bob, dana, erin]", "[bob, dana, erin]");
    gate.reload().await.unwrap();
    assert_eq!(client.ask("SELECT 1").await.error.as_deref(), Some("42501"));
    assert!(gate.connect_to("alice", "retail").await.is_err());
}

/// An upstream works on a statement while its record is being written: what it answers is kept back.
#[tokio::test(flavor = "multi_thread")]
async fn without_an_audit_log_nothing_comes_out_of_an_upstream() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let rows = "SELECT amount FROM orders WHERE id = 7";
    assert_eq!(alice.ask(rows).await.rows.len(), 1);
    let aside = world.gate.audit.with_extension("aside");
    std::fs::rename(&world.gate.audit, &aside).unwrap();
    for _ in 0..3 {
        for sql in [rows, "SELECT 1 / (amount - 7) FROM orders WHERE id = 7", "BEGIN", "SELECT nothing FROM orders"] {
            for answer in [alice.ask(sql).await, alice.ask_extended(sql).await] {
                assert_eq!((answer.error.as_deref(), answer.rows.len()), (Some("58000"), 0), "{sql}: {answer:?}");
                assert!(!answer.words.contains("zero"), "{answer:?}");
            }
        }
    }
    std::fs::rename(&aside, &world.gate.audit).unwrap();
    let answer = alice.ask(rows).await;
    assert_eq!((answer.error.as_deref(), answer.rows.len()), (None, 1), "{answer:?}");
    assert_eq!(alice.ask("SELECT 1 / (amount - 7) FROM orders WHERE id = 7").await.error.as_deref(), Some("22012"));
    querygate::audit::verify(&world.gate.audit).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_audit_log_nothing_runs() {
    let gate = gate(|_| {}).await;
    let client = gate.connect("alice").await;
    assert_eq!(client.ask("SELECT count(*) FROM people").await.error, None);
    let aside = gate.audit.with_extension("aside");
    std::fs::rename(&gate.audit, &aside).unwrap();
    for sql in ["SELECT count(*) FROM people", "SET querygate.purpose = 'x'", "SELECT * FROM payroll", "SELEC 1"] {
        assert_eq!(client.ask(sql).await.error.as_deref(), Some("58000"), "{sql}");
    }
    std::fs::rename(&aside, &gate.audit).unwrap();
    assert_eq!(client.ask("SELECT count(*) FROM people").await.error, None);
    querygate::audit::verify(&gate.audit).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_workspaces_and_wrong_passwords_are_told_apart_from_nothing() {
    let gate = fixture::gate();
    let code = |result: Result<fixture::Client, tokio_postgres::Error>| {
        result.err().and_then(|error| {
            error.as_db_error().map(|error| (error.code().code().to_owned(), error.message().to_owned()))
        })
    };
    let (absent, closed) =
        (code(gate.connect_to("alice", "nowhere").await), code(gate.connect_to("alice", "audit").await));
    assert_eq!(absent.as_ref().unwrap().0, "3D000");
    assert_eq!(absent.unwrap().1.replace("nowhere", "x"), closed.unwrap().1.replace("audit", "x"));
    assert_eq!(code(gate.connect_to("nobody", "retail").await).unwrap().0, "28P01");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_told_what_was_applied_if_it_asks() {
    let gate = fixture::gate();
    let client = gate.connect("alice").await;
    client.ask("SET querygate.notices = on").await;
    let told = client.ask("SELECT email FROM people LIMIT 1").await;
    assert!(told.words.contains("masked email by email") && told.words.contains("rows filtered by"), "{}", told.words);
    let columns = client.ask("SELECT name, tags, mask FROM querygate.last_result_columns").await;
    assert!(columns.words.contains("ANONYMIZED_EMAIL"), "{columns:?}");
    client.ask("SET querygate.purpose = 'churn study'").await;
    assert_eq!(client.ask("SHOW querygate.purpose").await.rows, vec![vec![Some("churn study".to_owned())]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_and_odd_statements_are_answered() {
    let gate = fixture::gate();
    let client = gate.connect("alice").await;
    let deep = format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000));
    assert_eq!(client.ask(&deep).await.error.as_deref(), Some("54001"));
    let chain = format!("SELECT 1{}", " + 1".repeat(100_000));
    assert_eq!(client.ask(&chain).await.error.as_deref(), Some("54001"));
    let unions = vec!["SELECT 1"; 5_000].join(" UNION ALL ");
    assert!(client.ask(&unions).await.error.is_some());
    let long = format!("SELECT '{}'", "x".repeat(16 << 20));
    assert!(matches!(client.ask(&long).await.error.as_deref(), None | Some("54001") | Some("54000")));
    let wide = format!("SELECT {}", (0..1600).map(|n| format!("{n} AS c{n}")).collect::<Vec<_>>().join(", "));
    assert_eq!(client.ask(&wide).await.rows[0].len(), 1600);
    let list = format!(
        "SELECT id FROM people WHERE id IN ({})",
        (0..5000).map(|n| n.to_string()).collect::<Vec<_>>().join(",")
    );
    assert_eq!(client.ask(&list).await.error, None);
    assert_eq!(client.ask("SELECT 1").await.rows.len(), 1);
}

/// A query that costs nothing to run and a lot to plan: each WITH query is read twice by the next, and the engine plans
/// each reading anew.
fn planner_bomb(levels: usize) -> String {
    let columns: Vec<String> = (1..=100).map(|n| format!("{n} AS c{n}")).collect();
    let levels: Vec<String> =
        (1..=levels).map(|n| format!("w{n} AS (SELECT a.* FROM w{0} a, w{0} b)", n - 1)).collect();
    format!("WITH w0 AS (SELECT {}), {} SELECT * FROM w{}", columns.join(", "), levels.join(", "), levels.len())
}

/// What a client is told of a statement that it only has prepared.
async fn prepared(client: &fixture::Client, sql: &str) -> Option<String> {
    let error = client.client.prepare(sql).await.err()?;
    Some(error.as_db_error().map_or("client".to_owned(), |error| error.code().code().to_owned()))
}

/// Less than the planner takes for a bomb, more than a busy machine takes to stop waiting for it.
const STOPPED: Duration = Duration::from_secs(15);

/// Plans a bomb: what the client was told, and how long it took.
async fn plan_bomb(client: &fixture::Client, described: bool) -> (Option<String>, Duration) {
    let start = Instant::now();
    let bomb = planner_bomb(9);
    let code =
        if described { prepared(client, &bomb).await } else { client.ask(&format!("EXPLAIN {bomb}")).await.error };
    (code, start.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_no_memory_holds_is_not_made() {
    let gate = fixture::gate();
    let client = gate.connect("alice").await;
    for levels in [10, 30, 100] {
        let bomb = planner_bomb(levels);
        assert_eq!(client.ask(&bomb).await.error.as_deref(), Some("54001"), "{levels}");
        assert_eq!(prepared(&client, &bomb).await.as_deref(), Some("54001"), "{levels}");
    }
    // Many references to a WITH query are no bomb.
    let many: Vec<String> = (0..20).map(|n| format!("SELECT x + {n} FROM w")).collect();
    let many = format!("WITH w AS (SELECT 1 AS x) {}", many.join(" UNION ALL "));
    let told = client.ask(&many).await;
    assert_eq!(told.rows.len(), 20, "{}", told.words);
}

#[tokio::test(flavor = "multi_thread")]
async fn planning_ends_at_the_workspaces_time() {
    for described in [false, true] {
        let gate = gate(|to| edit(&to.join("catalog/workspaces.yaml"), MANY, "timeout_ms: 200")).await;
        let client = gate.connect("alice").await;
        let (code, time) = plan_bomb(&client, described).await;
        assert_eq!(code.as_deref(), Some("57014"), "described: {described}, {time:?}");
        assert!(time < STOPPED, "described: {described}, {time:?}");
        // The session goes on, while the planner may still be busy.
        assert_eq!(client.ask("SHOW search_path").await.rows.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn planning_keeps_its_place_until_it_is_through() {
    for described in [false, true] {
        let gate = gate(|to| edit(&to.join("catalog/workspaces.yaml"), MANY, "concurrent_statements: 1")).await;
        let (one, two) = (gate.connect("alice").await, gate.connect("bob").await);
        let count = "SELECT count(*) FROM people";
        // On a machine that is busy, the time is over before the planner begins: then it is given more.
        let mut refused = None;
        for timeout in ["600ms", "1500ms", "4s"] {
            one.ask(&format!("SET statement_timeout = '{timeout}'")).await;
            let (code, time) = plan_bomb(&one, described).await;
            assert_eq!(code.as_deref(), Some("57014"), "described: {described}");
            assert!(time < STOPPED, "described: {described}, {time:?}");
            // Nobody waits for the planner any more, and yet it is at work.
            refused = two.ask(count).await.error;
            if refused.is_some() {
                break;
            }
        }
        assert_eq!(refused.as_deref(), Some("53400"), "described: {described}");
        assert_eq!(two.ask(&format!("EXPLAIN {count}")).await.error.as_deref(), Some("53400"));
        assert_eq!(prepared(&two, count).await.as_deref(), Some("53400"));
        assert_eq!(two.ask(&format!("PREPARE p AS {count}")).await.error.as_deref(), Some("53400"));
        let patience = Instant::now();
        while two.ask(count).await.error.is_some() {
            assert!(patience.elapsed() < Duration::from_secs(120), "the place is not given back");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(prepared(&two, count).await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_request_stops_planning() {
    for described in [false, true] {
        let gate = gate(|_| {}).await;
        let client = gate.connect("alice").await;
        let cancel = client.client.cancel_token();
        let ((code, time), cancelled) = tokio::join!(plan_bomb(&client, described), async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            cancel.cancel_query(NoTls).await
        });
        cancelled.unwrap();
        assert_eq!(code.as_deref(), Some("57014"), "described: {described}");
        assert!(time < STOPPED, "described: {described}, {time:?}");
        assert_eq!(client.ask("SHOW search_path").await.rows.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_prepared_and_run_counts_once_a_day() {
    let gate = gate(|to| edit(&to.join("catalog/workspaces.yaml"), MANY, "statements_a_day: 2")).await;
    let client = gate.connect("alice").await;
    for _ in 0..2 {
        assert_eq!(client.client.query("SELECT count(*) FROM people", &[]).await.unwrap().len(), 1);
    }
    assert_eq!(client.ask("SELECT count(*) FROM people").await.error.as_deref(), Some("53400"));
    assert_eq!(client.ask("EXPLAIN SELECT count(*) FROM people").await.error.as_deref(), Some("53400"));
    assert_eq!(prepared(&client, "SELECT count(*) FROM people").await.as_deref(), Some("53400"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspaces_floor_holds_for_all_that_is_read_in_it() {
    let gate = gate(|to| edit(&to.join("catalog/workspaces.yaml"), MANY, "min_group_size: 5")).await;
    let client = gate.connect("alice").await;
    assert_eq!(client.ask("SELECT name FROM regions").await.error.as_deref(), Some("42501"));
    assert_eq!(client.ask("SELECT count(*) FROM people WHERE id < 20").await.rows.len(), 0);
    assert_eq!(client.ask("SELECT count(*) FROM people").await.rows.len(), 1);
}

/// Statements that nest in each way, as deeply as `times` says.
pub fn nested(times: usize) -> Vec<String> {
    let chain = |first: &str, link: &str| format!("{first}{}", link.repeat(times));
    let around =
        |before: &str, inner: &str, after: &str| format!("{}{inner}{}", before.repeat(times), after.repeat(times));
    vec![
        chain("SELECT id FROM people WHERE id = 1", " OR id = 2"),
        chain("SELECT id FROM people WHERE id = 1", " AND name <> 'x'"),
        chain("SELECT id", " + 1") + " FROM people",
        chain("SELECT name", " || 'x'") + " FROM people",
        format!("SELECT {} FROM people", around("(", "id", ")")),
        format!("SELECT {} FROM people", around("abs(", "id", ")")),
        format!("SELECT {} FROM people", around("NOT ", "true", "")),
        format!("SELECT {} FROM people", around("-(", "id", ")")),
        chain("SELECT id", "::bigint") + " FROM people",
        format!("SELECT {} FROM people", around("CASE WHEN id = 1 THEN ", "1", " END")),
        format!("SELECT * FROM {}", around("(SELECT * FROM ", "people", ") AS x")),
        chain("SELECT id FROM people", " UNION ALL SELECT id FROM people"),
        chain("SELECT id FROM people WHERE id IN (1", ", 2") + ")",
        format!("SELECT id FROM people WHERE {}", around("EXISTS (SELECT 1 FROM people WHERE ", "true", ")")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_nest_are_answered_or_refused_and_end_no_process() {
    let gate = gate(|_| {}).await;
    let client = gate.connect("alice").await;
    client.ask("SET statement_timeout = '20s'").await;
    for times in [10, 60] {
        for sql in nested(times) {
            let short: String = sql.chars().take(60).collect();
            let started = Instant::now();
            let answer = client.ask(&sql).await;
            let refused = ["54001", "54000", "0A000", "42601", "42883", "22003", "53400", "57014"];
            let fits = answer.error.as_deref().is_none_or(|code| refused.contains(&code));
            assert!(fits, "{short} … {times}: {:?} {:.300}", answer.error, answer.words);
            assert!(started.elapsed() < Duration::from_secs(30), "{short} … {times}: {:?}", started.elapsed());
        }
        assert_eq!(client.ask("SELECT 1").await.rows.len(), 1);
    }
}
