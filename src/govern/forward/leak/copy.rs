//! Conditions of the user's below a fence.

use super::is_clear;
use super::leakproof::contains_query;
use super::scope::Output;
use crate::govern::forward::ROW_ALIAS;
use crate::govern::names::{column_expr, fold};
use crate::govern::statement::GovernedDataset;
use sqlparser::ast::{Expr, VisitMut, VisitorMut};
use std::ops::ControlFlow;

/// A leakproof condition over the raw row, if it is over clear columns of this relation alone. `columns`: those of the
/// alias, in the dataset's order.
pub(super) fn copy(
    condition: &Expr,
    alias: &str,
    dataset: &GovernedDataset,
    columns: &[(String, Output)],
) -> Option<Expr> {
    if contains_query(condition) {
        return None;
    }
    let mut copied = condition.clone();
    let mut raw = RawNames { alias, dataset, columns, found: false };
    match VisitMut::visit(&mut copied, &mut raw) {
        ControlFlow::Continue(()) if raw.found => Some(copied),
        ControlFlow::Continue(()) | ControlFlow::Break(()) => None,
    }
}

/// Gives columns their names in the upstream's relation.
struct RawNames<'a> {
    alias: &'a str,
    dataset: &'a GovernedDataset,
    columns: &'a [(String, Output)],
    found: bool,
}

impl VisitorMut for RawNames<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::CompoundIdentifier(written) = expr else { return ControlFlow::Continue(()) };
        let [alias, name] = written.as_slice() else { return ControlFlow::Break(()) };
        let name = fold(name);
        let column = self
            .columns
            .iter()
            .position(|(column, _)| *column == name)
            .and_then(|at| self.dataset.columns.get(at))
            .filter(|column| fold(alias) == self.alias && is_clear(&column.value));
        match column {
            Some(column) => {
                self.found = true;
                *expr = column_expr(ROW_ALIAS, &column.name);
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(()),
        }
    }
}
