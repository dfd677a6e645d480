//! Twins over an upstream: two databases that differ only in what bob may not see answer every statement with the same
//! bytes: rows, descriptions, command tags, errors with all their fields, notices.
//!
//! `QUERYGATE_TWINS=10000 cargo test --test it twins` runs the full dose; `QUERYGATE_SEED` gives other statements.

pub(crate) mod generator;

use crate::case::cases;
use crate::fixture::{self, Gate};
use crate::postgres::Postgres;
use crate::raw::{Raw, Reply};
use generator::{Generator, Kind, Table};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What bob sees of them.
const TABLES: &[Table] = &[
    Table {
        name: "people",
        columns: &[
            ("id", Kind::Int),
            ("name", Kind::Text),
            ("email", Kind::Text),
            ("ssn", Kind::Text),
            ("phone", Kind::Text),
            ("birth_date", Kind::Date),
            ("salary", Kind::Number),
            ("region", Kind::Text),
            ("department", Kind::Text),
            ("notes", Kind::Text),
            ("level", Kind::Int),
            ("score", Kind::Float),
            ("code", Kind::Digits),
            ("created_at", Kind::Stamp),
            ("marks", Kind::Ints),
            ("tags", Kind::Texts),
            ("extra", Kind::Json),
        ],
    },
    Table {
        name: "orders",
        columns: &[
            ("id", Kind::Int),
            ("person_id", Kind::Int),
            ("day", Kind::Date),
            ("amount", Kind::Number),
            ("qty", Kind::Int),
            ("status", Kind::Text),
            ("placed", Kind::Stamp),
        ],
    },
    Table {
        name: "events",
        columns: &[
            ("id", Kind::Int),
            ("person_id", Kind::Int),
            ("kind", Kind::Text),
            ("at", Kind::Stamp),
            ("amount", Kind::Number),
            ("weight", Kind::Float),
            ("marks", Kind::Ints),
        ],
    },
    Table {
        name: "regions",
        columns: &[("id", Kind::Int), ("name", Kind::Text), ("budget", Kind::Number), ("parent", Kind::Int)],
    },
    Table {
        name: "recent",
        columns: &[
            ("id", Kind::Int),
            ("person_id", Kind::Int),
            ("day", Kind::Date),
            ("amount", Kind::Number),
            ("status", Kind::Text),
        ],
    },
];

/// Statements that name what bob may not.
const DENIED: &[&str] = &[
    "SELECT * FROM payroll",
    "SELECT count(*) FROM people p JOIN payroll r ON r.person_id = p.id",
    "SELECT note FROM events",
    "SELECT id FROM events WHERE note = 'other'",
    "SELECT * FROM events ORDER BY id",
    "SELECT * FROM data.people",
    "SELECT relname, reltuples FROM pg_class WHERE relname IN ('people', 'payroll') ORDER BY 1",
    "SELECT * FROM pg_stats",
    "EXPLAIN (GOVERNANCE) SELECT id FROM people WHERE 1 / (level - 40) > 0",
    "SELECT e FROM events e WHERE id < 9",
];

fn setup(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/twins").join(name)).unwrap()
}

/// A twin's data, in a database of its own.
async fn database(server: &Postgres, number: u8) -> tokio_postgres::Client {
    server.admin().await.batch_execute(&format!("CREATE DATABASE twin{number}")).await.unwrap();
    let admin = server.admin_of(&format!("twin{number}")).await;
    admin.batch_execute(&setup("data.sql").replace("TWIN", &number.to_string())).await.unwrap();
    admin
}

/// What `barrier: rls` wants.
const SECURED: &str = "ALTER ROLE scram CREATEROLE; ALTER SCHEMA data OWNER TO scram;
DO $$ DECLARE t regclass; BEGIN
    FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'data'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO scram', t);
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t);
    END LOOP;
END $$;";

/// A twin behind a gateway.
async fn twin(server: &Postgres, number: u8, barrier: &str) -> Gate {
    let admin = database(server, number).await;
    admin
        .batch_execute("GRANT USAGE ON SCHEMA data TO scram; GRANT SELECT ON ALL TABLES IN SCHEMA data TO scram")
        .await
        .unwrap();
    if barrier == "rls" {
        admin.batch_execute(SECURED).await.unwrap();
    }
    if std::env::var_os("QUERYGATE_ANALYZE").is_some() {
        admin.batch_execute("ANALYZE").await.unwrap();
    }
    fixture::gate_over(&folder(server, &format!("twin{number}"), barrier)).await
}

