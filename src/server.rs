//! The composition root: the one place where the parts of the gateway meet.
//!
//! Configuration in, listening gateway out. SIGHUP reloads catalog and policies, all or nothing; SIGTERM and SIGINT stop it.

use crate::audit::{AuditError, AuditOptions, AuditSink, Durability, FileAudit};
use crate::catalog::{Finding, check_report};
use crate::config::{Config, LogFormat, TlsMode};
use crate::execute::datafusion::DataFusionEngine;
use crate::gateway::{Door, Folders, Gateway, GatewayParts};
use crate::quota::{Clock, SystemClock};
use crate::session::SessionLimits;
use crate::wire;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use zeroize::Zeroizing;

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Catalog or policies have mistakes.
    #[error("catalog and policies can't serve")]
    Catalog(Vec<Finding>),
    /// The audit log can't be opened: nothing may run.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The address can't be listened on.
    #[error("can't listen on {address}: {cause}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// Certificate or key can't be used.
    #[error("tls: {0}")]
    Tls(String),
    /// The engine can't be started.
    #[error("{0}")]
    Engine(String),
}

/// A gateway that listens.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    gateway: Arc<Gateway>,
    folders: Folders,
    stop: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
    audit: FileAudit,
}

impl Server {
    /// Loads, opens, binds and serves.
    ///
    /// # Errors
    /// [`StartError`]: nothing is left running.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let folders = Folders { catalog: config.catalog_dir.clone(), policies: config.policies_dir.clone() };
        let engine = Arc::new(DataFusionEngine::start(&config.engine).map_err(StartError::Engine)?);
        let loaded = folders.load(&engine).await;
        let Some(serving) = loaded.serving else { return Err(StartError::Catalog(loaded.findings)) };
        warn(&loaded.findings);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let durability = config.audit_sync.map_or(Durability::Always, Durability::Interval);
        let audit_options = AuditOptions { durability, ..AuditOptions::new(config.audit_dir.clone()) };
        let audit_clock: Arc<dyn Clock> = Arc::clone(&clock);
        let audit = tokio::task::spawn_blocking(move || FileAudit::open(audit_options, audit_clock))
            .await
            .map_err(|error| StartError::Engine(error.to_string()))??;
        let log = audit.clone();
        let audit: Arc<dyn AuditSink> = Arc::new(audit);
        if config.hash_key.made_at_start {
            tracing::warn!("no hash_key_file or QUERYGATE_HASH_KEY: hashes of masked values change with each start");
        }
        let master_key = config.hash_key.master.clone();
        let gateway = Arc::new(Gateway::new(GatewayParts { serving, engine, audit, clock, master_key }));
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|cause| StartError::Listen { address: config.listen, cause })?;
        let address = listener.local_addr().map_err(|cause| StartError::Listen { address: config.listen, cause })?;
        let stop = CancellationToken::new();
        let tls = tls(&config).map_err(StartError::Tls)?;
        let door = Door::new(Arc::clone(&gateway), config.environment.clone(), session_limits(&config));
        let mut wire_config = wire_config(&config, tls);
        fit_to_open_files(&mut wire_config);
        let serving = tokio::spawn(wire::serve(listener, wire_config, Arc::new(door), stop.clone()));
        Ok(Self { address, gateway, folders, stop, serving, audit: log })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The gateway behind it.
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// Loads catalog and policies anew. With a mistake in them the old ones go on serving.
    ///
    /// # Errors
    /// Every mistake.
    pub async fn reload(&self) -> Result<(), Vec<Finding>> {
        let before = self.gateway.serving();
        let loaded = self.folders.load_again(self.gateway.engine(), &before.upstreams).await;
        let Some(serving) = loaded.serving else { return Err(loaded.findings) };
        warn(&loaded.findings);
        match self.gateway.replace(serving).await {
            Ok(()) => Ok(()),
            Err(report) => Err(vec![Finding::in_file("audit log", report.message)]),
        }
    }

    /// Serves until SIGTERM or SIGINT; SIGHUP reloads.
    pub async fn run_until_told(self) {
        let signals = (signal(SignalKind::hangup()), signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
        let (Ok(mut reload), Ok(mut terminate), Ok(mut interrupt)) = signals else {
            tracing::error!("signals can't be received");
            return self.stop().await;
        };
        loop {
            tokio::select! {
                _ = reload.recv() => match self.reload().await {
                    Ok(()) => tracing::info!("catalog and policies reloaded"),
                    Err(findings) => tracing::error!("the old catalog and policies stay\n{}", check_report(&findings)),
                },
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        self.stop().await;
    }

    /// Stops: no new connections, running statements get their grace, then all ends.
    pub async fn stop(self) {
        self.stop.cancel();
        match self.serving.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the listener failed"),
            Err(error) => tracing::error!(panicked = error.is_panic(), "the listener ended"),
        }
        // Nobody is left who could use them.
        self.gateway.serving().upstreams.drain(Duration::ZERO).await;
        if let Err(error) = self.audit.close().await {
            tracing::error!(%error, "the audit log could not be closed");
        }
    }
}

fn warn(findings: &[Finding]) {
    for finding in findings {
        tracing::warn!("{finding}");
    }
}

fn tls(config: &Config) -> Result<Option<Arc<wire::tls::Tls>>, String> {
    match (config.tls.mode, &config.tls.cert, &config.tls.key) {
        (TlsMode::Off, ..) => Ok(None),
        (_, Some(cert), Some(key)) => {
            let read = |path: &PathBuf| {
                std::fs::read(path).map(Zeroizing::new).map_err(|error| format!("{}: {error}", path.display()))
            };
            let tls = wire::tls::acceptor(&read(cert)?, &read(key)?).map_err(|error| error.to_string())?;
            Ok(Some(Arc::new(tls)))
        }
        _ => Err("tls.cert and tls.key are needed".into()),
    }
}

fn wire_config(config: &Config, tls: Option<Arc<wire::tls::Tls>>) -> wire::WireConfig {
    wire::WireConfig {
        tls_mode: match config.tls.mode {
            TlsMode::Off => wire::TlsMode::Off,
            TlsMode::Allow => wire::TlsMode::Allow,
            TlsMode::Require => wire::TlsMode::Require,
        },
        tls,
        max_connections: config.limits.max_connections,
        max_startups: config.limits.max_startups,
        max_startups_per_address: config.limits.max_startups_per_address,
        logins: wire::LoginLimits {
            attempts: config.limits.logins.attempts,
            attempts_per_user: config.limits.logins.attempts_per_user,
            attempts_per_address: config.limits.logins.attempts_per_address,
            delay: config.limits.logins.delay,
            delay_max: config.limits.logins.delay_max,
        },
        decoy_key: config.hash_key.decoy_key(),
        startup_timeout: config.limits.startup_timeout,
        write_timeout: config.limits.write_timeout,
        shutdown_grace: config.shutdown_grace,
        max_message_bytes: config.limits.max_message_bytes,
    }
}

/// Has no more connections than the process may open files, with room left for files and upstreams: the one too many
/// would else be refused by the operating system, and with it whatever else has to be opened just then.
fn fit_to_open_files(config: &mut wire::WireConfig) {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    // "unlimited" is no number, and where there is no such file nothing is known.
    let Some(most) = line.and_then(|line| line.split_whitespace().next()).and_then(|word| word.parse::<usize>().ok())
    else {
        return;
    };
    let others = most / 4;
    let startups = config.max_startups.min(most / 8);
    let connections = config.max_connections.min(most.saturating_sub(others).saturating_sub(startups).max(1));
    if (startups, connections) != (config.max_startups, config.max_connections) {
        tracing::warn!(
            open_files = most,
            connections,
            logging_in = startups,
            "fewer connections than configured, for the process may not open as many files; raise its limit (ulimit -n, LimitNOFILE)"
        );
        config.max_startups_per_address = config.max_startups_per_address.min((startups / 2).max(1));
        (config.max_startups, config.max_connections) = (startups.max(1), connections);
    }
}

fn session_limits(config: &Config) -> SessionLimits {
    SessionLimits {
        idle_timeout: config.limits.idle_timeout,
        idle_in_transaction_timeout: config.limits.idle_in_transaction_timeout,
        statement_timeout: config.limits.statement_timeout,
        max_statement_bytes: config.limits.max_statement_bytes,
        max_prepared_statements: config.limits.max_prepared_statements,
        max_portals: config.limits.max_portals,
    }
}

/// Sends log lines to stderr, as the configuration says.
pub fn start_logging(config: &Config) {
    let filter = EnvFilter::try_new(&config.log_level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Logging that was started before, such as by a test, stays.
    let _ = match config.log_format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
}
