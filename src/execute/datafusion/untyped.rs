//! The types of parameters that neither the client nor the planner names.
//!
//! PostgreSQL takes them from where a parameter first stands ("Type Conversion" in its manual): `$1::date` is a date, and
//! in `id = ANY ($1)` it is an array of what `id` is.

use super::types::parameter_pg_type;
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};
use postgres_types::Type;
use std::collections::BTreeMap;

/// Types by parameter number, from 1.
pub(super) fn types(plan: &LogicalPlan) -> Result<BTreeMap<usize, Type>> {
    let mut found = BTreeMap::new();
    plan.apply_with_subqueries(|node| {
        let mut schema = DFSchema::empty();
        for input in node.inputs() {
            schema.merge(input.schema());
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Some((number, data_type)) = typed(expr, &schema) {
                    found.entry(number).or_insert_with(|| parameter_pg_type(&data_type));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// The parameter that an expression gives a type, and the type.
fn typed(expr: &Expr, schema: &DFSchema) -> Option<(usize, DataType)> {
    match expr {
        Expr::Cast(cast) => Some((untyped(&cast.expr)?, cast.field.data_type().clone())),
        Expr::ScalarFunction(call) if call.func.name() == "array_has" => {
            let [array, element] = call.args.as_slice() else { return None };
            let element = element.get_type(schema).ok()?;
            Some((untyped(array)?, DataType::new_list(element, true)))
        }
        _ => None,
    }
}

/// The number of a parameter without a type.
fn untyped(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Placeholder(parameter) if parameter.field.is_none() => parameter.id.strip_prefix('$')?.parse().ok(),
        _ => None,
    }
}
