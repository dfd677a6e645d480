//! What a result's columns are called and typed on the wire: RowDescription, without the bytes.

use crate::error::{ErrorReport, SqlState};
use arrow::datatypes::{DataType, Field, Schema, UnionFields, UnionMode};
use postgres_types::{Kind, Type};

/// The key of a field's metadata that names its PostgreSQL type (`oid`, `name`, `uuid`, `json`, `"char"` …) where the
/// Arrow type alone says too little.
pub const PG_TYPE_KEY: &str = "pg.type";

/// The key that the system catalog's tables use for `oid` and its aliases.
const OID_ALIAS_KEY: &str = "pg.oid_alias";
/// The key that the system catalog's tables use for the one-byte `"char"`.
const CHAR_KEY: &str = "pg.char";

/// The keys of an upstream's column: its type's OID, its size, its modifier.
const UPSTREAM_KEYS: [&str; 3] = ["pg.oid", "pg.size", "pg.modifier"];

/// PostgreSQL's own bound on a target list (`MaxTupleAttributeNumber`).
const MAX_COLUMNS: usize = 1664;

/// How a value is written: PostgreSQL's format codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Code 0.
    Text,
    /// Code 1.
    Binary,
}

impl Format {
    /// The code on the wire.
    pub fn code(self) -> i16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }

    /// The format that a code means.
    ///
    /// # Errors
    /// 22023 for a code that is neither 0 nor 1.
    pub fn from_code(code: i16) -> Result<Self, ErrorReport> {
        match code {
            0 => Ok(Self::Text),
            1 => Ok(Self::Binary),
            other => {
                Err(ErrorReport::new(SqlState::INVALID_PARAMETER_VALUE, format!("unsupported format code: {other}")))
            }
        }
    }

    /// Bind's result formats, one for each column: no code is text for all, one code is for all.
    ///
    /// # Errors
    /// 08P01 if there is another number of codes, 22023 for an unknown code.
    pub fn spread(codes: &[i16], columns: usize) -> Result<Vec<Self>, ErrorReport> {
        match codes {
            [] => Ok(vec![Self::Text; columns]),
            [one] => Ok(vec![Self::from_code(*one)?; columns]),
            each if each.len() == columns => each.iter().map(|code| Self::from_code(*code)).collect(),
            each => Err(ErrorReport::new(
                SqlState::PROTOCOL_VIOLATION,
                format!("bind message has {} result formats but query has {columns} columns", each.len()),
            )),
        }
    }
}

/// One column of a RowDescription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDescription {
    /// The column's name.
    pub name: String,
    /// Its type's OID.
    pub type_oid: u32,
    /// Bytes of a value, or -1 if they vary.
    pub type_len: i16,
    /// Precision and scale of a numeric; else -1.
    pub type_modifier: i32,
    /// How its values are written.
    pub format: Format,
}

/// A column whose rows an upstream has encoded, typed as the upstream says. A type that is not PostgreSQL's own is shown
/// as text: nobody here could look its OID up.
pub fn upstream_field(name: &str, type_oid: u32, type_len: i16, type_modifier: i32) -> Field {
    let (oid, len, modifier) = match Type::from_oid(type_oid) {
        Some(_) => (type_oid, type_len, type_modifier),
        None => (Type::TEXT.oid(), -1, -1),
    };
    let values = [oid.to_string(), len.to_string(), modifier.to_string()];
    let metadata = UPSTREAM_KEYS.map(str::to_owned).into_iter().zip(values).collect();
    Field::new(name, upstream_data_type(), true).with_metadata(metadata)
}

/// The Arrow type of such a column: one that no engine has values of, so that no file can say of itself what only an
/// upstream may.
fn upstream_data_type() -> DataType {
    DataType::Union(UnionFields::empty(), UnionMode::Dense)
}

/// The type of a column that an upstream has encoded; `None` for any other.
pub fn upstream_type_of_field(field: &Field) -> Option<Type> {
    upstream_column(field).map(|(pg_type, ..)| pg_type)
}

/// The type, size and modifier of an upstream's column; `None` for any other.
fn upstream_column(field: &Field) -> Option<(Type, i16, i32)> {
    match field.data_type() {
        DataType::Union(fields, UnionMode::Dense) if fields.is_empty() => {}
        _another => return None,
    }
    let [oid, len, modifier] = UPSTREAM_KEYS.map(|key| field.metadata().get(key));
    Some((Type::from_oid(oid?.parse().ok()?)?, len?.parse().ok()?, modifier?.parse().ok()?))
}

