//! Rows that an operator repeats, kept narrow.
//!
//! A join, UNNEST or a window function puts the values of one row into many others, and copies lists and texts each time:
//! one array of a million numbers beside ten thousand rows is 80 GB that nobody has reserved. So what such an operator
//! reads is measured: a row too wide to be repeated ends the statement. A long list is handed to UNNEST in pieces, for
//! it makes the rows of one list all at once.

use super::sized::value_bytes;
use super::through::{Step, through};
use crate::error::{ErrorReport, SqlState};
use arrow::array::{Array, ArrayRef, AsArray, GenericListArray, OffsetSizeTrait, RecordBatch};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};
use futures::{StreamExt, TryStreamExt};
use std::sync::Arc;

/// The most bytes of texts and lists in a row that is repeated.
pub(super) const MAX_ROW: u64 = 128 << 10;

/// Operators that put one row's values into many.
const REPEATING: [&str; 8] = [
    "BoundedWindowAggExec",
    "CrossJoinExec",
    "HashJoinExec",
    "NestedLoopJoinExec",
    "PiecewiseMergeJoinExec",
    "SortMergeJoinExec",
    "UnnestExec",
    "WindowAggExec",
];

/// Whether repeating a value of this type copies bytes that may be many. Views are shared, not copied.
pub(super) fn is_wide(data_type: &DataType) -> bool {
    data_type.is_nested()
        || matches!(
            data_type,
            DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Binary
                | DataType::LargeBinary
                | DataType::FixedSizeBinary(_)
        )
}

/// Measures what repeating operators read.
///
/// # Errors
/// 0A000 for lists in lists that are unnested at once: how many rows they give is not known before it has happened.
pub(super) fn narrow(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let narrowed = plan.transform_up(|node| {
        if !REPEATING.contains(&super::cooperate::operator_name(node.as_ref())) {
            return Ok(Transformed::no(node));
        }
        let mut lists = Vec::new();
        if let Some(unnest) = (node.as_ref() as &dyn std::any::Any).downcast_ref::<UnnestExec>() {
            if unnest.list_column_indices().iter().any(|list| list.depth != 1) {
                return Err(DataFusionError::NotImplemented("unnesting lists in lists at once".into()));
            }
            lists = unnest.list_column_indices().iter().map(|list| list.index_in_input_schema).collect();
        }
        let inputs = node.children().into_iter().map(|input| {
            let schema = input.schema();
            let columns = (0..schema.fields().len()).filter(|index| !lists.contains(index));
            let wide: Vec<usize> = columns.filter(|index| is_wide(schema.field(*index).data_type())).collect();
            if wide.is_empty() && lists.is_empty() {
                return Arc::clone(input);
            }
            through(input, Narrow { wide, lists: lists.clone() })
        });
        let inputs: Vec<_> = inputs.collect();
        replace_children_if_necessary(node, inputs).map(Transformed::yes)
    })?;
    Ok(narrowed.data)
}

fn too_wide() -> DataFusionError {
    DataFusionError::External(Box::new(
        ErrorReport::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "a row is too wide to be repeated")
            .with_detail(format!(
                "Rows that are joined, unnested or read by window functions hold at most {MAX_ROW} bytes of arrays and of texts that the statement made."
            ))
            .with_hint("Leave arrays and long texts out of what is joined, or aggregate them last."),
    ))
}

/// Lets narrow rows through, with long lists in pieces.
#[derive(Debug, Clone)]
struct Narrow {
    /// Columns that are repeated, of types that are copied.
    wide: Vec<usize>,
    /// Columns that are unnested, all in step.
    lists: Vec<usize>,
}

impl Step for Narrow {
    const NAME: &'static str = "NarrowExec";

    fn again(&self) -> Self {
        self.clone()
    }

