//! Which conditions can neither fail nor tell on PostgreSQL: the closed list, and which row filters fail on no row.

use super::parameters::Parameters;
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

/// Types within which a comparison of any two values gives an answer and nothing else. PostgreSQL marks them LEAKPROOF
/// (`pg_proc.proleakproof`) but for those of numeric, which raise no error either (`cmp_numerics`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Float,
    Numeric,
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
            SqlType::Numeric { .. } => Some(Self::Numeric),
            SqlType::Text => Some(Self::Text),
            SqlType::Uuid => Some(Self::Uuid),
            SqlType::Date => Some(Self::Date),
            SqlType::Timestamp => Some(Self::Timestamp),
            SqlType::TimestampTz => Some(Self::TimestampTz),
            SqlType::Boolean => Some(Self::Boolean),
            SqlType::Bytea
            | SqlType::Time
            | SqlType::Interval
            | SqlType::Json
            | SqlType::Array(_)
            | SqlType::Other(_) => None,
        }
    }

    pub(super) fn of_cast(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::SmallInt(None) | DataType::Int(None) | DataType::Integer(None) | DataType::BigInt(None) => {
                Some(Self::Integer)
            }
            DataType::Real | DataType::DoublePrecision => Some(Self::Float),
            DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => Some(Self::Numeric),
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
    /// A column of a type whose comparisons are not on the list: it can be there or be NULL.
    Other,
    /// A constant that is of any type that the other side has: a text of no type yet, or NULL.
    Untyped,
    Constant(Kind),
    /// A whole number: an integer, or a number of the other side's type.
    WholeNumber,
    /// Any other number: numeric, or a floating-point number beside one.
    Decimal,
}

impl Operand {
    /// Whether the two compare within one kind, and one is a column. What PostgreSQL casts for it is the constant.
    fn compares(self, other: Self) -> bool {
        let (column, other) = match (self, other) {
            (Self::Column(kind), other) | (other, Self::Column(kind)) => (kind, other),
            _constants => return false,
        };
        match other {
            Self::Column(kind) => kind == column,
            Self::Constant(Kind::Integer) | Self::WholeNumber => {
                matches!(column, Kind::Integer | Kind::Float | Kind::Numeric)
            }
            Self::Constant(kind) => kind == column,
            Self::Untyped => true,
            Self::Decimal => matches!(column, Kind::Float | Kind::Numeric),
            Self::Other => false,
        }
    }

    /// As an output of a query, for the expressions around it.
    pub(super) fn as_column(self) -> Self {
        match self {
            Self::Column(kind) | Self::Constant(kind) => Self::Column(kind),
            Self::Other => Self::Other,
            Self::Untyped => Self::Column(Kind::Text),
            Self::WholeNumber => Self::Column(Kind::Integer),
            Self::Decimal => Self::Column(Kind::Numeric),
        }
    }
}

/// What the parts of a condition mean where it stands.
pub(super) trait Meaning {
    /// A column, a constant, a parameter, or a subquery for one value. `None`: it may fail or tell.
    fn operand(&self, expr: &Expr) -> Option<Operand>;
    /// Whether a subquery can neither fail nor tell; then its first output.
    fn asked(&self, query: &Query) -> Option<Operand>;
}

/// What a row filter may do to the statement around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Safety {
    Safe,
    SafeWithSubquery,
    MayFail,
}

/// The closed list. What is not named here may leak.
pub(super) fn is_leakproof(condition: &Expr, meaning: &dyn Meaning) -> bool {
    let check = |expr: &Expr| is_leakproof(expr, meaning);
    let operand = |expr: &Expr| meaning.operand(expr);
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
        Expr::IsNull(inner) | Expr::IsNotNull(inner) => {
            matches!(operand(inner), Some(Operand::Column(_) | Operand::Other))
        }
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
        Expr::Exists { subquery, negated: _ } => meaning.asked(subquery).is_some(),
        Expr::InSubquery { expr, subquery, negated: _ } => {
            matches!((operand(expr), meaning.asked(subquery)), (Some(left), Some(right)) if left.compares(right))
        }
        Expr::Value(ValueWithSpan { value: Value::Boolean(_) | Value::Placeholder(_), .. })
        | Expr::CompoundIdentifier(_)
        | Expr::Identifier(_) => {
            matches!(operand(condition), Some(Operand::Column(Kind::Boolean) | Operand::Constant(Kind::Boolean)))
        }
        _other => false,
    }
}

