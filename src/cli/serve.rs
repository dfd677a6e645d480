//! `querygate serve` and `querygate ping`, and what the other commands need of a configuration.

use super::{ConfigArgs, Ended, print, runtime};
use crate::catalog::check_report;
use crate::config::{self, Config};
use crate::execute::datafusion::DataFusionEngine;
use crate::gateway::Folders;
use crate::server::{Server, StartError};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

pub(super) fn run(args: &ConfigArgs) -> Ended {
    let config = config(args)?;
    crate::server::start_logging(&config);
    keep_out_of_dumps();
    runtime()?.block_on(async {
        let server = start(config).await?;
        print(format_args!("querygate listens on {}", server.address()));
        server.run_until_told().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// Has the kernel leave this process's memory, with its keys and its rows, out of a core dump. Linux alone can.
fn keep_out_of_dumps() {
    const FILTER: &str = "/proc/self/coredump_filter";
    if cfg!(target_os = "linux")
        && let Err(error) = std::fs::write(FILTER, "0")
    {
        tracing::warn!(%error, "{FILTER} can't be written: a core dump would hold what is in memory");
    }
}

/// Starts a server; mistakes of catalog and policies are printed as `check` prints them.
pub(super) async fn start(config: Config) -> Result<Server, String> {
    match Server::start(config).await {
        Ok(server) => Ok(server),
        Err(StartError::Catalog(findings)) => {
            Err(format!("catalog and policies can't serve\n{}", check_report(&findings)))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// The configuration that the arguments mean.
pub(super) fn config(args: &ConfigArgs) -> Result<Config, String> {
    config::load(args.config.as_deref()).map_err(|error| error.to_string())
}

/// The embedded engine of a configuration.
pub(super) fn engine(config: &Config) -> Result<DataFusionEngine, String> {
    DataFusionEngine::start(&config.engine)
}

/// Where a configuration's catalog and policies lie.
pub(super) fn folders(config: &Config) -> Folders {
    Folders { catalog: config.catalog_dir.clone(), policies: config.policies_dir.clone() }
}

/// Asks the gateway of a configuration whether it takes connections: it must answer an SSLRequest.
pub(super) fn ping(args: &ConfigArgs) -> Ended {
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
    let mut address: SocketAddr = config(args)?.listen;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    let wait = Duration::from_secs(2);
    let answer = || -> std::io::Result<u8> {
        let mut stream = TcpStream::connect_timeout(&address, wait)?;
        stream.set_read_timeout(Some(wait))?;
        stream.write_all(&SSL_REQUEST)?;
        let mut answer = [0_u8];
        stream.read_exact(&mut answer)?;
        Ok(answer.first().copied().unwrap_or_default())
    };
    match answer() {
        Ok(b'S' | b'N') => Ok(ExitCode::SUCCESS),
        Ok(_) => Err(format!("{address} does not speak PostgreSQL's protocol")),
        Err(error) => Err(format!("{address}: {error}")),
    }
}
