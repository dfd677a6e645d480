//! A governed statement that writes, as text for its upstream.
//!
//! ```sql
//! WITH __querygate_w AS (
//!   UPDATE sales.people AS __querygate_t SET name = value FROM (governed) AS o
//!   WHERE (row filter) AND conditions that can't tell AND CASE WHEN (row filter) THEN (condition) ELSE false END
//!   RETURNING CAST(CASE WHEN (row filter) THEN 't' ELSE 'mark' END AS pg_catalog.bool) AS __querygate_ok, x AS o0
//! ) SELECT w.o0 AS o0 FROM __querygate_w AS w WHERE w.__querygate_ok
//! ```
//!
//! The row filter stands at the target itself, so PostgreSQL asks it again of the version of a row that it really writes,
//! after it has waited for another transaction. CASE keeps what the user wrote from being evaluated on a hidden row: its
//! planner takes nothing out of a CASE but constants. Values are evaluated for rows that have passed WHERE. What RETURNING
//! sees is the row as it was written, after defaults and triggers: where the row filter does not hold for it, the cast fails
//! on [`MARK`], and nothing is written. The target's masked columns are masked wherever they are read.
//!
//! Where nothing of the condition could tell of the target's hidden rows, it stands beside the row filter as it is; a row
//! filter that asks a subquery is then `(row filter) IS TRUE`, which never becomes a join. All other relations have the
//! derived tables that they have in a query ([`super::leak`]), but for guards and views.
//!
//! The text is proved by [`super::verify_write`], which shares nothing with this but the masks' texts and names.

use super::leak::syntax::whole_rows;
use super::leak::{Barrier, Barriers, Fenced};
use super::mask::{KeyParameters, mask_sql};
use super::relation::parsed;
use super::translate::{self, policy_expression};
use super::{ForwardContext, ForwardError, ROW_ALIAS};
use crate::catalog::DatasetLocation;
use crate::govern::names::{column_expr, fold, ident, object_name};
use crate::govern::statement::{ColumnValue, GovernedDataset, GovernedStatement};
use crate::govern::write::{GovernedWrite, block, source};
use crate::sql::{WriteKind, print_checked};
use sqlparser::ast::{Expr, Query, SelectItem, Visit, VisitMut, Visitor, VisitorMut};
use std::ops::ControlFlow;

/// The WITH query that writes.
pub(super) const WRITTEN: &str = "__querygate_w";
/// Its column that says that the row filter holds for what was written.
pub(super) const HOLDS: &str = "__querygate_ok";
/// What an upstream's error speaks of when a row filter does not hold for a row that was to be written.
pub const MARK: &str = "querygate: row filter";

/// The text of a statement that writes.
pub(super) fn text(
    statement: &GovernedStatement,
    write: &GovernedWrite,
    fences: &Barriers,
    context: &ForwardContext<'_>,
    key: KeyParameters,
) -> Result<String, ForwardError> {
    let broken = ForwardError::Broken("a statement that writes has another shape than governing makes");
    let target = write.target(statement).ok_or_else(|| broken.clone())?;
    // The target stands there as itself: its row would be the raw one.
    if whole_rows(statement.query()).contains(&write.key) {
        return Err(ForwardError::NotSupported {
            what: "a whole row of what is written to".to_owned(),
            hint: "Name the columns.".to_owned(),
        });
    }
    let fenced = fences.get(&write.key).ok_or_else(|| broken.clone())?;
    if !context.tables.contains(&target.dataset.name) {
        return Err(ForwardError::NotSupported {
            what: format!("writing to \"{}\", which is not known to be a table,", target.dataset.name.name()),
            hint: "Write to the table itself, if it is a dataset.".to_owned(),
        });
    }
    let DatasetLocation::Relation { schema, name } = &target.dataset.location else { return Err(ForwardError::Mixed) };
    let mut query = translate::statement(statement, fences, context, key)?;
    // Each part prints as it reads.
    print_checked(&query)?;
    let source = match write.kind {
        WriteKind::Insert => Some(block(&query).and_then(source).ok_or_else(|| broken.clone())?.clone()),
        WriteKind::Update | WriteKind::Delete => None,
    };
    if let Some(source) = &source {
        reads_nothing_of(source, &write.alias)?;
    }
    let mut columns = TargetColumns { target, alias: &write.alias, key };
    if let ControlFlow::Break(error) = VisitMut::visit(&mut query, &mut columns) {
        return Err(error);
    }
    let select = block(&query).ok_or_else(|| broken.clone())?;
    let output = |range: std::ops::Range<usize>| -> Result<Vec<&Expr>, ForwardError> {
        let items = select.projection.get(range).ok_or_else(|| broken.clone())?;
        items
            .iter()
            .map(|item| match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Ok(expr),
                SelectItem::ExprWithAliases { .. } | SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => {
                    Err(broken.clone())
                }
            })
            .collect()
    };
    let filter = target.filter.as_ref().map(|filter| policy_expression(filter, target)).transpose()?;
    let others: Vec<String> = select.from.iter().skip(1).map(ToString::to_string).collect();
    let others = |word: &str| if others.is_empty() { String::new() } else { format!(" {word} {}", others.join(", ")) };
    let condition = match write.kind {
        WriteKind::Insert => String::new(),
        WriteKind::Update | WriteKind::Delete => condition(filter.as_ref(), select.selection.as_ref(), fenced)?,
    };
    let relation = object_name(schema, name);
    let named = || write.columns.iter().map(|column| ident(column).to_string());
    let body = match write.kind {
        WriteKind::Insert => {
            let source = source.ok_or_else(|| broken.clone())?;
            format!("INSERT INTO {relation} AS {ROW_ALIAS} ({}) {source}", named().collect::<Vec<_>>().join(", "))
        }
        WriteKind::Update => {
            let values = output(write.values.clone())?;
            let set: Vec<String> = named().zip(values).map(|(column, value)| format!("{column} = {value}")).collect();
            format!("UPDATE {relation} AS {ROW_ALIAS} SET {}{}{condition}", set.join(", "), others("FROM"))
        }
        WriteKind::Delete => format!("DELETE FROM {relation} AS {ROW_ALIAS}{}{condition}", others("USING")),
    };
    let returning = output(write.returning.clone())?;
    let given: String = returning.iter().enumerate().map(|(at, expr)| format!(", {expr} AS o{at}")).collect();
    let holds = match (&filter, write.kind) {
        (Some(filter), WriteKind::Insert | WriteKind::Update) => {
            format!("CAST(CASE WHEN ({filter}) THEN 't' ELSE '{MARK}' END AS pg_catalog.bool)")
        }
        (Some(_), WriteKind::Delete) | (None, _) => "true".to_owned(),
    };
    let shown: Vec<String> = (0..returning.len()).map(|at| format!("w.o{at} AS o{at}")).collect();
    let shown = if shown.is_empty() { "1 AS one".to_owned() } else { shown.join(", ") };
    Ok(format!(
        "WITH {WRITTEN} AS ({body} RETURNING {holds} AS {HOLDS}{given}) SELECT {shown} FROM {WRITTEN} AS w WHERE w.{HOLDS}"
    ))
}

