//! The settings that change how a value is written: each is read from its text, so that SET can check it here.

use super::TimeZone;
use crate::error::{ErrorReport, SqlState};
use std::fmt;

/// How values are written as text.
#[derive(Debug, Clone, Copy)]
pub struct EncodeOptions {
    /// `TimeZone`: the clock that `timestamptz` is shown by.
    pub time_zone: TimeZone,
    /// `DateStyle`.
    pub date_style: DateStyle,
    /// `IntervalStyle`.
    pub interval_style: IntervalStyle,
    /// `bytea_output`.
    pub bytea_output: ByteaOutput,
    /// `extra_float_digits`: above 0 is the shortest exact form, else so many digits fewer than 15 (or 6).
    pub extra_float_digits: i32,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            time_zone: TimeZone::UTC,
            date_style: DateStyle::default(),
            interval_style: IntervalStyle::Postgres,
            bytea_output: ByteaOutput::Hex,
            extra_float_digits: 1,
        }
    }
}

/// The order that dates are read in. Dates are written in ISO style alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DateStyle {
    /// How an ambiguous date is read.
    pub order: FieldOrder,
}

/// Year, month and day in the order that an ambiguous date is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FieldOrder {
    /// Year first.
    Ymd,
    /// Day first.
    Dmy,
    /// Month first.
    #[default]
    Mdy,
}

impl DateStyle {
    /// Reads `ISO`, `ISO, DMY`, `MDY` …
    ///
    /// # Errors
    /// 0A000 for the styles that PostgreSQL has beside ISO, 22023 for what it doesn't know either.
    pub fn parse(text: &str) -> Result<Self, ErrorReport> {
        let mut style = Self::default();
        for word in text.split(',').map(|word| word.trim().to_ascii_uppercase()) {
            style.order = match word.as_str() {
                "ISO" | "DEFAULT" => style.order,
                "MDY" | "US" | "NONEURO" | "NONEUROPEAN" => FieldOrder::Mdy,
                "DMY" | "EURO" | "EUROPEAN" => FieldOrder::Dmy,
                "YMD" => FieldOrder::Ymd,
                "SQL" | "POSTGRES" | "GERMAN" => {
                    return Err(ErrorReport::new(
                        SqlState::FEATURE_NOT_SUPPORTED,
                        format!("DateStyle \"{text}\" is not supported"),
                    )
                    .with_hint("Use ISO, alone or with MDY, DMY or YMD."));
                }
                _ => return Err(invalid("DateStyle", text)),
            };
        }
        Ok(style)
    }
}

impl fmt::Display for DateStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.order {
            FieldOrder::Ymd => "ISO, YMD",
            FieldOrder::Dmy => "ISO, DMY",
            FieldOrder::Mdy => "ISO, MDY",
        })
    }
}

/// How intervals are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntervalStyle {
    /// `1 year 2 mons 3 days 04:05:06`
    Postgres,
    /// `P1Y2M3DT4H5M6S`
    Iso8601,
}

impl IntervalStyle {
    /// Reads `postgres` or `iso_8601`.
    ///
    /// # Errors
    /// 0A000 for PostgreSQL's other styles, 22023 for what it doesn't know either.
    pub fn parse(text: &str) -> Result<Self, ErrorReport> {
        match text.trim().to_ascii_lowercase().as_str() {
            "postgres" => Ok(Self::Postgres),
            "iso_8601" => Ok(Self::Iso8601),
            "postgres_verbose" | "sql_standard" => Err(ErrorReport::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("IntervalStyle \"{text}\" is not supported"),
            )
            .with_hint("Use postgres or iso_8601.")),
            _ => Err(invalid("IntervalStyle", text)),
        }
    }
}

impl fmt::Display for IntervalStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "postgres",
            Self::Iso8601 => "iso_8601",
        })
    }
}

/// How `bytea` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteaOutput {
    /// `\x0a1b`
    Hex,
    /// Printable bytes as they are, the others as `\012`.
    Escape,
}

impl ByteaOutput {
    /// Reads `hex` or `escape`.
    ///
    /// # Errors
    /// 22023 for anything else.
    pub fn parse(text: &str) -> Result<Self, ErrorReport> {
        match text.trim().to_ascii_lowercase().as_str() {
            "hex" => Ok(Self::Hex),
            "escape" => Ok(Self::Escape),
            _ => Err(invalid("bytea_output", text)),
        }
    }
}

impl fmt::Display for ByteaOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hex => "hex",
            Self::Escape => "escape",
        })
    }
}

pub(super) fn invalid(setting: &str, value: &str) -> ErrorReport {
    ErrorReport::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("invalid value for parameter \"{setting}\": \"{value}\""),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_styles_that_drivers_send_are_read() {
        assert_eq!(DateStyle::parse("ISO").unwrap().to_string(), "ISO, MDY");
        assert_eq!(DateStyle::parse("iso, dmy").unwrap().to_string(), "ISO, DMY");
        assert_eq!(DateStyle::parse("German").unwrap_err().sqlstate, SqlState::FEATURE_NOT_SUPPORTED);
        assert_eq!(DateStyle::parse("Martian").unwrap_err().sqlstate, SqlState::INVALID_PARAMETER_VALUE);
    }

    #[test]
    fn a_style_reads_what_it_shows() {
        for style in [IntervalStyle::Postgres, IntervalStyle::Iso8601] {
            assert_eq!(IntervalStyle::parse(&style.to_string()), Ok(style));
        }
        for output in [ByteaOutput::Hex, ByteaOutput::Escape] {
            assert_eq!(ByteaOutput::parse(&output.to_string()), Ok(output));
        }
    }
}
