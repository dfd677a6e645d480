//! The second reading: the plan as it will be executed, proved to read governed relations and nothing else.
//!
//! It shares no code with the resolver or the rewriter. It looks at what the engine's own planner made of the text.

use super::barrier::BarrierExec;
use super::cooperate::operator_name;
use crate::govern::{GovernedStatement, GovernedTarget};
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::TableReference;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source::DataSourceExec;
use datafusion::logical_expr::{LogicalPlan, TableScan};
use datafusion::physical_plan::ExecutionPlan;
use std::collections::BTreeSet;

/// Why a plan is not proved to be governed. It never reaches a client but as XX000.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A scan of something that is not one of the statement's governed relations.
    #[error("the plan scans {0}, which is not governed")]
    ForeignScan(String),
    /// A scan of a column that the decision did not know of.
    #[error("the plan scans column {column} of {relation}, which the decision did not consider")]
    UnknownColumn {
        /// The governed relation.
        relation: String,
        /// The column.
        column: String,
    },
    /// A plan node that is no part of reading.
    #[error("the plan holds a node that is not allowed: {0}")]
    ForeignNode(String),
    /// The plan could not be walked.
    #[error("the plan could not be read")]
    Unreadable,
}

/// Proves an optimized logical plan: every scan is of a governed relation, and of columns that the decision knew of.
///
/// # Errors
/// [`VerifyError`]: the statement must not run.
pub(super) fn verify_logical(plan: &LogicalPlan, statement: &GovernedStatement) -> Result<(), VerifyError> {
    let mut found = None;
    let walked = plan.apply_with_subqueries(|node| {
        if let Err(error) = verify_logical_node(node, statement) {
            found = Some(error);
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    match (walked, found) {
        (_, Some(error)) => Err(error),
        (Ok(_), None) => Ok(()),
        (Err(_), None) => Err(VerifyError::Unreadable),
    }
}

fn verify_logical_node(node: &LogicalPlan, statement: &GovernedStatement) -> Result<(), VerifyError> {
    match node {
        LogicalPlan::TableScan(scan) => verify_scan(scan, statement),
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::EmptyRelation(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Values(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::Unnest(_)
        | LogicalPlan::RecursiveQuery(_) => Ok(()),
        LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Extension(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_) => {
            Err(VerifyError::ForeignNode(node.display().to_string().chars().take(40).collect()))
        }
    }
}

fn verify_scan(scan: &TableScan, statement: &GovernedStatement) -> Result<(), VerifyError> {
    let TableReference::Partial { schema, table } = &scan.table_name else {
        return match &scan.table_name {
            // A recursive CTE's own rows, and the rows of an allow-listed table function.
            TableReference::Bare { .. } if is_generated(scan) => Ok(()),
            other => Err(VerifyError::ForeignScan(other.to_string())),
        };
    };
    let foreign = || VerifyError::ForeignScan(scan.table_name.to_string());
    if **schema != *GovernedStatement::RELATION_SCHEMA {
        return Err(foreign());
    }
    let relation = statement.relations().iter().find(|relation| *relation.key == **table).ok_or_else(foreign)?;
    let used: &BTreeSet<String> = match &relation.target {
        GovernedTarget::System(_) => return Ok(()),
        GovernedTarget::Dataset(dataset) => &dataset.used,
    };
    let scanned = scan.projected_schema.fields().iter().map(|field| field.name().clone());
    let filtered = scan.filters.iter().flat_map(|filter| filter.column_refs()).map(|column| column.name.clone());
    for column in scanned.chain(filtered) {
        if !used.contains(&column) {
            return Err(VerifyError::UnknownColumn { relation: relation.key.clone(), column });
        }
    }
    Ok(())
}

/// Whether a scan reads rows that the plan itself makes.
fn is_generated(scan: &TableScan) -> bool {
    use datafusion::catalog::cte_worktable::CteWorkTable;
    use datafusion::datasource::source_as_provider;
    use datafusion::functions_table::generate_series::GenerateSeriesTable;
    source_as_provider(&scan.source).is_ok_and(|provider| {
        let provider = provider.as_ref() as &dyn std::any::Any;
        provider.is::<CteWorkTable>() || provider.is::<GenerateSeriesTable>()
    })
}

/// Proves a physical plan: every leaf is a barrier of this statement or makes its own rows, every other node is an
/// operator that is known to compute only on its inputs.
///
/// # Errors
/// [`VerifyError`]: the statement must not run.
pub(super) fn verify_physical(plan: &dyn ExecutionPlan, statement: &GovernedStatement) -> Result<(), VerifyError> {
    verify_physical_node(plan, statement)?;
    for child in plan.children() {
        verify_physical(child.as_ref(), statement)?;
    }
    Ok(())
}

fn verify_physical_node(plan: &dyn ExecutionPlan, statement: &GovernedStatement) -> Result<(), VerifyError> {
    let any: &dyn std::any::Any = plan;
    if let Some(barrier) = any.downcast_ref::<BarrierExec>() {
        let known = statement.relations().iter().any(|relation| {
            relation.key == barrier.key()
                && matches!(&relation.target, GovernedTarget::Dataset(governed) if governed.dataset.name == *barrier.dataset())
        });
        return if known { Ok(()) } else { Err(VerifyError::ForeignScan(barrier.dataset().to_string())) };
    }
    if let Some(source) = any.downcast_ref::<DataSourceExec>() {
        // Rows in memory are those of system relations and of VALUES; files are never read outside a barrier.
        let source: &dyn std::any::Any = source.data_source().as_ref();
        return if source.is::<MemorySourceConfig>() { Ok(()) } else { Err(VerifyError::ForeignScan("files".into())) };
    }
    const OPERATORS: [&str; 35] = [
        "AggregateExec",
        "AsyncFuncExec",
        "BoundedWindowAggExec",
        "BufferExec",
        "CoalesceBatchesExec",
        "CoalescePartitionsExec",
        "CooperativeExec",
        "CrossJoinExec",
        "EmptyExec",
        "FilterExec",
        "GlobalLimitExec",
        "HashJoinExec",
        "InterleaveExec",
        "LazyMemoryExec",
        "LocalLimitExec",
        "MeteredExec",
        "NarrowExec",
        "NestedLoopJoinExec",
        "OutputRequirementExec",
        "PartialSortExec",
        "PartitionedTopKExec",
        "PiecewiseMergeJoinExec",
        "PlaceholderRowExec",
        "ProjectionExec",
        "RecursiveQueryExec",
        "RepartitionExec",
        "ReplayableExec",
        "ScalarSubqueryExec",
        "SortExec",
        "SortMergeJoinExec",
        "SortPreservingMergeExec",
        "UnionExec",
        "UnnestExec",
        "WindowAggExec",
        "WorkTableExec",
    ];
    if OPERATORS.contains(&operator_name(plan)) {
        Ok(())
    } else {
        Err(VerifyError::ForeignNode(plan.name().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::inside::InsidePlan;
    use super::*;
    use crate::govern::tests::governed;
    use crate::types::DatasetName;
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::datasource::empty::EmptyTable;
    use datafusion::datasource::provider_as_source;
    use datafusion::logical_expr::LogicalPlanBuilder;
    use datafusion::physical_plan::empty::EmptyExec;
    use datafusion::physical_plan::explain::ExplainExec;
    use datafusion::physical_plan::limit::GlobalLimitExec;
    use datafusion::prelude::{col, exists, lit};
    use std::sync::Arc;

    fn schema() -> Arc<Schema> {
        let text = |name: &str| Field::new(name, DataType::Utf8View, true);
        Arc::new(Schema::new(vec![text("name"), text("region"), text("salary")]))
    }

    /// A scan of the first `columns` of name, region, salary.
    fn scan(table: impl Into<TableReference>, columns: usize) -> LogicalPlanBuilder {
        let source = provider_as_source(Arc::new(EmptyTable::new(schema())));
        LogicalPlanBuilder::scan(table, source, Some((0..columns).collect())).unwrap()
    }

    fn r0() -> TableReference {
        TableReference::partial(GovernedStatement::RELATION_SCHEMA, "r0")
    }

    fn statement() -> GovernedStatement {
        governed("SELECT name FROM people WHERE region = 'EU'")
    }

    fn fault(plan: LogicalPlanBuilder) -> VerifyError {
        verify_logical(&plan.build().unwrap(), &statement()).unwrap_err()
    }

    #[test]
    fn scans_of_the_statements_own_relations_pass() {
        let plan = scan(r0(), 2).filter(col("region").eq(lit("EU"))).unwrap().build().unwrap();
        assert_eq!(verify_logical(&plan, &statement()), Ok(()));
    }

    #[test]
    fn no_other_relation_is_scanned() {
        for table in [
            TableReference::bare("people"),
            TableReference::bare("r0"),
            TableReference::partial("public", "people"),
            TableReference::partial(GovernedStatement::RELATION_SCHEMA, "r1"),
            TableReference::partial(GovernedStatement::RAW_SCHEMA, "f0"),
            TableReference::full("x", GovernedStatement::RELATION_SCHEMA, "r0"),
        ] {
            assert_eq!(fault(scan(table.clone(), 1)), VerifyError::ForeignScan(table.to_string()));
            // Nor in a subquery of an expression.
            let inner = Arc::new(scan(table.clone(), 1).build().unwrap());
            let plan = scan(r0(), 1).filter(exists(inner)).unwrap();
            assert_eq!(fault(plan), VerifyError::ForeignScan(table.to_string()));
        }
    }

    #[test]
    fn no_column_is_scanned_that_the_decision_did_not_know_of() {
        let unknown = VerifyError::UnknownColumn { relation: "r0".into(), column: "salary".into() };
        assert_eq!(fault(scan(r0(), 3)), unknown);
        // Nor looked at by a predicate that went into the scan.
        let source = provider_as_source(Arc::new(EmptyTable::new(schema())));
        let predicate = vec![col("salary").gt(lit("1"))];
        assert_eq!(
            fault(LogicalPlanBuilder::scan_with_filters(r0(), source, Some(vec![0]), predicate).unwrap()),
            unknown
        );
    }

    #[test]
    fn nodes_that_do_more_than_read_are_refused() {
        let plan = scan(r0(), 1).explain(false, true).unwrap();
        assert!(matches!(fault(plan), VerifyError::ForeignNode(_)));
    }

    fn barrier(key: &str, dataset: &str) -> Arc<dyn ExecutionPlan> {
        let dataset = DatasetName::parse(dataset).unwrap();
        let plan: Arc<dyn ExecutionPlan> = Arc::new(EmptyExec::new(schema()));
        let inside = InsidePlan { drafted: Arc::clone(&plan), finished: plan };
        Arc::new(BarrierExec::new(key, &dataset, inside, &Arc::default()))
    }

    #[test]
    fn leaves_are_barriers_of_the_statements_own_relations() {
        let limited = |leaf| GlobalLimitExec::new(leaf, 0, Some(1));
        assert_eq!(verify_physical(&limited(barrier("r0", "public.people")), &statement()), Ok(()));
        for (key, dataset) in [("r1", "public.people"), ("r0", "public.orders"), ("r0", "ops.people")] {
            let verified = verify_physical(&limited(barrier(key, dataset)), &statement());
            assert_eq!(verified, Err(VerifyError::ForeignScan(dataset.into())), "{key}");
        }
    }

    #[test]
    fn operators_that_are_not_known_are_refused_at_any_depth() {
        let explain = ExplainExec::new(schema(), Vec::new(), true);
        let plan = GlobalLimitExec::new(Arc::new(explain), 0, Some(1));
        assert_eq!(verify_physical(&plan, &statement()), Err(VerifyError::ForeignNode("ExplainExec".into())));
    }
}
