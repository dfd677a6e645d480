//! A governed relation as a table: masks over a row filter over the raw table, closed off by a barrier.

use super::barrier::{BarrierExec, Openness, closed};
use super::inside::InsidePlanner;
use super::leakproof::is_leakproof;
use crate::types::DatasetName;
use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DataFusionError, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableProviderFilterPushDown, TableType, ident};
use datafusion::physical_plan::ExecutionPlan;
use std::sync::Arc;

/// What a user may see of one dataset in one statement.
///
/// INVARIANT: the only columns in its schema are the visible ones, and `inner` gives just these, masked, for rows that
/// the filter lets through. Only leakproof predicates on columns in the clear are taken in.
#[derive(Debug)]
pub(super) struct GovernedTable {
    key: String,
    dataset: DatasetName,
    inner: LogicalPlan,
    open: Arc<Openness>,
    schema: SchemaRef,
    /// What the inside is planned with.
    inside: Arc<InsidePlanner>,
}

impl GovernedTable {
    /// Wraps a plan that was made from the policy's expressions alone. `open` says what of it is no secret.
    pub(super) fn new(
        key: &str,
        dataset: &DatasetName,
        inner: LogicalPlan,
        open: Openness,
        inside: &Arc<InsidePlanner>,
    ) -> Self {
        let fields: Vec<Arc<Field>> = inner
            .schema()
            .fields()
            .iter()
            .map(|field| {
                // A mask may give NULL where the column never does.
                let nullable = field.is_nullable() || !open.clear.contains(field.name());
                Arc::new(Field::new(field.name(), field.data_type().clone(), nullable))
            })
            .collect();
        let schema = Arc::new(Schema::new(fields));
        Self {
            key: key.to_owned(),
            dataset: dataset.clone(),
            inner,
            open: Arc::new(open),
            schema,
            inside: Arc::clone(inside),
        }
    }

    fn takes(&self, filter: &Expr) -> bool {
        self.open.takes_predicates && is_leakproof(filter, &self.schema, &|column| self.open.clear.contains(column))
    }
}

#[async_trait]
impl TableProvider for GovernedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let judge = |filter: &&Expr| {
            if self.takes(filter) {
                TableProviderFilterPushDown::Exact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        };
        Ok(filters.iter().map(judge).collect())
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut plan = LogicalPlanBuilder::from(self.inner.clone());
        for filter in filters {
            if !self.takes(filter) {
                return Err(DataFusionError::Internal(
                    "a predicate that is not leakproof reached a governed relation".into(),
                ));
            }
            plan = plan.filter(unqualified(filter.clone())?)?;
        }
        if let Some(projection) = projection {
            let columns = projection.iter().map(|index| Ok(ident(self.schema.field(*index).name())));
            plan = plan.project(columns.collect::<Result<Vec<_>>>()?)?;
        }
        // Nor does a limit end the reading early where the row filter itself might fail on a row.
        if let Some(limit) = limit.filter(|_| self.open.takes_predicates) {
            plan = plan.limit(0, Some(limit))?;
        }
        let plan = plan.build()?;
        // An error of planning speaks of the policy's expression: its types, its parameters.
        let inner = self.inside.plan(&plan).await.map_err(|error| closed(&self.dataset, &error))?;
        Ok(Arc::new(BarrierExec::new(&self.key, &self.dataset, inner, &self.open)))
    }
}

/// Column references without the name that the outer statement gave the relation.
fn unqualified(filter: Expr) -> Result<Expr> {
    let transformed = filter.transform(|expr| {
        Ok(match expr {
            Expr::Column(column) => Transformed::yes(Expr::Column(Column::new_unqualified(column.name))),
            other => Transformed::no(other),
        })
    })?;
    Ok(transformed.data)
}