/// The columns of a result. Where there are fewer formats than columns, the rest is text.
///
/// # Errors
/// 0A000 if a type has no form on the wire, 54011 if there are more columns than PostgreSQL takes.
pub fn field_descriptions(schema: &Schema, formats: &[Format]) -> Result<Vec<FieldDescription>, ErrorReport> {
    if schema.fields().len() > MAX_COLUMNS {
        return Err(ErrorReport::new(
            SqlState::TOO_MANY_COLUMNS,
            format!("target lists can have at most {MAX_COLUMNS} entries"),
        ));
    }
    schema
        .fields()
        .iter()
        .enumerate()
        .map(|(position, field)| {
            let (pg_type, type_len, type_modifier) = match upstream_column(field) {
                Some(column) => column,
                None => {
                    let pg_type = pg_type_of_field(field).ok_or_else(|| no_wire_form(field))?;
                    let (len, modifier) = (type_len(&pg_type), type_modifier(&pg_type, field.data_type()));
                    (pg_type, len, modifier)
                }
            };
            Ok(FieldDescription {
                name: field.name().replace('\0', ""),
                type_oid: pg_type.oid(),
                type_len,
                type_modifier,
                format: formats.get(position).copied().unwrap_or(Format::Text),
            })
        })
        .collect()
}

/// 0A000 for a column that can't be sent.
pub(super) fn no_wire_form(field: &Field) -> ErrorReport {
    ErrorReport::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        format!("column \"{}\" has a type that cannot be sent to a client", field.name()),
    )
    .with_detail(format!("Its type is {}.", field.data_type()))
    .with_hint("Cast the column to text, or leave it out.")
}

/// The PostgreSQL type of a column: what its metadata says, if the values can be written as that, else what its Arrow
/// type means.
pub fn pg_type_of_field(field: &Field) -> Option<Type> {
    if let Some((pg_type, ..)) = upstream_column(field) {
        return Some(pg_type);
    }
    let metadata = field.metadata();
    let named = metadata.get(PG_TYPE_KEY).or_else(|| metadata.get(OID_ALIAS_KEY)).map(String::as_str);
    let named = named.or_else(|| metadata.contains_key(CHAR_KEY).then_some("char"));
    let plain = pg_type_of(field.data_type())?;
    let Some(tagged) = named.and_then(type_by_name) else { return Some(plain) };
    let suits = match *plain.kind() {
        _ if is_vector(&tagged) => matches!(plain, Type::INT2_ARRAY | Type::OID_ARRAY) && plain.kind() == tagged.kind(),
        Kind::Array(ref element) => matches!(tagged.kind(), Kind::Array(of) if suits(element, of)),
        _ => suits(&plain, &tagged),
    };
    Some(if suits { tagged } else { plain })
}

/// Whether values that are plainly of one type can be written as of the other.
fn suits(plain: &Type, tagged: &Type) -> bool {
    match *plain {
        Type::INT2 | Type::INT4 | Type::INT8 | Type::NUMERIC => is_oid_like(tagged),
        Type::TEXT => is_text_like(tagged) || *tagged == Type::UUID || *tagged == Type::CHAR,
        Type::BYTEA => *tagged == Type::UUID,
        _ => false,
    }
}

/// `oid` and the types that print as its names: four unsigned bytes in binary form.
pub(super) fn is_oid_like(pg_type: &Type) -> bool {
    matches!(
        *pg_type,
        Type::OID
            | Type::REGPROC
            | Type::REGPROCEDURE
            | Type::REGOPER
            | Type::REGOPERATOR
            | Type::REGCLASS
            | Type::REGTYPE
            | Type::REGNAMESPACE
            | Type::REGROLE
            | Type::REGCONFIG
            | Type::REGDICTIONARY
            | Type::REGCOLLATION
            | Type::XID
            | Type::CID
    )
}

/// `int2vector` and `oidvector`: arrays that are counted from 0 and written without braces.
pub(super) fn is_vector(pg_type: &Type) -> bool {
    matches!(*pg_type, Type::INT2_VECTOR | Type::OID_VECTOR)
}

/// Types whose text and binary form are both the text itself (`jsonb` with a version byte before it).
fn is_text_like(pg_type: &Type) -> bool {
    matches!(
        *pg_type,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::JSON | Type::JSONB | Type::XML | Type::UNKNOWN
    )
}

