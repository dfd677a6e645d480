//! Real clients, as analysts have them: psql and Python's drivers, each against the shared gateway.

use crate::fixture;
use std::process::{Command, Output};

fn psql(user: &str, sql: &str) -> Output {
    let gate = fixture::gate();
    Command::new("psql")
        .args(["-X", "-v", "VERBOSITY=verbose", "-v", "ON_ERROR_STOP=0", "-A", "-t", "-c", sql])
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
    for command in ["\\d", "\\dt", "\\dt+", "\\dt *.*", "\\dn", "\\l", "\\du", "\\df", "\\dT", "\\dv", "\\di", "\\dp", "\\d people", "\\d+ people"] {
        let output = psql("alice", command);
        let said = text(&output);
        assert!(output.status.success() && !said.contains("ERROR"), "{command}: {said}");
        assert!(!said.contains("investigations"), "{command}: {said}");
    }
    let tables = text(&psql("alice", "\\dt"));
    assert!(tables.contains("people") && tables.contains("regions"), "{tables}");
    assert!(!tables.contains("payroll"), "{tables}");
    let people = text(&psql("alice", "\\d people"));
    assert!(people.contains("email") && people.contains("character varying") | people.contains("text"), "{people}");
}

#[test]
fn psql_is_told_what_is_denied_and_what_to_do() {
    let said = text(&psql("alice", "SELECT * FROM payroll"));
    assert!(said.contains("42501") && said.contains("DETAIL") && said.contains("HINT"), "{said}");
    let (hidden, absent) =
        (text(&psql("alice", "SELECT * FROM hr.investigations")), text(&psql("alice", "SELECT * FROM hr.nothing_such00")));
    assert_eq!(hidden.replace("investigations", "x"), absent.replace("nothing_such00", "x"));
}

#[test]
fn psql_copies_and_fetches() {
    let copied = text(&psql("bob", "COPY (SELECT id, region FROM people ORDER BY id LIMIT 2) TO STDOUT WITH (FORMAT csv, HEADER)"));
    assert!(copied.starts_with("id,region\n") && copied.lines().count() == 3, "{copied}");
    let fetched = text(&psql("bob", "BEGIN; DECLARE c CURSOR FOR SELECT id FROM people ORDER BY id; FETCH 2 FROM c; COMMIT"));
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
print("done")
"#,
    );
    assert!(said.contains("done"), "{said}");
}
