//! PostgreSQL's own regression suite, through the gateway: how many of its statements that only read are governed, and
//! answered as PostgreSQL itself answers them, for a user whom nothing is hidden from.
//!
//! The suite is not part of this repository. `QUERYGATE_REGRESS` names its folder, `src/test/regress` of PostgreSQL's
//! sources, of the version whose server is installed; the server's user must be able to read it. Without it nothing is
//! measured. `QUERYGATE_REGRESS_ONLY=int4,join` measures those files alone, `QUERYGATE_REGRESS_OUT` names a file for a line
//! of JSON for each statement.
//!
//! Each file of the schedule is run twice: by psql, in the database that all of them share, and before that in a copy of it,
//! statement by statement. There, tables that are temporary are not, and transactions are left out, so that other sessions
//! see the same; each SELECT is asked of PostgreSQL and of the gateway, whose catalog holds the relations as they are then.

mod kinds;
mod report;
mod script;

use crate::fixture::{self, Gate};
use crate::postgres::Postgres;
use crate::raw::Raw;
use futures::SinkExt;
use kinds::{BuiltIn, Kind, is_ordered, kind, select_of};
use report::{Outcome, Told, compare, table};
use script::{Step, interpolated, read};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio_postgres::{Client, SimpleQueryMessage};

/// The shares, in percent, of what PostgreSQL answers that must be answered alike.
const LEAST: [(Kind, usize); 2] = [(Kind::Data, 96), (Kind::Values, 98)];
/// Files whose statements are about the server or psql alone.
const LEFT_OUT: &[&str] =
    &["setup", "test_setup", "psql", "psql_crosstab", "tablespace", "event_trigger", "stats", "misc"];
const SHARED: &str = "regression";
const USER: &str = "alice";
const WORKSPACE: &str = "lab";
const PATIENCE: Duration = Duration::from_secs(60);
const SHORT_PATIENCE: Duration = Duration::from_secs(15);

#[test]
fn the_suite_of_postgresql_is_answered_as_postgresql_answers_it() {
    let Some(suite) = std::env::var_os("QUERYGATE_REGRESS").map(PathBuf::from) else {
        println!("not measured: QUERYGATE_REGRESS does not name the folder src/test/regress of PostgreSQL's sources");
        return;
    };
    let only: Option<BTreeSet<String>> =
        std::env::var("QUERYGATE_REGRESS_ONLY").ok().map(|names| names.split(',').map(str::to_owned).collect());
    let told = tokio::runtime::Runtime::new().unwrap().block_on(measure(&suite, only.as_ref()));
    println!("{}", table(&told, 60));
    for (kind, least) in LEAST {
        let of: Vec<&Told> = told.iter().filter(|told| told.kind == kind && told.answered).collect();
        let good = of.iter().filter(|told| told.outcome.is_good()).count();
        let is_enough = 100 * good >= least * of.len();
        assert!(only.is_some() || is_enough, "of {}, {good} of {} are answered alike", kind.name(), of.len());
    }
}

