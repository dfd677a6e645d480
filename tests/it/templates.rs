//! Statements that are governed once for each template: whoever asks gets their own, and what changes acts at once.

use crate::fixture::Answer;
use crate::forwarded::World;

fn first(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.error, None, "{answer:?}");
    answer.rows.iter().map(|row| row[0].clone().unwrap_or_else(|| "NULL".to_owned())).collect()
}

/// The texts that the upstream was last sent.
async fn sent(world: &World) -> Vec<String> {
    let sql = "SELECT DISTINCT query FROM pg_stat_activity WHERE usename = 'scram' AND query LIKE '%__querygate%'";
    world.server.admin().await.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn constants_are_bound_and_nothing_else_of_a_statement_is_shared() {
    let world = World::new().await;
    let (alice, bob) = (world.client("alice").await, world.client("bob").await);
    // The same words by two users, in turns: each time their own rows.
    for _ in 0..3 {
        for (id, eu, us) in
            [(1, vec!["1"], vec![]), (3, vec![], vec!["3"]), (2, vec!["2"], vec![]), (9, vec![], vec![])]
        {
            let sql = format!("SELECT id FROM people WHERE id = {id}");
            assert_eq!(first(&alice.ask(&sql).await), eu);
            assert_eq!(first(&bob.ask(&sql).await), us);
        }
    }
    let texts = sent(&world).await;
    assert!(texts.iter().all(|text| text.contains("$1") && !text.contains("= 9")), "{texts:?}");

    // Constants of every kind, in every place that they are lifted from, and in those that they are not.
    for (sql, wanted) in [
        ("SELECT id FROM people WHERE name = 'Ann Canary-EU-1'", vec!["1"]),
        ("SELECT id FROM people WHERE name = 'it''s'", vec![]),
        ("SELECT id FROM people WHERE balance = 10.5 AND id IN (1, 2, 3000000000)", vec!["1"]),
        ("SELECT id FROM people WHERE balance = 10.50 AND id IN (1, 2, 3000000001)", vec!["1"]),
        ("SELECT id FROM people WHERE balance = 99.50 AND id IN (1, 2, 3000000001)", vec![]),
        ("SELECT id FROM people WHERE born BETWEEN '2019-01-01' AND '2020-06-01'", vec!["1"]),
        ("SELECT id FROM people WHERE born BETWEEN '2020-06-01' AND '2021-06-01'", vec![]),
        ("SELECT id FROM people WHERE mood = 'calm' AND region = 'EU'", vec!["1"]),
        ("SELECT id FROM people WHERE mood = 'cross' AND region = 'EU'", vec![]),
        ("SELECT id FROM people WHERE id > 0 ORDER BY 1 DESC LIMIT 1", vec!["2"]),
        ("SELECT id FROM people WHERE id > 0 ORDER BY 1 DESC LIMIT 2", vec!["2", "1"]),
        ("SELECT 7 FROM people WHERE id = 1", vec!["7"]),
        ("SELECT 8 FROM people WHERE id = 2", vec!["8"]),
        ("SELECT id = 1 FROM people WHERE id < 3 GROUP BY id = 1 ORDER BY 1", vec!["f", "t"]),
        (
            "SELECT max(o.amount) FROM orders o JOIN people p ON p.id = o.person AND o.amount < 50 WHERE p.id = 1",
            vec!["48"],
        ),
        (
            "SELECT max(o.amount) FROM orders o JOIN people p ON p.id = o.person AND o.amount < 9 WHERE p.id = 2",
            vec!["5"],
        ),
    ] {
        for _ in 0..2 {
            assert_eq!(first(&alice.ask(sql).await), wanted, "{sql}");
        }
        assert_eq!(alice.ask_extended(sql).await.error, None, "{sql}");
    }
    // Parameters of the client's stand before those of the gateway's.
    let sql = "SELECT id FROM people WHERE id = $1 AND age = 40 AND name <> $2";
    let rows = alice.client.query(sql, &[&2_i64, &"x"]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<_, i64>(0)).collect::<Vec<_>>(), [2]);
    let none = alice.client.query(&sql.replace("40", "41"), &[&2_i64, &"x"]).await.unwrap();
    assert!(none.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constant_that_is_none_of_the_columns_type_fails_as_it_does_without_a_template() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    for _ in 0..2 {
        for (sql, code) in [
            ("SELECT id FROM people WHERE id = 'one'", "22P02"),
            ("SELECT id FROM people WHERE born = 'yesteryear'", "22007"),
            ("SELECT id FROM people WHERE name = 5", "42883"),
            ("SELECT id FROM people WHERE mood = 'merry'", "22P02"),
        ] {
            assert_eq!(alice.ask(sql).await.error.as_deref(), Some(code), "{sql}");
        }
        assert_eq!(first(&alice.ask("SELECT id FROM people WHERE id = '2'").await), ["2"]);
    }
}

const BY_PURPOSE: &str = "package analytics.data_access
default allow := false
allow if input.user.id in {\"alice\", \"bob\"}
region := \"US\" if input.purpose == \"audit\"
region := \"EU\" if not input.purpose == \"audit\"
row_filters contains {\"expression\": \"region = :region\", \"params\": {\"region\": region}, \"for_columns\": [\"region\"]}
";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_decision_reads_and_what_is_loaded_anew_acts_at_the_next_statement() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let sql = "SELECT id FROM people WHERE id < 9 ORDER BY id";
    let prepared = alice.client.prepare(sql).await.unwrap();
    let run = || async {
        let rows = alice.client.query(&prepared, &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, i64>(0).to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        (first(&alice.ask(sql).await), run().await),
        (vec!["1".to_owned(), "2".into()], vec!["1".into(), "2".into()])
    );

    std::fs::write(world.folder.join("policies/access.rego"), BY_PURPOSE).unwrap();
    world.gate.reload().await.unwrap();
    assert_eq!(first(&alice.ask(sql).await), ["1", "2"]);
    assert_eq!(alice.ask("SET querygate.purpose = 'audit'").await.error, None);
    assert_eq!(
        (first(&alice.ask(sql).await), run().await),
        (vec!["3".to_owned(), "4".into()], vec!["3".into(), "4".into()])
    );
    assert_eq!(alice.ask("RESET querygate.purpose").await.error, None);
    assert_eq!(first(&alice.ask(sql).await), ["1", "2"]);

    let nobody =
        BY_PURPOSE.replace("allow if input.user.id in {\"alice\", \"bob\"}", "allow if input.user.id == \"bob\"");
    std::fs::write(world.folder.join("policies/access.rego"), nobody).unwrap();
    world.gate.reload().await.unwrap();
    assert_eq!(alice.ask(sql).await.error.as_deref(), Some("42501"));
    assert_eq!(alice.client.query(&prepared, &[]).await.unwrap_err().code().unwrap().code(), "42501");
    assert_eq!(first(&world.client("bob").await.ask(sql).await), ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_changes_in_the_upstream_is_told_anew() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let sql = "SELECT amount FROM orders WHERE id = 7";
    let described = || async {
        let statement = alice.client.prepare(sql).await.unwrap();
        statement.columns()[0].type_().clone()
    };
    assert_eq!(described().await, tokio_postgres::types::Type::INT4);
    assert_eq!(first(&alice.ask(sql).await), ["7"]);
    let change = "DROP VIEW sales.few; ALTER TABLE sales.orders ALTER amount TYPE bigint";
    world.server.admin().await.batch_execute(change).await.unwrap();
    // Running it shows the change; then a description is asked for anew.
    assert_eq!(first(&alice.ask(sql).await), ["7"]);
    assert_eq!(described().await, tokio_postgres::types::Type::INT8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_means_what_the_sessions_search_path_says() {
    let world = World::new().await;
    let path = world.folder.join("catalog/catalog.yaml");
    let other = "  - {name: ops.orders, source: crm, relation: sales.few, tier: SYNTHETIC, columns: [{name: id}, {name: amount}]}\n\
        workspaces:";
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap().replace("workspaces:", other)).unwrap();
    world.gate.reload().await.unwrap();
    let alice = world.client("alice").await;
    let sql = "SELECT id FROM orders WHERE id > 2 AND id < 5 ORDER BY id";
    for _ in 0..3 {
        assert_eq!(first(&alice.ask(sql).await), ["3", "4"]);
        assert_eq!(alice.ask("SET search_path = ops, public").await.error, None);
        assert_eq!(first(&alice.ask(sql).await), ["3"]);
        assert_eq!(alice.ask("RESET search_path").await.error, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameters_declared_type_is_part_of_what_is_shared() {
    use tokio_postgres::types::Type;
    let world = World::new().await;
    let alice = world.client("alice").await;
    let sql = "SELECT $1 AS given FROM people WHERE id = 1";
    for given in [Type::INT4, Type::TEXT, Type::DATE, Type::INT4] {
        for _ in 0..2 {
            let statement = alice.client.prepare_typed(sql, std::slice::from_ref(&given)).await.unwrap();
            assert_eq!(*statement.columns()[0].type_(), given);
        }
    }
    let number = alice.client.prepare_typed(sql, &[Type::INT4]).await.unwrap();
    let text = alice.client.prepare_typed(sql, &[Type::TEXT]).await.unwrap();
    for _ in 0..2 {
        assert_eq!(alice.client.query_one(&number, &[&7_i32]).await.unwrap().get::<_, i32>(0), 7);
        assert_eq!(alice.client.query_one(&text, &[&"seven"]).await.unwrap().get::<_, &str>(0), "seven");
    }
}

const BY_SECOND: &str = "package analytics.data_access
default allow := false
allow if input.user.id == \"alice\"
odd if time.clock(time.now_ns())[2] % 2 == 1
region := \"US\" if odd
region := \"EU\" if not odd
row_filters contains {\"expression\": \"region = :region\", \"params\": {\"region\": region}, \"for_columns\": [\"region\"]}
";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_by_the_time_does_not_outlast_it() {
    let world = World::new().await;
    std::fs::write(world.folder.join("policies/access.rego"), BY_SECOND).unwrap();
    world.gate.reload().await.unwrap();
    let alice = world.client("alice").await;
    let began = std::time::Instant::now();
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 2 {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "{seen:?} alone is told");
        seen.insert(first(&alice.ask("SELECT region FROM people WHERE id > 0 ORDER BY id").await));
    }
    assert_eq!(seen, [vec!["EU".to_owned(); 2], vec!["US".to_owned(); 2]].into());
}
