//! The second reading of a text that writes.
//!
//! What the text must be is written down here once more, with holes for what the user and the policies wrote, and read by
//! PostgreSQL's grammar. The text must be the same, node by node; what stands in a hole is compared with the governed
//! statement, or with the row filter. Only WHERE is taken apart: its conditions must begin with the row filter.

use super::expected::Expected;
use super::leak::{Barrier, Barriers, Fenced};
use super::mask::{KeyParameters, mask_sql};
use super::verify::{
    ForwardVerifyError, Names, Verdict, collapse, conjuncts, in_order, items, names, node, node_mut, quoted, read,
    references, text as field_text, upstream_name,
};
use super::walk::Walker;
use super::write::{HOLDS, MARK, WRITTEN};
use super::{ForwardContext, ROW_ALIAS};
use crate::govern::statement::{ColumnValue, GovernedDataset, GovernedStatement, GovernedTarget};
use crate::govern::write::GovernedWrite;
use crate::sql::WriteKind;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the name of a hole begins with.
const HOLE: &str = "__p_";

/// # Errors
/// [`ForwardVerifyError`].
pub(super) fn verify_text(
    text: &str,
    (statement, write): (&GovernedStatement, &GovernedWrite),
    fences: &Barriers,
    context: &ForwardContext<'_>,
    key: KeyParameters,
) -> Verdict {
    let different = ForwardVerifyError::Different;
    if !fences.guards.is_empty() || fences.rows.is_some() {
        return Err(different);
    }
    let mut governed = read(&statement.query().to_string())?;
    let references = references(&governed)?;
    let mut expected = Vec::new();
    let mut target = None;
    for relation in statement.relations() {
        let GovernedTarget::Dataset(dataset) = &relation.target else { return Err(different) };
        let (Some(reference), Some(fenced)) = (references.get(&relation.key), fences.get(&relation.key)) else {
            return Err(different);
        };
        // Neither is proved here.
        if fenced.barrier == Barrier::Guarded || fenced.view.is_some() || fenced.role.is_some() {
            return Err(different);
        }
        if relation.key == write.key {
            target = Some((dataset, fenced, Expected::new(dataset, (&governed, reference), fenced, key)?));
        } else {
            expected.push(Expected::new(dataset, (&governed, reference), fenced, key)?);
        }
    }
    let (target, fenced, shape) = target.ok_or(ForwardVerifyError::Different)?;
    let clear = |name: &String| {
        target.columns.iter().any(|column| column.name == *name && matches!(column.value, ColumnValue::Clear))
            && target.dataset.column(name).is_some_and(|column| column.listed)
    };
    if !context.tables.contains(&target.dataset.name) || !write.columns.iter().all(clear) {
        return Err(different);
    }
    Names { policy: None, context: Some(context) }.normalise(&mut governed)?;
    Walker { parameters: context.parameters }.node(&governed, &[])?;
    let mut parts = Parts::of(&governed, write)?;
    let seen = seen_columns(target, key)?;
    for part in parts.0.values_mut() {
        as_seen(part, &write.alias, &seen)?;
    }
    let filter = row_filter(target)?;

    let mut sent = read(text)?;
    let conditions = take_conditions(&mut sent)?;
    let template = read(&template(target, write, filter.is_some(), parts.others())?)?;
    let mut found = BTreeMap::new();
    if !fits(&template, sent, &mut found) {
        return Err(different);
    }
    let guard =
        check_conditions(&conditions, &shape, (fenced, write), (filter.as_ref(), parts.0.contains_key("cond")))?;
    if let Some(guard) = guard {
        found.insert("cond".to_owned(), guard);
    }
    if found.remove("filter").is_some_and(|held| Some(&held) != filter.as_ref()) {
        return Err(different);
    }
    for (hole, mut part) in found {
        let meant = parts.0.remove(&hole).ok_or(ForwardVerifyError::Different)?;
        let mut in_order = in_order(&meant, &mut expected)?;
        collapse(&mut part, &mut in_order)?;
        expected.append(&mut in_order);
        // Of conditions only their order counts, not how they are joined.
        let same = if hole == "cond" { conjuncts(&meant) == conjuncts(&part) } else { meant == part };
        if !same {
            return Err(different);
        }
    }
    if parts.0.is_empty() && expected.is_empty() { Ok(()) } else { Err(different) }
}

