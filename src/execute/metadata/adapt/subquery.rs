//! Subqueries that look something up in system relations, in the forms that DataFusion can join.
//!
//! DataFusion turns a correlated scalar subquery into a join if it ends in an aggregate and meets the outer row by
//! equalities alone. So a look-up of at most one row becomes `first_value`, what compares the outer row with nothing
//! moves out into a CASE, and an outer column that equals an inner one is replaced by it.

use super::SystemRelationOf;
use super::build::{all, call, cast, conjuncts, function_name, ident, null, select_over};
use super::casts::{elements, literal};
use super::domain::base_type;
use super::tables::{alias, factors, reads_nothing, relation_of};
use crate::execute::metadata::relations::relation;
use crate::sql::plain_query;
use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, CaseWhen, DataType, Expr, Function, FunctionArgumentClause, FunctionArguments,
    GroupByExpr, Ident, LimitClause, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, TableFactor, Value,
    Visit, VisitMut, Visitor, VisitorMut,
};
use std::collections::HashSet;
use std::ops::ControlFlow;

/// A SELECT that reads a relation which is always empty gives no row: the subqueries that it would evaluate for each
/// row go, so that they need not be planned.
pub(super) fn drop_unreachable(body: &mut SetExpr, system: &SystemRelationOf<'_>) {
    super::each_select(body, &mut |select| {
        if !reads_nothing(select, system) || select.projection.iter().any(has_aggregate) {
            return;
        }
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                let _: ControlFlow<()> = expr.visit(&mut Unreachable);
            }
        }
        if let Some(condition) = &mut select.selection {
            let _: ControlFlow<()> = condition.visit(&mut Unreachable);
        }
    });
}

struct Unreachable;

impl VisitorMut for Unreachable {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Subquery(_) => *expr = null(),
            Expr::Exists { .. } => *expr = super::build::value(Value::Boolean(false)),
            Expr::Function(function) if array_subquery(function).is_some() => *expr = no_text(),
            // The type of an array decides how its text form is read; without rows there is nothing to compare.
            Expr::BinaryOp { left, right, .. } if is_array_text(left) || is_array_text(right) => *expr = null(),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Rewrites one subquery expression; what is in it is done already.
pub(super) fn adapt(expr: &mut Expr, system: &SystemRelationOf<'_>) {
    match expr {
        Expr::Subquery(query) => {
            if let Some(first) = base_type(query, system) {
                **query = first;
            }
            if let Some(instead) = scalar(query, system) {
                *expr = instead;
            }
        }
        Expr::Exists { subquery, negated } => {
            let nothing = plain_select(subquery).is_some_and(|select| reads_nothing(select, system));
            if nothing {
                *expr = super::build::value(Value::Boolean(*negated));
            }
        }
        Expr::Function(function) => {
            if let Some(query) = array_subquery(function)
                && let Some(instead) = array(query, system).or_else(|| array_of_result(query))
            {
                *expr = instead;
            }
        }
        _ => {}
    }
}

/// DataFusion joins an EXISTS of a condition, but not one that is shown: that becomes a count, for system relations.
pub(super) fn show_exists(select: &mut Select, system: &SystemRelationOf<'_>) {
    for item in &mut select.projection {
        let _: ControlFlow<()> = item.visit(&mut Shown { system, depth: 0 });
    }
}

struct Shown<'a> {
    system: &'a SystemRelationOf<'a>,
    depth: usize,
}

impl VisitorMut for Shown<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::Exists { subquery, negated } = expr
            && let Some(count) = counted(subquery, self.system)
        {
            let op = if *negated { BinaryOperator::Eq } else { BinaryOperator::Gt };
            let zero = || super::build::value(Value::Number("0".to_owned(), false));
            let left = Box::new(call("coalesce", vec![count, zero()]));
            *expr = Expr::Nested(Box::new(Expr::BinaryOp { left, op, right: Box::new(zero()) }));
        }
        ControlFlow::Continue(())
    }
}

