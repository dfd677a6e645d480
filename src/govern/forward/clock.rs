//! Whether what a policy wrote depends on the clock of the session that it runs in.
//!
//! An upstream's session follows its client: TimeZone, DateStyle and IntervalStyle are the user's to set. In a policy's
//! expression they would move a row filter: `at < '2024-01-01 12:00'` means another moment in another zone. What is on the
//! closed list here means the same in every session; any other expression with dates or times is for sessions in UTC alone.

use crate::govern::names::{fold, parts};
use crate::govern::statement::{ColumnValue, GovernedDataset, GovernedStatement, GovernedTarget};
use crate::types::{DatasetName, SqlType};
use sqlparser::ast::{
    BinaryOperator, DataType, Expr, TypedString, UnaryOperator, Value, ValueWithSpan, visit_expressions,
};
use std::ops::ControlFlow;

/// Functions whose answer, or whose reading of a text, is the session's.
const FUNCTIONS: &[&str] = &[
    "age",
    "clock_timestamp",
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "date_bin",
    "date_part",
    "date_trunc",
    "extract",
    "isfinite",
    "justify_days",
    "justify_hours",
    "justify_interval",
    "localtime",
    "localtimestamp",
    "make_date",
    "make_time",
    "make_timestamp",
    "make_timestamptz",
    "now",
    "statement_timestamp",
    "timezone",
    "to_char",
    "to_date",
    "to_timestamp",
    "transaction_timestamp",
    "format",
    "concat",
    "concat_ws",
];

/// The first dataset of which a row filter, or a policy's own mask that is used, follows the session's clock.
pub fn follows_clock(statement: &GovernedStatement) -> Option<&DatasetName> {
    statement.relations().iter().find_map(|relation| match &relation.target {
        GovernedTarget::System(_) => None,
        GovernedTarget::Dataset(dataset) => {
            let masks = dataset.columns.iter().filter_map(|column| match &column.value {
                ColumnValue::Computed(expr) if dataset.used.contains(&column.name) => Some(expr),
                ColumnValue::Clear | ColumnValue::Masked(_) | ColumnValue::Computed(_) => None,
            });
            let mut written = dataset.filter.iter().chain(masks);
            written.any(|expr| !is_steady(expr, dataset)).then_some(&dataset.dataset.name)
        }
    })
}

/// The closed list: comparisons of a column with a text that is read alike everywhere, and what holds no time at all.
fn is_steady(expr: &Expr, of: &GovernedDataset) -> bool {
    let check = |expr: &Expr| is_steady(expr, of);
    let fixed = |left: &Expr, right: &Expr| is_fixed(left, right, of) || is_fixed(right, left, of);
    let by_form = match expr {
        Expr::Nested(inner) | Expr::UnaryOp { op: UnaryOperator::Not, expr: inner } => check(inner),
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
        } => fixed(left, right),
        Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => fixed(left, right),
        Expr::Between { expr, low, high, negated: _ } => is_fixed(expr, low, of) && is_fixed(expr, high, of),
        Expr::InList { expr, list, negated: _ } => list.iter().all(|item| is_fixed(expr, item, of)),
        Expr::IsNull(inner) | Expr::IsNotNull(inner) => column(inner, of).is_some(),
        _other => false,
    };
    by_form || !touches_time(expr, of)
}

/// Whether a column of dates or times is compared with what means the same in every session.
fn is_fixed(left: &Expr, right: &Expr, of: &GovernedDataset) -> bool {
    let zoned = match column(left, of) {
        Some(SqlType::Date | SqlType::Timestamp) => false,
        Some(SqlType::TimestampTz) => true,
        Some(_) | None => return false,
    };
    match right {
        Expr::Nested(inner) => is_fixed(left, inner, of),
        Expr::Identifier(_) => column(left, of) == column(right, of),
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => is_fixed_text(text, zoned),
        Expr::TypedString(TypedString {
            data_type,
            value: ValueWithSpan { value: Value::SingleQuotedString(text), .. },
            ..
        }) => is_zoned(data_type) == Some(zoned) && is_fixed_text(text, zoned),
        Expr::Cast { expr, data_type, .. } => match expr.as_ref() {
            Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => {
                is_zoned(data_type) == Some(zoned) && is_fixed_text(text, zoned)
            }
            _other => false,
        },
        _other => false,
    }
}

fn column<'a>(expr: &Expr, of: &'a GovernedDataset) -> Option<&'a SqlType> {
    match expr {
        Expr::Identifier(name) => Some(&of.dataset.column(&fold(name))?.sql_type),
        _other => None,
    }
}

