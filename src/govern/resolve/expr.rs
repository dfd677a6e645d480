//! Expressions: what may stand in one, by name. The tree is rebuilt from what was understood.

use super::{Ctx, Facts, Resolver, literal, operator};
use crate::govern::error::{ResolveError, ResolveFault, refuse};
use crate::govern::names::fold;
use crate::govern::resolved::Place;
use crate::sql::VARIADIC;
use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    AccessExpr, Array, BinaryOperator, CaseWhen, CastKind, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectNamePart, OrderByExpr, Query, Subscript, TypedString, Value,
    WindowFrame, WindowFrameBound, WindowSpec,
};

use super::query::ResolvedQuery;

impl Resolver<'_> {
    /// Resolves an expression, adding to `facts` what it is made of.
    pub(super) fn expr(&mut self, expr: &Expr, ctx: Ctx<'_>, facts: &mut Facts) -> Result<Expr, ResolveError> {
        self.cost = self.cost.saturating_add(1);
        self.nested(|this| match expr {
            Expr::Identifier(name) => this.identifier(name, ctx, facts),
            Expr::CompoundIdentifier(names) => this.compound(names, ctx, facts),
            Expr::Value(value) => this.constant(value),
            Expr::BinaryOp { .. } => this.binary_chain(expr, ctx, facts),
            Expr::Function(function) => this.function(function, ctx, facts),
            Expr::Nested(inner) => this.boxed(inner, ctx, facts).map(Expr::Nested),
            other => this.other(other, ctx.plain(), facts),
        })
    }

    pub(super) fn boxed(&mut self, expr: &Expr, ctx: Ctx<'_>, facts: &mut Facts) -> Result<Box<Expr>, ResolveError> {
        self.expr(expr, ctx, facts).map(Box::new)
    }

    pub(super) fn all(&mut self, exprs: &[Expr], ctx: Ctx<'_>, facts: &mut Facts) -> Result<Vec<Expr>, ResolveError> {
        exprs.iter().map(|expr| self.expr(expr, ctx, facts)).collect()
    }

    fn other(&mut self, expr: &Expr, ctx: Ctx<'_>, facts: &mut Facts) -> Result<Expr, ResolveError> {
        match expr {
            Expr::IsFalse(inner) => self.boxed(inner, ctx, facts).map(Expr::IsFalse),
            Expr::IsNotFalse(inner) => self.boxed(inner, ctx, facts).map(Expr::IsNotFalse),
            Expr::IsTrue(inner) => self.boxed(inner, ctx, facts).map(Expr::IsTrue),
            Expr::IsNotTrue(inner) => self.boxed(inner, ctx, facts).map(Expr::IsNotTrue),
            Expr::IsNull(inner) => self.boxed(inner, ctx, facts).map(Expr::IsNull),
            Expr::IsNotNull(inner) => self.boxed(inner, ctx, facts).map(Expr::IsNotNull),
            Expr::IsUnknown(inner) => self.boxed(inner, ctx, facts).map(Expr::IsUnknown),
            Expr::IsNotUnknown(inner) => self.boxed(inner, ctx, facts).map(Expr::IsNotUnknown),
            Expr::IsDistinctFrom(left, right) => {
                Ok(Expr::IsDistinctFrom(self.boxed(left, ctx, facts)?, self.boxed(right, ctx, facts)?))
            }
            Expr::IsNotDistinctFrom(left, right) => {
                Ok(Expr::IsNotDistinctFrom(self.boxed(left, ctx, facts)?, self.boxed(right, ctx, facts)?))
            }
            Expr::UnaryOp { op, expr } => {
                if operator::is_upstreams_unary(*op) {
                    self.upstream_only(format!("operator {op} over files"), operator::UPSTREAM_HINT, None)?;
                }
                let op = operator::unary(op)?;
                // Two signs side by side would print as a comment.
                Ok(Expr::UnaryOp { op, expr: Box::new(operator::apart(self.expr(expr, ctx, facts)?)) })
            }
            Expr::InList { .. }
            | Expr::InSubquery { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::SimilarTo { .. }
            | Expr::AnyOp { .. }
            | Expr::AllOp { .. } => self.comparison(expr, ctx, facts),
            Expr::Cast { .. }
            | Expr::AtTimeZone { .. }
            | Expr::Extract { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Position { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Overlay { .. }
            | Expr::Collate { .. } => self.special(expr, ctx, facts),
            Expr::TypedString(typed) => {
                let typed = literal::typed(typed)?;
                if let Expr::TypedString(TypedString { data_type, .. }) | Expr::Cast { data_type, .. } = &typed {
                    self.looked_up(data_type)?;
                }
                Ok(typed)
            }
            Expr::Interval(interval) => {
                if interval.leading_precision.is_some() || interval.fractional_seconds_precision.is_some() {
                    let hint = "Leave it out; it works over one PostgreSQL source.";
                    self.upstream_only("a precision of INTERVAL over files", hint, None)?;
                }
                literal::interval(interval)
            }
            Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), ctx, facts)
            }
            Expr::Exists { subquery, negated } => {
                let subquery = Box::new(self.exists(subquery, ctx, facts)?);
                Ok(Expr::Exists { subquery, negated: *negated })
            }
            Expr::Subquery(query) => self.one_column(query, ctx, facts).map(|query| Expr::Subquery(Box::new(query))),
            Expr::Tuple(exprs) => self.all(exprs, ctx, facts).map(Expr::Tuple),
            Expr::Array(Array { elem, named }) => {
                if !named {
                    return Err(refuse("[...] as an array", "Write ARRAY[...].").into());
                }
                Ok(Expr::Array(Array { elem: self.array_elements(elem, ctx, facts)?, named: true }))
            }
            Expr::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain, ctx, facts),
            Expr::Identifier(_)
            | Expr::CompoundIdentifier(_)
            | Expr::Value(_)
            | Expr::BinaryOp { .. }
            | Expr::Function(_)
            | Expr::Nested(_) => self.expr(expr, ctx, facts),
            Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => {
                Err(refuse("GROUPING SETS, CUBE or ROLLUP inside of another", "Write the sets out.").into())
            }
            Expr::IsNormalized { expr, form, negated } => {
                let hint = "Leave it out; it works over one PostgreSQL source.";
                self.upstream_only("IS NORMALIZED over files", hint, None)?;
                Ok(Expr::IsNormalized { expr: self.boxed(expr, ctx, facts)?, form: *form, negated: *negated })
            }
            Expr::JsonAccess { .. }
            | Expr::InUnnest { .. }
            | Expr::RLike { .. }
            | Expr::Convert { .. }
            | Expr::Prefixed { .. }
            | Expr::Struct { .. }
            | Expr::Named { .. }
            | Expr::Dictionary(_)
            | Expr::Map(_)
            | Expr::MatchAgainst { .. }
            | Expr::Wildcard(_)
            | Expr::QualifiedWildcard(_, _)
            | Expr::OuterJoin(_)
            | Expr::Prior(_)
            | Expr::Lambda(_)
            | Expr::MemberOf(_) => Err(foreign(expr)),
        }
    }

    /// Inner brackets of `ARRAY[[1, 2], [3, 4]]` need no word.
    fn array_elements(&mut self, elem: &[Expr], ctx: Ctx<'_>, facts: &mut Facts) -> Result<Vec<Expr>, ResolveError> {
        elem.iter()
            .map(|element| match element {
                Expr::Array(Array { elem, named: false }) => self
                    .nested(|this| this.array_elements(elem, ctx, facts))
                    .map(|elem| Expr::Array(Array { elem, named: false })),
                element => self.expr(element, ctx, facts),
            })
            .collect()
    }

    fn comparison(&mut self, expr: &Expr, ctx: Ctx<'_>, facts: &mut Facts) -> Result<Expr, ResolveError> {
        match expr {
            Expr::InList { expr, list, negated } => {
                if list.is_empty() {
                    return Err(ResolveFault::Syntax("IN needs at least one value".into()).into());
                }
                let expr = self.boxed(expr, ctx, facts)?;
                if let Some(list) = self.list_parameter(list)? {
                    if list.is_empty() {
                        return Ok(Expr::Value(Value::Boolean(*negated).into()));
                    }
                    return Ok(Expr::InList { expr, list, negated: *negated });
                }
                Ok(Expr::InList { expr, list: self.all(list, ctx, facts)?, negated: *negated })
            }
            Expr::InSubquery { expr, subquery, negated } => {
                let expr = self.boxed(expr, ctx, facts)?;
                let subquery = Box::new(match expr.as_ref() {
                    Expr::Tuple(row) if row.len() > 1 => {
                        let hint = "Use EXISTS with a condition for each column.";
                        self.upstream_only("a row in a subquery over files", hint, None)?;
                        self.columns(subquery, row.len(), ctx, facts)?
                    }
                    _value => self.one_column(subquery, ctx, facts)?,
                });
                Ok(Expr::InSubquery { expr, subquery, negated: *negated })
            }
            Expr::Between { expr, negated, low, high } => Ok(Expr::Between {
                expr: self.boxed(expr, ctx, facts)?,
                negated: *negated,
                low: self.boxed(low, ctx, facts)?,
                high: self.boxed(high, ctx, facts)?,
            }),
            Expr::Like { negated, any, expr, pattern, escape_char: None } if quantifier(*any, pattern).is_some() => {
                let op = if *negated { BinaryOperator::PGNotLikeMatch } else { BinaryOperator::PGLikeMatch };
                self.like_each(op, expr, quantifier(*any, pattern), ctx, facts)
            }
            Expr::ILike { negated, any, expr, pattern, escape_char: None } if quantifier(*any, pattern).is_some() => {
                let op = if *negated { BinaryOperator::PGNotILikeMatch } else { BinaryOperator::PGILikeMatch };
                self.like_each(op, expr, quantifier(*any, pattern), ctx, facts)
            }
            Expr::Like { negated, any, expr, pattern, escape_char } => {
                no_any(*any)?;
                Ok(Expr::Like {
                    negated: *negated,
                    any: false,
                    expr: self.boxed(expr, ctx, facts)?,
                    pattern: self.boxed(pattern, ctx, facts)?,
                    escape_char: escape_char.as_ref().map(|text| literal::string(text, "ESCAPE")).transpose()?,
                })
            }
            Expr::ILike { negated, any, expr, pattern, escape_char } => {
                no_any(*any)?;
                Ok(Expr::ILike {
                    negated: *negated,
                    any: false,
                    expr: self.boxed(expr, ctx, facts)?,
                    pattern: self.boxed(pattern, ctx, facts)?,
                    escape_char: escape_char.as_ref().map(|text| literal::string(text, "ESCAPE")).transpose()?,
                })
            }
            Expr::SimilarTo { negated, expr, pattern, escape_char } => {
                // Users' patterns are made regular expressions right before planning; policies' expressions are not.
                if self.policy.is_some() {
                    return Err(refuse("SIMILAR TO in a policy's expression", "Use LIKE or ~.").into());
                }
                Ok(Expr::SimilarTo {
                    negated: *negated,
                    expr: self.boxed(expr, ctx, facts)?,
                    pattern: self.boxed(pattern, ctx, facts)?,
                    escape_char: escape_char.as_ref().map(|text| literal::string(text, "ESCAPE")).transpose()?,
                })
            }
            Expr::AnyOp { left, compare_op, right, is_some: _ } => {
                let compare_op = self.quantified_operator(compare_op)?;
                let left = self.boxed(left, ctx, facts)?;
                if let (sqlparser::ast::BinaryOperator::Eq, Expr::Subquery(query)) = (&compare_op, right.as_ref()) {
                    let subquery = Box::new(self.one_column(query, ctx, facts)?);
                    return Ok(Expr::InSubquery { expr: left, subquery, negated: false });
                }
                let right = self.boxed(right, ctx, facts)?;
                Ok(Expr::AnyOp { left, compare_op, right, is_some: false })
            }
            Expr::AllOp { left, compare_op, right } => {
                let compare_op = self.quantified_operator(compare_op)?;
                let left = self.boxed(left, ctx, facts)?;
                if let (sqlparser::ast::BinaryOperator::NotEq, Expr::Subquery(query)) = (&compare_op, right.as_ref()) {
                    let subquery = Box::new(self.one_column(query, ctx, facts)?);
                    return Ok(Expr::InSubquery { expr: left, subquery, negated: true });
                }
                let right = self.boxed(right, ctx, facts)?;
                Ok(Expr::AllOp { left, compare_op, right })
            }
            other => Err(foreign(other)),
        }
    }

    /// `x LIKE ANY (array)` is `x ~~ ANY (array)`.
    fn like_each(
        &mut self,
        compare_op: BinaryOperator,
        left: &Expr,
        quantifier: Option<(bool, &Expr)>,
        ctx: Ctx<'_>,
        facts: &mut Facts,
    ) -> Result<Expr, ResolveError> {
        let Some((is_all, right)) = quantifier else { return no_any(true).map(|()| left.clone()) };
        self.upstream_only("LIKE ANY (...) over files", "Write x LIKE a OR x LIKE b.", None)?;
        let (left, right) = (self.boxed(left, ctx, facts)?, self.boxed(right, ctx, facts)?);
        Ok(if is_all {
            Expr::AllOp { left, compare_op, right }
        } else {
            Expr::AnyOp { left, compare_op, right, is_some: false }
        })
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        else_result: Option<&Expr>,
        ctx: Ctx<'_>,
        facts: &mut Facts,
    ) -> Result<Expr, ResolveError> {
        let operand = operand.map(|operand| self.boxed(operand, ctx, facts)).transpose()?;
        let mut written = Vec::new();
        for CaseWhen { condition, result } in conditions {
            written.push(CaseWhen {
                condition: self.expr(condition, ctx, facts)?,
                result: self.expr(result, ctx, facts)?,
            });
        }
        let else_result = else_result.map(|result| self.boxed(result, ctx, facts)).transpose()?;
        Ok(Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand,
            conditions: written,
            else_result,
        })
    }

    /// A subquery of one column: its value.
    pub(super) fn one_column(&mut self, query: &Query, ctx: Ctx<'_>, facts: &mut Facts) -> Result<Query, ResolveError> {
        self.columns(query, 1, ctx, facts)
    }

    /// A subquery of so many columns, for a row of as many values.
    fn columns(&mut self, query: &Query, count: usize, ctx: Ctx<'_>, facts: &mut Facts) -> Result<Query, ResolveError> {
        let ResolvedQuery { query, columns, is_aggregate, influence } = self.query(query, ctx.scope, ctx.ctes)?;
        if columns.len() != count {
            let problem = match (count, columns.len() > count) {
                (1, _) => "subquery must return only one column",
                (_, true) => "subquery has too many columns",
                (_, false) => "subquery has too few columns",
            };
            return Err(ResolveFault::Syntax(problem.into()).into());
        }
        columns.iter().for_each(|column| facts.lineage.absorb(&column.lineage));
        facts.lineage.absorb(&influence);
        facts.rows |= !is_aggregate;
        Ok(query)
    }

    /// Whether a subquery has rows: its value comes from what chose them.
    fn exists(&mut self, query: &Query, ctx: Ctx<'_>, facts: &mut Facts) -> Result<Query, ResolveError> {
        let ResolvedQuery { query, columns: _, is_aggregate, influence } = self.query(query, ctx.scope, ctx.ctes)?;
        facts.lineage.absorb_as_value(&influence);
        facts.rows |= !is_aggregate;
        Ok(query)
    }

    /// Subscripts `x[1]`, `x[1:2]`, and `(t).column`.
    fn access(
        &mut self,
        root: &Expr,
        chain: &[AccessExpr],
        ctx: Ctx<'_>,
        facts: &mut Facts,
    ) -> Result<Expr, ResolveError> {
        let mut names: Vec<Ident> = match root {
            Expr::Identifier(name) => vec![name.clone()],
            Expr::CompoundIdentifier(names) => names.clone(),
            Expr::Nested(inner) => match inner.as_ref() {
                Expr::Identifier(table) if self.is_relation(table, ctx)? => vec![table.clone()],
                _value => Vec::new(),
            },
            _value => Vec::new(),
        };
        let mut rest = chain;
        if !names.is_empty() {
            while let Some((AccessExpr::Dot(Expr::Identifier(name)), after)) = rest.split_first() {
                names.push(name.clone());
                rest = after;
            }
        }
        if names.is_empty()
            && let [AccessExpr::Dot(Expr::Identifier(field))] = rest
            && let Expr::Nested(inner) = root
        {
            return self.field(inner, field, ctx, facts);
        }
        let root = match names.as_slice() {
            [] => self.expr(root, ctx, facts)?,
            [name] => self.identifier(name, ctx, facts)?,
            names => self.compound(names, ctx, facts)?,
        };
        if rest.is_empty() {
            return Ok(root);
        }
        let mut access_chain = Vec::new();
        for access in rest {
            access_chain.push(AccessExpr::Subscript(match access {
                AccessExpr::Dot(_) => {
                    return Err(refuse("a field of a composite value", "Name the column: table.column.").into());
                }
                AccessExpr::Subscript(Subscript::Index { index }) => {
                    Subscript::Index { index: self.expr(index, ctx, facts)? }
                }
                AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride }) => {
                    if stride.is_some() {
                        return Err(refuse("a slice with a step", "Write x[from:to].").into());
                    }
                    Subscript::Slice {
                        lower_bound: lower_bound.as_ref().map(|bound| self.expr(bound, ctx, facts)).transpose()?,
                        upper_bound: upper_bound.as_ref().map(|bound| self.expr(bound, ctx, facts)).transpose()?,
                        stride: None,
                    }
                }
            }));
        }
        let root = match root {
            nested @ Expr::Nested(_) => nested,
            other => Expr::Nested(Box::new(other)),
        };
        Ok(Expr::CompoundFieldAccess { root: Box::new(root), access_chain })
    }

    /// `(t.keys).x`: a part of what `_pg_expandarray` gave. Only what was computed from no dataset has parts here.
    fn field(&mut self, root: &Expr, field: &Ident, ctx: Ctx<'_>, facts: &mut Facts) -> Result<Expr, ResolveError> {
        let name = fold(field);
        let mut own = Facts::default();
        let is_column = matches!(root, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
        if is_column && EXPANDED.contains(&name.as_str()) {
            let root = self.expr(root, ctx.plain(), &mut own)?;
            if own.lineage.sources().is_empty() {
                facts.absorb(own);
                return Ok(part(root, &name));
            }
        }
        Err(refuse("a field of a composite value", "Name the column: table.column.").at(super::place_of(field)))
    }

    fn is_relation(&self, name: &Ident, ctx: Ctx<'_>) -> Result<bool, ResolveError> {
        let name = fold(name);
        Ok(ctx.scope.column(&name)?.is_none() && ctx.scope.relation(None, &name)?.is_some())
    }

    /// What stands in OVER (…) or WINDOW.
    pub(super) fn window_spec(
        &mut self,
        spec: &WindowSpec,
        ctx: Ctx<'_>,
        facts: &mut Facts,
    ) -> Result<WindowSpec, ResolveError> {
        let WindowSpec { window_name, partition_by, order_by, window_frame } = spec;
        let ctx = Ctx { no_windows: Some("window definitions"), ..ctx.at(Place::Window) };
        if let Some(name) = window_name {
            // The embedded engine forgets what the other window says.
            let hint = "Write its PARTITION BY and ORDER BY out; over one PostgreSQL source it works.";
            self.upstream_only("a window that extends another over files", hint, super::place_of(name))?;
        }
        let window_name = window_name.as_ref().map(|name| known_window(name, ctx, facts)).transpose()?;
        Ok(WindowSpec {
            window_name,
            partition_by: self.all(partition_by, ctx, facts)?,
            order_by: self.sort_keys(order_by, ctx, facts)?,
            window_frame: match window_frame {
                Some(WindowFrame { units, start_bound, end_bound }) => Some(WindowFrame {
                    units: *units,
                    start_bound: self.frame_bound(start_bound, ctx, facts)?,
                    end_bound: end_bound.as_ref().map(|bound| self.frame_bound(bound, ctx, facts)).transpose()?,
                }),
                None => None,
            },
        })
    }

    fn frame_bound(
        &mut self,
        bound: &WindowFrameBound,
        ctx: Ctx<'_>,
        facts: &mut Facts,
    ) -> Result<WindowFrameBound, ResolveError> {
        Ok(match bound {
            WindowFrameBound::CurrentRow => WindowFrameBound::CurrentRow,
            WindowFrameBound::Preceding(None) => WindowFrameBound::Preceding(None),
            WindowFrameBound::Following(None) => WindowFrameBound::Following(None),
            WindowFrameBound::Preceding(Some(expr)) => WindowFrameBound::Preceding(Some(self.boxed(expr, ctx, facts)?)),
            WindowFrameBound::Following(Some(expr)) => WindowFrameBound::Following(Some(self.boxed(expr, ctx, facts)?)),
        })
    }

    /// ORDER BY of a window or an aggregate: expressions alone, no names or positions of outputs.
    pub(super) fn sort_keys(
        &mut self,
        keys: &[OrderByExpr],
        ctx: Ctx<'_>,
        facts: &mut Facts,
    ) -> Result<Vec<OrderByExpr>, ResolveError> {
        keys.iter()
            .map(|key| {
                let OrderByExpr { expr, options, with_fill } = key;
                if with_fill.is_some() {
                    return Err(refuse("WITH FILL", "Leave it out.").into());
                }
                Ok(OrderByExpr { expr: self.expr(expr, ctx, facts)?, options: *options, with_fill: None })
            })
            .collect()
    }
}

