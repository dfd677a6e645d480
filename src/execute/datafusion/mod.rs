//! The embedded engine: DataFusion over files.
//!
//! It runs on threads of its own, so that a heavy statement keeps nobody from connecting or cancelling. All statements
//! share one memory pool and one spill folder; each gets a session state of its own, so settings never cross.

mod barrier;
mod batches;
mod context;
mod cooperate;
mod dates;
mod error;
mod inside;
mod leakproof;
mod learnt;
mod masks;
mod metered;
mod narrow;
mod parameters;
mod plan;
mod relation;
mod replay;
mod sized;
mod source;
mod stream;
mod through;
mod types;
mod untyped;
mod verify;

pub use barrier::{BarrierError, BarrierExec, Openness};
pub use error::EngineError;
pub use masks::{MaskKey, mask_expr};
pub use plan::{PlannedStatement, StatementScope};
use source::{OpenedFiles, open_files};
pub use source::{RawTables, SourceError};
pub use types::{parameter_pg_type, parameter_type, sql_type};
pub use verify::VerifyError;

use crate::catalog::{CatalogSpec, Finding, SourceKind};
use crate::config::Engine;
use crate::sql::functions;
use crate::types::DatasetName;
use datafusion::catalog::TableProvider;
use datafusion::execution::context::SessionState;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{FunctionRegistry, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The embedded engine. One for a process.
#[derive(Debug)]
pub struct DataFusionEngine {
    /// The state that every statement's is a copy of.
    template: SessionState,
    /// The states that what policies wrote is planned with.
    inside: inside::Inside,
    /// Bytes that a batch may hold.
    batch_bytes: u64,
    runtime: Option<tokio::runtime::Runtime>,
}

impl DataFusionEngine {
    /// Starts the engine's threads and pools.
    ///
    /// # Errors
    /// The pool's or the spill folder's, as text for the operator.
    pub fn start(options: &Engine) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.threads.max(1))
            .thread_name("querygate-engine")
            .thread_stack_size(8 << 20)
            .enable_all()
            .build()
            .map_err(|error| format!("the engine's threads can't be started: {error}"))?;
        let env = environment(options).map_err(|error| format!("the engine can't be started: {error}"))?;
        let mut template = template(options, env);
        template
            .register_function_rewrite(Arc::new(sized::BoundSizes))
            .map_err(|error| format!("the engine can't be started: {error}"))?;
        template.add_analyzer_rule(Arc::new(dates::ZonedDates));
        let inside = inside::Inside::new(&template);
        let batch_bytes = batches::bytes_of_batch(options.memory_bytes);
        Ok(Self { template, inside, batch_bytes, runtime: Some(runtime) })
    }

    /// Opens the files of every dataset of a catalog: the tables, and a finding for each dataset whose files can't be
    /// used. Columns that stand in folder names are put into the catalog where it leaves them to be seen.
    pub async fn open(
        &self,
        spec: &mut CatalogSpec,
        base: &Path,
    ) -> (BTreeMap<DatasetName, Arc<dyn TableProvider>>, Vec<Finding>) {
        let (mut opened, mut findings, mut partitions) = (BTreeMap::new(), Vec::new(), Vec::new());
        for dataset in spec.datasets() {
            let Some(source) = spec.sources().get(&dataset.source) else { continue };
            if matches!(source.kind, SourceKind::Postgres { .. }) {
                continue;
            }
            match open_files(&self.template, source, dataset, base).await {
                Ok(OpenedFiles { table, partition_columns }) => {
                    opened.insert(dataset.name.clone(), table);
                    partitions.push((dataset.name.clone(), partition_columns));
                }
                Err(error) => findings.push(dataset.location_error(error.to_string(), error.suggestion())),
            }
        }
        for (name, columns) in partitions {
            spec.set_partition_columns(&name, columns);
        }
        (opened, findings)
    }

    /// A store for a bucket, in place of the one that the environment describes. For tests and for private stores.
    pub fn register_store(
        &self,
        url: &datafusion::execution::object_store::ObjectStoreUrl,
        store: Arc<dyn object_store::ObjectStore>,
    ) {
        self.template.runtime_env().register_object_store(url.as_ref(), store);
    }

    /// The engine's own threads.
    pub(super) fn threads(&self) -> Option<&tokio::runtime::Handle> {
        self.runtime.as_ref().map(tokio::runtime::Runtime::handle)
    }
}

