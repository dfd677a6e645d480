//! A second reading of a governed statement, from its own text, that shares no code with resolving and rewriting.
//!
//! The tree is printed and read back (by PostgreSQL's grammar and by the parser: [`print_checked`]), and the parser's own
//! visitor and the tokens of the text must both find governed relations, WITH queries and allow-listed functions, and
//! nothing else ([`verify_tree`]). What was decided is then held against what stands for each of them
//! ([`verify_obligations`]). The executor proves the rest by the scans of its plan: [`GovernedStatement::expected_scans`].

mod columns;
mod groups;
mod obligations;
mod policy;

pub use obligations::verify_obligations;

use super::statement::{ColumnValue, GovernedStatement, GovernedTarget};
use crate::error::{ErrorReport, SqlState};
use crate::sql::names::parts;
use crate::sql::{PrintError, functions, print_checked, read_back};
use sqlparser::ast::{Expr, Function, ObjectName, Query, SetExpr, TableFactor, Visit, Visitor, visit_relations};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Token, Tokenizer, Word};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Functions that governing itself puts into trees, `ARRAY(SELECT …)` and `ROW(…)`, beside those of the allow-list.
const OWN_FUNCTIONS: [&str; 6] = ["array", "coalesce", "count", "named_struct", "power", "row"];

/// Why a statement is not proved governed: it must not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Its text does not mean its tree.
    #[error("{0}")]
    Text(#[from] PrintError),
    /// The text could not be read again.
    #[error("the printed statement can not be read again")]
    Unreadable,
    /// A relation that is neither governed nor a WITH query.
    #[error("the tree reads {0}, which is not governed")]
    Relation(String),
    /// A governed relation that is referred to other than once.
    #[error("{0} stands in the tree {1} times")]
    References(String, usize),
    /// A function outside of the allow-list.
    #[error("the tree calls {0}, which is not allowed")]
    Function(String),
    /// The statement is not governed as it was decided.
    #[error("{relation} lacks {what}")]
    Obligation {
        /// `rN`, or the statement.
        relation: String,
        /// What was decided for it.
        what: &'static str,
    },
    /// Two readers found different relations.
    #[error("two readings of the tree differ")]
    Disagree,
}

impl VerifyError {
    /// What the client is told; the rest is for the log.
    pub fn report(&self) -> ErrorReport {
        ErrorReport::new(SqlState::INTERNAL_ERROR, "statement could not be verified as governed")
            .with_detail("The statement was not run.")
    }
}

/// Proves that a tree reads governed relations alone. Gives the text that was proved.
///
/// # Errors
/// [`VerifyError`]: the statement must not run.
pub fn verify_tree(statement: &GovernedStatement) -> Result<String, VerifyError> {
    let text = print_checked(statement.query())?;
    // With the parser's costs bounded: the stock one takes twice as long for each level of nested calls.
    let query = read_back(&text).map_err(|_| VerifyError::Unreadable)?;

    let mut reader = Reader::default();
    if let ControlFlow::Break(error) = query.visit(&mut reader) {
        return Err(error);
    }
    let keys: BTreeSet<&str> = statement.relations().iter().map(|relation| relation.key.as_str()).collect();
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for (name, is_cte) in &reader.relations {
        match name.as_slice() {
            [schema, key] if schema == GovernedStatement::RELATION_SCHEMA && keys.contains(key.as_str()) => {
                let count = found.entry(key.clone()).or_default();
                *count = count.saturating_add(1);
            }
            [_] if *is_cte => {}
            other => return Err(VerifyError::Relation(other.join("."))),
        }
    }
    for key in keys {
        let count = found.get(key).copied().unwrap_or_default();
        if count != 1 {
            return Err(VerifyError::References(key.to_owned(), count));
        }
    }
    // The visitor's own notion of a relation, which takes table functions for relations too.
    let mut visited = 0_usize;
    let _ = visit_relations(query.as_ref(), |_| -> ControlFlow<()> {
        visited = visited.saturating_add(1);
        ControlFlow::Continue(())
    });
    if visited != reader.relations.len().saturating_add(reader.table_functions) {
        return Err(VerifyError::Disagree);
    }
    tokens(&text, &PostgreSqlDialect {}, &found)?;
    raw_relations(statement)?;
    Ok(text)
}

#[derive(Default)]
struct Reader {
    /// Names, and whether each is a WITH query's where it stands.
    relations: Vec<(Vec<String>, bool)>,
    /// The WITH queries of each query that is being read.
    ctes: Vec<BTreeSet<String>>,
    table_functions: usize,
}

