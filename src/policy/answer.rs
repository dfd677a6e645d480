//! What a package said, in the gateway's own types. Whatever has another type than the contract says is a surprise, and
//! a surprise is a denial: a rule that is only half understood might have been the one that protects.

use super::request::Action;
use crate::decision::{Limits, Mask, ParamValue, PolicyRef};
use regorus::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One package's answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct PackageAnswer {
    pub(super) allow: Option<bool>,
    /// What it allows beside reading, if it says anything of that.
    pub(super) actions: Option<BTreeSet<String>>,
    pub(super) row_filters: Vec<Filter>,
    /// By column; several of one package too.
    pub(super) column_masks: BTreeMap<String, Vec<PolicyMask>>,
    pub(super) unmask: BTreeSet<String>,
    pub(super) limits: Limits,
    pub(super) reasons: Vec<Reason>,
    pub(super) alternatives: Vec<String>,
    pub(super) requires_approval: Vec<String>,
    pub(super) metadata: Vec<Metadata>,
}

/// A row filter, before it is known whether it applies.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filter {
    pub(super) expression: String,
    pub(super) params: BTreeMap<String, ParamValue>,
    pub(super) for_columns: Vec<String>,
    pub(super) policy: Option<String>,
}

/// A mask, and the id of the policy that gives it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PolicyMask {
    pub(super) mask: Mask,
    pub(super) policy: Option<String>,
}

/// One sentence of `reasons`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reason {
    pub(super) message: String,
    pub(super) policy: Option<String>,
    pub(super) columns: Vec<String>,
}

/// One `metadata` object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Metadata {
    pub(super) id: Option<String>,
    pub(super) title: Option<String>,
    pub(super) owner: Option<String>,
}

/// A rule whose value is not what the contract says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule {rule} is not {expected}")]
pub(super) struct Surprise {
    pub(super) rule: &'static str,
    pub(super) expected: String,
}

impl PackageAnswer {
    /// Reads what the engine gave.
    pub(super) fn read(rules: &BTreeMap<String, Value>) -> Result<Self, Surprise> {
        let rule = |name: &'static str, expected: &str| {
            let surprise = Surprise { rule: name, expected: expected.to_owned() };
            (rules.get(name), surprise)
        };
        let mut answer = Self::default();

        let (value, surprise) = rule("allow", "true or false");
        if let Some(value) = value {
            answer.allow = Some(*value.as_bool().map_err(|_| surprise)?);
        }
        let (value, surprise) = rule("actions", "a set of \"QUERY\" and \"WRITE\"");
        if value.is_some() {
            let words = texts(value).ok_or_else(|| surprise.clone())?;
            if words.iter().any(|word| ![Action::Query, Action::Write].iter().any(|known| known.word() == word)) {
                return Err(surprise);
            }
            answer.actions = Some(words.into_iter().collect());
        }
        let (value, surprise) = rule("row_filters", "a set of {expression, params, for_columns, policy} objects");
        for filter in entries(value).ok_or_else(|| surprise.clone())? {
            answer.row_filters.push(read_filter(filter).ok_or_else(|| surprise.clone())?);
        }
        answer.column_masks = read_masks(rules.get("column_masks"))?;
        let (value, surprise) = rule("unmask", "a set of columns and tags");
        for name in entries(value).ok_or_else(|| surprise.clone())? {
            answer.unmask.insert(text(name).ok_or_else(|| surprise.clone())?);
        }
        let (value, surprise) = rule("limits", "an object of max_rows, max_bytes, timeout_ms, min_group_size");
        for limits in objects(value).ok_or_else(|| surprise.clone())? {
            answer.limits = answer.limits.and(read_limits(limits).ok_or_else(|| surprise.clone())?);
        }
        let (value, surprise) = rule("reasons", "a set of texts or {message, policy, columns} objects");
        for reason in entries(value).ok_or_else(|| surprise.clone())? {
            answer.reasons.push(read_reason(reason).ok_or_else(|| surprise.clone())?);
        }
        let (value, surprise) = rule("alternatives", "a set or array of texts or {message, order} objects");
        answer.alternatives = read_alternatives(value).ok_or(surprise)?;
        let (value, surprise) = rule("requires_approval", "a set of kinds of approval");
        for kind in entries(value).ok_or_else(|| surprise.clone())? {
            answer.requires_approval.push(text(kind).ok_or_else(|| surprise.clone())?);
        }
        let (value, surprise) = rule("metadata", "an object with an id, a title, an owner");
        for metadata in objects(value).ok_or_else(|| surprise.clone())? {
            answer.metadata.push(read_metadata(metadata).ok_or_else(|| surprise.clone())?);
        }
        Ok(answer)
    }

    /// The policy that an id names, as the metadata describes it; without an id the package's only policy, or the package.
    pub(super) fn policy(&self, package: &str, id: Option<&str>) -> PolicyRef {
        let described = match id {
            Some(id) => self.metadata.iter().find(|metadata| metadata.id.as_deref() == Some(id)),
            None if self.metadata.len() == 1 => self.metadata.first(),
            None => None,
        };
        match described {
            Some(metadata) => metadata.policy(package),
            None => PolicyRef { id: id.map(str::to_owned), ..PolicyRef::package(package) },
        }
    }

    /// All policies that the package's metadata describes; the package if there is none.
    pub(super) fn policies(&self, package: &str) -> Vec<PolicyRef> {
        if self.metadata.is_empty() {
            return vec![PolicyRef::package(package)];
        }
        self.metadata.iter().map(|metadata| metadata.policy(package)).collect()
    }
}

