//! A Rego file's outline: package, imports, rules, references.

use super::{Position, Token, TokenKind, tokens};
use std::ops::Range;

/// Words that are never a name.
const KEYWORDS: [&str; 15] = [
    "as", "contains", "default", "else", "every", "false", "if", "import", "in", "not", "null", "package", "some",
    "true", "with",
];

/// One file.
#[derive(Debug)]
pub(in crate::policy) struct Module {
    pub(in crate::policy) tokens: Vec<Token>,
    pub(in crate::policy) package: Vec<String>,
    pub(in crate::policy) imports: Vec<Import>,
    pub(in crate::policy) rules: Vec<Rule>,
    /// Those outside the package and import lines.
    pub(in crate::policy) references: Vec<Reference>,
}

/// `import data.lib as l`
#[derive(Debug)]
pub(in crate::policy) struct Import {
    pub(in crate::policy) path: Vec<String>,
    pub(in crate::policy) alias: Option<String>,
    pub(in crate::policy) at: Position,
}

impl Import {
    /// The name that the file knows it by.
    pub(in crate::policy) fn name(&self) -> Option<&str> {
        self.alias.as_deref().or(self.path.last().map(String::as_str))
    }
}

/// One definition of a rule; a name may have several.
#[derive(Debug)]
pub(in crate::policy) struct Rule {
    pub(in crate::policy) name: String,
    pub(in crate::policy) at: Position,
    pub(in crate::policy) is_function: bool,
    /// Its tokens, from the name on.
    pub(in crate::policy) tokens: Range<usize>,
}

/// One step of a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) enum Part {
    /// `.name` or `["name"]`
    Name(String),
    /// `[_]`, `[x]`, `[0]`
    Any,
}

/// `input.user.roles[_]`
#[derive(Debug)]
pub(in crate::policy) struct Reference {
    pub(in crate::policy) parts: Vec<Part>,
    pub(in crate::policy) at: Position,
    /// It is called: `time.now_ns()`.
    pub(in crate::policy) is_call: bool,
    /// Its tokens.
    pub(in crate::policy) tokens: Range<usize>,
}

impl Reference {
    /// `input.user.roles[_]`
    pub(in crate::policy) fn path(&self) -> String {
        path_text(&self.parts)
    }

    /// The first name.
    pub(in crate::policy) fn root(&self) -> &str {
        match self.parts.first() {
            Some(Part::Name(name)) => name,
            _ => "",
        }
    }
}

/// Steps as Rego writes them.
pub(in crate::policy) fn path_text(parts: &[Part]) -> String {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Name(name) if text.is_empty() => text.push_str(name),
            Part::Name(name) => {
                text.push('.');
                text.push_str(name);
            }
            Part::Any => text.push_str("[_]"),
        }
    }
    text
}

impl Module {
    /// Reads a file. It never fails: what is no Rego gives an outline that is of no use, and regorus says why.
    pub(in crate::policy) fn read(text: &str) -> Self {
        let tokens = tokens(text);
        let rules = rules(&tokens);
        let (mut package, mut imports) = (Vec::new(), Vec::new());
        let mut headers: Vec<Range<usize>> = Vec::new();
        for (index, token) in tokens.iter().enumerate() {
            if !token.opens_line {
                continue;
            }
            if token.is_word("package") && package.is_empty() {
                let path = reference(&tokens, index + 1);
                headers.push(index..path.as_ref().map_or(index, |path| path.tokens.end));
                package = names(&path.map(|path| path.parts).unwrap_or_default());
            } else if token.is_word("import")
                && let Some(path) = reference(&tokens, index + 1)
            {
                let alias = tokens
                    .get(path.tokens.end)
                    .filter(|token| token.is_word("as"))
                    .and_then(|_| tokens.get(path.tokens.end + 1))
                    .map(|token| token.text.clone());
                headers.push(index..path.tokens.end + if alias.is_some() { 2 } else { 0 });
                imports.push(Import { path: names(&path.parts), alias, at: path.at });
            }
        }
        let mut references = references(&tokens);
        references.retain(|reference| !headers.iter().any(|header| header.contains(&reference.tokens.start)));
        Self { tokens, package, imports, rules, references }
    }

    /// The package as `a.b.c`.
    pub(in crate::policy) fn package_name(&self) -> String {
        self.package.join(".")
    }

    /// The tokens of a rule.
    pub(in crate::policy) fn tokens_of(&self, rule: &Rule) -> &[Token] {
        self.tokens.get(rule.tokens.clone()).unwrap_or_default()
    }

    /// The references that stand in a rule.
    pub(in crate::policy) fn references_of<'a>(&'a self, rule: &'a Rule) -> impl Iterator<Item = &'a Reference> {
        self.references.iter().filter(|reference| rule.tokens.contains(&reference.tokens.start))
    }

    /// Whether a rule of this name is defined here.
    pub(in crate::policy) fn defines(&self, name: &str) -> bool {
        self.rules.iter().any(|rule| rule.name == name)
    }
}

fn names(parts: &[Part]) -> Vec<String> {
    parts
        .iter()
        .filter_map(|part| match part {
            Part::Name(name) => Some(name.clone()),
            Part::Any => None,
        })
        .collect()
}