fn type_by_name(name: &str) -> Option<Type> {
    match name {
        "int2vector" => return Some(Type::INT2_VECTOR),
        "oidvector" => return Some(Type::OID_VECTOR),
        _ => {}
    }
    let (name, array) = match name.strip_suffix("[]").or_else(|| name.strip_prefix('_')) {
        Some(element) => (element, true),
        None => (name, false),
    };
    let element = match name.trim_matches('"') {
        "oid" => Type::OID,
        "regproc" => Type::REGPROC,
        "regprocedure" => Type::REGPROCEDURE,
        "regoper" => Type::REGOPER,
        "regoperator" => Type::REGOPERATOR,
        "regclass" => Type::REGCLASS,
        "regtype" => Type::REGTYPE,
        "regnamespace" => Type::REGNAMESPACE,
        "regrole" => Type::REGROLE,
        "regconfig" => Type::REGCONFIG,
        "regdictionary" => Type::REGDICTIONARY,
        "regcollation" => Type::REGCOLLATION,
        "xid" => Type::XID,
        "cid" => Type::CID,
        "name" => Type::NAME,
        "char" => Type::CHAR,
        "bpchar" | "character" => Type::BPCHAR,
        "varchar" | "character varying" => Type::VARCHAR,
        "text" => Type::TEXT,
        "json" => Type::JSON,
        "jsonb" => Type::JSONB,
        "xml" => Type::XML,
        "uuid" => Type::UUID,
        _ => return None,
    };
    if array { array_of(&element) } else { Some(element) }
}

/// The PostgreSQL type that an Arrow type means; `None` if it has no form on the wire.
pub fn pg_type_of(data_type: &DataType) -> Option<Type> {
    Some(match data_type {
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Type::TEXT,
        DataType::Boolean => Type::BOOL,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => Type::INT2,
        DataType::Int32 | DataType::UInt16 => Type::INT4,
        DataType::Int64 => Type::INT8,
        // What the system's relations have for identifiers; drivers look for the types of values by them.
        DataType::UInt32 => Type::OID,
        DataType::Float16 | DataType::Float32 => Type::FLOAT4,
        DataType::Float64 => Type::FLOAT8,
        DataType::UInt64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => Type::NUMERIC,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Type::BYTEA,
        DataType::Date32 | DataType::Date64 => Type::DATE,
        DataType::Time32(_) | DataType::Time64(_) => Type::TIME,
        DataType::Timestamp(_, None) => Type::TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => Type::TIMESTAMPTZ,
        DataType::Interval(_) | DataType::Duration(_) => Type::INTERVAL,
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => {
            let mut innermost = element;
            while let DataType::List(inner) | DataType::LargeList(inner) | DataType::FixedSizeList(inner, _) =
                innermost.data_type()
            {
                innermost = inner;
            }
            array_of(&pg_type_of_field(innermost)?)?
        }
        DataType::Map(..) => Type::RECORD_ARRAY,
        DataType::Struct(fields) => {
            for field in fields {
                pg_type_of_field(field)?;
            }
            Type::RECORD
        }
        DataType::Dictionary(_, value) => pg_type_of(value)?,
        DataType::RunEndEncoded(_, values) => pg_type_of(values.data_type())?,
        DataType::Union(..) | DataType::ListView(_) | DataType::LargeListView(_) => return None,
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
        Type::CHAR => Type::CHAR_ARRAY,
        Type::JSON => Type::JSON_ARRAY,
        Type::JSONB => Type::JSONB_ARRAY,
        Type::XML => Type::XML_ARRAY,
        Type::UUID => Type::UUID_ARRAY,
        Type::OID => Type::OID_ARRAY,
        Type::REGPROC => Type::REGPROC_ARRAY,
        Type::REGCLASS => Type::REGCLASS_ARRAY,
        Type::REGTYPE => Type::REGTYPE_ARRAY,
        Type::BYTEA => Type::BYTEA_ARRAY,
        Type::DATE => Type::DATE_ARRAY,
        Type::TIME => Type::TIME_ARRAY,
        Type::TIMESTAMP => Type::TIMESTAMP_ARRAY,
        Type::TIMESTAMPTZ => Type::TIMESTAMPTZ_ARRAY,
        Type::INTERVAL => Type::INTERVAL_ARRAY,
        Type::RECORD => Type::RECORD_ARRAY,
        _ => return None,
    })
}

/// `pg_type.typlen`.
fn type_len(pg_type: &Type) -> i16 {
    match *pg_type {
        Type::BOOL | Type::CHAR => 1,
        Type::INT2 => 2,
        Type::INT4 | Type::FLOAT4 | Type::DATE => 4,
        Type::INT8 | Type::FLOAT8 | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ => 8,
        Type::INTERVAL | Type::UUID => 16,
        Type::NAME => 64,
        Type::UNKNOWN => -2,
        ref other if is_oid_like(other) => 4,
        _ => -1,
    }
}

