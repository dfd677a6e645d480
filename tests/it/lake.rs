//! Files of every kind, in a bucket and in folders: opened, inferred, governed, read.

use crate::fixture;
use arrow::array::{
    Array, ArrayRef, Int64Array, ListArray, StringArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, UInt32Type};
use arrow::ipc::writer::FileWriter;
use arrow::record_batch::RecordBatch;
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::StreamExt;
use object_store::memory::InMemory;
use object_store::path::Path as StorePath;
use object_store::{ObjectStoreExt, PutPayload};
use parquet::arrow::ArrowWriter;
use querygate::audit::{AuditOptions, FileAudit};
use querygate::egress::{Outcome, ResultBudget, Rows};
use querygate::execute::datafusion::DataFusionEngine;
use querygate::gateway::{Folders, Gateway, GatewayEngine, GatewayParts, local_context};
use querygate::quota::SystemClock;
use querygate::session::{Binding, Engine, Purpose};
use querygate::sql::{ParseBounds, parse};
use querygate::types::Redacted;
use std::path::Path;
use std::sync::Arc;

fn rows(from: i64, to: i64) -> RecordBatch {
    let ids: Int64Array = (from..to).collect();
    let words: StringArray = (from..to).map(|id| Some(format!("word {id}"))).collect();
    RecordBatch::try_from_iter([("id", Arc::new(ids) as ArrayRef), ("word", Arc::new(words) as ArrayRef)]).unwrap()
}

fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

const CATALOG: &str = "
sources:
  - {name: bucket, kind: files, location: 's3://lake/data'}
  - {name: disk, kind: files, location: files}
tags:
  WORD: {mask: {name: last, n: 1}}
datasets:
  - {name: public.remote, source: bucket, location: 'remote/*.parquet', tier: SYNTHETIC, columns: [{name: id}, {name: word, tags: [WORD]}]}
  - {name: public.dated, source: disk, location: 'dated/**/*.parquet', tier: SYNTHETIC, columns: [{name: id}, {name: word}, {name: year}]}
  - {name: public.lines, source: disk, location: lines.json, tier: SYNTHETIC, columns: [{name: id}, {name: at, type: timestamp}]}
  - {name: public.commas, source: disk, location: commas.csv, tier: SYNTHETIC, columns: [{name: id}, {name: day, type: date}]}
  - {name: public.arrows, source: disk, location: arrows.arrow, tier: SYNTHETIC, columns: [{name: id}, {name: word}]}
users:
  - {name: ana, roles: [ANALYST]}
workspaces:
  - {name: lab, type: AD_HOC, owner: ana}
";

const POLICY: &str = "package analytics.data_access\ndefault allow := false\nallow if input.user.id == \"ana\"\n";

async fn ask(gateway: &Arc<Gateway>, sql: &str) -> Result<Vec<RecordBatch>, String> {
    let context = local_context(&gateway.serving(), "ana", "lab").unwrap();
    let statement = parse(sql, &ParseBounds::default()).unwrap().remove(0);
    let engine = GatewayEngine(Arc::clone(gateway));
    let mut budget = ResultBudget::default();
    let mut stream = engine
        .run(&context, &statement, Binding::default(), Purpose::Query, &mut budget)
        .await
        .map_err(|report| format!("{report:?}"))?;
    let mut batches = Vec::new();
    while let Some(batch) = stream.batches.next().await {
        match batch.map_err(|report| format!("{report:?}"))? {
            Rows::Values(batch) => batches.push(batch),
            Rows::Encoded(_) => panic!("files have no rows that are encoded"),
        }
    }
    stream.finish(Outcome::Success, 0, 0);
    Ok(batches)
}

fn text(batches: &[RecordBatch]) -> String {
    arrow::util::pretty::pretty_format_batches(batches).unwrap().to_string()
}

