//! The masks of SPEC section 4 as SQL of PostgreSQL 15: [`crate::govern::mask`] over a column of an upstream.
//!
//! A mask's text may stand where a planner evaluates it on hidden rows, so it must fail on no value: every division,
//! multiplication and cast in it stands behind a condition under which it can't overflow. What has no masked value, or
//! none that PostgreSQL's type can hold, is NULL.
//!
//! INVARIANT: the key is never in the text. `hash` and `email` name two parameters, the padded key blocks of RFC 2104.

use super::ForwardError;
use crate::decision::{ConstantValue, Mask};
use crate::govern::mask::{Buckets, STARS, TopCode};
use crate::govern::resolve::text_value;
use crate::types::SqlType;

/// The parameters that hold the key blocks, by number.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyParameters {
    pub(super) inner: usize,
    pub(super) outer: usize,
}

/// Whether a mask reads the key.
pub(super) fn reads_key(mask: &Mask) -> bool {
    match mask {
        Mask::Hash | Mask::Email => true,
        Mask::Deny
        | Mask::Null
        | Mask::Redact
        | Mask::Constant(_)
        | Mask::Last { .. }
        | Mask::Partial { .. }
        | Mask::Bucket { .. }
        | Mask::Round { .. }
        | Mask::TopCode { .. }
        | Mask::Year
        | Mask::Month
        | Mask::Day
        | Mask::Expression(_) => false,
    }
}

/// What a masked column gives, as an expression over `column`, which is a qualified name in SQL.
///
/// # Errors
/// [`ForwardError::NotSupported`] if the mask does not suit the type, or PostgreSQL can't carry it out without the risk
/// of failing on a value.
pub(super) fn mask_sql(
    mask: &Mask,
    column: &str,
    sql_type: &SqlType,
    key: KeyParameters,
) -> Result<String, ForwardError> {
    mask.suits(sql_type).map_err(|error| refused(error.to_string()))?;
    let masked = value_sql(mask, column, sql_type, key)?;
    Ok(match sql_type {
        // CASE forgets a precision, which clients are told. Its values have it by now: the cast fails on none.
        SqlType::Numeric { .. } => cast(&masked, &type_name(sql_type)?),
        _other => masked,
    })
}

fn value_sql(mask: &Mask, column: &str, sql_type: &SqlType, key: KeyParameters) -> Result<String, ForwardError> {
    let text = format!("CAST({column} AS pg_catalog.text)");
    Ok(match mask {
        Mask::Null => null(column),
        Mask::Redact if !sql_type.is_text() => null(column),
        Mask::Redact => kept_null(column, &constant_text(STARS)),
        Mask::Constant(value) => {
            let value = match value {
                ConstantValue::Boolean(flag) => flag.to_string(),
                ConstantValue::Number(digits) => cast(&quoted(digits), &type_name(sql_type)?),
                ConstantValue::Text(text) => cast(&quoted(text), &type_name(sql_type)?),
            };
            kept_null(column, &value)
        }
        Mask::Hash => match sql_type {
            SqlType::Bytea => hmac(column, key),
            SqlType::BigInt => kept_null(column, &hashed_bigint(&text, key)),
            _text => hashed_text(&text, key),
        },
        Mask::Email => email(column, &text, key),
        Mask::Last { n } => partial(column, &text, 0, *n, STARS),
        Mask::Partial { prefix, suffix, pad } => partial(column, &text, *prefix, *suffix, pad),
        Mask::Round { step } => match sql_type {
            SqlType::Real | SqlType::Double => round_double(column, sql_type, *step)?,
            _exact => round_exact(column, sql_type, *step)?,
        },
        Mask::TopCode { max } => top_code(column, sql_type, *max)?,
        Mask::Bucket { edges } => bucket(column, sql_type, edges)?,
        Mask::Year => truncated(column, sql_type, "year")?,
        Mask::Month => truncated(column, sql_type, "month")?,
        Mask::Day => truncated(column, sql_type, "day")?,
        Mask::Deny | Mask::Expression(_) => return Err(ForwardError::Broken("a mask that stands for no value")),
    })
}

