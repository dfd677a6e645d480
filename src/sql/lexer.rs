//! PostgreSQL's tokens, after its `scan.l` (version 18): where each begins and ends in the text, and nothing else.
//!
//! It allocates nothing for what it reads and never recurses, so it can run on any text of any size before anything else does.
//! Redaction, bounds, positions and the comparison of two readings all rest on it: where it and PostgreSQL's own
//! scanner differ, it must be the one that refuses.

/// One token. White space and comments give none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    /// As written.
    pub(super) text: &'a str,
    /// Byte offset of its first byte.
    pub(super) start: usize,
}

impl Token<'_> {
    /// Byte offset behind it.
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether it is an unquoted word, in any case.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether it is this operator or punctuation.
    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }
}

/// The kinds of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A keyword or an identifier without quotes.
    Word,
    /// `"identifier"`
    QuotedIdentifier,
    /// `U&"identifier"`
    UnicodeIdentifier,
    /// `'text'`
    Text,
    /// `E'text'`
    EscapedText,
    /// `U&'text'`
    UnicodeText,
    /// `N'text'`
    NationalText,
    /// `B'0101'`
    Bits,
    /// `X'1f'`
    HexBits,
    /// `$$text$$`, `$tag$text$tag$`
    DollarText,
    /// Any number.
    Number,
    /// `$1`
    Parameter,
    /// An operator or punctuation.
    Symbol,
}

impl Kind {
    /// Whether it is a constant: what redaction takes out.
    pub(super) fn is_literal(self) -> bool {
        match self {
            Self::Word | Self::QuotedIdentifier | Self::UnicodeIdentifier | Self::Parameter | Self::Symbol => false,
            Self::Text
            | Self::EscapedText
            | Self::UnicodeText
            | Self::NationalText
            | Self::Bits
            | Self::HexBits
            | Self::DollarText
            | Self::Number => true,
        }
    }
}

/// A text that PostgreSQL's scanner refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LexError {
    /// PostgreSQL's message, without `at or near`.
    pub(super) message: &'static str,
    /// Byte offset of the token that went wrong.
    pub(super) start: usize,
}

/// The tokens of a text. After an error it ends.
pub(super) struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    failed: bool,
}

/// Reads a text.
pub(super) fn tokens(text: &str) -> Lexer<'_> {
    Lexer { text, bytes: text.as_bytes(), at: 0, failed: false }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Result<Token<'a>, LexError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let read = self.skip_space().and_then(|()| self.token());
        match read {
            Ok(token) => token.map(Ok),
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}

const UNTERMINATED_TEXT: &str = "unterminated quoted string";
const NUMBER_JUNK: &str = "trailing junk after numeric literal";

