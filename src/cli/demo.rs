//! `querygate demo`: data, a certificate, and a gateway over them, with one command.

use super::{ConfigArgs, Ended, print, runtime, serve, tour};
use crate::config::{Config, TlsMode};
use crate::demo::data::{DemoDataOptions, generate};
use crate::wire::tls;
use clap::Args;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How to show the gateway.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Show what the gateway does, here on the terminal, and end.
    #[arg(long)]
    tour: bool,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:6432")]
    listen: SocketAddr,
    /// TPC-H scale factor: 1 is about 1 GB as text.
    #[arg(long, default_value_t = 0.01)]
    scale: f64,
    /// The folder that holds catalog/ and policies/, and gets demo-data/ and demo-state/.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    dir: PathBuf,
}

pub(super) fn run(args: &DemoArgs) -> Ended {
    let mut config = serve::config(&ConfigArgs { config: None })?;
    config.catalog_dir = args.dir.join("catalog");
    config.policies_dir = args.dir.join("policies");
    config.audit_dir = args.dir.join("demo-state").join(if args.tour { "tour-audit" } else { "audit" });
    config.listen = args.listen;
    config.log_level = if args.tour { "error".into() } else { "warn".into() };
    // The demo's own key; a real gateway has its own (hash_key_file).
    config.warnings.clear();
    config.hash_key.made_at_start = false;
    if !config.catalog_dir.is_dir() {
        return Err(format!(
            "{} is not here: run the demo in a clone of the repository, or give --dir",
            config.catalog_dir.display()
        ));
    }
    crate::server::start_logging(&config);
    let data = args.dir.join("demo-data");
    let options = DemoDataOptions { scale: args.scale };
    generate(&data, &options).map_err(|error| format!("demo data can't be made in {}: {error}", data.display()))?;
    if args.tour {
        config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        return runtime()?.block_on(tour::run(config));
    }
    certificate(&mut config, &args.dir.join("demo-state"))?;
    runtime()?.block_on(async {
        let server = serve::start(config).await?;
        print(welcome(server.address()));
        server.run_until_told().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// A self-signed certificate, made once and kept.
fn certificate(config: &mut Config, folder: &Path) -> Result<(), String> {
    let (cert, key) = (folder.join("server.crt"), folder.join("server.key"));
    if !cert.is_file() || !key.is_file() {
        let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
        let (cert_pem, key_pem) = tls::demo_certificate().map_err(|error| error.to_string())?;
        std::fs::create_dir_all(folder).map_err(wrong)?;
        std::fs::write(&cert, cert_pem).map_err(wrong)?;
        use std::os::unix::fs::OpenOptionsExt;
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&key)
            .map_err(wrong)?;
        file.write_all(key_pem.as_bytes()).map_err(wrong)?;
    }
    config.tls.mode = TlsMode::Allow;
    config.tls.cert = Some(cert);
    config.tls.key = Some(key);
    Ok(())
}

fn welcome(address: SocketAddr) -> String {
    let (host, port) = (address.ip(), address.port());
    format!(
        r#"Querygate serves the demo on {address}. Stop it with Ctrl-C.

  alice, analyst in the EU      PGPASSWORD=alice-demo psql "host={host} port={port} dbname=retail user=alice"
  bob, analyst in the US        PGPASSWORD=bob-demo   psql "host={host} port={port} dbname=retail user=bob"
  dana, data scientist          PGPASSWORD=dana-demo  psql "host={host} port={port} dbname=retail user=dana"

  JDBC     jdbc:postgresql://{host}:{port}/retail?user=alice&password=alice-demo&sslmode=require
  Python   psycopg.connect("postgresql://alice:alice-demo@{host}:{port}/retail")

Try, first as alice, then as bob:

  SELECT id, name, email, ssn, salary, region FROM people ORDER BY id LIMIT 5;
  SELECT region, count(*), avg(salary) FROM people GROUP BY region;
  SELECT * FROM payroll;                          -- refused, and says why and what to do
  EXPLAIN (GOVERNANCE) SELECT name, email FROM people;
  SELECT * FROM querygate.my_datasets;
  SELECT n_name, sum(o_totalprice) FROM tpch.orders JOIN tpch.customer ON o_custkey = c_custkey
    JOIN tpch.nation ON c_nationkey = n_nationkey GROUP BY 1 ORDER BY 2 DESC LIMIT 5;

Each statement is in demo-state/audit; prove the log with: querygate audit verify --dir demo-state/audit
"#
    )
}
