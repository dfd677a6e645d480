//! The derived table that one `rN` must stand in: part of the second reading of a forwarded text ([`super::verify`]).

use super::ROW_ALIAS;
use super::guarded::VISIBLE;
use super::leak::{Barrier, Fenced};
use super::mask::{KeyParameters, mask_sql};
use super::verify::{
    ForwardVerifyError, Names, Verdict, conjuncts, items, name_node, names, node, node_mut, quoted, read, text,
    upstream_name,
};
use super::views::{BarrierView, is_in_view, name_of};
use super::walk::type_is_allowed;
use crate::govern::statement::{ColumnValue, GovernedDataset};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What the derived table of one `rN` must be.
pub(super) struct Expected {
    /// `rN` in FROM.
    reference: Value,
    alias: Value,
    /// The SELECT without its WHERE.
    select: Value,
    /// The row filter's parts that all must hold.
    filter: Vec<Value>,
    /// How many conditions stand beside them.
    copied: usize,
    /// Columns that such a condition may name.
    clear: BTreeSet<String>,
    /// The user's conditions, of which it must be one.
    asked: Vec<Value>,
    /// The place in FROM of the view that stands for it, if one does.
    view: Option<Value>,
}

impl Expected {
    /// # Errors
    /// [`ForwardVerifyError`]: nothing can be it.
    pub(super) fn new(
        governed: &GovernedDataset,
        (statement, reference): (&Value, &Value),
        fenced: &Fenced,
        key: KeyParameters,
    ) -> Verdict<Self> {
        let Some(("RangeVar", fields)) = node(reference) else { return Err(ForwardVerifyError::Different) };
        let alias = fields.get("alias").cloned().unwrap_or_default();
        let renamed = names(items(&alias, "colnames")).ok_or(ForwardVerifyError::Different)?;
        if !renamed.is_empty() && renamed.len() != governed.columns.len() {
            return Err(ForwardVerifyError::Different);
        }
        let mut outputs = Vec::new();
        for (at, column) in governed.columns.iter().enumerate() {
            let is_output =
                if fenced.view.is_some() { is_in_view(column) } else { governed.used.contains(&column.name) };
            if !is_output {
                // What a statement uses must be there.
                if governed.used.contains(&column.name) {
                    return Err(ForwardVerifyError::Different);
                }
                continue;
            }
            let of = governed.dataset.column(&column.name).ok_or(ForwardVerifyError::Different)?;
            let raw = format!("{ROW_ALIAS}.{}", quoted(&column.name));
            let value = match &column.value {
                ColumnValue::Clear if fenced.veiled.contains(&column.name) => {
                    format!("CASE WHEN {raw} IS NOT NULL THEN {raw} END")
                }
                ColumnValue::Clear => raw,
                ColumnValue::Masked(mask) => {
                    mask_sql(mask, &raw, &of.sql_type, key).map_err(|_| ForwardVerifyError::Different)?
                }
                ColumnValue::Computed(expr) => format!("({expr})"),
            };
            let name = match &fenced.view {
                // A view has the dataset's names, and the reference to it those of the alias.
                Some(_) => &column.name,
                None => renamed.get(at).copied().unwrap_or(&column.name),
            };
            outputs.push(format!("{value} AS {}", quoted(name)));
        }
        if outputs.is_empty() {
            outputs.push("1 AS one".to_owned());
        }
        let (is_fenced, is_guarded) = match fenced.barrier {
            Barrier::Open | Barrier::Flattened => (false, false),
            Barrier::Guarded => (false, true),
            Barrier::Fenced => (fenced.view.is_none() && fenced.role.is_none(), false),
        };
        match &governed.filter {
            Some(expr) if is_guarded => outputs.push(format!("({expr}) IS TRUE AS {VISIBLE}")),
            None if is_guarded => return Err(ForwardVerifyError::Different),
            Some(_) | None => {}
        }
        let select = format!(
            "SELECT {} FROM {} AS {ROW_ALIAS}{}",
            outputs.join(", "),
            upstream_name(&governed.dataset)?,
            if is_fenced { " OFFSET 0" } else { "" }
        );
        let policy = Names { policy: Some(governed), context: None };
        let mut select = read(&select)?;
        // The relation itself is no reference that a policy wrote.
        policy.normalise_outputs(&mut select)?;
        let mut filter = Vec::new();
        if let Some(expr) = &governed.filter {
            let pinned = if fenced.pinned { " IS TRUE" } else { "" };
            let condition = match &fenced.role {
                // Its policy has the filter, which is proved by itself.
                Some(role) => format!("CURRENT_USER = '{role}'"),
                None => format!("({expr}){pinned}"),
            };
            let mut tree = read(&format!("SELECT 1 WHERE {condition}"))?;
            let mut condition = node_mut(&mut tree)
                .and_then(|(_, fields)| fields.get_mut("where_clause").map(Value::take))
                .ok_or(ForwardVerifyError::Different)?;
            if fenced.role.is_none() {
                policy.normalise(&mut condition)?;
            }
            filter = conjuncts(&condition);
        }
        let mut asked = Vec::new();
        if !fenced.copied.is_empty() {
            let called = governed.columns.iter().enumerate();
            let called =
                called.map(|(at, column)| (renamed.get(at).copied().unwrap_or(&column.name), column.name.as_str()));
            conditions_of(statement, text(&alias, "aliasname"), &called.collect(), &mut asked);
        }
        let clear = governed.columns.iter().filter(|column| match column.value {
            ColumnValue::Clear => true,
            ColumnValue::Masked(_) | ColumnValue::Computed(_) => false,
        });
        let expected = Self {
            reference: reference.clone(),
            alias: json!({"aliasname": text(&alias, "aliasname"), "colnames": []}),
            select: node(&select).map(|(_, fields)| fields.clone()).unwrap_or_default(),
            filter,
            copied: if is_fenced { fenced.copied.len() } else { 0 },
            clear: clear.map(|column| column.name.clone()).collect(),
            asked,
            view: None,
        };
        match &fenced.view {
            Some(view) => expected.into_view(governed, view, &renamed),
            None => Ok(expected),
        }
    }

