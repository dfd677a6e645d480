//! The masks of SPEC section 4 as DataFusion expressions: `govern::mask` over arrays.
//!
//! Each mask but `null` is a function of its own (`mask_email`, `mask_hash` …) of one column, so that no rule of an
//! optimizer can look into it: it has no preimage, no bounds and no order, and statistics of the column say nothing about
//! it. It gives exactly the column's type. It never fails on a value; what it can't give is NULL.
//!
//! INVARIANT: no text of a plan, an expression or an error shows a key.

use crate::decision::{ConstantValue, Mask, MaskError};
pub use crate::govern::mask::MaskKey;
use crate::govern::mask::{self, Buckets, CalendarUnit, STARS, Step, TopCode, floor_of};
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BinaryViewArray, LargeBinaryArray, LargeStringArray,
    PrimitiveArray, StringArray, StringViewArray,
};
use arrow::compute::{cast, is_null, nullif};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Field, FieldRef, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What a masked column gives: an expression over `column`, of exactly `data_type`.
///
/// # Errors
/// [`MaskError`] if the mask does not suit the type. `deny` and `expression` are no masks of a value: a denied column is
/// left out and an expression is the policy author's own.
pub fn mask_expr(mask: &Mask, column: Expr, data_type: &DataType, key: &MaskKey) -> Result<Expr, MaskError> {
    let null = || ScalarValue::try_from(data_type).map(lit).map_err(|_| unsuited(mask, data_type));
    let rule = match mask {
        Mask::Null => return null(),
        Mask::Redact if !is_text(value_type(data_type)) => return null(),
        other => Rule::new(other, value_type(data_type), key)?,
    };
    let function = MaskFunction {
        // With its arguments: DataFusion takes two functions for one if their names are equal (`NormalizeEq`, by which
        // common subexpressions are found), whatever `Eq` says.
        name: format!("mask_{mask}"),
        mask: mask.clone(),
        data_type: data_type.clone(),
        signature: Signature::exact(vec![data_type.clone()], Volatility::Immutable),
        rule,
    };
    Ok(ScalarUDF::new_from_impl(function).call(vec![column]))
}

fn unsuited(mask: &Mask, data_type: &DataType) -> MaskError {
    MaskError::Type { mask: mask.name(), sql_type: super::types::sql_type(data_type).to_string() }
}

/// The type of the values, whatever their encoding.
fn value_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => values,
        plain => plain,
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(
            data_type,
            DataType::Float32
                | DataType::Float64
                | DataType::Decimal32(..)
                | DataType::Decimal64(..)
                | DataType::Decimal128(..)
        )
}

/// A mask, ready to run over arrays.
#[derive(Clone, PartialEq)]
enum Rule {
    Stars,
    Constant(ScalarValue),
    Hash(MaskKey),
    Email(MaskKey),
    Last(u32),
    Partial { prefix: u32, suffix: u32, pad: String },
    Round(Step),
    TopCode(TopCode),
    Bucket(Buckets),
    Calendar(CalendarUnit),
}

impl Rule {
    fn new(mask: &Mask, data_type: &DataType, key: &MaskKey) -> Result<Self, MaskError> {
        let (suits, rule) = match mask {
            Mask::Redact => (is_text(data_type), Self::Stars),
            Mask::Constant(value) => (true, Self::Constant(constant(value, data_type)?)),
            Mask::Hash => {
                let suits = is_text(data_type)
                    || matches!(
                        data_type,
                        DataType::Int64 | DataType::Binary | DataType::LargeBinary | DataType::BinaryView
                    );
                (suits, Self::Hash(key.clone()))
            }
            Mask::Email => (is_text(data_type), Self::Email(key.clone())),
            Mask::Last { n } => (is_text(data_type), Self::Last(*n)),
            Mask::Partial { prefix, suffix, pad } => {
                (is_text(data_type), Self::Partial { prefix: *prefix, suffix: *suffix, pad: pad.clone() })
            }
            Mask::Round { step } => (is_number(data_type), Self::Round(Step::new(*step))),
            Mask::TopCode { max } => (is_number(data_type), Self::TopCode(TopCode::new(*max))),
            Mask::Bucket { edges } => (is_number(data_type), Self::Bucket(Buckets::new(edges))),
            Mask::Year => (is_calendar(data_type), Self::Calendar(CalendarUnit::Year)),
            Mask::Month => (is_calendar(data_type), Self::Calendar(CalendarUnit::Month)),
            Mask::Day => (is_calendar(data_type), Self::Calendar(CalendarUnit::Day)),
            Mask::Deny | Mask::Null | Mask::Expression(_) => {
                let problem = "it stands for no function of a value".to_owned();
                return Err(MaskError::Argument { mask: mask.name(), problem });
            }
        };
        if suits { Ok(rule) } else { Err(unsuited(mask, data_type)) }
    }

