//! Packages that are spread over several files.
//!
//! regorus 0.14 marks a package as evaluated after the first of its files when it is asked for the package as a whole, and
//! then takes the rules of the other files for undefined: `not lib.blocked` would hold. It asks for the whole package when
//! a rule is named through an import (`import data.lib`, `lib.blocked`) or by a variable (`data.lib[rule]`), never when the
//! rule's full path is written out. So imports of such packages are written out before regorus reads a file, and what
//! can't be written out is refused.

use super::PolicyFinding;
use super::load::Parsed;
use super::rego::{Import, Part, Reference};
use std::collections::BTreeMap;

/// Writes out the imports of packages with several files; the texts keep their lines.
pub(super) fn write_out(parsed: &mut [Parsed<'_>], findings: &mut Vec<PolicyFinding>) {
    let mut files: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for one in &*parsed {
        *files.entry(one.module.package.clone()).or_default() += 1;
    }
    let spread: Vec<Vec<String>> =
        files.into_iter().filter(|(_, files)| *files > 1).map(|(package, _)| package).collect();
    for one in parsed {
        let mut edits = Vec::new();
        for reference in &one.module.references {
            let import = one.module.imports.iter().find(|import| import.name() == Some(reference.root()));
            let import = import.filter(|import| is_data(import));
            let Some(path) = path(reference, import) else { continue };
            let Some(whole) = spread.iter().find(|package| reaches_whole(package, &path)) else {
                let through_import =
                    import.filter(|import| spread.iter().any(|package| reaches_whole(package, &imported(import))));
                if let Some(import) = through_import {
                    edits.push((reference.at, reference.root().chars().count(), import.path.join(".")));
                }
                continue;
            };
            findings.push(PolicyFinding {
                line: reference.at.line,
                column: reference.at.column,
                suggestion: Some(format!("name the rule: data.{}.<rule>", whole.join("."))),
                ..PolicyFinding::in_file(
                    &one.file.path,
                    format!("package {} has several files: it can't be read as a whole", whole.join(".")),
                )
            });
        }
        edits.sort_unstable_by(|a, b| b.cmp(a));
        let mut lines: Vec<String> = one.text.split('\n').map(str::to_owned).collect();
        for (at, length, path) in edits {
            if let Some(line) = lines.get_mut(at.line - 1) {
                let (before, after) = (line.chars().take(at.column - 1), line.chars().skip(at.column - 1 + length));
                *line = before.chain(path.chars()).chain(after).collect();
            }
        }
        one.text = lines.join("\n");
    }
}

fn is_data(import: &Import) -> bool {
    import.path.first().is_some_and(|root| root == "data")
}

/// What an import names, below `data`.
fn imported(import: &Import) -> Vec<Part> {
    import.path.iter().skip(1).map(|name| Part::Name(name.clone())).collect()
}

/// What a reference names, below `data`; `None` if it is about something else.
fn path(reference: &Reference, import: Option<&Import>) -> Option<Vec<Part>> {
    let rest = reference.parts.get(1..).unwrap_or_default();
    match import {
        Some(import) => Some([imported(import).as_slice(), rest].concat()),
        None if reference.root() == "data" => Some(rest.to_vec()),
        None => None,
    }
}

/// Whether a path ends, or goes on with a variable, before it names a rule of the package.
fn reaches_whole(package: &[String], path: &[Part]) -> bool {
    let names = path.iter().map_while(|part| match part {
        Part::Name(name) => Some(name),
        Part::Any => None,
    });
    let names: Vec<&String> = names.collect();
    names.len() <= package.len() && names.iter().zip(package).all(|(name, part)| *name == part)
}
