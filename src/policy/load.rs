//! From files to a bundle, or to a list of all that is wrong with them.
//!
//! A file is read as v1 Rego, the syntax of OPA 1.0, and as v0 if that fails. The rest is what regorus finds too late or
//! not at all: calls of functions that do not exist, functions that reach outside, packages that are the gateway's own.

use super::bundle::{DATA_ACCESS, DOMAINS, Domain, PolicyFile};
use super::engine::{self, Engines, FORBIDDEN, RESERVED_PACKAGE, Source, bare, place_in};
use super::rego::{Module, Position, Reference};
use super::{FindingSeverity, PolicyFinding, spread};
use crate::types::{Revision, nearest};
use std::collections::{BTreeMap, BTreeSet};

/// What loading gives.
pub(super) struct Loaded {
    pub(super) revision: Revision,
    pub(super) warnings: Vec<PolicyFinding>,
    pub(super) modules: Vec<(String, Module)>,
    pub(super) engines: Engines,
    pub(super) domains: BTreeMap<String, Domain>,
}

/// One file as it was understood.
pub(super) struct Parsed<'a> {
    pub(super) file: &'a PolicyFile,
    /// What regorus gets to read.
    pub(super) text: String,
    pub(super) module: Module,
    pub(super) is_v0: bool,
}

/// Reads and compiles all files.
pub(super) fn load(files: &[PolicyFile]) -> Result<Loaded, Vec<PolicyFinding>> {
    let (parsed, mut findings) = parse(files);
    let served: Vec<&Parsed<'_>> = parsed.iter().filter(|parsed| !parsed.file.is_test()).collect();
    let packages: BTreeSet<&[String]> = served.iter().map(|parsed| parsed.module.package.as_slice()).collect();
    if !packages.iter().any(|package| package.join(".") == DATA_ACCESS) {
        findings.push(PolicyFinding {
            severity: FindingSeverity::Warning,
            suggestion: Some(format!("write a file with `package {DATA_ACCESS}` and a rule `allow`")),
            ..PolicyFinding::in_file("policies", format!("no file has package {DATA_ACCESS}: every access is denied"))
        });
    }

    let mut domains = BTreeMap::new();
    let mut questions: Vec<Vec<String>> = vec![DATA_ACCESS.split('.').map(str::to_owned).collect()];
    for package in packages {
        if let [first, second, domain] = package
            && [first, second] == DOMAINS
        {
            let of_package = || served.iter().filter(|parsed| parsed.module.package == *package);
            let defines_allow = of_package().any(|parsed| parsed.module.defines("allow"));
            let (question, name) = (questions.len(), package.join("."));
            domains.insert(domain.clone(), Domain { question, package: name, defines_allow });
            questions.push(package.to_vec());
        }
    }
    if findings.iter().any(PolicyFinding::is_error) {
        findings.sort();
        return Err(findings);
    }

    let sources: Vec<Source<'_>> = served.iter().map(|parsed| parsed.source()).collect();
    let engines = match Engines::compile(&sources, &questions) {
        Ok(engines) => engines,
        Err(message) => {
            findings.push(finding_of("policies", &message));
            findings.sort();
            return Err(findings);
        }
    };
    findings.sort();
    let modules = parsed
        .into_iter()
        .filter(|parsed| !parsed.file.is_test())
        .map(|parsed| (parsed.file.path.clone(), parsed.module))
        .collect();
    Ok(Loaded { revision: revision(files), warnings: findings, modules, engines, domains })
}

impl Parsed<'_> {
    pub(super) fn source(&self) -> Source<'_> {
        Source { path: &self.file.path, text: &self.text, is_v0: self.is_v0 }
    }
}

