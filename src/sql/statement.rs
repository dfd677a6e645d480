//! A statement that has been read and not yet judged.

use super::command::{Refused, Session};
use super::template::Templated;
use super::write::Write;
use sqlparser::ast::{Query, Statement};
use std::fmt;
use std::sync::Arc;

/// SQL with every literal replaced and every comment removed. Only redaction makes one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SanitizedSql(pub(super) Arc<str>);

impl SanitizedSql {
    /// The text, fit for logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SanitizedSql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SanitizedSql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One statement, parsed. Its tree is what will be analysed and sent; its text is never used again.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedStatement {
    pub(super) body: Body,
    pub(super) sanitized: SanitizedSql,
    pub(super) fingerprint: u64,
    pub(super) parameters: usize,
}

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Body {
    /// A query, read by sqlparser.
    Tree(Arc<Statement>),
    /// A query of a template that was read before, with constants of its own.
    Templated(Templated),
    /// INSERT, UPDATE, DELETE.
    Write(Arc<Write>),
    /// A statement for the session, read by [`super::utility`].
    Session(Arc<Session>),
    /// A statement that PostgreSQL's grammar takes and the gateway never runs.
    Refused(Arc<Refused>),
}

/// What [`ParsedStatement::tree`] gives where there is no tree: nothing runs it, and every match over trees refuses it.
static NO_TREE: Statement = Statement::UnlockTables;

impl ParsedStatement {
    /// The tree. A statement for the session (SET, SHOW, COPY …) has none: it gives `UNLOCK TABLES`, which nothing
    /// runs; ask [`super::command`] what such a statement is.
    pub fn tree(&self) -> &Statement {
        match &self.body {
            Body::Tree(tree) => tree,
            Body::Templated(templated) => templated.tree(),
            Body::Write(_) | Body::Session(_) | Body::Refused(_) => &NO_TREE,
        }
    }

    /// The query, if the statement is one (SELECT, VALUES, TABLE, WITH). It has not been judged: see [`super::command`].
    pub fn query(&self) -> Option<&Query> {
        match self.tree() {
            Statement::Query(query) => Some(query),
            _ => None,
        }
    }

    /// The template that it is an instance of, if it was read by way of [`super::Templates`].
    pub fn templated(&self) -> Option<&Templated> {
        match &self.body {
            Body::Templated(templated) => Some(templated),
            Body::Tree(_) | Body::Write(_) | Body::Session(_) | Body::Refused(_) => None,
        }
    }

    /// The text without literals and comments.
    pub fn sanitized(&self) -> &SanitizedSql {
        &self.sanitized
    }

    /// Equal for statements that differ in literals, comments and white space alone.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The highest `$n` in it.
    pub fn parameters(&self) -> usize {
        self.parameters
    }
}
