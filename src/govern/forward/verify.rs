//! The second reading of a forwarded text, by PostgreSQL's own grammar.
//!
//! It shares nothing with [`super::translate`], [`super::relation`] and [`super::leak`] but the masks' texts, which have
//! one definition. Four proofs, over the parser's tree as data:
//!
//! 1. Each relation of the upstream stands in a governed derived table: its outputs, its relation and its row filter are
//!    compared with what [`GovernedDataset`] says (where a role's policy has the filter, that policy: [`super::verify_rows`]),
//!    its fence with what was decided; conditions beside the filter must be
//!    the user's own, and comparisons of clear columns with constants. Each such table is then taken for the `rN` that it stands for.
//! 2. Each condition that names a guarded relation either holds nothing but comparisons of columns and constants, or is
//!    behind a guard that asks all that it names ([`super::guarded`]); the guards are then taken out.
//! 3. What is left is compared, whole, with the governed statement's own text as the same grammar reads it.
//! 4. What is left is walked with closed lists of nodes, fields, functions, types and operators. Relations are the `rN`
//!    and WITH queries in scope.

use super::expected::Expected;
use super::guarded::Guards;
use super::leak::{Barrier, Barriers};
use super::mask::KeyParameters;
use super::walk::Walker;
use super::{ForwardContext, RAW_ALIAS, ROW_ALIAS, verify_rows};
use crate::catalog::{Dataset, DatasetLocation};
use crate::govern::statement::{GovernedDataset, GovernedStatement, GovernedTarget};
use crate::sql::functions::lookup;
use crate::sql::{NotOneStatement, postgres_tree};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Why a text is not proved: it must not be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForwardVerifyError {
    /// PostgreSQL's grammar does not take it, or not as one query.
    #[error("the text to forward is not one query")]
    Unreadable,
    /// A relation of the upstream outside of a governed derived table.
    #[error("the text to forward reads {0}, which is not governed")]
    Relation(String),
    /// Something that is on no list.
    #[error("the text to forward holds {0}, which is not allowed")]
    NotAllowed(String),
    /// It is not the governed statement.
    #[error("the text to forward is not the governed statement")]
    Different,
}

pub(super) type Verdict<T = ()> = Result<T, ForwardVerifyError>;

/// # Errors
/// [`ForwardVerifyError`].
pub(super) fn verify_text(
    text: &str,
    statement: &GovernedStatement,
    fences: &Barriers,
    context: &ForwardContext<'_>,
    key: KeyParameters,
) -> Verdict {
    verify_rows::verify(statement, fences)?;
    let mut governed = read(&statement.query().to_string())?;
    let references = references(&governed)?;
    let mut expected = Vec::new();
    let mut guarded = Vec::new();
    for relation in statement.relations() {
        let GovernedTarget::Dataset(dataset) = &relation.target else { return Err(ForwardVerifyError::Different) };
        let (Some(reference), Some(fenced)) = (references.get(&relation.key), fences.get(&relation.key)) else {
            return Err(ForwardVerifyError::Different);
        };
        let derived = Expected::new(dataset, (&governed, reference), fenced, key)?;
        if fenced.barrier == Barrier::Guarded {
            guarded.push(derived.alias_name().to_owned());
        }
        expected.push(derived);
    }
    Names { policy: None, context: Some(context) }.normalise(&mut governed)?;
    let mut sent = read(text)?;
    let mut in_order = in_order(&governed, &mut expected)?;
    collapse(&mut sent, &mut in_order)?;
    expected.append(&mut in_order);
    Guards::new(guarded, fences.guards.len()).take_out(&mut sent)?;
    if !expected.is_empty() || sent != governed {
        return Err(ForwardVerifyError::Different);
    }
    Walker { parameters: context.parameters }.node(&sent, &[])
}

/// The tree of the one query of a text, without places.
pub(super) fn read(text: &str) -> Verdict<Value> {
    let tree = postgres_tree(text).map_err(|NotOneStatement| ForwardVerifyError::Unreadable)?;
    match node(&tree) {
        Some(("SelectStmt", _)) => Ok(tree),
        _other => Err(ForwardVerifyError::Unreadable),
    }
}

/// A node's kind and fields.
pub(super) fn node(value: &Value) -> Option<(&str, &Value)> {
    let (kind, fields) = value.get("node")?.as_object()?.iter().next()?;
    Some((kind, fields))
}

pub(super) fn node_mut(value: &mut Value) -> Option<(&str, &mut Value)> {
    let (kind, fields) = value.get_mut("node")?.as_object_mut()?.iter_mut().next()?;
    Some((kind.as_str(), fields))
}

pub(super) fn items<'v>(fields: &'v Value, name: &str) -> &'v [Value] {
    fields.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn text<'v>(fields: &'v Value, name: &str) -> &'v str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A list of names; `None` if it holds anything else.
pub(super) fn names(list: &[Value]) -> Option<Vec<&str>> {
    list.iter()
        .map(|name| match node(name)? {
            ("String", fields) => fields.get("sval").and_then(Value::as_str),
            _other => None,
        })
        .collect()
}

