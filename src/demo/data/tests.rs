//! The demo's data as a whole: what is written, that it is the same each time, and that nothing else is touched.

use super::*;
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ParquetMetaData;
use std::collections::BTreeMap;
use std::fs::File;

const SMALL: DemoDataOptions = DemoDataOptions { scale: 0.001 };

fn read(path: &Path) -> (Vec<RecordBatch>, ParquetMetaData) {
    let options = parquet::arrow::arrow_reader::ArrowReaderOptions::new()
        .with_page_index_policy(parquet::file::metadata::PageIndexPolicy::Required);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(File::open(path).unwrap(), options).unwrap();
    let metadata = builder.metadata().as_ref().clone();
    (builder.build().unwrap().map(Result::unwrap).collect(), metadata)
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(
                files(&path).into_iter().map(|(name, bytes)| (Path::new(path.file_name().unwrap()).join(name), bytes)),
            );
        } else {
            found.insert(path.file_name().unwrap().into(), fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn the_data_is_what_the_catalog_relies_on_and_the_same_each_time() {
    let parent = tempfile::tempdir().unwrap();
    let (one, two) = (parent.path().join("one"), parent.path().join("two"));
    assert!(generate(&one, &SMALL).unwrap().is_new);
    assert!(!generate(&one, &SMALL).unwrap().is_new);
    assert!(generate(&two, &SMALL).unwrap().is_new);
    let found = files(&one);
    assert!(found == files(&two), "two runs differ");
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 2, "nothing partial is left");

    let money = DataType::Decimal128(10, 2);
    let columns = |path: &str| -> Vec<(String, DataType)> {
        let (batches, _) = read(&one.join(path));
        batches[0].schema().fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
    };
    let expected: Vec<(String, DataType)> = [
        ("id", DataType::Int64),
        ("tenant_id", DataType::Utf8),
        ("name", DataType::Utf8),
        ("email", DataType::Utf8),
        ("ssn", DataType::Utf8),
        ("phone", DataType::Utf8),
        ("birth_date", DataType::Date32),
        ("salary", money.clone()),
        ("region", DataType::Utf8),
        ("department", DataType::Utf8),
        ("country", DataType::Utf8),
        ("notes", DataType::Utf8),
        ("created_at", DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None)),
    ]
    .map(|(name, data_type)| (name.to_owned(), data_type))
    .to_vec();
    assert_eq!(columns("people/part-1.parquet"), expected);
    assert_eq!(columns("people/part-4.parquet"), expected);
    assert_eq!(columns("payroll.parquet")[3], ("base_pay".to_owned(), money));
    assert_eq!(columns("tpch/lineitem/part-2.parquet")[4], ("l_quantity".to_owned(), DataType::Decimal128(15, 2)));
    assert_eq!(columns("tpch/lineitem/part-2.parquet")[10], ("l_shipdate".to_owned(), DataType::Date32));
    for file in [
        "hr/investigations.parquet",
        "people_summary.parquet",
        "tickets/part-1.parquet",
        "tickets/part-2.parquet",
        "tpch/region.parquet",
        "tpch/nation.parquet",
        "tpch/supplier.parquet",
        "tpch/customer.parquet",
        "tpch/part.parquet",
        "tpch/partsupp.parquet",
        "tpch/orders.parquet",
    ] {
        assert!(!columns(file).is_empty(), "{file}");
    }
    let regions = String::from_utf8(found[Path::new("regions.csv")].clone()).unwrap();
    assert_eq!(regions.lines().nth(1), Some("1,EU,Europe,eu.lead@example.com"));
}

#[test]
fn files_have_several_row_groups_and_page_statistics() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("demo");
    generate(&folder, &DemoDataOptions { scale: 0.01 }).unwrap();
    let mut rows = 0;
    for part in 1..=4 {
        let (batches, metadata) = read(&folder.join(format!("tpch/lineitem/part-{part}.parquet")));
        rows += batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        assert!(metadata.num_row_groups() >= 3, "{}", metadata.num_row_groups());
        assert!(metadata.row_group(0).column(0).statistics().is_some());
        assert!(metadata.column_index().is_some() && metadata.offset_index().is_some());
    }
    assert_eq!(rows, 60_175);
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    fs::write(parent.path().join("thesis.txt"), "three years").unwrap();
    assert!(matches!(generate(parent.path(), &SMALL), Err(DemoDataError::Foreign(_))));
    assert_eq!(fs::read_to_string(parent.path().join("thesis.txt")).unwrap(), "three years");
}

#[test]
fn another_scale_replaces_the_data() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("demo");
    generate(&folder, &SMALL).unwrap();
    let other = DemoDataOptions { scale: 0.002 };
    assert!(generate(&folder, &other).unwrap().is_new);
    assert!(!generate(&folder, &other).unwrap().is_new);
}

#[test]
fn impossible_scales_are_refused() {
    let parent = tempfile::tempdir().unwrap();
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
        assert!(matches!(
            generate(&parent.path().join("demo"), &DemoDataOptions { scale }),
            Err(DemoDataError::Scale(_))
        ));
    }
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
}