/// The parts of the governed statement, by the hole that they belong in.
struct Parts(BTreeMap<String, Value>);

impl Parts {
    fn of(governed: &Value, write: &GovernedWrite) -> Verdict<Self> {
        let different = || ForwardVerifyError::Different;
        let Some(("SelectStmt", select)) = node(governed) else { return Err(different()) };
        let mut parts = BTreeMap::new();
        let outputs = items(select, "target_list");
        let value = |at: usize| match outputs.get(at).and_then(node) {
            Some(("ResTarget", output)) => output.get("val").cloned().ok_or_else(different),
            _other => Err(different()),
        };
        for (number, at) in write.values.clone().enumerate() {
            parts.insert(format!("v{number}"), value(at)?);
        }
        for (number, at) in write.returning.clone().enumerate() {
            parts.insert(format!("r{number}"), value(at)?);
        }
        let mut from = items(select, "from_clause").iter();
        let is_target = |fields: &Value| field_text(fields, "relname") == write.key;
        match from.next().and_then(node) {
            Some(("RangeVar", fields)) if is_target(fields) => {}
            _other => return Err(different()),
        }
        for (number, other) in from.enumerate() {
            parts.insert(format!("f{number}"), other.clone());
        }
        let condition = select.get("where_clause").filter(|condition| node(condition).is_some());
        match write.kind {
            WriteKind::Insert => {
                let source = match condition.and_then(node) {
                    // 1 is EXISTS.
                    Some(("SubLink", link)) if link.get("sub_link_type").and_then(Value::as_i64) == Some(1) => {
                        link.get("subselect").cloned().ok_or_else(different)?
                    }
                    _other => return Err(different()),
                };
                parts.insert("source".to_owned(), source);
            }
            WriteKind::Update | WriteKind::Delete => {
                if let Some(condition) = condition {
                    parts.insert("cond".to_owned(), condition.clone());
                }
            }
        }
        Ok(Self(parts))
    }

    fn others(&self) -> usize {
        self.0.keys().filter(|hole| hole.starts_with('f')).count()
    }
}

/// What the text must be, but for WHERE.
fn template(target: &GovernedDataset, write: &GovernedWrite, filtered: bool, others: usize) -> Verdict<String> {
    let relation = upstream_name(&target.dataset)?;
    let list = |words: Vec<String>| words.join(", ");
    let columns = || write.columns.iter().map(|column| quoted(column));
    let others = |word: &str| match others {
        0 => String::new(),
        _ => format!(" {word} {}", list((0..others).map(|at| format!("{HOLE}f{at}")).collect())),
    };
    let body = match write.kind {
        WriteKind::Insert => {
            format!("INSERT INTO {relation} AS {ROW_ALIAS} ({}) SELECT {HOLE}source", list(columns().collect()))
        }
        WriteKind::Update => {
            let set = columns().enumerate().map(|(at, column)| format!("{column} = {HOLE}v{at}"));
            format!("UPDATE {relation} AS {ROW_ALIAS} SET {}{}", list(set.collect()), others("FROM"))
        }
        WriteKind::Delete => format!("DELETE FROM {relation} AS {ROW_ALIAS}{}", others("USING")),
    };
    let holds = match write.kind {
        WriteKind::Insert | WriteKind::Update if filtered => {
            format!("CAST(CASE WHEN {HOLE}filter THEN 't' ELSE '{MARK}' END AS pg_catalog.bool)")
        }
        WriteKind::Insert | WriteKind::Update | WriteKind::Delete => "true".to_owned(),
    };
    let count = write.returning.len();
    let given: String = (0..count).map(|at| format!(", {HOLE}r{at} AS o{at}")).collect();
    let shown = list((0..count).map(|at| format!("w.o{at} AS o{at}")).collect());
    let shown = if count == 0 { "1 AS one".to_owned() } else { shown };
    Ok(format!(
        "WITH {WRITTEN} AS ({body} RETURNING {holds} AS {HOLDS}{given}) SELECT {shown} FROM {WRITTEN} AS w WHERE w.{HOLDS}"
    ))
}

