//! The security barrier in the physical plan: a leaf that no rule can look into.
//!
//! What lies inside (scan, row filter, masks) was planned on its own, from the policy's expressions alone. The outer
//! plan sees a source without children and without orderings, so no predicate, projection or limit of the user's can be
//! moved inside, and nothing about hidden rows can be moved out. What may cross is said by [`Openness`].

use super::inside::InsidePlan;
use super::leakproof::is_simple;
use super::learnt::hand_down;
use crate::types::DatasetName;
use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ColumnStatistics, DataFusionError, Result, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::{Column, DynamicFilterPhysicalExpr};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{EmissionType, reset_plan_states};
use datafusion::physical_plan::filter_pushdown::{ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties,
};
use futures::StreamExt;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// What of a governed relation is no secret, so that it may cross the barrier. The default lets nothing cross.
#[derive(Debug, Clone, Default)]
pub struct Openness {
    /// Columns that give their raw value.
    pub clear: BTreeSet<String>,
    /// No row is hidden, so that the number of rows and the bounds of clear columns are what a query would tell too.
    pub all_rows: bool,
    /// No row is hidden, or what hides rows is leakproof itself: whether it is evaluated on a row before or after a
    /// predicate of the user's, or not at all, can't be seen.
    pub takes_predicates: bool,
}

impl Openness {
    /// Whether a predicate may be evaluated inside because of the columns that it compares.
    fn compares_clear(&self, schema: &SchemaRef, compared: &[&Arc<dyn PhysicalExpr>]) -> bool {
        self.takes_predicates
            && compared.iter().all(|operand| {
                // INVARIANT: a column by itself. An expression over one might fail on a hidden row.
                operand.downcast_ref::<Column>().is_some_and(|column| {
                    self.clear.contains(column.name())
                        && schema
                            .fields()
                            .get(column.index())
                            .is_some_and(|field| field.name() == column.name() && is_simple(field.data_type()))
                })
            })
    }
}

/// A governed relation as the outer plan sees it.
#[derive(Debug)]
pub struct BarrierExec {
    key: String,
    dataset: DatasetName,
    inner: Arc<dyn ExecutionPlan>,
    /// What the size of the inside is estimated from.
    drafted: Arc<dyn ExecutionPlan>,
    open: Arc<Openness>,
    properties: Arc<PlanProperties>,
}

impl BarrierExec {
    /// Closes a plan off. `key` is the governed relation's (`r0` …).
    pub(super) fn new(key: &str, dataset: &DatasetName, inside: InsidePlan, open: &Arc<Openness>) -> Self {
        let InsidePlan { drafted, finished: inner } = inside;
        // INVARIANT: orderings and constants of the inside describe hidden rows too; none passes.
        let properties = PlanProperties::new(
            EquivalenceProperties::new(inner.schema()),
            Partitioning::UnknownPartitioning(inner.output_partitioning().partition_count()),
            EmissionType::Incremental,
            inner.boundedness(),
        );
        let (dataset, open) = (dataset.clone(), Arc::clone(open));
        Self { key: key.to_owned(), dataset, inner, drafted, open, properties: Arc::new(properties) }
    }

    fn with_inner(&self, inner: Arc<dyn ExecutionPlan>) -> Self {
        let drafted = Arc::clone(&self.drafted);
        Self::new(&self.key, &self.dataset, InsidePlan { drafted, finished: inner }, &self.open)
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
        Ok(Arc::new(self.with_inner(reset_plan_states(Arc::clone(&self.inner))?)))
    }

    fn statistics_from_inputs(&self, _inputs: &[Arc<Statistics>], asked: &StatisticsArgs) -> Result<Arc<Statistics>> {
        // INVARIANT: where a row is hidden, nothing is told, for a total of rows or a bound is the hidden rows' too.
        let partitions = |plan: &Arc<dyn ExecutionPlan>| plan.output_partitioning().partition_count();
        let alike = asked.partition().is_none() || partitions(&self.drafted) == partitions(&self.inner);
        if !self.open.all_rows || !alike {
            return Ok(Arc::new(Statistics::new_unknown(&self.schema())));
        }
        let told = StatisticsContext::new().compute(self.drafted.as_ref(), asked)?;
        let mut statistics = Arc::unwrap_or_clone(told);
        let schema = self.schema();
        for (field, column) in schema.fields().iter().zip(&mut statistics.column_statistics) {
            if !self.open.clear.contains(field.name()) {
                *column = ColumnStatistics::new_unknown();
                statistics.total_byte_size = Precision::Absent;
            }
        }
        Ok(Arc::new(statistics))
    }

    /// Takes in what a join or a top-k learns while it runs, where it compares clear columns alone. All else stays above.
    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        offered: ChildPushdownResult,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let schema = self.schema();
        let learnt: Vec<Arc<dyn PhysicalExpr>> = offered
            .parent_filters
            .iter()
            .map(|offer| &offer.filter)
            .filter(|filter| filter.is::<DynamicFilterPhysicalExpr>())
            .filter(|filter| self.open.compares_clear(&schema, &filter.children()))
            .map(Arc::clone)
            .collect();
        // Taken in or not, those above evaluate all of them: what is learnt only spares reading.
        let answer = FilterPushdownPropagation::all_unsupported(offered);
        if learnt.is_empty() || !matches!(phase, FilterPushdownPhase::Post) {
            return Ok(answer);
        }
        let inner = hand_down(&self.inner, learnt, config)?;
        Ok(answer.with_updated_node(Arc::new(self.with_inner(inner))))
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
        let inside = InsidePlan { drafted: Arc::clone(&inner), finished: Arc::clone(&inner) };
        let dataset = DatasetName::new("public", "people");
        let barrier = Arc::new(BarrierExec::new("r0", &dataset, inside, &Arc::default()));
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
