//! Dates and times as PostgreSQL has them, where DataFusion's functions of the same name read other patterns.

use super::super::rows::Cell;
use super::call::{Call, Definition, Moment, Returns, refuse};
use super::{numbers, patterns};
use crate::error::SqlState;
use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone};
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::error::Result;

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition::stable("to_char", (2, 2), Returns::Text, to_char),
    Definition::stable("to_date", (2, 2), Returns::Date, |call| {
        let moment = patterns::parse(call.text(0).unwrap_or_default(), call.text(1).unwrap_or_default())?;
        Ok(Cell::Int(days(moment.local.date())))
    }),
    Definition::stable("to_timestamp", (1, 2), Returns::TimestampTz, to_timestamp),
    Definition::stable("age", (1, 2), Returns::Interval, age),
    Definition::pure("make_timestamp", (6, 6), Returns::Timestamp, make_timestamp),
    Definition::pure("justify_hours", (1, 1), Returns::Interval, |call| justify(call, true, false)),
    Definition::pure("justify_days", (1, 1), Returns::Interval, |call| justify(call, false, true)),
    Definition::pure("justify_interval", (1, 1), Returns::Interval, |call| justify(call, true, true)),
    Definition::stable("localtimestamp", (0, 1), Returns::Timestamp, |call| Ok(local_now(call).map(micros).into())),
    Definition::pure("isfinite", (1, 1), Returns::Bool, |_| Ok(true.into())),
];

const DAY: i64 = 86_400_000_000_000;

fn days(date: NaiveDate) -> i64 {
    i64::from(date.num_days_from_ce()) - 719_163
}

fn micros(local: NaiveDateTime) -> i64 {
    local.and_utc().timestamp_micros()
}

fn out_of_range() -> datafusion::error::DataFusionError {
    refuse(SqlState::DATETIME_FIELD_OVERFLOW, "date/time field value out of range")
}

/// Text of a point in time, an interval or a number.
fn to_char(call: &Call<'_>) -> Result<Cell> {
    let pattern = call.text(1).unwrap_or_default();
    if let Some(interval) = call.interval(0) {
        return patterns::format_interval(interval, pattern).map(Cell::from);
    }
    if let Some(digits) = call.digits(0).filter(|_| call.text(0).is_none()) {
        return numbers::to_char(&digits, pattern).map(Cell::from);
    }
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap_or_default();
    let moment =
        call.time(0).map(|time| Moment { local: epoch.and_time(time), offset: None }).or_else(|| call.moment(0));
    let moment = moment
        .ok_or_else(|| refuse(SqlState::UNDEFINED_FUNCTION, "to_char takes a date, a time, an interval or a number"))?;
    patterns::format(&moment, pattern).map(Cell::from)
}

/// Seconds since 1970, or a text with its pattern; read in UTC where the pattern has no offset.
fn to_timestamp(call: &Call<'_>) -> Result<Cell> {
    if call.count() == 2 {
        let moment = patterns::parse(call.text(0).unwrap_or_default(), call.text(1).unwrap_or_default())?;
        let east = moment.offset.map_or(0, |offset| i64::from(offset.local_minus_utc()));
        return Ok(Cell::Int(micros(moment.local) - east * 1_000_000));
    }
    if let Some(seconds) = call.int(0) {
        return seconds.checked_mul(1_000_000).map(Cell::Int).ok_or_else(out_of_range);
    }
    if let Some(seconds) = call.digits(0).and_then(|digits| digits.parse::<f64>().ok()) {
        let micros = (seconds * 1e6).round();
        return if micros.abs() < 9e18 { Ok(Cell::Int(micros as i64)) } else { Err(out_of_range()) };
    }
    let moment = call.moment(0).ok_or_else(|| {
        refuse(SqlState::INVALID_DATETIME_FORMAT, "invalid input syntax for type timestamp with time zone")
    })?;
    Ok(Cell::Int(micros(moment.local)))
}

/// The time between two points in years, months and days; from midnight today if there is only one.
fn age(call: &Call<'_>) -> Result<Cell> {
    let today = || {
        let now = chrono::DateTime::from_timestamp_micros(call.snapshot.facts().now_us)?.date_naive();
        now.and_hms_opt(0, 0, 0)
    };
    let (later, earlier) =
        if call.count() == 2 { (call.moment(0).map(|m| m.local), call.moment(1)) } else { (today(), call.moment(0)) };
    let (Some(later), Some(earlier)) = (later, earlier) else { return Err(out_of_range()) };
    between(later, earlier.local).map(Cell::Interval).ok_or_else(out_of_range)
}

