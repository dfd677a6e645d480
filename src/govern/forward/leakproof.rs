//! Which conditions can neither fail nor tell on PostgreSQL: the closed list, and which row filters fail on no row.

use crate::govern::names::{fold, parts};
use crate::govern::statement::GovernedDataset;
use crate::types::SqlType;
use sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Query,
    SelectItem, SetExpr, TableFactor, TableWithJoins, TimezoneInfo, UnaryOperator, Value, ValueWithSpan, Visit,
    visit_expressions,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Types within which every comparison is leakproof in PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Float,
    Text,
    Uuid,
    Date,
    Timestamp,
    TimestampTz,
    Boolean,
}

impl Kind {
    pub(super) fn of(sql_type: &SqlType) -> Option<Self> {
        match sql_type {
            SqlType::SmallInt | SqlType::Integer | SqlType::BigInt => Some(Self::Integer),
            SqlType::Real | SqlType::Double => Some(Self::Float),
            SqlType::Text => Some(Self::Text),
            SqlType::Uuid => Some(Self::Uuid),
            SqlType::Date => Some(Self::Date),
            SqlType::Timestamp => Some(Self::Timestamp),
            SqlType::TimestampTz => Some(Self::TimestampTz),
            SqlType::Boolean => Some(Self::Boolean),
            SqlType::Numeric { .. }
            | SqlType::Bytea
            | SqlType::Time
            | SqlType::Interval
            | SqlType::Json
            | SqlType::Array(_)
            | SqlType::Other(_) => None,
        }
    }

    fn of_cast(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::SmallInt(None) | DataType::Int(None) | DataType::Integer(None) | DataType::BigInt(None) => {
                Some(Self::Integer)
            }
            DataType::Real | DataType::DoublePrecision => Some(Self::Float),
            DataType::Text | DataType::Varchar(_) => Some(Self::Text),
            DataType::Uuid => Some(Self::Uuid),
            DataType::Date => Some(Self::Date),
            DataType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => Some(Self::Timestamp),
            DataType::Timestamp(None, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => Some(Self::TimestampTz),
            DataType::Boolean | DataType::Bool => Some(Self::Boolean),
            _other => None,
        }
    }
}

/// An operand of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operand {
    Column(Kind),
    /// A constant that is of any type that the other side has: a text of no type yet, or NULL.
    Untyped,
    Constant(Kind),
    /// A whole number: an integer, or a floating-point number beside one.
    WholeNumber,
}

impl Operand {
    /// Whether the two compare within one kind, and one is a column.
    fn compares(self, other: Self) -> bool {
        let (column, other) = match (self, other) {
            (Self::Column(kind), other) | (other, Self::Column(kind)) => (kind, other),
            _constants => return false,
        };
        match other {
            Self::Column(kind) | Self::Constant(kind) => kind == column,
            Self::Untyped => true,
            Self::WholeNumber => matches!(column, Kind::Integer | Kind::Float),
        }
    }
}

/// What a row filter may do to the statement around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Safety {
    Safe,
    SafeWithSubquery,
    MayFail,
}

/// The closed list. What is not named here may leak.
pub(super) fn is_leakproof(condition: &Expr, operand: &dyn Fn(&Expr) -> Option<Operand>) -> bool {
    let check = |expr: &Expr| is_leakproof(expr, operand);
    let compares = |left: &Expr, right: &Expr| matches!((operand(left), operand(right)), (Some(left), Some(right)) if left.compares(right));
    match condition {
        Expr::Nested(inner) => check(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => check(left) && check(right),
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
        } => compares(left, right),
        Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => compares(left, right),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => check(expr),
        Expr::IsNull(inner) | Expr::IsNotNull(inner) => matches!(operand(inner), Some(Operand::Column(_))),
        Expr::IsTrue(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsFalse(inner)
        | Expr::IsNotFalse(inner)
        | Expr::IsUnknown(inner)
        | Expr::IsNotUnknown(inner) => check(inner),
        Expr::InList { expr, list, negated: _ } => {
            matches!(operand(expr), Some(Operand::Column(_))) && list.iter().all(|item| compares(expr, item))
        }
        Expr::Between { expr, negated: _, low, high } => compares(expr, low) && compares(expr, high),
        Expr::Value(ValueWithSpan { value: Value::Boolean(_), .. }) => true,
        Expr::CompoundIdentifier(_) | Expr::Identifier(_) => operand(condition) == Some(Operand::Column(Kind::Boolean)),
        _other => false,
    }
}

/// A constant as an operand.
pub(super) fn constant(expr: &Expr) -> Option<Operand> {
    match expr {
        Expr::Nested(inner) => constant(inner),
        Expr::Value(ValueWithSpan { value, .. }) => match value {
            Value::Number(digits, false) if digits.parse::<i64>().is_ok() => Some(Operand::WholeNumber),
            // A numeric constant: beside a floating-point column it is one of its type.
            Value::Number(digits, false) if digits.parse::<f64>().is_ok_and(f64::is_finite) => {
                Some(Operand::Constant(Kind::Float))
            }
            Value::SingleQuotedString(_) | Value::DollarQuotedString(_) | Value::Null => Some(Operand::Untyped),
            Value::Boolean(_) => Some(Operand::Constant(Kind::Boolean)),
            _other => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match constant(expr)? {
            found @ (Operand::WholeNumber | Operand::Constant(Kind::Float)) => Some(found),
            Operand::Column(_) | Operand::Untyped | Operand::Constant(_) => None,
        },
        Expr::TypedString(typed) => Kind::of_cast(&typed.data_type).map(Operand::Constant),
        Expr::Cast { expr, data_type, .. } => match expr.as_ref() {
            Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(_) | Value::Null, .. }) => {
                Kind::of_cast(data_type).map(Operand::Constant)
            }
            _other => None,
        },
        _other => None,
    }
}

