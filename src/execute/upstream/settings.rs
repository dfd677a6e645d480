//! The settings of an upstream's session on which the meaning of a statement depends: pinned, and seen to be pinned.
//!
//! What was analysed here has to mean the same there, whatever a role, a database or a server's configuration says.

use super::error::UpstreamError;
use postgres_protocol::escape::escape_literal;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// Settings that follow nobody: the same in every session. `reported`: the server says by itself what they are.
///
/// `pg_temp` stands last in the search path because it is otherwise searched first, before `pg_catalog`.
const FIXED: &[Fixed] = &[
    Fixed { name: "client_encoding", value: "UTF8", reported: true },
    Fixed { name: "standard_conforming_strings", value: "on", reported: true },
    Fixed { name: "search_path", value: "pg_catalog, pg_temp", reported: false },
    Fixed { name: "row_security", value: "on", reported: false },
    Fixed { name: "default_transaction_read_only", value: "on", reported: false },
    Fixed { name: "transform_null_equals", value: "off", reported: false },
    Fixed { name: "array_nulls", value: "on", reported: false },
    Fixed { name: "backslash_quote", value: "safe_encoding", reported: false },
    Fixed { name: "gin_fuzzy_search_limit", value: "0", reported: false },
    Fixed { name: "session_replication_role", value: "origin", reported: false },
];

/// `session_replication_role` may be set by superusers only: it is looked at, and not set.
const NOT_SET: &str = "session_replication_role";

struct Fixed {
    name: &'static str,
    value: &'static str,
    reported: bool,
}

/// The settings that follow a client's session. The default is what a session has that set none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    /// `TimeZone`.
    pub time_zone: Cow<'static, str>,
    /// `DateStyle`, both words, as PostgreSQL shows it: `ISO, MDY`.
    pub date_style: Cow<'static, str>,
    /// `IntervalStyle`.
    pub interval_style: Cow<'static, str>,
    /// `extra_float_digits`.
    pub extra_float_digits: i8,
    /// `bytea_output`: `hex` or `escape`.
    pub bytea_output: Cow<'static, str>,
    /// The upstream's own bound on a statement, in case the gateway's request to stop never arrives. `None` is none.
    pub statement_timeout: Option<Duration>,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            time_zone: Cow::Borrowed("UTC"),
            date_style: Cow::Borrowed("ISO, MDY"),
            interval_style: Cow::Borrowed("postgres"),
            extra_float_digits: 1,
            bytea_output: Cow::Borrowed("hex"),
            statement_timeout: None,
        }
    }
}

impl SessionSettings {
    fn followed(&self) -> [(&'static str, Cow<'static, str>, bool); 6] {
        // Less than a millisecond would be zero, which is no bound at all.
        let timeout = self.statement_timeout.map_or(0, |timeout| timeout.as_millis().clamp(1, 2_147_483_647));
        [
            ("TimeZone", self.time_zone.clone(), true),
            ("DateStyle", self.date_style.clone(), true),
            ("IntervalStyle", self.interval_style.clone(), true),
            ("extra_float_digits", self.extra_float_digits.to_string().into(), false),
            ("bytea_output", self.bytea_output.clone(), false),
            ("statement_timeout", timeout.to_string().into(), false),
        ]
    }

    /// Whether dates and times are read and shown as the gateway's own engine does for policies: in UTC, in ISO's form.
    pub(super) fn is_clock_plain(&self) -> bool {
        const UTC: [&str; 7] = ["utc", "etc/utc", "gmt", "etc/gmt", "zulu", "uct", "+00:00"];
        let plain = Self::default();
        UTC.contains(&self.time_zone.to_ascii_lowercase().as_str())
            && same(&self.date_style, &plain.date_style)
            && same(&self.interval_style, &plain.interval_style)
    }

    /// Whether texts of dates and times are read alike with both.
    pub(super) fn reads_alike(&self, other: &Self) -> bool {
        self.time_zone == other.time_zone
            && self.date_style == other.date_style
            && self.interval_style == other.interval_style
    }

    /// Everything, for a session that just began or was reset.
    pub(super) fn pin(&self) -> String {
        let mut sql = String::new();
        for fixed in FIXED.iter().filter(|fixed| fixed.name != NOT_SET) {
            // The one that is a list of names: as one literal it would be one name.
            let value = if fixed.name == "search_path" { fixed.value.to_owned() } else { escape_literal(fixed.value) };
            let _ = write!(sql, "SET {} TO {value};", fixed.name);
        }
        sql + &self.set("SESSION")
    }