#[test]
fn what_only_postgresql_has_is_answered_as_it_answers() {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/regress");
    let told = tokio::runtime::Runtime::new().unwrap().block_on(measure(&suite, None));
    assert!(told.len() > 80, "{} statements", told.len());
    let wrong: Vec<String> = told
        .iter()
        .filter(|told| told.outcome != Outcome::Same)
        .map(|told| format!("{}: {}", told.sql, told.reason))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What comes of each statement of a suite.
async fn measure(suite: &Path, only: Option<&BTreeSet<String>>) -> Vec<Told> {
    let server = Postgres::start_with(&["jit=off", "timezone=PST8PDT", "max_prepared_transactions=2", "lc_messages=C"]);
    let admin = server.admin().await;
    for sql in [
        "CREATE DATABASE regression TEMPLATE template0",
        "ALTER DATABASE regression SET timezone_abbreviations TO 'Default'",
        "GRANT pg_read_all_data TO scram",
        // What a session of the gateway's begins with, and goes back to.
        "ALTER ROLE scram SET timezone TO 'UTC'",
    ] {
        admin.batch_execute(sql).await.unwrap();
    }
    let built_in = built_in(&admin).await;
    let out = std::env::var_os("QUERYGATE_REGRESS_OUT");
    let schedule = std::fs::read_to_string(suite.join("parallel_schedule")).unwrap();
    let names: Vec<&str> =
        schedule.lines().filter_map(|line| line.strip_prefix("test:")).flat_map(str::split_whitespace).collect();
    let mut told = Vec::new();
    let mut gate = None;
    let last = names.iter().rposition(|name| only.is_none_or(|only| only.contains(*name)));
    for name in names.into_iter().take(last.map_or(0, |last| last + 1)) {
        let measured = !LEFT_OUT.contains(&name) && only.is_none_or(|only| only.contains(name));
        if measured {
            let database = format!("copy_of_{name}");
            let made = format!("CREATE DATABASE \"{database}\" TEMPLATE {SHARED} STRATEGY file_copy");
            admin.batch_execute(&made).await.unwrap();
            let text =
                String::from_utf8_lossy(&std::fs::read(suite.join(format!("sql/{name}.sql"))).unwrap()).into_owned();
            let mut file = File::open(&server, &mut gate, suite, name, &database, &text).await;
            if tokio::time::timeout(PATIENCE * 10, file.run(&text, &built_in, &mut told)).await.is_err() {
                println!("{name}: given up");
            }
            drop(file);
            let _ = admin.batch_execute(&format!("DROP DATABASE \"{database}\" WITH (FORCE)")).await;
        }
        replay(&server, suite, name);
        let of: Vec<&Told> = told.iter().filter(|told: &&Told| told.file == name).collect();
        let good = of.iter().filter(|told| told.outcome.is_good()).count();
        if measured {
            println!("{name}: {good} of {}", of.len());
            if let Some(out) = &out {
                std::fs::write(out, told.iter().map(line).collect::<Vec<_>>().join("\n")).unwrap();
            }
        }
    }
    told
}

fn line(told: &Told) -> String {
    json!({
        "file": told.file, "line": told.line, "kind": told.kind.name(), "outcome": format!("{:?}", told.outcome),
        "answered": told.answered, "reason": told.reason, "sql": told.sql,
    })
    .to_string()
}

async fn strings(client: &Client, sql: &str) -> BTreeSet<String> {
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn built_in(admin: &Client) -> BuiltIn {
    let of = |table: &str, name: &str, schema: &str| {
        format!(
            "SELECT DISTINCT {name}::text FROM {table} t JOIN pg_namespace n ON n.oid = t.{schema} WHERE n.nspname IN ('pg_catalog', 'information_schema')"
        )
    };
    BuiltIn {
        functions: strings(admin, &of("pg_proc", "proname", "pronamespace")).await,
        types: strings(admin, &of("pg_type", "typname", "typnamespace")).await,
        operators: strings(admin, &of("pg_operator", "oprname", "oprnamespace")).await,
        collations: strings(admin, &of("pg_collation", "collname", "collnamespace")).await,
        catalogs: strings(admin, &of("pg_class", "relname", "relnamespace")).await,
    }
}

/// Runs a file as the suite's own driver does.
fn replay(server: &Postgres, suite: &Path, name: &str) {
    let mut psql = Command::new("psql")
        .args(["-X", "-q", "-v", "HIDE_TABLEAM=on", "-v", "HIDE_TOAST_COMPRESSION=on", "-U", "postgres", "-d", SHARED])
        .arg("-h")
        .arg(server.socket_folder())
        .args(["-p", &server.port.to_string()])
        .arg("-f")
        .arg(suite.join(format!("sql/{name}.sql")))
        .env("PG_ABS_SRCDIR", suite)
        .env("PG_LIBDIR", suite)
        .env("PG_DLSUFFIX", ".so")
        .env("PGTZ", "PST8PDT")
        .env("PGDATESTYLE", "Postgres, MDY")
        .env("PGOPTIONS", "-c statement_timeout=60s -c lock_timeout=5s")
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("psql is needed");
    psql.wait().unwrap();
}

/// One file in its own database.
struct File<'a> {
    name: &'a str,
    words: BTreeSet<String>,
    folder: PathBuf,
    gate: &'a mut Option<Gate>,
    writer: Client,
    reader: Raw,
    governed: Option<Raw>,
    database: String,
    server: &'a Postgres,
    /// The relations that the gateway's catalog was made of.
    known: Vec<Relation>,
    may_differ: bool,
    variables: BTreeMap<String, String>,
    /// What the gateway's session was told to set.
    settings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Relation {
    schema: String,
    name: String,
    /// What it is and its columns, in one text.
    shape: String,
}

const RELATIONS: &str = "SELECT n.nspname::text, c.relname::text, c.relkind::text || c.oid::text || ' ' || string_agg(a.attname || ' ' || \
    format_type(a.atttypid, a.atttypmod) || a.attnotnull::text, ', ' ORDER BY a.attnum) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') \
    AND n.nspname !~ '^pg_' AND c.relpersistence <> 't' GROUP BY 1, 2, c.relkind, c.oid ORDER BY 1, 2";

impl<'a> File<'a> {
    async fn open(
        server: &'a Postgres,
        gate: &'a mut Option<Gate>,
        suite: &Path,
        name: &'a str,
        database: &str,
        text: &str,
    ) -> Self {
        let writer = server.admin_of(database).await;
        writer
            .batch_execute("SET TimeZone = 'PST8PDT'; SET DateStyle = 'Postgres, MDY'; SET statement_timeout = '60s'; SET lock_timeout = '5s'")
            .await
            .unwrap();
        let mut reader = Raw::socket(&server.socket_folder(), server.port, "scram", database).await;
        reader
            .query("SET default_transaction_read_only = on; SET statement_timeout = '10s'; SET TimeZone = 'UTC'")
            .await;
        let words = text
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .flat_map(|word| [word.to_owned(), word.to_lowercase()]);
        let variables = [("HIDE_TABLEAM", "on"), ("HIDE_TOAST_COMPRESSION", "on")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut file = Self {
            name,
            words: words.collect(),
            folder: gate
                .as_ref()
                .map_or_else(|| tempfile::tempdir().unwrap().keep(), |gate: &Gate| gate.folder.clone()),
            gate,
            writer,
            reader,
            governed: None,
            database: database.to_owned(),
            server,
            known: Vec::new(),
            may_differ: true,
            variables: BTreeMap::from(variables),
            settings: Vec::new(),
        };
        file.variables.insert("abs_srcdir".to_owned(), suite.display().to_string());
        file
    }

    async fn run(&mut self, text: &str, built_in: &BuiltIn, told: &mut Vec<Told>) {
        let mut skipping: Vec<bool> = Vec::new();
        for step in read(text) {
            match step {
                Step::Command(command) => {
                    if self.command(&command, &mut skipping) {
                        return;
                    }
                }
                Step::Statement { .. } if skipping.contains(&true) => {}
                Step::Statement { line, text, ending, data } => {
                    let sql = interpolated(&text, &self.variables);
                    let first = sql.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
                    let tree = select_of(&sql);
                    if let Some(tree) = &tree
                        && !ending.starts_with("\\gexec")
                        && !ending.starts_with("\\gdesc")
                        && !ending.starts_with("\\crosstab")
                    {
                        let ordered = is_ordered(tree);
                        let mut kind = kind(tree, built_in);
                        self.follow().await;
                        let (outcome, answered, reason, code) = self.ask(&sql, ordered).await;
                        // What a reader may not do, or cannot see, is not the gateway's to answer.
                        match code.as_deref() {
                            Some("25006") => kind = Kind::Writes,
                            Some("42P01" | "42501") if kind == Kind::Data => kind = Kind::Own,
                            _other => {}
                        }
                        // Names in texts, and in functions behind views, are not looked up in the database's own schemas.
                        // Nor are the configurations and dictionaries of text search that it defines.
                        let own = ["reports: undefined", "with another configuration than PostgreSQL's own"];
                        if outcome == Outcome::Refused && own.iter().any(|own| reason.contains(own)) {
                            kind = Kind::Own;
                        }
                        told.push(Told {
                            file: self.name.to_owned(),
                            line,
                            sql: sql.clone(),
                            kind,
                            outcome,
                            answered,
                            reason,
                        });
                    }
                    self.write(&sql, &first, &ending, data).await;
                    self.may_differ |= tree.is_none();
                }
            }
        }
    }

    /// Whether the script ends here.
    fn command(&mut self, command: &str, skipping: &mut Vec<bool>) -> bool {
        let command = command.trim_start_matches('\\');
        let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        match word {
            "if" => {
                let value = interpolated(rest.trim(), &self.variables);
                skipping.push(!matches!(value.as_str(), "t" | "true" | "on" | "1" | "yes"));
            }
            "elif" => {}
            "else" => {
                if let Some(last) = skipping.last_mut() {
                    *last = !*last;
                }
            }
            "endif" => _ = skipping.pop(),
            _other if skipping.contains(&true) => {}
            "quit" | "q" => return true,
            "getenv" => {
                if let Some((name, "PG_LIBDIR")) = rest.trim().split_once(' ') {
                    self.variables.insert(name.to_owned(), "/none".to_owned());
                }
            }
            "set" => {
                let (name, values) = rest.trim().split_once(char::is_whitespace).unwrap_or((rest.trim(), ""));
                let values = values.split_whitespace().map(|value| interpolated(value, &self.variables));
                let value: String = values.map(|value| value.trim_matches('\'').to_owned()).collect();
                self.variables.insert(name.to_owned(), value);
            }
            "unset" => _ = self.variables.remove(rest.trim()),
            _other => {}
        }
        false
    }

    /// Has the database do what the script says, so that what comes after finds it.
    async fn write(&mut self, sql: &str, first: &str, ending: &str, data: Option<String>) {
        let folded = sql.to_ascii_lowercase();
        match first {
            "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => return,
            "copy" if folded.contains("to stdout") => return,
            "prepare" if folded.starts_with("prepare transaction") => return,
            "set" | "reset" => self.set(sql).await,
            _other => {}
        }
        let sql = if first == "create" { permanent(sql) } else { sql.to_owned() };
        let work = async {
            match data {
                Some(data) => {
                    if let Ok(sink) = self.writer.copy_in::<_, bytes::Bytes>(&sql).await {
                        let mut sink = Box::pin(sink);
                        if sink.send(data.into()).await.is_ok() {
                            let _ = sink.as_mut().finish().await;
                        }
                    }
                    Vec::new()
                }
                None => self.writer.simple_query(&sql).await.unwrap_or_default(),
            }
        };
        let Ok(messages) = tokio::time::timeout(PATIENCE, work).await else {
            println!("{}: {sql}: no end", self.name);
            return;
        };
        for message in messages {
            let SimpleQueryMessage::Row(row) = message else { continue };
            if ending.starts_with("\\gset") {
                let prefix = ending.trim_start_matches("\\gset").trim();
                for (at, column) in row.columns().iter().enumerate() {
                    let name = format!("{prefix}{}", column.name());
                    match row.get(at) {
                        Some(value) => _ = self.variables.insert(name, value.to_owned()),
                        None => _ = self.variables.remove(&name),
                    }
                }
            } else if ending.starts_with("\\gexec") {
                for at in 0..row.len() {
                    if let Some(text) = row.get(at) {
                        let _ = tokio::time::timeout(PATIENCE, self.writer.simple_query(text)).await;
                    }
                }
                self.may_differ = true;
            }
        }
    }

    /// A setting that the gateway takes is set in both sessions.
    async fn set(&mut self, sql: &str) {
        let folded = sql.to_ascii_lowercase();
        if ["role", "session auth", "transaction", "local"]
            .iter()
            .any(|word| folded.starts_with(&format!("set {word}")))
        {
            return;
        }
        self.follow().await;
        if let Some(governed) = &mut self.governed
            && governed.query(sql).await.error().is_none()
        {
            self.settings.push(sql.to_owned());
            let answer = self.reader.query(sql).await;
            if let Some(error) = answer.error_field(b'M') {
                println!("{}: {sql}: the gateway takes it; {error}", self.name);
            }
        }
    }

    /// Makes the gateway's catalog hold what the database does.
    async fn follow(&mut self) {
        if !self.may_differ && self.governed.is_some() {
            return;
        }
        self.may_differ = false;
        let Ok(rows) = self.writer.query(RELATIONS, &[]).await else { return };
        let mut relations: Vec<Relation> = rows
            .iter()
            .map(|row| Relation { schema: row.get(0), name: row.get(1), shape: row.get(2) })
            .filter(|relation| self.words.contains(&relation.name))
            .collect();
        // A catalog has at least one dataset.
        if relations.is_empty() {
            relations.push(Relation { schema: "public".to_owned(), name: "onek".to_owned(), shape: String::new() });
        }
        if relations == self.known && self.governed.is_some() {
            return;
        }
        self.known.clone_from(&relations);
        let dsn = self.server.dsn_text(&self.database);
        for part in ["catalog", "policies"] {
            std::fs::create_dir_all(self.folder.join(part)).unwrap();
        }
        std::fs::write(self.folder.join("dsn"), dsn).unwrap();
        let users = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog/users.yaml");
        std::fs::copy(users, self.folder.join("catalog/users.yaml")).unwrap();
        std::fs::write(
            self.folder.join("policies/access.rego"),
            "package analytics.data_access\ndefault allow := true\n",
        )
        .unwrap();
        for _attempt in 0..8 {
            self.write_catalog(&relations);
            let outcome = match self.gate.as_ref() {
                Some(gate) => gate.reload().await,
                None => {
                    *self.gate = Some(fixture::gate_over(&self.folder).await);
                    Ok(())
                }
            };
            let Err(findings) = outcome else { break };
            let before = relations.len();
            let said: Vec<String> = findings.iter().map(|finding| format!("{finding:?}")).collect();
            relations.retain(|relation| {
                let name = format!("{}.{}", relation.schema, relation.name);
                !said.iter().any(|said| said.contains(&name))
            });
            println!("{}: left out {} relations: {}", self.name, before - relations.len(), said.first().unwrap());
            if before == relations.len() {
                break;
            }
        }
        if self.governed.is_none()
            && let Some(gate) = self.gate.as_ref()
        {
            let mut governed = Raw::gateway(gate.address, USER, WORKSPACE).await;
            for setting in ["SET TimeZone = 'UTC'", "SET statement_timeout = '10s'"]
                .into_iter()
                .map(str::to_owned)
                .chain(self.settings.clone())
            {
                governed.query(&setting).await;
            }
            for setting in ["SET TimeZone = 'PST8PDT'", "SET DateStyle = 'Postgres, MDY'"] {
                if governed.query(setting).await.error().is_none() {
                    self.reader.query(setting).await;
                }
            }
            self.governed = Some(governed);
        }
    }

    fn write_catalog(&self, relations: &[Relation]) {
        let datasets: Vec<_> = relations
            .iter()
            .map(|Relation { schema, name, .. }| {
                json!({"name": format!("{schema}.{name}"), "source": "here", "tier": "SYNTHETIC", "relation": format!("{schema}.{name}")})
            })
            .collect();
        let catalog = json!({
            "sources": [{"name": "here", "kind": "postgres", "dsn_file": self.folder.join("dsn"), "pool": {"max": 4}}],
            "datasets": datasets,
            "workspaces": [{"name": WORKSPACE, "type": "AD_HOC", "owner": USER, "limits": {
                "statements_a_day": 1_000_000, "concurrent_statements": 50, "max_rows": 10_000_000, "max_bytes": 1_000_000_000,
            }}],
        });
        std::fs::write(self.folder.join("catalog/catalog.yaml"), catalog.to_string()).unwrap();
    }

    /// The outcome, whether PostgreSQL answers it, the reason, and PostgreSQL's own SQLSTATE.
    async fn ask(&mut self, sql: &str, ordered: bool) -> (Outcome, bool, String, Option<String>) {
        let wanted = self.reader.query(sql).await;
        let Some(governed) = &mut self.governed else {
            return (Outcome::Refused, wanted.error().is_none(), "no gateway".to_owned(), wanted.error());
        };
        let Ok(found) = tokio::time::timeout(SHORT_PATIENCE, governed.query(sql)).await else {
            self.governed = None;
            return (Outcome::Defect, wanted.error().is_none(), "no answer".to_owned(), wanted.error());
        };
        let (mut outcome, mut reason) = compare(&wanted, &found, ordered);
        if outcome == Outcome::Wrong {
            // What PostgreSQL answers otherwise each time it is asked can't be compared.
            let again = self.reader.query(sql).await;
            if compare(&wanted, &again, ordered).0 == Outcome::Wrong
                && found.error().is_none()
                && wanted.columns() == found.columns()
            {
                (outcome, reason) = (Outcome::Same, String::new());
            }
        }
        (outcome, wanted.error().is_none(), reason, wanted.error())
    }
}

/// A statement that makes something temporary, so that it makes it for all sessions.
fn permanent(sql: &str) -> String {
    let words: Vec<&str> = sql.split_whitespace().take(6).collect();
    let mut at = 0;
    for word in words {
        let Some(found) = sql[at..].find(word) else { break };
        let from = at + found;
        at = from + word.len();
        if matches!(word.to_ascii_lowercase().as_str(), "temp" | "temporary") {
            return format!("{}{}", &sql[..from], &sql[at..]);
        }
        if matches!(word.to_ascii_lowercase().as_str(), "table" | "view" | "sequence" | "as") {
            break;
        }
    }
    sql.to_owned()
}
