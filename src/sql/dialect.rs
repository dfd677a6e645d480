//! sqlparser's PostgreSQL dialect, with its costs bounded.
//!
//! sqlparser tries some readings twice, and inside of one another that doubles with each level: with the stock dialect
//! `f(f(f(…)))` nested 25 times does not return. Two remedies: what makes it try twice and no client needs is off,
//! and what is left draws on fuel. When that is used up the parser stops as it does at its recursion limit.

use super::special::{is_null_test, quantified, special_form};
use sqlparser::ast::{Expr, UnaryOperator};
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;
use std::any::TypeId;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One parse's dialect. It is used up: each text needs its own.
#[derive(Debug)]
pub(super) struct BoundedDialect {
    stock: PostgreSqlDialect,
    fuel: AtomicUsize,
    updates: bool,
    nests_joins: bool,
}

impl BoundedDialect {
    /// A dialect for a text of so many tokens. Real SQL begins about one expression for each token; this lets it begin many times that.
    pub(super) fn for_tokens(tokens: usize) -> Self {
        let fuel = AtomicUsize::new(tokens.saturating_mul(32).saturating_add(10_000));
        Self { stock: PostgreSqlDialect {}, fuel, updates: false, nests_joins: false }
    }

    /// For statements in which a join may stand inside another without parentheses: see [`super::bounds::nests_joins`].
    pub(super) fn nesting_joins(self, nests_joins: bool) -> Self {
        Self { nests_joins, ..self }
    }

    /// For an UPDATE, in which SET names no table.
    pub(super) fn updating(self) -> Self {
        Self { updates: true, ..self }
    }
}

/// Words that name a column only behind AS.
const NEEDS_AS: &[Keyword] = &[
    Keyword::ARRAY,
    Keyword::AS,
    Keyword::CHAR,
    Keyword::CHARACTER,
    Keyword::CREATE,
    Keyword::DAY,
    Keyword::EXCEPT,
    Keyword::FETCH,
    Keyword::FILTER,
    Keyword::FOR,
    Keyword::FROM,
    Keyword::GRANT,
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::HOUR,
    Keyword::INTERSECT,
    Keyword::INTO,
    Keyword::LIMIT,
    Keyword::MINUTE,
    Keyword::MONTH,
    Keyword::NOTNULL,
    Keyword::OFFSET,
    Keyword::ON,
    Keyword::ORDER,
    Keyword::OVER,
    Keyword::OVERLAPS,
    Keyword::PRECISION,
    Keyword::RETURNING,
    Keyword::SECOND,
    Keyword::TO,
    Keyword::UNION,
    Keyword::VARYING,
    Keyword::WHERE,
    Keyword::WINDOW,
    Keyword::WITH,
    Keyword::WITHIN,
    Keyword::WITHOUT,
    Keyword::YEAR,
];

/// Words that name no table unless they are quoted: PostgreSQL's reserved words, and those that may name a function or a
/// type only.
const NO_TABLE_ALIAS: &[Keyword] = &[
    Keyword::ALL,
    Keyword::ANALYZE,
    Keyword::AND,
    Keyword::ANY,
    Keyword::ARRAY,
    Keyword::AS,
    Keyword::ASC,
    Keyword::ASYMMETRIC,
    Keyword::AUTHORIZATION,
    Keyword::BINARY,
    Keyword::BOTH,
    Keyword::CASE,
    Keyword::CAST,
    Keyword::CHECK,
    Keyword::COLLATE,
    Keyword::COLLATION,
    Keyword::COLUMN,
    Keyword::CONCURRENTLY,
    Keyword::CONSTRAINT,
    Keyword::CREATE,
    Keyword::CROSS,
    Keyword::CURRENT_CATALOG,
    Keyword::CURRENT_DATE,
    Keyword::CURRENT_ROLE,
    Keyword::CURRENT_SCHEMA,
    Keyword::CURRENT_TIME,
    Keyword::CURRENT_TIMESTAMP,
    Keyword::CURRENT_USER,
    Keyword::DEFAULT,
    Keyword::DEFERRABLE,
    Keyword::DESC,
    Keyword::DISTINCT,
    Keyword::DO,
    Keyword::ELSE,
    Keyword::END,
    Keyword::EXCEPT,
    Keyword::FALSE,
    Keyword::FETCH,
    Keyword::FOR,
    Keyword::FOREIGN,
    Keyword::FREEZE,
    Keyword::FROM,
    Keyword::FULL,
    Keyword::GRANT,
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::ILIKE,
    Keyword::IN,
    Keyword::INITIALLY,
    Keyword::INNER,
    Keyword::INTERSECT,
    Keyword::INTO,
    Keyword::IS,
    Keyword::JOIN,
    Keyword::LATERAL,
    Keyword::LEADING,
    Keyword::LEFT,
    Keyword::LIKE,
    Keyword::LIMIT,
    Keyword::LOCALTIME,
    Keyword::LOCALTIMESTAMP,
    Keyword::NATURAL,
    Keyword::NOT,
    Keyword::NOTNULL,
    Keyword::NULL,
    Keyword::OFFSET,
    Keyword::ON,
    Keyword::ONLY,
    Keyword::OR,
    Keyword::ORDER,
    Keyword::OUTER,
    Keyword::OVERLAPS,
    Keyword::PLACING,
    Keyword::PRIMARY,
    Keyword::REFERENCES,
    Keyword::RETURNING,
    Keyword::RIGHT,
    Keyword::SELECT,
    Keyword::SESSION_USER,
    Keyword::SIMILAR,
    Keyword::SOME,
    Keyword::SYMMETRIC,
    Keyword::TABLE,
    Keyword::TABLESAMPLE,
    Keyword::THEN,
    Keyword::TO,
    Keyword::TRAILING,
    Keyword::TRUE,
    Keyword::UNION,
    Keyword::UNIQUE,
    Keyword::USER,
    Keyword::USING,
    Keyword::VARIADIC,
    Keyword::VERBOSE,
    Keyword::WHEN,
    Keyword::WHERE,
    Keyword::WINDOW,
    Keyword::WITH,
];

