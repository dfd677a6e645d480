//! The states that plans behind a barrier are made with: nothing that a user has set is in them.

use datafusion::common::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::OptimizerRule;
use datafusion::optimizer::eliminate_filter::EliminateFilter;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::propagate_empty_relation::PropagateEmptyRelation;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::push_down_limit::PushDownLimit;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::DefaultPhysicalPlanner;
use std::sync::Arc;

/// What policies wrote is planned in UTC, whatever time zone the session has set: a row filter such as
/// `created_at::date < current_date` must not move with the user's clock.
#[derive(Debug)]
pub(super) struct Inside {
    /// For filters that ask subqueries.
    any: SessionState,
    /// For masks over a filter over one table: the rules that can do something there, and no others.
    one_table: SessionState,
    /// With the rules that finish a drafted plan.
    finishing: Arc<SessionState>,
}

/// Plans what lies behind the barriers of one statement.
#[derive(Debug)]
pub(super) struct InsidePlanner {
    state: SessionState,
    finishing: Arc<SessionState>,
}

/// A plan for behind a barrier.
#[derive(Debug)]
pub(super) struct InsidePlan {
    /// As it was before any rule: filters stand where estimates take note of them. It never runs.
    pub(super) drafted: Arc<dyn ExecutionPlan>,
    /// As it runs.
    pub(super) finished: Arc<dyn ExecutionPlan>,
}

impl Inside {
    /// From the state that statements have.
    pub(super) fn new(template: &SessionState) -> Self {
        let mut finishing = template.clone();
        finishing.config_mut().options_mut().execution.time_zone = Some("UTC".to_owned());
        let drafting =
            || SessionStateBuilder::new_from_existing(finishing.clone()).with_physical_optimizer_rules(Vec::new());
        let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
            Arc::new(SimplifyExpressions::new()),
            Arc::new(EliminateFilter::new()),
            Arc::new(PropagateEmptyRelation::new()),
            Arc::new(PushDownLimit::new()),
            Arc::new(PushDownFilter::new()),
            Arc::new(OptimizeProjections::new()),
        ];
        let (any, one_table) = (drafting().build(), drafting().with_optimizer_rules(rules).build());
        Self { any, one_table, finishing: Arc::new(finishing) }
    }

    /// The planner for one statement, which begins now.
    pub(super) fn begin(&self, asks_subqueries: bool) -> Arc<InsidePlanner> {
        let mut state = if asks_subqueries { self.any.clone() } else { self.one_table.clone() };
        state.mark_start_execution();
        Arc::new(InsidePlanner { state, finishing: Arc::clone(&self.finishing) })
    }
}

impl InsidePlanner {
    /// What expressions are read with.
    pub(super) fn state(&self) -> &SessionState {
        &self.state
    }

    /// Plans.
    ///
    /// # Errors
    /// The engine's, which may speak of what policies wrote.
    pub(super) async fn plan(&self, logical: &LogicalPlan) -> Result<InsidePlan> {
        let drafted = self.state.create_physical_plan(logical).await?;
        let finished = DefaultPhysicalPlanner::default().optimize_physical_plan(
            Arc::clone(&drafted),
            self.finishing.as_ref(),
            |_, _| {},
        )?;
        Ok(InsidePlan { drafted, finished })
    }
}
