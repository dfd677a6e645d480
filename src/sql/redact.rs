//! SQL without its constants and comments: the only form in which SQL reaches a log or an audit record.
//!
//! It works on tokens, so it needs no text that parses. INVARIANT: what it can't split into tokens it does not show.

use super::lexer::{Kind, Token, tokens};
use super::statement::SanitizedSql;
use std::fmt::Write;

/// The most bytes that a sanitized text has; what comes after is cut off with a `…`.
pub(super) const MAX_SANITIZED_BYTES: usize = 100_000;

/// Sanitizes a text, whether it parses or not. One that can't even be split into tokens becomes `<unparsed, 123 characters>`.
pub fn redact_unparsed(text: &str) -> SanitizedSql {
    if is_placeholder(text) {
        return SanitizedSql(text.into());
    }
    let mut read = Vec::new();
    // Beyond this many tokens nothing more fits, but an error further on must still be seen.
    let mut unreadable = text.contains('\0');
    for token in tokens(text) {
        match token {
            Ok(token) if read.len() <= MAX_SANITIZED_BYTES => read.push(token),
            Ok(_) => {}
            Err(_) => unreadable = true,
        }
    }
    if unreadable {
        return SanitizedSql(format!("{UNPARSED_START}{}{UNPARSED_END}", text.chars().count()).into());
    }
    redact_tokens(&read)
}

const UNPARSED_START: &str = "<unparsed, ";
const UNPARSED_END: &str = " characters>";

fn is_placeholder(text: &str) -> bool {
    text.strip_prefix(UNPARSED_START)
        .and_then(|rest| rest.strip_suffix(UNPARSED_END))
        .is_some_and(|count| !count.is_empty() && count.len() <= 20 && count.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Sanitizes tokens of one text.
pub(super) fn redact_tokens(tokens: &[Token<'_>]) -> SanitizedSql {
    let mut out = String::new();
    let mut before: Option<Shape<'_>> = None;
    for shape in shapes(tokens) {
        let mut piece = String::new();
        if before.as_ref().is_some_and(|before| is_spaced(before, &shape)) {
            piece.push(' ');
        }
        shape.show(&mut piece);
        if out.len() + piece.len() > MAX_SANITIZED_BYTES {
            out.push_str(" …");
            break;
        }
        out.push_str(&piece);
        before = Some(shape);
    }
    SanitizedSql(out.into())
}

/// A token as it may be shown.
#[derive(Clone, Copy)]
pub(super) enum Shape<'a> {
    /// A constant, or the value of a SET.
    Literal,
    /// Anything else.
    Token(Token<'a>),
}

impl Shape<'_> {
    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self, Self::Token(token) if token.is_symbol(symbol))
    }

    fn show(&self, out: &mut String) {
        match self {
            Self::Literal => out.push('?'),
            Self::Token(token) => match token.kind {
                Kind::QuotedIdentifier | Kind::UnicodeIdentifier => show_name(token.text, out),
                Kind::Word if token.text.chars().any(is_unseen) => {
                    out.push('"');
                    show_name(token.text, out);
                    out.push('"');
                }
                _ => out.push_str(token.text),
            },
        }
    }
}

