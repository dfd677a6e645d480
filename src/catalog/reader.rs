//! Typed reading of a YAML tree: each accessor gives the value or records what is wrong with it, and goes on.

use super::finding::{Findings, Place, Placed, did_you_mean};
use super::yaml::{is_stand_in, place_of};
use marked_yaml::Node;
use marked_yaml::types::{MarkedMappingNode, MarkedScalarNode};
use std::sync::Arc;

/// One node of one file.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) file: &'a Arc<str>,
    pub(super) node: &'a Node,
    /// The key that it is the value of, if it is one's.
    pub(super) key: Option<&'a MarkedScalarNode>,
}

impl<'a> Item<'a> {
    /// Where it begins. The parser marks a block mapping behind its first key, and an absent value at whatever comes
    /// next: the place of the key counts for both.
    pub(super) fn place(&self) -> Place {
        if let Some(key) = self.key.filter(|_| self.is_null()) {
            return place_of(self.file, key.span());
        }
        let place = place_of(self.file, self.node.span());
        let first_key = self.node.as_mapping().and_then(|mapping| mapping.keys().next());
        match first_key.map(|key| place_of(self.file, key.span())) {
            Some(key) if (key.line, key.column) < (place.line, place.column) => key,
            Some(_) | None => place,
        }
    }

    /// A plain scalar without a value: nothing, `~` or `null`.
    pub(super) fn is_null(&self) -> bool {
        self.node.as_scalar().is_some_and(is_null)
    }

    /// The mapping's entries, doubled keys left out.
    pub(super) fn entries(&self) -> Option<Vec<(&'a MarkedScalarNode, Item<'a>)>> {
        let mapping = self.node.as_mapping()?;
        Some(entries(self.file, mapping))
    }

    /// Text. Plain numbers and truth values must be quoted to be text.
    pub(super) fn text(&self, what: &str, findings: &mut Findings) -> Option<Placed<String>> {
        let place = self.place();
        let scalar = match self.node {
            Node::Scalar(scalar) => scalar,
            other => {
                findings.error(&place, format!("{what} must be text, not {}", kind(other)), None);
                return None;
            }
        };
        if is_null(scalar) {
            findings.error(&place, format!("{what} has no value"), Some("give it one, or remove the key".into()));
        } else if scalar.may_coerce() && (scalar.as_bool().is_some() || as_number(scalar).is_some()) {
            let help = format!("quote it: \"{}\"", scalar.as_str());
            findings.error(&place, format!("{what} must be text, not {}", kind(self.node)), Some(help));
        } else if scalar.as_str().trim().is_empty() {
            findings.error(&place, format!("{what} must not be empty"), None);
        } else if scalar.as_str().contains('\0') {
            findings.error(&place, format!("{what} must not hold the zero character"), None);
        } else {
            return Some(Placed { value: scalar.as_str().to_owned(), place });
        }
        None
    }

    /// The same as a JSON value: what mask specifications are read from.
    pub(super) fn json(&self) -> serde_json::Value {
        use serde_json::Value;
        match self.node {
            Node::Scalar(scalar) if !scalar.may_coerce() => Value::String(scalar.as_str().to_owned()),
            Node::Scalar(scalar) if is_null(scalar) => Value::Null,
            Node::Scalar(scalar) => match (scalar.as_bool(), as_number(scalar)) {
                (Some(value), _) => Value::Bool(value),
                (None, Some(number)) => Value::Number(number),
                (None, None) => Value::String(scalar.as_str().to_owned()),
            },
            Node::Sequence(items) => {
                Value::Array(items.iter().map(|node| Item { file: self.file, node, key: None }.json()).collect())
            }
            Node::Mapping(mapping) => Value::Object(
                entries(self.file, mapping)
                    .into_iter()
                    .map(|(key, item)| (key.as_str().to_owned(), item.json()))
                    .collect(),
            ),
        }
    }

    /// The items of a list; what is no list is an error and has none.
    pub(super) fn list(&self, what: &str, findings: &mut Findings) -> Vec<Item<'a>> {
        match self.node {
            Node::Sequence(items) => items.iter().map(|node| Item { file: self.file, node, key: None }).collect(),
            Node::Scalar(scalar) if !is_null(scalar) => {
                let help = format!("write it as a list: [{}]", scalar.as_str());
                findings.error(&self.place(), format!("{what} must be a list, not {}", kind(self.node)), Some(help));
                Vec::new()
            }
            other => {
                findings.error(&self.place(), format!("{what} must be a list, not {}", kind(other)), None);
                Vec::new()
            }
        }
    }
}

/// A mapping whose keys have been checked against what it may hold.
pub(super) struct Table<'a> {
    /// What it describes, as messages say it: `dataset "public.people"`.
    pub(super) what: String,
    pub(super) place: Place,
    entries: Vec<(&'a MarkedScalarNode, Item<'a>)>,
}