    /// The same as a view: it must be defined as the derived table would be, and be called after its definition.
    fn into_view(self, governed: &GovernedDataset, view: &BarrierView, renamed: &[&str]) -> Verdict<Self> {
        let definition = json!({
            "lateral": false,
            "alias": self.alias.clone(),
            "subquery": read(view.definition())?,
        });
        if !self.is(&definition) || view.name() != name_of(view.definition()) {
            return Err(ForwardVerifyError::Different);
        }
        let columns: Vec<String> = governed
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| is_in_view(column))
            .filter_map(|(at, _)| renamed.get(at))
            .map(|name| quoted(name))
            .collect();
        let columns = if columns.is_empty() { String::new() } else { format!("({})", columns.join(", ")) };
        let alias = quoted(self.alias_name());
        let reference = format!("SELECT 1 FROM {}.{} AS {alias}{columns}", quoted(view.schema()), quoted(view.name()));
        let tree = read(&reference)?;
        let reference = tree.pointer("/node/SelectStmt/from_clause/0").ok_or(ForwardVerifyError::Different)?.clone();
        Ok(Self { view: Some(reference), ..self })
    }

    /// Whether a place in FROM is the view that stands for it.
    pub(super) fn is_view(&self, reference: &Value) -> bool {
        self.view.as_ref() == Some(reference)
    }

    /// Whether this is `rN` in its place.
    pub(super) fn is_reference(&self, reference: &Value) -> bool {
        self.reference == *reference
    }

    pub(super) fn alias_name(&self) -> &str {
        text(&self.alias, "aliasname")
    }

    /// `rN` in its place.
    pub(super) fn into_reference(self) -> Value {
        self.reference
    }

    /// Whether a derived table is this one.
    pub(super) fn is(&self, derived: &Value) -> bool {
        if self.view.is_some() {
            return false;
        }
        let Some(("SelectStmt", select)) = derived.get("subquery").and_then(node) else { return false };
        let mut select = select.clone();
        let condition = select.get_mut("where_clause").map(Value::take).unwrap_or_default();
        let conditions = if condition.is_null() { Vec::new() } else { conjuncts(&condition) };
        let plain = derived.get("lateral") == Some(&Value::Bool(false)) && derived.get("alias") == Some(&self.alias);
        let (Some(filter), Some(beside)) = (conditions.get(..self.filter.len()), conditions.get(self.filter.len()..))
        else {
            return false;
        };
        plain
            && select == self.select
            && filter == self.filter
            && beside.len() == self.copied
            && beside.iter().all(|condition| self.is_asked(condition))
    }

    /// Whether a condition below the fence is one of the user's, and can neither fail nor tell.
    pub(super) fn is_asked(&self, condition: &Value) -> bool {
        self.is_plain(condition) && self.asked.contains(condition)
    }

    /// A comparison of clear columns and constants: it can neither fail nor tell.
    fn is_plain(&self, condition: &Value) -> bool {
        let Some((kind, fields)) = node(condition) else { return false };
        let field = |name: &str| fields.get(name).unwrap_or(&Value::Null);
        match kind {
            "BoolExpr" => items(fields, "args").iter().all(|arg| self.is_plain(arg)),
            "NullTest" => self.is_column(field("arg")),
            "BooleanTest" => self.is_plain(field("arg")),
            "ColumnRef" => self.is_column(condition),
            "AConst" | "ParamRef" => true,
            "AExpr" => {
                let is_kind = |names: &[i64]| field("kind").as_i64().is_some_and(|kind| names.contains(&kind));
                let symbol = names(items(fields, "name"));
                let compares = matches!(symbol.as_deref(), Some(["=" | "<>" | "<" | "<=" | ">" | ">="]));
                // 1 an operator, 4 and 5 [NOT] DISTINCT; 7 IN; 11 and 12 [NOT] BETWEEN.
                if is_kind(&[1, 4, 5]) {
                    compares && self.is_operand(field("lexpr")) && self.is_operand(field("rexpr"))
                } else if is_kind(&[7, 11, 12]) {
                    let list = node(field("rexpr")).filter(|(kind, _)| *kind == "List");
                    self.is_operand(field("lexpr"))
                        && list.is_some_and(|(_, list)| items(list, "items").iter().all(|item| self.is_operand(item)))
                } else {
                    false
                }
            }
            _other => false,
        }
    }

    fn is_operand(&self, value: &Value) -> bool {
        match node(value) {
            Some(("AConst" | "ParamRef", _)) => true,
            Some(("ColumnRef", _)) => self.is_column(value),
            Some(("TypeCast", fields)) => {
                let constant = |(kind, _): (&str, &Value)| matches!(kind, "AConst" | "ParamRef");
                fields.get("arg").and_then(node).is_some_and(constant)
                    && fields.get("type_name").is_some_and(|name| type_is_allowed(name).is_ok())
            }
            Some(("AExpr", fields)) => {
                names(items(fields, "name")).as_deref() == Some(&["-"])
                    && fields.get("lexpr") == Some(&Value::Null)
                    && fields.get("rexpr").and_then(node).is_some_and(|(kind, _)| kind == "AConst")
            }
            _other => false,
        }
    }

    fn is_column(&self, value: &Value) -> bool {
        let Some(("ColumnRef", fields)) = node(value) else { return false };
        match names(items(fields, "fields")).as_deref() {
            Some([alias, column]) => *alias == ROW_ALIAS && self.clear.contains(*column),
            _other => false,
        }
    }
}

