//! What governing costs: `cargo bench --bench cost` (`-- --scale 0.1` for a larger TPC-H).
//!
//! Every figure is taken in this one process. TPC-H runs governed (parse, decide, rewrite, audit to disk, plan, verify,
//! run) and ungoverned (DataFusion over the same files with the same settings), in turns, and is told as a ratio.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "a test or a benchmark that can not go on stops"
)]

use datafusion::execution::context::SessionContext;
use datafusion::physical_plan::collect;
use datafusion::prelude::{ParquetReadOptions, SessionConfig};
use futures::StreamExt;
use querygate::config::{self, Config};
use querygate::demo::data::{DemoDataOptions, generate};
use querygate::egress::{Outcome, ResultBudget};
use querygate::gateway::{Gateway, GatewayEngine, Rehearsal, local_context};
use querygate::policy::{AccessRequest, StatementFacts};
use querygate::server::Server;
use querygate::session::{Binding, Engine, Purpose, StatementContext};
use querygate::sql::{ParseBounds, ParsedStatement, parse};
use querygate::types::DatasetName;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TABLES: [&str; 8] = ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"];
const ROUNDS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let scale = arguments.iter().position(|word| word == "--scale").and_then(|at| arguments.get(at + 1)?.parse().ok());
    let scale = scale.unwrap_or(0.1);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{scale}"));
    std::fs::create_dir_all(&folder).unwrap();
    generate(&folder.join("demo-data"), &DemoDataOptions { scale }).unwrap();
    for part in ["catalog", "policies"] {
        std::fs::create_dir_all(folder.join(part)).unwrap();
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(part)).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, folder.join(part).join(path.file_name().unwrap())).unwrap();
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let config = configuration(&folder);
        let deployment = config.environment.clone();
        let server = Server::start(config.clone()).await.unwrap_or_else(|error| panic!("{error:?}"));
        let gateway = Arc::clone(server.gateway());
        decisions(&gateway);
        governing(&gateway, &deployment);
        tpch(&gateway, &config, &folder, scale).await;
        server.stop().await;
    });
}

fn configuration(folder: &Path) -> Config {
    let audit = tempfile::tempdir().unwrap().keep();
    let environment: BTreeMap<String, String> = [
        ("QUERYGATE_CATALOG_DIR", folder.join("catalog").display().to_string()),
        ("QUERYGATE_POLICIES_DIR", folder.join("policies").display().to_string()),
        ("QUERYGATE_AUDIT_DIR", audit.display().to_string()),
        ("QUERYGATE_LISTEN", "127.0.0.1:0".to_owned()),
        ("QUERYGATE_HASH_KEY", "ab".repeat(32)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    config::parse(None, &environment, &|path| std::fs::read_to_string(path)).unwrap()
}

/// Percentiles of single calls, in microseconds.
fn told(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e6;
    println!("{what:<44} p50 {:>9.1} us   p99 {:>9.1} us   ({} calls)", at(0.5), at(0.99), times.len());
}

fn decisions(gateway: &Gateway) {
    println!("\npolicy decision for public.people, as alice");
    let serving = gateway.serving();
    let context = local_context(&serving, "alice", "retail").unwrap();
    let dataset = &serving.catalog.datasets[&DatasetName::new("public", "people")];
    let facts =
        StatementFacts { kind: "SELECT", columns_used: BTreeSet::from(["email".to_owned()]), is_aggregate: false };
    let decide = |purpose: Option<&str>| {
        let request = AccessRequest {
            principal: &context.principal,
            workspace: &context.workspace,
            action: querygate::policy::Action::Query,
            dataset,
            tags: &serving.catalog.tags,
            statement: &facts,
            environment: &context.environment,
            purpose,
            approvals: &[],
            now_ns: 1_767_225_600_000_000_000,
        };
        let start = Instant::now();
        std::hint::black_box(serving.policies.decide(&request));
        start.elapsed()
    };
    let purposes: Vec<String> = (0..2000).map(|number| format!("purpose {number}")).collect();
    told("  not cached", purposes.iter().map(|purpose| decide(Some(purpose))).collect());
    told("  cached", (0..20_000).map(|_| decide(None)).collect());
}

fn governing(gateway: &Gateway, deployment: &querygate::config::Deployment) {
    println!("\nfrom text to governed statement (decisions cached)");
    let serving = gateway.serving();
    let rehearsal = Rehearsal { serving: &serving, deployment };
    let queries = [
        ("point query", "SELECT id, name FROM people WHERE id = 42".to_owned()),
        (
            "TPC-H query 3",
            tpch_text(3).replace("FROM customer, orders, lineitem", "FROM tpch.customer, tpch.orders, tpch.lineitem"),
        ),
        ("2 kB BI query", include_str!("bi.sql").to_owned()),
    ];
    for (name, text) in queries {
        let parsed = (0..500).map(|_| {
            let start = Instant::now();
            std::hint::black_box(one(&text));
            start.elapsed()
        });
        told(&format!("  {name}: parse"), parsed.collect());
        let governed = (0..500).map(|_| {
            let start = Instant::now();
            let statement = one(&text);
            rehearsal.govern("alice", "retail", None, &statement).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            start.elapsed()
        });
        told(&format!("  {name}: parse to governed"), governed.collect());
    }
}

fn one(text: &str) -> ParsedStatement {
    parse(text, &ParseBounds::default()).unwrap_or_else(|error| panic!("{error}")).remove(0)
}

fn tpch_text(number: usize) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("benches/tpch/q{number:02}.sql"));
    std::fs::read_to_string(path).unwrap()
}