    /// What follows the client, for this transaction.
    pub(super) fn pin_locally(&self) -> String {
        self.set("LOCAL")
    }

    /// What follows the client, for the session.
    pub(super) fn follow(&self) -> String {
        self.set("SESSION")
    }

    fn set(&self, scope: &str) -> String {
        let mut sql = String::new();
        for (name, value, _) in self.followed() {
            let _ = write!(sql, "SET {scope} {name} TO {};", escape_literal(&value));
        }
        sql
    }

    /// What the server reports by itself must be what was asked for.
    pub(super) fn confirmed_by(&self, reported: &BTreeMap<String, String>) -> Result<(), UpstreamError> {
        let fixed = FIXED.iter().map(|fixed| (fixed.name, Cow::Borrowed(fixed.value), fixed.reported));
        for (name, value, must) in fixed.chain(self.followed()) {
            match reported.get(name) {
                Some(shown) if same(shown, &value) => {}
                // Newer servers report more than older ones: what is reported is looked at.
                None if !must => {}
                Some(_) | None => return Err(UpstreamError::Unpinned(name)),
            }
        }
        Ok(())
    }

    /// Whether a change that the server reports is away from what was asked for.
    pub(super) fn contradicts(&self, name: &str, shown: &str) -> bool {
        let fixed = FIXED.iter().map(|fixed| (fixed.name, Cow::Borrowed(fixed.value)));
        let followed = self.followed().into_iter().map(|(name, value, _)| (name, value));
        fixed.chain(followed).any(|(pinned, value)| pinned == name && !same(shown, &value))
    }
}

/// Asks for what the server does not report by itself: one row with each fixed setting, in the order of [`FIXED`].
pub(super) fn question() -> String {
    let shown: Vec<String> =
        FIXED.iter().map(|fixed| format!("pg_catalog.current_setting('{}')", fixed.name)).collect();
    format!("SELECT {}", shown.join(", "))
}

/// Looks at the answer to [`question`].
pub(super) fn answered(row: &[Option<String>]) -> Result<(), UpstreamError> {
    for (index, fixed) in FIXED.iter().enumerate() {
        let shown = row.get(index).and_then(Option::as_deref);
        if !shown.is_some_and(|shown| same(shown, fixed.value)) {
            return Err(UpstreamError::Unpinned(fixed.name));
        }
    }
    Ok(())
}

/// Values are shown as the server writes them: `utc` is shown as `UTC`, and a list has a space after its comma.
fn same(shown: &str, asked: &str) -> bool {
    let plain =
        |text: &str| text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect::<String>();
    plain(shown) == plain(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(settings: &SessionSettings) -> BTreeMap<String, String> {
        let fixed = FIXED.iter().filter(|fixed| fixed.reported).map(|fixed| (fixed.name, Cow::Borrowed(fixed.value)));
        let followed = settings.followed().into_iter().filter(|(.., must)| *must).map(|(name, value, _)| (name, value));
        fixed.chain(followed).map(|(name, value)| (name.to_owned(), value.into_owned())).collect()
    }

    #[test]
    fn a_server_that_does_not_confirm_is_refused() {
        let settings = SessionSettings::default();
        let sound = reported(&settings);
        assert!(settings.confirmed_by(&sound).is_ok());
        for name in sound.keys() {
            let mut silent = sound.clone();
            silent.remove(name);
            assert!(matches!(settings.confirmed_by(&silent), Err(UpstreamError::Unpinned(of)) if of == name));
            let mut other = sound.clone();
            other.insert(name.clone(), "other".to_owned());
            assert!(matches!(settings.confirmed_by(&other), Err(UpstreamError::Unpinned(of)) if of == name));
        }
        let mut newer = sound;
        newer.insert("search_path".to_owned(), "public".to_owned());
        assert!(settings.confirmed_by(&newer).is_err());
    }

    #[test]
    fn values_of_a_client_stay_values() {
        let settings = SessionSettings { time_zone: "x'; DROP TABLE t; --\\".into(), ..Default::default() };
        assert!(settings.pin().contains(r"SET SESSION TimeZone TO  E'x''; DROP TABLE t; --\\';"), "{}", settings.pin());
    }

    #[test]
    fn a_timeout_never_becomes_none_by_rounding() {
        let of = |timeout| SessionSettings { statement_timeout: Some(timeout), ..Default::default() }.follow();
        assert!(of(Duration::from_nanos(1)).ends_with("statement_timeout TO '1';"));
        assert!(of(Duration::MAX).ends_with("statement_timeout TO '2147483647';"));
    }
}