    /// Whether a value that is not NULL may come out as NULL.
    fn may_give_null(&self) -> bool {
        match self {
            Self::Stars | Self::Constant(_) | Self::Hash(_) | Self::Email(_) | Self::Last(_) | Self::Partial { .. } => {
                false
            }
            Self::Round(_) | Self::TopCode(_) | Self::Bucket(_) | Self::Calendar(_) => true,
        }
    }

    fn apply(&self, array: &ArrayRef) -> Result<ArrayRef> {
        match self {
            Self::Stars => map_text(array, |_| Cow::Borrowed(STARS)),
            Self::Constant(value) => Ok(nullif(&value.to_array_of_size(array.len())?, &is_null(array)?)?),
            Self::Hash(key) => hash(array, key),
            Self::Email(key) => map_text(array, |text| key.email(text).into()),
            Self::Last(n) => map_text(array, |text| mask::last(text, *n)),
            Self::Partial { prefix, suffix, pad } => map_text(array, |text| {
                mask::partial(text, *prefix, *suffix, pad).map_or(Cow::Borrowed(pad.as_str()), Cow::Owned)
            }),
            Self::Round(step) => map_numbers(
                array,
                &Numbers {
                    exact: &|scale, _| Box::new(move |value| step.round(value, scale)),
                    double: &|value| step.round_double(value),
                    real: &|value| step.round_real(value),
                },
            ),
            Self::TopCode(top) => map_numbers(
                array,
                &Numbers {
                    exact: &|scale, _| {
                        let max = top.at_scale(scale);
                        Box::new(move |value| max.map(|max| value.min(max)))
                    },
                    double: &|value| top.cap_double(value),
                    real: &|value| top.cap_real(value),
                },
            ),
            Self::Bucket(buckets) => map_numbers(
                array,
                &Numbers {
                    exact: &|scale, least| {
                        let edges: Vec<i128> =
                            buckets.at_scale(scale).into_iter().map(|edge| edge.max(least)).collect();
                        Box::new(move |value| floor_of(&edges, value))
                    },
                    double: &|value| buckets.floor_double(value),
                    real: &|value| buckets.floor_real(value),
                },
            ),
            Self::Calendar(unit) => truncate(array, *unit),
        }
    }
}

/// The value of a `constant` mask in the column's type.
fn constant(value: &ConstantValue, data_type: &DataType) -> Result<ScalarValue, MaskError> {
    let (suits, text) = match value {
        ConstantValue::Boolean(flag) => (*data_type == DataType::Boolean, flag.to_string()),
        ConstantValue::Number(digits) => (is_number(data_type), digits.clone()),
        ConstantValue::Text(text) => (is_text(data_type) || is_calendar(data_type), text.clone()),
    };
    let wrong = || {
        let sql_type = super::types::sql_type(data_type);
        MaskError::Argument { mask: "constant", problem: format!("{value} is no value of type {sql_type}") }
    };
    if !suits {
        return Err(wrong());
    }
    let scalar = match data_type {
        DataType::Timestamp(unit, Some(zone)) => {
            let instant = chrono::DateTime::parse_from_rfc3339(&text).map_err(|_| wrong())?;
            let zone = Some(Arc::clone(zone));
            match unit {
                TimeUnit::Second => ScalarValue::TimestampSecond(Some(instant.timestamp()), zone),
                TimeUnit::Millisecond => ScalarValue::TimestampMillisecond(Some(instant.timestamp_millis()), zone),
                TimeUnit::Microsecond => ScalarValue::TimestampMicrosecond(Some(instant.timestamp_micros()), zone),
                TimeUnit::Nanosecond => ScalarValue::TimestampNanosecond(instant.timestamp_nanos_opt(), zone),
            }
        }
        other => ScalarValue::try_from_string(text, other).map_err(|_| wrong())?,
    };
    if scalar.is_null() { Err(wrong()) } else { Ok(scalar) }
}

