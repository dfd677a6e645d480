//! What may be written in `querygate.toml`, before it is checked.

use figment::Figment;
use figment::error::{Error, Kind};
use figment::providers::{Format, Toml};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What the variables begin with.
pub(super) const PREFIX: &str = "QUERYGATE_";
/// The variable that holds the master key of the `hash` mask. It has no key in the file.
pub(super) const HASH_KEY_VARIABLE: &str = "QUERYGATE_HASH_KEY";

/// Every key that a variable can set. `environment.network_zones` is a list and can be set in the file alone.
const KEYS: [&str; 38] = [
    "listen",
    "admin_listen",
    "catalog_dir",
    "policies_dir",
    "audit_dir",
    "audit_sync_ms",
    "hash_key_file",
    "shutdown_grace_ms",
    "tls.mode",
    "tls.cert",
    "tls.key",
    "limits.max_connections",
    "limits.max_startups",
    "limits.max_startups_per_address",
    "limits.startup_timeout_ms",
    "limits.login_attempts",
    "limits.login_attempts_per_user",
    "limits.login_attempts_per_address",
    "limits.login_delay_ms",
    "limits.login_delay_max_ms",
    "limits.max_message_bytes",
    "limits.idle_timeout_ms",
    "limits.idle_in_transaction_timeout_ms",
    "limits.write_timeout_ms",
    "limits.max_prepared_statements",
    "limits.max_portals",
    "limits.statement_timeout_ms",
    "limits.max_statement_bytes",
    "engine.memory_bytes",
    "engine.spill_dir",
    "engine.spill_max_bytes",
    "engine.threads",
    "engine.target_partitions",
    "engine.batch_size",
    "environment.name",
    "environment.region",
    "log.format",
    "log.level",
];
/// Variables of the command line or of other tools, which are no keys here.
const NO_KEYS: [&str; 3] = ["QUERYGATE_CONFIG", "QUERYGATE_LOG", HASH_KEY_VARIABLE];

/// The whole file. Each key is optional; what it is without is told in the checked [`super::Config`].
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) listen: Option<String>,
    pub(super) admin_listen: Option<String>,
    pub(super) catalog_dir: Option<String>,
    pub(super) policies_dir: Option<String>,
    pub(super) audit_dir: Option<String>,
    pub(super) audit_sync_ms: Option<u64>,
    pub(super) hash_key_file: Option<String>,
    pub(super) shutdown_grace_ms: Option<u64>,
    pub(super) tls: RawTls,
    pub(super) limits: RawLimits,
    pub(super) engine: RawEngine,
    pub(super) environment: RawEnvironment,
    pub(super) log: RawLog,
}

/// `[tls]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTls {
    pub(super) mode: Option<String>,
    pub(super) cert: Option<String>,
    pub(super) key: Option<String>,
}

/// `[limits]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) max_connections: Option<u64>,
    pub(super) max_startups: Option<u64>,
    pub(super) max_startups_per_address: Option<u64>,
    pub(super) startup_timeout_ms: Option<u64>,
    pub(super) login_attempts: Option<u64>,
    pub(super) login_attempts_per_user: Option<u64>,
    pub(super) login_attempts_per_address: Option<u64>,
    pub(super) login_delay_ms: Option<u64>,
    pub(super) login_delay_max_ms: Option<u64>,
    pub(super) max_message_bytes: Option<Size>,
    pub(super) max_statement_bytes: Option<Size>,
    pub(super) idle_timeout_ms: Option<u64>,
    pub(super) idle_in_transaction_timeout_ms: Option<u64>,
    pub(super) write_timeout_ms: Option<u64>,
    pub(super) statement_timeout_ms: Option<u64>,
    pub(super) max_prepared_statements: Option<u64>,
    pub(super) max_portals: Option<u64>,
}

/// `[engine]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawEngine {
    pub(super) memory_bytes: Option<Size>,
    pub(super) spill_dir: Option<String>,
    pub(super) spill_max_bytes: Option<Size>,
    pub(super) threads: Option<u64>,
    pub(super) target_partitions: Option<u64>,
    pub(super) batch_size: Option<u64>,
}

/// `[environment]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawEnvironment {
    pub(super) name: Option<String>,
    pub(super) region: Option<String>,
    pub(super) network_zones: Vec<RawZone>,
}

/// `[[environment.network_zones]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawZone {
    pub(super) cidr: String,
    pub(super) zone: String,
}

