//! Bound parameters as the engine's values.

use super::error::EngineError;
use super::types::parameter_type;
use crate::types::BoundParameter;
use arrow::array::ArrayRef;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Date32Type, TimeUnit};
use datafusion::common::ScalarValue;
use postgres_types::{FromSql, Type};
use std::collections::HashMap;

/// Each parameter as a value: of the type that the client gave, or of the one that the planner worked out where the
/// client gave none.
///
/// # Errors
/// [`EngineError::Parameter`] for bytes that are no value of the type; the bytes are not repeated.
pub(super) fn bind(
    parameters: &[BoundParameter],
    inferred: &HashMap<String, Option<DataType>>,
) -> Result<Vec<ScalarValue>, EngineError> {
    parameters
        .iter()
        .enumerate()
        .map(|(index, parameter)| {
            let number = index.saturating_add(1);
            let untyped = matches!(parameter.pg_type, Type::UNKNOWN | Type::TEXT | Type::VARCHAR);
            let wanted =
                inferred.get(&format!("${number}")).cloned().flatten().filter(|_| untyped && !parameter.binary);
            value(number, parameter, wanted)
        })
        .collect()
}

fn value(number: usize, parameter: &BoundParameter, wanted: Option<DataType>) -> Result<ScalarValue, EngineError> {
    let unsupported = || EngineError::ParameterType { number, type_name: parameter.pg_type.name().to_owned() };
    let target = match wanted {
        Some(wanted) => wanted,
        None => parameter_type(&parameter.pg_type).ok_or_else(unsupported)?,
    };
    let malformed =
        || EngineError::Parameter { number, type_name: parameter.pg_type.name().to_owned(), binary: parameter.binary };
    let Some(bytes) = &parameter.value else {
        return ScalarValue::try_from(&target).map_err(EngineError::from);
    };
    if parameter.binary {
        binary(&parameter.pg_type, bytes).ok_or_else(malformed)
    } else {
        let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
        from_text(text, &parameter.pg_type, &target).ok_or_else(malformed)
    }
}

/// A value in PostgreSQL's text form.
fn from_text(text: &str, pg_type: &Type, target: &DataType) -> Option<ScalarValue> {
    let trimmed = text.trim();
    match target {
        DataType::Boolean => boolean(trimmed).map(|value| ScalarValue::Boolean(Some(value))),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            bytea(trimmed).map(|bytes| ScalarValue::Binary(Some(bytes)))
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let valid = match *pg_type {
                Type::UUID => uuid::Uuid::parse_str(trimmed).is_ok(),
                Type::JSON | Type::JSONB => serde_json::from_str::<serde_json::Value>(text).is_ok(),
                _ => true,
            };
            valid.then(|| ScalarValue::from(text))
        }
        DataType::List(field) => {
            let items = array_items(trimmed)?;
            let values: Option<Vec<ScalarValue>> = items
                .into_iter()
                .map(|item| match item {
                    Some(item) => from_text(&item, pg_type, field.data_type()),
                    None => ScalarValue::try_from(field.data_type()).ok(),
                })
                .collect();
            Some(ScalarValue::List(ScalarValue::new_list_nullable(&values?, field.data_type())))
        }
        DataType::Decimal128(..) if pg_type == &Type::NUMERIC => decimal(trimmed),
        DataType::Null => Some(ScalarValue::from(text)),
        DataType::Date32 => match local(trimmed) {
            Some(at) => Some(ScalarValue::Date32(Some(Date32Type::from_naive_date(at.date())))),
            None => cast_text(trimmed, target),
        },
        DataType::Timestamp(_, None) => match local(trimmed) {
            Some(at) => {
                ScalarValue::TimestampMicrosecond(Some(at.and_utc().timestamp_micros()), None).cast_to(target).ok()
            }
            None => cast_text(trimmed, target),
        },
        other => cast_text(trimmed, other),
    }
}