impl Metadata {
    fn policy(&self, package: &str) -> PolicyRef {
        PolicyRef {
            package: package.to_owned(),
            id: self.id.clone(),
            title: self.title.clone(),
            owner: self.owner.clone(),
        }
    }
}

/// The entries of a set or an array, in its order; none if there is no value.
fn entries(value: Option<&Value>) -> Option<Vec<&Value>> {
    match value {
        None => Some(Vec::new()),
        Some(Value::Set(set)) => Some(set.iter_sorted().collect()),
        Some(Value::Array(array)) => Some(array.iter().collect()),
        Some(_) => None,
    }
}

/// One object, or a set or an array of objects: several files of a package can then speak side by side.
fn objects(value: Option<&Value>) -> Option<Vec<&Value>> {
    match value {
        Some(object @ Value::Object(_)) => Some(vec![object]),
        other => entries(other).filter(|entries| entries.iter().all(|entry| matches!(entry, Value::Object(_)))),
    }
}

/// An object's fields by name.
fn fields(value: &Value) -> Option<BTreeMap<&str, &Value>> {
    let object = value.as_object().ok()?;
    object.iter_sorted().map(|(name, value)| name.as_string().ok().map(|name| (name.as_ref(), value))).collect()
}

fn text(value: &Value) -> Option<String> {
    value.as_string().ok().map(|text| text.to_string())
}

fn texts(value: Option<&Value>) -> Option<Vec<String>> {
    entries(value)?.into_iter().map(text).collect()
}

/// A field that is text, or is not there.
fn optional_text(fields: &BTreeMap<&str, &Value>, name: &str) -> Option<Option<String>> {
    match fields.get(name) {
        None => Some(None),
        Some(value) => text(value).map(Some),
    }
}

fn only(fields: &BTreeMap<&str, &Value>, allowed: &[&str]) -> Option<()> {
    fields.keys().all(|name| allowed.contains(name)).then_some(())
}

fn read_filter(value: &Value) -> Option<Filter> {
    let fields = fields(value)?;
    only(&fields, &["expression", "params", "for_columns", "policy"])?;
    let mut params = BTreeMap::new();
    if let Some(given) = fields.get("params") {
        for (name, value) in given.as_object().ok()?.iter_sorted() {
            params.insert(text(name)?, read_param(value, true)?);
        }
    }
    let expression = text(fields.get("expression")?)?;
    if expression.trim().is_empty() {
        return None;
    }
    Some(Filter {
        expression,
        params,
        for_columns: texts(fields.get("for_columns").copied())?,
        policy: optional_text(&fields, "policy")?,
    })
}

