//! Statements for the session, read from PostgreSQL's tokens.
//!
//! PostgreSQL's grammar has taken the text before this runs, so this needs no error messages of its own: what it does
//! not know, it refuses as not supported. Queries inside of these statements go to the parser like any other.

use super::command::{
    CopyOut, Declare, Discard, Execute, Explain, ExplainFormat, Fetch, FetchDirection, ForceQuote, IsolationLevel,
    Prepare, Refused, Session, Set, SetValue, Target, TransactionMode,
};
use super::lexer::{Kind, Token, tokens};
use super::literal::{decode_escaped, decode_unicode, undouble};
use super::names::{fold_unquoted, truncate};
use super::parse::Source;
use super::parse_error::ParseError;
use super::refusal::{by_words, refuse};
use super::statement::{Body, ParsedStatement};
use crate::error::SqlState;
use postgres_types::Type;
use std::sync::Arc;

const NO_IDENTITY: &str =
    "A connection speaks for the user that it was opened with; connect as the other user instead.";
const COPY_OUT_ONLY: &str =
    "The gateway is read-only: COPY (query) TO STDOUT works, and so does \\copy (query) TO in psql.";
const QUERIES_ONLY: &str = "Only SELECT, VALUES, TABLE and WITH can stand here.";

/// Reads a statement that is no query.
///
/// # Errors
/// [`ParseError`] if a query in it is not taken, or its form is not known.
pub(super) fn read<'a>(source: &Source<'a>, tokens: &[Token<'a>]) -> Result<Body, ParseError> {
    let mut reader = Reader { source, tokens, at: 0 };
    match reader.statement() {
        Ok(session) => Ok(Body::Session(Arc::new(session))),
        Err(Stop::Refused(refused)) => Ok(Body::Refused(Arc::new(refused))),
        Err(Stop::Unread(error)) => Err(error),
    }
}

/// Why reading stopped.
enum Stop {
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

struct Reader<'s, 'a> {
    source: &'s Source<'a>,
    tokens: &'s [Token<'a>],
    at: usize,
}

impl<'s, 'a> Reader<'s, 'a> {
    fn peek(&self) -> Option<&'s Token<'a>> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Result<&'s Token<'a>, Stop> {
        let token = self.peek().ok_or_else(|| self.unknown())?;
        self.at += 1;
        Ok(token)
    }

