//! regorus, held so that it can only answer: no clock, no randomness, no outside, no end without an end.
//!
//! regorus needs an engine to itself while it evaluates, so idle engines wait in a pool; they share the compiled
//! policies. The time that `time.now_ns()` gives is set before each question: regorus looks for an extension before its
//! own built-in of the same name, so the clock is never read, and the extension notes whether it was asked.

use regorus::LimitError;
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The rules that the gateway reads of each package it asks.
pub(super) const RULES: [&str; 10] = [
    "allow",
    "actions",
    "row_filters",
    "column_masks",
    "unmask",
    "limits",
    "reasons",
    "alternatives",
    "metadata",
    "requires_approval",
];

/// The package that holds the gateway's own questions; no policy may be in it.
pub(super) const RESERVED_PACKAGE: &str = "querygate";

/// Built-in functions that would make a decision depend on something else than the request. They are refused when
/// policies load, and answer with an error if one is reached all the same.
pub(super) const FORBIDDEN: [(&str, u8); 6] = [
    ("http.send", 1),
    ("net.lookup_ip_addr", 1),
    ("opa.runtime", 0),
    ("rand.intn", 2),
    ("test.sleep", 1),
    ("uuid.rfc4122", 1),
];

/// One evaluation may take this long, in wall time. Decisions take well under a millisecond: this ends loops.
const TIME_LIMIT: Duration = Duration::from_millis(100);
/// One that did not come to its end is tried once more, with this limit: on a machine that is busy a thread may wait for its
/// turn longer than that, and nobody should be denied for it.
const SECOND_TIME_LIMIT: Duration = Duration::from_millis(500);
/// The same for one rule of `querygate test`.
pub(super) const TEST_TIME_LIMIT: Duration = Duration::from_secs(5);
/// Engines that may wait for work.
const IDLE_ENGINES: usize = 32;

/// One policy text and the syntax it is written in.
pub(super) struct Source<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    pub(super) is_v0: bool,
}

/// The compiled policies, with engines to evaluate them.
#[derive(Debug)]
pub(super) struct Engines {
    compiled: Engine,
    idle: Mutex<Vec<Seat>>,
}

/// An engine with its own idea of now.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) engine: Engine,
    time: Arc<Time>,
}

#[derive(Debug, Default)]
struct Time {
    now_ns: AtomicI64,
    was_read: AtomicBool,
}

/// A built-in function that policies may not use.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not available to policies")]
struct NotAvailable(&'static str);

/// What a package answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The rules that are defined, by name.
    pub(super) rules: BTreeMap<String, Value>,
    /// Whether `time.now_ns()` was called: the answer holds for that time only.
    pub(super) read_time: bool,
}

/// An evaluation that gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    /// Where: `file:line`, if regorus says. Its message is not kept: it may quote values.
    pub(super) place: Option<String>,
    /// Its time was over.
    pub(super) out_of_time: bool,
}

impl Engines {
    /// Compiles policies, with a question for each package that may be asked.
    ///
    /// # Errors
    /// regorus' message; it names file, line and column where it can.
    pub(super) fn compile(sources: &[Source<'_>], packages: &[Vec<String>]) -> Result<Self, String> {
        let mut engine = bare();
        for source in sources {
            engine.set_rego_v0(source.is_v0);
            engine.add_policy(source.path.to_owned(), source.text.to_owned()).map_err(|error| format!("{error:#}"))?;
        }
        engine.set_rego_v0(false);
        engine.add_policy("querygate".into(), questions(packages)).map_err(|error| format!("{error:#}"))?;
        engine.compile_with_entrypoint(&question_path(0).into()).map_err(|error| format!("{error:#}"))?;
        Ok(Self { compiled: engine, idle: Mutex::new(Vec::new()) })
    }

    /// Asks the package at `index` of those it was compiled for.
    pub(super) fn ask(&self, index: usize, input: &Value, now_ns: i64) -> Result<Answer, Failed> {
        let first = self.ask_within(index, input, now_ns, TIME_LIMIT);
        match first {
            Err(Failed { out_of_time: true, .. }) => self.ask_within(index, input, now_ns, SECOND_TIME_LIMIT),
            Ok(_) | Err(_) => first,
        }
    }

    fn ask_within(&self, index: usize, input: &Value, now_ns: i64, within: Duration) -> Result<Answer, Failed> {
        let mut seat = self.seat();
        limit(&mut seat.engine, within);
        seat.at(now_ns);
        seat.engine.set_input(input.clone());
        let answered = seat.engine.eval_rule(question_path(index));
        let read_time = seat.read_time();
        match answered {
            Ok(value) => {
                // What policies print goes nowhere: it could hold anything.
                let _ = seat.engine.take_prints();
                seat.engine.set_input(Value::Undefined);
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                if idle.len() < IDLE_ENGINES {
                    idle.push(seat);
                }
                drop(idle);
                rules_of(&value).map(|rules| Answer { rules, read_time })
            }
            // The engine is not used again: what an error leaves behind in it is not known.
            Err(error) => {
                let out_of_time = error
                    .chain()
                    .any(|cause| matches!(cause.downcast_ref(), Some(LimitError::TimeLimitExceeded { .. })));
                let place = place_in(&format!("{error:#}")).map(|(file, line, _)| format!("{file}:{line}"));
                Err(Failed { place, out_of_time })
            }
        }
    }

    fn seat(&self) -> Seat {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| Seat::of(self.compiled.clone()))
    }
}

