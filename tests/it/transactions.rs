//! Transactions of clients on a real PostgreSQL: one snapshot, savepoints, failures, and connections that come back.

use crate::fixture::{self, Answer, Client, Gate};
use crate::postgres::Postgres;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const TABLES: &str = "
CREATE TABLE notes (id bigint PRIMARY KEY, owner text NOT NULL, body text NOT NULL);
INSERT INTO notes SELECT n, CASE WHEN n % 2 = 0 THEN 'alice' ELSE 'bob' END, 'note ' || n FROM generate_series(1, 20) AS n;
CREATE TABLE many AS SELECT n AS id, repeat('x', 100) AS filler FROM generate_series(1, 200000) AS n;
CREATE DATABASE second;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO scram;";

const SECOND: &str = "CREATE TABLE others (id bigint PRIMARY KEY); INSERT INTO others VALUES (1), (2);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO scram;";

const CATALOG: &str = "
sources:
  - {name: crm, kind: postgres, dsn_file: DSN_FILE, pool: {max: 2, mode: MODE, queue_timeout_ms: 1000, transaction_idle_timeout_s: IDLE}}
  - {name: erp, kind: postgres, dsn_file: OTHER_DSN, pool: {max: 2}}
datasets:
  - {name: public.notes, source: crm, relation: public.notes, tier: SYNTHETIC, columns: [{name: id}, {name: owner}, {name: body}]}
  - {name: public.many, source: crm, relation: public.many, tier: SYNTHETIC, columns: [{name: id}, {name: filler}]}
  - {name: public.others, source: erp, relation: public.others, tier: SYNTHETIC, columns: [{name: id}]}
workspaces:
  - {name: lab, type: AD_HOC, owner: alice, members: [bob], limits: {statements_a_day: 1000000, concurrent_statements: 50, max_rows: 1000000, max_bytes: 1000000000}}
";

