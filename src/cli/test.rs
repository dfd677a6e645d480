//! `querygate test`: the policies' own tests.

use super::{ConfigArgs, Ended, print, serve};
use crate::gateway::read_policies;
use crate::policy::testing;
use std::process::ExitCode;
use std::time::Instant;

pub(super) fn run(args: &ConfigArgs) -> Ended {
    let config = serve::config(args)?;
    let files = read_policies(&config.policies_dir).map_err(|finding| finding.to_string())?;
    let report = testing::run(&files, Instant::now);
    print(&report);
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
