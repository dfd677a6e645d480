//! What a data steward runs against a real PostgreSQL: `querygate init` and `querygate check --connect`.

use crate::fixture::{self, Gate};
use crate::postgres::Postgres;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn folder() -> PathBuf {
    tempfile::tempdir().unwrap().keep()
}

/// A file with a connection string for the user `scram`.
fn dsn_file(server: &Postgres, folder: &Path) -> PathBuf {
    let path = folder.join("crm_dsn");
    std::fs::write(&path, dsn_text(server, "scram")).unwrap();
    path
}

fn dsn_text(server: &Postgres, user: &str) -> String {
    let root = server.file("root.pem");
    format!(
        "postgres://{user}:sesame@localhost:{}/postgres?sslmode=verify-full&sslrootcert={}",
        server.port,
        root.display()
    )
}

/// Runs the program in a folder. Gives whether it ended well, and all that it said.
fn querygate(folder: &Path, arguments: &[&str], environment: &[(&str, &str)], input: &str) -> (bool, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_querygate"))
        .args(arguments)
        .envs(environment.iter().copied())
        .env("QUERYGATE_LISTEN", "127.0.0.1:0")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let said = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(!text.contains("sesame") && !text.contains("panicked"), "{text}");
    (said.status.success(), text)
}

const STORE: &str = "
CREATE SCHEMA sales;
CREATE TABLE sales.people (id bigint PRIMARY KEY, email text, region text, code int);
CREATE TABLE sales.orders (id bigint UNIQUE, person bigint REFERENCES sales.people, amount int, secret text);
CREATE VIEW sales.few AS SELECT id, amount FROM sales.orders WHERE amount < 4;
CREATE TABLE sales.days (id bigint, day date) PARTITION BY RANGE (day);
CREATE TABLE sales.days_2024 PARTITION OF sales.days FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE sales.base (id bigint PRIMARY KEY);
CREATE TABLE sales.child () INHERITS (sales.base);
CREATE TABLE sales.guarded (id bigint PRIMARY KEY, owner text);
ALTER TABLE sales.guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON sales.guarded USING (owner = current_user);
CREATE TABLE sales.closed (id bigint);
CREATE TABLE sales.forgotten (id bigint);
GRANT USAGE ON SCHEMA sales TO scram;
GRANT SELECT ON sales.people, sales.few, sales.days, sales.days_2024, sales.base, sales.guarded, sales.forgotten TO scram;
GRANT SELECT (id, person, amount) ON sales.orders TO scram;
GRANT INSERT ON sales.forgotten TO scram; GRANT UPDATE (region) ON sales.people TO scram;";

const STORE_CATALOG: &str = "sources:
  - {name: crm, kind: postgres, dsn_file: DSN_FILE}
  - {name: gone, kind: postgres, dsn_file: GONE_FILE}
datasets:
  - {name: public.people, source: crm, relation: sales.people, tier: RAW, keys: {primary: [region]}, columns: [{name: id}, {name: email}, {name: region}]}
  - {name: public.orders, source: crm, relation: sales.orders, tier: RAW, keys: {primary: [id], foreign: [{columns: [person], references: public.people(code)}]}, columns: [{name: id}, {name: person}, {name: amount, type: text}, {name: secret}, {name: colour}]}
  - {name: public.few, source: crm, relation: sales.few, tier: RAW, columns: [{name: id}, {name: amount}]}
  - {name: public.days, source: crm, relation: sales.days, tier: RAW, columns: [{name: id}, {name: day}]}
  - {name: public.part, source: crm, relation: sales.days_2024, tier: RAW, columns: [{name: id}, {name: day}]}
  - {name: public.base, source: crm, relation: sales.base, tier: RAW, keys: {primary: [id]}, columns: [{name: id}]}
  - {name: public.guarded, source: crm, relation: sales.guarded, tier: RAW, columns: [{name: id}, {name: owner}]}
  - {name: public.closed, source: crm, relation: sales.closed, tier: RAW, columns: [{name: id}]}
  - {name: public.typo, source: crm, relation: sales.peopel, tier: RAW, columns: [{name: id}]}
  - {name: public.lost, source: gone, relation: a.b, tier: RAW, columns: [{name: id}]}
