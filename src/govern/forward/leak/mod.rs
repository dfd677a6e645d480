//! Which form each governed relation takes on PostgreSQL: the barrier by analysis.
//!
//! A planner moves conditions. On PostgreSQL a derived table is pulled up into the query around it, and then a user's
//! condition may be evaluated before the row filter: its error, or its side effect, tells of hidden rows. The cheapest
//! form in which that can't happen is chosen for each relation:
//!
//! - *open*: nothing of it is hidden;
//! - *flattened*: a plain derived table;
//! - *guarded*: the same, and each of the user's conditions that could tell is `CASE WHEN the row is visible THEN … END`;
//! - *fenced*: a derived table with OFFSET 0, which PostgreSQL neither pulls up nor puts a condition into. Conditions
//!   that can neither fail nor tell are copied below it, so that its indexes still serve.
//!
//! **Why a relation may be flattened.** A row filter without a subquery names columns of one relation, so it stands in
//! the conditions of that relation's own scan, below every join (`distribute_qual_to_rels`; also on the side of an outer
//! join that may be missing). A scan evaluates its conditions first and its outputs after (`ExecScan`), and every node
//! above sees rows that passed. So select lists, GROUP BY, ORDER BY, aggregates, windows and join conditions that stay at
//! the join see visible rows alone, whatever they hold, and all that could see a hidden row is a *condition of the user's
//! that the planner puts into the same scan*: those of WHERE, ON and HAVING, of this block or of one around it, of which an
//! operand comes from that relation. [`reading`] finds them. It follows columns through derived tables, WITH queries and
//! set operations, for conditions are pushed down through these (`subquery_push_qual`, pulled-up subqueries, WITH inlined).
//! Each such condition must be on the closed list of [`leakproof`], and a subquery in it must hold nothing else either.
//! Beyond:
//! - an equality may be turned into others (`equivclass.c`): an operand that may fail, if it is made equal to anything but
//!   a constant, may come to any relation. A class with a constant in it gives comparisons with that constant alone;
//! - a condition that names no relation's column may stand anywhere;
//! - a condition on an aggregate stays above the grouping (`subquery_planner`), but is estimated with the statistics of
//!   columns, so it may hold no pattern (below);
//! - a mask is part of what the user's expressions are over, wherever they are evaluated. The built-in ones never fail. So
//!   a relation of which no row is hidden needs nothing else.
//!
//! A row filter that asks a subquery would become a join (`pull_up_sublinks`), and then user's expressions may be below
//! it. It is left to that only if nothing in the statement can tell; otherwise it is written `(filter) IS TRUE`, which is
//! never pulled up, and stays in the scan as a subplan.
//!
//! **Guards** name an output of the derived table that says whether the row passes the filter. Pulled up, it is the
//! filter's own text. CASE evaluates no branch before its condition, except for parts that are constant, which hold
//! nothing of a row. A guarded equality serves no hash join any more: where a join hangs on one, the fence is cheaper.
//!
//! **Statistics.** While it plans, PostgreSQL tries some operators on samples of a column's values, of hidden rows too,
//! and looks for them through a derived table with OFFSET 0 (`examine_simple_variable`). Of those that may be forwarded
//! only patterns can fail on a value (LIKE with a lone escape at its end). Where a statement holds one that might, a
//! fenced column is an expression, of which there are no statistics.
//!
//! A row filter that could fail itself would tell by failing which rows a copied condition let through to it: then
//! nothing is copied. Nor is anything over a view of the upstream's own: PostgreSQL would put the view's expressions into
//! the condition, and evaluate them before the row filter where that costs more.
//!
//! **Writes** are read as the query that they read ([`crate::sql::Write`]). Their text has its conditions in other places
//! ([`super::write`]), so guards are not for them, and a row filter that asks a subquery never becomes a join.

mod condition;
mod copy;
pub(super) mod guard;
mod leakproof;
mod parameters;
mod reading;
mod scope;
pub(super) mod syntax;

use super::ForwardContext;
use super::rows::RowSecurity;
use super::views::BarrierView;
use crate::govern::statement::{ColumnValue, GovernedDataset, GovernedRelation, GovernedStatement, GovernedTarget};
use crate::types::SqlType;
use guard::{Guard, Settled, settle};
use leakproof::{Safety, contains_query, filter_safety};
use parameters::Parameters;
use reading::{Reading, read};
use sqlparser::ast::Expr;
use std::collections::{BTreeMap, BTreeSet};
use syntax::whole_rows;

