//! PostgreSQL's spellings of its built-in types.

use super::lexer::{Kind, Token};
use postgres_types::Type;

/// The type that tokens name, such as `timestamp (3) with time zone` or `int[]`; `None` if it is none of the built-in ones.
/// Length and precision are left out: they do not change which type it is.
pub(super) fn read(tokens: &[Token<'_>]) -> Option<Type> {
    let mut words = Vec::new();
    let (mut depth, mut array) = (0_usize, false);
    for token in tokens {
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.checked_sub(1)?,
            "[" => array = true,
            "]" | "." => {}
            _ if depth > 0 || token.kind == Kind::Number => {}
            text if token.kind == Kind::Word && text.eq_ignore_ascii_case("array") => array = true,
            text if token.kind == Kind::Word => words.push(text.to_ascii_lowercase()),
            text => words.push(text.trim_matches('"').to_owned()),
        }
    }
    if words.first().is_some_and(|word| word == "pg_catalog") {
        words.remove(0);
    }
    let element = scalar(&words.join(" "))?;
    if array { array_of(&element) } else { Some(element) }
}

fn scalar(name: &str) -> Option<Type> {
    Some(match name {
        "boolean" | "bool" => Type::BOOL,
        "smallint" | "int2" => Type::INT2,
        "integer" | "int" | "int4" => Type::INT4,
        "bigint" | "int8" => Type::INT8,
        "real" | "float4" => Type::FLOAT4,
        "double precision" | "float" | "float8" => Type::FLOAT8,
        "numeric" | "decimal" | "dec" => Type::NUMERIC,
        "text" => Type::TEXT,
        "character varying" | "varchar" | "char varying" | "national character varying" => Type::VARCHAR,
        "character" | "char" | "bpchar" | "nchar" | "national character" => Type::BPCHAR,
        "name" => Type::NAME,
        "bytea" => Type::BYTEA,
        "date" => Type::DATE,
        "time" | "time without time zone" => Type::TIME,
        "timetz" | "time with time zone" => Type::TIMETZ,
        "timestamp" | "timestamp without time zone" => Type::TIMESTAMP,
        "timestamptz" | "timestamp with time zone" => Type::TIMESTAMPTZ,
        "interval" => Type::INTERVAL,
        "uuid" => Type::UUID,
        "json" => Type::JSON,
        "jsonb" => Type::JSONB,
        "oid" => Type::OID,
        "regclass" => Type::REGCLASS,
        "regtype" => Type::REGTYPE,
        "inet" => Type::INET,
        "unknown" => Type::UNKNOWN,
        _ => return None,
    })
}

fn array_of(element: &Type) -> Option<Type> {
    Some(match *element {
        Type::BOOL => Type::BOOL_ARRAY,
        Type::INT2 => Type::INT2_ARRAY,
        Type::INT4 => Type::INT4_ARRAY,
        Type::INT8 => Type::INT8_ARRAY,
        Type::FLOAT4 => Type::FLOAT4_ARRAY,
        Type::FLOAT8 => Type::FLOAT8_ARRAY,
        Type::NUMERIC => Type::NUMERIC_ARRAY,
        Type::TEXT => Type::TEXT_ARRAY,
        Type::VARCHAR => Type::VARCHAR_ARRAY,
        Type::BPCHAR => Type::BPCHAR_ARRAY,
        Type::NAME => Type::NAME_ARRAY,
        Type::BYTEA => Type::BYTEA_ARRAY,
        Type::DATE => Type::DATE_ARRAY,
        Type::TIME => Type::TIME_ARRAY,
        Type::TIMESTAMP => Type::TIMESTAMP_ARRAY,
        Type::TIMESTAMPTZ => Type::TIMESTAMPTZ_ARRAY,
        Type::INTERVAL => Type::INTERVAL_ARRAY,
        Type::UUID => Type::UUID_ARRAY,
        Type::OID => Type::OID_ARRAY,
        _ => return None,
    })
}