/// Whether a type of dates or times has a zone; `None`: it is of another kind.
fn is_zoned(data_type: &DataType) -> Option<bool> {
    let name = data_type.to_string().to_ascii_lowercase();
    let zoned = name.contains("timestamptz") || name.contains("with time zone");
    let plain = name.starts_with("date") || name.starts_with("timestamp");
    (plain && !name.contains('[')).then_some(zoned)
}

/// `2024-01-31`, `2024-01-31 12:00`, `2024-01-31T12:00:00.5`; with a zone also its offset, which then has to be there.
fn is_fixed_text(text: &str, zoned: bool) -> bool {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_date = |text: &str| {
        let fields: Vec<&str> = text.split('-').collect();
        matches!(fields.as_slice(), [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2))
    };
    let is_time = |text: &str| {
        let (time, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let fields: Vec<&str> = time.split(':').collect();
        !fraction.is_empty()
            && digits(fraction, fraction.len())
            && matches!(fields.len(), 2 | 3)
            && fields.iter().all(|field| digits(field, 2))
    };
    let Some((date, time)) = text.split_once([' ', 'T']) else { return !zoned && is_date(text) };
    let time = if !zoned {
        Some(time)
    } else if let Some(time) = time.strip_suffix('Z') {
        Some(time)
    } else {
        time.rsplit_once(['+', '-'])
            .filter(|(_, offset)| digits(&offset.replace(':', ""), 2) || digits(&offset.replace(':', ""), 4))
            .map(|(time, _)| time)
    };
    is_date(date) && time.is_some_and(is_time)
}

/// Whether anything in an expression is of dates or times, or may be.
fn touches_time(expr: &Expr, of: &GovernedDataset) -> bool {
    let datasets = || std::iter::once(&of.dataset).chain(of.raw_relations.values());
    let is_of_time = |name: &str| {
        let mut types = datasets().filter_map(|dataset| dataset.column(name)).map(|column| &column.sql_type).peekable();
        match types.peek() {
            Some(_) => types.any(is_temporal),
            // An alias calls a column what it likes: it may be any.
            None => datasets().any(|dataset| dataset.columns.iter().any(|column| is_temporal(&column.sql_type))),
        }
    };
    visit_expressions(expr, |inner| {
        let touches = match inner {
            Expr::Identifier(name) => is_of_time(&fold(name)),
            Expr::CompoundIdentifier(names) => names.last().is_some_and(|name| is_of_time(&fold(name))),
            Expr::Cast { data_type, .. } | Expr::TypedString(TypedString { data_type, .. }) => names_time(data_type),
            Expr::Extract { .. } | Expr::AtTimeZone { .. } | Expr::Interval(_) => true,
            Expr::Function(function) => match parts(&function.name).as_deref() {
                Some([name]) => FUNCTIONS.contains(&name.as_str()),
                _qualified => true,
            },
            _other => false,
        };
        if touches { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .is_break()
}

fn names_time(data_type: &DataType) -> bool {
    let name = data_type.to_string().to_ascii_lowercase();
    ["date", "time", "interval"].iter().any(|word| name.contains(word))
}

/// Of dates or times, or of a type of the upstream's own, which may be a domain over one.
fn is_temporal(sql_type: &SqlType) -> bool {
    match sql_type {
        SqlType::Date | SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz | SqlType::Interval => true,
        SqlType::Array(of) => is_temporal(of),
        SqlType::Other(name) => ["date", "time", "interval", "range", "."].iter().any(|word| name.contains(word)),
        SqlType::Boolean
        | SqlType::SmallInt
        | SqlType::Integer
        | SqlType::BigInt
        | SqlType::Real
        | SqlType::Double
        | SqlType::Numeric { .. }
        | SqlType::Text
        | SqlType::Bytea
        | SqlType::Uuid
        | SqlType::Json => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_mean_one_moment_everywhere() {
        for text in ["2024-01-31", "2024-01-31 12:00", "2024-01-31T12:00:00", "2024-01-31 12:00:00.123456"] {
            assert!(is_fixed_text(text, false) && !is_fixed_text(text, true), "{text}");
        }
        for text in
            ["2024-01-31 12:00Z", "2024-01-31 12:00:00+02", "2024-01-31T12:00:00.5-05:30", "2024-01-31 12:00+0530"]
        {
            assert!(is_fixed_text(text, true) && !is_fixed_text(text, false), "{text}");
        }
        for text in [
            "",
            "now",
            "01/02/2024",
            "2024-1-2",
            "20240131",
            "2024-01-31 12",
            "2024-01-31 12:00 Europe/Berlin",
            "2024-01-31 12:00+2",
            "yesterday",
            "2024-01-31 12:00:00.",
            "2024-01-31+02",
            "infinity",
            "12:00",
        ] {
            assert!(!is_fixed_text(text, true) && !is_fixed_text(text, false), "{text}");
        }
    }
}
