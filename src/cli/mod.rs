//! The command line: each command is a short function over the same parts that `serve` uses.

mod audit;
mod check;
mod demo;
mod explain;
mod init;
mod serve;
mod test;
mod tour;
mod user;

use clap::{Args, Parser, Subcommand};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// A query gateway that speaks the PostgreSQL protocol and governs every statement.
#[derive(Debug, Parser)]
#[command(name = "querygate", version, about, propagate_version = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make demo data and serve it, ready to connect to.
    #[command(after_help = "Example: querygate demo\n         querygate demo --tour")]
    Demo(demo::DemoArgs),
    /// Serve the catalog.
    #[command(after_help = "Example: querygate serve --config querygate.toml")]
    Serve(ConfigArgs),
    /// Check catalog and policies: every mistake with file, line and what to write instead.
    #[command(
        after_help = "Example: querygate check\n         querygate check --connect\nExit status: 0 if the gateway could \
                      serve them, 1 if not. Warnings do not count."
    )]
    Check(check::CheckArgs),
    /// Write a first catalog and a first policy from what a PostgreSQL database says of itself, for a steward to review.
    #[command(after_help = "Examples: CRM_DSN=postgres://… querygate init --from env:CRM_DSN\n          \
                      querygate init --from file:/run/secrets/crm_dsn --schema sales --schema hr\n\
                      Reads the database's catalogs, never a row of its tables. Columns whose names, types or comments hint \
                      at people or secrets are closed until somebody has reviewed them. A connection string in the place of \
                      env: or file: works too, and can be seen by whoever lists the machine's processes.")]
    Init(init::InitArgs),
    /// Run the policies' tests (rules named test_… in *_test.rego) and print their coverage.
    #[command(after_help = "Example: querygate test\nExit status: 0 if all pass, 1 if not.")]
    Test(ConfigArgs),
    /// Show how a statement would be governed for a user, without running it.
    #[command(after_help = "Example: querygate explain --user alice --workspace retail 'SELECT * FROM people'")]
    Explain(explain::ExplainArgs),
    /// Add a user, or set a user's password.
    #[command(subcommand, after_help = "Example: querygate user add carol --role ANALYST")]
    User(user::UserCommand),
    /// Read the audit log.
    #[command(subcommand, after_help = "Example: querygate audit verify")]
    Audit(audit::AuditCommand),
    /// Ask a running gateway whether it answers; for health checks.
    #[command(after_help = "Example: querygate ping --config querygate.toml")]
    Ping(ConfigArgs),
}

/// Where the configuration lies.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file. Without one, querygate.toml in this folder if it is there, else the defaults.
    /// QUERYGATE_* variables override it.
    #[arg(long, short, value_name = "FILE", env = "QUERYGATE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

/// What a command ends with: its exit status, or a text for people.
type Ended = Result<ExitCode, String>;

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let line = CommandLine::parse();
    let ended = match line.command {
        Command::Demo(args) => demo::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::User(command) => user::run(&command),
        Command::Audit(command) => audit::run(&command),
        Command::Ping(args) => serve::ping(&args),
    };
    match ended {
        Ok(status) => status,
        Err(problem) => {
            // Nothing can be done about a closed stderr.
            let _ = writeln!(std::io::stderr(), "querygate: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a line. A reader that has gone away ends the command quietly.
fn print(text: impl std::fmt::Display) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// A runtime for the commands that wait for something.
fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        // Enough for governing a statement that nests as deeply as one may: it then needs no stack of its own.
        .thread_stack_size(16 << 20)
        .enable_all()
        .build()
        .map_err(|error| format!("threads can't be started: {error}"))
}
