//! From a query string to statements.
//!
//! The order is the safety: size and depth on tokens, then PostgreSQL's grammar, and only then sqlparser, which gets the
//! tokens of [`super::lexer`] instead of splitting the text anew. So both readers see the same words and constants.

use super::agreement::{agrees, expression_agrees};
use super::bounds::{Exceeded, ParseBounds, measure, nests_joins};
use super::dialect::BoundedDialect;
use super::lexer::{Kind, LexError, Token, tokens};
use super::literal::{decode_escaped, decode_unicode};
use super::parse_error::ParseError;
use super::statement::{Body, ParsedStatement};
use super::{fingerprint, redact, utility};
use sqlparser::ast::{DollarQuotedString, Expr, Statement};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError, ParserOptions};
use sqlparser::tokenizer::{self, Location, Span, TokenWithSpan, Tokenizer};
use std::borrow::Cow;
use std::sync::Arc;

/// Reads a query string: one statement for each that it holds. Empty statements are left out, so a text without any gives none.
///
/// In the trees, `span.start.column` of a name or constant is its position in the whole query string as
/// PostgreSQL counts it (characters, the first is 1), and the line is always 1.
///
/// # Errors
/// [`ParseError`]; nothing of the text is then run.
pub fn parse(text: &str, bounds: &ParseBounds) -> Result<Vec<ParsedStatement>, ParseError> {
    if let Some(nul) = text.find('\0') {
        return Err(ParseError::NulByte { position: position_of(text, nul) });
    }
    if text.len() > bounds.max_bytes {
        return Err(Exceeded::Bytes(bounds.max_bytes).into());
    }
    let mut all = Vec::new();
    for token in tokens(text) {
        match token {
            Ok(_) if all.len() >= bounds.max_tokens => return Err(Exceeded::Tokens(bounds.max_tokens).into()),
            Ok(token) => all.push(token),
            Err(error) => return Err(unreadable(text, &error)),
        }
    }
    let pieces: Vec<&[Token<'_>]> = all.split(|token| token.is_symbol(";")).filter(|piece| !piece.is_empty()).collect();
    if pieces.len() > bounds.max_statements {
        return Err(Exceeded::Statements(bounds.max_statements).into());
    }
    for piece in &pieces {
        measure(piece, bounds)?;
    }
    let statements = match pg_query::split_with_parser(text) {
        Ok(statements) => statements.len(),
        Err(error) => return Err(syntax_error(text, &all, message_of(error))),
    };
    if statements != pieces.len() {
        // A routine's body with semicolons in it: nothing that a gateway for reading runs.
        return Err(ParseError::Unsupported {
            what: "a statement with statements inside of it".to_owned(),
            position: None,
        });
    }
    let source = Source::new(text);
    pieces.into_iter().map(|piece| source.statement(piece)).collect()
}

/// Reads one expression that a policy or the gateway itself wrote, and nothing behind it.
///
/// # Errors
/// What is wrong with it, for whoever wrote it.
pub fn read_expression(text: &str) -> Result<Expr, String> {
    let expr = parse_expression(text)?;
    if expression_agrees(&expr) { Ok(expr) } else { Err(format!("{TWO_WAYS}: put parentheses where they matter")) }
}

/// The same without asking PostgreSQL's grammar: for a text that was read by [`read_expression`] before.
///
/// # Errors
/// As [`read_expression`].
pub fn parse_expression(text: &str) -> Result<Expr, String> {
    let dialect = BoundedDialect::for_tokens(text.len());
    let mut parser = Parser::new(&dialect)
        .with_options(ParserOptions::new().with_unescape(false))
        .try_with_sql(text)
        .map_err(|error| error.to_string())?;
    let expr = parser.parse_expr().map_err(|error| error.to_string())?;
    match parser.next_token().token {
        tokenizer::Token::EOF => Ok(expr),
        rest => Err(format!("{rest} after the end of the expression")),
    }
}

/// What is said of a text whose two trees are not the same.
pub(super) const TWO_WAYS: &str =
    "an order of operators that the gateway's reader takes in another way than PostgreSQL";

/// The text that tokens come from, to count positions in.
pub(super) struct Source<'a> {
    text: &'a str,
    ascii: bool,
}

