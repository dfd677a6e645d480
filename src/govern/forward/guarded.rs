//! Guards, read again: part of the second reading of a forwarded text ([`super::verify`]).
//!
//! INVARIANT: no condition that names a guarded relation's columns is left to the planner unless it is made of comparisons
//! of columns and constants alone. Whether their types suit is for [`super::leak`] to say.

use super::verify::{ForwardVerifyError, Verdict, conjuncts, items, names, node, node_mut, text};
use serde_json::Value;
use std::collections::BTreeSet;

/// The output that a guard asks.
pub(super) const VISIBLE: &str = "__querygate_visible";

/// Nodes of a condition that can neither fail nor tell, and of the subqueries in it.
const PLAIN: &[&str] = &[
    "AConst",
    "AExpr",
    "Alias",
    "BoolExpr",
    "BooleanTest",
    "ColumnRef",
    "CommonTableExpr",
    "FuncCall",
    "Integer",
    "JoinExpr",
    "List",
    "NullTest",
    "ParamRef",
    "RangeSubselect",
    "RangeVar",
    "ResTarget",
    "SelectStmt",
    "SortBy",
    "String",
    "SubLink",
    "TypeCast",
    "TypeName",
    "WithClause",
];
const COMPARISONS: &[&str] = &["=", "<>", "<", "<=", ">", ">=", "BETWEEN", "NOT BETWEEN"];
const AGGREGATES: &[&str] = &["count", "min", "max"];

/// The guarded relations of a statement.
pub(super) struct Guards {
    aliases: Vec<String>,
    /// How many guards are still to be found.
    missing: usize,
}

impl Guards {
    /// `guards`: how many were decided on.
    pub(super) fn new(aliases: Vec<String>, guards: usize) -> Self {
        Self { aliases, missing: guards }
    }

    /// Takes each guard out of a text in which `rN` stand for derived tables already.
    ///
    /// # Errors
    /// [`ForwardVerifyError::Different`] if one is missing, asks for less or more, or stands in another place.
    pub(super) fn take_out(mut self, sent: &mut Value) -> Verdict {
        let mut each = self.aliases.clone();
        each.sort();
        each.dedup();
        // Names of theirs must mean them wherever they stand.
        if each.len() != self.aliases.len() || each.iter().any(|alias| count(sent, alias) != 1) {
            return Err(ForwardVerifyError::Different);
        }
        self.walk(sent)?;
        if self.missing == 0 { Ok(()) } else { Err(ForwardVerifyError::Different) }
    }

