//! Which form each governed relation takes on PostgreSQL: the barrier by analysis.
//!
//! A planner moves conditions. On PostgreSQL a derived table is pulled up into the query around it, and then a user's
//! condition may be evaluated before the row filter: its error, or its side effect, tells of hidden rows. So a relation
//! that hides something is *flattened* only if nothing that the user wrote, at a place that a planner may move, can fail or
//! tell; else it is *fenced* by OFFSET 0, and conditions that can do neither are copied below the fence, so that its
//! indexes still serve.
//!
//! What may be flattened:
//! - every condition (WHERE, ON, HAVING) is on the closed list of [`is_leakproof`]: comparisons of columns and
//!   constants of one type, for which PostgreSQL marks the operators LEAKPROOF (`pg_proc.proleakproof`);
//! - no outer join, no subquery in an expression;
//! - select lists, GROUP BY and ORDER BY hold anything only if the statement is one block over relations that are joined
//!   inside: what is no condition is evaluated in the target list of a scan or of a node above it, and a scan evaluates its
//!   own conditions, the row filter among them, first (`ExecScan`). In any other statement they are plain columns;
//! - the row filter asks no subquery, which would become a join above the scan; the masks are built in, which never fail.
//!
//! A row filter that could fail itself would tell by failing which rows a copied condition let through to it: then
//! nothing is copied. Nor is anything over a view of the upstream's own: PostgreSQL would put the view's expressions into
//! the condition, and evaluate them before the row filter where that costs more.

use super::functions::is_aggregate;
use super::leakproof::{Kind, Operand, Safety, constant, contains_query, filter_safety, is_leakproof};
use super::{ForwardContext, ROW_ALIAS};
use crate::govern::names::{column_expr, fold, parts};
use crate::govern::statement::{ColumnValue, GovernedDataset, GovernedRelation, GovernedStatement, GovernedTarget};
use sqlparser::ast::{
    BinaryOperator, Distinct, Expr, Function, GroupByExpr, Ident, JoinConstraint, JoinOperator, OrderByKind, Query,
    Select, SelectItem, SetExpr, TableFactor, TableWithJoins, Value, ValueWithSpan, Visit, VisitMut, Visitor,
    VisitorMut, visit_expressions,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// How a governed relation is kept apart from what its user wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barrier {
    /// Nothing of it is hidden.
    Open,
    /// A derived table that PostgreSQL may pull up: proved that no leak follows.
    Flattened,
    /// A derived table with OFFSET 0.
    Fenced,
}

/// The barrier of one relation, and why.
#[derive(Debug, Clone)]
pub(super) struct Fenced {
    pub(super) barrier: Barrier,
    pub(super) reason: String,
    /// Conditions of the user's that stand below the fence too, over the raw row.
    pub(super) copied: Vec<Expr>,
    /// The view that stands in the fence's place.
    pub(super) view: Option<super::views::BarrierView>,
}

/// The form of each `rN`.
pub(super) fn barriers(statement: &GovernedStatement, context: &ForwardContext<'_>) -> BTreeMap<String, Fenced> {
    let relations = statement.relations();
    let analysis = Analysis { relations, context, undeclared: single_parameters(statement.query()) };
    let leak = analysis.first_leak(statement.query());
    let mut fences = BTreeMap::new();
    for relation in relations {
        let GovernedTarget::Dataset(dataset) = &relation.target else { continue };
        let used = |name: &str| dataset.used.contains(name);
        let is_table = context.tables.contains(&dataset.dataset.name);
        let hides = !is_table
            || dataset.filter.is_some()
            || dataset.columns.iter().any(|c| used(&c.name) && !is_clear(&c.value));
        let computes = dataset.columns.iter().any(|c| used(&c.name) && matches!(c.value, ColumnValue::Computed(_)));
        let safety = dataset.filter.as_ref().map_or(Safety::Safe, |filter| filter_safety(filter, dataset));
        let fence = |reason: String| (Barrier::Fenced, reason);
        let (barrier, reason) = match (hides, &leak, safety) {
            (false, ..) => (Barrier::Open, "nothing of it is hidden".to_owned()),
            (true, _, Safety::MayFail) => fence("the row filter itself may fail on a row".to_owned()),
            (true, ..) if !is_table => {
                fence("it is not known to be a table, and a view may hide rows itself".to_owned())
            }
            (true, _, Safety::SafeWithSubquery) => fence("the row filter asks a subquery".to_owned()),
            (true, _, Safety::Safe) if computes => fence("a mask is a policy's own expression".to_owned()),
            (true, Some(leak), Safety::Safe) => fence(leak.clone()),
            (true, None, Safety::Safe) => (Barrier::Flattened, "no expression of the statement can leak".to_owned()),
        };
        // A column of a view of the upstream's own may be an expression that fails on a row.
        let copied = if barrier == Barrier::Fenced && safety != Safety::MayFail && is_table {
            analysis.copies(statement.query(), &relation.key)
        } else {
            Vec::new()
        };
        fences.insert(relation.key.clone(), Fenced { barrier, reason, copied, view: None });
    }
    fences
}

