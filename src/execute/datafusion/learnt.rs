//! Handing what a join learns while it runs to the scan below it.
//!
//! The rows that one side of a join holds bound those that can matter on the other ("dynamic filters": a range, or a
//! list of keys, that is known as soon as the first side is read). The engine's rule carries such a predicate down to the
//! scan; a plan behind a barrier is out of its sight, so the rule is run there by itself, with the predicate on top.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_plan::filter_pushdown::{ChildFilterDescription, FilterDescription, FilterPushdownPhase};
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use std::fmt;
use std::sync::Arc;

/// A plan that reads less, if its scan can make use of what is learnt. It may give rows that the predicates would drop.
///
/// # Errors
/// The engine's.
pub(super) fn hand_down(
    plan: &Arc<dyn ExecutionPlan>,
    learnt: Vec<Arc<dyn PhysicalExpr>>,
    config: &ConfigOptions,
) -> Result<Arc<dyn ExecutionPlan>> {
    let top = Arc::new(LearntExec { input: Arc::clone(plan), learnt });
    let finished = FilterPushdown::new_post_optimization().optimize(top, config)?;
    match finished.children().as_slice() {
        [input] => Ok(Arc::clone(input)),
        _ => Err(DataFusionError::Internal("a plan with learnt predicates has one input".into())),
    }
}

/// Stands on top of a plan while predicates are handed down, and never runs.
#[derive(Debug)]
struct LearntExec {
    input: Arc<dyn ExecutionPlan>,
    learnt: Vec<Arc<dyn PhysicalExpr>>,
}

impl DisplayAs for LearntExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LearntExec")
    }
}

impl ExecutionPlan for LearntExec {
    fn name(&self) -> &str {
        "LearntExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let mut next = TreeNodeRecursion::Continue;
        for predicate in &self.learnt {
            next = visit(predicate)?;
            if next == TreeNodeRecursion::Stop {
                break;
            }
        }
        Ok(next)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match <[_; 1]>::try_from(children) {
            Ok([input]) => Ok(Arc::new(Self { input, learnt: self.learnt.clone() })),
            Err(_) => Err(DataFusionError::Internal("a plan with learnt predicates has one input".into())),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn gather_filters_for_pushdown(
        &self,
        _phase: FilterPushdownPhase,
        from_above: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> Result<FilterDescription> {
        let input = ChildFilterDescription::from_child(&from_above, &self.input)?;
        Ok(FilterDescription::new().with_child(input.with_self_filters(self.learnt.clone())))
    }

    fn execute(&self, _partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Err(DataFusionError::Internal("a plan with learnt predicates does not run".into()))
    }
}
