//! A session's settings: SHOW, SET, RESET, and what transactions do to them.
//!
//! Values are kept in the form that SHOW gives. Three layers of values stand above each other, as in PostgreSQL's
//! manual under "SET": what is committed, what the transaction has set for the session, and what it has set for itself.
//! Nothing here does I/O; nothing here reaches an engine's own configuration.

mod table;
mod value;

use crate::egress::{ByteaOutput, DateStyle, EncodeOptions, IntervalStyle, TimeZone};
use crate::error::{ErrorReport, SqlState};
use crate::types::{SettingValues, ValuesByName};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;
use table::{Access, DEFINITIONS, Definition, Kind};

/// Values by the definition's name, in the shown form. A setting without an entry has its default.
type Values = BTreeMap<&'static str, String>;

/// All settings of one session. Cheap to clone: a change is tried on a clone and then put in its place.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// What RESET goes back to.
    reset: Arc<Values>,
    committed: Arc<Values>,
    session: Arc<Values>,
    local: Arc<Values>,
    savepoints: Vec<(Arc<Values>, Arc<Values>)>,
    /// The values that the client was last told of.
    reported: Arc<Values>,
    /// What statements read; made anew when something changes.
    derived: OnceLock<Arc<Derived>>,
}

/// What the values mean: worked out once for all statements between two changes.
#[derive(Debug)]
struct Derived {
    /// All values by lower-case name.
    snapshot: Arc<SettingValues>,
    encode_options: Result<EncodeOptions, ErrorReport>,
    time_zone: String,
    search_path: Vec<String>,
    /// Those that are times, as far as anybody asks for them.
    durations: BTreeMap<&'static str, Option<Duration>>,
}

const DURATIONS: [&str; 3] = ["statement_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout"];

/// What a session's read-only settings say.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    /// `session_authorization`, `querygate.user`
    pub(super) user: &'a str,
    /// `querygate.tenant`
    pub(super) tenant: &'a str,
    /// `querygate.roles`, joined by commas
    pub(super) roles: String,
    /// `querygate.workspace`
    pub(super) workspace: &'a str,
    /// `querygate.backend_pid`
    pub(super) backend_pid: i32,
}

/// One line of SHOW ALL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    /// The name as PostgreSQL spells it.
    pub(super) name: &'static str,
    /// The value.
    pub(super) value: String,
    /// What it is for.
    pub(super) description: &'static str,
}

impl Settings {
    /// The settings of a new session: the defaults, and on top what the start-up message asks for.
    ///
    /// # Errors
    /// As [`Self::set`] has them: an unknown or unsuitable parameter ends the connection before it begins.
    pub(super) fn start(facts: &Facts<'_>, startup: &BTreeMap<String, String>) -> Result<Self, ErrorReport> {
        let base: Arc<Values> = Arc::new(BTreeMap::from([
            ("session_authorization", facts.user.to_owned()),
            ("querygate.user", facts.user.to_owned()),
            ("querygate.tenant", facts.tenant.to_owned()),
            ("querygate.roles", facts.roles.clone()),
            ("querygate.workspace", facts.workspace.to_owned()),
            ("querygate.backend_pid", facts.backend_pid.to_string()),
        ]));
        let mut settings = Self {
            reset: Arc::clone(&base),
            committed: Arc::clone(&base),
            session: Arc::clone(&base),
            local: Arc::clone(&base),
            savepoints: Vec::new(),
            reported: base,
            derived: OnceLock::new(),
        };
        if let Some(options) = startup.get("options") {
            for (name, value) in command_line_options(options)? {
                settings.set_text(&name, &value, false)?;
            }
        }
        for (name, value) in startup {
            let connection_only = matches!(name.as_str(), "user" | "database" | "replication" | "options");
            if !connection_only && !name.starts_with("_pq_.") {
                settings.set_text(name, value, false)?;
            }
        }
        settings.reset = Arc::clone(&settings.session);
        settings.commit();
        settings.reported = Arc::clone(&settings.local);
        Ok(settings)
    }

