//! Finds what of a statement may fail or tell, and whose rows it could be evaluated on.
//!
//! Every block is read, those of subqueries too. What is not understood counts as what may tell of anything.

use super::Facts;
use super::condition::touches_of;
use super::leakproof::{Kind, Operand};
use super::parameters::Parameters;
use super::scope::{Asked, Item, Output, Scope, Touches};
use super::syntax::{
    bounded, conjuncts, has_pattern, holds, is_aggregate_call, is_plain, is_plain_order, is_ungrouped,
};
use crate::govern::names::{fold, parts};
use crate::govern::statement::{ColumnValue, GovernedStatement};
use sqlparser::ast::{
    Cte, Distinct, Expr, FunctionArg, FunctionArgExpr, GroupByExpr, JoinConstraint, JoinOperator, ObjectName, OrderBy,
    Query, Select, SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins, Value, Visit, Visitor,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// A condition that may fail or tell.
#[derive(Debug)]
pub(super) struct Leak {
    pub(super) condition: Expr,
    /// In the user's terms, without constants.
    pub(super) reason: String,
    pub(super) touches: Touches,
    /// Whether the planner may evaluate a part of it at any other relation.
    pub(super) spreads: bool,
    /// Relations that a guard in its place could ask, with their aliases.
    pub(super) cover: BTreeMap<usize, String>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) leaks: Vec<Leak>,
    /// Conditions that may stand below a fence, by relation.
    pub(super) copies: BTreeMap<usize, Vec<Expr>>,
    /// Whether nothing can tell even if a row filter became a join: the statement is quiet, or it is one block of inner
    /// joins, whose outputs are evaluated above them all. What rows are sorted or grouped by may be evaluated below a join
    /// (`relation_can_be_sorted_early`), so that must be plain columns.
    pub(super) is_calm: bool,
    /// Whether the statement holds a pattern that may fail on a value.
    pub(super) tries_patterns: bool,
    /// How often each alias stands in the statement.
    pub(super) aliases: BTreeMap<String, usize>,
}

pub(super) fn read(query: &Query, facts: &[Facts<'_>], parameters: &Parameters<'_>) -> Reading {
    let mut reader = Reader {
        facts,
        parameters,
        ctes: BTreeMap::new(),
        asked: BTreeMap::new(),
        reading: Reading { tries_patterns: has_pattern(query), ..Reading::default() },
        has_subqueries: false,
        has_outer_joins: false,
        is_plain: true,
    };
    let asked = reader.query(query, None, false);
    let is_ungrouped = match query.body.as_ref() {
        SetExpr::Select(select) => is_ungrouped(select, query.order_by.as_ref()),
        _several => false,
    };
    let one_block =
        query.with.is_none() && is_ungrouped && reader.is_plain && !reader.has_outer_joins && !reader.has_subqueries;
    let all_quiet = facts.iter().all(Facts::is_quiet);
    reader.reading.is_calm = asked.is_quiet || (one_block && all_quiet && reader.reading.leaks.is_empty());
    reader.reading
}

pub(super) struct Reader<'a> {
    pub(super) facts: &'a [Facts<'a>],
    pub(super) parameters: &'a Parameters<'a>,
    /// WITH queries by name: names are unique in a governed tree.
    ctes: BTreeMap<String, Asked>,
    /// Subqueries of expressions that were read, by their place in memory: the tree does not move.
    pub(super) asked: BTreeMap<usize, Asked>,
    pub(super) reading: Reading,
    has_subqueries: bool,
    has_outer_joins: bool,
    /// Whether every FROM holds governed relations alone.
    is_plain: bool,
}

/// The FROM of a block while it is read.
pub(super) struct FromItems<'e> {
    /// ON conditions, with whether the join is an inner one.
    pub(super) on: Vec<(&'e Expr, bool)>,
    is_quiet: bool,
}

/// Where a condition stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Where,
    On,
    Having,
}

