//! Views with `security_barrier` that the gateway keeps in a real PostgreSQL: they hold where fences hold, are made once,
//! go when others are needed, and are not believed when somebody else has had a hand in them.

mod rows;

use crate::fixture::{self, Answer, Client, Gate};
use crate::postgres::Postgres;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

const COMPANY: &str = "
CREATE SCHEMA sales;
CREATE TABLE sales.people (id bigint PRIMARY KEY, name text, ssn text, salary int, region text, dept bigint);
INSERT INTO sales.people SELECT i, 'n' || i, CASE WHEN i % 2 = 0 THEN 'secret' || i ELSE i::text END,
    1000 + i, CASE WHEN i % 2 = 0 THEN 'US' ELSE 'EU' END, i % 100 FROM generate_series(1, 10000) i;
CREATE TABLE sales.depts (id bigint PRIMARY KEY, label text, code text);
INSERT INTO sales.depts SELECT i, 'd' || i, i::text FROM generate_series(0, 99) i;
CREATE TABLE sales.mine (region text PRIMARY KEY);
INSERT INTO sales.mine VALUES ('EU');
CREATE VIEW sales.odd AS SELECT id, region, 1 / (salary - 1008) AS y FROM sales.people;
CREATE VIEW sales.seen AS SELECT id, region, ssn FROM sales.people;
GRANT USAGE ON SCHEMA sales TO scram;
GRANT SELECT ON ALL TABLES IN SCHEMA sales TO scram;
ANALYZE;";

const CATALOG: &str = "
sources:
  - {name: crm, kind: postgres, dsn_file: DSN_FILE, barrier: BARRIER}
datasets:
  - name: public.people
    source: crm
    relation: sales.people
    tier: SYNTHETIC
    columns: [{name: id}, {name: name}, {name: ssn}, {name: salary}, {name: region}, {name: dept}]
  - {name: public.depts, source: crm, relation: sales.depts, tier: SYNTHETIC, columns: [{name: id}, {name: label}, {name: code}]}
  - {name: public.mine, source: crm, relation: sales.mine, tier: SYNTHETIC, columns: [{name: region}]}
  - {name: public.seen, source: crm, relation: sales.seen, tier: SYNTHETIC, columns: [{name: id}, {name: region}, {name: ssn}]}
  - {name: public.odd, source: crm, relation: sales.odd, tier: SYNTHETIC, columns: [{name: id}, {name: region}, {name: y}]}
workspaces:
  - {name: lab, type: AD_HOC, owner: alice, members: [bob, dana, erin], limits: {statements_a_day: 1000000, concurrent_statements: 100}}
";

const POLICY: &str = r#"package analytics.data_access
default allow := false
allow if input.user.id in {"alice", "bob", "dana", "erin"}
filters := {
	"alice": "lower(upper(lower(btrim(region)))) = 'eu'",
	"bob": "region IN (SELECT m.region FROM mine m)",
	"dana": "100 / (salary - 1008) > -1000 AND region = 'EU'",
	"erin": "region = 'EU'",
}
row_filters contains {"expression": filters[input.user.id]} if input.dataset.name == "public.people"
row_filters contains {"expression": "region = 'EU'"} if input.dataset.name == "public.seen"
row_filters contains {"expression": filters["alice"]} if input.dataset.name == "public.odd"
column_masks["name"] := {"name": "partial", "prefix": 1, "suffix": 0} if {
	input.dataset.name == "public.people"
	input.user.id != "erin"
}
column_masks["name"] := {"name": "hash"} if {
	input.dataset.name == "public.people"
	input.user.id == "erin"
}
"#;

/// A condition on a column of a derived table: its relation is fenced.
const FENCED: &str = "SELECT id FROM (SELECT id, ssn FROM people) p WHERE ssn::int > 0";

