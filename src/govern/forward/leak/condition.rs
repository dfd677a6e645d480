//! Conditions: which may tell, of whose rows, and what their operands are.

use super::copy::copy;
use super::leakproof::{Kind, Meaning, Operand, contains_query, is_leakproof};
use super::reading::{FromItems, Leak, Place, Reader, place};
use super::scope::{Output, Scope, Touches};
use super::syntax::{conjuncts, holds, is_call_above_rows, without_constants};
use crate::govern::names::{fold, parts};
use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query, Select, SelectItem, Visit,
    Visitor, visit_expressions,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

impl Reader<'_> {
    /// Whether a condition can neither fail nor tell; notes it if it can.
    pub(super) fn condition(&mut self, condition: &Expr, scope: &Scope<'_>, place: Place) -> bool {
        if is_leakproof(condition, &Here { reader: self, scope }) {
            return true;
        }
        let touches = touches_of(condition, scope);
        // What names no column of its own block stands at none of its relations, or at any.
        let is_anywhere =
            touches.unknown || (touches.relations.is_empty() && !touches.elsewhere) || !names_own(condition, scope);
        let words = match place {
            Place::On => "join condition",
            Place::Where | Place::Having => "condition",
        };
        let cover = if place == Place::Having || self.joins(condition, scope) || contains_query(condition) {
            BTreeMap::new()
        } else {
            direct(condition, scope)
        };
        self.reading.leaks.push(Leak {
            reason: format!("the {words} {} may fail or tell", without_constants(condition)),
            spreads: is_anywhere || self.equates(condition, scope),
            condition: condition.clone(),
            touches,
            cover,
        });
        false
    }

    /// An equality on which a join of two items may hang.
    fn joins(&self, condition: &Expr, scope: &Scope<'_>) -> bool {
        match condition {
            Expr::Nested(inner) => self.joins(inner, scope),
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                names_column(left)
                    && names_column(right)
                    && touches_of(left, scope).relations != touches_of(right, scope).relations
            }
            _other => false,
        }
    }

    /// Whether an equality of which no side is constant stands in it, outside of subqueries, and one side may tell:
    /// PostgreSQL may make others of it.
    fn equates(&self, condition: &Expr, scope: &Scope<'_>) -> bool {
        condition.visit(&mut Equating { here: Here { reader: self, scope }, depth: 0 }).is_break()
    }

    pub(super) fn output(&self, item: &SelectItem, scope: &Scope<'_>, in_expression: bool) -> (String, Output) {
        let (expr, name) = match item {
            SelectItem::UnnamedExpr(expr) => {
                let name = match expr {
                    Expr::CompoundIdentifier(names) => names.last().map(fold).unwrap_or_default(),
                    _unnamed => String::new(),
                };
                (expr, name)
            }
            SelectItem::ExprWithAlias { expr, alias } => (expr, fold(alias)),
            SelectItem::ExprWithAliases { .. } | SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => {
                let touches = Touches { unknown: true, ..Touches::default() };
                return (String::new(), Output { operand: None, touches });
            }
        };
        let here = Here { reader: self, scope };
        let operand = match here.operand(expr) {
            Some(operand) => Some(operand.as_column()),
            None => self.aggregated(expr, &here),
        };
        // A condition on it stays above the grouping or the window. In a subquery the aggregate may be one of the block
        // around it.
        let touches = if !in_expression && holds(expr, is_call_above_rows) {
            Touches::elsewhere()
        } else {
            touches_of(expr, scope)
        };
        (name, Output { operand, touches })
    }

    /// Aggregates that fail on no rows.
    fn aggregated(&self, expr: &Expr, here: &Here<'_>) -> Option<Operand> {
        let Expr::Function(Function {
            name,
            args: FunctionArguments::List(list),
            filter: None,
            over: None,
            null_treatment: None,
            ..
        }) = expr
        else {
            return None;
        };
        let name = parts(name)?;
        let mut of = None;
        for arg in &list.args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => of = Some(here.operand(arg)?),
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => {}
                _other => return None,
            }
        }
        if !list.clauses.is_empty() {
            return None;
        }
        match (name.as_slice(), of) {
            ([name], _) if name == "count" => Some(Operand::Column(Kind::Integer)),
            ([name], Some(Operand::Column(kind))) if name == "min" || name == "max" => Some(Operand::Column(kind)),
            _other => None,
        }
    }

    /// Notes the conditions that may stand below the fence of a relation of this block.
    pub(super) fn copies(&mut self, select: &Select, scope: &Scope<'_>, from: &FromItems<'_>) {
        let inner = from.on.iter().filter(|(_, is_inner)| *is_inner).map(|(on, _)| *on);
        let conditions: Vec<&Expr> = select.selection.iter().chain(inner).flat_map(conjuncts).collect();
        for (alias, item) in &scope.items {
            let Some((at, dataset)) =
                item.relation.and_then(|at| Some((at, self.facts.get(at).and_then(|facts| facts.dataset)?)))
            else {
                continue;
            };
            if item.is_nullable {
                continue;
            }
            let leakproof = |condition: &&&Expr| is_leakproof(condition, &Here { reader: self, scope });
            let copied: Vec<Expr> = conditions
                .iter()
                .filter(leakproof)
                .filter_map(|condition| copy(condition, alias, dataset, &item.columns))
                .collect();
            self.reading.copies.insert(at, copied);
        }
    }
}

