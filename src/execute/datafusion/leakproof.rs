//! Which predicates of a user's may be evaluated on hidden rows: those that can neither fail nor tell.
//!
//! Such a predicate is moved below the row filter, so that Parquet row groups and pages are pruned by it. PostgreSQL
//! calls the property LEAKPROOF ("CREATE FUNCTION"). The list is closed: what is not named here stays above.
//!
//! A row filter that might itself fail on a row would tell by its failing which rows a predicate let through to it. So
//! filters are judged by the same list, and nothing of the user's goes below one that is not on it.

use arrow::datatypes::{DataType, Schema, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::expr::{Between, Exists, InList, InSubquery};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, Like, LogicalPlan, Operator};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

/// Whether a predicate over a governed relation's columns is leakproof, given which of them are in the clear.
pub(super) fn is_leakproof(predicate: &Expr, schema: &Schema, is_clear: &dyn Fn(&str) -> bool) -> bool {
    let check = |expr: &Expr| is_leakproof(expr, schema, is_clear);
    match predicate {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => check(left) && check(right),
        Expr::BinaryExpr(BinaryExpr {
            left,
            op:
                Operator::Eq
                | Operator::NotEq
                | Operator::Lt
                | Operator::LtEq
                | Operator::Gt
                | Operator::GtEq
                | Operator::IsDistinctFrom
                | Operator::IsNotDistinctFrom,
            right,
        }) => {
            matches!((operand(left, schema, is_clear), operand(right, schema, is_clear)), (Some(a), Some(b)) if a == b)
        }
        Expr::Not(inner) | Expr::IsTrue(inner) | Expr::IsFalse(inner) | Expr::IsUnknown(inner) => check(inner),
        Expr::IsNotTrue(inner) | Expr::IsNotFalse(inner) | Expr::IsNotUnknown(inner) => check(inner),
        Expr::IsNull(inner) | Expr::IsNotNull(inner) => operand(inner, schema, is_clear).is_some(),
        Expr::InList(InList { expr, list, negated: _ }) => operand(expr, schema, is_clear).is_some_and(|of| {
            list.iter()
                .all(|item| matches!(item, Expr::Literal(..)) && operand(item, schema, is_clear).as_ref() == Some(&of))
        }),
        Expr::Between(Between { expr, negated: _, low, high }) => operand(expr, schema, is_clear).is_some_and(|of| {
            [low, high].into_iter().all(|bound| operand(bound, schema, is_clear).as_ref() == Some(&of))
        }),
        Expr::Like(like) => is_plain_like(like, schema, is_clear),
        Expr::Column(column) => {
            is_clear(&column.name)
                && schema.field_with_name(&column.name).is_ok_and(|field| *field.data_type() == DataType::Boolean)
        }
        Expr::Literal(ScalarValue::Boolean(_), _) => true,
        _ => false,
    }
}

/// Whether a row filter can fail on no row of a relation with this schema: its columns are all there to be compared.
pub(super) fn is_leakproof_filter(filter: &Expr, schema: &DFSchema, state: &SessionState) -> bool {
    typed(filter, schema, state).is_some_and(|filter| is_leakproof_condition(&filter, schema.as_arrow()))
}

/// Whether a value that a policy computes is there for every row. If it failed on some, a predicate that chooses the
/// rows that it is computed for would tell which.
pub(super) fn is_leakproof_value(value: &Expr, schema: &DFSchema, state: &SessionState) -> bool {
    typed(value, schema, state).is_some_and(|value| operand(&value, schema.as_arrow(), &|_| true).is_some())
}

/// An expression of a policy's with the types that it will have: as written, a text may stand where a date is meant.
fn typed(expr: &Expr, schema: &DFSchema, state: &SessionState) -> Option<Expr> {
    let context = SimplifyContext::builder()
        .with_schema(schema.clone().into())
        .with_config_options(state.config_options().clone())
        .with_query_execution_start_time(state.execution_props().query_execution_start_time)
        .build();
    let simplifier = ExprSimplifier::new(context);
    simplifier.coerce(expr.clone(), schema).and_then(|expr| simplifier.simplify(expr)).ok()
}

/// A leakproof predicate, or one that asks a leakproof subquery.
fn is_leakproof_condition(condition: &Expr, schema: &Schema) -> bool {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
            is_leakproof_condition(left, schema) && is_leakproof_condition(right, schema)
        }
        Expr::Not(inner) => is_leakproof_condition(inner, schema),
        Expr::InSubquery(InSubquery { expr, subquery, negated: _ }) => {
            operand(expr, schema, &|_| true).is_some() && is_leakproof_query(&subquery.subquery)
        }
        Expr::Exists(Exists { subquery, negated: _ }) => is_leakproof_query(&subquery.subquery),
        other => is_leakproof(other, schema, &|_| true),
    }
}

/// Columns of one relation under a leakproof condition.
fn is_leakproof_query(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => {
            let schema = projection.input.schema().as_arrow();
            let plain = |output: &Expr| operand(&output.clone().unalias(), schema, &|_| true).is_some();
            projection.expr.iter().all(plain) && is_leakproof_query(&projection.input)
        }
        LogicalPlan::Filter(filter) => {
            is_leakproof_condition(&filter.predicate, filter.input.schema().as_arrow())
                && is_leakproof_query(&filter.input)
        }
        LogicalPlan::SubqueryAlias(alias) => is_leakproof_query(&alias.input),
        LogicalPlan::TableScan(_) => true,
        _ => false,
    }
}

