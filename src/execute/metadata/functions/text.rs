//! Text: quoting, `format`, and splitting by patterns.

use super::super::rows::Cell;
use super::call::{Call, Definition, Returns, refuse};
use super::names::quote_ident;
use crate::error::SqlState;
use datafusion::error::Result;

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition::pure("quote_literal", (1, 1), Returns::Text, |call| {
        Ok(call.shown(0).map(|text| quote_literal(&text)).into())
    }),
    Definition::pure("quote_nullable", (1, 1), Returns::Text, |call| {
        Ok(call.shown(0).map_or("NULL".to_owned(), |text| quote_literal(&text)).into())
    })
    .lenient(),
    // Casts to types that are text here, of the one form that PostgreSQL prints.
    Definition::pure("__uuid", (1, 1), Returns::Text, |call| {
        let read = call.text(0).and_then(|text| uuid::Uuid::parse_str(text.trim()).ok());
        read.map(|read| read.to_string().into()).ok_or_else(|| malformed("uuid"))
    }),
    Definition::pure("__json", (1, 1), Returns::Text, |call| {
        let text = call.text(0).filter(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
        text.map(Cell::from).ok_or_else(|| malformed("json"))
    }),
    Definition::pure("__jsonb", (1, 1), Returns::Text, |call| {
        let read = call.text(0).and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
        read.map(|read| read.to_string().into()).ok_or_else(|| malformed("jsonb"))
    }),
    // `LIKE pattern ESCAPE character`, with a backslash as the character.
    Definition::pure("__like_pattern", (2, 2), Returns::Text, |call| {
        let (Some(pattern), Some(escape)) = (call.text(0), call.text(1)) else { return Ok(Cell::Null) };
        like_pattern(pattern, escape).map(Cell::from)
    }),
    // `SIMILAR TO pattern ESCAPE character`, as a regular expression.
    Definition::pure("__similar_pattern", (2, 2), Returns::Text, |call| {
        let (Some(pattern), Some(escape)) = (call.text(0), call.text(1)) else { return Ok(Cell::Null) };
        similar_pattern(pattern, escape).map(Cell::from)
    }),
    Definition::pure("json_build_object", (0, usize::MAX), Returns::Text, json_build_object).lenient(),
    Definition::pure("format", (1, usize::MAX), Returns::Text, format).lenient(),
];

/// A text as a SQL literal: quotes doubled, and `E''` with backslashes doubled where there are any.
fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// A pattern of LIKE with another escape character, or none, as one with backslashes.
fn like_pattern(pattern: &str, escape: &str) -> Result<String> {
    let escape = escape_character(escape)?;
    let mut out = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        let literal = if Some(character) == escape {
            let state = SqlState::INVALID_ESCAPE_SEQUENCE;
            characters.next().ok_or_else(|| refuse(state, "LIKE pattern must not end with escape character"))?
        } else if character == '\\' {
            character
        } else {
            out.push(character);
            continue;
        };
        if matches!(literal, '\\' | '%' | '_') {
            out.push('\\');
        }
        out.push(literal);
    }
    Ok(out)
}

/// The character of ESCAPE; none if it is empty.
fn escape_character(escape: &str) -> Result<Option<char>> {
    let mut given = escape.chars();
    let first = given.next();
    match given.next() {
        None => Ok(first),
        Some(_) => Err(refuse(SqlState::INVALID_ESCAPE_SEQUENCE, "invalid escape string")),
    }
}

/// A pattern of SIMILAR TO as a regular expression over the whole text ("SIMILAR TO Regular Expressions").
fn similar_pattern(pattern: &str, escape: &str) -> Result<String> {
    let escape = escape_character(escape)?;
    let mut out = String::from("(?s)^(?:");
    let mut in_brackets = false;
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        if Some(character) == escape {
            let state = SqlState::INVALID_ESCAPE_SEQUENCE;
            let literal =
                characters.next().ok_or_else(|| refuse(state, "pattern must not end with escape character"))?;
            if literal.is_ascii_punctuation() {
                out.push('\\');
            }
            out.push(literal);
        } else if in_brackets {
            match character {
                '[' if characters.peek() == Some(&':') => {
                    // A class such as [:alpha:] goes to its end.
                    out.push('[');
                    while let Some(inner) = characters.next() {
                        out.push(inner);
                        if inner == ':' && characters.next_if_eq(&']').is_some() {
                            out.push(']');
                            break;
                        }
                    }
                    continue;
                }
                '[' | '&' | '~' | '\\' => out.push('\\'),
                ']' => in_brackets = false,
                _ => {}
            }
            out.push(character);
        } else {
            match character {
                '%' => out.push_str(".*"),
                '_' => out.push('.'),
                '(' => out.push_str("(?:"),
                '[' => {
                    in_brackets = true;
                    out.push('[');
                }
                '.' | '^' | '$' | '\\' => {
                    out.push('\\');
                    out.push(character);
                }
                other => out.push(other),
            }
        }
    }
    out.push_str(")$");
    Ok(out)
}