/// A gateway over a folder with catalog/ and policies/.
async fn gateway(folder: &Path, engine: Arc<DataFusionEngine>) -> Arc<Gateway> {
    let folders = Folders { catalog: folder.join("catalog"), policies: folder.join("policies") };
    let loaded = folders.load(&engine).await;
    let serving = loaded.serving.unwrap_or_else(|| panic!("{:#?}", loaded.findings));
    let clock: Arc<dyn querygate::quota::Clock> = Arc::new(SystemClock);
    let audit = FileAudit::open(AuditOptions::new(folder.join("audit")), Arc::clone(&clock)).unwrap();
    let parts = GatewayParts { serving, engine, audit: Arc::new(audit), clock, master_key: Redacted::new(vec![7; 32]) };
    Arc::new(Gateway::new(parts))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_file_is_read_where_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, policies, files) =
        (folder.path().join("catalog"), folder.path().join("policies"), folder.path().join("files"));
    for year in ["2023", "2024"] {
        std::fs::create_dir_all(files.join(format!("dated/year={year}"))).unwrap();
        std::fs::write(files.join(format!("dated/year={year}/part.parquet")), parquet(&rows(0, 3))).unwrap();
    }
    std::fs::create_dir_all(&catalog).unwrap();
    std::fs::create_dir_all(&policies).unwrap();
    std::fs::write(catalog.join("catalog.yaml"), CATALOG).unwrap();
    std::fs::write(policies.join("access.rego"), POLICY).unwrap();
    std::fs::write(
        files.join("lines.json"),
        "{\"id\": 1, \"at\": \"2024-02-29T12:00:00\"}\n{\"id\": 2, \"at\": null}\n",
    )
    .unwrap();
    std::fs::write(files.join("commas.csv"), "id,day\n1,2024-02-29\n2,\n").unwrap();
    let arrows = rows(5, 7);
    let mut writer =
        FileWriter::try_new(std::fs::File::create(files.join("arrows.arrow")).unwrap(), &arrows.schema()).unwrap();
    writer.write(&arrows).unwrap();
    writer.finish().unwrap();

    let config = fixture::config(folder.path(), &folder.path().join("audit"));
    let engine = Arc::new(DataFusionEngine::start(&config.engine).unwrap());
    let store = Arc::new(InMemory::new());
    for (name, batch) in [("a", rows(0, 10)), ("b", rows(10, 20))] {
        let path = StorePath::from(format!("data/remote/{name}.parquet"));
        store.put(&path, PutPayload::from(parquet(&batch))).await.unwrap();
    }
    engine.register_store(&ObjectStoreUrl::parse("s3://lake").unwrap(), store);
    let gateway = gateway(folder.path(), engine).await;
    let remote = text(&ask(&gateway, "SELECT id, word FROM remote WHERE id IN (3, 17) ORDER BY id").await.unwrap());
    assert!(remote.contains("| 3  | ***3 |") && remote.contains("| 17 | ***7 |"), "{remote}");
    let dated =
        text(&ask(&gateway, "SELECT year, count(*) AS n FROM dated WHERE year = '2024' GROUP BY year").await.unwrap());
    assert!(dated.contains("| 2024 | 3 |"), "{dated}");
    let lines =
        text(&ask(&gateway, "SELECT id, at FROM lines WHERE at > TIMESTAMP '2024-01-01 00:00:00'").await.unwrap());
    assert!(lines.contains("2024-02-29T12:00:00"), "{lines}");
    let commas = text(&ask(&gateway, "SELECT id FROM commas WHERE day = DATE '2024-02-29'").await.unwrap());
    assert!(commas.contains("| 1  |"), "{commas}");
    let arrows = text(&ask(&gateway, "SELECT word FROM arrows WHERE id = 6").await.unwrap());
    assert!(arrows.contains("word 6"), "{arrows}");
}

const COUNTERS: &str = "
sources:
  - {name: disk, kind: files, location: files}
tags:
  HASHED: {mask: {name: hash}}
  ROUNDED: {mask: {name: round, step: 100}}
  TOPPED: {mask: {name: topcode, max: 300}}
datasets:
  - name: public.counters
    source: disk
    location: FILE
    tier: SYNTHETIC
    columns:
      [{name: a}, {name: b}, {name: c}, {name: d}, {name: l}, {name: h, tags: [HASHED]}, {name: r, tags: [ROUNDED]}, {name: t, tags: [TOPPED]}]
users:
  - {name: ana, roles: [ANALYST]}
workspaces:
  - {name: lab, type: AD_HOC, owner: ana}
";

