//! Templates: queries that differ in constants alone are read once.
//!
//! A constant that a plain column is compared with in WHERE or ON (`=`, `<>`, `<`, `<=`, `>`, `>=`, BETWEEN, an IN list)
//! is lifted out: in the template's tree a parameter stands in its place, numbered behind the client's own. Every other
//! constant (LIMIT, a column's number in ORDER BY, a type's length …) belongs to what the template is.
//!
//! INVARIANT: two texts share a template only if PostgreSQL's grammar and sqlparser would give both the same tree but for
//! the lifted constants: their tokens are the same one by one, and a constant of one is of the kind of the other's.

use super::bounds::ParseBounds;
use super::command::{Command, command};
use super::lexer::{Kind, Token, tokens};
use super::parse::{begins_query, parse};
use super::parse_error::ParseError;
use super::stack::on_deep_stack;
use super::statement::{Body, ParsedStatement, SanitizedSql};
use ahash::RandomState;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use sqlparser::ast::{
    BinaryOperator, Expr, JoinConstraint, JoinOperator, Query, Select, SetExpr, Statement, TableFactor, TableWithJoins,
    UnaryOperator, Value, ValueWithSpan, VisitMut, VisitorMut,
};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

/// A longer text is read anew each time.
const LONGEST_TEXT: usize = 16 << 10;
/// A statement with more constants to lift keeps all of them: such a list is seldom sent twice.
const MOST_LIFTED: usize = 100;
/// What all templates and their keys may take, in bytes, as far as that can be told.
const MOST_BYTES: u64 = 64 << 20;
/// What one token of a statement takes, with its part of the tree.
const BYTES_OF_A_TOKEN: usize = 300;

/// The kinds of constant that are lifted. A kind is what decides its type in PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConstantKind {
    /// Digits that fit an `integer`.
    Integer,
    /// Digits that fit a `bigint` only.
    BigInteger,
    /// Digits with a point: `numeric`.
    Decimal,
    /// `'text'`: of no type yet.
    Text,
}

/// One lifted constant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Constant {
    kind: ConstantKind,
    /// As it was written, without the quotes around it.
    written: Box<str>,
}

impl Constant {
    /// What decides its type.
    pub fn kind(&self) -> ConstantKind {
        self.kind
    }

    /// Its value in PostgreSQL's text form.
    pub fn value(&self) -> Cow<'_, str> {
        if self.written.contains("''") { self.written.replace("''", "'").into() } else { (&*self.written).into() }
    }

    fn expression(&self) -> Value {
        match self.kind {
            ConstantKind::Integer | ConstantKind::BigInteger | ConstantKind::Decimal => {
                Value::Number(self.written.to_string(), false)
            }
            ConstantKind::Text => Value::SingleQuotedString(self.written.to_string()),
        }
    }
}

/// A query without its lifted constants.
#[derive(Debug, PartialEq)]
pub struct Template {
    tree: Arc<Statement>,
    sanitized: SanitizedSql,
    fingerprint: u64,
    parameters: usize,
    kinds: Box<[ConstantKind]>,
    bytes: usize,
}

impl Template {
    /// About how many bytes of memory it takes: by its tokens, for a tree does not tell.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The query, with `$n` in place of each lifted constant: the first of them is one behind the client's last.
    pub fn query(&self) -> Option<&Query> {
        match &*self.tree {
            Statement::Query(query) => Some(query),
            _ => None,
        }
    }

    /// The kinds of the lifted constants, in the order of their parameters.
    pub fn kinds(&self) -> &[ConstantKind] {
        &self.kinds
    }
}

/// A template with constants: one statement.
#[derive(Debug, Clone)]
pub struct Templated {
    template: Arc<Template>,
    constants: Arc<[Constant]>,
    tree: OnceLock<Arc<Statement>>,
}

impl PartialEq for Templated {
    fn eq(&self, other: &Self) -> bool {
        self.template == other.template && self.constants == other.constants
    }
}

impl Templated {
    /// What it has in common with others.
    pub fn template(&self) -> &Arc<Template> {
        &self.template
    }

    /// What it has of its own.
    pub fn constants(&self) -> &Arc<[Constant]> {
        &self.constants
    }

    /// The statement's tree with its constants in it. Positions in it are those of the text that was read first.
    pub(super) fn tree(&self) -> &Statement {
        self.tree.get_or_init(|| {
            on_deep_stack(|| {
                let mut tree = (*self.template.tree).clone();
                let first = self.template.parameters.saturating_add(1);
                let _ = tree.visit(&mut PutBack { first, constants: &self.constants });
                Arc::new(tree)
            })
        })
    }
}

