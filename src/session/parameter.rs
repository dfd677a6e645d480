//! Parameters as Bind brings them: counted, and looked at for what their type can never be.
//!
//! A message here may hold the client's own value, cut to what a person would read; never anything else.

use crate::error::{ErrorReport, SqlState};
use crate::types::BoundParameter;
use bytes::Bytes;
use postgres_types::Type;

/// The types that Parse gives for parameters; 0 and `unknown` are left to be found out.
///
/// # Errors
/// 42704 for an OID that is no type.
pub(super) fn types_given(oids: &[u32]) -> Result<Vec<Option<Type>>, ErrorReport> {
    oids.iter()
        .map(|oid| match Type::from_oid(*oid) {
            _ if *oid == 0 => Ok(None),
            Some(Type::UNKNOWN) => Ok(None),
            Some(pg_type) => Ok(Some(pg_type)),
            None => Err(ErrorReport::new(SqlState::UNDEFINED_OBJECT, format!("type with OID {oid} does not exist"))
                .with_hint("Send the parameter as text, with type 0.")),
        })
        .collect()
}

/// Puts values, formats and types together ("Bind" in PostgreSQL's protocol chapter).
///
/// # Errors
/// 08P01 for wrong numbers, 22023 for an unknown format, 22021, 22P02, 22003 or 22P03 for a value that its type can't be.
pub(super) fn bound(
    statement: &str,
    types: &[Type],
    values: Vec<Option<Bytes>>,
    formats: &[i16],
) -> Result<Vec<BoundParameter>, ErrorReport> {
    let violation = |message: String| ErrorReport::new(SqlState::PROTOCOL_VIOLATION, message);
    if formats.len() > 1 && formats.len() != values.len() {
        return Err(violation(format!(
            "bind message has {} parameter formats but {} parameters",
            formats.len(),
            values.len()
        )));
    }
    if values.len() != types.len() {
        return Err(violation(format!(
            "bind message supplies {} parameters, but prepared statement \"{statement}\" requires {}",
            values.len(),
            types.len()
        )));
    }
    let binary = |position: usize| {
        let code = if formats.len() == 1 { formats.first() } else { formats.get(position) };
        match code.copied().unwrap_or(0) {
            0 => Ok(false),
            1 => Ok(true),
            other => {
                Err(ErrorReport::new(SqlState::INVALID_PARAMETER_VALUE, format!("unsupported format code: {other}")))
            }
        }
    };
    values
        .into_iter()
        .zip(types)
        .enumerate()
        .map(|(position, (value, pg_type))| {
            let binary = binary(position)?;
            if let Some(value) = &value {
                if binary {
                    suits_binary(pg_type, value, position.saturating_add(1))?;
                } else {
                    suits_text(pg_type, value)?;
                }
            }
            Ok(BoundParameter { pg_type: pg_type.clone(), binary, value })
        })
        .collect()
}

fn suits_binary(pg_type: &Type, value: &[u8], number: usize) -> Result<(), ErrorReport> {
    let length = match *pg_type {
        Type::BOOL | Type::CHAR => Some(1),
        Type::INT2 => Some(2),
        Type::INT4 | Type::FLOAT4 | Type::DATE | Type::OID => Some(4),
        Type::INT8 | Type::FLOAT8 | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ => Some(8),
        Type::INTERVAL | Type::UUID => Some(16),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::JSON => {
            return text(value).map(|_| ());
        }
        _ => None,
    };
    match length {
        Some(length) if length != value.len() => Err(ErrorReport::new(
            SqlState::INVALID_BINARY_REPRESENTATION,
            format!("incorrect binary data format in bind parameter {number}"),
        )),
        Some(_) | None => Ok(()),
    }
}

/// Looks at text that is meant as a number or a boolean; what else there is, the engine reads.
pub(super) fn suits_text(pg_type: &Type, value: &[u8]) -> Result<(), ErrorReport> {
    let value = text(value)?;
    let integer = |name: &str, min: i64, max: i64| match value.trim().parse::<i128>() {
        Ok(number) if (i128::from(min)..=i128::from(max)).contains(&number) => Ok(()),
        Ok(_) => Err(ErrorReport::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("value \"{}\" is out of range for type {name}", start_of(value)),
        )),
        Err(_) => Err(invalid_syntax(name, value)),
    };
    match *pg_type {
        Type::INT2 => integer("smallint", i16::MIN.into(), i16::MAX.into()),
        Type::INT4 => integer("integer", i32::MIN.into(), i32::MAX.into()),
        Type::INT8 => integer("bigint", i64::MIN, i64::MAX),
        Type::BOOL => match value.trim().to_ascii_lowercase().as_str() {
            "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => Ok(()),
            "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => Ok(()),
            _ => Err(invalid_syntax("boolean", value)),
        },
        _ => Ok(()),
    }
}