fn is_calendar(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
}

fn map_text<'a>(array: &'a ArrayRef, masked: impl Fn(&'a str) -> Cow<'a, str>) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Utf8 => {
            Arc::new(array.as_string::<i32>().iter().map(|text| text.map(&masked)).collect::<StringArray>())
        }
        DataType::LargeUtf8 => {
            Arc::new(array.as_string::<i64>().iter().map(|text| text.map(&masked)).collect::<LargeStringArray>())
        }
        DataType::Utf8View => {
            Arc::new(array.as_string_view().iter().map(|text| text.map(&masked)).collect::<StringViewArray>())
        }
        other => return unexpected(other),
    })
}

fn hash(array: &ArrayRef, key: &MaskKey) -> Result<ArrayRef> {
    let of_bytes = |bytes: &[u8]| key.hash_bytes(bytes);
    Ok(match array.data_type() {
        DataType::Int64 => Arc::new(array.as_primitive::<Int64Type>().unary::<_, Int64Type>(|n| key.hash_bigint(n))),
        DataType::Binary => {
            Arc::new(array.as_binary::<i32>().iter().map(|bytes| bytes.map(of_bytes)).collect::<BinaryArray>())
        }
        DataType::LargeBinary => {
            Arc::new(array.as_binary::<i64>().iter().map(|bytes| bytes.map(of_bytes)).collect::<LargeBinaryArray>())
        }
        DataType::BinaryView => {
            Arc::new(array.as_binary_view().iter().map(|bytes| bytes.map(of_bytes)).collect::<BinaryViewArray>())
        }
        _ => return map_text(array, |text| key.hash_text(text).into()),
    })
}

/// A mask over decimals, for one scale and the least value of the type.
type ExactMask<'a> = Box<dyn Fn(i128) -> Option<i128> + 'a>;

/// A mask over every kind of number.
struct Numbers<'a> {
    exact: &'a dyn Fn(i8, i128) -> ExactMask<'a>,
    double: &'a dyn Fn(f64) -> Option<f64>,
    real: &'a dyn Fn(f32) -> Option<f32>,
}

fn map_numbers(array: &ArrayRef, masks: &Numbers<'_>) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Int8 => map_integers::<Int8Type>(array, masks, i8::MIN.into()),
        DataType::Int16 => map_integers::<Int16Type>(array, masks, i16::MIN.into()),
        DataType::Int32 => map_integers::<Int32Type>(array, masks, i32::MIN.into()),
        DataType::Int64 => map_integers::<Int64Type>(array, masks, i64::MIN.into()),
        DataType::UInt8 => map_integers::<UInt8Type>(array, masks, 0),
        DataType::UInt16 => map_integers::<UInt16Type>(array, masks, 0),
        DataType::UInt32 => map_integers::<UInt32Type>(array, masks, 0),
        DataType::UInt64 => map_integers::<UInt64Type>(array, masks, 0),
        DataType::Decimal32(precision, scale) => map_decimals::<Decimal32Type>(array, masks, *precision, *scale),
        DataType::Decimal64(precision, scale) => map_decimals::<Decimal64Type>(array, masks, *precision, *scale),
        DataType::Decimal128(precision, scale) => map_decimals::<Decimal128Type>(array, masks, *precision, *scale),
        DataType::Float32 => Arc::new(array.as_primitive::<Float32Type>().unary_opt::<_, Float32Type>(masks.real)),
        DataType::Float64 => Arc::new(array.as_primitive::<Float64Type>().unary_opt::<_, Float64Type>(masks.double)),
        other => return unexpected(other),
    })
}

