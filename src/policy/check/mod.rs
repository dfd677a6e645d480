//! Rules that can never do what they seem to, found by holding policies against a catalog.
//!
//! Only the packages that the gateway asks are looked at: what others compare is their own affair. What can't be seen in
//! the text (a name that is computed) is not judged.

mod comparisons;
mod obligations;
mod words;

use super::engine::RULES;
use super::rego::{Module, Position};
use super::{FindingSeverity, PolicyFinding};
use crate::catalog::CatalogSnapshot;
use crate::types::nearest;
use words::Words;

/// Packages whose rules the gateway reads, but for those of domains.
const ASKED: [&str; 3] = ["analytics.data_access", "analytics.egress", "analytics.workspace"];

/// All findings, sorted by place.
pub(super) fn check(modules: &[(String, Module)], catalog: &CatalogSnapshot) -> Vec<PolicyFinding> {
    let words = Words::of(catalog);
    let mut findings = Vec::new();
    for (file, module) in modules {
        let domain = domain(module);
        if domain.is_none() && !ASKED.contains(&module.package_name().as_str()) {
            continue;
        }
        let mut found = Found { file, findings: &mut findings };
        if let Some(domain) = domain {
            packages(module, domain, &words, &mut found);
        }
        misspelt(module, modules, &mut found);
        comparisons::check(module, &words, &mut found);
        obligations::check(module, &words, catalog, &mut found);
    }
    findings.sort();
    findings.dedup();
    findings
}

/// The findings in one file.
struct Found<'a> {
    file: &'a str,
    findings: &'a mut Vec<PolicyFinding>,
}

impl Found<'_> {
    fn error(&mut self, at: Position, what: impl Into<String>, suggestion: Option<String>) {
        self.add(FindingSeverity::Error, at, what.into(), suggestion);
    }

    fn warning(&mut self, at: Position, what: impl Into<String>, suggestion: Option<String>) {
        self.add(FindingSeverity::Warning, at, what.into(), suggestion);
    }

    fn add(&mut self, severity: FindingSeverity, at: Position, what: String, suggestion: Option<String>) {
        let (line, column) = (at.line, at.column);
        self.findings.push(PolicyFinding {
            severity,
            line,
            column,
            suggestion,
            ..PolicyFinding::in_file(self.file, what)
        });
    }
}

fn did_you_mean<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, words).map(|near| format!("did you mean {near:?}?"))
}

/// The domain whose package this is.
fn domain(module: &Module) -> Option<&str> {
    match module.package.as_slice() {
        [first, second, domain] if [first, second] == super::bundle::DOMAINS => Some(domain),
        _ => None,
    }
}

fn packages(module: &Module, domain: &str, words: &Words, found: &mut Found<'_>) {
    let start = Position { line: 1, column: 1 };
    let at = module.tokens.iter().find(|token| token.is_word("package")).map_or(start, |token| token.at);
    if !words.domains.contains(domain) {
        let what = format!("no dataset has domain {domain:?}: package {} is never asked", module.package_name());
        found.warning(at, what, did_you_mean(domain, words.domains.iter().map(String::as_str)));
    }
    for rule in module.rules.iter().filter(|rule| rule.name == "unmask") {
        let what = "a domain's package can't unmask: it only narrows what analytics.data_access allows";
        found.warning(rule.at, what, Some("move the rule to package analytics.data_access".into()));
    }
}

/// Rules that are nearly, but not quite, one that the gateway reads, and that nothing else refers to.
fn misspelt(module: &Module, modules: &[(String, Module)], found: &mut Found<'_>) {
    for rule in module.rules.iter().filter(|rule| !rule.is_function && !RULES.contains(&rule.name.as_str())) {
        let Some(meant) = nearest(&rule.name, RULES) else { continue };
        let head = |candidate: &Module, start: usize| candidate.rules.iter().any(|rule| rule.tokens.start == start);
        let used = modules.iter().any(|(_, other)| {
            other.references.iter().any(|reference| {
                let same_package = other.package == module.package && reference.root() == rule.name;
                let by_path = reference.path().split('.').skip(1).any(|part| part == rule.name);
                (same_package || by_path) && !head(other, reference.tokens.start)
            })
        });
        if !used {
            let what = format!("rule {} is read by nobody", rule.name);
            found.error(rule.at, what, Some(format!("did you mean {meant:?}?")));
        }
    }
}
