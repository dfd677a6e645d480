//! A PostgreSQL server of a test's own: on a free loopback port, as an unprivileged user, with TLS and a user for each way
//! to log in. It is stopped by its process id when it is dropped, and dies with the thread that started it.

use querygate::execute::upstream::Dsn;
use querygate::execute::upstream::dsn;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

const SETUP: &str = "\
    SET password_encryption = 'scram-sha-256'\n\
    CREATE ROLE scram LOGIN PASSWORD 'sesame'\n\
    CREATE ROLE clear LOGIN PASSWORD 'sesame'\n\
    CREATE ROLE trusty LOGIN\n\
    SET password_encryption = 'md5'\n\
    CREATE ROLE old LOGIN PASSWORD 'sesame'\n\
    CREATE ROLE odd LOGIN\n\
    ALTER ROLE odd SET search_path = 'evil'\n\
    ALTER ROLE odd SET datestyle = 'German, DMY'\n\
    ALTER ROLE odd SET timezone = 'Asia/Tokyo'\n\
    ALTER ROLE odd SET standard_conforming_strings = off\n\
    ALTER ROLE odd SET default_transaction_read_only = off\n\
    ALTER ROLE odd SET row_security = off\n\
    ALTER ROLE odd SET transform_null_equals = on\n\
    ALTER ROLE odd SET bytea_output = 'escape'\n\
    ALTER ROLE odd SET client_encoding = 'LATIN1'\n";

const LOGINS: &str = "\
    local all all trust\n\
    host all scram all scram-sha-256\n\
    host all clear all password\n\
    host all old all md5\n\
    host all trusty all trust\n\
    host all odd all trust\n";

pub struct Postgres {
    _template: Arc<Template>,
    home: PathBuf,
    pub port: u16,
    server: Option<Child>,
    options: Vec<String>,
}

/// The programs of the newest version that is there.
fn program(name: &str) -> PathBuf {
    let found = glob::glob("/usr/lib/postgresql/*/bin/initdb").unwrap().filter_map(Result::ok).max();
    found.expect("PostgreSQL's server is needed: apt-get install postgresql").with_file_name(name)
}

/// The server refuses to run as root: then it runs as the user that its package made.
fn unprivileged() -> Option<(u32, u32)> {
    let id = |of: &[&str]| -> u32 {
        let said = Command::new("id").args(of).output().unwrap().stdout;
        String::from_utf8(said).unwrap().trim().parse().unwrap()
    };
    (id(&["-u"]) == 0).then(|| (id(&["-u", "postgres"]), id(&["-g", "postgres"])))
}

fn command(name: &str) -> Command {
    let mut command = Command::new("setpriv");
    // Should this thread be killed, its server goes too: INT is PostgreSQL's fast shutdown.
    command.args(["--pdeathsig", "INT"]);
    if let Some((user, group)) = unprivileged() {
        command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
    }
    command.arg(program(name)).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn give_away(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    if let Some((user, group)) = unprivileged() {
        chown(path, Some(user), Some(group)).unwrap();
    }
}

fn certificates(home: &Path) {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        (certificate.pem(), Issuer::new(params, key))
    };
    let (root, issuer) = authority("the right authority");
    let (other, _) = authority("another authority");
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let files = [
        ("root.pem", root),
        ("other.pem", other),
        ("server.pem", certificate.pem()),
        ("server.key", key.serialize_pem()),
    ];
    for (name, text) in files {
        std::fs::write(home.join(name), text).unwrap();
        give_away(&home.join(name), if name == "server.key" { 0o600 } else { 0o644 });
    }
}

/// A folder with certificates and a database cluster. It goes with the last server that was made from it.
struct Template(PathBuf);

