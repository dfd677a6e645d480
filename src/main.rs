//! `querygate`: the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    querygate::cli::main()
}