fn folder(server: &Postgres, database: &str, barrier: &str) -> PathBuf {
    let folder = tempfile::tempdir().unwrap().keep();
    for part in ["catalog", "policies"] {
        std::fs::create_dir_all(folder.join(part)).unwrap();
    }
    let root = server.file("root.pem");
    let dsn = format!(
        "postgres://scram:sesame@localhost:{}/{database}?sslmode=verify-full&sslrootcert={}",
        server.port,
        root.display()
    );
    std::fs::write(folder.join("dsn"), dsn).unwrap();
    let dsn = folder.join("dsn").display().to_string();
    let mut catalog =
        format!("sources:\n  - {{name: crm, kind: postgres, dsn_file: {dsn}, barrier: {barrier}}}\ndatasets:\n");
    for name in TABLES.iter().map(|table| table.name).chain(["payroll"]) {
        catalog += &format!("  - {{name: public.{name}, source: crm, relation: data.{name}, tier: SYNTHETIC}}\n");
    }
    catalog += "workspaces:\n  - {name: lab, type: AD_HOC, owner: dana, members: [bob], limits: {statements_a_day: 1000000, \
                concurrent_statements: 50, max_rows: 1000000, max_bytes: 1000000000}}\n";
    std::fs::write(folder.join("catalog/catalog.yaml"), catalog).unwrap();
    let users = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog/users.yaml");
    std::fs::copy(users, folder.join("catalog/users.yaml")).unwrap();
    std::fs::write(folder.join("policies/access.rego"), setup("access.rego")).unwrap();
    folder
}

/// Everything that was said, without the names of decisions (UUIDs), of which each statement has its own.
fn comparable(mut reply: Reply) -> Reply {
    for (_, body) in &mut reply.messages {
        let is_id = |word: &[u8]| {
            word.iter().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => *byte == b'-',
                _digit => byte.is_ascii_hexdigit(),
            })
        };
        for at in 0..body.len().saturating_sub(35) {
            if is_id(&body[at..at + 36]) {
                body[at..at + 36].fill(b'#');
            }
        }
    }
    reply
}

/// What there is to tell of two answers.
enum Difference {
    None,
    /// The same rows in another order.
    Order,
    /// One of the two ran out of time.
    Late,
    Other(String),
}

fn difference(sql: &str, one: Reply, other: Reply) -> Difference {
    let late = |reply: &Reply| reply.error().as_deref() == Some("57014");
    if late(&one) || late(&other) {
        return Difference::Late;
    }
    let (mut one, mut other) = (comparable(one), comparable(other));
    if one == other {
        return Difference::None;
    }
    let shown = |reply: &Reply| {
        let messages = reply.messages.iter().take(6);
        messages
            .map(|(kind, body)| format!("{}:{}", char::from(*kind), body.escape_ascii()))
            .collect::<Vec<_>>()
            .join("\n    ")
    };
    let told = format!("{sql}\n  one:   {:.900}\n  other: {:.900}", shown(&one), shown(&other));
    one.messages.sort();
    other.messages.sort();
    if one == other { Difference::Order } else { Difference::Other(told) }
}

async fn ask(raw: &mut Raw, sql: &str, way: usize) -> Reply {
    match way % 8 {
        0 => raw.prepared(sql, &[], true).await,
        1 => raw.prepared(sql, &[], false).await,
        2 => raw.query(&format!("COPY ({sql}) TO STDOUT")).await,
        3 => raw.query(&format!("BEGIN; DECLARE c CURSOR FOR {sql}; FETCH 7 FROM c; FETCH ALL FROM c; COMMIT")).await,
        _simple => raw.query(sql).await,
    }
}

#[test]
fn twins_over_an_upstream_answer_alike() {
    answer_alike("none");
}

/// The same where the gateway keeps row security in both.
#[test]
fn twins_with_row_security_answer_alike() {
    answer_alike("rls");
}