impl Reader<'_> {
    fn query(&mut self, query: &Query, outer: Option<&Scope<'_>>, in_expression: bool) -> Asked {
        if let Some(with) = &query.with {
            for cte in &with.cte_tables {
                self.cte(cte, with.recursive, outer, in_expression);
            }
        }
        let mut asked = self.body(&query.body, query.order_by.as_ref(), outer, in_expression);
        let (plain, single) = bounded(query);
        asked.is_quiet &= plain && query.fetch.is_none();
        asked.is_single |= single;
        asked
    }

    fn cte(&mut self, cte: &Cte, recursive: bool, outer: Option<&Scope<'_>>, in_expression: bool) {
        let name = fold(&cte.alias.name);
        let renamed = |asked: Asked| asked.renamed(cte.alias.columns.iter().map(|column| fold(&column.name)));
        let asked = match cte.query.body.as_ref() {
            // What it refers to itself by has the columns of its first part.
            SetExpr::SetOperation { left, right, .. } if recursive && cte.query.with.is_none() => {
                let first = self.body(left, None, outer, in_expression);
                self.ctes.insert(name.clone(), renamed(Asked { is_quiet: false, ..first.clone() }));
                let second = self.body(right, cte.query.order_by.as_ref(), outer, in_expression);
                Asked { is_quiet: false, ..combined(first, second) }
            }
            _plain => self.query(&cte.query, outer, in_expression),
        };
        self.ctes.insert(name, renamed(asked));
    }

    fn body(
        &mut self,
        body: &SetExpr,
        order_by: Option<&OrderBy>,
        outer: Option<&Scope<'_>>,
        in_expression: bool,
    ) -> Asked {
        match body {
            SetExpr::Select(select) => self.select(select, order_by, outer, in_expression),
            SetExpr::Query(query) => {
                let asked = self.query(query, outer, in_expression);
                Asked { is_quiet: asked.is_quiet && order_by.is_none_or(is_plain_order), ..asked }
            }
            SetExpr::SetOperation { left, right, .. } => {
                let left = self.body(left, None, outer, in_expression);
                let right = self.body(right, None, outer, in_expression);
                let both = combined(left, right);
                Asked { is_quiet: both.is_quiet && order_by.is_none_or(is_plain_order), ..both }
            }
            SetExpr::Values(values) => {
                let scope = Scope::new(outer);
                self.ask(values, &scope);
                let width = values.rows.first().map_or(0, |row| row.content.len());
                let mut columns = Vec::new();
                for at in 0..width {
                    let cells = || values.rows.iter().filter_map(|row| row.content.get(at));
                    let mut kinds = cells().map(|cell| self.parameters.operand(cell).map(Operand::as_column));
                    // A common type of several kinds is for PostgreSQL to find.
                    let first = kinds.next().flatten();
                    let operand = first.filter(|_| kinds.all(|kind| kind == first));
                    let mut touches = Touches::default();
                    cells().for_each(|cell| touches.add(&touches_of(cell, &scope)));
                    columns.push((format!("column{}", at.saturating_add(1)), Output { operand, touches }));
                }
                let is_quiet =
                    order_by.is_none_or(is_plain_order) && columns.iter().all(|(_, output)| output.operand.is_some());
                Asked { columns, is_quiet, is_single: values.rows.len() <= 1 }
            }
            // Forms that governing never makes.
            SetExpr::Table(_) | SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                self.is_plain = false;
                Asked::default()
            }
        }
    }

    fn select(
        &mut self,
        select: &Select,
        order_by: Option<&OrderBy>,
        outer: Option<&Scope<'_>>,
        in_expression: bool,
    ) -> Asked {
        let mut scope = Scope::new(outer);
        let mut from = FromItems { on: Vec::new(), is_quiet: true };
        for item in &select.from {
            self.item(item, &mut scope, &mut from, outer, in_expression);
        }
        // Subqueries first: whether a condition may tell depends on what it asks.
        from.on.iter().for_each(|(on, _)| self.ask(*on, &scope));
        self.ask(&select.selection, &scope);
        self.ask(&select.having, &scope);
        self.ask(&select.projection, &scope);
        self.ask(&select.group_by, &scope);
        self.ask(&select.distinct, &scope);
        self.ask(&select.named_window, &scope);
        if let Some(order_by) = order_by {
            self.ask(order_by, &scope);
        }

        let mut is_quiet = from.is_quiet;
        for (on, _) in &from.on {
            for condition in conjuncts(on) {
                is_quiet &= self.condition(condition, &scope, Place::On);
            }
        }
        for condition in select.selection.iter().flat_map(conjuncts) {
            is_quiet &= self.condition(condition, &scope, Place::Where);
        }
        for condition in select.having.iter().flat_map(conjuncts) {
            // It stays above the grouping. In a subquery the aggregate may be one of the block around it.
            if !in_expression && holds(condition, is_aggregate_call) && !has_pattern(condition) {
                is_quiet = false;
            } else {
                is_quiet &= self.condition(condition, &scope, Place::Having);
            }
        }
        self.copies(select, &scope, &from);

        let columns: Vec<(String, Output)> =
            select.projection.iter().map(|item| self.output(item, &scope, in_expression)).collect();
        let (keys_are_plain, is_grouped) = match &select.group_by {
            GroupByExpr::All(_) => (false, true),
            GroupByExpr::Expressions(keys, modifiers) => {
                (modifiers.is_empty() && keys.iter().all(is_plain), !keys.is_empty() || !modifiers.is_empty())
            }
        };
        let distinct_is_plain = match &select.distinct {
            None | Some(Distinct::All | Distinct::Distinct) => true,
            Some(Distinct::On(keys)) => keys.iter().all(is_plain),
        };
        is_quiet &= columns.iter().all(|(_, output)| output.operand.is_some())
            && keys_are_plain
            && distinct_is_plain
            && select.named_window.is_empty()
            && order_by.is_none_or(is_plain_order);
        let aggregates = select.projection.iter().any(|item| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => holds(expr, is_aggregate_call),
            SelectItem::ExprWithAliases { .. } | SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => false,
        });
        Asked { columns, is_quiet, is_single: select.from.is_empty() || (aggregates && !is_grouped) }
    }

    /// Reads a FROM item. Gives the aliases of all that is in it.
    fn item<'e>(
        &mut self,
        item: &'e TableWithJoins,
        scope: &mut Scope<'_>,
        from: &mut FromItems<'e>,
        outer: Option<&Scope<'_>>,
        in_expression: bool,
    ) -> Vec<String> {
        let mut aliases = self.factor(&item.relation, scope, from, outer, in_expression);
        for join in &item.joins {
            let right = self.factor(&join.relation, scope, from, outer, in_expression);
            let (left_may_miss, right_may_miss, constraint) = match &join.join_operator {
                JoinOperator::Join(constraint)
                | JoinOperator::Inner(constraint)
                | JoinOperator::CrossJoin(constraint) => (false, false, Some(constraint)),
                JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (false, true, Some(constraint)),
                JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                    (true, false, Some(constraint))
                }
                JoinOperator::FullOuter(constraint) => (true, true, Some(constraint)),
                // Kinds that resolving never makes.
                _other => (true, true, None),
            };
            let is_inner = !left_may_miss && !right_may_miss;
            self.has_outer_joins |= !is_inner;
            match constraint {
                Some(JoinConstraint::On(condition)) => from.on.push((condition, is_inner)),
                Some(JoinConstraint::None) => {}
                Some(JoinConstraint::Using(_) | JoinConstraint::Natural) | None => {
                    from.is_quiet = false;
                    self.unknown("a join that is not known");
                }
            }
            let missing = aliases.iter().filter(|_| left_may_miss).chain(right.iter().filter(|_| right_may_miss));
            for alias in missing {
                if let Some(item) = scope.items.get_mut(alias) {
                    item.is_nullable = true;
                }
            }
            aliases.extend(right);
        }
        aliases
    }

    fn factor<'e>(
        &mut self,
        factor: &'e TableFactor,
        scope: &mut Scope<'_>,
        from: &mut FromItems<'e>,
        outer: Option<&Scope<'_>>,
        in_expression: bool,
    ) -> Vec<String> {
        let (alias, item) = match factor {
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                return self.item(table_with_joins, scope, from, outer, in_expression);
            }
            TableFactor::Table { name, alias, args: None, .. } => (alias, self.relation(name, alias.as_ref(), from)),
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                self.is_plain = false;
                let asked = if *lateral {
                    self.query(subquery, Some(scope), in_expression)
                } else {
                    self.query(subquery, outer, in_expression)
                };
                from.is_quiet &= asked.is_quiet;
                let renames = alias.iter().flat_map(|alias| &alias.columns).map(|column| fold(&column.name));
                (alias, plain_item(asked.renamed(renames)))
            }
            TableFactor::Table { name, alias, args: Some(args), .. } => {
                self.is_plain = false;
                from.is_quiet = false;
                args.args.iter().for_each(|arg| self.ask(arg, scope));
                // Others may be constant, and then stand in no place of their own.
                let name = parts(name).and_then(|mut parts| parts.pop()).unwrap_or_default();
                let is_whole = |arg: &FunctionArg| match arg {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => {
                        let operand = self.parameters.operand(arg).map(Operand::as_column);
                        operand == Some(Operand::Column(Kind::Integer))
                    }
                    _other => false,
                };
                let is_series = name == "generate_series" && args.args.iter().all(is_whole);
                let operand = is_series.then_some(Operand::Column(Kind::Integer));
                (alias, function_item(SETS.contains(&name.as_str()), operand))
            }
            TableFactor::UNNEST { alias, array_exprs, .. } => {
                self.is_plain = false;
                from.is_quiet = false;
                array_exprs.iter().for_each(|array| self.ask(array, scope));
                (alias, function_item(true, None))
            }
            TableFactor::Function { alias, args, .. } => {
                self.is_plain = false;
                from.is_quiet = false;
                args.iter().for_each(|arg| self.ask(arg, scope));
                (alias, function_item(false, None))
            }
            // Forms that resolving never makes: their columns are not known.
            _other => {
                self.is_plain = false;
                from.is_quiet = false;
                return Vec::new();
            }
        };
        let Some(alias) = alias else { return Vec::new() };
        let name = fold(&alias.name);
        let count = self.reading.aliases.entry(name.clone()).or_default();
        *count = count.saturating_add(1);
        scope.items.insert(name.clone(), item);
        vec![name]
    }

    /// A relation by name: a governed one, or a WITH query.
    fn relation(&mut self, name: &ObjectName, alias: Option<&TableAlias>, from: &mut FromItems<'_>) -> Item {
        let written = parts(name).unwrap_or_default();
        let renames: Vec<String> =
            alias.iter().flat_map(|alias| &alias.columns).map(|column| fold(&column.name)).collect();
        if let Some(at) = self.governed(&written)
            && let Some(facts) = self.facts.get(at)
            && let Some(dataset) = facts.dataset
        {
            from.is_quiet &= facts.is_quiet();
            let columns = dataset.columns.iter().map(|column| {
                let sql_type = dataset.dataset.column(&column.name).map(|of| &of.sql_type);
                let operand = match column.value {
                    ColumnValue::Clear | ColumnValue::Masked(_) => {
                        Some(sql_type.and_then(Kind::of).map_or(Operand::Other, Operand::Column))
                    }
                    ColumnValue::Computed(_) => None,
                };
                (column.name.clone(), Output { operand, touches: Touches::of(at) })
            });
            let asked = Asked { columns: columns.collect(), ..Asked::default() }.renamed(renames.into_iter());
            return Item { relation: Some(at), ..plain_item(asked) };
        }
        self.is_plain = false;
        match written.as_slice() {
            [name] if self.ctes.contains_key(name) => {
                let asked = self.ctes.get(name).cloned().unwrap_or_default();
                from.is_quiet &= asked.is_quiet;
                plain_item(asked.renamed(renames.into_iter()))
            }
            _unknown => {
                from.is_quiet = false;
                plain_item(Asked::default())
            }
        }
    }

    fn governed(&self, written: &[String]) -> Option<usize> {
        match written {
            [schema, key] if schema == GovernedStatement::RELATION_SCHEMA => {
                self.facts.iter().position(|facts| facts.key == key)
            }
            _other => None,
        }
    }

    /// Reads the subqueries of an expression.
    fn ask<T: Visit>(&mut self, node: &T, scope: &Scope<'_>) {
        let _ = node.visit(&mut Subqueries { reader: self, scope, depth: 0 });
    }

    fn unknown(&mut self, what: &str) {
        self.reading.leaks.push(Leak {
            condition: Expr::Value(Value::Null.into()),
            reason: what.to_owned(),
            touches: Touches { unknown: true, ..Touches::default() },
            spreads: true,
            cover: BTreeMap::new(),
        });
    }
}

