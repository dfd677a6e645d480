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
        if let LogicalPlan::Limit(limit) = node {
            for count in limit.skip.iter().chain(&limit.fetch) {
                if let Some(number) = untyped(count) {
                    found.entry(number).or_insert(Type::INT8);
                }
            }
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Some((number, pg_type)) = typed(expr, &schema) {
                    found.entry(number).or_insert(pg_type);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// The parameter that an expression gives a type, and the type.
fn typed(expr: &Expr, schema: &DFSchema) -> Option<(usize, Type)> {
    match expr {
        Expr::Cast(cast) => Some((untyped(&cast.expr)?, parameter_pg_type(cast.field.data_type()))),
        Expr::ScalarFunction(call) if call.func.name() == "array_has" => {
            let [array, element] = call.args.as_slice() else { return None };
            let element = element.get_type(schema).ok()?;
            Some((untyped(array)?, parameter_pg_type(&DataType::new_list(element, true))))
        }
        Expr::ScalarFunction(call) => {
            let pg_type = match call.func.name() {
                "__uuid" => Type::UUID,
                "__json" => Type::JSON,
                "__jsonb" => Type::JSONB,
                _ => return None,
            };
            Some((untyped(call.args.first()?)?, pg_type))
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