fn read_param(value: &Value, lists: bool) -> Option<ParamValue> {
    Some(match value {
        Value::Null => ParamValue::Null,
        Value::Bool(value) => ParamValue::Boolean(*value),
        number @ Value::Number(_) => ParamValue::Number(number.to_json_str().ok()?.trim().to_owned()),
        Value::String(text) => ParamValue::Text(text.to_string()),
        list @ (Value::Array(_) | Value::Set(_)) if lists => ParamValue::List(
            entries(Some(list))?.into_iter().map(|entry| read_param(entry, false)).collect::<Option<_>>()?,
        ),
        _ => return None,
    })
}

/// `{"email": {"name": "email"}}`; also a set of such objects, and a set of masks for a column.
fn read_masks(value: Option<&Value>) -> Result<BTreeMap<String, Vec<PolicyMask>>, Surprise> {
    let surprise = |expected: String| Surprise { rule: "column_masks", expected };
    let shape = || surprise("an object of masks by column".into());
    let mut masks: BTreeMap<String, Vec<PolicyMask>> = BTreeMap::new();
    for object in objects(value).ok_or_else(shape)? {
        for (column, specs) in fields(object).ok_or_else(shape)? {
            for spec in objects(Some(specs)).ok_or_else(shape)? {
                let mask = read_mask(spec).map_err(|problem| {
                    surprise(format!(
                        "a mask for column {column}{}",
                        problem.map(|p| format!(": {p}")).unwrap_or_default()
                    ))
                })?;
                let of_column = masks.entry(column.to_owned()).or_default();
                if !of_column.contains(&mask) {
                    of_column.push(mask);
                }
            }
        }
    }
    Ok(masks)
}

fn read_mask(spec: &Value) -> Result<PolicyMask, Option<String>> {
    let json = spec.to_json_str().map_err(|_| None)?;
    let mut json: serde_json::Value = serde_json::from_str(&json).map_err(|_| None)?;
    let policy = match json.as_object_mut().and_then(|fields| fields.remove("policy")) {
        None => None,
        Some(serde_json::Value::String(policy)) => Some(policy),
        Some(_) => return Err(None),
    };
    let mask = Mask::from_json(&json).map_err(|error| Some(error.to_string()))?;
    Ok(PolicyMask { mask, policy })
}

fn read_limits(value: &Value) -> Option<Limits> {
    let fields = fields(value)?;
    only(&fields, &["max_rows", "max_bytes", "timeout_ms", "min_group_size", "policy"])?;
    let number = |name: &str| match fields.get(name) {
        None => Some(None),
        Some(value @ Value::Number(_)) => value.as_u64().ok().map(Some),
        Some(_) => None,
    };
    Some(Limits {
        max_rows: number("max_rows")?,
        max_bytes: number("max_bytes")?,
        timeout: number("timeout_ms")?.map(Duration::from_millis),
        min_group_size: number("min_group_size")?,
    })
}

fn read_reason(value: &Value) -> Option<Reason> {
    if let Some(message) = text(value) {
        return Some(Reason { message, policy: None, columns: Vec::new() });
    }
    let fields = fields(value)?;
    Some(Reason {
        message: text(fields.get("message")?)?,
        policy: optional_text(&fields, "policy")?,
        columns: texts(fields.get("columns").copied())?,
    })
}

/// An array keeps its order; a set goes by `order` (those without one last), then by text.
fn read_alternatives(value: Option<&Value>) -> Option<Vec<String>> {
    let mut ordered = Vec::new();
    for entry in entries(value)? {
        if let Some(message) = text(entry) {
            ordered.push((i64::MAX, message));
            continue;
        }
        let fields = fields(entry)?;
        let order = match fields.get("order") {
            None => i64::MAX,
            Some(order) => order.as_i64().ok()?,
        };
        ordered.push((order, text(fields.get("message")?)?));
    }
    if matches!(value, Some(Value::Set(_))) {
        ordered.sort();
    }
    Some(ordered.into_iter().map(|(_, message)| message).collect())
}

