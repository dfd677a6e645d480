//! Which conditions are guarded, and how a guard is written.

use super::Facts;
use super::reading::Reading;
use crate::govern::forward::ForwardError;
use crate::govern::names::column_expr;
use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, JoinConstraint, JoinOperator, Query, SetExpr, TableFactor, TableWithJoins,
    VisitMut, VisitorMut,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// The output of a guarded relation that says whether its row passes the row filter: true or false. NULL where an outer
/// join found no row.
pub(in crate::govern::forward) const VISIBLE: &str = "__querygate_visible";

/// A condition that is evaluated on visible rows alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::govern::forward) struct Guard {
    condition: Expr,
    /// The relations whose rows must be visible, in order.
    aliases: Vec<String>,
}

/// What the leaks of a statement come to.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Relations on whose hidden rows a leak could be evaluated, were nothing done, with the first of them.
    pub(super) reached: BTreeMap<usize, String>,
    /// Those that guards keep all leaks from.
    pub(super) guarded: BTreeSet<usize>,
    pub(super) guards: Vec<Guard>,
}

/// A leak that is guarded for one relation still may be evaluated on hidden rows of another that it names; one that no
/// guard stands before may do what equalities do. So relations are given up until no more follow.
pub(super) fn settle(facts: &[Facts<'_>], reading: &Reading) -> Settled {
    let all: BTreeSet<usize> = (0..facts.len()).collect();
    let mut candidates: BTreeSet<usize> =
        all.iter().copied().filter(|at| facts.get(*at).is_some_and(Facts::is_guardable)).collect();
    let aliases = |leak: &super::reading::Leak, candidates: &BTreeSet<usize>| -> BTreeMap<usize, String> {
        let is_unique = |alias: &String| reading.aliases.get(alias) == Some(&1);
        let asked = leak.cover.iter().filter(|(at, alias)| candidates.contains(at) && is_unique(alias));
        asked.map(|(at, alias)| (*at, alias.clone())).collect()
    };
    loop {
        let before = candidates.len();
        for leak in &reading.leaks {
            let asked = aliases(leak, &candidates);
            if asked.is_empty() && leak.spreads {
                candidates.clear();
            }
            candidates.retain(|at| asked.contains_key(at) || !leak.touches.relations.contains(at));
        }
        if candidates.len() == before {
            break;
        }
    }
    let mut settled = Settled::default();
    for leak in &reading.leaks {
        let asked = aliases(leak, &candidates);
        let reached = if asked.is_empty() && leak.spreads { &all } else { &leak.touches.relations };
        for at in reached {
            settled.reached.entry(*at).or_insert_with(|| leak.reason.clone());
        }
        if !asked.is_empty() {
            settled.guarded.extend(asked.keys());
            let mut aliases: Vec<String> = asked.into_values().collect();
            aliases.sort();
            settled.guards.push(Guard { condition: leak.condition.clone(), aliases });
        }
    }
    settled
}

/// Puts the guards into the statement's conditions.
///
/// # Errors
/// [`ForwardError::Broken`] if one has no place there.
pub(in crate::govern::forward) fn insert(query: &mut Query, guards: &[Guard]) -> Result<(), ForwardError> {
    let mut inserter = Inserter { guards, placed: 0 };
    let _ = VisitMut::visit(query, &mut inserter);
    // Equal conditions of one statement are each on the list.
    if inserter.placed == guards.len() { Ok(()) } else { Err(ForwardError::Broken("a guard without a place")) }
}

struct Inserter<'a> {
    guards: &'a [Guard],
    placed: usize,
}

impl VisitorMut for Inserter<'_> {
    type Break = ();

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.body(&mut query.body);
        ControlFlow::Continue(())
    }
}

impl Inserter<'_> {
    fn body(&mut self, body: &mut SetExpr) {
        match body {
            SetExpr::Select(select) => {
                if let Some(condition) = &mut select.selection {
                    self.condition(condition);
                }
                select.from.iter_mut().for_each(|item| self.item(item));
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left);
                self.body(right);
            }
            // A query is visited itself; the others hold no conditions of a join tree.
            SetExpr::Query(_)
            | SetExpr::Values(_)
            | SetExpr::Table(_)
            | SetExpr::Insert(_)
            | SetExpr::Update(_)
            | SetExpr::Delete(_)
            | SetExpr::Merge(_) => {}
        }
    }

    fn item(&mut self, item: &mut TableWithJoins) {
        let factors = std::iter::once(&mut item.relation).chain(item.joins.iter_mut().map(|join| &mut join.relation));
        for factor in factors {
            if let TableFactor::NestedJoin { table_with_joins, .. } = factor {
                self.item(table_with_joins);
            }
        }
        for join in &mut item.joins {
            match &mut join.join_operator {
                JoinOperator::Join(JoinConstraint::On(on))
                | JoinOperator::Inner(JoinConstraint::On(on))
                | JoinOperator::Left(JoinConstraint::On(on))
                | JoinOperator::LeftOuter(JoinConstraint::On(on))
                | JoinOperator::Right(JoinConstraint::On(on))
                | JoinOperator::RightOuter(JoinConstraint::On(on))
                | JoinOperator::FullOuter(JoinConstraint::On(on)) => self.condition(on),
                _without_on => {}
            }
        }
    }

    fn condition(&mut self, condition: &mut Expr) {
        match condition {
            Expr::Nested(inner) => self.condition(inner),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.condition(left);
                self.condition(right);
            }
            single => {
                if let Some(guard) = self.guards.iter().find(|guard| guard.condition == *single) {
                    *single = guarded(guard);
                    self.placed = self.placed.saturating_add(1);
                }
            }
        }
    }
}

/// `CASE WHEN p.visible IS NOT FALSE AND … THEN condition END`
fn guarded(guard: &Guard) -> Expr {
    let visible = guard.aliases.iter().map(|alias| Expr::IsNotFalse(Box::new(column_expr(alias, VISIBLE))));
    let all = visible.reduce(|left, right| Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::And,
        right: Box::new(right),
    });
    let Some(condition) = all else { return guard.condition.clone() };
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result: guard.condition.clone() }],
        else_result: None,
    }
}
