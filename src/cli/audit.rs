//! `querygate audit`: prove the log's chain.

use super::{ConfigArgs, Ended, print};
use crate::audit::{VerifyOptions, verify_with};
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;

/// What to do with the log.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Prove that no record was changed, removed or moved, or name the first that was.
    #[command(
        after_help = "Example: querygate audit verify --dir /var/lib/querygate/audit\nExit status: 0 if the chain holds, 1 if not."
    )]
    Verify {
        /// The log's folder; without it, the configuration's.
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
        /// A hash that must be in the chain, as the gateway logged it: shows whether the log's end was cut off.
        #[arg(long, value_name = "HASH")]
        expect_head: Option<String>,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub(super) fn run(command: &AuditCommand) -> Ended {
    let AuditCommand::Verify { dir, expect_head, config } = command;
    let folder = match dir {
        Some(folder) => folder.clone(),
        None => super::serve::config(config)?.audit_dir.clone(),
    };
    match verify_with(&folder, &VerifyOptions { expect_head: expect_head.clone() }) {
        Ok(report) => {
            print(format_args!(
                "{} records of {} statements in {} segments hold together; {} statements have no end",
                report.records, report.statements, report.segments, report.interrupted
            ));
            if let Some(head) = report.head {
                print(format_args!("head {head}"));
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(failure) => {
            print(failure);
            Ok(ExitCode::FAILURE)
        }
    }
}
