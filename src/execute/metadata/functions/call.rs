//! What a function is given and what it gives.

use super::super::relations::Kind;
use super::super::rows::Cell;
use super::super::snapshot::MetadataSnapshot;
use crate::error::{ErrorReport, SqlState};
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone};
use datafusion::arrow::array::{Array, ArrayRef, timezone::Tz};
use datafusion::arrow::datatypes::{DataType, Field, IntervalMonthDayNano};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, Volatility};
use std::sync::Arc;

/// One function.
#[derive(Debug)]
pub(super) struct Definition {
    /// Its name, without a schema.
    pub(super) name: &'static str,
    /// The least and the most arguments.
    pub(super) arity: (usize, usize),
    /// What it gives.
    pub(super) returns: Returns,
    /// Whether the same arguments always give the same.
    pub(super) volatility: Volatility,
    /// NULL in, NULL out.
    pub(super) strict: bool,
    /// The function, for one row.
    pub(super) run: fn(&Call<'_>) -> Result<Cell>,
    /// The function for all rows at once, where it is not one of values alone.
    pub(super) whole: Option<fn(&ScalarFunctionArgs) -> Result<ColumnarValue>>,
}

impl Definition {
    /// A strict function of the session's or the catalog's state.
    pub(super) const fn stable(
        name: &'static str,
        arity: (usize, usize),
        returns: Returns,
        run: fn(&Call<'_>) -> Result<Cell>,
    ) -> Self {
        Self { name, arity, returns, volatility: Volatility::Stable, strict: true, run, whole: None }
    }

    /// A strict function of its arguments alone.
    pub(super) const fn pure(
        name: &'static str,
        arity: (usize, usize),
        returns: Returns,
        run: fn(&Call<'_>) -> Result<Cell>,
    ) -> Self {
        Self { name, arity, returns, volatility: Volatility::Immutable, strict: true, run, whole: None }
    }

    /// The same function, called for NULL too.
    pub(super) const fn lenient(mut self) -> Self {
        self.strict = false;
        self
    }
}

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Returns {
    Bool,
    Int4,
    Int8,
    Float8,
    Oid,
    Text,
    /// A text of PostgreSQL's type `name`.
    Name,
    Date,
    Timestamp,
    TimestampTz,
    Interval,
    TextList,
    OidList,
    Int4List,
    /// A list of structs `{x, n}`: elements of the first argument with their positions.
    Positions,
}

impl Returns {
    /// The same, as a column type. `Positions` depends on its argument and stands in as text.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Bool => Kind::Bool,
            Self::Int4 => Kind::Int4,
            Self::Int8 => Kind::Int8,
            Self::Float8 => Kind::Float8,
            Self::Oid => Kind::Oid,
            Self::Text | Self::Name | Self::Positions => Kind::Text,
            Self::Date => Kind::Date,
            Self::Timestamp => Kind::Timestamp,
            Self::TimestampTz => Kind::TimestampTz,
            Self::Interval => Kind::Interval,
            Self::TextList => Kind::Array(Box::new(Kind::Text)),
            Self::OidList => Kind::Array(Box::new(Kind::Oid)),
            Self::Int4List => Kind::Array(Box::new(Kind::Int4)),
        }
    }
}

/// The type of a list's elements with their positions.
pub(super) fn positions_type(arguments: &[DataType]) -> DataType {
    let element = match arguments.first() {
        Some(DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _)) => {
            field.data_type().clone()
        }
        _ => DataType::Null,
    };
    let fields = vec![Field::new("x", element, true), Field::new("n", DataType::Int32, true)];
    DataType::List(Arc::new(Field::new_list_field(DataType::Struct(fields.into()), true)))
}

/// One call, for one row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) snapshot: &'a MetadataSnapshot,
    pub(super) arguments: &'a [ScalarValue],
    pub(super) types: &'a [DataType],
}

impl<'a> Call<'a> {
    /// How many arguments there are.
    pub(super) fn count(&self) -> usize {
        self.arguments.len()
    }

