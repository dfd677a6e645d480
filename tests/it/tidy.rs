//! The house's rules that a reader could break without noticing: layers, front matter, no leftovers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Layers from the bottom up. A module may use those before it, never those after it.
const LAYERS: &[&[&str]] = &[
    &["types", "error"],
    &["decision"],
    &["catalog"],
    &["sql"],
    &["policy"],
    &["govern"],
    &["pipeline"],
    &["config", "quota", "control"],
    &["audit"],
    &["execute"],
    &["egress"],
    &["session"],
    &["wire"],
    &["gateway", "demo"],
    &["server"],
    &["cli"],
    &["fuzzing"],
];

fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found.sort();
    found
}

fn module_of(path: &Path) -> String {
    let relative = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Tests that lie in files of their own, beside what they test.
fn is_test(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == "tests") || path.components().any(|part| part.as_os_str() == "tests")
}

/// The top-level modules that a file names as `crate::…`, outside comments.
fn used(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1).map(str::to_owned).collect::<Vec<_>>())
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>())
        .filter(|module| !module.is_empty())
        .collect()
}

#[test]
fn modules_use_only_the_layers_below_them() {
    let level: BTreeMap<&str, usize> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(level, modules)| modules.iter().map(move |module| (*module, level)))
        .collect();
    let mut wrong = Vec::new();
    for path in sources() {
        let module = module_of(&path);
        if module == "main" || module == "lib" || is_test(&path) {
            continue;
        }
        let Some(own) = level.get(module.as_str()) else {
            wrong.push(format!("{}: module {module} has no layer", path.display()));
            continue;
        };
        let text = fs::read_to_string(&path).unwrap();
        let shipped = text.split("#[cfg(test)]").next().unwrap();
        for other in used(shipped) {
            match level.get(other.as_str()) {
                Some(below) if other == module || below < own => {}
                Some(_) => wrong.push(format!("{}: {module} uses {other}", path.display())),
                None => wrong.push(format!("{}: crate::{other} is no module of the table", path.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_pure_core_knows_no_clock_no_file_and_no_socket() {
    const PURE: &[&str] = &["types", "error", "decision", "catalog", "sql", "policy", "govern", "pipeline"];
    const OUTSIDE: &[&str] = &[
        "tokio::",
        "std::fs",
        "std::net::Tcp",
        "std::net::Udp",
        "SystemTime",
        "Utc::now",
        "std::process",
        "std::env::var",
    ];
    let mut wrong = Vec::new();
    for path in sources() {
        if !PURE.contains(&module_of(&path).as_str()) || is_test(&path) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let shipped = text.split("#[cfg(test)]").next().unwrap();
        for (number, line) in shipped.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for word in OUTSIDE.iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|path| !is_test(path) && !fs::read_to_string(path).unwrap().starts_with("//!"))
        .map(|path| path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "no //! at the top of\n{}", silent.join("\n"));
}

#[test]
fn architecture_lists_every_module() {
    let map = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    let absent: Vec<&str> = LAYERS
        .iter()
        .flat_map(|layer| layer.iter())
        .copied()
        .filter(|module| !map.contains(&format!("`{module}`")))
        .collect();
    assert!(absent.is_empty(), "ARCHITECTURE.md does not name {absent:?}");
}