fn refused(what: String) -> ForwardError {
    ForwardError::NotSupported { what, hint: "Ask the owner of the policy for another mask on this column.".to_owned() }
}

/// NULL of the column's own type.
fn null(column: &str) -> String {
    format!("CASE WHEN false THEN {column} END")
}

fn kept_null(column: &str, value: &str) -> String {
    format!("CASE WHEN {column} IS NULL THEN NULL ELSE {value} END")
}

fn cast(value: &str, type_name: &str) -> String {
    format!("CAST({value} AS {type_name})")
}

fn quoted(text: &str) -> String {
    text_value(text).to_string()
}

fn constant_text(text: &str) -> String {
    cast(&quoted(text), "pg_catalog.text")
}

fn numeric(text: &str) -> String {
    cast(&format!("'{text}'"), "pg_catalog.numeric")
}

/// The shortest digits that mean a double.
fn float_text(value: f64) -> String {
    if value.is_infinite() { if value > 0.0 { "Infinity" } else { "-Infinity" }.into() } else { format!("{value:e}") }
}

fn double(value: f64) -> String {
    cast(&format!("'{}'", float_text(value)), "pg_catalog.float8")
}

fn type_name(sql_type: &SqlType) -> Result<String, ForwardError> {
    Ok(match sql_type {
        SqlType::Boolean => "pg_catalog.bool".into(),
        SqlType::SmallInt => "pg_catalog.int2".into(),
        SqlType::Integer => "pg_catalog.int4".into(),
        SqlType::BigInt => "pg_catalog.int8".into(),
        SqlType::Real => "pg_catalog.float4".into(),
        SqlType::Double => "pg_catalog.float8".into(),
        SqlType::Numeric { precision, scale } => format!("NUMERIC({precision},{scale})"),
        SqlType::Text => "pg_catalog.text".into(),
        SqlType::Bytea => "pg_catalog.bytea".into(),
        SqlType::Date => "pg_catalog.date".into(),
        SqlType::Timestamp => "pg_catalog.timestamp".into(),
        SqlType::TimestampTz => "pg_catalog.timestamptz".into(),
        SqlType::Uuid => "pg_catalog.uuid".into(),
        SqlType::Time | SqlType::Interval | SqlType::Json | SqlType::Array(_) | SqlType::Other(_) => {
            return Err(refused(format!("a mask that gives a value of type {sql_type}")));
        }
    })
}

/// HMAC-SHA-256 of bytes: NULL for NULL.
fn hmac(bytes: &str, key: KeyParameters) -> String {
    let KeyParameters { inner, outer } = key;
    format!(
        "pg_catalog.sha256(CAST(${outer} AS pg_catalog.bytea) || \
         pg_catalog.sha256(CAST(${inner} AS pg_catalog.bytea) || {bytes}))"
    )
}

/// 32 hexadecimal digits; NULL for NULL.
fn hashed_text(text: &str, key: KeyParameters) -> String {
    let bytes = hmac(&format!("pg_catalog.convert_to({text}, 'UTF8')"), key);
    format!("pg_catalog.\"left\"(pg_catalog.encode({bytes}, 'hex'), 32)")
}

/// The first 8 bytes as a number, without its sign, and never zero.
fn hashed_bigint(digits: &str, key: KeyParameters) -> String {
    let bytes = hmac(&format!("pg_catalog.convert_to({digits}, 'UTF8')"), key);
    let hex = format!("pg_catalog.\"left\"(pg_catalog.encode({bytes}, 'hex'), 16)");
    format!("GREATEST(CAST(CAST('x' || {hex} AS BIT(64)) AS pg_catalog.int8) & 9223372036854775807, 1)")
}

