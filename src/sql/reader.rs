//! Taking tokens one by one: what every statement for the session is read with.

use super::command::Refused;
use super::lexer::{Kind, Token};
use super::literal::{decode_escaped, decode_unicode, undouble};
use super::names::{fold_unquoted, truncate};
use super::parse::Source;
use super::parse_error::ParseError;
use super::refusal::refuse;
use super::statement::ParsedStatement;

/// What stands where only a query can stand.
pub(super) const QUERIES_ONLY: &str = "Only SELECT, VALUES, TABLE and WITH can stand here.";

/// Why reading stopped.
pub(super) enum Stop {
    Refused(Refused),
    Unread(ParseError),
}

impl From<ParseError> for Stop {
    fn from(error: ParseError) -> Self {
        Self::Unread(error)
    }
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// Tokens of one statement, and how far they are read.
pub(super) struct Reader<'s, 'a> {
    pub(super) source: &'s Source<'a>,
    pub(super) tokens: &'s [Token<'a>],
    pub(super) at: usize,
}

impl<'s, 'a> Reader<'s, 'a> {
    pub(super) fn peek(&self) -> Option<&'s Token<'a>> {
        self.tokens.get(self.at)
    }

    pub(super) fn next(&mut self) -> Result<&'s Token<'a>, Stop> {
        let token = self.peek().ok_or_else(|| self.unknown())?;
        self.at += 1;
        Ok(token)
    }

    pub(super) fn rest(&mut self) -> &'s [Token<'a>] {
        let rest = self.tokens.get(self.at..).unwrap_or_default();
        self.at = self.tokens.len();
        rest
    }

    /// Takes one word if it is the next.
    pub(super) fn word(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is_word(word));
        self.at += usize::from(found);
        found
    }

    /// Takes several words if all of them are next.
    pub(super) fn words(&mut self, words: &[&str]) -> bool {
        let found = words
            .iter()
            .enumerate()
            .all(|(n, word)| self.tokens.get(self.at + n).is_some_and(|token| token.is_word(word)));
        self.at += if found { words.len() } else { 0 };
        found
    }

    pub(super) fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is_symbol(symbol));
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Result<(), Stop> {
        if self.word(word) { Ok(()) } else { Err(self.unknown()) }
    }

    pub(super) fn expect_symbol(&mut self, symbol: &str) -> Result<(), Stop> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.unknown()) }
    }

    pub(super) fn done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub(super) fn end<T>(&self, value: T) -> Result<T, Stop> {
        if self.done() { Ok(value) } else { Err(self.unknown()) }
    }

    pub(super) fn unknown(&self) -> Stop {
        let (what, position) = match self.peek() {
            Some(token) => (
                format!("the syntax at or near \"{}\"", token.text.chars().take(60).collect::<String>()),
                Some(self.source.position(token)),
            ),
            None => ("this form of the statement".to_owned(), None),
        };
        Stop::Unread(ParseError::Unsupported { what, position })
    }

    pub(super) fn name(&mut self) -> Result<String, Stop> {
        let token = self.next()?;
        name_of(token).ok_or_else(|| self.unknown())
    }

    /// A string constant's value.
    pub(super) fn text(&mut self) -> Result<String, Stop> {
        let token = self.next()?;
        text_of(token).ok_or_else(|| self.unknown())
    }

    pub(super) fn is_query(&self) -> bool {
        self.peek().is_some_and(|token| {
            token.is_symbol("(") || ["select", "values", "table", "with"].iter().any(|word| token.is_word(word))
        })
    }

    /// All that is left, as a query.
    pub(super) fn query(&mut self) -> Result<ParsedStatement, Stop> {
        if !self.is_query() {
            let what = self.peek().map_or_else(String::new, |token| token.text.to_ascii_uppercase());
            return Err(refuse(&format!("{what} here"), QUERIES_ONLY).into());
        }
        Ok(self.source.statement(self.rest())?)
    }
}

pub(super) fn name_of(token: &Token<'_>) -> Option<String> {
    match token.kind {
        Kind::Word => Some(fold_unquoted(token.text)),
        Kind::QuotedIdentifier => {
            let inner = token.text.strip_prefix('"')?.strip_suffix('"')?;
            Some(truncate(undouble(inner, '"').into_owned()))
        }
        Kind::UnicodeIdentifier => {
            let inner = token.text.get(3..)?.strip_suffix('"')?;
            Some(truncate(decode_unicode(inner, '"')?))
        }
        _ => None,
    }
}

pub(super) fn text_of(token: &Token<'_>) -> Option<String> {
    let inner = |prefix: usize| token.text.get(prefix + 1..)?.strip_suffix('\'');
    match token.kind {
        // A text that goes on behind a line break holds more than one pair of quotes: not taken.
        Kind::Text => {
            inner(0).filter(|raw| !raw.replace("''", "").contains('\'')).map(|raw| undouble(raw, '\'').into_owned())
        }
        Kind::EscapedText => decode_escaped(inner(1)?),
        Kind::DollarText => {
            let tag = token.text.get(..=token.text.get(1..)?.find('$')? + 1)?;
            Some(token.text.strip_prefix(tag)?.strip_suffix(tag)?.to_owned())
        }
        _ => None,
    }
}
