//! Operators: an allow-list of PostgreSQL's.

use super::join::{binary, call};
use super::{Ctx, Facts, Resolver};
use crate::govern::error::{ResolveError, refuse};
use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

const HINT: &str = "Use the arithmetic, comparison, text, regular expression and array operators of PostgreSQL.";

pub(super) const UPSTREAM_HINT: &str =
    "Operators of json, ranges, networks, shapes and text search, and && of arrays, work over one PostgreSQL source.";

/// Operators that PostgreSQL has and the embedded engine does not.
fn is_upstreams(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::PGOverlap
            | BinaryOperator::Arrow
            | BinaryOperator::LongArrow
            | BinaryOperator::HashArrow
            | BinaryOperator::HashLongArrow
            | BinaryOperator::Question
            | BinaryOperator::QuestionAnd
            | BinaryOperator::QuestionPipe
            | BinaryOperator::PGStartsWith
            | BinaryOperator::AtAt
            | BinaryOperator::HashMinus
            | BinaryOperator::AtQuestion
            | BinaryOperator::Overlaps
            | BinaryOperator::DoubleHash
            | BinaryOperator::LtDashGt
            | BinaryOperator::AndLt
            | BinaryOperator::AndGt
            | BinaryOperator::LtLtPipe
            | BinaryOperator::PipeGtGt
            | BinaryOperator::AndLtPipe
            | BinaryOperator::PipeAndGt
            | BinaryOperator::LtCaret
            | BinaryOperator::GtCaret
            | BinaryOperator::QuestionHash
            | BinaryOperator::QuestionDash
            | BinaryOperator::QuestionDashPipe
            | BinaryOperator::QuestionDoublePipe
            | BinaryOperator::At
            | BinaryOperator::TildeEq
            | BinaryOperator::Custom(_)
    )
}

/// The same of those that stand in front of their operand.
pub(super) fn is_upstreams_unary(op: UnaryOperator) -> bool {
    match op {
        UnaryOperator::PGAbs
        | UnaryOperator::PGSquareRoot
        | UnaryOperator::PGCubeRoot
        | UnaryOperator::AtDashAt
        | UnaryOperator::DoubleAt
        | UnaryOperator::Hash
        | UnaryOperator::QuestionDash
        | UnaryOperator::QuestionPipe
        | UnaryOperator::PGPrefixFactorial => true,
        UnaryOperator::Plus
        | UnaryOperator::Minus
        | UnaryOperator::Not
        | UnaryOperator::BitwiseNot
        | UnaryOperator::BangNot
        | UnaryOperator::PGPostfixFactorial => false,
    }
}

/// Operators of PostgreSQL that the parser has no name for.
const CUSTOM: &[&str] = &["*<", "*<=", "*<>", "*=", "*>", "*>=", "-|-", "<<=", ">>=", "~<=~", "~<~", "~>=~", "~>~"];

impl Resolver<'_> {
    /// A chain of operators. It leans to the left and may be long: it is walked without recursion.
    pub(super) fn binary_chain(&mut self, expr: &Expr, ctx: Ctx<'_>, facts: &mut Facts) -> Result<Expr, ResolveError> {
        let mut chain = Vec::new();
        let mut leftmost = expr;
        while let Expr::BinaryOp { left, op, right } = leftmost {
            if is_upstreams(op) {
                self.upstream_only(format!("operator {op} over files"), UPSTREAM_HINT, None)?;
            }
            let is_spelled_out = matches!(op, BinaryOperator::PGCustomBinaryOperator(_));
            chain.push((operator(op)?, is_spelled_out, right));
            leftmost = left;
        }
        let ctx = ctx.plain();
        let mut result = self.expr(leftmost, ctx, facts)?;
        for (op, is_spelled_out, right) in chain.into_iter().rev() {
            let right = self.expr(right, ctx, facts)?;
            result = match op {
                BinaryOperator::PGExp => {
                    self.functions.insert("power".to_owned());
                    call("power", vec![result, right])
                }
                // OPERATOR(…) binds otherwise than the plain operator: parentheses keep the tree as it was read.
                op if is_spelled_out => Expr::Nested(Box::new(binary(nested(result), op, nested(right)))),
                op => binary(result, op, right),
            };
        }
        Ok(result)
    }
}

