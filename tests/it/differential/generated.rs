//! Statements from a seed, asked of the oracle and of the gateway in front of an upstream: `QUERYGATE_ORACLE=5000` for more.

use super::compare::{Outcome, exactly};
use super::worlds::{USERS, Worlds};
use crate::raw::{Raw, Reply};
use crate::twins::generator::{Generator, Kind, Table};

/// What each user may name.
const TABLES: &[Table] = &[
    Table {
        name: "people",
        columns: &[
            ("id", Kind::Int),
            ("name", Kind::Text),
            ("email", Kind::Text),
            ("ssn", Kind::Text),
            ("phone", Kind::Text),
            ("region", Kind::Text),
            ("dept", Kind::Int),
            ("salary", Kind::Number),
            ("score", Kind::Float),
            ("born", Kind::Date),
            ("created", Kind::Stamp),
            ("active", Kind::Bool),
            ("marks", Kind::Ints),
            ("tags", Kind::Texts),
        ],
    },
    Table {
        name: "orders",
        columns: &[
            ("id", Kind::Int),
            ("person", Kind::Int),
            ("day", Kind::Date),
            ("amount", Kind::Number),
            ("qty", Kind::Int),
            ("status", Kind::Text),
        ],
    },
];

/// Ways for PostgreSQL to come to the same answer: what is another answer by another way is not fixed by the statement.
const PLANS: [[&str; 2]; 4] = [
    ["enable_hashjoin = off", "enable_mergejoin = off"],
    ["enable_nestloop = off", "enable_memoize = off"],
    ["enable_hashagg = off", "enable_sort = off"],
    ["join_collapse_limit = 1", "from_collapse_limit = 1"],
];

/// Whether the statement leaves open which rows it means.
fn is_open(sql: &str) -> bool {
    sql.contains(" LIMIT 1)") || sql.contains(" LIMIT 40)")
}

/// An error of a value: whether it is met is for the plan to say.
fn fails_on_a_value(reply: &Reply) -> bool {
    reply.error().is_some_and(|code| code.starts_with("22") || code == "21000")
}

/// Whether another plan of the oracle's gives the gateway's answer.
async fn is_by_plan(oracle: &mut Raw, gateway: &Reply, sql: &str) -> bool {
    let mut found = false;
    for plan in PLANS {
        // Until the answer is there.
        let [one, two] = plan.map(|setting| format!("SET LOCAL {setting}"));
        oracle.query(&format!("BEGIN; {one}; {two}")).await;
        let other = oracle.query(sql).await;
        oracle.query("ROLLBACK").await;
        found |= exactly(&other, gateway, sql, false, false) == Outcome::Same;
    }
    found
}

/// A column that is guarded is an expression, and has no length: `varchar` in place of `varchar(60)`.
fn is_without_lengths(oracle: &Reply, gateway: &Reply) -> bool {
    let columns =
        |reply: &Reply| reply.columns().into_iter().map(|column| (column.name, column.oid)).collect::<Vec<_>>();
    let rows = |reply: &Reply| {
        let mut rows = reply.rows();
        rows.sort();
        rows
    };
    let loses =
        oracle.columns().iter().zip(gateway.columns()).all(|(of, one)| [of.modifier, -1].contains(&one.modifier));
    gateway.error().is_none() && loses && columns(oracle) == columns(gateway) && rows(oracle) == rows(gateway)
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_statements_are_answered_as_the_oracle_answers() {
    let dose: usize = std::env::var("QUERYGATE_ORACLE").ok().map_or(60, |dose| dose.parse().unwrap());
    let worlds = Worlds::new().await;
    let (mut same, mut by_plan, mut refused, mut shorter, mut wrong) = (0, 0, 0, 0, Vec::new());
    for (seed, user) in (41..).zip(USERS) {
        let mut connections = worlds.connections(user).await;
        let mut generator = Generator::new(seed, TABLES);
        for _ in 0..dose {
            let sql = std::iter::repeat_with(|| generator.statement()).find(|sql| !is_open(sql)).unwrap();
            let (oracle, gateway) = tokio::join!(connections.oracle.query(&sql), connections.upstream.query(&sql));
            match exactly(&oracle, &gateway, &sql, false, false) {
                Outcome::Same => same += 1,
                Outcome::Differs(_) if is_without_lengths(&oracle, &gateway) => shorter += 1,
                Outcome::Refused { code, .. } if code == "0A000" || code == "42883" => refused += 1,
                // Which value an expression meets first, or whether at all, is for the plan to say; that it is none that is
                // hidden is what twins show.
                Outcome::Refused { .. } | Outcome::Differs(_)
                    if fails_on_a_value(&oracle) || fails_on_a_value(&gateway) =>
                {
                    by_plan += 1;
                }
                Outcome::Refused { .. } | Outcome::Differs(_)
                    if is_by_plan(&mut connections.oracle, &gateway, &sql).await =>
                {
                    by_plan += 1;
                }
                other => wrong.push(format!("{user}: {sql}\n  {other:?}")),
            }
        }
    }
    println!(
        "{same} answered alike, {shorter} without a length, {by_plan} as the plan has it, {refused} refused, {} otherwise",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{} statements\n{}", wrong.len(), wrong[..wrong.len().min(8)].join("\n"));
    assert!(same * 10 > dose * USERS.len() * 9, "{same} answered alike, {by_plan} by their plan, {refused} refused");
}