/// Functions of texts that give an answer for every text.
const TEXT_FUNCTIONS: [&str; 6] = ["btrim", "coalesce", "lower", "ltrim", "rtrim", "upper"];
/// The longest pattern of LIKE in a row filter that is taken to fail on no text.
const LONGEST_PATTERN: usize = 256;

/// Whether a row filter can fail on a row of its dataset.
pub(super) fn filter_safety(filter: &Expr, dataset: &GovernedDataset) -> Safety {
    let raw = |_: &str, _: &str| None;
    let asks = contains_query(filter);
    match (is_safe_filter(filter, dataset, &raw), asks) {
        (false, _) => Safety::MayFail,
        (true, true) => Safety::SafeWithSubquery,
        (true, false) => Safety::Safe,
    }
}

/// `raw` gives the type of a column of a subquery's relation, by its alias.
fn is_safe_filter(filter: &Expr, dataset: &GovernedDataset, raw: &dyn Fn(&str, &str) -> Option<Kind>) -> bool {
    let check = |expr: &Expr| is_safe_filter(expr, dataset, raw);
    let operand = |expr: &Expr| filter_operand(expr, dataset, raw);
    match filter {
        Expr::Nested(inner) => check(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => check(left) && check(right),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => check(expr),
        Expr::Like { any: false, expr, pattern, escape_char: None, .. }
        | Expr::ILike { any: false, expr, pattern, escape_char: None, .. } => {
            let short = match pattern.as_ref() {
                Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => {
                    text.len() <= LONGEST_PATTERN && !text.contains('\\')
                }
                _other => false,
            };
            short && operand(expr) == Some(Operand::Column(Kind::Text))
        }
        Expr::InSubquery { expr, subquery, negated: _ } => {
            let (Some(left), Some(right)) = (operand(expr), safe_subquery(subquery, dataset)) else { return false };
            right.is_some_and(|right| left.compares(right))
        }
        Expr::Exists { subquery, negated: _ } => safe_subquery(subquery, dataset).is_some(),
        other => is_leakproof(other, &operand),
    }
}

fn filter_operand(expr: &Expr, dataset: &GovernedDataset, raw: &dyn Fn(&str, &str) -> Option<Kind>) -> Option<Operand> {
    match expr {
        Expr::Nested(inner) => filter_operand(inner, dataset, raw),
        Expr::Identifier(name) => Kind::of(&dataset.dataset.column(&fold(name))?.sql_type).map(Operand::Column),
        Expr::CompoundIdentifier(names) => match names.as_slice() {
            [alias, name] => raw(&fold(alias), &fold(name)).map(Operand::Column),
            _other => None,
        },
        Expr::Function(Function { name, args: FunctionArguments::List(list), filter: None, over: None, .. }) if matches!(parts(name).as_deref(), Some([name]) if TEXT_FUNCTIONS.contains(&name.as_str())) =>
        {
            let text = |arg: &FunctionArg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => {
                    matches!(
                        filter_operand(arg, dataset, raw),
                        Some(Operand::Column(Kind::Text) | Operand::Untyped | Operand::Constant(Kind::Text))
                    )
                }
                _other => false,
            };
            list.args.iter().all(text).then_some(Operand::Column(Kind::Text))
        }
        other => constant(other),
    }
}

/// A plain subquery that fails on no row. Gives its one output, if that is a column; `None`: it might fail.
fn safe_subquery(query: &Query, dataset: &GovernedDataset) -> Option<Option<Operand>> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let mut aliases = BTreeSet::new();
    let mut types: BTreeMap<(String, String), Kind> = BTreeMap::new();
    for item in &select.from {
        let TableWithJoins { relation, joins } = item;
        let TableFactor::Table { name, alias: Some(alias), args: None, .. } = relation else { return None };
        let raw = parts(name)?.pop().and_then(|key| dataset.raw_relations.get(&key))?;
        if !joins.is_empty() {
            return None;
        }
        let alias_name = fold(&alias.name);
        aliases.insert(alias_name.clone());
        for (at, column) in raw.columns.iter().enumerate() {
            let known = alias.columns.get(at).map_or_else(|| column.name.clone(), |renamed| fold(&renamed.name));
            if let Some(kind) = Kind::of(&column.sql_type) {
                types.insert((alias_name.clone(), known), kind);
            }
        }
    }
    let plain = query.limit_clause.is_none() && select.having.is_none() && select.distinct.is_none();
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    if !plain || !ungrouped || aliases.len() != select.from.len() {
        return None;
    }
    let raw = |alias: &str, name: &str| types.get(&(alias.to_owned(), name.to_owned())).copied();
    if !select.selection.as_ref().is_none_or(|condition| is_safe_filter(condition, dataset, &raw)) {
        return None;
    }
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(output) | SelectItem::ExprWithAlias { expr: output, .. }] => match output {
            Expr::CompoundIdentifier(_) => Some(filter_operand(output, dataset, &raw)),
            Expr::Value(_) => Some(None),
            _expression => None,
        },
        _several => None,
    }
}

pub(super) fn contains_query<T: Visit>(node: &T) -> bool {
    visit_expressions(node, |inner| match inner {
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => ControlFlow::Break(()),
        Expr::Function(Function { args: FunctionArguments::Subquery(_), .. }) => ControlFlow::Break(()),
        _other => ControlFlow::Continue(()),
    })
    .is_break()
}