workspaces:
  - {name: lab, type: AD_HOC, roles: [ANALYST]}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_is_held_against_its_upstreams() {
    let server = Postgres::start();
    let admin = server.admin().await;
    admin.batch_execute(STORE).await.unwrap();
    let folder = folder();
    std::fs::create_dir_all(folder.join("catalog")).unwrap();
    std::fs::create_dir_all(folder.join("policies")).unwrap();
    std::fs::write(folder.join("policies/p.rego"), "package analytics.data_access\ndefault allow := false\n").unwrap();
    let gone = folder.join("gone_dsn");
    std::fs::write(&gone, "postgres://scram:sesame@127.0.0.1:1/postgres?sslmode=disable").unwrap();
    let catalog = STORE_CATALOG
        .replace("DSN_FILE", dsn_file(&server, &folder).to_str().unwrap())
        .replace("GONE_FILE", gone.to_str().unwrap());
    std::fs::write(folder.join("catalog/c.yaml"), &catalog).unwrap();
    let (well, said) = querygate(&folder, &["check", "--connect"], &[], "");
    assert!(!well, "{said}");
    let found: Vec<&str> = said.lines().filter(|line| line.starts_with("catalog/")).collect();
    for expected in [
        // What loading finds.
        "catalog/c.yaml:6:252: error: column \"colour\" is not in the data of public.orders",
        "catalog/c.yaml:6:222: error: column \"amount\" is declared text and the data has integer",
        "catalog/c.yaml:5:12: warning: column \"code\" of public.people is not listed",
        // Errors.
        "catalog/c.yaml:12:50: error: the login of source \"crm\" may not read sales.closed",
        "catalog/c.yaml:13:48: error: relation sales.peopel does not exist in source \"crm\"",
        "catalog/c.yaml:14:49: error: source \"gone\" can't be read: no connection to the upstream: Connection refused",
        // The login.
        "catalog/c.yaml:2:12: warning: the login of source \"crm\" may write to 2 relations: sales.forgotten (INSERT), sales.people (UPDATE)",
        "catalog/c.yaml:2:12: warning: the login of source \"crm\" may read 1 relation that the catalog does not name: sales.forgotten",
        // Relations.
        "warning: the login of source \"crm\" may not read the column secret of sales.orders",
        "warning: sales.few is a view of source \"crm\"",
        "warning: sales.days_2024 is a part of sales.days in source \"crm\"",
        "warning: row security of sales.guarded hides rows from the login of source \"crm\"",
        // Keys.
        "warning: nothing in source \"crm\" keeps the primary key (region) of public.people unique",
        "warning: nothing in source \"crm\" keeps public.people(code) unique, which a foreign key refers to",
        "warning: nothing in source \"crm\" keeps the primary key (id) of public.base unique",
        "warning: key column \"id\" of public.orders may be NULL in source \"crm\"",
        "warning: key column \"region\" of public.people may be NULL in source \"crm\"",
    ] {
        assert_eq!(found.iter().filter(|line| line.contains(expected)).count(), 1, "{expected}\n{said}");
    }
    assert!(said.contains("help: did you mean \"sales.people\"?"), "{said}");
    assert!(said.contains("help: what policies say of public.days does not hold for it: take it out"), "{said}");
    // A child by inheritance and the partition are no strangers; nothing else was found but what has no columns to read.
    let rest = ["the columns of dataset", "nobody may enter"];
    assert_eq!(found.iter().filter(|line| !rest.iter().any(|known| line.contains(known))).count(), 17, "{said}");

    // Without the flag, only what keeps it from serving.
    let (_, plain) = querygate(&folder, &["check"], &[], "");
    assert!(!plain.contains("may write to") && !plain.contains("is a view"), "{plain}");

    // Mended, with a login that may do everything: warnings alone, and exit 0.
    let mended = catalog
        .lines()
        .filter(|line| !["gone", "public.typo", "public.part", "public.closed"].iter().any(|word| line.contains(word)))
        .collect::<Vec<_>>()
        .join("\n")
        .replace(", {name: colour}", "")
        .replace(", type: text", "");
    std::fs::write(folder.join("catalog/c.yaml"), mended).unwrap();
    admin.batch_execute("ALTER ROLE scram SUPERUSER").await.unwrap();
    let (well, said) = querygate(&folder, &["check", "--connect"], &[], "");
    assert!(
        well && said.contains("the login of source \"crm\" is a superuser") && !said.contains("may write"),
        "{said}"
    );
    assert!(said.contains("sales.guarded has row security, and the login of source \"crm\" is above it"), "{said}");
    admin
        .batch_execute("ALTER ROLE scram NOSUPERUSER BYPASSRLS CREATEROLE; GRANT pg_read_server_files TO scram")
        .await
        .unwrap();
    let (_, said) = querygate(&folder, &["check", "--connect"], &[], "");
    assert!(
        said.contains("has BYPASSRLS") && said.contains("has CREATEROLE, membership in pg_read_server_files"),
        "{said}"
    );
}