/// Each has conditions or outputs that fail on hidden rows.
const SHAPES: &[&str] = &[
    "SELECT id FROM people WHERE id = 8 AND ssn::int > 0",
    "SELECT id FROM people WHERE id = 8 AND 1 / (salary - 1008) > 0",
    "SELECT count(*) FROM people WHERE CASE WHEN ssn LIKE 'secret8' THEN 1 / (salary - 1008) > 0 END",
    "SELECT count(*) FROM people p JOIN (SELECT code::int AS c FROM depts) d ON p.ssn::int = d.c WHERE d.c = 3",
    "SELECT count(p.id) FROM depts d LEFT JOIN people p ON p.id = d.id AND p.ssn::int > 0",
    "SELECT count(*) FROM depts d WHERE EXISTS (SELECT 1 FROM people p WHERE p.dept = d.id AND p.ssn::int > 0)",
    "SELECT salary FROM people GROUP BY salary HAVING 1 / (salary - 1008) > 0 ORDER BY 1 LIMIT 3",
    "WITH x AS (SELECT id, ssn::int AS n FROM people) SELECT count(*) FROM x WHERE n > 0",
    "SELECT count(*) FROM (SELECT ssn FROM people UNION ALL SELECT code FROM depts) x WHERE x.ssn::int > 0",
    "SELECT d.id, p.x FROM depts d LEFT JOIN (SELECT id, coalesce(ssn::int, 0) AS x FROM people) p ON p.id = d.id ORDER BY 1",
    "SELECT a.id, b.name FROM people a JOIN people b ON a.id = b.id AND a.ssn::int = b.ssn::int WHERE a.id < 9 ORDER BY 1",
    "SELECT x, y, z FROM people AS p (x, y, z) WHERE z::int < 9 ORDER BY 1",
    "SELECT p FROM people p WHERE ssn::int = 7",
    "SELECT (SELECT max(q.ssn::int) FROM people q WHERE q.dept = d.id) FROM depts d ORDER BY d.id LIMIT 4",
    "SELECT id FROM people WHERE ssn::int = ANY (ARRAY[1, 3]) UNION SELECT ssn::int FROM people WHERE salary / 0.5 < 2010 ORDER BY 1",
    "SELECT name, count(*) FROM people WHERE name LIKE 'n%' AND ssn::int > 0 GROUP BY name",
    "SELECT 1 FROM people WHERE ssn::int > 9990",
];

fn folder(server: &Postgres, barrier: &str) -> PathBuf {
    let folder = tempfile::tempdir().unwrap().keep();
    for part in ["catalog", "policies"] {
        std::fs::create_dir_all(folder.join(part)).unwrap();
    }
    let root = server.file("root.pem");
    let dsn = format!("postgres://scram:sesame@localhost:{}/postgres?sslrootcert={}", server.port, root.display());
    std::fs::write(folder.join("dsn"), dsn).unwrap();
    write_catalog(&folder, barrier);
    let users = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog/users.yaml");
    std::fs::copy(users, folder.join("catalog/users.yaml")).unwrap();
    std::fs::write(folder.join("policies/access.rego"), POLICY).unwrap();
    folder
}

fn write_catalog(folder: &Path, barrier: &str) {
    let dsn = folder.join("dsn").display().to_string();
    std::fs::write(folder.join("catalog/c.yaml"), CATALOG.replace("DSN_FILE", &dsn).replace("BARRIER", barrier))
        .unwrap();
}

struct World {
    server: Postgres,
    admin: tokio_postgres::Client,
    gate: Gate,
}

impl World {
    async fn new(barrier: &str) -> Self {
        Self::with(barrier, "CREATE SCHEMA querygate_views AUTHORIZATION scram").await
    }

    /// With whatever else an administrator does first.
    async fn with(barrier: &str, before: &str) -> Self {
        let server = Postgres::start_with(&["jit=off"]);
        let admin = server.admin().await;
        admin.batch_execute(COMPANY).await.unwrap();
        admin.batch_execute(before).await.unwrap();
        let gate = fixture::gate_over(&folder(&server, barrier)).await;
        Self { server, admin, gate }
    }

