//! `querygate check`: every mistake of catalog and policies in one run.

use super::{ConfigArgs, Ended, print, runtime, serve};
use crate::catalog::{Finding, check_report};
use std::process::ExitCode;

pub(super) fn run(args: &ConfigArgs) -> Ended {
    let config = serve::config(args)?;
    let engine = serve::engine(&config)?;
    let loaded = runtime()?.block_on(serve::folders(&config).load(&engine));
    print(check_report(&loaded.findings));
    let wrong = loaded.serving.is_none() || loaded.findings.iter().any(Finding::is_error);
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
