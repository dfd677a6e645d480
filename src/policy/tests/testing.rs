//! `querygate test`.

use super::world::files;
use crate::policy::testing::{TestOutcome, run};
use std::time::Instant;

const POLICY: &str = "package a\n\nallow if input.x == 1\n\nallow if {\n\tinput.y == 2\n\ttime.now_ns() > 5\n}\n";

#[test]
fn tests_pass_fail_and_err() {
    let test = r#"
package a_test
import data.a

test_x if a.allow with input as {"x": 1}

test_y if a.allow with input as {"y": 2} with time.now_ns as 6

test_early if not a.allow with input as {"y": 2} with time.now_ns as 5

test_default_time if time.now_ns() == 1736935200000000000

test_not_so if a.allow with input as {"x": 3}

test_error if to_number("x") == 1

helper if true
"#;
    let report = run(&files(&[("a.rego", POLICY), ("a_test.rego", test)]), Instant::now);
    let outcomes: Vec<(&str, &str)> = report
        .tests
        .iter()
        .map(|test| {
            let outcome = match &test.outcome {
                TestOutcome::Pass => "pass",
                TestOutcome::Fail => "fail",
                TestOutcome::Error(_) => "error",
            };
            (test.name.as_str(), outcome)
        })
        .collect();
    assert_eq!(
        outcomes,
        [
            ("data.a_test.test_x", "pass"),
            ("data.a_test.test_y", "pass"),
            ("data.a_test.test_early", "pass"),
            ("data.a_test.test_default_time", "pass"),
            ("data.a_test.test_not_so", "fail"),
            ("data.a_test.test_error", "error"),
        ]
    );
    assert!(!report.passed());
    let text = report.to_string();
    assert!(text.contains("  FAIL  data.a_test.test_not_so ("), "{text}");
    assert!(text.contains("a_test.rego:15"), "{text}");
    assert!(text.contains("4 of 6 tests passed"), "{text}");
    assert_eq!(report.coverage.len(), 1);
    assert_eq!(report.coverage[0].percent(), 100.0, "{text}");
}

#[test]
fn lines_that_no_test_reaches_are_named() {
    let test = "package a_test\nimport data.a\ntest_x if a.allow with input as {\"x\": 1}\n";
    let report = run(&files(&[("a.rego", POLICY), ("a_test.rego", test)]), Instant::now);
    assert!(report.passed());
    assert!(report.coverage[0].uncovered.contains(&7), "{report}");
    assert!(report.to_string().contains("not covered: "), "{report}");
}

#[test]
fn no_test_is_no_pass() {
    assert!(!run(&files(&[("a.rego", POLICY)]), Instant::now).passed());
    let broken = run(&files(&[("a.rego", "package"), ("a_test.rego", "package t\ntest_a if true")]), Instant::now);
    assert!(!broken.passed() && broken.tests.is_empty());
}

/// The policies that come with the gateway, with their tests.
pub(super) fn shipped() -> Vec<crate::policy::PolicyFile> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    let mut files: Vec<crate::policy::PolicyFile> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rego"))
        .map(|path| crate::policy::PolicyFile {
            path: format!("policies/{}", path.file_name().unwrap().to_str().unwrap()),
            text: std::fs::read_to_string(&path).unwrap(),
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

#[test]
fn the_shipped_policies_pass_their_tests() {
    let report = run(&shipped(), Instant::now);
    assert!(report.passed(), "{report}");
    for file in &report.coverage {
        assert!(file.percent() >= 90.0, "{report}");
    }
}

#[test]
fn the_shipped_policies_load_without_a_finding() {
    let bundle = crate::policy::PolicyBundle::load(&shipped()).unwrap_or_else(|findings| panic!("{findings:#?}"));
    assert_eq!(bundle.warnings(), []);
}