fn text(value: &[u8]) -> Result<&str, ErrorReport> {
    match std::str::from_utf8(value) {
        Ok(text) if !text.contains('\0') => Ok(text),
        Ok(_) | Err(_) => Err(ErrorReport::new(
            SqlState::CHARACTER_NOT_IN_REPERTOIRE,
            "invalid byte sequence for encoding \"UTF8\" in a parameter",
        )),
    }
}

fn invalid_syntax(name: &str, value: &str) -> ErrorReport {
    ErrorReport::new(
        SqlState::INVALID_TEXT_REPRESENTATION,
        format!("invalid input syntax for type {name}: \"{}\"", start_of(value)),
    )
}

fn start_of(value: &str) -> String {
    value.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(types: &[Type], values: &[Option<&[u8]>], formats: &[i16]) -> Result<Vec<bool>, (&'static str, String)> {
        let values = values.iter().map(|value| value.map(Bytes::copy_from_slice)).collect();
        bound("s", types, values, formats)
            .map(|parameters| parameters.iter().map(|parameter| parameter.binary).collect())
            .map_err(|error| (error.sqlstate.0, error.message))
    }

    #[test]
    fn formats_are_none_one_or_each() {
        let types = [Type::TEXT, Type::TEXT];
        let values: [Option<&[u8]>; 2] = [Some(b"a"), None];
        assert_eq!(bind(&types, &values, &[]), Ok(vec![false, false]));
        assert_eq!(bind(&types, &values, &[1]), Ok(vec![true, true]));
        assert_eq!(bind(&types, &values, &[0, 1]), Ok(vec![false, true]));
        assert_eq!(
            bind(&types, &values, &[0, 1, 0]),
            Err(("08P01", "bind message has 3 parameter formats but 2 parameters".to_owned()))
        );
        assert_eq!(bind(&types, &values, &[2]), Err(("22023", "unsupported format code: 2".to_owned())));
    }

    #[test]
    fn there_are_as_many_values_as_parameters() {
        assert_eq!(
            bind(&[Type::INT4], &[], &[]),
            Err(("08P01", "bind message supplies 0 parameters, but prepared statement \"s\" requires 1".to_owned()))
        );
    }

    #[test]
    fn values_that_their_type_cannot_be_are_refused() {
        for (pg_type, value, format, sqlstate) in [
            (Type::INT4, b"abc".as_slice(), 0, "22P02"),
            (Type::INT4, b"99999999999", 0, "22003"),
            (Type::INT8, b"9223372036854775808", 0, "22003"),
            (Type::INT2, b"", 0, "22P02"),
            (Type::BOOL, b"maybe", 0, "22P02"),
            (Type::TEXT, b"\xff", 0, "22021"),
            (Type::TEXT, b"a\0b", 0, "22021"),
            (Type::TEXT, b"\xff", 1, "22021"),
            (Type::INT4, b"\0\0\0", 1, "22P03"),
            (Type::INT8, b"\0\0\0\0", 1, "22P03"),
            (Type::UUID, b"x", 1, "22P03"),
        ] {
            let result = bind(std::slice::from_ref(&pg_type), &[Some(value)], &[format]);
            assert_eq!(result.unwrap_err().0, sqlstate, "{pg_type} {value:?}");
        }
        for (pg_type, value, format) in
            [(Type::INT4, b" -7 ".as_slice(), 0), (Type::BOOL, b"T", 0), (Type::INT4, b"\0\0\0\x01", 1)]
        {
            assert!(bind(&[pg_type], &[Some(value)], &[format]).is_ok());
        }
    }

    #[test]
    fn types_are_given_or_left_open() {
        assert_eq!(types_given(&[0, 705, 23]), Ok(vec![None, None, Some(Type::INT4)]));
        assert_eq!(types_given(&[999_999]).unwrap_err().sqlstate.0, "42704");
    }
}
