//! One column of one batch, looked at once, then read value by value.

use super::list::{Lists, Offsets};
use super::number::{self, Decimal};
use super::record::Records;
use super::text;
use super::time::{self, Interval};
use crate::egress::fields::{is_oid_like, is_vector, no_wire_form};
use crate::egress::{EncodeOptions, pg_type_of_field};
use crate::error::{ErrorReport, SqlState};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, GenericBinaryArray, GenericStringArray, StringViewArray,
};
use arrow::array::{ArrowPrimitiveType, FixedSizeBinaryArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::*;
use bytes::{BufMut, BytesMut};
use postgres_types::{Kind, Type};

/// A type nested deeper than this has no form on the wire.
const MAX_DEPTH: usize = 32;

/// One column of one batch.
pub(in crate::egress) struct Column {
    nulls: Option<NullBuffer>,
    cells: Cells,
}

/// The values, by how they are written.
enum Cells {
    /// Nothing but NULL.
    Null,
    Bool(BooleanArray),
    Int2(ScalarBuffer<i16>),
    Int4(ScalarBuffer<i32>),
    Int8(ScalarBuffer<i64>),
    Oid(Vec<u32>),
    Float4(ScalarBuffer<f32>),
    Float8(ScalarBuffer<f64>),
    Unsigned(ScalarBuffer<u64>),
    Decimal32(ScalarBuffer<i32>, i8),
    Decimal64(ScalarBuffer<i64>, i8),
    Decimal128(ScalarBuffer<i128>, i8),
    Decimal256(ScalarBuffer<i256>, i8),
    Text(Texts),
    Char(Texts),
    Jsonb(Texts),
    TextUuid(Texts),
    Bytes(Blobs),
    Uuid(FixedSizeBinaryArray),
    Date(ScalarBuffer<i32>),
    Time(ScalarBuffer<i64>, TimeUnit),
    Timestamp(ScalarBuffer<i64>, TimeUnit),
    TimestampTz(ScalarBuffer<i64>, TimeUnit),
    Duration(ScalarBuffer<i64>, TimeUnit),
    YearMonth(ScalarBuffer<i32>),
    DayTime(ScalarBuffer<IntervalDayTime>),
    MonthDayNano(ScalarBuffer<IntervalMonthDayNano>),
    List(Box<Lists>),
    Record(Records),
    /// A dictionary, or runs: the value's row, for each row.
    Indexed(Vec<usize>, Box<Column>),
}

/// Character data in any of Arrow's layouts.
enum Texts {
    Small(GenericStringArray<i32>),
    Large(GenericStringArray<i64>),
    View(StringViewArray),
}

impl Texts {
    fn at(&self, row: usize) -> &str {
        match self {
            Self::Small(array) => array.value(row),
            Self::Large(array) => array.value(row),
            Self::View(array) => array.value(row),
        }
    }
}

/// Bytes in any of Arrow's layouts.
enum Blobs {
    Small(GenericBinaryArray<i32>),
    Large(GenericBinaryArray<i64>),
    View(BinaryViewArray),
    Fixed(FixedSizeBinaryArray),
}

impl Blobs {
    fn at(&self, row: usize) -> &[u8] {
        match self {
            Self::Small(array) => array.value(row),
            Self::Large(array) => array.value(row),
            Self::View(array) => array.value(row),
            Self::Fixed(array) => array.value(row),
        }
    }
}

impl Column {
    /// Looks at a column.
    ///
    /// # Errors
    /// 0A000 if its type has no form on the wire, XX000 if the array is not of the field's type.
    pub(in crate::egress) fn new(array: &ArrayRef, field: &Field) -> Result<Self, ErrorReport> {
        Self::nested(array, field, 0)
    }

    fn nested(array: &ArrayRef, field: &Field, depth: usize) -> Result<Self, ErrorReport> {
        if depth > MAX_DEPTH {
            return Err(no_wire_form(field));
        }
        // The type of the array decides how it is read: a stream may be looser than its schema about text layouts.
        let as_sent = Field::new(field.name(), array.data_type().clone(), true).with_metadata(field.metadata().clone());
        let pg_type = pg_type_of_field(&as_sent).ok_or_else(|| no_wire_form(&as_sent))?;
        let cells = cells_of(array, &as_sent, &pg_type, depth)?;
        Ok(Self { nulls: array.logical_nulls(), cells })
    }

    /// Whether a row's value is NULL.
    pub(in crate::egress) fn is_null(&self, row: usize) -> bool {
        matches!(self.cells, Cells::Null) || self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// The arrays of a column of arrays.
    pub(super) fn as_lists(&self) -> Option<&Lists> {
        match &self.cells {
            Cells::List(lists) => Some(lists),
            _ => None,
        }
    }

    /// Writes a value that is not NULL as text.
    ///
    /// # Errors
    /// 22008 if a date or time can't be said.
    pub(in crate::egress) fn put_text(
        &self,
        row: usize,
        options: &EncodeOptions,
        out: &mut BytesMut,
    ) -> Result<(), ErrorReport> {
        match &self.cells {
            Cells::Null => {}
            Cells::Bool(values) => out.put_u8(if values.value(row) { b't' } else { b'f' }),
            Cells::Int2(values) => number::signed(at(values, row)?.into(), out),
            Cells::Int4(values) => number::signed(at(values, row)?.into(), out),
            Cells::Int8(values) => number::signed(at(values, row)?, out),
            Cells::Oid(values) => number::unsigned(at(values, row)?.into(), out),
            Cells::Float4(values) => number::float4(at(values, row)?, options.extra_float_digits, out),
            Cells::Float8(values) => number::float8(at(values, row)?, options.extra_float_digits, out),
            Cells::Unsigned(values) => number::unsigned(at(values, row)?, out),
            Cells::Decimal32(values, scale) => Decimal::new(at(values, row)?, *scale).put_text(out),
            Cells::Decimal64(values, scale) => Decimal::new(at(values, row)?, *scale).put_text(out),
            Cells::Decimal128(values, scale) => Decimal::new(at(values, row)?, *scale).put_text(out),
            Cells::Decimal256(values, scale) => Decimal::new(at(values, row)?, *scale).put_text(out),
            Cells::Text(values) | Cells::Char(values) | Cells::Jsonb(values) | Cells::TextUuid(values) => {
                out.put_slice(values.at(row).as_bytes());
            }
            Cells::Bytes(values) => text::bytea(values.at(row), options.bytea_output, out),
            Cells::Uuid(values) => {
                let uuid = uuid::Uuid::from_slice(values.value(row)).map_err(|_| unreadable())?;
                out.put_slice(uuid.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()).as_bytes());
            }
            Cells::Date(values) => time::date_text(at(values, row)?, out),
            Cells::Time(values, unit) => time::time_text(time::to_micros(at(values, row)?, *unit)?, out),
            Cells::Timestamp(values, unit) => {
                time::timestamp_text(time::to_micros(at(values, row)?, *unit)?, None, out);
            }
            Cells::TimestampTz(values, unit) => {
                time::timestamp_text(time::to_micros(at(values, row)?, *unit)?, Some(&options.time_zone), out);
            }
            Cells::Duration(..) | Cells::YearMonth(_) | Cells::DayTime(_) | Cells::MonthDayNano(_) => {
                self.interval(row)?.put_text(options.interval_style, out);
            }
            Cells::List(lists) => lists.put_text(row, options, out)?,
            Cells::Record(records) => records.put_text(row, options, out)?,
            Cells::Indexed(rows, column) => column.put_text(at(rows, row)?, options, out)?,
        }
        Ok(())
    }

    /// Writes a value that is not NULL in binary form.
    ///
    /// # Errors
    /// As [`Self::put_text`]; 22P02 for a text that is no `uuid`, 0A000 for an array that has no binary form.
    pub(in crate::egress) fn put_binary(&self, row: usize, out: &mut BytesMut) -> Result<(), ErrorReport> {
        match &self.cells {
            Cells::Null => {}
            Cells::Bool(values) => out.put_u8(values.value(row).into()),
            Cells::Int2(values) => out.put_i16(at(values, row)?),
            Cells::Int4(values) => out.put_i32(at(values, row)?),
            Cells::Int8(values) => out.put_i64(at(values, row)?),
            Cells::Oid(values) => out.put_u32(at(values, row)?),
            Cells::Float4(values) => out.put_f32(at(values, row)?),
            Cells::Float8(values) => out.put_f64(at(values, row)?),
            Cells::Unsigned(values) => Decimal::new(at(values, row)?, 0).put_binary(out),
            Cells::Decimal32(values, scale) => Decimal::new(at(values, row)?, *scale).put_binary(out),
            Cells::Decimal64(values, scale) => Decimal::new(at(values, row)?, *scale).put_binary(out),
            Cells::Decimal128(values, scale) => Decimal::new(at(values, row)?, *scale).put_binary(out),
            Cells::Decimal256(values, scale) => Decimal::new(at(values, row)?, *scale).put_binary(out),
            Cells::Text(values) => out.put_slice(values.at(row).as_bytes()),
            Cells::Char(values) => out.put_u8(values.at(row).as_bytes().first().copied().unwrap_or(0)),
            Cells::Jsonb(values) => {
                out.put_u8(1);
                out.put_slice(values.at(row).as_bytes());
            }
            Cells::TextUuid(values) => out.put_slice(&text::uuid_bytes(values.at(row))?),
            Cells::Bytes(values) => out.put_slice(values.at(row)),
            Cells::Uuid(values) => out.put_slice(values.value(row)),
            Cells::Date(values) => out.put_i32(time::date_binary(at(values, row)?)?),
            Cells::Time(values, unit) => out.put_i64(time::to_micros(at(values, row)?, *unit)?),
            Cells::Timestamp(values, unit) | Cells::TimestampTz(values, unit) => {
                out.put_i64(time::timestamp_binary(time::to_micros(at(values, row)?, *unit)?)?);
            }
            Cells::Duration(..) | Cells::YearMonth(_) | Cells::DayTime(_) | Cells::MonthDayNano(_) => {
                self.interval(row)?.put_binary(out);
            }
            Cells::List(lists) => lists.put_binary(row, out)?,
            Cells::Record(records) => records.put_binary(row, out)?,
            Cells::Indexed(rows, column) => column.put_binary(at(rows, row)?, out)?,
        }
        Ok(())
    }

    fn interval(&self, row: usize) -> Result<Interval, ErrorReport> {
        Ok(match &self.cells {
            Cells::Duration(values, unit) => Interval::between(time::to_micros(at(values, row)?, *unit)?),
            Cells::YearMonth(values) => Interval { months: at(values, row)?, days: 0, micros: 0 },
            Cells::DayTime(values) => {
                let value = at(values, row)?;
                Interval { months: 0, days: value.days, micros: i64::from(value.milliseconds) * 1000 }
            }
            Cells::MonthDayNano(values) => {
                let value = at(values, row)?;
                Interval { months: value.months, days: value.days, micros: value.nanoseconds / 1000 }
            }
            _ => return Err(unreadable()),
        })
    }
}

/// Writes a length and what `put` writes, the length in front.
pub(in crate::egress) fn put_sized(
    out: &mut BytesMut,
    put: impl FnOnce(&mut BytesMut) -> Result<(), ErrorReport>,
) -> Result<(), ErrorReport> {
    let start = out.len();
    out.put_i32(0);
    put(out)?;
    let length = i32::try_from(out.len() - start - 4).map_err(|_| too_large())?;
    if let Some(slot) = out.get_mut(start..start + 4) {
        slot.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

/// 54000: a value or a row beyond what the protocol's lengths can say.
pub(in crate::egress) fn too_large() -> ErrorReport {
    ErrorReport::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "a row of the result is too large to send")
        .with_hint("Select fewer columns, or take parts of long values.")
}

fn unreadable() -> ErrorReport {
    ErrorReport::new(SqlState::INTERNAL_ERROR, "a value of the result could not be read")
}

fn at<T: Copy>(values: &[T], row: usize) -> Result<T, ErrorReport> {
    values.get(row).copied().ok_or_else(unreadable)
}

fn primitive<T: ArrowPrimitiveType>(array: &ArrayRef) -> Result<ScalarBuffer<T::Native>, ErrorReport> {
    array.as_primitive_opt::<T>().map(|array| array.values().clone()).ok_or_else(unreadable)
}

fn widened<T: ArrowPrimitiveType, W: From<T::Native> + ArrowNativeType>(
    array: &ArrayRef,
) -> Result<ScalarBuffer<W>, ErrorReport> {
    Ok(primitive::<T>(array)?.iter().map(|value| W::from(*value)).collect())
}

fn cells_of(array: &ArrayRef, field: &Field, pg_type: &Type, depth: usize) -> Result<Cells, ErrorReport> {
    let oid = is_oid_like(pg_type);
    Ok(match array.data_type() {
        DataType::Null => Cells::Null,
        DataType::Boolean => Cells::Bool(array.as_boolean_opt().ok_or_else(unreadable)?.clone()),
        // The bits of an oid are what they are in PostgreSQL, whatever integer holds them.
        DataType::Int32 if oid => {
            Cells::Oid(primitive::<Int32Type>(array)?.iter().map(|value| *value as u32).collect())
        }
        DataType::Int64 if oid => {
            Cells::Oid(primitive::<Int64Type>(array)?.iter().map(|value| *value as u32).collect())
        }
        DataType::UInt32 if oid => Cells::Oid(primitive::<UInt32Type>(array)?.to_vec()),
        DataType::Int16 if oid => {
            Cells::Oid(primitive::<Int16Type>(array)?.iter().map(|value| *value as u32).collect())
        }
        DataType::Int8 => Cells::Int2(widened::<Int8Type, i16>(array)?),
        DataType::Int16 => Cells::Int2(primitive::<Int16Type>(array)?),
        DataType::Int32 => Cells::Int4(primitive::<Int32Type>(array)?),
        DataType::Int64 => Cells::Int8(primitive::<Int64Type>(array)?),
        DataType::UInt8 => Cells::Int2(widened::<UInt8Type, i16>(array)?),
        DataType::UInt16 => Cells::Int4(widened::<UInt16Type, i32>(array)?),
        DataType::UInt32 => Cells::Int8(widened::<UInt32Type, i64>(array)?),
        DataType::UInt64 => Cells::Unsigned(primitive::<UInt64Type>(array)?),
        DataType::Float16 => {
            Cells::Float4(primitive::<Float16Type>(array)?.iter().map(|value| value.to_f32()).collect())
        }
        DataType::Float32 => Cells::Float4(primitive::<Float32Type>(array)?),
        DataType::Float64 => Cells::Float8(primitive::<Float64Type>(array)?),
        DataType::Decimal32(_, scale) => Cells::Decimal32(primitive::<Decimal32Type>(array)?, *scale),
        DataType::Decimal64(_, scale) => Cells::Decimal64(primitive::<Decimal64Type>(array)?, *scale),
        DataType::Decimal128(_, scale) => Cells::Decimal128(primitive::<Decimal128Type>(array)?, *scale),
        DataType::Decimal256(_, scale) => Cells::Decimal256(primitive::<Decimal256Type>(array)?, *scale),
        DataType::Utf8 => text_cells(Texts::Small(array.as_string_opt().ok_or_else(unreadable)?.clone()), pg_type),
        DataType::LargeUtf8 => text_cells(Texts::Large(array.as_string_opt().ok_or_else(unreadable)?.clone()), pg_type),
        DataType::Utf8View => {
            text_cells(Texts::View(array.as_string_view_opt().ok_or_else(unreadable)?.clone()), pg_type)
        }
        DataType::Binary => Cells::Bytes(Blobs::Small(array.as_binary_opt().ok_or_else(unreadable)?.clone())),
        DataType::LargeBinary => Cells::Bytes(Blobs::Large(array.as_binary_opt().ok_or_else(unreadable)?.clone())),
        DataType::BinaryView => Cells::Bytes(Blobs::View(array.as_binary_view_opt().ok_or_else(unreadable)?.clone())),
        DataType::FixedSizeBinary(size) => {
            let values = array.as_fixed_size_binary_opt().ok_or_else(unreadable)?.clone();
            if *pg_type == Type::UUID && *size == 16 { Cells::Uuid(values) } else { Cells::Bytes(Blobs::Fixed(values)) }
        }
        DataType::Date32 => Cells::Date(primitive::<Date32Type>(array)?),
        DataType::Date64 => Cells::Date(
            primitive::<Date64Type>(array)?
                .iter()
                .map(|millis| i32::try_from(millis.div_euclid(86_400_000)).map_err(|_| time::out_of_range()))
                .collect::<Result<Vec<_>, _>>()?
                .into(),
        ),
        DataType::Time32(unit @ TimeUnit::Second) => Cells::Time(widened::<Time32SecondType, i64>(array)?, *unit),
        DataType::Time32(unit) => Cells::Time(widened::<Time32MillisecondType, i64>(array)?, *unit),
        DataType::Time64(unit @ TimeUnit::Microsecond) => {
            Cells::Time(primitive::<Time64MicrosecondType>(array)?, *unit)
        }
        DataType::Time64(unit) => Cells::Time(primitive::<Time64NanosecondType>(array)?, *unit),
        DataType::Timestamp(unit, zone) => {
            let values = match unit {
                TimeUnit::Second => primitive::<TimestampSecondType>(array)?,
                TimeUnit::Millisecond => primitive::<TimestampMillisecondType>(array)?,
                TimeUnit::Microsecond => primitive::<TimestampMicrosecondType>(array)?,
                TimeUnit::Nanosecond => primitive::<TimestampNanosecondType>(array)?,
            };
            if zone.is_some() { Cells::TimestampTz(values, *unit) } else { Cells::Timestamp(values, *unit) }
        }
        DataType::Duration(unit) => Cells::Duration(
            match unit {
                TimeUnit::Second => primitive::<DurationSecondType>(array)?,
                TimeUnit::Millisecond => primitive::<DurationMillisecondType>(array)?,
                TimeUnit::Microsecond => primitive::<DurationMicrosecondType>(array)?,
                TimeUnit::Nanosecond => primitive::<DurationNanosecondType>(array)?,
            },
            *unit,
        ),
        DataType::Interval(IntervalUnit::YearMonth) => Cells::YearMonth(primitive::<IntervalYearMonthType>(array)?),
        DataType::Interval(IntervalUnit::DayTime) => Cells::DayTime(primitive::<IntervalDayTimeType>(array)?),
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            Cells::MonthDayNano(primitive::<IntervalMonthDayNanoType>(array)?)
        }
        DataType::List(element) => {
            let list = array.as_list_opt::<i32>().ok_or_else(unreadable)?;
            list_cells(Offsets::Small(list.offsets().clone()), list.values(), element, pg_type, depth)?
        }
        DataType::LargeList(element) => {
            let list = array.as_list_opt::<i64>().ok_or_else(unreadable)?;
            list_cells(Offsets::Large(list.offsets().clone()), list.values(), element, pg_type, depth)?
        }
        DataType::FixedSizeList(element, size) => {
            let list = array.as_fixed_size_list_opt().ok_or_else(unreadable)?;
            let size = usize::try_from(*size).map_err(|_| unreadable())?;
            list_cells(Offsets::Fixed(size), list.values(), element, pg_type, depth)?
        }
        DataType::Map(entry, _) => {
            let map = array.as_map_opt().ok_or_else(unreadable)?;
            let entries: ArrayRef = std::sync::Arc::new(map.entries().clone());
            list_cells(Offsets::Small(map.offsets().clone()), &entries, entry, pg_type, depth)?
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct_opt().ok_or_else(unreadable)?.columns();
            let records = fields.iter().zip(columns).map(|(field, column)| {
                let pg_type = pg_type_of_field(field).ok_or_else(|| no_wire_form(field))?;
                Ok((pg_type, Column::nested(column, field, depth + 1)?))
            });
            Cells::Record(Records(records.collect::<Result<_, ErrorReport>>()?))
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary_opt().ok_or_else(unreadable)?;
            if dictionary.values().is_empty() {
                Cells::Null
            } else {
                let values = Column::nested(dictionary.values(), &value_field(field, dictionary.values()), depth + 1)?;
                Cells::Indexed(dictionary.normalized_keys(), Box::new(values))
            }
        }
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => run_cells::<Int16Type>(array, field, depth)?,
            DataType::Int32 => run_cells::<Int32Type>(array, field, depth)?,
            _ => run_cells::<Int64Type>(array, field, depth)?,
        },
        DataType::Union(..) | DataType::ListView(_) | DataType::LargeListView(_) => return Err(no_wire_form(field)),
    })
}

