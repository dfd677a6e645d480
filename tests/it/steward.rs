//! What a data steward runs against a real PostgreSQL: `querygate check --connect`.

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
