//! Inputs that an operator may read a second time.
//!
//! `NestedLoopJoinExec` loads its left side into memory; if that is too much, it reads it again and spills it. The engine's
//! operators below it can't all be read twice: a second reading of a `RepartitionExec` panics. So the left side is put
//! behind a node that starts the second reading on a copy in its first state.

use super::cooperate::operator_name;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
    replace_children_if_necessary,
};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Makes the left side of nested loops readable again.
///
/// # Errors
/// The engine's.
pub(super) fn replayable(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let replayable = plan.transform_up(|node| {
        if operator_name(node.as_ref()) != "NestedLoopJoinExec" {
            return Ok(Transformed::no(node));
        }
        let inputs = node.children().into_iter().enumerate().map(|(side, input)| match side {
            0 => Arc::new(ReplayableExec::new(Arc::clone(input))) as Arc<dyn ExecutionPlan>,
            _ => Arc::clone(input),
        });
        let inputs: Vec<_> = inputs.collect();
        replace_children_if_necessary(node, inputs).map(Transformed::yes)
    })?;
    Ok(replayable.data)
}

/// Lets rows through; read a second time, it gives the same rows from the beginning.
#[derive(Debug)]
pub(super) struct ReplayableExec {
    input: Arc<dyn ExecutionPlan>,
    read: AtomicBool,
}

impl ReplayableExec {
    fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        Self { input, read: AtomicBool::new(false) }
    }
}

impl DisplayAs for ReplayableExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplayableExec")
    }
}

impl ExecutionPlan for ReplayableExec {
    fn name(&self) -> &str {
        "ReplayableExec"
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
            Ok([input]) => Ok(Arc::new(Self::new(input))),
            Err(_) => Err(DataFusionError::Internal("a plan to be read again has one input".into())),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if self.read.swap(true, Ordering::Relaxed) {
            return reset_plan_states(Arc::clone(&self.input))?.execute(partition, context);
        }
        self.input.execute(partition, context)
    }
}
