//! All integration tests, in one program: linking the engine once is what makes the build short.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test or a benchmark that can not go on stops"
)]

mod bounds;
mod bypass;
mod case;
mod cli;
mod clients;
mod differential;
mod fixture;
mod forward;
mod forwarded;
mod govern;
mod hostile;
mod lake;
mod managed;
mod memory;
mod network;
mod noninterference;
mod postgres;
mod pruning;
mod raw;
mod regress;
mod steward;
mod supply_chain;
mod templates;
mod tidy;
mod transactions;
mod twins;
mod upstream;
mod upstream_faults;
mod upstream_pool;
mod writes;