/// Integers without a sign, at their least and at their most.
fn counters() -> RecordBatch {
    let c = UInt32Array::from(vec![Some(0), Some(7), Some(u32::MAX), None]);
    let d = UInt64Array::from(vec![Some(0), Some(7), Some(u64::MAX), None]);
    let lists = ListArray::from_iter_primitive::<UInt32Type, _, _>([Some([Some(u32::MAX)]), None, None, None]);
    let columns: [(&str, ArrayRef); 8] = [
        ("a", Arc::new(UInt8Array::from(vec![Some(0), Some(7), Some(u8::MAX), None]))),
        ("b", Arc::new(UInt16Array::from(vec![Some(0), Some(7), Some(u16::MAX), None]))),
        ("c", Arc::new(c.clone())),
        ("d", Arc::new(d.clone())),
        ("l", Arc::new(lists)),
        ("h", Arc::new(c.clone())),
        ("r", Arc::new(c)),
        ("t", Arc::new(d)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn integers_without_a_sign_are_the_next_larger_ones_with_it() {
    for kind in ["counters.parquet", "counters.arrow"] {
        let folder = tempfile::tempdir().unwrap();
        for part in ["catalog", "policies", "files"] {
            std::fs::create_dir_all(folder.path().join(part)).unwrap();
        }
        std::fs::write(folder.path().join("catalog/catalog.yaml"), COUNTERS.replace("FILE", kind)).unwrap();
        std::fs::write(folder.path().join("policies/access.rego"), POLICY).unwrap();
        let file = folder.path().join("files").join(kind);
        if kind.ends_with("parquet") {
            std::fs::write(&file, parquet(&counters())).unwrap();
        } else {
            let mut writer = FileWriter::try_new(std::fs::File::create(&file).unwrap(), &counters().schema()).unwrap();
            writer.write(&counters()).unwrap();
            writer.finish().unwrap();
        }
        let config = fixture::config(folder.path(), &folder.path().join("audit"));
        let engine = Arc::new(DataFusionEngine::start(&config.engine).unwrap());
        let gateway = gateway(folder.path(), engine).await;
        let all = ask(&gateway, "SELECT * FROM counters").await.unwrap();
        let types: Vec<DataType> = all[0].schema().fields().iter().map(|field| field.data_type().clone()).collect();
        let (big, list) = (DataType::Decimal128(20, 0), DataType::new_list(DataType::Int64, true));
        let expected = [
            DataType::Int16,
            DataType::Int32,
            DataType::Int64,
            big.clone(),
            list,
            DataType::Int64,
            DataType::Int64,
            big,
        ];
        assert_eq!(types, expected, "{kind}");
        for (condition, rows) in [
            ("c = 4294967295 AND b = 65535 AND a = 255", 1),
            ("d = 18446744073709551615", 1),
            ("d > 18446744073709551614", 1),
            ("c > 7", 1),
            ("c >= 7 AND d < 8", 1),
            ("c < 0 OR c > 4294967295 OR c = -1 OR d = -1 OR a = 256 OR a < 0", 0),
            ("c + 1 = 4294967296", 1),
            ("- c < 0", 2),
            ("c IS NULL AND d IS NULL", 1),
            ("r = 4294967300", 1),
            ("t = 300", 1),
            ("t <= 300", 3),
            ("h IS NULL OR h > 0", 4),
            ("c IN (7, 4294967295)", 2),
            ("c BETWEEN 7 AND 4294967295", 2),
        ] {
            let found = ask(&gateway, &format!("SELECT a FROM counters WHERE {condition}")).await;
            let found = found.unwrap_or_else(|error| panic!("{kind}: {condition}: {error}"));
            assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), rows, "{kind}: {condition}");
        }
        let shown = text(&ask(&gateway, "SELECT max(c), sum(d), max(l[1]) FROM counters").await.unwrap());
        assert!(shown.contains("| 4294967295 | 18446744073709551622 | 4294967295 |"), "{shown}");
        let names = "SELECT string_agg(format_type(atttypid, atttypmod), ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'counters'::regclass AND attnum > 0";
        let names = text(&ask(&gateway, names).await.unwrap());
        assert!(
            names.contains("smallint integer bigint numeric(20,0) bigint[] bigint bigint numeric(20,0)"),
            "{kind}: {names}"
        );
        assert!(all[0].column(0).len() == 4);
    }
}
