//! What a constant in a tree means: strings without their quotes and escapes.
//!
//! Trees hold strings as they were written (`it''s`), because that is what prints back unchanged. Whoever wants the
//! value reads it here.

use sqlparser::ast::{CastKind, DataType, Expr, UnaryOperator, Value};
use std::borrow::Cow;

/// The text that a string constant stands for; `None` if the value is no string.
pub fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::SingleQuotedString(raw) | Value::NationalStringLiteral(raw) => Some(undouble(raw, '\'')),
        // The tokenizer has resolved these escapes, and `parse` has compared the outcome with PostgreSQL's.
        Value::EscapedStringLiteral(text) | Value::UnicodeStringLiteral(text) => Some(Cow::Borrowed(text)),
        Value::DollarQuotedString(quoted) => Some(Cow::Borrowed(&quoted.value)),
        Value::Number(..)
        | Value::TripleSingleQuotedString(_)
        | Value::TripleDoubleQuotedString(_)
        | Value::SingleQuotedByteStringLiteral(_)
        | Value::DoubleQuotedByteStringLiteral(_)
        | Value::TripleSingleQuotedByteStringLiteral(_)
        | Value::TripleDoubleQuotedByteStringLiteral(_)
        | Value::SingleQuotedRawStringLiteral(_)
        | Value::DoubleQuotedRawStringLiteral(_)
        | Value::TripleSingleQuotedRawStringLiteral(_)
        | Value::TripleDoubleQuotedRawStringLiteral(_)
        | Value::QuoteDelimitedStringLiteral(_)
        | Value::NationalQuoteDelimitedStringLiteral(_)
        | Value::HexStringLiteral(_)
        | Value::DoubleQuotedString(_)
        | Value::Boolean(_)
        | Value::Null
        | Value::Placeholder(_) => None,
    }
}

/// A string constant as a tree holds it, from its text.
pub fn quoted(text: &str) -> Value {
    Value::SingleQuotedString(text.replace('\'', "''"))
}

/// Takes one of each pair of doubled quotes away.
pub(super) fn undouble(raw: &str, quote: char) -> Cow<'_, str> {
    if raw.contains(quote) {
        let pair: String = [quote, quote].iter().collect();
        Cow::Owned(raw.replace(&pair, quote.encode_utf8(&mut [0; 4])))
    } else {
        Cow::Borrowed(raw)
    }
}

/// A constant expression's value: what the arguments of EXECUTE are for the most part.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    /// The value as text; `None` is NULL.
    pub value: Option<String>,
    /// Whether it was written as a number.
    pub number: bool,
    /// The type that a cast gives it.
    pub cast: Option<DataType>,
}

/// The value of a constant: a literal, with a sign or a cast (`-1`, `'2024-01-01'::date`, `DATE '2024-01-01'`). `None` for all else.
pub fn constant(expr: &Expr) -> Option<Constant> {
    let plain = |value: Option<String>, number| Some(Constant { value, number, cast: None });
    // A loop, not recursion: an expression may be as deep as the bounds allow.
    let (mut expr, mut negative, mut cast) = (expr, false, None);
    loop {
        match expr {
            Expr::Nested(inner) => expr = inner,
            Expr::UnaryOp { op: UnaryOperator::Plus, expr: inner } if cast.is_none() => expr = inner,
            Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } if cast.is_none() => {
                negative = !negative;
                expr = inner;
            }
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr: inner,
                data_type,
                array: false,
                format: None,
            } if cast.is_none() && !negative => {
                cast = Some(data_type.clone());
                expr = inner;
            }
            Expr::TypedString(typed) if cast.is_none() && !negative => {
                cast = Some(typed.data_type.clone());
                return text(&typed.value.value).map(|text| Constant {
                    value: Some(text.into_owned()),
                    number: false,
                    cast: cast.take(),
                });
            }
            _ => break,
        }
    }
    let Expr::Value(value) = expr else { return None };
    let found = match &value.value {
        Value::Number(digits, false) => {
            let digits = digits.replace('_', "");
            plain(Some(if negative { format!("-{digits}") } else { digits }), true)
        }
        Value::Null if !negative => plain(None, false),
        Value::Boolean(value) if !negative => plain(Some(value.to_string()), false),
        other if !negative => text(other).and_then(|text| plain(Some(text.into_owned()), false)),
        _ => None,
    }?;
    Some(Constant { cast, ..found })
}

