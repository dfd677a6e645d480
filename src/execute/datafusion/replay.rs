//! Inputs that an operator may read a second time.
//!
//! `NestedLoopJoinExec` loads its left side into memory; if that is too much, it reads it again and spills it. The engine's
//! operators below it can't all be read twice: a second reading of a `RepartitionExec` panics. So the left side is put
//! behind a node that starts the second reading on a copy in its first state.

use super::cooperate::operator_name;
use super::through::{Step, through};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};
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
            0 => through(input, Replay::default()),
            _ => Arc::clone(input),
        });
        let inputs: Vec<_> = inputs.collect();
        replace_children_if_necessary(node, inputs).map(Transformed::yes)
    })?;
    Ok(replayable.data)
}

/// Lets rows through; read a second time, it gives the same rows from the beginning.
#[derive(Debug, Default)]
struct Replay {
    read: AtomicBool,
}

impl Step for Replay {
    const NAME: &'static str = "ReplayableExec";

    fn again(&self) -> Self {
        Self::default()
    }

    fn execute(
        &self,
        input: &Arc<dyn ExecutionPlan>,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        if self.read.swap(true, Ordering::Relaxed) {
            return reset_plan_states(Arc::clone(input))?.execute(partition, context);
        }
        input.execute(partition, context)
    }
}
