//! Files as tables: where a dataset's files lie and what columns they hold.
//!
//! The tables here are raw: every row, every value. They are handed to governed relations and to nobody else.

use super::types::{arrow_type, sql_type};
use crate::catalog::{DatasetLocation, DatasetSpec, FileFormat, InferredColumn, Source, SourceKind};
use crate::types::DatasetName;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::datasource::file_format::FileFormat as FileFormatReader;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::{LogicalPlanBuilder, cast, ident};
use object_store::aws::AmazonS3Builder;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// The raw tables of one catalog snapshot. `Debug` shows names only.
#[derive(Clone, Default)]
pub struct RawTables {
    tables: Arc<BTreeMap<DatasetName, Arc<dyn TableProvider>>>,
}

impl fmt::Debug for RawTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.tables.keys()).finish()
    }
}

impl RawTables {
    /// The raw tables of datasets.
    pub fn new(tables: BTreeMap<DatasetName, Arc<dyn TableProvider>>) -> Self {
        Self { tables: Arc::new(tables) }
    }

    /// The raw table of a dataset.
    pub(super) fn get(&self, name: &DatasetName) -> Option<Arc<dyn TableProvider>> {
        self.tables.get(name).cloned()
    }

    /// The columns of each table, as files hold them.
    pub fn schemas(&self) -> BTreeMap<DatasetName, Vec<InferredColumn>> {
        self.tables.iter().map(|(name, table)| (name.clone(), inferred(&table.schema()))).collect()
    }
}

fn inferred(schema: &SchemaRef) -> Vec<InferredColumn> {
    schema
        .fields()
        .iter()
        .map(|field| InferredColumn {
            name: field.name().clone(),
            sql_type: sql_type(field.data_type()),
            nullable: field.is_nullable(),
        })
        .collect()
}

/// Why a dataset's files can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The location is no path or URL.
    #[error("location {location:?} is no path and no URL that can be read")]
    Location {
        /// What the catalog says.
        location: String,
    },
    /// No file matches.
    #[error("no file matches {location:?}")]
    NoFiles {
        /// The full location.
        location: String,
    },
    /// The files could not be read.
    #[error("{location:?} can't be read: {problem}")]
    Unreadable {
        /// The full location.
        location: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Files of one dataset have schemas that do not go together, or columns of one name.
    #[error("{location:?} has no single schema: {problem}")]
    Schema {
        /// The full location.
        location: String,
        /// What does not fit.
        problem: String,
    },
    /// Not a file source.
    #[error("source {source_name:?} is not a source of files")]
    NotFiles {
        /// The source.
        source_name: String,
    },
}

impl SourceError {
    /// What a steward could do.
    pub fn suggestion(&self) -> Option<String> {
        match self {
            Self::NoFiles { .. } => Some("relative locations start at the folder that holds the catalog folder".into()),
            Self::NotFiles { .. } => Some("this gateway reads sources of kind files".into()),
            Self::Location { .. } | Self::Unreadable { .. } | Self::Schema { .. } => None,
        }
    }
}

/// A dataset's files, opened.
pub(super) struct OpenedFiles {
    /// The raw table.
    pub(super) table: Arc<dyn TableProvider>,
    /// Columns that stand in folder names, in order.
    pub(super) partition_columns: Vec<String>,
}

/// Opens a dataset's files and reads their schema. `base` is the folder that relative locations start from.
///
/// # Errors
/// [`SourceError`], with the location: it is for stewards and operators, not for clients.
pub(super) async fn open_files(
    state: &SessionState,
    source: &Source,
    dataset: &DatasetSpec,
    base: &Path,
) -> Result<OpenedFiles, SourceError> {
    let (SourceKind::Files { location: root }, DatasetLocation::Files { glob, format, partition_columns }) =
        (&source.kind, &dataset.location)
    else {
        return Err(SourceError::NotFiles { source_name: source.name.clone() });
    };
    let full = join(root, glob, base);
    let unreadable =
        |error: DataFusionError| SourceError::Unreadable { location: full.clone(), problem: error.strip_backtrace() };
    let url = listing_url(&full).ok_or_else(|| SourceError::Location { location: full.clone() })?;
    register_store(state, &url)?;
    let options = ListingOptions::new(reader(*format)).with_file_extension("");
    let partition_columns = if partition_columns.is_empty() {
        options.infer_partitions(state, &url).await.map_err(unreadable)?
    } else {
        partition_columns.clone()
    };
    let options = options
        .with_table_partition_cols(partition_columns.iter().map(|name| (name.clone(), DataType::Utf8)).collect());
    let schema = options.infer_schema(state, &url).await.map_err(unreadable)?;
    if schema.fields().is_empty() {
        return Err(SourceError::NoFiles { location: full });
    }
    let mut names = BTreeSet::new();
    for name in schema.fields().iter().map(|field| field.name()).chain(&partition_columns) {
        if !names.insert(name.as_str()) {
            return Err(SourceError::Schema { location: full, problem: format!("two columns named {name:?}") });
        }
    }
    let schema = match format {
        FileFormat::Parquet | FileFormat::Arrow => schema,
        FileFormat::Csv | FileFormat::Json => declared(&schema, dataset),
    };
    let config = ListingTableConfig::new(url).with_listing_options(options).with_schema(schema);
    let table = ListingTable::try_new(config).map_err(unreadable)?;
    let table = signed(Arc::new(table)).map_err(unreadable)?;
    Ok(OpenedFiles { table, partition_columns })
}