impl<'a> Lexer<'a> {
    /// The byte so many ahead; 0 is the end, and no text holds a 0.
    fn peek(&self, ahead: usize) -> u8 {
        self.byte(self.at + ahead)
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn skip_space(&mut self) -> Result<(), LexError> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => self.at += 1,
                (b'-', b'-') => self.at = self.line_end(self.at),
                (b'/', b'*') => self.skip_block_comment()?,
                _ => return Ok(()),
            }
        }
    }

    /// The offset of the next line break, or of the end.
    fn line_end(&self, from: usize) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        from + rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len())
    }

    fn skip_block_comment(&mut self) -> Result<(), LexError> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                (0, _) => return Err(LexError { message: "unterminated /* comment", start }),
                _ => self.at += 1,
            }
        }
    }

    fn token(&mut self) -> Result<Option<Token<'a>>, LexError> {
        let start = self.at;
        let kind = match (self.peek(0), self.peek(1), self.peek(2)) {
            (0, ..) => return Ok(None),
            (b'\'', ..) => self.quoted(0, Kind::Text)?,
            (b'e' | b'E', b'\'', _) => self.quoted(1, Kind::EscapedText)?,
            (b'n' | b'N', b'\'', _) => self.quoted(1, Kind::NationalText)?,
            (b'b' | b'B', b'\'', _) => self.quoted(1, Kind::Bits)?,
            (b'x' | b'X', b'\'', _) => self.quoted(1, Kind::HexBits)?,
            (b'u' | b'U', b'&', b'\'') => self.quoted(2, Kind::UnicodeText)?,
            (b'u' | b'U', b'&', b'"') => self.identifier_in_quotes(2, Kind::UnicodeIdentifier)?,
            (b'"', ..) => self.identifier_in_quotes(0, Kind::QuotedIdentifier)?,
            (b'0'..=b'9', ..) | (b'.', b'0'..=b'9', _) => self.number()?,
            (b'$', ..) => self.dollar()?,
            (first, ..) if is_identifier_start(first) => {
                self.skip_while(is_identifier_part);
                Kind::Word
            }
            (first, ..) if is_operator(first) => self.operator(),
            (b':', b':' | b'=', _) | (b'.', b'.', _) => self.symbol(2),
            (b',' | b'(' | b')' | b'[' | b']' | b'.' | b';' | b':', ..) => self.symbol(1),
            _ => return Err(LexError { message: "syntax error", start }),
        };
        // INVARIANT: every token begins and ends at ASCII or at the edge of a run of high bytes, so on a character.
        let text = self.text.get(start..self.at).ok_or(LexError { message: "syntax error", start })?;
        Ok(Some(Token { kind, text, start }))
    }

    fn symbol(&mut self, length: usize) -> Kind {
        self.at += length;
        Kind::Symbol
    }

    fn skip_while(&mut self, accept: impl Fn(u8) -> bool) {
        while self.peek(0) != 0 && accept(self.peek(0)) {
            self.at += 1;
        }
    }

    /// A text in single quotes, with all its continuations on following lines ("String Constants" in PostgreSQL's manual).
    fn quoted(&mut self, prefix: usize, kind: Kind) -> Result<Kind, LexError> {
        let start = self.at;
        self.at += prefix + 1;
        loop {
            match (self.peek(0), self.peek(1)) {
                (0, _) => return Err(LexError { message: UNTERMINATED_TEXT, start }),
                (b'\\', 0) if kind == Kind::EscapedText => return Err(LexError { message: UNTERMINATED_TEXT, start }),
                (b'\\', _) if kind == Kind::EscapedText => self.at += 2,
                (b'\'', b'\'') => self.at += 2,
                (b'\'', _) => {
                    self.at += 1;
                    match self.continuation() {
                        Some(next) => self.at = next,
                        None => return Ok(kind),
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    /// Behind a closing quote: the offset after the quote that takes the text up again, behind at least one line break.
    fn continuation(&self) -> Option<usize> {
        let mut at = self.at;
        let mut lines = 0_usize;
        loop {
            match (self.byte(at), self.byte(at + 1)) {
                (b'\n' | b'\r', _) => {
                    lines += 1;
                    at += 1;
                }
                (b' ' | b'\t' | 0x0b | 0x0c, _) => at += 1,
                (b'-', b'-') => at = self.line_end(at),
                (b'\'', _) if lines > 0 => return Some(at + 1),
                _ => return None,
            }
        }
    }

    fn identifier_in_quotes(&mut self, prefix: usize, kind: Kind) -> Result<Kind, LexError> {
        let start = self.at;
        self.at += prefix + 1;
        loop {
            match (self.peek(0), self.peek(1)) {
                (0, _) => return Err(LexError { message: "unterminated quoted identifier", start }),
                (b'"', b'"') => self.at += 2,
                (b'"', _) => {
                    self.at += 1;
                    return if self.at == start + prefix + 2 {
                        Err(LexError { message: "zero-length delimited identifier", start })
                    } else {
                        Ok(kind)
                    };
                }
                _ => self.at += 1,
            }
        }
    }

    fn number(&mut self) -> Result<Kind, LexError> {
        let start = self.at;
        let radix_digit: Option<fn(u8) -> bool> = match (self.peek(0), self.peek(1)) {
            (b'0', b'x' | b'X') => Some(|byte| byte.is_ascii_hexdigit()),
            (b'0', b'o' | b'O') => Some(|byte| matches!(byte, b'0'..=b'7')),
            (b'0', b'b' | b'B') => Some(|byte| matches!(byte, b'0' | b'1')),
            _ => None,
        };
        if let Some(is_digit) = radix_digit {
            self.at += 2;
            while is_digit(self.peek(0)) || (self.peek(0) == b'_' && is_digit(self.peek(1))) {
                self.at += 1;
            }
            if self.at == start + 2 {
                return Err(LexError { message: "invalid integer", start });
            }
            // The longest match wins: `0b12` is junk, not `0b1` and a 2.
            if is_identifier_part(self.peek(0)) {
                return Err(LexError { message: NUMBER_JUNK, start });
            }
        } else {
            self.decimal_digits();
            // `1..2` is a range of PL/pgSQL: the scanner gives the 1 alone.
            if self.peek(0) == b'.' && self.peek(1) != b'.' {
                self.at += 1;
                self.decimal_digits();
            }
            if matches!(self.peek(0), b'e' | b'E') {
                let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
                if self.peek(1 + sign).is_ascii_digit() {
                    self.at += 1 + sign;
                    self.decimal_digits();
                }
            }
        }
        if is_identifier_start(self.peek(0)) {
            return Err(LexError { message: NUMBER_JUNK, start });
        }
        Ok(Kind::Number)
    }

    fn decimal_digits(&mut self) {
        let digit = |byte: u8| byte.is_ascii_digit();
        let mut previous = false;
        while digit(self.peek(0)) || (previous && self.peek(0) == b'_' && digit(self.peek(1))) {
            previous = digit(self.peek(0));
            self.at += 1;
        }
    }

    fn dollar(&mut self) -> Result<Kind, LexError> {
        let start = self.at;
        self.at += 1;
        if self.peek(0).is_ascii_digit() {
            self.skip_while(|byte| byte.is_ascii_digit());
            return if is_identifier_start(self.peek(0)) {
                Err(LexError { message: "trailing junk after parameter", start })
            } else {
                Ok(Kind::Parameter)
            };
        }
        if is_identifier_start(self.peek(0)) {
            self.skip_while(|byte| is_identifier_part(byte) && byte != b'$');
        }
        if self.peek(0) != b'$' {
            return Err(LexError { message: "syntax error", start });
        }
        self.at += 1;
        let delimiter = self.text.get(start..self.at).unwrap_or("$$");
        let rest = self.text.get(self.at..).unwrap_or_default();
        match rest.find(delimiter) {
            Some(offset) => {
                self.at += offset + delimiter.len();
                Ok(Kind::DollarText)
            }
            None => Err(LexError { message: "unterminated dollar-quoted string", start }),
        }
    }

    /// The longest run of operator characters, less a comment that begins in it and less a trailing sign that belongs to
    /// what follows ("Operators" in PostgreSQL's manual, 4.1.3).
    fn operator(&mut self) -> Kind {
        let mut length = 0;
        while is_operator(self.peek(length))
            && !matches!((self.peek(length), self.peek(length + 1)), (b'-', b'-') | (b'/', b'*'))
        {
            length += 1;
        }
        let odd = |byte: u8| matches!(byte, b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'%');
        while length > 1 && matches!(self.peek(length - 1), b'+' | b'-') && !(0..length - 1).any(|n| odd(self.peek(n)))
        {
            length -= 1;
        }
        self.symbol(length.max(1))
    }
}

fn is_identifier_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_identifier_part(byte: u8) -> bool {
    is_identifier_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

fn is_operator(byte: u8) -> bool {
    matches!(
        byte,
        b'~' | b'!'
            | b'@'
            | b'#'
            | b'^'
            | b'&'
            | b'|'
            | b'`'
            | b'?'
            | b'+'
            | b'-'
            | b'*'
            | b'/'
            | b'%'
            | b'<'
            | b'>'
            | b'='
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        tokens(sql).map(|token| token.unwrap().text).collect()
    }

    fn kinds(sql: &str) -> Vec<Kind> {
        tokens(sql).map(|token| token.unwrap().kind).collect()
    }

    fn error(sql: &str) -> LexError {
        tokens(sql).find_map(Result::err).unwrap()
    }

    #[test]
    fn literals_of_every_form_are_one_token_each() {
        use Kind::*;
        let sql =
            r#"'it''s' E'a\'b' U&'\0041' N'x' B'01' X'1F' $$a'b$$ $t$ $$ $t$ 1 1_000 .5 1. 1e9 0x1F 0o17 0b1 $12"#;
        assert_eq!(
            kinds(sql),
            [
                Text,
                EscapedText,
                UnicodeText,
                NationalText,
                Bits,
                HexBits,
                DollarText,
                DollarText,
                Number,
                Number,
                Number,
                Number,
                Number,
                Number,
                Number,
                Number,
                Parameter
            ]
        );
    }

    #[test]
    fn comments_nest_and_give_no_token() {
        assert_eq!(texts("a /* /* ' */ */ b -- ' c\n d"), ["a", "b", "d"]);
        assert_eq!(error("a /* /* */").message, "unterminated /* comment");
    }

    #[test]
    fn a_text_goes_on_behind_a_line_break_only() {
        assert_eq!(texts("'a'\n 'b' c"), ["'a'\n 'b'", "c"]);
        assert_eq!(texts("'a' -- x\n -- y\n'b'"), ["'a' -- x\n -- y\n'b'"]);
        assert_eq!(texts("'a' 'b'"), ["'a'", "'b'"]);
    }

    #[test]
    fn operators_end_where_postgresql_ends_them() {
        assert_eq!(texts("a<-1"), ["a", "<", "-", "1"]);
        assert_eq!(texts("a@-1"), ["a", "@-", "1"]);
        assert_eq!(texts("a*-+1"), ["a", "*", "-", "+", "1"].map(|t| t).to_vec());
        assert_eq!(texts("a->>'b'"), ["a", "->>", "'b'"]);
        assert_eq!(texts("a+--x\n1"), ["a", "+", "1"]);
        assert_eq!(texts("a::int[1:2]"), ["a", "::", "int", "[", "1", ":", "2", "]"]);
    }

    #[test]
    fn backslashes_escape_in_escaped_texts_alone() {
        assert_eq!(texts(r"'a\' b"), [r"'a\'", "b"]);
        assert_eq!(texts(r"X'\' b"), [r"X'\'", "b"]);
        assert_eq!(error(r"E'a\'").message, UNTERMINATED_TEXT);
    }

    #[test]
    fn what_postgresql_calls_junk_is_junk() {
        for (sql, message) in [
            ("123abc", NUMBER_JUNK),
            ("1_", NUMBER_JUNK),
            ("0b12", NUMBER_JUNK),
            ("0x", "invalid integer"),
            ("$1a", "trailing junk after parameter"),
            ("$a b", "syntax error"),
            ("\"\"", "zero-length delimited identifier"),
            ("\"a", "unterminated quoted identifier"),
            ("$a$ b", "unterminated dollar-quoted string"),
            ("{", "syntax error"),
        ] {
            assert_eq!(error(sql).message, message, "{sql}");
        }
    }

    #[test]
    fn identifiers_take_any_character_beyond_ascii() {
        assert_eq!(texts("größe\u{a0}x \"a\"\"b\" U&\"c\" a$1"), ["größe\u{a0}x", "\"a\"\"b\"", "U&\"c\"", "a$1"]);
    }
}
