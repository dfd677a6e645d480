//! The demo's data in a PostgreSQL upstream, with canaries planted beside it (`testdata/bypass/upstream`), behind a gateway
//! that is a process of its own: so its log can be read as its operator would.

use crate::fixture::{self, Process};
use crate::postgres::Postgres;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use futures::SinkExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio_postgres::Client;

/// What `barrier: rls` wants: the login owns the tables, which have row security, and may make roles.
const SECURED: &str = "ALTER ROLE scram CREATEROLE; ALTER SCHEMA data OWNER TO scram;
DO $$ DECLARE t regclass; BEGIN
    FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'data'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO scram', t);
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t);
    END LOOP;
END $$;";

pub(super) struct World {
    pub(super) server: Postgres,
    _process: Process,
    pub(super) address: SocketAddr,
    pub(super) audit: PathBuf,
}

/// A dataset of the demo, by its name without a schema, and where its files are.
struct Table {
    name: String,
    location: String,
}

fn planted(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/bypass/upstream");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// The demo's catalog with another source, and where its datasets were.
fn over_upstream(catalog: &str, dsn: &Path, barrier: &str) -> (String, Vec<Table>) {
    let (mut text, mut tables, mut name) = (String::new(), Vec::new(), String::new());
    for line in (catalog.to_owned() + &planted("catalog.yaml")).lines() {
        if let Some(dataset) = line.strip_prefix("  - name: ") {
            // Two schemas have a table of regions.
            name = dataset.strip_prefix("public.").or(dataset.strip_prefix("hr.")).unwrap_or(dataset).replace('.', "_");
        }
        if line.contains("kind: files") {
            text += &format!(
                "  - {{name: lake, kind: postgres, dsn_file: {}, pool: {{max: 8}}, barrier: {barrier}}}",
                dsn.display()
            );
        } else if let Some(location) = line.strip_prefix("    location: ") {
            text += &format!("    relation: data.{name}");
            tables.push(Table { name: name.clone(), location: location.to_owned() });
        } else {
            text += line;
        }
        text.push('\n');
    }
    (text, tables)
}

fn sql_type(of: &DataType) -> String {
    match of {
        DataType::Int64 => "bigint".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Float64 => "float8".to_owned(),
        DataType::Utf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Decimal128(precision, scale) => format!("numeric({precision},{scale})"),
        DataType::Timestamp(TimeUnit::Microsecond, None) => "timestamp".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamptz".to_owned(),
        other => panic!("no table has a column of type {other}"),
    }
}

async fn copy(admin: &Client, into: &str, options: &str, rows: Vec<u8>) {
    let sink = admin.copy_in(&format!("COPY {into} FROM STDIN WITH (FORMAT csv{options})")).await.unwrap();
    let mut sink = std::pin::pin!(sink);
    sink.send(Bytes::from(rows)).await.unwrap();
    sink.finish().await.unwrap();
}

/// A table of Parquet files.
async fn load(admin: &Client, table: &Table, data: &Path) {
    let files = glob::glob(&data.join(&table.location).display().to_string()).unwrap().map(Result::unwrap);
    let mut batches: Vec<RecordBatch> = Vec::new();
    for file in files {
        let file = std::fs::File::open(file).unwrap();
        batches.extend(ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().map(Result::unwrap));
    }
    let fields = batches[0].schema();
    let columns: Vec<String> =
        fields.fields().iter().map(|field| format!("{} {}", field.name(), sql_type(field.data_type()))).collect();
    let name = format!("data.{}", table.name);
    admin.batch_execute(&format!("CREATE TABLE {name} ({})", columns.join(", "))).await.unwrap();
    let mut rows = Vec::new();
    let mut writer = arrow::csv::WriterBuilder::new().with_header(false).build(&mut rows);
    for batch in &batches {
        writer.write(batch).unwrap();
    }
    drop(writer);
    copy(admin, &name, "", rows).await;
}

async fn fill(admin: &Client, tables: &[Table]) {
    let data = fixture::demo_folder().join("demo-data");
    let read = |name: &str| std::fs::read(data.join(name)).unwrap();
    admin
        .batch_execute(
            "CREATE SCHEMA data; SET search_path = pg_catalog; CREATE TABLE data.lines (line jsonb); \
             CREATE TABLE data.regions (id bigint, code text, name text, manager_email text)",
        )
        .await
        .unwrap();
    copy(admin, "data.regions", ", HEADER", read("regions.csv")).await;
    copy(admin, "data.lines", ", QUOTE E'\\x01', DELIMITER E'\\x02'", read("events.jsonl")).await;
    admin
        .batch_execute(
            "CREATE TABLE data.events AS SELECT (line->>'id')::bigint AS id, (line->>'person_id')::bigint AS person_id, \
             line->>'tenant_id' AS tenant_id, line->>'kind' AS kind, line->>'at' AS at, (line->>'amount')::float8 AS amount \
             FROM data.lines; DROP TABLE data.lines",
        )
        .await
        .unwrap();
    for table in tables.iter().filter(|table| table.location.ends_with(".parquet")) {
        load(admin, table, &data).await;
    }
    admin.batch_execute(&planted("planted.sql")).await.unwrap();
}

impl World {
    /// The gateway's own choice of barriers, or what it keeps in the upstream in place of fences.
    pub(super) async fn new(barrier: &str) -> Self {
        let server = Postgres::start_with(&["jit=off"]);
        let dsn = tempfile::NamedTempFile::new().unwrap().into_temp_path().keep().unwrap();
        std::fs::write(&dsn, server.dsn_text("postgres")).unwrap();
        let mut tables = Vec::new();
        let folder = fixture::folder_with(|to| {
            let path = to.join("catalog/catalog.yaml");
            let (catalog, found) = over_upstream(&std::fs::read_to_string(&path).unwrap(), &dsn, barrier);
            std::fs::write(&path, catalog).unwrap();
            tables = found;
        });
        assert!(tables.len() >= 15, "{} tables", tables.len());
        fill(&server.admin().await, &tables).await;
        server.admin().await.batch_execute("CREATE SCHEMA querygate_views AUTHORIZATION scram").await.unwrap();
        if barrier == "rls" {
            server.admin().await.batch_execute(SECURED).await.unwrap();
        }
        let audit = tempfile::tempdir().unwrap().keep();
        let (process, address) =
            fixture::process_over(&folder, &audit, "exec \"$0\" serve", &[("QUERYGATE_LOG_LEVEL", "debug")]);
        Self { server, _process: process, address, audit }
    }

    /// Whatever the gateway has written: its log, and every file of the audit folder.
    pub(super) fn written(&self) -> Vec<u8> {
        let mut all = std::fs::read(self.audit.with_extension("stderr")).unwrap();
        assert!(!all.is_empty(), "the gateway has logged nothing");
        for entry in std::fs::read_dir(&self.audit).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                all.extend(std::fs::read(path).unwrap());
            }
        }
        all
    }

    /// One word for everything in the upstream's tables and of what there is.
    pub(super) async fn state(&self) -> String {
        let sql = "SELECT md5(string_agg(n.nspname || c.relname || c.relkind::text || coalesce(c.relacl::text, '') || \
                   CASE WHEN c.relkind IN ('r', 'p', 'm', 'v') AND c.relname <> 'chatty' \
                   THEN query_to_xml('SELECT count(*), sum(hashtext(t::text)::bigint) FROM ' || c.oid::regclass || ' AS t', false, false, '')::text ELSE '' END, \
                   ';' ORDER BY n.nspname, c.relname)) || (SELECT count(*) FROM pg_proc)::text || (SELECT last_value FROM data.counter)::text \
                   || (SELECT string_agg(rolname || rolsuper::text, ',' ORDER BY rolname) FROM pg_roles WHERE rolname NOT LIKE 'querygate%') \
                   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('data', 'public')";
        self.server.admin().await.query_one(sql, &[]).await.unwrap().get(0)
    }
}
