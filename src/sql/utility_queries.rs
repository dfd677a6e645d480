//! Statements for the session that hold a query: cursors, prepared statements, EXPLAIN, COPY.

use super::command::{
    CopyOut, Declare, Execute, Explain, ExplainFormat, Fetch, FetchDirection, ForceQuote, Prepare, Refused, Session,
};
use super::copy_options::{Asked, boolean};
use super::lexer::{Kind, Token, tokens};
use super::parse_error::ParseError;
use super::reader::{QUERIES_ONLY, Reader, Stop};
use super::refusal::refuse;
use super::statement::ParsedStatement;
use super::type_names;
use crate::error::SqlState;
use postgres_types::Type;

const COPY_OUT_ONLY: &str = "COPY (query) TO STDOUT works, and so does \\copy (query) TO in psql; rows are written with INSERT, where a policy grants it.";

impl<'a> Reader<'_, 'a> {
    pub(super) fn declare(&mut self) -> Result<Declare, Stop> {
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

    pub(super) fn fetch(&mut self) -> Result<Fetch, Stop> {
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

    pub(super) fn prepare(&mut self) -> Result<Session, Stop> {
        if self.word("transaction") {
            return Err(refuse(
                "PREPARE TRANSACTION",
                "There are no prepared transactions: COMMIT and ROLLBACK end a transaction.",
            )
            .into());
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
        type_names::read(written).ok_or_else(unknown)
    }

    pub(super) fn execute(&mut self) -> Result<Execute, Stop> {
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

    pub(super) fn explain(&mut self) -> Result<Explain, Stop> {
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

    pub(super) fn copy(&mut self) -> Result<CopyOut, Stop> {
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
        let mut options = Asked::new(binary);
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

    fn copy_options(&mut self, options: &mut Asked) -> Result<(), Stop> {
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
    fn old_copy_options(&mut self, options: &mut Asked) -> Result<(), Stop> {
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

fn explain_format(value: Option<&str>) -> Result<ExplainFormat, Refused> {
    match value {
        Some("text") => Ok(ExplainFormat::Text),
        Some("json") => Ok(ExplainFormat::Json),
        Some("xml") => Ok(ExplainFormat::Xml),
        Some("yaml") => Ok(ExplainFormat::Yaml),
        _ => Err(Refused::wrong(SqlState::INVALID_PARAMETER_VALUE, "unrecognized value for EXPLAIN option \"format\"")),
    }
}