/// How many rows a look-up in system relations gives.
fn counted(query: &Query, system: &SystemRelationOf<'_>) -> Option<Expr> {
    let mut select = plain_select(query).filter(|select| of_rows(select) && query.limit_clause.is_none())?.clone();
    let inner = Inner::of(&select, system)?;
    select.projection = vec![SelectItem::UnnamedExpr(super::build::value(Value::Number("1".to_owned(), false)))];
    joined(&select, &inner, "count", Vec::new())
}

/// The subquery of `ARRAY(SELECT …)`.
fn array_subquery(function: &Function) -> Option<&Query> {
    match &function.args {
        FunctionArguments::Subquery(query) if function_name(function) == "array" => Some(query),
        _ => None,
    }
}

/// The one SELECT of a query that has nothing around it but ORDER BY and LIMIT.
fn plain_select(query: &Query) -> Option<&Select> {
    let bare =
        query.with.is_none() && query.fetch.is_none() && query.locks.is_empty() && query.pipe_operators.is_empty();
    match &*query.body {
        SetExpr::Select(select) if bare => Some(select),
        _ => None,
    }
}

/// A SELECT of rows: no grouping, no DISTINCT, no aggregate.
fn of_rows(select: &Select) -> bool {
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(by, with) if by.is_empty() && with.is_empty());
    ungrouped && select.distinct.is_none() && select.having.is_none() && !select.projection.iter().any(has_aggregate)
}

fn has_aggregate(item: &SelectItem) -> bool {
    const AGGREGATES: &[&str] = &[
        "array_agg",
        "avg",
        "bool_and",
        "bool_or",
        "count",
        "every",
        "first_value",
        "json_agg",
        "json_object_agg",
        "jsonb_agg",
        "jsonb_object_agg",
        "max",
        "min",
        "string_agg",
        "sum",
    ];
    let mut aggregates = Aggregates { names: AGGREGATES, depth: 0 };
    item.visit(&mut aggregates).is_break()
}

/// Looks for an aggregate of this SELECT, not of a subquery in it.
struct Aggregates {
    names: &'static [&'static str],
    depth: usize,
}

impl Visitor for Aggregates {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) if self.depth == 0 && self.names.contains(&function_name(function).as_str()) => {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

fn only_output(select: &Select) -> Option<&Expr> {
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] => Some(expr),
        _ => None,
    }
}

/// A look-up in system relations that gives at most one row; `None` where nothing needs to change.
fn scalar(query: &Query, system: &SystemRelationOf<'_>) -> Option<Expr> {
    let select = plain_select(query)?;
    let output = only_output(select)?;
    if !of_rows(select) {
        return None;
    }
    if reads_nothing(select, system) {
        return Some(null());
    }
    // A dataset must raise an error for a second row, as PostgreSQL does; so only look-ups are touched.
    let inner = Inner::of(select, system)?;
    if !inner.uses(query, false, 0) {
        return None;
    }
    let ordered = order(query, output)?;
    joined(select, &inner, "first_value", ordered)
}

/// What a subquery is ordered by; ordinals mean its only output. `None` for an order that can't be kept.
fn order(query: &Query, output: &Expr) -> Option<Vec<OrderByExpr>> {
    let at_most_one = match &query.limit_clause {
        None => true,
        Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by }) => {
            limit_by.is_empty() && limit.to_string() == "1"
        }
        Some(_) => false,
    };
    if !at_most_one {
        return None;
    }
    let Some(order) = &query.order_by else { return Some(Vec::new()) };
    let OrderByKind::Expressions(by) = &order.kind else { return None };
    let resolved = by.iter().cloned().map(|mut by| {
        if by.expr.to_string() == "1" {
            by.expr = output.clone();
        }
        by
    });
    Some(resolved.collect())
}

