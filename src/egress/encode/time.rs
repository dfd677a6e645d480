//! Dates, times, points in time and intervals, in ISO style.

use super::number::{padded, signed};
use crate::egress::{IntervalStyle, TimeZone};
use crate::error::{ErrorReport, SqlState};
use bytes::{BufMut, BytesMut};

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL's binary forms count from.
const POSTGRES_EPOCH_DAYS: i32 = 10_957;

/// Writes a `date` from its days since 1970.
pub(super) fn date_text(days: i32, out: &mut BytesMut) {
    match days {
        i32::MAX => out.put_slice(b"infinity"),
        i32::MIN => out.put_slice(b"-infinity"),
        days => {
            let year = put_date(i64::from(days), out);
            put_era(year, out);
        }
    }
}

/// Days since 2000, as `date_send` has them.
///
/// # Errors
/// 22008 if there is no such date in PostgreSQL.
pub(super) fn date_binary(days: i32) -> Result<i32, ErrorReport> {
    match days {
        i32::MAX | i32::MIN => Ok(days),
        days => days.checked_sub(POSTGRES_EPOCH_DAYS).ok_or_else(out_of_range),
    }
}

/// Writes a `timestamp`, or a `timestamptz` by a clock, from its microseconds since 1970.
pub(super) fn timestamp_text(micros: i64, zone: Option<&TimeZone>, out: &mut BytesMut) {
    match micros {
        i64::MAX => return out.put_slice(b"infinity"),
        i64::MIN => return out.put_slice(b"-infinity"),
        _ => {}
    }
    let offset = zone.map(|zone| zone.offset_seconds(micros.div_euclid(MICROS_PER_SECOND)));
    let local = micros.saturating_add(i64::from(offset.unwrap_or(0)) * MICROS_PER_SECOND);
    let year = put_date(local.div_euclid(MICROS_PER_DAY), out);
    out.put_u8(b' ');
    time_text(local.rem_euclid(MICROS_PER_DAY), out);
    if let Some(offset) = offset {
        out.put_u8(if offset < 0 { b'-' } else { b'+' });
        let offset = u64::from(offset.unsigned_abs());
        padded(offset / 3600, 2, out);
        if offset % 3600 != 0 {
            out.put_u8(b':');
            padded(offset / 60 % 60, 2, out);
        }
        if offset % 60 != 0 {
            out.put_u8(b':');
            padded(offset % 60, 2, out);
        }
    }
    put_era(year, out);
}

/// Microseconds since 2000, as `timestamp_send` has them.
///
/// # Errors
/// 22008 if there is no such point in time in PostgreSQL.
pub(super) fn timestamp_binary(micros: i64) -> Result<i64, ErrorReport> {
    match micros {
        i64::MAX | i64::MIN => Ok(micros),
        micros => micros.checked_sub(i64::from(POSTGRES_EPOCH_DAYS) * MICROS_PER_DAY).ok_or_else(out_of_range),
    }
}

/// Writes a `time` from its microseconds since midnight.
pub(super) fn time_text(micros: i64, out: &mut BytesMut) {
    // A time of day is never negative.
    let micros = micros.max(0).unsigned_abs();
    let seconds = micros / 1_000_000;
    padded(seconds / 3600, 2, out);
    out.put_u8(b':');
    padded(seconds / 60 % 60, 2, out);
    out.put_u8(b':');
    padded(seconds % 60, 2, out);
    put_fraction(micros % 1_000_000, out);
}

/// An `interval` as PostgreSQL holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) months: i32,
    pub(super) days: i32,
    pub(super) micros: i64,
}

impl Interval {
    /// The time between two points, with whole days taken out as PostgreSQL's subtraction does.
    pub(super) fn between(micros: i64) -> Self {
        // 2^63 microseconds are some 106 million days.
        Self { months: 0, days: (micros / MICROS_PER_DAY) as i32, micros: micros % MICROS_PER_DAY }
    }

    /// Writes it as `interval_send` does.
    pub(super) fn put_binary(self, out: &mut BytesMut) {
        out.put_i64(self.micros);
        out.put_i32(self.days);
        out.put_i32(self.months);
    }