/// The schema of files without types of their own, with the types that the catalog declares.
fn declared(schema: &SchemaRef, dataset: &DatasetSpec) -> SchemaRef {
    let types: BTreeMap<&str, DataType> =
        dataset.declared_types().filter_map(|(name, of)| Some((name, arrow_type(of)?))).collect();
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| match types.get(field.name().as_str()) {
            Some(data_type) => Field::new(field.name(), data_type.clone(), true),
            None => field.as_ref().clone(),
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// The table with integers as PostgreSQL has them: one without a sign becomes the next larger one with it. Predicates
/// still prune, for the optimizer turns the cast of a column round into one of the constant.
fn signed(table: Arc<dyn TableProvider>) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let schema = table.schema();
    if schema.fields().iter().all(|field| signed_type(field.data_type()) == *field.data_type()) {
        return Ok(table);
    }
    let output = schema.fields().iter().map(|field| {
        let signed = signed_type(field.data_type());
        let column = ident(field.name());
        if signed == *field.data_type() { column } else { cast(column, signed).alias(field.name()) }
    });
    let plan = LogicalPlanBuilder::scan("files", provider_as_source(table), None)?.project(output)?.build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

fn signed_field(field: &FieldRef) -> FieldRef {
    let data_type = signed_type(field.data_type());
    if data_type == *field.data_type() {
        return Arc::clone(field);
    }
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

fn signed_type(of: &DataType) -> DataType {
    match of {
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::List(field) => DataType::List(signed_field(field)),
        DataType::LargeList(field) => DataType::LargeList(signed_field(field)),
        DataType::FixedSizeList(field, size) => DataType::FixedSizeList(signed_field(field), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(signed_field).collect()),
        // The keys are no values of anybody's.
        DataType::Dictionary(keys, values) => DataType::Dictionary(keys.clone(), Box::new(signed_type(values))),
        other => other.clone(),
    }
}

fn reader(format: FileFormat) -> Arc<dyn FileFormatReader> {
    match format {
        FileFormat::Parquet => Arc::new(ParquetFormat::default()),
        FileFormat::Csv => Arc::new(CsvFormat::default().with_has_header(true)),
        FileFormat::Json => Arc::new(JsonFormat::default()),
        FileFormat::Arrow => Arc::new(ArrowFormat),
    }
}

/// The full location: a URL stays one, a path becomes absolute.
fn join(root: &str, glob: &str, base: &Path) -> String {
    let root = root.trim_end_matches('/');
    if root.contains("://") {
        format!("{root}/{glob}")
    } else {
        base.join(root).join(glob).to_string_lossy().into_owned()
    }
}

/// A location as the engine lists it. For paths the engine finds the pattern itself, for URLs it is split off here: from
/// the first segment with a wildcard on.
fn listing_url(full: &str) -> Option<ListingTableUrl> {
    let Some((scheme, path)) = full.split_once("://") else { return ListingTableUrl::parse(full).ok() };
    let is_plain = |segment: &&str| !segment.contains(['*', '?', '[']);
    let plain: Vec<&str> = path.split('/').take_while(is_plain).collect();
    let pattern: Vec<&str> = path.split('/').skip_while(is_plain).collect();
    if pattern.is_empty() {
        return ListingTableUrl::parse(full).ok();
    }
    let url = url::Url::parse(&format!("{scheme}://{}/", plain.join("/"))).ok()?;
    ListingTableUrl::try_new(url, Some(glob::Pattern::new(&pattern.join("/")).ok()?)).ok()
}

/// Makes the object store of an `s3://` location known, with credentials from the environment (`AWS_*`). A store that
/// is already there for the bucket is used.
fn register_store(state: &SessionState, url: &ListingTableUrl) -> Result<(), SourceError> {
    let store_url = url.object_store();
    let store_url: &url::Url = store_url.as_ref();
    if store_url.scheme() != "s3" || state.runtime_env().object_store_registry.get_store(store_url).is_ok() {
        return Ok(());
    }
    let location = store_url.to_string();
    let bucket = store_url.host_str().ok_or_else(|| SourceError::Location { location: location.clone() })?;
    let store = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .build()
        .map_err(|error| SourceError::Unreadable { location, problem: error.to_string() })?;
    state.runtime_env().register_object_store(store_url, Arc::new(store));
    Ok(())
}