/// An operand that stands right behind a sign.
pub(super) fn apart(operand: Expr) -> Expr {
    match operand {
        Expr::UnaryOp { .. } => Expr::Nested(Box::new(operand)),
        single => single,
    }
}

fn nested(expr: Expr) -> Expr {
    match expr {
        Expr::BinaryOp { .. }
        | Expr::UnaryOp { .. }
        | Expr::Like { .. }
        | Expr::ILike { .. }
        | Expr::Between { .. } => Expr::Nested(Box::new(expr)),
        single => single,
    }
}

/// The operator, if it is allowed. One in `OPERATOR(pg_catalog.…)` becomes the plain one.
pub(super) fn operator(op: &BinaryOperator) -> Result<BinaryOperator, ResolveError> {
    match op {
        BinaryOperator::Plus
        | BinaryOperator::Minus
        | BinaryOperator::Multiply
        | BinaryOperator::Divide
        | BinaryOperator::Modulo
        | BinaryOperator::StringConcat
        | BinaryOperator::Gt
        | BinaryOperator::Lt
        | BinaryOperator::GtEq
        | BinaryOperator::LtEq
        | BinaryOperator::Eq
        | BinaryOperator::NotEq
        | BinaryOperator::And
        | BinaryOperator::Or
        | BinaryOperator::BitwiseOr
        | BinaryOperator::BitwiseAnd
        | BinaryOperator::PGBitwiseXor
        | BinaryOperator::PGBitwiseShiftLeft
        | BinaryOperator::PGBitwiseShiftRight
        | BinaryOperator::PGExp
        | BinaryOperator::PGRegexMatch
        | BinaryOperator::PGRegexIMatch
        | BinaryOperator::PGRegexNotMatch
        | BinaryOperator::PGRegexNotIMatch
        | BinaryOperator::PGLikeMatch
        | BinaryOperator::PGILikeMatch
        | BinaryOperator::PGNotLikeMatch
        | BinaryOperator::PGNotILikeMatch
        | BinaryOperator::AtArrow
        | BinaryOperator::ArrowAt
        | BinaryOperator::PGOverlap
        | BinaryOperator::Arrow
        | BinaryOperator::LongArrow
        | BinaryOperator::HashArrow
        | BinaryOperator::HashLongArrow
        | BinaryOperator::Question
        | BinaryOperator::QuestionAnd
        | BinaryOperator::QuestionPipe
        | BinaryOperator::PGStartsWith
        | BinaryOperator::AtAt
        | BinaryOperator::HashMinus
        | BinaryOperator::AtQuestion
        | BinaryOperator::Overlaps
        | BinaryOperator::DoubleHash
        | BinaryOperator::LtDashGt
        | BinaryOperator::AndLt
        | BinaryOperator::AndGt
        | BinaryOperator::LtLtPipe
        | BinaryOperator::PipeGtGt
        | BinaryOperator::AndLtPipe
        | BinaryOperator::PipeAndGt
        | BinaryOperator::LtCaret
        | BinaryOperator::GtCaret
        | BinaryOperator::QuestionHash
        | BinaryOperator::QuestionDash
        | BinaryOperator::QuestionDashPipe
        | BinaryOperator::QuestionDoublePipe
        | BinaryOperator::At
        | BinaryOperator::TildeEq => Ok(op.clone()),
        BinaryOperator::Custom(symbol) if CUSTOM.contains(&symbol.as_str()) => Ok(op.clone()),
        BinaryOperator::PGCustomBinaryOperator(path) => qualified(path),
        BinaryOperator::Spaceship
        | BinaryOperator::Xor
        | BinaryOperator::BitwiseXor
        | BinaryOperator::DuckIntegerDivide
        | BinaryOperator::MyIntegerDivide
        | BinaryOperator::Match
        | BinaryOperator::Regexp
        | BinaryOperator::Custom(_)
        | BinaryOperator::Assignment => Err(refuse(format!("operator {op}"), HINT).into()),
    }
}

