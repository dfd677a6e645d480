//! The statements of `testdata/differential/*.sql`. A statement ends with a `;` at the end of a line. Lines of the form
//! `-- key: value` right before it say how it is run and what is known to be otherwise than in the oracle:
//!
//! - `params: 5 | EU | \N`: it is prepared, and these are its parameters;
//! - `ties`: its ORDER BY leaves some order open;
//! - `upstream: refused 0A000 why`, `files: refused 0A000 why`: the gateway refuses it;
//! - `upstream: differs why`, `files: differs why`: it answers otherwise.
//!
//! `QUERYGATE_UPDATE=1` writes these marks anew; a difference whose reason nobody has given (`?`) fails.

use std::path::{Path, PathBuf};

/// What is known of how an engine answers a statement, in place of the oracle's answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Known {
    #[default]
    Same,
    Refused {
        code: String,
        why: String,
    },
    Differs {
        why: String,
    },
}

impl Known {
    fn parse(text: &str) -> Self {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "refused" => {
                let (code, why) = rest.split_once(' ').unwrap_or((rest, ""));
                Self::Refused { code: code.to_owned(), why: why.to_owned() }
            }
            "differs" => Self::Differs { why: rest.to_owned() },
            other => panic!("a mark must say refused or differs, not {other:?}"),
        }
    }

    fn print(&self) -> Option<String> {
        match self {
            Self::Same => None,
            Self::Refused { code, why } => Some(format!("refused {code} {why}").trim_end().to_owned()),
            Self::Differs { why } => Some(format!("differs {why}")),
        }
    }
}

/// One statement.
#[derive(Debug, Clone, Default)]
pub(super) struct Statement {
    pub(super) file: PathBuf,
    pub(super) line: usize,
    /// Comments that stand before it, and its own lines.
    remarks: Vec<String>,
    pub(super) sql: String,
    pub(super) parameters: Option<Vec<Option<String>>>,
    pub(super) ties: bool,
    pub(super) upstream: Known,
    pub(super) files: Known,
}

impl Statement {
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.file.file_name().unwrap().to_string_lossy(), self.line)
    }

    /// Whether the outermost query is ordered.
    pub(super) fn is_ordered(&self) -> bool {
        let mut depth = 0;
        let mut quoted = false;
        let outermost: String = self
            .sql
            .chars()
            .filter(|c| {
                match c {
                    '\'' => quoted = !quoted,
                    '(' if !quoted => depth += 1,
                    ')' if !quoted => depth -= 1,
                    _other => {}
                }
                depth == 0 && !quoted
            })
            .collect();
        !self.ties && outermost.to_uppercase().contains("ORDER BY")
    }
}

pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/differential")
}

/// All statements, file by file.
pub(super) fn statements() -> Vec<Statement> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|of| of == "sql"))
        .collect();
    files.sort();
    files.iter().flat_map(|file| read(file, &std::fs::read_to_string(file).unwrap())).collect()
}

fn read(file: &Path, text: &str) -> Vec<Statement> {
    let mut found = Vec::new();
    let mut next = Statement::default();
    for (number, line) in (1..).zip(text.lines()) {
        if next.sql.is_empty() {
            if let Some(remark) = line.strip_prefix("--") {
                let remark = remark.trim();
                match remark.split_once(": ") {
                    Some(("params", values)) => {
                        let values = values.split(" | ").map(str::trim);
                        next.parameters = Some(values.map(|text| (text != "\\N").then(|| text.to_owned())).collect());
                    }
                    Some(("upstream", mark)) => next.upstream = Known::parse(mark),
                    Some(("files", mark)) => next.files = Known::parse(mark),
                    _none if remark == "ties" => next.ties = true,
                    _remark => next.remarks.push(line.to_owned()),
                }
                continue;
            }
            if line.trim().is_empty() {
                next.remarks.push(String::new());
                continue;
            }
            next.line = number;
            next.file = file.to_owned();
        } else {
            next.sql.push('\n');
        }
        next.sql.push_str(line);
        if let Some(whole) = next.sql.strip_suffix(';') {
            next.sql = whole.to_owned();
            found.push(std::mem::take(&mut next));
        }
    }
    assert!(next.sql.is_empty(), "{}: a statement without an end: {}", file.display(), next.sql);
    found
}

/// Writes the marks of all statements back to their files.
pub(super) fn write(statements: &[Statement]) {
    let mut files: std::collections::BTreeMap<&Path, String> = std::collections::BTreeMap::new();
    for statement in statements {
        let text = files.entry(&statement.file).or_default();
        let mut lines = statement.remarks.clone();
        if let Some(values) = &statement.parameters {
            let values: Vec<&str> = values.iter().map(|value| value.as_deref().unwrap_or("\\N")).collect();
            lines.push(format!("-- params: {}", values.join(" | ")));
        }
        if statement.ties {
            lines.push("-- ties".to_owned());
        }
        lines.extend(statement.upstream.print().map(|mark| format!("-- upstream: {mark}")));
        lines.extend(statement.files.print().map(|mark| format!("-- files: {mark}")));
        lines.push(format!("{};", statement.sql));
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
    }
    for (file, text) in files {
        std::fs::write(file, text).unwrap();
    }
}