/// The conditions on the target's rows, taken out of the text.
fn take_conditions(sent: &mut Value) -> Verdict<Vec<Value>> {
    let query = sent
        .pointer_mut("/node/SelectStmt/with_clause/ctes/0/node/CommonTableExpr/ctequery")
        .ok_or(ForwardVerifyError::Different)?;
    match node_mut(query) {
        Some(("UpdateStmt" | "DeleteStmt", fields)) => {
            let condition = fields.get_mut("where_clause").map(Value::take).unwrap_or_default();
            Ok(if condition.is_null() { Vec::new() } else { conjuncts(&condition) })
        }
        Some(("InsertStmt", _)) => Ok(Vec::new()),
        _other => Err(ForwardVerifyError::Different),
    }
}

/// The row filter, then conditions that can't tell, then what the user wrote: behind the row filter in a CASE unless
/// nothing of it can tell. Gives what the user wrote.
fn check_conditions(
    conditions: &[Value],
    shape: &Expected,
    (fenced, write): (&Fenced, &GovernedWrite),
    (filter, asked): (Option<&Value>, bool),
) -> Verdict<Option<Value>> {
    let different = ForwardVerifyError::Different;
    if write.kind == WriteKind::Insert {
        return if conditions.is_empty() { Ok(None) } else { Err(different) };
    }
    let parts = match filter {
        Some(filter) if fenced.pinned => vec![pinned(filter)?],
        Some(filter) => conjuncts(filter),
        None => Vec::new(),
    };
    let (Some(first), Some(rest)) = (conditions.get(..parts.len()), conditions.get(parts.len()..)) else {
        return Err(different);
    };
    if first != parts.as_slice() {
        return Err(different);
    }
    if !asked {
        return if rest.is_empty() { Ok(None) } else { Err(different) };
    }
    let guarded = match fenced.barrier {
        Barrier::Fenced => filter.is_some(),
        Barrier::Open | Barrier::Flattened => false,
        Barrier::Guarded => return Err(different),
    };
    if !guarded {
        // As one condition again; its parts are compared as they stand.
        return joined(rest).map(Some);
    }
    let Some((last, beside)) = rest.split_last() else { return Err(different) };
    if beside.len() != fenced.copied.len() || !beside.iter().all(|condition| shape.is_asked(condition)) {
        return Err(different);
    }
    let guard = read(&format!("SELECT CASE WHEN {HOLE}filter THEN {HOLE}cond ELSE false END"))?;
    let guard =
        guard.pointer("/node/SelectStmt/target_list/0/node/ResTarget/val").ok_or(ForwardVerifyError::Different)?;
    let mut found = BTreeMap::new();
    if !fits(guard, last.clone(), &mut found) || found.get("filter") != filter {
        return Err(different);
    }
    found.remove("cond").map(Some).ok_or(ForwardVerifyError::Different)
}

/// A row filter that PostgreSQL makes no join of.
fn pinned(filter: &Value) -> Verdict<Value> {
    let mut tree = read("SELECT a IS TRUE")?;
    let test =
        tree.pointer_mut("/node/SelectStmt/target_list/0/node/ResTarget/val").ok_or(ForwardVerifyError::Different)?;
    match node_mut(test).and_then(|(_, fields)| fields.get_mut("arg")) {
        Some(slot) => *slot = filter.clone(),
        None => return Err(ForwardVerifyError::Different),
    }
    Ok(test.take())
}

/// Conditions that all must hold, as PostgreSQL's grammar joins them.
fn joined(conditions: &[Value]) -> Verdict<Value> {
    match conditions {
        [] => Err(ForwardVerifyError::Different),
        [one] => Ok(one.clone()),
        several => {
            let mut tree = read("SELECT a AND b")?;
            let both = tree
                .pointer_mut("/node/SelectStmt/target_list/0/node/ResTarget/val")
                .ok_or(ForwardVerifyError::Different)?;
            match node_mut(both).and_then(|(_, fields)| fields.get_mut("args")) {
                Some(args) => *args = Value::Array(several.to_vec()),
                None => return Err(ForwardVerifyError::Different),
            }
            Ok(both.take())
        }
    }
}

