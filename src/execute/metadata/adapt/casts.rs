//! Casts to types that DataFusion does not know by PostgreSQL's names.

use super::build::{call, cast, value};
use sqlparser::ast::{
    Array, ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, Expr, ObjectName, TimezoneInfo, TypedString,
    Value,
};

/// Rewrites one cast, or a typed string such as `regclass 'pg_class'`.
pub(super) fn adapt(expr: &mut Expr) {
    if let Expr::TypedString(TypedString { data_type, value, .. }) = expr
        && (reg(data_type).is_some() || !matches!(target(data_type), Target::Known))
    {
        *expr = cast(Expr::Value(value.clone()), data_type.clone());
    }
    let Expr::Cast { expr: operand, data_type, .. } = expr else { return };
    if let Some(reg) = reg(data_type) {
        *expr = call(&format!("__{reg}"), vec![(**operand).clone()]);
        return;
    }
    if let Some(checked) = checked_text(data_type) {
        *expr = call(checked, vec![(**operand).clone()]);
        return;
    }
    let target = target(data_type);
    let is_text = matches!(target, Target::Text | Target::Length(_)) || *data_type == DataType::Text;
    if is_text && let Some(named) = as_name(operand) {
        **operand = named;
    }
    match target {
        Target::Known => {}
        Target::Text => *data_type = DataType::Text,
        Target::Length(length) => {
            let text = cast((**operand).clone(), DataType::Text);
            *expr = call("left", vec![text, value(Value::Number(length.to_string(), false))]);
        }
        Target::Other(of) => {
            *data_type = of;
            if let Some(array) = array_literal(operand, data_type) {
                *expr = array;
            }
        }
    }
}

/// The printed form of an expression that is one of the `reg` types; `None` if it is not.
pub(super) fn as_name(expr: &Expr) -> Option<Expr> {
    let function = match expr {
        Expr::Function(function) => super::build::function_name(function),
        Expr::Nested(inner) => return as_name(inner),
        _ => return None,
    };
    let printed = match function.as_str() {
        "__regclass" | "to_regclass" => "__regclass_text",
        "__regtype" | "to_regtype" => "__regtype_text",
        "__regproc" | "to_regproc" => "__regproc_text",
        "__regnamespace" | "to_regnamespace" => "__regnamespace_text",
        "__regrole" | "to_regrole" => "__regrole_text",
        _ => return None,
    };
    Some(call(printed, vec![expr.clone()]))
}

/// The lower-case name of a type that only PostgreSQL knows, without `pg_catalog`.
fn custom(name: &ObjectName) -> Option<String> {
    let parts: Vec<&str> = name.0.iter().filter_map(|part| part.as_ident()).map(|ident| ident.value.as_str()).collect();
    match parts.as_slice() {
        [name] => Some(name.to_lowercase()),
        [schema, name] if schema.eq_ignore_ascii_case("pg_catalog") => Some(name.to_lowercase()),
        [schema, name] if schema.eq_ignore_ascii_case("information_schema") => match name.to_lowercase().as_str() {
            "sql_identifier" | "character_data" | "yes_or_no" => Some("text".to_owned()),
            "cardinal_number" => Some("int4".to_owned()),
            _ => None,
        },
        _ => None,
    }
}

/// Which `reg` type a type is.
fn reg(data_type: &DataType) -> Option<&'static str> {
    match data_type {
        DataType::Regclass => Some("regclass"),
        DataType::Custom(name, modifiers) if modifiers.is_empty() => match custom(name)?.as_str() {
            "regclass" => Some("regclass"),
            "regtype" => Some("regtype"),
            "regproc" | "regprocedure" => Some("regproc"),
            "regnamespace" => Some("regnamespace"),
            "regrole" => Some("regrole"),
            _ => None,
        },
        _ => None,
    }
}

/// The function that makes a value of a type which is text of a certain form here.
fn checked_text(data_type: &DataType) -> Option<&'static str> {
    match data_type {
        DataType::Uuid => Some("__uuid"),
        DataType::JSON => Some("__json"),
        DataType::JSONB => Some("__jsonb"),
        _ => None,
    }
}

/// What to cast to instead.
enum Target {
    /// DataFusion knows the type.
    Known,
    /// Text of any length.
    Text,
    /// Text of no more than so many characters: PostgreSQL cuts it.
    Length(u64),
    /// Another type.
    Other(DataType),
}

