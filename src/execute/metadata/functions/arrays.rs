//! Arrays: bounds, and elements with their positions.

use super::super::rows::Cell;
use super::call::{Call, Definition, Returns, positions_type};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int32Array, ListArray, StructArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};
use std::sync::Arc;

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition::pure("array_upper", (2, 2), Returns::Int4, |call| Ok(length(call).into())),
    Definition::pure("array_lower", (2, 2), Returns::Int4, |call| Ok(length(call).map(|_| 1_i64).into())),
    Definition::pure("num_nulls", (1, usize::MAX), Returns::Int4, |call| {
        Ok(count(call.arguments.iter().filter(|value| value.is_null()).count()))
    })
    .lenient(),
    Definition::pure("num_nonnulls", (1, usize::MAX), Returns::Int4, |call| {
        Ok(count(call.arguments.iter().filter(|value| !value.is_null()).count()))
    })
    .lenient(),
    // The positions of a dimension, from 1: `generate_subscripts` is unnested from it.
    Definition::pure("__subscripts", (1, 2), Returns::Int4List, |call| {
        let length = call.list(0).map_or(0, |list| list.len());
        Ok(Cell::List((1..).take(length).map(Cell::Int).collect()))
    })
    .lenient(),
    Definition {
        whole: Some(positions),
        ..Definition::pure("__positions", (1, 1), Returns::Positions, |_| Ok(Cell::Null))
    },
];

fn count(of: usize) -> Cell {
    Cell::Int(i64::try_from(of).unwrap_or(i64::MAX))
}

/// The length of the first dimension; `None` for another one or an empty array, as in PostgreSQL.
fn length(call: &Call<'_>) -> Option<i64> {
    let list = call.list(0).filter(|_| call.int(1) == Some(1))?;
    i64::try_from(list.len()).ok().filter(|length| *length > 0)
}

/// Each list's elements as structs `{x, n}`, `n` from 1: what `information_schema._pg_expandarray` unnests.
fn positions(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    let Some(argument) = args.args.first() else {
        return Err(DataFusionError::Internal("positions of nothing".to_owned()));
    };
    let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
    let DataType::List(item) = positions_type(&types) else {
        return Err(DataFusionError::Internal("positions are a list".to_owned()));
    };
    let DataType::Struct(fields) = item.data_type().clone() else {
        return Err(DataFusionError::Internal("positions are structs".to_owned()));
    };
    let scalar = matches!(argument, ColumnarValue::Scalar(_));
    let array: ArrayRef = argument.to_array(if scalar { 1 } else { args.number_rows })?;
    let lists: &ListArray =
        array.as_list_opt::<i32>().ok_or_else(|| DataFusionError::Plan("_pg_expandarray takes an array".to_owned()))?;
    let rows: Vec<ArrayRef> = lists.iter().map(|list| list.unwrap_or_else(|| lists.values().slice(0, 0))).collect();
    let numbers: Int32Array = rows.iter().flat_map(|row| (1..).take(row.len())).collect::<Vec<i32>>().into();
    let parts: Vec<&dyn Array> = rows.iter().map(AsRef::as_ref).collect();
    let elements =
        if parts.is_empty() { lists.values().slice(0, 0) } else { datafusion::arrow::compute::concat(&parts)? };
    let structs = StructArray::try_new(fields, vec![elements, Arc::new(numbers) as ArrayRef], None)?;
    let offsets = OffsetBuffer::from_lengths(rows.iter().map(|row| row.len()));
    let result: ArrayRef = Arc::new(ListArray::try_new(item, offsets, Arc::new(structs), None)?);
    Ok(if scalar {
        ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)
    } else {
        ColumnarValue::Array(result)
    })
}