/// The parts of what `_pg_expandarray` gives: an element and its position.
pub(super) const EXPANDED: [&str; 2] = ["x", "n"];

/// `(value).name`
pub(super) fn part(value: Expr, name: &str) -> Expr {
    Expr::CompoundFieldAccess {
        root: Box::new(Expr::Nested(Box::new(value))),
        access_chain: vec![AccessExpr::Dot(Expr::Identifier(crate::govern::names::ident(name)))],
    }
}

/// A window that the block names.
pub(super) fn known_window(name: &Ident, ctx: Ctx<'_>, facts: &mut Facts) -> Result<Ident, ResolveError> {
    let folded = fold(name);
    let lineage = ctx
        .windows
        .get(&folded)
        .ok_or_else(|| ResolveFault::UndefinedObject(format!("window \"{folded}\"")).at(super::place_of(name)))?;
    facts.lineage.absorb(lineage);
    Ok(crate::govern::names::ident(&folded))
}

/// Whether a cast is spelled as PostgreSQL spells it.
pub(super) fn cast_kind(kind: &CastKind) -> Result<CastKind, ResolveError> {
    match kind {
        CastKind::Cast | CastKind::DoubleColon => Ok(kind.clone()),
        CastKind::TryCast => Err(refuse("TRY_CAST", "Use CAST, with CASE around what may fail.").into()),
        CastKind::SafeCast => Err(refuse("SAFE_CAST", "Use CAST, with CASE around what may fail.").into()),
    }
}

