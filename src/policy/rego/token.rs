//! Rego's words, with where they stand.

use super::Position;

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) enum TokenKind {
    /// An identifier or a keyword.
    Word,
    /// A string, quoted or raw; the token's text is its value.
    Text,
    /// A number, as written.
    Number,
    /// Anything else: one character, or one of `:=`, `==`, `!=`, `<=`, `>=`.
    Symbol,
}

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) struct Token {
    pub(in crate::policy) kind: TokenKind,
    pub(in crate::policy) text: String,
    pub(in crate::policy) at: Position,
    /// The first of its line.
    pub(in crate::policy) opens_line: bool,
    /// White space or a comment stands before it.
    pub(in crate::policy) after_space: bool,
}

impl Token {
    pub(in crate::policy) fn is(&self, symbol: &str) -> bool {
        self.kind == TokenKind::Symbol && self.text == symbol
    }

    pub(in crate::policy) fn is_word(&self, word: &str) -> bool {
        self.kind == TokenKind::Word && self.text == word
    }

    pub(in crate::policy) fn as_text(&self) -> Option<&str> {
        (self.kind == TokenKind::Text).then_some(self.text.as_str())
    }
}

/// The tokens of a file. Whatever is no Rego comes out as symbols: saying so is the parser's work.
pub(in crate::policy) fn tokens(text: &str) -> Vec<Token> {
    let mut reader = Reader { rest: text.chars().collect::<Vec<_>>(), next: 0, line: 1, column: 1 };
    let mut tokens = Vec::new();
    let (mut opens_line, mut after_space) = (true, true);
    while let Some(c) = reader.peek(0) {
        match c {
            '\n' => {
                opens_line = true;
                after_space = true;
                reader.take();
                continue;
            }
            c if c.is_whitespace() => {
                after_space = true;
                reader.take();
                continue;
            }
            '#' => {
                while reader.peek(0).is_some_and(|c| c != '\n') {
                    reader.take();
                }
                after_space = true;
                continue;
            }
            _ => {}
        }
        let at = Position { line: reader.line, column: reader.column };
        let (kind, text) = reader.token(c);
        tokens.push(Token { kind, text, at, opens_line, after_space });
        opens_line = false;
        after_space = false;
    }
    tokens
}

struct Reader {
    rest: Vec<char>,
    next: usize,
    line: usize,
    column: usize,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest.get(self.next + ahead).copied()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.next += 1;
        if c == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(c)
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut text = String::new();
        while self.peek(0).is_some_and(&wanted) {
            text.extend(self.take());
        }
        text
    }

    fn token(&mut self, first: char) -> (TokenKind, String) {
        match first {
            'a'..='z' | 'A'..='Z' | '_' => {
                (TokenKind::Word, self.take_while(|c| c.is_ascii_alphanumeric() || c == '_'))
            }
            '0'..='9' => {
                let mut text = self.take_while(|c| c.is_ascii_digit());
                if self.peek(0) == Some('.') && self.peek(1).is_some_and(|c| c.is_ascii_digit()) {
                    text.extend(self.take());
                    text += &self.take_while(|c| c.is_ascii_digit());
                }
                if matches!(self.peek(0), Some('e' | 'E')) {
                    text.extend(self.take());
                    if matches!(self.peek(0), Some('+' | '-')) {
                        text.extend(self.take());
                    }
                    text += &self.take_while(|c| c.is_ascii_digit());
                }
                (TokenKind::Number, text)
            }
            '`' => {
                self.take();
                let text = self.take_while(|c| c != '`');
                self.take();
                (TokenKind::Text, text)
            }
            '"' => (TokenKind::Text, self.quoted()),
            _ => {
                let mut text = String::from(first);
                self.take();
                if matches!(first, ':' | '=' | '!' | '<' | '>') && self.peek(0) == Some('=') {
                    text.extend(self.take());
                }
                (TokenKind::Symbol, text)
            }
        }
    }

    /// A quoted string's value; escapes are JSON's.
    fn quoted(&mut self) -> String {
        let mut written = String::from('"');
        self.take();
        loop {
            match self.take() {
                None | Some('"') => break,
                Some('\\') => {
                    written.push('\\');
                    written.extend(self.take());
                }
                Some(c) => written.push(c),
            }
        }
        written.push('"');
        serde_json::from_str(&written).unwrap_or_else(|_| written.trim_matches('"').to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_carry_their_place_and_value() {
        let read = tokens("package a # \"no\"\n\nallow if input.x == \"a\\\"b\" # c\n  y := `raw\n\"x`\n z");
        let texts: Vec<&str> = read.iter().map(|token| token.text.as_str()).collect();
        assert_eq!(texts, ["package", "a", "allow", "if", "input", ".", "x", "==", "a\"b", "y", ":=", "raw\n\"x", "z"]);
        let allow = &read[2];
        assert_eq!((allow.at.line, allow.at.column, allow.opens_line), (3, 1, true));
        let z = &read[12];
        assert_eq!((z.at.line, z.at.column), (6, 2));
    }

    #[test]
    fn unfinished_strings_end_with_the_file() {
        assert_eq!(tokens("\"abc").len(), 1);
        assert_eq!(tokens("`abc").len(), 1);
        assert_eq!(tokens("\"abc\\").len(), 1);
    }
}