/// `ARRAY(SELECT …)` as an aggregate over the same rows; an empty array if there are none.
fn array(query: &Query, system: &SystemRelationOf<'_>) -> Option<Expr> {
    let select = plain_select(query)?;
    let output = only_output(select)?;
    if !of_rows(select) || query.limit_clause.is_some() {
        return None;
    }
    if reads_nothing(select, system) {
        return Some(no_text());
    }
    if let [only] = select.from.as_slice()
        && only.joins.is_empty()
        && let TableFactor::UNNEST { array_exprs, .. } = &only.relation
        && let [source] = array_exprs.as_slice()
        && is_always_null(source)
    {
        return Some(no_text());
    }
    let ordered = order(query, output)?;
    let lists = match Inner::of(select, system) {
        Some(inner) => joined(select, &inner, "array_agg", ordered)?,
        None => subquery(aggregated(select, "array_agg", output.clone(), ordered)),
    };
    Some(call("coalesce", vec![lists, call("make_array", Vec::new())]))
}

/// The same for any other query, as an aggregate over its result: DISTINCT, LIMIT, set operations, VALUES. What it is
/// ordered by becomes columns of that result. `None` if the order can't be kept.
fn array_of_result(query: &Query) -> Option<Expr> {
    let mut inner = query.clone();
    let by = match &query.order_by {
        None => Vec::new(),
        Some(order) => match &order.kind {
            OrderByKind::Expressions(by) => by.clone(),
            OrderByKind::All(_) => return None,
        },
    };
    let column = |name: &str| Expr::CompoundIdentifier(vec![ident("result"), ident(name)]);
    let mut columns = vec!["value".to_owned()];
    let mut ordered = Vec::new();
    for mut by in by {
        by.expr = match &mut *inner.body {
            // A key may be anything that the rows have.
            SetExpr::Select(select) if select.distinct.is_none() => {
                let is_output = match select.projection.first()? {
                    SelectItem::UnnamedExpr(output) => *output == by.expr,
                    SelectItem::ExprWithAlias { expr, alias } => {
                        *expr == by.expr || by.expr == Expr::Identifier(alias.clone())
                    }
                    _ => return None,
                };
                if is_output || by.expr.to_string() == "1" {
                    column("value")
                } else {
                    let name = format!("key{}", columns.len());
                    select.projection.push(SelectItem::ExprWithAlias { expr: by.expr, alias: ident(&name) });
                    columns.push(name);
                    column(columns.last()?)
                }
            }
            // Elsewhere only the one column of the result can be a key.
            _ => column("value"),
        };
        ordered.push(by);
    }
    let select = select_over(inner, "result", &columns);
    let lists = subquery(aggregated(&select, "array_agg", column("value"), ordered));
    Some(call("coalesce", vec![lists, call("make_array", Vec::new())]))
}

/// An empty array of text.
fn no_text() -> Expr {
    let of_text = DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(DataType::Text), None));
    cast(call("make_array", Vec::new()), of_text)
}

/// A string such as `{0}`.
fn is_array_text(expr: &Expr) -> bool {
    literal(expr).and_then(elements).is_some()
}

/// Options and settings of catalog objects: there never are any.
fn is_always_null(expr: &Expr) -> bool {
    let last = match expr {
        Expr::Identifier(ident) => Some(ident),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    };
    const OPTIONS: &[&str] = &[
        "reloptions",
        "attoptions",
        "attfdwoptions",
        "evttags",
        "extconfig",
        "fdwoptions",
        "ftoptions",
        "proconfig",
        "setconfig",
        "spcoptions",
        "srvoptions",
    ];
    last.is_some_and(|ident| OPTIONS.contains(&ident.value.to_lowercase().as_str()))
}

