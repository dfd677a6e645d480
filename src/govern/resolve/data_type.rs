//! Types in casts and typed literals: an allow-list.

use crate::govern::error::{ResolveError, ResolveFault, refuse};
use crate::govern::names::parts;
use sqlparser::ast::{ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, ObjectName, TimezoneInfo};

const HINT: &str = "Types that work: boolean, smallint, integer, bigint, real, double precision, numeric, text, varchar, \
                    char, bytea, date, time, timestamp, timestamptz, interval, uuid, json, jsonb and arrays of them.";

/// The type, if casts to it are allowed.
pub(super) fn data_type(data_type: &DataType) -> Result<DataType, ResolveError> {
    match data_type {
        DataType::Character(length)
        | DataType::Char(length)
        | DataType::CharacterVarying(length)
        | DataType::CharVarying(length)
        | DataType::Varchar(length) => match length {
            None | Some(CharacterLength::IntegerLength { length: _, unit: None }) => Ok(data_type.clone()),
            Some(CharacterLength::IntegerLength { .. } | CharacterLength::Max) => Err(refused(data_type)),
        },
        DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => Ok(data_type.clone()),
        DataType::Float(ExactNumberInfo::None | ExactNumberInfo::Precision(_)) => Ok(data_type.clone()),
        DataType::SmallInt(None)
        | DataType::Int2(None)
        | DataType::Int(None)
        | DataType::Int4(None)
        | DataType::Int8(None)
        | DataType::Integer(None)
        | DataType::BigInt(None)
        | DataType::Float4
        | DataType::Float8
        | DataType::Real
        | DataType::DoublePrecision
        | DataType::Bool
        | DataType::Boolean
        | DataType::Date
        | DataType::Time(_, _)
        | DataType::Timestamp(_, _)
        | DataType::Interval { fields: None, precision: None }
        | DataType::JSON
        | DataType::JSONB
        | DataType::Regclass
        | DataType::Text
        | DataType::Bytea
        | DataType::Uuid => Ok(data_type.clone()),
        DataType::Interval { .. } => Ok(data_type.clone()),
        DataType::Bit(_) | DataType::BitVarying(_) | DataType::VarBit(_) => Ok(data_type.clone()),
        DataType::GeometricType(kind) => Ok(of_upstreams(&kind.to_string())),
        DataType::TsVector => Ok(of_upstreams("tsvector")),
        DataType::TsQuery => Ok(of_upstreams("tsquery")),
        DataType::Array(ArrayElemTypeDef::SquareBracket(inner, size)) => {
            let inner = self::data_type(inner)?;
            Ok(DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(inner), *size)))
        }
        DataType::Custom(name, modifiers) if modifiers.is_empty() => named_type(name, data_type),
        DataType::Table(_)
        | DataType::NamedTable { .. }
        | DataType::Nvarchar(_)
        | DataType::CharacterLargeObject(_)
        | DataType::CharLargeObject(_)
        | DataType::Clob(_)
        | DataType::Binary(_)
        | DataType::Varbinary(_)
        | DataType::Blob(_)
        | DataType::TinyBlob
        | DataType::MediumBlob
        | DataType::LongBlob
        | DataType::Bytes(_)
        | DataType::DecimalUnsigned(_)
        | DataType::BigNumeric(_)
        | DataType::BigDecimal(_)
        | DataType::DecUnsigned(_)
        | DataType::Float(_)
        | DataType::FloatUnsigned(_)
        | DataType::TinyInt(_)
        | DataType::TinyIntUnsigned(_)
        | DataType::UTinyInt
        | DataType::Int2(_)
        | DataType::Int2Unsigned(_)
        | DataType::SmallInt(_)
        | DataType::SmallIntUnsigned(_)
        | DataType::USmallInt
        | DataType::MediumInt(_)
        | DataType::MediumIntUnsigned(_)
        | DataType::Int(_)
        | DataType::Int4(_)
        | DataType::Int8(_)
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Int128
        | DataType::Int256
        | DataType::Integer(_)
        | DataType::IntUnsigned(_)
        | DataType::Int4Unsigned(_)
        | DataType::IntegerUnsigned(_)
        | DataType::HugeInt
        | DataType::UHugeInt
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::UInt128
        | DataType::UInt256
        | DataType::BigInt(_)
        | DataType::BigIntUnsigned(_)
        | DataType::UBigInt
        | DataType::Int8Unsigned(_)
        | DataType::Signed
        | DataType::SignedInteger
        | DataType::Unsigned
        | DataType::UnsignedInteger
        | DataType::Float32
        | DataType::Float64
        | DataType::RealUnsigned
        | DataType::Double(_)
        | DataType::DoubleUnsigned(_)
        | DataType::DoublePrecisionUnsigned
        | DataType::Date32
        | DataType::Datetime(_)
        | DataType::Datetime64(_, _)
        | DataType::TimestampNtz(_)
        | DataType::TinyText
        | DataType::MediumText
        | DataType::LongText
        | DataType::String(_)
        | DataType::FixedString(_)
        | DataType::Custom(_, _)
        | DataType::Array(
            ArrayElemTypeDef::None | ArrayElemTypeDef::AngleBracket(_) | ArrayElemTypeDef::Parenthesis(_),
        )
        | DataType::Map(_, _)
        | DataType::Tuple(_)
        | DataType::Nested(_)
        | DataType::Enum(_, _)
        | DataType::Set(_)
        | DataType::Struct(_, _)
        | DataType::Union(_)
        | DataType::Nullable(_)
        | DataType::LowCardinality(_)
        | DataType::Unspecified
        | DataType::Trigger
        | DataType::AnyType => Err(refused(data_type)),
    }
}

