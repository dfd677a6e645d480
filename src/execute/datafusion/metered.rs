//! Memory of operators that the engine does not count.
//!
//! `WindowAggExec` keeps all rows of its input until the last has come, and does not tell the memory pool: a window over
//! `generate_series(1, 1000000000)` ends the process. So its input is metered: what has gone in stays reserved for as
//! long as the operator lives, and the statement ends when the pool has no more.
//!
//! What a window function gives for a row can be as large as any row before it (`first_value`), or as all of them
//! together (`array_agg`). That is reserved as well.

use super::narrow::{is_wide, widest_row};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::window::{PlainAggregateWindowExpr, SlidingAggregateWindowExpr, WindowExpr};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
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
        let any: &dyn std::any::Any = node.as_ref();
        let (keeps_rows, gives) = if let Some(window) = any.downcast_ref::<WindowAggExec>() {
            (true, gives(window.window_expr())?)
        } else if let Some(window) = any.downcast_ref::<BoundedWindowAggExec>() {
            (false, gives(window.window_expr())?)
        } else {
            return Ok(Transformed::no(node));
        };
        // A window that lets rows go gives them in batches, and rows are narrow: only what adds up needs room.
        if !keeps_rows && gives != Gives::All {
            return Ok(Transformed::no(node));
        }
        let metered = |input: &Arc<dyn ExecutionPlan>| {
            Arc::new(MeteredExec { input: Arc::clone(input), gives }) as Arc<dyn ExecutionPlan>
        };
        let inputs: Vec<_> = node.children().into_iter().map(metered).collect();
        replace_children_if_necessary(node, inputs).map(Transformed::yes)
    })?;
    Ok(metered.data)
}

/// How large the value of a window function can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gives {
    /// A few bytes.
    Little,
    /// As much as the widest row.
    OneRow,
    /// As much as all rows so far.
    All,
}

fn gives(windows: &[Arc<dyn WindowExpr>]) -> Result<Gives> {
    let mut most = Gives::Little;
    for window in windows {
        if !is_wide(window.field()?.data_type()) {
            continue;
        }
        let any = window.as_any();
        let aggregate = any
            .downcast_ref::<PlainAggregateWindowExpr>()
            .map(PlainAggregateWindowExpr::get_aggregate_expr)
            .or_else(|| any.downcast_ref::<SlidingAggregateWindowExpr>().map(|of| of.get_aggregate_expr()));
        let one_row =
            aggregate.is_none_or(|of| matches!(of.fun().name(), "min" | "max" | "first_value" | "last_value"));
        most = most.max(if one_row { Gives::OneRow } else { Gives::All });
    }
    Ok(most)
}

/// Lets rows through and reserves memory for each.
#[derive(Debug)]
pub(super) struct MeteredExec {
    input: Arc<dyn ExecutionPlan>,
    gives: Gives,
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
            Ok([input]) => Ok(Arc::new(Self { input, gives: self.gives })),
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
        let gives = self.gives;
        let (mut rows, mut bytes, mut widest, mut given) = (0_usize, 0_usize, 0_usize, 0_usize);
        let rows = input.map(move |batch| {
            let batch = batch?;
            // Twice: the operator puts all batches together into one before it begins.
            let size = batch.get_array_memory_size();
            reservation.try_grow(size.saturating_mul(2))?;
            rows = rows.saturating_add(batch.num_rows());
            bytes = bytes.saturating_add(size);
            let gives_now = match gives {
                Gives::Little => 0,
                Gives::OneRow => {
                    widest = widest.max(widest_row(&batch));
                    rows.saturating_mul(widest)
                }
                Gives::All => given.saturating_add(batch.num_rows().saturating_mul(bytes)),
            };
            reservation.try_grow(gives_now.saturating_sub(given))?;
            given = given.max(gives_now);
            Ok(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}
