//! The masks of a column: what they are, what types they suit, which is stricter.
//!
//! What a mask does to a value is in `govern::mask`; here is only what it is.

use crate::types::SqlType;
use std::fmt;

/// What stands in for a column's values. NULL stays NULL; type and name stay.
#[derive(Debug, Clone, PartialEq)]
pub enum Mask {
    /// Naming the column is an error; `*` leaves it out.
    Deny,
    /// NULL.
    Null,
    /// `***` for text, NULL for other types.
    Redact,
    /// One value for all.
    Constant(ConstantValue),
    /// HMAC-SHA-256 under the workspace's key.
    Hash,
    /// First character, `***@`, what follows the last `@`.
    Email,
    /// `***` and the last `n` characters.
    Last {
        /// How many characters stay.
        n: u32,
    },
    /// First `prefix` characters, `pad`, last `suffix` characters.
    Partial {
        /// Characters kept at the start.
        prefix: u32,
        /// Characters kept at the end.
        suffix: u32,
        /// What stands between.
        pad: String,
    },
    /// The lower edge of the bucket that the number falls in.
    Bucket {
        /// Ascending; a number below the first gives NULL.
        edges: Vec<f64>,
    },
    /// The nearest multiple.
    Round {
        /// More than zero.
        step: f64,
    },
    /// No more than `max`.
    TopCode {
        /// The largest value that shows.
        max: f64,
    },
    /// Truncated to the year.
    Year,
    /// Truncated to the month.
    Month,
    /// Truncated to the day.
    Day,
    /// A policy author's own SQL over the row.
    Expression(String),
}

/// The value of a `constant` mask.
#[derive(Debug, Clone, PartialEq)]
pub enum ConstantValue {
    /// `true` or `false`
    Boolean(bool),
    /// A number, in the digits that were written.
    Number(String),
    /// Text; also a date or timestamp in ISO form.
    Text(String),
}

impl fmt::Display for ConstantValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Number(digits) => f.write_str(digits),
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
        }
    }
}

/// Why a mask can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// No mask has this name.
    #[error("there is no mask {name:?}")]
    Unknown {
        /// What was written.
        name: String,
        /// The nearest name, if one is near.
        suggestion: Option<&'static str>,
    },
    /// An argument is absent, has the wrong type or is out of range, or there is one too many.
    #[error("mask {mask}: {problem}")]
    Argument {
        /// Which mask.
        mask: &'static str,
        /// What is wrong with the argument.
        problem: String,
    },
    /// The mask can't be applied to a column of this type.
    #[error("mask {mask} does not suit type {sql_type}")]
    Type {
        /// Which mask.
        mask: &'static str,
        /// The column's type.
        sql_type: String,
    },
}

impl Mask {
    /// Every name a mask can have, strictest first; `expression` has no place in that order.
    pub const NAMES: [&'static str; 15] = [
        "deny",
        "null",
        "redact",
        "constant",
        "hash",
        "email",
        "last",
        "partial",
        "bucket",
        "round",
        "topcode",
        "year",
        "month",
        "day",
        "expression",
    ];

    /// The name in catalogs and policies.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Null => "null",
            Self::Redact => "redact",
            Self::Constant(_) => "constant",
            Self::Hash => "hash",
            Self::Email => "email",
            Self::Last { .. } => "last",
            Self::Partial { .. } => "partial",
            Self::Bucket { .. } => "bucket",
            Self::Round { .. } => "round",
            Self::TopCode { .. } => "topcode",
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
            Self::Expression(_) => "expression",
        }
    }

    /// Place in the order of strictness, 0 the strictest; `None` for an expression, which has no place.
    pub fn rank(&self) -> Option<usize> {
        match self {
            Self::Expression(_) => None,
            ranked => Self::NAMES.iter().position(|name| *name == ranked.name()),
        }
    }

    /// The stricter of two masks for one column; `None` if they can't be ranked (two expressions, one mask with two
    /// sets of arguments, an expression against anything but `deny`).
    pub fn stricter<'a>(&'a self, other: &'a Self) -> Option<&'a Self> {
        match (self, other) {
            (a, b) if a == b => Some(a),
            (Self::Deny, _) | (_, Self::Deny) => Some(&Self::Deny),
            (a, b) => match a.rank()?.cmp(&b.rank()?) {
                std::cmp::Ordering::Less => Some(a),
                std::cmp::Ordering::Greater => Some(b),
                std::cmp::Ordering::Equal => None,
            },
        }
    }

    /// Whether the mask can be applied to a column of a type.
    ///
    /// # Errors
    /// [`MaskError::Type`], or [`MaskError::Argument`] if a constant is no value of the type.
    pub fn suits(&self, sql_type: &SqlType) -> Result<(), MaskError> {
        let fits = match self {
            Self::Deny | Self::Null | Self::Redact | Self::Expression(_) => true,
            Self::Constant(value) => return value.suits(sql_type),
            Self::Hash => matches!(sql_type, SqlType::Text | SqlType::Bytea | SqlType::BigInt),
            Self::Email | Self::Last { .. } | Self::Partial { .. } => sql_type.is_text(),
            Self::Bucket { .. } | Self::Round { .. } | Self::TopCode { .. } => sql_type.is_number(),
            Self::Year | Self::Month | Self::Day => sql_type.is_temporal(),
        };
        if fits { Ok(()) } else { Err(MaskError::Type { mask: self.name(), sql_type: sql_type.to_string() }) }
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(value) => write!(f, "constant({value})"),
            Self::Last { n } => write!(f, "last({n})"),
            Self::Partial { prefix, suffix, pad } => write!(f, "partial({prefix}, {suffix}, '{pad}')"),
            Self::Bucket { edges } => {
                let edges: Vec<String> = edges.iter().map(f64::to_string).collect();
                write!(f, "bucket({})", edges.join(", "))
            }
            Self::Round { step } => write!(f, "round({step})"),
            Self::TopCode { max } => write!(f, "topcode({max})"),
            Self::Expression(sql) => write!(f, "expression({sql})"),
            plain => f.write_str(plain.name()),
        }
    }
}