fn qualified(path: &[String]) -> Result<BinaryOperator, ResolveError> {
    let symbol = match path {
        [symbol] => symbol,
        [schema, symbol] if schema.eq_ignore_ascii_case("pg_catalog") => symbol,
        _other => return Err(refuse(format!("OPERATOR({})", path.join(".")), HINT).into()),
    };
    Ok(match symbol.as_str() {
        "=" => BinaryOperator::Eq,
        "<>" => BinaryOperator::NotEq,
        "<" => BinaryOperator::Lt,
        ">" => BinaryOperator::Gt,
        "<=" => BinaryOperator::LtEq,
        ">=" => BinaryOperator::GtEq,
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        "*" => BinaryOperator::Multiply,
        "/" => BinaryOperator::Divide,
        "%" => BinaryOperator::Modulo,
        "||" => BinaryOperator::StringConcat,
        "~" => BinaryOperator::PGRegexMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "~~" => BinaryOperator::PGLikeMatch,
        "~~*" => BinaryOperator::PGILikeMatch,
        "!~~" => BinaryOperator::PGNotLikeMatch,
        "!~~*" => BinaryOperator::PGNotILikeMatch,
        _unknown => return Err(refuse(format!("OPERATOR({})", path.join(".")), HINT).into()),
    })
}

impl Resolver<'_> {
    /// The comparison of ANY and ALL, if it is allowed.
    pub(super) fn quantified_operator(&mut self, op: &BinaryOperator) -> Result<BinaryOperator, ResolveError> {
        match operator(op)? {
            op @ (BinaryOperator::PGRegexNotMatch
            | BinaryOperator::PGRegexNotIMatch
            | BinaryOperator::PGNotLikeMatch
            | BinaryOperator::PGNotILikeMatch
            | BinaryOperator::AtAt
            | BinaryOperator::AtArrow
            | BinaryOperator::ArrowAt
            | BinaryOperator::PGOverlap) => {
                self.upstream_only(format!("{op} ANY/ALL over files"), UPSTREAM_HINT, None)?;
                Ok(op)
            }
            op => comparison(op),
        }
    }
}

fn comparison(op: BinaryOperator) -> Result<BinaryOperator, ResolveError> {
    match op {
        op @ (BinaryOperator::Eq
        | BinaryOperator::NotEq
        | BinaryOperator::Lt
        | BinaryOperator::Gt
        | BinaryOperator::LtEq
        | BinaryOperator::GtEq
        | BinaryOperator::PGRegexMatch
        | BinaryOperator::PGRegexIMatch
        | BinaryOperator::PGLikeMatch
        | BinaryOperator::PGILikeMatch) => Ok(op),
        op => Err(refuse(format!("{op} ANY/ALL"), "Use a comparison.").into()),
    }
}

/// The operator, if it is allowed.
pub(super) fn unary(op: &UnaryOperator) -> Result<UnaryOperator, ResolveError> {
    match op {
        UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not | UnaryOperator::BitwiseNot => Ok(*op),
        UnaryOperator::PGAbs
        | UnaryOperator::PGSquareRoot
        | UnaryOperator::PGCubeRoot
        | UnaryOperator::AtDashAt
        | UnaryOperator::DoubleAt
        | UnaryOperator::Hash
        | UnaryOperator::QuestionDash
        | UnaryOperator::QuestionPipe
        // `!!` is the negation of a tsquery.
        | UnaryOperator::PGPrefixFactorial => Ok(*op),
        UnaryOperator::BangNot | UnaryOperator::PGPostfixFactorial => {
            Err(refuse(format!("operator {op}"), HINT).into())
        }
    }
}
