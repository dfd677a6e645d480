//! A PostgreSQL with pgbench's tables, and the ways to it.

use crate::postgres::{Postgres, signal};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// pgbench's scale: 100,000 accounts for each.
pub(crate) const SCALE: u32 = 10;
const PASSWORD: &str = "alice-demo";

const CATALOG: &str = "
sources:
  - {name: bank, kind: postgres, dsn_file: DSN_FILE, pool: {max: 20, queue_timeout_ms: 60000}}
tags:
  AMOUNT: {mask: {name: round, step: 100}}
  FREE_TEXT: {mask: {name: redact}}
datasets:
  - name: public.pgbench_accounts
    source: bank
    relation: public.pgbench_accounts
    tier: SYNTHETIC
    columns: [{name: aid}, {name: bid}, {name: abalance, tags: [AMOUNT]}, {name: filler, tags: [FREE_TEXT]}]
  - name: public.pgbench_branches
    source: bank
    relation: public.pgbench_branches
    tier: SYNTHETIC
    columns: [{name: bid}, {name: bbalance}, {name: filler}]
  - {name: public.big, source: bank, relation: public.big, tier: SYNTHETIC, columns: [{name: id}, {name: a}, {name: b}, {name: note}]}
workspaces:
  - {name: bench, type: AD_HOC, owner: alice, limits: {statements_a_day: 1000000000, concurrent_statements: 10000, max_rows: 1000000000, max_bytes: 1000000000000}}
";

const POLICY: &str = "package analytics.data_access
default allow := false
allow if input.user.id == \"alice\"
row_filters contains {\"expression\": \"bid <= :most\", \"params\": {\"most\": 9}, \"for_columns\": [\"bid\"]} if {
\tinput.dataset.name == \"public.pgbench_accounts\"
}
";

const TABLES: &str = "
CREATE TABLE big AS SELECT n AS id, n * 7 AS a, n::float8 / 3 AS b, repeat('note ', 1 + n % 8) AS note
    FROM generate_series(1, 1000000) AS n;
CREATE VIEW accounts_view WITH (security_barrier) AS
    SELECT aid, bid, (round(abalance / 100.0) * 100)::int AS abalance, '***'::text AS filler
    FROM pgbench_accounts WHERE bid <= 9;
CREATE TABLE accounts_rls (LIKE pgbench_accounts INCLUDING ALL);
INSERT INTO accounts_rls SELECT * FROM pgbench_accounts;
ALTER TABLE accounts_rls ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON accounts_rls USING (bid <= 9);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO trusty;
VACUUM ANALYZE;";

/// A program that was started, and is ended by its id.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// CPU time that it has used, in seconds.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        // Ticks of a hundredth of a second, in user and in kernel mode.
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }

    /// Memory that it holds, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        signal("TERM", self.0.id());
        self.0.wait().unwrap();
    }
}

/// One way to the data.
pub(crate) struct Way<'a> {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    pub(crate) user: &'static str,
    pub(crate) database: &'static str,
    pub(crate) proxy: Option<&'a Process>,
}

impl Way<'_> {
    /// A connection string without TLS: all three are measured alike.
    pub(crate) fn url(&self) -> String {
        format!(
            "host=127.0.0.1 port={} user={} dbname={} password={PASSWORD} sslmode=disable",
            self.port, self.user, self.database
        )
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let found = glob::glob(&format!("/usr/lib/postgresql/*/bin/{program}")).unwrap().filter_map(Result::ok).max();
        let mut command = Command::new(found.expect("PostgreSQL is needed: apt-get install postgresql"));
        command.env("PGHOST", "127.0.0.1").env("PGPORT", self.port.to_string()).env("PGUSER", self.user);
        command.env("PGDATABASE", self.database).env("PGPASSWORD", PASSWORD).env("PGSSLMODE", "disable");
        command.env("PGGSSENCMODE", "disable").stdin(Stdio::null());
        command
    }
}

pub(crate) struct World {
    pub(crate) server: Postgres,
    pub(crate) folder: PathBuf,
    gate: (Process, u16),
    /// The same, with an audit log that is on the disk after at most 100 ms.
    lax_gate: (Process, u16),
    bouncer: (Process, u16),
}

