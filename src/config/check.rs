//! From what was written to values that can be used: every default, every bound, every mistake.

use super::ConfigError;
use super::hash_key::HashKey;
use super::raw::{HASH_KEY_VARIABLE, Origins, RawConfig, RawLimits, Size};
use super::zones::{Deployment, NetworkZone};
use crate::types::ByteCount;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a power failure may take of the audit log at most.
const LONGEST_AUDIT_SYNC: Duration = Duration::from_secs(60);
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 6432);
const DAY_MS: u64 = 24 * 3600 * 1000;

/// The configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// `listen`: where clients connect; `127.0.0.1:6432` without it.
    pub listen: SocketAddr,
    /// `admin_listen`: where HTTP is served; nowhere without it.
    pub admin_listen: Option<SocketAddr>,
    /// `catalog_dir`: the catalog's folder; `catalog` without it. Relative paths are relative to the configuration's file.
    pub catalog_dir: PathBuf,
    /// `policies_dir`: the policies' folder; `policies` without it.
    pub policies_dir: PathBuf,
    /// `audit_dir`: where the audit log is; `audit` without it.
    pub audit_dir: PathBuf,
    /// `audit_sync_ms`: how long a record may be with the operating system alone before it is on the disk; 0 and without
    /// it: no statement runs before its record is on the disk.
    pub audit_sync: Option<Duration>,
    /// `[tls]`
    pub tls: TlsConfig,
    /// `[limits]`
    pub limits: ConnectionLimits,
    /// `[engine]`
    pub engine: Engine,
    /// `[environment]`
    pub environment: Deployment,
    /// `shutdown_grace_ms`: how long running statements may go on once the gateway has been told to stop; 30 s without it.
    pub shutdown_grace: Duration,
    /// `log.format`
    pub log_format: LogFormat,
    /// `log.level`: a level, or directives such as `querygate=debug,datafusion=warn`; `info` without it.
    pub log_level: String,
    /// `hash_key_file` or `QUERYGATE_HASH_KEY`: the master key of the `hash` mask.
    pub hash_key: HashKey,
    /// What the operator should know; to be logged once logging is up.
    pub warnings: Vec<String>,
}

/// Whether connections are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// `off`: never.
    Off,
    /// `allow`: if the client asks.
    Allow,
    /// `require`: always; a client that does not ask is refused.
    Require,
}

/// `[tls]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// `tls.mode`: without it `allow` if there is a certificate, else `off`.
    pub mode: TlsMode,
    /// `tls.cert`: the certificate chain, PEM.
    pub cert: Option<PathBuf>,
    /// `tls.key`: its private key, PEM.
    pub key: Option<PathBuf>,
}

/// `[limits]`: bounds on connections, whatever they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// `limits.max_connections`: at one time; one more gets 53300. 10,000 without it.
    pub max_connections: usize,
    /// `limits.max_startups`: connections at one time that have not logged in yet; with one more, the address that has the
    /// most of them loses its oldest. 2,000 without it.
    pub max_startups: usize,
    /// `limits.max_startups_per_address`: the same of one address (of IPv6: one /56); with one more, its oldest goes if that
    /// is older than a second, else the newcomer. 1,000 without it, and never more than all.
    pub max_startups_per_address: usize,
    /// `limits.login_*`: how wrong passwords are slowed down.
    pub logins: LoginLimits,
    /// `limits.startup_timeout_ms`: from the first byte to the end of authentication; 10 s without it.
    pub startup_timeout: Duration,
    /// `limits.max_message_bytes`: of one message of a client; 64 MB without it.
    pub max_message_bytes: usize,
    /// `limits.max_statement_bytes`: of one query string; 2 MB without it, which is as much as is ever read, and never more
    /// than a message.
    pub max_statement_bytes: usize,
    /// `limits.idle_timeout_ms`: a session without a statement for so long is ended; 0, or without it, never.
    pub idle_timeout: Option<Duration>,
    /// `limits.idle_in_transaction_timeout_ms`: the same within a transaction; 10 min without it, 0 is never.
    pub idle_in_transaction_timeout: Option<Duration>,
    /// `limits.write_timeout_ms`: a client that takes nothing of its result for so long is let go; 5 min without it, 0 is
    /// never.
    pub write_timeout: Option<Duration>,
    /// `limits.statement_timeout_ms`: for each statement, under that of its workspace and policies; 0, or without it, none.
    pub statement_timeout: Option<Duration>,
    /// `limits.max_prepared_statements`: of one session; 1,000 without it.
    pub max_prepared_statements: usize,
    /// `limits.max_portals`: portals and cursors of one session; 1,000 without it.
    pub max_portals: usize,
}

