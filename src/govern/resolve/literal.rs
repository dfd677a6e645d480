//! Literals: constants of PostgreSQL's forms, parameters `$n`, typed literals, intervals.

use super::data_type::{data_type, is_upstreams};
use crate::govern::error::{ResolveError, ResolveFault, refuse};
use crate::sql::literal::text;
use sqlparser::ast::{CastKind, DateTimeField, DollarQuotedString, Expr, Interval, TypedString, Value, ValueWithSpan};

/// A constant or parameter, if it is of a form that PostgreSQL has.
pub(super) fn value(value: &ValueWithSpan) -> Result<ValueWithSpan, ResolveError> {
    let ValueWithSpan { value, span: _ } = value;
    if let Some(text) = text(value) {
        return Ok(text_value(&text).into());
    }
    match value {
        Value::Number(digits, false) => Ok(Value::Number(digits.replace('_', ""), false).into()),
        Value::Boolean(_) | Value::Null => Ok(value.clone().into()),
        Value::Placeholder(name) => {
            let number = name.strip_prefix('$').and_then(|digits| digits.parse::<u16>().ok());
            match number {
                Some(1..) => Ok(value.clone().into()),
                Some(0) | None => Err(refuse(format!("parameter {name}"), "Parameters are $1, $2 and so on.").into()),
            }
        }
        // A string of bits: `0x1f` is read as a hexadecimal one too, and is none.
        Value::SingleQuotedByteStringLiteral(bits) if bits.bytes().all(|bit| matches!(bit, b'0' | b'1')) => {
            Ok(value.clone().into())
        }
        Value::HexStringLiteral(_) | Value::SingleQuotedByteStringLiteral(_) => {
            Err(refuse("this form of bit string", "Write B'0101', or use bytea: '\\x1f'::bytea.").into())
        }
        Value::Number(_, true) => Err(refuse("a number with the suffix L", "Write ::bigint.").into()),
        Value::SingleQuotedString(_)
        | Value::EscapedStringLiteral(_)
        | Value::UnicodeStringLiteral(_)
        | Value::NationalStringLiteral(_)
        | Value::DollarQuotedString(_)
        | Value::TripleSingleQuotedString(_)
        | Value::TripleDoubleQuotedString(_)
        | Value::DoubleQuotedByteStringLiteral(_)
        | Value::TripleSingleQuotedByteStringLiteral(_)
        | Value::TripleDoubleQuotedByteStringLiteral(_)
        | Value::SingleQuotedRawStringLiteral(_)
        | Value::DoubleQuotedRawStringLiteral(_)
        | Value::TripleSingleQuotedRawStringLiteral(_)
        | Value::TripleDoubleQuotedRawStringLiteral(_)
        | Value::QuoteDelimitedStringLiteral(_)
        | Value::NationalQuoteDelimitedStringLiteral(_)
        | Value::DoubleQuotedString(_) => {
            Err(refuse("this form of string", "Write 'text', E'text' or $$text$$.").into())
        }
    }
}

/// A string constant.
pub(super) fn string(written: &ValueWithSpan, what: &str) -> Result<ValueWithSpan, ResolveError> {
    match text(&written.value) {
        Some(text) => Ok(text_value(&text).into()),
        None => Err(ResolveFault::Syntax(format!("{what} must be a string constant")).into()),
    }
}

/// A string constant that every reader reads alike, whatever it makes of doubled quotes and backslashes: dollar-quoted
/// if there is a quote in it.
pub(in crate::govern) fn text_value(text: &str) -> Value {
    if !text.contains('\'') {
        return Value::SingleQuotedString(text.to_owned());
    }
    let tag = (0_usize..).map(|n| if n == 0 { "q".to_owned() } else { format!("q{n}") });
    let tag = tag.into_iter().find(|tag| !text.contains(&format!("${tag}")));
    Value::DollarQuotedString(DollarQuotedString { value: text.to_owned(), tag })
}

/// `type 'text'`
pub(super) fn typed(typed: &TypedString) -> Result<Expr, ResolveError> {
    let TypedString { data_type: of, value, uses_odbc_syntax } = typed;
    if *uses_odbc_syntax {
        return Err(refuse("ODBC escape syntax", "Write DATE '2024-01-31'.").into());
    }
    let value = string(value, "a typed literal")?;
    let data_type = data_type(of)?;
    if is_upstreams(&data_type) {
        // The same, in a form that takes the full name of any type.
        let expr = Box::new(Expr::Value(value));
        return Ok(Expr::Cast { kind: CastKind::Cast, expr, data_type, array: false, format: None });
    }
    Ok(Expr::TypedString(TypedString { data_type, value, uses_odbc_syntax: false }))
}

