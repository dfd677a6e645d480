//! Whether an expression of a governed relation says what its policy wrote.
//!
//! The policy's text is read again and the two trees are walked side by side: the same operators over the same columns,
//! the same constants, each parameter its value, subqueries over the same datasets. What binding may change is the names
//! in front of a column, and the relations' own. Of a form that is not on the list here only the kind is compared: it
//! stands under operators that are, and none of these is one that hides rows.

use super::folded;
use crate::catalog::Dataset;
use crate::decision::ParamValue;
use crate::govern::statement::GovernedStatement;
use crate::sql::names::fold_ident;
use crate::sql::parse_expression;
use sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
    Query, Select, SelectItem, SetExpr, TableFactor, UnaryOperator, Value, ValueWithSpan,
};
use std::collections::BTreeMap;
use std::mem::discriminant;
use std::sync::Arc;

/// What a policy's expression is read with.
#[derive(Clone, Copy)]
pub(super) struct Saying<'a> {
    /// Values of `:name`.
    pub(super) params: &'a BTreeMap<String, ParamValue>,
    /// Relations that it reads, by `fN`.
    pub(super) raw: &'a BTreeMap<String, Arc<Dataset>>,
}

impl Saying<'_> {
    /// Whether a tree is what a policy's text says.
    pub(super) fn says(self, text: &str, governed: &Expr) -> bool {
        parse_expression(text).is_ok_and(|written| self.expr(&written, governed))
    }

    fn expr(self, written: &Expr, governed: &Expr) -> bool {
        let (written, governed) = (bare(written), bare(governed));
        let same = |written: &Expr, governed: &Expr| self.expr(written, governed);
        match (written, governed) {
            // Texts compare by their bytes, whatever the policy asks for.
            (Expr::Collate { expr, .. }, governed) => same(expr, governed),
            (Expr::Value(written), governed) => self.constant(&written.value, governed),
            (Expr::Identifier(name), Expr::Identifier(_) | Expr::CompoundIdentifier(_)) => {
                is_column(&fold_ident(name), governed)
            }
            (Expr::CompoundIdentifier(names), Expr::Identifier(_) | Expr::CompoundIdentifier(_)) => {
                names.last().is_some_and(|name| is_column(&fold_ident(name), governed))
            }
            (Expr::BinaryOp { left, op, right }, Expr::BinaryOp { left: l, op: o, right: r }) => {
                op == o && same(left, l) && same(right, r)
            }
            (Expr::UnaryOp { op, expr }, Expr::UnaryOp { op: o, expr: e }) => op == o && same(expr, e),
            (Expr::IsNull(w), Expr::IsNull(g))
            | (Expr::IsNotNull(w), Expr::IsNotNull(g))
            | (Expr::IsTrue(w), Expr::IsTrue(g))
            | (Expr::IsNotTrue(w), Expr::IsNotTrue(g))
            | (Expr::IsFalse(w), Expr::IsFalse(g))
            | (Expr::IsNotFalse(w), Expr::IsNotFalse(g))
            | (Expr::IsUnknown(w), Expr::IsUnknown(g))
            | (Expr::IsNotUnknown(w), Expr::IsNotUnknown(g)) => same(w, g),
            (Expr::IsDistinctFrom(a, b), Expr::IsDistinctFrom(c, d))
            | (Expr::IsNotDistinctFrom(a, b), Expr::IsNotDistinctFrom(c, d)) => same(a, c) && same(b, d),
            (Expr::Between { expr, negated, low, high }, Expr::Between { expr: e, negated: n, low: l, high: h }) => {
                negated == n && same(expr, e) && same(low, l) && same(high, h)
            }
            (
                Expr::Like { negated, any: _, expr, pattern, escape_char: _ },
                Expr::Like { negated: n, any: false, expr: e, pattern: p, escape_char: _ },
            )
            | (
                Expr::ILike { negated, any: _, expr, pattern, escape_char: _ },
                Expr::ILike { negated: n, any: false, expr: e, pattern: p, escape_char: _ },
            ) => negated == n && same(expr, e) && same(pattern, p),
            (Expr::InList { expr, list, negated }, governed) => self.in_list(expr, list, *negated, governed),
            (Expr::InSubquery { expr, subquery, negated }, governed) => self.asked(expr, subquery, *negated, governed),
            (Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. }, Expr::InSubquery { .. }) => {
                matches!(bare(right), Expr::Subquery(query) if self.asked(left, query, false, governed))
            }
            (Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right }, Expr::InSubquery { .. }) => {
                matches!(bare(right), Expr::Subquery(query) if self.asked(left, query, true, governed))
            }
            (
                Expr::AnyOp { left, compare_op, right, is_some: _ },
                Expr::AnyOp { left: l, compare_op: o, right: r, is_some: _ },
            )
            | (Expr::AllOp { left, compare_op, right }, Expr::AllOp { left: l, compare_op: o, right: r }) => {
                compare_op == o && same(left, l) && same(right, r)
            }
            (Expr::Exists { subquery, negated }, Expr::Exists { subquery: s, negated: n }) => {
                negated == n && self.query(subquery, s)
            }
            (Expr::Subquery(written), Expr::Subquery(governed)) => self.query(written, governed),
            (
                Expr::Case { operand, conditions, else_result, .. },
                Expr::Case { operand: o, conditions: c, else_result: e, .. },
            ) => {
                let branch = |(written, governed): (&CaseWhen, &CaseWhen)| {
                    same(&written.condition, &governed.condition) && same(&written.result, &governed.result)
                };
                self.optional(operand.as_deref(), o.as_deref())
                    && self.optional(else_result.as_deref(), e.as_deref())
                    && conditions.len() == c.len()
                    && conditions.iter().zip(c).all(branch)
            }
            (Expr::Cast { expr, .. }, Expr::Cast { expr: e, .. }) => same(expr, e),
            (Expr::Tuple(written), Expr::Tuple(governed)) => self.all(written, governed),
            (Expr::Function(written), Expr::Function(governed)) => self.call(written, governed),
            // A row that is written as a call, a constant with a type of an upstream's.
            (Expr::Function(_), Expr::Tuple(_)) | (Expr::TypedString(_), Expr::Cast { .. }) => true,
            (written, governed) => discriminant(written) == discriminant(governed),
        }
    }

    fn optional(self, written: Option<&Expr>, governed: Option<&Expr>) -> bool {
        match (written, governed) {
            (Some(written), Some(governed)) => self.expr(written, governed),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    fn all(self, written: &[Expr], governed: &[Expr]) -> bool {
        written.len() == governed.len() && written.iter().zip(governed).all(|(w, g)| self.expr(w, g))
    }

    fn constant(self, written: &Value, governed: &Expr) -> bool {
        if let Value::Placeholder(name) = written {
            let param = name.strip_prefix(':').and_then(|name| self.params.get(name));
            return param.is_some_and(|param| is_value(param, governed));
        }
        let Expr::Value(ValueWithSpan { value: governed, .. }) = governed else { return false };
        match (written, governed) {
            (Value::Number(written, _), Value::Number(governed, _)) => written.replace('_', "") == *governed,
            (Value::Boolean(written), Value::Boolean(governed)) => written == governed,
            (Value::Null, Value::Null) => true,
            // Quotes are doubled in the one form, and stand for themselves in the other.
            (Value::SingleQuotedString(written), governed) => {
                content(governed).is_some_and(|governed| governed == written.replace("''", "'"))
            }
            // Forms that are read into others: of constants alone.
            (_written_otherwise, governed) => {
                content(governed).is_some() || discriminant(written) == discriminant(governed)
            }
        }
    }

    fn in_list(self, expr: &Expr, list: &[Expr], negated: bool, governed: &Expr) -> bool {
        let named = match list {
            [Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. })] => {
                name.strip_prefix(':').and_then(|name| self.params.get(name))
            }
            _written_out => None,
        };
        let (given, governed) = match (named, governed) {
            (Some(ParamValue::List(values)), governed) if values.is_empty() => {
                // Nothing is in a list of nothing.
                return matches!(governed, Expr::Value(ValueWithSpan { value: Value::Boolean(all), .. }) if *all == negated);
            }
            (Some(ParamValue::List(values)), Expr::InList { .. }) => (Some(values), governed),
            (_, governed) => (None, governed),
        };
        let Expr::InList { expr: e, list: l, negated: n } = governed else { return false };
        let is_list = match given {
            Some(values) => {
                values.len() == l.len() && values.iter().zip(l).all(|(value, item)| is_value(value, bare(item)))
            }
            None => self.all(list, l),
        };
        is_list && negated == *n && self.expr(expr, e)
    }

    fn asked(self, expr: &Expr, subquery: &Query, negated: bool, governed: &Expr) -> bool {
        let Expr::InSubquery { expr: e, subquery: s, negated: n } = governed else { return false };
        negated == *n && self.expr(expr, e) && self.query(subquery, s)
    }

    fn call(self, written: &Function, governed: &Function) -> bool {
        let last = |function: &Function| folded(&function.name).pop();
        if last(written) != last(governed) || written.filter.is_some() != governed.filter.is_some() {
            return false;
        }
        match (&written.args, &governed.args) {
            (FunctionArguments::None, FunctionArguments::None) => true,
            (FunctionArguments::Subquery(written), FunctionArguments::Subquery(governed)) => {
                self.query(written, governed)
            }
            (FunctionArguments::List(written), FunctionArguments::List(governed)) => self.arguments(written, governed),
            _other => false,
        }
    }

    fn arguments(self, written: &FunctionArgumentList, governed: &FunctionArgumentList) -> bool {
        let same = |(written, governed): (&FunctionArg, &FunctionArg)| match (written, governed) {
            (
                FunctionArg::Unnamed(FunctionArgExpr::Expr(written)),
                FunctionArg::Unnamed(FunctionArgExpr::Expr(governed)),
            ) => self.expr(written, governed),
            (written, governed) => discriminant(written) == discriminant(governed),
        };
        written.args.len() == governed.args.len() && written.args.iter().zip(&governed.args).all(same)
    }

    fn query(self, written: &Query, governed: &Query) -> bool {
        match (written.body.as_ref(), governed.body.as_ref()) {
            (SetExpr::Select(written), SetExpr::Select(governed)) => self.select(written, governed),
            (written, governed) => discriminant(written) == discriminant(governed),
        }
    }

    fn select(self, written: &Select, governed: &Select) -> bool {
        let output = |item: &SelectItem| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr.clone()),
            SelectItem::ExprWithAliases { .. } | SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => None,
        };
        let outputs: Option<Vec<Expr>> = written.projection.iter().map(output).collect();
        let is_projected = match outputs {
            Some(written) => governed
                .projection
                .iter()
                .map(output)
                .collect::<Option<Vec<Expr>>>()
                .is_some_and(|governed| self.all(&written, &governed)),
            // `*` has become the columns.
            None => true,
        };
        is_projected
            && self.optional(written.selection.as_ref(), governed.selection.as_ref())
            && self.optional(written.having.as_ref(), governed.having.as_ref())
            && written.from.len() == governed.from.len()
            && written.from.iter().zip(&governed.from).all(|(written, governed)| {
                written.joins.len() == governed.joins.len()
                    && self.factor(&written.relation, &governed.relation)
                    && written.joins.iter().zip(&governed.joins).all(|(w, g)| self.factor(&w.relation, &g.relation))
            })
    }

    fn factor(self, written: &TableFactor, governed: &TableFactor) -> bool {
        match (written, governed) {
            (TableFactor::Table { name, args: None, .. }, TableFactor::Table { name: governed, args: None, .. }) => {
                match (folded(name).as_slice(), folded(governed).as_slice()) {
                    ([.., name], [schema, key]) if schema == GovernedStatement::RAW_SCHEMA => {
                        self.raw.get(key).is_some_and(|dataset| dataset.name.name() == name)
                    }
                    // A WITH query of the policy's own.
                    ([_], [_]) => true,
                    _other => false,
                }
            }
            (TableFactor::Derived { subquery, .. }, TableFactor::Derived { subquery: s, .. }) => {
                self.query(subquery, s)
            }
            (written, governed) => discriminant(written) == discriminant(governed),
        }
    }
}

fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => bare(inner),
        other => other,
    }
}

/// A column of that name, whatever stands before it. One of another relation may have been called apart from the row's.
fn is_column(name: &str, governed: &Expr) -> bool {
    let last = match governed {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(names) => names.last(),
        _other => None,
    };
    last.map(fold_ident).is_some_and(|last| last == name || last.starts_with(&format!("inner_{name}")))
}

/// The text of a constant, if it is one.
fn content(value: &Value) -> Option<String> {
    match value {
        Value::SingleQuotedString(text) => Some(text.replace("''", "'")),
        Value::DollarQuotedString(text) => Some(text.value.clone()),
        _other => None,
    }
}

fn is_value(param: &ParamValue, governed: &Expr) -> bool {
    match (param, governed) {
        (ParamValue::Number(digits), Expr::UnaryOp { op: UnaryOperator::Minus, expr }) => {
            digits.strip_prefix('-').is_some_and(|digits| is_value(&ParamValue::Number(digits.to_owned()), bare(expr)))
        }
        (param, Expr::Value(ValueWithSpan { value, .. })) => match (param, value) {
            (ParamValue::Null, Value::Null) => true,
            (ParamValue::Boolean(one), Value::Boolean(other)) => one == other,
            (ParamValue::Number(one), Value::Number(other, _)) => one == other,
            (ParamValue::Text(text), value) => content(value).as_ref() == Some(text),
            _other => false,
        },
        _other => false,
    }
}
