//! Dates with a time zone behind them, as text.
//!
//! pgjdbc writes a date that it binds in the simple protocol as `'1980-01-02 +00'`. PostgreSQL reads that as a date, and
//! as a time at midnight; the engine's cast does not. So such a constant is put into the form that it reads.

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Cast, Expr, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;

/// Rewrites casts of such constants, those among them that the engine put there to compare.
#[derive(Debug)]
pub(super) struct ZonedDates;

impl AnalyzerRule for ZonedDates {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let read = plan.transform_up_with_subqueries(|node| {
            let preserver = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                let name = preserver.save(&expr);
                Ok(expr.transform_up(readable)?.update_data(|expr| name.restore(expr)))
            })
        })?;
        Ok(read.data)
    }

    fn name(&self) -> &str {
        "zoned_dates"
    }
}

fn readable(expr: Expr) -> Result<Transformed<Expr>> {
    let Expr::Cast(Cast { expr: inner, field }) = &expr else { return Ok(Transformed::no(expr)) };
    let Expr::Literal(value, _) = inner.as_ref() else { return Ok(Transformed::no(expr)) };
    let Some(Some(text)) = value.try_as_str() else { return Ok(Transformed::no(expr)) };
    let Some((date, zone)) = zoned_date(text) else { return Ok(Transformed::no(expr)) };
    let text = match field.data_type() {
        // What has no time zone ignores it.
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, None) => date.to_owned(),
        DataType::Timestamp(_, Some(_)) => format!("{date} 00:00:00{zone}"),
        _ => return Ok(Transformed::no(expr)),
    };
    let value = Expr::Literal(ScalarValue::Utf8(Some(text)), None);
    Ok(Transformed::yes(Expr::Cast(Cast { expr: Box::new(value), field: field.clone() })))
}

/// The date and the zone of `1980-01-02 +00`, `1980-01-02+05:30`.
fn zoned_date(text: &str) -> Option<(&str, &str)> {
    let shaped = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(byte, of)| match of {
                b'0' => byte.is_ascii_digit(),
                b'+' => matches!(byte, b'+' | b'-'),
                of => byte == of,
            })
    };
    let (date, zone) = text.split_at_checked(10)?;
    let zone = zone.strip_prefix(' ').unwrap_or(zone);
    (shaped(date, "0000-00-00") && (shaped(zone, "+00") || shaped(zone, "+00:00"))).then_some((date, zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_date_with_a_zone_is_one() {
        for text in ["1980-01-02 +00", "1980-01-02-05:30", "1980-01-02 +14"] {
            let (date, zone) = zoned_date(text).unwrap();
            assert_eq!((date, zone.len() >= 3), ("1980-01-02", true), "{text}");
        }
        for text in [
            "1980-01-02",
            "1980-01-02 00:00:00+00",
            "1980-01-02 +0",
            "1980-1-02 +00 ",
            "x",
            "ä980-01-02 +00",
            "1980-01-0ä+00",
        ] {
            assert_eq!(zoned_date(text), None, "{text}");
        }
    }
}
