//! Files of every kind, in a bucket and in folders: opened, inferred, governed, read.

use crate::fixture;
use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::ipc::writer::FileWriter;
use arrow::record_batch::RecordBatch;
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::StreamExt;
use object_store::memory::InMemory;
use object_store::path::Path as StorePath;
use object_store::{ObjectStoreExt, PutPayload};
use parquet::arrow::ArrowWriter;
use querygate::audit::{AuditOptions, FileAudit};
use querygate::egress::{Outcome, ResultBudget};
use querygate::execute::datafusion::DataFusionEngine;
use querygate::gateway::{Folders, Gateway, GatewayEngine, GatewayParts, local_context};
use querygate::quota::SystemClock;
use querygate::session::{Engine, Purpose};
use querygate::sql::{ParseBounds, parse};
use querygate::types::Redacted;
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
        .run(&context, &statement, &[], Purpose::Query, &mut budget)
        .await
        .map_err(|report| format!("{report:?}"))?;
    let mut batches = Vec::new();
    while let Some(batch) = stream.batches.next().await {
        batches.push(batch.map_err(|report| format!("{report:?}"))?);
    }
    stream.finish(Outcome::Success, 0, 0);
    Ok(batches)
}

fn text(batches: &[RecordBatch]) -> String {
    arrow::util::pretty::pretty_format_batches(batches).unwrap().to_string()
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
    let loaded = Folders { catalog, policies }.load(&engine).await;
    let serving = loaded.serving.unwrap_or_else(|| panic!("{:#?}", loaded.findings));
    let clock: Arc<dyn querygate::quota::Clock> = Arc::new(SystemClock);
    let audit = FileAudit::open(AuditOptions::new(folder.path().join("audit")), Arc::clone(&clock)).unwrap();
    let gateway = Arc::new(Gateway::new(GatewayParts {
        serving,
        engine,
        audit: Arc::new(audit),
        clock,
        master_key: Redacted::new(vec![7; 32]),
    }));

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
