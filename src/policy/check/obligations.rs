//! `column_masks`, `unmask` and `row_filters` as far as they stand in the text: columns and tags that nothing has, masks
//! that suit no column.

use super::words::Words;
use super::{Found, did_you_mean};
use crate::catalog::CatalogSnapshot;
use crate::decision::Mask;
use crate::policy::rego::{Module, Rule, Token, TokenKind, tokens};
use serde_json::Value;

pub(super) fn check(module: &Module, words: &Words, catalog: &CatalogSnapshot, found: &mut Found<'_>) {
    for rule in &module.rules {
        match rule.name.as_str() {
            "column_masks" => column_masks(module, rule, words, catalog, found),
            "unmask" => unmask(module, rule, words, found),
            "row_filters" => row_filters(module, rule, words, found),
            _ => {}
        }
    }
}

fn column_masks(module: &Module, rule: &Rule, words: &Words, catalog: &CatalogSnapshot, found: &mut Found<'_>) {
    let rule_tokens = module.tokens_of(rule);
    // `column_masks["email"] := {…}`
    if let [_, open, key, close, assign, ..] = rule_tokens
        && open.is("[")
        && key.as_text().is_some()
        && close.is("]")
    {
        let spec = (assign.is(":=") || assign.is("=")).then_some(5);
        column_mask(rule_tokens, key, spec, (words, catalog), found);
    }
    // `{"email": {…}}`: no argument of a mask is an object.
    for (index, key) in rule_tokens.iter().enumerate() {
        let follows = |ahead: usize, symbol: &str| rule_tokens.get(index + ahead).is_some_and(|token| token.is(symbol));
        if key.as_text().is_some() && follows(1, ":") && follows(2, "{") {
            column_mask(rule_tokens, key, Some(index + 2), (words, catalog), found);
        }
    }
}

fn column_mask(
    rule_tokens: &[Token],
    key: &Token,
    spec: Option<usize>,
    (words, catalog): (&Words, &CatalogSnapshot),
    found: &mut Found<'_>,
) {
    if !words.columns.contains(&key.text) {
        let what = format!("no dataset has a column {:?}: this masks nothing", key.text);
        found.error(key.at, what, did_you_mean(&key.text, words.columns.iter().map(String::as_str)));
        return;
    }
    let Some((mut spec, _)) = spec.and_then(|start| literal(rule_tokens, start)) else { return };
    if let Some(fields) = spec.as_object_mut() {
        fields.remove("policy");
    }
    let mask = match Mask::from_json(&spec) {
        Ok(mask) => mask,
        Err(error) => {
            found.error(key.at, format!("column {:?}: {error}", key.text), None);
            return;
        }
    };
    for dataset in catalog.datasets.values() {
        let Some(column) = dataset.column(&key.text) else { continue };
        if let Err(error) = mask.suits(&column.sql_type) {
            found.error(key.at, format!("column {:?} of {}: {error}", key.text, dataset.name), None);
        }
    }
}

/// The texts in the head: `unmask contains "email"`, `unmask["email"]`, `unmask := {"email", "PII"}`.
fn unmask(module: &Module, rule: &Rule, words: &Words, found: &mut Found<'_>) {
    let rule_tokens = module.tokens_of(rule);
    let opens_value = |index: usize| {
        let before = index.checked_sub(1).and_then(|before| rule_tokens.get(before));
        before.is_some_and(|token| token.is(":=") || token.is("=") || token.is("|") || token.is_word("contains"))
    };
    for (index, token) in rule_tokens.iter().enumerate() {
        if token.is_word("if") || (token.is("{") && !opens_value(index)) {
            break;
        }
        let Some(name) = token.as_text() else { continue };
        if !words.columns.contains(name) && !words.tags.contains(name) {
            let known = words.columns.iter().chain(&words.tags).map(String::as_str);
            let what = format!("there is no column or tag {name:?}: this unmasks nothing");
            found.error(token.at, what, did_you_mean(name, known));
        }
    }
}