    async fn client(&self, user: &str) -> Client {
        self.gate.connect_to(user, "lab").await.unwrap()
    }

    /// The views that there are: OID and name.
    async fn views(&self) -> BTreeSet<(u32, String)> {
        let sql = "SELECT oid, relname::text FROM pg_class WHERE relnamespace = 'querygate_views'::regnamespace AND relkind = 'v'";
        self.admin.query(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    async fn barrier_of(&self, user: &str, sql: &str) -> String {
        let answer = self.client(user).await.ask(&format!("EXPLAIN (GOVERNANCE) {sql}")).await;
        let lines = answer.rows.iter().filter_map(|row| row[0].clone());
        lines.skip_while(|line| !line.starts_with("Forwarded to")).collect::<Vec<_>>().join("\n")
    }
}

fn rows(answer: &Answer) -> Vec<Vec<Option<String>>> {
    assert_eq!(answer.error, None, "{answer:?}");
    answer.rows.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn views_hold_where_fences_hold() {
    let world = World::new("views").await;
    let fenced = fixture::gate_over(&folder(&world.server, "none")).await;
    for user in ["alice", "bob", "erin"] {
        let (with_views, with_fences) = (world.client(user).await, fenced.connect_to(user, "lab").await.unwrap());
        for sql in SHAPES {
            let (found, expected) = (with_views.ask(sql).await, with_fences.ask(sql).await);
            assert_eq!(rows(&found), rows(&expected), "{user}: {sql}");
            assert!(!found.words.contains("secret"), "{user}: {sql} {found:?}");
        }
        // By the extended protocol, with a parameter.
        let of = async |client: &Client| {
            let rows =
                client.client.query("SELECT id, ssn FROM people WHERE ssn::int < $1 ORDER BY id", &[&9]).await.unwrap();
            rows.iter().map(|row| (row.get::<_, i64>(0), row.get::<_, String>(1))).collect::<Vec<_>>()
        };
        assert_eq!(of(&with_views).await, of(&with_fences).await);
    }
    // Three users, three relations: one view each, of whatever statement.
    let views = world.views().await;
    assert_eq!(views.len(), 3, "{views:?}");
    let alice = world.client("alice").await;
    for sql in SHAPES {
        alice.ask(sql).await;
    }
    assert_eq!(world.views().await, views, "made once");

    let line = world.barrier_of("alice", FENCED).await;
    assert!(line.contains("r0 public.people: view querygate_views.v_"), "{line}");
    for (user, sql) in [
        // A filter that may fail, a mask that reads the key, a view of the upstream's own.
        ("dana", SHAPES[0]),
        ("erin", "SELECT name FROM (SELECT name, ssn FROM people) p WHERE ssn::int > 0"),
        ("alice", "SELECT id FROM seen WHERE ssn::int > 0"),
    ] {
        let line = world.barrier_of(user, sql).await;
        assert!(line.contains(": fenced, "), "{user} {sql} {line}");
    }
    let line = world.barrier_of("alice", "SELECT id FROM people WHERE id = 7").await;
    assert!(line.contains("public.people: flattened"), "{line}");

    // Without security_barrier each would leak: the shapes show what they are meant to show.
    let view = world.barrier_of("alice", FENCED).await;
    let name = view.split("view querygate_views.").nth(1).unwrap().split(',').next().unwrap().to_owned();
    let leaky = format!("SELECT id FROM querygate_views.{name} WHERE id = 8 AND ssn::int > 0");
    assert!(world.admin.query(&leaky, &[]).await.unwrap().is_empty());
    world
        .admin
        .batch_execute(&format!("ALTER VIEW querygate_views.{name} SET (security_barrier=false)"))
        .await
        .unwrap();
    assert!(world.admin.query(&leaky, &[]).await.is_err());
}

/// A column of a view of the upstream's own may be an expression that fails: a condition on it, copied below the fence, would
/// be evaluated before the row filter where that costs more.
#[tokio::test(flavor = "multi_thread")]
async fn conditions_on_a_view_of_the_upstreams_own_stay_above_its_rows() {
    let world = World::new("views").await;
    let fenced = fixture::gate_over(&folder(&world.server, "none")).await;
    for client in [world.client("alice").await, fenced.connect_to("alice", "lab").await.unwrap()] {
        for sql in
            ["SELECT id FROM odd WHERE y = 1", "SELECT o.id FROM odd o JOIN depts d ON d.id = o.y WHERE o.y IN (1, 2)"]
        {
            assert_eq!(rows(&client.ask(sql).await), [[Some("9".to_owned())]], "{sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_others_changed_is_made_anew() {
    let world = World::new("views").await;
    let alice = world.client("alice").await;
    let sql = "SELECT count(*), min(name) FROM (SELECT name, ssn FROM people) p WHERE ssn::int > 0";
    let sound = rows(&alice.ask(sql).await);
    assert_eq!(sound, [["5000", "n***"].map(|text| Some(text.to_owned()))]);
    let name = world.views().await.first().unwrap().1.clone();
    let definition = async || -> (String, Option<Vec<String>>) {
        let sql = format!(
            "SELECT pg_get_viewdef(oid), reloptions FROM pg_class WHERE oid = 'querygate_views.{name}'::regclass"
        );
        let row = world.admin.query_one(&sql, &[]).await.unwrap();
        (row.get(0), row.get(1))
    };
    let made = definition().await;
    let columns = "id, name, '1'::text AS ssn, salary, region, dept";
    for tampering in [
        format!("ALTER VIEW querygate_views.{name} SET (security_barrier=false)"),
        format!("ALTER VIEW querygate_views.{name} SET (security_invoker=true)"),
        format!(
            "CREATE OR REPLACE VIEW querygate_views.{name} WITH (security_barrier) AS SELECT {columns} FROM sales.people"
        ),
        format!("ALTER VIEW querygate_views.{name} OWNER TO trusty"),
        format!("DROP VIEW querygate_views.{name}"),
        format!(
            "DROP VIEW querygate_views.{name}; CREATE TABLE querygate_views.{name} AS SELECT {columns} FROM sales.people; \
            ALTER TABLE querygate_views.{name} OWNER TO scram"
        ),
    ] {
        world
            .admin
            .batch_execute(&format!(
                "GRANT CREATE ON SCHEMA querygate_views TO trusty; {tampering}; \
            REVOKE CREATE ON SCHEMA querygate_views FROM trusty"
            ))
            .await
            .unwrap();
        assert_eq!(rows(&alice.ask(sql).await), sound, "{tampering}");
        if tampering.contains("OWNER TO") {
            // What is not the login's own can't be replaced by it: fenced, until it is gone.
            assert_ne!(definition_owner(&world, &name).await, None);
            world.admin.batch_execute(&format!("DROP TABLE IF EXISTS querygate_views.x; \
                DO $$ BEGIN EXECUTE 'DROP ' || (SELECT CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END FROM pg_class \
                WHERE oid = 'querygate_views.{name}'::regclass) || ' querygate_views.{name}'; END $$")).await.unwrap();
            // The pause after a failure is long: another gateway has none.
            let other = fixture::gate_over(&folder(&world.server, "views")).await;
            assert_eq!(rows(&other.connect_to("alice", "lab").await.unwrap().ask(sql).await), sound);
        }
        assert_eq!(definition().await, made, "{tampering}");
    }
}

async fn definition_owner(world: &World, name: &str) -> Option<String> {
    let sql = format!("SELECT relowner::regrole::text FROM pg_class WHERE oid = to_regclass('querygate_views.{name}')");
    world.admin.query_opt(&sql, &[]).await.unwrap().map(|row| row.get(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_bounded_and_those_of_another_time_go() {
    let world = World::new("{name: views, max: 2}").await;
    let sql = "SELECT count(*) FROM (SELECT ssn FROM people) p WHERE ssn::int > 0";
    let mut seen = BTreeSet::new();
    for user in ["alice", "bob", "erin", "alice", "erin"] {
        let client = world.client(user).await;
        assert_eq!(rows(&client.ask(sql).await), [[Some("5000".to_owned())]], "{user}");
        let views = world.views().await;
        assert!(views.len() <= 2, "{views:?}");
        seen.extend(views.into_iter().map(|(_, name)| name));
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
    // One that is too young to go is not pushed out: the third is fenced.
    let (alice, bob, erin) = (world.client("alice").await, world.client("bob").await, world.client("erin").await);
    for client in [&alice, &bob, &erin, &alice, &bob, &erin] {
        assert_eq!(rows(&client.ask(sql).await), [[Some("5000".to_owned())]]);
    }
    assert_eq!(world.views().await.len(), 2);
    // Another gateway takes over what is there, makes it anew on first use, and keeps to its own bound.
    let before = world.views().await;
    let other = fixture::gate_over(&folder(&world.server, "{name: views, max: 1}")).await;
    let alice = other.connect_to("alice", "lab").await.unwrap();
    assert_eq!(rows(&alice.ask(sql).await), [[Some("5000".to_owned())]]);
    let after = world.views().await;
    assert!(after.iter().any(|view| !before.contains(view)), "{before:?} {after:?}");
    // Many at once make one.
    let crowd = World::new("views").await;
    let clients = futures::future::join_all((0..12).map(|_| crowd.client("alice"))).await;
    let answers = futures::future::join_all(clients.iter().map(|client| client.ask(sql))).await;
    assert!(answers.iter().all(|answer| rows(answer) == [[Some("5000".to_owned())]]));
    assert_eq!(crowd.views().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_others_may_create_in_is_refused() {
    let world = World::new("views").await;
    let refused = async |sql: &str, expected: &str| {
        world.admin.batch_execute(sql).await.unwrap();
        let findings = world.gate.reload().await.unwrap_err();
        let report = querygate::catalog::check_report(&findings);
        assert!(
            report.contains(expected) && report.contains("c.yaml:3:12: error: the schema querygate_views"),
            "{report}"
        );
    };
    let own = "of source \"crm\" ";
    refused("GRANT CREATE ON SCHEMA querygate_views TO PUBLIC", &format!("{own}is one in which others may create"))
        .await;
    refused(
        "REVOKE CREATE ON SCHEMA querygate_views FROM PUBLIC; GRANT scram TO trusty",
        &format!("{own}is the login's, which other roles are members of"),
    )
    .await;
    refused(
        "REVOKE scram FROM trusty; ALTER SCHEMA querygate_views OWNER TO postgres; GRANT CREATE, USAGE ON SCHEMA querygate_views TO scram",
        &format!("{own}is not the login's own"),
    )
    .await;
    refused("DROP SCHEMA querygate_views", &format!("{own}does not exist")).await;
    world.admin.batch_execute("CREATE SCHEMA querygate_views AUTHORIZATION scram").await.unwrap();
    world.gate.reload().await.unwrap();
    let catalog = world.gate.folder.clone();
    for (barrier, expected) in [
        ("view", "did you mean \"views\"?"),
        ("{name: rls, schema: sales}", "barrier rls has no schema"),
        ("rls", "the login of source \"crm\", whose barrier is rls, may make no roles"),
        (
            "{name: views, schema: sales}",
            "dataset public.people lies in the schema sales, which holds the gateway's views",
        ),
    ] {
        write_catalog(&catalog, barrier);
        let report = querygate::catalog::check_report(&world.gate.reload().await.unwrap_err());
        assert!(report.contains(expected), "{report}");
    }
}
