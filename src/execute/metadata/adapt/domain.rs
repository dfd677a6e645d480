//! Domains: what a client asks to get from one to its base type.

use super::SystemRelationOf;
use super::tables::relation_of;
use sqlparser::ast::{Expr, Query, SelectItem, SetExpr};

/// asyncpg goes from a domain to its base type, and on while that is a domain too, by a recursive WITH. No domain here is
/// over another one, so the first step is the last: it is a plain look-up.
pub(super) fn base_type(query: &Query, system: &SystemRelationOf<'_>) -> Option<Query> {
    let [cte] = query.with.as_ref().filter(|with| with.recursive)?.cte_tables.as_slice() else { return None };
    let SetExpr::SetOperation { left, right, .. } = &*cte.query.body else { return None };
    let (SetExpr::Select(first), SetExpr::Select(_)) = (&**left, &**right) else { return None };
    let [only] = first.from.as_slice() else { return None };
    let of = relation_of(&only.relation, system).filter(|_| only.joins.is_empty())?;
    let is_base = |expr: &Expr| match expr {
        Expr::CompoundIdentifier(parts) => parts.last().is_some_and(|last| last.value == "typbasetype"),
        _ => false,
    };
    let base = first.projection.first().filter(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => is_base(expr),
        SelectItem::ExprWithAliases { .. } | SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => false,
    })?;
    if of.schema() != "pg_catalog" || of.name() != "pg_type" {
        return None;
    }
    let mut select = (**first).clone();
    select.projection = vec![base.clone()];
    let body = Box::new(SetExpr::Select(Box::new(select)));
    Some(Query { with: None, body, order_by: None, limit_clause: None, ..query.clone() })
}
