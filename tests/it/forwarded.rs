//! Statements on a real PostgreSQL through the gateway: governed, forwarded, streamed, recorded.

use crate::bounds::nested;
use crate::fixture::{self, Client, Gate};
use crate::postgres::Postgres;
use futures::{StreamExt, TryStreamExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tokio_postgres::types::Type;

const TABLES: &str = "
CREATE SCHEMA sales;
CREATE TYPE sales.mood AS ENUM ('calm', 'cross');
CREATE TABLE sales.people (
    id bigint PRIMARY KEY, name text NOT NULL, ssn text, email text, region varchar(10), age int,
    balance numeric(12,2), born timestamptz, extra jsonb, mood sales.mood, marks int[], words text[]);
CREATE DOMAIN sales.thing AS regclass;
CREATE TYPE sales.pair AS (n int, things sales.thing[]);
CREATE TABLE sales.named (id int, what regclass, whose regrole[], thing sales.thing, pair sales.pair, pairs sales.pair[]);
INSERT INTO sales.people VALUES
    (1, 'Ann Canary-EU-1', '111-22-3331', 'ann@secret.example', 'EU', 30, 10.50, '2020-01-01 12:00:00+00', '{\"a\": 1}', 'calm', '{1,2}', '{x,\"y z\"}'),
    (2, 'Bea Canary-EU-2', '111-22-3332', 'bea@secret.example', 'EU', 40, NULL, NULL, NULL, NULL, NULL, NULL),
    (3, 'Cal Canary-US-3', '111-22-3333', 'cal@secret.example', 'US', 50, 30.00, '2021-06-01 00:00:00+02', '{\"k\": \"Canary-US-json\"}', 'cross', '{3}', '{hidden}'),
    (4, 'Dov Canary-US-4', '111-22-3334', 'dov@secret.example', 'US', 60, 0, NULL, NULL, 'calm', '{}', '{}');
CREATE TABLE sales.orders (id bigint PRIMARY KEY, person bigint, amount int NOT NULL);
INSERT INTO sales.orders SELECT n, 1 + n % 4, n FROM generate_series(1, 100) AS n;
CREATE TABLE sales.many AS SELECT n AS id, repeat('x', 200) AS filler FROM generate_series(1, 300000) AS n;
CREATE VIEW sales.few AS SELECT id, amount FROM sales.orders WHERE amount < 4;
CREATE VIEW sales.odd AS SELECT id, region AS area, 1 / (age - 50) AS y FROM sales.people;
CREATE TABLE sales.secrets (word text);
INSERT INTO sales.secrets VALUES ('Canary-uncatalogued');
GRANT USAGE ON SCHEMA sales TO scram;
GRANT SELECT ON ALL TABLES IN SCHEMA sales TO scram;";

const CATALOG: &str = "
sources:
  - {name: crm, kind: postgres, dsn_file: DSN_FILE, pool: {max: 4, queue_timeout_ms: 5000}}
  - {name: disk, kind: files, location: files}
tags:
  PARTLY: {mask: {name: partial, prefix: 1, suffix: 0, pad: '***'}}
  HASHED: {mask: {name: hash}}
datasets:
  - name: public.people
    source: crm
    relation: sales.people
    tier: SYNTHETIC
    columns: [{name: id}, {name: name}, {name: ssn, tags: [PARTLY]}, {name: email, tags: [HASHED]}, {name: region}, {name: age, type: integer},
      {name: balance}, {name: born}, {name: extra}, {name: mood}, {name: marks}, {name: words}]
  - {name: public.orders, source: crm, relation: sales.orders, tier: SYNTHETIC, columns: [{name: id}, {name: person}, {name: amount}]}
  - {name: public.many, source: crm, relation: sales.many, tier: SYNTHETIC, columns: [{name: id}, {name: filler}]}
  - {name: public.few, source: crm, relation: sales.few, tier: SYNTHETIC, columns: [{name: id}, {name: amount}]}
  - {name: public.odd, source: crm, relation: sales.odd, tier: SYNTHETIC, columns: [{name: id}, {name: area}, {name: y}]}
  - {name: public.notes, source: disk, location: notes.csv, tier: SYNTHETIC, columns: [{name: id}, {name: note}]}
workspaces:
  - {name: lab, type: AD_HOC, owner: alice, members: [bob], limits: {statements_a_day: 1000000, concurrent_statements: 50, max_rows: 1000000, max_bytes: 1000000000}}
";

const POLICY: &str = "package analytics.data_access
default allow := false
allow if input.user.id in {\"alice\", \"bob\"}
region := {\"alice\": \"EU\", \"bob\": \"US\"}[input.user.id]
row_filters contains {\"expression\": \"region = :region\", \"params\": {\"region\": region}, \"for_columns\": [\"region\"]}
row_filters contains {\"expression\": \"lower(upper(lower(btrim(area)))) = lower(:region)\", \"params\": {\"region\": region}, \"for_columns\": [\"area\"]}
";

pub struct World {
    pub server: Postgres,
    pub gate: Gate,
    pub folder: PathBuf,
}

fn folder_over(server: &Postgres) -> PathBuf {
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
    folder
}

impl World {
    pub async fn new() -> Self {
        let server = Postgres::start();
        server.admin().await.batch_execute(TABLES).await.unwrap();
        let folder = folder_over(&server);
        let gate = fixture::gate_over(&folder).await;
        Self { server, gate, folder }
    }

    pub async fn client(&self, user: &str) -> Client {
        self.gate.connect_to(user, "lab").await.unwrap()
    }

    fn psql(&self, user: &str, sql: &str) -> String {
        let address = self.gate.address;
        let said = Command::new("psql")
            .args(["-X", "-A", "-t", "-v", "VERBOSITY=verbose", "-c", sql])
            .arg(format!("host={} port={} dbname=lab user={user}", address.ip(), address.port()))
            .env("PGPASSWORD", format!("{user}-demo"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr)
    }

    /// Statements of the gateway's that the upstream works on now.
    async fn busy(&self) -> i64 {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'scram' AND state <> 'idle' \
            AND backend_type = 'client backend'";
        self.server.admin().await.query_one(sql, &[]).await.unwrap().get(0)
    }

    async fn becomes_idle(&self) {
        self.becomes(0).await;
    }

    /// Waits until the upstream works on so many statements: it has its own pace, and so has a busy machine.
    async fn becomes(&self, busy: i64) {
        let began = Instant::now();
        while self.busy().await != busy {
            assert!(began.elapsed() < Duration::from_secs(60), "the upstream does not come to {busy} statements");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The audit log's lines, once so many of them hold a word.
    async fn records(&self, needle: &str, at_least: usize) -> Vec<String> {
        let began = Instant::now();
        loop {
            let mut lines = Vec::new();
            for entry in std::fs::read_dir(&self.gate.audit).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|of| of == "jsonl") {
                    let text = std::fs::read_to_string(path).unwrap();
                    lines.extend(text.lines().filter(|line| line.contains(needle)).map(str::to_owned));
                }
            }
            if lines.len() >= at_least || began.elapsed() > Duration::from_secs(5) {
                return lines;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn column(answer: &fixture::Answer, at: usize) -> Vec<String> {
    answer.rows.iter().map(|row| row[at].clone().unwrap_or_else(|| "NULL".to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_users_see_their_rows_and_masks_of_an_upstream() {
    let world = World::new().await;
    let (alice, bob) = (world.client("alice").await, world.client("bob").await);
    let sql = "SELECT id, ssn, email, balance, born, extra, mood, marks, words FROM people ORDER BY id";
    let (eu, us) = (alice.ask(sql).await, bob.ask(sql).await);
    assert_eq!((eu.error.clone(), us.error.clone()), (None, None), "{eu:?} {us:?}");
    assert_eq!((column(&eu, 0), column(&us, 0)), (vec!["1".to_owned(), "2".into()], vec!["3".to_owned(), "4".into()]));
    assert_eq!(column(&eu, 1)[0], "1***");
    assert_ne!(column(&eu, 2)[0], column(&eu, 2)[1]);
    assert!(!eu.words.contains("secret.example") && !us.words.contains("secret.example"), "{eu:?}");
    assert_eq!(column(&eu, 3), ["10.50", "NULL"]);
    assert_eq!(column(&eu, 4)[0], "2020-01-01 12:00:00+00");
    assert_eq!(eu.rows[0][5..], [r#"{"a": 1}"#, "calm", "{1,2}", r#"{x,"y z"}"#].map(|text| Some(text.to_owned())));
    assert_eq!(eu.columns, ["id", "ssn", "email", "balance", "born", "extra", "mood", "marks", "words"]);

    // Names are the client's; settings are followed; session functions are the gateway's.
    let answer = alice.ask("SELECT count(*) AS \"How Many\", current_user, max(age) FROM people AS p").await;
    assert_eq!(answer.columns, ["How Many", "current_user", "max"]);
    assert_eq!(answer.rows[0], ["2", "alice", "40"].map(|text| Some(text.to_owned())));
    assert_eq!(
        alice.ask("SET TimeZone = 'Asia/Tokyo'; SET IntervalStyle = iso_8601; SET bytea_output = escape").await.error,
        None
    );
    assert_eq!(column(&alice.ask("SELECT born FROM people WHERE id = 1").await, 0), ["2020-01-01 21:00:00+09"]);
    let styled = alice.ask("SELECT max(born) - min(born) + INTERVAL '1 day 2 hours', 'a'::bytea FROM people").await;
    assert_eq!(styled.rows, [["P1DT2H", "a"].map(|text| Some(text.to_owned()))], "{styled:?}");
    assert_eq!(column(&bob.ask("SELECT born FROM people WHERE id = 3").await, 0), ["2021-05-31 22:00:00+00"]);

    // Joins within the source, and a view.
    let joined = "SELECT sum(o.amount) FROM people p JOIN orders o ON o.person = p.id";
    assert_eq!(column(&alice.ask(joined).await, 0), ["2525"]);
    assert_eq!(column(&alice.ask("SELECT count(*) FROM few").await, 0), ["3"]);
    // Files go on as they were, and are not joined with upstreams.
    assert_eq!(column(&alice.ask("SELECT note FROM notes ORDER BY id").await, 0), ["one", "two"]);
    for (sql, code) in [
        ("SELECT * FROM people p JOIN notes n ON n.id = p.id", "0A000"),
        ("SELECT * FROM people p, pg_catalog.pg_class c", "0A000"),
        ("SELECT * FROM secrets", "42P01"),
        ("SELECT * FROM sales.secrets", "42P01"),
        ("SELECT * FROM sales.people", "42P01"),
        ("SELECT * FROM pg_catalog.pg_authid", "42P01"),
        ("INSERT INTO orders VALUES (1, 2, 3)", "0A000"),
        ("UPDATE orders SET amount = 0", "0A000"),
        ("DELETE FROM orders", "0A000"),
        ("EXPLAIN SELECT * FROM people", "0A000"),
        ("EXPLAIN ANALYZE SELECT * FROM people", "0A000"),
        ("SELECT $1::int, id FROM people", "42P02"),
    ] {
        let answer = alice.ask(sql).await;
        assert!(answer.rows.is_empty(), "{sql}: {answer:?}");
        assert_eq!(answer.error.as_deref(), Some(code), "{sql}: {answer:?}");
    }
    let shown = alice.ask("EXPLAIN (GOVERNANCE) SELECT * FROM people WHERE age + 1 > 2").await;
    let shown = column(&shown, 0).join("\n");
    assert!(shown.contains("Forwarded to: source crm") && shown.contains("r0 public.people: guarded"), "{shown}");
    let told = world.psql("bob", "SELECT name, mood FROM people ORDER BY id");
    assert_eq!(told, "Cal Canary-US-3|cross\nDov Canary-US-4|calm\n");
    // What was done to the columns of the last result, and what the catalogs say of an upstream's columns.
    assert_eq!(alice.ask("SELECT ssn, balance, mood FROM people").await.error, None);
    let last = alice.ask("SELECT name, type, mask IS NULL FROM querygate.last_result_columns ORDER BY 1").await;
    let shown: Vec<String> =
        last.rows.iter().map(|row| row.iter().flatten().cloned().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(shown, ["balance numeric t", "mood text t", "ssn text f"], "{last:?}");
    let columns = "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute \
                   WHERE attrelid = 'people'::regclass AND attname IN ('id', 'balance', 'words') ORDER BY attnum";
    let columns = alice.ask(columns).await;
    assert_eq!(
        (column(&columns, 1), column(&columns, 2)[0].as_str()),
        (["bigint", "numeric(12,2)", "text[]"].map(str::to_owned).to_vec(), "t"),
        "{columns:?}"
    );
    let described = world.psql("alice", "\\d people");
    assert!(described.contains("mood|") && described.contains("balance|numeric(12,2)"), "{described}");
    // The same without a connection to the gateway, and with one to the upstream.
    let querygate = |arguments: &[&str]| {
        let said = Command::new(env!("CARGO_BIN_EXE_querygate"))
            .args(arguments)
            .envs(fixture::variables(&world.folder, &world.folder.join("audit")))
            .current_dir(&world.folder)
            .output()
            .unwrap();
        (
            said.status.success(),
            String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr),
        )
    };
    let (well, said) = querygate(&["check"]);
    assert!(well && !said.contains("panicked"), "{said}");
    let (well, said) = querygate(&["explain", "-u", "alice", "-w", "lab", "SELECT id FROM orders WHERE id = 1"]);
    assert!(well && said.contains("r0 public.orders: open"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_in_an_upstream_never_comes_back() {
    let world = World::new().await;
    let (alice, bob) = (world.client("alice").await, world.client("bob").await);
    for sql in [
        "SELECT id FROM people WHERE id = 3 AND name::int > 0",
        "SELECT id FROM people WHERE ssn::int > 0",
        "SELECT 1 / (age - 50) FROM people",
        "SELECT id FROM people WHERE 1 / (age - 50) > 0",
        "SELECT id FROM people WHERE 100 / balance > 1",
        "SELECT p.id FROM orders o LEFT JOIN people p ON p.id = o.person AND p.name::int > 0",
        "SELECT p.id FROM people p JOIN orders o ON o.amount / (p.age - 50) > 0",
        "SELECT (SELECT name::int FROM people WHERE id = 3)",
        "SELECT * FROM people WHERE CASE WHEN name LIKE '%US%' THEN name::int > 0 ELSE false END",
        "SELECT count(*) FROM people WHERE name::date > '2020-01-01'",
        "SELECT name::int FROM people ORDER BY 1",
        "SELECT id FROM people ORDER BY 1 / (age - 50)",
        "SELECT max(name::int) FROM people WHERE region = 'US'",
        "SELECT id FROM people GROUP BY id HAVING max(1 / (age - 50)) > 0",
        "SELECT sum(1 / (age - 50)) OVER () FROM people",
        "WITH p AS (SELECT * FROM people) SELECT name::int FROM p WHERE region = 'US'",
        "SELECT o.id FROM orders o, LATERAL (SELECT name::int AS n FROM people p WHERE p.id = o.person) x",
        "SELECT id FROM people WHERE name ~ '('",
        "SELECT string_agg(name, ',') FROM people WHERE region <> 'EU'",
        "SELECT * FROM people WHERE region = 'US' OR 1 = 1",
        "SELECT email FROM people UNION ALL SELECT ssn FROM people",
        "SELECT id FROM people WHERE email LIKE '%secret.example%'",
        "SELECT id FROM people WHERE extra::text::int > 0",
        "SELECT p FROM people p",
        "SELECT id FROM people EXCEPT SELECT name::bigint FROM people",
    ] {
        for answer in [alice.ask(sql).await, alice.ask_extended(sql).await] {
            for canary in ["Canary-US", "secret.example", "111-22", "hidden"] {
                assert!(!answer.words.contains(canary), "{sql}: {answer:?}");
            }
        }
    }
    // Nothing of a hidden row makes a statement fail: alice has no row with this age, bob has.
    for sql in ["SELECT 1 / (age - 50) FROM people", "SELECT id FROM people WHERE 1 / (age - 50) > 5"] {
        assert_eq!((alice.ask(sql).await.error, bob.ask(sql).await.error), (None, Some("22012".to_owned())), "{sql}");
    }
    // A column of the upstream's own view is an expression: no condition on it is evaluated before the row filter.
    let answer = alice.ask("SELECT id FROM odd WHERE y = 0 ORDER BY id").await;
    assert_eq!((answer.error.clone(), column(&answer, 0)), (None, vec!["1".to_owned(), "2".to_owned()]), "{answer:?}");
    assert_eq!(bob.ask("SELECT id FROM odd WHERE y = 0").await.error.as_deref(), Some("22012"));
    assert_eq!(alice.ask("SELECT id FROM people WHERE 1 / (age - 30) > 5").await.error.as_deref(), Some("22012"));
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_prepared_bound_and_read_in_both_formats() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let client = &alice.client;
    let statement =
        client.prepare("SELECT id, balance::float8, mood, marks, email FROM people WHERE id = $1").await.unwrap();
    assert_eq!(statement.params(), [Type::INT8]);
    let types: Vec<Type> = statement.columns().iter().map(|column| column.type_().clone()).collect();
    assert_eq!(types, [Type::INT8, Type::FLOAT8, Type::TEXT, Type::INT4_ARRAY, Type::TEXT]);
    for _ in 0..3 {
        let row = client.query_one(&statement, &[&1_i64]).await.unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, f64>(1), row.get::<_, &str>(2)), (1, 10.5, "calm"));
        assert_eq!((row.get::<_, Vec<i32>>(3), row.get::<_, &str>(4).contains("secret")), (vec![1, 2], false));
        assert!(client.query(&statement, &[&3_i64]).await.unwrap().is_empty());
    }
    // A parameter of the upstream's own type is given as text; one that a mask's key follows is still the client's.
    let moods = client.prepare("SELECT id, email FROM people WHERE mood = $1 AND name LIKE $2").await.unwrap();
    assert_eq!(moods.params(), [Type::TEXT, Type::TEXT]);
    assert_eq!(client.query(&moods, &[&"calm", &"%EU%"]).await.unwrap().len(), 1);
    assert_eq!(client.query(&moods, &[&"cross", &"%"]).await.unwrap().len(), 0);
    // Text that a client declares is text, also where nothing else says so.
    let either = client
        .prepare_typed("SELECT id FROM orders WHERE id = 7 AND ($1 IS NULL OR $1 = 'x')", &[Type::TEXT])
        .await
        .unwrap();
    assert_eq!(client.query(&either, &[&"x"]).await.unwrap().len(), 1);
    assert_eq!(client.query(&either, &[&None::<&str>]).await.unwrap().len(), 1);
    let answer = alice.ask("PREPARE p AS SELECT name FROM people WHERE id = $1; EXECUTE p (2)").await;
    assert_eq!(column(&answer, 0), ["Bea Canary-EU-2"], "{answer:?}");

    for (options, expected) in [("", "1\tcalm\t{1,2}\n2\t\\N\t\\N\n"), ("WITH CSV", "1,calm,\"{1,2}\"\n2,,\n")] {
        let sql = format!("COPY (SELECT id, mood, marks FROM people ORDER BY id) TO STDOUT {options}");
        let bytes: Vec<u8> =
            client.copy_out(&sql).await.unwrap().map_ok(|chunk| chunk.to_vec()).try_concat().await.unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
    let sql = "COPY (SELECT id, mood FROM people ORDER BY id) TO STDOUT (FORMAT binary)";
    let bytes: Vec<u8> = client.copy_out(sql).await.unwrap().map_ok(|chunk| chunk.to_vec()).try_concat().await.unwrap();
    let row = [b"\0\x02\0\0\0\x08".as_slice(), &1_i64.to_be_bytes(), b"\0\0\0\x04calm"].concat();
    assert!(bytes.starts_with(b"PGCOPY\n") && bytes.windows(row.len()).any(|part| part == row), "{bytes:?}");

    assert_eq!(alice.ask("BEGIN; DECLARE c CURSOR FOR SELECT id FROM orders ORDER BY id").await.error, None);
    for from in [1, 31, 61] {
        let page = alice.ask("FETCH 30 FROM c").await;
        assert_eq!((page.rows.len(), page.rows[0][0].clone()), (30, Some(from.to_string())), "{page:?}");
    }
    assert_eq!(alice.ask("FETCH ALL FROM c").await.rows.len(), 10);
    assert_eq!(alice.ask("CLOSE c; COMMIT").await.error, None);
    // A whole table; a cursor's rows come in the format that it was declared with.
    let copied = client.copy_out("COPY people (id, ssn) TO STDOUT").await;
    let bytes: Vec<u8> = copied.unwrap().map_ok(|chunk| chunk.to_vec()).try_concat().await.unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), "1\t1***\n2\t1***\n");
    assert_eq!(
        alice.ask("BEGIN; DECLARE b BINARY CURSOR FOR SELECT id, mood FROM people ORDER BY id").await.error,
        None
    );
    let rows = client.query("FETCH 1 FROM b", &[]).await.unwrap();
    assert_eq!((rows[0].get::<_, i64>(0), rows[0].get::<_, &str>(1)), (1, "calm"));
    assert_eq!(alice.ask("COMMIT").await.error, None);
    let mut client = world.client("alice").await.client;
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("SELECT id FROM orders ORDER BY id", &[]).await.unwrap();
    for expected in [40, 40, 20] {
        assert_eq!(transaction.query_portal(&portal, 40).await.unwrap().len(), expected);
    }
    transaction.commit().await.unwrap();
    world.becomes_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_stops_when_nobody_waits_any_more() {
    let world = World::new().await;
    let endless = "SELECT count(*) FROM many a, many b, many c";
    let alice = world.client("alice").await;
    let token = alice.client.cancel_token();
    let (answer, ()) = tokio::join!(alice.ask(endless), async {
        world.becomes(1).await;
        token.cancel_query(tokio_postgres::NoTls).await.unwrap();
    });
    assert_eq!(answer.error.as_deref(), Some("57014"), "{answer:?}");
    world.becomes_idle().await;
    // The session goes on; its own bound on time works in the upstream too.
    let late = alice.ask("SET statement_timeout = '300ms'").await;
    assert_eq!(late.error, None);
    assert_eq!(alice.ask(endless).await.error.as_deref(), Some("57014"));
    world.becomes_idle().await;
    assert_eq!(alice.ask("RESET statement_timeout; SELECT count(*) FROM people").await.error, None);
    // A client that goes while rows come.
    let bob = world.client("bob").await;
    let mut rows =
        Box::pin(bob.client.copy_out("COPY (SELECT a.id, b.filler FROM many a, many b) TO STDOUT").await.unwrap());
    assert!(rows.next().await.unwrap().is_ok());
    world.becomes(1).await;
    drop(rows);
    drop(bob);
    world.becomes_idle().await;
    let ends = world.records("\"interrupted\":true", 1).await;
    assert!(!ends.is_empty(), "a statement whose client went has no true end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_its_upstream_and_every_statement_is_recorded() {
    let mut world = World::new().await;
    let alice = world.client("alice").await;
    assert_eq!(alice.ask("SELECT id, 77001 FROM people").await.rows.len(), 2);
    assert_eq!(alice.ask("SELECT name::int FROM people WHERE id = 1").await.error.as_deref(), Some("22P02"));
    world.server.stop();
    for _ in 0..2 {
        let code = alice.ask("SELECT id FROM people").await.error.unwrap();
        assert!(matches!(code.as_str(), "08006" | "57P01" | "57P03"), "{code}");
    }
    // What does not need it goes on; what would be loaded now is refused, and the old serves on.
    assert_eq!(alice.ask("SELECT note FROM notes").await.rows.len(), 2);
    let findings = world.gate.reload().await.unwrap_err();
    let words = format!("{findings:?}");
    assert!(words.contains("source \\\"crm\\\" can't be read") && !words.contains("sesame"), "{words}");
    world.server.launch();
    let began = Instant::now();
    while alice.ask("SELECT id FROM people").await.rows.len() != 2 {
        assert!(began.elapsed() < Duration::from_secs(20), "the upstream is back and the session does not see it");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    world.gate.reload().await.unwrap();
    assert_eq!(alice.ask("SELECT id FROM people").await.rows.len(), 2);

    drop(alice);
    // Each statement that began has ended, once. Ends are written without anybody waiting for them.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut ends = std::collections::BTreeMap::new();
    for line in world.records("\"QUERY_EXECUTE\"", 16).await {
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        let record = record.get("record").unwrap_or(&record);
        let ended = ends.entry(record["eventId"].as_str().unwrap().to_owned()).or_insert((0, 0));
        if record.get("result").is_some() { ended.1 += 1 } else { ended.0 += 1 }
    }
    assert!(ends.len() >= 6 && ends.values().all(|(_, ended)| *ended == 1), "{ends:?}");
    assert!(ends.values().filter(|(begun, _)| *begun == 1).count() >= 5, "{ends:?}");

    let begun = world.records("\"sanitizedQuery\":\"SELECT name::int", 1).await;
    assert!(
        begun.iter().any(|line| line.contains("public.people") && line.contains("analytics.data_access")),
        "{begun:?}"
    );
    assert!(
        !world.records("\"sqlstate\":\"22P02\"", 1).await.is_empty(),
        "the upstream's error is not the record's end"
    );
    let ended = world.records("\"result\":\"SUCCESS\"", 3).await;
    assert!(ended.iter().any(|line| line.contains("\"rowsReturned\":2") || line.contains("\"rows\":2")), "{ended:?}");
    assert!(world.records("77001", 0).await.is_empty() && world.records("sesame", 0).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_breaks_off_says_so_and_a_full_pool_names_itself() {
    let world = World::new().await;
    let (alice, bob) = (world.client("alice").await, world.client("bob").await);
    // Killed while rows come.
    let mut rows =
        Box::pin(alice.client.copy_out("COPY (SELECT a.id, b.filler FROM many a, many b) TO STDOUT").await.unwrap());
    assert!(rows.next().await.unwrap().is_ok());
    let killed =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'scram' AND state = 'active'";
    let killed: i64 = world.server.admin().await.query_one(killed, &[]).await.unwrap().get(0);
    assert!(killed >= 1);
    let error = loop {
        match rows.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    let code = error.as_db_error().unwrap().code().code().to_owned();
    assert!(matches!(code.as_str(), "57P01" | "08006"), "{error:?}");
    drop(rows);
    assert_eq!(alice.ask("SELECT id FROM people").await.rows.len(), 2);
    assert!(!world.records(&format!("\"sqlstate\":\"{code}\""), 1).await.is_empty());

    // Cursors that outlive their transactions hold their connections: the pool has four.
    for name in ["a", "b", "c", "d"] {
        let declared = alice.ask(&format!("DECLARE {name} CURSOR WITH HOLD FOR SELECT id FROM orders")).await;
        assert_eq!(declared.error, None, "{declared:?}");
    }
    let full = bob.ask("SELECT id FROM people").await;
    assert_eq!(full.error.as_deref(), Some("53300"), "{full:?}");
    assert!(full.words.contains("crm"), "{full:?}");
    assert_eq!(alice.ask("CLOSE ALL").await.error, None);
    assert_eq!(bob.ask("SELECT id FROM people").await.rows.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_keeps_the_connections_that_stay_what_they_are() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let mut admin = world.server.admin().await;
    let pids = async |admin: &mut tokio_postgres::Client, application: &str| -> Vec<i32> {
        let sql = "SELECT pid FROM pg_stat_activity WHERE usename = 'scram' AND application_name = $1 ORDER BY pid";
        admin.query(sql, &[&application]).await.unwrap().iter().map(|row| row.get(0)).collect()
    };
    let dsn = std::fs::read_to_string(world.folder.join("dsn")).unwrap();
    std::fs::write(world.folder.join("dsn"), format!("{dsn}&application_name=first")).unwrap();
    world.gate.reload().await.unwrap();
    assert_eq!(alice.ask("SELECT id FROM people").await.rows.len(), 2);
    let before = pids(&mut admin, "first").await;
    assert!(!before.is_empty());
    world.gate.reload().await.unwrap();
    assert_eq!(alice.ask("SELECT id FROM people").await.rows.len(), 2);
    assert_eq!(pids(&mut admin, "first").await, before);
    // A policy acts on what is prepared already.
    let prepared = alice.client.prepare("SELECT id FROM people ORDER BY id").await.unwrap();
    std::fs::write(world.folder.join("policies/access.rego"), POLICY.replace("\"EU\"", "\"US\"")).unwrap();
    world.gate.reload().await.unwrap();
    let ids: Vec<i64> = alice.client.query(&prepared, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(ids, [3, 4]);
    std::fs::write(world.folder.join("policies/access.rego"), POLICY).unwrap();
    // Another connection string: a cursor on the old connections goes on, and then they go.
    assert_eq!(alice.ask("BEGIN; DECLARE c CURSOR FOR SELECT id FROM orders; FETCH 1 FROM c").await.error, None);
    std::fs::write(world.folder.join("dsn"), format!("{dsn}&application_name=second")).unwrap();
    world.gate.reload().await.unwrap();
    assert_eq!(alice.ask("FETCH ALL FROM c").await.rows.len(), 99);
    assert_eq!(alice.ask("COMMIT; SELECT id FROM people").await.rows.len(), 2);
    assert!(!pids(&mut admin, "second").await.is_empty());
    let began = Instant::now();
    while !pids(&mut admin, "first").await.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(5), "connections of the old source are left");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Statements that nest, each in its own way.
#[tokio::test(flavor = "multi_thread")]
async fn statements_that_nest_are_forwarded_or_refused() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    for times in [5, 10, 60] {
        for sql in nested(times) {
            let short: String = sql.chars().take(60).collect();
            let began = Instant::now();
            let answer = alice.ask(&sql).await;
            assert!(began.elapsed() < Duration::from_secs(20), "{short} … {times}: {:?}", began.elapsed());
            let refused = ["54001", "54000", "0A000", "42601", "42712", "22003", "54011"];
            let fits = answer.error.as_deref().is_none_or(|code| refused.contains(&code));
            assert!(fits, "{short} … {times}: {:?} {:.300}", answer.error, answer.words);
        }
        assert_eq!(alice.ask("SELECT id FROM people").await.rows.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_that_is_not_what_the_upstream_is_does_not_load() {
    let world = World::new().await;
    let catalog = world.folder.join("catalog/catalog.yaml");
    let text = std::fs::read_to_string(&catalog).unwrap();
    for (from, to, expected) in [
        ("sales.orders", "sales.nothing", "relation sales.nothing does not exist in source"),
        ("sales.few", "sales.people_pkey", "relation sales.people_pkey is no table and no view in source"),
        (
            "{name: age, type: integer}",
            "{name: age, type: text}",
            "column \\\"age\\\" is declared text and the data has integer",
        ),
        ("{name: balance}", "{name: ballance}", "ballance"),
        (
            "sales.few, tier: SYNTHETIC, columns: [{name: id}, {name: amount}]",
            "sales.named, tier: SYNTHETIC, columns: [{name: id}, {name: what}]",
            "column \\\"what\\\" is of type regclass",
        ),
        (
            "sales.few, tier: SYNTHETIC, columns: [{name: id}, {name: amount}]",
            "sales.named, tier: SYNTHETIC, columns: [{name: id}, {name: thing}]",
            "column \\\"thing\\\" is of type regclass",
        ),
        (
            "sales.few, tier: SYNTHETIC, columns: [{name: id}, {name: amount}]",
            "sales.named, tier: SYNTHETIC, columns: [{name: id}, {name: pairs}]",
            "column \\\"pairs\\\" is of type regclass",
        ),
    ] {
        assert!(text.contains(from));
        std::fs::write(&catalog, text.replace(from, to)).unwrap();
        let findings = format!("{:?}", world.gate.reload().await.unwrap_err());
        assert!(findings.contains(expected), "{to}: {findings}");
        assert!(findings.contains("catalog.yaml"), "{findings}");
    }
    std::fs::write(&catalog, text).unwrap();
    std::fs::write(world.folder.join("dsn"), "postgres://scram:sesame@localhost").unwrap();
    let findings = format!("{:?}", world.gate.reload().await.unwrap_err());
    assert!(findings.contains("source \\\"crm\\\" can't be") && !findings.contains("sesame"), "{findings}");
}

/// An upstream's session follows its client's clock. What a policy wrote must not.
#[tokio::test(flavor = "multi_thread")]
async fn a_users_clock_moves_no_row_filter() {
    let world = World::new().await;
    let policy = world.folder.join("policies/access.rego");
    let with = async |filter: &str| {
        let rule = format!(
            "{POLICY}row_filters contains {{\"expression\": \"{filter}\"}} if input.dataset.name == \"public.people\"\n"
        );
        std::fs::write(&policy, rule).unwrap();
        world.gate.reload().await.unwrap();
    };
    let sql = "SELECT id FROM people ORDER BY id";
    // The row of 12:00 UTC is hidden. In a zone twelve hours behind, the same words would mean midnight.
    for filter in [
        "born < '2020-01-01 11:00:00'",
        "born::date < '2020-01-01'",
        "date_trunc('day', born) < '2020-01-01'",
        "to_char(born, 'HH24') = '00'",
        "date_part('hour', born) < 11",
        "born < TIMESTAMP '2020-01-01 11:00:00'",
    ] {
        with(filter).await;
        for settings in ["TimeZone = 'Etc/GMT+12'", "TimeZone = 'Etc/GMT-14'", "DateStyle = 'ISO, DMY'"] {
            let alice = world.client("alice").await;
            assert_eq!(alice.ask(&format!("SET {settings}")).await.error, None);
            for answer in [alice.ask(sql).await, alice.ask_extended(sql).await] {
                assert_eq!(answer.error.as_deref(), Some("0A000"), "{filter} {settings} {answer:?}");
            }
            // What the filter is not on goes on.
            assert_eq!(alice.ask("SELECT count(*) FROM orders").await.error, None);
        }
        let answer = world.client("alice").await.ask(sql).await;
        assert_eq!((answer.error.clone(), answer.rows.len()), (None, 0), "{filter} {answer:?}");
    }
    // A moment that says its zone is the same one everywhere.
    with("born < '2020-01-01 11:00:00+00' OR born IS NULL").await;
    let alice = world.client("alice").await;
    for zone in ["Etc/GMT+12", "UTC", "Asia/Tokyo"] {
        assert_eq!(alice.ask(&format!("SET TimeZone = '{zone}'")).await.error, None);
        assert_eq!(column(&alice.ask(sql).await, 0), ["2"], "{zone}");
    }
}

/// PostgreSQL reads constants where it parses: a statement that it keeps would go on in the zone of its first run.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_kept_follows_the_clock_of_its_session() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let sql = "SELECT id FROM people WHERE born < '2020-01-01 11:00:00'";
    for _ in 0..2 {
        for (zone, expected) in [("UTC", 0), ("Etc/GMT+12", 1), ("Asia/Tokyo", 0)] {
            assert_eq!(alice.ask(&format!("SET TimeZone = '{zone}'")).await.error, None);
            assert_eq!(alice.ask(sql).await.rows.len(), expected, "{zone}");
        }
        let set = "BEGIN; SET LOCAL TimeZone = 'Etc/GMT+12'";
        assert_eq!(alice.ask(set).await.error, None);
        assert_eq!(alice.ask(sql).await.rows.len(), 1);
        assert_eq!(alice.ask("COMMIT").await.error, None);
        assert_eq!(alice.ask(sql).await.rows.len(), 0, "after the transaction");
    }
}