/// Which rows of the target are touched.
fn condition(filter: Option<&Expr>, condition: Option<&Expr>, fenced: &Fenced) -> Result<String, ForwardError> {
    let held = |filter: &Expr| if fenced.pinned { format!("({filter}) IS TRUE") } else { format!("({filter})") };
    let parts: Vec<String> = match (filter, condition) {
        (None, None) => Vec::new(),
        (None, Some(condition)) => vec![format!("({condition})")],
        (Some(filter), None) => vec![held(filter)],
        (Some(filter), Some(condition)) => match fenced.barrier {
            Barrier::Open | Barrier::Flattened => vec![held(filter), format!("({condition})")],
            Barrier::Guarded => return Err(ForwardError::Broken("a guard in a statement that writes")),
            Barrier::Fenced => {
                let copied = fenced.copied.iter().map(|copied| format!("({copied})"));
                let guarded = format!("CASE WHEN ({filter}) THEN ({condition}) ELSE false END");
                std::iter::once(held(filter)).chain(copied).chain([guarded]).collect()
            }
        },
    };
    Ok(if parts.is_empty() { String::new() } else { format!(" WHERE {}", parts.join(" AND ")) })
}

/// Puts what its user may see in place of each column of the target.
struct TargetColumns<'a> {
    target: &'a GovernedDataset,
    alias: &'a str,
    key: KeyParameters,
}

impl VisitorMut for TargetColumns<'_> {
    type Break = ForwardError;

    // Afterwards, so that what is put in is not visited again.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<ForwardError> {
        let Expr::CompoundIdentifier(written) = expr else { return ControlFlow::Continue(()) };
        let [alias, column] = written.as_slice() else { return ControlFlow::Continue(()) };
        if fold(alias) != self.alias {
            return ControlFlow::Continue(());
        }
        match self.seen(&fold(column)) {
            Ok(seen) => {
                *expr = seen;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl TargetColumns<'_> {
    fn seen(&self, name: &str) -> Result<Expr, ForwardError> {
        let unknown = ForwardError::Broken("a column that the target does not have");
        let column = self.target.columns.iter().find(|column| column.name == name).ok_or_else(|| unknown.clone())?;
        let raw = column_expr(ROW_ALIAS, name);
        Ok(match &column.value {
            ColumnValue::Clear => raw,
            ColumnValue::Masked(mask) => {
                let of = self.target.dataset.column(name).ok_or(unknown)?;
                Expr::Nested(Box::new(parsed(&mask_sql(mask, &raw.to_string(), &of.sql_type, self.key)?)?))
            }
            ColumnValue::Computed(expr) => Expr::Nested(Box::new(policy_expression(expr, self.target)?)),
        })
    }
}

/// An INSERT's source stands beside its target, not within it.
fn reads_nothing_of(source: &Query, alias: &str) -> Result<(), ForwardError> {
    struct Reads<'a>(&'a str);
    impl Visitor for Reads<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::CompoundIdentifier(parts) if parts.first().is_some_and(|first| fold(first) == self.0) => {
                    ControlFlow::Break(())
                }
                _other => ControlFlow::Continue(()),
            }
        }
    }
    match source.visit(&mut Reads(alias)) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(ForwardError::NotSupported {
            what: "a column of the target in the source of an INSERT".to_owned(),
            hint: "Read the table in the FROM of the source.".to_owned(),
        }),
    }
}
