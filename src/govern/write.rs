//! A governed statement that writes: which relation, which columns, and where in its query the parts are.
//!
//! See [`crate::sql::Write`] for the query. INVARIANT: a column that is written is listed in the catalog, and seen in the
//! clear.

use super::error::GovernError;
use super::names::fold;
use super::statement::{ColumnValue, GovernedDataset, GovernedStatement, GovernedTarget};
use crate::sql::{Write, WriteKind};
use sqlparser::ast::{Expr, Query, Select, SetExpr, TableFactor};
use std::ops::Range;

/// What a statement writes. Positions are those of its query's outputs.
#[derive(Debug)]
pub struct GovernedWrite {
    /// What it does.
    pub kind: WriteKind,
    /// The target's `rN`.
    pub key: String,
    /// What the tree calls the target.
    pub alias: String,
    /// The columns that are written, in the order of their values.
    pub columns: Vec<String>,
    /// UPDATE: the values.
    pub values: Range<usize>,
    /// RETURNING.
    pub returning: Range<usize>,
}

impl GovernedWrite {
    /// The target, as its user may see it.
    pub fn target<'a>(&self, statement: &'a GovernedStatement) -> Option<&'a GovernedDataset> {
        let found = statement.relations.iter().find(|relation| relation.key == self.key)?;
        match &found.target {
            GovernedTarget::Dataset(dataset) => Some(dataset),
            GovernedTarget::System(_) => None,
        }
    }
}

/// The one block of a statement's query.
pub(super) fn block(query: &Query) -> Option<&Select> {
    match query.body.as_ref() {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(_)
        | SetExpr::SetOperation { .. }
        | SetExpr::Values(_)
        | SetExpr::Table(_)
        | SetExpr::Insert(_)
        | SetExpr::Update(_)
        | SetExpr::Delete(_)
        | SetExpr::Merge(_) => None,
    }
}

/// The source of an INSERT: what is asked for EXISTS.
pub(super) fn source(select: &Select) -> Option<&Query> {
    match &select.selection {
        Some(Expr::Exists { subquery, negated: false }) => Some(subquery),
        _other => None,
    }
}

/// How many columns a query gives; `None` for a form that is not known here.
fn width(query: &Query) -> Option<usize> {
    let mut body = query.body.as_ref();
    loop {
        match body {
            SetExpr::Select(select) => return Some(select.projection.len()),
            SetExpr::Values(values) => return values.rows.first().map(|row| row.content.len()),
            SetExpr::Query(query) => body = query.body.as_ref(),
            SetExpr::SetOperation { left, .. } => body = left.as_ref(),
            SetExpr::Table(_) | SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                return None;
            }
        }
    }
}

/// Says of a governed query that it is what a write reads.
///
/// # Errors
/// [`GovernError::NotWritable`] for a column that is masked, or that the catalog does not list; [`GovernError::Broken`] for a query of another shape.
pub fn as_write(statement: GovernedStatement, write: &Write) -> Result<GovernedStatement, GovernError> {
    let broken = GovernError::Broken("a statement that writes has another shape than it was taken apart into");
    let select = block(&statement.query).ok_or_else(|| broken.clone())?;
    let first = select.from.first().map(|first| &first.relation);
    let Some(TableFactor::Table { name, alias: Some(alias), .. }) = first else { return Err(broken) };
    let relation = statement.relations.first().ok_or_else(|| broken.clone())?;
    let is_first = matches!(
        super::names::parts(name).as_deref(),
        Some([schema, key]) if schema == GovernedStatement::RELATION_SCHEMA && *key == relation.key
    );
    let (GovernedTarget::Dataset(dataset), true) = (&relation.target, is_first) else { return Err(broken) };
    let (columns, tail): (Vec<String>, usize) = match &write.columns {
        Some(columns) => (columns.iter().map(fold).collect(), columns.len()),
        None => {
            let width = source(select).and_then(width).ok_or_else(|| broken.clone())?;
            let visible = dataset.columns.iter().take(width).map(|column| column.name.clone());
            (visible.collect(), dataset.columns.len())
        }
    };
    for name in &columns {
        let seen = dataset.columns.iter().find(|column| column.name == *name);
        let is_clear = seen.is_some_and(|column| match column.value {
            ColumnValue::Clear => true,
            ColumnValue::Masked(_) | ColumnValue::Computed(_) => false,
        });
        let is_listed = dataset.dataset.column(name).is_some_and(|column| column.listed);
        if !is_clear || !is_listed {
            let dataset = dataset.dataset.name.clone();
            return Err(GovernError::NotWritable { dataset, column: name.clone(), is_listed });
        }
    }
    let values = match write.kind {
        WriteKind::Update => 1..columns.len().saturating_add(1),
        WriteKind::Insert | WriteKind::Delete => 1..1,
    };
    let returning = values.end..select.projection.len().checked_sub(tail).ok_or_else(|| broken.clone())?;
    if returning.start > returning.end || (!write.returning && !returning.is_empty()) {
        return Err(broken);
    }
    let written = GovernedWrite {
        kind: write.kind,
        key: relation.key.clone(),
        alias: fold(&alias.name),
        columns,
        values,
        returning,
    };
    let output = statement.output.get(written.returning.clone()).ok_or_else(|| broken.clone())?.to_vec();
    Ok(GovernedStatement { output, write: Some(written), ..statement })
}
