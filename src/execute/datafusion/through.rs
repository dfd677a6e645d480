//! An operator that gives the rows of its one input, and does something on the way: what such operators have in common.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use std::fmt;
use std::sync::Arc;

/// What is done on the way. The rows stay as many, or the same in smaller batches, and in their order.
pub(super) trait Step: fmt::Debug + Send + Sync + 'static {
    /// The operator's name, by which the verifier knows it.
    const NAME: &'static str;

    /// The same for another input, in its first state.
    fn again(&self) -> Self;

    /// The rows of a partition.
    ///
    /// # Errors
    /// The engine's.
    fn execute(
        &self,
        input: &Arc<dyn ExecutionPlan>,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream>;
}

/// A step over an input.
#[derive(Debug)]
pub(super) struct ThroughExec<S> {
    input: Arc<dyn ExecutionPlan>,
    step: S,
}

/// Puts a step over an input.
pub(super) fn through<S: Step>(input: &Arc<dyn ExecutionPlan>, step: S) -> Arc<dyn ExecutionPlan> {
    Arc::new(ThroughExec { input: Arc::clone(input), step })
}

impl<S: Step> DisplayAs for ThroughExec<S> {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(S::NAME)
    }
}

impl<S: Step> ExecutionPlan for ThroughExec<S> {
    fn name(&self) -> &str {
        S::NAME
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
        match children.as_slice() {
            [input] => Ok(through(input, self.step.again())),
            _ => Err(DataFusionError::Internal(format!("{} has one input", S::NAME))),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.step.execute(&self.input, partition, context)
    }
}