fn read_metadata(value: &Value) -> Option<Metadata> {
    let fields = fields(value)?;
    Some(Metadata {
        id: optional_text(&fields, "id")?,
        title: optional_text(&fields, "title")?,
        owner: optional_text(&fields, "owner")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rule: &str, json: &str) -> Result<PackageAnswer, Surprise> {
        PackageAnswer::read(&BTreeMap::from([(rule.to_owned(), Value::from_json_str(json).unwrap())]))
    }

    #[test]
    fn each_rule_of_another_type_is_a_surprise() {
        let wrong = [
            ("allow", "\"true\""),
            ("allow", "1"),
            ("row_filters", "{\"expression\": \"a = 1\"}"),
            ("row_filters", "[\"a = 1\"]"),
            ("row_filters", "[{\"expression\": 1}]"),
            ("row_filters", "[{\"expression\": \" \"}]"),
            ("row_filters", "[{\"expression\": \"a\", \"for_column\": []}]"),
            ("row_filters", "[{\"expression\": \"a\", \"params\": {\"a\": {}}}]"),
            ("row_filters", "[{\"expression\": \"a\", \"params\": {\"a\": [[1]]}}]"),
            ("column_masks", "[\"email\"]"),
            ("column_masks", "{\"email\": \"redact\"}"),
            ("column_masks", "{\"email\": {\"name\": \"blur\"}}"),
            ("column_masks", "{\"email\": {\"name\": \"redact\", \"policy\": 1}}"),
            ("unmask", "\"email\""),
            ("unmask", "{\"email\": true}"),
            ("unmask", "[1]"),
            ("limits", "7"),
            ("limits", "{\"max_rows\": \"7\"}"),
            ("limits", "{\"max_rows\": -1}"),
            ("limits", "{\"max_rows\": 1.5}"),
            ("limits", "{\"max_row\": 1}"),
            ("reasons", "\"no\""),
            ("reasons", "[1]"),
            ("reasons", "[{\"msg\": \"no\"}]"),
            ("alternatives", "{\"a\": \"b\"}"),
            ("alternatives", "[{\"message\": \"a\", \"order\": \"first\"}]"),
            ("requires_approval", "true"),
            ("metadata", "\"P-1\""),
            ("metadata", "{\"id\": 7}"),
        ];
        for (rule, json) in wrong {
            let answer = read(rule, json);
            assert_eq!(
                answer.as_ref().map_err(|surprise| surprise.rule).err(),
                Some(rule),
                "{rule}: {json}: {answer:?}"
            );
        }
    }

    #[test]
    fn the_shapes_of_the_contract_are_read() {
        let answer =
            read("column_masks", "[{\"a\": {\"name\": \"last\", \"n\": 4}}, {\"a\": [{\"name\": \"redact\"}]}]")
                .unwrap();
        assert_eq!(answer.column_masks["a"].len(), 2);
        let answer = read("limits", "[{\"max_rows\": 9, \"timeout_ms\": 5}, {\"max_rows\": 7}]").unwrap();
        assert_eq!((answer.limits.max_rows, answer.limits.timeout), (Some(7), Some(Duration::from_millis(5))));
        let filter = r#"[{"expression": "a in (:l)", "params": {"l": [1, "x", null, true, 2.50]}}]"#;
        let ParamValue::List(list) = &read("row_filters", filter).unwrap().row_filters[0].params["l"] else { panic!() };
        assert_eq!(list.len(), 5);
        assert_eq!(list[1], ParamValue::Text("x".into()));
        assert_eq!(read("alternatives", "[\"b\", \"a\"]").unwrap().alternatives, ["b", "a"]);
        let answer = read("metadata", r#"[{"id": "P-1", "owner": "o"}, {"id": "P-2"}]"#).unwrap();
        assert_eq!(answer.policy("p", Some("P-1")).owner.as_deref(), Some("o"));
        assert_eq!(answer.policy("p", None), PolicyRef::package("p"));
    }
}
