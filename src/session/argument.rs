//! The arguments of EXECUTE: constants, bound as parameters. Nothing is evaluated here.

use super::parameter::suits_text;
use crate::error::{ErrorReport, SqlState};
use crate::sql::literal;
use crate::types::BoundParameter;
use bytes::Bytes;
use postgres_types::Type;
use sqlparser::ast::{DataType, Expr};

/// Binds arguments to a prepared statement's parameters.
///
/// # Errors
/// 42601 for another number of them, 0A000 for one that is no constant or has another type's cast, 22P02, 22003 and
/// 22021 for a value that its type can't be.
pub(super) fn bound(name: &str, types: &[Type], arguments: &[Expr]) -> Result<Vec<BoundParameter>, ErrorReport> {
    if types.len() != arguments.len() {
        return Err(ErrorReport::new(
            SqlState::SYNTAX_ERROR,
            format!("wrong number of parameters for prepared statement \"{name}\""),
        )
        .with_detail(format!("Expected {} parameters but got {}.", types.len(), arguments.len())));
    }
    types.iter().zip(arguments).map(|(pg_type, argument)| one(pg_type, argument)).collect()
}

fn one(pg_type: &Type, argument: &Expr) -> Result<BoundParameter, ErrorReport> {
    let unsupported =
        |message: String, hint: &str| Err(ErrorReport::new(SqlState::FEATURE_NOT_SUPPORTED, message).with_hint(hint));
    let Some(constant) = literal::constant(argument) else {
        return unsupported(
            "arguments of EXECUTE must be constants".to_owned(),
            "Write numbers, strings, true, false or NULL, alone or with a cast.",
        );
    };
    if let Some(cast) = &constant.cast
        && !is_named(cast, pg_type)
    {
        // The cast would have to be evaluated before the parameter's own: that is the engine's work, not done here.
        return unsupported(
            format!("an argument's cast must be to its parameter's type {pg_type}"),
            "Leave the cast out.",
        );
    }
    let value = constant.value.map(Bytes::from);
    if let Some(value) = &value {
        suits_text(pg_type, value)?;
    }
    Ok(BoundParameter { pg_type: pg_type.clone(), binary: false, value })
}

/// Whether SQL's name of a type, without its precision, means a type.
fn is_named(name: &DataType, pg_type: &Type) -> bool {
    let name = name.to_string().to_ascii_lowercase();
    let (base, rest) = name.split_once('(').unwrap_or((&name, ""));
    let tail = rest.split_once(')').map_or("", |(_, tail)| tail);
    let words = format!("{} {}", base.trim(), tail.trim());
    let named = match words.trim() {
        "boolean" | "bool" => Type::BOOL,
        "smallint" | "int2" => Type::INT2,
        "int" | "integer" | "int4" => Type::INT4,
        "bigint" | "int8" => Type::INT8,
        "real" | "float4" => Type::FLOAT4,
        "double precision" | "double" | "float8" | "float" => Type::FLOAT8,
        "numeric" | "decimal" | "dec" => Type::NUMERIC,
        "text" => Type::TEXT,
        "varchar" | "character varying" | "char varying" => Type::VARCHAR,
        "char" | "character" | "bpchar" => Type::BPCHAR,
        "bytea" => Type::BYTEA,
        "date" => Type::DATE,
        "time" | "time without time zone" => Type::TIME,
        "timestamp" | "timestamp without time zone" => Type::TIMESTAMP,
        "timestamptz" | "timestamp with time zone" => Type::TIMESTAMPTZ,
        "interval" => Type::INTERVAL,
        "uuid" => Type::UUID,
        "json" => Type::JSON,
        "jsonb" => Type::JSONB,
        _ => return false,
    };
    named == *pg_type
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlparser::dialect::PostgreSqlDialect;
    use sqlparser::parser::Parser;

    fn bind(types: &[Type], arguments: &str) -> Result<Vec<Option<String>>, &'static str> {
        let arguments: Vec<Expr> = Parser::new(&PostgreSqlDialect {})
            .try_with_sql(arguments)
            .unwrap()
            .parse_comma_separated(Parser::parse_expr)
            .unwrap();
        match bound("s", types, &arguments) {
            Ok(bound) => Ok(bound
                .iter()
                .map(|parameter| parameter.value.as_ref().map(|value| String::from_utf8(value.to_vec()).unwrap()))
                .collect()),
            Err(error) => Err(error.sqlstate.0),
        }
    }

    #[test]
    fn constants_become_parameters() {
        for (pg_type, argument, value) in [
            (Type::INT4, "7", Some("7")),
            (Type::INT4, "-7", Some("-7")),
            (Type::INT4, "(-7)", Some("-7")),
            (Type::INT4, "NULL", None),
            (Type::INT4, "'7'", Some("7")),
            (Type::INT4, "'7'::int", Some("7")),
            (Type::TEXT, "'it''s'", Some("it's")),
            (Type::BOOL, "true", Some("true")),
            (Type::DATE, "DATE '2024-01-01'", Some("2024-01-01")),
            (Type::NUMERIC, "1.5::numeric(10,2)", Some("1.5")),
            (Type::TIMESTAMPTZ, "'2024-01-01'::timestamp with time zone", Some("2024-01-01")),
        ] {
            assert_eq!(bind(&[pg_type], argument), Ok(vec![value.map(str::to_owned)]), "{argument}");
        }
    }

    #[test]
    fn nothing_is_evaluated() {
        for (argument, sqlstate) in [
            ("1 + 1", "0A000"),
            ("now()", "0A000"),
            ("(SELECT 1)", "0A000"),
            ("x", "0A000"),
            ("$1", "0A000"),
            ("'7'::text", "0A000"),
            ("'seven'", "22P02"),
            ("1.5", "22P02"),
            ("99999999999", "22003"),
        ] {
            assert_eq!(bind(&[Type::INT4], argument), Err(sqlstate), "{argument}");
        }
        assert_eq!(bind(&[Type::INT4], "1, 2"), Err("42601"));
    }
}
