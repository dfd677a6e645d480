//! Runs policies' own tests (`querygate test`): rules `test_*` of the files `*_test.rego`, as OPA does.
//!
//! A test passes if its rule is `true`. Inside a test `with input as …`, `with data.… as …` and `with time.now_ns as …` put
//! other values in place; without the last, it is Wednesday, 15 January 2025, 10:00 UTC, whenever the tests run. Several
//! rules of one name are one test: it passes if one of them is true.

use super::bundle::PolicyFile;
use super::engine::{self, Seat, TEST_TIME_LIMIT, bare, limit, package_path, place_in};
use super::load::parse;
use super::{FindingSeverity, PolicyFinding};
use regorus::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

/// What `time.now_ns()` says in a test that does not say otherwise: 2025-01-15T10:00:00Z.
const NOW_NS: i64 = 1_736_935_200_000_000_000;

/// All tests of a folder of policies, run.
#[derive(Debug, Clone, PartialEq)]
pub struct TestReport {
    /// Each test, in the order of files and lines.
    pub tests: Vec<TestResult>,
    /// For each policy file that holds no tests, which of its lines were evaluated.
    pub coverage: Vec<FileCoverage>,
    /// Mistakes in the files. With an error among them nothing was run.
    pub findings: Vec<PolicyFinding>,
}

/// One test.
#[derive(Debug, Clone, PartialEq)]
pub struct TestResult {
    /// Its file.
    pub file: String,
    /// The line of its first rule.
    pub line: usize,
    /// `data.analytics.data_access_test.test_raw_data_needs_an_approval`
    pub name: String,
    /// How it went.
    pub outcome: TestOutcome,
    /// How long it took.
    pub duration: Duration,
}

/// How a test went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestOutcome {
    /// Its rule is true.
    Pass,
    /// Its rule is undefined or something else than true.
    Fail,
    /// Its rule raised an error.
    Error(String),
}

/// The lines of a policy file that tests evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCoverage {
    /// The file.
    pub file: String,
    /// Lines with something to evaluate that was evaluated.
    pub covered: usize,
    /// Lines with something to evaluate that was not.
    pub uncovered: BTreeSet<u32>,
}

impl TestReport {
    /// Whether everything could be read, there was a test, and each passed.
    pub fn passed(&self) -> bool {
        let readable = !self.findings.iter().any(PolicyFinding::is_error);
        readable && !self.tests.is_empty() && self.tests.iter().all(|test| test.outcome == TestOutcome::Pass)
    }
}

impl FileCoverage {
    /// Covered lines, of a hundred; a file without anything to evaluate has all of them.
    pub fn percent(&self) -> f64 {
        let all = self.covered + self.uncovered.len();
        if all == 0 { 100.0 } else { 100.0 * self.covered as f64 / all as f64 }
    }
}

/// Runs all tests in the files. `clock` is asked before and after each test, for its duration alone.
pub fn run(files: &[PolicyFile], clock: fn() -> Instant) -> TestReport {
    let (parsed, mut findings) = parse(files);
    let mut report = TestReport { tests: Vec::new(), coverage: Vec::new(), findings: Vec::new() };
    let mut engine = bare();
    limit(&mut engine, TEST_TIME_LIMIT);
    for one in &parsed {
        let source = one.source();
        engine.set_rego_v0(source.is_v0);
        if let Err(error) = engine.add_policy(source.path.to_owned(), source.text.to_owned()) {
            findings.push(PolicyFinding::in_file(source.path, format!("{error:#}")));
        }
    }
    if findings.iter().any(PolicyFinding::is_error) {
        findings.sort();
        return TestReport { findings, ..report };
    }
    engine.set_enable_coverage(true);
    let mut seat = Seat::of(engine);
    for one in parsed.iter().filter(|one| one.file.is_test()) {
        let package = package_path(&one.module.package);
        let mut seen = BTreeSet::new();
        for rule in one.module.rules.iter().filter(|rule| rule.name.starts_with("test_")) {
            if !seen.insert(&rule.name) {
                continue;
            }
            let name = format!("{package}.{}", rule.name);
            seat.at(NOW_NS);
            seat.engine.set_input(Value::new_object());
            let began = clock();
            let outcome = match seat.engine.eval_rule(name.clone()) {
                Ok(Value::Bool(true)) => TestOutcome::Pass,
                Ok(_) => TestOutcome::Fail,
                Err(error) => TestOutcome::Error(error_text(&format!("{error:#}"))),
            };
            let duration = clock().saturating_duration_since(began);
            let _ = seat.engine.take_prints();
            report.tests.push(TestResult { file: one.file.path.clone(), line: rule.at.line, name, outcome, duration });
        }
        if seen.is_empty() {
            findings.push(PolicyFinding {
                severity: FindingSeverity::Warning,
                suggestion: Some("name the rules of tests test_…".into()),
                ..PolicyFinding::in_file(&one.file.path, "the file holds no test")
            });
        }
    }
    report.coverage = coverage(&seat, &parsed.iter().map(|one| one.file).collect::<Vec<_>>());
    findings.sort();
    TestReport { findings, ..report }
}