/// How a governed relation is kept apart from what its user wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barrier {
    /// Nothing of it is hidden.
    Open,
    /// A derived table that PostgreSQL may pull up: proved that no leak follows.
    Flattened,
    /// The same, and conditions that could tell are evaluated on visible rows alone.
    Guarded,
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
    /// Whether the row filter is kept from becoming a join.
    pub(super) pinned: bool,
    /// Columns whose statistics are kept from the planner.
    pub(super) veiled: BTreeSet<String>,
    /// The view that stands in the fence's place.
    pub(super) view: Option<BarrierView>,
    /// The role whose policy has the row filter, in the fence's place.
    pub(super) role: Option<String>,
}

impl Fenced {
    /// Puts a view in the fence's place: it keeps conditions and statistics away by itself.
    pub(super) fn replace_by(&mut self, view: BarrierView) {
        self.view = Some(view);
        self.copied = Vec::new();
        self.pinned = false;
        self.veiled = BTreeSet::new();
    }

    /// Leaves the row filter to a role's policy, which keeps conditions away by itself. Columns stay veiled: not every version
    /// of PostgreSQL keeps statistics of partitions away.
    pub(super) fn replace_by_role(&mut self, role: String) {
        self.role = Some(role);
        self.copied = Vec::new();
        self.pinned = false;
    }
}

/// Whether reading a relation's row filter on any row can fail.
pub(super) fn filter_may_fail(
    dataset: &GovernedDataset,
    statement: &GovernedStatement,
    context: &ForwardContext<'_>,
) -> bool {
    let parameters = Parameters::new(statement.query(), context.parameter_types);
    let safety = dataset.filter.as_ref().map(|filter| filter_safety(filter, dataset, &parameters));
    safety == Some(Safety::MayFail)
}

/// Whether a relation's row filter fails on no row, and asks no subquery.
pub(super) fn is_filter_plain(
    dataset: &GovernedDataset,
    statement: &GovernedStatement,
    context: &ForwardContext<'_>,
) -> bool {
    let parameters = Parameters::new(statement.query(), context.parameter_types);
    dataset.filter.as_ref().is_some_and(|filter| filter_safety(filter, dataset, &parameters) == Safety::Safe)
}

/// The barriers of a statement.
#[derive(Debug)]
pub(super) struct Barriers {
    /// By `rN`.
    pub(super) relations: BTreeMap<String, Fenced>,
    /// The conditions to guard.
    pub(super) guards: Vec<Guard>,
    /// The role that the statement runs as, if it is another than the login.
    pub(super) rows: Option<RowSecurity>,
}

impl Barriers {
    pub(super) fn get(&self, key: &str) -> Option<&Fenced> {
        self.relations.get(key)
    }
}

/// What the analysis asks of one relation.
struct Facts<'a> {
    key: &'a str,
    /// `None`: it is no dataset, and nothing is known of it.
    dataset: Option<&'a GovernedDataset>,
    is_table: bool,
    /// Whether a used column gives anything but its own value.
    masks: bool,
    /// Whether a used column is a policy's own expression, which may fail.
    computes: bool,
    /// Whether one of these asks a subquery.
    computes_query: bool,
    safety: Safety,
    /// Whether conditions may be guarded in its statement.
    may_guard: bool,
}

impl<'a> Facts<'a> {
    fn of(
        relation: &'a GovernedRelation,
        context: &ForwardContext<'_>,
        parameters: &Parameters<'_>,
        may_guard: bool,
    ) -> Self {
        let mut facts = Self {
            key: &relation.key,
            dataset: None,
            is_table: false,
            masks: false,
            computes: false,
            computes_query: false,
            safety: Safety::MayFail,
            may_guard,
        };
        let GovernedTarget::Dataset(dataset) = &relation.target else { return facts };
        facts.dataset = Some(dataset);
        facts.is_table = context.tables.contains(&dataset.dataset.name);
        facts.safety =
            dataset.filter.as_ref().map_or(Safety::Safe, |filter| filter_safety(filter, dataset, parameters));
        for column in dataset.columns.iter().filter(|column| dataset.used.contains(&column.name)) {
            match &column.value {
                ColumnValue::Clear => {}
                ColumnValue::Masked(_) => facts.masks = true,
                ColumnValue::Computed(expr) => {
                    facts.masks = true;
                    facts.computes = true;
                    facts.computes_query |= contains_query(expr);
                }
            }
        }
        facts
    }

    fn is_filtered(&self) -> bool {
        self.dataset.is_some_and(|dataset| dataset.filter.is_some())
    }

    /// Whether reading it can neither fail nor tell.
    fn is_quiet(&self) -> bool {
        self.is_table && !self.computes && self.safety != Safety::MayFail
    }

