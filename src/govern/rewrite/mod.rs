//! Governing: a resolved statement and its decisions become the statement that may run.

mod filter;
mod group_size;
mod output;
mod relation;
mod weights;

use super::error::GovernError;
use super::resolved::{RelationTarget, ResolvedStatement};
use super::statement::{GovernedRelation, GovernedStatement, GovernedTarget};
use crate::catalog::CatalogSnapshot;
use crate::decision::{Limits, Obligations};
use crate::types::DatasetName;
use std::collections::BTreeMap;

/// What governing reads beside the decisions.
#[derive(Debug, Clone, Copy)]
pub struct GovernContext<'a> {
    /// The catalog that the statement was resolved against: row filters may read other datasets of it.
    pub catalog: &'a CatalogSnapshot,
}

/// Puts row filters, masks and group sizes in place.
///
/// # Errors
/// [`GovernError::Policy`] if a policy's expression is not usable, [`GovernError::GroupSize`] if the statement shows
/// groups that are too small, [`GovernError::Undecided`] if a dataset has no decision.
pub fn govern(
    resolved: ResolvedStatement,
    decisions: &BTreeMap<DatasetName, Obligations>,
    context: &GovernContext<'_>,
) -> Result<GovernedStatement, GovernError> {
    let output = output::output_columns(&resolved, decisions, context)?;
    let ResolvedStatement { mut query, relations: mut uses, functions: _, output: _, is_aggregate: _, blocks, home } =
        resolved;
    group_size::enforce(&mut query, &mut uses, &blocks, decisions)?;
    let mut limits = Limits::default();
    let mut relations = Vec::new();
    for relation in uses {
        let target = match &relation.target {
            RelationTarget::System(name) => GovernedTarget::System(name.clone()),
            RelationTarget::Dataset(dataset) => {
                let obligations = decided(decisions, &dataset.name)?;
                limits = limits.and(obligations.limits);
                GovernedTarget::Dataset(relation::governed_dataset(dataset, &relation, obligations, context)?)
            }
        };
        relations.push(GovernedRelation { key: relation.key, target });
    }
    Ok(GovernedStatement { query, relations, output, limits, write: None, home })
}

/// The decision about a dataset. None is a fault of the caller, and a denial.
fn decided<'a>(
    decisions: &'a BTreeMap<DatasetName, Obligations>,
    dataset: &DatasetName,
) -> Result<&'a Obligations, GovernError> {
    decisions.get(dataset).ok_or_else(|| GovernError::Undecided(dataset.clone()))
}
