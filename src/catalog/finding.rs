//! What a catalog's author is told: each mistake with its place, and what to write instead.
//!
//! A finding never holds a secret: no verifier, no connection string, only names and keys.

use std::fmt::{self, Write as _};
use std::sync::Arc;

/// How bad a mistake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FindingSeverity {
    /// The catalog can't serve.
    Error,
    /// It can serve, but somebody should look.
    Warning,
}

impl fmt::Display for FindingSeverity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One mistake. `Ord` is the order of a report: by place, then by what it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Finding {
    /// The file, as it was named to the loader.
    pub file: String,
    /// Line, the first is 1; 0 if it is about the file as a whole.
    pub line: usize,
    /// Character in the line, the first is 1; 0 if it is about the file as a whole.
    pub column: usize,
    /// How bad it is.
    pub severity: FindingSeverity,
    /// What is wrong: lower case, no full stop.
    pub what: String,
    /// What to do about it.
    pub suggestion: Option<String>,
}

impl Finding {
    /// An error about a whole file, such as one that can't be read.
    pub fn in_file(file: impl Into<String>, what: impl Into<String>) -> Self {
        let (file, what) = (file.into(), what.into());
        Self { file, line: 0, column: 0, severity: FindingSeverity::Error, what, suggestion: None }
    }

    /// Whether it keeps the catalog from serving.
    pub fn is_error(&self) -> bool {
        self.severity == FindingSeverity::Error
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}: {}", self.severity, self.what)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "\n  help: {suggestion}"),
            None => Ok(()),
        }
    }
}

/// All findings as a text for a terminal: in the order of files and lines, each once, with a count at the end.
pub fn check_report(findings: &[Finding]) -> String {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort();
    sorted.dedup();
    let errors = sorted.iter().filter(|finding| finding.is_error()).count();
    let warnings = sorted.len().saturating_sub(errors);
    let mut report = String::new();
    for finding in &sorted {
        // Writing to a String can't fail.
        let _ = writeln!(report, "{finding}");
    }
    let count = |number: usize, what: &str| match number {
        0 => None,
        1 => Some(format!("1 {what}")),
        many => Some(format!("{many} {what}s")),
    };
    let counts: Vec<String> = [count(errors, "error"), count(warnings, "warning")].into_iter().flatten().collect();
    if counts.is_empty() {
        report.push_str("no mistakes found\n");
    } else {
        let _ = writeln!(report, "\n{}", counts.join(", "));
    }
    report
}

/// Where something stands in the catalog's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: Arc<str>,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// The findings of one load.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn error(&mut self, place: &Place, what: impl Into<String>, suggestion: Option<String>) {
        self.add(place, FindingSeverity::Error, what.into(), suggestion);
    }

    pub(super) fn warning(&mut self, place: &Place, what: impl Into<String>, suggestion: Option<String>) {
        self.add(place, FindingSeverity::Warning, what.into(), suggestion);
    }

    pub(super) fn has_errors(&self) -> bool {
        self.0.iter().any(Finding::is_error)
    }

    fn add(&mut self, place: &Place, severity: FindingSeverity, what: String, suggestion: Option<String>) {
        let (file, line, column) = (place.file.to_string(), place.line, place.column);
        self.0.push(Finding { file, line, column, severity, what, suggestion });
    }
}

/// `did you mean "x"?`, if one of the words is near.
pub(super) fn did_you_mean<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<String> {
    crate::types::nearest(word, words).map(|near| format!("did you mean {near:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_sorted_and_counted() {
        let at = |line, severity, what: &str, suggestion: Option<&str>| Finding {
            file: "catalog/a.yaml".into(),
            line,
            column: 3,
            severity,
            what: what.into(),
            suggestion: suggestion.map(Into::into),
        };
        let late = at(9, FindingSeverity::Error, "unknown key \"teir\"", Some("did you mean \"tier\"?"));
        let early = at(2, FindingSeverity::Warning, "column \"x\" is not listed", None);
        let report = check_report(&[late.clone(), early, late, Finding::in_file("b.yaml", "can't be read")]);
        assert_eq!(
            report,
            "b.yaml: error: can't be read\n\
             catalog/a.yaml:2:3: warning: column \"x\" is not listed\n\
             catalog/a.yaml:9:3: error: unknown key \"teir\"\n  help: did you mean \"tier\"?\n\n\
             2 errors, 1 warning\n"
        );
        assert_eq!(check_report(&[]), "no mistakes found\n");
    }
}