impl Seat {
    /// Takes an engine's time and chances away.
    pub(super) fn of(mut engine: Engine) -> Self {
        let time = Arc::new(Time::default());
        let clock = Arc::clone(&time);
        let now = move |_: Vec<Value>| {
            clock.was_read.store(true, Ordering::Relaxed);
            Ok(Value::from(clock.now_ns.load(Ordering::Relaxed)))
        };
        // An engine that was just cloned from one without extensions takes each of them.
        let _ = engine.add_extension("time.now_ns".into(), 0, Box::new(now));
        for (name, arguments) in FORBIDDEN {
            let refuse = move |_: Vec<Value>| Err(NotAvailable(name).into());
            let _ = engine.add_extension(name.into(), arguments, Box::new(refuse));
        }
        Self { engine, time }
    }

    /// Sets the time that policies see, in nanoseconds since 1970 UTC.
    pub(super) fn at(&self, now_ns: i64) {
        self.time.now_ns.store(now_ns, Ordering::Relaxed);
        self.time.was_read.store(false, Ordering::Relaxed);
    }

    fn read_time(&self) -> bool {
        self.time.was_read.load(Ordering::Relaxed)
    }
}

/// An engine without policies, bounded and mute.
pub(super) fn bare() -> Engine {
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(true);
    engine.set_gather_prints(true);
    limit(&mut engine, TIME_LIMIT);
    engine
}

/// Bounds each evaluation of an engine.
pub(super) fn limit(engine: &mut Engine, limit: Duration) {
    let check_interval = NonZeroU32::new(64).unwrap_or(NonZeroU32::MIN);
    engine.set_execution_timer_config(ExecutionTimerConfig { limit, check_interval });
}

/// The built-in functions that regorus has.
pub(super) fn builtins() -> Vec<String> {
    let mut engine = Engine::new();
    let Ok(found) = engine.eval_query("x := opa.runtime().builtins".into(), false) else { return Vec::new() };
    let Some(result) = found.result.first() else { return Vec::new() };
    let Ok(names) = result.bindings.as_object() else { return Vec::new() };
    let Some(Ok(names)) = names.get(&Value::from("x")).map(Value::as_array) else { return Vec::new() };
    names.iter().filter_map(|name| name.as_string().ok().map(|name| name.to_string())).collect()
}

/// A package's path as a reference: `data.governance.domains["q-1"]`.
pub(super) fn package_path(package: &[String]) -> String {
    let mut path = String::from("data");
    for part in package {
        let plain = part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if plain {
            path.push('.');
            path.push_str(part);
        } else {
            path.push('[');
            path.push_str(&serde_json::Value::from(part.as_str()).to_string());
            path.push(']');
        }
    }
    path
}

fn question_path(index: usize) -> String {
    format!("data.{RESERVED_PACKAGE}.question_{index}")
}

/// One set for each package: pairs of a rule's name and its value, for the rules that are defined.
fn questions(packages: &[Vec<String>]) -> String {
    let mut text = format!("package {RESERVED_PACKAGE}\n");
    for (index, package) in packages.iter().enumerate() {
        let package = package_path(package);
        for rule in RULES {
            text += &format!("question_{index} contains [\"{rule}\", v] if {{ v := {package}.{rule} }}\n");
        }
    }
    text
}

fn rules_of(value: &Value) -> Result<BTreeMap<String, Value>, Failed> {
    let surprise = || Failed { place: None, out_of_time: false };
    let pairs = value.as_set().map_err(|_| surprise())?;
    let mut rules = BTreeMap::new();
    for pair in pairs.iter() {
        let pair = pair.as_array().map_err(|_| surprise())?;
        let [name, value] = pair.as_slice() else { return Err(surprise()) };
        let name = name.as_string().map_err(|_| surprise())?;
        if rules.insert(name.to_string(), value.clone()).is_some() {
            return Err(surprise());
        }
    }
    Ok(rules)
}

/// File, line and column that a message of regorus speaks of: the first `--> file:line:column`.
pub(super) fn place_in(message: &str) -> Option<(String, usize, usize)> {
    let (_, after) = message.split_once("--> ")?;
    let place = after.lines().next()?;
    let mut parts = place.rsplitn(3, ':');
    let column = parts.next()?.trim().parse().ok()?;
    let line = parts.next()?.parse().ok()?;
    Some((parts.next()?.to_owned(), line, column))
}
