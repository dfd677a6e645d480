//! A million rows, by SELECT and by COPY.

use crate::world::World;
use futures::StreamExt;
use std::time::Instant;
use tokio_postgres::NoTls;

const ROUNDS: usize = 5;

pub(crate) async fn run(world: &World) {
    println!(
        "\na million rows: MB a second (ratio to direct), the proxy's CPU seconds for a GB, its memory before and after"
    );
    for what in ["select", "copy"] {
        let ways = [world.direct(), world.bounced(), world.gated()];
        let mut best = [(0.0_f64, 0.0, 0, 0); 3];
        for _ in 0..ROUNDS {
            for (way, best) in ways.iter().zip(&mut best) {
                let cpu = way.proxy.map_or(0.0, |proxy| proxy.cpu());
                let held = way.proxy.map_or(0, |proxy| proxy.memory());
                let (client, connection) = tokio_postgres::connect(&way.url(), NoTls).await.unwrap();
                tokio::spawn(connection);
                let start = Instant::now();
                let bytes = if what == "copy" { copied(&client).await } else { selected(&client).await };
                let rate = bytes as f64 / 1e6 / start.elapsed().as_secs_f64();
                drop(client);
                let cpu = way.proxy.map_or(0.0, |proxy| proxy.cpu()) - cpu;
                if rate > best.0 {
                    *best = (rate, cpu / (bytes as f64 / 1e9), held, way.proxy.map_or(0, |proxy| proxy.memory()));
                }
            }
        }
        for (way, (rate, cpu, before, after)) in ways.iter().zip(&best) {
            println!(
                "  {what:<7} {:<10} {rate:>7.0} MB/s ({:.2})   {cpu:>5.2} s/GB   {:>4} -> {:>4} MiB",
                way.name,
                rate / best[0].0,
                before / 1024,
                after / 1024
            );
        }
    }
}

async fn copied(client: &tokio_postgres::Client) -> usize {
    let mut rows = Box::pin(client.copy_out("COPY (SELECT id, a, b, note FROM big) TO STDOUT").await.unwrap());
    let mut bytes = 0;
    while let Some(chunk) = rows.next().await {
        bytes += chunk.unwrap().len();
    }
    bytes
}

/// Bytes of the values, and the four that go before each.
async fn selected(client: &tokio_postgres::Client) -> usize {
    let rows = client.simple_query_raw("SELECT id, a, b, note FROM big").await.unwrap();
    let mut rows = Box::pin(rows);
    let mut bytes = 0;
    while let Some(message) = rows.next().await {
        if let tokio_postgres::SimpleQueryMessage::Row(row) = message.unwrap() {
            bytes += (0..row.len()).map(|at| 4 + row.get(at).map_or(0, str::len)).sum::<usize>() + 7;
        }
    }
    bytes
}
