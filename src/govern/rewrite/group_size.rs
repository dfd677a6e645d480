//! `min_group_size`: a dataset that may be read in groups of at least so many entities.
//!
//! Each query block that reads such a dataset must aggregate, with functions that blend a group's values, over plain
//! columns; it gets `HAVING count(DISTINCT entity_key) >= k`. What this does not stop: differences between two
//! statements whose groups differ by one entity. That is for budgets over time, not for one statement.

use super::decided;
use crate::decision::{Mask, Obligations};
use crate::govern::error::GovernError;
use crate::govern::names::{column_expr, parts};
use crate::govern::resolve::{binary, call};
use crate::govern::resolved::{BlockFacts, Place, RelationTarget, RelationUse};
use crate::govern::statement::GovernedStatement;
use crate::types::DatasetName;
use sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query, Select,
    TableFactor, TableWithJoins, Value, VisitMut, VisitorMut,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Aggregates whose value is no single entity's: not min, max, first, array_agg and their like.
const BLENDING: &[&str] = &[
    "approx_distinct",
    "avg",
    "corr",
    "count",
    "covar_pop",
    "covar_samp",
    "grouping",
    "mean",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "var",
    "var_pop",
    "var_samp",
    "variance",
];

/// Adds the HAVING conditions to the blocks, or says why a block can have none.
pub(super) fn enforce(
    query: &mut Query,
    uses: &mut [RelationUse],
    blocks: &[BlockFacts],
    decisions: &BTreeMap<DatasetName, Obligations>,
) -> Result<(), GovernError> {
    let mut wanted = Vec::new();
    for (at, relation) in uses.iter_mut().enumerate() {
        let RelationTarget::Dataset(dataset) = relation.target.clone() else { continue };
        let obligations = decided(decisions, &dataset.name)?;
        let Some(least) = obligations.limits.min_group_size.filter(|least| *least > 0) else { continue };
        let refused = |problem: String| GovernError::GroupSize { dataset: dataset.name.clone(), least, problem };
        let mut reading = blocks.iter().filter(|block| block.relations.contains(&at));
        let (Some(block), None) = (reading.next(), reading.next()) else {
            return Err(GovernError::Broken("a relation is not read by exactly one block"));
        };
        if !block.grouped {
            let table = dataset.name.name();
            return Err(refused(format!(
                "A query block shows single rows of {table}, which may be read in groups alone."
            )));
        }
        for aggregate in &block.aggregates {
            let name = &aggregate.name;
            if BLENDING.binary_search(&name.as_str()).is_err() {
                return Err(refused(format!(
                    "{name} can show a single entity's value; {} can not.",
                    BLENDING.join(", ")
                )));
            }
            if !aggregate.plain {
                return Err(refused(format!(
                    "{name} is over an expression, FILTER or an order, which can single out an entity; give it a plain column."
                )));
            }
        }
        let count = match &dataset.entity_key {
            Some(key) => {
                let value = obligations.column_masks.get(key).map(|mask| &mask.mask);
                if matches!(value, Some(Mask::Deny | Mask::Expression(_))) {
                    return Err(refused("The column that tells entities apart is denied or computed.".into()));
                }
                relation.columns.entry(key.clone()).or_default().places.insert(Place::Argument);
                let engine = relation.renamed.get(key).unwrap_or(key);
                count_distinct(column_expr(&relation.alias, engine))
            }
            None if block.joined => {
                return Err(refused(
                    "It is joined, and the catalog does not say which column tells its entities apart.".into(),
                ));
            }
            None => count_all(),
        };
        let limit = Expr::Value(Value::Number(least.to_string(), false).into());
        wanted.push((relation.key.clone(), binary(count, BinaryOperator::GtEq, limit), 0_usize));
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let mut adder = AddHaving { wanted };
    let _ = VisitMut::visit(query, &mut adder);
    if adder.wanted.iter().any(|(_, _, added)| *added != 1) {
        return Err(GovernError::Broken("a group size was not put in place"));
    }
    Ok(())
}

struct AddHaving {
    wanted: Vec<(String, Expr, usize)>,
}

impl VisitorMut for AddHaving {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut keys = Vec::new();
        direct_keys(&select.from, &mut keys);
        for (key, condition, added) in &mut self.wanted {
            if keys.contains(key) {
                *added = added.saturating_add(1);
                select.having = Some(match select.having.take() {
                    None => condition.clone(),
                    Some(having) => binary(Expr::Nested(Box::new(having)), BinaryOperator::And, condition.clone()),
                });
            }
        }
        ControlFlow::Continue(())
    }
}

/// The `rN` that stand in a FROM clause itself.
fn direct_keys(from: &[TableWithJoins], keys: &mut Vec<String>) {
    for TableWithJoins { relation, joins } in from {
        for factor in std::iter::once(relation).chain(joins.iter().map(|join| &join.relation)) {
            match factor {
                TableFactor::Table { name, .. } => {
                    if let Some([schema, key]) = parts(name).as_deref()
                        && schema == GovernedStatement::RELATION_SCHEMA
                    {
                        keys.push(key.clone());
                    }
                }
                TableFactor::NestedJoin { table_with_joins, .. } => {
                    direct_keys(std::slice::from_ref(table_with_joins), keys);
                }
                _not_a_relation => {}
            }
        }
    }
}

fn count_all() -> Expr {
    with_args(call("count", Vec::new()), vec![FunctionArg::Unnamed(FunctionArgExpr::Wildcard)], None)
}

fn count_distinct(key: Expr) -> Expr {
    let args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(key))];
    with_args(call("count", Vec::new()), args, Some(DuplicateTreatment::Distinct))
}

fn with_args(call: Expr, args: Vec<FunctionArg>, distinct: Option<DuplicateTreatment>) -> Expr {
    match call {
        Expr::Function(Function {
            name,
            uses_odbc_syntax,
            parameters,
            args: FunctionArguments::List(mut list),
            filter,
            null_treatment,
            over,
            within_group,
        }) => {
            list.args = args;
            list.duplicate_treatment = distinct;
            let args = FunctionArguments::List(list);
            Expr::Function(Function {
                name,
                uses_odbc_syntax,
                parameters,
                args,
                filter,
                null_treatment,
                over,
                within_group,
            })
        }
        other => other,
    }
}