/// `limits.login_*`: what wrong passwords cost. The first numbers are free; 0 means that it is not counted that way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginLimits {
    /// `limits.login_attempts`: wrong passwords of one user from one address before the next has to wait; 3 without it.
    pub attempts: u32,
    /// `limits.login_attempts_per_user`: the same from all addresses that the user has not come in from; 20 without it.
    pub attempts_per_user: u32,
    /// `limits.login_attempts_per_address`: the same of one address, for all users who have not come in from it; 50 without
    /// it. Where a proxy hides its clients' addresses, say 0.
    pub attempts_per_address: u32,
    /// `limits.login_delay_ms`: the first wait, which doubles each time; 1 s without it.
    pub delay: Duration,
    /// `limits.login_delay_max_ms`: the longest; 1 min without it, 10 min at most.
    pub delay_max: Duration,
}

/// `[engine]`: how the embedded engine may use the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// `engine.memory_bytes`: for all statements together; 2 GB without it.
    pub memory_bytes: usize,
    /// `engine.spill_dir`: where operators spill; a temporary folder without it.
    pub spill_dir: Option<PathBuf>,
    /// `engine.spill_max_bytes`: how much may be spilled; 10 GB without it.
    pub spill_max_bytes: u64,
    /// `engine.threads`: threads for the engine; four for each core without it, so that a statement which holds one for
    /// long keeps nobody else's from running.
    pub threads: usize,
    /// `engine.target_partitions`: parts of a plan that run side by side; as many as cores without it.
    pub target_partitions: usize,
    /// `engine.batch_size`: rows of a batch; 8,192 without it.
    pub batch_size: usize,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// `text`: for people; the default.
    Text,
    /// `json`: one object a line.
    Json,
}

/// What checking needs besides the values.
pub(super) struct Context<'a> {
    pub(super) origins: Origins,
    pub(super) folder: PathBuf,
    pub(super) warnings: Vec<String>,
    pub(super) environment: &'a BTreeMap<String, String>,
    pub(super) read: &'a dyn Fn(&Path) -> std::io::Result<String>,
}

/// Collects problems while values are checked.
struct Check<'a> {
    context: Context<'a>,
    problems: Vec<String>,
}

pub(super) fn check(raw: RawConfig, context: Context<'_>) -> Result<Config, ConfigError> {
    let mut check = Check { context, problems: Vec::new() };
    let listen = check.address("listen", raw.listen.as_deref()).unwrap_or(DEFAULT_LISTEN);
    let admin_listen = check.address("admin_listen", raw.admin_listen.as_deref());
    let tls = check.tls(&raw);
    let limits = check.limits(&raw);
    let engine = check.engine(&raw);
    let environment = check.deployment(&raw);
    let log_format =
        check.word("log.format", raw.log.format.as_deref(), &[("text", LogFormat::Text), ("json", LogFormat::Json)]);
    let log_level = check.text("log.level", raw.log.level.as_deref()).unwrap_or_else(|| "info".into());
    let shutdown_grace = check.duration("shutdown_grace_ms", raw.shutdown_grace_ms, 30_000);
    let hash_key = check.hash_key(raw.hash_key_file.as_deref());
    let catalog_dir = check.folder("catalog_dir", raw.catalog_dir.as_deref(), "catalog");
    let policies_dir = check.folder("policies_dir", raw.policies_dir.as_deref(), "policies");
    let audit_dir = check.folder("audit_dir", raw.audit_dir.as_deref(), "audit");
    let audit_sync = check.duration("audit_sync_ms", raw.audit_sync_ms, 0);
    if audit_sync.is_some_and(|interval| interval > LONGEST_AUDIT_SYNC) {
        check.problem("audit_sync_ms", format!("must be no more than {} ms", LONGEST_AUDIT_SYNC.as_millis()));
    }
    check.look_around(listen, admin_listen, &tls);
    let Check { context, problems } = check;
    match hash_key {
        Some(hash_key) if problems.is_empty() => Ok(Config {
            listen,
            admin_listen,
            catalog_dir,
            policies_dir,
            audit_dir,
            audit_sync,
            tls,
            limits,
            engine,
            environment,
            shutdown_grace: shutdown_grace.unwrap_or_default(),
            log_format: log_format.unwrap_or(LogFormat::Text),
            log_level,
            hash_key,
            warnings: context.warnings,
        }),
        Some(_) | None => Err(ConfigError { problems }),
    }
}