/// Names and comments that break what is careless with them.
const SHOP: &str = r##"
CREATE SCHEMA sales; CREATE SCHEMA "Odd Schema";
CREATE DOMAIN sales.email_address AS text;
CREATE TYPE sales."a: b, [c]" AS ENUM ('x');
CREATE TABLE sales.people (
    id bigint PRIMARY KEY, region text NOT NULL, name text, email text, contact sales.email_address, phone bigint, born date, salary numeric,
    seen_from inet, extra jsonb, joined_on date, score numeric(10,2), tags text[], mood sales."a: b, [c]", is_active boolean);
INSERT INTO sales.people SELECT n, 'EU', 'Canary ' || n, 'canary' || n || '@secret.example', 'canary@x', 55512340 + n, '1980-05-05',
    52000, '10.0.0.1', '{"canary": 1}', '2024-01-01', n, '{a,b}', 'x', true FROM generate_series(1, 3) n;
COMMENT ON TABLE sales.people IS E'People: "one" row each.\n# not a comment\n- {not: yaml} [[[ ''quoted'' \\ é 日本';
COMMENT ON COLUMN sales.people.region IS 'EU: or US # really';
COMMENT ON COLUMN sales.people.score IS E'   ';
CREATE TABLE sales.orders (id bigint PRIMARY KEY, person bigint REFERENCES sales.people (id), amount int, memo text);
INSERT INTO sales.orders VALUES (1, 1, 5, 'canary'), (2, 1, 6, NULL);
CREATE VIEW sales.names AS SELECT id, name FROM sales.people;
CREATE TABLE sales.days (id bigint, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE sales.days_2024 PARTITION OF sales.days FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE "Odd Schema"."yes" ("null" int PRIMARY KEY, "a: b" text, "true" boolean, "Mixed Case" text, "x'y" text, "#" text,
    "[" text, "{" text, "12" text, "é日" text, "- a" text, "select" text);
CREATE TABLE sales."dotted.name" (id int);
CREATE TABLE sales.unspeakable ("a""b" int, "c
d" int);
CREATE TABLE sales.empty ();
CREATE TABLE sales.hidden (id int);
GRANT USAGE ON SCHEMA sales, "Odd Schema" TO scram;
GRANT SELECT ON ALL TABLES IN SCHEMA sales, "Odd Schema" TO scram;
REVOKE SELECT ON sales.hidden FROM scram;
"##;

#[tokio::test(flavor = "multi_thread")]
async fn a_first_catalog_is_closed_where_it_must_be_and_serves() {
    let server = Postgres::start();
    let admin = server.admin().await;
    admin.batch_execute(SHOP).await.unwrap();
    let folder = folder();
    let file = dsn_file(&server, &folder);
    let from = format!("file:{}", file.display());
    let (well, said) = querygate(&folder, &["init", "--from", &from], &[], "");
    assert!(well, "{said}");
    let text = std::fs::read_to_string(folder.join("catalog/crm.yaml")).unwrap();
    for expected in [
        "{name: email, type: text, tags: [EMAIL]}  # guessed: \"email\" in its name",
        "{name: contact, tags: [PII]}  # its type there is sales.email_address; guessed: its type is sales.email_address",
        "{name: phone, type: bigint, tags: [PII]}",
        "{name: born, type: date, tags: [BIRTH_DATE]}",
        "{name: salary, tags: [SENSITIVE]}  # its type there is numeric",
        "{name: seen_from, tags: [ONLINE_ID]}  # its type there is inet; guessed: its type is inet",
        "{name: extra, type: json, tags: [NOTES]}",
        "{name: score, type: \"numeric(10,2)\", classification: INTERNAL}",
        "{name: region, type: text, classification: INTERNAL, description: \"EU: or US # really\"}",
        "keys: {primary: [id], foreign: [{columns: [person], references: \"sales.people(id)\"}]}",
        "# a view of the source",
        "{name: name, type: text, tags: [NAME]}  # guessed: called as sales.people.name is\n",
        "relation: \"Odd Schema.yes\"",
        "{name: \"null\", type: integer",
        "{name: \"true\", type: boolean",
        "{name: \"a: b\", type: text",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let source = format!("  - {{name: crm, kind: postgres, dsn_file: \"{}\"}}", file.display());
    assert!(text.contains(&source) && !text.contains("sesame") && !text.to_lowercase().contains("canary"), "{text}");
    for told in [
        "sales.days_2024: a part of sales.days",
        "sales.dotted.name: the catalog can't write its name",
        "sales.unspeakable: the catalog can't write the name of its column",
        "sales.empty: it has no columns",
        "sales.hidden: the login may not read it",
        "EMAIL             sales.people.email: \"email\" in its name",
        "of the source crm: datasets 5, columns open",
        "querygate check --connect",
    ] {
        assert!(said.contains(told), "{told}\n{said}");
    }

    // What was written passes its own checks, and is not written over.
    let again = std::fs::read_to_string(folder.join("policies/first_access.rego")).unwrap();
    for arguments in [&["check"][..], &["check", "--connect"], &["test"]] {
        let (well, said) = querygate(&folder, arguments, &[], "");
        assert!(well && !said.contains("error"), "{arguments:?} {said}");
    }
    std::fs::write(folder.join("policies/first_access.rego"), again.clone() + "# reviewed\n").unwrap();
    let (well, said) = querygate(&folder, &["init", "--from", &from], &[], "");
    assert!(!well && said.contains("nothing was written: catalog/crm.yaml, ") && said.contains("--force"), "{said}");
    assert!(std::fs::read_to_string(folder.join("policies/first_access.rego")).unwrap().ends_with("# reviewed\n"));
    let (well, said) = querygate(&folder, &["init", "--from", &from, "--force"], &[], "");
    assert!(well, "{said}");
    assert_eq!(std::fs::read_to_string(folder.join("policies/first_access.rego")).unwrap(), again);

    // It serves: somebody is added, and reads what is open.
    let add = ["user", "add", "alice", "--role", "ANALYST"];
    let (well, said) = querygate(&folder, &add, &[], "alice-demo\n");
    assert!(well, "{said}");
    let (well, said) = querygate(&folder, &["user", "add", "bob"], &[], "bob-demo\n");
    assert!(well, "{said}");
    let workspaces = folder.join("catalog/workspaces.yaml");
    let entered = std::fs::read_to_string(&workspaces)
        .unwrap()
        .replace("roles: [ANALYST]", "roles: [ANALYST]\n    members: [bob]");
    std::fs::write(&workspaces, entered).unwrap();
    let gate: Gate = fixture::gate_over(&folder).await;
    let (alice, bob) = (gate.connect_to("alice", "crm").await.unwrap(), gate.connect_to("bob", "crm").await.unwrap());
    let answer = alice.ask("SELECT id, region FROM sales.people WHERE id = 2").await;
    assert_eq!(answer.rows, [[Some("2".to_owned()), Some("EU".to_owned())]], "{answer:?}");
    let answer = alice.ask("SELECT * FROM sales.people").await;
    assert_eq!(answer.columns, ["id", "region", "joined_on", "score", "tags", "mood", "is_active"], "{answer:?}");
    let answer = alice.ask("SELECT \"null\", \"a: b\", \"[\" FROM \"Odd Schema\".\"yes\"").await;
    assert_eq!(answer.error, None, "{answer:?}");
    for sql in [
        "SELECT email FROM sales.people",
        "SELECT id FROM sales.people WHERE email LIKE 'c%'",
        "SELECT count(*) FROM sales.people GROUP BY salary",
        "SELECT contact, phone, born, seen_from, extra FROM sales.people",
        "SELECT memo FROM sales.orders",
        "SELECT name FROM sales.names",
        "SELECT p FROM sales.people p ORDER BY p.name",
        "SELECT o.id FROM sales.orders o JOIN sales.people p ON p.phone = o.id",
    ] {
        let answer = alice.ask(sql).await;
        assert!(answer.error.is_some() && !answer.words.contains("anary"), "{sql} {answer:?}");
    }
    assert_eq!(bob.ask("SELECT id FROM sales.people").await.error.as_deref(), Some("42501"));
    // A column that comes later is closed until somebody lists it.
    admin.batch_execute("ALTER TABLE sales.people ADD COLUMN later text DEFAULT 'canary'").await.unwrap();
    gate.reload().await.unwrap();
    assert_eq!(alice.ask("SELECT later FROM sales.people").await.error.as_deref(), Some("42501"));
    assert!(!alice.ask("SELECT * FROM sales.people").await.columns.contains(&"later".to_owned()));
    // Reviewed, a tag's own mask stands.
    let reviewed = again.replace("reviewed := set()", "reviewed := {\"EMAIL\", \"NAME\"}");
    std::fs::write(folder.join("policies/first_access.rego"), reviewed).unwrap();
    gate.reload().await.unwrap();
    let answer = alice.ask("SELECT email, name FROM sales.people WHERE id = 1").await;
    assert_eq!(answer.rows, [["c***@secret.example", "C***"].map(|text| Some(text.to_owned()))], "{answer:?}");
    assert_eq!(alice.ask("SELECT phone FROM sales.people").await.error.as_deref(), Some("42501"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_catalog_names_where_the_connection_string_lies() {
    let server = Postgres::start();
    server.admin().await.batch_execute(STORE).await.unwrap();
    let text = dsn_text(&server, "scram");
    let there = folder();
    let (well, said) =
        querygate(&there, &["init", "--from", "env:SHOP_DSN", "--schema", "sales"], &[("SHOP_DSN", &text)], "");
    assert!(well, "{said}");
    let written = std::fs::read_to_string(there.join("catalog/shop.yaml")).unwrap();
    assert!(written.contains("{name: shop, kind: postgres, dsn_env: SHOP_DSN}"), "{written}");
    let (well, said) = querygate(&there, &["check", "--connect"], &[("SHOP_DSN", &text)], "");
    assert!(well, "{said}");
    // The string itself is taken, and goes nowhere.
    let bare = folder();
    let (well, said) = querygate(&bare, &["init", "--from", &text, "--source", "erp"], &[], "");
    assert!(well && said.contains("set ERP_DSN to the connection string"), "{said}");
    for entry in std::fs::read_dir(bare.join("catalog")).unwrap() {
        let written = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!written.contains("sesame") && !written.contains("localhost"), "{written}");
    }
    for (arguments, expected) in [
        (&["init", "--from", "env:NOT_SET_ANYWHERE"][..], "environment variable for the connection string is not set"),
        (&["init", "--from", "env:"], "name of an environment variable"),
        (&["init", "--from", "file:no/such/file"], "can't be read"),
        (&["init", "--from", "postgres://scram:sesame@127.0.0.1:1/x?sslmode=disable"], "no connection to the upstream"),
        (&["init", "--from", &text, "--source", "Tags"], "can't be the name of a source"),
        (&["init", "--from", &text, "--source", "tags"], "say --source NAME"),
        (&["init", "--from", &text, "--schema", "nowhere"], "no relation in a schema \"nowhere\""),
    ] {
        let empty = folder();
        let (well, said) = querygate(&empty, arguments, &[], "");
        assert!(!well && said.contains(expected), "{arguments:?} {said}");
        assert_eq!(std::fs::read_dir(&empty).unwrap().count(), 0, "{arguments:?}");
    }
}
