//! The security barrier in the physical plan: a leaf that no rule can look into.
//!
//! What lies inside (scan, row filter, masks) was planned on its own, from the policy's expressions alone. The outer
//! plan sees a source without children, without statistics and without orderings, so no predicate, projection or limit
//! of the user's can be moved inside, and nothing about hidden rows can be moved out.

use crate::types::DatasetName;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{EmissionType, reset_plan_states};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties,
};
use futures::StreamExt;
use std::fmt;
use std::sync::Arc;

/// A governed relation as the outer plan sees it.
#[derive(Debug)]
pub struct BarrierExec {
    key: String,
    dataset: DatasetName,
    inner: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl BarrierExec {
    /// Closes a plan off. `key` is the governed relation's (`r0` …).
    pub fn new(key: &str, dataset: &DatasetName, inner: Arc<dyn ExecutionPlan>) -> Self {
        // INVARIANT: orderings, constants and statistics of the inside describe hidden rows too; none passes.
        let properties = PlanProperties::new(
            EquivalenceProperties::new(inner.schema()),
            Partitioning::UnknownPartitioning(inner.output_partitioning().partition_count()),
            EmissionType::Incremental,
            inner.boundedness(),
        );
        Self { key: key.to_owned(), dataset: dataset.clone(), inner, properties: Arc::new(properties) }
    }

    /// Which governed relation it is.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The dataset behind it.
    pub fn dataset(&self) -> &DatasetName {
        &self.dataset
    }

    /// The plan inside, for the verifier and for tests: never for a client.
    pub fn inner(&self) -> &Arc<dyn ExecutionPlan> {
        &self.inner
    }
}

/// Reading a governed relation failed. The cause may speak of hidden rows, so it goes to the log alone.
#[derive(Debug, thiserror::Error)]
#[error("could not read {dataset}")]
pub struct BarrierError {
    /// The dataset that could not be read.
    pub dataset: DatasetName,
    /// Whether memory ran out, which is no secret.
    pub out_of_memory: bool,
}

/// What is told of an error from inside.
pub(super) fn closed(dataset: &DatasetName, error: &DataFusionError) -> DataFusionError {
    let out_of_memory = matches!(error.find_root(), DataFusionError::ResourcesExhausted(_));
    match error.find_root() {
        // These speak of files, never of values.
        DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) => {
            tracing::error!(%dataset, %error, "reading a dataset failed");
        }
        _ => {
            tracing::error!(%dataset, kind = error.find_root().strip_backtrace().split(':').next(), "a governed relation failed")
        }
    }
    DataFusionError::External(Box::new(BarrierError { dataset: dataset.clone(), out_of_memory }))
}

impl DisplayAs for BarrierExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GovernedScan: {}", self.dataset)
    }
}

impl ExecutionPlan for BarrierExec {
    fn name(&self) -> &str {
        "BarrierExec"
    }

    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { Err(DataFusionError::Internal("a barrier has no children".into())) }
    }

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        let inner = reset_plan_states(Arc::clone(&self.inner))?;
        Ok(Arc::new(Self::new(&self.key, &self.dataset, inner)))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let dataset = self.dataset.clone();
        let stream = self.inner.execute(partition, context).map_err(|error| closed(&dataset, &error))?;
        let schema = stream.schema();
        let stream = stream.map(move |batch| batch.map_err(|error| closed(&dataset, &error)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::physical_plan::empty::EmptyExec;

    #[expect(deprecated, reason = "what rules of other crates may still call")]
    #[test]
    fn a_barrier_is_a_leaf_whatever_is_inside() {
        let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
        let inner: Arc<dyn ExecutionPlan> = Arc::new(EmptyExec::new(schema));
        let barrier = Arc::new(BarrierExec::new("r0", &DatasetName::new("public", "people"), Arc::clone(&inner)));
        assert!(barrier.children().is_empty());
        assert!(Arc::clone(&barrier).with_new_children(vec![inner]).is_err());
        assert!(barrier.with_new_children(Vec::new()).is_ok());
    }

    #[test]
    fn an_error_from_inside_has_no_words_of_its_own() {
        let dataset = DatasetName::new("public", "people");
        let told = closed(&dataset, &DataFusionError::Execution("cannot cast '123-45-6789'".into()));
        assert_eq!(told.find_root().to_string(), "External error: could not read public.people");
    }
}
