//! A script of psql's, taken apart as psql does it: statements, the data of COPY, commands that begin with a backslash.

use std::collections::BTreeMap;

/// One step of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A statement, with the variables as they were written, and how it ends: `;`, or a command such as `\gset`.
    Statement { line: usize, text: String, ending: String, data: Option<String> },
    /// A command by itself: its words, as written.
    Command(String),
}

/// Reads a whole script.
pub(super) fn read(script: &str) -> Vec<Step> {
    Reader { text: script.as_bytes(), at: 0, steps: Vec::new(), escapes: false }.run()
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    steps: Vec<Step>,
    /// Whether a backslash escapes in a plain string, as the script last said.
    escapes: bool,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn slice(&self, from: usize, to: usize) -> String {
        String::from_utf8_lossy(&self.text[from..to.min(self.text.len())]).into_owned()
    }

    fn rest_of_line(&mut self) -> String {
        let from = self.at;
        while self.at < self.text.len() && self.text[self.at] != b'\n' {
            self.at += 1;
        }
        self.slice(from, self.at).trim().to_owned()
    }

    fn run(mut self) -> Vec<Step> {
        let mut buffer = String::new();
        let (mut start, mut parens, mut blocks) = (0, 0_usize, 0_usize);
        let mut words: Vec<String> = Vec::new();
        while self.at < self.text.len() {
            let (from, byte) = (self.at, self.text[self.at]);
            if buffer.trim().is_empty() {
                start = self.at;
            }
            match byte {
                b'-' if self.peek(1) == b'-' => {
                    self.rest_of_line();
                    continue;
                }
                b'/' if self.peek(1) == b'*' => {
                    self.comment();
                    buffer.push(' ');
                    continue;
                }
                b'\'' => {
                    let is_escaping = self.escapes || (from > 0 && matches!(self.text[from - 1], b'e' | b'E'));
                    self.quoted(b'\'', is_escaping);
                }
                b'"' => self.quoted(b'"', false),
                b'$' if from == 0 || !is_word(self.text[from - 1]) => self.dollars(),
                b'\\' if self.peek(1) == b';' => {
                    self.at += 2;
                    buffer.push(';');
                    continue;
                }
                b'\\' => {
                    let command = self.rest_of_line();
                    if command.starts_with("\\g") && !command.starts_with("\\getenv")
                        || command.starts_with("\\crosstab")
                    {
                        self.finish(&mut buffer, start, command);
                        (parens, blocks) = (0, 0);
                        words.clear();
                    } else {
                        self.steps.push(Step::Command(command));
                    }
                    continue;
                }
                b';' if parens == 0 && blocks == 0 => {
                    self.at += 1;
                    self.finish(&mut buffer, start, ";".to_owned());
                    words.clear();
                    continue;
                }
                b'(' => {
                    parens += 1;
                    self.at += 1;
                }
                b')' => {
                    parens = parens.saturating_sub(1);
                    self.at += 1;
                }
                _ if byte.is_ascii_alphabetic() => {
                    while is_word(self.peek(0)) {
                        self.at += 1;
                    }
                    let word = self.slice(from, self.at).to_ascii_lowercase();
                    let is_routine = words.first().is_some_and(|first| first == "create")
                        && words.iter().take(4).any(|word| word == "function" || word == "procedure");
                    match word.as_str() {
                        "begin" if is_routine => blocks += 1,
                        "case" if is_routine && blocks > 0 => blocks += 1,
                        "end" if is_routine => blocks = blocks.saturating_sub(1),
                        _other => {}
                    }
                    words.push(word);
                }
                _other => self.at += 1,
            }
            buffer.push_str(&self.slice(from, self.at));
        }
        self.steps
    }

    fn comment(&mut self) {
        let mut depth = 0;
        while self.at < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _other => self.at += 1,
            }
        }
    }

    fn quoted(&mut self, quote: u8, escapes: bool) {
        self.at += 1;
        while self.at < self.text.len() {
            let byte = self.text[self.at];
            self.at += if escapes && byte == b'\\' { 2 } else { 1 };
            if byte == quote {
                return;
            }
        }
    }

    fn dollars(&mut self) {
        let from = self.at;
        self.at += 1;
        while is_word(self.peek(0)) {
            self.at += 1;
        }
        if self.peek(0) != b'$' || self.text[from + 1].is_ascii_digit() {
            return;
        }
        self.at += 1;
        let tag = self.text[from..self.at].to_vec();
        let end = self.text[self.at..].windows(tag.len()).position(|window| window == tag);
        self.at = end.map_or(self.text.len(), |end| self.at + end + tag.len());
    }

    fn finish(&mut self, buffer: &mut String, start: usize, ending: String) {
        let text = std::mem::take(buffer).trim().to_owned();
        if text.is_empty() {
            return;
        }
        let folded = text.to_ascii_lowercase();
        if folded.starts_with("set") && folded.contains("standard_conforming_strings") {
            self.escapes = folded.contains("off") || folded.contains("false");
        }
        let takes_data = folded.starts_with("copy") && folded.contains("from stdin");
        let data = takes_data.then(|| {
            self.rest_of_line();
            self.at += 1;
            let mut data = String::new();
            loop {
                let line_start = self.at;
                self.rest_of_line();
                let line = self.slice(line_start, self.at);
                self.at += 1;
                if line == "\\." || self.at > self.text.len() {
                    break data;
                }
                data.push_str(&line);
                data.push('\n');
            }
        });
        let line = 1 + self.text[..start].iter().filter(|byte| **byte == b'\n').count();
        self.steps.push(Step::Statement { line, text, ending, data });
    }
}

