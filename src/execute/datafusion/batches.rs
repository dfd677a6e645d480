//! How many rows a batch may have, so that no operator holds more at once than the engine's memory allows.
//!
//! The engine bounds batches by their rows alone, and its memory pool does not count a batch on its way: 8,192 rows that
//! each hold a text of 60 kB are 500 MB. So a statement that makes texts, repeats constants or joins rows of texts and
//! lists runs in smaller batches: as many rows as keep a batch, at its widest, within [`bytes_of_batch`].

use super::narrow::{MAX_ROW, is_wide};
use super::sized::{BYTES_OF_ROW, Growing, growing, too_large};
use crate::error::{ErrorReport, SqlState};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::expr::{InList, Like};
use datafusion::logical_expr::{BinaryExpr, Expr, GroupingSet, LogicalPlan, Operator};

/// Constants up to this size are no more than other values.
const SMALL_CONSTANT: u64 = 256;
/// The fewest rows of a batch.
const FEWEST: u64 = 8;

/// Bytes that a batch may hold, by the memory of the whole engine.
pub(super) fn bytes_of_batch(engine_memory: usize) -> u64 {
    let eighth = u64::try_from(engine_memory / 8).unwrap_or(u64::MAX);
    eighth.clamp(32 << 20, 256 << 20)
}

/// The rows of a batch of this statement: `usual`, or fewer.
///
/// # Errors
/// 54000 if its constants are too large even for the smallest batches.
pub(super) fn rows_of_batch(plan: &LogicalPlan, usual: usize, bytes: u64) -> Result<usize> {
    let mut found = Found::default();
    plan.apply_with_subqueries(|node| {
        let repeats = matches!(node, LogicalPlan::Join(_) | LogicalPlan::Unnest(_) | LogicalPlan::Window(_));
        found.repeated |= repeats && node.schema().fields().iter().any(|field| is_wide(field.data_type()));
        if let LogicalPlan::Aggregate(aggregate) = node {
            for expr in &aggregate.group_expr {
                if let Expr::GroupingSet(sets) = expr {
                    found.grouped = found.grouped.max(bytes_of_sets(sets)?);
                }
            }
        }
        node.apply_expressions(|expr| found.look_at(expr))
    })?;
    let constants = found.constants.saturating_sub(found.compared);
    if constants.saturating_mul(FEWEST) > bytes {
        return Err(too_large());
    }
    // Those that no more than pass their arguments on add up slowly.
    let functions = found.multiplying.saturating_add(found.adding.div_ceil(8));
    let most = [
        bytes.checked_div(constants).unwrap_or(u64::MAX),
        bytes.checked_div(functions.saturating_mul(BYTES_OF_ROW)).unwrap_or(u64::MAX),
        if found.repeated { bytes / MAX_ROW } else { u64::MAX },
        bytes.checked_div(found.grouped).unwrap_or(u64::MAX),
    ];
    let most = most.into_iter().min().unwrap_or(u64::MAX).max(FEWEST);
    Ok(usize::try_from(most).unwrap_or(usize::MAX).min(usual.max(1)))
}

/// Bytes that grouping sets make of a row: an aggregate looks at a batch once for each set, with the columns that are not
/// in it put to NULL, and keeps all of these until it has seen them.
///
/// # Errors
/// 54001 for more sets than PostgreSQL takes ("SELECT", GROUPING SETS): planning alone would not end.
fn bytes_of_sets(sets: &GroupingSet) -> Result<u64> {
    const MOST_SETS: u64 = 4_096;
    const CELL: u64 = 16;
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    let (sets, columns) = match sets {
        GroupingSet::Rollup(columns) => (count(columns.len()).saturating_add(1), count(columns.len())),
        GroupingSet::Cube(columns) => {
            let sets = u32::try_from(columns.len()).ok().and_then(|columns| 1_u64.checked_shl(columns));
            (sets.unwrap_or(u64::MAX), count(columns.len()))
        }
        GroupingSet::GroupingSets(of) => (count(of.len()), count(sets.distinct_expr().len())),
    };
    if sets > MOST_SETS {
        let report = ErrorReport::new(
            SqlState::STATEMENT_TOO_COMPLEX,
            format!("too many grouping sets present (maximum {MOST_SETS})"),
        );
        return Err(DataFusionError::External(Box::new(report.with_hint("Name the sets that are needed."))));
    }
    Ok(sets.saturating_mul(columns).saturating_mul(CELL))
}

/// What in a plan makes rows wide.
#[derive(Debug, Default)]
struct Found {
    /// Bytes of large constants.
    constants: u64,
    /// Bytes of those among them that are compared with: they stand in no row.
    compared: u64,
    /// Calls whose result can be many times as large as their arguments.
    multiplying: u64,
    /// Calls whose result is as large as all their arguments.
    adding: u64,
    /// An operator repeats rows that hold texts or lists.
    repeated: bool,
    /// Bytes that grouping sets make of one row.
    grouped: u64,
}

impl Found {
    fn look_at(&mut self, expr: &Expr) -> Result<TreeNodeRecursion> {
        expr.apply(|expr| {
            match expr {
                Expr::Literal(value, _) => self.constants = self.constants.saturating_add(large(value)),
                Expr::ScalarFunction(function) => match growing(&function.func) {
                    Some(Growing::Multiplies) => self.multiplying = self.multiplying.saturating_add(1),
                    Some(Growing::Adds) => self.adding = self.adding.saturating_add(1),
                    None => {}
                },
                Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(*op) => {
                    self.excuse(&[left, right]);
                }
                Expr::Like(Like { expr, pattern, .. }) | Expr::SimilarTo(Like { expr, pattern, .. }) => {
                    self.excuse(&[expr, pattern]);
                }
                Expr::InList(InList { list, .. }) => self.excuse(&list.iter().collect::<Vec<_>>()),
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        })
    }

    fn excuse(&mut self, operands: &[&Expr]) {
        for operand in operands {
            if let Expr::Literal(value, _) = operand {
                self.compared = self.compared.saturating_add(large(value));
            }
        }
    }
}

fn large(value: &ScalarValue) -> u64 {
    let size = u64::try_from(value.size()).unwrap_or(u64::MAX);
    if size > SMALL_CONSTANT { size } else { 0 }
}

fn compares(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
            | Operator::RegexMatch
            | Operator::RegexIMatch
            | Operator::RegexNotMatch
            | Operator::RegexNotIMatch
            | Operator::LikeMatch
            | Operator::ILikeMatch
            | Operator::NotLikeMatch
            | Operator::NotILikeMatch
    )
}
