//! Real clients, as analysts have them: psql and Python's drivers, each against the shared gateway.

use crate::fixture;
use std::process::{Command, Output};

fn psql(user: &str, sql: &str) -> Output {
    psql_with(user, sql, &["-A", "-t"])
}

fn psql_with(user: &str, sql: &str, options: &[&str]) -> Output {
    let gate = fixture::gate();
    Command::new("psql")
        .args(["-X", "-v", "VERBOSITY=verbose", "-v", "ON_ERROR_STOP=0", "-c", sql])
        .args(options)
        .arg(format!("host={} port={} dbname=retail user={user}", gate.address.ip(), gate.address.port()))
        .env("PGPASSWORD", format!("{user}-demo"))
        .env("PGCONNECT_TIMEOUT", "20")
        .env_remove("PGSERVICE")
        .output()
        .expect("psql can be started")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn psql_shows_two_users_different_rows_and_masks() {
    let sql = "SELECT id, email, region FROM people WHERE email IS NOT NULL ORDER BY id LIMIT 3";
    let (alice, bob) = (text(&psql("alice", sql)), text(&psql("bob", sql)));
    assert!(alice.contains("|EU") && !alice.contains("|US"), "{alice}");
    assert!(bob.contains("|US") && !bob.contains("|EU"), "{bob}");
    assert!(alice.contains("***@"), "{alice}");
    let dana = text(&psql("dana", sql));
    assert!(dana.contains('@') && !dana.contains("***@"), "{dana}");
}

#[test]
fn psql_lists_what_a_user_may_see() {
    let commands = [
        "\\d",
        "\\d *",
        "\\d people",
        "\\d people_pkey",
        "\\d pg_class",
        "\\d tpch.*",
        "\\d+",
        "\\d+ people",
        "\\dA",
        "\\dC",
        "\\dL",
        "\\dd",
        "\\dD",
        "\\dE",
        "\\dF",
        "\\dFd",
        "\\dFp",
        "\\dFt",
        "\\dO",
        "\\dP",
        "\\dRp",
        "\\dS",
        "\\dT",
        "\\dT+",
        "\\dX",
        "\\da",
        "\\db",
        "\\dc",
        "\\dconfig",
        "\\ddp",
        "\\des",
        "\\det",
        "\\dew",
        "\\df",
        "\\df+",
        "\\dfS lower",
        "\\dg",
        "\\di",
        "\\di+",
        "\\dm",
        "\\dn",
        "\\dn+",
        "\\do",
        "\\dp",
        "\\drds",
        "\\ds",
        "\\dt",
        "\\dt *.*",
        "\\dt+",
        "\\dtS",
        "\\du",
        "\\dv",
        "\\dx",
        "\\dy",
        "\\l",
        "\\l+",
        "\\z",
    ];
    for command in commands {
        let output = psql("alice", command);
        let said = text(&output);
        assert!(output.status.success() && !said.contains("ERROR"), "{command}: {said}");
        assert!(!said.contains("investigations"), "{command}: {said}");
    }
    let tables = text(&psql("alice", "\\dt"));
    assert!(tables.contains("people") && tables.contains("regions"), "{tables}");
    assert!(!tables.contains("payroll"), "{tables}");
    let people = text(&psql_with("alice", "\\d people", &["-A"]));
    assert!(people.contains("email|text|"), "{people}");
    assert!(people.contains("PRIMARY KEY, btree (id)"), "{people}");
    assert!(people.contains("FOREIGN KEY (region) REFERENCES regions(code)"), "{people}");
    assert!(people.contains("TABLE \"events\" CONSTRAINT \"events_person_id_fkey\""), "{people}");
    for hidden in ["\\d payroll", "\\d hr.investigations"] {
        let said = text(&psql("alice", hidden));
        assert!(said.contains("Did not find any relation named"), "{hidden}: {said}");
    }
}

#[test]
fn psql_is_told_what_is_denied_and_what_to_do() {
    let said = text(&psql("alice", "SELECT * FROM payroll"));
    assert!(said.contains("42501") && said.contains("DETAIL") && said.contains("HINT"), "{said}");
    let (hidden, absent) = (
        text(&psql("alice", "SELECT * FROM hr.investigations")),
        text(&psql("alice", "SELECT * FROM hr.nothing_such00")),
    );
    assert_eq!(hidden.replace("investigations", "x"), absent.replace("nothing_such00", "x"));
}

#[test]
fn psql_copies_and_fetches() {
    let copied = text(&psql(
        "bob",
        "COPY (SELECT id, region FROM people ORDER BY id LIMIT 2) TO STDOUT WITH (FORMAT csv, HEADER)",
    ));
    assert!(copied.starts_with("id,region\n") && copied.lines().count() == 3, "{copied}");
    let fetched =
        text(&psql("bob", "BEGIN; DECLARE c CURSOR FOR SELECT id FROM people ORDER BY id; FETCH 2 FROM c; COMMIT"));
    assert!(!fetched.contains("ERROR"), "{fetched}");
}

/// Runs a Python program with the clients that the test command installs.
fn python(program: &str) -> String {
    let gate = fixture::gate();
    let python = std::env::var("QUERYGATE_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let output = Command::new(python)
        .args(["-c", program])
        .env("GATE_HOST", gate.address.ip().to_string())
        .env("GATE_PORT", gate.address.port().to_string())
        .output()
        .expect("python can be started");
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn psycopg_reads_binds_and_streams() {
    let said = python(
        r#"
import os, psycopg
dsn = f"host={os.environ['GATE_HOST']} port={os.environ['GATE_PORT']} dbname=retail user=bob password=bob-demo"
with psycopg.connect(dsn) as c:
    rows = c.execute("SELECT id, name, salary, birth_date, created_at FROM people WHERE id < %s ORDER BY id", (500,)).fetchall()
    assert rows and all(len(r) == 5 for r in rows), rows
    n = c.execute("SELECT count(*) FROM people WHERE region = %s", ("US",)).fetchone()[0]
    assert n > 10, n
    with c.cursor(name="s") as cur:
        cur.itersize = 50
        cur.execute("SELECT id FROM people")
        assert sum(1 for _ in cur) == n
    with c.cursor() as cur:
        with cur.copy("COPY (SELECT id, region FROM people) TO STDOUT") as copy:
            assert sum(1 for _ in copy.rows()) == n
    with c.cursor(binary=True) as cur:
        cur.execute("SELECT id, salary, created_at, birth_date FROM people ORDER BY id LIMIT 1")
        assert cur.fetchone()[0] is not None
    import datetime, decimal
    with c.cursor(binary=True) as cur:
        given = (True, 7, 1 << 40, 0.25, decimal.Decimal("-1.50"), "it's", b"\\x00\\xff", datetime.date(2024, 2, 29), [1, 2], None)
        kinds = "SELECT %b, %b, %b, %b, %b, %b::text, %b, %b, %b::int[], %b::text"
        assert cur.execute(kinds, given).fetchone() == given
        kinds = kinds.replace("%b", "%t")
        assert cur.execute(kinds, given).fetchone() == given
    try:
        c.execute("SELECT * FROM payroll")
        raise SystemExit("payroll was read")
    except psycopg.errors.InsufficientPrivilege as e:
        assert e.diag.message_hint
print("done")
"#,
    );
    assert!(said.contains("done"), "{said}");
}

#[test]
fn asyncpg_prepares_and_reads_binary() {
    let said = python(
        r#"
import os, asyncio, asyncpg
async def main():
    c = await asyncpg.connect(host=os.environ['GATE_HOST'], port=int(os.environ['GATE_PORT']), database='retail', user='alice', password='alice-demo')
    rows = await c.fetch("SELECT id, name, salary, birth_date, created_at FROM people WHERE id < $1 ORDER BY id", 500)
    assert rows, rows
    assert all(r['name'] is None or r['name'].endswith('***') for r in rows), rows[:3]
    n = await c.fetchval("SELECT count(*) FROM people")
    one = await c.prepare("SELECT count(*) FROM people WHERE id = ANY($1) AND created_at >= $2 AND salary < $3 AND region = $4")
    import datetime, decimal, uuid
    assert await one.fetchval([3, 6, 7], datetime.datetime(2001, 1, 1), decimal.Decimal("1e9"), 'EU') == 2
    kinds = """SELECT $1::bool, $2::smallint, $3::int, $4::bigint, $5::real, $6::float8, $7::numeric, $8::text, $9::bytea,
               $10::date, $11::timestamp, $12::timestamptz, $13::int[], $14::text[], $15::varchar, $16::uuid::text"""
    zone = datetime.timezone.utc
    given = (True, -2, 3, 1 << 40, 0.5, 0.25, decimal.Decimal("-1234.5678"), "it's ä€", b"\\x00\\xff", datetime.date(2024, 2, 29),
             datetime.datetime(2024, 2, 29, 12, 0, 0, 789), datetime.datetime(2024, 2, 29, 12, tzinfo=zone), [1, None, 3],
             ["a,b", None, '"'], None, uuid.UUID(int=7))
    got = tuple(await c.fetchrow(kinds, *given))
    assert got == given[:15] + (str(given[15]),), (got, given)
    days = await c.fetchval("SELECT count(*) FROM people WHERE created_at::date = ANY($1)", [datetime.date(2018, 6, 6)])
    assert days >= 1, days
    limited = await c.fetch("SELECT id FROM people ORDER BY id LIMIT $1 OFFSET $2", 3, 1)
    assert len(limited) == 3, limited
    async with c.transaction():
        seen = 0
        async for r in c.cursor("SELECT id FROM people", prefetch=64):
            seen += 1
        assert seen == n, (seen, n)
    await c.close()
asyncio.run(main())
print("done")
"#,
    );
    assert!(said.contains("done"), "{said}");
}

#[test]
fn sqlalchemy_connects_and_reflects() {
    let said = python(
        r#"
import os, sqlalchemy as sa
url = f"postgresql+psycopg://alice:alice-demo@{os.environ['GATE_HOST']}:{os.environ['GATE_PORT']}/retail"
e = sa.create_engine(url)
with e.connect() as c:
    assert c.execute(sa.text("SELECT count(*) FROM people WHERE region = :r"), {"r": "EU"}).scalar() > 10
i = sa.inspect(e)
tables = i.get_table_names()
assert 'people' in tables and 'payroll' not in tables, tables
columns = {c['name']: c['type'] for c in i.get_columns('people')}
assert 'email' in columns, columns
assert i.get_pk_constraint('people')['constrained_columns'] == ['id'], i.get_pk_constraint('people')
keys = [(k['constrained_columns'], k['referred_table'], k['referred_columns']) for k in i.get_foreign_keys('people')]
assert keys == [(['region'], 'regions', ['code'])], keys
assert i.get_indexes('people') == [] and i.get_view_names() == [] and i.get_unique_constraints('people') == []
assert i.get_check_constraints('people') == [] and i.get_table_comment('people')['text']
assert 'tpch' in i.get_schema_names() and 'lineitem' in i.get_table_names(schema='tpch')
assert not i.has_table('payroll') and not i.has_table('investigations', schema='hr')
metadata = sa.MetaData()
metadata.reflect(e)
people = metadata.tables['people']
with e.connect() as c:
    found = c.execute(sa.select(people.c.id, people.c.region).where(people.c.id.in_([3, 6])).order_by(people.c.id)).all()
    assert found == [(3, 'EU'), (6, 'EU')], found
print("done")
"#,
    );
    assert!(said.contains("done"), "{said}");
}

/// Runs a client against the gateway. One that is not installed is a failure: `./test` installs them all.
fn client(program: &mut Command) -> String {
    let output = program.output().unwrap_or_else(|error| panic!("{program:?} can't be started: {error}"));
    let said = text(&output);
    assert!(output.status.success() && said.contains("done"), "{said}");
    said
}

/// A program of `tests/clients`.
fn source(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

fn address() -> [String; 2] {
    let address = fixture::gate().address;
    [address.ip().to_string(), address.port().to_string()]
}

#[test]
fn jdbc_binds_streams_and_reads_metadata() {
    let driver = std::env::var("QUERYGATE_TEST_JDBC").unwrap_or_else(|_| "/usr/share/java/postgresql.jar".into());
    client(Command::new("java").args(["-Xmx256m", "-cp", &driver]).arg(source("Jdbc.java")).args(address()));
}

#[test]
fn node_postgres_binds_and_streams() {
    let modules = std::env::var("QUERYGATE_TEST_NODE")
        .expect("QUERYGATE_TEST_NODE is a folder with pg and pg-cursor: run ./test");
    client(Command::new("node").arg(source("node.mjs")).args(address()).arg(modules));
}

#[test]
fn odbc_binds_and_reads_metadata() {
    let python = std::env::var("QUERYGATE_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    client(Command::new(python).arg(source("odbc.py")).args(address()));
}

#[test]
fn what_is_postgresqls_own_means_the_same_here() {
    let cases = [
        (
            "SELECT current_schema, current_role, current_user, session_user, current_catalog, user",
            "public|alice|alice|alice|retail|alice",
        ),
        (
            "SELECT ceiling(1.5), sign(-2), mod(7, 3), div(7, 2), date('2024-01-01'), length(gen_random_uuid()::text)",
            "2.0|-1|1|3|2024-01-01|36",
        ),
        ("SELECT every(n > 0), round(variance(n)), any_value(1) FROM generate_series(1, 3) n", "t|1|1"),
        (
            "SELECT substring('abc' from 2), position('b' in 'abc'), trim(' a '), overlay('abc' placing 'x' from 2)",
            "bc|2|a|axc",
        ),
        ("SELECT extract(year from date '2024-01-01'), pg_typeof('a'::text)", "2024|text"),
        ("SELECT 'abc'::bpchar, 'abc'::char, 'abc'::char(2), '{1,2}'::int[], '[1]'::json", "abc|a|ab|{1,2}|[1]"),
        ("SELECT 'A0EEBC999C0B4EF8BB6D6BB9BD380A11'::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        (
            "SELECT 'ab' SIMILAR TO 'a%', 'ab' SIMILAR TO 'a', 'a.c' SIMILAR TO '(a|b).c', 'abc' NOT SIMILAR TO 'a.c'",
            "t|f|t|t",
        ),
        ("SELECT 'a_b' LIKE 'a/_b' ESCAPE '/', 'axb' LIKE 'a/_b' ESCAPE '/', 'A%' ILIKE 'a!%' ESCAPE '!'", "t|f|t"),
        (
            "SELECT current_setting('server_version_num'), current_setting('timezone'), current_setting('default_table_access_method')",
            "150014|UTC|heap",
        ),
        (
            "SELECT ARRAY(SELECT n FROM generate_series(1, 5) n ORDER BY n % 2, n DESC LIMIT 3), ARRAY(VALUES (2), (1))",
            "{4,2,5}|{2,1}",
        ),
        (
            "SELECT ARRAY(SELECT DISTINCT n % 3 FROM generate_series(1, 5) n ORDER BY 1 DESC), ARRAY(SELECT 1 UNION SELECT 2 ORDER BY 1 DESC)",
            "{2,1,0}|{2,1}",
        ),
        (
            "SELECT ARRAY(SELECT n % 2 FROM generate_series(1, 5) n GROUP BY n % 2 ORDER BY count(*)), ARRAY(SELECT 1 LIMIT 0)",
            "{0,1}|{}",
        ),
        (
            "SELECT x FROM (SELECT unnest(ARRAY(SELECT n FROM generate_series(1, 5) n ORDER BY n DESC LIMIT 1)) x) t",
            "5",
        ),
        ("SELECT ARRAY(SELECT n AS m FROM generate_series(1, 3) n ORDER BY m DESC LIMIT 2)", "{3,2}"),
        ("SELECT 'people'::regclass, 'people'::regclass::oid = to_regclass('people')::oid", "people|t"),
        ("SELECT relname FROM pg_class WHERE oid = 'people'::regclass", "people"),
        ("SELECT to_regclass('hr.investigations') IS NULL, to_regclass('public.nothing') IS NULL", "t|t"),
    ];
    for (sql, expected) in cases {
        let said = text(&psql("alice", sql));
        assert_eq!(said.trim(), expected, "{sql}");
    }
    for (sql, state) in [
        ("SELECT 'x'::uuid", "22P02"),
        ("SELECT '{'::json", "22P02"),
        ("SELECT set_config('search_path', '', false)", "0A000"),
        ("SELECT unnest(ARRAY[name]) FROM people", "0A000"),
        ("SELECT generate_series(1, 1000000000)", "0A000"),
        ("SELECT b, ARRAY(SELECT a FROM generate_series(1, 3) a WHERE a <= b) FROM generate_series(1, 3) b", "0A000"),
        (
            "SELECT b, ARRAY(SELECT a FROM generate_series(1, 3) a WHERE a = b LIMIT 1) FROM generate_series(1, 3) b",
            "0A000",
        ),
    ] {
        let said = text(&psql("alice", sql));
        assert!(said.contains(state), "{sql}: {said}");
    }
    let (hidden, absent) = ("SELECT 'hr.investigations'::regclass", "SELECT 'hr.nothing_such00'::regclass");
    let (hidden, absent) = (text(&psql("alice", hidden)), text(&psql("alice", absent)));
    assert!(hidden.contains("42P01"), "{hidden}");
    assert_eq!(hidden.replace("investigations", "x"), absent.replace("nothing_such00", "x"));
}
