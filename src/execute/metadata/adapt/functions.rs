//! Functions and operators under PostgreSQL's names.

use super::build::{arguments, call, cast, function_name, null, value};
use super::casts::{elements, literal};
use sqlparser::ast::{
    AccessExpr, Array, BinaryOperator, DataType, Expr, Function, Ident, ObjectName, Subscript, UnaryOperator, Value,
};

/// Columns that count from 0, as PostgreSQL's vectors do, and not from 1 like its arrays.
const VECTORS: &[&str] = &["indkey", "indclass", "indcollation", "indoption", "proargtypes", "tgattr", "partattrs"];

/// Rewrites one expression; its parts are done already. `reads_catalog`: a relation of `pg_catalog` is in scope.
pub(super) fn adapt(expr: &mut Expr, reads_catalog: bool) {
    match expr {
        Expr::Collate { expr: inner, .. } => *expr = (**inner).clone(),
        Expr::BinaryOp { op, .. } => {
            if let BinaryOperator::PGCustomBinaryOperator(parts) = op
                && let Some(plain) = operator(parts)
            {
                *op = plain;
            }
        }
        Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
            // The engine knows the backslash alone.
            if let Some(character) = escape_char.take() {
                let given = std::mem::replace(pattern, Box::new(null()));
                **pattern = call("__like_pattern", vec![*given, Expr::Value(character)]);
            }
        }
        Expr::SimilarTo { negated, expr: text, pattern, escape_char } => {
            // The engine takes the pattern for a regular expression.
            let escape =
                escape_char.take().map_or_else(|| value(Value::SingleQuotedString("\\".to_owned())), Expr::Value);
            let pattern = call("__similar_pattern", vec![(**pattern).clone(), escape]);
            let op = if *negated { BinaryOperator::PGRegexNotMatch } else { BinaryOperator::PGRegexMatch };
            let left = Box::new(Expr::Nested(text.clone()));
            *expr = Expr::Nested(Box::new(Expr::BinaryOp { left, op, right: Box::new(pattern) }));
        }
        Expr::UnaryOp { op: UnaryOperator::Plus, expr: inner } => *expr = (**inner).clone(),
        Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => {
            if let Some(found) = literal(right).and_then(elements) {
                let text = |element: Option<String>| element.map_or(Value::Null, Value::SingleQuotedString);
                let elem = found.into_iter().map(|element| value(text(element))).collect();
                **right = Expr::Array(Array { elem, named: true });
            }
        }
        Expr::Identifier(ident) if ident.quote_style.is_none() => {
            let name = ident.value.to_lowercase();
            if matches!(name.as_str(), "current_schema" | "current_role" | "current_catalog" | "session_user" | "user")
            {
                *expr = call(&name, Vec::new());
            }
        }
        Expr::CompoundFieldAccess { root, access_chain } => access(root, access_chain, reads_catalog),
        Expr::Function(function) => {
            if let Some(instead) = renamed(function) {
                *expr = instead;
            }
        }
        _ => {}
    }
}

fn operator(parts: &[String]) -> Option<BinaryOperator> {
    let name = match parts {
        [name] => name,
        [schema, name] if schema == "pg_catalog" => name,
        _ => return None,
    };
    Some(match name.as_str() {
        "~" => BinaryOperator::PGRegexMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "~~" => BinaryOperator::PGLikeMatch,
        "~~*" => BinaryOperator::PGILikeMatch,
        "!~~" => BinaryOperator::PGNotLikeMatch,
        "!~~*" => BinaryOperator::PGNotILikeMatch,
        "=" => BinaryOperator::Eq,
        "<>" | "!=" => BinaryOperator::NotEq,
        "<" => BinaryOperator::Lt,
        "<=" => BinaryOperator::LtEq,
        ">" => BinaryOperator::Gt,
        ">=" => BinaryOperator::GtEq,
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        "*" => BinaryOperator::Multiply,
        "/" => BinaryOperator::Divide,
        "%" => BinaryOperator::Modulo,
        "||" => BinaryOperator::StringConcat,
        _ => return None,
    })
}

/// A field of a composite value is named as DataFusion names it; the elements of a vector count from 0.
fn access(root: &Expr, chain: &mut [AccessExpr], reads_catalog: bool) {
    let composite = matches!(root, Expr::Nested(_) | Expr::Function(_));
    let mut named = root;
    while let Expr::Nested(inner) = named {
        named = inner;
    }
    let mut last = match named {
        Expr::Identifier(ident) => Some(ident.value.to_lowercase()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|ident| ident.value.to_lowercase()),
        _ => None,
    };
    for step in chain {
        match step {
            AccessExpr::Dot(Expr::Identifier(ident)) => {
                last = Some(ident.value.to_lowercase());
                if composite {
                    *step = AccessExpr::Dot(value(Value::SingleQuotedString(folded(ident))));
                }
            }
            AccessExpr::Subscript(Subscript::Index { index }) => {
                if reads_catalog && last.as_deref().is_some_and(|name| VECTORS.contains(&name)) {
                    *index = Expr::BinaryOp {
                        left: Box::new(Expr::Nested(Box::new(index.clone()))),
                        op: BinaryOperator::Plus,
                        right: Box::new(value(Value::Number("1".to_owned(), false))),
                    };
                }
                last = None;
            }
            AccessExpr::Dot(_) | AccessExpr::Subscript(Subscript::Slice { .. }) => last = None,
        }
    }
}

fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// The same call under DataFusion's name; `None` where there is nothing to change.
fn renamed(function: &mut Function) -> Option<Expr> {
    let name = function_name(function);
    let other = match name.as_str() {
        "ceiling" => "ceil",
        "sign" => "signum",
        "every" => "bool_and",
        "variance" => "var_samp",
        "gen_random_uuid" => "uuid",
        _ => "",
    };
    if !other.is_empty() {
        function.name = ObjectName::from(vec![Ident::new(other)]);
        return None;
    }
    let given = arguments(function)?;
    match (name.as_str(), given.as_slice()) {
        // Each gives a set: a row for each element.
        ("_pg_expandarray", [array]) => Some(unnest(call("__positions", vec![array.clone()]))),
        ("generate_subscripts", [array, dimension]) => {
            Some(unnest(call("__subscripts", vec![array.clone(), dimension.clone()])))
        }
        // As an output of a select list; in FROM there is no expression to rewrite.
        ("generate_series", [_, _]) if super::tables::is_bounded(&given) => {
            Some(unnest(call("generate_series", given)))
        }
        ("pg_partition_ancestors", [_]) => Some(unnest(call("pg_partition_ancestors", given))),
        ("date", [of]) => Some(cast(of.clone(), DataType::Date)),
        ("mod", [left, right]) => Some(binary(left, BinaryOperator::Modulo, right)),
        ("div", [left, right]) => Some(call("trunc", vec![binary(left, BinaryOperator::Divide, right)])),
        _ => None,
    }
}

fn binary(left: &Expr, op: BinaryOperator, right: &Expr) -> Expr {
    let nested = |expr: &Expr| Box::new(Expr::Nested(Box::new(expr.clone())));
    Expr::Nested(Box::new(Expr::BinaryOp { left: nested(left), op, right: nested(right) }))
}

fn unnest(of: Expr) -> Expr {
    call("unnest", vec![of])
}
