//! A governed statement as SQL for people: each `rN` shown as the derived table that it stands for.
//!
//! Shown are the columns that the statement uses, the masks by name with their arguments, and the row filter. The key of
//! the `hash` mask is never part of it. Literals of row filters and mask arguments belong to the policy: who may not see
//! them gets [`GovernedStatement::governed_sql_without_literals`]. What a policy reads in its subqueries shows by name.

use super::names::{column_expr, ident, object_name, parts};
use super::resolve::call;
use super::statement::{ColumnValue, GovernedColumn, GovernedDataset, GovernedStatement, GovernedTarget};
use crate::catalog::Dataset;
use crate::decision::{ConstantValue, Mask};
use crate::sql::{plain_query, plain_select};
use sqlparser::ast::{
    Expr, ObjectName, Select, SelectItem, SetExpr, TableAlias, TableFactor, Value, ValueWithSpan, VisitMut, VisitorMut,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

impl GovernedStatement {
    /// The statement as SQL for people who may see the policies' literals.
    ///
    /// # Errors
    /// If a relation of the tree is not one of the statement's: it is then not governed.
    pub fn governed_sql(&self) -> Result<String, NotGoverned> {
        self.shown(true)
    }

    /// The same with `?` for each literal of a policy.
    ///
    /// # Errors
    /// As [`Self::governed_sql`].
    pub fn governed_sql_without_literals(&self) -> Result<String, NotGoverned> {
        self.shown(false)
    }

    fn shown(&self, literals: bool) -> Result<String, NotGoverned> {
        let mut query = self.query.clone();
        let mut show = Show { statement: self, literals };
        match VisitMut::visit(&mut query, &mut show) {
            ControlFlow::Continue(()) => Ok(query.to_string()),
            ControlFlow::Break(fault) => Err(fault),
        }
    }
}

/// A tree that names a relation that is not the statement's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tree names a relation that is not governed")]
pub struct NotGoverned;

struct Show<'a> {
    statement: &'a GovernedStatement,
    literals: bool,
}

impl VisitorMut for Show<'_> {
    type Break = NotGoverned;

    // Afterwards, so that what is put in is not visited again.
    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<NotGoverned> {
        let TableFactor::Table { name, alias, .. } = &*factor else { return ControlFlow::Continue(()) };
        let written = parts(name).unwrap_or_default();
        let [schema, key] = written.as_slice() else { return ControlFlow::Continue(()) };
        let relation = self.statement.relations().iter().find(|relation| relation.key == *key);
        let (true, Some(relation)) = (schema == GovernedStatement::RELATION_SCHEMA, relation) else {
            return ControlFlow::Break(NotGoverned);
        };
        let alias = alias.clone();
        *factor = match &relation.target {
            GovernedTarget::System(name) => table(object_name(name.schema(), name.name()), alias),
            GovernedTarget::Dataset(dataset) => {
                let all = alias.as_ref().is_some_and(|alias| !alias.columns.is_empty());
                let select = derived(dataset, all, self.literals);
                TableFactor::Derived {
                    lateral: false,
                    subquery: Box::new(plain_query(SetExpr::Select(Box::new(select)))),
                    alias,
                    sample: None,
                }
            }
        };
        ControlFlow::Continue(())
    }
}

fn derived(governed: &GovernedDataset, all: bool, literals: bool) -> Select {
    let shown = governed.columns.iter().filter(|column| all || governed.used.contains(&column.name));
    let mut projection: Vec<SelectItem> = shown.map(|column| item(column, governed, literals)).collect();
    if projection.is_empty() {
        projection.push(SelectItem::UnnamedExpr(Expr::Value(Value::Number("1".into(), false).into())));
    }
    let name = &governed.dataset.name;
    let relation = table(object_name(name.schema(), name.name()), None);
    let selection = governed.filter.clone().map(|filter| named(filter, &governed.raw_relations, literals));
    plain_select(projection, relation, selection)
}

fn item(column: &GovernedColumn, governed: &GovernedDataset, literals: bool) -> SelectItem {
    let plain = column_expr("", &column.name);
    let expr = match &column.value {
        ColumnValue::Clear => return SelectItem::UnnamedExpr(plain),
        ColumnValue::Masked(mask) => masked(mask, plain, literals),
        ColumnValue::Computed(expr) => named(expr.clone(), &governed.raw_relations, literals),
    };
    SelectItem::ExprWithAlias { expr, alias: ident(&column.name) }
}

/// A mask as a call: `mask_last(phone, 4)`.
fn masked(mask: &Mask, column: Expr, literals: bool) -> Expr {
    let number = |digits: String| Value::Number(digits, false);
    let text = |text: &String| super::resolve::text_value(text);
    let arguments = match mask {
        Mask::Deny | Mask::Null | Mask::Redact | Mask::Hash | Mask::Email | Mask::Year | Mask::Month | Mask::Day => {
            Vec::new()
        }
        Mask::Constant(ConstantValue::Boolean(value)) => vec![Value::Boolean(*value)],
        Mask::Constant(ConstantValue::Number(digits)) => vec![number(digits.clone())],
        Mask::Constant(ConstantValue::Text(value)) => vec![text(value)],
        Mask::Last { n } => vec![number(n.to_string())],
        Mask::Partial { prefix, suffix, pad } => {
            vec![number(prefix.to_string()), number(suffix.to_string()), text(pad)]
        }
        Mask::Bucket { edges } => edges.iter().map(|edge| number(edge.to_string())).collect(),
        Mask::Round { step } => vec![number(step.to_string())],
        Mask::TopCode { max } => vec![number(max.to_string())],
        Mask::Expression(sql) => vec![text(sql)],
    };
    let arguments = arguments.into_iter().map(|value| if literals { value } else { unknown() });
    let arguments = arguments.map(|value| Expr::Value(value.into()));
    call(&format!("mask_{}", mask.name()), std::iter::once(column).chain(arguments).collect())
}

/// A policy's expression with the names of the datasets that it reads, and its literals or `?`.
fn named(mut expr: Expr, raw: &BTreeMap<String, Arc<Dataset>>, literals: bool) -> Expr {
    let mut names = Names { raw, literals };
    let _ = VisitMut::visit(&mut expr, &mut names);
    expr
}

struct Names<'a> {
    raw: &'a BTreeMap<String, Arc<Dataset>>,
    literals: bool,
}

impl VisitorMut for Names<'_> {
    type Break = ();

    fn post_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        if let Some([schema, key]) = parts(relation).as_deref()
            && schema == GovernedStatement::RAW_SCHEMA
            && let Some(dataset) = self.raw.get(key)
        {
            *relation = object_name(dataset.name.schema(), dataset.name.name());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
        if !self.literals && !matches!(value.value, Value::Null) {
            value.value = unknown();
        }
        ControlFlow::Continue(())
    }
}

fn unknown() -> Value {
    Value::Placeholder("?".to_owned())
}

fn table(name: ObjectName, alias: Option<TableAlias>) -> TableFactor {
    TableFactor::Table {
        name,
        alias,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}
