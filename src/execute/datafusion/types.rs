//! Types of Arrow, of the catalog and of the wire, each in terms of the other.

use crate::types::SqlType;
use arrow::datatypes::{DataType, TimeUnit};
use postgres_types::Type;

/// What a column of an Arrow type is in the catalog.
pub fn sql_type(data_type: &DataType) -> SqlType {
    match data_type {
        DataType::Boolean => SqlType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => SqlType::SmallInt,
        DataType::Int32 | DataType::UInt16 => SqlType::Integer,
        DataType::Int64 | DataType::UInt32 => SqlType::BigInt,
        DataType::UInt64 => SqlType::Numeric { precision: 20, scale: 0 },
        DataType::Float16 | DataType::Float32 => SqlType::Real,
        DataType::Float64 => SqlType::Double,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => SqlType::Numeric { precision: *precision, scale: *scale },
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
        | DataType::FixedSizeList(field, _) => SqlType::Array(Box::new(sql_type(field.data_type()))),
        DataType::Dictionary(_, value) => sql_type(value),
        DataType::RunEndEncoded(_, values) => sql_type(values.data_type()),
        DataType::Null => SqlType::Text,
        DataType::Struct(_) => SqlType::Other("record".into()),
        DataType::Map(..) => SqlType::Other("map".into()),
        DataType::Union(..) => SqlType::Other("union".into()),
    }
}

/// The Arrow type that a declared type is read as from files without types; `None` if such files can't hold it.
pub(super) fn arrow_type(of: &SqlType) -> Option<DataType> {
    Some(match of {
        SqlType::Boolean => DataType::Boolean,
        SqlType::SmallInt => DataType::Int16,
        SqlType::Integer => DataType::Int32,
        SqlType::BigInt => DataType::Int64,
        SqlType::Real => DataType::Float32,
        SqlType::Double => DataType::Float64,
        SqlType::Numeric { precision, scale } => DataType::Decimal128(*precision, *scale),
        SqlType::Text | SqlType::Uuid | SqlType::Json => DataType::Utf8,
        SqlType::Date => DataType::Date32,
        SqlType::Time => DataType::Time64(TimeUnit::Microsecond),
        SqlType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        SqlType::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        SqlType::Bytea | SqlType::Interval | SqlType::Array(_) | SqlType::Other(_) => return None,
    })
}

/// The Arrow type of a parameter, for the PostgreSQL types that clients bind; `None` for the others.
pub fn parameter_type(pg_type: &Type) -> Option<DataType> {
    let data_type = match *pg_type {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 | Type::OID => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::NUMERIC => DataType::Decimal128(38, 10),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::CHAR | Type::UNKNOWN | Type::UUID => {
            DataType::Utf8
        }
        Type::JSON | Type::JSONB => DataType::Utf8,
        Type::BYTEA => DataType::Binary,
        Type::DATE => DataType::Date32,
        Type::TIME => DataType::Time64(TimeUnit::Microsecond),
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        Type::INTERVAL => DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano),
        Type::BOOL_ARRAY => DataType::new_list(DataType::Boolean, true),
        Type::INT2_ARRAY => DataType::new_list(DataType::Int16, true),
        Type::INT4_ARRAY => DataType::new_list(DataType::Int32, true),
        Type::INT8_ARRAY | Type::OID_ARRAY => DataType::new_list(DataType::Int64, true),
        Type::FLOAT4_ARRAY => DataType::new_list(DataType::Float32, true),
        Type::FLOAT8_ARRAY => DataType::new_list(DataType::Float64, true),
        Type::NUMERIC_ARRAY => DataType::new_list(DataType::Decimal128(38, 10), true),
        Type::DATE_ARRAY => DataType::new_list(DataType::Date32, true),
        Type::TIMESTAMP_ARRAY => DataType::new_list(DataType::Timestamp(TimeUnit::Microsecond, None), true),
        Type::TIMESTAMPTZ_ARRAY => {
            DataType::new_list(DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())), true)
        }
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::BPCHAR_ARRAY | Type::NAME_ARRAY => {
            DataType::new_list(DataType::Utf8, true)
        }
        _ => return None,
    };
    Some(data_type)
}

/// The PostgreSQL type that a parameter is said to have when only its Arrow type is known.
pub fn parameter_pg_type(data_type: &DataType) -> Type {
    // 32 bits without a sign are identifiers of the system's relations, here and where results are described.
    match data_type {
        DataType::UInt32 => return Type::OID,
        DataType::List(field) if field.data_type() == &DataType::UInt32 => return Type::OID_ARRAY,
        _ => {}
    }
    match sql_type(data_type) {
        SqlType::Boolean => Type::BOOL,
        SqlType::SmallInt => Type::INT2,
        SqlType::Integer => Type::INT4,
        SqlType::BigInt => Type::INT8,
        SqlType::Real => Type::FLOAT4,
        SqlType::Double => Type::FLOAT8,
        SqlType::Numeric { .. } => Type::NUMERIC,
        SqlType::Bytea => Type::BYTEA,
        SqlType::Date => Type::DATE,
        SqlType::Time => Type::TIME,
        SqlType::Timestamp => Type::TIMESTAMP,
        SqlType::TimestampTz => Type::TIMESTAMPTZ,
        SqlType::Interval => Type::INTERVAL,
        SqlType::Array(of) => match *of {
            SqlType::Boolean => Type::BOOL_ARRAY,
            SqlType::SmallInt => Type::INT2_ARRAY,
            SqlType::Integer => Type::INT4_ARRAY,
            SqlType::BigInt => Type::INT8_ARRAY,
            SqlType::Real => Type::FLOAT4_ARRAY,
            SqlType::Double => Type::FLOAT8_ARRAY,
            SqlType::Numeric { .. } => Type::NUMERIC_ARRAY,
            SqlType::Date => Type::DATE_ARRAY,
            SqlType::Timestamp => Type::TIMESTAMP_ARRAY,
            SqlType::TimestampTz => Type::TIMESTAMPTZ_ARRAY,
            _ => Type::TEXT_ARRAY,
        },
        SqlType::Text | SqlType::Uuid | SqlType::Json | SqlType::Other(_) => Type::TEXT,
    }
}