/// What a sign binds less than: subscripts, `::` and what is behind a period. COLLATE and AT TIME ZONE it binds before.
const SIGN: u8 = 120;

impl BoundedDialect {
    /// An operator before its operand, and how it binds. sqlparser has other ideas: to it `- a ^ b` is `-(a ^ b)`,
    /// `~ a + b` is `(~ a) + b`, and `NOT EXISTS (…) = a` negates before it compares.
    fn prefix_operator(&self, token: &Token) -> Option<(UnaryOperator, u8)> {
        let other = |op| Some((op, self.prec_value(Precedence::PgOther)));
        match token {
            Token::Word(word) if word.keyword == Keyword::NOT => {
                Some((UnaryOperator::Not, self.prec_value(Precedence::UnaryNot)))
            }
            Token::Minus => Some((UnaryOperator::Minus, SIGN)),
            Token::Plus => Some((UnaryOperator::Plus, SIGN)),
            Token::Tilde => other(UnaryOperator::BitwiseNot),
            Token::AtSign => other(UnaryOperator::PGAbs),
            Token::PGSquareRoot => other(UnaryOperator::PGSquareRoot),
            Token::PGCubeRoot => other(UnaryOperator::PGCubeRoot),
            Token::DoubleExclamationMark => other(UnaryOperator::PGPrefixFactorial),
            Token::Sharp => other(UnaryOperator::Hash),
            Token::AtDashAt => other(UnaryOperator::AtDashAt),
            Token::AtAt => other(UnaryOperator::DoubleAt),
            Token::QuestionMarkDash => other(UnaryOperator::QuestionDash),
            Token::QuestionPipe => other(UnaryOperator::QuestionPipe),
            _no_operator => None,
        }
    }
}

