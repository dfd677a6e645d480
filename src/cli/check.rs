//! `querygate check`: every mistake of catalog and policies in one run, and with `--connect` every difference between the
//! catalog and the databases that it describes.

use super::{ConfigArgs, Ended, print, runtime, serve};
use crate::catalog::{Finding, beside_loading, check_report};
use clap::Args;
use std::process::ExitCode;

/// What to check.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Hold the catalog against its PostgreSQL sources as well: relations, keys, row security, and what the login may do
    /// that a reader need not. Reads their catalogs, never a row of their tables.
    #[arg(long)]
    connect: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn run(args: &CheckArgs) -> Ended {
    let config = serve::config(&args.config)?;
    let engine = serve::engine(&config)?;
    let folders = serve::folders(&config);
    let (serves, findings) = runtime()?.block_on(async {
        let loaded = folders.load(&engine).await;
        let serves = loaded.serving.is_some();
        let findings =
            if args.connect { beside_loading(loaded.findings, folders.compare().await) } else { loaded.findings };
        (serves, findings)
    });
    print(check_report(&findings));
    let wrong = !serves || findings.iter().any(Finding::is_error);
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
