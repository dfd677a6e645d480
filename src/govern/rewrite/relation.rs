//! One governed relation: a masked projection over a row filter.

use super::GovernContext;
use super::filter::{Raw, false_expr, policy_expression};
use crate::catalog::Dataset;
use crate::decision::{Mask, MaskOrigin, Obligations};
use crate::govern::error::GovernError;
use crate::govern::resolved::RelationUse;
use crate::govern::statement::{ColumnValue, GovernedColumn, GovernedDataset};
use crate::sql::conjunction;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A dataset as its user may see it.
pub(super) fn governed_dataset(
    dataset: &Arc<Dataset>,
    relation: &RelationUse,
    obligations: &Obligations,
    context: &GovernContext<'_>,
) -> Result<GovernedDataset, GovernError> {
    let mut raw = Raw { context, dataset, relations: BTreeMap::new() };
    let mut filters = Vec::new();
    for filter in &obligations.row_filters {
        filters.push(policy_expression(&filter.expression, &filter.params, &filter.policy.label(), &mut raw)?);
    }
    let filter = if filters.is_empty() && (obligations.filter_required || dataset.row_filter_required) {
        Some(false_expr())
    } else {
        conjunction(filters)
    };
    let mut columns = Vec::new();
    for column in &dataset.columns {
        let value = match obligations.column_masks.get(&column.name) {
            None => ColumnValue::Clear,
            Some(mask) => {
                let owner = match &mask.origin {
                    MaskOrigin::Tag(tag) => format!("tag {tag}"),
                    MaskOrigin::Policy(policy) => policy.label(),
                };
                match &mask.mask {
                    Mask::Deny => continue,
                    Mask::Expression(sql) => {
                        ColumnValue::Computed(policy_expression(sql, &BTreeMap::new(), &owner, &mut raw)?)
                    }
                    plain => {
                        plain.suits(&column.sql_type).map_err(|problem| GovernError::Policy {
                            policy: owner,
                            dataset: dataset.name.clone(),
                            problem: problem.to_string(),
                        })?;
                        ColumnValue::Masked(plain.clone())
                    }
                }
            }
        };
        columns.push(GovernedColumn { name: column.name.clone(), value });
    }
    if let Some(unknown) = obligations.column_masks.keys().find(|name| dataset.column(name).is_none()) {
        return Err(GovernError::Policy {
            policy: unknown.clone(),
            dataset: dataset.name.clone(),
            problem: format!("a mask for column {unknown}, which the dataset does not have"),
        });
    }
    let used: BTreeSet<String> = relation.columns.keys().cloned().collect();
    if used.iter().any(|name| !columns.iter().any(|column| column.name == *name)) {
        // Resolving again with the denied columns leaves them out or names them in an error.
        return Err(GovernError::Broken("a denied column is used"));
    }
    Ok(GovernedDataset { dataset: Arc::clone(dataset), columns, filter, raw_relations: raw.relations, used })
}