/// A constant as an operand.
pub(super) fn constant(expr: &Expr) -> Option<Operand> {
    match expr {
        Expr::Nested(inner) => constant(inner),
        Expr::Value(ValueWithSpan { value, .. }) => match value {
            Value::Number(digits, false) if digits.parse::<i64>().is_ok() => Some(Operand::WholeNumber),
            // PostgreSQL makes it one of the column's type beside a floating-point column.
            Value::Number(digits, false) if digits.parse::<f64>().is_ok_and(f64::is_finite) => Some(Operand::Decimal),
            Value::SingleQuotedString(_) | Value::DollarQuotedString(_) | Value::Null => Some(Operand::Untyped),
            Value::Boolean(_) => Some(Operand::Constant(Kind::Boolean)),
            _other => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match constant(expr)? {
            found @ (Operand::WholeNumber | Operand::Decimal) => Some(found),
            Operand::Column(_) | Operand::Other | Operand::Untyped | Operand::Constant(_) => None,
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
pub(super) fn filter_safety(filter: &Expr, dataset: &GovernedDataset, parameters: &Parameters<'_>) -> Safety {
    let row = Row { dataset, parameters, types: &BTreeMap::new() };
    match (is_safe_filter(filter, &row), contains_query(filter)) {
        (false, _) => Safety::MayFail,
        (true, true) => Safety::SafeWithSubquery,
        (true, false) => Safety::Safe,
    }
}

/// What a row filter's names mean.
struct Row<'a> {
    dataset: &'a GovernedDataset,
    parameters: &'a Parameters<'a>,
    /// The types of the columns of a subquery's relations, by alias and name.
    types: &'a BTreeMap<(String, String), Kind>,
}

impl Meaning for Row<'_> {
    fn operand(&self, expr: &Expr) -> Option<Operand> {
        filter_operand(expr, self)
    }

    // Those of a row filter are read before.
    fn asked(&self, _query: &Query) -> Option<Operand> {
        None
    }
}

fn is_safe_filter(filter: &Expr, row: &Row<'_>) -> bool {
    let check = |expr: &Expr| is_safe_filter(expr, row);
    let operand = |expr: &Expr| filter_operand(expr, row);
    match filter {
        Expr::Nested(inner) => check(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => check(left) && check(right),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => check(expr),
        Expr::Like { any: false, expr, pattern, escape_char: None, .. }
        | Expr::ILike { any: false, expr, pattern, escape_char: None, .. } => {
            is_plain_pattern(pattern) && operand(expr) == Some(Operand::Column(Kind::Text))
        }
        Expr::InSubquery { expr, subquery, negated: _ } => {
            let (Some(left), Some(right)) = (operand(expr), safe_subquery(subquery, row)) else { return false };
            right.is_some_and(|right| left.compares(right))
        }
        Expr::Exists { subquery, negated: _ } => safe_subquery(subquery, row).is_some(),
        other => is_leakproof(other, row),
    }
}

/// A pattern of LIKE that can be tried on any text: constant, and not one that might end in a lone escape.
pub(super) fn is_plain_pattern(pattern: &Expr) -> bool {
    match pattern {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => {
            text.len() <= LONGEST_PATTERN && !text.contains('\\')
        }
        _other => false,
    }
}

fn filter_operand(expr: &Expr, row: &Row<'_>) -> Option<Operand> {
    match expr {
        Expr::Nested(inner) => filter_operand(inner, row),
        Expr::Identifier(name) => Kind::of(&row.dataset.dataset.column(&fold(name))?.sql_type).map(Operand::Column),
        Expr::CompoundIdentifier(names) => match names.as_slice() {
            [alias, name] => row.types.get(&(fold(alias), fold(name))).copied().map(Operand::Column),
            _other => None,
        },
        Expr::Function(Function { name, args: FunctionArguments::List(list), filter: None, over: None, .. }) if matches!(parts(name).as_deref(), Some([name]) if TEXT_FUNCTIONS.contains(&name.as_str())) =>
        {
            let text = |arg: &FunctionArg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => {
                    matches!(
                        filter_operand(arg, row),
                        Some(Operand::Column(Kind::Text) | Operand::Untyped | Operand::Constant(Kind::Text))
                    )
                }
                _other => false,
            };
            list.args.iter().all(text).then_some(Operand::Column(Kind::Text))
        }
        other => row.parameters.operand(other),
    }
}

/// A plain subquery that fails on no row. Gives its one output, if that is a column; `None`: it might fail.
fn safe_subquery(query: &Query, outer: &Row<'_>) -> Option<Option<Operand>> {
    let dataset = outer.dataset;
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
    let row = Row { dataset, parameters: outer.parameters, types: &types };
    if !select.selection.as_ref().is_none_or(|condition| is_safe_filter(condition, &row)) {
        return None;
    }
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(output) | SelectItem::ExprWithAlias { expr: output, .. }] => match output {
            Expr::CompoundIdentifier(_) => Some(filter_operand(output, &row)),
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
