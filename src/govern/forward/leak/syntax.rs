//! What can be said of an expression by its form alone.

use super::leakproof::is_plain_pattern;
use crate::govern::forward::functions::is_aggregate;
use crate::govern::names::{fold, parts};
use sqlparser::ast::{
    BinaryOperator, Expr, Function, GroupByExpr, LimitClause, OrderBy, OrderByKind, Query, Select, SelectItem,
    TableFactor, Value, ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut, visit_expressions,
};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// Whether rows are put in order by columns alone, and in no groups.
pub(super) fn is_ungrouped(select: &Select, order_by: Option<&OrderBy>) -> bool {
    let by_columns = order_by.is_none_or(|order_by| match &order_by.kind {
        OrderByKind::Expressions(keys) => keys.iter().all(|key| matches!(key.expr, Expr::CompoundIdentifier(_))),
        OrderByKind::All(_) => false,
    });
    let no_keys = match &select.group_by {
        GroupByExpr::All(_) => false,
        GroupByExpr::Expressions(keys, modifiers) => keys.is_empty() && modifiers.is_empty(),
    };
    let no_calls = select.projection.iter().all(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => !holds(expr, is_call_above_rows),
        SelectItem::ExprWithAliases { .. } | SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => false,
    });
    by_columns && no_keys && no_calls && select.distinct.is_none() && select.having.is_none()
}

/// Whether a query's bounds can not fail, and whether they leave one row at most.
pub(super) fn bounded(query: &Query) -> (bool, bool) {
    let number = |expr: &Expr| match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, false), .. }) => digits.parse::<u32>().ok(),
        _other => None,
    };
    match &query.limit_clause {
        None => (true, false),
        Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
            let plain = limit.as_ref().is_none_or(|limit| number(limit).is_some())
                && offset.as_ref().is_none_or(|offset| number(&offset.value).is_some())
                && limit_by.is_empty();
            (plain, limit.as_ref().and_then(number).is_some_and(|limit| limit <= 1))
        }
        Some(LimitClause::OffsetCommaLimit { .. }) => (false, false),
    }
}

pub(super) fn is_plain_order(order_by: &OrderBy) -> bool {
    match &order_by.kind {
        OrderByKind::Expressions(keys) => keys.iter().all(|key| is_plain(&key.expr)),
        OrderByKind::All(_) => false,
    }
}

/// A column, a constant, a parameter, the name or place of an output.
pub(super) fn is_plain(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_plain(inner),
        Expr::CompoundIdentifier(_) | Expr::Identifier(_) | Expr::Value(_) => true,
        _expression => false,
    }
}

/// The parts of a condition that all must hold.
pub(super) fn conjuncts(condition: &Expr) -> Vec<&Expr> {
    let mut found = Vec::new();
    let mut pending = vec![condition];
    while let Some(expr) = pending.pop() {
        match expr {
            Expr::Nested(inner) => pending.push(inner),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                pending.push(right);
                pending.push(left);
            }
            single => found.push(single),
        }
    }
    found
}

pub(super) fn is_aggregate_call(function: &Function) -> bool {
    function.over.is_none() && matches!(parts(&function.name).as_deref(), Some([name]) if is_aggregate(name))
}

pub(super) fn is_call_above_rows(function: &Function) -> bool {
    function.over.is_some() || is_aggregate_call(function)
}

/// Whether such a call stands in an expression, outside of subqueries.
pub(super) fn holds(expr: &Expr, call: fn(&Function) -> bool) -> bool {
    struct Find {
        depth: usize,
        call: fn(&Function) -> bool,
    }
    impl Visitor for Find {
        type Break = ();
        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.depth = self.depth.saturating_add(1);
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.depth = self.depth.saturating_sub(1);
            ControlFlow::Continue(())
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(function) if self.depth == 0 && (self.call)(function) => ControlFlow::Break(()),
                _other => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Find { depth: 0, call }).is_break()
}

/// Whether a pattern stands in it that PostgreSQL may try on samples of values and that may fail on one.
pub(super) fn has_pattern<T: Visit>(node: &T) -> bool {
    visit_expressions(node, |expr| {
        let found = match expr {
            Expr::Like { any, pattern, escape_char, .. } | Expr::ILike { any, pattern, escape_char, .. } => {
                *any || escape_char.is_some() || !is_plain_pattern(pattern)
            }
            Expr::SimilarTo { .. } | Expr::RLike { .. } | Expr::AnyOp { .. } | Expr::AllOp { .. } => true,
            Expr::BinaryOp { op, .. } => matches!(
                op,
                BinaryOperator::PGLikeMatch
                    | BinaryOperator::PGILikeMatch
                    | BinaryOperator::PGNotLikeMatch
                    | BinaryOperator::PGNotILikeMatch
                    | BinaryOperator::PGRegexMatch
                    | BinaryOperator::PGRegexIMatch
                    | BinaryOperator::PGRegexNotMatch
                    | BinaryOperator::PGRegexNotIMatch
                    | BinaryOperator::PGCustomBinaryOperator(_)
                    | BinaryOperator::Custom(_)
            ),
            _other => false,
        };
        if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .is_break()
}

/// The governed relations whose whole row stands in a statement as their alias, by `rN`, and too many rather than too few:
/// the row holds every output of the derived table, so that no other may be added to it.
pub(in crate::govern::forward) fn whole_rows(query: &Query) -> BTreeSet<String> {
    #[derive(Default)]
    struct Find {
        names: BTreeSet<String>,
        relations: Vec<(String, String)>,
    }
    impl Visitor for Find {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Expr::Identifier(name) = expr {
                self.names.insert(fold(name));
            }
            ControlFlow::Continue(())
        }
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            if let TableFactor::Table { name, alias: Some(alias), args: None, .. } = factor
                && let Some([_schema, key]) = parts(name).as_deref()
            {
                self.relations.push((key.clone(), fold(&alias.name)));
            }
            ControlFlow::Continue(())
        }
    }
    let mut found = Find::default();
    let _ = query.visit(&mut found);
    let Find { names, relations } = found;
    relations.into_iter().filter(|(_, alias)| names.contains(alias)).map(|(key, _)| key).collect()
}

/// A condition for people, with `?` for each constant.
pub(super) fn without_constants(condition: &Expr) -> String {
    struct Hide;
    impl VisitorMut for Hide {
        type Break = ();
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::Value(value) = expr {
                value.value = Value::Placeholder("?".into());
            }
            ControlFlow::Continue(())
        }
    }
    let mut shown = condition.clone();
    let _ = VisitMut::visit(&mut shown, &mut Hide);
    shown.to_string()
}