pub(super) fn name_node(name: &str) -> Value {
    json!({"node": {"String": {"sval": name}}})
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The `rN` of the governed text: its place in FROM, as it stands.
pub(super) fn references(tree: &Value) -> Verdict<BTreeMap<String, Value>> {
    fn find(value: &Value, found: &mut BTreeMap<String, Value>) -> Verdict {
        if let Some(("RangeVar", fields)) = node(value)
            && text(fields, "schemaname") == GovernedStatement::RELATION_SCHEMA
            && found.insert(text(fields, "relname").to_owned(), value.clone()).is_some()
        {
            return Err(ForwardVerifyError::Different);
        }
        match value {
            Value::Object(fields) => fields.values().try_for_each(|value| find(value, found)),
            Value::Array(items) => items.iter().try_for_each(|value| find(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }
    let mut found = BTreeMap::new();
    find(tree, &mut found)?;
    Ok(found)
}

/// Takes out what is expected in a part of the governed tree, in the order in which that names them: of two derived tables
/// that are alike, each is to be taken for the one in its own place.
pub(super) fn in_order(tree: &Value, expected: &mut Vec<Expected>) -> Verdict<Vec<Expected>> {
    fn find(value: &Value, expected: &mut Vec<Expected>, found: &mut Vec<Expected>) -> Verdict {
        if let Some(("RangeVar", fields)) = node(value)
            && text(fields, "schemaname") == GovernedStatement::RELATION_SCHEMA
        {
            let at = expected.iter().position(|expected| expected.is_reference(value));
            found.push(expected.remove(at.ok_or(ForwardVerifyError::Different)?));
        }
        match value {
            Value::Object(fields) => fields.values().try_for_each(|value| find(value, expected, found)),
            Value::Array(items) => items.iter().try_for_each(|value| find(value, expected, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }
    let mut found = Vec::new();
    find(tree, expected, &mut found)?;
    Ok(found)
}

pub(super) fn upstream_name(dataset: &Dataset) -> Verdict<String> {
    match &dataset.location {
        DatasetLocation::Relation { schema, name } => Ok(format!("{}.{}", quoted(schema), quoted(name))),
        DatasetLocation::Files { .. } => Err(ForwardVerifyError::Relation(dataset.name.to_string())),
    }
}

/// The parts of a condition that all must hold.
pub(super) fn conjuncts(condition: &Value) -> Vec<Value> {
    match node(condition) {
        // 1 is AND.
        Some(("BoolExpr", fields)) if fields.get("boolop").and_then(Value::as_i64) == Some(1) => {
            items(fields, "args").iter().flat_map(conjuncts).collect()
        }
        _single => vec![condition.clone()],
    }
}

/// Puts `rN` in place of each governed derived table, in the order in which they are expected where they are alike. Any other mention of a relation of the upstream is a hole.
pub(super) fn collapse(value: &mut Value, expected: &mut Vec<Expected>) -> Verdict {
    match node(value) {
        Some(("RangeVar", _)) if expected.iter().any(|expected| expected.is_view(value)) => {
            let at = expected.iter().position(|expected| expected.is_view(value));
            let at = at.ok_or(ForwardVerifyError::Different)?;
            *value = expected.remove(at).into_reference();
            return Ok(());
        }
        Some(("RangeSubselect", fields)) if reads_upstream(fields, expected) => {
            let at = expected.iter().position(|expected| expected.is(fields));
            let at = at.ok_or_else(|| ForwardVerifyError::Relation("a relation in another shape".to_owned()))?;
            *value = expected.remove(at).into_reference();
            return Ok(());
        }
        Some(("RangeVar", fields)) if !text(fields, "schemaname").is_empty() => {
            return Err(ForwardVerifyError::Relation(text(fields, "relname").to_owned()));
        }
        _other => {}
    }
    match value {
        Value::Object(fields) => fields.values_mut().try_for_each(|value| collapse(value, expected)),
        Value::Array(items) => items.iter_mut().try_for_each(|value| collapse(value, expected)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn reads_upstream(derived: &Value, expected: &[Expected]) -> bool {
    let Some(("SelectStmt", select)) = derived.get("subquery").and_then(node) else { return false };
    items(select, "from_clause").iter().any(|item| match node(item) {
        Some(("RangeVar", fields)) => {
            let is_view = expected.iter().any(|expected| expected.is_view(item));
            !text(fields, "schemaname").is_empty() && !is_view
        }
        _other => false,
    })
}

/// The names that the governed tree and policies use, as PostgreSQL must be told them.
pub(super) struct Names<'a> {
    /// In a policy's expression: plain names are columns of the row, `fN` are relations.
    pub(super) policy: Option<&'a GovernedDataset>,
    /// In a statement: what the session's functions answer.
    pub(super) context: Option<&'a ForwardContext<'a>>,
}

impl Names<'_> {
    pub(super) fn normalise_outputs(&self, select: &mut Value) -> Verdict {
        match node_mut(select).and_then(|(_, fields)| fields.get_mut("target_list")) {
            Some(outputs) => self.normalise(outputs),
            None => Err(ForwardVerifyError::Different),
        }
    }

    pub(super) fn normalise(&self, value: &mut Value) -> Verdict {
        if let Some(other) = self.other(value)? {
            *value = other;
            return Ok(());
        }
        match value {
            Value::Object(fields) => fields.values_mut().try_for_each(|value| self.normalise(value)),
            Value::Array(items) => items.iter_mut().try_for_each(|value| self.normalise(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    /// What stands in a node's place; `None`: itself, with its parts looked at.
    fn other(&self, value: &mut Value) -> Verdict<Option<Value>> {
        let Some((kind, fields)) = node_mut(value) else { return Ok(None) };
        match kind {
            "FuncCall" => self.call(fields),
            "SqlvalueFunction" => match fields.get("op").and_then(Value::as_i64) {
                Some(10) => self.answer("current_role").map(Some),
                Some(11) => self.answer("current_user").map(Some),
                Some(12) => self.answer("user").map(Some),
                Some(13) => self.answer("session_user").map(Some),
                Some(14) => self.answer("current_catalog").map(Some),
                Some(15) => self.answer("current_schema").map(Some),
                _of_time => Ok(None),
            },
            "ColumnRef" if self.policy.is_some() => {
                if let Some(Value::Array(parts)) = fields.get_mut("fields")
                    && parts.len() == 1
                {
                    parts.insert(0, name_node(ROW_ALIAS));
                }
                Ok(None)
            }
            "RangeVar" => match self.policy {
                Some(governed) if text(fields, "schemaname") == GovernedStatement::RAW_SCHEMA => {
                    let raw = governed.raw_relations.get(text(fields, "relname"));
                    let raw = raw.filter(|raw| raw.source == governed.dataset.source);
                    raw_relation(raw.ok_or(ForwardVerifyError::Different)?, fields).map(Some)
                }
                Some(_) => Err(ForwardVerifyError::Relation(text(fields, "relname").to_owned())),
                None => Ok(None),
            },
            _plain => Ok(None),
        }
    }

    fn call(&self, fields: &mut Value) -> Verdict<Option<Value>> {
        let written = names(items(fields, "funcname"));
        let Some([name]) = written.as_deref() else { return Ok(None) };
        let name = (*name).to_owned();
        if lookup(&name).is_some_and(|function| function.system) {
            return self.answer(&name).map(Some);
        }
        let Some(Value::Array(args)) = fields.get_mut("args") else { return Ok(None) };
        if name == "named_struct" {
            let mut values: Vec<Value> = std::mem::take(args).into_iter().skip(1).step_by(2).collect();
            values.iter_mut().try_for_each(|value| self.normalise(value))?;
            let mut row = read("SELECT ROW(1)")?;
            let row = node_mut(&mut row)
                .and_then(|(_, select)| select.pointer_mut("/target_list/0/node/ResTarget/val"))
                .ok_or(ForwardVerifyError::Different)?;
            if let Some((_, fields)) = node_mut(row)
                && let Some(slot) = fields.get_mut("args")
            {
                *slot = Value::Array(values);
            }
            return Ok(Some(row.take()));
        }
        if name == "unnest" && args.len() > 1 {
            return Ok(None);
        }
        if let Some(slot) = fields.get_mut("funcname") {
            *slot = Value::Array(vec![name_node("pg_catalog"), name_node(&name)]);
        }
        Ok(None)
    }

    /// What the gateway answers for its session.
    fn answer(&self, name: &str) -> Verdict<Value> {
        let answer = self.context.and_then(|context| context.session.get(name)).ok_or(ForwardVerifyError::Different)?;
        // Users, schemas and databases are called by names, which PostgreSQL has a type for.
        let of = if name == "version" { "text" } else { "name" };
        let mut tree = read(&format!("SELECT CAST('' AS pg_catalog.{of})"))?;
        let cast = node_mut(&mut tree)
            .and_then(|(_, select)| select.pointer_mut("/target_list/0/node/ResTarget/val"))
            .ok_or(ForwardVerifyError::Different)?;
        match cast.pointer_mut("/node/TypeCast/arg/node/AConst/val/Sval/sval") {
            Some(slot) => *slot = Value::String(answer.clone()),
            None => return Err(ForwardVerifyError::Different),
        }
        Ok(cast.take())
    }
}

/// A relation that a policy reads: all columns that the catalog knows, under the alias that the policy gave.
fn raw_relation(dataset: &Dataset, reference: &Value) -> Verdict<Value> {
    let columns: Vec<String> =
        dataset.columns.iter().map(|column| format!("{RAW_ALIAS}.{0} AS {0}", quoted(&column.name))).collect();
    let select = format!("SELECT {} FROM {} AS {RAW_ALIAS}", columns.join(", "), upstream_name(dataset)?);
    Ok(json!({"node": {"RangeSubselect": {
        "lateral": false,
        "subquery": read(&select)?,
        "alias": reference.get("alias").cloned().unwrap_or_default(),
    }}}))
}

/// The third proof alone.
#[cfg(test)]
pub(super) fn walk_for_tests(text: &str, parameters: usize) -> Verdict {
    Walker { parameters }.node(&read(text)?, &[])
}