impl ConstantValue {
    fn suits(&self, sql_type: &SqlType) -> Result<(), MaskError> {
        let wrong =
            || MaskError::Argument { mask: "constant", problem: format!("{self} is no value of type {sql_type}") };
        let fits = match (self, sql_type) {
            (Self::Boolean(_), SqlType::Boolean) | (Self::Text(_), SqlType::Text) => true,
            (Self::Number(digits), SqlType::SmallInt) => digits.parse::<i16>().is_ok(),
            (Self::Number(digits), SqlType::Integer) => digits.parse::<i32>().is_ok(),
            (Self::Number(digits), SqlType::BigInt) => digits.parse::<i64>().is_ok(),
            (Self::Number(digits), SqlType::Real | SqlType::Double) => digits.parse::<f64>().is_ok_and(f64::is_finite),
            (Self::Number(digits), SqlType::Numeric { precision, scale }) => fits_numeric(digits, *precision, *scale),
            (Self::Text(text), SqlType::Date) => chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok(),
            (Self::Text(text), SqlType::Timestamp) => {
                chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").is_ok()
            }
            (Self::Text(text), SqlType::TimestampTz) => chrono::DateTime::parse_from_rfc3339(text).is_ok(),
            (Self::Text(text), SqlType::Uuid) => uuid::Uuid::parse_str(text).is_ok(),
            _ => false,
        };
        if fits { Ok(()) } else { Err(wrong()) }
    }
}

/// Whether decimal digits fit `numeric(precision, scale)` without rounding.
fn fits_numeric(digits: &str, precision: u8, scale: i8) -> bool {
    let unsigned = digits.strip_prefix('-').unwrap_or(digits);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return false;
    }
    let scale = usize::try_from(scale).unwrap_or(0);
    let fraction = fraction.trim_end_matches('0');
    let whole = whole.trim_start_matches('0');
    fraction.len() <= scale && whole.len() <= usize::from(precision).saturating_sub(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deny_is_stricter_than_everything() {
        let expression = Mask::Expression("left(notes, 3)".into());
        assert_eq!(expression.stricter(&Mask::Deny), Some(&Mask::Deny));
        assert_eq!(Mask::Redact.stricter(&Mask::Email), Some(&Mask::Redact));
        assert_eq!(Mask::Day.stricter(&Mask::Year), Some(&Mask::Year));
    }

    #[test]
    fn masks_that_can_not_be_ranked_say_so() {
        assert_eq!(Mask::Last { n: 4 }.stricter(&Mask::Last { n: 2 }), None);
        assert_eq!(Mask::Expression("a".into()).stricter(&Mask::Expression("b".into())), None);
        assert_eq!(Mask::Expression("a".into()).stricter(&Mask::Redact), None);
        assert_eq!(Mask::Last { n: 4 }.stricter(&Mask::Last { n: 4 }), Some(&Mask::Last { n: 4 }));
    }

    #[test]
    fn a_mask_knows_its_types() {
        assert!(Mask::Email.suits(&SqlType::Text).is_ok());
        assert!(Mask::Email.suits(&SqlType::Integer).is_err());
        assert!(Mask::Hash.suits(&SqlType::Integer).is_err());
        assert!(Mask::Year.suits(&SqlType::Date).is_ok());
        assert!(Mask::Constant(ConstantValue::Number("70000".into())).suits(&SqlType::SmallInt).is_err());
        let numeric = SqlType::Numeric { precision: 5, scale: 2 };
        assert!(Mask::Constant(ConstantValue::Number("123.45".into())).suits(&numeric).is_ok());
        assert!(Mask::Constant(ConstantValue::Number("1234.5".into())).suits(&numeric).is_err());
    }
}
