//! YAML that means what was put into it, whatever names and comments a database holds.

use std::fmt::Write;

/// Words that readers of YAML take for something else than text.
const WORDS: [&str; 16] = [
    "false",
    "inf",
    "infinity",
    "n",
    "nan",
    "nil",
    "no",
    "none",
    "null",
    "off",
    "on",
    "true",
    "undefined",
    "y",
    "yes",
    "~",
];

/// A text as one scalar, also within `{…}` and `[…]`: plain where nothing can take it for anything else, quoted elsewhere.
pub(super) fn scalar(text: &str) -> String {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_plain = text.chars().next().is_some_and(letter)
        && text.chars().all(|c| letter(c) || c.is_ascii_digit() || c == '.')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { quoted(text) }
}

/// A text in double quotes, on one line.
pub(super) fn quoted(text: &str) -> String {
    // The catalog's reader counts brackets, also in quotes: those without their partners would add up over a file.
    let brackets_pair = is_balanced(text);
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        // Writing to a String can't fail.
        let _ = match letter {
            '"' => write!(quoted, "\\\""),
            '\\' => write!(quoted, "\\\\"),
            '\n' => write!(quoted, "\\n"),
            '\r' => write!(quoted, "\\r"),
            '\t' => write!(quoted, "\\t"),
            '[' | ']' | '{' | '}' if !brackets_pair => write!(quoted, "\\x{:02X}", u32::from(letter)),
            other if is_shown(other) => write!(quoted, "{other}"),
            other if u32::from(other) <= 0xFF => write!(quoted, "\\x{:02X}", u32::from(other)),
            other if u32::from(other) <= 0xFFFF => write!(quoted, "\\u{:04X}", u32::from(other)),
            other => write!(quoted, "\\U{:08X}", u32::from(other)),
        };
    }
    quoted.push('"');
    quoted
}

/// A text within a comment: on one line, with nothing that a terminal obeys.
pub(super) fn remark(text: &str) -> String {
    text.chars()
        .map(|letter| if is_shown(letter) && !matches!(letter, '[' | ']' | '{' | '}') { letter } else { '?' })
        .collect()
}

/// What every reader and terminal takes as the letter that it is.
fn is_shown(letter: char) -> bool {
    let strange = matches!(u32::from(letter),
        0x00AD | 0x061C | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xE000..=0xF8FF | 0xFEFF | 0xFFF0..=0xFFFF
        | 0xE0000..);
    !letter.is_control() && !strange
}

/// Whether each bracket has its partner, and few are open at once.
fn is_balanced(text: &str) -> bool {
    const DEEPEST: usize = 8;
    let mut open = Vec::new();
    for letter in text.chars() {
        match letter {
            '[' => open.push(']'),
            '{' => open.push('}'),
            ']' | '}' if open.pop() != Some(letter) => return false,
            _other => {}
        }
        if open.len() > DEEPEST {
            return false;
        }
    }
    open.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{CatalogFile, load};
    use proptest::prelude::*;

    /// What the catalog's own reader makes of a description.
    fn read_back(text: &str) -> Option<String> {
        let written = format!(
            "sources: [{{name: s, kind: files, location: x}}]\ndatasets:\n  - {{name: a.b, source: s, location: a.csv, \
             tier: RAW, description: {}}}\n",
            scalar(text)
        );
        let (spec, findings) = load(&[CatalogFile { path: "c.yaml".into(), text: written.clone() }]);
        assert!(findings.is_empty(), "{written}\n{findings:?}");
        let schema = vec![crate::catalog::InferredColumn {
            name: "a".into(),
            sql_type: crate::types::SqlType::Text,
            nullable: true,
        }];
        let name = crate::types::DatasetName::new("a", "b");
        let (snapshot, _) = spec?.assemble(&[(name.clone(), schema)].into());
        snapshot?.dataset(&name)?.description.clone()
    }

    #[test]
    fn what_looks_like_something_else_stays_text() {
        for text in [
            "yes",
            "No",
            "null",
            "~",
            "true",
            "1e3",
            "0x10",
            "12",
            "-",
            "- a",
            "a: b",
            "a #b",
            "#",
            "'",
            "\"",
            "\\",
            "a\nb",
            "{",
            "[[[",
            "]",
            "}{",
            "[a] {b}",
            "&a",
            "*a",
            "!t",
            "| x",
            "> y",
            "%",
            "@",
            "`",
            "a,b",
            "?",
            ": ",
            "été",
            "名前",
            "a\u{85}b",
            "\u{feff}x",
            "a\u{2028}b",
            "\u{e000}",
            "\u{1b}[31m",
            "nan",
            ".inf",
            "2024-01-01",
            "x ",
            " x",
            "---",
            "...",
            "<<",
            "=",
            "a\tb",
        ] {
            assert_eq!(read_back(text).as_deref(), Some(text), "{text:?}");
            assert!(!scalar(text).contains(['\n', '\u{1b}']), "{text:?}");
        }
        assert_eq!(
            (scalar("sales.people"), scalar("created_at"), scalar("Yes")),
            ("sales.people".into(), "created_at".into(), "\"Yes\"".into())
        );
        assert_eq!(remark("a\nb {\u{1b}[0m"), "a?b ???0m");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn any_text_is_read_back(text in "\\PC{1,30}|.{1,30}|[\\[\\]{}:#'\"\\\\ \n,-]{1,30}") {
            prop_assume!(!text.trim().is_empty() && !text.contains('\0'));
            prop_assert_eq!(read_back(&text), Some(text));
        }
    }
}