struct PutBack<'a> {
    first: usize,
    constants: &'a [Constant],
}

impl VisitorMut for PutBack<'_> {
    type Break = ();

    fn pre_visit_value(&mut self, found: &mut ValueWithSpan) -> ControlFlow<()> {
        let value = &mut found.value;
        if let Value::Placeholder(name) = value
            && let Some(number) = name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok())
            && let Some(constant) = number.checked_sub(self.first).and_then(|index| self.constants.get(index))
        {
            *value = constant.expression();
        }
        ControlFlow::Continue(())
    }
}

/// The templates that were read, for each reader: whether somebody else sent a statement can't be told by the time that
/// one's own takes.
#[derive(Debug)]
pub struct Templates {
    /// Which constants are lifted, by the tokens with every constant that could be replaced by its kind.
    shapes: Cache<Arc<str>, Arc<[bool]>, RandomState>,
    /// By the same and the constants that are not lifted.
    templates: Cache<Arc<str>, Arc<Template>, RandomState>,
}

impl Default for Templates {
    fn default() -> Self {
        let weight = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let builder = || Cache::builder().eviction_policy(EvictionPolicy::lru());
        Self {
            shapes: builder()
                .max_capacity(MOST_BYTES / 4)
                .weigher(move |key: &Arc<str>, shape: &Arc<[bool]>| weight(key.len() + shape.len() + 100))
                .build_with_hasher(RandomState::new()),
            templates: Cache::builder()
                .eviction_policy(EvictionPolicy::lru())
                .max_capacity(MOST_BYTES)
                .weigher(move |key: &Arc<str>, template: &Arc<Template>| weight(key.len() + template.bytes()))
                .build_with_hasher(RandomState::new()),
        }
    }
}

impl Templates {
    /// Reads a query string as [`parse`] does; one that holds a single query of a template that `reader` has sent before
    /// is not parsed.
    ///
    /// # Errors
    /// [`ParseError`]; nothing of the text is then run.
    pub fn read(&self, reader: &str, text: &str, bounds: &ParseBounds) -> Result<Vec<ParsedStatement>, ParseError> {
        let Some(form) = Form::of(reader, text) else { return parse(text, bounds) };
        if let Some(lifted) = self.shapes.get(form.key.as_str())
            && let Some(template) = self.templates.get(form.whole_key(&lifted).as_ref())
        {
            return Ok(vec![form.instance(template, &lifted, OnceLock::new())]);
        }
        let mut statements = parse(text, bounds)?;
        if let [statement] = statements.as_mut_slice()
            && let Some((template, lifted)) = on_deep_stack(|| form.learn(text, statement))
        {
            let (template, lifted): (Arc<Template>, Arc<[bool]>) = (Arc::new(template), lifted.into());
            self.templates.insert(form.whole_key(&lifted).into(), Arc::clone(&template));
            self.shapes.insert(form.key.as_str().into(), Arc::clone(&lifted));
            if let Body::Tree(tree) = &statement.body {
                let tree = OnceLock::from(Arc::clone(tree));
                *statement = form.instance(template, &lifted, tree);
            }
        }
        Ok(statements)
    }
}

/// Stands behind every token of a key: no text that is read holds it.
const END_OF_TOKEN: u8 = 0;

/// A text as the cache sees it.
struct Form<'a> {
    key: String,
    candidates: Vec<Candidate<'a>>,
}

/// A constant that might be lifted.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    kind: ConstantKind,
    written: &'a str,
    start: usize,
}

impl<'a> Form<'a> {
    /// `None` for what has no template: several statements, none, one that is no query, a very long one.
    fn of(reader: &str, text: &'a str) -> Option<Self> {
        if text.len() > LONGEST_TEXT || text.contains('\0') || reader.contains('\0') {
            return None;
        }
        let mut key = String::with_capacity(reader.len() + text.len() + 32);
        key.push_str(reader);
        key.push('\0');
        let mut candidates = Vec::new();
        let (mut is_first, mut is_over) = (true, false);
        for token in tokens(text) {
            let token = token.ok()?;
            if token.is_symbol(";") {
                is_over = true;
                continue;
            }
            if is_over || std::mem::take(&mut is_first) && !begins_query(&token) {
                return None;
            }
            match candidate(&token) {
                Some(candidate) => {
                    key.push_str(match candidate.kind {
                        ConstantKind::Integer => "\u{1}i",
                        ConstantKind::BigInteger => "\u{1}b",
                        ConstantKind::Decimal => "\u{1}d",
                        ConstantKind::Text => "\u{1}t",
                    });
                    candidates.push(candidate);
                }
                None => key.push_str(token.text),
            }
            key.push('\0');
        }
        (!is_first).then_some(Self { key, candidates })
    }