/// What names mean in one block.
struct Here<'a> {
    reader: &'a Reader<'a>,
    scope: &'a Scope<'a>,
}

impl Meaning for Here<'_> {
    fn operand(&self, expr: &Expr) -> Option<Operand> {
        match expr {
            Expr::Nested(inner) => self.operand(inner),
            Expr::CompoundIdentifier(names) => self.scope.column(names).and_then(|output| output.operand),
            Expr::Subquery(query) => {
                let asked = self.reader.asked.get(&place(query))?;
                if !asked.is_quiet || !asked.is_single {
                    return None;
                }
                asked.columns.first().and_then(|(_, output)| output.operand)
            }
            other => self.reader.parameters.operand(other),
        }
    }

    fn asked(&self, query: &Query) -> Option<Operand> {
        let asked = self.reader.asked.get(&place(query)).filter(|asked| asked.is_quiet)?;
        asked.columns.first().and_then(|(_, output)| output.operand)
    }
}

/// Looks for equalities.
struct Equating<'r> {
    here: Here<'r>,
    depth: usize,
}

impl Visitor for Equating<'_> {
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
        let constant = |expr: &Expr| self.here.reader.parameters.operand(expr).is_some();
        let found = match expr {
            // Those of a subquery are conditions of its own block.
            _inside if self.depth > 0 => false,
            Expr::BinaryOp { left, op: BinaryOperator::Eq | BinaryOperator::NotEq, right } => {
                !constant(left) && !constant(right)
            }
            Expr::InList { expr, list, .. } => list.len() == 1 && !constant(expr) && !list.iter().all(constant),
            // The subquery may tell, and its output not.
            Expr::InSubquery { expr, subquery, .. } => {
                let output = self.here.reader.asked.get(&place(subquery)).and_then(|asked| asked.columns.first());
                self.here.operand(expr).is_none() || output.is_none_or(|(_, output)| output.operand.is_none())
            }
            Expr::InUnnest { .. } | Expr::AnyOp { .. } | Expr::AllOp { .. } | Expr::Tuple(_) => true,
            _other => false,
        };
        if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Whose rows an expression's values come of.
pub(super) fn touches_of<T: Visit>(node: &T, scope: &Scope<'_>) -> Touches {
    let mut found = Touching { scope, depth: 0, touches: Touches::default() };
    let _ = node.visit(&mut found);
    found.touches
}

/// Collects whose rows an expression's values come of, by its columns and those that its subqueries name. What a subquery
/// reads itself stands in blocks of its own.
struct Touching<'r> {
    scope: &'r Scope<'r>,
    depth: usize,
    touches: Touches,
}

impl Visitor for Touching<'_> {
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
            Expr::CompoundIdentifier(names) => match self.scope.column(names) {
                Some(output) => self.touches.add(&output.touches),
                // A name of the subquery's own.
                None => self.touches.unknown |= self.depth == 0,
            },
            Expr::Identifier(_) => self.touches.unknown |= self.depth == 0,
            _other => {}
        }
        ControlFlow::Continue(())
    }
}

/// The governed relations of its own block that a condition names, with their aliases.
fn direct(condition: &Expr, scope: &Scope<'_>) -> BTreeMap<usize, String> {
    let mut found = BTreeMap::new();
    let _ = visit_expressions(condition, |expr| -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(names) = expr
            && let Some(alias) = names.first()
            && let Some(at) = scope.relation(alias)
        {
            found.insert(at, fold(alias));
        }
        ControlFlow::Continue(())
    });
    found
}

fn names_column(expr: &Expr) -> bool {
    visit_expressions(expr, |expr| match expr {
        Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
        _other => ControlFlow::Continue(()),
    })
    .is_break()
}

/// Whether a condition names a column of its own block.
fn names_own(condition: &Expr, scope: &Scope<'_>) -> bool {
    visit_expressions(condition, |expr| match expr {
        Expr::CompoundIdentifier(names)
            if names.first().is_some_and(|alias| scope.items.contains_key(&fold(alias))) =>
        {
            ControlFlow::Break(())
        }
        _other => ControlFlow::Continue(()),
    })
    .is_break()
}