/// Rules start where a name opens a line outside all brackets, unless the line before goes on.
fn rules(tokens: &[Token]) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut depth = 0_usize;
    let mut skip_line = false;
    for (index, token) in tokens.iter().enumerate() {
        if token.kind == TokenKind::Symbol {
            match token.text.as_str() {
                "{" | "[" | "(" => depth += 1,
                "}" | "]" | ")" => depth = depth.saturating_sub(1),
                _ => {}
            }
            continue;
        }
        if depth > 0 || token.kind != TokenKind::Word || !token.opens_line {
            continue;
        }
        if token.is_word("package") || token.is_word("import") {
            skip_line = true;
            end_last(&mut rules, index);
            continue;
        }
        let before = index.checked_sub(1).and_then(|before| tokens.get(before));
        if !skip_line && before.is_some_and(goes_on) {
            continue;
        }
        skip_line = false;
        let is_default = token.is_word("default");
        if KEYWORDS.contains(&token.text.as_str()) && !is_default {
            continue;
        }
        let name_index = if is_default { index + 1 } else { index };
        let Some(name) = tokens.get(name_index) else { continue };
        let is_function = tokens.get(name_index + 1).is_some_and(|next| next.is("(") && !next.after_space);
        end_last(&mut rules, index);
        rules.push(Rule { name: name.text.clone(), at: name.at, is_function, tokens: name_index..tokens.len() });
    }
    rules
}

fn end_last(rules: &mut [Rule], index: usize) {
    if let Some(last) = rules.last_mut()
        && last.tokens.end > index
    {
        last.tokens.end = index;
    }
}

/// Whether a line that ends with this token goes on in the next one.
fn goes_on(token: &Token) -> bool {
    match token.kind {
        TokenKind::Word => {
            ["if", "else", "contains", "in", "not", "with", "as", "default"].contains(&token.text.as_str())
        }
        TokenKind::Symbol => !["}", "]", ")"].contains(&token.text.as_str()),
        TokenKind::Text | TokenKind::Number => false,
    }
}

/// All references of a file, also those inside the brackets of others.
fn references(tokens: &[Token]) -> Vec<Reference> {
    (0..tokens.len())
        .filter(|index| {
            let after_dot = index.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(|t| t.is("."));
            !after_dot
        })
        .filter_map(|index| reference(tokens, index))
        .collect()
}

/// The reference that starts at a token.
fn reference(tokens: &[Token], start: usize) -> Option<Reference> {
    let first = tokens.get(start)?;
    if first.kind != TokenKind::Word || first.text == "_" || KEYWORDS.contains(&first.text.as_str()) {
        // `contains(text, part)` is a function too.
        let called = first.is_word("contains") && tokens.get(start + 1).is_some_and(|t| t.is("(") && !t.after_space);
        if !called {
            return None;
        }
    }
    let mut parts = vec![Part::Name(first.text.clone())];
    let mut next = start + 1;
    while let Some(token) = tokens.get(next) {
        if token.is(".") {
            let Some(field) = tokens.get(next + 1).filter(|token| token.kind == TokenKind::Word) else { break };
            parts.push(Part::Name(field.text.clone()));
            next += 2;
        } else if token.is("[") && !token.after_space {
            let Some(close) = closing(tokens, next) else { break };
            let inside = tokens.get(next + 1..close).unwrap_or_default();
            parts.push(match inside {
                [only] if only.kind == TokenKind::Text => Part::Name(only.text.clone()),
                _ => Part::Any,
            });
            next = close + 1;
        } else {
            break;
        }
    }
    let is_call = tokens.get(next).is_some_and(|token| token.is("(") && !token.after_space);
    Some(Reference { parts, at: first.at, is_call, tokens: start..next })
}

/// Where the bracket at `open` is closed.
pub(in crate::policy) fn closing(tokens: &[Token], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        if token.is("[") || token.is("{") || token.is("(") {
            depth += 1;
        } else if token.is("]") || token.is("}") || token.is(")") {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(index);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
package analytics.data_access

import rego.v1
import data.lib as l

default allow := false

allow if {
    input.user.roles[_] == "ANALYST"
    l.fine(input.user["tenant"])
}

row_filters contains {
    "expression": "a = :a",
} if
    input.dataset.name == "x.y"

limits := {"max_rows": 1} if time.now_ns() > 3
max_of(a, b) := a if a > b
else := b
"#;

    #[test]
    fn the_outline_of_a_file() {
        let module = Module::read(FILE);
        assert_eq!(module.package_name(), "analytics.data_access");
        assert_eq!(module.imports[1].name(), Some("l"));
        let rules: Vec<(&str, bool)> = module.rules.iter().map(|rule| (rule.name.as_str(), rule.is_function)).collect();
        assert_eq!(
            rules,
            [("allow", false), ("allow", false), ("row_filters", false), ("limits", false), ("max_of", true)]
        );
        let paths: Vec<String> = module.references_of(&module.rules[1]).map(Reference::path).collect();
        assert_eq!(paths, ["allow", "input.user.roles[_]", "l.fine", "input.user.tenant"]);
        let calls: Vec<String> = module.references.iter().filter(|r| r.is_call).map(Reference::path).collect();
        assert_eq!(calls, ["l.fine", "time.now_ns", "max_of"]);
        assert_eq!(module.tokens_of(&module.rules[2]).last().map(|t| t.text.as_str()), Some("x.y"));
    }
}
