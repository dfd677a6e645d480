//! Reading what a client wrote into a setting: from any accepted spelling to the one that `SHOW` gives.

use super::table::{Definition, Kind, MAX_SEARCH_PATH_BYTES};
use crate::egress::{DateStyle, IntervalStyle, TimeZone};
use crate::error::{ErrorReport, SqlState};

/// The shown form of a text.
///
/// # Errors
/// 22023 if the setting can't have it; 0A000 if PostgreSQL's could, and the gateway's can't.
pub(super) fn shown(definition: &Definition, text: &str, current: &str) -> Result<String, ErrorReport> {
    let name = definition.name;
    match definition.kind {
        Kind::Boolean => boolean(text).map(on_off).ok_or_else(|| no_boolean(name)),
        Kind::Always(only, why) => match boolean(text) {
            Some(given) if given == only => Ok(on_off(only)),
            Some(_) => Err(invalid(name, text).with_hint(why)),
            None => Err(no_boolean(name)),
        },
        Kind::Integer { min, max } => {
            let number: i64 = text.trim().parse().map_err(|_| invalid(name, text))?;
            in_range(name, number, "", (min, max)).map(|number| number.to_string())
        }
        Kind::Real { min, max } => {
            let number: f64 = text.trim().parse().map_err(|_| invalid(name, text))?;
            if (min..=max).contains(&number) {
                Ok(number.to_string())
            } else {
                Err(ErrorReport::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("{number} is outside the valid range for parameter \"{name}\" ({min} .. {max})"),
                ))
            }
        }
        Kind::Milliseconds { max } => {
            let ms = milliseconds(text).ok_or_else(|| {
                invalid(name, text)
                    .with_hint("Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".")
            })?;
            in_range(name, ms, " ms", (0, max)).map(show_milliseconds)
        }
        Kind::Memory { unit } => {
            let bytes = memory(text, unit).ok_or_else(|| {
                invalid(name, text)
                    .with_hint("Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\".")
            })?;
            in_range(name, bytes, " bytes", (0, i64::from(i32::MAX).saturating_mul(1024))).map(show_memory)
        }
        Kind::Word(words) => word(words, text).ok_or_else(|| unknown_word(name, text, words)),
        Kind::Text { max_bytes } => {
            if text.len() > max_bytes {
                Err(too_long(name, max_bytes))
            } else if text.chars().any(char::is_control) {
                Err(ErrorReport::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("parameter \"{name}\" takes no control characters"),
                ))
            } else {
                Ok(text.to_owned())
            }
        }
        Kind::ApplicationName => {
            Ok(text.chars().take(63).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect())
        }
        // PostgreSQL looks at letters and digits alone; asyncpg sends 'utf-8' with its quotes.
        Kind::Encoding => match text.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "").as_str() {
            "utf8" | "unicode" => Ok("UTF8".to_owned()),
            _ => Err(invalid(name, text).with_hint("The gateway speaks UTF8: set client_encoding to UTF8.")),
        },
        Kind::DateStyle => date_style(name, text, current),
        Kind::IntervalStyle => bounded(name, text).and_then(IntervalStyle::parse).map(|style| style.to_string()),
        Kind::TimeZone => bounded(name, text).and_then(TimeZone::parse).map(|zone| zone.to_string()).map_err(|error| {
            error.with_hint("Give a name such as Europe/Berlin, or hours east of Greenwich such as -8.")
        }),
        Kind::SearchPath => {
            if text.len() > MAX_SEARCH_PATH_BYTES {
                return Err(too_long(name, MAX_SEARCH_PATH_BYTES));
            }
            identifiers(text)
                .map(|_| text.to_owned())
                .ok_or_else(|| invalid(name, text).with_detail("List syntax is invalid."))
        }
    }
}

