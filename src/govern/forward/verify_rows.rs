//! Row security, read again: part of the second reading of a forwarded text ([`super::verify`]).
//!
//! A text may leave a row filter to a role's policy only if that policy is the row filter, for all that the statement
//! reads of that relation; and the role may see nothing but what the statement reads.

use super::ROW_ALIAS;
use super::leak::{Barrier, Barriers};
use super::rows::{NOTHING_HIDDEN, RowSecurity, SecuredRelation, role_of};
use super::verify::{ForwardVerifyError, Names, Verdict, conjuncts, items, name_node, names, node, node_mut, read};
use crate::catalog::{Dataset, DatasetLocation};
use crate::govern::statement::{GovernedDataset, GovernedStatement, GovernedTarget};
use serde_json::Value;
use std::collections::BTreeSet;

/// # Errors
/// [`ForwardVerifyError::Different`] if a filter that a text leaves out is in no policy.
pub(super) fn verify(statement: &GovernedStatement, fences: &Barriers) -> Verdict {
    let different = ForwardVerifyError::Different;
    let Some(rows) = &fences.rows else {
        let acts = fences.relations.values().any(|fenced| fenced.role.is_some());
        return if acts { Err(different) } else { Ok(()) };
    };
    let mut places = BTreeSet::new();
    if !rows.relations.iter().all(|relation| places.insert(relation.name())) {
        return Err(different);
    }
    let mut source = None;
    let mut read_places = BTreeSet::new();
    for relation in statement.relations() {
        let GovernedTarget::Dataset(governed) = &relation.target else { return Err(different) };
        let fenced = fences.get(&relation.key).ok_or(ForwardVerifyError::Different)?;
        let own = entry(rows, &governed.dataset)?;
        read_places.insert(own.name());
        source.get_or_insert(governed.dataset.source.as_str());
        match &fenced.role {
            None => {}
            // What has no filter has nothing to leave out.
            Some(role) => {
                let fits = *role == rows.role
                    && fenced.barrier == Barrier::Fenced
                    && fenced.view.is_none()
                    && governed.filter.is_some()
                    && !hides_nothing(own);
                if !fits {
                    return Err(different);
                }
            }
        }
        if !hides_nothing(own) {
            prove(own, governed)?;
        }
        for raw in governed.raw_relations.values() {
            let own = entry(rows, raw)?;
            read_places.insert(own.name());
            // It has to be read as it is.
            if !hides_nothing(own) {
                return Err(different);
            }
        }
    }
    let source = source.ok_or(ForwardVerifyError::Different)?;
    if read_places == places && rows.role == role_of(source, &rows.relations) { Ok(()) } else { Err(different) }
}

fn hides_nothing(relation: &SecuredRelation) -> bool {
    relation.policy.as_deref().is_none_or(|policy| policy == NOTHING_HIDDEN)
}

/// What a role may read of the relation that a dataset lies in: at least its columns.
fn entry<'a>(rows: &'a RowSecurity, dataset: &Dataset) -> Verdict<&'a SecuredRelation> {
    let DatasetLocation::Relation { schema, name } = &dataset.location else {
        return Err(ForwardVerifyError::Relation(dataset.name.to_string()));
    };
    let own = rows.relations.iter().find(|relation| relation.name() == (schema.as_str(), name.as_str()));
    own.filter(|own| dataset.columns.iter().all(|column| own.columns.contains(&column.name)))
        .ok_or(ForwardVerifyError::Different)
}

/// A policy must be the row filter, as PostgreSQL's grammar reads both, and hold nothing but the row's own columns.
fn prove(relation: &SecuredRelation, governed: &GovernedDataset) -> Verdict {
    let different = ForwardVerifyError::Different;
    let (Some(policy), Some(filter)) = (&relation.policy, &governed.filter) else { return Err(different) };
    let mut wanted = condition(&format!("({filter})"))?;
    Names { policy: Some(governed), context: None }.normalise(&mut wanted)?;
    let mut found = condition(policy)?;
    own_columns(&mut found)?;
    if conjuncts(&found) == conjuncts(&wanted) { Ok(()) } else { Err(different) }
}

/// A text as a condition, and as nothing else.
fn condition(text: &str) -> Verdict<Value> {
    let take = |text: &str| -> Verdict<(Value, Value)> {
        let mut tree = read(&format!("SELECT 1 WHERE {text}"))?;
        let condition = node_mut(&mut tree).and_then(|(_, fields)| fields.get_mut("where_clause").map(Value::take));
        Ok((tree, condition.ok_or(ForwardVerifyError::Different)?))
    };
    let (plain, _) = take("true")?;
    let (rest, condition) = take(text)?;
    // It is put in parentheses there: that must change nothing.
    let (_, in_parentheses) = take(&format!("({text})"))?;
    if rest == plain && condition == in_parentheses { Ok(condition) } else { Err(ForwardVerifyError::Different) }
}

/// Puts the row's alias before each column; a relation of any kind has no place here.
fn own_columns(value: &mut Value) -> Verdict {
    match node_mut(value) {
        Some(("SubLink" | "SelectStmt" | "RangeVar" | "RangeSubselect", _)) => {
            return Err(ForwardVerifyError::Different);
        }
        Some(("ColumnRef", fields)) => {
            let [column] = items(fields, "fields") else { return Err(ForwardVerifyError::Different) };
            if names(std::slice::from_ref(column)).is_none() || node(column).is_none() {
                return Err(ForwardVerifyError::Different);
            }
            if let Some(Value::Array(parts)) = fields.get_mut("fields") {
                parts.insert(0, name_node(ROW_ALIAS));
            }
            return Ok(());
        }
        _other => {}
    }
    match value {
        Value::Object(fields) => fields.values_mut().try_for_each(own_columns),
        Value::Array(items) => items.iter_mut().try_for_each(own_columns),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}
