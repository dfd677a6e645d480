//! `querygate explain`: how a statement would be governed for a user, without running it.

use super::{ConfigArgs, Ended, print, runtime, serve};
use crate::gateway::Rehearsal;
use clap::Args;
use std::process::ExitCode;

/// Whose statement it is.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The user.
    #[arg(long, short)]
    user: String,
    /// The workspace: what the user would give as the database.
    #[arg(long, short)]
    workspace: String,
    /// The purpose that the session would state.
    #[arg(long)]
    purpose: Option<String>,
    /// The statement.
    statement: String,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn run(args: &ExplainArgs) -> Ended {
    let config = serve::config(&args.config)?;
    let engine = serve::engine(&config)?;
    let lines = runtime()?.block_on(async {
        let loaded = serve::folders(&config).load(&engine).await;
        let serving = loaded.serving.ok_or_else(|| crate::catalog::check_report(&loaded.findings))?;
        Rehearsal { serving: &serving, deployment: &config.environment }
            .explain(&args.user, &args.workspace, args.purpose.as_deref(), &args.statement)
            .map_err(|report| crate::gateway::error_lines(&report).join("\n"))
    })?;
    for line in lines {
        print(line);
    }
    Ok(ExitCode::SUCCESS)
}
