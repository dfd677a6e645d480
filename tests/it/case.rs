//! Case files: a head of `key: value` lines, then sections that begin with `--- name`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One case of a file. A file holds one or more, divided by lines of `======`.
#[derive(Debug, Clone, Default)]
pub struct Case {
    pub file: PathBuf,
    pub number: usize,
    pub head: BTreeMap<String, String>,
    pub sections: Vec<(String, String)>,
}

impl Case {
    pub fn get(&self, key: &str) -> Option<&str> {
        self.head.get(key).map(String::as_str)
    }

    pub fn section(&self, name: &str) -> Option<&str> {
        self.sections.iter().find(|(section, _)| section == name).map(|(_, text)| text.as_str())
    }

    pub fn set(&mut self, name: &str, text: &str) {
        match self.sections.iter_mut().find(|(section, _)| section == name) {
            Some((_, old)) => *old = text.to_owned(),
            None => self.sections.push((name.to_owned(), text.to_owned())),
        }
    }

    pub fn name(&self) -> String {
        format!("{}#{}", self.file.file_stem().unwrap().to_string_lossy(), self.number)
    }

    fn parse(file: &Path, number: usize, text: &str) -> Self {
        let mut case = Self { file: file.to_owned(), number, ..Self::default() };
        for line in text.lines() {
            if let Some(section) = line.strip_prefix("--- ") {
                case.sections.push((section.trim().to_owned(), String::new()));
            } else if let Some((_, text)) = case.sections.last_mut() {
                text.push_str(line);
                text.push('\n');
            } else if let Some((key, value)) = line.split_once(':') {
                case.head.insert(key.trim().to_owned(), value.trim().to_owned());
            }
        }
        for (_, text) in &mut case.sections {
            *text = text.trim_end().to_owned();
        }
        case
    }

    fn print(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.head {
            text.push_str(&format!("{key}: {value}\n"));
        }
        for (section, body) in &self.sections {
            text.push_str(&format!("--- {section}\n{body}\n"));
        }
        text
    }
}

const DIVIDER: &str = "======\n";

/// All cases below a folder of `testdata`, in order.
pub fn cases(folder: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|of| of == "case"))
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            let parts: Vec<String> = text.split(DIVIDER).map(str::to_owned).collect();
            parts.into_iter().enumerate().map(|(index, part)| Case::parse(file, index + 1, &part)).collect::<Vec<_>>()
        })
        .collect()
}

/// Whether golden files are to be rewritten.
pub fn updating() -> bool {
    std::env::var_os("QUERYGATE_UPDATE").is_some()
}

/// Writes cases back to their files.
pub fn write(cases: &[Case]) {
    let mut files: BTreeMap<&Path, Vec<String>> = BTreeMap::new();
    for case in cases {
        files.entry(&case.file).or_default().push(case.print());
    }
    for (file, parts) in files {
        std::fs::write(file, parts.join(DIVIDER)).unwrap();
    }
}
