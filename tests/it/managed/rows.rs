//! Native row security that the gateway keeps in a real PostgreSQL (`barrier: rls`): it holds where fences hold, a role
//! outlives no statement, and what somebody else has had a hand in is not believed.

use super::{FENCED, SHAPES, World, folder, rows};
use crate::fixture::{self, Client, Gate};
use futures::StreamExt;
use std::collections::BTreeSet;
use std::time::Duration;

/// What an administrator does once for `barrier: rls`.
const PREPARED: &str = "
ALTER ROLE scram CREATEROLE;
ALTER SCHEMA sales OWNER TO scram;
ALTER TABLE sales.people OWNER TO scram;
ALTER TABLE sales.depts OWNER TO scram;
ALTER TABLE sales.mine OWNER TO scram;
ALTER TABLE sales.people ENABLE ROW LEVEL SECURITY;";

/// More ways to have something of the user's evaluated on a hidden row.
const MORE: &[&str] = &[
    // As an index condition, by joins of all kinds, by equalities that follow from others.
    "SELECT d.id FROM depts d JOIN people p ON p.id = d.id AND d.code::int = p.ssn::int WHERE d.id < 9 ORDER BY 1",
    "SELECT count(*) FROM people a JOIN people b ON a.ssn::int = b.id AND b.ssn::int = a.id",
    "SELECT count(*) FROM depts d JOIN people p ON d.id = p.id AND p.salary = d.code::int + 1000 AND p.ssn::int > 0",
    "SELECT count(*) FROM people p FULL JOIN depts d ON d.id = p.id AND p.ssn::int = d.id",
    "SELECT count(*) FROM depts d LEFT JOIN (people p JOIN people q ON p.ssn::int = q.id) ON p.dept = d.id AND q.ssn::int > 0",
    "SELECT count(*) FROM people p RIGHT JOIN depts d ON d.id = p.dept AND 1 / (p.salary - 1008) >= 0",
    "SELECT count(*) FROM depts d WHERE d.id NOT IN (SELECT p.ssn::int FROM people p WHERE p.ssn::int IS NOT NULL)",
    "SELECT count(*) FROM depts d CROSS JOIN LATERAL (SELECT p.ssn::int AS s FROM people p WHERE p.dept = d.id LIMIT 2) x WHERE x.s > 0",
    // Below grouping, windows, set operations and WITH queries.
    "SELECT s, count(*) FROM (SELECT ssn::int % 3 AS s FROM people) x GROUP BY s HAVING s >= 0 ORDER BY 1",
    "SELECT max(ssn::int), min(1 / (salary - 1008)) FROM people WHERE 1 / (salary - 1008) >= -5",
    "SELECT id FROM (SELECT id, ssn, row_number() OVER (PARTITION BY ssn ORDER BY id) AS n FROM people) x WHERE ssn::int < 9 AND n = 1 ORDER BY 1",
    "SELECT DISTINCT ON (dept) id FROM people WHERE ssn::int > 0 ORDER BY dept, ssn::int LIMIT 3",
    "WITH x AS MATERIALIZED (SELECT ssn::int AS s FROM people WHERE dept < 50) SELECT count(*) FROM x WHERE s % 2 = 1",
    "WITH RECURSIVE r (n) AS (SELECT 1::bigint UNION SELECT p.ssn::int + 2 FROM people p JOIN r ON p.id = r.n WHERE r.n < 20) SELECT count(*) FROM r",
    "SELECT id FROM people WHERE ssn::int > 0 EXCEPT SELECT ssn::int FROM people WHERE id > 9 ORDER BY 1 LIMIT 3",
    // Patterns that fail on a value, and texts that become other types.
    "SELECT count(*) FROM (SELECT ssn FROM people) p WHERE ssn SIMILAR TO '%[0-9]' AND ssn::date IS NULL AND ssn = 'x'",
    "SELECT count(*) FROM people WHERE ('1' || ssn)::numeric > 0 AND (ssn || '.5')::float8 > 0",
    "SELECT count(*) FROM people p, depts d WHERE d.id = 8 AND p.id = d.id AND p.ssn::int > 0",
    "SELECT count(*) FROM people WHERE id IN (7, 8, 9) AND ssn::int BETWEEN 1 AND 9",
    "SELECT (SELECT count(*) FROM people q WHERE q.id = p.id AND q.ssn::int > 0) FROM people p WHERE p.id = 7",
    "SELECT p.id FROM people p WHERE p.name LIKE 'n%' AND EXISTS (SELECT 1 FROM people q WHERE q.ssn::int = p.ssn::int) ORDER BY 1 LIMIT 2",
];