fn is_clear(value: &ColumnValue) -> bool {
    match value {
        ColumnValue::Clear => true,
        ColumnValue::Masked(_) | ColumnValue::Computed(_) => false,
    }
}

struct Analysis<'a> {
    relations: &'a [GovernedRelation],
    context: &'a ForwardContext<'a>,
    /// Parameters that stand in the statement once: PostgreSQL takes their type from there, if the client gave none.
    undeclared: Vec<usize>,
}

/// One SELECT: what its aliases mean.
struct Block<'a> {
    analysis: &'a Analysis<'a>,
    /// Governed datasets of its own FROM, by alias, with what the alias calls their columns.
    datasets: BTreeMap<String, (&'a GovernedDataset, Vec<String>, &'a str)>,
    /// Aliases on a side of an outer join that may be missing.
    nullable: Vec<String>,
    /// ON conditions of inner joins.
    on: Vec<&'a Expr>,
    has_outer_join: bool,
    /// Whether FROM holds governed datasets alone.
    is_plain: bool,
}

impl<'a> Analysis<'a> {
    /// Why nothing may be flattened, if something leaks.
    fn first_leak(&self, query: &'a Query) -> Option<String> {
        if contains_query(query) {
            return Some("an expression asks a subquery".to_owned());
        }
        let queries = queries(query);
        let single = match (queries.as_slice(), query.body.as_ref()) {
            ([_only], SetExpr::Select(select)) => {
                let block = Block::read(self, select);
                block.is_plain && !block.has_outer_join
            }
            _several => false,
        };
        queries.iter().find_map(|query| self.leak_of_query(query, single))
    }

    fn leak_of_query(&self, query: &'a Query, single: bool) -> Option<String> {
        if let Some(order_by) = &query.order_by {
            let plain = match &order_by.kind {
                OrderByKind::Expressions(keys) => keys.iter().all(|key| is_plain(&key.expr)),
                OrderByKind::All(_) => false,
            };
            if !single && !plain {
                return Some("ORDER BY holds an expression".into());
            }
        }
        self.leak_of_body(&query.body, single)
    }

