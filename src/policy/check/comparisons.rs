//! Parts of the input that do not exist, and comparisons with words that the catalog does not know.

use super::words::{Shape, Words, follow};
use super::{Found, did_you_mean};
use crate::policy::rego::{Module, Part, Reference, Rule, Token, closing, path_text};
use std::collections::BTreeMap;

pub(super) fn check(module: &Module, words: &Words, found: &mut Found<'_>) {
    for rule in &module.rules {
        let aliases = aliases(module, rule);
        for reference in module.references_of(rule) {
            let parts = resolve(reference, &aliases);
            if !matches!(parts.first(), Some(Part::Name(root)) if root == "input") || reference.is_call {
                continue;
            }
            let literals = compared(&module.tokens, reference);
            match follow(&parts) {
                Err((name, fields)) => {
                    // Where a variable stands for a part of the input, the mistake is told where the part is named.
                    let what = format!("input has no {}", path_text(&parts));
                    found.error(reference.at, what, did_you_mean(&name, fields));
                    continue;
                }
                Ok(Shape::Object(_)) if !literals.is_empty() => {
                    let path = path_text(&parts);
                    let suggestion =
                        (path == "input.environment").then(|| "did you mean input.environment.name?".into());
                    found.error(reference.at, format!("{path} is an object, and equals no text"), suggestion);
                    continue;
                }
                Ok(_) => {}
            }
            let Some(kind) = words.at(&path_text(&parts)) else { continue };
            for literal in literals {
                if kind.words.contains(&literal.text) {
                    continue;
                }
                let what = format!("there is no {} {:?}: this can never be true", kind.noun, literal.text);
                let suggestion = did_you_mean(&literal.text, kind.words.iter().map(String::as_str));
                if kind.closed {
                    found.error(literal.at, what, suggestion);
                } else {
                    found.warning(literal.at, what, suggestion);
                }
            }
        }
    }
}

/// Variables of a rule that stand for a part of the input: `some role in input.user.roles`, `c := input.dataset.columns[_]`.
fn aliases(module: &Module, rule: &Rule) -> BTreeMap<String, Vec<Part>> {
    let mut aliases = BTreeMap::new();
    for reference in module.references_of(rule) {
        let before = |back: usize| reference.tokens.start.checked_sub(back).and_then(|index| module.tokens.get(index));
        let Some(variable) = before(2) else { continue };
        let parts = resolve(reference, &aliases);
        let of_input = matches!(parts.first(), Some(Part::Name(root)) if root == "input");
        let declared = before(3).is_some_and(|token| token.is_word("some") || token.is(","));
        if !of_input {
            continue;
        }
        if before(1).is_some_and(|token| token.is_word("in")) && declared {
            aliases.insert(variable.text.clone(), [parts, vec![Part::Any]].concat());
        } else if before(1).is_some_and(|token| token.is(":=")) && variable.kind == crate::policy::rego::TokenKind::Word
        {
            aliases.insert(variable.text.clone(), parts);
        }
    }
    aliases
}

/// A reference with its variable replaced by what it stands for.
fn resolve(reference: &Reference, aliases: &BTreeMap<String, Vec<Part>>) -> Vec<Part> {
    match (aliases.get(reference.root()), reference.parts.split_first()) {
        (Some(stands_for), Some((_, rest))) => [stands_for.as_slice(), rest].concat(),
        _ => reference.parts.clone(),
    }
}

/// The texts that a reference is compared with.
fn compared<'a>(tokens: &'a [Token], reference: &Reference) -> Vec<&'a Token> {
    let at = |index: usize| tokens.get(index);
    let back = |steps: usize| reference.tokens.start.checked_sub(steps).and_then(at);
    let equals = |token: &Token| token.is("==") || token.is("!=") || token.is("=");
    let end = reference.tokens.end;
    let mut literals = Vec::new();
    if at(end).is_some_and(equals) {
        literals.extend(at(end + 1).filter(|token| token.as_text().is_some()));
    }
    if at(end).is_some_and(|token| token.is_word("in"))
        && at(end + 1).is_some_and(|token| token.is("{") || token.is("["))
        && let Some(close) = closing(tokens, end + 1)
    {
        let inside = tokens.get(end + 2..close).unwrap_or_default();
        // The keys of an object are not what `in` looks at.
        if !inside.iter().any(|token| token.is(":")) {
            literals.extend(inside.iter().filter(|token| token.as_text().is_some()));
        }
    }
    if back(1).is_some_and(|token| equals(token) || token.is_word("in")) {
        literals.extend(back(2).filter(|token| token.as_text().is_some()));
    }
    literals
}