/// `[log]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLog {
    pub(super) format: Option<String>,
    pub(super) level: Option<String>,
}

/// A number of bytes, plain or as text with a unit.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Size {
    Bytes(u64),
    Text(String),
}

/// Where each key was given, for messages: the file, or a variable.
#[derive(Debug, Default)]
pub(super) struct Origins {
    file: String,
    variables: BTreeMap<String, String>,
}

impl Origins {
    /// `limits.max_connections in querygate.toml`, `listen in QUERYGATE_LISTEN`.
    pub(super) fn of(&self, key: &str) -> String {
        match self.variables.get(key) {
            Some(variable) => format!("{key} in {variable}"),
            None => format!("{key} in {}", self.file),
        }
    }
}

/// Reads file and variables. The third of what it gives are warnings.
pub(super) fn read(
    file: Option<(&Path, &str)>,
    environment: &BTreeMap<String, String>,
) -> Result<(RawConfig, Origins, Vec<String>), Vec<String>> {
    let name = file.map_or_else(|| super::DEFAULT_FILE.to_owned(), |(path, _)| path.display().to_string());
    let mut origins = Origins { file: name, variables: BTreeMap::new() };
    let mut warnings = Vec::new();
    let mut figment = Figment::new();
    if let Some((_, text)) = file {
        // Figment would say neither line nor column of a text that is no TOML.
        if let Err(error) = toml::from_str::<toml::Table>(text) {
            return Err(vec![format!("{}: {}", origins.file, error.to_string().trim_end())]);
        }
        figment = figment.merge(Toml::string(text));
    }
    let variables = environment.iter().filter(|(name, _)| name.starts_with(PREFIX));
    for (variable, text) in variables.filter(|(name, _)| !NO_KEYS.contains(&name.as_str())) {
        let Some(key) = KEYS.iter().find(|key| variable_of(key) == *variable) else {
            let names: Vec<String> = KEYS.iter().map(|key| variable_of(key)).collect();
            let near = crate::types::nearest(variable, names.iter().map(String::as_str));
            let help = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
            warnings.push(format!("the variable {variable} sets nothing{help}"));
            continue;
        };
        origins.variables.insert((*key).to_owned(), variable.clone());
        figment = match text.parse::<u64>() {
            Ok(number) if !is_text(key) => figment.merge((*key, number)),
            Ok(_) | Err(_) => figment.merge((*key, text.as_str())),
        };
    }
    match figment.extract::<RawConfig>() {
        Ok(raw) => Ok((raw, origins, warnings)),
        Err(errors) => Err(errors.into_iter().map(|error| problem(&error, &origins)).collect()),
    }
}

/// Keys whose value is text even if it looks like a number.
fn is_text(key: &str) -> bool {
    !(key.ends_with("_ms") || key.ends_with("_bytes") || key.starts_with("limits.") || key.starts_with("engine."))
        || key.ends_with("_dir")
}

fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_ascii_uppercase())
}

/// One of figment's errors in our words. Values stay out: they could be anything.
fn problem(error: &Error, origins: &Origins) -> String {
    let path = error.path.join(".");
    match &error.kind {
        Kind::UnknownField(field, known) => {
            // Figment's path may or may not end with the field itself.
            let parent = path.strip_suffix(field.as_str()).unwrap_or(&path).trim_end_matches('.');
            let key = if parent.is_empty() { field.clone() } else { format!("{parent}.{field}") };
            let help = match crate::types::nearest(field, known.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("known keys are {}", known.join(", ")),
            };
            format!("{}: there is no such key; {help}", origins.of(&key))
        }
        Kind::InvalidType(_, expected) => format!("{}: must be {}", origins.of(&path), plain(expected)),
        Kind::InvalidValue(_, expected) => format!("{}: must be {}", origins.of(&path), plain(expected)),
        Kind::MissingField(field) => format!("{}: {field} is missing", origins.of(&path)),
        Kind::Message(_) if path.ends_with("_bytes") => {
            format!("{}: must be a number of bytes, or a text such as \"512 MB\"", origins.of(&path))
        }
        _ => format!("{}: can't be read", origins.of(&path)),
    }
}

/// Rust's names for types in plain words.
fn plain(expected: &str) -> String {
    match expected {
        "u64" => "a whole number that is not negative".into(),
        "a string" | "string" => "text".into(),
        "a sequence" => "a list".into(),
        other if other.starts_with("struct ") => "a table".into(),
        other => other.to_owned(),
    }
}