/// A pattern that is known when the statement is planned, and too short for what is made of it to be too large.
fn is_plain_like(like: &Like, schema: &Schema, is_clear: &dyn Fn(&str) -> bool) -> bool {
    const LONGEST: usize = 256;
    let Like { negated: _, expr, pattern, escape_char: None, case_insensitive: _ } = like else { return false };
    let short = match pattern.as_ref() {
        Expr::Literal(ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text), _) => {
            text.as_ref().is_none_or(|text| text.len() <= LONGEST)
        }
        _ => false,
    };
    short && operand(expr, schema, is_clear).is_some_and(|of| is_text(&of))
}

/// The type that an operand is compared as; `None` if evaluating or comparing it could fail.
fn operand(expr: &Expr, schema: &Schema, is_clear: &dyn Fn(&str) -> bool) -> Option<DataType> {
    match expr {
        Expr::Column(column) if is_clear(&column.name) => {
            let data_type = schema.field_with_name(&column.name).ok()?.data_type();
            is_simple(data_type).then(|| data_type.clone())
        }
        Expr::Literal(value, _) => {
            let data_type = value.data_type();
            is_simple(&data_type).then_some(data_type)
        }
        Expr::Cast(Cast { expr, field }) => {
            let from = operand(expr, schema, is_clear)?;
            widens(&from, field.data_type()).then(|| field.data_type().clone())
        }
        // A column of the query around a subquery: its value is one that was read.
        Expr::OuterReferenceColumn(field, _) => is_simple(field.data_type()).then(|| field.data_type().clone()),
        Expr::ScalarFunction(call) if TEXT_FUNCTIONS.contains(&call.func.name()) => {
            // A number is how many characters to take.
            let suits = |arg: &Expr| {
                let of = operand(arg, schema, is_clear);
                of.is_some_and(|of| is_text(&of) || (of.is_integer() && matches!(arg, Expr::Literal(..))))
            };
            if !call.args.iter().all(suits) {
                return None;
            }
            expr.get_type(&DFSchema::try_from(schema.clone()).ok()?).ok().filter(is_simple)
        }
        _ => None,
    }
}

/// Functions of texts that give an answer for every text, and one that is no longer than a small multiple of it.
const TEXT_FUNCTIONS: [&str; 9] =
    ["btrim", "character_length", "coalesce", "left", "lower", "ltrim", "right", "rtrim", "upper"];

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Types whose comparison can't fail.
pub(super) fn is_simple(data_type: &DataType) -> bool {
    data_type.is_integer()
        || is_text(data_type)
        || matches!(
            data_type,
            DataType::Boolean
                | DataType::Float32
                | DataType::Float64
                | DataType::Date32
                | DataType::Timestamp(..)
                | DataType::Decimal128(..)
        )
}

/// Casts that hold for every value.
fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType::{Int8, Int16, Int32, Int64, LargeUtf8, UInt8, UInt16, UInt32, Utf8, Utf8View};
    from == to
        || matches!(
            (from, to),
            (Int8 | UInt8, Int16 | Int32 | Int64)
                | (Int16 | UInt16, Int32 | Int64)
                | (Int32 | UInt32, Int64)
                | (DataType::Float32, DataType::Float64)
                // Nanoseconds in 64 bits are of a year that any date can say.
                | (DataType::Timestamp(TimeUnit::Nanosecond, None), DataType::Date32)
                | (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View)
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Field;
    use datafusion::prelude::{col, lit};

    fn leakproof(predicate: &Expr) -> bool {
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("name", DataType::Utf8View, true),
            Field::new("email", DataType::Utf8View, true),
        ]);
        is_leakproof(predicate, &schema, &|column| column != "email")
    }

    #[test]
    fn comparisons_of_clear_columns_are() {
        assert!(leakproof(&col("id").eq(lit(7_i64))));
        assert!(leakproof(&col("id").gt(lit(7_i64)).and(col("id").lt_eq(lit(9_i64)))));
        assert!(leakproof(&col("name").is_not_null()));
        assert!(leakproof(&col("id").in_list(vec![lit(1_i64), lit(2_i64)], true)));
        assert!(leakproof(&col("name").like(lit("a%")).or(col("name").not_ilike(lit("%b_")))));
    }

    #[test]
    fn masked_columns_and_all_that_can_fail_are_not() {
        assert!(!leakproof(&col("email").eq(lit(ScalarValue::Utf8View(Some("a".into()))))));
        assert!(!leakproof(&(lit(1_i64) / col("id")).eq(lit(1_i64))));
        assert!(!leakproof(&col("email").like(lit("a%"))));
        assert!(!leakproof(&col("name").like(col("name"))));
        assert!(!leakproof(&col("name").ilike(lit("_".repeat(1000)))));
        assert!(!leakproof(&datafusion::logical_expr::cast(col("name"), DataType::Int64).gt(lit(0_i64))));
        assert!(!leakproof(&col("id").eq(lit("7"))));
        assert!(!leakproof(&col("id").eq(lit(7_i64)).and(col("email").is_null())));
    }
}