impl World {
    pub(crate) async fn start() -> Self {
        let options = [
            "shared_buffers=512MB",
            "track_activity_query_size=32kB",
            "max_connections=120",
            "max_wal_size=4GB",
            "jit=off",
            "ssl=off",
        ];
        let server = Postgres::start_with(&options);
        let folder = tempfile::Builder::new().prefix("querygate-bench-").tempdir().unwrap().keep();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        let made = Way { name: "", port: server.port, user: "postgres", database: "postgres", proxy: None }
            .command("pgbench")
            .env("PGHOST", server.socket_folder())
            .args(["-i", "-q", "-s", &SCALE.to_string()])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        for statement in TABLES.split_inclusive(';').filter(|statement| !statement.trim().is_empty()) {
            server.admin().await.batch_execute(statement).await.unwrap();
        }
        let bouncer = bouncer(&folder, &server);
        write_gate(&folder, &server);
        let (lax_gate, gate) = (gate(&folder, "100"), gate(&folder, "0"));
        Self { server, folder, gate, lax_gate, bouncer }
    }

    pub(crate) fn direct(&self) -> Way<'_> {
        Way { name: "direct", port: self.server.port, user: "trusty", database: "postgres", proxy: None }
    }

    pub(crate) fn gated(&self) -> Way<'_> {
        let (proxy, port) = &self.gate;
        Way { name: "querygate", port: *port, user: "alice", database: "bench", proxy: Some(proxy) }
    }

    pub(crate) fn gated_laxly(&self) -> Way<'_> {
        let (proxy, port) = &self.lax_gate;
        Way { name: "audit 100 ms", port: *port, user: "alice", database: "bench", proxy: Some(proxy) }
    }

    pub(crate) fn bounced(&self) -> Way<'_> {
        let (proxy, port) = &self.bouncer;
        Way { name: "pgbouncer", port: *port, user: "trusty", database: "postgres", proxy: Some(proxy) }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A program that ends when this one is killed.
fn dying_with_us(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", program]);
    command
}

/// Catalog and policies.
fn write_gate(folder: &Path, server: &Postgres) {
    for part in ["catalog", "policies"] {
        std::fs::create_dir_all(folder.join(part)).unwrap();
    }
    let dsn = folder.join("dsn");
    std::fs::write(&dsn, format!("postgres://trusty@127.0.0.1:{}/postgres?sslmode=disable", server.port)).unwrap();
    let catalog = CATALOG.replace("DSN_FILE", &dsn.display().to_string());
    std::fs::write(folder.join("catalog/catalog.yaml"), catalog).unwrap();
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog/users.yaml"), folder.join("catalog/users.yaml"))
        .unwrap();
    std::fs::write(folder.join("policies/access.rego"), POLICY).unwrap();
}

/// A gateway whose records may be with the operating system alone for so many milliseconds.
fn gate(folder: &Path, audit_sync: &str) -> (Process, u16) {
    let mut child = dying_with_us(env!("CARGO_BIN_EXE_querygate"))
        .arg("serve")
        .current_dir(folder)
        .env("QUERYGATE_CATALOG_DIR", folder.join("catalog"))
        .env("QUERYGATE_POLICIES_DIR", folder.join("policies"))
        .env("QUERYGATE_AUDIT_DIR", folder.join(format!("audit-{audit_sync}")))
        .env("QUERYGATE_AUDIT_SYNC_MS", audit_sync)
        .env("QUERYGATE_LISTEN", "127.0.0.1:0")
        .env("QUERYGATE_TLS_MODE", "off")
        .env("QUERYGATE_LIMITS_MAX_CONNECTIONS", "10000")
        .env("QUERYGATE_HASH_KEY", "ab".repeat(32))
        .env("QUERYGATE_LOG", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let line = out.lines().map_while(Result::ok).find(|line| line.contains("listens on")).expect("it says where");
    let port = line.rsplit(':').next().unwrap().trim().parse().unwrap();
    (Process(child), port)
}

fn bouncer(folder: &Path, server: &Postgres) -> (Process, u16) {
    let port = free_port();
    let ini = folder.join("pgbouncer.ini");
    let users = folder.join("users.txt");
    std::fs::write(&users, "\"trusty\" \"\"\n").unwrap();
    std::fs::write(
        &ini,
        format!(
            "[databases]\npostgres = host=127.0.0.1 port={} user=trusty\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\n\
             default_pool_size = 20\nmax_client_conn = 10000\nlog_connections = 0\nlog_disconnections = 0\n",
            server.port,
            users.display()
        ),
    )
    .unwrap();
    let mut command = dying_with_us("/usr/sbin/pgbouncer");
    command.arg(&ini);
    // It refuses to run as root.
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.args(["-u", "postgres"]);
        let owner = std::fs::metadata(server.file("data")).unwrap();
        for file in [&ini, &users] {
            chown(file, Some(owner.uid()), Some(owner.gid())).unwrap();
        }
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let child = child.expect("PgBouncer is needed: apt-get install pgbouncer");
    let began = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "pgbouncer does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    (Process(child), port)
}