/// Whether a text fits a template; what stands in its holes. The same hole must hold the same everywhere.
fn fits(template: &Value, sent: Value, found: &mut BTreeMap<String, Value>) -> bool {
    if let Some(name) = hole(template) {
        return match found.get(name) {
            Some(held) => *held == sent,
            None => {
                found.insert(name.to_owned(), sent);
                true
            }
        };
    }
    match (template, sent) {
        (Value::Object(template), Value::Object(mut sent)) => {
            template.len() == sent.len()
                && template.iter().all(|(field, value)| sent.remove(field).is_some_and(|sent| fits(value, sent, found)))
        }
        (Value::Array(template), Value::Array(sent)) => {
            template.len() == sent.len() && template.iter().zip(sent).all(|(value, sent)| fits(value, sent, found))
        }
        (plain, sent) => *plain == sent,
    }
}

/// The name of a hole: a column, a relation, or a query of nothing but such a column.
fn hole(template: &Value) -> Option<&str> {
    match node(template)? {
        ("ColumnRef", fields) => match names(items(fields, "fields"))?.as_slice() {
            [name] => name.strip_prefix(HOLE),
            _qualified => None,
        },
        ("RangeVar", fields) => field_text(fields, "relname").strip_prefix(HOLE),
        ("SelectStmt", fields) => match items(fields, "target_list") {
            [only] => match node(only)? {
                ("ResTarget", output) => hole(output.get("val")?).filter(|name| *name == "source"),
                _other => None,
            },
            _several => None,
        },
        _other => None,
    }
}

/// The row filter over the target's rows.
fn row_filter(target: &GovernedDataset) -> Verdict<Option<Value>> {
    let Some(filter) = &target.filter else { return Ok(None) };
    let mut tree = read(&format!("SELECT ({filter})"))?;
    let value =
        tree.pointer_mut("/node/SelectStmt/target_list/0/node/ResTarget/val").ok_or(ForwardVerifyError::Different)?;
    let mut value = value.take();
    Names { policy: Some(target), context: None }.normalise(&mut value)?;
    Ok(Some(value))
}

/// What stands for each column of the target where it is read.
fn seen_columns(target: &GovernedDataset, key: KeyParameters) -> Verdict<BTreeMap<String, Value>> {
    let mut seen = BTreeMap::new();
    for column in &target.columns {
        let of = target.dataset.column(&column.name).ok_or(ForwardVerifyError::Different)?;
        let raw = format!("{ROW_ALIAS}.{}", quoted(&column.name));
        let value = match &column.value {
            ColumnValue::Clear => raw,
            // Only what is used has to have a mask for PostgreSQL.
            ColumnValue::Masked(_) if !target.used.contains(&column.name) => continue,
            ColumnValue::Masked(mask) => match mask_sql(mask, &raw, &of.sql_type, key) {
                Ok(masked) => masked,
                Err(_) => continue,
            },
            ColumnValue::Computed(expr) => format!("({expr})"),
        };
        let mut tree = read(&format!("SELECT {value}"))?;
        let value = tree
            .pointer_mut("/node/SelectStmt/target_list/0/node/ResTarget/val")
            .ok_or(ForwardVerifyError::Different)?;
        let mut value = value.take();
        if matches!(column.value, ColumnValue::Computed(_)) {
            Names { policy: Some(target), context: None }.normalise(&mut value)?;
        }
        seen.insert(column.name.clone(), value);
    }
    Ok(seen)
}

/// Puts what is seen in place of the target's columns.
fn as_seen(value: &mut Value, alias: &str, seen: &BTreeMap<String, Value>) -> Verdict {
    if let Some(("ColumnRef", fields)) = node(value)
        && let Some(parts) = names(items(fields, "fields"))
        && parts.first() == Some(&alias)
    {
        let [_, column] = parts.as_slice() else { return Err(ForwardVerifyError::Different) };
        let masked = seen.get(*column).ok_or(ForwardVerifyError::Different)?.clone();
        *value = masked;
        return Ok(());
    }
    match value {
        Value::Object(fields) => fields.values_mut().try_for_each(|value| as_seen(value, alias, seen)),
        Value::Array(items) => items.iter_mut().try_for_each(|value| as_seen(value, alias, seen)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}
