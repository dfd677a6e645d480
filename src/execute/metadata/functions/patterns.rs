//! Date and time patterns: PostgreSQL manual, section 9.8, "Template Patterns for Date/Time Formatting".

use super::call::{Moment, refuse};
use super::numbers::ordinal;
use crate::error::SqlState;
use chrono::{Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::error::{DataFusionError, Result};

/// One piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// A field, with `FM` before it and `TH` or `th` after it.
    Field { name: &'static str, written: String, fill: bool, ordinal: Option<&'static str> },
    /// Anything else.
    Text(String),
}

/// All fields, longer names before those that they begin with.
const FIELDS: &[&str] = &[
    "SSSSS", "SSSS", "HH24", "HH12", "Y,YYY", "YYYY", "IYYY", "MONTH", "A.M.", "P.M.", "A.D.", "B.C.", "YYY", "IYY",
    "IDDD", "DDD", "DAY", "MON", "TZH", "TZM", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "YY", "IY", "HH", "MI", "SS",
    "MS", "US", "MM", "DD", "DY", "ID", "WW", "IW", "CC", "AM", "PM", "AD", "BC", "RM", "TZ", "OF", "Y", "I", "D", "W",
    "Q", "J",
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    let mut fill = true;
    while let Some(first) = rest.chars().next() {
        let starts = |name: &str| rest.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name));
        if first == '"' {
            let (text, after) = rest.get(1..).and_then(|rest| rest.split_once('"')).unwrap_or((rest, ""));
            pieces.push(Piece::Text(text.to_owned()));
            rest = after;
        } else if starts("FM") {
            fill = false;
            rest = rest.get(2..).unwrap_or_default();
        } else if starts("FX") {
            rest = rest.get(2..).unwrap_or_default();
        } else if let Some(name) = FIELDS.iter().find(|name| starts(name)) {
            let (written, after) = rest.split_at_checked(name.len()).unwrap_or((rest, ""));
            let ordinal = ["TH", "th"].into_iter().find(|suffix| after.starts_with(suffix));
            rest = ordinal.map_or(after, |_| after.get(2..).unwrap_or_default());
            pieces.push(Piece::Field { name, written: written.to_owned(), fill, ordinal });
            fill = true;
        } else {
            pieces.push(Piece::Text(first.to_string()));
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    pieces
}

fn unsupported(field: &str) -> DataFusionError {
    refuse(SqlState::FEATURE_NOT_SUPPORTED, format!("date pattern \"{field}\" is not supported here"))
}

/// A point in time in a pattern.
pub(super) fn format(moment: &Moment, pattern: &str) -> Result<String> {
    pieces(pattern)
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => Ok(text.clone()),
            Piece::Field { name, written, fill, ordinal } => {
                let calendar = calendar_field(name, written, *fill, moment);
                let field = calendar.or_else(|| clock_field(name, written, *fill, &Clock::of(moment.local.time())));
                let field = field.ok_or_else(|| unsupported(written))?;
                Ok(with_ordinal(field, *ordinal))
            }
        })
        .collect()
}

/// An interval in a pattern: years to microseconds, and nothing that needs a calendar.
pub(super) fn format_interval(interval: IntervalMonthDayNano, pattern: &str) -> Result<String> {
    let micros = interval.nanoseconds / 1_000;
    let clock = Clock {
        hour: micros / 3_600_000_000,
        minute: micros / 60_000_000 % 60,
        second: micros / 1_000_000 % 60,
        micro: micros % 1_000_000,
    };
    pieces(pattern)
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => Ok(text.clone()),
            Piece::Field { name, written, fill, ordinal } => {
                let number = |value: i64, width: usize| Some(padded(value, width, *fill));
                let field = match *name {
                    "YYYY" => number(i64::from(interval.months / 12), 4),
                    "MM" => number(i64::from(interval.months % 12), 2),
                    "DD" => number(i64::from(interval.days), 2),
                    other => clock_field(other, written, *fill, &clock),
                };
                Ok(with_ordinal(field.ok_or_else(|| unsupported(written))?, *ordinal))
            }
        })
        .collect()
}

fn with_ordinal(field: String, case: Option<&str>) -> String {
    case.map_or(field.clone(), |case| format!("{field}{}", ordinal(&field, case)))
}

fn padded(value: i64, width: usize, fill: bool) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let digits = value.unsigned_abs();
    if fill { format!("{sign}{digits:0>width$}") } else { format!("{sign}{digits}") }
}

/// A word in the case that the field is written in, padded to nine characters where it is a full name.
fn word(name: &str, written: &str, width: usize, fill: bool) -> String {
    let mut letters = written.chars();
    let (first, second) = (letters.next().unwrap_or('A'), letters.next().unwrap_or('a'));
    let cased = match (first.is_uppercase(), second.is_uppercase()) {
        (true, true) => name.to_uppercase(),
        (true, false) => name.to_owned(),
        _ => name.to_lowercase(),
    };
    if fill { format!("{cased:<width$}") } else { cased }
}