fn coverage(seat: &Seat, files: &[&PolicyFile]) -> Vec<FileCoverage> {
    let Ok(report) = seat.engine.get_coverage_report() else { return Vec::new() };
    files
        .iter()
        .filter(|file| !file.is_test())
        .filter_map(|file| report.files.iter().find(|covered| covered.path == file.path))
        .map(|file| FileCoverage {
            file: file.path.clone(),
            covered: file.covered.len(),
            uncovered: file.not_covered.difference(&file.covered).copied().collect(),
        })
        .collect()
}

/// regorus' message on one line, with its place.
fn error_text(message: &str) -> String {
    let what = message.lines().find_map(|line| line.trim().strip_prefix("error: ")).unwrap_or(message).trim();
    match place_in(message) {
        Some((file, line, column)) => format!("{file}:{line}:{column}: {what}"),
        None => what.to_owned(),
    }
}

impl fmt::Display for TestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let mut file = None;
        for test in &self.tests {
            if file != Some(&test.file) {
                writeln!(f, "{}", test.file)?;
                file = Some(&test.file);
            }
            let (word, why) = match &test.outcome {
                TestOutcome::Pass => ("PASS", None),
                TestOutcome::Fail => ("FAIL", None),
                TestOutcome::Error(why) => ("ERROR", Some(why)),
            };
            writeln!(f, "  {word}  {} ({:.1} ms)", test.name, test.duration.as_secs_f64() * 1e3)?;
            if test.outcome == TestOutcome::Fail {
                writeln!(f, "        {}:{}", test.file, test.line)?;
            }
            if let Some(why) = why {
                writeln!(f, "        {why}")?;
            }
        }
        if !self.coverage.is_empty() {
            writeln!(f, "\ncoverage")?;
        }
        let width = self.coverage.iter().map(|file| file.file.chars().count()).max().unwrap_or_default();
        for file in &self.coverage {
            write!(f, "  {:width$}  {:5.1} %", file.file, file.percent())?;
            if !file.uncovered.is_empty() {
                write!(f, "  not covered: {}", ranges(&file.uncovered))?;
            }
            writeln!(f)?;
        }
        let passed = self.tests.iter().filter(|test| test.outcome == TestOutcome::Pass).count();
        write!(f, "\n{passed} of {} tests passed", self.tests.len())
    }
}

/// `3-5, 9`
fn ranges(lines: &BTreeSet<u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for line in lines {
        match ranges.last_mut() {
            Some((_, last)) if last.saturating_add(1) == *line => *last = *line,
            _ => ranges.push((*line, *line)),
        }
    }
    let texts: Vec<String> = ranges
        .into_iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    texts.join(", ")
}

/// The names of the built-in functions that policies can call, sorted.
pub fn functions() -> Vec<String> {
    let mut names = engine::builtins();
    names.retain(|name| !engine::FORBIDDEN.iter().any(|(forbidden, _)| name == forbidden));
    names.sort();
    names
}
