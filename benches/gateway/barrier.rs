//! What governing costs in the server: the text that is forwarded, beside a view with `security_barrier` and row-level
//! security of the same meaning, all sent directly.

use crate::lookups::{Load, middle, pgbench};
use crate::world::World;
use tokio_postgres::NoTls;

const ROUNDS: usize = 3;

/// A statement over `{}`, which stands for the table, with `:aid` somewhere.
const STATEMENTS: [(&str, &str); 4] = [
    ("lookup", "SELECT abalance FROM {} WHERE aid = :aid"),
    ("join", "SELECT b.bbalance, a.abalance FROM {} a JOIN pgbench_branches b ON b.bid = a.bid WHERE a.aid = :aid"),
    ("first ten", "SELECT aid, abalance FROM {} WHERE aid > :aid ORDER BY aid LIMIT 10"),
    ("aggregate", "SELECT bid, count(*) FROM {} WHERE aid > :aid GROUP BY bid"),
];

pub(crate) async fn run(world: &World, seconds: u64) {
    println!("\nin the server, 1 client: transactions a second (ratio to the plain table)");
    let (client, connection) = tokio_postgres::connect(&world.gated().url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    for (name, statement) in STATEMENTS {
        let forwarded = forwarded(world, &client, &statement.replace("{}", "pgbench_accounts")).await;
        let texts = [
            ("plain table", statement.replace("{}", "pgbench_accounts")),
            ("row security", statement.replace("{}", "accounts_rls")),
            ("barrier view", statement.replace("{}", "accounts_view")),
            ("forwarded", forwarded),
        ];
        for mode in ["simple", "prepared"] {
            let mut loads = vec![Vec::new(); texts.len()];
            for _ in 0..ROUNDS {
                for ((_, text), loads) in texts.iter().zip(&mut loads) {
                    let script = format!("\\set aid random(1, 1000000)\n{text};\n");
                    loads.push(pgbench(&world.direct(), &world.folder, &script, mode, 1, seconds));
                }
            }
            let loads: Vec<Load> = loads.into_iter().map(middle).collect();
            for ((form, _), load) in texts.iter().zip(&loads) {
                println!("  {name:<10} {mode:<9} {form:<13} {:>8.1}/s ({:.2})", load.rate, load.rate / loads[0].rate);
            }
        }
    }
}

/// What the gateway sends for a statement, as the server saw it.
async fn forwarded(world: &World, client: &tokio_postgres::Client, statement: &str) -> String {
    // A number that is in nothing else of the text.
    client.simple_query(&statement.replace(":aid", "987654")).await.unwrap();
    let seen = "SELECT query FROM pg_stat_activity WHERE usename = 'trusty' AND query LIKE '%pgbench_accounts%' \
        AND query LIKE '%__querygate%' ORDER BY query_start DESC LIMIT 1";
    let text: String = world.server.admin().await.query_one(seen, &[]).await.unwrap().get(0);
    let given = if text.contains("987654") { "987654" } else { "$1" };
    text.replace(given, ":aid")
}
