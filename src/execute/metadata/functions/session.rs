//! Who, where and when: the session's own facts.

use super::super::rows::Cell;
use super::call::{Call, Definition, Returns, refuse};
use crate::error::SqlState;
use crate::types::SqlType;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition::stable("version", (0, 0), Returns::Text, |call| {
        let version = &call.snapshot.facts().server_version;
        Ok(format!("PostgreSQL {version} (Querygate {})", env!("CARGO_PKG_VERSION")).into())
    }),
    Definition::stable("current_database", (0, 0), Returns::Name, database),
    Definition::stable("current_catalog", (0, 0), Returns::Name, database),
    Definition::stable("current_user", (0, 0), Returns::Name, user),
    Definition::stable("session_user", (0, 0), Returns::Name, user),
    Definition::stable("current_role", (0, 0), Returns::Name, user),
    Definition::stable("user", (0, 0), Returns::Name, user),
    Definition::stable("current_schema", (0, 0), Returns::Name, |call| {
        Ok(schemas(call, false).into_iter().next().into())
    }),
    Definition::stable("current_schemas", (1, 1), Returns::TextList, |call| {
        Ok(schemas(call, call.boolean(0).unwrap_or_default()).into())
    }),
    Definition::stable("current_setting", (1, 2), Returns::Text, current_setting),
    Definition::stable("set_config", (3, 3), Returns::Text, set_config),
    Definition::stable("pg_typeof", (1, 1), Returns::Text, |call| Ok(call.types.first().map(type_name).into()))
        .lenient(),
    Definition::stable("pg_backend_pid", (0, 0), Returns::Int4, |call| Ok(call.snapshot.facts().backend_pid.into())),
    Definition::stable("pg_postmaster_start_time", (0, 0), Returns::TimestampTz, |call| {
        Ok(call.snapshot.facts().started_at_us.into())
    }),
    moment("transaction_timestamp"),
    moment("statement_timestamp"),
    moment("clock_timestamp"),
    Definition::stable("pg_is_in_recovery", (0, 0), Returns::Bool, |_| Ok(false.into())),
    Definition::stable("pg_is_other_temp_schema", (1, 1), Returns::Bool, |_| Ok(false.into())),
    Definition::stable("pg_my_temp_schema", (0, 0), Returns::Oid, |_| Ok(Cell::Int(0))),
    Definition::stable("txid_current", (0, 0), Returns::Int8, |_| Ok(Cell::Int(1))),
    Definition::stable("inet_server_addr", (0, 0), Returns::Text, |_| Ok(Cell::Null)),
    Definition::stable("inet_server_port", (0, 0), Returns::Int4, |_| Ok(Cell::Null)),
    Definition::stable("inet_client_addr", (0, 0), Returns::Text, |_| Ok(Cell::Null)),
    Definition::stable("inet_client_port", (0, 0), Returns::Int4, |_| Ok(Cell::Null)),
    Definition::stable("getdatabaseencoding", (0, 0), Returns::Name, |_| Ok("UTF8".into())),
    Definition::stable("pg_client_encoding", (0, 0), Returns::Name, |_| Ok("UTF8".into())),
    Definition::pure("pg_encoding_to_char", (1, 1), Returns::Text, |call| {
        let names = [(0, "SQL_ASCII"), (6, "UTF8"), (8, "LATIN1")];
        Ok(names.iter().find(|(number, _)| Some(*number) == call.int(0)).map_or("", |(_, name)| *name).into())
    }),
    Definition::pure("pg_char_to_encoding", (1, 1), Returns::Int4, |call| {
        let utf8 =
            call.text(0).is_some_and(|name| ["utf8", "utf-8", "unicode"].contains(&name.to_lowercase().as_str()));
        Ok(Cell::Int(if utf8 { 6 } else { -1 }))
    }),
];

const fn moment(name: &'static str) -> Definition {
    Definition::stable(name, (0, 0), Returns::TimestampTz, |call| Ok(call.snapshot.facts().now_us.into()))
}

fn database(call: &Call<'_>) -> Result<Cell> {
    Ok(call.snapshot.facts().database.as_str().into())
}

fn user(call: &Call<'_>) -> Result<Cell> {
    Ok(call.snapshot.facts().user.as_str().into())
}

/// Schemas of the search path that exist for the principal, with the implied `pg_catalog` or without.
fn schemas(call: &Call<'_>, implied: bool) -> Vec<String> {
    let known = call.snapshot.schemas();
    let named = call.snapshot.facts().search_path.iter().map(String::as_str);
    let path = if implied { call.snapshot.search_path() } else { named.collect() };
    path.into_iter().filter(|schema| known.contains_key(*schema)).map(str::to_owned).collect()
}

fn current_setting(call: &Call<'_>) -> Result<Cell> {
    let name = call.text(0).unwrap_or_default();
    let value = call.snapshot.facts().settings.get(&name.to_lowercase());
    match value {
        Some(value) => Ok(value.into()),
        None if call.boolean(1) == Some(true) => Ok(Cell::Null),
        None => Err(refuse(SqlState::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""))),
    }
}

/// asyncpg turns `jit` off around its look-ups in the catalog, and it is off: the gateway compiles nothing. A function
/// changes no setting, so all else is refused.
fn set_config(call: &Call<'_>) -> Result<Cell> {
    let name = call.text(0).unwrap_or_default();
    match call.text(1) {
        Some("off") if name.eq_ignore_ascii_case("jit") => Ok("off".into()),
        _ => Err(refuse(
            SqlState::FEATURE_NOT_SUPPORTED,
            "set_config can't change settings here: write SET name = value",
        )),
    }
}

/// What an engine's type is called in SQL.
fn type_name(data_type: &DataType) -> String {
    let of = match data_type {
        DataType::Boolean => SqlType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => SqlType::SmallInt,
        DataType::Int32 | DataType::UInt16 => SqlType::Integer,
        DataType::Int64 => SqlType::BigInt,
        DataType::UInt32 => SqlType::Other("oid".to_owned()),
        DataType::Float16 | DataType::Float32 => SqlType::Real,
        DataType::Float64 => SqlType::Double,
        DataType::UInt64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => return "numeric".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => SqlType::Text,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            SqlType::Bytea
        }
        DataType::Date32 | DataType::Date64 => SqlType::Date,
        DataType::Time32(_) | DataType::Time64(_) => SqlType::Time,
        DataType::Timestamp(_, None) => SqlType::Timestamp,
        DataType::Timestamp(_, Some(_)) => SqlType::TimestampTz,
        DataType::Interval(_) | DataType::Duration(_) => SqlType::Interval,
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => return format!("{}[]", type_name(field.data_type())),
        DataType::Dictionary(_, value) => return type_name(value),
        DataType::RunEndEncoded(_, values) => return type_name(values.data_type()),
        DataType::Null => return "unknown".to_owned(),
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => return "record".to_owned(),
    };
    of.to_string()
}