/// A JSON object of names and values, two arguments each.
fn json_build_object(call: &Call<'_>) -> Result<Cell> {
    if call.count() % 2 == 1 {
        return Err(wrong("argument list must have even number of elements"));
    }
    let pair = |at: usize| {
        let name = call.shown(at).ok_or_else(|| wrong("argument 1: key must not be null"))?;
        let value = match (call.boolean(at + 1), call.digits(at + 1), call.shown(at + 1)) {
            (Some(value), ..) => value.to_string(),
            (None, Some(digits), _) if call.text(at + 1).is_none() => digits,
            (None, _, Some(text)) => quoted(&text),
            (None, _, None) => "null".to_owned(),
        };
        Ok(format!("{} : {value}", quoted(&name)))
    };
    let pairs: Vec<String> = (0..call.count()).step_by(2).map(pair).collect::<Result<_>>()?;
    Ok(format!("{{{}}}", pairs.join(", ")).into())
}

/// The value is not repeated: errors are logged, and values are not.
fn malformed(type_name: &str) -> datafusion::error::DataFusionError {
    refuse(SqlState::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type {type_name}"))
}

/// A text as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn wrong(message: &str) -> datafusion::error::DataFusionError {
    refuse(SqlState::INVALID_PARAMETER_VALUE, message)
}

/// The widest field that `format` pads to; a larger one would only burn memory.
const WIDEST: usize = 10_000;

/// `format` adds no field to a text of more bytes than this.
const LONGEST: usize = 1 << 24;

/// `format(text, …)`: `%s`, `%I`, `%L`, `%%`, with position (`%2$s`), `-` and width.
fn format(call: &Call<'_>) -> Result<Cell> {
    let Some(pattern) = call.text(0) else { return Ok(Cell::Null) };
    let mut out = String::new();
    let mut characters = pattern.chars().peekable();
    let mut next = 1;
    while let Some(c) = characters.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if characters.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let mut width = number(&mut characters);
        if width.is_some() && characters.next_if_eq(&'$').is_some() {
            next = width.take().unwrap_or_default();
            if next == 0 {
                return Err(wrong("format specifies argument 0, but arguments are numbered from 1"));
            }
        }
        let left = characters.next_if_eq(&'-').is_some();
        width = width.or_else(|| number(&mut characters));
        if next >= call.count() {
            return Err(wrong("too few arguments for format()"));
        }
        let value = call.shown(next);
        next += 1;
        let field = match (characters.next(), value) {
            (Some('s'), value) => value.unwrap_or_default(),
            (Some('I'), Some(value)) => quote_ident(&value),
            (Some('I'), None) => return Err(wrong("null values cannot be formatted as an SQL identifier")),
            (Some('L'), value) => value.map_or("NULL".to_owned(), |value| quote_literal(&value)),
            (Some(other), _) => return Err(wrong(&format!("unrecognized format() type specifier \"{other}\""))),
            (None, _) => return Err(wrong("unterminated format() type specifier")),
        };
        let width = width.unwrap_or(0);
        if width > WIDEST || out.len() > LONGEST {
            return Err(wrong("format() field is too wide"));
        }
        out.push_str(&if left { format!("{field:<width$}") } else { format!("{field:>width$}") });
    }
    Ok(out.into())
}

fn number(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut number: Option<usize> = None;
    while let Some(digit) = characters.peek().and_then(|c| c.to_digit(10)) {
        characters.next();
        number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(usize::try_from(digit).unwrap_or(0)));
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_with_another_escape_character_mean_the_same() {
        let of = |pattern, escape| like_pattern(pattern, escape).ok();
        assert_eq!(of("pg/_%", "/"), Some("pg\\_%".to_owned()));
        assert_eq!(of("a//%", "/"), Some("a/%".to_owned()));
        assert_eq!(of("a\\%b/%", "/"), Some("a\\\\%b\\%".to_owned()));
        assert_eq!(of("a\\_", "\\"), Some("a\\_".to_owned()));
        assert_eq!(of("a\\_", ""), Some("a\\\\_".to_owned()));
        assert_eq!(of("a/", "/"), None);
        assert_eq!(of("a", "xy"), None);
    }

    #[test]
    fn similar_to_matches_the_whole_text() {
        let of = |pattern| similar_pattern(pattern, "\\").unwrap();
        assert_eq!(of("a%"), "(?s)^(?:a.*)$");
        assert_eq!(of("(a|b_)+"), "(?s)^(?:(?:a|b.)+)$");
        assert_eq!(of("a.b$"), "(?s)^(?:a\\.b\\$)$");
        assert_eq!(of("\\%x"), "(?s)^(?:\\%x)$");
        assert_eq!(of("[^a-c%][[:digit:]]"), "(?s)^(?:[^a-c%][[:digit:]])$");
        assert!(similar_pattern("a\\", "\\").is_err());
    }

    #[test]
    fn literals_are_quoted_so_that_they_stay_literals() {
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal("a\\' OR 1=1 --"), "E'a\\\\'' OR 1=1 --'");
    }
}
