//! `year`, `month`, `day`: dates and points in time cut down, in the proleptic Gregorian calendar that PostgreSQL uses.

/// What a date is cut down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CalendarUnit {
    /// 1 January.
    Year,
    /// The first of the month.
    Month,
    /// Midnight.
    Day,
}

/// A date in days since 1970-01-01, cut down. `None` if 32 bits can't hold it.
pub fn truncate_days(days: i32, unit: CalendarUnit) -> Option<i32> {
    i32::try_from(truncate(i64::from(days), unit)?).ok()
}

/// A point in time in units of which a day has `units_a_day`, since 1970-01-01 00:00 UTC, cut down in UTC. `None` if 64
/// bits can't hold it.
pub fn truncate_instant(instant: i64, units_a_day: i64, unit: CalendarUnit) -> Option<i64> {
    let days = instant.checked_div_euclid(units_a_day)?;
    truncate(days, unit)?.checked_mul(units_a_day)
}

fn truncate(days: i64, unit: CalendarUnit) -> Option<i64> {
    let (year, month) = year_and_month(days)?;
    match unit {
        CalendarUnit::Year => first_of(year, 1),
        CalendarUnit::Month => first_of(year, month),
        CalendarUnit::Day => Some(days),
    }
}

/// Days in 400 years, after which the calendar repeats.
const ERA: i64 = 146_097;
/// From 1 March of the year 0 to 1970-01-01.
const TO_1970: i64 = 719_468;

/// The year, and the month from 1, of a day. Years begin in March here, so that a leap day is the last of its year.
fn year_and_month(days: i64) -> Option<(i64, i64)> {
    let days = days.checked_add(TO_1970)?;
    let (era, day_of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    Some((era * 400 + year_of_era + i64::from(month <= 2), month))
}

/// The day of the first of a month.
fn first_of(year: i64, month: i64) -> Option<i64> {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5;
    let day_of_era = 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era.checked_mul(ERA)?.checked_add(day_of_era)?.checked_sub(TO_1970)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Datelike, NaiveDate};

    fn days(text: &str) -> i32 {
        let date: NaiveDate = text.parse().unwrap();
        date.num_days_from_ce() - 719_163
    }

    #[test]
    fn dates_are_cut_down() {
        for (date, year, month) in [
            ("2024-02-29", "2024-01-01", "2024-02-01"),
            ("2000-02-29", "2000-01-01", "2000-02-01"),
            ("1900-03-01", "1900-01-01", "1900-03-01"),
            ("1970-01-01", "1970-01-01", "1970-01-01"),
            ("1969-12-31", "1969-01-01", "1969-12-01"),
            ("1583-07-15", "1583-01-01", "1583-07-01"),
            ("0001-01-01", "0001-01-01", "0001-01-01"),
            ("9999-12-31", "9999-01-01", "9999-12-01"),
        ] {
            assert_eq!(truncate_days(days(date), CalendarUnit::Year), Some(days(year)), "{date}");
            assert_eq!(truncate_days(days(date), CalendarUnit::Month), Some(days(month)), "{date}");
            assert_eq!(truncate_days(days(date), CalendarUnit::Day), Some(days(date)), "{date}");
        }
    }

    #[test]
    fn every_day_agrees_with_chrono() {
        let mut date: NaiveDate = "-0401-01-01".parse().unwrap();
        for _ in 0..1_000_000 {
            let day = date.num_days_from_ce() - 719_163;
            let first = |month| NaiveDate::from_ymd_opt(date.year(), month, 1).unwrap().num_days_from_ce() - 719_163;
            assert_eq!(truncate_days(day, CalendarUnit::Year), Some(first(1)), "{date}");
            assert_eq!(truncate_days(day, CalendarUnit::Month), Some(first(date.month())), "{date}");
            date = date.succ_opt().unwrap();
        }
    }

    #[test]
    fn points_in_time_go_down_also_before_1970() {
        const MICROS: i64 = 86_400_000_000;
        assert_eq!(truncate_instant(-1, MICROS, CalendarUnit::Day), Some(-MICROS));
        assert_eq!(truncate_instant(-1, MICROS, CalendarUnit::Year), Some(-365 * MICROS));
        assert_eq!(truncate_instant(MICROS + 5, MICROS, CalendarUnit::Day), Some(MICROS));
        assert_eq!(truncate_instant(31 * MICROS + 5, MICROS, CalendarUnit::Month), Some(31 * MICROS));
        assert_eq!(truncate_instant(0, MICROS, CalendarUnit::Day), Some(0));
    }

    #[test]
    fn what_can_not_be_held_is_null() {
        assert_eq!(truncate_days(i32::MIN, CalendarUnit::Year), None);
        assert_eq!(truncate_days(i32::MIN, CalendarUnit::Day), Some(i32::MIN));
        for units in [1, 86_400, 86_400_000, 86_400_000_000, 86_400_000_000_000] {
            for instant in [i64::MIN, i64::MIN + 1, i64::MAX] {
                for unit in [CalendarUnit::Year, CalendarUnit::Month, CalendarUnit::Day] {
                    if let Some(cut) = truncate_instant(instant, units, unit) {
                        assert!(cut <= instant);
                    }
                }
            }
        }
    }
}