/// The parts of all conditions of a statement, with the columns under an alias called as the upstream's relation has them.
fn conditions_of(value: &Value, alias: &str, columns: &BTreeMap<&str, &str>, found: &mut Vec<Value>) {
    match value {
        Value::Object(fields) => {
            for place in ["where_clause", "quals"] {
                let condition = fields.get(place).filter(|condition| !condition.is_null());
                found.extend(condition.iter().flat_map(|condition| conjuncts(condition)).map(|mut condition| {
                    call_as_upstream(&mut condition, alias, columns);
                    condition
                }));
            }
            fields.values().for_each(|value| conditions_of(value, alias, columns, found));
        }
        Value::Array(items) => items.iter().for_each(|value| conditions_of(value, alias, columns, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn call_as_upstream(value: &mut Value, alias: &str, columns: &BTreeMap<&str, &str>) {
    if let Some(("ColumnRef", fields)) = node(value)
        && let Some([of, column]) = names(items(fields, "fields")).as_deref()
        && *of == alias
        && let Some(own) = columns.get(column)
    {
        let (row, own) = (name_node(ROW_ALIAS), name_node(own));
        if let Some((_, fields)) = node_mut(value)
            && let Some(slot) = fields.get_mut("fields")
        {
            *slot = json!([row, own]);
        }
        return;
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|value| call_as_upstream(value, alias, columns)),
        Value::Array(items) => items.iter_mut().for_each(|value| call_as_upstream(value, alias, columns)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