/// Whole months first, then days, then the rest; negative throughout if `later` is the earlier one.
fn between(later: NaiveDateTime, earlier: NaiveDateTime) -> Option<IntervalMonthDayNano> {
    if later < earlier {
        let turned = between(earlier, later)?;
        return Some(IntervalMonthDayNano::new(-turned.months, -turned.days, -turned.nanoseconds));
    }
    let mut months = (later.year() - earlier.year()) * 12 + i32::try_from(later.month()).ok()?
        - i32::try_from(earlier.month()).ok()?;
    let mut days = i64::from(later.day()) - i64::from(earlier.day());
    let mut nanos = (later.time() - earlier.time()).num_nanoseconds()?;
    if nanos < 0 {
        nanos += DAY;
        days -= 1;
    }
    if days < 0 {
        // PostgreSQL counts the days of the earlier date's month.
        let first = earlier.date().with_day(1)?;
        days += first.checked_add_months(Months::new(1))?.signed_duration_since(first).num_days();
        months -= 1;
    }
    Some(IntervalMonthDayNano::new(months, i32::try_from(days).ok()?, nanos))
}

fn make_timestamp(call: &Call<'_>) -> Result<Cell> {
    let part = |number: usize| call.int(number).and_then(|value| u32::try_from(value).ok());
    let seconds = call.digits(5).and_then(|digits| digits.parse::<f64>().ok()).filter(|s| (0.0..60.0).contains(s));
    let year = call.int(0).and_then(|year| i32::try_from(year).ok());
    let date = year.zip(part(1)).zip(part(2)).and_then(|((y, m), d)| NaiveDate::from_ymd_opt(y, m, d));
    let minute = date.zip(part(3)).zip(part(4)).and_then(|((date, h), m)| date.and_hms_opt(h, m, 0));
    let moment = minute
        .zip(seconds)
        .and_then(|(minute, seconds)| minute.checked_add_signed(TimeDelta::microseconds(seconds_to_micros(seconds))));
    moment.map(|moment| Cell::Int(micros(moment))).ok_or_else(out_of_range)
}

/// Called with less than 60 seconds.
fn seconds_to_micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

/// The statement's time on the session's clock; in UTC where the session's time zone has a name that is not known here.
fn local_now(call: &Call<'_>) -> Option<NaiveDateTime> {
    let facts = call.snapshot.facts();
    let utc = chrono::DateTime::from_timestamp_micros(facts.now_us)?.naive_utc();
    let zone = facts.settings.get("timezone").and_then(|zone| zone.parse::<Tz>().ok());
    let east = zone.map_or(0, |zone| zone.offset_from_utc_datetime(&utc).fix().local_minus_utc());
    utc.checked_add_signed(TimeDelta::seconds(i64::from(east)))
}

/// Turns 24 hours into a day, and 30 days into a month.
fn justify(call: &Call<'_>, hours: bool, days: bool) -> Result<Cell> {
    let Some(interval) = call.interval(0) else { return Err(out_of_range()) };
    let (mut months, mut whole_days, mut nanos) =
        (i64::from(interval.months), i64::from(interval.days), interval.nanoseconds);
    if hours {
        (whole_days, nanos) = (whole_days + nanos / DAY, nanos % DAY);
    }
    if days {
        (months, whole_days) = (months + whole_days / 30, whole_days % 30);
    }
    // One sign for days and hours, and with `justify_interval` for months too.
    if days && hours && months > 0 && (whole_days < 0 || (whole_days == 0 && nanos < 0)) {
        (months, whole_days) = (months - 1, whole_days + 30);
    } else if days && hours && months < 0 && (whole_days > 0 || (whole_days == 0 && nanos > 0)) {
        (months, whole_days) = (months + 1, whole_days - 30);
    }
    if hours && whole_days > 0 && nanos < 0 {
        (whole_days, nanos) = (whole_days - 1, nanos + DAY);
    } else if hours && whole_days < 0 && nanos > 0 {
        (whole_days, nanos) = (whole_days + 1, nanos - DAY);
    }
    match (i32::try_from(months), i32::try_from(whole_days)) {
        (Ok(months), Ok(days)) => Ok(Cell::Interval(IntervalMonthDayNano::new(months, days, nanos))),
        _ => Err(out_of_range()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_is_in_years_months_and_days() {
        let at = |text: &str| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap();
        let age = |later: &str, earlier: &str| between(at(later), at(earlier)).unwrap();
        assert_eq!(age("2001-04-10 00:00:00", "1957-06-13 00:00:00"), IntervalMonthDayNano::new(43 * 12 + 9, 27, 0));
        assert_eq!(age("2024-03-01 00:00:00", "2024-01-31 00:00:00"), IntervalMonthDayNano::new(1, 1, 0));
        assert_eq!(age("2024-01-01 00:00:00", "2024-01-02 12:00:00"), IntervalMonthDayNano::new(0, -1, -DAY / 2));
    }
}
