//! A source of kind postgres: where its connection string lies, and the bounds of its pool.
//!
//! A connection string holds a password: it is never read here, and what stands in its place by mistake is not repeated.

use super::finding::{Findings, did_you_mean};
use super::model::{BarrierSettings, DsnSource, PoolMode, PoolSettings, RowSettings, SourceKind, ViewSettings};
use super::names::{check_sql_name, is_environment_name};
use super::reader::{Item, Table};
use std::time::Duration;

const MOST_CONNECTIONS: u64 = 10_000;
const MOST_QUEUE_MS: u64 = 600_000;
const MOST_SECONDS: u64 = 7 * 24 * 3600;
const MOST_STATEMENTS: u64 = 10_000;
const DEFAULT_VIEW_SCHEMA: &str = "querygate_views";
/// Views, or roles with policies.
const DEFAULT_KEPT: u32 = 200;
const MOST_KEPT: u64 = 10_000;
const POOL_KEYS: [&str; 7] = [
    "max",
    "mode",
    "queue_timeout_ms",
    "idle_timeout_s",
    "transaction_idle_timeout_s",
    "max_lifetime_s",
    "prepared_statements",
];

pub(super) fn postgres_source(table: &Table<'_>, name: &str, findings: &mut Findings) -> Option<SourceKind> {
    let pool = table.item("pool").map_or_else(PoolSettings::default, |item| pool(item, findings));
    let barrier = table.item("barrier").and_then(|item| barrier(item, findings));
    let dsn = match (table.item("dsn_env"), table.item("dsn_file")) {
        (Some(_), Some(_)) => {
            let help = Some("keep one of the two".into());
            findings.error(&table.place_of("dsn_file"), format!("source {name:?} has dsn_env and dsn_file"), help);
            return None;
        }
        (None, Some(_)) => dsn_file(table, findings)?,
        (Some(_), None) => dsn_env(table, findings)?,
        (None, None) => {
            let help =
                "dsn_env names the environment variable that holds the connection string, dsn_file a file with it";
            findings.error(&table.place, format!("source {name:?} has no dsn_env"), Some(help.into()));
            return None;
        }
    };
    Some(SourceKind::Postgres { dsn, pool, barrier })
}

/// `none`, `views`, `rls`, or one of the two with its bounds: `{name: views, schema: …, max: …}`, `{name: rls, max: …}`.
fn barrier(item: Item<'_>, findings: &mut Findings) -> Option<BarrierSettings> {
    let (mut schema, mut max) = (None, DEFAULT_KEPT);
    let name = if item.node.as_mapping().is_some() {
        let table = Table::open(item, "barrier", &["name", "schema", "max"], findings)?;
        schema =
            table.text("schema", findings).filter(|schema| check_sql_name("schema", &schema.value, schema, findings));
        if let Some(most) = small(&table, "max", MOST_KEPT, findings) {
            max = most;
        }
        table.required_text("name", findings)?
    } else {
        item.text("barrier", findings)?
    };
    match name.value.as_str() {
        "none" => None,
        "views" => {
            let schema = schema.map_or_else(|| DEFAULT_VIEW_SCHEMA.to_owned(), |schema| schema.value);
            Some(BarrierSettings::Views(ViewSettings { schema, max }))
        }
        "rls" => {
            if let Some(schema) = schema {
                let help = "policies lie on the tables themselves: take it out";
                findings.error(&schema.place, "barrier rls has no schema", Some(help.into()));
            }
            Some(BarrierSettings::Rows(RowSettings { max }))
        }
        other => {
            let what = format!("barrier {other:?} is none of none, views, rls");
            findings.error(&name.place, what, did_you_mean(other, ["none", "views", "rls"]));
            None
        }
    }
}

fn dsn_env(table: &Table<'_>, findings: &mut Findings) -> Option<DsnSource> {
    let name = table.text("dsn_env", findings)?;
    if is_environment_name(&name.value) {
        return Some(DsnSource::Env(name.value));
    }
    let what = "dsn_env must be the name of an environment variable, not a connection string";
    findings.error(&name.place, what, Some("such as CRM_DSN; keep the connection string out of the file".into()));
    None
}

fn dsn_file(table: &Table<'_>, findings: &mut Findings) -> Option<DsnSource> {
    let path = table.text("dsn_file", findings)?;
    if path.value.starts_with('/') && !path.value.contains("://") {
        return Some(DsnSource::File(path.value));
    }
    let what = "dsn_file must be the absolute path of a file, not a connection string";
    let help = "such as /run/secrets/crm_dsn; keep the connection string out of the catalog";
    findings.error(&path.place, what, Some(help.into()));
    None
}

fn pool(item: Item<'_>, findings: &mut Findings) -> PoolSettings {
    let mut pool = PoolSettings::default();
    let Some(table) = Table::open(item, "pool", &POOL_KEYS, findings) else { return pool };
    if let Some(max) = small(&table, "max", MOST_CONNECTIONS, findings) {
        pool.max = max;
    }
    let modes = [("transaction", PoolMode::Transaction), ("session", PoolMode::Session)];
    if let Some(mode) = table.word("mode", &modes, findings) {
        pool.mode = mode;
    }
    if let Some(timeout) = table.count("queue_timeout_ms", MOST_QUEUE_MS, findings) {
        pool.queue_timeout = Duration::from_millis(timeout);
    }
    if let Some(timeout) = table.count("idle_timeout_s", MOST_SECONDS, findings) {
        pool.idle_timeout = Duration::from_secs(timeout);
    }
    if let Some(timeout) = table.count("transaction_idle_timeout_s", MOST_SECONDS, findings) {
        pool.transaction_idle_timeout = Duration::from_secs(timeout);
    }
    if let Some(lifetime) = table.count("max_lifetime_s", MOST_SECONDS, findings) {
        pool.max_lifetime = Duration::from_secs(lifetime);
    }
    if let Some(most) = small(&table, "prepared_statements", MOST_STATEMENTS, findings) {
        pool.prepared_statements = most;
    }
    if table.item("idle_timeout_s").is_some() && pool.idle_timeout > pool.max_lifetime {
        let what = "idle_timeout_s is longer than max_lifetime_s: a connection never grows that old";
        findings.warning(&table.place_of("idle_timeout_s"), what, None);
    }
    pool
}

fn small(table: &Table<'_>, key: &str, most: u64, findings: &mut Findings) -> Option<u32> {
    table.count(key, most, findings).and_then(|count| u32::try_from(count).ok())
}