fn calendar_field(name: &str, written: &str, fill: bool, moment: &Moment) -> Option<String> {
    let date = moment.local.date();
    let week = date.iso_week();
    let year = i64::from(date.year());
    let number = |value: i64, width: usize| padded(value, width, fill);
    let at = |names: &[&'static str], index: u32| names.get(usize::try_from(index).ok()?).copied();
    let short = |name: &'static str| name.get(..3);
    let weekday = date.weekday();
    let offset = moment.offset.map_or(0, |offset| offset.local_minus_utc());
    let offset_hours = || format!("{}{:02}", if offset < 0 { '-' } else { '+' }, offset.abs() / 3600);
    Some(match name {
        "Y,YYY" => format!("{},{:03}", year / 1000, year % 1000),
        "YYYY" => number(year, 4),
        "YYY" => number(year.rem_euclid(1000), 3),
        "YY" => number(year.rem_euclid(100), 2),
        "Y" => number(year.rem_euclid(10), 1),
        "IYYY" => number(i64::from(week.year()), 4),
        "IYY" => number(i64::from(week.year()).rem_euclid(1000), 3),
        "IY" => number(i64::from(week.year()).rem_euclid(100), 2),
        "I" => number(i64::from(week.year()).rem_euclid(10), 1),
        "CC" => number((year + 99).div_euclid(100), 2),
        "Q" => number(i64::from(date.month0() / 3 + 1), 1),
        "MONTH" => word(at(&MONTHS, date.month0())?, written, 9, fill),
        "MON" => word(short(at(&MONTHS, date.month0())?)?, written, 0, fill),
        "MM" => number(i64::from(date.month()), 2),
        "RM" => word(at(&ROMAN, date.month0())?, written, 4, fill),
        "DAY" => word(at(&DAYS, weekday.num_days_from_sunday())?, written, 9, fill),
        "DY" => word(short(at(&DAYS, weekday.num_days_from_sunday())?)?, written, 0, fill),
        "DDD" => number(i64::from(date.ordinal()), 3),
        "DD" => number(i64::from(date.day()), 2),
        "D" => number(i64::from(weekday.num_days_from_sunday() + 1), 1),
        "ID" => number(i64::from(weekday.number_from_monday()), 1),
        "W" => number(i64::from(date.day0() / 7 + 1), 1),
        "WW" => number(i64::from(date.ordinal0() / 7 + 1), 2),
        "IW" => number(i64::from(week.week()), 2),
        "J" => number(i64::from(date.num_days_from_ce()) + 1_721_425, 1),
        "AD" | "BC" => word(if year > 0 { "AD" } else { "BC" }, &written.replace('.', ""), 0, false),
        "TZH" => offset_hours(),
        "TZM" => format!("{:02}", offset.abs() / 60 % 60),
        "OF" if offset % 3600 == 0 => offset_hours(),
        "OF" => format!("{}:{:02}", offset_hours(), offset.abs() / 60 % 60),
        "TZ" => match moment.offset {
            None => String::new(),
            Some(_) if offset == 0 => word("UTC", written, 0, false),
            Some(_) if offset % 3600 == 0 => offset_hours(),
            Some(_) => format!("{}:{:02}", offset_hours(), offset.abs() / 60 % 60),
        },
        _ => return None,
    })
}

/// A time of day, or the hours and less of an interval.
struct Clock {
    hour: i64,
    minute: i64,
    second: i64,
    micro: i64,
}

impl Clock {
    fn of(time: NaiveTime) -> Self {
        Self {
            hour: i64::from(time.hour()),
            minute: i64::from(time.minute()),
            second: i64::from(time.second()),
            micro: i64::from(time.nanosecond() / 1_000),
        }
    }
}

fn clock_field(name: &str, written: &str, fill: bool, clock: &Clock) -> Option<String> {
    let number = |value: i64, width: usize| padded(value, width, fill);
    let fraction = |places: u32| {
        let width = usize::try_from(places).unwrap_or(6);
        format!("{:0>width$}", clock.micro.unsigned_abs() / 10_u64.pow(6 - places))
    };
    Some(match name {
        "HH24" => number(clock.hour, 2),
        "HH12" | "HH" => number(if clock.hour % 12 == 0 { 12 } else { clock.hour % 12 }, 2),
        "MI" => number(clock.minute, 2),
        "SS" => number(clock.second, 2),
        "SSSS" | "SSSSS" => number(clock.hour * 3_600 + clock.minute * 60 + clock.second, 1),
        "MS" | "FF3" => fraction(3),
        "US" | "FF6" => fraction(6),
        "FF1" => fraction(1),
        "FF2" => fraction(2),
        "FF4" => fraction(4),
        "FF5" => fraction(5),
        "AM" | "PM" => word(if clock.hour % 24 >= 12 { "PM" } else { "AM" }, written, 0, false),
        "A.M." | "P.M." => {
            let half = if clock.hour % 24 >= 12 { "P.M." } else { "A.M." };
            if written.starts_with(char::is_uppercase) { half.to_owned() } else { half.to_lowercase() }
        }
        _ => return None,
    })
}

/// What a text says in a pattern.
#[derive(Debug, Default)]
struct Read {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    micro: u32,
    afternoon: Option<bool>,
    offset_hours: Option<i32>,
    offset_minutes: i32,
}

/// Reads a text by a pattern: `to_date`, `to_timestamp`. What the pattern does not say is the first of January of the
/// year 1, midnight, as in PostgreSQL.
pub(super) fn parse(text: &str, pattern: &str) -> Result<Moment> {
    let mut rest = text.trim_start();
    let mut read = Read::default();
    let pieces = pieces(pattern);
    for (at, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Text(separator) => {
                // A separator of the pattern passes over any one separator of the text.
                for _ in separator.chars() {
                    rest = rest.strip_prefix(|c: char| !c.is_alphanumeric() && c != '-' && c != '+').unwrap_or(rest);
                    if !matches!(separator.as_str(), "+" | " ") {
                        rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
                    }
                }
                if separator.chars().any(char::is_alphanumeric) {
                    rest = rest.strip_prefix(separator.as_str()).unwrap_or(rest);
                }
            }
            Piece::Field { name, written, .. } => {
                rest = rest.trim_start();
                let joined = matches!(pieces.get(at + 1), Some(Piece::Field { .. }));
                rest = read.field(name, written, rest, joined)?;
            }
        }
    }
    read.moment(text)
}

