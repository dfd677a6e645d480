//! What is read of SQL: two readers that agree, text that means its tree, constants that no log shows.

use crate::sql::{ParseBounds, ParsedStatement, Templates, parse, print_checked, read_expression, redact_unparsed};
use arbitrary::{Arbitrary, Unstructured};

/// In every constant and comment of [`redact`]'s texts, and nowhere else in them.
const CANARY: &str = "zqx";

fn read(input: &[u8]) -> Option<(&str, Vec<ParsedStatement>)> {
    let text = std::str::from_utf8(input).ok()?;
    Some((text, parse(text, &ParseBounds::default()).ok()?))
}

/// Any text: what is read can be told without its constants, alike each time.
pub(super) fn parse_text(input: &[u8]) {
    let Some((text, statements)) = read(input) else { return };
    let again = parse(text, &ParseBounds::default()).expect("it was read before");
    assert_eq!(statements, again, "{text:?}");
    for statement in &statements {
        let told = statement.sanitized().as_str();
        assert!(!told.contains(['\0', '\n', '\r']), "{text:?} is told as {told:?}");
    }
}

/// Any query: its tree prints as a text that means it, and that text as itself.
pub(super) fn print(input: &[u8]) {
    let Some((text, statements)) = read(input) else { return };
    for query in statements.iter().filter_map(ParsedStatement::query) {
        let Ok(printed) = print_checked(query) else { continue };
        let read = crate::sql::read_back(&printed).unwrap_or_else(|error| panic!("{text:?} as {printed:?}: {error}"));
        assert_eq!(*read, *query, "{text:?} as {printed:?}");
        assert_eq!(read.to_string(), printed, "{text:?}");
    }
}

/// A policy's expression, which is read for every statement of everybody.
pub(super) fn policy_expression(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(expression) = read_expression(text) {
        let printed = expression.to_string();
        if let Ok(again) = read_expression(&printed) {
            assert_eq!(again, expression, "{text:?} as {printed:?}");
        }
    }
}

/// A piece of a text whose constants are known.
#[derive(Debug, Arbitrary)]
enum Piece {
    Quoted { prefix: u8, body: u8 },
    Dollar { tag: u8, body: u8 },
    Comment { block: bool, body: u8 },
    Number(u32),
    Symbol(u8),
    Word(u8),
    Name(u8),
    Glue(u8),
}

fn pick<'a>(from: &[&'a str], index: u8) -> &'a str {
    from[usize::from(index) % from.len()]
}

impl Piece {
    fn write(&self, out: &mut String) {
        const BODIES: [&str; 8] =
            ["zqx", "zqx''zqx", "zqx\\\\", "zqx\\'", "zqx;zqx", "zqx--zqx", "zqx/*zqx", "zqx\nzqx$zqx"];
        match *self {
            Self::Quoted { prefix, body } => {
                let (prefix, body) = (pick(&["", "E", "e", "U&", "N", "B", "X"], prefix), pick(&BODIES, body));
                // Behind a prefix that knows no backslash, a body that ends in one would open what follows.
                let plain = !matches!(prefix, "E" | "e");
                let body = if plain { body.replace("\\'", "") } else { body.to_owned() };
                *out += &format!(" {prefix}'{body}'");
            }
            Self::Dollar { tag, body } => {
                let tag = pick(&["", "t", "zqy", "_a1"], tag);
                let body = pick(&BODIES, body).replace('$', "");
                *out += &format!(" ${tag}${body}${tag}$");
            }
            Self::Comment { block, body } => {
                let body = pick(&["zqx", "zqx'", "zqx\"", "zqx$$", "zqx;"], body);
                *out += &if block { format!("/*{body}*/") } else { format!("--{body}\n") };
            }
            Self::Number(number) => *out += &format!(" {number}"),
            // Apart, so that two of them are no comment.
            Self::Symbol(symbol) => {
                let symbols = ["(", ")", ",", ";", "=", "<", "-", "+", "*", "::", ".", "[", "]", "||", "$1", "@"];
                *out += &format!(" {} ", pick(&symbols, symbol));
            }
            Self::Word(word) => {
                *out += pick(
                    &[
                        " SELECT ",
                        " FROM ",
                        " WHERE ",
                        " SET ",
                        " TO ",
                        " LOCAL ",
                        " AS ",
                        " AND ",
                        " INTERVAL ",
                        " COPY ",
                        " DATE ",
                        " NULL ",
                        " UESCAPE ",
                        " ESCAPE ",
                        " PREPARE ",
                        " EXECUTE ",
                        " TIME ZONE ",
                        " DECLARE ",
                    ],
                    word,
                );
            }
            Self::Name(name) => *out += pick(&[" a ", " \"b c\" ", " U&\"d\" ", " x1 ", " é "], name),
            Self::Glue(glue) => *out += pick(&[" ", "\n", "\t", "", "\u{a0}"], glue),
        }
    }
}

/// Whatever is sent, no constant of it and no comment is shown; nor is it by those who parse.
pub(super) fn redact(input: &[u8]) {
    let mut bytes = Unstructured::new(input);
    let mut text = String::new();
    while !bytes.is_empty() && text.len() < 4000 {
        let Ok(piece) = Piece::arbitrary(&mut bytes) else { break };
        piece.write(&mut text);
    }
    let told = redact_unparsed(&text);
    assert!(!told.as_str().contains(CANARY), "{text:?} is told as {told}");
    assert_eq!(redact_unparsed(told.as_str()), told, "{text:?}");
    if let Ok(statements) = parse(&text, &ParseBounds::default()) {
        for statement in &statements {
            assert!(!statement.sanitized().as_str().contains(CANARY), "{text:?} is told as {}", statement.sanitized());
        }
    }
    if let Ok(text) = std::str::from_utf8(input) {
        let told = redact_unparsed(text);
        assert_eq!(redact_unparsed(told.as_str()), told, "{text:?}");
    }
}

/// A text by way of templates, twice, and one with other numbers: each is read as it is without them.
pub(super) fn template(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let templates = Templates::default();
    let other: String = text.chars().map(|c| if c.is_ascii_digit() { '7' } else { c }).collect();
    for text in [text, text, &other, text] {
        let (plain, templated) =
            (parse(text, &ParseBounds::default()), templates.read("r", text, &ParseBounds::default()));
        match (plain, templated) {
            (Ok(plain), Ok(templated)) => {
                assert_eq!(plain.len(), templated.len(), "{text:?}");
                for (plain, templated) in plain.iter().zip(&templated) {
                    assert_eq!(plain.tree(), templated.tree(), "{text:?}");
                    assert_eq!(plain.sanitized(), templated.sanitized(), "{text:?}");
                    assert_eq!(plain.fingerprint(), templated.fingerprint(), "{text:?}");
                    assert_eq!(plain.parameters(), templated.parameters(), "{text:?}");
                }
            }
            (Err(plain), Err(templated)) => assert_eq!(plain.to_string(), templated.to_string(), "{text:?}"),
            (plain, templated) => panic!("{text:?}: {plain:?} without templates, {templated:?} with them"),
        }
    }
}