impl<'a> Source<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, ascii: text.is_ascii() }
    }

    /// Where a token is: characters, the first is 1.
    pub(super) fn position(&self, token: &Token<'_>) -> usize {
        if self.ascii { token.start + 1 } else { position_of(self.text, token.start) }
    }

    /// One statement from its tokens.
    pub(super) fn statement(&self, tokens: &[Token<'a>]) -> Result<ParsedStatement, ParseError> {
        let body = match tokens.first() {
            Some(first) if begins_query(first) => Body::Tree(Arc::new(self.query(tokens)?)),
            Some(first) if begins_write(first) => self.write(tokens),
            _ => utility::read(self, tokens)?,
        };
        let parameters = tokens
            .iter()
            .filter(|token| token.kind == Kind::Parameter)
            .filter_map(|token| token.text.trim_start_matches('$').parse().ok());
        Ok(ParsedStatement {
            body,
            sanitized: redact::redact_tokens(tokens),
            fingerprint: fingerprint::of_tokens(tokens),
            parameters: parameters.max().unwrap_or(0),
        })
    }

    /// A query of tokens that were put together; tokens of our own have no place in the text.
    pub(super) fn made_statement(&self, tokens: &[Token<'a>]) -> Result<ParsedStatement, ParseError> {
        let text = tokens.iter().map(|token| token.text).collect::<Vec<_>>().join(" ");
        let lexed =
            super::lexer::tokens(&text).collect::<Result<Vec<_>, _>>().map_err(|error| unreadable(&text, &error))?;
        Source::new(&text).statement(&lexed)
    }

    /// The tree of a query.
    fn query(&self, tokens: &[Token<'a>]) -> Result<Statement, ParseError> {
        let read = |tokens: &[Token<'a>]| self.parse_with(tokens, |parser| parser.parse_query().map(Statement::Query));
        let mut spelled = Cow::Borrowed(tokens);
        let mut result = read(tokens);
        for _more in 0..MOST_SPELLINGS {
            let Err(error) = &result else { break };
            let Some(other) = self.other_spelling(&spelled, error) else { break };
            result = read(&other);
            spelled = Cow::Owned(other);
        }
        let tree = result?;
        if agrees(self.slice(tokens), &tree) { Ok(tree) } else { Err(self.read_in_two_ways(tokens)) }
    }

    /// The tokens with another spelling of the same where sqlparser stopped, if there is one: `t*` is `t`, and
    /// `ORDER BY x USING <` is `ORDER BY x ASC`. That it is the same is for [`agrees`] to say. Each makes a text shorter.
    fn other_spelling(&self, tokens: &[Token<'a>], error: &ParseError) -> Option<Vec<Token<'a>>> {
        let ParseError::Unsupported { position: Some(position), .. } = error else { return None };
        let start = self.text.char_indices().nth(position.checked_sub(1)?)?.0;
        let at = tokens.iter().position(|token| token.start == start)?;
        let stopped = tokens.get(at)?;
        let direction = match tokens.get(at + 1).map(|operator| operator.text) {
            _next if stopped.is_symbol("*") => None,
            Some("<") if stopped.is_word("using") => Some("ASC"),
            Some(">") if stopped.is_word("using") => Some("DESC"),
            _other => return None,
        };
        let mut spelled = tokens.to_vec();
        match direction {
            None => _ = spelled.remove(at),
            Some(direction) => {
                spelled.remove(at + 1);
                spelled.get_mut(at)?.text = direction;
            }
        }
        Some(spelled)
    }

    /// The text from the first token to the last.
    fn slice(&self, tokens: &[Token<'a>]) -> &'a str {
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return "" };
        self.text.get(first.start..last.start + last.text.len()).unwrap_or_default()
    }

    fn read_in_two_ways(&self, tokens: &[Token<'a>]) -> ParseError {
        ParseError::Unsupported {
            what: TWO_WAYS.to_owned(),
            position: tokens.first().map(|first| self.position(first)),
        }
    }

    /// A statement that writes. One that sqlparser can't read is refused as what it is: PostgreSQL's grammar takes it.
    fn write(&self, tokens: &[Token<'a>]) -> Body {
        let unread = || super::refusal::refuse("this form of the statement", super::refusal::NOT_WRITTEN);
        match self.parse_with(tokens, |parser| parser.parse_statement()) {
            Ok(statement) if !agrees(self.slice(tokens), &statement) => Body::Refused(Arc::new(unread())),
            Ok(statement) => match super::write::read(statement) {
                Ok(write) => Body::Write(Arc::new(write)),
                Err(refused) => Body::Refused(Arc::new(refused)),
            },
            Err(_) => Body::Refused(Arc::new(unread())),
        }
    }

    /// Expressions between commas.
    pub(super) fn expressions(&self, tokens: &[Token<'a>]) -> Result<Vec<Expr>, ParseError> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        self.parse_with(tokens, |parser| parser.parse_comma_separated(Parser::parse_expr))
    }

    fn parse_with<T>(
        &self,
        tokens: &[Token<'a>],
        read: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
    ) -> Result<T, ParseError> {
        let stock = BoundedDialect::for_tokens(tokens.len()).nesting_joins(nests_joins(tokens));
        let updates = tokens.first().is_some_and(|first| first.is_word("update"));
        let dialect = if updates { stock.updating() } else { stock };
        let mut parser = Parser::new(&dialect)
            .with_options(ParserOptions::new().with_unescape(false))
            .with_recursion_limit(RECURSION_LIMIT)
            .with_tokens_with_locations(self.convert(tokens)?);
        match read(&mut parser) {
            Ok(tree) if parser.peek_token_ref().token == tokenizer::Token::EOF => Ok(tree),
            Ok(_) => Err(self.unsupported_at(parser.peek_token_ref().span)),
            Err(ParserError::RecursionLimitExceeded) => Err(Exceeded::Nesting(RECURSION_LIMIT).into()),
            Err(ParserError::TokenizerError(_) | ParserError::ParserError(_)) => {
                Err(self.unsupported_at(parser.peek_token_ref().span))
            }
        }
    }

    /// sqlparser stopped somewhere near here on a text that PostgreSQL's grammar takes.
    fn unsupported_at(&self, span: Span) -> ParseError {
        let position = usize::try_from(span.start.column).ok().filter(|column| *column > 0);
        let what = position
            .and_then(|position| self.text.char_indices().nth(position - 1))
            .and_then(|(start, _)| self.text.get(start..))
            .and_then(|rest| tokens(rest).next())
            .and_then(Result::ok)
            .map_or_else(
                || "this form of the statement".to_owned(),
                |token| format!("the syntax at or near \"{}\"", short(token.text)),
            );
        ParseError::Unsupported { what, position }
    }

    fn convert(&self, tokens: &[Token<'a>]) -> Result<Vec<TokenWithSpan>, ParseError> {
        let (mut counted, mut characters) = (0, 0);
        let mut converted = Vec::with_capacity(tokens.len());
        let mut bounds = FrameBounds::default();
        for (at, token) in tokens.iter().enumerate() {
            characters += match self.text.get(counted..token.start) {
                Some(between) if !self.ascii => between.chars().count(),
                _ => token.start - counted,
            };
            counted = token.start;
            let column = u64::try_from(characters + 1).unwrap_or(u64::MAX);
            let width = u64::try_from(token.text.len()).unwrap_or(u64::MAX);
            let span = Span::new(Location::new(1, column), Location::new(1, column.saturating_add(width)));
            let Some(same) = convert(token) else {
                return Err(ParseError::Unsupported {
                    what: format!("the form of {}", describe(token)),
                    position: Some(characters + 1),
                });
            };
            let tokens = if bounds.begins_at(token, tokens.get(at + 1)) {
                vec![tokenizer::Token::LParen, same, tokenizer::Token::RParen]
            } else {
                vec![same]
            };
            converted.extend(tokens.into_iter().map(|token| TokenWithSpan::new(token, span)));
        }
        Ok(converted)
    }
}

/// Looks for constants at which a bound of a window's frame begins, such as `RANGE BETWEEN '1 day' PRECEDING …`. sqlparser
/// takes each for an interval and nothing but one, unless it stands in parentheses.
#[derive(Default)]
struct FrameBounds {
    state: FrameState,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum FrameState {
    #[default]
    Outside,
    /// Behind ROWS, RANGE or GROUPS.
    Unit,
    /// Behind the BETWEEN of a frame, up to its AND.
    Between,
    /// Where a bound begins, and no other may follow, or one may.
    Last,
    First,
}

impl FrameBounds {
    /// Whether a bound begins at a token that is a constant.
    fn begins_at(&mut self, token: &Token<'_>, next: Option<&Token<'_>>) -> bool {
        let before = self.state;
        let begins = |state| matches!(state, FrameState::Unit | FrameState::First | FrameState::Last);
        self.state = if ["rows", "range", "groups"].iter().any(|word| token.is_word(word)) {
            FrameState::Unit
        } else {
            match before {
                FrameState::Unit if token.is_word("between") => FrameState::First,
                FrameState::First | FrameState::Between if token.is_word("and") => FrameState::Last,
                FrameState::First | FrameState::Between => FrameState::Between,
                FrameState::Outside | FrameState::Unit | FrameState::Last => FrameState::Outside,
            }
        };
        let goes_on =
            next.is_some_and(|next| next.is_symbol("::") || next.is_word("preceding") || next.is_word("following"));
        begins(before) && token.kind == Kind::Text && goes_on
    }
}

/// How often a text is read again with another spelling: each time it is read from its beginning.
const MOST_SPELLINGS: usize = 16;

/// How deep sqlparser may call itself. [`measure`] stops deep texts before; this is the second lock.
const RECURSION_LIMIT: usize = 2_000;

fn begins_write(first: &Token<'_>) -> bool {
    ["insert", "update", "delete"].iter().any(|word| first.is_word(word))
}

pub(super) fn begins_query(first: &Token<'_>) -> bool {
    first.is_symbol("(") || ["select", "with", "values", "table"].iter().any(|word| first.is_word(word))
}

/// The same token for sqlparser; `None` if it has none of the same meaning.
fn convert(token: &Token<'_>) -> Option<tokenizer::Token> {
    use tokenizer::Token as T;
    Some(match token.kind {
        Kind::Word => T::make_word(token.text, None),
        Kind::QuotedIdentifier => T::make_word(inside(token.text, 0, '"')?, Some('"')),
        Kind::Text => T::SingleQuotedString(inside(token.text, 0, '\'')?.to_owned()),
        Kind::NationalText => T::NationalStringLiteral(inside(token.text, 1, '\'')?.to_owned()),
        Kind::EscapedText => T::EscapedStringLiteral(decode_escaped(token.text.get(2..token.text.len() - 1)?)?),
        Kind::UnicodeText => T::UnicodeStringLiteral(decode_unicode(inside(token.text, 2, '\'')?, '\'')?),
        Kind::Bits => {
            let digits = inside(token.text, 1, '\'')?;
            digits
                .bytes()
                .all(|byte| matches!(byte, b'0' | b'1'))
                .then(|| T::SingleQuotedByteStringLiteral(digits.to_owned()))?
        }
        Kind::HexBits => {
            let digits = inside(token.text, 1, '\'')?;
            digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| T::HexStringLiteral(digits.to_owned()))?
        }
        Kind::DollarText => {
            let delimiter = token.text.get(..=token.text.get(1..)?.find('$')? + 1)?;
            let value = token.text.strip_prefix(delimiter)?.strip_suffix(delimiter)?.to_owned();
            let tag = delimiter.trim_matches('$');
            T::DollarQuotedString(DollarQuotedString { value, tag: (!tag.is_empty()).then(|| tag.to_owned()) })
        }
        // Hexadecimal, octal and binary integers: sqlparser reads them as bit strings or as a 0 with an alias.
        Kind::Number
            if token
                .text
                .as_bytes()
                .get(1)
                .is_some_and(|byte| byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'E')) =>
        {
            return None;
        }
        // PostgreSQL 15 has no `1_000`.
        Kind::Number if token.text.contains('_') => return None,
        Kind::Number => T::Number(token.text.to_owned(), false),
        Kind::Parameter => T::Placeholder(token.text.to_owned()),
        Kind::Symbol => return symbol(token.text),
        Kind::UnicodeIdentifier => return None,
    })
}

/// What is between the quotes; `None` if the text goes on behind a line break.
fn inside(text: &str, prefix: usize, quote: char) -> Option<&str> {
    let inner = text.get(prefix + 1..text.len() - 1)?;
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c == quote && chars.next() != Some(quote) {
            return None;
        }
    }
    Some(inner)
}

fn symbol(text: &str) -> Option<tokenizer::Token> {
    let dialect = PostgreSqlDialect {};
    let mut found = Tokenizer::new(&dialect, text).tokenize().ok()?;
    match (found.pop(), found.pop()) {
        // `==` is an operator that PostgreSQL does not have; `!=` has two spellings and one meaning.
        (Some(token), None) if token != tokenizer::Token::DoubleEq => Some(token),
        _ => None,
    }
}

fn describe(token: &Token<'_>) -> String {
    match token.kind {
        Kind::Text
        | Kind::EscapedText
        | Kind::UnicodeText
        | Kind::NationalText
        | Kind::Bits
        | Kind::HexBits
        | Kind::DollarText => "this string constant".to_owned(),
        Kind::Word
        | Kind::QuotedIdentifier
        | Kind::UnicodeIdentifier
        | Kind::Number
        | Kind::Parameter
        | Kind::Symbol => {
            format!("\"{}\"", short(token.text))
        }
    }
}

fn short(text: &str) -> String {
    if text.chars().count() > 60 { text.chars().take(60).chain(['…']).collect() } else { text.to_owned() }
}

fn position_of(text: &str, offset: usize) -> usize {
    text.get(..offset).map_or(0, |before| before.chars().count()) + 1
}

fn message_of(error: pg_query::Error) -> String {
    match error {
        pg_query::Error::Parse(message) | pg_query::Error::Split(message) | pg_query::Error::Scan(message) => message,
        pg_query::Error::Conversion(_)
        | pg_query::Error::Decode(_)
        | pg_query::Error::InvalidJson(_)
        | pg_query::Error::InvalidPointer
        | pg_query::Error::IsUtility(_) => "syntax error".to_owned(),
    }
}

/// Our scanner refuses: PostgreSQL's has the better words for it.
fn unreadable(text: &str, error: &LexError) -> ParseError {
    let position = Some(position_of(text, error.start));
    match pg_query::split_with_parser(text) {
        Err(refused) => ParseError::Syntax { message: clean(message_of(refused)), position },
        Ok(_) => ParseError::Unsupported { what: "a symbol in this statement".to_owned(), position },
    }
}

fn syntax_error(text: &str, all: &[Token<'_>], message: String) -> ParseError {
    let position = if message.ends_with(" at end of input") {
        Some(text.chars().count() + 1)
    } else {
        error_token(text, all, &message).map(|token| position_of(text, token.start))
    };
    ParseError::Syntax { message: clean(message), position }
}

/// The message may quote a whole constant: it is the sender's own, but need not be long.
fn clean(message: String) -> String {
    if message.chars().count() > 300 { message.chars().take(300).chain(['…']).collect() } else { message }
}

/// The largest text that is read again and again to find where it is wrong.
const MAX_SEARCH_BYTES: usize = 64 << 10;

/// The token that PostgreSQL's message names. The message holds its text, the library not its place: where several
/// tokens have that text, it is the first that, read up to it, gives an error other than "at end of input".
fn error_token<'t, 'a>(text: &str, all: &'t [Token<'a>], message: &str) -> Option<&'t Token<'a>> {
    let near = message.split_once(" at or near \"")?.1.strip_suffix('"')?;
    let candidates: Vec<&Token<'_>> =
        all.iter().filter(|token| near.starts_with(token.text) || token.text.starts_with(near)).collect();
    match candidates.as_slice() {
        [] => None,
        [only] => Some(only),
        _ if text.len() > MAX_SEARCH_BYTES => None,
        several => {
            let index =
                several.partition_point(|token| match text.get(..token.end()).map(pg_query::split_with_parser) {
                    Some(Err(error)) => message_of(error).ends_with(" at end of input"),
                    Some(Ok(_)) | None => true,
                });
            several.get(index).copied()
        }
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