impl<'a> Table<'a> {
    /// Opens a mapping; unknown keys and a node of another kind are errors.
    pub(super) fn open(item: Item<'a>, what: &str, keys: &[&str], findings: &mut Findings) -> Option<Self> {
        let place = item.place();
        let Some(entries) = item.entries() else {
            let what = format!("{what} must be a mapping of {}, not {}", keys.join(", "), kind(item.node));
            findings.error(&place, what, None);
            return None;
        };
        for (key, _) in &entries {
            if !keys.contains(&key.as_str()) {
                let help = did_you_mean(key.as_str(), keys.iter().copied())
                    .unwrap_or_else(|| format!("known keys are {}", keys.join(", ")));
                let place = place_of(item.file, key.span());
                findings.error(&place, format!("unknown key {:?} in {what}", key.as_str()), Some(help));
            }
        }
        Some(Self { what: what.to_owned(), place, entries })
    }

    pub(super) fn item(&self, key: &str) -> Option<Item<'a>> {
        self.entries.iter().find(|(name, _)| name.as_str() == key).map(|(_, item)| *item)
    }

    /// Where a key's value stands; the table itself if it has no such key.
    pub(super) fn place_of(&self, key: &str) -> Place {
        self.item(key).map_or_else(|| self.place.clone(), |item| item.place())
    }

    pub(super) fn text(&self, key: &str, findings: &mut Findings) -> Option<Placed<String>> {
        self.item(key)?.text(key, findings)
    }

    pub(super) fn required_text(&self, key: &str, findings: &mut Findings) -> Option<Placed<String>> {
        if self.item(key).is_none() {
            findings.error(&self.place, format!("{} has no {key}", self.what), None);
        }
        self.text(key, findings)
    }

    /// A word that a type knows, such as a tier.
    pub(super) fn word<T>(&self, key: &str, words: &[(&str, T)], findings: &mut Findings) -> Option<T>
    where
        T: Clone,
    {
        let text = self.text(key, findings)?;
        let found = words.iter().find(|(word, _)| *word == text.value).map(|(_, value)| value.clone());
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let help = did_you_mean(&text.value, known.iter().copied());
            let what = format!("{key} {:?} is none of {}", text.value, known.join(", "));
            findings.error(&text.place, what, help);
        }
        found
    }

    pub(super) fn boolean(&self, key: &str, findings: &mut Findings) -> Option<bool> {
        let item = self.item(key)?;
        let value = item.node.as_scalar().and_then(MarkedScalarNode::as_bool);
        if value.is_none() {
            let what = format!("{key} must be true or false, not {}", kind(item.node));
            findings.error(&item.place(), what, None);
        }
        value
    }

    /// A whole number from 1 to a bound.
    pub(super) fn count(&self, key: &str, most: u64, findings: &mut Findings) -> Option<u64> {
        let item = self.item(key)?;
        let number = item.node.as_scalar().filter(|scalar| scalar.may_coerce());
        let value = number.and_then(|scalar| scalar.as_str().replace('_', "").parse::<u64>().ok());
        let value = value.filter(|value| (1..=most).contains(value));
        if value.is_none() {
            findings.error(&item.place(), format!("{key} must be a whole number from 1 to {most}"), None);
        }
        value
    }

    /// A list of texts, each once.
    pub(super) fn texts(&self, key: &str, findings: &mut Findings) -> Vec<Placed<String>> {
        let Some(item) = self.item(key) else { return Vec::new() };
        let mut texts: Vec<Placed<String>> = Vec::new();
        for entry in item.list(key, findings) {
            let Some(text) = entry.text(&format!("an entry of {key}"), findings) else { continue };
            if texts.iter().any(|held| held.value == text.value) {
                findings.error(&text.place, format!("{:?} is in {key} twice", text.value), Some("keep one".into()));
            } else {
                texts.push(text);
            }
        }
        texts
    }
}

/// What a node is, as people say it.
pub(super) fn kind(node: &Node) -> &'static str {
    match node {
        Node::Mapping(_) => "a mapping",
        Node::Sequence(_) => "a list",
        Node::Scalar(scalar) if is_null(scalar) => "nothing",
        Node::Scalar(scalar) if scalar.as_bool().is_some() => "a truth value",
        Node::Scalar(scalar) if as_number(scalar).is_some() => "a number",
        Node::Scalar(_) => "text",
    }
}

fn entries<'a>(file: &'a Arc<str>, mapping: &'a MarkedMappingNode) -> Vec<(&'a MarkedScalarNode, Item<'a>)> {
    mapping
        .iter()
        .filter(|(key, _)| !is_stand_in(key.as_str()))
        .map(|(key, node)| (key, Item { file, node, key: Some(key) }))
        .collect()
}

fn is_null(scalar: &MarkedScalarNode) -> bool {
    scalar.may_coerce() && matches!(scalar.as_str(), "" | "~" | "null" | "Null" | "NULL")
}

fn as_number(scalar: &MarkedScalarNode) -> Option<serde_json::Number> {
    if scalar.may_coerce() { serde_json::from_str(scalar.as_str()).ok() } else { None }
}
