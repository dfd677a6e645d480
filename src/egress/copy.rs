//! COPY TO STDOUT: the text, CSV and binary formats ("COPY" in the manual, "File Formats").

use crate::error::{ErrorReport, SqlState};
use bytes::{BufMut, BytesMut};

/// What a COPY writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyFormat {
    /// `FORMAT text`
    Text(CopyText),
    /// `FORMAT csv`
    Csv(CopyCsv),
    /// `FORMAT binary`
    Binary,
}

impl CopyFormat {
    /// CopyOutResponse's overall format: 1 for binary.
    pub fn code(&self) -> i8 {
        match self {
            Self::Text(_) | Self::Csv(_) => 0,
            Self::Binary => 1,
        }
    }
}

/// Options of `FORMAT text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyText {
    /// Between columns.
    pub delimiter: u8,
    /// What stands for NULL.
    pub null: String,
    /// Whether the first line names the columns.
    pub header: bool,
}

impl Default for CopyText {
    fn default() -> Self {
        Self { delimiter: b'\t', null: "\\N".to_owned(), header: false }
    }
}

impl CopyText {
    /// Holds the options to PostgreSQL's rules.
    ///
    /// # Errors
    /// 22023 or 0A000, as PostgreSQL says it.
    pub fn check(&self) -> Result<(), ErrorReport> {
        check_delimiter(self.delimiter, &self.null)?;
        if b"\\.abcdefghijklmnopqrstuvwxyz0123456789".contains(&self.delimiter) {
            return Err(invalid(format!("COPY delimiter cannot be \"{}\"", char::from(self.delimiter))));
        }
        Ok(())
    }

    pub(super) fn put_line_end(out: &mut BytesMut) {
        out.put_u8(b'\n');
    }

    /// Writes a value with what would be misread escaped by a backslash.
    pub(super) fn put_value(&self, value: &[u8], out: &mut BytesMut) {
        let escaped = |byte: &u8| match byte {
            0x08 => Some(b'b'),
            0x0c => Some(b'f'),
            b'\n' => Some(b'n'),
            b'\r' => Some(b'r'),
            b'\t' => Some(b't'),
            0x0b => Some(b'v'),
            b'\\' => Some(b'\\'),
            other if *other == self.delimiter => Some(*other),
            _ => None,
        };
        let mut rest = value;
        // Most values hold nothing to escape. To look at all of one, whatever is found, takes whole registers of it at a time.
        let suspicious = |byte: &u8| (*byte < b' ') | (*byte == b'\\') | (*byte == self.delimiter);
        if !value.iter().fold(false, |found, byte| found | suspicious(byte)) {
            return out.put_slice(value);
        }
        while let Some((at, escaped)) = rest.iter().enumerate().find_map(|(at, byte)| Some((at, escaped(byte)?))) {
            let (clean, behind) = rest.split_at(at);
            out.put_slice(clean);
            out.put_slice(&[b'\\', escaped]);
            rest = behind.get(1..).unwrap_or_default();
        }
        out.put_slice(rest);
    }
}

/// Options of `FORMAT csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyCsv {
    /// Between columns.
    pub delimiter: u8,
    /// What stands for NULL, never quoted.
    pub null: String,
    /// Whether the first line names the columns.
    pub header: bool,
    /// Around values that need it.
    pub quote: u8,
    /// Before a quote inside a quoted value.
    pub escape: u8,
    /// Columns to quote even where there is no need.
    pub force_quote: ForceQuote,
}

/// `FORCE_QUOTE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForceQuote {
    /// No column.
    None,
    /// `*`
    All,
    /// These columns, by name.
    Columns(Vec<String>),
}

impl Default for CopyCsv {
    fn default() -> Self {
        Self {
            delimiter: b',',
            null: String::new(),
            header: false,
            quote: b'"',
            escape: b'"',
            force_quote: ForceQuote::None,
        }
    }
}

impl CopyCsv {
    /// Holds the options to PostgreSQL's rules, for a result with these columns.
    ///
    /// # Errors
    /// 22023, or 42703 for a column that the result doesn't have, as PostgreSQL says it.
    pub fn check(&self, columns: &[&str]) -> Result<(), ErrorReport> {
        check_delimiter(self.delimiter, &self.null)?;
        if self.delimiter == self.quote {
            return Err(invalid("COPY delimiter and quote must be different"));
        }
        if !self.null.is_empty() && self.null.as_bytes().contains(&self.quote) {
            return Err(invalid("CSV quote character must not appear in the NULL specification"));
        }
        for (byte, what) in [(self.quote, "quote"), (self.escape, "escape")] {
            if byte == 0 || !byte.is_ascii() || byte == b'\n' || byte == b'\r' {
                return Err(invalid(format!("COPY {what} must be a single one-byte character")));
            }
        }
        if let ForceQuote::Columns(named) = &self.force_quote
            && let Some(absent) = named.iter().find(|name| !columns.contains(&name.as_str()))
        {
            return Err(ErrorReport::new(SqlState::UNDEFINED_COLUMN, format!("column \"{absent}\" does not exist")));
        }
        Ok(())
    }