impl World {
    async fn secured(barrier: &str) -> Self {
        Self::with(barrier, PREPARED).await
    }

    async fn another(&self, barrier: &str) -> Gate {
        fixture::gate_over(&folder(&self.server, barrier)).await
    }

    async fn strings(&self, sql: &str) -> Vec<String> {
        self.admin.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// The roles that there are: OID and name.
    async fn roles(&self) -> BTreeSet<String> {
        let sql = r"SELECT oid || ' ' || rolname FROM pg_roles WHERE rolname LIKE 'querygate\_%'";
        self.strings(sql).await.into_iter().collect()
    }

    /// What the gateway's connections are in, and what each was sent last.
    async fn sessions(&self) -> Vec<(String, String)> {
        let sql =
            "SELECT state, query FROM pg_stat_activity WHERE usename = 'scram' AND backend_type = 'client backend'";
        self.admin.query(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Waits until no session is in a transaction.
    async fn at_rest(&self) {
        for _ in 0..400 {
            if self.sessions().await.iter().all(|(state, _)| state == "idle") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{:?}", self.sessions().await);
    }
}

async fn first(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    rows(&client.ask(sql).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn row_security_holds_where_fences_hold() {
    let world = World::secured("rls").await;
    let fenced = world.another("none").await;
    for user in ["alice", "bob", "erin"] {
        let (with_rows, with_fences) = (world.client(user).await, fenced.connect_to(user, "lab").await.unwrap());
        for sql in SHAPES.iter().chain(MORE) {
            let (found, expected) = (with_rows.ask(sql).await, with_fences.ask(sql).await);
            assert_eq!(rows(&found), rows(&expected), "{user}: {sql}");
            assert!(!found.words.contains("secret"), "{user}: {sql} {found:?}");
        }
        // By the extended protocol, with a parameter, prepared once and run in turns with others.
        for most in [9, 5, 9] {
            let of = async |client: &Client| {
                let sql = "SELECT id, ssn FROM (SELECT id, ssn FROM people) p WHERE ssn::int < $1 ORDER BY id";
                let rows = client.client.query(sql, &[&most]).await.unwrap();
                rows.iter().map(|row| (row.get::<_, i64>(0), row.get::<_, String>(1))).collect::<Vec<_>>()
            };
            assert_eq!(of(&with_rows).await, of(&with_fences).await);
        }
    }
    // Each filter with `people` alone and with `depts`: alice and erin, for bob's asks a subquery.
    let roles = world.roles().await;
    assert_eq!(roles.len(), 4, "{roles:?}");
    let alice = world.client("alice").await;
    for sql in SHAPES.iter().chain(MORE) {
        alice.ask(sql).await;
    }
    assert_eq!(world.roles().await, roles, "made once");
    world.at_rest().await;

    let line = world.barrier_of("alice", FENCED).await;
    assert!(line.contains("r0 public.people: row security querygate_"), "{line}");
    // A mask that reads the key is in the text, not in a policy.
    let line = world.barrier_of("erin", "SELECT name FROM (SELECT name, ssn FROM people) p WHERE ssn::int > 0").await;
    assert!(line.contains("r0 public.people: row security querygate_"), "{line}");
    for (user, sql) in [
        // A filter that may fail, one that asks a subquery, a view of the upstream's own, a whole row.
        ("dana", SHAPES[0]),
        ("bob", FENCED),
        ("alice", "SELECT id FROM seen WHERE ssn::int > 0"),
        ("alice", "SELECT p.id FROM people p JOIN seen s ON s.id = p.ssn::int"),
        ("alice", "SELECT row_to_json(p) FROM people p WHERE ssn::int = 7"),
    ] {
        let line = world.barrier_of(user, sql).await;
        assert!(line.contains(": fenced, ") && !line.contains("row security"), "{user} {sql} {line}");
    }
    let line = world.barrier_of("alice", "SELECT id FROM people WHERE id = 7").await;
    assert!(line.contains("public.people: flattened"), "{line}");

    // The shapes show what they are meant to show: for who is above row security they fail on hidden rows.
    let failing = "SELECT id FROM sales.people WHERE id = 8 AND ssn::int > 0";
    assert!(world.admin.query(failing, &[]).await.is_err());
    let role = roles.iter().next().unwrap().split(' ').nth(1).unwrap().to_owned();
    world.admin.batch_execute(&format!("SET ROLE {role}")).await.unwrap();
    assert!(world.admin.query(failing, &[]).await.unwrap().is_empty());
    let seen = world.admin.query_one("SELECT count(*), max(length(ssn)) FROM sales.people", &[]).await.unwrap();
    assert_eq!((seen.get::<_, i64>(0), seen.get::<_, i32>(1)), (5000, 4));
    assert!(world.admin.query("SELECT * FROM sales.mine", &[]).await.is_err(), "nothing else is granted");
    world.admin.batch_execute("RESET ROLE").await.unwrap();
}

/// What an administrator does behind the gateway's back (`%R` is a role of its own), and how it is undone; whether the gateway
/// then makes its own anew.
const TAMPERING: &[(&str, &str, bool)] = &[
    (
        "ALTER TABLE sales.people DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE sales.people ENABLE ROW LEVEL SECURITY",
        false,
    ),
    (
        "ALTER TABLE sales.people FORCE ROW LEVEL SECURITY",
        "ALTER TABLE sales.people NO FORCE ROW LEVEL SECURITY",
        false,
    ),
    ("DROP POLICY %R ON sales.people", "", true),
    ("ALTER POLICY %R ON sales.people USING (true)", "", true),
    ("ALTER POLICY %R ON sales.people USING (CURRENT_USER = '%R')", "", true),
    ("ALTER POLICY %R ON sales.people TO PUBLIC", "", true),
    ("ALTER POLICY %R ON sales.people RENAME TO other", "DROP POLICY other ON sales.people", false),
    ("CREATE POLICY wide ON sales.people USING (true)", "DROP POLICY wide ON sales.people", false),
    ("CREATE POLICY wide ON sales.people FOR SELECT TO %R USING (true)", "DROP POLICY wide ON sales.people", false),
    (
        "CREATE POLICY less ON sales.people AS RESTRICTIVE TO %R USING (1 / (salary - 1008) < 5)",
        "DROP POLICY less ON sales.people",
        false,
    ),
    ("ALTER ROLE %R BYPASSRLS", "ALTER ROLE %R NOBYPASSRLS", false),
    ("ALTER ROLE %R SUPERUSER", "ALTER ROLE %R NOSUPERUSER", false),
    ("ALTER ROLE %R LOGIN", "ALTER ROLE %R NOLOGIN", false),
    ("GRANT pg_read_all_data TO %R", "REVOKE pg_read_all_data FROM %R", false),
    ("GRANT trusty TO %R", "REVOKE trusty FROM %R", false),
    ("ALTER TABLE sales.people OWNER TO %R", "ALTER TABLE sales.people OWNER TO scram", false),
    ("ALTER DATABASE postgres OWNER TO %R", "ALTER DATABASE postgres OWNER TO postgres", false),
    ("REVOKE SELECT (ssn) ON sales.people FROM %R", "", true),
    ("REVOKE USAGE ON SCHEMA sales FROM %R", "", true),
    ("REVOKE %R FROM scram", "", true),
    ("ALTER TABLE sales.depts ENABLE ROW LEVEL SECURITY", "ALTER TABLE sales.depts DISABLE ROW LEVEL SECURITY", false),
    (
        "ALTER TABLE sales.people RENAME region TO x; ALTER TABLE sales.people RENAME name TO region; \
         ALTER TABLE sales.people RENAME x TO name",
        "ALTER TABLE sales.people RENAME region TO x; ALTER TABLE sales.people RENAME name TO region; \
         ALTER TABLE sales.people RENAME x TO name",
        true,
    ),
    (
        "DROP POLICY %R ON sales.people; REVOKE ALL ON sales.people, sales.depts FROM %R; \
         REVOKE ALL ON SCHEMA sales FROM %R; DROP ROLE %R",
        "",
        true,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_others_changed_is_fenced_or_made_anew() {
    let world = World::secured("rls").await;
    let fences = world.another("none").await;
    let fences = fences.connect_to("alice", "lab").await.unwrap();
    let sql = "SELECT count(*), min(p.name), sum(p.ssn::int) FROM (SELECT id, name, ssn FROM people) p \
               JOIN depts d ON d.id = p.id % 100 WHERE p.ssn::int > 0";
    let sound = first(&fences, sql).await;
    assert_eq!(sound[0][0].as_deref(), Some("5000"));
    let pids = "SELECT pid::text FROM pg_stat_activity WHERE usename = 'scram'";
    for (change, undo, anew) in TAMPERING {
        let before = world.strings(pids).await.join(", ");
        // Whether the last statements of a new gateway's connections were a role's, and whether any was fenced.
        let went = async || {
            world.at_rest().await;
            let queries = format!(
                "SELECT query FROM pg_stat_activity WHERE usename = 'scram' AND backend_type = 'client backend' AND pid NOT IN ({before})"
            );
            let queries = world.strings(&queries).await;
            (queries.iter().any(|query| query == "COMMIT"), queries.iter().any(|query| query.contains("OFFSET 0")))
        };
        // After a failure there is a pause: each change meets a gateway of its own, which has used the role.
        let gate = world.another("rls").await;
        let alice = gate.connect_to("alice", "lab").await.unwrap();
        assert_eq!(first(&alice, sql).await, sound, "{change}");
        assert_eq!(went().await, (true, false), "{change}");
        let roles = world.roles().await;
        let role = roles.first().unwrap().split(' ').nth(1).unwrap();
        let run = async |sql: &str| {
            let sql = sql.replace("%R", role);
            world.admin.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        };
        run(change).await;
        let expected = first(&fences, sql).await;
        let found = alice.ask(sql).await;
        assert_eq!(rows(&found), expected, "{change}");
        assert!(!found.words.contains("secret"), "{change}");
        assert_eq!(went().await, (*anew, !anew), "{change}");
        run(undo).await;
        drop((alice, gate));
        let end = format!(
            "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE usename = 'scram' AND pid NOT IN ({before})"
        );
        world.strings(&end).await;
        assert_eq!(world.roles().await.len(), 1, "{change}");
    }
}

/// Who is a member of a role, as the login is, sees no more by its policy: that speaks only where the role is acted as.
#[tokio::test(flavor = "multi_thread")]
async fn the_login_sees_no_more_by_the_policies_of_its_roles() {
    let world = World::secured("rls").await;
    let alice = world.client("alice").await;
    assert_eq!(first(&alice, FENCED).await.len(), 5000);
    let role = world.roles().await.first().unwrap().split(' ').nth(1).unwrap().to_owned();
    world
        .admin
        .batch_execute(
            "ALTER TABLE sales.people FORCE ROW LEVEL SECURITY; CREATE POLICY one ON sales.people TO scram USING (id = 7)",
        )
        .await
        .unwrap();
    let seen = async |user: &str| -> i64 {
        world.admin.batch_execute(&format!("SET ROLE {user}")).await.unwrap();
        let seen = world.admin.query_one("SELECT count(*) FROM sales.people", &[]).await.unwrap().get(0);
        world.admin.batch_execute("RESET ROLE").await.unwrap();
        seen
    };
    assert_eq!((seen("scram").await, seen(&role).await), (1, 5000));
    // And the gateway keeps to what its login sees.
    assert_eq!(first(&alice, FENCED).await, [[Some("7".to_owned())]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_bounded_and_those_of_another_time_go() {
    let world = World::secured("{name: rls, max: 2}").await;
    let other_database = world.server.admin_of("template1").await;
    let joined = "SELECT count(*) FROM people p JOIN depts d ON d.id = p.ssn::int % 100 WHERE p.ssn::int > 0";
    let alone = "SELECT count(*) FROM (SELECT ssn FROM people) p WHERE ssn::int > 0";
    let mut seen = BTreeSet::new();
    for (user, sql) in [("alice", alone), ("erin", alone), ("alice", joined), ("erin", joined), ("alice", alone)] {
        let client = world.client(user).await;
        assert_eq!(first(&client, sql).await, [[Some("5000".to_owned())]], "{user} {sql}");
        let roles = world.roles().await;
        assert!(roles.len() <= 2, "{roles:?}");
        let policies = "SELECT polname::text FROM pg_policy ORDER BY 1";
        let named: Vec<String> = roles.iter().map(|role| role.split(' ').nth(1).unwrap().to_owned()).collect();
        let policies = world.strings(policies).await;
        assert!(policies.iter().all(|policy| named.contains(policy)) && policies.len() == roles.len(), "{policies:?}");
        seen.extend(roles);
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    // The last is the first again, made anew.
    assert_eq!(seen.len(), 5, "{seen:?}");
    // Ones that are too young to go are not pushed out: the third is fenced.
    let (alice, erin) = (world.client("alice").await, world.client("erin").await);
    for (client, sql) in [(&alice, alone), (&erin, alone), (&alice, joined), (&erin, joined)] {
        assert_eq!(first(client, sql).await, [[Some("5000".to_owned())]]);
    }
    assert_eq!(world.roles().await.len(), 2);
    // Another gateway takes over what is there, makes it anew on first use, and keeps to its own bound. What somebody else
    // hung on a role stays, and so does the role; what it had here goes.
    let victim = world.roles().await.iter().next_back().unwrap().split(' ').nth(1).unwrap().to_owned();
    other_database.batch_execute(&format!("CREATE SCHEMA kept AUTHORIZATION {victim}")).await.unwrap();
    let other = world.another("{name: rls, max: 1}").await;
    let (alice, erin) =
        (other.connect_to("alice", "lab").await.unwrap(), other.connect_to("erin", "lab").await.unwrap());
    for client in [&alice, &erin, &alice] {
        assert_eq!(first(client, alone).await, [[Some("5000".to_owned())]]);
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    let policies = world.strings("SELECT polname::text FROM pg_policy").await;
    assert_eq!(policies.len(), 1, "{policies:?}");
    let owner = "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'kept'";
    assert_eq!(other_database.query_one(owner, &[]).await.unwrap().get::<_, String>(0), victim);
    // Many at once make one.
    let crowd = World::secured("rls").await;
    let clients = futures::future::join_all((0..12).map(|_| crowd.client("alice"))).await;
    let answers = futures::future::join_all(clients.iter().map(|client| client.ask(alone))).await;
    assert!(answers.iter().all(|answer| rows(answer) == [[Some("5000".to_owned())]]));
    assert_eq!(crowd.roles().await.len(), 1);
}

/// Statements that are left, stopped, late or cut off: nobody after them acts as their role, on a pool of one connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_outlives_no_statement() {
    for mode in ["transaction", "session"] {
        let world = World::secured(&format!("rls, pool: {{max: 3, mode: {mode}}}")).await;
        let (alice, erin) = (world.client("alice").await, world.client("erin").await);
        let open = "SELECT count(*) FROM depts";
        let many = "SELECT a.id, b.ssn FROM people a CROSS JOIN people b WHERE b.ssn::int > 0";
        let slow = "SELECT count(*) FROM people a CROSS JOIN people b WHERE md5(a.ssn || b.ssn)::text LIKE '00000000%' AND b.ssn::int > 0";
        let in_order = async |what: &str| {
            world.at_rest().await;
            for (client, hash) in [(&alice, false), (&erin, true), (&alice, false)] {
                // One that acts, one that does not, and one that is fenced in a block.
                let found = first(
                    client,
                    "SELECT id, name FROM (SELECT id, name, ssn FROM people) p WHERE ssn::int < 4 ORDER BY 1",
                )
                .await;
                assert_eq!((found.len(), found[1][0].as_deref()), (2, Some("3")), "{mode} {what}");
                assert_eq!(found[1][1].as_ref().is_some_and(|name| name.len() == 32), hash, "{mode} {what}");
                assert_eq!(first(client, open).await, [[Some("100".to_owned())]], "{mode} {what}");
                let block = client.ask(&format!("BEGIN; {FENCED} AND id < 4; SELECT region FROM mine; COMMIT")).await;
                assert_eq!(rows(&block).len(), 3, "{mode} {what} {block:?}");
            }
            world.at_rest().await;
        };
        in_order("at first").await;
        // A stream that is dropped after some rows.
        let stream = alice.client.query_raw(many, Vec::<i32>::new()).await.unwrap();
        {
            let mut stream = std::pin::pin!(stream);
            for _ in 0..10 {
                stream.next().await.unwrap().unwrap();
            }
            alice.client.cancel_token().cancel_query(tokio_postgres::NoTls).await.unwrap();
        }
        in_order("a stream that was dropped").await;
        // One that was stopped before its first row, and one that was late.
        let stop = alice.client.cancel_token();
        let (stopped, ()) = tokio::join!(alice.ask(slow), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            stop.cancel_query(tokio_postgres::NoTls).await.unwrap();
        });
        assert_eq!(stopped.error.as_deref(), Some("57014"), "{stopped:?}");
        in_order("one that was stopped").await;
        assert_eq!(alice.ask("SET statement_timeout = 200").await.error, None);
        assert_eq!(alice.ask(slow).await.error.as_deref(), Some("57014"));
        assert_eq!(alice.ask("RESET statement_timeout").await.error, None);
        in_order("one that was late").await;
        // One that fails on a row that is visible.
        let failing = "SELECT sum(1 / (p.salary - 1009)) FROM (SELECT salary, ssn FROM people) p WHERE ssn::int > 0";
        for _ in 0..3 {
            assert_eq!(alice.ask(failing).await.error.as_deref(), Some("22012"));
        }
        in_order("one that failed").await;
        // A client that goes, and a connection that is cut.
        let gone = world.client("erin").await;
        let stream = gone.client.query_raw(many, Vec::<i32>::new()).await.unwrap();
        drop((stream, gone));
        in_order("a client that went").await;
        let cut = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let end = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE usename = 'scram' AND state = 'active'";
            assert!(!world.strings(end).await.is_empty());
        };
        let (lost, ()) = tokio::join!(alice.ask(slow), cut);
        assert!(lost.error.is_some(), "{lost:?}");
        in_order("one that was cut off").await;
        // Prepared statements of tables that changed are parsed again.
        let prepared = alice
            .client
            .prepare("SELECT id, salary FROM (SELECT id, salary, ssn FROM people) p WHERE ssn::int = $1::int")
            .await
            .unwrap();
        for (change, wanted) in [
            ("SELECT 1", 7),
            ("ALTER TABLE sales.people ADD COLUMN more int", 7),
            ("ALTER TABLE sales.people DROP COLUMN more", 9),
        ] {
            world.admin.batch_execute(change).await.unwrap();
            let found = alice.client.query(&prepared, &[&wanted]).await.unwrap();
            assert_eq!(
                found.iter().map(|row| row.get::<_, i64>(0)).collect::<Vec<_>>(),
                [i64::from(wanted)],
                "{mode} {change}"
            );
        }
        in_order("tables that changed").await;
    }
}

/// A table that somebody else has locked: against policies, or against everybody for longer than a role is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_locked_keeps_nobody_waiting_for_its_policies() {
    let world = World::secured("rls, pool: {max: 1}").await;
    let (alice, erin) = (world.client("alice").await, world.client("erin").await);
    let first_five = format!("{FENCED} AND id < 10 ORDER BY 1");
    let sound: Vec<_> = ["1", "3", "5", "7", "9"].iter().map(|id| vec![Some((*id).to_owned())]).collect();
    let acted = async || world.sessions().await.iter().any(|(_, query)| query == "COMMIT");
    assert_eq!(first(&alice, &first_five).await, sound);
    assert!(acted().await);
    let locker = world.server.admin().await;
    locker.batch_execute("BEGIN; LOCK TABLE sales.people IN ACCESS SHARE MODE").await.unwrap();
    // No policy can be made: erin is fenced, and alice's goes on.
    for _ in 0..2 {
        assert_eq!(first(&erin, &first_five).await, sound);
        assert!(!acted().await && world.roles().await.len() == 1);
        assert_eq!(first(&alice, &first_five).await, sound);
        assert!(acted().await);
    }
    locker.batch_execute("COMMIT; BEGIN; LOCK TABLE sales.people").await.unwrap();
    let (found, ()) = tokio::join!(first(&alice, &first_five), async {
        tokio::time::sleep(Duration::from_millis(3500)).await;
        locker.batch_execute("COMMIT").await.unwrap();
    });
    assert_eq!(found, sound);
    assert!(!acted().await);
    assert_eq!(first(&alice, &first_five).await, sound);
    assert!(acted().await);
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_policies_can_not_be_made_on_are_named() {
    let world = World::secured("rls").await;
    let report = async || {
        world.gate.reload().await.unwrap();
        let path = world.gate.folder.clone();
        tokio::task::spawn_blocking(move || {
            let check = std::process::Command::new(env!("CARGO_BIN_EXE_querygate"))
                .args(["check", "--connect"])
                .current_dir(path)
                .output()
                .unwrap();
            String::from_utf8(check.stdout).unwrap() + &String::from_utf8(check.stderr).unwrap()
        })
        .await
        .unwrap()
    };
    let said = report().await;
    for table in ["sales.depts", "sales.mine"] {
        let wanted = format!("warning: relation {table} has no row security: what is hidden of it is fenced");
        assert!(said.contains(&wanted), "{said}");
        assert!(said.contains(&format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")), "{said}");
    }
    assert!(!said.contains("relation sales.people") && !said.contains("CREATEROLE"), "{said}");
    for (change, what) in [
        ("CREATE POLICY all_of_it ON sales.people USING (true)", "has a policy for PUBLIC"),
        (
            "DROP POLICY all_of_it ON sales.people; ALTER TABLE sales.people FORCE ROW LEVEL SECURITY",
            "forces row security on its owner",
        ),
        (
            "ALTER TABLE sales.people NO FORCE ROW LEVEL SECURITY; ALTER TABLE sales.people OWNER TO postgres; GRANT SELECT ON sales.people TO scram",
            "is not the login's own",
        ),
        ("ALTER TABLE sales.people DISABLE ROW LEVEL SECURITY", "can't be granted by the login"),
        (
            "ALTER SCHEMA sales OWNER TO postgres; GRANT USAGE ON SCHEMA sales TO scram",
            "lies in a schema whose use the login can't grant",
        ),
    ] {
        world.admin.batch_execute(change).await.unwrap();
        let said = report().await;
        assert!(said.contains(&format!("warning: relation sales.people {what}")), "{change}: {said}");
        let line = world.barrier_of("alice", FENCED).await;
        assert!(line.contains(": fenced, "), "{change}: {line}");
    }
}