    fn leak_of_body(&self, body: &'a SetExpr, single: bool) -> Option<String> {
        match body {
            SetExpr::Select(select) => self.leak_of_select(select, single),
            // Its query is one of those that are walked.
            SetExpr::Query(_) => None,
            SetExpr::SetOperation { left, right, .. } => {
                self.leak_of_body(left, single).or_else(|| self.leak_of_body(right, single))
            }
            SetExpr::Values(values) => {
                let plain = values.rows.iter().all(|row| row.content.iter().all(is_plain));
                (!plain).then(|| "VALUES holds an expression".into())
            }
            SetExpr::Table(_) | SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Some("a form of query that is not known".into())
            }
        }
    }

    fn leak_of_select(&self, select: &'a Select, single: bool) -> Option<String> {
        let block = Block::read(self, select);
        if block.has_outer_join {
            return Some("there is an outer join".into());
        }
        if has_table_function(&select.from) {
            return Some("FROM holds a function".into());
        }
        let leaking = |condition: &&Expr| !block.is_leakproof(condition);
        if let Some(condition) = select.selection.iter().flat_map(conjuncts).find(leaking) {
            return Some(format!("the condition {} may fail or tell", without_constants(condition)));
        }
        if let Some(condition) = block.on.iter().copied().flat_map(conjuncts).find(leaking) {
            return Some(format!("the join condition {} may fail or tell", without_constants(condition)));
        }
        // A condition on an aggregate alone stays above the grouping; any other becomes one of WHERE.
        let stays = |condition: &Expr| single && compares_aggregate(condition);
        let mut having = select.having.iter().flat_map(conjuncts);
        if !having.all(|condition| stays(condition) || block.is_leakproof(condition)) {
            return Some("HAVING holds a condition that may fail or tell".into());
        }
        if single {
            return None;
        }
        let outputs = select.projection.iter().all(|item| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => is_plain(expr),
            SelectItem::ExprWithAliases { .. } | SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => false,
        });
        let grouped = match &select.group_by {
            GroupByExpr::All(_) => false,
            GroupByExpr::Expressions(keys, modifiers) => modifiers.is_empty() && keys.iter().all(is_plain),
        };
        let distinct = match &select.distinct {
            None | Some(Distinct::All | Distinct::Distinct) => true,
            Some(Distinct::On(keys)) => keys.iter().all(is_plain),
        };
        if outputs && grouped && distinct && select.named_window.is_empty() {
            return None;
        }
        Some("an expression stands beside subqueries, WITH queries or set operations".into())
    }

    /// Conditions of the block that holds `key` which may stand below its fence.
    fn copies(&self, query: &Query, key: &str) -> Vec<Expr> {
        let mut finder = FindCopies { analysis: self, key, found: Vec::new() };
        let _ = query.visit(&mut finder);
        finder.found
    }

    /// The type of a parameter, as an operand.
    fn parameter(&self, name: &str) -> Option<Operand> {
        let number: usize = name.strip_prefix('$')?.parse().ok()?;
        match number.checked_sub(1).and_then(|at| self.context.parameter_types.get(at)).and_then(Option::as_ref) {
            Some(declared) => Kind::of(declared).map(Operand::Constant),
            None => self.undeclared.contains(&number).then_some(Operand::Untyped),
        }
    }
}

impl<'a> Block<'a> {
    fn read(analysis: &'a Analysis<'a>, select: &'a Select) -> Self {
        let mut block = Self {
            analysis,
            datasets: BTreeMap::new(),
            nullable: Vec::new(),
            on: Vec::new(),
            has_outer_join: false,
            is_plain: true,
        };
        for item in &select.from {
            block.item(item);
        }
        block
    }

    /// Reads a FROM item. Gives the aliases of governed datasets in it.
    fn item(&mut self, item: &'a TableWithJoins) -> Vec<String> {
        let mut aliases = self.factor(&item.relation);
        for join in &item.joins {
            let right = self.factor(&join.relation);
            let (left_may_miss, right_may_miss, constraint) = match &join.join_operator {
                JoinOperator::Join(constraint)
                | JoinOperator::Inner(constraint)
                | JoinOperator::CrossJoin(constraint) => (false, false, Some(constraint)),
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => (false, true, None),
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => (true, false, None),
                // A full join, and kinds that resolving never makes.
                _other => (true, true, None),
            };
            match constraint {
                Some(JoinConstraint::On(condition)) => self.on.push(condition),
                Some(JoinConstraint::None) => {}
                Some(JoinConstraint::Using(_) | JoinConstraint::Natural) | None => self.has_outer_join = true,
            }
            if left_may_miss {
                self.nullable.extend(aliases.iter().cloned());
            }
            if right_may_miss {
                self.nullable.extend(right.iter().cloned());
            }
            aliases.extend(right);
        }
        aliases
    }