fn email(column: &str, text: &str, key: KeyParameters) -> String {
    let domain = format!("pg_catalog.split_part({text}, '@', -1)");
    let length = |of: &str| format!("pg_catalog.char_length({of})");
    format!(
        "CASE WHEN {column} IS NULL THEN NULL \
         WHEN pg_catalog.strpos({text}, '@') > 0 AND {domain_length} > 0 AND {text_length} > {domain_length} + 1 \
         THEN pg_catalog.\"left\"({text}, 1) || '{STARS}@' || {domain} ELSE {hashed} END",
        domain_length = length(&domain),
        text_length = length(text),
        hashed = hashed_text(text, key),
    )
}

/// `last` is `partial` without a prefix.
fn partial(column: &str, text: &str, prefix: u32, suffix: u32, pad: &str) -> String {
    let pad = constant_text(pad);
    let most = i64::from(prefix).saturating_add(i64::from(suffix));
    // No text is as long as that, and the functions below take no such number.
    if most > i64::from(i32::MAX) {
        return kept_null(column, &pad);
    }
    format!(
        "CASE WHEN {column} IS NULL THEN NULL WHEN pg_catalog.char_length({text}) <= {most} THEN {pad} \
         ELSE pg_catalog.\"left\"({text}, {prefix}) || {pad} || pg_catalog.\"right\"({text}, {suffix}) END"
    )
}

/// Least and greatest value in units of `10^-scale`, and the scale.
fn exact_range(sql_type: &SqlType) -> Option<(i128, i128, i8)> {
    match sql_type {
        SqlType::SmallInt => Some((i16::MIN.into(), i16::MAX.into(), 0)),
        SqlType::Integer => Some((i32::MIN.into(), i32::MAX.into(), 0)),
        SqlType::BigInt => Some((i64::MIN.into(), i64::MAX.into(), 0)),
        SqlType::Numeric { precision, scale } => {
            let beyond = 10_i128.checked_pow(u32::from(*precision))?;
            Some((1 - beyond, beyond - 1, *scale))
        }
        _inexact => None,
    }
}

/// A number of units of `10^-scale` as a value of the type.
fn exact(units: i128, scale: i8, sql_type: &SqlType) -> Result<String, ForwardError> {
    Ok(cast(&format!("'{units}e{}'", -i32::from(scale)), &type_name(sql_type)?).replace("e0'", "'"))
}

fn range_of(sql_type: &SqlType) -> Result<(i128, i128, i8), ForwardError> {
    exact_range(sql_type).ok_or_else(|| refused(format!("a numeric mask on a column of type {sql_type}")))
}

/// Exact in numeric: the multiple below or above, ties away from zero, then rounded to the column's scale.
fn round_exact(column: &str, sql_type: &SqlType, step: f64) -> Result<String, ForwardError> {
    if !(step.is_finite() && step > 0.0) {
        return Ok(null(column));
    }
    let (least, most, scale) = range_of(sql_type)?;
    if let Some(step) = whole(step).filter(|_| matches!(sql_type, SqlType::SmallInt | SqlType::Integer)) {
        // The same in bigint, which no smaller integer overflows: numeric costs a lookup as much again.
        let half = format!("(CASE WHEN {column} < 0 THEN (-{step}) ELSE {step} END)");
        let rounded = format!("(({} * 2 + {half}) / {} * {step})", cast(column, "pg_catalog.int8"), 2 * step);
        let rounded_as_it = cast(&rounded, &type_name(sql_type)?);
        return Ok(format!("CASE WHEN {rounded} BETWEEN ({least}) AND {most} THEN {rounded_as_it} END"));
    }
    let value = cast(column, "pg_catalog.numeric");
    let step = numeric(&float_text(step));
    let rounded = format!(
        "pg_catalog.sign({value}) * pg_catalog.round(pg_catalog.div(2 * pg_catalog.abs({value}) + {step}, 2 * {step}) * {step}, {scale})"
    );
    let bound = |units: i128| numeric(&format!("{units}e{}", -i32::from(scale)));
    Ok(format!(
        "CASE WHEN {column} IS NULL THEN NULL WHEN {rounded} BETWEEN {} AND {} THEN {} END",
        bound(least),
        bound(most),
        cast(&rounded, &type_name(sql_type)?)
    ))
}

