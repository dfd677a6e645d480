//! Point lookups: `pgbench -S`'s statement, by each protocol, at several numbers of clients.

use crate::world::{SCALE, Way, World};
use std::path::Path;

const ROUNDS: usize = 3;
const SCRIPT: &str = "\\set aid random(1, 100000 * :scale)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n";

/// What one run of pgbench gave.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Transactions in a second.
    pub(crate) rate: f64,
    /// The time within which 99 of 100 were done, in milliseconds.
    pub p99: f64,
    /// The proxy's CPU time for one transaction, in microseconds.
    pub(crate) cpu: f64,
}

/// Runs a script for some seconds.
pub(crate) fn pgbench(way: &Way<'_>, folder: &Path, script: &str, mode: &str, clients: usize, seconds: u64) -> Load {
    let (script_file, log) = (folder.join("script.sql"), folder.join("latency"));
    std::fs::write(&script_file, script).unwrap();
    let logs = || glob::glob(&format!("{}.*", log.display())).unwrap().filter_map(Result::ok);
    logs().for_each(|old| std::fs::remove_file(old).unwrap());
    let before = way.proxy.map_or(0.0, |proxy| proxy.cpu());
    let said = way
        .command("pgbench")
        .args(["-n", "-M", mode, "-T", &seconds.to_string(), "-c", &clients.to_string()])
        .args(["-D", &format!("scale={SCALE}"), "-l", "--log-prefix"])
        .arg(&log)
        .arg("-f")
        .arg(&script_file)
        .output()
        .unwrap();
    let cpu = way.proxy.map_or(0.0, |proxy| proxy.cpu()) - before;
    let words = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success(), "{words}{}", String::from_utf8_lossy(&said.stderr));
    let after = |label: &str| words.lines().find_map(|line| line.trim().strip_prefix(label)).map(str::trim);
    let rate = after("tps =").unwrap().split(' ').next().unwrap().parse().unwrap();
    let done: f64 = after("number of transactions actually processed:").unwrap().parse().unwrap();
    let mut times: Vec<f64> = logs()
        .flat_map(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            let times = text.lines().map(|line| line.split(' ').nth(2).unwrap().parse::<f64>().unwrap() / 1000.0);
            times.collect::<Vec<_>>()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let p99 = times[(times.len() - 1) * 99 / 100];
    Load { rate, p99, cpu: cpu * 1e6 / done }
}

/// The middle one by rate.
pub(crate) fn middle(mut loads: Vec<Load>) -> Load {
    loads.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    loads[loads.len() / 2]
}

pub(crate) fn run(world: &World, seconds: u64) {
    println!("\npoint lookups: transactions a second, p99, the proxy's CPU for one; ratios to PgBouncer");
    for mode in ["simple", "extended", "prepared"] {
        for clients in [1, 8, 32] {
            let mut ways = vec![world.direct(), world.gated(), world.gated_laxly()];
            // Its transaction pooling has prepared statements from version 1.21 on.
            if mode != "prepared" {
                ways.insert(1, world.bounced());
            }
            let mut loads = vec![Vec::new(); ways.len()];
            for _ in 0..ROUNDS {
                for (way, loads) in ways.iter().zip(&mut loads) {
                    loads.push(pgbench(way, &world.folder, SCRIPT, mode, clients, seconds));
                }
            }
            let loads: Vec<Load> = loads.into_iter().map(middle).collect();
            let peer = loads[usize::from(mode != "prepared")];
            for (way, load) in ways.iter().zip(&loads) {
                println!(
                    "  {mode:<9} {clients:>2} clients  {:<12} {:>8.0}/s ({:.2})   p99 {:>7.3} ms ({:.2})   {:>6.1} us CPU",
                    way.name,
                    load.rate,
                    load.rate / peer.rate,
                    load.p99,
                    load.p99 / peer.p99,
                    load.cpu
                );
            }
        }
    }
}