async fn tpch(gateway: &Arc<Gateway>, config: &Config, folder: &Path, scale: f64) {
    println!("\nTPC-H at scale {scale}: governed against ungoverned, medians of {ROUNDS} rounds in turns");
    let peer = peer(config, folder).await;
    let mut context = local_context(&gateway.serving(), "alice", "retail").unwrap();
    context.search_path = vec!["tpch".into()];
    let engine = GatewayEngine(Arc::clone(gateway));
    println!("  (in parentheses: of that, until the rows begin to be computed)");
    let mut totals = (Spent::default(), Spent::default());
    for number in 1..=22 {
        let text = tpch_text(number);
        let (mut governed, mut ungoverned) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let (with, rows) = run_governed(&engine, &context, &text).await;
            let (without, expected) = run_ungoverned(&peer, &text).await;
            assert_eq!(rows, expected, "query {number} gives other rows when it is governed");
            // The first round warms caches.
            if round > 0 {
                governed.push(with);
                ungoverned.push(without);
            }
        }
        let (with, without) = (Spent::median(&governed), Spent::median(&ungoverned));
        totals.0.add(&with);
        totals.1.add(&without);
        compared(&format!("q{number:02}"), &with, &without);
    }
    compared("all", &totals.0, &totals.1);
}

/// Seconds that one query took.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    until_rows: f64,
    in_all: f64,
}

impl Spent {
    fn median(rounds: &[Self]) -> Self {
        let median = |of: fn(&Self) -> f64| {
            let mut times: Vec<f64> = rounds.iter().map(of).collect();
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        };
        Self { until_rows: median(|spent| spent.until_rows), in_all: median(|spent| spent.in_all) }
    }

    fn add(&mut self, other: &Self) {
        self.until_rows += other.until_rows;
        self.in_all += other.in_all;
    }
}

fn compared(what: &str, with: &Spent, without: &Spent) {
    println!(
        "  {what}  governed {:>8.2} ms ({:>7.2})   ungoverned {:>8.2} ms ({:>7.2})   ratio {:>5.2}",
        with.in_all * 1e3,
        with.until_rows * 1e3,
        without.in_all * 1e3,
        without.until_rows * 1e3,
        with.in_all / without.in_all
    );
}

async fn run_governed(engine: &GatewayEngine, context: &StatementContext, text: &str) -> (Spent, u64) {
    let start = Instant::now();
    let mut budget = ResultBudget::default();
    let statement = one(text);
    let mut rows = engine
        .run(context, &statement, Binding::default(), Purpose::Query, &mut budget)
        .await
        .unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    let until_rows = start.elapsed().as_secs_f64();
    let mut count = 0_u64;
    while let Some(batch) = rows.batches.next().await {
        count += batch.unwrap().count();
    }
    rows.finish(Outcome::Success, count, 0);
    (Spent { until_rows, in_all: start.elapsed().as_secs_f64() }, count)
}

async fn run_ungoverned(peer: &SessionContext, text: &str) -> (Spent, u64) {
    let start = Instant::now();
    let query = peer.sql(text).await.unwrap();
    let context = query.task_ctx();
    let plan = query.create_physical_plan().await.unwrap();
    let until_rows = start.elapsed().as_secs_f64();
    let batches = collect(plan, Arc::new(context)).await.unwrap();
    let count = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    (Spent { until_rows, in_all: start.elapsed().as_secs_f64() }, count)
}

/// DataFusion by itself, with the settings that the gateway gives it.
async fn peer(config: &Config, folder: &Path) -> SessionContext {
    let mut session = SessionConfig::new()
        .with_target_partitions(config.engine.target_partitions)
        .with_batch_size(config.engine.batch_size);
    let options = session.options_mut();
    options.sql_parser.parse_float_as_decimal = true;
    options.execution.parquet.pushdown_filters = true;
    options.execution.parquet.reorder_filters = true;
    let peer = SessionContext::new_with_config(session);
    for table in TABLES {
        let path = folder.join("demo-data/tpch").join(table);
        let path = if path.is_dir() { path } else { path.with_extension("parquet") };
        peer.register_parquet(table, &path.display().to_string(), ParquetReadOptions::default()).await.unwrap();
    }
    peer
}