impl Dialect for BoundedDialect {
    // The parser asks for the stock dialect by its type in many places.
    fn dialect(&self) -> TypeId {
        self.stock.dialect()
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let drawn = self.fuel.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |fuel| fuel.checked_sub(1));
        if drawn.is_err() {
            return Some(Err(ParserError::RecursionLimitExceeded));
        }
        if let Some(form) = special_form(parser, self.prec_value(Precedence::Like)) {
            return Some(form);
        }
        let (op, binding) = self.prefix_operator(&parser.peek_token_ref().token)?;
        parser.advance_token();
        Some(parser.parse_subexpr(binding).map(|operand| match (op, operand) {
            (UnaryOperator::Not, Expr::Exists { subquery, negated: false }) => Expr::Exists { subquery, negated: true },
            (op, operand) => Expr::UnaryOp { op, expr: Box::new(operand) },
        }))
    }

    // sqlparser takes all that follows IS DISTINCT FROM for its operand, AND and OR among it. In PostgreSQL it binds as IS does.
    fn parse_infix(&self, parser: &mut Parser<'_>, expr: &Expr, binding: u8) -> Option<Result<Expr, ParserError>> {
        if is_null_test(&parser.peek_token_ref().token) {
            parser.advance_token();
            return Some(Ok(Expr::IsNull(Box::new(expr.clone()))));
        }
        if let Some(found) = quantified(parser, expr, binding) {
            return Some(found);
        }
        let made: fn(Box<Expr>, Box<Expr>) -> Expr =
            if parser.parse_keywords(&[Keyword::IS, Keyword::DISTINCT, Keyword::FROM]) {
                Expr::IsDistinctFrom
            } else if parser.parse_keywords(&[Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM]) {
                Expr::IsNotDistinctFrom
            } else {
                return None;
            };
        let right = parser.parse_subexpr(self.prec_value(Precedence::Is));
        Some(right.map(|right| made(Box::new(expr.clone()), Box::new(right))))
    }

    // Off: each argument would be read twice, as a name and as a value. Names are identifiers; `:` is no operator in PostgreSQL's calls.
    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }

    fn supports_named_fn_args_with_colon_operator(&self) -> bool {
        false
    }

    fn supports_named_fn_args_with_assignment_operator(&self) -> bool {
        true
    }

    // Off: a comment never means anything.
    fn supports_comment_optimizer_hint(&self) -> bool {
        false
    }

    // Off: PostgreSQL's grammar has neither `* AS alias` nor a postfix factorial.
    fn supports_select_wildcard_with_alias(&self) -> bool {
        false
    }

    fn supports_left_associative_joins_without_parens(&self) -> bool {
        !self.nests_joins
    }

    fn supports_factorial_operator(&self) -> bool {
        false
    }

    fn supports_empty_projections(&self) -> bool {
        true
    }

    fn supports_xml_expressions(&self) -> bool {
        false
    }

    // What may be a name for a column without AS, and for a table, as PostgreSQL has it (its manual, "SQL Key Words").
    // Its grammar has taken the text before, so these words are not left over for anything else.
    fn is_column_alias(&self, keyword: &Keyword, _parser: &mut Parser<'_>) -> bool {
        !NEEDS_AS.contains(keyword)
    }

    fn is_table_alias(&self, keyword: &Keyword, _parser: &mut Parser<'_>) -> bool {
        !(NO_TABLE_ALIAS.contains(keyword) || self.updates && *keyword == Keyword::SET)
    }

    fn supports_insert_table_alias(&self) -> bool {
        self.stock.supports_insert_table_alias()
    }

    // As the stock dialect has them.
    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.stock.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.stock.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.stock.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.stock.is_identifier_part(ch)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        self.stock.is_custom_operator_part(ch)
    }

    fn supports_unicode_string_literal(&self) -> bool {
        self.stock.supports_unicode_string_literal()
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        self.stock.is_reserved_for_identifier(keyword)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        // To sqlparser some operators bind as comparisons do, and OPERATOR(…) as LIKE does. In PostgreSQL only the six
        // comparisons are that: whatever else is made of symbols binds more.
        match &parser.peek_token_ref().token {
            Token::Tilde
            | Token::TildeAsterisk
            | Token::ExclamationMarkTilde
            | Token::ExclamationMarkTildeAsterisk
            | Token::DoubleTilde
            | Token::DoubleTildeAsterisk
            | Token::ExclamationMarkDoubleTilde
            | Token::ExclamationMarkDoubleTildeAsterisk
            | Token::Spaceship => Some(Ok(self.prec_value(Precedence::PgOther))),
            Token::Word(word) if word.keyword == Keyword::OPERATOR => Some(Ok(self.prec_value(Precedence::PgOther))),
            test if is_null_test(test) => Some(Ok(self.prec_value(Precedence::Is))),
            _as_the_stock_has_it => self.stock.get_next_precedence(parser),
        }
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        self.stock.prec_value(precedence)
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        self.stock.supports_filter_during_aggregation()
    }

    fn supports_group_by_expr(&self) -> bool {
        self.stock.supports_group_by_expr()
    }

    fn allow_extract_custom(&self) -> bool {
        self.stock.allow_extract_custom()
    }

    fn allow_extract_single_quotes(&self) -> bool {
        self.stock.allow_extract_single_quotes()
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        self.stock.supports_bitwise_shift_operators()
    }

    fn supports_nested_comments(&self) -> bool {
        self.stock.supports_nested_comments()
    }

    fn supports_string_escape_constant(&self) -> bool {
        self.stock.supports_string_escape_constant()
    }

    fn supports_numeric_literal_underscores(&self) -> bool {
        self.stock.supports_numeric_literal_underscores()
    }

    fn supports_array_typedef_with_brackets(&self) -> bool {
        self.stock.supports_array_typedef_with_brackets()
    }

    fn supports_geometric_types(&self) -> bool {
        self.stock.supports_geometric_types()
    }

    fn supports_notnull_operator(&self) -> bool {
        self.stock.supports_notnull_operator()
    }

    fn supports_interval_options(&self) -> bool {
        self.stock.supports_interval_options()
    }

    fn supports_comma_separated_trim(&self) -> bool {
        self.stock.supports_comma_separated_trim()
    }
}
