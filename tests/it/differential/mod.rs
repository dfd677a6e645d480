//! The gateway against PostgreSQL's own views and row security: every statement of `testdata/differential`, as three
//! users, over a PostgreSQL upstream and over files, answers as the oracle does. What is known to be otherwise is marked
//! in the statements' files, with its reason.

mod compare;
mod generated;
mod statements;
mod worlds;

use crate::case::updating;
use compare::{Outcome, by_value, exactly};
use statements::{Known, Statement, statements};
use std::sync::Arc;
use std::time::Instant;
use worlds::{USERS, Worlds};

/// The most statements that may be refused over an upstream, and over files. Both may only shrink.
const MOST_REFUSED: [usize; 2] = [5, 118];

/// How the two gateways answered one statement.
type Outcomes = [Outcome; 2];

/// All statements as one user.
async fn ask(worlds: &Worlds, user: usize, statements: &[Statement]) -> Vec<Outcomes> {
    let mut connections = worlds.connections(USERS[user]).await;
    let mut outcomes = Vec::new();
    for (index, statement) in statements.iter().enumerate() {
        let sql = &statement.sql;
        let ordered = statement.is_ordered();
        let none = Vec::new();
        let parameters = statement.parameters.as_ref();
        let (oracle, upstream, files) = match parameters {
            None => tokio::join!(
                connections.oracle.query(sql),
                connections.upstream.query(sql),
                connections.files.query(sql)
            ),
            Some(values) => tokio::join!(
                connections.oracle.prepared(sql, values, false),
                connections.upstream.prepared(sql, values, false),
                connections.files.prepared(sql, values, false)
            ),
        };
        let mut over_upstream = exactly(&oracle, &upstream, sql, ordered, false);
        // Each statement once in binary form, and prepared.
        if index % USERS.len() == user && over_upstream == Outcome::Same {
            let values = parameters.unwrap_or(&none);
            let (oracle, upstream) = tokio::join!(
                connections.oracle.prepared(sql, values, true),
                connections.upstream.prepared(sql, values, true)
            );
            over_upstream = exactly(&oracle, &upstream, sql, ordered, true);
        }
        outcomes.push([over_upstream, by_value(&oracle, &files, sql, ordered)]);
    }
    outcomes
}

/// What stands in a statement's mark, and what should.
fn mark(known: &Known, outcome: &Outcome) -> Known {
    match outcome {
        Outcome::Same => Known::Same,
        Outcome::Refused { code, message } => Known::Refused { code: code.clone(), why: message.replace('\n', " ") },
        Outcome::Differs(_) => {
            let told = match known {
                Known::Differs { why } => Some(why.clone()),
                Known::Same | Known::Refused { .. } => None,
            };
            Known::Differs { why: told.unwrap_or_else(|| "?".to_owned()) }
        }
    }
}

fn fits(known: &Known, outcome: &Outcome) -> bool {
    match (known, outcome) {
        (Known::Same, Outcome::Same) => true,
        (Known::Refused { code, .. }, Outcome::Refused { code: found, .. }) => code == found,
        (Known::Differs { why }, Outcome::Differs(_)) => !why.is_empty() && why != "?",
        _otherwise => false,
    }
}

#[test]
fn answers_are_those_of_native_views_and_row_security() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let began = Instant::now();
        let mut statements = statements();
        let worlds = Arc::new(Worlds::new().await);
        let shared: Arc<[Statement]> = statements.clone().into();
        let ready = began.elapsed();
        let tasks: Vec<_> = (0..USERS.len())
            .map(|user| {
                let (worlds, shared) = (Arc::clone(&worlds), Arc::clone(&shared));
                tokio::spawn(async move { ask(&worlds, user, &shared).await })
            })
            .collect();
        let mut merged: Vec<Outcomes> = vec![[Outcome::Same, Outcome::Same]; statements.len()];
        for (task, user) in tasks.into_iter().zip(USERS) {
            for (all, [upstream, files]) in merged.iter_mut().zip(task.await.unwrap()) {
                let by = |outcome: Outcome| match outcome {
                    Outcome::Differs(how) => Outcome::Differs(format!("{user}: {how}")),
                    other => other,
                };
                let [before_upstream, before_files] = all.clone();
                *all = [before_upstream.or(by(upstream)), before_files.or(by(files))];
            }
        }
        let mut wrong = Vec::new();
        for (statement, [upstream, files]) in statements.iter_mut().zip(&merged) {
            let name = statement.name();
            for (engine, known, outcome) in
                [("upstream", &mut statement.upstream, upstream), ("files", &mut statement.files, files)]
            {
                if updating() {
                    *known = mark(known, outcome);
                }
                if !fits(known, outcome) {
                    wrong.push(format!("{name} {engine}: {}\n  is {outcome:?}\n  marked {known:?}", statement.sql));
                }
            }
        }
        if updating() {
            statements::write(&statements);
        }
        let count = |of: fn(&Outcome) -> bool| [0, 1].map(|at| merged.iter().filter(|both| of(&both[at])).count());
        let refused = count(|outcome| matches!(outcome, Outcome::Refused { .. }));
        let differ = count(|outcome| matches!(outcome, Outcome::Differs(_)));
        println!(
            "{} statements as {} users: refused upstream {}, files {}; otherwise upstream {}, files {}; ready in {ready:?}, {:?} in all",
            statements.len(),
            USERS.len(),
            refused[0],
            refused[1],
            differ[0],
            differ[1],
            began.elapsed()
        );
        assert!(wrong.is_empty(), "{} marks do not fit\n{}", wrong.len(), wrong.join("\n"));
        assert!(statements.len() >= 400, "{} statements", statements.len());
        assert!(refused[0] <= MOST_REFUSED[0] && refused[1] <= MOST_REFUSED[1], "more is refused: {refused:?}");
    });
}
