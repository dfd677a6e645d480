//! Small pieces of SQL trees.

use crate::sql::plain_select;
use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, Query, Select, TableAlias, TableAliasColumnDef, TableFactor, Value,
};

/// A name that keeps its case.
pub(super) fn ident(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

/// A call of a function with these arguments.
pub(super) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments.into_iter().map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// The lower-case last part of a function's name.
pub(super) fn function_name(function: &Function) -> String {
    last_part(&function.name)
}

/// The lower-case last part of a name; empty if it is no plain name.
pub(super) fn last_part(name: &ObjectName) -> String {
    let ident = name.0.last().and_then(|part| part.as_ident());
    ident.map(|ident| ident.value.to_lowercase()).unwrap_or_default()
}

/// The arguments of a call, if all are plain.
pub(super) fn arguments(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return None;
    }
    let plain = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        FunctionArg::Unnamed(_) | FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => None,
    };
    list.args.iter().map(plain).collect()
}

/// A cast.
pub(super) fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

/// A value.
pub(super) fn value(value: Value) -> Expr {
    Expr::Value(value.with_empty_span())
}

/// NULL.
pub(super) fn null() -> Expr {
    value(Value::Null)
}

/// All conditions at once; `None` for none.
pub(super) fn all(conditions: Vec<Expr>) -> Option<Expr> {
    let nested = |expr: Expr| match expr {
        Expr::BinaryOp { op: BinaryOperator::Or, .. } => Expr::Nested(Box::new(expr)),
        other => other,
    };
    let and = |left, right| Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::And, right: Box::new(right) };
    conditions.into_iter().map(nested).reduce(and)
}

/// The conditions that must all hold.
pub(super) fn conjuncts(expr: Expr, into: &mut Vec<Expr>) {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            conjuncts(*left, into);
            conjuncts(*right, into);
        }
        Expr::Nested(inner) if matches!(*inner, Expr::BinaryOp { op: BinaryOperator::And, .. }) => {
            conjuncts(*inner, into);
        }
        other => into.push(other),
    }
}

/// `SELECT FROM (query) AS name(columns)`: what it gives is left to be said.
pub(super) fn select_over(query: Query, name: &str, columns: &[String]) -> Select {
    let columns = columns.iter().map(|column| TableAliasColumnDef { name: ident(column), data_type: None }).collect();
    let alias = TableAlias { explicit: true, name: ident(name), columns, at: None };
    let relation = TableFactor::Derived { lateral: false, subquery: Box::new(query), alias: Some(alias), sample: None };
    plain_select(Vec::new(), relation, None)
}
