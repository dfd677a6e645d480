//! Numbers as text and back: `to_char(number, pattern)`, `to_number`, `pg_size_pretty`.
//! PostgreSQL manual, section 9.8, "Template Patterns for Numeric Formatting".

use super::super::rows::Cell;
use super::call::{Call, Definition, Returns, refuse};
use crate::error::SqlState;
use datafusion::error::Result;

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition::pure("to_number", (2, 2), Returns::Float8, to_number),
    Definition::pure("width_bucket", (4, 4), Returns::Int4, width_bucket),
    Definition::pure("pg_size_pretty", (1, 1), Returns::Text, |call| Ok(call.int(0).map(size).into())),
];

/// Which of `count` equal buckets between two bounds a number falls in; 0 is below, `count + 1` above.
fn width_bucket(call: &Call<'_>) -> Result<Cell> {
    let wrong = |message: &str| refuse(SqlState("2201G"), message);
    let number = |at: usize| call.digits(at).and_then(|digits| digits.parse::<f64>().ok()).filter(|n| n.is_finite());
    let (Some(value), Some(low), Some(high)) = (number(0), number(1), number(2)) else {
        return Err(wrong("operand, lower bound, and upper bound cannot be NaN"));
    };
    let count = call.int(3).and_then(|count| i32::try_from(count).ok()).filter(|count| *count > 0);
    let Some(count) = count else { return Err(wrong("count must be greater than zero")) };
    let at = if low < high {
        (value - low) / (high - low)
    } else if low > high {
        (low - value) / (low - high)
    } else {
        return Err(wrong("lower bound cannot equal upper bound"));
    };
    let bucket = if at < 0.0 { 0.0 } else { (at * f64::from(count)).floor().min(f64::from(count)) + 1.0 };
    Ok(Cell::Int(bucket as i64))
}

/// Bytes in the largest unit that leaves at least 10 of it, as PostgreSQL prints them.
fn size(bytes: i64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes;
    for (step, unit) in units.iter().enumerate() {
        if value.unsigned_abs() < 10 * 1024 || step + 1 == units.len() {
            return format!("{value} {unit}");
        }
        // Halves round away from zero.
        value = (value.saturating_add(512 * value.signum())) / 1024;
    }
    format!("{value} PB")
}

/// A pattern, read.
#[derive(Debug, Default)]
struct Pattern {
    /// Before the point: `9`, `0`, `,` and literal characters, in order.
    whole: Vec<char>,
    /// After it.
    fraction: Vec<char>,
    fill: bool,
    point: bool,
    /// `S` at the start or the end, `MI`, `PR`.
    sign_first: bool,
    sign_last: bool,
    minus_last: bool,
    brackets: bool,
    ordinal: Option<&'static str>,
}

fn unsupported(pattern: &str) -> datafusion::error::DataFusionError {
    refuse(SqlState::FEATURE_NOT_SUPPORTED, format!("number pattern {pattern:?} is not supported"))
}