/// Resolves the escapes of `E'…'`, given what is between the quotes ("String Constants with C-Style Escapes" in PostgreSQL's manual).
/// `None` where PostgreSQL refuses, and for escaped bytes beyond ASCII.
pub(super) fn decode_escaped(raw: &str) -> Option<String> {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\'' {
            // A quote in here is one of a pair.
            chars.next();
            out.push('\'');
            continue;
        }
        if c != '\\' {
            out.push(c);
            continue;
        }
        let mut digits = |radix: u32, most: usize| {
            let mut taken = String::new();
            while taken.len() < most
                && let Some(digit) = chars.next_if(|c| c.is_digit(radix))
            {
                taken.push(digit);
            }
            taken
        };
        let decoded = match digits(8, 3) {
            octal if !octal.is_empty() => ascii(u32::from_str_radix(&octal, 8).ok()? & 0xff)?,
            _ => match chars.next()? {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\u{b}',
                'x' => {
                    let hex = take_hex(&mut chars, 2);
                    if hex.is_empty() { 'x' } else { ascii(u32::from_str_radix(&hex, 16).ok()?)? }
                }
                'u' => code_point(&take_hex(&mut chars, 4), 4)?,
                'U' => code_point(&take_hex(&mut chars, 8), 8)?,
                other => other,
            },
        };
        out.push(decoded);
    }
    Some(out)
}

/// Resolves the escapes of `U&'…'` and `U&"…"` with the escape character `\`; `quote` is the one around it.
pub(super) fn decode_unicode(raw: &str, quote: char) -> Option<String> {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        if c == quote {
            chars.next();
            out.push(quote);
        } else if c != '\\' {
            out.push(c);
        } else if chars.next_if_eq(&'\\').is_some() {
            out.push('\\');
        } else if chars.next_if_eq(&'+').is_some() {
            out.push(code_point(&take_hex(&mut chars, 6), 6)?);
        } else {
            out.push(code_point(&take_hex(&mut chars, 4), 4)?);
        }
    }
    Some(out)
}

fn take_hex(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, most: usize) -> String {
    let mut taken = String::new();
    while taken.len() < most
        && let Some(digit) = chars.next_if(char::is_ascii_hexdigit)
    {
        taken.push(digit);
    }
    taken
}

fn ascii(code: u32) -> Option<char> {
    char::from_u32(code).filter(|c| c.is_ascii() && *c != '\0')
}

fn code_point(hex: &str, digits: usize) -> Option<char> {
    if hex.len() != digits {
        return None;
    }
    char::from_u32(u32::from_str_radix(hex, 16).ok()?).filter(|c| *c != '\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubled_quotes_are_one() {
        assert_eq!(text(&Value::SingleQuotedString(r"it''s \'' x".into())).unwrap(), r"it's \' x");
        assert_eq!(text(&quoted("a'b")).unwrap(), "a'b");
        assert_eq!(text(&Value::Null), None);
    }

    #[test]
    fn escapes_mean_what_postgresql_says() {
        assert_eq!(decode_escaped(r"a\n\x41\101\u0042\'''\q").unwrap(), "a\nAAB''q");
        assert_eq!(decode_escaped(r"\xff"), None);
        assert_eq!(decode_escaped(r"\u00"), None);
        assert_eq!(decode_escaped(r"\000"), None);
        assert_eq!(decode_unicode(r"d\0061t\+000061\\''", '\'').unwrap(), r"data\'");
        assert_eq!(decode_unicode(r"\00", '\''), None);
    }
}