impl Check<'_> {
    fn problem(&mut self, key: &str, what: impl std::fmt::Display) {
        self.problems.push(format!("{}: {what}", self.context.origins.of(key)));
    }

    fn text(&mut self, key: &str, text: Option<&str>) -> Option<String> {
        let text = text?.trim();
        if text.is_empty() {
            self.problem(key, "must not be empty");
            return None;
        }
        Some(text.to_owned())
    }

    /// A word of a list; `None` if it is not given, or is no such word.
    fn word<T: Copy>(&mut self, key: &str, text: Option<&str>, words: &[(&str, T)]) -> Option<T> {
        let text = text?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.problem(key, format!("must be one of {}", known.join(", ")));
        }
        found
    }

    /// `host:port`, where the host is an address or `localhost`.
    fn address(&mut self, key: &str, text: Option<&str>) -> Option<SocketAddr> {
        let text = text?;
        let parsed = match text.strip_prefix("localhost:") {
            Some(port) => port.parse().ok().map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
            None => text.parse().ok(),
        };
        if parsed.is_none() {
            self.problem(key, "must be an address and a port, such as 127.0.0.1:6432, 0.0.0.0:6432 or [::]:6432");
        }
        parsed
    }

    fn path(&mut self, key: &str, text: Option<&str>) -> Option<PathBuf> {
        let text = self.text(key, text)?;
        Some(self.context.folder.join(text))
    }

    fn folder(&mut self, key: &str, text: Option<&str>, default: &str) -> PathBuf {
        self.path(key, text).unwrap_or_else(|| self.context.folder.join(default))
    }

    /// A number from 1 to a bound.
    fn count(&mut self, key: &str, number: Option<u64>, default: usize, most: u64) -> usize {
        match number {
            None => default,
            Some(number) if (1..=most).contains(&number) => usize::try_from(number).unwrap_or(default),
            Some(_) => {
                self.problem(key, format!("must be from 1 to {most}"));
                default
            }
        }
    }

    /// Milliseconds; 0 is none, and more than thirty days is a mistake.
    fn duration(&mut self, key: &str, milliseconds: Option<u64>, default: u64) -> Option<Duration> {
        const MOST: u64 = 30 * DAY_MS;
        match milliseconds.unwrap_or(default) {
            0 => None,
            number if number <= MOST => Some(Duration::from_millis(number)),
            _ => {
                self.problem(key, format!("must be no more than {MOST} ms"));
                None
            }
        }
    }

    fn bytes(&mut self, key: &str, size: Option<&Size>, default: u64, fewest: u64) -> u64 {
        let read = match size {
            None => return default,
            Some(Size::Bytes(bytes)) => Ok(ByteCount(*bytes)),
            Some(Size::Text(text)) => text.parse::<ByteCount>(),
        };
        match read {
            Ok(ByteCount(bytes)) if bytes >= fewest => bytes,
            Ok(_) => {
                self.problem(key, format!("must be at least {}", ByteCount(fewest)));
                default
            }
            Err(error) => {
                self.problem(key, error);
                default
            }
        }
    }

    fn tls(&mut self, raw: &RawConfig) -> TlsConfig {
        let words = [("off", TlsMode::Off), ("allow", TlsMode::Allow), ("require", TlsMode::Require)];
        let mode = self.word("tls.mode", raw.tls.mode.as_deref(), &words);
        let cert = self.path("tls.cert", raw.tls.cert.as_deref());
        let key = self.path("tls.key", raw.tls.key.as_deref());
        if raw.tls.cert.is_some() != raw.tls.key.is_some() {
            let (given, absent) = if raw.tls.cert.is_some() { ("cert", "key") } else { ("key", "cert") };
            self.problem(&format!("tls.{given}"), format!("needs tls.{absent} beside it"));
        }
        if matches!(mode, Some(TlsMode::Allow | TlsMode::Require)) && raw.tls.cert.is_none() && raw.tls.key.is_none() {
            self.problem("tls.mode", "needs tls.cert and tls.key");
        }
        let default = if raw.tls.cert.is_some() { TlsMode::Allow } else { TlsMode::Off };
        TlsConfig { mode: mode.unwrap_or(default), cert, key }
    }

    fn limits(&mut self, raw: &RawConfig) -> ConnectionLimits {
        const MB: u64 = 1 << 20;
        const LARGEST: u64 = 1 << 30;
        let raw = &raw.limits;
        let message = self.bytes("limits.max_message_bytes", raw.max_message_bytes.as_ref(), 64 * MB, 1 << 13);
        if message > LARGEST {
            self.problem("limits.max_message_bytes", "must be no more than 1 GB, which is PostgreSQL's own bound");
        }
        let statement = self.bytes("limits.max_statement_bytes", raw.max_statement_bytes.as_ref(), 2 * MB, 1 << 10);
        if statement > 2 * MB {
            self.problem("limits.max_statement_bytes", "must be no more than 2 MB, which is as much as is ever read");
        }
        let startup = self.duration("limits.startup_timeout_ms", raw.startup_timeout_ms, 10_000);
        if raw.startup_timeout_ms == Some(0) {
            self.problem(
                "limits.startup_timeout_ms",
                "must be more than 0: a connection that never starts would be held",
            );
        }
        let max_startups = self.count("limits.max_startups", raw.max_startups, 2_000, 100_000);
        let of_one = self.count("limits.max_startups_per_address", raw.max_startups_per_address, 1_000, 100_000);
        ConnectionLimits {
            max_startups,
            max_startups_per_address: of_one.min(max_startups),
            logins: self.logins(raw),
            max_connections: self.count("limits.max_connections", raw.max_connections, 10_000, 1_000_000),
            startup_timeout: startup.unwrap_or(Duration::from_secs(10)),
            max_message_bytes: usize::try_from(message).unwrap_or(usize::MAX),
            max_statement_bytes: usize::try_from(statement.min(message)).unwrap_or(usize::MAX),
            idle_timeout: self.duration("limits.idle_timeout_ms", raw.idle_timeout_ms, 0),
            idle_in_transaction_timeout: self.duration(
                "limits.idle_in_transaction_timeout_ms",
                raw.idle_in_transaction_timeout_ms,
                600_000,
            ),
            write_timeout: self.duration("limits.write_timeout_ms", raw.write_timeout_ms, 300_000),
            statement_timeout: self.duration("limits.statement_timeout_ms", raw.statement_timeout_ms, 0),
            max_prepared_statements: self.count(
                "limits.max_prepared_statements",
                raw.max_prepared_statements,
                1_000,
                1_000_000,
            ),
            max_portals: self.count("limits.max_portals", raw.max_portals, 1_000, 100_000),
        }
    }

    fn logins(&mut self, raw: &RawLimits) -> LoginLimits {
        const LONGEST_MS: u64 = 600_000;
        let mut attempts = |key: &str, number: Option<u64>, default: u32| match number.map(u32::try_from) {
            None => default,
            Some(Ok(number)) if number <= 10_000 => number,
            Some(_) => {
                self.problem(key, "must be from 0 to 10000");
                default
            }
        };
        let attempts = (
            attempts("limits.login_attempts", raw.login_attempts, 3),
            attempts("limits.login_attempts_per_user", raw.login_attempts_per_user, 20),
            attempts("limits.login_attempts_per_address", raw.login_attempts_per_address, 50),
        );
        let mut delay = |key: &str, number: Option<u64>, default: u64| match number.unwrap_or(default) {
            number if (1..=LONGEST_MS).contains(&number) => Duration::from_millis(number),
            _ => {
                self.problem(key, format!("must be from 1 to {LONGEST_MS} ms"));
                Duration::from_millis(default)
            }
        };
        let delay_max = delay("limits.login_delay_max_ms", raw.login_delay_max_ms, 60_000);
        let first = delay("limits.login_delay_ms", raw.login_delay_ms, 1_000);
        LoginLimits {
            attempts: attempts.0,
            attempts_per_user: attempts.1,
            attempts_per_address: attempts.2,
            delay: first.min(delay_max),
            delay_max,
        }
    }

    fn engine(&mut self, raw: &RawConfig) -> Engine {
        const GB: u64 = 1 << 30;
        let raw = &raw.engine;
        let cores = std::thread::available_parallelism().map_or(2, NonZeroUsize::get);
        let memory = self.bytes("engine.memory_bytes", raw.memory_bytes.as_ref(), 2 * GB, 16 << 20);
        let threads = self.count("engine.threads", raw.threads, cores.saturating_mul(4), 1024);
        Engine {
            memory_bytes: usize::try_from(memory).unwrap_or(usize::MAX),
            spill_dir: self.path("engine.spill_dir", raw.spill_dir.as_deref()),
            spill_max_bytes: self.bytes("engine.spill_max_bytes", raw.spill_max_bytes.as_ref(), 10 * GB, 0),
            threads,
            target_partitions: self.count("engine.target_partitions", raw.target_partitions, cores, 1024),
            batch_size: self.count("engine.batch_size", raw.batch_size, 8192, 1 << 20),
        }
    }

    fn deployment(&mut self, raw: &RawConfig) -> Deployment {
        let raw = &raw.environment;
        let mut network_zones: Vec<NetworkZone> = Vec::new();
        for (index, zone) in raw.network_zones.iter().enumerate() {
            let key = format!("environment.network_zones.{index}");
            if zone.zone.trim().is_empty() {
                self.problem(&format!("{key}.zone"), "must not be empty");
            }
            match NetworkZone::new(&zone.cidr, zone.zone.trim()) {
                Ok(zone) if network_zones.iter().any(|held| held.is_same_network(&zone)) => {
                    self.problem(&format!("{key}.cidr"), "is given twice");
                }
                Ok(zone) => network_zones.push(zone),
                Err(error) => self.problem(&format!("{key}.cidr"), error),
            }
        }
        Deployment {
            name: self.text("environment.name", raw.name.as_deref()).unwrap_or_else(|| "development".into()),
            region: self.text("environment.region", raw.region.as_deref()).unwrap_or_else(|| "local".into()),
            network_zones,
        }
    }

    fn hash_key(&mut self, file: Option<&str>) -> Option<HashKey> {
        let variable = self.context.environment.get(HASH_KEY_VARIABLE).map(String::as_str);
        let file = self.path("hash_key_file", file);
        let origin = self.context.origins.of("hash_key_file");
        let file = file.as_deref().map(|path| (path, origin.as_str()));
        let key = match HashKey::given(variable, file, self.context.read) {
            Some(given) => given,
            None => {
                self.context.warnings.push(format!(
                    "no hash key is set, so one was made: hashed values change with each start; set {HASH_KEY_VARIABLE} or \
                     hash_key_file"
                ));
                HashKey::random()
            }
        };
        key.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// What is allowed, and should be known.
    fn look_around(&mut self, listen: SocketAddr, admin_listen: Option<SocketAddr>, tls: &TlsConfig) {
        if admin_listen.is_some_and(|admin| admin == listen && admin.port() != 0) {
            self.problem("admin_listen", "must not be the same as listen");
        }
        if !listen.ip().is_loopback() && tls.mode != TlsMode::Require {
            let what = format!(
                "clients of other machines may connect to {listen} without encryption; set tls.mode to require"
            );
            self.context.warnings.push(what);
        }
    }
}