/// Reads what an expression asks.
struct Subqueries<'r, 'a> {
    reader: &'r mut Reader<'a>,
    scope: &'r Scope<'r>,
    depth: usize,
}

impl Visitor for Subqueries<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if self.depth == 0 {
            self.reader.has_subqueries = true;
            let asked = self.reader.query(query, Some(self.scope), true);
            self.reader.asked.insert(place(query), asked);
        }
        self.depth = self.depth.saturating_add(1);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }
}

/// Functions in FROM that give rows, and so are a node of the plan.
const SETS: [&str; 3] = ["generate_series", "generate_subscripts", "unnest"];

fn plain_item(asked: Asked) -> Item {
    Item { columns: asked.columns, otherwise: None, relation: None, is_nullable: false }
}

fn function_item(is_set: bool, operand: Option<Operand>) -> Item {
    let touches = if is_set { Touches::elsewhere() } else { Touches::default() };
    Item { columns: Vec::new(), otherwise: Some(Output { operand, touches }), relation: None, is_nullable: false }
}

/// The columns of a set operation: each of one type in both parts.
fn combined(left: Asked, right: Asked) -> Asked {
    let same = left.columns.len() == right.columns.len();
    let mut is_quiet = left.is_quiet && right.is_quiet && same;
    let mut columns = Vec::new();
    for ((name, mut output), (_, other)) in left.columns.into_iter().zip(right.columns) {
        output.operand = match (output.operand, other.operand) {
            (Some(Operand::Column(one)), Some(Operand::Column(two))) if one == two => output.operand,
            _differ => None,
        };
        is_quiet &= output.operand.is_some();
        output.touches.add(&other.touches);
        columns.push((name, output));
    }
    Asked { columns, is_quiet, is_single: false }
}

/// Where a query is in memory.
pub(super) fn place(query: &Query) -> usize {
    std::ptr::from_ref(query).addr()
}
