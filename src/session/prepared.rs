//! Prepared statements: those of Parse and those of PREPARE, in one name space and within bounds.
//!
//! A prepared statement holds what was read, never what was decided: each run is decided anew.

use crate::error::{ErrorReport, SqlState};
use crate::sql::ParsedStatement;
use arrow::datatypes::SchemaRef;
use postgres_types::Type;
use std::collections::HashMap;

/// The most text in all of them, in bytes.
pub(super) const MAX_TEXT_BYTES: usize = 32 << 20;

/// One prepared statement.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    /// `None` is the empty statement.
    pub(super) statement: Option<ParsedStatement>,
    /// The types of `$1`, `$2` …
    pub(super) parameters: Vec<Type>,
    /// The result's columns as last described; `None`: no result.
    pub(super) schema: Option<SchemaRef>,
    /// The description was made since the last Sync: nobody need ask again.
    pub(super) fresh: bool,
    /// How much it counts against [`MAX_TEXT_BYTES`].
    pub(super) bytes: usize,
}

/// All prepared statements of a session; the unnamed one has the name "".
#[derive(Debug)]
pub(super) struct PreparedStatements {
    by_name: HashMap<String, Prepared>,
    bytes: usize,
    /// How many there may be.
    most: usize,
}

impl PreparedStatements {
    /// None yet, and so many at most.
    pub(super) fn new(most: usize) -> Self {
        Self { by_name: HashMap::new(), bytes: 0, most }
    }

    /// Whether another could be put under a name.
    ///
    /// # Errors
    /// 42P05 if the name is taken, 54000 if there are too many or too large ones.
    pub(super) fn has_room(&self, name: &str, bytes: usize) -> Result<(), ErrorReport> {
        let replaced = match self.by_name.get(name) {
            Some(unnamed) if name.is_empty() => unnamed.bytes,
            Some(_) => {
                return Err(ErrorReport::new(
                    SqlState::DUPLICATE_PREPARED_STATEMENT,
                    format!("prepared statement \"{name}\" already exists"),
                ));
            }
            None => 0,
        };
        let full = |what: String| {
            ErrorReport::new(SqlState::PROGRAM_LIMIT_EXCEEDED, format!("a session has at most {what}"))
                .with_hint("Close or DEALLOCATE prepared statements that are no longer needed.")
        };
        if self.by_name.len() >= self.most && !self.by_name.contains_key(name) {
            return Err(full(format!("{} prepared statements", self.most)));
        }
        if self.bytes.saturating_sub(replaced).saturating_add(bytes) > MAX_TEXT_BYTES {
            return Err(full(format!("{MAX_TEXT_BYTES} bytes of prepared statements")));
        }
        Ok(())
    }

    /// Keeps one. The unnamed one replaces its forerunner.
    ///
    /// # Errors
    /// As [`Self::has_room`].
    pub(super) fn insert(&mut self, name: &str, prepared: Prepared) -> Result<(), ErrorReport> {
        self.has_room(name, prepared.bytes)?;
        self.remove(name);
        self.bytes = self.bytes.saturating_add(prepared.bytes);
        self.by_name.insert(name.to_owned(), prepared);
        Ok(())
    }

    /// The one of a name.
    ///
    /// # Errors
    /// 26000 if there is none.
    pub(super) fn get(&self, name: &str) -> Result<&Prepared, ErrorReport> {
        self.by_name.get(name).ok_or_else(|| absent(name))
    }

    /// Keeps what a new description says.
    pub(super) fn described(&mut self, name: &str, parameters: Vec<Type>, schema: Option<SchemaRef>) {
        if let Some(prepared) = self.by_name.get_mut(name) {
            prepared.parameters = parameters;
            prepared.schema = schema;
            prepared.fresh = true;
        }
    }

    /// Forgets one; whether there was one.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        match self.by_name.remove(name) {
            Some(prepared) => {
                self.bytes = self.bytes.saturating_sub(prepared.bytes);
                true
            }
            None => false,
        }
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.most);
    }

    /// Descriptions have to be asked for again: policies may have changed.
    pub(super) fn age(&mut self) {
        for prepared in self.by_name.values_mut() {
            prepared.fresh = false;
        }
    }
}

fn absent(name: &str) -> ErrorReport {
    let message = if name.is_empty() {
        "unnamed prepared statement does not exist".to_owned()
    } else {
        format!("prepared statement \"{name}\" does not exist")
    };
    ErrorReport::new(SqlState::INVALID_SQL_STATEMENT_NAME, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(bytes: usize) -> Prepared {
        Prepared { statement: None, parameters: Vec::new(), schema: None, fresh: true, bytes }
    }

    #[test]
    fn a_name_is_taken_once_and_the_unnamed_one_is_replaced() {
        let mut statements = PreparedStatements::new(10);
        statements.insert("a", prepared(1)).unwrap();
        assert_eq!(statements.insert("a", prepared(1)).unwrap_err().sqlstate.0, "42P05");
        statements.insert("", prepared(5)).unwrap();
        statements.insert("", prepared(7)).unwrap();
        assert_eq!(statements.bytes, 8);
        assert_eq!(statements.get("b").unwrap_err().message, "prepared statement \"b\" does not exist");
        assert!(statements.remove("a"));
        assert!(!statements.remove("a"));
        assert_eq!(statements.bytes, 7);
        assert_eq!(statements.get("a").unwrap_err().sqlstate.0, "26000");
    }

    #[test]
    fn number_and_text_are_bounded() {
        let mut statements = PreparedStatements::new(1_000);
        for n in 0..1_000 {
            statements.insert(&format!("s{n}"), prepared(1)).unwrap();
        }
        let error = statements.insert("one more", prepared(1)).unwrap_err();
        assert_eq!((error.sqlstate.0, error.hint.is_some()), ("54000", true));
        statements.clear();
        assert_eq!(statements.most, 1_000);
        statements.insert("", prepared(MAX_TEXT_BYTES)).unwrap();
        assert_eq!(statements.has_room("x", 1).unwrap_err().sqlstate.0, "54000");
        statements.insert("", prepared(MAX_TEXT_BYTES)).unwrap();
    }
}