const POLICY: &str = "package analytics.data_access
default allow := false
allow if input.user.id in {\"alice\", \"bob\"}
row_filters contains {\"expression\": \"owner = :owner\", \"params\": {\"owner\": input.user.id}, \"for_columns\": [\"owner\"]}
";

struct World {
    server: Postgres,
    gate: Gate,
    folder: PathBuf,
}

impl World {
    /// Transactions may lie idle for longer than any of these tests takes, on whatever machine.
    async fn new(mode: &str) -> Self {
        Self::with_idle(mode, Duration::from_secs(300)).await
    }

    async fn with_idle(mode: &str, idle: Duration) -> Self {
        let server = Postgres::start();
        for statement in TABLES.split_inclusive(';') {
            server.admin().await.batch_execute(statement).await.unwrap();
        }
        let (second, connection) = tokio_postgres::Config::new()
            .host_path(server.socket_folder())
            .port(server.port)
            .user("postgres")
            .dbname("second")
            .connect(tokio_postgres::NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        second.batch_execute(SECOND).await.unwrap();
        let folder = tempfile::tempdir().unwrap().keep();
        for part in ["catalog", "policies"] {
            std::fs::create_dir_all(folder.join(part)).unwrap();
        }
        let root = server.file("root.pem").display().to_string();
        for (file, database) in [("dsn", "postgres"), ("other", "second")] {
            let dsn = format!(
                "postgres://scram:sesame@localhost:{}/{database}?sslmode=verify-full&sslrootcert={root}",
                server.port
            );
            std::fs::write(folder.join(file), dsn).unwrap();
        }
        let catalog = CATALOG
            .replace("DSN_FILE", &folder.join("dsn").display().to_string())
            .replace("OTHER_DSN", &folder.join("other").display().to_string())
            .replace("MODE", mode)
            .replace("IDLE", &idle.as_secs().to_string());
        std::fs::write(folder.join("catalog/catalog.yaml"), catalog).unwrap();
        let users = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog/users.yaml");
        std::fs::copy(users, folder.join("catalog/users.yaml")).unwrap();
        std::fs::write(folder.join("policies/access.rego"), POLICY).unwrap();
        let gate = fixture::gate_over(&folder).await;
        Self { server, gate, folder }
    }

    async fn client(&self, user: &str) -> Client {
        self.gate.connect_to(user, "lab").await.unwrap()
    }

    async fn write(&self, sql: &str) {
        self.server.admin().await.batch_execute(sql).await.unwrap();
    }

    /// The gateway's sessions in the upstream that are in this state.
    async fn sessions(&self, state: &str) -> i64 {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'scram' AND state LIKE $1";
        self.server.admin().await.query_one(sql, &[&state]).await.unwrap().get(0)
    }

    /// Waits until no session of the gateway's is in a transaction, for so long at most.
    async fn all_at_rest(&self, within: Duration) {
        let began = Instant::now();
        while self.sessions("%in transaction%").await + self.sessions("active").await > 0 {
            assert!(began.elapsed() < within, "a connection is still in a transaction");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn log(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(&self.gate.audit).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|of| of == "jsonl") {
                text += &std::fs::read_to_string(path).unwrap();
            }
        }
        text
    }
}

#[track_caller]
fn first(answer: &Answer) -> String {
    assert_eq!(answer.error, None, "{answer:?}");
    answer.rows[0][0].clone().unwrap()
}

async fn count(client: &Client) -> String {
    first(&client.ask("SELECT count(*) FROM notes").await)
}

async fn well(client: &Client, sql: &str) {
    let answer = client.ask(sql).await;
    assert_eq!(answer.error, None, "{sql}: {answer:?}");
}

const RESTED: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_sees_one_snapshot_and_gives_its_connection_back() {
    let world = World::new("transaction").await;
    let (alice, bob) = (world.client("alice").await, world.client("bob").await);
    well(&alice, "BEGIN ISOLATION LEVEL REPEATABLE READ").await;
    assert_eq!(count(&alice).await, "10");
    let began = first(&alice.ask("SELECT now() FROM notes LIMIT 1").await);
    world.write("DELETE FROM notes WHERE id = 2; DELETE FROM notes WHERE id = 1").await;
    assert_eq!((count(&alice).await, count(&bob).await), ("10".to_owned(), "9".to_owned()));
    assert_eq!(first(&alice.ask("SELECT now() FROM notes LIMIT 1").await), began);
    // Settings are followed within it, and files and other sources may be read beside it.
    let shown = alice.ask("SET LOCAL TimeZone = 'Asia/Tokyo'; SELECT now() FROM notes LIMIT 1").await;
    assert!(first(&shown).ends_with("+09"), "{shown:?}");
    assert_eq!(first(&alice.ask("SELECT count(*) FROM others").await), "2");
    assert_eq!(world.sessions("idle in transaction").await, 2);
    let modes = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'scram' AND state = 'idle in transaction' AND query NOT LIKE 'BEGIN%'";
    assert_eq!(world.server.admin().await.query_one(modes, &[]).await.unwrap().get::<_, i64>(0), 2);
    well(&alice, "COMMIT").await;
    world.all_at_rest(RESTED).await;
    assert_eq!(count(&alice).await, "9");
    // READ COMMITTED sees what others commit; READ ONLY, DEFERRABLE and SERIALIZABLE are taken; a chain begins anew.
    well(&alice, "BEGIN").await;
    assert_eq!(count(&alice).await, "9");
    world.write("DELETE FROM notes WHERE id = 4").await;
    assert_eq!(count(&alice).await, "8");
    well(&alice, "COMMIT AND CHAIN").await;
    assert_eq!(count(&alice).await, "8");
    well(&alice, "ROLLBACK; BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE").await;
    assert_eq!(count(&alice).await, "8");
    well(&alice, "COMMIT").await;
    // A string of several statements is a transaction, and so is what a driver prepares.
    well(&alice, "SELECT count(*) FROM notes; SELECT id FROM notes").await;
    world.all_at_rest(RESTED).await;
    let mut client = world.client("bob").await.client;
    let transaction = client.transaction().await.unwrap();
    let statement = transaction.prepare("SELECT id FROM notes WHERE id > $1").await.unwrap();
    assert_eq!(transaction.query(&statement, &[&10_i64]).await.unwrap().len(), 5);
    transaction.commit().await.unwrap();
    world.all_at_rest(RESTED).await;
    // Nothing can be written, whatever the modes say.
    for sql in ["INSERT INTO notes VALUES (100, 'alice', 'x')", "DELETE FROM notes"] {
        well(&alice, "BEGIN READ WRITE").await;
        assert!(alice.ask(sql).await.error.is_some());
        well(&alice, "ROLLBACK").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn savepoints_and_errors_act_as_in_postgresql() {
    let world = World::new("transaction").await;
    let alice = world.client("alice").await;
    // Savepoints from before the first statement there, after it, and of one name.
    well(&alice, "BEGIN; SAVEPOINT a; SAVEPOINT a").await;
    assert_eq!(count(&alice).await, "10");
    well(&alice, "SAVEPOINT b").await;
    assert_eq!(alice.ask("SELECT body::int FROM notes").await.error.as_deref(), Some("22P02"));
    for refused in ["SELECT 1", "SELECT count(*) FROM notes", "SAVEPOINT c", "RELEASE a"] {
        assert_eq!(alice.ask(refused).await.error.as_deref(), Some("25P02"), "{refused}");
    }
    well(&alice, "ROLLBACK TO b").await;
    assert_eq!(count(&alice).await, "10");
    well(&alice, "RELEASE b; ROLLBACK TO a; RELEASE a; ROLLBACK TO a").await;
    assert_eq!(count(&alice).await, "10");
    assert_eq!(alice.ask("ROLLBACK TO nothing").await.error.as_deref(), Some("3B001"));
    well(&alice, "ROLLBACK TO a; COMMIT").await;
    world.all_at_rest(RESTED).await;
    // A denial by the gateway fails the transaction as an upstream's error does, and frees what it held at once.
    for wrong in ["SELECT nothing FROM notes", "SELECT * FROM absent", "SELECT body::int FROM notes", "SELEC"] {
        well(&alice, "BEGIN").await;
        assert_eq!(count(&alice).await, "10");
        assert!(alice.ask(wrong).await.error.is_some());
        world.all_at_rest(RESTED).await;
        assert_eq!(alice.ask("SELECT count(*) FROM notes").await.error.as_deref(), Some("25P02"));
        well(&alice, "COMMIT").await;
        assert_eq!(count(&alice).await, "10");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn portals_and_cursors_share_the_connection_of_their_transaction() {
    let world = World::new("transaction").await;
    let alice = world.client("alice").await;
    well(&alice, "BEGIN ISOLATION LEVEL REPEATABLE READ").await;
    well(
        &alice,
        "DECLARE a CURSOR FOR SELECT id FROM notes ORDER BY id; DECLARE b CURSOR FOR SELECT id FROM many ORDER BY id",
    )
    .await;
    let ids = |answer: &Answer| {
        assert_eq!(answer.error, None, "{answer:?}");
        answer.rows.iter().map(|row| row[0].clone().unwrap()).collect::<Vec<_>>()
    };
    for round in 0..3_u64 {
        assert_eq!(ids(&alice.ask("FETCH 2 FROM a").await), [4 * round + 2, 4 * round + 4].map(|id| id.to_string()));
        assert_eq!(ids(&alice.ask("FETCH FROM b").await), [(round + 1).to_string()]);
        assert_eq!(count(&alice).await, "10");
        well(&alice, "SAVEPOINT s; DECLARE nested CURSOR FOR SELECT id FROM notes; FETCH 1 FROM nested").await;
        well(&alice, "ROLLBACK TO s").await;
        assert_eq!(alice.ask("FETCH nested").await.error.as_deref(), Some("34000"));
        well(&alice, "ROLLBACK TO s; RELEASE s").await;
    }
    assert_eq!(first(&alice.ask("MOVE 100 IN b; FETCH b").await), "104");
    assert_eq!(alice.ask("FETCH 150000 FROM b").await.rows.len(), 150_000);
    assert_eq!(alice.ask("FETCH ALL FROM a").await.rows.len(), 4);
    assert_eq!(alice.ask("FETCH ALL FROM a").await.rows.len(), 0);
    assert_eq!(world.sessions("%").await, 2, "one for the catalog's source and one for the other");
    let held = alice.ask("DECLARE h CURSOR WITH HOLD FOR SELECT id FROM notes").await;
    assert_eq!(held.error.as_deref(), Some("0A000"), "{held:?}");
    well(&alice, "ROLLBACK").await;
    world.all_at_rest(RESTED).await;
    // A driver's portals, one read through others; one that is left is closed.
    let mut client = world.client("bob").await.client;
    let transaction = client.transaction().await.unwrap();
    let numbers = transaction.bind("SELECT id FROM many ORDER BY id", &[]).await.unwrap();
    let notes = transaction.bind("SELECT id FROM notes ORDER BY id", &[]).await.unwrap();
    for expected in [4, 4, 2] {
        assert_eq!(transaction.query_portal(&notes, 4).await.unwrap().len(), expected);
        assert_eq!(transaction.query_portal(&numbers, 1000).await.unwrap().len(), 1000);
        assert_eq!(transaction.query("SELECT id FROM notes", &[]).await.unwrap().len(), 10);
    }
    drop(numbers);
    transaction.commit().await.unwrap();
    world.all_at_rest(RESTED).await;
    // WITH HOLD outside of a transaction goes on as before.
    well(&alice, "DECLARE h CURSOR WITH HOLD FOR SELECT id FROM notes ORDER BY id").await;
    assert_eq!(ids(&alice.ask("FETCH 2 FROM h").await), ["2", "4"]);
    well(&alice, "CLOSE h").await;
    world.all_at_rest(RESTED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_keeps_a_connection_who_does_not_use_it() {
    let world = World::new("transaction").await;
    let endless = "SELECT count(*) FROM many a, many b, many c";
    let alice = world.client("alice").await;
    // Cancel and time.
    well(&alice, "BEGIN").await;
    assert_eq!(count(&alice).await, "10");
    let token = alice.client.cancel_token();
    let (answer, ()) = tokio::join!(alice.ask(endless), async {
        while world.sessions("active").await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        token.cancel_query(tokio_postgres::NoTls).await.unwrap();
    });
    assert_eq!(answer.error.as_deref(), Some("57014"), "{answer:?}");
    world.all_at_rest(RESTED).await;
    assert_eq!(alice.ask("SELECT 1").await.error.as_deref(), Some("25P02"));
    well(&alice, "ROLLBACK; BEGIN; SAVEPOINT s; SET LOCAL statement_timeout = '300ms'").await;
    assert_eq!(alice.ask(endless).await.error.as_deref(), Some("57014"));
    well(&alice, "ROLLBACK TO s").await;
    assert_eq!(count(&alice).await, "10");
    well(&alice, "ROLLBACK").await;
    // A client that goes, idle or in the middle of rows.
    for sql in ["SELECT count(*) FROM notes", "DECLARE c CURSOR FOR SELECT id FROM many; FETCH 10 FROM c"] {
        let bob = world.client("bob").await;
        well(&bob, &format!("BEGIN; {sql}")).await;
        assert_eq!(world.sessions("idle in transaction").await, 1);
        drop(bob);
        world.all_at_rest(RESTED).await;
    }
    // The pool has two: a third transaction has to wait, and says for what.
    let (bob, third) = (world.client("bob").await, world.client("bob").await);
    for client in [&alice, &bob] {
        well(client, "BEGIN; SELECT count(*) FROM notes").await;
        // What is described runs on what is held already.
        assert_eq!(client.ask_extended("SELECT id FROM notes").await.error, None);
    }
    assert_eq!(third.ask("SELECT count(*) FROM notes").await.error.as_deref(), Some("53300"));
    well(&alice, "COMMIT").await;
    assert_eq!(count(&third).await, "10");
    well(&bob, "COMMIT").await;
    world.all_at_rest(RESTED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stays_and_says_nothing_gives_the_connection_back() {
    let world = World::with_idle("transaction", Duration::from_secs(2)).await;
    // By its own setting, and by the gateway's bound.
    for set in ["SET idle_in_transaction_session_timeout = '1s'", "SELECT 1"] {
        let bob = world.client("bob").await;
        well(&bob, &format!("{set}; BEGIN; SELECT count(*) FROM notes")).await;
        assert_eq!(world.sessions("idle in transaction").await, 1);
        world.all_at_rest(RESTED).await;
        assert!(bob.ask("SELECT 1").await.error.is_some() || bob.client.is_closed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_fails_ends_the_transaction_honestly() {
    let mut world = World::new("transaction").await;
    let alice = world.client("alice").await;
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'scram' AND state LIKE 'idle in%'";
    // Between two statements, with a savepoint to go back to, and before COMMIT.
    for (before, next, codes) in [
        ("SELECT 1", "SELECT count(*) FROM notes", ["08006", "57P01"]),
        ("SAVEPOINT s", "SELECT count(*) FROM notes", ["08006", "57P01"]),
        ("SELECT 1", "SAVEPOINT t", ["08006", "57P01"]),
        ("SELECT 1", "COMMIT", ["08006", "08007"]),
    ] {
        well(&alice, &format!("BEGIN; {before}; SELECT count(*) FROM notes")).await;
        world.write(kill).await;
        let failed = alice.ask(next).await;
        assert!(codes.contains(&failed.error.as_deref().unwrap()), "{next}: {failed:?}");
        if next != "COMMIT" {
            assert_eq!(alice.ask("SELECT 1").await.error.as_deref(), Some("25P02"));
            if before == "SAVEPOINT s" {
                // What was done there is gone: there is nothing to go back to.
                assert!(alice.ask("ROLLBACK TO s").await.error.is_some());
            }
            well(&alice, "ROLLBACK").await;
        }
        assert_eq!(count(&alice).await, "10");
        world.all_at_rest(RESTED).await;
    }
    well(&alice, "BEGIN; SELECT count(*) FROM notes").await;
    world.server.stop();
    assert!(alice.ask("SELECT count(*) FROM notes").await.error.is_some());
    world.server.launch();
    well(&alice, "ROLLBACK").await;
    assert!(world.log().contains("\"sqlstate\":\"08006\"") || world.log().contains("\"sqlstate\":\"57P01\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_changes_acts_in_the_middle_of_a_transaction() {
    let world = World::new("transaction").await;
    let (alice, bob) = (world.client("alice").await, world.client("bob").await);
    well(&alice, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT id FROM notes").await;
    std::fs::write(
        world.folder.join("policies/access.rego"),
        POLICY.replace("input.user.id}, \"for", "\"bob\"}, \"for"),
    )
    .unwrap();
    world.gate.reload().await.unwrap();
    assert_eq!(first(&alice.ask("SELECT min(id) FROM notes").await), "1");
    std::fs::write(world.folder.join("policies/access.rego"), POLICY.replace("\"alice\", ", "")).unwrap();
    world.gate.reload().await.unwrap();
    assert_eq!(alice.ask("SELECT min(id) FROM notes").await.error.as_deref(), Some("42501"));
    well(&alice, "ROLLBACK").await;
    world.all_at_rest(RESTED).await;
    // Another connection string: what was begun can't go on elsewhere.
    well(&bob, "BEGIN; DECLARE c CURSOR FOR SELECT id FROM notes; FETCH 1 FROM c").await;
    let dsn = std::fs::read_to_string(world.folder.join("dsn")).unwrap();
    std::fs::write(world.folder.join("dsn"), format!("{dsn}&application_name=second")).unwrap();
    world.gate.reload().await.unwrap();
    let fetched = bob.ask("FETCH 1 FROM c").await;
    assert_eq!(fetched.rows.len(), 1, "{fetched:?}");
    assert_eq!(bob.ask("SELECT count(*) FROM notes").await.error.as_deref(), Some("55000"));
    well(&bob, "ROLLBACK").await;
    assert_eq!(count(&bob).await, "10");
    world.all_at_rest(RESTED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_may_keep_its_connection() {
    let world = World::new("session").await;
    let (alice, bob) = (world.client("alice").await, world.client("bob").await);
    let process = "SELECT pid FROM pg_stat_activity WHERE usename = 'scram' AND query LIKE '%notes%' ORDER BY 1";
    for client in [&alice, &bob] {
        assert_eq!(count(client).await, "10");
        well(client, "BEGIN; SELECT count(*) FROM notes; SAVEPOINT s; ROLLBACK TO s; COMMIT").await;
        assert_eq!(client.ask("BEGIN; SELECT body::int FROM notes").await.error.as_deref(), Some("22P02"));
        well(client, "ROLLBACK").await;
        assert_eq!(count(client).await, "10");
        world.all_at_rest(RESTED).await;
    }
    let held = world.server.admin().await.query(process, &[]).await.unwrap().len();
    assert_eq!(held, 2);
    // A third finds none; what one of the two gives up by leaving is another's.
    let third = world.client("bob").await;
    assert_eq!(third.ask("SELECT count(*) FROM notes").await.error.as_deref(), Some("53300"));
    drop(alice);
    let began = Instant::now();
    while third.ask("SELECT count(*) FROM notes").await.error.is_some() {
        assert!(began.elapsed() < RESTED);
    }
    // One that was lost is made anew.
    world.write("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'scram'").await;
    let began = Instant::now();
    while bob.ask("SELECT count(*) FROM notes").await.error.is_some() {
        assert!(began.elapsed() < RESTED);
    }
    world.all_at_rest(RESTED).await;
}
