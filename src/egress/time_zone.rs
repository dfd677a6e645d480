//! The `TimeZone` setting: names of the IANA database, and offsets as PostgreSQL reads them.

use super::options::invalid;
use crate::error::ErrorReport;
use arrow::array::timezone::Tz;
use chrono::{DateTime, FixedOffset, Offset, TimeZone as _};
use std::fmt;

/// A clock that points in time are shown by.
#[derive(Debug, Clone, Copy)]
pub struct TimeZone(Zone);

#[derive(Debug, Clone, Copy)]
enum Zone {
    Utc,
    Named(Tz),
    /// Seconds east of Greenwich.
    Fixed(i32),
}

impl TimeZone {
    /// Universal time.
    pub const UTC: Self = Self(Zone::Utc);

    /// Reads a value of `TimeZone` (PostgreSQL manual, appendix B.5 and `SET TIME ZONE`): a name of the IANA database, a
    /// number of hours east, or a POSIX offset such as `UTC-2` or `-02:00`, which counts **west** of Greenwich.
    ///
    /// # Errors
    /// 22023 if it is none of these.
    pub fn parse(text: &str) -> Result<Self, ErrorReport> {
        let text = text.trim();
        if matches!(text.to_ascii_uppercase().as_str(), "UTC" | "GMT" | "Z" | "ZULU" | "DEFAULT" | "LOCAL") {
            return Ok(Self::UTC);
        }
        let fixed = |seconds: i32| (seconds.abs() < 24 * 3600).then_some(Self(Zone::Fixed(seconds)));
        if let Ok(hours) = text.parse::<f64>()
            && hours.is_finite()
        {
            // The bound keeps the product far inside an i32.
            return (hours.abs() < 24.0)
                .then(|| (hours * 3600.0).round() as i32)
                .and_then(fixed)
                .ok_or_else(|| invalid("TimeZone", text));
        }
        if let Some(seconds) = posix_offset_east(text) {
            return fixed(seconds).ok_or_else(|| invalid("TimeZone", text));
        }
        // A bare `+02:00` has been read above: what is left are names.
        let named = text.parse::<Tz>().or_else(|_| usual_case(text).parse::<Tz>());
        named.map(|zone| Self(Zone::Named(zone))).map_err(|_| invalid("TimeZone", text))
    }

    /// Seconds east of Greenwich at a point in time.
    pub fn offset_seconds(&self, unix_seconds: i64) -> i32 {
        match self.0 {
            Zone::Utc => 0,
            Zone::Fixed(seconds) => seconds,
            Zone::Named(zone) => DateTime::from_timestamp(unix_seconds, 0)
                .map_or(0, |time| zone.offset_from_utc_datetime(&time.naive_utc()).fix().local_minus_utc()),
        }
    }

    /// The name as Arrow and DataFusion take it: a name of the IANA database or an offset **east**, `+02:00`.
    pub fn arrow_name(&self) -> String {
        match self.0 {
            Zone::Utc => "+00:00".to_owned(),
            Zone::Fixed(seconds) => {
                FixedOffset::east_opt(seconds).map_or_else(|| "+00:00".to_owned(), |offset| offset.to_string())
            }
            Zone::Named(zone) => zone.to_string(),
        }
    }
}

impl fmt::Display for TimeZone {
    /// What SHOW and ParameterStatus say. An offset is in the POSIX form that PostgreSQL itself shows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Zone::Utc => f.write_str("UTC"),
            Zone::Named(zone) => zone.fmt(f),
            Zone::Fixed(east) => {
                let clock = |seconds: i32, f: &mut fmt::Formatter<'_>| {
                    write!(f, "{}{:02}", if seconds < 0 { '-' } else { '+' }, seconds.abs() / 3600)?;
                    match (seconds.abs() / 60 % 60, seconds.abs() % 60) {
                        (0, 0) => Ok(()),
                        (minutes, 0) => write!(f, ":{minutes:02}"),
                        (minutes, seconds) => write!(f, ":{minutes:02}:{seconds:02}"),
                    }
                };
                f.write_str("<")?;
                clock(east, f)?;
                f.write_str(">")?;
                clock(-east, f)
            }
        }
    }
}

/// `UTC-2`, `GMT+02:00`, `<+02>-02`, `-02:00`: a name that means nothing, then hours west.
fn posix_offset_east(text: &str) -> Option<i32> {
    let rest = match text.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>')?.1,
        None => ["UTC", "utc", "GMT", "gmt"].iter().find_map(|name| text.strip_prefix(name)).unwrap_or(text),
    };
    let (sign, digits) = match (rest.strip_prefix('+'), rest.strip_prefix('-')) {
        (Some(digits), _) => (-1, digits),
        (_, Some(digits)) => (1, digits),
        _ => return None,
    };
    let mut seconds = 0;
    let mut parts = 0;
    for (part, unit) in digits.split(':').zip([3600, 60, 1, 0]) {
        let bound = if unit == 3600 { 24 } else { 60 };
        if unit == 0 || part.is_empty() || part.len() > 2 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let value: i32 = part.parse().ok().filter(|value| *value < bound)?;
        seconds += value * unit;
        parts += 1;
    }
    (parts > 0).then_some(sign * seconds)
}

/// `europe/berlin` as `Europe/Berlin`: PostgreSQL ignores case in names of zones.
fn usual_case(text: &str) -> String {
    let mut upper = true;
    text.chars()
        .map(|c| {
            let cased = if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            upper = matches!(c, '/' | '_' | '-');
            cased
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_their_summer_time() {
        let berlin = TimeZone::parse("Europe/Berlin").unwrap();
        assert_eq!(berlin.offset_seconds(1_704_067_200), 3600);
        assert_eq!(berlin.offset_seconds(1_719_792_000), 7200);
        assert_eq!(TimeZone::parse("europe/berlin").unwrap().to_string(), "Europe/Berlin");
        assert_eq!(TimeZone::parse("america/new_york").unwrap().to_string(), "America/New_York");
    }

    #[test]
    fn numbers_count_east_and_posix_offsets_west() {
        assert_eq!(TimeZone::parse("2").unwrap().offset_seconds(0), 7200);
        assert_eq!(TimeZone::parse("-5.5").unwrap().offset_seconds(0), -19_800);
        assert_eq!(TimeZone::parse("UTC-2").unwrap().offset_seconds(0), 7200);
        assert_eq!(TimeZone::parse("+02:00").unwrap().offset_seconds(0), -7200);
        assert_eq!(TimeZone::parse("<+02>-02").unwrap().offset_seconds(0), 7200);
    }

    #[test]
    fn what_is_shown_can_be_set_again() {
        for text in ["UTC", "Asia/Kolkata", "5.5", "-3"] {
            let zone = TimeZone::parse(text).unwrap();
            let again = TimeZone::parse(&zone.to_string()).unwrap();
            assert_eq!(again.offset_seconds(0), zone.offset_seconds(0), "{text}");
            assert_eq!(again.arrow_name(), zone.arrow_name());
        }
        assert_eq!(TimeZone::parse("2").unwrap().to_string(), "<+02>-02");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["Mars/Olympus", "", "25", "UTC+99", "+1:2:3:4", "nan", "1e300"] {
            assert!(TimeZone::parse(text).is_err(), "{text}");
        }
    }
}