/// `atttypmod`: precision and scale of a numeric, where PostgreSQL can say them.
fn type_modifier(pg_type: &Type, data_type: &DataType) -> i32 {
    let (precision, scale) = match data_type {
        DataType::Dictionary(_, value) => return type_modifier(pg_type, value),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => (i32::from(*precision), i32::from(*scale)),
        _ => return -1,
    };
    if *pg_type == Type::NUMERIC && (0..=precision).contains(&scale) { ((precision << 16) | scale) + 4 } else { -1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::sync::Arc;

    #[test]
    fn a_numeric_says_its_precision_and_scale() {
        let schema = Schema::new(vec![
            Field::new("price", DataType::Decimal128(12, 2), true),
            Field::new("id", DataType::Int64, false),
        ]);
        let fields = field_descriptions(&schema, &[Format::Binary]).unwrap();
        assert_eq!(fields[0].type_oid, 1700);
        // numeric(12,2) in PostgreSQL: ((12 << 16) | 2) + 4
        assert_eq!(fields[0].type_modifier, 786_438);
        assert_eq!(fields[0].format, Format::Binary);
        assert_eq!((fields[1].type_oid, fields[1].type_len, fields[1].type_modifier), (20, 8, -1));
        assert_eq!(fields[1].format, Format::Text);
    }

    #[test]
    fn an_upstreams_column_is_what_the_upstream_says_and_text_if_nobody_else_knows_it() {
        let price = upstream_field("price", Type::NUMERIC.oid(), -1, 786_438);
        let mood = upstream_field("mood", 16_390, 4, -1);
        let fields = field_descriptions(&Schema::new(vec![price, mood]), &[]).unwrap();
        assert_eq!((fields[0].type_oid, fields[0].type_len, fields[0].type_modifier), (1700, -1, 786_438));
        assert_eq!((fields[1].type_oid, fields[1].type_len, fields[1].type_modifier), (25, -1, -1));
        // A file that says so of itself is not believed.
        let says = upstream_field("n", Type::INT4.oid(), 4, -1).metadata().clone();
        assert_eq!(pg_type_of_field(&Field::new("n", DataType::Utf8, true).with_metadata(says)), Some(Type::TEXT));
    }

    #[test]
    fn metadata_names_a_type_only_where_the_values_suit() {
        let tagged = |data_type, name: &str| {
            Field::new("c", data_type, true).with_metadata(HashMap::from([(PG_TYPE_KEY.to_owned(), name.to_owned())]))
        };
        assert_eq!(pg_type_of_field(&tagged(DataType::Int32, "oid")), Some(Type::OID));
        assert_eq!(pg_type_of_field(&tagged(DataType::Utf8, "name")), Some(Type::NAME));
        assert_eq!(pg_type_of_field(&tagged(DataType::Utf8, "\"char\"")), Some(Type::CHAR));
        assert_eq!(pg_type_of_field(&tagged(DataType::Boolean, "oid")), Some(Type::BOOL));
        assert_eq!(pg_type_of_field(&tagged(DataType::Utf8, "no such type")), Some(Type::TEXT));
        let list = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
        assert_eq!(pg_type_of_field(&tagged(list, "name[]")), Some(Type::NAME_ARRAY));
    }

    #[test]
    fn nested_lists_have_the_type_of_a_plain_one() {
        let inner = DataType::List(Arc::new(Field::new_list_field(DataType::Int32, true)));
        let outer = DataType::List(Arc::new(Field::new_list_field(inner, true)));
        assert_eq!(pg_type_of(&outer), Some(Type::INT4_ARRAY));
    }

    #[test]
    fn what_cannot_be_sent_is_refused_by_name() {
        let union = DataType::Union(arrow::datatypes::UnionFields::empty(), arrow::datatypes::UnionMode::Dense);
        let schema = Schema::new(vec![Field::new("u", union, true)]);
        let error = field_descriptions(&schema, &[]).unwrap_err();
        assert_eq!(error.sqlstate, SqlState::FEATURE_NOT_SUPPORTED);
        assert!(error.message.contains("\"u\""));
    }

    #[test]
    fn format_codes_spread_as_bind_says() {
        assert_eq!(Format::spread(&[], 2), Ok(vec![Format::Text; 2]));
        assert_eq!(Format::spread(&[1], 2), Ok(vec![Format::Binary; 2]));
        assert_eq!(Format::spread(&[1, 0], 2), Ok(vec![Format::Binary, Format::Text]));
        assert_eq!(Format::spread(&[1, 0, 1], 2).unwrap_err().sqlstate, SqlState::PROTOCOL_VIOLATION);
        assert_eq!(Format::spread(&[2], 2).unwrap_err().sqlstate, SqlState::INVALID_PARAMETER_VALUE);
    }
}