fn answer_alike(barrier: &str) {
    let number =
        |name: &str, otherwise: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise);
    let (count, seed) = (number("QUERYGATE_TWINS", 300), number("QUERYGATE_SEED", 7));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let began = Instant::now();
        let server = Postgres::start_with(&["jit=off"]);
        let (here, there) = (twin(&server, 1, barrier).await, twin(&server, 2, barrier).await);
        let connect = async |gate: &Gate, user: &str| Raw::gateway(gate.address, user, "lab").await;
        // The twins do differ: who may see more, sees other values.
        let see = "SELECT email, region FROM people ORDER BY id";
        let seen = connect(&here, "dana").await.query(see).await;
        let seen_there = connect(&there, "dana").await.query(see).await;
        assert!(seen.error().is_none() && !seen.rows().is_empty() && seen.rows() != seen_there.rows(), "{seen:?}");

        let (mut one, mut other) = (connect(&here, "bob").await, connect(&there, "bob").await);
        for raw in [&mut one, &mut other] {
            let set = "SET querygate.notices = on; SET statement_timeout = '4s'";
            assert_eq!(raw.query(set).await.error(), None);
        }
        let mut generator = Generator::new(seed, TABLES);
        let (mut wrong, mut reordered, mut late) = (Vec::new(), Vec::new(), 0);
        let mut codes: BTreeMap<String, usize> = BTreeMap::new();
        for way in 0..count {
            let sql = generator.statement();
            let way = usize::try_from(way).unwrap();
            let (a, b) = tokio::join!(ask(&mut one, &sql, way), ask(&mut other, &sql, way));
            let code = a.error().unwrap_or_else(|| "rows".to_owned());
            if std::env::var_os("QUERYGATE_SHOW").is_some() {
                println!("{code} {} {sql}", a.error_field(b'M').unwrap_or_default());
            }
            *codes.entry(code).or_default() += 1;
            match difference(&sql, a, b) {
                Difference::None => {}
                Difference::Order => reordered.push(sql.clone()),
                Difference::Late => late += 1,
                Difference::Other(told) => wrong.push(told),
            }
            if way % 8 == 3 {
                tokio::join!(one.query("ROLLBACK"), other.query("ROLLBACK"));
            }
        }
        let cases = cases("bypass");
        // Shapes that are hostile to planners take their time, and what names none of these relations is not forwarded.
        let of_bob = cases.iter().filter(|case| case.get("user") == Some("bob") && !case.name().starts_with("hostile"));
        let bypasses = of_bob.filter_map(|case| case.section("sql")).filter(|sql| {
            TABLES.iter().map(|table| table.name).chain(["payroll"]).any(|name| sql.contains(name))
        });
        let timeless = bypasses.filter(|sql| {
            // Times and addresses are not data, and two gateways have two of them.
            !["ANALYZE", "pg_settings", "SHOW ALL", "pg_postmaster", "inet_", "now()", "random"].iter().any(|word| sql.contains(word))
        });
        let mut by_hand = 0;
        let written = setup("by_hand.sql");
        let written = written.lines().filter(|line| !line.is_empty() && !line.starts_with("--"));
        for sql in DENIED.iter().copied().chain(written).chain(timeless) {
            by_hand += 1;
            let (a, b) = tokio::join!(one.query(sql), other.query(sql));
            if std::env::var_os("QUERYGATE_SHOW").is_some() {
                println!("by hand: {} {} {sql}", a.error().unwrap_or_default(), a.error_field(b'M').unwrap_or_default());
            }
            if let Difference::Other(told) = difference(sql, a, b) {
                wrong.push(told);
            }
            tokio::join!(one.query("ROLLBACK"), other.query("ROLLBACK"));
        }
        println!(
            "{count} generated statements (seed {seed}) and {by_hand} by hand: {} tell the twins apart, {} in another order, {late} late; {:?}\n{codes:?}",
            wrong.len(),
            reordered.len(),
            began.elapsed()
        );
        assert!(wrong.is_empty(), "{} statements tell the twins apart\n{}", wrong.len(), wrong.join("\n"));
        if barrier == "rls" {
            // The twins share their roles, and where one of them has to wait for the other it is fenced meanwhile: another plan.
            let roles = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'querygate%'";
            let roles: i64 = server.admin().await.query_one(roles, &[]).await.unwrap().get(0);
            assert!(roles >= 5, "{roles} roles");
        } else {
            assert!(reordered.is_empty(), "{} statements give rows in another order\n{}", reordered.len(), reordered.join("\n"));
        }
        // Most statements have to say something, and many to fail on a value that is seen.
        let share = |of: &dyn Fn(&str) -> bool| {
            codes.iter().filter(|(code, _)| of(code)).map(|(_, count)| *count).sum::<usize>() * 100 / usize::try_from(count.max(1)).unwrap()
        };
        assert!(share(&|code| code == "rows") >= 50, "{codes:?}");
        assert!(share(&|code| code.starts_with("22")) >= 5, "{codes:?}");
        assert!(share(&|code| !code.starts_with("22") && code != "rows") <= 15 && late * 20 <= count, "{codes:?}");
    });
}

/// The same statements of plain views, without the gateway: so many of them tell the twins apart that the test above would
/// see a barrier that is none.
#[test]
fn plain_views_tell_the_twins_apart() {
    const STATEMENTS: usize = 300;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let server = Postgres::start_with(&["jit=off"]);
        let mut twins = Vec::new();
        for number in [1, 2] {
            let admin = database(&server, number).await;
            admin.batch_execute(&setup("plain.sql")).await.unwrap();
            let mut raw = Raw::socket(&server.socket_folder(), server.port, "postgres", &format!("twin{number}")).await;
            assert_eq!(raw.query("SET search_path = plain; SET statement_timeout = '10s'").await.error(), None);
            twins.push(raw);
        }
        let [one, other] = twins.as_mut_slice() else { panic!("two twins") };
        let mut generator = Generator::new(7, TABLES);
        let (mut apart, mut failed_in_one) = (Vec::new(), 0);
        for way in 0..STATEMENTS {
            let sql = generator.statement();
            let (mut a, mut b) = tokio::join!(ask(one, &sql, way), ask(other, &sql, way));
            // Descriptions name the views by numbers, of which each database has its own.
            for reply in [&mut a, &mut b] {
                reply.messages.retain(|(kind, _)| *kind != b'T');
            }
            let one_failed = a.error().is_some() != b.error().is_some();
            if let Difference::Other(told) = difference(&sql, a, b) {
                failed_in_one += usize::from(one_failed);
                apart.push(told);
            }
            tokio::join!(one.query("ROLLBACK"), other.query("ROLLBACK"));
        }
        println!(
            "plain views: {} of {STATEMENTS} statements tell the twins apart, {failed_in_one} by failing in one alone",
            apart.len()
        );
        assert!(apart.len() >= 8 && failed_in_one >= 4, "{} of {STATEMENTS}\n{}", apart.len(), apart.join("\n"));
    });
}
