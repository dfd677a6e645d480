//! The same data three times: in an upstream PostgreSQL behind the gateway, in files behind another gateway, and in the
//! oracle, a database in which PostgreSQL itself does what the policies say.

use super::statements::folder;
use crate::fixture::{self, Gate};
use crate::postgres::Postgres;
use crate::raw::Raw;
use arrow::array::{ArrayRef, BinaryArray, Int64Builder, ListBuilder, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use querygate::govern::mask::MaskKey;
use querygate::types::{Redacted, WorkspaceName};
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_postgres::{Client, SimpleQueryMessage};

pub(super) const USERS: [&str; 3] = ["alice", "bob", "dana"];
const WORKSPACE: &str = "lab";
const TABLES: [&str; 10] =
    ["people", "orders", "items", "departments", "places", "events", "spans", "kinds", "order_totals", "secrets"];
/// Those that are CSV; the others are Parquet.
const COMMAS: [&str; 2] = ["departments", "places"];

pub(super) struct Worlds {
    server: Postgres,
    upstream: Gate,
    files: Gate,
}

/// A user's connections to each.
pub(super) struct Connections {
    pub(super) oracle: Raw,
    pub(super) upstream: Raw,
    pub(super) files: Raw,
}

fn setup(name: &str) -> String {
    std::fs::read_to_string(folder().join("setup").join(name)).unwrap()
}

impl Worlds {
    pub(super) async fn new() -> Self {
        let server = Postgres::start_with(&["jit=off"]);
        let admin = server.admin().await;
        admin.batch_execute("CREATE DATABASE oracle").await.unwrap();
        admin.batch_execute(&setup("data.sql")).await.unwrap();
        admin
            .batch_execute("GRANT USAGE ON SCHEMA data TO scram; GRANT SELECT ON ALL TABLES IN SCHEMA data TO scram")
            .await
            .unwrap();
        let oracle = server.admin_of("oracle").await;
        oracle.batch_execute(&setup("data.sql")).await.unwrap();
        oracle.batch_execute(&with_key(&setup("oracle.sql"))).await.unwrap();
        let upstream = fixture::gate_over(&folder_of_upstream(&server)).await;
        let files = fixture::gate_over(&folder_of_files(&oracle).await).await;
        Self { server, upstream, files }
    }

    pub(super) async fn connections(&self, user: &str) -> Connections {
        let mut oracle = Raw::socket(&self.server.socket_folder(), self.server.port, "postgres", "oracle").await;
        let pinned = format!("SET ROLE {user}; SET search_path = {user}, data; SET TimeZone = 'UTC'");
        assert_eq!(oracle.query(&pinned).await.error(), None);
        Connections {
            oracle,
            upstream: Raw::gateway(self.upstream.address, user, WORKSPACE).await,
            files: Raw::gateway(self.files.address, user, WORKSPACE).await,
        }
    }
}

/// The oracle's SQL with the key of the workspace, which [`fixture::variables`] sets.
fn with_key(sql: &str) -> String {
    let blocks = MaskKey::derive(&Redacted::new(vec![0xab; 32]), &WorkspaceName::new(WORKSPACE)).blocks();
    let [inner, outer] = [blocks.inner, blocks.outer].map(|block| format!("'\\x{}'", hex::encode(block.expose())));
    sql.replace("'INNER'", &inner).replace("'OUTER'", &outer)
}

/// A folder with the policies, and a catalog whose datasets lie where `at` says.
fn folder_with(source: &str, at: impl Fn(&str) -> String) -> PathBuf {
    let folder = tempfile::tempdir().unwrap().keep();
    for part in ["catalog", "policies", "files"] {
        std::fs::create_dir_all(folder.join(part)).unwrap();
    }
    let mut catalog = format!("sources:\n  - {source}\ndatasets:\n");
    for name in TABLES {
        writeln!(catalog, "  - {{name: public.{name}, source: here, tier: SYNTHETIC, {}}}", at(name)).unwrap();
    }
    write!(
        catalog,
        "workspaces:\n  - {{name: {WORKSPACE}, type: AD_HOC, owner: alice, members: [bob, dana], limits: \
         {{statements_a_day: 1000000, concurrent_statements: 50, max_rows: 1000000, max_bytes: 1000000000}}}}\n"
    )
    .unwrap();
    std::fs::write(folder.join("catalog/catalog.yaml"), catalog).unwrap();
    let users = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog/users.yaml");
    std::fs::copy(users, folder.join("catalog/users.yaml")).unwrap();
    std::fs::write(folder.join("policies/access.rego"), setup("access.rego")).unwrap();
    folder
}

fn folder_of_upstream(server: &Postgres) -> PathBuf {
    let dsn = tempfile::NamedTempFile::new().unwrap().into_temp_path().keep().unwrap();
    let root = server.file("root.pem");
    let text = format!(
        "postgres://scram:sesame@localhost:{}/postgres?sslmode=verify-full&sslrootcert={}",
        server.port,
        root.display()
    );
    std::fs::write(&dsn, text).unwrap();
    let source = format!("{{name: here, kind: postgres, dsn_file: {}, pool: {{max: 8}}}}", dsn.display());
    folder_with(&source, |name| format!("relation: data.{name}"))
}

async fn folder_of_files(oracle: &Client) -> PathBuf {
    let columns_of_csv = |name: &str| match name {
        "departments" => {
            "{name: id, type: integer}, {name: name, type: text}, {name: budget, type: 'numeric(14,2)'}, {name: parent, type: integer}"
        }
        _places => {
            "{name: id, type: integer}, {name: name, type: text}, {name: pop, type: integer}, {name: lat, type: double}"
        }
    };
    let folder = folder_with("{name: here, kind: files, location: files}", |name| {
        if COMMAS.contains(&name) {
            format!("location: {name}.csv, columns: [{}]", columns_of_csv(name))
        } else {
            format!("location: {name}.parquet")
        }
    });
    for name in TABLES {
        let batch = exported(oracle, name).await;
        if COMMAS.contains(&name) {
            let file = std::fs::File::create(folder.join(format!("files/{name}.csv"))).unwrap();
            arrow::csv::Writer::new(file).write(&batch).unwrap();
        } else {
            let file = std::fs::File::create(folder.join(format!("files/{name}.parquet"))).unwrap();
            let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
        }
    }
    folder
}

/// How a column is exported: its expression, and the type that its text is read as.
enum Export {
    Text(String, DataType),
    Bytes(String),
    Texts(String),
    Numbers(String),
}

/// `None`: files have no such type.
fn export(table: &str, column: &str, type_name: &str) -> Option<Export> {
    let plain = |of: DataType| Some(Export::Text(format!("{column}::text"), of));
    if let Some(digits) = type_name.strip_prefix("numeric(").and_then(|rest| rest.strip_suffix(')')) {
        let (precision, scale) = digits.split_once(',').unwrap();
        return plain(DataType::Decimal128(precision.parse().unwrap(), scale.parse().unwrap()));
    }
    match type_name {
        "bigint" => plain(DataType::Int64),
        "integer" => plain(DataType::Int32),
        "smallint" => plain(DataType::Int16),
        "real" => plain(DataType::Float32),
        "double precision" => plain(DataType::Float64),
        "boolean" => plain(DataType::Boolean),
        "date" => plain(DataType::Date32),
        "timestamp without time zone" => plain(DataType::Timestamp(TimeUnit::Microsecond, None)),
        "timestamp with time zone" => plain(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        "time without time zone" => plain(DataType::Time64(TimeUnit::Microsecond)),
        // The numbers of `kinds` have more digits than any decimal of files.
        "numeric" if table != "kinds" => plain(DataType::Decimal128(38, 20)),
        "data.share" => plain(DataType::Decimal128(5, 4)),
        "text" | "uuid" | "json" | "jsonb" | "data.zip" | "data.mood" => plain(DataType::Utf8),
        name if name.starts_with("character") => plain(DataType::Utf8),
        "bytea" => Some(Export::Bytes(format!("encode({column}, 'hex')"))),
        "text[]" => Some(Export::Texts(format!("array_to_json({column})::text"))),
        "bigint[]" | "integer[]" if column != "grid" => Some(Export::Numbers(format!("array_to_json({column})::text"))),
        _others => None,
    }
}

async fn exported(oracle: &Client, table: &str) -> RecordBatch {
    let columns = format!(
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute \
         WHERE attrelid = 'data.{table}'::regclass AND attnum > 0 ORDER BY attnum"
    );
    let mut arrays: Vec<(String, ArrayRef)> = Vec::new();
    for column in oracle.query(&columns, &[]).await.unwrap() {
        let (name, type_name): (String, String) = (column.get(0), column.get(1));
        let Some(export) = export(table, &name, &type_name) else { continue };
        let expression = match &export {
            Export::Text(sql, _) | Export::Bytes(sql) | Export::Texts(sql) | Export::Numbers(sql) => sql,
        };
        // A view's rows have no place.
        let order = if table == "order_totals" { "rows.id" } else { "rows.tableoid, rows.ctid" };
        let sql = format!("SELECT {expression} FROM data.{table} AS rows ORDER BY {order}");
        let messages = oracle.simple_query(&sql).await.unwrap();
        let texts: Vec<Option<String>> = messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
                _other => None,
            })
            .collect();
        arrays.push((name, array(&export, &texts)));
    }
    RecordBatch::try_from_iter_with_nullable(arrays.iter().map(|(name, array)| (name, Arc::clone(array), true)))
        .unwrap()
}