/// Types that the parser knows by name alone: those that metadata queries use, and built-in ones with their schema.
fn named_type(name: &ObjectName, data_type: &DataType) -> Result<DataType, ResolveError> {
    let written = parts(name).unwrap_or_default();
    let type_name = match written.as_slice() {
        [type_name] => type_name.as_str(),
        [schema, type_name] if schema == "pg_catalog" => type_name.as_str(),
        _qualified => return Err(ResolveFault::UndefinedObject(format!("type \"{name}\"")).into()),
    };
    match type_name {
        "text" => Ok(DataType::Text),
        "bool" => Ok(DataType::Boolean),
        "int2" => Ok(DataType::SmallInt(None)),
        "int4" => Ok(DataType::Integer(None)),
        "int8" => Ok(DataType::BigInt(None)),
        "float4" => Ok(DataType::Real),
        "float8" => Ok(DataType::DoublePrecision),
        "numeric" => Ok(DataType::Numeric(ExactNumberInfo::None)),
        "varchar" => Ok(DataType::Varchar(None)),
        // Without a length it is text of any length; `char` alone has length 1.
        "bpchar" => Ok(DataType::Text),
        "bytea" => Ok(DataType::Bytea),
        "date" => Ok(DataType::Date),
        "timestamp" => Ok(DataType::Timestamp(None, TimezoneInfo::None)),
        "timestamptz" => Ok(DataType::Timestamp(None, TimezoneInfo::Tz)),
        "uuid" => Ok(DataType::Uuid),
        "json" => Ok(DataType::JSON),
        "jsonb" => Ok(DataType::JSONB),
        "regclass" => Ok(DataType::Regclass),
        "oid" | "name" | "char" | "regtype" | "regproc" | "regprocedure" | "regnamespace" | "regrole" | "xid"
        | "int2vector" | "oidvector" => {
            let quoted = crate::govern::names::ident(type_name);
            Ok(DataType::Custom(ObjectName::from(vec![quoted]), Vec::new()))
        }
        name if is_of_upstreams(name) => Ok(of_upstreams(name)),
        // The name of an array's own type.
        _other => match type_name.strip_prefix('_').filter(|element| !element.starts_with('_')) {
            Some(element) => {
                let element = ObjectName::from(vec![crate::govern::names::ident(element)]);
                let element = named_type(&element, data_type)?;
                Ok(DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(element), None)))
            }
            None => Err(refused(data_type)),
        },
    }
}

