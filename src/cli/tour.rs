//! `querygate demo --tour`: a dozen telling statements as two users, with what the gateway made of them.

use super::{Ended, print, serve};
use crate::audit;
use crate::config::Config;
use crate::egress::{Outcome, ResultBudget, RowStream, Rows};
use crate::error::ErrorReport;
use crate::gateway::{Gateway, GatewayEngine, Rehearsal, error_lines, local_context};
use crate::session::{Binding, Engine, Purpose, SessionEvent};
use crate::sql::{ParseBounds, parse};
use arrow::record_batch::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use futures::StreamExt;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// What is shown, in order: who, what for, and the statement.
const STATEMENTS: [(&str, &str, &str); 12] = [
    (
        "alice",
        "An analyst in the EU sees people of the EU, with personal data masked.",
        "SELECT id, name, email, ssn, salary, region FROM people ORDER BY id LIMIT 4",
    ),
    (
        "bob",
        "The same statement, another analyst: other rows.",
        "SELECT id, name, email, ssn, salary, region FROM people ORDER BY id LIMIT 4",
    ),
    (
        "alice",
        "Masks come before everything that the user wrote: a filter on the raw value finds nothing.",
        "SELECT count(*) AS found FROM people WHERE ssn LIKE '123-%'",
    ),
    (
        "bob",
        "Hashes of equal values are equal, so joins and GROUP BY still work on what can't be read.",
        "SELECT p.region, e.kind, count(*) AS events FROM events e JOIN people p ON p.id = e.person_id GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 4",
    ),
    (
        "alice",
        "Aggregates are fine: averages over many people tell nothing of one.",
        "SELECT department, count(*) AS people FROM people GROUP BY department ORDER BY department",
    ),
    ("alice", "Raw data needs an approval: the refusal says whose rule it is and what to do.", "SELECT * FROM payroll"),
    ("bob", "A dataset that one may not know of does not exist.", "SELECT * FROM hr.investigations"),
    (
        "bob",
        "An attempt to make an error speak of a hidden row: there is no hidden row to speak of.",
        "SELECT id FROM people WHERE 1 / (id - 1) > 0 AND region = 'EU' LIMIT 3",
    ),
    (
        "alice",
        "Nothing but governed relations can be named: no files, no engine settings.",
        "SELECT * FROM '/etc/passwd'",
    ),
    (
        "alice",
        "What one may see, as a table.",
        "SELECT name, tier, classification, access FROM querygate.my_datasets ORDER BY name",
    ),
    (
        "bob",
        "Joins over TPC-H run at the engine's own speed.",
        "SELECT n_name, count(*) AS orders, sum(o_totalprice) AS total FROM tpch.orders JOIN tpch.customer ON o_custkey = c_custkey JOIN tpch.nation ON c_nationkey = n_nationkey GROUP BY n_name ORDER BY total DESC LIMIT 4",
    ),
    (
        "alice",
        "What the gateway would do, without doing it.",
        "EXPLAIN (GOVERNANCE) SELECT name, email FROM people WHERE region = 'EU'",
    ),
];

pub(super) async fn run(mut config: Config) -> Ended {
    // A log of its own, empty each time.
    if let Err(error) = std::fs::remove_dir_all(&config.audit_dir)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(format!("{}: {error}", config.audit_dir.display()));
    }
    config.warnings.clear();
    let audit_dir = config.audit_dir.clone();
    let deployment = config.environment.clone();
    let server = serve::start(config).await?;
    let paint = Paint { on: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() };
    print(paint.bold("Querygate: a tour. Two analysts, one gateway, twelve statements."));
    for (number, (user, why, sql)) in STATEMENTS.iter().enumerate() {
        print("");
        print(paint.rule());
        print(format_args!("{} {}", paint.bold(&format!("{:>2}", number + 1)), why));
        print(format_args!("\n{} {}", paint.user(user), paint.bold(sql)));
        show(server.gateway(), &deployment, user, sql, &paint).await?;
        if let Some(line) = last_record(&audit_dir) {
            print(format_args!("{} {}", paint.dim("audit   "), paint.dim(&line)));
        }
    }
    server.stop().await;
    print("");
    print(paint.rule());
    let report = audit::verify(&audit_dir).map_err(|failure| failure.to_string())?;
    print(format_args!(
        "{} {} records of {} statements hold together in {} segment.",
        paint.bold("audit verify:"),
        report.records,
        report.statements,
        report.segments
    ));
    print("Now connect yourself: run the demo without --tour.");
    Ok(ExitCode::SUCCESS)
}