    fn rest(&mut self) -> &'s [Token<'a>] {
        let rest = self.tokens.get(self.at..).unwrap_or_default();
        self.at = self.tokens.len();
        rest
    }

    /// Takes one word if it is the next.
    fn word(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is_word(word));
        self.at += usize::from(found);
        found
    }

    /// Takes several words if all of them are next.
    fn words(&mut self, words: &[&str]) -> bool {
        let found = words
            .iter()
            .enumerate()
            .all(|(n, word)| self.tokens.get(self.at + n).is_some_and(|token| token.is_word(word)));
        self.at += if found { words.len() } else { 0 };
        found
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is_symbol(symbol));
        self.at += usize::from(found);
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<(), Stop> {
        if self.word(word) { Ok(()) } else { Err(self.unknown()) }
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<(), Stop> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.unknown()) }
    }

    fn done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    fn end<T>(&self, value: T) -> Result<T, Stop> {
        if self.done() { Ok(value) } else { Err(self.unknown()) }
    }

    fn unknown(&self) -> Stop {
        let (what, position) = match self.peek() {
            Some(token) => (
                format!("the syntax at or near \"{}\"", token.text.chars().take(60).collect::<String>()),
                Some(self.source.position(token)),
            ),
            None => ("this form of the statement".to_owned(), None),
        };
        Stop::Unread(ParseError::Unsupported { what, position })
    }

    fn name(&mut self) -> Result<String, Stop> {
        let token = self.next()?;
        name_of(token).ok_or_else(|| self.unknown())
    }

    /// A string constant's value.
    fn text(&mut self) -> Result<String, Stop> {
        let token = self.next()?;
        text_of(token).ok_or_else(|| self.unknown())
    }

    fn is_query(&self) -> bool {
        self.peek().is_some_and(|token| {
            token.is_symbol("(") || ["select", "values", "table", "with"].iter().any(|word| token.is_word(word))
        })
    }

    /// All that is left, as a query.
    fn query(&mut self) -> Result<ParsedStatement, Stop> {
        if !self.is_query() {
            let what = self.peek().map_or_else(String::new, |token| token.text.to_ascii_uppercase());
            return Err(refuse(&format!("{what} here"), QUERIES_ONLY).into());
        }
        Ok(self.source.statement(self.rest())?)
    }

    fn statement(&mut self) -> Result<Session, Stop> {
        let first = self.next()?;
        let second = self.peek().map_or("", |token| token.text);
        if first.kind != Kind::Word {
            return Err(self.unknown());
        }
        match first.text.to_ascii_lowercase().as_str() {
            "set" => self.set(),
            "reset" => self.setting_or_all().map(Session::Reset),
            "show" => self.setting_or_all().map(Session::Show),
            "begin" => {
                let _ = self.word("work") || self.word("transaction");
                self.modes().map(Session::Begin)
            }
            "start" => {
                self.expect_word("transaction")?;
                self.modes().map(Session::Begin)
            }
            "commit" | "end" => self.chain().map(|chain| Session::Commit { chain }),
            "rollback" | "abort" => self.rollback(),
            "savepoint" => self.name().and_then(|name| self.end(Session::Savepoint(name))),
            "release" => {
                if self.tokens.len() > 2 {
                    self.expect_word("savepoint")?;
                }
                self.name().and_then(|name| self.end(Session::Release(name)))
            }
            "discard" => self.discard(),
            "deallocate" => {
                if self.tokens.len() > 2 {
                    self.expect_word("prepare")?;
                }
                self.all_or_name().map(Session::Deallocate)
            }
            "close" => self.all_or_name().map(Session::CloseCursor),
            "declare" => self.declare().map(Session::Declare),
            "fetch" => self.fetch().map(Session::Fetch),
            "move" => self.fetch().map(Session::Move),
            "prepare" => self.prepare(),
            "execute" => self.execute().map(Session::Execute),
            "copy" => self.copy().map(Session::CopyOut),
            "explain" => self.explain().map(Session::Explain),
            "unlisten" => Ok(Session::Unlisten),
            _ => match by_words(first.text, second) {
                Some(refused) => Err(refused.into()),
                None => {
                    self.at = 0;
                    Err(self.unknown())
                }
            },
        }
    }

    fn all_or_name(&mut self) -> Result<Target, Stop> {
        let target = if self.word("all") { Target::All } else { Target::Named(self.name()?) };
        self.end(target)
    }

    /// The name of a setting: `a`, `a.b`, and the words that stand for one.
    fn setting(&mut self) -> Result<String, Stop> {
        if self.words(&["time", "zone"]) {
            return Ok("timezone".to_owned());
        }
        if self.words(&["transaction", "isolation", "level"]) {
            return Ok("transaction_isolation".to_owned());
        }
        if self.words(&["session", "authorization"]) {
            return Ok("session_authorization".to_owned());
        }
        let mut name = self.name()?;
        while self.symbol(".") {
            name.push('.');
            name.push_str(&self.name()?);
        }
        Ok(name.to_lowercase())
    }

    fn setting_or_all(&mut self) -> Result<Target, Stop> {
        let target = if self.word("all") { Target::All } else { Target::Named(self.setting()?) };
        self.end(target)
    }

    fn set(&mut self) -> Result<Session, Stop> {
        if self.words(&["session", "characteristics", "as", "transaction"]) {
            return self.modes().map(Session::SetSessionCharacteristics);
        }
        if self.words(&["session", "authorization"]) || self.words(&["local", "session", "authorization"]) {
            return Err(refuse("SET SESSION AUTHORIZATION", NO_IDENTITY).into());
        }
        let local = self.word("local");
        if !local {
            self.word("session");
        }
        if self.words(&["session", "authorization"]) {
            return Err(refuse("SET SESSION AUTHORIZATION", NO_IDENTITY).into());
        }
        if self.words(&["transaction", "snapshot"]) {
            return Err(
                refuse("SET TRANSACTION SNAPSHOT", "Each statement reads its source as it is when it starts.").into()
            );
        }
        if self.word("transaction") {
            return self.modes().map(Session::SetTransaction);
        }
        if self.word("constraints") {
            return Err(refuse("SET CONSTRAINTS", "The gateway is read-only, so there is nothing to check.").into());
        }
        let (name, value) = self.assignment()?;
        self.end(Session::Set(Set { name, value, local }))
    }

    fn assignment(&mut self) -> Result<(String, SetValue), Stop> {
        if self.words(&["time", "zone"]) {
            let value = if self.word("local") { SetValue::Default } else { self.values()? };
            return Ok(("timezone".to_owned(), value));
        }
        if self.word("names") {
            let value = if self.done() { SetValue::Default } else { self.values()? };
            return Ok(("client_encoding".to_owned(), value));
        }
        if self.word("schema") {
            return Ok(("search_path".to_owned(), self.values()?));
        }
        if self.tokens.get(self.at + 1).is_none_or(|token| !token.is_symbol("=") && !token.is_word("to"))
            && self.word("role")
        {
            return Err(refuse("SET ROLE", NO_IDENTITY).into());
        }
        let name = self.setting()?;
        if matches!(name.as_str(), "role" | "session_authorization") {
            return Err(refuse(&format!("SET {name}"), NO_IDENTITY).into());
        }
        if !self.symbol("=") {
            self.expect_word("to")?;
        }
        Ok((name, self.values()?))
    }

    fn values(&mut self) -> Result<SetValue, Stop> {
        if self.tokens.len() == self.at + 1 && self.word("default") {
            return Ok(SetValue::Default);
        }
        let mut values = Vec::new();
        loop {
            values.push(self.value()?);
            if !self.symbol(",") {
                return Ok(SetValue::Values(values));
            }
        }
    }

    fn value(&mut self) -> Result<String, Stop> {
        // `SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE`
        let interval = self.word("interval");
        let sign = if self.symbol("-") {
            "-"
        } else {
            self.symbol("+");
            ""
        };
        let token = self.next()?;
        let value = match token.kind {
            Kind::Number => format!("{sign}{}", token.text.replace('_', "")),
            _ => text_of(token).or_else(|| name_of(token)).ok_or_else(|| self.unknown())?,
        };
        if interval {
            let _ = self.words(&["hour", "to", "minute"]) || self.word("hour");
        }
        Ok(value)
    }

    fn modes(&mut self) -> Result<Vec<TransactionMode>, Stop> {
        let mut modes = Vec::new();
        while !self.done() {
            modes.push(if self.words(&["read", "only"]) {
                TransactionMode::ReadOnly
            } else if self.words(&["read", "write"]) {
                TransactionMode::ReadWrite
            } else if self.word("deferrable") {
                TransactionMode::Deferrable(true)
            } else if self.words(&["not", "deferrable"]) {
                TransactionMode::Deferrable(false)
            } else if self.words(&["isolation", "level"]) {
                TransactionMode::Isolation(self.isolation()?)
            } else {
                return Err(self.unknown());
            });
            self.symbol(",");
        }
        Ok(modes)
    }

    fn isolation(&mut self) -> Result<IsolationLevel, Stop> {
        if self.words(&["read", "uncommitted"]) {
            Ok(IsolationLevel::ReadUncommitted)
        } else if self.words(&["read", "committed"]) {
            Ok(IsolationLevel::ReadCommitted)
        } else if self.words(&["repeatable", "read"]) {
            Ok(IsolationLevel::RepeatableRead)
        } else if self.word("serializable") {
            Ok(IsolationLevel::Serializable)
        } else {
            Err(self.unknown())
        }
    }

    /// `[WORK | TRANSACTION] [AND [NO] CHAIN]`
    fn chain(&mut self) -> Result<bool, Stop> {
        if self.word("prepared") {
            return Err(
                refuse("COMMIT PREPARED", "The gateway is read-only: there are no prepared transactions.").into()
            );
        }
        let _ = self.word("work") || self.word("transaction");
        let chain = self.words(&["and", "chain"]);
        let _ = chain || self.words(&["and", "no", "chain"]);
        self.end(chain)
    }

    fn rollback(&mut self) -> Result<Session, Stop> {
        if self.word("prepared") {
            return Err(
                refuse("ROLLBACK PREPARED", "The gateway is read-only: there are no prepared transactions.").into()
            );
        }
        let _ = self.word("work") || self.word("transaction");
        if self.word("to") {
            if self.tokens.len() > self.at + 1 {
                self.expect_word("savepoint")?;
            }
            return self.name().and_then(|name| self.end(Session::RollbackTo(name)));
        }
        self.chain().map(|chain| Session::Rollback { chain })
    }

    fn discard(&mut self) -> Result<Session, Stop> {
        let what = if self.word("all") {
            Discard::All
        } else if self.word("plans") {
            Discard::Plans
        } else if self.word("sequences") {
            Discard::Sequences
        } else if self.word("temp") || self.word("temporary") {
            Discard::Temp
        } else {
            return Err(self.unknown());
        };
        self.end(Session::Discard(what))
    }

    fn declare(&mut self) -> Result<Declare, Stop> {
        let name = self.name()?;
        let (mut binary, mut scroll, mut hold) = (false, None, false);
        while !self.word("cursor") {
            if self.word("binary") {
                binary = true;
            } else if self.words(&["no", "scroll"]) {
                scroll = Some(false);
            } else if self.word("scroll") {
                scroll = Some(true);
            } else if !(self.word("insensitive") || self.word("asensitive")) {
                return Err(self.unknown());
            }
        }
        if self.words(&["with", "hold"]) {
            hold = true;
        } else {
            self.words(&["without", "hold"]);
        }
        self.expect_word("for")?;
        Ok(Declare { name, binary, scroll, hold, query: self.query()? })
    }

    fn fetch(&mut self) -> Result<Fetch, Stop> {
        // A lone word is the cursor, even if it reads like a direction.
        let direction = if self.tokens.len() == 2 { FetchDirection::Forward(1) } else { self.direction()? };
        let _ = self.word("from") || self.word("in");
        let cursor = self.name()?;
        self.end(Fetch { direction, cursor })
    }

    fn direction(&mut self) -> Result<FetchDirection, Stop> {
        Ok(if self.word("next") {
            FetchDirection::Forward(1)
        } else if self.word("prior") {
            FetchDirection::Backward(1)
        } else if self.word("first") {
            FetchDirection::Absolute(1)
        } else if self.word("last") {
            FetchDirection::Absolute(-1)
        } else if self.word("absolute") {
            FetchDirection::Absolute(self.count()?)
        } else if self.word("relative") {
            FetchDirection::Relative(self.count()?)
        } else if self.word("all") || self.words(&["forward", "all"]) {
            FetchDirection::ForwardAll
        } else if self.words(&["backward", "all"]) {
            FetchDirection::BackwardAll
        } else if self.word("backward") {
            let count = if self.counts() { self.count()? } else { 1 };
            turned(count.checked_neg().ok_or_else(|| self.unknown())?)
        } else {
            self.word("forward");
            turned(if self.counts() { self.count()? } else { 1 })
        })
    }

    fn counts(&self) -> bool {
        self.peek().is_some_and(|token| token.kind == Kind::Number || token.is_symbol("-") || token.is_symbol("+"))
    }

    fn count(&mut self) -> Result<i64, Stop> {
        let negative = self.symbol("-");
        if !negative {
            self.symbol("+");
        }
        let token = self.next()?;
        let count: i64 = token.text.replace('_', "").parse().map_err(|_| self.unknown())?;
        Ok(if negative { -count } else { count })
    }

    fn prepare(&mut self) -> Result<Session, Stop> {
        if self.word("transaction") {
            return Err(
                refuse("PREPARE TRANSACTION", "The gateway is read-only: there are no prepared transactions.").into()
            );
        }
        let name = self.name()?;
        let mut types = Vec::new();
        if self.symbol("(") {
            while !self.symbol(")") {
                types.push(self.type_name()?);
                self.symbol(",");
            }
        }
        self.expect_word("as")?;
        Ok(Session::Prepare(Prepare { name, types, statement: self.query()? }))
    }

    /// A type's name up to the next comma or closing parenthesis.
    fn type_name(&mut self) -> Result<Type, Stop> {
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(token) = self.peek() {
            match token.text {
                "(" => depth += 1,
                ")" if depth > 0 => depth -= 1,
                ")" | "," if depth == 0 => break,
                _ => {}
            }
            self.at += 1;
        }
        let written = self.tokens.get(start..self.at).unwrap_or_default();
        let unknown = || {
            let text = written.iter().map(|token| token.text).collect::<Vec<_>>().join(" ");
            Stop::Refused(Refused::wrong(SqlState::UNDEFINED_OBJECT, format!("type \"{text}\" does not exist")))
        };
        super::type_names::read(written).ok_or_else(unknown)
    }

    fn execute(&mut self) -> Result<Execute, Stop> {
        let name = self.name()?;
        let arguments = match self.rest() {
            [] => Vec::new(),
            [open, inside @ .., close] if open.is_symbol("(") && close.is_symbol(")") => {
                self.source.expressions(inside)?
            }
            _ => return Err(self.unknown()),
        };
        Ok(Execute { name, arguments })
    }

    fn explain(&mut self) -> Result<Explain, Stop> {
        let (mut governance, mut analyze, mut verbose, mut format) = (false, false, false, ExplainFormat::Text);
        // `EXPLAIN (SELECT 1)` is a query in parentheses, and no option is called SELECT.
        let options = self.peek().is_some_and(|token| token.is_symbol("("))
            && !self.tokens.get(self.at + 1).is_some_and(|token| {
                token.is_symbol("(") || ["select", "values", "table", "with"].iter().any(|word| token.is_word(word))
            });
        if options {
            self.expect_symbol("(")?;
            loop {
                let option = self.name()?.to_lowercase();
                let value = if [",", ")"].iter().any(|end| self.peek().is_some_and(|token| token.is_symbol(end))) {
                    None
                } else {
                    Some(self.value()?.to_lowercase())
                };
                match option.as_str() {
                    "governance" => governance = boolean(&option, value.as_deref())?,
                    "analyze" | "analyse" => analyze = boolean(&option, value.as_deref())?,
                    "verbose" => verbose = boolean(&option, value.as_deref())?,
                    "format" => format = explain_format(value.as_deref())?,
                    // They ask for more figures; there are none to give, and the plan is the same.
                    "costs" | "settings" | "buffers" | "wal" | "timing" | "summary" | "memory" | "generic_plan" => {
                        boolean(&option, value.as_deref())?;
                    }
                    "serialize" => {}
                    _ => {
                        let message = format!("unrecognized EXPLAIN option \"{option}\"");
                        return Err(Refused::wrong(SqlState::SYNTAX_ERROR, message).into());
                    }
                }
                if !self.symbol(",") {
                    break;
                }
            }
            self.expect_symbol(")")?;
        } else {
            analyze = self.word("analyze") || self.word("analyse");
            verbose = self.word("verbose");
        }
        if governance && analyze {
            let message = "EXPLAIN options GOVERNANCE and ANALYZE cannot be used together";
            return Err(Refused::wrong(SqlState::INVALID_PARAMETER_VALUE, message).into());
        }
        let explained = self.is_query()
            || ["execute", "declare"].iter().any(|word| self.peek().is_some_and(|token| token.is_word(word)));
        if !explained {
            return Err(refuse("EXPLAIN of this statement", QUERIES_ONLY).into());
        }
        let statement = self.source.statement(self.rest())?;
        Ok(Explain { governance, analyze, verbose, format, statement })
    }

    fn copy(&mut self) -> Result<CopyOut, Stop> {
        self.word("binary");
        let binary = self.at == 2;
        let start = self.at;
        let copied = if self.symbol("(") {
            self.skip_group()?;
            let inside = self.tokens.get(start + 1..self.at.saturating_sub(1)).unwrap_or_default();
            let mut inner = Reader { source: self.source, tokens: inside, at: 0 };
            inner.query()?
        } else {
            self.copied_table()?
        };
        if self.word("from") {
            return Err(refuse("COPY FROM", COPY_OUT_ONLY).into());
        }
        self.expect_word("to")?;
        if !self.word("stdout") {
            return Err(refuse("COPY to a file or program", COPY_OUT_ONLY).into());
        }
        self.word("with");
        let mut options = super::copy_options::Asked::new(binary);
        if self.symbol("(") {
            self.copy_options(&mut options)?;
        } else {
            self.old_copy_options(&mut options)?;
        }
        let options = options.resolve()?;
        self.end(CopyOut { query: copied, options })
    }

    /// Moves behind the parenthesis that closes the one just taken.
    fn skip_group(&mut self) -> Result<(), Stop> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.next()?.text {
                "(" => depth += 1,
                ")" => depth -= 1,
                _ => {}
            }
        }
        Ok(())
    }

    /// `table` or `table (columns)` as a query over it, made of the same tokens.
    fn copied_table(&mut self) -> Result<ParsedStatement, Stop> {
        let start = self.at;
        self.name()?;
        while self.symbol(".") {
            self.name()?;
        }
        let table = self.tokens.get(start..self.at).unwrap_or_default();
        let open = self.at;
        let columns = if self.symbol("(") {
            self.skip_group()?;
            self.tokens.get(open + 1..self.at.saturating_sub(1)).unwrap_or_default()
        } else {
            &[]
        };
        let mut made = fixed("select")?;
        if columns.is_empty() {
            made.extend(fixed("*")?);
        }
        made.extend(columns);
        made.extend(fixed("from")?);
        made.extend(table);
        Ok(self.source.made_statement(&made)?)
    }

    fn copy_options(&mut self, options: &mut super::copy_options::Asked) -> Result<(), Stop> {
        loop {
            let name = self.name()?.to_lowercase();
            let ends = [",", ")"].iter().any(|end| self.peek().is_some_and(|token| token.is_symbol(end)));
            if name == "force_quote" {
                options.force_quote = Some(if self.symbol("*") {
                    ForceQuote::All
                } else {
                    self.expect_symbol("(")?;
                    let columns = self.names()?;
                    self.expect_symbol(")")?;
                    ForceQuote::Columns(columns)
                });
            } else {
                let value = if ends { None } else { Some(self.value()?) };
                options.set(&name, value)?;
            }
            if !self.symbol(",") {
                return self.expect_symbol(")");
            }
        }
    }

    fn names(&mut self) -> Result<Vec<String>, Stop> {
        let mut names = vec![self.name()?];
        while self.symbol(",") {
            names.push(self.name()?);
        }
        Ok(names)
    }

    /// The syntax of before PostgreSQL 9.0, which tools still send: `CSV HEADER DELIMITER AS ';'`.
    fn old_copy_options(&mut self, options: &mut super::copy_options::Asked) -> Result<(), Stop> {
        while !self.done() {
            let option = self.name()?.to_lowercase();
            match option.as_str() {
                "binary" | "csv" => options.set("format", Some(option))?,
                "header" => options.set("header", None)?,
                "force" => {
                    self.expect_word("quote")?;
                    options.force_quote =
                        Some(if self.symbol("*") { ForceQuote::All } else { ForceQuote::Columns(self.names()?) });
                }
                "delimiter" | "null" | "quote" | "escape" | "encoding" => {
                    self.word("as");
                    let value = self.text()?;
                    options.set(&option, Some(value))?;
                }
                _ => return Err(self.unknown()),
            }
        }
        Ok(())
    }
}