    /// SHOW.
    ///
    /// # Errors
    /// 42704 for a name that does not exist.
    pub(super) fn show(&self, name: &str) -> Result<Shown, ErrorReport> {
        let definition = known(name)?;
        Ok(Shown { name: definition.name, value: self.value(definition), description: definition.description })
    }

    /// SHOW ALL, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = Shown> + '_ {
        DEFINITIONS.iter().map(|definition| Shown {
            name: definition.name,
            value: self.value(definition),
            description: definition.description,
        })
    }

    /// SET, with the values as SQL gave them.
    ///
    /// # Errors
    /// 42704 unknown, 55P02 read-only, 42501 a superuser's, 22023 or 0A000 unsuitable.
    pub(super) fn set(&mut self, name: &str, values: &[String], local: bool) -> Result<(), ErrorReport> {
        let definition = known(name)?;
        let text = match (definition.kind, values) {
            (Kind::SearchPath, values) => {
                values.iter().map(|name| value::quoted_identifier(name)).collect::<Vec<_>>().join(", ")
            }
            (Kind::DateStyle, values) => values.join(", "),
            (_, [value]) => value.clone(),
            (_, _) => {
                return Err(ErrorReport::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("SET {} takes only one argument", definition.name),
                ));
            }
        };
        self.set_text(name, &text, local)
    }

    /// SET, with one text: a list in it is taken apart.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub(super) fn set_text(&mut self, name: &str, text: &str, local: bool) -> Result<(), ErrorReport> {
        let definition = changeable(name)?;
        let shown = value::shown(definition, text, &self.value(definition))?;
        self.put(definition, Some(shown), local);
        Ok(())
    }

    /// RESET, `SET … TO DEFAULT`.
    ///
    /// # Errors
    /// 42704, 55P02, 42501 as [`Self::set`].
    pub(super) fn reset(&mut self, name: &str, local: bool) -> Result<(), ErrorReport> {
        let definition = changeable(name)?;
        let value = self.reset.get(key(definition)).cloned();
        self.put(definition, value, local);
        Ok(())
    }

    /// RESET ALL.
    pub(super) fn reset_all(&mut self) {
        self.session = Arc::clone(&self.reset);
        let mut local = (*self.reset).clone();
        local.extend(
            self.local
                .iter()
                .filter(|(name, _)| name.starts_with("transaction_"))
                .map(|(name, value)| (*name, value.clone())),
        );
        self.local = Arc::new(local);
        self.derived = OnceLock::new();
    }

    /// What the transaction has set for itself about itself (`transaction_isolation` …): AND CHAIN hands it on.
    pub(super) fn transaction_modes(&self) -> Vec<(&'static str, String)> {
        self.local.iter().filter(|(name, _)| name.starts_with("transaction_")).map(|(n, v)| (*n, v.clone())).collect()
    }

    /// The transaction ends well: what was set for the session stays, the rest goes.
    pub(super) fn commit(&mut self) {
        self.committed = Arc::clone(&self.session);
        self.savepoints.clear();
        // Most transactions, of one statement each, set nothing.
        if !Arc::ptr_eq(&self.local, &self.session) {
            self.local = Arc::clone(&self.session);
            self.derived = OnceLock::new();
        }
    }

    /// The transaction ends badly: all is as it was before it.
    pub(super) fn rollback(&mut self) {
        self.session = Arc::clone(&self.committed);
        self.local = Arc::clone(&self.committed);
        self.savepoints.clear();
        self.derived = OnceLock::new();
    }

    /// SAVEPOINT.
    pub(super) fn push(&mut self) {
        self.savepoints.push((Arc::clone(&self.session), Arc::clone(&self.local)));
    }

    /// RELEASE: savepoints from `depth` on are forgotten, their settings stay.
    pub(super) fn release(&mut self, depth: usize) {
        self.savepoints.truncate(depth);
    }

    /// ROLLBACK TO, or an error: settings are as they were at savepoint `depth`, which stays.
    pub(super) fn rollback_to(&mut self, depth: usize) {
        if let Some((session, local)) = self.savepoints.get(depth) {
            self.session = Arc::clone(session);
            self.local = Arc::clone(local);
            self.savepoints.truncate(depth.saturating_add(1));
            self.derived = OnceLock::new();
        } else {
            self.rollback(); // there is no such savepoint: nothing of the transaction may stay
        }
    }

    /// All that a new connection is told.
    pub(super) fn reported_now(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        DEFINITIONS.iter().filter(|definition| definition.reported).map(|d| (d.name, self.value(d)))
    }

    /// What has changed of it since the last call.
    pub(super) fn take_changes(&mut self) -> Vec<(String, String)> {
        if Arc::ptr_eq(&self.reported, &self.local) {
            return Vec::new();
        }
        let changes = DEFINITIONS.iter().filter(|definition| definition.reported).filter_map(|definition| {
            let value = value_in(&self.local, definition);
            (value != value_in(&self.reported, definition)).then(|| (definition.name.to_owned(), value.to_owned()))
        });
        let changes = changes.collect();
        self.reported = Arc::clone(&self.local);
        changes
    }

    fn derived(&self) -> &Arc<Derived> {
        self.derived.get_or_init(|| {
            let own = DEFINITIONS.iter().filter_map(|definition| {
                let value = value_in(&self.local, definition);
                (value != definition.default).then(|| (definition.name.to_ascii_lowercase(), value.to_owned()))
            });
            let snapshot = SettingValues::new(Arc::clone(&DEFAULTS), own.collect());
            let text = |name: &str| snapshot.get(name).unwrap_or_default();
            let time_zone = TimeZone::parse(text("timezone"));
            let encode_options = || -> Result<EncodeOptions, ErrorReport> {
                Ok(EncodeOptions {
                    time_zone: time_zone.clone()?,
                    date_style: DateStyle::parse(text("datestyle"))?,
                    interval_style: IntervalStyle::parse(text("intervalstyle"))?,
                    bytea_output: ByteaOutput::parse(text("bytea_output"))?,
                    extra_float_digits: text("extra_float_digits").parse().unwrap_or(1),
                })
            };
            let duration = |name: &str| {
                value::milliseconds(text(name))
                    .and_then(|ms| u64::try_from(ms).ok())
                    .filter(|ms| *ms > 0)
                    .map(Duration::from_millis)
            };
            let user = text("session_authorization");
            let schemas = value::identifiers(text("search_path")).unwrap_or_default().into_iter();
            Arc::new(Derived {
                encode_options: encode_options(),
                time_zone: time_zone.clone().unwrap_or(TimeZone::UTC).arrow_name(),
                search_path: schemas.map(|schema| if schema == "$user" { user.to_owned() } else { schema }).collect(),
                durations: DURATIONS.iter().map(|name| (*name, duration(name))).collect(),
                snapshot: Arc::new(snapshot),
            })
        })
    }

    /// All values by lower-case name, for `current_setting()`.
    pub(super) fn snapshot(&self) -> Arc<SettingValues> {
        Arc::clone(&self.derived().snapshot)
    }

    /// The value of a setting that is known to exist; empty if it does not.
    pub(super) fn text(&self, name: &str) -> String {
        let snapshot = &self.derived().snapshot;
        snapshot.get(name).or_else(|| snapshot.get(&name.to_ascii_lowercase())).unwrap_or_default().to_owned()
    }

    /// A setting that is `on`.
    pub(super) fn on(&self, name: &str) -> bool {
        self.derived().snapshot.get(name) == Some("on")
    }

    /// One of the settings that are times; `None` is 0.
    pub(super) fn duration(&self, name: &str) -> Option<Duration> {
        self.derived().durations.get(name).copied().flatten()
    }

    /// An IANA name or an offset east of Greenwich, as engines take it.
    pub(super) fn time_zone(&self) -> String {
        self.derived().time_zone.clone()
    }

    /// How values are written as text.
    ///
    /// # Errors
    /// 22023 if a value can't be read again; none is kept that can't.
    pub(super) fn encode_options(&self) -> Result<EncodeOptions, ErrorReport> {
        self.derived().encode_options.clone()
    }

    /// The schemas of `search_path`, with the user's name for `$user`.
    pub(super) fn search_path(&self) -> Vec<String> {
        self.derived().search_path.clone()
    }

    fn value(&self, definition: &'static Definition) -> String {
        value_in(&self.local, definition).to_owned()
    }

    fn put(&mut self, definition: &'static Definition, value: Option<String>, local: bool) {
        let write = |values: &mut Arc<Values>| {
            let values = Arc::make_mut(values);
            match &value {
                Some(value) => values.insert(key(definition), value.clone()),
                None => values.remove(key(definition)),
            };
        };
        write(&mut self.local);
        if !local && definition.access != Access::Transaction {
            write(&mut self.session);
        }
        self.derived = OnceLock::new();
    }
}