    /// Whether its filter may be repeated as a guard.
    fn is_guardable(&self) -> bool {
        let taken = |dataset: &GovernedDataset| dataset.columns.iter().any(|column| column.name == guard::VISIBLE);
        self.may_guard
            && self.is_table
            && self.is_filtered()
            && self.safety == Safety::Safe
            && !self.computes_query
            && !self.dataset.is_some_and(taken)
    }
}

/// The form of each `rN`.
pub(super) fn barriers(statement: &GovernedStatement, context: &ForwardContext<'_>) -> Barriers {
    let parameters = Parameters::new(statement.query(), context.parameter_types);
    let writes = statement.write().is_some();
    // A guard is one output more, and would be in the row.
    let whole = whole_rows(statement.query());
    let may_guard = |relation: &GovernedRelation| !writes && !whole.contains(&relation.key);
    let facts: Vec<Facts<'_>> = statement
        .relations()
        .iter()
        .map(|relation| Facts::of(relation, context, &parameters, may_guard(relation)))
        .collect();
    let mut reading = read(statement.query(), &facts, &parameters);
    reading.is_calm &= !writes;
    let settled = settle(&facts, &reading);
    let mut relations = BTreeMap::new();
    for (at, facts) in facts.iter().enumerate() {
        let Some(dataset) = facts.dataset else { continue };
        let mut fenced = choose(at, facts, &reading, &settled);
        if fenced.barrier == Barrier::Fenced {
            // A column of a view of the upstream's own may be an expression that fails on a row.
            if facts.safety != Safety::MayFail && facts.is_table {
                fenced.copied = reading.copies.get(&at).cloned().unwrap_or_default();
            }
            if reading.tries_patterns {
                fenced.veiled = sampled(dataset);
            }
        }
        relations.insert(facts.key.to_owned(), fenced);
    }
    Barriers { relations, guards: settled.guards, rows: None }
}

fn choose(at: usize, facts: &Facts<'_>, reading: &Reading, settled: &Settled) -> Fenced {
    let form = |barrier: Barrier, reason: &str| Fenced {
        barrier,
        reason: reason.to_owned(),
        copied: Vec::new(),
        pinned: false,
        veiled: BTreeSet::new(),
        view: None,
        role: None,
    };
    let leak = settled.reached.get(&at);
    if facts.safety == Safety::MayFail {
        return form(Barrier::Fenced, "the row filter itself may fail on a row");
    }
    if !facts.is_table {
        return form(Barrier::Fenced, "it is not known to be a table, and a view may hide rows itself");
    }
    if facts.computes && (facts.computes_query || (leak.is_some() && !settled.guarded.contains(&at))) {
        return form(Barrier::Fenced, "a mask is a policy's own expression");
    }
    match (facts.is_filtered(), leak) {
        (false, _) if !facts.masks => form(Barrier::Open, "nothing of it is hidden"),
        (false, _) => form(Barrier::Flattened, "no row of it is hidden, and masks stand below all expressions"),
        (true, Some(leak)) if settled.guarded.contains(&at) => form(Barrier::Guarded, leak),
        (true, Some(leak)) => form(Barrier::Fenced, leak),
        (true, None) if facts.safety == Safety::Safe || reading.is_calm => {
            form(Barrier::Flattened, "no expression that could reach its hidden rows can leak")
        }
        (true, None) => Fenced {
            pinned: true,
            ..form(Barrier::Flattened, "no condition can leak, and the row filter's subquery stays in the scan")
        },
    }
}

/// Clear columns on whose samples a pattern could be tried.
fn sampled(dataset: &GovernedDataset) -> BTreeSet<String> {
    let is_text = |sql_type: &SqlType| match sql_type {
        SqlType::Text | SqlType::Bytea | SqlType::Json | SqlType::Array(_) | SqlType::Other(_) => true,
        SqlType::Boolean
        | SqlType::SmallInt
        | SqlType::Integer
        | SqlType::BigInt
        | SqlType::Real
        | SqlType::Double
        | SqlType::Numeric { .. }
        | SqlType::Date
        | SqlType::Time
        | SqlType::Timestamp
        | SqlType::TimestampTz
        | SqlType::Interval
        | SqlType::Uuid => false,
    };
    let columns =
        dataset.columns.iter().filter(|column| is_clear(&column.value) && dataset.used.contains(&column.name));
    columns
        .filter(|column| dataset.dataset.column(&column.name).is_some_and(|of| is_text(&of.sql_type)))
        .map(|column| column.name.clone())
        .collect()
}

fn is_clear(value: &ColumnValue) -> bool {
    match value {
        ColumnValue::Clear => true,
        ColumnValue::Masked(_) | ColumnValue::Computed(_) => false,
    }
}