impl Drop for Template {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The template that others use, or a new one.
fn template() -> Arc<Template> {
    static TEMPLATE: Mutex<Weak<Template>> = Mutex::new(Weak::new());
    let mut held = TEMPLATE.lock().unwrap_or_else(PoisonError::into_inner);
    held.upgrade().unwrap_or_else(|| {
        let home = tempfile::Builder::new().prefix("querygate-pg-").tempdir().unwrap().keep();
        give_away(&home, 0o755);
        certificates(&home);
        let data = home.join("data");
        let made = command("initdb")
            .args(["--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8", "--username=postgres", "--pgdata"])
            .arg(&data)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::write(data.join("pg_hba.conf"), LOGINS).unwrap();
        let mut single = command("postgres")
            .args(["--single", "-F", "-D"])
            .arg(&data)
            .arg("postgres")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut single.stdin.take().unwrap(), SETUP.as_bytes()).unwrap();
        assert!(single.wait().unwrap().success());
        let made = Arc::new(Template(home));
        *held = Arc::downgrade(&made);
        made
    })
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Postgres {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With settings of its own: `max_connections=10`.
    pub fn start_with(options: &[&str]) -> Self {
        let home = tempfile::Builder::new().prefix("querygate-pg-").tempdir().unwrap().keep();
        give_away(&home, 0o755);
        let template = template();
        let copied = Command::new("cp").arg("-a").arg(&template.0).arg(home.join("own")).status().unwrap();
        assert!(copied.success());
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Self { _template: template, home, port: free_port(), server: None, options };
        server.launch();
        server
    }

    /// Starts it, on the port that it had before.
    pub fn launch(&mut self) {
        let own = self.home.join("own");
        let file = |name: &str| own.join(name).display().to_string();
        let mut settings = vec![
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={}", own.display()),
            "fsync=off".to_owned(),
            "shared_buffers=16MB".to_owned(),
            "max_connections=40".to_owned(),
            "superuser_reserved_connections=3".to_owned(),
            "autovacuum=off".to_owned(),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", file("server.pem")),
            format!("ssl_key_file={}", file("server.key")),
        ];
        settings.extend(self.options.iter().cloned());
        let mut command = command("postgres");
        command.arg("-D").arg(file("data"));
        for setting in settings {
            command.args(["-c", &setting]);
        }
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.home.join("log")).unwrap();
        self.server = Some(command.stderr(log).spawn().unwrap());
        let began = Instant::now();
        while !std::fs::read_to_string(own.join("data/postmaster.pid")).is_ok_and(|state| state.contains("ready")) {
            let log = || std::fs::read_to_string(self.home.join("log")).unwrap();
            assert!(self.server.as_mut().unwrap().try_wait().unwrap().is_none(), "{}", log());
            assert!(began.elapsed() < Duration::from_secs(60), "{}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops it as an administrator does who does not wait: sessions end with 57P01.
    pub fn stop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        signal("INT", server.id());
        server.wait().unwrap();
    }

    /// A file beside the data: `root.pem`, `other.pem`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.home.join("own").join(name)
    }

    /// A user over verified TLS.
    pub fn dsn(&self, user: &str) -> Dsn {
        self.dsn_with(user, &format!("sslrootcert={}", self.file("root.pem").display()))
    }

    /// A user and whatever else.
    pub fn dsn_with(&self, user: &str, more: &str) -> Dsn {
        dsn::parse(&format!("postgres://{user}:sesame@localhost:{}/postgres?{more}", self.port)).unwrap()
    }

    /// The connection string of the user `scram` to a database.
    pub fn dsn_text(&self, database: &str) -> String {
        let root = self.file("root.pem");
        format!(
            "postgres://scram:sesame@localhost:{}/{database}?sslmode=verify-full&sslrootcert={}",
            self.port,
            root.display()
        )
    }

    /// The superuser, over the Unix socket.
    pub async fn admin(&self) -> tokio_postgres::Client {
        self.admin_of("postgres").await
    }

    /// The same in another database.
    pub async fn admin_of(&self, database: &str) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::Config::new()
            .host_path(self.home.join("own"))
            .port(self.port)
            .user("postgres")
            .dbname(database)
            .connect(tokio_postgres::NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client
    }

    pub fn socket_folder(&self) -> PathBuf {
        self.home.join("own")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

/// Sends a signal to one process, by its id.
pub fn signal(name: &str, process: u32) {
    let sent = Command::new("kill").args([format!("-{name}"), process.to_string()]).status().unwrap();
    assert!(sent.success());
}