fn array(export: &Export, texts: &[Option<String>]) -> ArrayRef {
    let elements = |text: &Option<String>| -> Option<Vec<Value>> { serde_json::from_str(text.as_deref()?).unwrap() };
    match export {
        Export::Text(_, of) => {
            let texts: StringArray = match of {
                DataType::Boolean => texts
                    .iter()
                    .map(|text| text.as_deref().map(|t| if t.starts_with('t') { "true" } else { "false" }))
                    .collect(),
                _other => texts.iter().map(Option::as_deref).collect(),
            };
            let read = cast(&texts, of).unwrap();
            assert_eq!(read.null_count(), arrow::array::Array::null_count(&texts), "a value that {of} can't hold");
            read
        }
        Export::Bytes(_) => {
            let bytes: Vec<Option<Vec<u8>>> =
                texts.iter().map(|text| Some(hex::decode(text.as_ref()?).unwrap())).collect();
            Arc::new(BinaryArray::from_iter(bytes))
        }
        Export::Texts(_) => {
            let mut list = ListBuilder::new(StringBuilder::new());
            for text in texts {
                let found = elements(text);
                for value in found.iter().flatten() {
                    list.values().append_option(value.as_str());
                }
                list.append(found.is_some());
            }
            Arc::new(list.finish())
        }
        Export::Numbers(_) => {
            let mut list = ListBuilder::new(Int64Builder::new());
            for text in texts {
                let found = elements(text);
                for value in found.iter().flatten() {
                    list.values().append_option(value.as_i64());
                }
                list.append(found.is_some());
            }
            Arc::new(list.finish())
        }
    }
}