    fn factor(&mut self, factor: &'a TableFactor) -> Vec<String> {
        match factor {
            TableFactor::Table { name, alias: Some(alias), args: None, .. } => {
                let (alias_name, written) = (fold(&alias.name), parts(name).unwrap_or_default());
                if let [schema, key] = written.as_slice()
                    && schema == GovernedStatement::RELATION_SCHEMA
                    && let Some(relation) = self.analysis.relations.iter().find(|relation| relation.key == *key)
                    && let GovernedTarget::Dataset(dataset) = &relation.target
                {
                    let names = if alias.columns.is_empty() {
                        dataset.columns.iter().map(|column| column.name.clone()).collect()
                    } else {
                        alias.columns.iter().map(|column| fold(&column.name)).collect()
                    };
                    self.datasets.insert(alias_name.clone(), (dataset, names, &relation.key));
                    return vec![alias_name];
                }
                self.is_plain = false;
                Vec::new()
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.item(table_with_joins),
            _other => {
                self.is_plain = false;
                Vec::new()
            }
        }
    }

    /// The column that `alias.name` means: its place in the dataset and its type.
    fn column(&self, names: &[Ident]) -> Option<(&'a GovernedDataset, usize, Kind)> {
        let [alias, name] = names else { return None };
        let (dataset, columns, _) = self.datasets.get(&fold(alias))?;
        let name = fold(name);
        let at = columns.iter().position(|column| *column == name)?;
        let column = dataset.columns.get(at)?;
        match column.value {
            ColumnValue::Clear | ColumnValue::Masked(_) => {}
            ColumnValue::Computed(_) => return None,
        }
        Some((dataset, at, Kind::of(&dataset.dataset.column(&column.name)?.sql_type)?))
    }

    fn is_leakproof(&self, condition: &Expr) -> bool {
        is_leakproof(condition, &|operand| match operand {
            Expr::CompoundIdentifier(names) => self.column(names).map(|(_, _, kind)| Operand::Column(kind)),
            Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) => self.analysis.parameter(name),
            other => constant(other),
        })
    }

    /// A condition over the raw row, if it is leakproof and over clear columns of this relation alone.
    fn copy(&self, condition: &Expr, alias: &str, dataset: &GovernedDataset, names: &[String]) -> Option<Expr> {
        if !self.is_leakproof(condition) {
            return None;
        }
        let mut columns = 0_usize;
        let only_own = visit_expressions(condition, |expr| {
            if let Expr::CompoundIdentifier(written) = expr {
                let own = written.first().is_some_and(|first| fold(first) == alias);
                let clear = self
                    .column(written)
                    .and_then(|(_, at, _)| dataset.columns.get(at))
                    .is_some_and(|column| is_clear(&column.value));
                if !own || !clear {
                    return ControlFlow::Break(());
                }
                columns = columns.saturating_add(1);
            }
            ControlFlow::Continue(())
        });
        if only_own.is_break() || columns == 0 {
            return None;
        }
        let mut copied = condition.clone();
        let mut raw = RawNames { dataset, names };
        match VisitMut::visit(&mut copied, &mut raw) {
            ControlFlow::Continue(()) => Some(copied),
            ControlFlow::Break(()) => None,
        }
    }
}

/// Finds the block of one relation, also in subqueries of expressions.
struct FindCopies<'a> {
    analysis: &'a Analysis<'a>,
    key: &'a str,
    found: Vec<Expr>,
}

impl Visitor for FindCopies<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for select in selects(&query.body) {
            let block = Block::read(self.analysis, select);
            let Some((alias, (dataset, names, _))) = block.datasets.iter().find(|(_, (.., of))| *of == self.key) else {
                continue;
            };
            if !block.nullable.contains(alias) {
                let conditions = select.selection.iter().chain(block.on.iter().copied()).flat_map(conjuncts);
                self.found = conditions.filter_map(|condition| block.copy(condition, alias, dataset, names)).collect();
            }
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// Gives columns their names in the upstream's relation.
struct RawNames<'a> {
    dataset: &'a GovernedDataset,
    names: &'a [String],
}