/// Tokens of a text of our own.
fn fixed(text: &'static str) -> Result<Vec<Token<'static>>, Stop> {
    tokens(text)
        .collect::<Result<_, _>>()
        .map_err(|_| Stop::Unread(ParseError::Unsupported { what: text.to_owned(), position: None }))
}

fn turned(count: i64) -> FetchDirection {
    if count < 0 {
        FetchDirection::Backward(count.unsigned_abs())
    } else {
        FetchDirection::Forward(count.unsigned_abs())
    }
}

fn name_of(token: &Token<'_>) -> Option<String> {
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

fn text_of(token: &Token<'_>) -> Option<String> {
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

/// PostgreSQL's reading of a boolean option; an option without a value is on.
pub(super) fn boolean(option: &str, value: Option<&str>) -> Result<bool, Refused> {
    match value {
        None | Some("true" | "on" | "1") => Ok(true),
        Some("false" | "off" | "0") => Ok(false),
        Some(_) => Err(Refused::wrong(SqlState::SYNTAX_ERROR, format!("{option} requires a Boolean value"))),
    }
}

fn explain_format(value: Option<&str>) -> Result<ExplainFormat, Refused> {
    match value {
        Some("text") => Ok(ExplainFormat::Text),
        Some("json") => Ok(ExplainFormat::Json),
        Some("xml") => Ok(ExplainFormat::Xml),
        Some("yaml") => Ok(ExplainFormat::Yaml),
        _ => Err(Refused::wrong(SqlState::INVALID_PARAMETER_VALUE, "unrecognized value for EXPLAIN option \"format\"")),
    }
}

#[cfg(test)]
#[path = "utility_tests.rs"]
mod tests;