    /// Writes it in a style.
    pub(super) fn put_text(self, style: IntervalStyle, out: &mut BytesMut) {
        match style {
            IntervalStyle::Postgres => self.put_postgres(out),
            IntervalStyle::Iso8601 => self.put_iso_8601(out),
        }
    }

    fn put_postgres(self, out: &mut BytesMut) {
        let start = out.len();
        let mut before_negative = false;
        for (value, unit) in [(self.months / 12, " year"), (self.months % 12, " mon"), (self.days, " day")] {
            if value == 0 {
                continue;
            }
            if out.len() > start {
                out.put_u8(b' ');
            }
            if before_negative && value > 0 {
                out.put_u8(b'+');
            }
            signed(i64::from(value), out);
            out.put_slice(unit.as_bytes());
            if value != 1 {
                out.put_u8(b's');
            }
            before_negative = value < 0;
        }
        if self.micros != 0 || out.len() == start {
            if out.len() > start {
                out.put_u8(b' ');
            }
            if self.micros < 0 {
                out.put_u8(b'-');
            } else if before_negative {
                out.put_u8(b'+');
            }
            let micros = self.micros.unsigned_abs();
            padded(micros / 3_600_000_000, 2, out);
            out.put_u8(b':');
            padded(micros / 60_000_000 % 60, 2, out);
            out.put_u8(b':');
            padded(micros / 1_000_000 % 60, 2, out);
            put_fraction(micros % 1_000_000, out);
        }
    }

    fn put_iso_8601(self, out: &mut BytesMut) {
        if self.months == 0 && self.days == 0 && self.micros == 0 {
            return out.put_slice(b"PT0S");
        }
        let put = |value: i64, unit: u8, out: &mut BytesMut| {
            if value != 0 {
                signed(value, out);
                out.put_u8(unit);
            }
        };
        out.put_u8(b'P');
        put(i64::from(self.months / 12), b'Y', out);
        put(i64::from(self.months % 12), b'M', out);
        put(i64::from(self.days), b'D', out);
        if self.micros != 0 {
            out.put_u8(b'T');
            put(self.micros / 3_600_000_000, b'H', out);
            put(self.micros / 60_000_000 % 60, b'M', out);
            let rest = self.micros % 60_000_000;
            if rest != 0 {
                if rest < 0 {
                    out.put_u8(b'-');
                }
                padded(rest.unsigned_abs() / 1_000_000, 1, out);
                put_fraction(rest.unsigned_abs() % 1_000_000, out);
                out.put_u8(b'S');
            }
        }
    }
}

/// Microseconds from a count of some unit.
///
/// # Errors
/// 22008 if they don't fit.
pub(super) fn to_micros(value: i64, unit: arrow::datatypes::TimeUnit) -> Result<i64, ErrorReport> {
    use arrow::datatypes::TimeUnit;
    match unit {
        TimeUnit::Second => value.checked_mul(1_000_000).ok_or_else(out_of_range),
        TimeUnit::Millisecond => value.checked_mul(1000).ok_or_else(out_of_range),
        TimeUnit::Microsecond => Ok(value),
        TimeUnit::Nanosecond => Ok(value.div_euclid(1000)),
    }
}

/// 22008.
pub(super) fn out_of_range() -> ErrorReport {
    ErrorReport::new(SqlState::DATETIME_FIELD_OVERFLOW, "date or time is out of range")
}

fn put_fraction(micros: u64, out: &mut BytesMut) {
    if micros == 0 {
        return;
    }
    out.put_u8(b'.');
    padded(micros, 6, out);
    while out.last() == Some(&b'0') {
        out.truncate(out.len() - 1);
    }
}

/// Writes `yyyy-mm-dd` of a count of days since 1970 and gives the astronomical year: 0 is 1 BC.
fn put_date(days: i64, out: &mut BytesMut) -> i64 {
    let (year, month, day) = civil_from_days(days);
    let shown = if year > 0 { year } else { 1 - year };
    padded(shown.unsigned_abs(), 4, out);
    out.put_u8(b'-');
    padded(month, 2, out);
    out.put_u8(b'-');
    padded(day, 2, out);
    year
}

