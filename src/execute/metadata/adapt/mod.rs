//! From what PostgreSQL clients write about the catalog to what DataFusion plans.
//!
//! It runs on a tree that has been governed, right before planning, and adds no relation to it: casts to PostgreSQL's
//! own types, operators and collations by name, set-returning functions, and look-ups by subquery in system relations.
//! What it does not know it leaves as it is, for the planner to take or to refuse. Subqueries that read a dataset keep
//! their meaning: only `ARRAY(SELECT …)`, which PostgreSQL defines for any number of rows, is put otherwise.

mod build;
mod casts;
mod domain;
mod functions;
mod subquery;
mod tables;

use crate::types::DatasetName;
use sqlparser::ast::{
    DataType, Expr, ObjectName, Query, Select, SelectItem, SetExpr, TableFactor, UnaryOperator, Value, VisitMut,
    VisitorMut,
};
use std::collections::HashSet;
use std::ops::ControlFlow;

/// Tells which system relation a relation's name in the governed tree stands for; `None` for a dataset, a CTE or a
/// function.
pub type SystemRelationOf<'a> = dyn Fn(&ObjectName) -> Option<DatasetName> + 'a;

/// Puts a governed query in DataFusion's words.
pub fn adapt(query: &mut Query, system: &SystemRelationOf<'_>) {
    let mut adapter = Adapter { system, scopes: Vec::new() };
    let _: ControlFlow<()> = query.visit(&mut adapter);
    show_names(&mut query.body);
}

struct Adapter<'a> {
    system: &'a SystemRelationOf<'a>,
    /// For each query that encloses the current place, the system relations in its FROM.
    scopes: Vec<Vec<DatasetName>>,
}

impl VisitorMut for Adapter<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.scopes.push(tables::system_relations(&query.body, self.system));
        subquery::drop_unreachable(&mut query.body, self.system);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.scopes.pop();
        each_select(&mut query.body, &mut |select| {
            subquery::show_exists(select, self.system);
            distinct_names(select);
        });
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        tables::adapt(factor);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let reads_catalog = self.scopes.iter().flatten().any(|name| name.schema() == "pg_catalog");
        casts::adapt(expr);
        functions::adapt(expr, reads_catalog);
        tables::read_truth(expr, self.scopes.iter().flatten());
        subquery::adapt(expr, self.system);
        ControlFlow::Continue(())
    }
}

/// Calls a function for each SELECT of a query's body, not for those of its subqueries.
fn each_select(body: &mut SetExpr, act: &mut impl FnMut(&mut Select)) {
    match body {
        SetExpr::Select(select) => act(select),
        SetExpr::Query(query) => each_select(&mut query.body, act),
        SetExpr::SetOperation { left, right, .. } => {
            each_select(left, act);
            each_select(right, act);
        }
        SetExpr::Values(_)
        | SetExpr::Insert(_)
        | SetExpr::Update(_)
        | SetExpr::Delete(_)
        | SetExpr::Merge(_)
        | SetExpr::Table(_) => {}
    }
}

/// DataFusion wants distinct names for what a SELECT gives; PostgreSQL lets any number of columns be `?column?`.
fn distinct_names(select: &mut Select) {
    let mut seen = HashSet::new();
    for (number, item) in (1..).zip(&mut select.projection) {
        if let SelectItem::UnnamedExpr(expr) = item {
            let plain = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
            if !plain && !seen.insert(expr.to_string()) {
                let expr = expr.clone();
                *item = SelectItem::ExprWithAlias { expr, alias: build::ident(&format!("?column?{number}")) };
            }
        }
    }
}

/// A whole number that PostgreSQL takes for an `integer`; the engine's are all `bigint`.
fn is_integer(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, false) => digits.parse::<i32>().is_ok(),
            _ => false,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => is_integer(expr),
        _ => false,
    }
}

/// What leaves has PostgreSQL's types: a `regclass` is shown as a name, not as its number, and `1` is an `integer`.
fn show_names(body: &mut SetExpr) {
    each_select(body, &mut |select| {
        for item in &mut select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                    if let Some(shown) = casts::as_name(expr) {
                        *expr = shown;
                    } else if is_integer(expr) {
                        *expr = build::cast(expr.clone(), DataType::Integer(None));
                    }
                }
                SelectItem::ExprWithAliases { .. } | SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => {}
            }
        }
    });
}