/// A step that is a whole number, and so small that a bigint has room for twice of it beside twice of any integer.
fn whole(step: f64) -> Option<i64> {
    const MOST: f64 = 9_007_199_254_740_992.0;
    if step >= 1.0 && step.fract() == 0.0 && step <= MOST { format!("{step:.0}").parse().ok() } else { None }
}

/// As IEEE 754 rounds each operation. PostgreSQL raises an error where one overflows or underflows, so each stands behind
/// a condition that is exact: both sides are taken by a power of two, which changes no digit.
fn round_double(column: &str, sql_type: &SqlType, step: f64) -> Result<String, ForwardError> {
    if !(step.is_finite() && step > 0.0) {
        return Ok(null(column));
    }
    let is_real = *sql_type == SqlType::Real;
    let usual = if is_real { 1e-30..=1e30 } else { 1e-200..=1e200 };
    if !usual.contains(&step) {
        return Err(refused(format!("the mask round({step}) on a column of type {sql_type}")));
    }
    let value = cast(column, "pg_catalog.float8");
    let quotient = format!("({value} / {})", double(step));
    let whole = format!("pg_catalog.trunc({quotient})");
    let rounded = format!(
        "(CASE WHEN pg_catalog.abs({quotient} - {whole}) >= 0.5 THEN {whole} + pg_catalog.sign({value}) ELSE {whole} END)"
    );
    let mut conditions = vec![
        format!("WHEN {column} IS NULL THEN NULL"),
        // Infinities, and NaN, which is more than any number.
        format!("WHEN pg_catalog.abs({value}) > {} THEN {value}", double(f64::MAX)),
        format!("WHEN pg_catalog.abs({value}) < {} THEN {}", double(step / 4.0), double(0.0)),
    ];
    // The power of two that makes the step one or more.
    let mut power = 1.0;
    while step * power < 1.0 {
        power *= 2.0;
    }
    if power > 1.0 {
        let (scaled, most) = (double(step * power), double(f64::MAX / power));
        conditions.push(format!(
            "WHEN pg_catalog.abs({value}) > 1 AND pg_catalog.abs({value} / {scaled}) > {most} THEN {value}"
        ));
    }
    let half = double(step / 2.0);
    conditions.push(format!("WHEN pg_catalog.abs({rounded} * {half}) > {} THEN NULL", double(f64::MAX / 2.0)));
    let multiple = format!("{rounded} * {} + {}", double(step), double(0.0));
    let rounded = format!("(CASE {} ELSE {multiple} END)", conditions.join(" "));
    if !is_real {
        return Ok(rounded);
    }
    // The least double that is rounded to an infinite real: half a unit beyond the greatest real.
    let beyond = double(f64::from(f32::MAX) + (2.0_f64).powi(103));
    Ok(format!(
        "CASE WHEN {column} IS NULL THEN NULL WHEN pg_catalog.abs({value}) > {} THEN {column} \
         WHEN pg_catalog.abs({rounded}) < {beyond} THEN CAST({rounded} AS pg_catalog.float4) END",
        double(f64::from(f32::MAX))
    ))
}