/// What each setting is where nobody has set it, by lower-case name.
static DEFAULTS: LazyLock<Arc<ValuesByName>> = LazyLock::new(|| {
    let defaults = DEFINITIONS.iter().map(|of| (of.name.to_ascii_lowercase(), of.default.to_owned()));
    Arc::new(defaults.collect())
});

fn value_in<'a>(values: &'a Values, definition: &'static Definition) -> &'a str {
    if let Some(value) = values.get(key(definition)) {
        return value;
    }
    let of_name = |name| table::definition(name).map_or("", |definition| value_in(values, definition));
    match key(definition) {
        "transaction_isolation" => of_name("default_transaction_isolation"),
        "transaction_read_only" => of_name("default_transaction_read_only"),
        "transaction_deferrable" => of_name("default_transaction_deferrable"),
        _ => definition.default,
    }
}

/// What a definition is kept under: its own name, which no other has in any case.
fn key(definition: &'static Definition) -> &'static str {
    definition.name
}

fn known(name: &str) -> Result<&'static Definition, ErrorReport> {
    table::definition(name).ok_or_else(|| {
        let start: String = name.chars().take(100).collect();
        ErrorReport::new(SqlState::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{start}\""))
    })
}

fn changeable(name: &str) -> Result<&'static Definition, ErrorReport> {
    let definition = known(name)?;
    match definition.access {
        Access::Anyone | Access::Transaction => Ok(definition),
        Access::Nobody => Err(ErrorReport::new(
            SqlState::CANT_CHANGE_RUNTIME_PARAM,
            format!("parameter \"{}\" cannot be changed", definition.name),
        )),
        Access::Superuser => Err(ErrorReport::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("permission denied to set parameter \"{}\"", definition.name),
        )),
    }
}

/// `-c name=value -cname=value --name=value` of the start-up parameter `options`; a backslash keeps the next character.
fn command_line_options(options: &str) -> Result<Vec<(String, String)>, ErrorReport> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = options.chars();
    while let Some(letter) = letters.next() {
        match letter {
            letter if letter.is_ascii_whitespace() => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(letters.next()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);

    let invalid = |word: &str| {
        ErrorReport::new(SqlState::SYNTAX_ERROR, format!("invalid command-line argument for server process: {word}"))
            .with_hint("Write settings as -c name=value.")
    };
    let mut pairs = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let pair = match (word.strip_prefix("--"), word.strip_prefix("-c")) {
            (Some(pair), _) => pair.to_owned(),
            (None, Some("")) => words.next().ok_or_else(|| invalid(&word))?,
            (None, Some(pair)) => pair.to_owned(),
            (None, None) => return Err(invalid(&word)),
        };
        let (name, value) = pair.split_once('=').ok_or_else(|| invalid(&pair))?;
        pairs.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests;