fn text_cells(values: Texts, pg_type: &Type) -> Cells {
    match *pg_type {
        Type::CHAR => Cells::Char(values),
        Type::JSONB => Cells::Jsonb(values),
        Type::UUID => Cells::TextUuid(values),
        _ => Cells::Text(values),
    }
}

fn list_cells(
    offsets: Offsets,
    values: &ArrayRef,
    element: &Field,
    pg_type: &Type,
    depth: usize,
) -> Result<Cells, ErrorReport> {
    let element_type = match pg_type.kind() {
        Kind::Array(element) => element.clone(),
        // `record[]` is a pseudo-type: it does not name its element.
        _ => Type::RECORD,
    };
    let elements = Column::nested(values, element, depth + 1)?;
    Ok(Cells::List(Box::new(Lists { offsets, elements, element_type, vector: is_vector(pg_type) })))
}

fn run_cells<R: RunEndIndexType>(array: &ArrayRef, field: &Field, depth: usize) -> Result<Cells, ErrorReport> {
    let runs = array.as_run_opt::<R>().ok_or_else(unreadable)?;
    let rows = (0..runs.len()).map(|row| runs.get_physical_index(row)).collect();
    let values = Column::nested(runs.values(), &value_field(field, runs.values()), depth + 1)?;
    Ok(Cells::Indexed(rows, Box::new(values)))
}

/// The field of a dictionary's or a run's values: the same name and metadata, another Arrow type.
fn value_field(field: &Field, values: &ArrayRef) -> Field {
    Field::new(field.name(), values.data_type().clone(), true).with_metadata(field.metadata().clone())
}

#[cfg(test)]
mod tests;