/// PostgreSQL's booleans: `on`, `off`, `true`, `false`, `yes`, `no`, `1`, `0`, and beginnings of them that are unique.
pub(super) fn boolean(text: &str) -> Option<bool> {
    let text = text.trim().to_ascii_lowercase();
    match text.as_str() {
        "" | "o" => None,
        "1" | "on" => Some(true),
        "0" | "of" | "off" => Some(false),
        text if "true".starts_with(text) || "yes".starts_with(text) => Some(true),
        text if "false".starts_with(text) || "no".starts_with(text) => Some(false),
        _ => None,
    }
}

/// A time in milliseconds, rounded; a bare number is milliseconds.
pub(super) fn milliseconds(text: &str) -> Option<i64> {
    let (number, unit) = number_and_unit(text)?;
    let factor = match unit {
        "us" => 0.001,
        "" | "ms" => 1.0,
        "s" => 1_000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    whole(number * factor)
}

/// Schema names as PostgreSQL's `SplitIdentifierString` reads them: unquoted ones fold, quoted ones do not.
pub(super) fn identifiers(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text.trim_start();
    if rest.is_empty() {
        return Some(names);
    }
    loop {
        let mut name = String::new();
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut letters = quoted.chars();
            loop {
                match letters.next()? {
                    '"' if letters.as_str().starts_with('"') => {
                        letters.next();
                        name.push('"');
                    }
                    '"' => break,
                    letter => name.push(letter),
                }
            }
            rest = letters.as_str();
        } else {
            let end = rest.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(rest.len());
            let (word, after) = rest.split_at_checked(end)?;
            if word.is_empty() {
                return None;
            }
            name = word.to_lowercase();
            rest = after;
        }
        names.push(name);
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(names);
        }
        rest = rest.strip_prefix(',')?.trim_start();
    }
}

/// A name as SQL would have to spell it.
pub(super) fn quoted_identifier(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A style without an order keeps the order that there was.
fn date_style(name: &str, text: &str, current: &str) -> Result<String, ErrorReport> {
    let text = bounded(name, text)?;
    DateStyle::parse(text)?;
    DateStyle::parse(&format!("{current}, {text}")).map(|style| style.to_string())
}

/// The longest text of a setting whose reader would repeat all of it in its message, in bytes.
const MAX_STYLE_BYTES: usize = 128;

fn bounded<'a>(name: &str, text: &'a str) -> Result<&'a str, ErrorReport> {
    if text.len() <= MAX_STYLE_BYTES { Ok(text) } else { Err(invalid(name, text)) }
}

fn memory(text: &str, unit_bytes: i64) -> Option<i64> {
    let (number, unit) = number_and_unit(text)?;
    let factor = match unit {
        "" => unit_bytes as f64,
        "B" => 1.0,
        "kB" => 1024.0,
        "MB" => 1_048_576.0,
        "GB" => 1_073_741_824.0,
        "TB" => 1_099_511_627_776.0,
        _ => return None,
    };
    whole(number * factor)
}

fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| c.is_ascii_alphabetic() || c.is_whitespace()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim()))
}

fn whole(number: f64) -> Option<i64> {
    (number.is_finite() && number.abs() < 9e15).then_some(number.round() as i64)
}