fn top_code(column: &str, sql_type: &SqlType, max: f64) -> Result<String, ForwardError> {
    if !max.is_finite() {
        return Ok(null(column));
    }
    let capped =
        |max: &str| format!("CASE WHEN {column} IS NULL THEN NULL WHEN {column} <= {max} THEN {column} ELSE {max} END");
    if let Some(max) = float_constant(sql_type, max) {
        return Ok(capped(&max));
    }
    let (least, most, scale) = range_of(sql_type)?;
    match TopCode::new(max).at_scale(scale) {
        Some(max) if max > most => Ok(capped(&exact(most, scale, sql_type)?)),
        Some(max) if max >= least => Ok(capped(&exact(max, scale, sql_type)?)),
        Some(_) | None => Ok(null(column)),
    }
}

/// A constant of a floating-point type: the nearest number. `None`: another type.
fn float_constant(sql_type: &SqlType, value: f64) -> Option<String> {
    match sql_type {
        SqlType::Double => Some(double(value)),
        SqlType::Real => {
            let nearest = value as f32;
            let text = if nearest.is_infinite() { float_text(nearest.into()) } else { format!("{nearest:e}") };
            Some(cast(&format!("'{text}'"), "pg_catalog.float4"))
        }
        _exact => None,
    }
}

fn bucket(column: &str, sql_type: &SqlType, edges: &[f64]) -> Result<String, ForwardError> {
    let ascend = edges.iter().all(|edge| edge.is_finite()) && edges.is_sorted_by(|a, b| a < b);
    if !ascend || edges.is_empty() {
        return Ok(null(column));
    }
    let mut lower = Vec::new();
    match sql_type {
        SqlType::Real | SqlType::Double => {
            // Never minus zero.
            let plain = |edge: &f64| if *edge as f32 == 0.0 && *sql_type == SqlType::Real { 0.0 } else { *edge + 0.0 };
            lower.extend(edges.iter().filter_map(|edge| float_constant(sql_type, plain(edge))));
        }
        _exact => {
            let (least, most, scale) = range_of(sql_type)?;
            for edge in Buckets::new(edges).at_scale(scale) {
                if edge <= most {
                    lower.push(exact(edge.max(least), scale, sql_type)?);
                }
            }
        }
    }
    if lower.is_empty() {
        return Ok(null(column));
    }
    let cases: Vec<String> = lower.iter().rev().map(|edge| format!("WHEN {column} >= {edge} THEN {edge}")).collect();
    Ok(format!("CASE {} END", cases.join(" ")))
}

/// Cut down in UTC. Infinite ones stay. PostgreSQL's calendar begins on 4714-11-24 BC: what begins before it is NULL.
fn truncated(column: &str, sql_type: &SqlType, unit: &str) -> Result<String, ForwardError> {
    let first = match unit {
        "year" => "4713-01-01",
        "month" => "4714-12-01",
        _day => "4714-11-24",
    };
    let (first, cut) = match sql_type {
        SqlType::Date if unit == "day" => return Ok(column.to_owned()),
        SqlType::Date => {
            let field = |field: &str| format!("CAST(EXTRACT({field} FROM {column}) AS pg_catalog.int4)");
            let month = if unit == "year" { "1".to_owned() } else { field("MONTH") };
            let cut = format!("pg_catalog.make_date({}, {month}, 1)", field("YEAR"));
            (cast(&format!("'{first} BC'"), "pg_catalog.date"), cut)
        }
        SqlType::Timestamp => (
            cast(&format!("'{first} 00:00:00 BC'"), "pg_catalog.timestamp"),
            format!("pg_catalog.date_trunc('{unit}', {column})"),
        ),
        SqlType::TimestampTz => (
            cast(&format!("'{first} 00:00:00+00 BC'"), "pg_catalog.timestamptz"),
            format!("pg_catalog.date_trunc('{unit}', {column}, 'UTC')"),
        ),
        other => return Err(refused(format!("the mask {unit} on a column of type {other}"))),
    };
    Ok(format!(
        "CASE WHEN {column} IS NULL THEN NULL WHEN NOT pg_catalog.isfinite({column}) THEN {column} \
         WHEN {column} < {first} THEN NULL ELSE {cut} END"
    ))
}
