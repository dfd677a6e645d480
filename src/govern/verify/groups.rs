//! The conditions on groups, read again: each block that reads a dataset with a least group size counts its entities, and
//! those that each of its aggregates has a value of.

use super::{VerifyError, folded};
use crate::decision::Mask;
use crate::govern::statement::{ColumnValue, GovernedDataset, GovernedStatement};
use crate::sql::functions::{FunctionKind, lookup};
use crate::sql::names::fold_ident;
use sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, OrderBy,
    Query, Select, SetExpr, TableAlias, TableFactor, TableWithJoins, Value, ValueWithSpan, Visit, Visitor,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// A column under an alias.
type Named = (String, String);

/// `count(DISTINCT entity) FILTER (WHERE columns are there) >= least`
#[derive(Debug, PartialEq, Eq)]
struct Floor {
    /// `None`: rows are counted.
    entity: Option<Named>,
    there: BTreeSet<Named>,
    least: u64,
}

/// # Errors
/// [`VerifyError::Obligation`] if a block lacks a condition.
pub(super) fn verify(query: &Query, floors: &BTreeMap<&str, (u64, &GovernedDataset)>) -> Result<(), VerifyError> {
    if floors.is_empty() {
        return Ok(());
    }
    let mut blocks = Blocks { floors, found: BTreeSet::new() };
    if let ControlFlow::Break(error) = query.visit(&mut blocks) {
        return Err(error);
    }
    match floors.keys().find(|key| !blocks.found.contains(**key)) {
        Some(key) => Err(too_small(key)),
        None => Ok(()),
    }
}

fn too_small(key: &str) -> VerifyError {
    VerifyError::Obligation { relation: key.to_owned(), what: "a least group size" }
}

struct Blocks<'a> {
    floors: &'a BTreeMap<&'a str, (u64, &'a GovernedDataset)>,
    found: BTreeSet<String>,
}

impl Visitor for Blocks<'_> {
    type Break = VerifyError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<VerifyError> {
        self.body(&query.body, query.order_by.as_ref())
    }
}

impl Blocks<'_> {
    fn body(&mut self, body: &SetExpr, order_by: Option<&OrderBy>) -> ControlFlow<VerifyError> {
        match body {
            SetExpr::Select(select) => self.select(select, order_by),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left, None)?;
                self.body(right, None)
            }
            // Each is visited itself, or refused by the first reading.
            SetExpr::Query(_)
            | SetExpr::Values(_)
            | SetExpr::Insert(_)
            | SetExpr::Update(_)
            | SetExpr::Delete(_)
            | SetExpr::Merge(_)
            | SetExpr::Table(_) => ControlFlow::Continue(()),
        }
    }

    fn select(&mut self, select: &Select, order_by: Option<&OrderBy>) -> ControlFlow<VerifyError> {
        let mut relations = Vec::new();
        select.from.iter().for_each(|item| direct(item, &mut relations));
        let (mut having, mut aggregates) = (Vec::new(), Aggregates { depth: 0, columns: Vec::new() });
        if let Some(condition) = &select.having {
            // What counts entities shows none of them.
            floors(condition, &mut having, &mut aggregates);
        }
        let _ = select.distinct.visit(&mut aggregates);
        let _ = select.projection.visit(&mut aggregates);
        let _ = select.group_by.visit(&mut aggregates);
        let _ = select.named_window.visit(&mut aggregates);
        let _ = order_by.map(|order_by| order_by.visit(&mut aggregates));
        for (key, alias) in relations {
            let Some((least, governed)) = self.floors.get(key.as_str()) else { continue };
            let Some(entity) = entity(governed, alias) else { return ControlFlow::Break(too_small(&key)) };
            let holds =
                |there: BTreeSet<Named>| having.contains(&Floor { entity: entity.clone(), there, least: *least });
            let is_entity = |column: &Named| Some(column) == entity.as_ref();
            let each = |columns: &BTreeSet<Named>| columns.iter().all(is_entity) || holds(columns.clone());
            if !holds(BTreeSet::new()) || !aggregates.columns.iter().all(each) {
                return ControlFlow::Break(too_small(&key));
            }
            self.found.insert(key);
        }
        ControlFlow::Continue(())
    }
}