/// What LIKE compares with each element of: with ANY, or with ALL, which sqlparser takes for a function.
fn quantifier(any: bool, pattern: &Expr) -> Option<(bool, &Expr)> {
    if any {
        return match pattern {
            Expr::Nested(array) => Some((false, array)),
            Expr::Subquery(_) => Some((false, pattern)),
            _list => None,
        };
    }
    let Expr::Function(Function {
        name,
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args,
        filter: None,
        null_treatment: None,
        over: None,
        within_group,
    }) = pattern
    else {
        return None;
    };
    let is_all = matches!(name.0.as_slice(),
        [ObjectNamePart::Identifier(word)] if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("all"));
    match args {
        FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses })
            if is_all && within_group.is_empty() && clauses.is_empty() =>
        {
            match args.as_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(array))] => Some((true, array)),
                _other => None,
            }
        }
        FunctionArguments::List(_) | FunctionArguments::None | FunctionArguments::Subquery(_) => None,
    }
}

fn no_any(any: bool) -> Result<(), ResolveError> {
    if any { Err(refuse("LIKE ANY (...)", "Write x LIKE a OR x LIKE b.").into()) } else { Ok(()) }
}

/// Syntax of other databases.
pub(super) fn foreign(expr: &Expr) -> ResolveError {
    let (what, hint) = match expr {
        Expr::JsonAccess { .. } => ("a path with a colon", "Use JSON functions."),
        Expr::InUnnest { .. } => ("IN UNNEST(...)", "Write = ANY (array)."),
        Expr::RLike { .. } => ("RLIKE/REGEXP", "Use ~ or ~*."),
        Expr::Convert { .. } => ("CONVERT", "Use CAST."),
        Expr::Struct { .. } | Expr::Named { .. } | Expr::Dictionary(_) | Expr::Map(_) => {
            ("a struct or map literal", "Select the values as columns.")
        }
        Expr::MatchAgainst { .. } => ("MATCH ... AGAINST", "Use ILIKE or ~*."),
        Expr::Wildcard(_) | Expr::QualifiedWildcard(_, _) => ("* as a value", "Name the columns."),
        Expr::OuterJoin(_) => ("(+)", "Use LEFT JOIN."),
        Expr::Prior(_) => ("PRIOR", "Use WITH RECURSIVE."),
        Expr::Lambda(_) => ("a lambda", "Use unnest in a subquery."),
        Expr::MemberOf(_) => ("MEMBER OF", "Write = ANY (array)."),
        Expr::Prefixed { prefix, .. } if prefix.value == VARIADIC => {
            ("VARIADIC here", "It stands before the last argument of a function that takes any number of them.")
        }
        Expr::Prefixed { .. } => ("a character set prefix", "Leave it out."),
        _understood_elsewhere => ("this expression", "Write it another way."),
    };
    refuse(what, hint).into()
}
