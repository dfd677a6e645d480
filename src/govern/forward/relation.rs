//! Governed and raw relations as derived tables over relations of the upstream.
//!
//! `__querygate.r0 AS p` becomes `(SELECT t.id AS id, mask AS email FROM sales.people AS t WHERE filter [AND …]
//! [OFFSET 0]) AS p`. What a guard asks is one output more, `(filter) IS TRUE`. A parent of partitions or of inheritance stands for its children too, as in PostgreSQL; under their
//! own names children are in no catalog, so nobody can name them.

use super::leak::guard::VISIBLE;
use super::leak::{Barrier, Fenced};
use super::mask::{KeyParameters, mask_sql};
use super::rows::acting_as;
use super::translate::policy_expression;
use super::views::view_factor;
use super::{ForwardError, ROW_ALIAS};
use crate::catalog::{Dataset, DatasetLocation};
use crate::govern::names::{column_expr, ident, object_name};
use crate::govern::statement::{ColumnValue, GovernedDataset};
use crate::sql::{conjunction, plain_query, plain_select, read_expression};
use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    CaseWhen, Expr, LimitClause, Offset, OffsetRows, Query, Select, SelectItem, SetExpr, TableAlias, TableFactor, Value,
};

/// The derived table that stands for one `rN`.
pub(super) fn governed_factor(
    governed: &GovernedDataset,
    alias: &TableAlias,
    fenced: &Fenced,
    key: KeyParameters,
) -> Result<TableFactor, ForwardError> {
    if let Some(view) = &fenced.view {
        return view_factor(governed, alias, view);
    }
    let renamed = alias.columns.len();
    if renamed != 0 && renamed != governed.columns.len() {
        return Err(ForwardError::Broken("an alias names other columns than its relation has"));
    }
    let mut names = alias.columns.iter().map(|column| column.name.clone());
    let mut projection = Vec::new();
    for column in &governed.columns {
        let name = names.next().unwrap_or_else(|| ident(&column.name));
        if !governed.used.contains(&column.name) {
            continue;
        }
        let raw = column_expr(ROW_ALIAS, &column.name);
        let expr = match &column.value {
            ColumnValue::Clear if fenced.veiled.contains(&column.name) => veiled(raw),
            ColumnValue::Clear => raw,
            ColumnValue::Masked(mask) => {
                let of = governed.dataset.column(&column.name);
                let of = of.ok_or(ForwardError::Broken("a governed column that its dataset does not have"))?;
                parsed(&mask_sql(mask, &raw.to_string(), &of.sql_type, key)?)?
            }
            ColumnValue::Computed(expr) => policy_expression(expr, governed)?,
        };
        projection.push(SelectItem::ExprWithAlias { expr, alias: name });
    }
    if projection.is_empty() {
        projection.push(SelectItem::ExprWithAlias { expr: number("1"), alias: ident("one") });
    }
    let mut conditions = Vec::new();
    if let Some(filter) = &governed.filter {
        let filter = policy_expression(filter, governed)?;
        if fenced.barrier == Barrier::Guarded {
            projection.push(SelectItem::ExprWithAlias { expr: is_true(filter.clone()), alias: ident(VISIBLE) });
        }
        conditions.push(match &fenced.role {
            Some(role) => parsed(&acting_as(role))?,
            None if fenced.pinned => is_true(filter),
            None => filter,
        });
    }
    let is_fenced = match &fenced.barrier {
        Barrier::Open | Barrier::Flattened | Barrier::Guarded => false,
        Barrier::Fenced if fenced.role.is_some() => false,
        Barrier::Fenced => {
            conditions.extend(fenced.copied.iter().cloned());
            true
        }
    };
    let select = plain_select(projection, upstream(&governed.dataset, ROW_ALIAS)?, conjunction(conditions));
    Ok(TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query(select, is_fenced)),
        alias: Some(TableAlias { columns: Vec::new(), ..alias.clone() }),
        sample: None,
    })
}

/// The derived table that stands for one `fN`: the columns that the catalog knows, so that one that it does not know can
/// never be what a policy's expression means.
pub(super) fn raw_factor(dataset: &Dataset, alias: &TableAlias) -> Result<TableFactor, ForwardError> {
    let projection = dataset
        .columns
        .iter()
        .map(|column| SelectItem::ExprWithAlias {
            expr: column_expr(super::RAW_ALIAS, &column.name),
            alias: ident(&column.name),
        })
        .collect();
    let select = plain_select(projection, upstream(dataset, super::RAW_ALIAS)?, None);
    Ok(TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query(select, false)),
        alias: Some(alias.clone()),
        sample: None,
    })
}

/// The relation of the upstream itself.
pub(super) fn upstream(dataset: &Dataset, alias: &str) -> Result<TableFactor, ForwardError> {
    let DatasetLocation::Relation { schema, name } = &dataset.location else {
        return Err(ForwardError::Mixed);
    };
    Ok(TableFactor::Table {
        name: object_name(schema, name),
        alias: Some(TableAlias { explicit: true, name: ident(alias), columns: Vec::new(), at: None }),
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    })
}

/// A mask's text as a tree; the printed statement is compared with it.
pub(super) fn parsed(sql: &str) -> Result<Expr, ForwardError> {
    read_expression(sql).map_err(|_| ForwardError::Broken("the text of a mask can not be read"))
}

/// True or false, never NULL, and no subquery that could become a join.
fn is_true(filter: Expr) -> Expr {
    Expr::IsTrue(Box::new(Expr::Nested(Box::new(filter))))
}

/// The same value as an expression, of which PostgreSQL knows no statistics. A plainer one it would take for the column.
fn veiled(column: Expr) -> Expr {
    let condition = Expr::IsNotNull(Box::new(column.clone()));
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result: column }],
        else_result: None,
    }
}

fn number(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_owned(), false).into())
}

/// PostgreSQL neither pulls up a subquery with an OFFSET nor puts a condition into it (`is_simple_subquery` and
/// `subquery_is_pushdown_safe` of its planner).
fn query(select: Select, is_fenced: bool) -> Query {
    let offset = Offset { value: number("0"), rows: OffsetRows::None };
    let fence = LimitClause::LimitOffset { limit: None, offset: Some(offset), limit_by: Vec::new() };
    let query = plain_query(SetExpr::Select(Box::new(select)));
    Query { limit_clause: is_fenced.then_some(fence), ..query }
}
