//! What is in the tree: licences, sources, one version of what must be one. Reads `cargo metadata`, needs no network.

use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "bzip2-1.0.6",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "MIT-0",
    "NCSA",
];

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--offline",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Whether an SPDX expression can be met by allowed licences: `OR` needs one side, `AND` both.
fn allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let expression = expression.trim();
    if let Some((left, right)) = split(expression, " OR ") {
        return allowed(&left) || allowed(&right);
    }
    if let Some((left, right)) = split(expression, " AND ") {
        return allowed(&left) && allowed(&right);
    }
    if let Some(inner) = expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        return allowed(inner);
    }
    ALLOWED.contains(&expression)
}

/// Splits at an operator that stands outside parentheses.
fn split(expression: &str, operator: &str) -> Option<(String, String)> {
    let mut depth = 0;
    for (index, character) in expression.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && expression[index..].starts_with(operator) => {
                return Some((expression[..index].to_owned(), expression[index + operator.len()..].to_owned()));
            }
            _ => {}
        }
    }
    None
}

#[test]
fn the_check_itself_can_fail() {
    assert!(allowed("MIT OR GPL-3.0"));
    assert!(!allowed("MIT AND GPL-3.0"));
    assert!(!allowed("GPL-3.0-only"));
    assert!(allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
}

#[test]
fn every_licence_is_allowed() {
    let wrong: Vec<String> = packages()
        .iter()
        .filter(|package| !package["license"].as_str().is_some_and(allowed))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn everything_comes_from_the_registry() {
    let wrong: Vec<String> = packages()
        .iter()
        .filter(|package| package["name"] != "querygate" && package["name"] != "querygate-fuzz")
        .filter(|package| !package["source"].as_str().is_some_and(|source| source.starts_with("registry+")))
        .map(|package| package["name"].to_string())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_must_share_types_is_there_once() {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages() {
        let name = package["name"].as_str().unwrap().to_owned();
        versions.entry(name).or_default().push(package["version"].to_string());
    }
    for name in ["datafusion", "arrow", "parquet", "sqlparser", "pgwire", "object_store", "rustls", "tokio"] {
        assert_eq!(versions.get(name).map(Vec::len), Some(1), "{name}: {:?}", versions.get(name));
    }
}

#[test]
fn no_openssl() {
    assert!(packages().iter().all(|package| package["name"] != "openssl-sys"));
}

/// Versions with a known weakness, from the first that has it up to the first that does not (RustSec's numbers), for
/// crates that are or have been near this tree. It is no feed: `cargo deny check advisories` is, where it can be had.
const WEAK: &[(&str, &str, [u64; 3], [u64; 3])] = &[
    ("chrono", "RUSTSEC-2020-0159", [0, 0, 0], [0, 4, 20]),
    ("crossbeam-channel", "RUSTSEC-2025-0024", [0, 5, 12], [0, 5, 15]),
    ("curve25519-dalek", "RUSTSEC-2024-0344", [0, 0, 0], [4, 1, 3]),
    ("h2", "RUSTSEC-2024-0332", [0, 4, 0], [0, 4, 4]),
    ("hashbrown", "RUSTSEC-2024-0402", [0, 15, 0], [0, 15, 1]),
    ("idna", "RUSTSEC-2024-0421", [0, 0, 0], [1, 0, 0]),
    ("lexical-core", "RUSTSEC-2023-0086", [0, 0, 0], [1, 0, 0]),
    ("mio", "RUSTSEC-2024-0019", [0, 7, 2], [0, 8, 11]),
    ("protobuf", "RUSTSEC-2024-0437", [0, 0, 0], [3, 7, 2]),
    ("regex", "RUSTSEC-2022-0013", [0, 0, 0], [1, 5, 5]),
    ("ring", "RUSTSEC-2025-0009", [0, 0, 0], [0, 17, 12]),
    ("rsa", "RUSTSEC-2023-0071", [0, 0, 0], [u64::MAX, 0, 0]),
    ("rustls", "RUSTSEC-2024-0336", [0, 23, 0], [0, 23, 5]),
    ("rustls", "RUSTSEC-2024-0399", [0, 23, 13], [0, 23, 18]),
    ("slab", "RUSTSEC-2025-0047", [0, 4, 10], [0, 4, 11]),
    ("smallvec", "RUSTSEC-2021-0003", [0, 6, 3], [1, 6, 1]),
    ("time", "RUSTSEC-2020-0071", [0, 0, 0], [0, 2, 23]),
    ("tracing-subscriber", "RUSTSEC-2025-0055", [0, 0, 0], [0, 3, 20]),
    ("zerocopy", "RUSTSEC-2023-0074", [0, 2, 2], [0, 7, 31]),
];

fn version(text: &str) -> [u64; 3] {
    let mut parts = text.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

fn weakness(name: &str, of: &str) -> Option<&'static str> {
    let of = version(of);
    WEAK.iter().find(|(weak, _, from, fixed)| *weak == name && *from <= of && of < *fixed).map(|(_, id, ..)| *id)
}

#[test]
fn nothing_with_a_known_weakness() {
    assert_eq!(weakness("ring", "0.17.8"), Some("RUSTSEC-2025-0009"));
    assert_eq!(weakness("ring", "0.17.14"), None);
    let found: Vec<String> = packages()
        .iter()
        .filter_map(|package| {
            let (name, version) = (package["name"].as_str()?, package["version"].as_str()?);
            weakness(name, version).map(|id| format!("{name} {version}: {id}"))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}
