//! `min_group_size`: a dataset that may be read in groups of at least so many entities.
//!
//! **Promised**, for each query block that reads such a dataset, and for each row that the block gives:
//!
//! - The row stands for a group of at least `k` entities. Each query block that reads the dataset must aggregate; it gets
//!   `HAVING count(DISTINCT entity_key) >= k`.
//! - Each aggregate of the row is over values of at least `k` entities: an entity whose value is NULL adds nothing, so
//!   those with a value are counted too. A group in which an aggregate has fewer is left out.
//! - No aggregate shows one value out of many. Those that pick (min, max, percentiles, lists) are refused.
//! - Nothing that its user writes weighs a row of the dataset: it is in the group or it is not. Aggregates are over plain
//!   columns: no CASE, no FILTER, no aggregate of two columns, no DISTINCT but in count. Beside the dataset stand datasets
//!   of the catalog alone, with conditions that can't tell one entity from another ([`super::weights`]): what VALUES,
//!   functions, derived tables and WITH queries hold is the user's own. Values of the dataset itself are aggregated only
//!   where each of its rows counts once, by the keys that the catalog gives.
//!
//! **Not promised**, and not to be had within one statement, let alone over several:
//!
//! - Differences. A sum over everybody and a sum over everybody but one, as two statements, two blocks, two groups or a
//!   total beside its parts, tell of that one. WHERE may choose rows as it likes, and a group that is left out, or a
//!   condition that fails on a row, tells whether somebody was chosen. That is for budgets over time.
//! - Groups that are alike. If all of a group earn the same, their average is what each of them earns.
//! - Groups that one entity rules. A sum in which one value is far larger than all others together is nearly that value,
//!   and an entity with many rows counts with all that WHERE lets in.
//! - What other datasets say. Whoever may read `orders` row by row knows whose each order is, and so learns something of
//!   people from the sums of orders in groups of people.

use super::decided;
use super::weights::{Joins, Member, engine_name, is_of};
use crate::catalog::Dataset;
use crate::decision::{Mask, Obligations};
use crate::govern::error::GovernError;
use crate::govern::names::{column_expr, parts};
use crate::govern::resolve::binary;
use crate::govern::resolved::{BlockFacts, Place, RelationTarget, RelationUse};
use crate::govern::statement::GovernedStatement;
use crate::types::DatasetName;
use sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, Query, Select, TableFactor, TableWithJoins, Value, Visit, VisitMut, Visitor,
    VisitorMut,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Aggregates whose value is no single entity's: not min, max, first, array_agg and their like.
const BLENDING: &[&str] = &[
    "approx_distinct",
    "avg",
    "count",
    "grouping",
    "mean",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "var",
    "var_pop",
    "var_samp",
    "variance",
];

/// Aggregates of two columns, of which one weighs the other or chooses its rows.
const OF_TWO: &[&str] = &[
    "corr",
    "covar",
    "covar_pop",
    "covar_samp",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
];

