//! Types that can be told of an expression without an engine: as much as it takes to join USING columns of two types, and
//! to know a `tsvector`, of which `unnest` gives other columns than of an array.

use crate::govern::names::parts;
use crate::govern::scope::Scope;
use crate::types::SqlType;
use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, CaseWhen, CastKind, DataType, ExactNumberInfo, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, TimezoneInfo, Value,
};

/// Functions that give a `tsvector`.
const VECTORS: &[&str] = &[
    "array_to_tsvector",
    "json_to_tsvector",
    "jsonb_to_tsvector",
    "setweight",
    "strip",
    "to_tsvector",
    "ts_delete",
    "ts_filter",
];

/// Whether a function gives a `tsvector`.
pub(super) fn gives_vector(function: &str) -> bool {
    VECTORS.contains(&function)
}

/// Whether a type is that of a `tsvector`.
pub(super) fn is_vector(sql_type: &SqlType) -> bool {
    matches!(sql_type, SqlType::Other(name) if name == "tsvector")
}

/// Functions that make something else of a row.
const ROW_READERS: &[&str] = &[
    "array_to_json",
    "concat",
    "concat_ws",
    "count",
    "format",
    "json_agg",
    "json_build_array",
    "json_build_object",
    "json_object_agg",
    "jsonb_agg",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_object_agg",
    "num_nonnulls",
    "num_nulls",
    "row_to_json",
    "to_json",
    "to_jsonb",
];

/// Whether a value is a row of a table that its name stands for, or is made of such: PostgreSQL gives it the table's own
/// type, and the governed relation has none. `is_table`: whether a name is a table's.
pub(super) fn is_table_row(expr: &Expr, is_table: &dyn Fn(&str) -> bool) -> bool {
    let within = |expr: &Expr| is_table_row(expr, is_table);
    match expr {
        Expr::Identifier(name) => is_table(&name.value),
        Expr::Nested(inner) => within(inner),
        Expr::Case { conditions, else_result, .. } => {
            conditions.iter().any(|when| within(&when.result)) || else_result.as_ref().is_some_and(|expr| within(expr))
        }
        Expr::Array(array) => array.elem.iter().any(within),
        Expr::Tuple(values) => values.iter().any(within),
        Expr::CompoundFieldAccess { root, .. } => within(root),
        Expr::BinaryOp { left, op: BinaryOperator::StringConcat, right } => within(left) || within(right),
        Expr::Function(Function { name, args: FunctionArguments::List(list), within_group, .. }) => {
            let is_reader = parts(name)
                .and_then(|mut parts| parts.pop())
                .is_some_and(|name| ROW_READERS.binary_search(&name.as_str()).is_ok());
            let given = |arg: &FunctionArg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))
                | FunctionArg::Named { arg: FunctionArgExpr::Expr(arg), .. } => match arg {
                    Expr::Prefixed { value, .. } => within(value),
                    plain => within(plain),
                },
                _no_value => false,
            };
            !is_reader && (list.args.iter().any(given) || within_group.iter().any(|key| within(&key.expr)))
        }
        _another_type => false,
    }
}

/// Whether a cast gives a `tsvector`.
pub(super) fn is_cast_to_vector(data_type: &DataType) -> bool {
    of_cast(data_type).as_ref().is_some_and(is_vector)
}

/// The type of a resolved expression; `None`: it is for an engine to say.
pub(super) fn type_of(expr: &Expr, scope: &Scope<'_>) -> Option<SqlType> {
    match expr {
        Expr::Nested(inner) => type_of(inner, scope),
        Expr::CompoundIdentifier(names) => match names.as_slice() {
            [alias, column] => scope.type_of(&alias.value, &column.value).cloned(),
            _longer => None,
        },
        Expr::Cast { data_type, .. } => of_cast(data_type),
        Expr::TypedString(typed) => of_cast(&typed.data_type),
        Expr::Array(_) => Some(SqlType::Array(Box::new(SqlType::Other("unknown".to_owned())))),
        Expr::Function(Function { name, .. }) => {
            let name = parts(name).and_then(|mut parts| parts.pop())?;
            gives_vector(&name).then(|| SqlType::Other("tsvector".to_owned()))
        }
        Expr::BinaryOp { left, op: BinaryOperator::StringConcat, right } => {
            [left, right].into_iter().filter_map(|side| type_of(side, scope)).find(is_vector)
        }
        _for_an_engine => None,
    }
}

fn of_cast(data_type: &DataType) -> Option<SqlType> {
    Some(match data_type {
        DataType::SmallInt(None) => SqlType::SmallInt,
        DataType::Int(None) | DataType::Integer(None) => SqlType::Integer,
        DataType::BigInt(None) => SqlType::BigInt,
        DataType::Real => SqlType::Real,
        DataType::DoublePrecision => SqlType::Double,
        DataType::Numeric(ExactNumberInfo::None) => SqlType::Other("numeric".to_owned()),
        DataType::Text => SqlType::Text,
        DataType::Boolean => SqlType::Boolean,
        DataType::Date => SqlType::Date,
        DataType::Timestamp(None, TimezoneInfo::None) => SqlType::Timestamp,
        DataType::Timestamp(None, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => SqlType::TimestampTz,
        DataType::Uuid => SqlType::Uuid,
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => {
            let element = of_cast(element).unwrap_or_else(|| SqlType::Other("unknown".to_owned()));
            SqlType::Array(Box::new(element))
        }
        DataType::Custom(name, _) => SqlType::Other(parts(name)?.pop()?),
        _unknown => return None,
    })
}

/// Of two columns that USING makes one of, the value of the first in the type that both have in common
/// (`select_common_type` of PostgreSQL).
pub(super) fn common(first: (Expr, Option<SqlType>), second: (Expr, Option<SqlType>)) -> Expr {
    let rank = |sql_type: &SqlType| -> Option<(u8, u8)> {
        Some(match sql_type {
            SqlType::SmallInt => (0, 0),
            SqlType::Integer => (0, 1),
            SqlType::BigInt => (0, 2),
            SqlType::Numeric { .. } => (0, 3),
            SqlType::Other(name) if name == "numeric" => (0, 3),
            SqlType::Real => (0, 4),
            SqlType::Double => (0, 5),
            SqlType::Date => (1, 0),
            SqlType::Timestamp => (1, 1),
            SqlType::TimestampTz => (1, 2),
            _other => return None,
        })
    };
    let ((one, one_type), (other, other_type)) = (first, second);
    match (&one_type, &other_type) {
        (Some(left), Some(right)) if left == right => one,
        (Some(left), Some(right)) => match (rank(left), rank(right)) {
            (Some((kind, low)), Some((same, high))) if kind == same => {
                if low >= high {
                    one
                } else {
                    cast(one, right)
                }
            }
            _unranked => either(one, other),
        },
        _unknown => either(one, other),
    }
}

fn cast(expr: Expr, sql_type: &SqlType) -> Expr {
    let data_type = match sql_type {
        SqlType::Integer => DataType::Integer(None),
        SqlType::BigInt => DataType::BigInt(None),
        SqlType::Real => DataType::Real,
        SqlType::Double => DataType::DoublePrecision,
        SqlType::Timestamp => DataType::Timestamp(None, TimezoneInfo::None),
        SqlType::TimestampTz => DataType::Timestamp(None, TimezoneInfo::WithTimeZone),
        _numeric => DataType::Numeric(ExactNumberInfo::None),
    };
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

/// The first of two values, in the type that an engine finds for both.
fn either(one: Expr, other: Expr) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition: Expr::Value(Value::Boolean(true).into()), result: one }],
        else_result: Some(Box::new(other)),
    }
}