/// The subquery over the same rows with one aggregate as its output.
fn aggregated(select: &Select, aggregate: &str, output: Expr, order: Vec<OrderByExpr>) -> Select {
    let mut select = select.clone();
    let mut output = call(aggregate, vec![output]);
    if let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = &mut output
        && !order.is_empty()
    {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    select.projection = vec![SelectItem::UnnamedExpr(output)];
    select
}

fn subquery(select: Select) -> Expr {
    Expr::Subquery(Box::new(plain_query(SetExpr::Select(Box::new(select)))))
}

/// The subquery in a form that DataFusion can join with the outer row; `None` if there is none.
fn joined(select: &Select, inner: &Inner, aggregate: &str, mut order: Vec<OrderByExpr>) -> Option<Expr> {
    let mut output = only_output(select)?.clone();
    let mut conditions = Vec::new();
    if let Some(condition) = &select.selection {
        conjuncts(condition.clone(), &mut conditions);
    }
    let equal: Vec<(Expr, Expr)> = conditions.iter().filter_map(|condition| inner.equality(condition)).collect();
    let replace = |expr: &mut Expr| {
        let _: ControlFlow<()> = expr.visit(&mut Replace { equal: &equal });
    };
    replace(&mut output);
    order.iter_mut().for_each(|by| replace(&mut by.expr));
    if inner.leads_out(&output) || order.iter().any(|by| inner.leads_out(&by.expr)) {
        return None;
    }
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for mut condition in conditions {
        if inner.equality(&condition).is_some() {
            inside.push(condition);
            continue;
        }
        if !inner.leads_in(&condition) && inner.leads_out(&condition) {
            outside.push(condition);
            continue;
        }
        replace(&mut condition);
        inside.push(condition);
    }
    let mut select = aggregated(select, aggregate, output, order);
    select.selection = all(inside);
    let found = subquery(select);
    Some(match all(outside) {
        None => found,
        Some(condition) => Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions: vec![CaseWhen { condition, result: found }],
            else_result: None,
        },
    })
}

/// Puts an inner column in the place of the outer one that it equals.
struct Replace<'a> {
    equal: &'a [(Expr, Expr)],
}

impl VisitorMut for Replace<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some((inner, _)) = self.equal.iter().find(|(_, outer)| outer == expr) {
            *expr = inner.clone();
        }
        ControlFlow::Continue(())
    }
}

/// What is known inside a subquery all of whose relations are the system's.
struct Inner {
    aliases: HashSet<String>,
    columns: HashSet<&'static str>,
}

impl Inner {
    /// `None` if something other than system relations is read.
    fn of(select: &Select, system: &SystemRelationOf<'_>) -> Option<Self> {
        let mut inner = Self { aliases: HashSet::new(), columns: HashSet::new() };
        let factors = factors(&select.from);
        if factors.is_empty() {
            return None;
        }
        for factor in factors {
            let columns = &relation(&relation_of(factor, system)?)?.columns;
            inner.aliases.insert(alias(factor)?);
            inner.columns.extend(columns.iter().map(|column| column.name));
        }
        Some(inner)
    }

    fn is_inner(&self, expr: &Expr) -> Option<bool> {
        match expr {
            Expr::Identifier(ident) => Some(self.columns.contains(folded(ident).as_str())),
            Expr::CompoundIdentifier(parts) => {
                Some(parts.first().is_some_and(|first| self.aliases.contains(&first.value)))
            }
            _ => None,
        }
    }

    /// Whether a column of the outer row is used.
    fn leads_out(&self, of: &impl Visit) -> bool {
        self.uses(of, false, 1)
    }

    /// Whether a column of the subquery's own relations is used.
    fn leads_in(&self, of: &impl Visit) -> bool {
        self.uses(of, true, 1)
    }

    /// `depth`: how many queries enclose `of`, the subquery itself among them.
    fn uses(&self, of: &impl Visit, inner: bool, depth: usize) -> bool {
        of.visit(&mut Uses { inner: self, wanted: inner, depth }).is_break()
    }

    /// The inner and the outer column of `inner = outer`.
    fn equality(&self, condition: &Expr) -> Option<(Expr, Expr)> {
        let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = condition else { return None };
        match (self.is_inner(left)?, self.is_inner(right)?) {
            (true, false) => Some(((**left).clone(), (**right).clone())),
            (false, true) => Some(((**right).clone(), (**left).clone())),
            (true, true) | (false, false) => None,
        }
    }
}

/// Looks for a column. What stands in a subquery of its own belongs to that.
struct Uses<'a> {
    inner: &'a Inner,
    wanted: bool,
    depth: usize,
}

impl Visitor for Uses<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.depth <= 1 && self.inner.is_inner(expr) == Some(self.wanted) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}