fn invalid(text: &str, field: &str) -> DataFusionError {
    refuse(SqlState::INVALID_DATETIME_FORMAT, format!("invalid value \"{text}\" for \"{field}\""))
}

impl Read {
    fn field<'a>(&mut self, name: &str, written: &str, text: &'a str, joined: bool) -> Result<&'a str> {
        let digits = |width: usize| {
            // Next to another field digits are counted; before a separator the number may be longer.
            let most = if joined { width } else { width.max(9) };
            let end = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
            let (number, rest) = text.split_at_checked(end).unwrap_or(("", text));
            number.parse::<u32>().map(|value| (value, end, rest)).map_err(|_| invalid(first_word(text), written))
        };
        let named = |names: &[&str], length: Option<usize>| {
            let found = (1_u32..).zip(names).find_map(|(number, name)| {
                let name = length.and_then(|length| name.get(..length)).unwrap_or(name);
                let (head, rest) = text.split_at_checked(name.len())?;
                head.eq_ignore_ascii_case(name).then_some((number, rest))
            });
            found.ok_or_else(|| invalid(first_word(text), written))
        };
        let rest;
        match name {
            "YYYY" | "YYY" | "YY" | "Y" => {
                let (value, length, after) = digits(name.len())?;
                // A year of two digits is the one nearest to 2020.
                let value = if length <= 2 { if value < 70 { value + 2000 } else { value + 1900 } } else { value };
                (self.year, rest) = (i32::try_from(value).ok(), after);
            }
            "MM" => (self.month, rest) = digits(2).map(|(value, _, rest)| (Some(value), rest))?,
            "MONTH" => (self.month, rest) = named(&MONTHS, None).map(|(value, rest)| (Some(value), rest))?,
            "MON" => (self.month, rest) = named(&MONTHS, Some(3)).map(|(value, rest)| (Some(value), rest))?,
            "DAY" => (_, rest) = named(&DAYS, None)?,
            "DY" => (_, rest) = named(&DAYS, Some(3))?,
            "DD" => (self.day, rest) = digits(2).map(|(value, _, rest)| (Some(value), rest))?,
            "DDD" => (self.day_of_year, rest) = digits(3).map(|(value, _, rest)| (Some(value), rest))?,
            "HH24" | "HH12" | "HH" => (self.hour, _, rest) = digits(2)?,
            "MI" => (self.minute, _, rest) = digits(2)?,
            "SS" => (self.second, _, rest) = digits(2)?,
            "MS" | "US" | "FF3" | "FF6" => {
                let width = if matches!(name, "MS" | "FF3") { 3 } else { 6 };
                let end = text.bytes().take(width).take_while(u8::is_ascii_digit).count();
                let (number, after) = text.split_at_checked(end).unwrap_or(("", text));
                let micro = format!("{number:0<6}").parse().map_err(|_| invalid(first_word(text), written))?;
                (self.micro, rest) = (micro, after);
            }
            "AM" | "PM" => {
                let (number, after) = named(&["AM", "PM"], None)?;
                (self.afternoon, rest) = (Some(number == 2), after);
            }
            "A.M." | "P.M." => {
                let (number, after) = named(&["A.M.", "P.M."], None)?;
                (self.afternoon, rest) = (Some(number == 2), after);
            }
            "TZH" => {
                let (sign, unsigned) = match text.strip_prefix('-') {
                    Some(unsigned) => (-1, unsigned),
                    None => (1, text.strip_prefix('+').unwrap_or(text)),
                };
                let end = unsigned.bytes().take(2).take_while(u8::is_ascii_digit).count();
                let (number, after) = unsigned.split_at_checked(end).unwrap_or(("", unsigned));
                let hours: i32 = number.parse().map_err(|_| invalid(first_word(text), written))?;
                (self.offset_hours, rest) = (Some(sign * hours), after);
            }
            "TZM" => {
                let (minutes, _, after) = digits(2)?;
                let minutes = i32::try_from(minutes).ok().filter(|minutes| *minutes < 60);
                (self.offset_minutes, rest) = (minutes.ok_or_else(|| invalid(first_word(text), written))?, after);
            }
            _ => return Err(unsupported(written)),
        }
        Ok(rest)
    }

    fn moment(&self, text: &str) -> Result<Moment> {
        let range =
            || refuse(SqlState::DATETIME_FIELD_OVERFLOW, format!("date/time field value out of range: \"{text}\""));
        let year = self.year.unwrap_or(1);
        let date = match self.day_of_year {
            Some(day) => NaiveDate::from_yo_opt(year, day),
            None => NaiveDate::from_ymd_opt(year, self.month.unwrap_or(1), self.day.unwrap_or(1)),
        };
        let hour = match self.afternoon {
            Some(_) if !(1..=12).contains(&self.hour) => return Err(range()),
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
            None => self.hour,
        };
        let time = NaiveTime::from_hms_micro_opt(hour, self.minute, self.second, self.micro);
        let offset = match self.offset_hours {
            Some(hours) => {
                let minutes = if hours < 0 { -self.offset_minutes } else { self.offset_minutes };
                Some(FixedOffset::east_opt(hours * 3600 + minutes * 60).ok_or_else(range)?)
            }
            None => None,
        };
        let local = date.zip(time).map(|(date, time)| NaiveDateTime::new(date, time)).ok_or_else(range)?;
        Ok(Moment { local, offset })
    }
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty()).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").unwrap();
        Moment { local, offset: None }
    }

    /// Right sides are what PostgreSQL 15 answers.
    #[test]
    fn patterns_give_what_postgresql_gives() {
        for (moment, pattern, expected) in [
            ("2024-03-07 15:04:05.678901", "YYYY-MM-DD HH24:MI:SS.MS", "2024-03-07 15:04:05.678"),
            ("2024-03-07 15:04:05.678901", "FMDay, DDth FMMonth YYYY", "Thursday, 07th March 2024"),
            (
                "2024-03-07 15:04:05.678901",
                "Day|MONTH|Mon|dy|Q|WW|IW|ID|D|DDD|J",
                "Thursday |MARCH    |Mar|thu|1|10|10|4|5|067|2460377",
            ),
            ("2024-03-07 00:04:05", "HH12:MI:SS AM p.m.", "12:04:05 AM a.m."),
            ("2024-03-07 15:04:05", "YY Y,YYY CC IYYY RM", "24 2,024 21 2024 III "),
            ("2024-03-07 15:04:05", "\"Year\" YYYY SSSS US", "Year 2024 54245 000000"),
            ("2024-01-01 15:04:05", "FMMM/FMDD/YYYY FMHH12", "1/1/2024 3"),
        ] {
            assert_eq!(format(&at(moment), pattern).unwrap(), expected, "{pattern}");
        }
    }

    #[test]
    fn texts_are_read_by_their_pattern() {
        for (text, pattern, expected) in [
            ("05 Dec 2000", "DD Mon YYYY", "2000-12-05 00:00:00"),
            ("20240307", "YYYYMMDD", "2024-03-07 00:00:00"),
            ("2024-03-07 03:04:05 pm", "YYYY-MM-DD HH:MI:SS am", "2024-03-07 15:04:05"),
            ("7/3/24", "DD/MM/YY", "2024-03-07 00:00:00"),
            ("2024 066", "YYYY DDD", "2024-03-06 00:00:00"),
            ("2024-03-07T15:04:05.25", "YYYY-MM-DD\"T\"HH24:MI:SS.MS", "2024-03-07 15:04:05.25"),
        ] {
            assert_eq!(parse(text, pattern).unwrap(), at(expected), "{text} {pattern}");
        }
        assert!(parse("2024-13-01", "YYYY-MM-DD").is_err());
        assert!(parse("x", "YYYY").is_err());
    }
}