    /// The key with the constants that are not lifted behind it.
    fn whole_key(&self, lifted: &[bool]) -> Cow<'_, str> {
        let mut kept =
            self.candidates.iter().zip(lifted).filter(|(_, lifted)| !**lifted).map(|(kept, _)| kept.written).peekable();
        if kept.peek().is_none() {
            return Cow::Borrowed(&self.key);
        }
        // An empty token, which no text has, parts them from the tokens: `'x'` at the end is not the alias x.
        let mut key = self.key.clone();
        key.push('\0');
        for written in kept {
            key.push_str(written);
            key.push('\0');
        }
        Cow::Owned(key)
    }

    fn instance(&self, template: Arc<Template>, lifted: &[bool], tree: OnceLock<Arc<Statement>>) -> ParsedStatement {
        let own = self.candidates.iter().zip(lifted).filter(|(_, lifted)| **lifted);
        let constants =
            own.map(|(candidate, _)| Constant { kind: candidate.kind, written: candidate.written.into() }).collect();
        ParsedStatement {
            sanitized: template.sanitized.clone(),
            fingerprint: template.fingerprint,
            parameters: template.parameters,
            body: Body::Templated(Templated { template, constants, tree }),
        }
    }

    /// The template of a statement that was read from this text, and which constants it leaves open.
    fn learn(&self, text: &str, statement: &ParsedStatement) -> Option<(Template, Vec<bool>)> {
        let Body::Tree(tree) = &statement.body else { return None };
        if !matches!(command(statement), Ok(Command::Query)) {
            return None;
        }
        // Positions in the tree: characters of the text, the first is 1.
        let place = |start: usize| text.get(..start).map_or(0, |before| before.chars().count()) as u64 + 1;
        let places: HashMap<u64, usize> =
            self.candidates.iter().enumerate().map(|(index, candidate)| (place(candidate.start), index)).collect();
        let mut lifted = tree.as_ref().clone();
        let Statement::Query(query) = &mut lifted else { return None };
        let mut lift = Lift { places: &places, found: vec![None; self.candidates.len()], next: 0 };
        lift.query(query);
        let found = lift.found;
        let count = found.iter().flatten().count();
        // Each constant stands in the tree once, or it is not known which one was meant.
        let is_plain = lift.next == count;
        if count == 0 || count > MOST_LIFTED || !is_plain {
            return Some((self.template(statement, Arc::clone(tree), &[]), vec![false; self.candidates.len()]));
        }
        // Parameters are numbered in the order of the text.
        let mut numbers = vec![0; count];
        for (number, first) in found.iter().flatten().enumerate() {
            *numbers.get_mut(*first)? = statement.parameters.saturating_add(number).saturating_add(1);
        }
        let _ = lifted.visit(&mut Number { numbers: &numbers });
        let open: Vec<bool> = found.iter().map(Option::is_some).collect();
        let kinds: Vec<ConstantKind> =
            self.candidates.iter().zip(&open).filter(|(_, open)| **open).map(|(candidate, _)| candidate.kind).collect();
        Some((self.template(statement, Arc::new(lifted), &kinds), open))
    }

    fn template(&self, statement: &ParsedStatement, tree: Arc<Statement>, kinds: &[ConstantKind]) -> Template {
        Template {
            tree,
            sanitized: statement.sanitized.clone(),
            fingerprint: statement.fingerprint,
            parameters: statement.parameters,
            kinds: kinds.into(),
            bytes: (self.key.bytes().filter(|byte| *byte == END_OF_TOKEN).count() + 4) * BYTES_OF_A_TOKEN,
        }
    }
}

/// A number or a plain string that could be lifted wherever it stands.
fn candidate<'a>(token: &Token<'a>) -> Option<Candidate<'a>> {
    let text = token.text;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (kind, written) = match token.kind {
        Kind::Number if digits(text) && text.parse::<i32>().is_ok() => (ConstantKind::Integer, text),
        Kind::Number if digits(text) && text.parse::<i64>().is_ok() => (ConstantKind::BigInteger, text),
        Kind::Number => {
            let (whole, part) = text.split_once('.')?;
            (digits(whole) && digits(part) && text.len() <= 30).then_some((ConstantKind::Decimal, text))?
        }
        // A string that goes on behind a line break has other quotes within.
        Kind::Text => {
            let inside = text.get(1..text.len().checked_sub(1)?)?;
            (!inside.replace("''", "").contains('\'')).then_some((ConstantKind::Text, inside))?
        }
        Kind::Word
        | Kind::QuotedIdentifier
        | Kind::UnicodeIdentifier
        | Kind::EscapedText
        | Kind::UnicodeText
        | Kind::NationalText
        | Kind::Bits
        | Kind::HexBits
        | Kind::DollarText
        | Kind::Parameter
        | Kind::Symbol => return None,
    };
    Some(Candidate { kind, written, start: token.start })
}

