//! Statements that would take more memory than there is, run by a gateway that has a cap and dies of it.

use crate::fixture;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// Kilobytes of address space: many times what the engine may use, much less than what the statements ask for.
const CAP: u32 = 3_000_000;

/// A gateway in a process of its own, whose engine has 64 MB.
struct Capped {
    process: Child,
    address: SocketAddr,
}

impl Capped {
    fn start() -> Self {
        let audit = tempfile::tempdir().unwrap().keep();
        let mut process = Command::new("sh")
            .args(["-c", &format!("ulimit -v {CAP} && exec \"$0\" serve"), env!("CARGO_BIN_EXE_querygate")])
            .current_dir(fixture::demo_folder())
            .envs(fixture::variables(fixture::demo_folder(), &audit))
            .env("QUERYGATE_ENGINE_MEMORY_BYTES", "64 MB")
            .env("QUERYGATE_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{line:?}"));
        Self { process, address }
    }
}

impl Drop for Capped {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_takes_more_than_the_engine_has() {
    let gate = Capped::start();
    let client = fixture::connect(gate.address, "bob", "retail").await.unwrap();
    let named =
        |most: usize, of: &str| (0..most).map(|n| of.replace('#', &n.to_string())).collect::<Vec<_>>().join(", ");
    let wide = named(60, "repeat('x', 10000) || n || '#' AS c#");
    let constants = named(60, "repeat('x', 9000) AS c#");
    let most = named(60, "max(repeat('x', 10000) || n || '#')");
    let list = "SELECT array_agg(n) AS l FROM generate_series(1, 100000) g(n)";
    let long = "replace(repeat('x', 10000), 'x', repeat('y', 90) || n)";
    let (two, names) = (named(11, "n % 2 AS c#"), named(11, "c#"));
    let (wider, wider_names) = (named(40, "n % 2 AS c#"), named(40, "c#"));
    let too_large = "54000";
    let no_memory = "53200";
    let cases = [
        // One value beside many rows: a list, a text, in each kind of join.
        (format!("SELECT max(array_length(l, 1) + x) FROM ({list}) u, generate_series(1, 100000) x"), Err(too_large)),
        (format!("SELECT max(array_length(l, 1)) FROM ({list}) u JOIN generate_series(1, 100000) x ON x > l[1]"), Err(too_large)),
        (
            format!("SELECT max(array_length(l, 1)) FROM (SELECT l, l[1] AS k FROM ({list}) t) u JOIN generate_series(1, 100000) x ON x % 1 = k * 0"),
            Err(too_large),
        ),
        (
            "SELECT max(length(y) + x) FROM (SELECT string_agg(n::text, ',') AS y FROM generate_series(1, 100000) g(n)) u, generate_series(1, 100000) x".to_owned(),
            Err(too_large),
        ),
        ("SELECT max(length(y) + x) FROM (SELECT repeat('x', 10000) || n AS y FROM generate_series(1, 3) g(n)) u, generate_series(1, 100000) x".to_owned(), Ok("110001")),
        // Lists that are unnested beside something long, and long ones.
        (format!("SELECT count(x), max(length(y)) FROM (SELECT unnest(string_to_array(repeat('a,', 10000), ',')) x, {long} y FROM generate_series(1, 9) g(n)) t"), Err(too_large)),
        ("SELECT count(x), max(length(y)) FROM (SELECT unnest(string_to_array(repeat('a,', 10000), ',')) x, repeat('y', 10000) || n y FROM generate_series(1, 9) g(n)) t".to_owned(), Ok("90009")),
        (format!("SELECT count(x), sum(x) FROM (SELECT unnest(l) x FROM ({list}) u) t"), Ok("100000")),
        ("SELECT count(*) FROM (SELECT unnest(ARRAY[n, n, n, n]) FROM generate_series(1, 1000000) g(n)) t".to_owned(), Ok("4000000")),
        // Many columns of texts in one batch.
        (format!("SELECT count(*) FROM (SELECT {wide} FROM generate_series(1, 4000) g(n)) t WHERE c0 <> c1"), Ok("4000")),
        (format!("SELECT {most} FROM generate_series(1, 4000) g(n)"), Ok("x")),
        (format!("SELECT {constants} FROM generate_series(1, 400)"), Ok("x")),
        // Each row once for each grouping set.
        (format!("SELECT count(*) FROM (SELECT 1 FROM (SELECT {two} FROM generate_series(1, 8192) g(n)) t GROUP BY CUBE ({names})) u"), Ok("4095")),
        (format!("SELECT count(*) FROM (SELECT {wider} FROM generate_series(1, 3) g(n)) t GROUP BY CUBE ({wider_names})"), Err("54001")),
        // Windows whose values add up.
        ("SELECT max(array_length(l, 1)) FROM (SELECT array_agg(n) OVER (ORDER BY n) l FROM generate_series(1, 60000) g(n)) t".to_owned(), Err(no_memory)),
        ("SELECT max(array_length(l, 1)) FROM (SELECT array_agg(n) OVER () l FROM generate_series(1, 60000) g(n)) t".to_owned(), Err(no_memory)),
        (
            "SELECT max(length(l)) FROM (SELECT max(y) OVER () l FROM (SELECT CASE WHEN n = 1 THEN repeat('x', 10000) || n ELSE '' END y FROM generate_series(1, 600000) g(n)) u) t".to_owned(),
            Err(no_memory),
        ),
        ("SELECT max(array_length(l, 1)) FROM (SELECT array_agg(n) OVER (PARTITION BY n % 10) l FROM generate_series(1, 1000) g(n)) t".to_owned(), Ok("100")),
    ];
    for (sql, expected) in cases {
        let short: String = sql.chars().take(150).collect();
        let told = client.ask(&sql).await;
        match expected {
            Ok(value) => {
                assert_eq!(told.error, None, "{short}: {:.300}", told.words);
                let first = told.rows[0][0].clone().unwrap();
                assert!(if value == "x" { first.starts_with("xxx") } else { first == value }, "{short}: {first:.40}");
            }
            Err(code) => assert_eq!(told.error.as_deref(), Some(code), "{short}: {:.300}", told.words),
        }
        assert_eq!(client.ask("SELECT 1").await.rows.len(), 1, "{short}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grouping_sets_take_a_batch_at_a_time() {
    let gate = Capped::start();
    let client = fixture::connect(gate.address, "bob", "retail").await.unwrap();
    client.ask("SET statement_timeout = '4s'").await;
    let columns = (0..11).map(|n| format!("n + {n} AS c{n}")).collect::<Vec<_>>().join(", ");
    let names = (0..11).map(|n| format!("c{n}")).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT count(*) FROM (SELECT 1 FROM (SELECT {columns} FROM generate_series(1, 40000) g(n)) t GROUP BY CUBE ({names})) u"
    );
    // However far it comes.
    let told = client.ask(&sql).await;
    assert!(matches!(told.error.as_deref(), Some("53200" | "57014")), "{told:?}");
    assert_eq!(client.ask("SELECT 1").await.rows.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_larger_than_memory_is_read_again_and_right() {
    let gate = fixture::gate_with(fixture::demo_folder(), |config| config.engine.memory_bytes = 32 << 20).await;
    let client = gate.connect("bob").await;
    for (sql, count) in [
        (
            "SELECT count(*) FROM generate_series(1, 1000) a CROSS JOIN generate_series(1, 1000) b CROSS JOIN generate_series(1, 30) c WHERE a + b + c <= 4",
            "4",
        ),
        (
            "SELECT count(*) FROM (SELECT a FROM generate_series(1, 3000000) a GROUP BY a) t JOIN generate_series(1, 2) b ON a <= b",
            "3",
        ),
        ("SELECT count(*) FROM generate_series(1, 3000000) a JOIN generate_series(1, 2) b ON a <= b", "3"),
    ] {
        let told = client.ask(sql).await;
        assert_eq!(told.error, None, "{sql}: {}", told.words);
        assert_eq!(told.rows, [[Some(count.to_owned())]], "{sql}");
    }
}