/// Characters that could forge a log line, or hide in one.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn show_name(text: &str, out: &mut String) {
    for c in text.chars() {
        if is_unseen(c) {
            // Writing to a String does not fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
}

/// Replaces each constant, and whatever stands behind `SET name =`, by [`Shape::Literal`].
pub(super) fn shapes<'a>(tokens: &'a [Token<'a>]) -> impl Iterator<Item = Shape<'a>> {
    tokens.split_inclusive(|token| token.is_symbol(";")).flat_map(|statement| {
        let value = set_value(statement);
        statement.iter().enumerate().filter_map(move |(index, token)| match value {
            Some(start) if index >= start && !token.is_symbol(";") => (index == start).then_some(Shape::Literal),
            _ if token.kind.is_literal() => Some(Shape::Literal),
            _ => Some(Shape::Token(*token)),
        })
    })
}

/// Where the value begins in `SET [SESSION | LOCAL] name {TO | =} value`, `SET TIME ZONE value`, `SET ROLE value` and the
/// like: words are values there too.
fn set_value(statement: &[Token<'_>]) -> Option<usize> {
    let is = |index: usize, word: &str| statement.get(index).is_some_and(|token: &Token<'_>| token.is_word(word));
    if !is(0, "set") {
        return None;
    }
    let name = if is(1, "session") || is(1, "local") { 2 } else { 1 };
    let start = if is(1, "session") && is(2, "characteristics") || is(name, "transaction") {
        return None;
    } else if is(name, "time") && is(name + 1, "zone") || is(1, "session") && is(2, "authorization") {
        name + 2 - usize::from(is(2, "authorization"))
    } else if is(name, "names") || is(name, "role") || is(name, "schema") || is(name, "catalog") {
        name + 1
    } else {
        statement.iter().position(|token| token.is_symbol("=") || token.is_word("to"))? + 1
    };
    let keeps = is(start, "default") && statement.len() <= start + 2;
    (start < statement.len() && !keeps).then_some(start)
}

fn is_spaced(before: &Shape<'_>, shape: &Shape<'_>) -> bool {
    const TIGHT_AFTER: [&str; 4] = ["(", "[", ".", "::"];
    const TIGHT_BEFORE: [&str; 7] = [")", "]", ",", ";", ".", "::", "["];
    // Dots that stood apart would be another symbol.
    let are_dots = |shape: &Shape<'_>| shape.is_symbol(".") || shape.is_symbol("..");
    if are_dots(before) && are_dots(shape) {
        return true;
    }
    if TIGHT_AFTER.iter().any(|symbol| before.is_symbol(symbol))
        || TIGHT_BEFORE.iter().any(|symbol| shape.is_symbol(symbol))
    {
        return false;
    }
    match (before, shape) {
        // `count(*)` and `IN (…)`: as it was written.
        (Shape::Token(before), Shape::Token(token)) if token.is_symbol("(") => {
            before.end() != token.start || before.kind == Kind::Symbol
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redact(sql: &str) -> String {
        redact_unparsed(sql).as_str().to_owned()
    }

    #[test]
    fn every_form_of_constant_goes() {
        for literal in [
            "'it''s'",
            "E'a\\'b'",
            "e'x'",
            "U&'\\0041'",
            "u&'x'",
            "N'x'",
            "B'01'",
            "x'1F'",
            "$$a'b$$",
            "$t$ $$ x $t$",
            "1",
            "1_000",
            ".5",
            "1.",
            "1e9",
            "1.5E-3",
            "0x1F",
            "0o17",
            "0b1",
            "'a'\n 'b'",
        ] {
            assert_eq!(redact(&format!("SELECT {literal} FROM t")), "SELECT ? FROM t", "{literal}");
        }
    }

    #[test]
    fn names_parameters_and_keywords_stay() {
        assert_eq!(
            redact(
                "select a.\"B c\" , DATE '2024-01-01', interval '1' day, NULL, TRUE, ARRAY[1, 'x'], $1 -- c\n from t1 /* /* */ */ limit 10 offset 2"
            ),
            "select a.\"B c\", DATE ?, interval ? day, NULL, TRUE, ARRAY[?, ?], $1 from t1 limit ? offset ?"
        );
        assert_eq!(
            redact("COPY t TO STDOUT (FORMAT csv, DELIMITER '|', NULL 'n/a')"),
            "COPY t TO STDOUT (FORMAT csv, DELIMITER ?, NULL ?)"
        );
    }

    #[test]
    fn the_value_of_a_set_goes_even_if_it_is_a_word() {
        assert_eq!(redact("SET querygate.purpose = fraud_case_7"), "SET querygate.purpose = ?");
        assert_eq!(redact("SET LOCAL search_path TO a, b; SELECT a"), "SET LOCAL search_path TO ?; SELECT a");
        assert_eq!(redact("set time zone PST8PDT"), "set time zone ?");
        assert_eq!(redact("SET ROLE bob"), "SET ROLE ?");
        assert_eq!(redact("SET SESSION AUTHORIZATION bob"), "SET SESSION AUTHORIZATION ?");
        assert_eq!(redact("SET x TO DEFAULT"), "SET x TO DEFAULT");
        assert_eq!(redact("SET TRANSACTION READ ONLY"), "SET TRANSACTION READ ONLY");
    }

    #[test]
    fn what_has_no_tokens_is_not_shown() {
        assert_eq!(redact("SELECT 'secret"), "<unparsed, 14 characters>");
        assert_eq!(redact("SELECT $x$ secret"), "<unparsed, 17 characters>");
        assert_eq!(redact("SELECT 1 /* secret"), "<unparsed, 18 characters>");
        assert_eq!(redact("SELECT 'a\0b'"), "<unparsed, 12 characters>");
    }

    #[test]
    fn names_can_not_forge_a_line() {
        assert_eq!(redact("SELECT \"a\nb\u{202e}\""), "SELECT \"a\\u{a}b\\u{202e}\"");
        assert_eq!(redact("SELECT a\u{85}b"), "SELECT \"a\\u{85}b\"");
    }

    #[test]
    fn points_that_come_together_stay_as_they_are_told() {
        for text in ["a.\n.", "a . . b", "a..b", "a ... b", "1 .. 2", "a. .. .b", "[.  .]", "..... .\u{b}...... x"] {
            let once = redact(text);
            assert_eq!(redact(&once), once, "{text}");
        }
    }

    #[test]
    fn long_texts_are_cut() {
        let long = format!("SELECT {}", "column_name, ".repeat(50_000));
        let cut = redact(&long);
        assert!(cut.len() <= MAX_SANITIZED_BYTES + 8 && cut.ends_with(" …"));
        assert_eq!(redact(&cut), cut);
    }

    fn literal() -> impl Strategy<Value = String> {
        let word = "[a-z' \\\\$;/*-]{0,8}";
        prop_oneof![
            word.prop_map(|w| format!("'zqx{}'", w.replace('\'', "''"))),
            word.prop_map(|w| format!("E'zqx{}'", w.replace('\\', "\\\\").replace('\'', "\\'"))),
            word.prop_map(|w| format!("$q${}zqx$q$", w.replace('$', ""))),
            word.prop_map(|w| format!("U&'zqx{}'", w.replace('\\', "\\\\").replace('\'', "''"))),
            word.prop_map(|w| format!("/* zqx {} */ 7", w.replace(['*', '/'], ""))),
            word.prop_map(|w| format!("7 -- zqx {w}\n")),
            (90_000_000..99_999_999_u64).prop_map(|n| format!("{n}.77")),
            (90_000_000..99_999_999_u64).prop_map(|n| format!("0x{n}")),
        ]
    }

    proptest! {
        #[test]
        fn no_constant_survives(literals in proptest::collection::vec(literal(), 1..6), tight in any::<bool>()) {
            let glue = if tight { "," } else { " , " };
            let sql = format!("SELECT {} FROM t WHERE a={}", literals.join(glue), literals.join(" AND b="));
            let out = redact(&sql);
            prop_assert!(!out.contains("zqx"), "{sql} -> {out}");
            prop_assert!(!out.contains(|c: char| c.is_ascii_digit()) || out.starts_with("<unparsed"), "{sql} -> {out}");
        }

        #[test]
        fn redacting_twice_changes_nothing(sql in "[-a-c0-1'\"$?:=<>(),.;\\\\ \n/*\u{85}]{0,40}") {
            let once = redact(&sql);
            prop_assert_eq!(redact(&once), once.clone(), "{:?}", sql);
        }
    }
}