/// What a parameter is called between being found and being numbered: no text can hold such a name.
const FOUND: &str = "$\u{1}";

/// Finds the constants to lift. Whatever it does not know it leaves as it is: then the constant is part of the template.
struct Lift<'a> {
    places: &'a HashMap<u64, usize>,
    /// For each candidate: the how-manyth it was to be found.
    found: Vec<Option<usize>>,
    next: usize,
}

impl Lift<'_> {
    fn query(&mut self, query: &mut Query) {
        for cte in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            self.query(&mut cte.query);
        }
        self.body(&mut query.body);
    }

    fn body(&mut self, body: &mut SetExpr) {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left);
                self.body(right);
            }
            _ => {}
        }
    }

    fn select(&mut self, select: &mut Select) {
        for table in &mut select.from {
            self.table(table);
        }
        if let Some(condition) = &mut select.selection {
            self.condition(condition);
        }
    }

    fn table(&mut self, table: &mut TableWithJoins) {
        self.factor(&mut table.relation);
        for join in &mut table.joins {
            self.factor(&mut join.relation);
            if let JoinOperator::Join(JoinConstraint::On(condition))
            | JoinOperator::Inner(JoinConstraint::On(condition))
            | JoinOperator::Left(JoinConstraint::On(condition))
            | JoinOperator::LeftOuter(JoinConstraint::On(condition))
            | JoinOperator::Right(JoinConstraint::On(condition))
            | JoinOperator::RightOuter(JoinConstraint::On(condition))
            | JoinOperator::FullOuter(JoinConstraint::On(condition)) = &mut join.join_operator
            {
                self.condition(condition);
            }
        }
    }

    fn factor(&mut self, factor: &mut TableFactor) {
        match factor {
            TableFactor::Derived { subquery, .. } => self.query(subquery),
            TableFactor::NestedJoin { table_with_joins, .. } => self.table(table_with_joins),
            _ => {}
        }
    }

    fn condition(&mut self, condition: &mut Expr) {
        match condition {
            Expr::Nested(inner) | Expr::UnaryOp { op: UnaryOperator::Not, expr: inner } => self.condition(inner),
            Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
                self.condition(left);
                self.condition(right);
            }
            Expr::BinaryOp {
                left,
                op:
                    BinaryOperator::Eq
                    | BinaryOperator::NotEq
                    | BinaryOperator::Lt
                    | BinaryOperator::LtEq
                    | BinaryOperator::Gt
                    | BinaryOperator::GtEq,
                right,
            } => {
                if is_column(left) {
                    self.constant(right);
                } else if is_column(right) {
                    self.constant(left);
                }
            }
            Expr::InList { expr, list, .. } if is_column(expr) => {
                list.iter_mut().for_each(|item| self.constant(item));
            }
            Expr::Between { expr, low, high, .. } if is_column(expr) => {
                self.constant(low);
                self.constant(high);
            }
            Expr::Exists { subquery, .. } => self.query(subquery),
            Expr::InSubquery { subquery, .. } => self.query(subquery),
            _ => {}
        }
    }

    fn constant(&mut self, expr: &mut Expr) {
        let Expr::Value(ValueWithSpan { value, span }) = expr else { return };
        if !matches!(value, Value::Number(..) | Value::SingleQuotedString(_)) {
            return;
        }
        let Some(index) = self.places.get(&span.start.column) else { return };
        let Some(place) = self.found.get_mut(*index) else { return };
        *place = Some(self.next);
        *value = Value::Placeholder(format!("{FOUND}{}", self.next));
        self.next += 1;
    }
}

fn is_column(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

struct Number<'a> {
    /// The parameter of each constant, in the order of finding.
    numbers: &'a [usize],
}

impl VisitorMut for Number<'_> {
    type Break = ();

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
        if let Value::Placeholder(name) = &mut value.value
            && let Some(found) = name.strip_prefix(FOUND).and_then(|found| found.parse::<usize>().ok())
            && let Some(number) = self.numbers.get(found)
        {
            *name = format!("${number}");
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
