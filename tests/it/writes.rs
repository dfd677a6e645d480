//! Writing to a real PostgreSQL by policy: what is hidden is neither touched nor told of, and what is written may be seen.

use crate::fixture::{self, Answer, Client, Gate};
use crate::postgres::Postgres;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const TABLES: &str = "
CREATE TABLE people (id bigint PRIMARY KEY, name text NOT NULL, email text, region text NOT NULL, age int DEFAULT 33,
    secret text DEFAULT 'from the table', code text UNIQUE, CHECK (age < 200));
INSERT INTO people (id, name, email, region, age, code) VALUES
    (1, 'Ann', 'ann@x.example', 'EU', 30, 'a'), (2, 'Bea', 'bea@x.example', 'EU', 40, 'b'),
    (3, 'Canary-US-3', 'canary3@x.example', 'US', 50, 'canary-code'), (4, 'Canary-US-4', 'canary4@x.example', 'US', 60, 'd');
CREATE TABLE orders (id bigint PRIMARY KEY, person bigint REFERENCES people, amount int NOT NULL);
INSERT INTO orders SELECT n, 1 + n % 4, n FROM generate_series(1, 20) AS n;
CREATE TABLE counters (id int PRIMARY KEY, region text, n int);
INSERT INTO counters VALUES (1, 'EU', 0), (2, 'US', 0);
CREATE TABLE fixed (id int PRIMARY KEY, region text);
INSERT INTO fixed VALUES (1, 'EU');
CREATE VIEW seen AS SELECT id, region FROM fixed;
CREATE FUNCTION moves() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.region := 'US'; RETURN NEW; END $$;
CREATE TABLE moved (id int PRIMARY KEY, region text);
CREATE TRIGGER moves BEFORE INSERT ON moved FOR EACH ROW EXECUTE FUNCTION moves();
CREATE TABLE later (id int PRIMARY KEY, person bigint REFERENCES people DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE timed (id int PRIMARY KEY, at timestamptz);
INSERT INTO timed VALUES (1, '2024-01-01 11:00+00'), (2, '2024-01-01 13:00+00');
CREATE TABLE ledger (id int PRIMARY KEY, n int);
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO scram;";

const CATALOG: &str = "
sources:
  - {name: crm, kind: postgres, dsn_file: DSN_FILE, pool: {max: 4, queue_timeout_ms: 5000}}
  - {name: books, kind: postgres, dsn_file: DSN_FILE, pool: {max: 4, queue_timeout_ms: 5000}}
  - {name: disk, kind: files, location: files}
tags:
  PARTLY: {mask: {name: partial, prefix: 1, suffix: 0, pad: '***'}}
datasets:
  - name: public.people
    source: crm
    relation: public.people
    tier: SYNTHETIC
    columns: [{name: id}, {name: name}, {name: email, tags: [PARTLY]}, {name: region}, {name: age}, {name: code}]
  - {name: public.orders, source: crm, relation: public.orders, tier: SYNTHETIC, columns: [{name: id}, {name: person}, {name: amount}]}
  - {name: public.counters, source: crm, relation: public.counters, tier: SYNTHETIC, columns: [{name: id}, {name: region}, {name: n}]}
  - {name: public.fixed, source: crm, relation: public.fixed, tier: SYNTHETIC, columns: [{name: id}, {name: region}]}
  - {name: public.seen, source: crm, relation: public.seen, tier: SYNTHETIC, columns: [{name: id}, {name: region}]}
  - {name: public.moved, source: crm, relation: public.moved, tier: SYNTHETIC, columns: [{name: id}, {name: region}]}
  - {name: public.later, source: crm, relation: public.later, tier: SYNTHETIC, columns: [{name: id}, {name: person}]}
  - {name: public.timed, source: crm, relation: public.timed, tier: SYNTHETIC, columns: [{name: id}, {name: at}]}
  - {name: public.ledger, source: books, relation: public.ledger, tier: SYNTHETIC, columns: [{name: id}, {name: n}]}
  - {name: public.notes, source: disk, location: notes.csv, tier: SYNTHETIC, columns: [{name: id}, {name: note}]}
workspaces:
  - {name: lab, type: AD_HOC, owner: alice, members: [bob], limits: {statements_a_day: 1000000, concurrent_statements: 50, max_rows: 1000000, max_bytes: 1000000000}}
";

const POLICY: &str = "package analytics.data_access
default allow := false
allow if input.user.id in {\"alice\", \"bob\"}
actions contains \"WRITE\" if {
    input.action == \"WRITE\"
    input.user.id in {\"alice\", \"bob\"}
    input.statement.kind in {\"INSERT\", \"UPDATE\", \"DELETE\"}
    input.dataset.name != \"public.fixed\"
}
region := {\"alice\": \"EU\", \"bob\": \"US\"}[input.user.id]
row_filters contains {\"expression\": \"region = :region\", \"params\": {\"region\": region}, \"for_columns\": [\"region\"]}
row_filters contains {\"expression\": \"n < 1000\", \"for_columns\": [\"n\"]} if {
    input.action == \"WRITE\"
    input.dataset.name == \"public.ledger\"
}
column_masks[\"person\"] := {\"name\": \"redact\"} if {
    input.action == \"WRITE\"
    input.dataset.name == \"public.later\"
    input.user.id == \"bob\"
}
row_filters contains {\"expression\": \"at > '2024-01-01 12:00'\", \"for_columns\": [\"at\"]}
";

struct World {
    server: Postgres,
    gate: Gate,
    folder: PathBuf,
}

impl World {
    async fn new() -> Self {
        let server = Postgres::start();
        server.admin().await.batch_execute(TABLES).await.unwrap();
        let folder = tempfile::tempdir().unwrap().keep();
        for part in ["catalog", "policies", "files"] {
            std::fs::create_dir_all(folder.join(part)).unwrap();
        }
        let dsn = format!(
            "postgres://scram:sesame@localhost:{}/postgres?sslmode=verify-full&sslrootcert={}",
            server.port,
            server.file("root.pem").display()
        );
        std::fs::write(folder.join("dsn"), dsn).unwrap();
        let catalog = CATALOG.replace("DSN_FILE", &folder.join("dsn").display().to_string());
        std::fs::write(folder.join("catalog/catalog.yaml"), catalog).unwrap();
        let users = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog/users.yaml");
        std::fs::copy(users, folder.join("catalog/users.yaml")).unwrap();
        std::fs::write(folder.join("policies/access.rego"), POLICY).unwrap();
        std::fs::write(folder.join("files/notes.csv"), "id,note\n1,one\n2,two\n").unwrap();
        let gate = fixture::gate_over(&folder).await;
        Self { server, gate, folder }
    }

    async fn client(&self, user: &str) -> Client {
        self.gate.connect_to(user, "lab").await.unwrap()
    }

    /// One value, as the owner of the database sees it.
    async fn truth(&self, sql: &str) -> String {
        let sql = format!("SELECT coalesce(({sql})::text, 'NULL')");
        self.server.admin().await.query_one(&sql, &[]).await.unwrap().get(0)
    }

    /// All that stands in the tables.
    async fn everything(&self) -> String {
        let tables = ["people", "orders", "counters", "fixed", "moved"];
        let mut all = String::new();
        for table in tables {
            all += &self.truth(&format!("SELECT string_agg(t::text, ';' ORDER BY t.id) FROM {table} t")).await;
        }
        all
    }

    async fn at_rest(&self) {
        let busy = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'scram' AND state <> 'idle'";
        let began = Instant::now();
        while self.truth(busy).await != "0" {
            assert!(began.elapsed() < Duration::from_secs(10), "a connection is still in a transaction");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn log(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for entry in std::fs::read_dir(&self.gate.audit).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|of| of == "jsonl") {
                lines.extend(std::fs::read_to_string(path).unwrap().lines().map(str::to_owned));
            }
        }
        lines
    }
}

/// The command tag's count.
async fn written(client: &Client, sql: &str) -> u64 {
    client.client.execute(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

#[track_caller]
fn values(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.error, None, "{answer:?}");
    answer
        .rows
        .iter()
        .map(|row| row.iter().map(|v| v.as_deref().unwrap_or("NULL")).collect::<Vec<_>>().join("|"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_written_within_the_row_filter_and_no_others() {
    let world = World::new().await;
    let (alice, bob) = (world.client("alice").await, world.client("bob").await);
    // By both protocols, with a count and with rows.
    assert_eq!(written(&alice, "INSERT INTO people (id, name, region) VALUES (5, 'Eve', 'EU')").await, 1);
    let rows = alice.ask("INSERT INTO people AS p (id, name, region) SELECT id + 100, name, region FROM people RETURNING id, p.email, age, 'x'").await;
    assert_eq!(values(&rows), ["101|NULL|33|x", "102|NULL|33|x", "105|NULL|33|x"]);
    assert_eq!(world.truth("SELECT secret FROM people WHERE id = 5").await, "from the table");
    assert_eq!(written(&alice, "DELETE FROM people WHERE id > 100").await, 3);
    assert_eq!(written(&alice, "UPDATE people SET age = age + 1").await, 3);
    assert_eq!(world.truth("SELECT string_agg(age::text, ',' ORDER BY id) FROM people").await, "31,41,50,60,34");
    assert_eq!(written(&bob, "UPDATE people SET age = 1 / (age - 50 + 1) WHERE 1 / (age - 30) > -1").await, 2);
    assert_eq!(
        values(
            &alice
                .ask("UPDATE people p SET name = upper(p.name) WHERE p.id IN (1, 3) RETURNING p.id, name, email")
                .await
        ),
        ["1|ANN|a***"]
    );
    // Joined with others.
    assert_eq!(
        written(&alice, "UPDATE people SET age = o.amount FROM orders o WHERE o.person = people.id AND o.id = 4").await,
        1
    );
    assert_eq!(
        written(&alice, "UPDATE people SET age = o.amount FROM orders o WHERE o.person = people.id AND o.id = 2").await,
        0
    );
    assert_eq!(
        written(&alice, "DELETE FROM orders o USING people p WHERE o.person = p.id AND p.name = 'ANN'").await,
        5
    );
    assert_eq!(
        written(&alice, "UPDATE orders SET amount = 0 WHERE person IN (SELECT id FROM people WHERE age > 0)").await,
        5
    );
    let text = "UPDATE people SET name = 'x', age = (SELECT max(amount) FROM orders WHERE person = people.id) WHERE id = 2 RETURNING age";
    assert_eq!(values(&alice.ask(text).await), ["0"]);
    // Parameters: the types are the columns'.
    let statement = alice.client.prepare("UPDATE people SET name = $1, age = $2 WHERE id = $3").await.unwrap();
    assert_eq!(alice.client.execute(&statement, &[&"Zoe", &77_i32, &1_i64]).await.unwrap(), 1);
    assert_eq!(alice.client.execute(&statement, &[&"Zoe", &77_i32, &3_i64]).await.unwrap(), 0);
    let statement = alice
        .client
        .prepare("INSERT INTO people (id, name, region) VALUES ($1, $2, $3) RETURNING id, email")
        .await
        .unwrap();
    let row = alice.client.query_one(&statement, &[&6_i64, &"Six", &"EU"]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, Option<&str>>(1)), (6, None));
    assert_eq!(written(&alice, "DELETE FROM people WHERE id = 3").await, 0);
    assert_eq!(world.truth("SELECT count(*) FROM people WHERE region = 'US' AND name LIKE 'Canary%'").await, "2");
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_written_is_refused_and_nothing_changes() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let before = world.everything().await;
    for (sql, code) in [
        // New rows that their writer would not see, whatever makes them so.
        ("INSERT INTO people (id, name, region) VALUES (7, 'x', 'EU'), (8, 'y', 'US')", "42501"),
        ("INSERT INTO moved (id, region) SELECT 7, NULL", "42501"),
        ("UPDATE people SET region = 'US' WHERE id = 1", "42501"),
        ("UPDATE people SET region = lower(region)", "42501"),
        ("INSERT INTO moved (id, region) VALUES (1, 'EU')", "42501"),
        // Masked columns, and those that nobody knows.
        ("UPDATE people SET email = 'x'", "42501"),
        ("INSERT INTO people (id, name, region, email) VALUES (7, 'x', 'EU', 'y')", "42501"),
        ("UPDATE people SET secret = 'x'", "42501"),
        ("UPDATE people SET nothing = 'x'", "42703"),
        ("INSERT INTO people (id, name, region, secret) VALUES (7, 'x', 'EU', 'y')", "42501"),
        ("UPDATE people SET name = 'x' RETURNING nothing", "42703"),
        // Where no policy grants it, and where nothing can be written.
        ("DELETE FROM fixed", "42501"),
        ("UPDATE fixed SET region = 'EU'", "42501"),
        ("DELETE FROM seen", "0A000"),
        ("INSERT INTO notes VALUES (3, 'three')", "0A000"),
        ("DELETE FROM notes", "0A000"),
        ("DELETE FROM pg_catalog.pg_class", "0A000"),
        ("DELETE FROM nothing", "42P01"),
        ("DELETE FROM people p USING notes n WHERE n.id = p.id", "0A000"),
        // Forms that are not taken.
        ("INSERT INTO people (id, name, region) VALUES (3, 'x', 'EU') ON CONFLICT DO NOTHING", "0A000"),
        (
            "INSERT INTO people (id, name, region) VALUES (1, 'x', 'EU') ON CONFLICT (id) DO UPDATE SET name = 'x'",
            "0A000",
        ),
        ("INSERT INTO people DEFAULT VALUES", "0A000"),
        ("UPDATE people SET (name, age) = ('x', 1)", "0A000"),
        ("WITH d AS (DELETE FROM people RETURNING id) SELECT * FROM d", "0A000"),
        ("MERGE INTO people p USING orders o ON o.id = p.id WHEN MATCHED THEN DELETE", "0A000"),
        ("TRUNCATE people", "0A000"),
        ("CREATE TABLE x (a int)", "0A000"),
        ("DROP TABLE people", "0A000"),
        ("SELECT id INTO x FROM people", "0A000"),
        ("EXPLAIN DELETE FROM people", "0A000"),
        ("EXPLAIN ANALYZE DELETE FROM people", "0A000"),
        // Constraints: the code, and none of the values.
        ("INSERT INTO people (id, name, region) VALUES (3, 'x', 'EU')", "23505"),
        ("INSERT INTO people (id, name, region, code) VALUES (9, 'x', 'EU', 'canary-code')", "23505"),
        ("UPDATE people SET age = 300", "23514"),
        ("UPDATE people SET name = NULL", "23502"),
        ("INSERT INTO orders VALUES (99, 99, 1)", "23503"),
        ("DELETE FROM people WHERE id = 1", "23503"),
        ("UPDATE people SET age = 'x'", "22P02"),
        ("INSERT INTO orders VALUES (99, 1)", "23502"),
        ("INSERT INTO people (id) SELECT people.age FROM orders", "0A000"),
    ] {
        for answer in [alice.ask(sql).await, alice.ask_extended(sql).await] {
            assert_eq!(answer.error.as_deref(), Some(code), "{sql}: {answer:?}");
            let words = answer.words.to_lowercase();
            assert!(
                !words.contains("canary") && !words.contains("from the table") && !words.contains("already exists"),
                "{sql}: {answer:?}"
            );
        }
        assert_eq!(world.everything().await, before, "{sql}");
    }
    world.at_rest().await;
    // Without a policy that speaks of writing everything is as it always was.
    let none = POLICY.lines().take(3).chain(POLICY.lines().skip(9)).collect::<Vec<_>>().join("\n");
    assert!(!none.contains("actions") && none.contains("row_filters"));
    std::fs::write(world.folder.join("policies/access.rego"), none).unwrap();
    world.gate.reload().await.unwrap();
    let refused = alice.ask("DELETE FROM people").await;
    assert_eq!(refused.error.as_deref(), Some("0A000"));
    assert!(refused.words.contains("that a policy grants"), "{refused:?}");
    assert_eq!(world.everything().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_for_writing_alone_is_held() {
    let world = World::new().await;
    world.server.admin().await.batch_execute("INSERT INTO ledger VALUES (1, 5), (2, 5000)").await.unwrap();
    let (alice, bob) = (world.client("alice").await, world.client("bob").await);
    let rows = "SELECT string_agg(id || ':' || n, ' ' ORDER BY id) FROM ledger";
    // Both rows may be read; one may be written, and nothing may become what may not be.
    assert_eq!(values(&alice.ask("SELECT id FROM ledger ORDER BY 1").await), ["1", "2"]);
    assert_eq!(written(&alice, "UPDATE ledger SET n = n + 1").await, 1);
    assert_eq!(world.truth(rows).await, "1:6 2:5000");
    assert_eq!(written(&alice, "DELETE FROM ledger WHERE id = 2").await, 0);
    for sql in ["INSERT INTO ledger VALUES (3, 1000)", "UPDATE ledger SET n = 1000 WHERE id = 1"] {
        assert_eq!(alice.ask(sql).await.error.as_deref(), Some("42501"), "{sql}");
    }
    assert_eq!(world.truth(rows).await, "1:6 2:5000");
    // A mask for writing alone: the column is read in the clear, and not written.
    assert_eq!(written(&alice, "INSERT INTO later VALUES (1, 1)").await, 1);
    assert_eq!(values(&bob.ask("SELECT person FROM later").await), ["1"]);
    for sql in ["INSERT INTO later VALUES (2, 1)", "UPDATE later SET person = 2"] {
        assert_eq!(bob.ask(sql).await.error.as_deref(), Some("42501"), "{sql}");
    }
    assert_eq!(world.truth("SELECT string_agg(id || ':' || person, ' ') FROM later").await, "1:1");
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_rows_are_never_told_of() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let before = world.everything().await;
    for sql in [
        "UPDATE people SET age = 1 WHERE id = 3 AND name::int > 0",
        "UPDATE people SET age = 1 WHERE 1 / (age - 50) > 5",
        "UPDATE people SET age = 1 / (age - 50) WHERE id > 2",
        "DELETE FROM people WHERE name::date > '2020-01-01' AND region = 'US'",
        "DELETE FROM people WHERE CASE WHEN name LIKE '%US%' THEN name::int > 0 ELSE false END",
        "DELETE FROM people p USING orders o WHERE p.id = o.person AND o.amount / (p.age - 50) > 1000",
        "DELETE FROM people WHERE region = 'US' OR (id = 3 AND true)",
        "DELETE FROM people WHERE email LIKE '%canary%'",
        "UPDATE people SET name = 'x' WHERE id = (SELECT id FROM people WHERE id = 4)",
        "UPDATE people SET name = name WHERE false RETURNING name::int",
        "DELETE FROM people WHERE (SELECT count(*) FROM people x WHERE x.id = people.id AND x.age = 50) > 0",
    ] {
        for answer in [alice.ask(sql).await, alice.ask_extended(sql).await] {
            assert_eq!((answer.error.as_deref(), answer.rows.len()), (None, 0), "{sql}: {answer:?}");
        }
        assert_eq!(world.everything().await, before, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_are_part_of_their_transaction() {
    let world = World::new().await;
    let (mut alice, bob) = (world.client("alice").await, world.client("bob").await);
    let ages = "SELECT string_agg(age::text, ',' ORDER BY id) FROM people WHERE region = 'EU'";
    for (sql, expected) in [
        ("BEGIN; UPDATE people SET age = 1; ROLLBACK", "30,40"),
        (
            "BEGIN; SELECT count(*) FROM people; UPDATE people SET age = 1; SAVEPOINT s; UPDATE people SET age = 2; ROLLBACK TO s; COMMIT",
            "1,1",
        ),
        ("UPDATE people SET age = 3; UPDATE people SET age = 4 WHERE id = 1", "4,3"),
        ("UPDATE people SET age = 5; UPDATE people SET region = 'US'", "4,3"),
        ("BEGIN; UPDATE people SET age = 6; UPDATE people SET region = 'US'", "4,3"),
        ("ROLLBACK", "4,3"),
        ("BEGIN; UPDATE people SET age = 6; SELECT * FROM nothing", "4,3"),
        ("COMMIT", "4,3"),
        ("BEGIN READ ONLY; UPDATE people SET age = 7", "4,3"),
        ("ROLLBACK", "4,3"),
        ("BEGIN; SELECT 1; SET TRANSACTION READ ONLY; UPDATE people SET age = 7", "4,3"),
        ("ROLLBACK", "4,3"),
        (
            "BEGIN; DECLARE c CURSOR FOR SELECT age FROM people ORDER BY id; UPDATE people SET age = 8; FETCH ALL FROM c; COMMIT",
            "8,8",
        ),
    ] {
        let said = alice.ask(sql).await;
        assert_eq!(world.truth(ages).await, expected, "{sql}: {said:?}");
    }
    assert_eq!(alice.ask("BEGIN READ ONLY; DELETE FROM orders").await.error.as_deref(), Some("25006"));
    assert_eq!(alice.ask("ROLLBACK").await.error, None);
    // A driver's transaction; its own work is seen within, and by nobody else.
    let transaction = alice.client.transaction().await.unwrap();
    assert_eq!(transaction.execute("UPDATE people SET age = 9", &[]).await.unwrap(), 2);
    let own: i32 = transaction.query_one("SELECT min(age) FROM people", &[]).await.unwrap().get(0);
    assert_eq!((own, world.truth(ages).await), (9, "8,8".to_owned()));
    let portal = transaction.bind("UPDATE people SET age = age + 1 RETURNING id, age", &[]).await.unwrap();
    for _ in 0..2 {
        assert_eq!(transaction.query_portal(&portal, 1).await.unwrap()[0].get::<_, i32>(1), 10);
    }
    transaction.commit().await.unwrap();
    assert_eq!(world.truth(ages).await, "10,10");
    // A client that goes in the middle.
    let gone = world.client("alice").await;
    assert_eq!(gone.ask("BEGIN; UPDATE people SET age = 99").await.error, None);
    drop(gone);
    world.at_rest().await;
    assert_eq!(world.truth(ages).await, "10,10");
    drop(bob);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_write_the_same_row_lose_nothing() {
    let world = World::new().await;
    let (one, two) = (world.client("alice").await, world.client("alice").await);
    for filtered in
        ["UPDATE counters SET n = n + 1 WHERE id = 1", "UPDATE counters SET n = n + 1 WHERE id::text LIKE '1'"]
    {
        let times = async |client: &Client| {
            for _ in 0..30 {
                assert_eq!(written(client, filtered).await, 1);
            }
        };
        let before: i32 = world.truth("SELECT n FROM counters WHERE id = 1").await.parse().unwrap();
        tokio::join!(times(&one), times(&two));
        let after: i32 = world.truth("SELECT n FROM counters WHERE id = 1").await.parse().unwrap();
        assert_eq!(after - before, 60, "{filtered}");
    }
    // A row that is hidden by the time that it could be written is not written: the filter is asked of what is there then.
    let admin = world.server.admin().await;
    admin.batch_execute("BEGIN; UPDATE counters SET region = 'US', n = -5 WHERE id = 1").await.unwrap();
    let (written, ()) = tokio::join!(written(&one, "UPDATE counters SET n = n + 1000 WHERE id::text = '1'"), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        admin.batch_execute("COMMIT").await.unwrap();
    });
    assert_eq!((written, world.truth("SELECT n FROM counters WHERE id = 1").await), (0, "-5".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_says_so_and_leaves_nothing() {
    let world = World::new().await;
    let (alice, other) = (world.client("alice").await, world.client("alice").await);
    let later = "SELECT count(*) FROM later";
    // On its own, in a string, in a batch of messages, in a block.
    for sql in [
        "INSERT INTO later VALUES (1, 999)",
        "INSERT INTO later VALUES (1, 999) RETURNING id",
        "INSERT INTO later VALUES (1, 999); SELECT 1",
        "BEGIN; INSERT INTO later VALUES (1, 999); COMMIT",
    ] {
        assert_eq!(alice.ask(sql).await.error.as_deref(), Some("23503"), "{sql}");
        assert_eq!(alice.ask("SELECT id FROM orders WHERE id = 1").await.error, None, "{sql}");
        assert_eq!(world.truth(later).await, "0", "{sql}");
    }
    let batch = alice.client.execute("INSERT INTO later VALUES (1, 999)", &[]).await;
    assert_eq!(world.truth(later).await, "0", "{batch:?}");
    assert_eq!(alice.ask("INSERT INTO later VALUES (1, 1)").await.error, None);
    assert_eq!(world.truth(later).await, "1");
    // Who comes second under REPEATABLE READ is told.
    assert_eq!(alice.ask("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT n FROM counters").await.error, None);
    assert_eq!(written(&other, "UPDATE counters SET n = 7").await, 1);
    assert_eq!(alice.ask("UPDATE counters SET n = 8").await.error.as_deref(), Some("40001"));
    assert_eq!(alice.ask("COMMIT").await.error, None);
    assert_eq!(world.truth("SELECT n FROM counters WHERE id = 1").await, "7");
    // One that waits for another is stopped by its time, and holds nothing afterwards.
    let admin = world.server.admin().await;
    admin.batch_execute("BEGIN; UPDATE counters SET n = n").await.unwrap();
    assert_eq!(alice.ask("SET statement_timeout = '300ms'").await.error, None);
    assert_eq!(alice.ask("UPDATE counters SET n = 9").await.error.as_deref(), Some("57014"));
    admin.batch_execute("COMMIT").await.unwrap();
    world.at_rest().await;
    assert_eq!(world.truth("SELECT n FROM counters WHERE id = 1").await, "7");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writers_clock_moves_no_row_filter() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    assert_eq!(alice.ask("SET TimeZone = 'Asia/Tokyo'").await.error, None);
    for sql in
        ["DELETE FROM timed", "UPDATE timed SET id = id + 10", "INSERT INTO timed VALUES (3, '2024-01-01 12:30')"]
    {
        for answer in [alice.ask(sql).await, alice.ask_extended(sql).await] {
            assert_eq!(answer.error.as_deref(), Some("0A000"), "{sql}: {answer:?}");
            assert!(answer.words.contains("TimeZone"), "{sql}: {answer:?}");
        }
    }
    assert_eq!(world.truth("SELECT string_agg(id::text, ',') FROM timed").await, "1,2");
    assert_eq!(alice.ask("SET TimeZone = 'UTC'").await.error, None);
    assert_eq!(written(&alice, "DELETE FROM timed").await, 1);
    assert_eq!(world.truth("SELECT string_agg(id::text, ',') FROM timed").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_writes_to_one_source_alone() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    let both = "SELECT (SELECT n FROM counters WHERE id = 1) || '/' || (SELECT count(*) FROM ledger)";
    // The second is refused, whatever became of the first, and nothing of either is kept.
    for sql in [
        "BEGIN; UPDATE counters SET n = 1; INSERT INTO ledger VALUES (1, 1)",
        "BEGIN; INSERT INTO ledger VALUES (1, 1); UPDATE counters SET n = 1 RETURNING n",
        "BEGIN; SAVEPOINT s; UPDATE counters SET n = 1; ROLLBACK TO s; INSERT INTO ledger VALUES (1, 1)",
        "UPDATE counters SET n = 1; INSERT INTO ledger VALUES (1, 1)",
    ] {
        let refused = alice.ask(sql).await;
        assert_eq!(refused.error.as_deref(), Some("0A000"), "{sql}: {refused:?}");
        assert!(refused.words.contains("in a transaction of its own"), "{sql}: {refused:?}");
        if sql.starts_with("BEGIN") {
            assert_eq!(alice.ask("COMMIT").await.error, None);
        }
        assert_eq!(world.truth(both).await, "0/0", "{sql}");
    }
    let transaction = alice.client.transaction().await.unwrap();
    assert_eq!(transaction.execute("UPDATE counters SET n = 1", &[]).await.unwrap(), 1);
    let refused = transaction.execute("INSERT INTO ledger VALUES (1, 1)", &[]).await.unwrap_err();
    assert_eq!(refused.code().map(tokio_postgres::error::SqlState::code), Some("0A000"));
    drop(transaction);
    assert_eq!(alice.ask("SELECT count(*) FROM ledger").await.error, None);
    assert_eq!(world.truth(both).await, "0/0");
    // Others may be read, before and after; and each may have its own transaction.
    let reads = "BEGIN; SELECT count(*) FROM ledger; UPDATE counters SET n = 2; SELECT n FROM ledger; COMMIT";
    assert_eq!(alice.ask(reads).await.error, None);
    assert_eq!(written(&alice, "INSERT INTO ledger VALUES (1, 1)").await, 1);
    assert_eq!(alice.ask("BEGIN; INSERT INTO ledger VALUES (2, 2); COMMIT").await.error, None);
    assert_eq!(alice.ask("BEGIN; UPDATE counters SET n = 3; COMMIT").await.error, None);
    assert_eq!(world.truth(both).await, "3/2");
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_recorded() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    assert_eq!(written(&alice, "UPDATE people SET name = 'Canary-literal' WHERE age > 0").await, 2);
    assert_eq!(alice.ask("DELETE FROM fixed").await.error.as_deref(), Some("42501"));
    assert_eq!(alice.ask("BEGIN; UPDATE people SET age = 1; COMMIT").await.error, None);
    drop(alice);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let log = world.log();
    let has = |words: &[&str]| log.iter().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(has(&["\"action\":\"WRITE\"", "\"writes\":\"public.people\"", "UPDATE people SET name"]), "{log:#?}");
    assert!(has(&["\"result\":\"SUCCESS\"", "\"rows\":2"]) || has(&["\"rowsReturned\":2"]), "{log:#?}");
    assert!(has(&["DELETE FROM fixed", "\"result\":\"DENIED\"", "public.fixed"]), "{log:#?}");
    assert!(has(&["\"COMMIT\""]), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("Canary-literal")));
}