/// Adds the HAVING conditions to the blocks, or says why a block can have none.
pub(super) fn enforce(
    query: &mut Query,
    uses: &mut [RelationUse],
    blocks: &[BlockFacts],
    decisions: &BTreeMap<DatasetName, Obligations>,
) -> Result<(), GovernError> {
    let mut wanted = Vec::new();
    for at in 0..uses.len() {
        let Some(limited) = Limited::of(at, uses, decisions)? else { continue };
        let mut reading = blocks.iter().filter(|block| block.relations.contains(&at));
        let (Some(block), None) = (reading.next(), reading.next()) else {
            return Err(GovernError::Broken("a relation is not read by exactly one block"));
        };
        check_aggregates(block, &limited)?;
        check_company(query, block, uses, decisions, &limited)?;
        let having = conditions(block, &limited)?;
        if let (Some(key), Some(relation)) = (&limited.dataset.entity_key, uses.get_mut(at)) {
            relation.columns.entry(key.clone()).or_default().places.insert(Place::Argument);
        }
        wanted.push((limited.key, having, 0_usize));
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

/// One reference to a dataset whose groups have a least size.
struct Limited {
    at: usize,
    key: String,
    alias: String,
    dataset: Arc<Dataset>,
    least: u64,
    /// What the tree calls the column that tells entities apart.
    entity: Option<Expr>,
    /// That column can't be counted.
    uncountable: bool,
}

impl Limited {
    fn of(
        at: usize,
        uses: &[RelationUse],
        decisions: &BTreeMap<DatasetName, Obligations>,
    ) -> Result<Option<Self>, GovernError> {
        let Some(relation) = uses.get(at) else { return Ok(None) };
        let RelationTarget::Dataset(dataset) = &relation.target else { return Ok(None) };
        let obligations = decided(decisions, &dataset.name)?;
        let Some(least) = obligations.limits.min_group_size.filter(|least| *least > 0) else { return Ok(None) };
        let mask = dataset.entity_key.as_ref().and_then(|key| obligations.column_masks.get(key)).map(|mask| &mask.mask);
        let entity = dataset.entity_key.as_ref().map(|key| column_expr(&relation.alias, engine_name(relation, key)));
        Ok(Some(Self {
            at,
            key: relation.key.clone(),
            alias: relation.alias.clone(),
            dataset: Arc::clone(dataset),
            least,
            entity,
            uncountable: matches!(mask, Some(Mask::Deny | Mask::Expression(_))),
        }))
    }

    fn refused(&self, problem: impl Into<String>, instead: Option<&str>) -> GovernError {
        GovernError::GroupSize {
            dataset: self.dataset.name.clone(),
            least: self.least,
            problem: problem.into(),
            instead: instead.map(str::to_owned),
        }
    }

    /// `count(DISTINCT entity) FILTER (WHERE columns are not null) >= least`
    fn at_least(&self, columns: &[Expr]) -> Expr {
        let there = columns.iter().map(|column| Expr::IsNotNull(Box::new(column.clone())));
        let there = there.reduce(|left, right| binary(left, BinaryOperator::And, right));
        let limit = Expr::Value(Value::Number(self.least.to_string(), false).into());
        binary(count(self.entity.as_ref(), there), BinaryOperator::GtEq, limit)
    }
}

/// The block aggregates, and with nothing that shows or weighs a single entity.
fn check_aggregates(block: &BlockFacts, limited: &Limited) -> Result<(), GovernError> {
    if !block.grouped {
        let table = limited.dataset.name.name();
        let problem = format!("A query block shows single rows of {table}, which may be read in groups alone.");
        return Err(limited.refused(problem, None));
    }
    for aggregate in &block.aggregates {
        let name = &aggregate.name;
        if OF_TWO.binary_search(&name.as_str()).is_ok() {
            let problem = format!("{name} takes two columns, of which one can single out an entity in the other.");
            return Err(limited.refused(problem, Some("Use avg, stddev and their like of each column by itself.")));
        }
        if BLENDING.binary_search(&name.as_str()).is_err() {
            let problem = format!("{name} can show a single entity's value; {} can not.", BLENDING.join(", "));
            return Err(limited.refused(problem, None));
        }
        if aggregate.distinct && name != "count" {
            let problem =
                format!("{name} with DISTINCT leaves out values that occur again, which can single out an entity.");
            return Err(limited.refused(problem, Some("Leave DISTINCT out; count(DISTINCT ...) is allowed.")));
        }
        if !aggregate.plain {
            let problem = format!(
                "{name} is over an expression, FILTER or an order, which can single out an entity; give it a plain column."
            );
            let instead = "Give it a plain column; choose rows in WHERE, or make groups by GROUP BY, so that each group is \
                           counted.";
            return Err(limited.refused(problem, Some(instead)));
        }
    }
    Ok(())
}

/// What stands beside the dataset in its block can't tell one entity from another.
fn check_company(
    query: &Query,
    block: &BlockFacts,
    uses: &[RelationUse],
    decisions: &BTreeMap<DatasetName, Obligations>,
    limited: &Limited,
) -> Result<(), GovernError> {
    let table = limited.dataset.name.name();
    let outside =
        "Join datasets of the catalog here, and anything else to the aggregated result, in a query around it.";
    let mut members = Vec::new();
    for at in &block.relations {
        let relation = uses.get(*at).ok_or(GovernError::Broken("a block reads an unknown relation"))?;
        match &relation.target {
            RelationTarget::Dataset(dataset) => {
                members.push(Member::new(*at, relation, dataset, decided(decisions, &dataset.name)?));
            }
            RelationTarget::System(name) => {
                let problem =
                    format!("{name} stands beside {table} in a query block: what it holds can be set by its reader.");
                return Err(limited.refused(problem, Some(outside)));
            }
        }
    }
    if block.others > 0 {
        let problem = format!(
            "VALUES, a function, a subquery in FROM or a WITH query stands beside {table} in a query block, which can weigh \
             each entity as its writer likes."
        );
        return Err(limited.refused(problem, Some(outside)));
    }
    if members.len() == 1 {
        return Ok(());
    }
    if limited.entity.is_none() {
        let problem = "It is joined, and the catalog does not say which column tells its entities apart.";
        return Err(limited.refused(problem, Some("Aggregate it in a subquery of its own, and join the result.")));
    }
    let mut finder = FindSelect { key: &limited.key, found: None };
    let _ = Visit::visit(query, &mut finder);
    let joins = finder.found.ok_or(GovernError::Broken("a block is not in the tree"))?;
    let joins = joins.read(&members).map_err(|mixed| {
        let problem = format!("The condition on {mixed} can choose for one entity of {table} what it is joined with.");
        let instead =
            "Join by equal columns (a.x = b.y), with AND between them; other conditions may name one table each.";
        limited.refused(problem, Some(instead))
    })?;
    let own = |column: &Expr| is_of(column, &limited.alias);
    let repeated = block.aggregates.iter().find(|one| !one.distinct && one.columns.iter().any(own));
    if let (Some(aggregate), false) = (repeated, joins.each_once(limited.at, &members)) {
        let problem = format!(
            "{} is over a column of {table}, whose rows are repeated by a join; an entity with more of them would count for \
             more.",
            aggregate.name
        );
        let instead = format!(
            "Join by the whole primary key of the other table, or aggregate {table} alone; count(*), count(DISTINCT ...) and columns \
             of the other table are allowed here."
        );
        return Err(limited.refused(problem, Some(&instead)));
    }
    Ok(())
}

/// The entities of the group, and of each aggregate, are enough.
fn conditions(block: &BlockFacts, limited: &Limited) -> Result<Vec<Expr>, GovernError> {
    if limited.uncountable {
        return Err(limited.refused("The column that tells entities apart is denied or computed.", None));
    }
    let mut counted: Vec<&[Expr]> = Vec::new();
    let mut having = vec![limited.at_least(&[])];
    for aggregate in &block.aggregates {
        let columns = aggregate.columns.as_slice();
        let is_entity = |column: &Expr| Some(column) == limited.entity.as_ref();
        if columns.iter().all(is_entity) || aggregate.name == "grouping" || counted.contains(&columns) {
            continue;
        }
        counted.push(columns);
        having.push(limited.at_least(columns));
    }
    Ok(having)
}

/// Looks for the block that reads a relation.
struct FindSelect<'a> {
    key: &'a str,
    found: Option<Joins>,
}

impl Visitor for FindSelect<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        let mut keys = Vec::new();
        direct_keys(&select.from, &mut keys);
        if keys.iter().any(|key| key == self.key) {
            self.found = Some(Joins::of(select));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

struct AddHaving {
    wanted: Vec<(String, Vec<Expr>, usize)>,
}

impl VisitorMut for AddHaving {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut keys = Vec::new();
        direct_keys(&select.from, &mut keys);
        for (key, conditions, added) in &mut self.wanted {
            if keys.contains(key) {
                *added = added.saturating_add(1);
                let written = select.having.take().map(|having| Expr::Nested(Box::new(having)));
                let all = written.into_iter().chain(conditions.iter().cloned());
                select.having = all.reduce(|all, condition| binary(all, BinaryOperator::And, condition));
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

/// `count(DISTINCT entity) FILTER (WHERE filter)`; without an entity the rows are counted.
fn count(entity: Option<&Expr>, filter: Option<Expr>) -> Expr {
    let (arg, duplicate_treatment) = match entity {
        Some(entity) => (FunctionArgExpr::Expr(entity.clone()), Some(DuplicateTreatment::Distinct)),
        None => (FunctionArgExpr::Wildcard, None),
    };
    let args = vec![FunctionArg::Unnamed(arg)];
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new("count")]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment, args, clauses: Vec::new() }),
        filter: filter.map(Box::new),
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
