//! ORDER BY and DISTINCT ON: output names and positions, else expressions over the block's columns.

use super::projection::{Projection, ProjectionItem};
use super::query::QueryColumn;
use super::{Ctx, Facts, Place, Resolver, place_of};
use crate::govern::error::{ResolveError, ResolveFault, refuse};
use crate::govern::names::{fold, ident};
use sqlparser::ast::{Expr, OrderBy, OrderByExpr, OrderByKind, Value, ValueWithSpan};

/// What ORDER BY may name.
pub(super) enum OrderTarget<'a> {
    /// The outputs of a SELECT, and all columns of its FROM unless it is DISTINCT.
    Select { projection: &'a Projection, distinct: bool },
    /// The outputs of a set operation or of VALUES: names as written and in the tree.
    Outputs(Vec<(String, String)>),
}

impl<'a> OrderTarget<'a> {
    pub(super) fn select(projection: &'a Projection, distinct: bool) -> Self {
        Self::Select { projection, distinct }
    }

    pub(super) fn outputs(columns: &[QueryColumn]) -> OrderTarget<'static> {
        OrderTarget::Outputs(columns.iter().map(|column| (column.name.clone(), column.engine.clone())).collect())
    }
}

impl Resolver<'_> {
    /// ORDER BY of a SELECT.
    pub(super) fn order_by(
        &mut self,
        order_by: &OrderBy,
        base: Ctx<'_>,
        target: &OrderTarget<'_>,
        influence: &mut Facts,
    ) -> Result<OrderBy, ResolveError> {
        let written = order_exprs(order_by)?
            .iter()
            .map(|item| {
                let OrderByExpr { expr, options, with_fill } = item;
                if with_fill.is_some() {
                    return Err(refuse("WITH FILL", "Join with generate_series.").into());
                }
                let expr = self.order_key(expr, base.at(Place::Order), target, true, influence)?;
                Ok(OrderByExpr { expr, options: *options, with_fill: None })
            })
            .collect::<Result<_, ResolveError>>()?;
        Ok(OrderBy { kind: OrderByKind::Expressions(written), interpolate: None })
    }

    /// ORDER BY of a set operation or of VALUES: outputs alone.
    pub(super) fn order_by_outputs(
        &mut self,
        order_by: &OrderBy,
        target: &OrderTarget<'_>,
    ) -> Result<OrderBy, ResolveError> {
        let OrderTarget::Outputs(outputs) = target else {
            return Err(ResolveFault::InvalidReference("ORDER BY of no outputs".into()).into());
        };
        let written = order_exprs(order_by)?
            .iter()
            .map(|item| {
                let OrderByExpr { expr, options, with_fill } = item;
                if with_fill.is_some() {
                    return Err(refuse("WITH FILL", "Join with generate_series.").into());
                }
                let engine = match expr {
                    Expr::Value(ValueWithSpan { value: Value::Number(digits, _), span: _ }) => {
                        let at = digits.parse::<usize>().ok().and_then(|position| position.checked_sub(1));
                        at.and_then(|at| outputs.get(at)).map(|(_, engine)| engine).ok_or_else(|| {
                            ResolveFault::InvalidReference(format!("ORDER BY position {digits} is not in select list"))
                        })?
                    }
                    Expr::Identifier(name) => {
                        let wanted = fold(name);
                        let mut found = outputs.iter().filter(|(name, _)| *name == wanted);
                        match (found.next(), found.next()) {
                            (Some((_, engine)), None) => engine,
                            (Some(_), Some(_)) => {
                                return Err(ResolveFault::AmbiguousColumn(wanted).at(place_of(name)));
                            }
                            (None, _) => {
                                let fault =
                                    ResolveFault::UndefinedColumn { name: format!("\"{wanted}\""), suggestion: None };
                                return Err(fault.at(place_of(name)));
                            }
                        }
                    }
                    _expression => {
                        return Err(refuse(
                            "an expression in ORDER BY of a set operation",
                            "Order by output names or positions, or put the set operation into a subquery.",
                        )
                        .into());
                    }
                };
                Ok(OrderByExpr { expr: Expr::Identifier(ident(engine)), options: *options, with_fill: None })
            })
            .collect::<Result<_, ResolveError>>()?;
        Ok(OrderBy { kind: OrderByKind::Expressions(written), interpolate: None })
    }

    /// One key: the name or position of an output, else an expression.
    pub(super) fn order_key(
        &mut self,
        expr: &Expr,
        ctx: Ctx<'_>,
        target: &OrderTarget<'_>,
        must_be_output: bool,
        influence: &mut Facts,
    ) -> Result<Expr, ResolveError> {
        let OrderTarget::Select { projection, distinct } = target else {
            return Err(ResolveFault::InvalidReference("ORDER BY of no outputs".into()).into());
        };
        match expr {
            Expr::Value(ValueWithSpan { value: Value::Number(digits, _), span: _ }) => {
                let item = projection.at_ordinal(digits, "ORDER BY")?;
                return Ok(order_by_output(item, projection, ctx, must_be_output, influence));
            }
            Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(_) | Value::Null, span: _ }) => {
                return Err(ResolveFault::Syntax("non-integer constant in ORDER BY".into()).into());
            }
            Expr::Identifier(name) => {
                if let Some(item) = projection.named(&fold(name), "ORDER BY")? {
                    return Ok(order_by_output(item, projection, ctx, must_be_output, influence));
                }
            }
            _expression => {}
        }
        let mut facts = Facts::default();
        let written = self.expr(expr, ctx, &mut facts)?;
        if let Some(item) = projection.items.iter().find(|item| item.expr == written) {
            return Ok(order_by_output(item, projection, ctx, must_be_output, influence));
        }
        if *distinct && must_be_output {
            let text = "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
            return Err(ResolveFault::InvalidReference(text.into()).into());
        }
        influence.absorb(facts);
        Ok(written)
    }
}

/// A column as itself, and so all that DISTINCT ON names; else the output's name, or its position where a column of FROM has that name too.
fn order_by_output(
    item: &ProjectionItem,
    projection: &Projection,
    ctx: Ctx<'_>,
    by_name: bool,
    influence: &mut Facts,
) -> Expr {
    influence.lineage.absorb_influence(&item.facts.lineage, false);
    let is_column = matches!(&item.expr, Expr::CompoundIdentifier(_));
    if is_column || !by_name {
        return item.expr.clone();
    }
    let clashes = ctx
        .scope
        .namespace
        .relations
        .iter()
        .any(|relation| relation.columns.iter().any(|column| column.engine == item.engine));
    match projection.ordinal_of(item) {
        Some(ordinal) if clashes => Expr::Value(Value::Number(ordinal.to_string(), false).into()),
        _by_name => Expr::Identifier(ident(&item.engine)),
    }
}

fn order_exprs(order_by: &OrderBy) -> Result<&[OrderByExpr], ResolveError> {
    let OrderBy { kind, interpolate } = order_by;
    if interpolate.is_some() {
        return Err(refuse("INTERPOLATE", "Leave it out.").into());
    }
    match kind {
        OrderByKind::Expressions(exprs) => Ok(exprs),
        OrderByKind::All(_) => Err(refuse("ORDER BY ALL", "Name the outputs.").into()),
    }
}
