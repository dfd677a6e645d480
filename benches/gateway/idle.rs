//! What a connection costs that does nothing: 5,000 of them over 20 upstream ones.

use crate::world::World;
use futures::StreamExt;
use futures::stream;
use tokio_postgres::NoTls;

const CONNECTIONS: u64 = 5000;

pub(crate) async fn run(world: &World) {
    println!("\n{CONNECTIONS} idle connections, each of which has run a statement: memory for one");
    for way in [world.bounced(), world.gated()] {
        let proxy = way.proxy.unwrap();
        let url = way.url();
        let open = |count: u64| {
            let url = &url;
            async move {
                let opened = stream::iter(0..count).map(|number| async move {
                    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
                    tokio::spawn(connection);
                    client
                        .simple_query(&format!("SELECT abalance FROM pgbench_accounts WHERE aid = {}", 1 + number))
                        .await
                        .unwrap();
                    client
                });
                opened.buffer_unordered(16).collect::<Vec<_>>().await
            }
        };
        // Pools, caches and threads are there before the count begins.
        let first = open(50).await;
        let before = proxy.memory();
        let clients = open(CONNECTIONS).await;
        let after = proxy.memory();
        let each = (after.saturating_sub(before)) as f64 / CONNECTIONS as f64;
        println!("  {:<10} {each:>6.1} KiB   ({} -> {} MiB)", way.name, before / 1024, after / 1024);
        drop((first, clients));
    }
}