fn read(text: &str) -> Result<Pattern> {
    let mut pattern = Pattern { fill: true, ..Pattern::default() };
    let mut rest = text;
    let mut digits = false;
    while let Some(first) = rest.chars().next() {
        let word = |word: &str| {
            rest.split_at_checked(word.len()).filter(|(head, _)| head.eq_ignore_ascii_case(word)).map(|(_, tail)| tail)
        };
        if let Some(tail) = word("FM") {
            (pattern.fill, rest) = (false, tail);
        } else if let Some(tail) = word("MI") {
            (pattern.minus_last, rest) = (true, tail);
        } else if let Some(tail) = word("PR") {
            (pattern.brackets, rest) = (true, tail);
        } else if let Some(tail) = word("TH") {
            pattern.ordinal = Some(if rest.starts_with('T') { "TH" } else { "th" });
            rest = tail;
        } else if ["EEEE", "RN", "V", "PL", "SG"].iter().any(|name| word(name).is_some()) {
            return Err(unsupported(text));
        } else {
            match first {
                '9' | '0' => {
                    digits = true;
                    if pattern.point { pattern.fraction.push(first) } else { pattern.whole.push(first) }
                }
                ',' | 'G' | 'g' => pattern.whole.push(','),
                '.' | 'D' | 'd' if !pattern.point => pattern.point = true,
                'S' | 's' if digits => pattern.sign_last = true,
                'S' | 's' => pattern.sign_first = true,
                ' ' | '$' | '%' | '-' | '/' | ':' if !digits && !pattern.point => pattern.whole.push(first),
                _ => return Err(unsupported(text)),
            }
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    Ok(pattern)
}

/// A number, given by its decimal digits, in a pattern.
pub(super) fn to_char(digits: &str, text: &str) -> Result<String> {
    let pattern = read(text)?;
    let negative = digits.starts_with('-');
    let (whole, fraction) = rounded(digits.trim_start_matches('-'), pattern.fraction.len())
        .ok_or_else(|| refuse(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "number can not be formatted"))?;
    let negative = negative && (whole.bytes().chain(fraction.bytes())).any(|b| b != b'0');
    let places = pattern.whole.iter().filter(|c| matches!(c, '9' | '0')).count();
    let overflow = whole.len() > places && whole != "0";
    // Digits go in from the right; a 9 before the first digit is a blank, a 0 is a zero.
    let mut given = whole.trim_start_matches('0').chars().rev();
    let mut zeros_from = pattern.whole.iter().position(|c| *c == '0');
    if places > 0 && pattern.fraction.is_empty() && zeros_from.is_none() && whole.trim_start_matches('0').is_empty() {
        zeros_from = pattern.whole.iter().rposition(|c| *c == '9');
    }
    let mut body: Vec<char> = Vec::new();
    let mut pending = given.next();
    for (at, slot) in pattern.whole.iter().enumerate().rev() {
        let inside = pending.is_some() || zeros_from.is_some_and(|from| from < at);
        match slot {
            '9' | '0' if overflow => body.push('#'),
            '9' | '0' => {
                let zero = zeros_from.is_some_and(|from| from <= at).then_some('0');
                if let Some(c) = pending.or(zero).or(pattern.fill.then_some(' ')) {
                    body.push(c);
                }
                pending = given.next();
            }
            ',' if inside || overflow => body.push(','),
            ',' if pattern.fill => body.push(' '),
            ',' => {}
            literal => body.push(*literal),
        }
    }
    body.reverse();
    let mut number: String = body.into_iter().collect();
    if pattern.point {
        number.push('.');
        if overflow {
            number.extend(pattern.fraction.iter().map(|_| '#'));
        } else if pattern.fill {
            number.push_str(&fraction);
        } else {
            let least = pattern.fraction.iter().rposition(|c| *c == '0').map_or(0, |at| at + 1);
            let kept = fraction.trim_end_matches('0').len().max(least);
            number.push_str(fraction.get(..kept).unwrap_or_default());
        }
    }
    Ok(signed(number, negative, &pattern))
}

/// Puts the sign where the pattern wants it: before the first digit, unless it names a place.
fn signed(number: String, negative: bool, pattern: &Pattern) -> String {
    let at = number.find(|c: char| c != ' ').unwrap_or(number.len());
    let (blanks, digits) = number.split_at_checked(at).unwrap_or(("", &number));
    let minus = if negative { "-" } else { "" };
    let blank = if pattern.fill { " " } else { "" };
    let mut out = if pattern.brackets {
        let (open, close) = if negative { ("<", ">") } else { (blank, blank) };
        format!("{blanks}{open}{digits}{close}")
    } else if pattern.minus_last {
        format!("{number}{}", if negative { "-" } else { blank })
    } else if pattern.sign_last {
        format!("{number}{}", if negative { "-" } else { "+" })
    } else if pattern.sign_first {
        format!("{blanks}{}{digits}", if negative { "-" } else { "+" })
    } else {
        format!("{blanks}{}{digits}", if negative { minus } else { blank })
    };
    if let Some(case) = pattern.ordinal.filter(|_| !negative && !pattern.point) {
        out.push_str(&ordinal(digits, case));
    }
    out
}

/// `st`, `nd`, `rd` or `th` for a number, in the case of `case`.
pub(super) fn ordinal(digits: &str, case: &str) -> String {
    let digits = digits.trim();
    let suffix = match digits {
        teens if teens.ends_with("11") || teens.ends_with("12") || teens.ends_with("13") => "th",
        one if one.ends_with('1') => "st",
        two if two.ends_with('2') => "nd",
        three if three.ends_with('3') => "rd",
        _ => "th",
    };
    if case == "TH" { suffix.to_uppercase() } else { suffix.to_owned() }
}

/// Decimal digits without a sign, rounded half away from zero to so many places: whole part and fraction.
fn rounded(digits: &str, places: usize) -> Option<(String, String)> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut kept: Vec<u8> = whole.bytes().chain(fraction.bytes().chain(std::iter::repeat(b'0')).take(places)).collect();
    if fraction.as_bytes().get(places).is_some_and(|next| *next >= b'5') {
        let mut carry = true;
        for digit in kept.iter_mut().rev() {
            if !carry {
                break;
            }
            carry = *digit == b'9';
            *digit = if carry { b'0' } else { *digit + 1 };
        }
        if carry {
            kept.insert(0, b'1');
        }
    }
    let text = String::from_utf8(kept).ok()?;
    let at = text.len().checked_sub(places)?;
    let (whole, fraction) = text.split_at_checked(at)?;
    let whole = whole.trim_start_matches('0');
    Some((if whole.is_empty() { "0".to_owned() } else { whole.to_owned() }, fraction.to_owned()))
}

/// Reads a number that was printed in a pattern: what is neither digit, sign nor point is passed over.
fn to_number(call: &Call<'_>) -> Result<Cell> {
    let (text, pattern) = (call.text(0).unwrap_or_default(), call.text(1).unwrap_or_default());
    let read = read(pattern)?;
    let negative = text.contains('-') || (read.brackets && text.contains('<'));
    let digits: String = text.chars().filter(|c| c.is_ascii_digit() || (*c == '.' && read.point)).collect();
    let number: f64 = digits
        .parse()
        .map_err(|_| refuse(SqlState::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type numeric"))?;
    Ok(Cell::Float(if negative { -number } else { number }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Right sides are what PostgreSQL 15 answers.
    #[test]
    fn patterns_give_what_postgresql_gives() {
        for (digits, pattern, expected) in [
            ("-0.1", "99.99", "  -.10"),
            ("-0.1", "FM9.99", "-.1"),
            ("0.1", "0.9", " 0.1"),
            ("12", "9990999.9", "    0012.0"),
            ("12", "FM9990999.9", "0012."),
            ("485", "999", " 485"),
            ("-485", "999", "-485"),
            ("1485", "9,999", " 1,485"),
            ("148.5", "999.999", " 148.500"),
            ("148.5", "FM999.999", "148.5"),
            ("148.5", "FM999.990", "148.500"),
            ("3148.5", "9G999D999", " 3,148.500"),
            ("-485", "999S", "485-"),
            ("-485", "999MI", "485-"),
            ("485", "999MI", "485 "),
            ("485", "FM999MI", "485"),
            ("-485", "999PR", "<485>"),
            ("485", "FM999PR", "485"),
            ("482", "999th", " 482nd"),
            ("12345", "999", " ###"),
            ("0", "999", "   0"),
            ("1234567.891", "FM9,999,999.00", "1,234,567.89"),
            ("0.5", "FM9", "1"),
            ("999.99", "000.0", " ###.#"),
            ("5", "FM000", "005"),
            ("1234", "FM$9,999", "$1,234"),
        ] {
            assert_eq!(to_char(digits, pattern).unwrap(), expected, "{digits} {pattern}");
        }
        assert!(to_char("1", "RN").is_err());
    }

    #[test]
    fn sizes_are_pretty() {
        assert_eq!(size(10_239), "10239 bytes");
        assert_eq!(size(10_240), "10 kB");
        assert_eq!(size(1 << 30), "1024 MB");
    }
}
