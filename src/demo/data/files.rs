//! Writing record batches as Parquet, with everything that lets a reader skip: several row groups, page statistics.

use super::DemoDataError;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use std::fs::File;
use std::path::Path;

/// Writes batches as one Parquet file of row groups of at most so many rows.
pub(super) fn parquet(
    path: &Path,
    schema: SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
    row_group_rows: usize,
) -> Result<(), DemoDataError> {
    let failed = |error: &dyn std::fmt::Display| DemoDataError::write(path, error);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(row_group_rows.max(1)))
        .set_data_page_row_count_limit(2_000)
        .set_write_batch_size(1_000)
        .set_created_by("querygate demo".to_owned())
        .build();
    let file = File::create(path).map_err(|error| failed(&error))?;
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties)).map_err(|error| failed(&error))?;
    for batch in batches {
        let batch = batch.map_err(|error| failed(&error))?;
        writer.write(&batch).map_err(|error| failed(&error))?;
    }
    writer.close().map(drop).map_err(|error| failed(&error))
}

/// Makes a folder.
pub(super) fn folder(path: &Path) -> Result<(), DemoDataError> {
    std::fs::create_dir_all(path).map_err(|error| DemoDataError::write(path, error))
}
