//! One gateway over the demo's data, shared by all tests of this program, and a client that keeps all it is told.

use querygate::config::{self, Config};
use querygate::demo::data::{DemoDataOptions, generate};
use querygate::server::Server;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use tokio_postgres::{AsyncMessage, NoTls, SimpleQueryMessage};

/// A gateway that runs for as long as the tests do.
pub struct Gate {
    pub address: SocketAddr,
    pub folder: PathBuf,
    pub audit: PathBuf,
    server: Server,
}

impl Gate {
    pub fn gateway(&self) -> &Arc<querygate::gateway::Gateway> {
        self.server.gateway()
    }

    pub async fn reload(&self) -> Result<(), Vec<querygate::catalog::Finding>> {
        self.server.reload().await
    }

    /// A client of this gateway.
    pub async fn connect(&self, user: &str) -> Client {
        self.connect_to(user, "retail").await.unwrap()
    }

    pub async fn connect_to(&self, user: &str, database: &str) -> Result<Client, tokio_postgres::Error> {
        connect(self.address, user, database).await
    }
}

/// A client of the gateway at an address.
pub async fn connect(address: SocketAddr, user: &str, database: &str) -> Result<Client, tokio_postgres::Error> {
    let text = format!(
        "host={} port={} user={user} password={user}-demo dbname={database} application_name=tests",
        address.ip(),
        address.port()
    );
    let (client, mut connection) = tokio_postgres::connect(&text, NoTls).await?;
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    tokio::spawn(async move {
        while let Some(message) = std::future::poll_fn(|context| connection.poll_message(context)).await {
            match message {
                Ok(AsyncMessage::Notice(notice)) => listener.lock().unwrap().push(format!("{notice:?}")),
                Ok(AsyncMessage::Notification(_)) => {}
                Ok(_) => {}
                Err(_) => break,
            }
        }
    });
    Ok(Client { client, told })
}

/// A connection, with the notices that it was sent.
pub struct Client {
    pub client: tokio_postgres::Client,
    told: Arc<Mutex<Vec<String>>>,
}

/// What came of a query string: rows as text, or an error's code; and every word that was said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    pub rows: Vec<Vec<Option<String>>>,
    pub columns: Vec<String>,
    pub error: Option<String>,
    /// Everything the client was told: values, names, error fields, notices.
    pub words: String,
}

impl Client {
    /// Runs a query string by the simple protocol.
    pub async fn ask(&self, sql: &str) -> Answer {
        let mut answer = Answer::default();
        match self.client.simple_query(sql).await {
            Ok(messages) => {
                for message in messages {
                    match message {
                        SimpleQueryMessage::Row(row) => {
                            let values: Vec<Option<String>> =
                                (0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect();
                            for value in values.iter().flatten() {
                                answer.words.push_str(value);
                                answer.words.push('\n');
                            }
                            answer.rows.push(values);
                        }
                        SimpleQueryMessage::RowDescription(columns) => {
                            answer.columns = columns.iter().map(|column| column.name().to_owned()).collect();
                            answer.words.push_str(&answer.columns.join("\n"));
                        }
                        _ => {}
                    }
                }
            }
            Err(error) => tell_error(&mut answer, &error),
        }
        for notice in self.told.lock().unwrap().drain(..) {
            answer.words.push_str(&notice);
        }
        answer
    }

    /// The same by the extended protocol, without parameters.
    pub async fn ask_extended(&self, sql: &str) -> Answer {
        let mut answer = Answer::default();
        match self.client.prepare(sql).await {
            Ok(statement) => {
                answer.columns = statement.columns().iter().map(|column| column.name().to_owned()).collect();
                answer.words.push_str(&answer.columns.join("\n"));
                match self.client.query(&statement, &[]).await {
                    // Values are binary here; their text is what the simple protocol is asked for.
                    Ok(rows) => answer.rows = rows.iter().map(|row| vec![None; row.len()]).collect(),
                    Err(error) => tell_error(&mut answer, &error),
                }
            }
            Err(error) => tell_error(&mut answer, &error),
        }
        for notice in self.told.lock().unwrap().drain(..) {
            answer.words.push_str(&notice);
        }
        answer
    }
}

fn tell_error(answer: &mut Answer, error: &tokio_postgres::Error) {
    match error.as_db_error() {
        Some(error) => {
            answer.error = Some(error.code().code().to_owned());
            answer.words.push_str(&format!("{error:?}"));
        }
        None => {
            answer.error = Some("client".to_owned());
            answer.words.push_str(&format!("{error:?}"));
        }
    }
}

/// Where the demo's data lies, made once for each version of it.
pub fn demo_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("demo");
        std::fs::create_dir_all(&folder).unwrap();
        generate(&folder.join("demo-data"), &DemoDataOptions { scale: 0.002 }).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for part in ["catalog", "policies"] {
            let to = folder.join(part);
            let _ = std::fs::remove_dir_all(&to);
            std::fs::create_dir_all(&to).unwrap();
            for entry in std::fs::read_dir(root.join(part)).unwrap() {
                let path = entry.unwrap().path();
                std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
            }
        }
        // Tests ask more of the workspace than a day's statements.
        let workspaces = folder.join("catalog/workspaces.yaml");
        let text = std::fs::read_to_string(&workspaces).unwrap();
        let (few, many) = ("statements_a_day: 20_000", "statements_a_day: 10_000_000, concurrent_statements: 100");
        assert!(text.contains(few));
        std::fs::write(&workspaces, text.replace(few, many)).unwrap();
        folder
    })
}