    /// Conditions stand under the same names in each message that has any, SELECTs of set operations among them.
    fn walk(&mut self, value: &mut Value) -> Verdict {
        match value {
            Value::Object(fields) => {
                for place in ["where_clause", "quals"] {
                    if let Some(condition) = fields.get_mut(place) {
                        self.condition(condition)?;
                    }
                }
                let having = fields.get("having_clause").filter(|having| !having.is_null());
                let stays = |condition: &Value| {
                    self.named(condition).is_empty() || self.is_plain(condition) || is_above(condition)
                };
                if !having.is_none_or(|having| conjuncts(having).iter().all(stays)) {
                    return Err(ForwardVerifyError::Different);
                }
                fields.values_mut().try_for_each(|value| self.walk(value))
            }
            Value::Array(items) => items.iter_mut().try_for_each(|value| self.walk(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    /// The parts of a condition that all must hold, each by itself.
    fn condition(&mut self, condition: &mut Value) -> Verdict {
        if condition.is_null() {
            return Ok(());
        }
        if let Some(("BoolExpr", fields)) = node_mut(condition)
            // 1 is AND.
            && fields.get("boolop").and_then(Value::as_i64) == Some(1)
            && let Some(Value::Array(args)) = fields.get_mut("args")
        {
            return args.iter_mut().try_for_each(|arg| self.condition(arg));
        }
        if let Some((asked, inner)) = guard(condition) {
            let named = self.named(&inner);
            if named.is_empty() || asked != named {
                return Err(ForwardVerifyError::Different);
            }
            self.missing = self.missing.checked_sub(1).ok_or(ForwardVerifyError::Different)?;
            *condition = inner;
            return Ok(());
        }
        if self.named(condition).is_empty() || self.is_plain(condition) {
            Ok(())
        } else {
            Err(ForwardVerifyError::Different)
        }
    }

    /// The guarded relations that an expression names, but for those of a subquery in it: that has conditions of its own.
    fn named(&self, value: &Value) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        each_node(value, &mut |kind, fields| {
            // By a column, or by the whole row.
            if kind == "ColumnRef"
                && let Some([alias, ..]) = names(items(fields, "fields")).as_deref()
                && self.aliases.iter().any(|known| known == alias)
            {
                found.insert((*alias).to_owned());
            }
        });
        found.retain(|alias| count(value, alias) == 0);
        found
    }

    /// Made of comparisons of columns and constants, and of subqueries that hold nothing else.
    fn is_plain(&self, condition: &Value) -> bool {
        let mut plain = true;
        each_node(condition, &mut |kind, fields| {
            let allowed = match kind {
                "AExpr" => compares(fields),
                "FuncCall" => {
                    matches!(names(items(fields, "funcname")).as_deref(), Some(["pg_catalog", name]) if AGGREGATES.contains(name))
                }
                "TypeCast" => {
                    let of = fields.get("arg").and_then(node).map(|(kind, _)| kind);
                    matches!(of, Some("AConst" | "ParamRef"))
                }
                "ColumnRef" => match names(items(fields, "fields")).as_deref() {
                    Some([_, column]) => *column != VISIBLE,
                    // A whole row would hold what a guard asks.
                    Some([name]) => !self.aliases.iter().any(|alias| alias == name),
                    _other => true,
                },
                other => PLAIN.contains(&other),
            };
            plain &= allowed;
        });
        plain
    }
}

/// What a guard asks, and what it stands before; `None`: it is none.
fn guard(condition: &Value) -> Option<(BTreeSet<String>, Value)> {
    let ("CaseExpr", fields) = node(condition)? else { return None };
    let [when] = items(fields, "args") else { return None };
    let ("CaseWhen", when) = node(when)? else { return None };
    let alone = |value: Option<&Value>| value.is_none_or(Value::is_null);
    if !alone(fields.get("arg")) || !alone(fields.get("defresult")) {
        return None;
    }
    let mut asked = BTreeSet::new();
    for test in conjuncts(when.get("expr")?) {
        let ("BooleanTest", test) = node(&test)? else { return None };
        // 4 is IS NOT FALSE.
        let ("ColumnRef", column) = node(test.get("arg")?)? else { return None };
        match names(items(column, "fields")).as_deref() {
            Some([alias, VISIBLE]) if test.get("booltesttype").and_then(Value::as_i64) == Some(4) => {
                asked.insert((*alias).to_owned());
            }
            _other => return None,
        }
    }
    Some((asked, when.get("result")?.clone()))
}

/// A comparison, or the sign of a number.
fn compares(fields: &Value) -> bool {
    // 1 an operator, 4 and 5 [NOT] DISTINCT; 7 IN; 11 and 12 [NOT] BETWEEN.
    let is_kind = fields.get("kind").and_then(Value::as_i64).is_some_and(|kind| [1, 4, 5, 7, 11, 12].contains(&kind));
    let is_sign = fields.get("lexpr").is_none_or(Value::is_null);
    match names(items(fields, "name")).as_deref() {
        Some(["-"]) => is_kind && is_sign,
        Some([symbol]) => is_kind && COMPARISONS.contains(symbol),
        _other => false,
    }
}

/// Whether it holds an aggregate, and so stays above the grouping.
fn is_above(condition: &Value) -> bool {
    let mut found = false;
    each_node(condition, &mut |kind, fields| {
        found |= kind == "FuncCall"
            && matches!(names(items(fields, "funcname")).as_deref(),
                Some(["pg_catalog", name]) if super::functions::is_aggregate(name));
    });
    found
}

/// How many items of FROM have an alias.
fn count(value: &Value, alias: &str) -> usize {
    let own = match value {
        Value::Object(fields) => fields.get("alias").is_some_and(|found| text(found, "aliasname") == alias),
        _other => false,
    };
    let inner = match value {
        Value::Object(fields) => fields.values().map(|value| count(value, alias)).sum(),
        Value::Array(items) => items.iter().map(|value| count(value, alias)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0_usize,
    };
    inner.saturating_add(usize::from(own))
}

fn each_node(value: &Value, seen: &mut dyn FnMut(&str, &Value)) {
    if let Some((kind, fields)) = node(value) {
        seen(kind, fields);
    }
    match value {
        Value::Object(fields) => fields.values().for_each(|value| each_node(value, seen)),
        Value::Array(items) => items.iter().for_each(|value| each_node(value, seen)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
