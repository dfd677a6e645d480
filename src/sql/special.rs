//! Forms of PostgreSQL's expressions that sqlparser does not know, read with its own parts into nodes that it has.
//!
//! INVARIANT: nothing here decides what a text means. Whatever it gives is printed and compared with what PostgreSQL's
//! grammar reads ([`super::agreement`]).

use sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
    Ident, ObjectName, TypedString,
};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// What stands before the array that is a call's last arguments, as the prefix of [`Expr::Prefixed`].
pub const VARIADIC: &str = "VARIADIC";

/// Built-in types without a keyword of their own, of which constants may be written `type 'text'`.
const TYPES: &[&str] = &[
    "bpchar",
    "cidr",
    "datemultirange",
    "daterange",
    "inet",
    "int4multirange",
    "int4range",
    "int8multirange",
    "int8range",
    "jsonpath",
    "macaddr",
    "macaddr8",
    "money",
    "name",
    "nummultirange",
    "numrange",
    "oid",
    "pg_lsn",
    "tsmultirange",
    "tsquery",
    "tsrange",
    "tstzmultirange",
    "tstzrange",
    "tsvector",
];

/// How far behind `SUBSTRING (` its SIMILAR is looked for, in tokens.
const NEAR: usize = 200;

type Read = Option<Result<Expr, ParserError>>;

/// An expression that begins with one of these forms; `None`: it does not. `like`: how LIKE and SIMILAR bind.
pub(super) fn special_form(parser: &mut Parser<'_>, like: u8) -> Read {
    let Token::Word(word) = &parser.peek_token_ref().token else { return None };
    if word.quote_style.is_some() {
        return None;
    }
    let (keyword, name) = (word.keyword, word.value.to_ascii_lowercase());
    let next = |nth: usize| &parser.peek_nth_token_ref(nth).token;
    match keyword {
        Keyword::VARIADIC => {
            parser.advance_token();
            let array = parser.parse_expr();
            Some(array.map(|array| Expr::Prefixed { prefix: Ident::new(VARIADIC), value: Box::new(array) }))
        }
        // sqlparser forgets the precision.
        Keyword::INTERVAL
            if *next(1) == Token::LParen
                && matches!(next(2), Token::Number(..))
                && *next(3) == Token::RParen
                && is_text(next(4)) =>
        {
            Some(parser.parse_data_type().and_then(|data_type| {
                let value = parser.parse_value()?;
                Ok(Expr::TypedString(TypedString { data_type, value, uses_odbc_syntax: false }))
            }))
        }
        Keyword::SUBSTRING if *next(1) == Token::LParen && has_similar(parser) => Some(substring_similar(parser, like)),
        Keyword::TRIM if *next(1) == Token::LParen && is_word(next(3), "from") => {
            let side = match next(2) {
                Token::Word(word) if word.quote_style.is_none() => word.keyword,
                _other => return None,
            };
            let function = match side {
                Keyword::BOTH => "btrim",
                Keyword::LEADING => "ltrim",
                Keyword::TRAILING => "rtrim",
                _other => return None,
            };
            Some(trim(parser, function))
        }
        _other if TYPES.binary_search(&name.as_str()).is_ok() && is_text(next(1)) => {
            parser.advance_token();
            let data_type = DataType::Custom(ObjectName::from(vec![Ident::new(name)]), Vec::new());
            let value = parser.parse_value();
            Some(value.map(|value| Expr::TypedString(TypedString { data_type, value, uses_odbc_syntax: false })))
        }
        _other => None,
    }
}

fn is_text(token: &Token) -> bool {
    matches!(token, Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) | Token::DollarQuotedString(_))
}

fn is_word(token: &Token, name: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(name))
}

/// Whether `SIMILAR`, but not `SIMILAR TO`, stands among the arguments of the call that begins here.
fn has_similar(parser: &Parser<'_>) -> bool {
    let mut depth = 0_usize;
    for nth in 1..NEAR {
        match &parser.peek_nth_token_ref(nth).token {
            Token::LParen => depth = depth.saturating_add(1),
            Token::RParen if depth <= 1 => return false,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::EOF => return false,
            word if depth == 1 && is_word(word, "similar") => {
                return !is_word(&parser.peek_nth_token_ref(nth.saturating_add(1)).token, "to");
            }
            _other => {}
        }
    }
    false
}

/// `SUBSTRING(text SIMILAR pattern ESCAPE escape)` is `substring(text, pattern, escape)`.
fn substring_similar(parser: &mut Parser<'_>, like: u8) -> Result<Expr, ParserError> {
    parser.expect_keyword(Keyword::SUBSTRING)?;
    parser.expect_token(&Token::LParen)?;
    let expr = Box::new(parser.parse_subexpr(like)?);
    parser.expect_keyword(Keyword::SIMILAR)?;
    let pattern = Box::new(parser.parse_subexpr(like)?);
    parser.expect_keyword(Keyword::ESCAPE)?;
    let escape = Box::new(parser.parse_expr()?);
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::Substring {
        expr,
        substring_from: Some(pattern),
        substring_for: Some(escape),
        special: true,
        shorthand: false,
    })
}