    pub(super) fn forces(&self, column: &str) -> bool {
        match &self.force_quote {
            ForceQuote::None => false,
            ForceQuote::All => true,
            ForceQuote::Columns(named) => named.iter().any(|name| name == column),
        }
    }

    /// Writes a value, quoted where it must be. `only` is whether the row has no other column: then `\.` alone on its
    /// line would read as the end of the data.
    pub(super) fn put_value(&self, value: &[u8], forced: bool, only: bool, out: &mut BytesMut) {
        // All of a value is looked at, whatever is found: whole registers of it at a time.
        let special =
            |byte: &u8| (*byte == self.delimiter) | (*byte == self.quote) | (*byte == b'\n') | (*byte == b'\r');
        let quoted = forced
            || value == self.null.as_bytes()
            || (only && value == b"\\.")
            || value.iter().fold(false, |found, byte| found | special(byte));
        if !quoted {
            return out.put_slice(value);
        }
        out.put_u8(self.quote);
        let mut rest = value;
        while let Some(at) = rest.iter().position(|byte| *byte == self.quote || *byte == self.escape) {
            let (clean, behind) = rest.split_at(at);
            out.put_slice(clean);
            out.put_u8(self.escape);
            out.put_slice(behind.get(..1).unwrap_or_default());
            rest = behind.get(1..).unwrap_or_default();
        }
        out.put_slice(rest);
        out.put_u8(self.quote);
    }
}

/// What opens a binary COPY: signature, flags, and no header extension.
pub(super) const BINARY_HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What ends a binary COPY.
pub(super) const BINARY_TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

fn check_delimiter(delimiter: u8, null: &str) -> Result<(), ErrorReport> {
    if delimiter == 0 || !delimiter.is_ascii() {
        return Err(ErrorReport::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "COPY delimiter must be a single one-byte character",
        ));
    }
    if matches!(delimiter, b'\n' | b'\r') {
        return Err(invalid("COPY delimiter cannot be newline or carriage return"));
    }
    if null.contains(['\n', '\r', '\0']) {
        return Err(invalid("COPY null representation cannot use newline or carriage return"));
    }
    if null.as_bytes().contains(&delimiter) {
        return Err(invalid("COPY delimiter character must not appear in the NULL specification"));
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> ErrorReport {
    ErrorReport::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
        let mut out = BytesMut::new();
        write(&mut out);
        out.to_vec()
    }

    #[test]
    fn text_escapes_what_would_be_misread() {
        let text = CopyText::default();
        assert_eq!(written(|out| text.put_value(b"a\tb\nc\\d\re\x08\x0b\x0c", out)), b"a\\tb\\nc\\\\d\\re\\b\\v\\f");
        let piped = CopyText { delimiter: b'|', ..CopyText::default() };
        assert_eq!(written(|out| piped.put_value(b"a|b", out)), b"a\\|b");
        // A value that looks like the sign for NULL does not read as one.
        assert_eq!(written(|out| text.put_value(b"\\N", out)), b"\\\\N");
    }

    #[test]
    fn csv_quotes_what_would_be_misread() {
        let csv = CopyCsv::default();
        let quote = |value: &[u8], forced, only| {
            String::from_utf8(written(|out| csv.put_value(value, forced, only, out))).unwrap()
        };
        assert_eq!(quote(b"plain", false, false), "plain");
        assert_eq!(quote(b"plain", true, false), "\"plain\"");
        assert_eq!(quote(b"a,b", false, false), "\"a,b\"");
        assert_eq!(quote(b"say \"hi\"", false, false), "\"say \"\"hi\"\"\"");
        assert_eq!(quote(b"two\nlines", false, false), "\"two\nlines\"");
        assert_eq!(quote(b"", false, false), "\"\"", "an empty text is not NULL");
        assert_eq!(quote(b"\\.", false, true), "\"\\.\"");
        assert_eq!(quote(b"\\.", false, false), "\\.");
        let escaping = CopyCsv { escape: b'\\', ..CopyCsv::default() };
        assert_eq!(written(|out| escaping.put_value(b"a\"b\\,", false, false, out)), b"\"a\\\"b\\\\,\"");
    }

    #[test]
    fn options_that_cannot_be_read_back_are_refused() {
        assert!(CopyText::default().check().is_ok());
        assert!(CopyText { delimiter: b'a', ..CopyText::default() }.check().is_err());
        assert!(CopyText { delimiter: b'|', null: "a|b".into(), ..CopyText::default() }.check().is_err());
        assert!(CopyText { delimiter: b'\n', ..CopyText::default() }.check().is_err());
        assert!(CopyCsv::default().check(&[]).is_ok());
        assert!(CopyCsv { quote: b',', ..CopyCsv::default() }.check(&[]).is_err());
        assert!(CopyCsv { null: "\"".into(), ..CopyCsv::default() }.check(&[]).is_err());
        let forced = CopyCsv { force_quote: ForceQuote::Columns(vec!["b".into()]), ..CopyCsv::default() };
        assert_eq!(forced.check(&["a"]).unwrap_err().sqlstate, SqlState::UNDEFINED_COLUMN);
        assert!(forced.check(&["a", "b"]).is_ok());
    }
}
