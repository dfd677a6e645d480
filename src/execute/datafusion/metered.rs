//! Memory of operators that the engine does not count.
//!
//! `WindowAggExec` keeps all rows of its input until the last has come, and does not tell the memory pool: a window over
//! `generate_series(1, 1000000000)` ends the process. So its input is metered: what has gone in stays reserved for as
//! long as the operator lives, and the statement ends when the pool has no more.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::WindowAggExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
    replace_children_if_necessary,
};
use futures::StreamExt;
use std::fmt;
use std::sync::Arc;

/// Meters the inputs of operators that keep rows without reserving memory for them.
///
/// # Errors
/// The engine's.
pub(super) fn meter(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let metered = plan.transform_up(|node| {
        let keeps_rows = (node.as_ref() as &dyn std::any::Any).is::<WindowAggExec>();
        if !keeps_rows {
            return Ok(Transformed::no(node));
        }
        let inputs = node
            .children()
            .into_iter()
            .map(|input| Arc::new(MeteredExec { input: Arc::clone(input) }) as Arc<dyn ExecutionPlan>);
        let inputs: Vec<_> = inputs.collect();
        replace_children_if_necessary(node, inputs).map(Transformed::yes)
    })?;
    Ok(metered.data)
}

/// Lets rows through and reserves memory for each.
#[derive(Debug)]
pub(super) struct MeteredExec {
    input: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for MeteredExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MeteredExec")
    }
}

impl ExecutionPlan for MeteredExec {
    fn name(&self) -> &str {
        "MeteredExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match <[_; 1]>::try_from(children) {
            Ok([input]) => Ok(Arc::new(Self { input })),
            Err(_) => Err(DataFusionError::Internal("a metered plan has one input".into())),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let reservation = MemoryConsumer::new("rows of a window").register(context.memory_pool());
        let input = self.input.execute(partition, context)?;
        let schema = input.schema();
        let rows = input.map(move |batch| {
            let batch = batch?;
            // Twice: the operator puts all batches together into one before it begins.
            reservation.try_grow(batch.get_array_memory_size().saturating_mul(2))?;
            Ok(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}
