//! The options of COPY TO, checked and completed as PostgreSQL does it (`ProcessCopyOptions`).

use super::command::{CopyFormat, CopyOptions, ForceQuote, Refused};
use crate::error::SqlState;

/// What a COPY asks for; what it leaves out is `None`.
#[derive(Default)]
pub(super) struct Asked {
    binary: bool,
    pub(super) force_quote: Option<ForceQuote>,
    format: Option<CopyFormat>,
    delimiter: Option<String>,
    null: Option<String>,
    header: Option<bool>,
    quote: Option<String>,
    escape: Option<String>,
    encoding: Option<String>,
}

impl Asked {
    /// Nothing yet; `binary` is the old `COPY BINARY`.
    pub(super) fn new(binary: bool) -> Self {
        Self { binary, ..Self::default() }
    }

    /// Takes one option by its lower-case name.
    pub(super) fn set(&mut self, name: &str, value: Option<String>) -> Result<(), Refused> {
        let twice = || wrong("conflicting or redundant options");
        let needs = |value: Option<String>| value.ok_or_else(|| wrong(&format!("{name} requires a parameter")));
        let replaced = match name {
            "format" => self.format.replace(format_of(&needs(value)?)?).is_some(),
            "delimiter" => self.delimiter.replace(needs(value)?).is_some(),
            "null" => self.null.replace(needs(value)?).is_some(),
            "quote" => self.quote.replace(needs(value)?).is_some(),
            "escape" => self.escape.replace(needs(value)?).is_some(),
            "encoding" => self.encoding.replace(needs(value)?.to_lowercase()).is_some(),
            "header" => {
                self.header.replace(boolean(name, value.map(|value| value.to_lowercase()).as_deref())?).is_some()
            }
            "force_not_null" | "force_null" | "default" | "freeze" | "on_error" | "log_verbosity" | "reject_limit" => {
                return Err(invalid(&format!("COPY {} cannot be used with COPY TO", name.to_uppercase())));
            }
            _ => return Err(wrong(&format!("option \"{name}\" not recognized"))),
        };
        if replaced { Err(twice()) } else { Ok(()) }
    }

    /// Fills in the defaults.
    pub(super) fn resolve(self) -> Result<CopyOptions, Refused> {
        let format = match (self.binary, self.format) {
            (true, Some(_)) => return Err(wrong("conflicting or redundant options")),
            (true, None) => CopyFormat::Binary,
            (false, format) => format.unwrap_or(CopyFormat::Text),
        };
        let csv = format == CopyFormat::Csv;
        if format == CopyFormat::Binary {
            for (given, name) in [
                (self.delimiter.is_some(), "DELIMITER"),
                (self.null.is_some(), "NULL"),
                (self.header == Some(true), "HEADER"),
            ] {
                if given {
                    return Err(wrong(&format!("cannot specify {name} in BINARY mode")));
                }
            }
        }
        if !csv {
            for (given, name) in [
                (self.quote.is_some(), "QUOTE"),
                (self.escape.is_some(), "ESCAPE"),
                (self.force_quote.is_some(), "FORCE_QUOTE"),
            ] {
                if given {
                    return Err(unsupported(&format!("COPY {name} requires CSV mode")));
                }
            }
        }
        let delimiter = match self.delimiter {
            Some(text) => one_byte("delimiter", &text)?,
            None if csv => ',',
            None => '\t',
        };
        let quote = self.quote.map_or(Ok('"'), |text| one_byte("quote", &text))?;
        let escape = self.escape.map_or(Ok(quote), |text| one_byte("escape", &text))?;
        let null = self.null.unwrap_or_else(|| if csv { String::new() } else { "\\N".to_owned() });
        if matches!(delimiter, '\n' | '\r') {
            return Err(invalid("COPY delimiter cannot be newline or carriage return"));
        }
        if null.contains(['\n', '\r']) {
            return Err(invalid("COPY null representation cannot use newline or carriage return"));
        }
        if !csv && (delimiter.is_ascii_lowercase() || delimiter.is_ascii_digit() || matches!(delimiter, '\\' | '.')) {
            return Err(invalid(&format!("COPY delimiter cannot be \"{delimiter}\"")));
        }
        if csv && delimiter == quote {
            return Err(invalid("COPY delimiter and quote must be different"));
        }
        if null.contains(delimiter) {
            return Err(invalid("COPY delimiter character must not appear in the NULL specification"));
        }
        if csv && null.contains(quote) {
            return Err(invalid("CSV quote character must not appear in the NULL specification"));
        }
        Ok(CopyOptions {
            format,
            delimiter,
            null,
            header: self.header.unwrap_or(false),
            quote,
            escape,
            force_quote: self.force_quote.unwrap_or(ForceQuote::None),
            encoding: self.encoding,
        })
    }
}

/// PostgreSQL's reading of a boolean option; an option without a value is on.
pub(super) fn boolean(option: &str, value: Option<&str>) -> Result<bool, Refused> {
    match value {
        None | Some("true" | "on" | "1") => Ok(true),
        Some("false" | "off" | "0") => Ok(false),
        Some(_) => Err(Refused::wrong(SqlState::SYNTAX_ERROR, format!("{option} requires a Boolean value"))),
    }
}

fn format_of(word: &str) -> Result<CopyFormat, Refused> {
    match word {
        "text" => Ok(CopyFormat::Text),
        "csv" => Ok(CopyFormat::Csv),
        "binary" => Ok(CopyFormat::Binary),
        _ => Err(invalid(&format!("COPY format \"{word}\" not recognized"))),
    }
}

fn one_byte(what: &str, text: &str) -> Result<char, Refused> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) if c.is_ascii() => Ok(c),
        _ => Err(unsupported(&format!("COPY {what} must be a single one-byte character"))),
    }
}

fn wrong(message: &str) -> Refused {
    Refused::wrong(SqlState::SYNTAX_ERROR, message)
}

fn invalid(message: &str) -> Refused {
    Refused::wrong(SqlState::INVALID_PARAMETER_VALUE, message)
}

fn unsupported(message: &str) -> Refused {
    Refused::wrong(SqlState::FEATURE_NOT_SUPPORTED, message)
}