fn target(data_type: &DataType) -> Target {
    match data_type {
        DataType::Uuid | DataType::JSON | DataType::JSONB => Target::Text,
        DataType::Varchar(length)
        | DataType::CharacterVarying(length)
        | DataType::CharVarying(length)
        | DataType::Nvarchar(length) => match length {
            Some(CharacterLength::IntegerLength { length, .. }) => Target::Length(*length),
            Some(CharacterLength::Max) | None => Target::Text,
        },
        DataType::Char(length) | DataType::Character(length) => match length {
            Some(CharacterLength::IntegerLength { length, .. }) => Target::Length(*length),
            Some(CharacterLength::Max) => Target::Text,
            None => Target::Length(1),
        },
        DataType::Custom(name, modifiers) if modifiers.is_empty() => {
            custom(name).and_then(|name| named(&name)).unwrap_or(Target::Known)
        }
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, size)) => match element_type(element) {
            Some(element) => Target::Other(DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(element), *size))),
            // Also where the element is known: a literal must be taken apart.
            None => Target::Other(data_type.clone()),
        },
        _ => Target::Known,
    }
}

/// What an array's element is instead; `None` if DataFusion knows it.
fn element_type(element: &DataType) -> Option<DataType> {
    if reg(element).is_some() {
        return Some(DataType::IntUnsigned(None));
    }
    match target(element) {
        Target::Known => None,
        Target::Text | Target::Length(_) => Some(DataType::Text),
        Target::Other(of) => Some(of),
    }
}

fn named(name: &str) -> Option<Target> {
    let list = |of| DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(of), None));
    Some(Target::Other(match name {
        "name" | "text" | "varchar" | "bpchar" | "char" | "pg_node_tree" | "aclitem" | "unknown" | "cstring" => {
            return Some(Target::Text);
        }
        "oid" | "xid" | "cid" => DataType::IntUnsigned(None),
        "oidvector" => list(DataType::IntUnsigned(None)),
        "int2vector" => list(DataType::SmallInt(None)),
        "bool" => DataType::Boolean,
        "int2" => DataType::SmallInt(None),
        "int4" => DataType::Integer(None),
        "int8" => DataType::BigInt(None),
        "float4" => DataType::Real,
        "float8" => DataType::DoublePrecision,
        "numeric" => DataType::Numeric(ExactNumberInfo::None),
        "bytea" => DataType::Bytea,
        "date" => DataType::Date,
        "time" => DataType::Time(None, TimezoneInfo::None),
        "timestamp" => DataType::Timestamp(None, TimezoneInfo::None),
        "timestamptz" => DataType::Timestamp(None, TimezoneInfo::Tz),
        "interval" => DataType::Interval { fields: None, precision: None },
        _ => return None,
    }))
}

/// A string such as `{1,2}` as an array of a type; `None` if the operand is no such string.
fn array_literal(operand: &Expr, data_type: &DataType) -> Option<Expr> {
    let DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) = data_type else { return None };
    let elements = elements(literal(operand)?)?;
    if elements.is_empty() {
        return Some(cast(call("make_array", Vec::new()), data_type.clone()));
    }
    let typed = |text: Option<String>| match text {
        Some(text) => cast(value(Value::SingleQuotedString(text)), (**element).clone()),
        None => cast(super::build::null(), (**element).clone()),
    };
    Some(Expr::Array(Array { elem: elements.into_iter().map(typed).collect(), named: true }))
}

/// The text of a plain string.
pub(super) fn literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text),
            _ => None,
        },
        Expr::Nested(inner) => literal(inner),
        _ => None,
    }
}

/// The elements of an array's text form ("Array Input and Output Syntax"), one dimension; `None` if it is none.
pub(super) fn elements(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    if inner.trim().is_empty() {
        return Some(Vec::new());
    }
    let mut elements = Vec::new();
    let mut element = String::new();
    let (mut quoted, mut was_quoted) = (false, false);
    let mut characters = inner.chars();
    loop {
        match characters.next() {
            Some('\\') => element.push(characters.next()?),
            Some('"') => {
                quoted = !quoted;
                was_quoted = true;
            }
            Some('{' | '}') if !quoted => return None,
            end @ (Some(',') | None) if !quoted => {
                let text = if was_quoted { element.as_str() } else { element.trim() };
                let null = !was_quoted && text.eq_ignore_ascii_case("null");
                if text.is_empty() && !was_quoted {
                    return None;
                }
                elements.push((!null).then(|| text.to_owned()));
                (element, was_quoted) = (String::new(), false);
                if end.is_none() {
                    return Some(elements);
                }
            }
            Some(other) => element.push(other),
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn array_texts_are_taken_apart_as_postgresql_does() {
        let of = |text: &str| elements(text);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of("{}"), Some(vec![]));
        assert_eq!(of("{1, 2 ,3}"), Some(vec![some("1"), some("2"), some("3")]));
        assert_eq!(of(r#"{"a,b",NULL,"NULL","c\"d"}"#), Some(vec![some("a,b"), None, some("NULL"), some("c\"d")]));
        for wrong in ["1,2", "{1", "{1,}", "{{1},{2}}", "{\"a}"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