/// Date and time of day in a text with a time zone behind it, which PostgreSQL leaves out of account for types without
/// one: JDBC writes `2024-02-29 +01` for a date. `None`: the text has no time zone, or another form.
fn local(text: &str) -> Option<chrono::NaiveDateTime> {
    let (date, rest) = text.split_at_checked(10)?;
    let date = chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let rest = rest.trim_start_matches(['T', ' ']);
    let (time, zone) = rest.split_at_checked(rest.find(['+', '-', 'Z', 'z'])?)?;
    let is_zone = match zone.strip_prefix(['+', '-']) {
        Some(offset) => {
            let digits: String = offset.split(':').collect();
            matches!(digits.len(), 2 | 4 | 6) && digits.bytes().all(|digit| digit.is_ascii_digit())
        }
        None => zone.eq_ignore_ascii_case("z"),
    };
    let time = match time.trim_end() {
        "" => chrono::NaiveTime::MIN,
        time => chrono::NaiveTime::parse_from_str(time, "%H:%M:%S%.f").ok()?,
    };
    is_zone.then(|| date.and_time(time))
}

/// What Arrow's strict cast makes of a text.
fn cast_text(text: &str, target: &DataType) -> Option<ScalarValue> {
    let array: ArrayRef = ScalarValue::from(text).to_array().ok()?;
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let cast = cast_with_options(&array, target, &strict).ok()?;
    ScalarValue::try_from_array(&cast, 0).ok()
}

/// A decimal with just the scale that its digits have.
fn decimal(text: &str) -> Option<ScalarValue> {
    let value: rust_decimal::Decimal =
        text.parse().ok().or_else(|| rust_decimal::Decimal::from_scientific(text).ok())?;
    decimal_value(value)
}

fn decimal_value(value: rust_decimal::Decimal) -> Option<ScalarValue> {
    let scale = i8::try_from(value.scale()).ok()?;
    Some(ScalarValue::Decimal128(Some(value.mantissa()), 38, scale))
}

/// The words that PostgreSQL takes for a boolean ("Boolean Type").
fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => Some(true),
        "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// `\x…`, or the escape form.
fn bytea(text: &str) -> Option<Vec<u8>> {
    if let Some(digits) = text.strip_prefix("\\x") {
        return hex::decode(digits.replace(char::is_whitespace, "")).ok();
    }
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let first = rest.next()?;
        if first == b'\\' {
            bytes.push(b'\\');
            continue;
        }
        let digits = [first, rest.next()?, rest.next()?];
        let octal = std::str::from_utf8(&digits).ok()?;
        bytes.push(u8::from_str_radix(octal, 8).ok()?);
    }
    Some(bytes)
}

/// The items of a one-dimensional array literal, `{1,NULL,"a,b"}` ("Arrays", "Array Input and Output Syntax").
fn array_items(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    if inner.trim().is_empty() {
        return Some(Vec::new());
    }
    let (mut items, mut item, mut quoted, mut in_quotes) = (Vec::new(), String::new(), false, false);
    let mut rest = inner.chars();
    let finish = |item: &mut String, quoted: &mut bool| {
        let text = std::mem::take(item);
        let was_quoted = std::mem::take(quoted);
        if was_quoted {
            return Some(text);
        }
        let text = text.trim().to_owned();
        (!text.eq_ignore_ascii_case("null")).then_some(text)
    };
    while let Some(character) = rest.next() {
        match character {
            '\\' => item.push(rest.next()?),
            '"' => {
                in_quotes = !in_quotes;
                quoted = true;
            }
            ',' if !in_quotes => items.push(finish(&mut item, &mut quoted)),
            '{' | '}' if !in_quotes => return None,
            other => item.push(other),
        }
    }
    if in_quotes {
        return None;
    }
    items.push(finish(&mut item, &mut quoted));
    Some(items)
}

/// A list of values, each made by a function; `None` if one can't be made.
fn scalars<T>(values: Vec<Option<T>>, of: DataType, make: impl Fn(T) -> Option<ScalarValue>) -> Option<ScalarValue> {
    let made: Option<Vec<ScalarValue>> = values
        .into_iter()
        .map(|value| match value {
            Some(value) => make(value),
            None => ScalarValue::try_from(&of).ok(),
        })
        .collect();
    Some(ScalarValue::List(ScalarValue::new_list_nullable(&made?, &of)))
}

