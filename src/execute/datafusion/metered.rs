//! Memory of operators that the engine does not count.
//!
//! `WindowAggExec` keeps all rows of its input until the last has come, and does not tell the memory pool: a window over
//! `generate_series(1, 1000000000)` ends the process. So its input is metered: what has gone in stays reserved for as
//! long as the operator lives, and the statement ends when the pool has no more.
//!
//! What a window function gives for a row can be as large as any row before it (`first_value`), or as all of them
//! together (`array_agg`). That is reserved as well.

use super::narrow::{is_wide, widest_row};
use super::through::{Step, through};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::window::{PlainAggregateWindowExpr, SlidingAggregateWindowExpr, WindowExpr};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};
use futures::StreamExt;
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
        let inputs: Vec<_> = node.children().into_iter().map(|input| through(input, Metered { gives })).collect();
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
#[derive(Debug, Clone)]
struct Metered {
    gives: Gives,
}

impl Step for Metered {
    const NAME: &'static str = "MeteredExec";

    fn again(&self) -> Self {
        self.clone()
    }

    fn execute(
        &self,
        input: &Arc<dyn ExecutionPlan>,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let reservation = MemoryConsumer::new("rows of a window").register(context.memory_pool());
        let input = input.execute(partition, context)?;
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