impl VisitorMut for RawNames<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(written) = expr {
            let name = written.last().map(fold);
            let at = self.names.iter().position(|column| Some(column) == name.as_ref());
            match at.and_then(|at| self.dataset.columns.get(at)) {
                Some(column) => *expr = column_expr(ROW_ALIAS, &column.name),
                None => return ControlFlow::Break(()),
            }
        }
        ControlFlow::Continue(())
    }
}

/// A column, a constant, a parameter, the name or place of an output.
fn is_plain(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_plain(inner),
        Expr::CompoundIdentifier(_) | Expr::Identifier(_) | Expr::Value(_) => true,
        _expression => false,
    }
}

/// The parts of a condition that all must hold.
fn conjuncts(condition: &Expr) -> Vec<&Expr> {
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

/// `count(…) > 5`: a comparison of an aggregate with a constant.
fn compares_aggregate(condition: &Expr) -> bool {
    let aggregate = |expr: &Expr| {
        matches!(expr, Expr::Function(Function { name, over: None, .. })
            if matches!(parts(name).as_deref(), Some([name]) if is_aggregate(name)))
    };
    match condition {
        Expr::BinaryOp {
            left,
            op:
                BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq,
            right,
        } => (aggregate(left) && constant(right).is_some()) || (constant(left).is_some() && aggregate(right)),
        _other => false,
    }
}

/// The queries of a statement that are no subqueries of an expression, itself among them.
fn queries(query: &Query) -> Vec<&Query> {
    fn of_query<'q>(query: &'q Query, found: &mut Vec<&'q Query>) {
        found.push(query);
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            of_query(&cte.query, found);
        }
        of_body(&query.body, found);
    }
    fn of_body<'q>(body: &'q SetExpr, found: &mut Vec<&'q Query>) {
        match body {
            SetExpr::Query(query) => of_query(query, found),
            SetExpr::SetOperation { left, right, .. } => {
                of_body(left, found);
                of_body(right, found);
            }
            SetExpr::Select(select) => select.from.iter().for_each(|item| of_item(item, found)),
            _no_query => {}
        }
    }
    fn of_item<'q>(item: &'q TableWithJoins, found: &mut Vec<&'q Query>) {
        let factors = std::iter::once(&item.relation).chain(item.joins.iter().map(|join| &join.relation));
        for factor in factors {
            match factor {
                TableFactor::Derived { subquery, .. } => of_query(subquery, found),
                TableFactor::NestedJoin { table_with_joins, .. } => of_item(table_with_joins, found),
                _no_query => {}
            }
        }
    }
    let mut found = Vec::new();
    of_query(query, &mut found);
    found
}

fn selects(body: &SetExpr) -> Vec<&Select> {
    match body {
        SetExpr::Select(select) => vec![select],
        SetExpr::SetOperation { left, right, .. } => {
            let mut all = selects(left);
            all.extend(selects(right));
            all
        }
        _no_select => Vec::new(),
    }
}

fn has_table_function(from: &[TableWithJoins]) -> bool {
    from.iter().any(|item| {
        let mut factors = std::iter::once(&item.relation).chain(item.joins.iter().map(|join| &join.relation));
        factors.any(|factor| match factor {
            TableFactor::Table { args, .. } => args.is_some(),
            TableFactor::Derived { .. } => false,
            TableFactor::NestedJoin { table_with_joins, .. } => {
                has_table_function(std::slice::from_ref(table_with_joins))
            }
            _function => true,
        })
    })
}

/// Parameters that stand in a statement exactly once.
fn single_parameters(query: &Query) -> Vec<usize> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    let _ = visit_expressions(query, |expr| -> ControlFlow<()> {
        if let Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) = expr
            && let Some(number) = name.strip_prefix('$').and_then(|digits| digits.parse().ok())
        {
            let count = counts.entry(number).or_default();
            *count = count.saturating_add(1);
        }
        ControlFlow::Continue(())
    });
    counts.into_iter().filter(|(_, count)| *count == 1).map(|(number, _)| number).collect()
}

/// A condition for people, with `?` for each constant.
fn without_constants(condition: &Expr) -> String {
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