fn map_integers<T>(array: &ArrayRef, masks: &Numbers<'_>, least: i128) -> ArrayRef
where
    T: ArrowPrimitiveType,
    T::Native: Into<i128> + TryFrom<i128>,
{
    let masked = (masks.exact)(0, least);
    let values = array.as_primitive::<T>().unary_opt::<_, T>(|value| T::Native::try_from(masked(value.into())?).ok());
    Arc::new(values)
}

fn map_decimals<T>(array: &ArrayRef, masks: &Numbers<'_>, precision: u8, scale: i8) -> ArrayRef
where
    T: ArrowPrimitiveType,
    T::Native: Into<i128> + TryFrom<i128>,
{
    // A precision is at most 38.
    let beyond = 10_i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX);
    let masked = (masks.exact)(scale, 1 - beyond);
    let values: PrimitiveArray<T> = array.as_primitive::<T>().unary_opt::<_, T>(|value| {
        let masked = masked(value.into())?;
        if masked < beyond && masked > -beyond { T::Native::try_from(masked).ok() } else { None }
    });
    Arc::new(values.with_data_type(array.data_type().clone()))
}

fn truncate(array: &ArrayRef, unit: CalendarUnit) -> Result<ArrayRef> {
    fn instants<T: ArrowPrimitiveType<Native = i64>>(array: &ArrayRef, a_day: i64, unit: CalendarUnit) -> ArrayRef {
        let cut = array.as_primitive::<T>().unary_opt::<_, T>(|value| mask::truncate_instant(value, a_day, unit));
        Arc::new(cut.with_data_type(array.data_type().clone()))
    }
    const SECONDS: i64 = 86_400;
    Ok(match array.data_type() {
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>();
            Arc::new(days.unary_opt::<_, Date32Type>(|value| mask::truncate_days(value, unit)))
        }
        DataType::Date64 => instants::<Date64Type>(array, SECONDS * 1_000, unit),
        DataType::Timestamp(TimeUnit::Second, _) => instants::<TimestampSecondType>(array, SECONDS, unit),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            instants::<TimestampMillisecondType>(array, SECONDS * 1_000, unit)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            instants::<TimestampMicrosecondType>(array, SECONDS * 1_000_000, unit)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            instants::<TimestampNanosecondType>(array, SECONDS * 1_000_000_000, unit)
        }
        other => return unexpected(other),
    })
}

fn unexpected<T>(data_type: &DataType) -> Result<T> {
    internal_err!("a mask met a column of type {data_type}")
}

/// One mask over one type of column, as DataFusion calls it.
struct MaskFunction {
    name: String,
    mask: Mask,
    data_type: DataType,
    signature: Signature,
    rule: Rule,
}

impl PartialEq for MaskFunction {
    fn eq(&self, other: &Self) -> bool {
        self.mask == other.mask && self.data_type == other.data_type && self.rule == other.rule
    }
}

impl Eq for MaskFunction {}

impl Hash for MaskFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.data_type.hash(state);
    }
}

impl fmt::Debug for MaskFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaskFunction").field("mask", &self.mask).field("type", &self.data_type).finish()
    }
}

impl ScalarUDFImpl for MaskFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let is_nullable = self.rule.may_give_null() || args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(&self.name, self.data_type.clone(), is_nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [ColumnarValue::Array(array)] => Ok(ColumnarValue::Array(self.apply(array)?)),
            [ColumnarValue::Scalar(scalar)] => {
                let masked = self.apply(&scalar.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&masked, 0)?))
            }
            _ => internal_err!("a mask takes one column"),
        }
    }
}

impl MaskFunction {
    /// A dictionary is unpacked first and made anew after: its values may be hidden ones that no row shows.
    fn apply(&self, array: &ArrayRef) -> Result<ArrayRef> {
        if *array.data_type() != self.data_type {
            return unexpected(array.data_type());
        }
        match array.data_type() {
            DataType::Dictionary(_, values) => Ok(cast(&self.rule.apply(&cast(array, values)?)?, &self.data_type)?),
            _ => self.rule.apply(array),
        }
    }
}

#[cfg(test)]
mod tests;