/// A value in PostgreSQL's binary form.
fn binary(pg_type: &Type, bytes: &[u8]) -> Option<ScalarValue> {
    fn read<'a, T: FromSql<'a>>(pg_type: &Type, bytes: &'a [u8]) -> Option<T> {
        T::from_sql(pg_type, bytes).ok()
    }
    fn list<'a, T: FromSql<'a>>(pg_type: &Type, bytes: &'a [u8], of: DataType) -> Option<ScalarValue>
    where
        ScalarValue: From<Option<T>>,
    {
        let values: Vec<Option<T>> = read(pg_type, bytes)?;
        let values: Vec<ScalarValue> = values.into_iter().map(ScalarValue::from).collect();
        Some(ScalarValue::List(ScalarValue::new_list_nullable(&values, &of)))
    }
    let value = match *pg_type {
        Type::BOOL => ScalarValue::Boolean(Some(read(pg_type, bytes)?)),
        Type::INT2 => ScalarValue::Int16(Some(read(pg_type, bytes)?)),
        Type::INT4 => ScalarValue::Int32(Some(read(pg_type, bytes)?)),
        Type::INT8 => ScalarValue::Int64(Some(read(pg_type, bytes)?)),
        Type::OID => ScalarValue::Int64(Some(i64::from(read::<u32>(pg_type, bytes)?))),
        Type::FLOAT4 => ScalarValue::Float32(Some(read(pg_type, bytes)?)),
        Type::FLOAT8 => ScalarValue::Float64(Some(read(pg_type, bytes)?)),
        Type::NUMERIC => decimal_value(read(pg_type, bytes)?)?,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::JSON => {
            ScalarValue::from(read::<&str>(pg_type, bytes)?)
        }
        Type::JSONB => ScalarValue::from(std::str::from_utf8(bytes.strip_prefix(&[1])?).ok()?),
        Type::UUID => ScalarValue::from(uuid::Uuid::from_slice(bytes).ok()?.to_string()),
        Type::BYTEA => ScalarValue::Binary(Some(read::<&[u8]>(pg_type, bytes)?.to_vec())),
        Type::DATE => {
            let date: chrono::NaiveDate = read(pg_type, bytes)?;
            ScalarValue::Date32(Some(Date32Type::from_naive_date(date)))
        }
        Type::TIME => {
            let micros = i64::from_be_bytes(bytes.try_into().ok()?);
            ScalarValue::Time64Microsecond(Some(micros))
        }
        Type::TIMESTAMP => {
            let at: chrono::NaiveDateTime = read(pg_type, bytes)?;
            ScalarValue::TimestampMicrosecond(Some(at.and_utc().timestamp_micros()), None)
        }
        Type::TIMESTAMPTZ => {
            let at: chrono::DateTime<chrono::Utc> = read(pg_type, bytes)?;
            ScalarValue::TimestampMicrosecond(Some(at.timestamp_micros()), Some("+00:00".into()))
        }
        Type::INTERVAL => {
            let micros = i64::from_be_bytes(bytes.get(0..8)?.try_into().ok()?);
            let days = i32::from_be_bytes(bytes.get(8..12)?.try_into().ok()?);
            let months = i32::from_be_bytes(bytes.get(12..16)?.try_into().ok()?);
            ScalarValue::new_interval_mdn(months, days, micros.checked_mul(1000)?)
        }
        Type::BOOL_ARRAY => list::<bool>(pg_type, bytes, DataType::Boolean)?,
        Type::INT2_ARRAY => list::<i16>(pg_type, bytes, DataType::Int16)?,
        Type::INT4_ARRAY => list::<i32>(pg_type, bytes, DataType::Int32)?,
        Type::INT8_ARRAY => list::<i64>(pg_type, bytes, DataType::Int64)?,
        Type::OID_ARRAY => {
            let values: Vec<Option<u32>> = read(pg_type, bytes)?;
            scalars(values, DataType::Int64, |oid| Some(ScalarValue::Int64(Some(i64::from(oid)))))?
        }
        Type::NUMERIC_ARRAY => {
            let of = DataType::Decimal128(38, 10);
            let values: Vec<Option<rust_decimal::Decimal>> = read(pg_type, bytes)?;
            scalars(values, of.clone(), |value| decimal_value(value)?.cast_to(&of).ok())?
        }
        Type::DATE_ARRAY => {
            let values: Vec<Option<chrono::NaiveDate>> = read(pg_type, bytes)?;
            scalars(values, DataType::Date32, |date| {
                Some(ScalarValue::Date32(Some(Date32Type::from_naive_date(date))))
            })?
        }
        Type::TIMESTAMP_ARRAY => {
            let values: Vec<Option<chrono::NaiveDateTime>> = read(pg_type, bytes)?;
            scalars(values, DataType::Timestamp(TimeUnit::Microsecond, None), |at| {
                Some(ScalarValue::TimestampMicrosecond(Some(at.and_utc().timestamp_micros()), None))
            })?
        }
        Type::TIMESTAMPTZ_ARRAY => {
            let values: Vec<Option<chrono::DateTime<chrono::Utc>>> = read(pg_type, bytes)?;
            scalars(values, DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())), |at| {
                Some(ScalarValue::TimestampMicrosecond(Some(at.timestamp_micros()), Some("+00:00".into())))
            })?
        }
        Type::FLOAT4_ARRAY => list::<f32>(pg_type, bytes, DataType::Float32)?,
        Type::FLOAT8_ARRAY => list::<f64>(pg_type, bytes, DataType::Float64)?,
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::BPCHAR_ARRAY | Type::NAME_ARRAY => {
            let values: Vec<Option<String>> = read(pg_type, bytes)?;
            let values: Vec<ScalarValue> = values.into_iter().map(ScalarValue::Utf8).collect();
            ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Utf8))
        }
        _ => return None,
    };
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pg_type: Type, text: &str) -> Option<ScalarValue> {
        let target = parameter_type(&pg_type).unwrap();
        from_text(text, &pg_type, &target)
    }

    #[test]
    fn text_forms_are_postgresqls() {
        assert_eq!(text(Type::BOOL, "yes"), Some(ScalarValue::Boolean(Some(true))));
        assert_eq!(text(Type::INT4, " 42 "), Some(ScalarValue::Int32(Some(42))));
        assert_eq!(text(Type::INT4, "4x"), None);
        assert_eq!(text(Type::INT2, "70000"), None);
        assert_eq!(text(Type::NUMERIC, "1.50"), Some(ScalarValue::Decimal128(Some(150), 38, 2)));
        assert_eq!(text(Type::BYTEA, "\\x0aff"), Some(ScalarValue::Binary(Some(vec![10, 255]))));
        assert_eq!(text(Type::BYTEA, "a\\134\\\\"), Some(ScalarValue::Binary(Some(b"a\\\\".to_vec()))));
        assert_eq!(text(Type::DATE, "2024-02-29"), Some(ScalarValue::Date32(Some(19782))));
        assert_eq!(text(Type::DATE, "2023-02-29"), None);
        assert_eq!(text(Type::DATE, "2024-02-29 +01"), Some(ScalarValue::Date32(Some(19782))));
        assert_eq!(text(Type::DATE, "2024-02-29 23:30:00-02:30"), Some(ScalarValue::Date32(Some(19782))));
        assert_eq!(text(Type::DATE, "2024-02-29 +x1"), None);
        let noon = ScalarValue::TimestampMicrosecond(Some(1_709_208_000_000_000), None);
        for written in ["2024-02-29 12:00:00", "2024-02-29 12:00:00+02", "2024-02-29T12:00:00.000Z"] {
            assert_eq!(text(Type::TIMESTAMP, written), Some(noon.clone()), "{written}");
        }
        let at = ScalarValue::TimestampMicrosecond(Some(1_709_208_000_000_000), Some("+00:00".into()));
        assert_eq!(text(Type::TIMESTAMPTZ, "2024-02-29 14:00:00+02"), Some(at));
    }

    #[test]
    fn arrays_take_quotes_escapes_and_nulls() {
        assert_eq!(
            array_items(r#"{a,"b,c","d\"e",NULL,"NULL"}"#),
            Some(vec![Some("a".into()), Some("b,c".into()), Some("d\"e".into()), None, Some("NULL".into())])
        );
        assert_eq!(array_items("{}"), Some(vec![]));
        assert_eq!(array_items("{{1},{2}}"), None);
        assert_eq!(array_items("1,2"), None);
    }

    #[test]
    fn a_wrong_binary_length_is_refused() {
        assert_eq!(binary(&Type::INT4, &[0, 0, 1]), None);
        assert_eq!(binary(&Type::INT4, &[0, 0, 0, 7]), Some(ScalarValue::Int32(Some(7))));
        assert_eq!(binary(&Type::TIME, &[0]), None);
    }
}