fn row_filters(module: &Module, rule: &Rule, words: &Words, found: &mut Found<'_>) {
    let rule_tokens = module.tokens_of(rule);
    for (index, key) in rule_tokens.iter().enumerate() {
        if !rule_tokens.get(index + 1).is_some_and(|token| token.is(":")) {
            continue;
        }
        match (key.as_text(), rule_tokens.get(index + 2)) {
            (Some("expression"), Some(text)) if text.as_text().is_some() => expression(text, words, found),
            (Some("for_columns"), Some(_)) => {
                let Some((Value::Array(columns), _)) = literal(rule_tokens, index + 2) else { continue };
                for column in columns.iter().filter_map(Value::as_str).filter(|name| !words.columns.contains(*name)) {
                    let what = format!("no dataset has a column {column:?}: this filters nothing");
                    found.error(key.at, what, did_you_mean(column, words.columns.iter().map(String::as_str)));
                }
            }
            _ => {}
        }
    }
}

/// Words of SQL that may stand in a filter and are no column.
const SQL_WORDS: [&str; 40] = [
    "and",
    "any",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "cast",
    "current_date",
    "current_timestamp",
    "date",
    "desc",
    "distinct",
    "else",
    "end",
    "escape",
    "exists",
    "extract",
    "false",
    "from",
    "ilike",
    "in",
    "interval",
    "is",
    "join",
    "like",
    "not",
    "null",
    "on",
    "or",
    "select",
    "similar",
    "then",
    "timestamp",
    "to",
    "true",
    "when",
    "where",
    "all",
    "unknown",
];

/// The bare words of a filter: each must be a column of some dataset. With a subquery, aliases make that hard to say.
fn expression(text: &Token, words: &Words, found: &mut Found<'_>) {
    // SQL's words, strings and symbols are near enough to Rego's for this, but for the single quotes.
    let sql: String = text.text.split('\'').step_by(2).collect::<Vec<_>>().join(" ");
    let parts = tokens(&sql);
    if parts.iter().any(|part| part.text.eq_ignore_ascii_case("select")) {
        return;
    }
    for (index, part) in parts.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| parts.get(before));
        let after = parts.get(index + 1);
        let parameter = before.is_some_and(|token| token.is(":"));
        let qualified = before.is_some_and(|token| token.is(".")) || after.is_some_and(|token| token.is("."));
        let called = after.is_some_and(|token| token.is("("));
        let word = part.text.to_lowercase();
        let typed = before.is_some_and(|token| token.is_word("as") || token.is(":"));
        let skipped = part.kind != TokenKind::Word || parameter || qualified || called || typed;
        if !skipped && !SQL_WORDS.contains(&word.as_str()) && !words.columns.contains(&word) {
            let what = format!("no dataset has a column {word:?}, which this filter reads");
            found.error(text.at, what, did_you_mean(&word, words.columns.iter().map(String::as_str)));
        }
    }
}

/// A value that is written out in full, as JSON, and the index after it.
fn literal(tokens: &[Token], start: usize) -> Option<(Value, usize)> {
    let token = tokens.get(start)?;
    match token.kind {
        TokenKind::Text => Some((Value::from(token.text.as_str()), start + 1)),
        TokenKind::Number => Some((serde_json::from_str(&token.text).ok()?, start + 1)),
        TokenKind::Word => match token.text.as_str() {
            "true" => Some((Value::Bool(true), start + 1)),
            "false" => Some((Value::Bool(false), start + 1)),
            "null" => Some((Value::Null, start + 1)),
            _ => None,
        },
        TokenKind::Symbol if token.text == "-" => {
            let number = tokens.get(start + 1).filter(|token| token.kind == TokenKind::Number)?;
            Some((serde_json::from_str(&format!("-{}", number.text)).ok()?, start + 2))
        }
        TokenKind::Symbol if token.text == "[" => {
            let (mut items, mut next) = (Vec::new(), start + 1);
            while !tokens.get(next)?.is("]") {
                let (item, after) = literal(tokens, next)?;
                items.push(item);
                next = after + usize::from(tokens.get(after)?.is(","));
            }
            Some((Value::Array(items), next + 1))
        }
        TokenKind::Symbol if token.text == "{" => {
            let (mut fields, mut next) = (serde_json::Map::new(), start + 1);
            while !tokens.get(next)?.is("}") {
                let name = tokens.get(next)?.as_text()?.to_owned();
                if !tokens.get(next + 1)?.is(":") {
                    return None;
                }
                let (value, after) = literal(tokens, next + 2)?;
                fields.insert(name, value);
                next = after + usize::from(tokens.get(after)?.is(","));
            }
            Some((Value::Object(fields), next + 1))
        }
        TokenKind::Symbol => None,
    }
}