/// `INTERVAL '1' DAY`
pub(super) fn interval(interval: &Interval) -> Result<Expr, ResolveError> {
    let Interval { value, leading_field, leading_precision, last_field, fractional_seconds_precision } = interval;
    let Expr::Value(text) = value.as_ref() else {
        return Err(refuse("INTERVAL of an expression", "Write INTERVAL '1 day', or multiply one.").into());
    };
    for field in leading_field.iter().chain(last_field) {
        interval_field(field)?;
    }
    let Ok(text) = string(text, "an interval") else {
        return Err(refuse("INTERVAL of a number", "Write INTERVAL '1 day'.").into());
    };
    Ok(Expr::Interval(Interval {
        value: Box::new(Expr::Value(text)),
        leading_field: leading_field.clone(),
        leading_precision: *leading_precision,
        last_field: last_field.clone(),
        fractional_seconds_precision: *fractional_seconds_precision,
    }))
}

fn interval_field(field: &DateTimeField) -> Result<(), ResolveError> {
    match field {
        DateTimeField::Year
        | DateTimeField::Month
        | DateTimeField::Day
        | DateTimeField::Hour
        | DateTimeField::Minute
        | DateTimeField::Second => Ok(()),
        other => {
            Err(refuse(format!("INTERVAL ... {other}"), "Write the unit in the string: INTERVAL '2 weeks'.").into())
        }
    }
}

/// A field of EXTRACT.
pub(super) fn extract_field(field: &DateTimeField) -> Result<DateTimeField, ResolveError> {
    let refused = || {
        refuse(
            format!("EXTRACT({field} ...)"),
            "Use year, month, day, hour, minute, second, dow, doy, epoch, quarter or week.",
        )
    };
    match field {
        DateTimeField::Year
        | DateTimeField::Month
        | DateTimeField::Week(None)
        | DateTimeField::Day
        | DateTimeField::Hour
        | DateTimeField::Minute
        | DateTimeField::Second
        | DateTimeField::Century
        | DateTimeField::Decade
        | DateTimeField::Dow
        | DateTimeField::Doy
        | DateTimeField::Epoch
        | DateTimeField::Isodow
        | DateTimeField::Isoyear
        | DateTimeField::Julian
        | DateTimeField::Microseconds
        | DateTimeField::Millennium
        | DateTimeField::Milliseconds
        | DateTimeField::Quarter
        | DateTimeField::Timezone
        | DateTimeField::TimezoneHour
        | DateTimeField::TimezoneMinute => Ok(field.clone()),
        DateTimeField::Years => Ok(DateTimeField::Year),
        DateTimeField::Months => Ok(DateTimeField::Month),
        DateTimeField::Weeks => Ok(DateTimeField::Week(None)),
        DateTimeField::Days => Ok(DateTimeField::Day),
        DateTimeField::Hours => Ok(DateTimeField::Hour),
        DateTimeField::Minutes => Ok(DateTimeField::Minute),
        DateTimeField::Seconds => Ok(DateTimeField::Second),
        DateTimeField::Microsecond => Ok(DateTimeField::Microseconds),
        DateTimeField::Millisecond => Ok(DateTimeField::Milliseconds),
        DateTimeField::Custom(name) => quoted_field(&name.value).ok_or_else(|| refused().into()),
        DateTimeField::Week(Some(_))
        | DateTimeField::DayOfWeek
        | DateTimeField::DayOfYear
        | DateTimeField::Date
        | DateTimeField::Datetime
        | DateTimeField::IsoWeek
        | DateTimeField::Millenium
        | DateTimeField::Nanosecond
        | DateTimeField::Nanoseconds
        | DateTimeField::Time
        | DateTimeField::TimezoneAbbr
        | DateTimeField::TimezoneRegion
        | DateTimeField::NoDateTime => Err(refused().into()),
    }
}

/// `EXTRACT('year' FROM …)`: the parser keeps the quoted field as a word of its own.
fn quoted_field(name: &str) -> Option<DateTimeField> {
    Some(match name.to_ascii_lowercase().as_str() {
        "year" => DateTimeField::Year,
        "quarter" => DateTimeField::Quarter,
        "month" => DateTimeField::Month,
        "week" => DateTimeField::Week(None),
        "day" => DateTimeField::Day,
        "hour" => DateTimeField::Hour,
        "minute" => DateTimeField::Minute,
        "second" => DateTimeField::Second,
        "dow" => DateTimeField::Dow,
        "doy" => DateTimeField::Doy,
        "epoch" => DateTimeField::Epoch,
        "isodow" => DateTimeField::Isodow,
        "isoyear" => DateTimeField::Isoyear,
        _unknown => return None,
    })
}
