//! Places in a plan where the engine's threads look up from their work.
//!
//! The engine yields at scans and exchanges. A join can make millions of batches of one that was scanned, and what reads
//! them would never come by a scan: neither a cancel nor anybody else's statement would get a turn. So each operator
//! that can make more rows than it reads is wrapped in one that yields after so many batches.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use std::sync::Arc;

/// Operators that can make more rows than they read.
const MULTIPLYING: [&str; 9] = [
    "CrossJoinExec",
    "HashJoinExec",
    "LazyMemoryExec",
    "NestedLoopJoinExec",
    "PiecewiseMergeJoinExec",
    "RecursiveQueryExec",
    "SortMergeJoinExec",
    "UnnestExec",
    "WorkTableExec",
];

/// An operator's name alone: some say how they run behind it, as in `SortExec(TopK)`.
pub(super) fn operator_name(node: &dyn ExecutionPlan) -> &str {
    node.name().split('(').next().unwrap_or_default()
}

/// Wraps the operators that can make more rows than they read.
pub(super) fn cooperative(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let wrapped = plan.transform_up(|node| {
        if MULTIPLYING.contains(&operator_name(node.as_ref())) {
            Ok(Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>))
        } else {
            Ok(Transformed::no(node))
        }
    })?;
    Ok(wrapped.data)
}