impl Visitor for Reader {
    type Break = VerifyError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<VerifyError> {
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        self.ctes.push(ctes.map(|cte| crate::sql::names::fold_ident(&cte.alias.name)).collect());
        match query.body.as_ref() {
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::SetOperation { .. } | SetExpr::Values(_) => {
                ControlFlow::Continue(())
            }
            other => ControlFlow::Break(VerifyError::Relation(other.to_string())),
        }
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<VerifyError> {
        self.ctes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<VerifyError> {
        match factor {
            TableFactor::Table { name, args: None, .. } => {
                let name = folded(name);
                let is_cte = matches!(name.as_slice(), [name] if self.ctes.iter().any(|known| known.contains(name)));
                self.relations.push((name, is_cte));
                ControlFlow::Continue(())
            }
            TableFactor::Table { name, args: Some(_), .. } => {
                self.table_functions = self.table_functions.saturating_add(1);
                allowed(name)
            }
            TableFactor::Derived { .. } | TableFactor::UNNEST { .. } | TableFactor::NestedJoin { .. } => {
                ControlFlow::Continue(())
            }
            other => ControlFlow::Break(VerifyError::Relation(other.to_string())),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<VerifyError> {
        match expr {
            Expr::Function(Function { name, .. }) => allowed(name),
            _no_call => ControlFlow::Continue(()),
        }
    }
}

fn folded(name: &ObjectName) -> Vec<String> {
    parts(name).unwrap_or_default()
}

fn allowed(name: &ObjectName) -> ControlFlow<VerifyError> {
    match folded(name).as_slice() {
        [function] if OWN_FUNCTIONS.contains(&function.as_str()) || functions::lookup(function).is_some() => {
            ControlFlow::Continue(())
        }
        other => ControlFlow::Break(VerifyError::Function(other.join("."))),
    }
}

/// The words of the text: governed names stand in it as often as the visitor found them, raw ones and TABLE never.
fn tokens(text: &str, dialect: &PostgreSqlDialect, found: &BTreeMap<String, usize>) -> Result<(), VerifyError> {
    let tokens = Tokenizer::new(dialect, text).with_unescape(false).tokenize().map_err(|_| VerifyError::Unreadable)?;
    let mut count = 0_usize;
    let solid: Vec<&Token> = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    for (at, token) in solid.iter().enumerate() {
        let Token::Word(Word { value, quote_style, keyword: _ }) = token else { continue };
        if value.eq_ignore_ascii_case(GovernedStatement::RAW_SCHEMA) {
            return Err(VerifyError::Relation(value.clone()));
        }
        if quote_style.is_none() && value.eq_ignore_ascii_case("table") {
            return Err(VerifyError::Relation(value.clone()));
        }
        if value == GovernedStatement::RELATION_SCHEMA {
            let after = at.checked_add(1).and_then(|next| solid.get(next));
            let key = at.checked_add(2).and_then(|next| solid.get(next));
            match (after, key) {
                (Some(Token::Period), Some(Token::Word(Word { value: key, .. }))) if found.contains_key(key) => {
                    count = count.saturating_add(1);
                }
                _not_a_key => return Err(VerifyError::Relation(value.clone())),
            }
        }
    }
    if count == found.len() { Ok(()) } else { Err(VerifyError::Disagree) }
}

/// Row filters and expression masks read the raw relations that are listed for them, and nothing else.
fn raw_relations(statement: &GovernedStatement) -> Result<(), VerifyError> {
    for relation in statement.relations() {
        let GovernedTarget::Dataset(dataset) = &relation.target else { continue };
        let computed = dataset.columns.iter().filter_map(|column| match &column.value {
            ColumnValue::Computed(expr) => Some(expr),
            ColumnValue::Clear | ColumnValue::Masked(_) => None,
        });
        for expr in dataset.filter.iter().chain(computed) {
            let mut reader = Reader::default();
            if let ControlFlow::Break(error) = expr.visit(&mut reader) {
                return Err(error);
            }
            for (name, is_cte) in &reader.relations {
                match name.as_slice() {
                    [schema, key]
                        if schema == GovernedStatement::RAW_SCHEMA && dataset.raw_relations.contains_key(key) => {}
                    [_] if *is_cte => {}
                    other => return Err(VerifyError::Relation(other.join("."))),
                }
            }
        }
    }
    Ok(())
}