impl Drop for DataFusionEngine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn environment(options: &Engine) -> datafusion::common::Result<Arc<RuntimeEnv>> {
    let consumers = NonZeroUsize::MIN.saturating_add(4);
    let mode = match &options.spill_dir {
        Some(folder) => DiskManagerMode::Directories(vec![folder.clone()]),
        None => DiskManagerMode::OsTmpDirectory,
    };
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(TrackConsumersPool::new(FairSpillPool::new(options.memory_bytes), consumers)))
        .with_disk_manager_builder(
            DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(options.spill_max_bytes),
        )
        // New files of a dataset are seen after this long at the latest.
        .with_object_list_cache_ttl(Some(Duration::from_secs(5)))
        .build_arc()
}

/// The state that every statement's is a copy of: only allow-listed functions, no catalogs, no file formats by name.
fn template(options: &Engine, env: Arc<RuntimeEnv>) -> SessionState {
    let mut config = SessionConfig::new()
        .with_target_partitions(options.target_partitions.max(1))
        .with_batch_size(options.batch_size.max(1))
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false);
    let settings = config.options_mut();
    settings.sql_parser.parse_float_as_decimal = true;
    settings.sql_parser.map_string_types_to_utf8view = true;
    settings.execution.parquet.pushdown_filters = true;
    settings.execution.parquet.reorder_filters = true;
    // A hint that a hidden row could have been read must not depend on statistics of hidden rows.
    settings.execution.collect_statistics = true;
    let defaults = SessionStateBuilder::new().with_config(config.clone()).with_default_features().build();
    // What speaks of the session or the catalog is answered by the gateway; `named_struct` is how whole rows are made.
    let allowed =
        |name: &str| name == "named_struct" || functions::lookup(name).is_some_and(|function| !function.system);
    let scalar = defaults.scalar_functions().iter().filter(|(name, _)| allowed(name)).map(|(_, f)| Arc::clone(f));
    let aggregate = defaults.aggregate_functions().iter().filter(|(name, _)| allowed(name)).map(|(_, f)| Arc::clone(f));
    let window = defaults.window_functions().iter().filter(|(name, _)| allowed(name)).map(|(_, f)| Arc::clone(f));
    let table = defaults
        .table_functions()
        .iter()
        .filter(|(name, _)| allowed(name))
        .map(|(name, f)| (name.clone(), Arc::clone(f)))
        .collect();
    SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(env)
        .with_expr_planners(defaults.expr_planners().to_vec())
        .with_scalar_functions(scalar.collect())
        .with_aggregate_functions(aggregate.collect())
        .with_window_functions(window.collect())
        .with_table_functions(table)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::metadata::function_names;

    /// What the engine has under another name, or as syntax; `tests/it` runs each.
    const OTHERWISE: &[&str] = &[
        "_pg_expandarray",
        "ceiling",
        "date",
        "div",
        "every",
        "extract",
        "gen_random_uuid",
        "generate_subscripts",
        "grouping",
        "mod",
        "overlay",
        "position",
        "sign",
        "substring",
        "trim",
        "unnest",
        "variance",
    ];

    #[test]
    fn every_allowed_function_is_known_and_every_function_of_metadata_is_allowed() {
        let options = Engine {
            memory_bytes: 1 << 24,
            spill_dir: None,
            spill_max_bytes: 1 << 24,
            threads: 1,
            target_partitions: 1,
            batch_size: 1024,
        };
        let engine = DataFusionEngine::start(&options).unwrap();
        let state = &engine.template;
        let metadata = function_names();
        let is_known = |name: &str| {
            metadata.contains(&name)
                || OTHERWISE.contains(&name)
                || state.scalar_functions().contains_key(name)
                || state.aggregate_functions().contains_key(name)
                || state.window_functions().contains_key(name)
                || state.table_functions().contains_key(name)
        };
        let for_upstreams = |name: &str| functions::lookup(name).is_some_and(|function| function.upstream);
        let unknown: Vec<&str> = functions::names().filter(|name| !is_known(name) && !for_upstreams(name)).collect();
        assert!(unknown.is_empty(), "allowed, and nobody has them: {unknown:?}");
        let refused: Vec<&str> = metadata.into_iter().filter(|name| functions::lookup(name).is_none()).collect();
        assert!(refused.is_empty(), "answered, and not allowed: {refused:?}");
        let foreign = functions::names().filter(|name| functions::lookup(name).is_some_and(|function| function.system));
        for name in foreign {
            assert!(!state.scalar_functions().contains_key(name), "{name} is the engine's own");
        }
    }
}