/// Parses each file by itself and looks for what regorus would not say.
pub(super) fn parse(files: &[PolicyFile]) -> (Vec<Parsed<'_>>, Vec<PolicyFinding>) {
    let mut findings = Vec::new();
    let mut parsed: Vec<Parsed<'_>> = Vec::new();
    let mut paths = BTreeSet::new();
    for file in files {
        if !paths.insert(&file.path) {
            findings.push(PolicyFinding::in_file(&file.path, "the file is given twice"));
            continue;
        }
        match parse_one(file) {
            Ok(one) => parsed.push(one),
            Err(finding) => findings.push(finding),
        }
    }
    let builtins = engine::builtins();
    for one in &parsed {
        reserved(one, &mut findings);
        outside(one, &mut findings);
        calls(one, &parsed, &builtins, &mut findings);
    }
    spread::write_out(&mut parsed, &mut findings);
    (parsed, findings)
}

fn parse_one(file: &PolicyFile) -> Result<Parsed<'_>, PolicyFinding> {
    if let Some(offset) = file.text.find(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        let before = file.text.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        return Err(error(&file.path, Position { line, column }, "control character", None));
    }
    let module = Module::read(&file.text);
    let parses = |is_v0: bool| {
        let mut engine = bare();
        engine.set_rego_v0(is_v0);
        engine.add_policy(file.path.clone(), file.text.clone()).map_err(|error| format!("{error:#}"))
    };
    let read = |is_v0, module| Ok(Parsed { file, text: file.text.clone(), module, is_v0 });
    let Err(v1) = parses(false) else { return read(false, module) };
    // `if` is a word of v1, and of v0 with the import: without it, v0 is not what was meant.
    let future = module.imports.iter().any(|import| import.path.first().is_some_and(|root| root == "future"));
    if !future && module.tokens.iter().any(|token| token.is_word("if")) {
        return Err(explained(file, &module, &v1));
    }
    let Err(v0) = parses(true) else { return read(true, module) };
    // The reading that came further is the one that was meant.
    let place = |message: &str| place_in(message).map(|(_, line, column)| (line, column));
    let message = if place(&v0) >= place(&v1) { v0 } else { v1 };
    Err(explained(file, &module, &message))
}

/// regorus' message, or a better one where the cause is known.
fn explained(file: &PolicyFile, module: &Module, message: &str) -> PolicyFinding {
    let mut finding = finding_of(&file.path, message);
    let namespace = |import: &&super::rego::Import| !import.path.first().is_some_and(|root| is_document(root));
    if let Some(import) = module.imports.iter().find(namespace) {
        let name = import.path.join(".");
        finding.line = import.at.line;
        finding.column = import.at.column;
        finding.what =
            format!("`import {name}` is no import of Rego: only `data`, `input` and `rego.v1` can be imported");
        finding.suggestion =
            Some(format!("delete the line; built-in functions such as `{name}.now_ns()` work without an import"));
        if name != "time" {
            finding.suggestion = Some("delete the line; built-in functions work without an import".into());
        }
        return finding;
    }
    let chained = module.tokens.windows(2).find_map(|pair| match pair {
        [close, open] if close.is("}") && open.is("{") => Some(open.at),
        _ => None,
    });
    if let Some(at) = chained {
        let owner = module.rules.iter().rev().find(|rule| rule.at < at);
        let head = owner.map(|rule| head_text(module, rule)).unwrap_or_default();
        finding.line = at.line;
        finding.column = at.column;
        finding.what = "a second body after the first (`} {`) is not read".into();
        finding.suggestion = Some(format!("write the head again before the second body: `{head} {{ … }}`"));
    }
    finding
}

/// A rule's head as it is written, on one line: `alternatives[msg]`.
fn head_text(module: &Module, rule: &super::rego::Rule) -> String {
    let mut text = String::new();
    for token in module.tokens_of(rule).iter().take_while(|token| !token.is("{")) {
        if token.after_space && !text.is_empty() {
            text.push(' ');
        }
        text += &token.text;
    }
    text
}