fn put_era(year: i64, out: &mut BytesMut) {
    if year <= 0 {
        out.put_slice(b" BC");
    }
}

/// The proleptic Gregorian date of a day number (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil_from_days(days: i64) -> (i64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month.unsigned_abs(), day.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut BytesMut)) -> String {
        let mut out = BytesMut::new();
        write(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn dates_read_as_postgres_writes_them() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (19_782, "2024-02-29"),
            (-719_162, "0001-01-01"),
            (-719_163, "0001-12-31 BC"),
            (-735_160, "0044-03-15 BC"),
            (2_932_897, "10000-01-01"),
            (i32::MAX, "infinity"),
            (i32::MIN, "-infinity"),
        ] {
            assert_eq!(written(|out| date_text(days, out)), expected);
        }
        assert_eq!(date_binary(10_957), Ok(0));
        assert_eq!(date_binary(i32::MAX), Ok(i32::MAX));
        assert!(date_binary(i32::MIN + 1).is_err());
    }

    #[test]
    fn points_in_time_follow_the_clock() {
        let micros = 1_704_164_645_120_000;
        assert_eq!(written(|out| timestamp_text(micros, None, out)), "2024-01-02 03:04:05.12");
        let zone = |name| TimeZone::parse(name).unwrap();
        for (name, expected) in [
            ("UTC", "2024-01-02 03:04:05.12+00"),
            ("Europe/Berlin", "2024-01-02 04:04:05.12+01"),
            ("America/St_Johns", "2024-01-01 23:34:05.12-03:30"),
            ("Asia/Kolkata", "2024-01-02 08:34:05.12+05:30"),
        ] {
            assert_eq!(written(|out| timestamp_text(micros, Some(&zone(name)), out)), expected);
        }
        assert_eq!(written(|out| timestamp_text(-1, None, out)), "1969-12-31 23:59:59.999999");
        assert_eq!(
            written(|out| timestamp_text(-62_135_596_800_000_001, Some(&TimeZone::UTC), out)),
            "0001-12-31 23:59:59.999999+00 BC"
        );
        assert_eq!(written(|out| timestamp_text(i64::MAX, None, out)), "infinity");
        assert_eq!(timestamp_binary(946_684_800_000_000), Ok(0));
        assert!(timestamp_binary(i64::MIN + 1).is_err());
    }

    #[test]
    fn times_show_what_is_not_zero_after_the_second() {
        assert_eq!(written(|out| time_text(0, out)), "00:00:00");
        assert_eq!(written(|out| time_text(86_399_999_999, out)), "23:59:59.999999");
        assert_eq!(written(|out| time_text(86_400_000_000, out)), "24:00:00");
        assert_eq!(written(|out| time_text(1_000_100, out)), "00:00:01.0001");
    }

    #[test]
    fn intervals_read_as_postgres_writes_them() {
        let interval = |months, days, micros| Interval { months, days, micros };
        for (value, expected, iso) in [
            (interval(0, 0, 0), "00:00:00", "PT0S"),
            (interval(14, 3, 14_706_789_000), "1 year 2 mons 3 days 04:05:06.789", "P1Y2M3DT4H5M6.789S"),
            (interval(0, -1, 7_380_000_000), "-1 days +02:03:00", "P-1DT2H3M"),
            (interval(-13, 1, 0), "-1 years -1 mons +1 day", "P-1Y-1M1D"),
            (interval(0, 0, -3_600_000_000), "-01:00:00", "PT-1H"),
            (interval(0, 0, 360_000_000_000), "100:00:00", "PT100H"),
            (interval(0, 0, -500_000), "-00:00:00.5", "PT-0.5S"),
            (interval(12, 0, 0), "1 year", "P1Y"),
        ] {
            assert_eq!(written(|out| value.put_text(IntervalStyle::Postgres, out)), expected);
            assert_eq!(written(|out| value.put_text(IntervalStyle::Iso8601, out)), iso);
        }
        assert_eq!(
            written(|out| Interval::between(93_600_000_000).put_text(IntervalStyle::Postgres, out)),
            "1 day 02:00:00"
        );
    }
}