/// A copy of the demo's folder whose catalog and policies a test may change; the data is the demo's own.
pub fn folder_with(change: impl FnOnce(&Path)) -> PathBuf {
    let to = tempfile::tempdir().unwrap().keep();
    for part in ["catalog", "policies"] {
        std::fs::create_dir_all(to.join(part)).unwrap();
        for entry in std::fs::read_dir(demo_folder().join(part)).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, to.join(part).join(path.file_name().unwrap())).unwrap();
        }
    }
    std::os::unix::fs::symlink(demo_folder().join("demo-data"), to.join("demo-data")).unwrap();
    change(&to);
    to
}

/// The variables of a configuration over a folder that holds catalog/ and policies/.
pub fn variables(folder: &Path, audit: &Path) -> BTreeMap<String, String> {
    [
        ("QUERYGATE_CATALOG_DIR", folder.join("catalog").display().to_string()),
        ("QUERYGATE_POLICIES_DIR", folder.join("policies").display().to_string()),
        ("QUERYGATE_AUDIT_DIR", audit.display().to_string()),
        ("QUERYGATE_LISTEN", "127.0.0.1:0".to_owned()),
        ("QUERYGATE_HASH_KEY", "ab".repeat(32)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// The configuration that they mean.
pub fn config(folder: &Path, audit: &Path) -> Config {
    let environment = variables(folder, audit);
    config::parse(None, &environment, &|path| std::fs::read_to_string(path)).unwrap()
}

/// A gateway of one's own: with folders that a test may change.
pub async fn gate_over(folder: &Path) -> Gate {
    gate_with(folder, |_| {}).await
}

/// The same with another configuration.
pub async fn gate_with(folder: &Path, change: impl FnOnce(&mut Config)) -> Gate {
    let audit = tempfile::tempdir().unwrap().keep();
    let mut config = config(folder, &audit);
    change(&mut config);
    let server = Server::start(config).await.unwrap_or_else(|error| panic!("{error:?}"));
    Gate { address: server.address(), folder: folder.to_owned(), audit, server }
}

/// A gateway over the demo's folder whose configuration has these variables beside the usual.
pub async fn gate_set(pairs: &[(&str, &str)]) -> Gate {
    gate_over_set(demo_folder(), pairs).await
}

/// The same over another folder.
pub async fn gate_over_set(folder: &Path, pairs: &[(&str, &str)]) -> Gate {
    let audit = tempfile::tempdir().unwrap().keep();
    let mut environment = variables(folder, &audit);
    environment.extend(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    let config = config::parse(None, &environment, &|path| std::fs::read_to_string(path)).unwrap();
    let server = Server::start(config).await.unwrap_or_else(|error| panic!("{error:?}"));
    Gate { address: server.address(), folder: folder.to_owned(), audit, server }
}

/// A gateway over the demo in a process of its own, which ends with it.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts one by a line of shell, where `$0` is the program, with these variables beside the usual; and its address.
pub fn process(audit: &Path, line: &str, pairs: &[(&str, &str)]) -> (Process, SocketAddr) {
    process_over(demo_folder(), audit, line, pairs)
}

/// The same over another folder. What it logs goes into a file beside `audit`, which ends in `stderr`.
pub fn process_over(folder: &Path, audit: &Path, line: &str, pairs: &[(&str, &str)]) -> (Process, SocketAddr) {
    let mut process = Command::new("sh")
        .args(["-c", line, env!("CARGO_BIN_EXE_querygate")])
        .current_dir(folder)
        .envs(variables(folder, audit))
        .envs(pairs.iter().copied())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(audit.with_extension("stderr")).unwrap())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let address = said.trim().rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{said:?}"));
    (Process(process), address)
}

/// Every record of an audit log.
pub fn log(audit: &Path) -> Vec<serde_json::Value> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(audit).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|of| of == "jsonl"));
    files.sort();
    let lines = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
    // The last line may be on its way.
    files
        .iter()
        .flat_map(|path| lines(path).lines().filter_map(|l| serde_json::from_str(l).ok()).collect::<Vec<_>>())
        .collect()
}

/// The gateway that tests share. It lives on threads of its own, which outlast any one test.
pub fn gate() -> &'static Gate {
    static GATE: OnceLock<Gate> = OnceLock::new();
    GATE.get_or_init(|| {
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                send.send(gate_over(demo_folder()).await).ok();
                std::future::pending::<()>().await;
            });
        });
        receive.recv().unwrap()
    })
}
