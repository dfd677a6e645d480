//! YAML with places: one text in, a tree whose every node knows its line and column out.
//!
//! Reports every doubled key of a text, not just the first, and refuses nesting that could exhaust the stack.

use super::finding::{Findings, Place};
use marked_yaml::types::MarkedScalarNode;
use marked_yaml::{LoadError, LoaderOptions, Marker, Node, Span, parse_yaml_with_options};
use std::sync::Arc;

/// The deepest column that a block collection may begin at; nesting can go no deeper than that.
const DEEPEST_INDENT: usize = 200;
/// The most flow collections open at once on one line.
const DEEPEST_FLOW: usize = 64;
/// The most doubled keys that one text is told of.
const MOST_DOUBLED_KEYS: u32 = 200;
/// The first of the private-use characters that stand in for the first letter of a doubled key.
const STAND_IN: u32 = 0xE000;

/// Reads one text; an empty one is an empty mapping. What is wrong goes to the findings; `None` if there is no tree.
pub(super) fn parse(file: &Arc<str>, text: &str, findings: &mut Findings) -> Option<Node> {
    if let Some((line, column)) = too_deep(text) {
        let place = Place { file: Arc::clone(file), line, column };
        findings.error(&place, "nested too deeply to be a catalog", None);
        return None;
    }
    if let Some((line, column)) = unread(text) {
        let place = Place { file: Arc::clone(file), line, column };
        let help = Some("put it into a file of its own".into());
        findings.error(
            &place,
            "the parser would read nothing from here on: a zero character or a second document",
            help,
        );
        return None;
    }
    let mut text = std::borrow::Cow::Borrowed(text);
    let mut doubled = 0;
    loop {
        let strict = doubled < MOST_DOUBLED_KEYS;
        let options = LoaderOptions::default().error_on_duplicate_keys(strict).prevent_coercion(true);
        match parse_yaml_with_options(0, &text, options) {
            Ok(node) => return Some(node),
            Err(LoadError::DuplicateKey(keys)) => {
                let place = place_of(file, keys.key.span());
                let first = place_of(file, keys.prev_key.span());
                findings.error(
                    &place,
                    format!("the key {:?} is given twice", keys.key.as_str()),
                    Some(format!("it is already given in line {}; keep one", first.line)),
                );
                // Rename the second key in place, so that the rest of the text is read too, at its own columns.
                text = std::borrow::Cow::Owned(renamed(&text, &keys.key, doubled)?);
                doubled = doubled.saturating_add(1);
            }
            Err(error) => {
                findings.error(&load_error_place(file, &error), load_error_text(&error), load_error_help(&error));
                return None;
            }
        }
    }
}

/// Whether a key is a doubled one that [`parse`] has renamed and reported.
pub(super) fn is_stand_in(key: &str) -> bool {
    key.chars().next().is_some_and(|first| ('\u{E000}'..'\u{F8FF}').contains(&first))
}

/// Where a node begins.
pub(super) fn place_of(file: &Arc<str>, span: &Span) -> Place {
    let (line, column) = span.start().map_or((1, 1), |start| (start.line(), start.column()));
    Place { file: Arc::clone(file), line, column }
}

fn renamed(text: &str, key: &MarkedScalarNode, number: u32) -> Option<String> {
    let quoted = usize::from(!key.may_coerce());
    let at = key.span().start()?.character().checked_add(quoted)?;
    let stand_in = char::from_u32(STAND_IN.checked_add(number)?)?;
    Some(text.chars().enumerate().map(|(index, letter)| if index == at { stand_in } else { letter }).collect())
}

/// Where the parser would stop without a word: at a zero character, or at the end of the first document if more follows.
fn unread(text: &str) -> Option<(usize, usize)> {
    let mut begun = false;
    for (index, line) in text.lines().enumerate() {
        let number = index.saturating_add(1);
        if let Some(column) = line.chars().position(|letter| letter == '\0') {
            return Some((number, column.saturating_add(1)));
        }
        let is_marker = |marker: &str| {
            line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
        };
        if is_marker("...") || (begun && is_marker("---")) {
            return Some((number, 1));
        }
        begun |= is_marker("---") || !(line.trim().is_empty() || line.trim_start().starts_with(['#', '%']));
    }
    None
}

/// The first place that is nested too deeply. Over-careful on purpose: it counts brackets in quotes and comments too.
fn too_deep(text: &str) -> Option<(usize, usize)> {
    let mut open = 0usize;
    for (index, line) in text.lines().enumerate() {
        let number = index.saturating_add(1);
        let content = line.find(|c: char| !matches!(c, ' ' | '-' | '?')).unwrap_or(line.len());
        let indicators = line.bytes().take(content).filter(|byte| matches!(byte, b'-' | b'?')).count();
        // A line of dashes without blanks between them is a text or a document marker, not nesting.
        if content > DEEPEST_INDENT && (indicators == 0 || line.contains("- -") || line.contains("? ?")) {
            return Some((number, content));
        }
        for (column, letter) in line.chars().enumerate() {
            match letter {
                '[' | '{' => open = open.saturating_add(1),
                ']' | '}' => open = open.saturating_sub(1),
                _ => {}
            }
            if open > DEEPEST_FLOW {
                return Some((number, column.saturating_add(1)));
            }
        }
    }
    None
}

fn load_error_place(file: &Arc<str>, error: &LoadError) -> Place {
    let at = |marker: &Marker| Place { file: Arc::clone(file), line: marker.line(), column: marker.column() };
    match error {
        LoadError::TopLevelMustBeMapping(marker)
        | LoadError::TopLevelMustBeSequence(marker)
        | LoadError::UnexpectedAnchor(marker)
        | LoadError::MappingKeyMustBeScalar(marker)
        | LoadError::UnexpectedTag(marker)
        | LoadError::ScanError(marker, _) => at(marker),
        LoadError::DuplicateKey(keys) => place_of(file, keys.key.span()),
    }
}

fn load_error_text(error: &LoadError) -> String {
    match error {
        LoadError::TopLevelMustBeMapping(_) | LoadError::TopLevelMustBeSequence(_) => {
            "the file must be a mapping of sources, tags, datasets, roles, users or workspaces".into()
        }
        LoadError::UnexpectedAnchor(_) => "anchors and aliases can't be used here".into(),
        LoadError::MappingKeyMustBeScalar(_) => "a key must be a plain word".into(),
        LoadError::UnexpectedTag(_) => "YAML tags (!…) can't be used here".into(),
        LoadError::ScanError(_, error) => format!("not YAML: {}", error.info()),
        LoadError::DuplicateKey(keys) => format!("the key {:?} is given twice", keys.key.as_str()),
    }
}

fn load_error_help(error: &LoadError) -> Option<String> {
    match error {
        LoadError::UnexpectedAnchor(_) => Some("write the value out, or quote it if it begins with &".into()),
        LoadError::UnexpectedTag(_) => Some("quote the value if it begins with !".into()),
        LoadError::ScanError(..) => Some("look at the indentation, and quote a text that holds : or #".into()),
        LoadError::TopLevelMustBeMapping(_)
        | LoadError::TopLevelMustBeSequence(_)
        | LoadError::MappingKeyMustBeScalar(_)
        | LoadError::DuplicateKey(_) => None,
    }
}