/// Types that PostgreSQL has and the embedded engine does not. A value of one is what its text says: none is looked up.
const OF_UPSTREAMS: &[&str] = &[
    "box",
    "cidr",
    "circle",
    "datemultirange",
    "daterange",
    "inet",
    "int4multirange",
    "int4range",
    "int8multirange",
    "int8range",
    "jsonpath",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "money",
    "nummultirange",
    "numrange",
    "path",
    "pg_lsn",
    "point",
    "polygon",
    "tsmultirange",
    "tsquery",
    "tsrange",
    "tstzmultirange",
    "tstzrange",
    "tsvector",
];

/// Whether a type of `pg_catalog` is one of values that upstreams alone have.
pub(in crate::govern) fn is_of_upstreams(name: &str) -> bool {
    OF_UPSTREAMS.binary_search(&name).is_ok()
}

/// Such a type, by its full name: a search path finds temporary types first.
fn of_upstreams(name: &str) -> DataType {
    let parts = ["pg_catalog", name].map(crate::govern::names::ident);
    DataType::Custom(ObjectName::from(parts.to_vec()), Vec::new())
}

/// Whether the embedded engine does not have a type that casts may name.
pub(super) fn is_upstreams(data_type: &DataType) -> bool {
    match data_type {
        DataType::Bit(_) | DataType::BitVarying(_) | DataType::VarBit(_) => true,
        DataType::Interval { fields, precision } => fields.is_some() || precision.is_some(),
        DataType::Array(ArrayElemTypeDef::SquareBracket(inner, _)) => is_upstreams(inner),
        DataType::Custom(name, _) => match parts(name).as_deref() {
            Some([_schema, name]) => is_of_upstreams(name),
            _of_the_gateway => false,
        },
        _of_both => false,
    }
}

/// The function that a cast to a type calls, for types whose values are looked up in the catalog.
pub(super) fn look_up(data_type: &DataType) -> Option<&'static str> {
    let name = match data_type {
        DataType::Regclass => return Some("to_regclass"),
        DataType::Array(ArrayElemTypeDef::SquareBracket(inner, _)) => return look_up(inner),
        DataType::Custom(name, _) => parts(name)?.pop()?,
        _built_in => return None,
    };
    match name.as_str() {
        "regtype" => Some("to_regtype"),
        "regproc" | "regprocedure" => Some("to_regproc"),
        "regnamespace" => Some("to_regnamespace"),
        "regrole" => Some("to_regrole"),
        _other => None,
    }
}

fn refused(data_type: &DataType) -> ResolveError {
    refuse(format!("type {data_type}"), HINT).into()
}

/// PostgreSQL's internal name of a type, which names an output without another name.
pub(super) fn type_name(data_type: &DataType) -> Option<String> {
    let name = match data_type {
        DataType::Character(_) | DataType::Char(_) => "bpchar",
        DataType::CharacterVarying(_) | DataType::CharVarying(_) | DataType::Varchar(_) => "varchar",
        DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => "numeric",
        DataType::SmallInt(_) | DataType::Int2(_) => "int2",
        DataType::Int(_) | DataType::Int4(_) | DataType::Integer(_) => "int4",
        DataType::BigInt(_) | DataType::Int8(_) => "int8",
        DataType::Real | DataType::Float4 => "float4",
        DataType::Float8 | DataType::DoublePrecision | DataType::Float(_) => "float8",
        DataType::Bool | DataType::Boolean => "bool",
        DataType::Date => "date",
        DataType::Time(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => "time",
        DataType::Time(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => "timetz",
        DataType::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => "timestamp",
        DataType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => "timestamptz",
        DataType::Interval { .. } => "interval",
        DataType::TsVector => "tsvector",
        DataType::TsQuery => "tsquery",
        DataType::GeometricType(kind) => return Some(kind.to_string()),
        DataType::Bit(_) => "bit",
        DataType::BitVarying(_) | DataType::VarBit(_) => "varbit",
        DataType::JSON => "json",
        DataType::JSONB => "jsonb",
        DataType::Regclass => "regclass",
        DataType::Text => "text",
        DataType::Bytea => "bytea",
        DataType::Uuid => "uuid",
        DataType::Array(ArrayElemTypeDef::SquareBracket(inner, _)) => return type_name(inner),
        DataType::Custom(name, _) => return parts(name).and_then(|parts| parts.last().cloned()),
        _unnamed => return None,
    };
    Some(name.to_owned())
}
