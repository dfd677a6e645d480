//! Which predicates of a user's may be evaluated on hidden rows: those that can neither fail nor tell.
//!
//! Such a predicate is moved below the row filter, so that Parquet row groups and pages are pruned by it. PostgreSQL
//! calls the property LEAKPROOF ("CREATE FUNCTION"). The list is closed: what is not named here stays above.

use arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, Operator};

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
        Expr::Column(column) => {
            is_clear(&column.name)
                && schema.field_with_name(&column.name).is_ok_and(|field| *field.data_type() == DataType::Boolean)
        }
        Expr::Literal(ScalarValue::Boolean(_), _) => true,
        _ => false,
    }
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
        _ => None,
    }
}

/// Types whose comparison can't fail.
fn is_simple(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(
            data_type,
            DataType::Boolean
                | DataType::Float32
                | DataType::Float64
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
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
    }

    #[test]
    fn masked_columns_and_all_that_can_fail_are_not() {
        assert!(!leakproof(&col("email").eq(lit(ScalarValue::Utf8View(Some("a".into()))))));
        assert!(!leakproof(&(lit(1_i64) / col("id")).eq(lit(1_i64))));
        assert!(!leakproof(&col("name").like(lit("a%"))));
        assert!(!leakproof(&datafusion::logical_expr::cast(col("name"), DataType::Int64).gt(lit(0_i64))));
        assert!(!leakproof(&col("id").eq(lit("7"))));
        assert!(!leakproof(&col("id").eq(lit(7_i64)).and(col("email").is_null())));
    }
}
