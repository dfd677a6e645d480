//! `querygate`: the command line.

use std::process::ExitCode;

/// A statement makes some hundred short-lived values, on several threads at once: this allocator takes a third of the
/// time of the system's for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    querygate::cli::main()
}
