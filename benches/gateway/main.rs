//! What the gate costs in front of a PostgreSQL: `cargo bench --bench gateway` (`-- --seconds 5 --only lookups`).
//!
//! One server of its own, reached directly, through PgBouncer (transaction pooling) and through Querygate, which governs
//! with a row filter and two masks on the table, each record of its audit log on the disk before anything of its statement
//! leaves; for lookups also with a log that the disk has after 100 ms. All take turns within one run, and figures are ratios;
//! the CPU time of each proxy is the kernel's count for its process. Needs `postgresql` and `pgbouncer` of Debian.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "a test or a benchmark that can not go on stops"
)]

mod barrier;
mod idle;
mod lookups;
#[path = "../../tests/it/postgres.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests use all of it")]
mod postgres;
mod streams;
mod world;

use world::World;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| {
        arguments.iter().position(|word| word == name).and_then(|at| arguments.get(at + 1)).map(String::as_str)
    };
    let seconds: u64 = after("--seconds").and_then(|text| text.parse().ok()).unwrap_or(5);
    let wanted = |part: &str| after("--only").is_none_or(|only| only == part);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::start());
    if wanted("lookups") {
        lookups::run(&world, seconds);
    }
    if wanted("streams") {
        runtime.block_on(streams::run(&world));
    }
    if wanted("barrier") {
        runtime.block_on(barrier::run(&world, seconds));
    }
    if wanted("idle") {
        runtime.block_on(idle::run(&world));
    }
}