/// Puts `:name`, `:'name'` and `:"name"` in, outside of strings.
pub(super) fn interpolated(text: &str, variables: &BTreeMap<String, String>) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at, mut in_string) = (Vec::new(), 0, false);
    while at < bytes.len() {
        let byte = bytes[at];
        if byte == b'\'' {
            in_string = !in_string;
        }
        if byte == b':' && !in_string {
            if bytes.get(at + 1) == Some(&b':') {
                out.extend_from_slice(b"::");
                at += 2;
                continue;
            }
            let quote = bytes.get(at + 1).copied().filter(|byte| matches!(byte, b'\'' | b'"'));
            let from = at + 1 + usize::from(quote.is_some());
            let mut to = from;
            while to < bytes.len() && is_word(bytes[to]) {
                to += 1;
            }
            let closed = quote.is_none_or(|quote| bytes.get(to) == Some(&quote));
            let value = std::str::from_utf8(&bytes[from..to]).ok().and_then(|name| variables.get(name));
            if let (Some(value), true) = (value, closed) {
                let value = match quote {
                    Some(b'\'') => format!("'{}'", value.replace('\'', "''")),
                    Some(_double) => format!("\"{}\"", value.replace('"', "\"\"")),
                    None => value.clone(),
                };
                out.extend_from_slice(value.as_bytes());
                at = to + usize::from(quote.is_some());
                continue;
            }
        }
        out.push(byte);
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn scripts_are_taken_apart_as_psql_does_it() {
    let script = "SELECT 'a;''b' /* ; /* ; */ */, $x$ ; $x$; -- ;\nCOPY t FROM stdin;\n1\t;\n\\.\n\
        CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END;\n\
        \\set x 1\nSELECT :x AS a, ':x'::text, :'x' \\gset\nSELECT E'\\';';";
    let steps = read(script);
    let texts: Vec<(usize, &str, &str)> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Statement { line, text, ending, data: _ } => Some((*line, text.as_str(), ending.as_str())),
            Step::Command(_) => None,
        })
        .collect();
    assert_eq!(
        texts,
        [
            (1, "SELECT 'a;''b'  , $x$ ; $x$", ";"),
            (2, "COPY t FROM stdin", ";"),
            (5, "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END", ";"),
            (7, "SELECT :x AS a, ':x'::text, :'x'", "\\gset"),
            (8, "SELECT E'\\';'", ";"),
        ]
    );
    assert!(matches!(&steps[1], Step::Statement { data: Some(data), .. } if data == "1\t;\n"));
    let variables = BTreeMap::from([("x".to_owned(), "it's".to_owned())]);
    assert_eq!(interpolated(texts[3].1, &variables), "SELECT it's AS a, ':x'::text, 'it''s'");
}