/// A finding from a message of regorus: its place, and its last line.
fn finding_of(file: &str, message: &str) -> PolicyFinding {
    let what = message
        .lines()
        .find_map(|line| line.trim().strip_prefix("error: "))
        .or_else(|| message.lines().map(str::trim).rfind(|line| !line.is_empty()))
        .unwrap_or("not read");
    match place_in(message) {
        Some((file, line, column)) => error(&file, Position { line, column }, what, None),
        None => PolicyFinding::in_file(file, what),
    }
}

fn error(file: &str, at: Position, what: impl Into<String>, suggestion: Option<String>) -> PolicyFinding {
    PolicyFinding { line: at.line, column: at.column, suggestion, ..PolicyFinding::in_file(file, what) }
}

fn is_document(root: &str) -> bool {
    ["data", "input", "rego", "future"].contains(&root)
}

/// The gateway's own package is nobody else's.
fn reserved(one: &Parsed<'_>, findings: &mut Vec<PolicyFinding>) {
    if one.module.package.first().is_some_and(|root| root == RESERVED_PACKAGE) {
        let what = format!("packages below {RESERVED_PACKAGE} are the gateway's own");
        findings.push(error(&one.file.path, Position { line: 1, column: 1 }, what, Some("rename the package".into())));
    }
}

/// What would make a decision depend on more than the request.
fn outside(one: &Parsed<'_>, findings: &mut Vec<PolicyFinding>) {
    for reference in &one.module.references {
        let path = reference.path();
        let forbidden = FORBIDDEN.iter().any(|(name, _)| path == *name || path.starts_with(&format!("{name}.")));
        if forbidden {
            let what = format!("{path} is not available: a decision follows from its input and the policies alone");
            findings.push(error(&one.file.path, reference.at, what, None));
        }
    }
    if one.module.references.iter().any(|reference| reference.root() == "time") {
        for token in one.module.tokens.iter().filter(|token| token.as_text() == Some("Local")) {
            let what = "time zone \"Local\" is that of the machine";
            let suggestion = Some("name the zone, such as \"Europe/Berlin\"".into());
            findings.push(error(&one.file.path, token.at, what, suggestion));
        }
    }
}

/// Calls of what is no function: regorus would find out in the middle of a decision.
fn calls(one: &Parsed<'_>, all: &[Parsed<'_>], builtins: &[String], findings: &mut Vec<PolicyFinding>) {
    let aliases: BTreeSet<&str> = one.module.imports.iter().filter_map(|import| import.name()).collect();
    let own =
        |name: &str| all.iter().any(|other| other.module.package == one.module.package && other.module.defines(name));
    let head = |reference: &Reference| one.module.rules.iter().any(|rule| rule.tokens.start == reference.tokens.start);
    for call in one.module.references.iter().filter(|reference| reference.is_call && !head(reference)) {
        let (path, root) = (call.path(), call.root());
        let known = builtins.contains(&path)
            || ["set", "print"].contains(&path.as_str())
            || root == "data"
            || aliases.contains(root)
            || own(root)
            || FORBIDDEN.iter().any(|(name, _)| path == *name);
        if !known {
            let names = || builtins.iter().map(String::as_str);
            let begins = || names().filter(|name| path.starts_with(name)).max_by_key(|name| name.len());
            let suggestion = nearest(&path, names()).or_else(begins).map(|name| format!("did you mean {name}?"));
            findings.push(error(&one.file.path, call.at, format!("there is no function {path}"), suggestion));
        }
    }
}

/// Digest of paths and texts, in the order of the paths.
fn revision(files: &[PolicyFile]) -> Revision {
    use sha2::{Digest, Sha256};
    let mut sorted: Vec<&PolicyFile> = files.iter().collect();
    sorted.sort_by_key(|file| &file.path);
    let mut hasher = Sha256::new();
    for file in sorted {
        for part in [&file.path, &file.text] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
    }
    let digest = hasher.finalize();
    let first: [u8; 8] = digest.first_chunk().copied().unwrap_or_default();
    Revision(u64::from_be_bytes(first))
}
