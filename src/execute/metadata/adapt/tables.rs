//! What stands in FROM: which system relations, and functions that give rows.

use super::SystemRelationOf;
use super::build::{call, function_name, last_part, value};
use super::casts::literal;
use crate::execute::metadata::content::always_empty;
use crate::execute::metadata::relations::{Kind, relation};
use crate::types::DatasetName;
use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, Ident, JoinOperator, ObjectName, Select, SetExpr, TableAlias,
    TableAliasColumnDef, TableFactor, TableWithJoins, UnaryOperator, Value,
};

/// The system relations in the FROM of a body's SELECTs.
pub(super) fn system_relations(body: &SetExpr, system: &SystemRelationOf<'_>) -> Vec<DatasetName> {
    match body {
        SetExpr::Select(select) => {
            factors(&select.from).into_iter().filter_map(|factor| relation_of(factor, system)).collect()
        }
        SetExpr::SetOperation { left, right, .. } => {
            [system_relations(left, system), system_relations(right, system)].concat()
        }
        SetExpr::Query(query) => system_relations(&query.body, system),
        SetExpr::Values(_)
        | SetExpr::Insert(_)
        | SetExpr::Update(_)
        | SetExpr::Delete(_)
        | SetExpr::Merge(_)
        | SetExpr::Table(_) => Vec::new(),
    }
}

/// Everything that FROM names, joins and parentheses opened.
pub(super) fn factors(from: &[TableWithJoins]) -> Vec<&TableFactor> {
    let mut found = Vec::new();
    for table in from {
        for factor in std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)) {
            match factor {
                TableFactor::NestedJoin { table_with_joins, .. } => {
                    found.extend(factors(std::slice::from_ref(table_with_joins)));
                }
                other => found.push(other),
            }
        }
    }
    found
}

/// The system relation that a factor is, if it is one.
pub(super) fn relation_of(factor: &TableFactor, system: &SystemRelationOf<'_>) -> Option<DatasetName> {
    match factor {
        TableFactor::Table { name, args: None, .. } => system(name),
        _ => None,
    }
}

/// The name under which a factor's columns are known.
pub(super) fn alias(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table { alias: Some(alias), .. } => Some(alias.name.value.clone()),
        TableFactor::Table { name, alias: None, .. } => {
            name.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.clone())
        }
        _ => None,
    }
}

/// Whether a SELECT reads no row for anyone: a relation that is always empty is joined so that nothing is left.
pub(super) fn reads_nothing(select: &Select, system: &SystemRelationOf<'_>) -> bool {
    let empty = |factor: &TableFactor| {
        relation_of(factor, system).is_some_and(|name| name.schema() == "pg_catalog" && always_empty(name.name()))
    };
    select.from.iter().any(|table| {
        let mut nothing = empty(&table.relation);
        for join in &table.joins {
            nothing = match &join.join_operator {
                JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => {
                    nothing || empty(&join.relation)
                }
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => nothing,
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => empty(&join.relation),
                JoinOperator::FullOuter(_) => nothing && empty(&join.relation),
                // Others are rare here: nothing is concluded from them.
                _ => false,
            };
        }
        nothing
    })
}

/// `indisprimary = 't'`: PostgreSQL reads a text that is compared with a truth value as one.
pub(super) fn read_truth<'a>(expr: &mut Expr, mut scope: impl Iterator<Item = &'a DatasetName>) {
    let Expr::BinaryOp { left, op: BinaryOperator::Eq | BinaryOperator::NotEq, right } = expr else { return };
    let (column, text) = match (literal(left).and_then(truth), literal(right).and_then(truth)) {
        (None, Some(value)) => (left, (right, value)),
        (Some(value), None) => (right, (left, value)),
        (None, None) | (Some(_), Some(_)) => return,
    };
    let name = match &**column {
        Expr::Identifier(ident) => ident,
        Expr::CompoundIdentifier(parts) => match parts.last() {
            Some(last) => last,
            None => return,
        },
        _ => return,
    };
    let is_truth = |of: &DatasetName| {
        let columns = relation(of).map(|relation| relation.columns.as_slice()).unwrap_or_default();
        columns.iter().any(|column| column.name == name.value && column.kind == Kind::Bool)
    };
    if scope.any(is_truth) {
        **text.0 = value(Value::Boolean(text.1));
    }
}

/// The texts that PostgreSQL reads as a truth value ("Boolean Type").
fn truth(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Puts a function that gives rows in DataFusion's words.
pub(super) fn adapt(factor: &mut TableFactor) {
    if let TableFactor::Table { name, alias, args: Some(given), with_ordinality: false, .. } = factor {
        let function = last_part(name);
        let arguments: Option<Vec<Expr>> = given.args.iter().map(plain).collect();
        let Some(arguments) = arguments else { return };
        match (function.as_str(), arguments.as_slice()) {
            ("unnest", [_]) => *factor = unnest(arguments, column_alias(alias.take(), "unnest")),
            ("generate_series", [_, _]) if is_bounded(&arguments) => {
                let series = call("generate_series", arguments);
                *factor = unnest(vec![series], column_alias(alias.take(), "generate_series"));
            }
            ("generate_series", _) => {
                *name = ObjectName::from(vec![Ident::new("generate_series")]);
                *alias = column_alias(alias.take(), "generate_series");
            }
            ("generate_subscripts", [_, _]) => {
                let subscripts = call("__subscripts", arguments);
                *factor = unnest(vec![subscripts], column_alias(alias.take(), "generate_subscripts"));
            }
            ("pg_partition_ancestors", [_]) => {
                let ancestors = call("pg_partition_ancestors", arguments);
                *factor = unnest(vec![ancestors], column_alias(alias.take(), "pg_partition_ancestors"));
            }
            _ => {}
        }
    } else if let TableFactor::UNNEST { alias, array_exprs, with_offset: false, with_ordinality: false, .. } = factor
        && array_exprs.len() == 1
    {
        *alias = column_alias(alias.take(), "unnest");
    }
}

fn unnest(array_exprs: Vec<Expr>, alias: Option<TableAlias>) -> TableFactor {
    TableFactor::UNNEST { alias, array_exprs, with_offset: false, with_offset_alias: None, with_ordinality: false }
}

/// In PostgreSQL the one column of a function that gives rows is called like its alias, or like the function.
fn column_alias(alias: Option<TableAlias>, function: &str) -> Option<TableAlias> {
    let mut alias = alias.unwrap_or_else(|| TableAlias {
        explicit: true,
        name: Ident::new(function),
        columns: Vec::new(),
        at: None,
    });
    if alias.columns.is_empty() {
        alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
    }
    Some(alias)
}

fn plain(argument: &FunctionArg) -> Option<Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        FunctionArg::Unnamed(_) | FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => None,
    }
}

/// Whether a series runs along an array. Such a one is made as a whole, so none may be longer than an array that there
/// is; the planner takes others if their bounds are plain numbers, and streams them.
pub(super) fn is_bounded(arguments: &[Expr]) -> bool {
    let is_length = |expr: &Expr| match expr {
        Expr::Function(function) => {
            matches!(function_name(function).as_str(), "array_upper" | "array_lower" | "array_length" | "cardinality")
        }
        _ => false,
    };
    let is_small = |expr: &Expr| is_literal(expr) && expr.to_string().parse().is_ok_and(|n: i64| n.abs() <= 1_000);
    arguments.iter().any(is_length) && arguments.iter().all(|argument| is_length(argument) || is_small(argument))
}

fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => !matches!(value.value, Value::Placeholder(_)),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => is_literal(expr),
        _ => false,
    }
}
