//! Statements for the session, read from PostgreSQL's tokens.
//!
//! PostgreSQL's grammar has taken the text before this runs, so this needs no error messages of its own: what it does
//! not know, it refuses as not supported. Queries inside of these statements go to the parser like any other.

use super::command::{Discard, IsolationLevel, Session, Set, SetValue, Target, TransactionMode};
use super::lexer::{Kind, Token};
use super::parse::Source;
use super::parse_error::ParseError;
use super::reader::{Reader, Stop, name_of, text_of};
use super::refusal::{by_words, refuse};
use super::statement::Body;
use std::sync::Arc;

const NO_IDENTITY: &str =
    "A connection speaks for the user that it was opened with; connect as the other user instead.";

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

impl Reader<'_, '_> {
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
                self.modes().map(Session::StartTransaction)
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
        if self.words(&["session", "authorization"]) {
            return self.own_identity("session_authorization", false);
        }
        let local = self.word("local");
        if !local {
            self.word("session");
        }
        if self.words(&["session", "authorization"]) {
            return self.own_identity("session_authorization", local);
        }
        let is_assigned = |token: &Token<'_>| token.is_symbol("=") || token.is_word("to");
        if !self.tokens.get(self.at + 1).is_some_and(is_assigned) && self.word("role") {
            return self.own_identity("role", local);
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
            return Err(refuse(
                "SET CONSTRAINTS",
                "Constraints are checked when their tables say, at the latest when the transaction ends.",
            )
            .into());
        }
        let (name, value) = self.assignment()?;
        self.end(Session::Set(Set { name, value, local }))
    }

    /// The identity that the connection has: DEFAULT, and for a role NONE as well. Any other is refused.
    fn own_identity(&mut self, name: &str, local: bool) -> Result<Session, Stop> {
        let own = self.word("default") || (name == "role" && (self.word("none") || self.is_text("none")));
        if !own || !self.done() {
            let what = if name == "role" { "SET ROLE" } else { "SET SESSION AUTHORIZATION" };
            return Err(refuse(what, NO_IDENTITY).into());
        }
        Ok(Session::Set(Set { name: name.to_owned(), value: SetValue::Default, local }))
    }

    /// Takes one string constant if it is the next and says just this.
    fn is_text(&mut self, text: &str) -> bool {
        let found = self.peek().and_then(text_of).is_some_and(|found| found == text);
        self.at += usize::from(found);
        found
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
        let name = self.setting()?;
        if !self.symbol("=") {
            self.expect_word("to")?;
        }
        if matches!(name.as_str(), "role" | "session_authorization") {
            return match self.own_identity(&name, false)? {
                Session::Set(set) => Ok((set.name, set.value)),
                _ => Err(self.unknown()),
            };
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

    pub(super) fn value(&mut self) -> Result<String, Stop> {
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
            return Err(refuse(
                "COMMIT PREPARED",
                "There are no prepared transactions: COMMIT and ROLLBACK end a transaction.",
            )
            .into());
        }
        let _ = self.word("work") || self.word("transaction");
        let chain = self.words(&["and", "chain"]);
        let _ = chain || self.words(&["and", "no", "chain"]);
        self.end(chain)
    }

    fn rollback(&mut self) -> Result<Session, Stop> {
        if self.word("prepared") {
            return Err(refuse(
                "ROLLBACK PREPARED",
                "There are no prepared transactions: COMMIT and ROLLBACK end a transaction.",
            )
            .into());
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
}

#[cfg(test)]
#[path = "utility_tests.rs"]
mod tests;