    fn execute(
        &self,
        input: &Arc<dyn ExecutionPlan>,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let most = context.session_config().batch_size().max(1);
        let input = input.execute(partition, context)?;
        let schema = input.schema();
        let (wide, lists) = (self.wide.clone(), self.lists.clone());
        let pieces = input.map(move |batch| {
            let batch = batch?;
            measure(&batch, &wide)?;
            let pieces = in_pieces(&batch, &lists, most)?;
            Ok::<_, DataFusionError>(futures::stream::iter(pieces.into_iter().map(Ok)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, pieces.try_flatten())))
    }
}

/// The bytes of the widest row, as far as they would be copied.
pub(super) fn widest_row(batch: &RecordBatch) -> usize {
    let columns: Vec<&ArrayRef> = batch.columns().iter().filter(|column| is_wide(column.data_type())).collect();
    usize::try_from(widest(&columns, batch.num_rows())).unwrap_or(usize::MAX)
}

fn widest(columns: &[&ArrayRef], rows: usize) -> u64 {
    let width = |row| columns.iter().fold(0_u64, |sum, column| sum.saturating_add(value_bytes(column, row)));
    (0..rows).map(width).max().unwrap_or(0)
}

/// # Errors
/// 54000 if a row is too wide.
fn measure(batch: &RecordBatch, wide: &[usize]) -> Result<()> {
    let columns: Vec<&ArrayRef> = wide.iter().filter_map(|index| batch.columns().get(*index)).collect();
    // All rows together are no wider than one may be: most batches are that small.
    let all: usize = columns.iter().map(|column| column.get_array_memory_size()).sum();
    if u64::try_from(all).is_ok_and(|all| all <= MAX_ROW) {
        return Ok(());
    }
    if widest(&columns, batch.num_rows()) > MAX_ROW { Err(too_wide()) } else { Ok(()) }
}

/// The same rows with no list longer than `most`: a row with a longer one becomes several, each with the next elements
/// of its lists. Unnested, they give what the one would have given.
fn in_pieces(batch: &RecordBatch, lists: &[usize], most: usize) -> Result<Vec<RecordBatch>> {
    let columns: Vec<&ArrayRef> = lists.iter().filter_map(|index| batch.columns().get(*index)).collect();
    let longest = |row: usize| columns.iter().map(|list| length(list, row)).max().unwrap_or(0);
    let (mut pieces, mut done) = (Vec::new(), 0);
    for row in 0..batch.num_rows() {
        let longest = longest(row);
        if longest <= most {
            continue;
        }
        if row > done {
            pieces.push(batch.slice(done, row - done));
        }
        done = row + 1;
        for from in (0..longest).step_by(most) {
            let cut = batch.columns().iter().enumerate().map(|(index, column)| {
                if lists.contains(&index) { piece(column, row, from, most) } else { Ok(column.slice(row, 1)) }
            });
            pieces.push(RecordBatch::try_new(batch.schema(), cut.collect::<Result<Vec<_>>>()?)?);
        }
    }
    if batch.num_rows() > done {
        pieces.push(batch.slice(done, batch.num_rows() - done));
    }
    Ok(pieces)
}

/// How many elements a list has, if it is of a kind that can be cut.
fn length(list: &ArrayRef, row: usize) -> usize {
    if list.is_null(row) {
        return 0;
    }
    match list.data_type() {
        DataType::List(_) => list.as_list::<i32>().value(row).len(),
        DataType::LargeList(_) => list.as_list::<i64>().value(row).len(),
        // Of a fixed size: no longer than the type says.
        _ => 0,
    }
}

/// One row: so many elements of its list, from a place on.
fn piece(list: &ArrayRef, row: usize, from: usize, most: usize) -> Result<ArrayRef> {
    match list.data_type() {
        DataType::List(field) => cut(list.as_list::<i32>(), field, row, from, most),
        DataType::LargeList(field) => cut(list.as_list::<i64>(), field, row, from, most),
        _ if from == 0 => Ok(list.slice(row, 1)),
        of => Err(DataFusionError::NotImplemented(format!("unnesting {of} beside a long list"))),
    }
}

fn cut<O: OffsetSizeTrait>(
    list: &GenericListArray<O>,
    field: &FieldRef,
    row: usize,
    from: usize,
    most: usize,
) -> Result<ArrayRef> {
    let values = list.value(row);
    let from = from.min(values.len());
    let values = values.slice(from, most.min(values.len() - from));
    let nulls = list.is_null(row).then(|| NullBuffer::new_null(1));
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    Ok(Arc::new(GenericListArray::<O>::try_new(Arc::clone(field), offsets, values, nulls)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, ListArray};
    use arrow::datatypes::{Field, Int64Type, Schema};

    fn lists(rows: Vec<Option<Vec<Option<i64>>>>) -> ArrayRef {
        Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(rows))
    }

    fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
        let fields = columns.iter().enumerate();
        let fields: Vec<Field> =
            fields.map(|(n, column)| Field::new(format!("c{n}"), column.data_type().clone(), true)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    fn numbers(range: std::ops::Range<i64>) -> Option<Vec<Option<i64>>> {
        Some(range.map(Some).collect())
    }

    #[test]
    fn short_lists_pass_as_they_are() {
        let of = batch(vec![lists(vec![numbers(0..3), None, numbers(0..0)])]);
        assert_eq!(in_pieces(&of, &[0], 3).unwrap(), std::slice::from_ref(&of));
    }

    #[test]
    fn a_long_list_comes_in_pieces_and_those_beside_it_in_step() {
        let id: ArrayRef = Arc::new(Int64Array::from(vec![7, 8, 9, 10]));
        let long = lists(vec![numbers(0..1), numbers(0..5), numbers(0..2), numbers(0..3)]);
        let beside = lists(vec![None, numbers(10..13), None, None]);
        let pieces = in_pieces(&batch(vec![id, long, beside]), &[1, 2], 2).unwrap();
        let shown = pieces.iter().map(|piece| {
            let ids = piece.column(0).as_primitive::<Int64Type>().values().to_vec();
            let lengths =
                |column: usize| (0..piece.num_rows()).map(|row| length(piece.column(column), row)).collect::<Vec<_>>();
            format!("{ids:?} {:?} {:?} {}", lengths(1), lengths(2), piece.column(2).null_count())
        });
        let shown: Vec<String> = shown.collect();
        let expected = [
            "[7] [1] [0] 1",
            "[8] [2] [2] 0",
            "[8] [2] [1] 0",
            "[8] [1] [0] 0",
            "[9] [2] [0] 1",
            "[10] [2] [0] 1",
            "[10] [1] [0] 1",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_row_is_measured_over_all_its_columns() {
        let half: ArrayRef = Arc::new(arrow::array::StringArray::from(vec!["x".repeat(100_000), String::new()]));
        measure(&batch(vec![Arc::clone(&half)]), &[0]).unwrap();
        assert!(measure(&batch(vec![Arc::clone(&half), half]), &[0, 1]).is_err());
        let views: ArrayRef = Arc::new(arrow::array::StringViewArray::from(vec!["x".repeat(900_000)]));
        assert!(!is_wide(views.data_type()));
    }
}
