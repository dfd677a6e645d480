//! What was decided, held against what the rewriter made of it.
//!
//! The row filter, the masks and the columns of each governed relation, the statement's limits, the conditions on its
//! groups ([`super::groups`]) and the columns that its tree names ([`super::columns`]) are compared with the decisions
//! themselves. It shares no code with rewriting but the reader of a policy's text.

use super::VerifyError;
use super::policy::Saying;
use super::{columns, groups};
use crate::decision::{Limits, Mask, Obligations};
use crate::govern::statement::{ColumnValue, GovernedDataset, GovernedStatement, GovernedTarget};
use crate::types::DatasetName;
use sqlparser::ast::{BinaryOperator, Expr, Value, ValueWithSpan};
use std::collections::BTreeMap;

/// Proves that a statement is governed as it was decided.
///
/// # Errors
/// [`VerifyError::Obligation`]: the statement must not run.
pub fn verify_obligations(
    statement: &GovernedStatement,
    decisions: &BTreeMap<DatasetName, Obligations>,
) -> Result<(), VerifyError> {
    let mut limits = Limits::default();
    let mut floors = BTreeMap::new();
    for relation in statement.relations() {
        let GovernedTarget::Dataset(governed) = &relation.target else { continue };
        let broken = |what| VerifyError::Obligation { relation: relation.key.clone(), what };
        let decided = decisions.get(&governed.dataset.name).ok_or_else(|| broken("a decision"))?;
        limits = limits.and(decided.limits);
        if !is_filtered(governed, decided) {
            return Err(broken("a row filter"));
        }
        if !is_masked(governed, decided) {
            return Err(broken("a mask"));
        }
        if !governed.used.iter().all(|used| governed.columns.iter().any(|column| column.name == *used)) {
            return Err(broken("a denial"));
        }
        if let Some(least) = decided.limits.min_group_size.filter(|least| *least > 0) {
            floors.insert(relation.key.as_str(), (least, governed));
        }
    }
    if *statement.limits() != limits {
        return Err(VerifyError::Obligation { relation: "the statement".to_owned(), what: "a limit" });
    }
    columns::verify(statement)?;
    groups::verify(statement.query(), &floors)
}

/// All row filters of the decision, in their order, each in parentheses, with AND between them.
fn is_filtered(governed: &GovernedDataset, decided: &Obligations) -> bool {
    let required = decided.filter_required || governed.dataset.row_filter_required;
    let mut filters = decided.row_filters.iter().rev();
    let Some(mut last) = filters.next() else {
        return match &governed.filter {
            None => !required,
            Some(Expr::Value(ValueWithSpan { value: Value::Boolean(false), .. })) => required,
            Some(_) => false,
        };
    };
    let Some(mut rest) = governed.filter.as_ref() else { return false };
    loop {
        let (before, own) = match (rest, filters.len()) {
            (own, 0) => (None, own),
            (Expr::BinaryOp { left, op: BinaryOperator::And, right }, _) => (Some(left.as_ref()), right.as_ref()),
            _other => return false,
        };
        let Expr::Nested(own) = own else { return false };
        if !(Saying { params: &last.params, raw: &governed.raw_relations }).says(&last.expression, own) {
            return false;
        }
        match (before, filters.next()) {
            (Some(before), Some(next)) => (rest, last) = (before, next),
            (None, None) => return true,
            _more_or_less => return false,
        }
    }
}

/// Each column of the dataset as it was decided, in the dataset's order; those that are denied are not there.
fn is_masked(governed: &GovernedDataset, decided: &Obligations) -> bool {
    let mut columns = governed.columns.iter();
    for of in &governed.dataset.columns {
        let mask = decided.column_masks.get(&of.name).map(|mask| &mask.mask);
        if mask == Some(&Mask::Deny) {
            continue;
        }
        let Some(column) = columns.next().filter(|column| column.name == of.name) else { return false };
        let is_decided = match (mask, &column.value) {
            (None, ColumnValue::Clear) => true,
            (Some(Mask::Expression(text)), ColumnValue::Computed(expr)) => {
                Saying { params: &BTreeMap::new(), raw: &governed.raw_relations }.says(text, expr)
            }
            (Some(Mask::Expression(_) | Mask::Deny), _) => false,
            (Some(mask), ColumnValue::Masked(set)) => mask == set,
            (None | Some(_), _) => false,
        };
        if !is_decided {
            return false;
        }
    }
    columns.next().is_none()
}