/// Runs one statement as a user would, and prints what came of it.
async fn show(
    gateway: &Arc<Gateway>,
    deployment: &crate::config::Deployment,
    user: &str,
    sql: &str,
    paint: &Paint,
) -> Result<(), String> {
    let context = local_context(&gateway.serving(), user, "retail").map_err(|report| report.to_string())?;
    let engine = GatewayEngine(Arc::clone(gateway));
    let (inner, purpose) = match sql.strip_prefix("EXPLAIN (GOVERNANCE) ") {
        Some(inner) => (inner, Purpose::ExplainGovernance),
        None => (sql, Purpose::Query),
    };
    let statement = match parse(inner, &ParseBounds::default()) {
        Ok(statement) => statement,
        Err(error) => {
            let report = error.report();
            let event = SessionEvent::Unparsed { text: inner, error: &report };
            engine.record(&context, event).await.map_err(|report| report.to_string())?;
            print_error(&report, paint);
            return Ok(());
        }
    };
    let Some(statement) = statement.first() else { return Err("an empty statement".into()) };
    if purpose == Purpose::Query {
        let serving = gateway.serving();
        let rehearsal = Rehearsal { serving: &serving, deployment };
        if let Ok(governed) = rehearsal.govern(user, "retail", None, statement)
            && let Ok(text) = governed.statement.governed_sql()
        {
            for (number, line) in text.lines().enumerate() {
                print(format_args!("{} {line}", paint.dim(if number == 0 { "governed" } else { "        " })));
            }
        }
    }
    let mut budget = ResultBudget::default();
    match engine.run(&context, statement, Binding::default(), purpose, &mut budget).await {
        Ok(rows) => match collect(rows).await {
            Ok(batches) => {
                let table = pretty_format_batches(&batches).map_err(|error| error.to_string())?;
                print(table);
            }
            Err(report) => print_error(&report, paint),
        },
        Err(report) => print_error(&report, paint),
    }
    Ok(())
}

fn print_error(report: &ErrorReport, paint: &Paint) {
    for line in error_lines(report) {
        print(paint.red(&line));
    }
}

async fn collect(mut rows: RowStream) -> Result<Vec<RecordBatch>, ErrorReport> {
    let mut batches = vec![RecordBatch::new_empty(Arc::clone(&rows.schema))];
    let mut count = 0_u64;
    while let Some(batch) = rows.batches.next().await {
        match batch {
            Ok(Rows::Encoded(rows)) => count = count.saturating_add(rows.count()),
            Ok(Rows::Values(batch)) => {
                count = count.saturating_add(batch.num_rows() as u64);
                batches.push(batch);
            }
            Err(report) => {
                rows.finish(Outcome::Failed(report.clone()), count, 0);
                return Err(report);
            }
        }
    }
    let bytes = batches.iter().map(|batch| batch.get_array_memory_size() as u64).sum();
    rows.finish(Outcome::Success, count, bytes);
    Ok(batches)
}

/// The last record of the log, as one line of what matters most.
fn last_record(folder: &Path) -> Option<String> {
    let mut segments: Vec<_> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|of| of == "jsonl"))
        .collect();
    segments.sort();
    let text = std::fs::read_to_string(segments.last()?).ok()?;
    // The record with the statement: what ended it may still be on its way to the disk.
    let line = text.lines().rev().find(|line| line.contains("\"sanitizedQuery\""))?;
    let record: serde_json::Value = serde_json::from_str(line).ok()?;
    let field = |name: &str| record.get(name).and_then(|value| value.as_str()).unwrap_or("-").to_owned();
    let hash: String = field("hash").chars().take(12).collect();
    Some(format!(
        "{} {} {} hash {hash}… {}",
        field("action"),
        field("userId"),
        record.get("result").and_then(|r| r.as_str()).unwrap_or("BEGUN"),
        field("sanitizedQuery")
    ))
}

/// Colours, where the reader can see them.
struct Paint {
    on: bool,
}

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn bold(&self, text: &str) -> String {
        self.with("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.with("2", text)
    }

    fn red(&self, text: &str) -> String {
        self.with("31", text)
    }

    fn user(&self, user: &str) -> String {
        self.with(if user == "alice" { "36" } else { "33" }, &format!("{user}>"))
    }

    fn rule(&self) -> String {
        self.dim(&"─".repeat(100))
    }
}