fn show_milliseconds(ms: i64) -> String {
    match ms {
        0 => "0".to_owned(),
        ms if ms % 86_400_000 == 0 => format!("{}d", ms / 86_400_000),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{}min", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

fn show_memory(bytes: i64) -> String {
    match bytes {
        0 => "0".to_owned(),
        bytes if bytes % (1 << 30) == 0 => format!("{}GB", bytes >> 30),
        bytes if bytes % (1 << 20) == 0 => format!("{}MB", bytes >> 20),
        bytes if bytes % (1 << 10) == 0 => format!("{}kB", bytes >> 10),
        bytes => format!("{bytes}B"),
    }
}

fn word(words: &[&'static str], text: &str) -> Option<String> {
    words.iter().find(|word| word.eq_ignore_ascii_case(text.trim())).map(|word| (*word).to_owned())
}

fn in_range(name: &str, number: i64, unit: &str, (min, max): (i64, i64)) -> Result<i64, ErrorReport> {
    if (min..=max).contains(&number) {
        return Ok(number);
    }
    Err(ErrorReport::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("{number}{unit} is outside the valid range for parameter \"{name}\" ({min} .. {max})"),
    ))
}

fn on_off(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

fn no_boolean(name: &str) -> ErrorReport {
    ErrorReport::new(SqlState::INVALID_PARAMETER_VALUE, format!("parameter \"{name}\" requires a Boolean value"))
}

fn unknown_word(name: &str, text: &str, words: &[&str]) -> ErrorReport {
    invalid(name, text).with_hint(format!("Available values: {}.", words.join(", ")))
}

fn too_long(name: &str, max_bytes: usize) -> ErrorReport {
    ErrorReport::new(SqlState::INVALID_PARAMETER_VALUE, format!("parameter \"{name}\" takes at most {max_bytes} bytes"))
}

/// The message has the value, as PostgreSQL's has, but no more of it than a person would read.
fn invalid(name: &str, text: &str) -> ErrorReport {
    let start: String = text.chars().take(100).collect();
    ErrorReport::new(SqlState::INVALID_PARAMETER_VALUE, format!("invalid value for parameter \"{name}\": \"{start}\""))
}

#[cfg(test)]
mod tests {
    use super::super::table::definition;
    use super::*;

    fn set(name: &str, text: &str) -> Result<String, (&'static str, String)> {
        let definition = definition(name).unwrap();
        shown(definition, text, definition.default).map_err(|error| (error.sqlstate.0, error.message))
    }

    #[test]
    fn accepted_spellings_become_the_shown_one() {
        for (name, text, shows) in [
            ("jit", "TRUE", "on"),
            ("jit", "tr", "on"),
            ("jit", "y", "on"),
            ("jit", "of", "off"),
            ("jit", "0", "off"),
            ("statement_timeout", "5s", "5s"),
            ("statement_timeout", "5min", "5min"),
            ("statement_timeout", "1000", "1s"),
            ("statement_timeout", "1500", "1500ms"),
            ("statement_timeout", " 1500 ms ", "1500ms"),
            ("statement_timeout", "0.5s", "500ms"),
            ("statement_timeout", "2h", "2h"),
            ("statement_timeout", "1d", "1d"),
            ("statement_timeout", "90s", "90s"),
            ("statement_timeout", "1500us", "2ms"),
            ("statement_timeout", "0", "0"),
            ("work_mem", "4096", "4MB"),
            ("work_mem", "1GB", "1GB"),
            ("work_mem", "100 kB", "100kB"),
            ("extra_float_digits", "3", "3"),
            ("extra_float_digits", "-15", "-15"),
            ("client_encoding", "utf-8", "UTF8"),
            ("client_encoding", "UNICODE", "UTF8"),
            ("client_encoding", "UTF_8", "UTF8"),
            ("client_encoding", "'utf-8'", "UTF8"),
            ("DateStyle", "ISO", "ISO, MDY"),
            ("DateStyle", "iso, dmy", "ISO, DMY"),
            ("DateStyle", "european", "ISO, DMY"),
            ("DateStyle", "YMD", "ISO, YMD"),
            ("IntervalStyle", "POSTGRES", "postgres"),
            ("IntervalStyle", "iso_8601", "iso_8601"),
            ("TimeZone", "europe/berlin", "Europe/Berlin"),
            ("TimeZone", "utc", "UTC"),
            ("TimeZone", "-8", "<-08>+08"),
            ("client_min_messages", "WARNING", "warning"),
            ("standard_conforming_strings", "on", "on"),
            ("application_name", "psql é\n", "psql ??"),
            ("search_path", "a, \"B c\", $user", "a, \"B c\", $user"),
            ("search_path", "", ""),
            ("random_page_cost", "1.1", "1.1"),
            ("querygate.purpose", "quarterly report", "quarterly report"),
        ] {
            assert_eq!(set(name, text), Ok(shows.to_owned()), "{name} = {text}");
        }
    }

    #[test]
    fn what_does_not_suit_is_refused_as_postgresql_refuses_it() {
        for (name, text, sqlstate, message) in [
            ("jit", "o", "22023", "parameter \"jit\" requires a Boolean value"),
            ("jit", "maybe", "22023", "parameter \"jit\" requires a Boolean value"),
            ("statement_timeout", "5x", "22023", "invalid value for parameter \"statement_timeout\": \"5x\""),
            ("statement_timeout", "abc", "22023", "invalid value for parameter \"statement_timeout\": \"abc\""),
            (
                "statement_timeout",
                "-1",
                "22023",
                "-1 ms is outside the valid range for parameter \"statement_timeout\" (0 .. 2147483647)",
            ),
            ("statement_timeout", "1e300", "22023", "invalid value for parameter \"statement_timeout\": \"1e300\""),
            (
                "extra_float_digits",
                "4",
                "22023",
                "4 is outside the valid range for parameter \"extra_float_digits\" (-15 .. 3)",
            ),
            ("client_encoding", "LATIN1", "22023", "invalid value for parameter \"client_encoding\": \"LATIN1\""),
            ("DateStyle", "nonsense", "22023", "invalid value for parameter \"DateStyle\": \"nonsense\""),
            ("DateStyle", "German", "0A000", "DateStyle \"German\" is not supported"),
            ("IntervalStyle", "sql_standard", "0A000", "IntervalStyle \"sql_standard\" is not supported"),
            ("IntervalStyle", "x", "22023", "invalid value for parameter \"IntervalStyle\": \"x\""),
            (
                "standard_conforming_strings",
                "off",
                "22023",
                "invalid value for parameter \"standard_conforming_strings\": \"off\"",
            ),
            ("TimeZone", "Mars/Olympus", "22023", "invalid value for parameter \"TimeZone\": \"Mars/Olympus\""),
            ("search_path", "a,,b", "22023", "invalid value for parameter \"search_path\": \"a,,b\""),
            ("search_path", "\"a", "22023", "invalid value for parameter \"search_path\": \"\"a\""),
            ("querygate.purpose", "a\u{7}b", "22023", "parameter \"querygate.purpose\" takes no control characters"),
        ] {
            assert_eq!(set(name, text), Err((sqlstate, message.to_owned())), "{name} = {text}");
        }
        assert!(set("querygate.purpose", &"x".repeat(513)).is_err());
        assert!(set("search_path", &"x,".repeat(3000)).is_err());
    }

    #[test]
    fn an_order_of_dates_outlives_a_style_without_one() {
        let definition = definition("datestyle").unwrap();
        assert_eq!(shown(definition, "ISO", "ISO, DMY"), Ok("ISO, DMY".to_owned()));
        assert_eq!(shown(definition, "ymd", "ISO, DMY"), Ok("ISO, YMD".to_owned()));
    }

    #[test]
    fn messages_hold_no_more_of_a_value_than_a_person_would_read() {
        for name in ["timezone", "datestyle", "intervalstyle", "work_mem", "jit", "client_encoding", "search_path"] {
            let (_, message) = set(name, &"\"x".repeat(100_000)).unwrap_err();
            assert!(message.len() < 300, "{name}: {}", message.len());
        }
    }

    #[test]
    fn search_path_items_fold_unless_quoted() {
        assert_eq!(
            identifiers(r#"Sales , "Sales","a""b", "x,y" "#),
            Some(vec!["sales".to_owned(), "Sales".to_owned(), "a\"b".to_owned(), "x,y".to_owned()])
        );
        assert_eq!(quoted_identifier("$user"), "\"$user\"");
        assert_eq!(quoted_identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(quoted_identifier("public"), "public");
    }
}