/// `TRIM(BOTH FROM text, …)` is `btrim(text, …)`.
fn trim(parser: &mut Parser<'_>, function: &str) -> Result<Expr, ParserError> {
    for _word in ["trim", "(", "both", "from"] {
        parser.advance_token();
    }
    let args = parser.parse_comma_separated(Parser::parse_expr)?;
    parser.expect_token(&Token::RParen)?;
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Ok(Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(function)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    }))
}

/// `a ISNULL`: sqlparser knows NOTNULL alone.
pub(super) fn is_null_test(token: &Token) -> bool {
    is_word(token, "isnull")
}

/// `a @@ ANY (array)` and the same of other operators that sqlparser takes for no comparison.
pub(super) fn quantified(parser: &mut Parser<'_>, left: &Expr, binding: u8) -> Read {
    let op = match &parser.peek_token_ref().token {
        Token::AtAt => BinaryOperator::AtAt,
        Token::AtArrow => BinaryOperator::AtArrow,
        Token::ArrowAt => BinaryOperator::ArrowAt,
        Token::Overlap => BinaryOperator::PGOverlap,
        _other => return None,
    };
    let quantifier = match &parser.peek_nth_token_ref(1).token {
        Token::Word(word) if word.quote_style.is_none() => word.keyword,
        _other => return None,
    };
    let is_all = match quantifier {
        Keyword::ANY | Keyword::SOME => false,
        Keyword::ALL => true,
        _other => return None,
    };
    parser.advance_token();
    parser.advance_token();
    Some(parser.parse_subexpr(binding).map(|right| {
        let left = Box::new(left.clone());
        let right = Box::new(match right {
            Expr::Nested(inner) => *inner,
            other => other,
        });
        if is_all {
            Expr::AllOp { left, compare_op: op, right }
        } else {
            Expr::AnyOp { left, compare_op: op, right, is_some: false }
        }
    }))
}

#[cfg(test)]
mod tests {
    use crate::sql::{ParseBounds, parse};

    #[test]
    fn forms_that_sqlparser_does_not_know_are_read_as_postgresql_reads_them() {
        for (text, tree) in [
            ("SELECT f(1, VARIADIC ARRAY[2, 3])", "SELECT f(1, VARIADIC ARRAY[2, 3])"),
            ("SELECT f(VARIADIC '{}'::int[])", "SELECT f(VARIADIC '{}'::INT[])"),
            ("SELECT name 'a' = name 'b'", "SELECT name 'a' = name 'b'"),
            ("SELECT '0/1' > pg_lsn '0/2'", "SELECT '0/1' > pg_lsn '0/2'"),
            ("SELECT name FROM t", "SELECT name FROM t"),
            ("SELECT inet '::1', money $$1$$", "SELECT inet '::1', money $$1$$"),
            ("SELECT SUBSTRING(a || b SIMILAR 'c' ESCAPE '#')", "SELECT SUBSTRING(a || b, 'c', '#')"),
            ("SELECT SUBSTRING(SUBSTRING(a SIMILAR b ESCAPE c) FROM 2)", "SELECT SUBSTRING(SUBSTRING(a, b, c) FROM 2)"),
            ("SELECT substring(a SIMILAR TO b)", "SELECT SUBSTRING(a SIMILAR TO b)"),
            ("SELECT TRIM(LEADING FROM a)", "SELECT ltrim(a)"),
            ("SELECT trim(both from a) || 'b'", "SELECT btrim(a) || 'b'"),
            ("SELECT interval(0) '1 day 01:23:45.6'", "SELECT INTERVAL(0) '1 day 01:23:45.6'"),
            ("SELECT a ISNULL AND b", "SELECT a IS NULL AND b"),
            ("SELECT a @@ any ('{b,c}') AND d", "SELECT a @@ ANY('{b,c}') AND d"),
            ("SELECT a && ALL (SELECT b)", "SELECT a && ALL(SELECT b)"),
            ("SELECT FROM t", "SELECT FROM t"),
            ("SELECT * FROM t* WHERE a * 2 = 4", "SELECT * FROM t WHERE a * 2 = 4"),
            ("SELECT a FROM s.t*", "SELECT a FROM s.t"),
            ("SELECT a FROM t ORDER BY a USING >, b USING <", "SELECT a FROM t ORDER BY a DESC, b ASC"),
            (
                "SELECT sum(a) OVER (ORDER BY b RANGE BETWEEN '1 day' PRECEDING AND '2'::interval FOLLOWING) FROM t",
                "SELECT sum(a) OVER (ORDER BY b RANGE BETWEEN ('1 day') PRECEDING AND ('2')::INTERVAL FOLLOWING) FROM t",
            ),
        ] {
            let read = parse(text, &ParseBounds::default()).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            assert_eq!(read[0].query().unwrap().to_string(), tree, "{text}");
        }
    }

    #[test]
    fn what_sorts_by_another_operator_is_no_order_of_asc_or_desc() {
        for text in [
            "SELECT a FROM t ORDER BY a USING ~<~",
            "SELECT a FROM t ORDER BY a USING OPERATOR(s.<)",
            "SELECT a FROM t ORDER BY a USING <=",
        ] {
            assert!(parse(text, &ParseBounds::default()).is_err(), "{text}");
        }
    }

    #[test]
    fn many_stars_are_not_read_forever() {
        let tables = vec!["t*"; 2_000].join(", ");
        assert!(parse(&format!("SELECT 1 FROM {tables}"), &ParseBounds::default()).is_err());
    }
}