/// What tells entities apart in a block; the outer `None`: nothing can be counted.
fn entity(governed: &GovernedDataset, alias: &TableAlias) -> Option<Option<Named>> {
    let Some(key) = &governed.dataset.entity_key else { return Some(None) };
    let (at, column) = governed.columns.iter().enumerate().find(|(_, column)| column.name == *key)?;
    match &column.value {
        ColumnValue::Computed(_) | ColumnValue::Masked(Mask::Deny | Mask::Expression(_)) => return None,
        ColumnValue::Clear | ColumnValue::Masked(_) => {}
    }
    let called = alias.columns.get(at).map_or_else(|| key.clone(), |column| fold_ident(&column.name));
    Some(Some((fold_ident(&alias.name), called)))
}

/// The governed relations of a FROM clause itself.
fn direct<'a>(item: &'a TableWithJoins, found: &mut Vec<(String, &'a TableAlias)>) {
    for factor in std::iter::once(&item.relation).chain(item.joins.iter().map(|join| &join.relation)) {
        match factor {
            TableFactor::Table { name, alias: Some(alias), .. } => {
                if let [schema, key] = folded(name).as_slice()
                    && schema == GovernedStatement::RELATION_SCHEMA
                {
                    found.push((key.clone(), alias));
                }
            }
            TableFactor::NestedJoin { table_with_joins, .. } => direct(table_with_joins, found),
            _no_relation => {}
        }
    }
}

/// Of the conditions that all must hold, those that count entities; the aggregates of the others.
fn floors(condition: &Expr, found: &mut Vec<Floor>, others: &mut Aggregates) {
    match condition {
        Expr::Nested(inner) => floors(inner, found, others),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            floors(left, found, others);
            floors(right, found, others);
        }
        Expr::BinaryOp { left, op: BinaryOperator::GtEq, right } => match floor(left, right) {
            Some(floor) => found.push(floor),
            None => _ = condition.visit(others),
        },
        other => _ = other.visit(others),
    }
}

fn floor(count: &Expr, least: &Expr) -> Option<Floor> {
    let Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) = least else { return None };
    let Expr::Function(Function {
        name,
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(list),
        filter,
        null_treatment: None,
        over: None,
        within_group,
    }) = count
    else {
        return None;
    };
    if !matches!(folded(name).as_slice(), [name] if name == "count") || !within_group.is_empty() {
        return None;
    }
    let entity = match (list.args.as_slice(), list.duplicate_treatment) {
        ([FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))], Some(DuplicateTreatment::Distinct)) => {
            Some(column(expr)?)
        }
        ([FunctionArg::Unnamed(FunctionArgExpr::Wildcard)], None) => None,
        _other => return None,
    };
    let mut there = BTreeSet::new();
    if let Some(filter) = filter {
        present(filter, &mut there)?;
    }
    list.clauses.is_empty().then_some(Floor { entity, there, least: digits.parse().ok()? })
}

/// `a IS NOT NULL AND b IS NOT NULL`
fn present(condition: &Expr, found: &mut BTreeSet<Named>) -> Option<()> {
    match condition {
        Expr::IsNotNull(inner) => _ = found.insert(column(inner)?),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            present(left, found)?;
            present(right, found)?;
        }
        _other => return None,
    }
    Some(())
}

fn column(expr: &Expr) -> Option<Named> {
    match expr {
        Expr::CompoundIdentifier(names) => match names.as_slice() {
            [alias, column] => Some((fold_ident(alias), fold_ident(column))),
            _longer => None,
        },
        _other => None,
    }
}

/// The columns of each aggregate of a block itself, not of its subqueries.
struct Aggregates {
    depth: usize,
    columns: Vec<BTreeSet<Named>>,
}

impl Visitor for Aggregates {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_add(1);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let (Expr::Function(Function { name, args: FunctionArguments::List(list), over: None, .. }), 0) =
            (expr, self.depth)
            && let [name] = folded(name).as_slice()
            && name != "grouping"
            && lookup(name).is_some_and(|function| function.kind == FunctionKind::Aggregate)
        {
            let columns = list.args.iter().filter_map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => column(expr),
                _no_column => None,
            });
            self.columns.push(columns.collect());
        }
        ControlFlow::Continue(())
    }
}