    /// An argument that is text.
    pub(super) fn text(&self, number: usize) -> Option<&'a str> {
        self.arguments.get(number)?.try_as_str().flatten()
    }

    /// An argument that is a whole number, or text of one.
    pub(super) fn int(&self, number: usize) -> Option<i64> {
        match self.arguments.get(number)? {
            ScalarValue::Int8(value) => value.map(i64::from),
            ScalarValue::Int16(value) => value.map(i64::from),
            ScalarValue::Int32(value) => value.map(i64::from),
            ScalarValue::Int64(value) => *value,
            ScalarValue::UInt8(value) => value.map(i64::from),
            ScalarValue::UInt16(value) => value.map(i64::from),
            ScalarValue::UInt32(value) => value.map(i64::from),
            ScalarValue::UInt64(value) => value.and_then(|value| i64::try_from(value).ok()),
            other => other.try_as_str().flatten().and_then(|text| text.trim().parse().ok()),
        }
    }

    /// An argument that is an object identifier, or text of one.
    pub(super) fn oid(&self, number: usize) -> Option<u32> {
        self.int(number).and_then(|value| u32::try_from(value).ok())
    }

    /// An argument that is a truth value.
    pub(super) fn boolean(&self, number: usize) -> Option<bool> {
        if let Some(ScalarValue::Boolean(value)) = self.arguments.get(number) { *value } else { None }
    }

    /// An argument that is a number of any kind, as its decimal digits.
    pub(super) fn digits(&self, number: usize) -> Option<String> {
        match self.arguments.get(number)? {
            value if value.is_null() => None,
            value @ (ScalarValue::Decimal32(..)
            | ScalarValue::Decimal64(..)
            | ScalarValue::Decimal128(..)
            | ScalarValue::Decimal256(..)) => printed(value),
            ScalarValue::Float16(Some(value)) => Some(f64::from(*value).to_string()),
            ScalarValue::Float32(Some(value)) => Some(value.to_string()),
            ScalarValue::Float64(Some(value)) => Some(value.to_string()),
            _ => self.int(number).map(|value| value.to_string()),
        }
    }

    /// An argument printed as PostgreSQL prints it; `None` for NULL.
    pub(super) fn shown(&self, number: usize) -> Option<String> {
        match self.arguments.get(number)? {
            value if value.is_null() => None,
            ScalarValue::Boolean(Some(value)) => Some(if *value { "t" } else { "f" }.to_owned()),
            value => value.try_as_str().flatten().map(str::to_owned).or_else(|| printed(value)),
        }
    }

    /// The elements of an argument that is a list.
    pub(super) fn list(&self, number: usize) -> Option<ArrayRef> {
        match self.arguments.get(number)? {
            ScalarValue::List(list) if !list.is_null(0) => Some(list.value(0)),
            ScalarValue::LargeList(list) if !list.is_null(0) => Some(list.value(0)),
            ScalarValue::FixedSizeList(list) if !list.is_null(0) => Some(list.value(0)),
            _ => None,
        }
    }

    /// An argument that is a date or a point in time, in the time zone of its type.
    pub(super) fn moment(&self, number: usize) -> Option<Moment> {
        let value = self.arguments.get(number)?;
        let (microseconds, zone) = match value {
            ScalarValue::Date32(Some(days)) => (i64::from(*days).checked_mul(86_400_000_000)?, None),
            ScalarValue::Date64(Some(ms)) => (ms.checked_mul(1_000)?, None),
            ScalarValue::TimestampSecond(Some(s), zone) => (s.checked_mul(1_000_000)?, zone.as_ref()),
            ScalarValue::TimestampMillisecond(Some(ms), zone) => (ms.checked_mul(1_000)?, zone.as_ref()),
            ScalarValue::TimestampMicrosecond(Some(us), zone) => (*us, zone.as_ref()),
            ScalarValue::TimestampNanosecond(Some(ns), zone) => (ns.div_euclid(1_000), zone.as_ref()),
            other => return other.try_as_str().flatten().and_then(read_moment),
        };
        let utc = DateTime::from_timestamp_micros(microseconds)?.naive_utc();
        let offset = zone.and_then(|zone| zone.parse::<Tz>().ok());
        let offset = offset.map(|zone| zone.offset_from_utc_datetime(&utc).fix());
        let local =
            offset.map_or(Some(utc), |by| utc.checked_add_signed(TimeDelta::seconds(by.local_minus_utc().into())));
        Some(Moment { local: local?, offset })
    }

    /// An argument that is a time of day.
    pub(super) fn time(&self, number: usize) -> Option<NaiveTime> {
        let (seconds, nanos) = match self.arguments.get(number)? {
            ScalarValue::Time32Second(Some(s)) => (i64::from(*s), 0),
            ScalarValue::Time32Millisecond(Some(ms)) => (i64::from(ms / 1_000), i64::from(ms % 1_000) * 1_000_000),
            ScalarValue::Time64Microsecond(Some(us)) => (us / 1_000_000, us % 1_000_000 * 1_000),
            ScalarValue::Time64Nanosecond(Some(ns)) => (ns / 1_000_000_000, ns % 1_000_000_000),
            _ => return None,
        };
        NaiveTime::from_num_seconds_from_midnight_opt(u32::try_from(seconds).ok()?, u32::try_from(nanos).ok()?)
    }

    /// An argument that is an interval.
    pub(super) fn interval(&self, number: usize) -> Option<IntervalMonthDayNano> {
        match self.arguments.get(number)? {
            ScalarValue::IntervalMonthDayNano(value) => *value,
            ScalarValue::DurationSecond(value) => nanoseconds(*value, 1_000_000_000),
            ScalarValue::DurationMillisecond(value) => nanoseconds(*value, 1_000_000),
            ScalarValue::DurationMicrosecond(value) => nanoseconds(*value, 1_000),
            ScalarValue::DurationNanosecond(value) => nanoseconds(*value, 1),
            _ => None,
        }
    }
}

fn nanoseconds(value: Option<i64>, unit: i64) -> Option<IntervalMonthDayNano> {
    Some(IntervalMonthDayNano::new(0, 0, value?.checked_mul(unit)?))
}

/// A point in time as its reader sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Date and time of day on the reader's clock.
    pub(super) local: NaiveDateTime,
    /// East of UTC; `None` for one without a time zone.
    pub(super) offset: Option<FixedOffset>,
}

fn read_moment(text: &str) -> Option<Moment> {
    let text = text.trim();
    let date = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().and_then(|date| date.and_hms_opt(0, 0, 0));
    let at = |format| NaiveDateTime::parse_from_str(text, format).ok();
    let local = date().or_else(|| at("%Y-%m-%d %H:%M:%S%.f")).or_else(|| at("%Y-%m-%dT%H:%M:%S%.f"))?;
    Some(Moment { local, offset: None })
}

/// A value as Arrow prints it.
fn printed(value: &ScalarValue) -> Option<String> {
    let array = value.to_array().ok()?;
    datafusion::arrow::util::display::array_value_to_string(&array, 0).ok()
}

/// An error that a client is told as it stands.
pub(super) fn refuse(sqlstate: SqlState, message: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(ErrorReport::new(sqlstate, message)))
}
