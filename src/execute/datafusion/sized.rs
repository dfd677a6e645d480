//! Bounds on values that the statement itself makes large.
//!
//! The engine's memory pool does not count what a function returns: `replace(repeat('x', 10000), 'x', repeat('y', 10000))`
//! asks the allocator for 100 MB, once more around it for 1 TB, and an allocation that fails ends the process. So every
//! function whose result can be larger than its arguments is asked first how large it could be, and is run over as few
//! rows at a time as that takes. The rewrite comes before constants are folded, because folding runs functions too.

use crate::error::{ErrorReport, SqlState};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::binary::BinaryTypeCoercer;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, binary};
use std::sync::Arc;

/// The most bytes of one value.
const MAX_VALUE: u64 = 1 << 20;
/// Bytes that a result may have in a row, taken over all rows of a batch. The rows are as many as `batches` allows.
pub(super) const BYTES_OF_ROW: u64 = 32 << 10;
/// Bytes that may be computed at once without looking at what came out.
const SLICE: u64 = 16 << 20;

/// 54000.
pub(super) fn too_large() -> DataFusionError {
    DataFusionError::External(Box::new(
        ErrorReport::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "a value would be too large")
            .with_detail(format!("Texts and arrays that a statement makes hold at most {MAX_VALUE} bytes."))
            .with_hint("Repeat, replace or join fewer or shorter texts."),
    ))
}

/// How large the result of a function can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Growth {
    /// Its arguments, so many times.
    Sum(u64),
    /// The first argument, as often as the second says.
    Repeat,
    /// The third argument for each piece of the first that the second finds.
    Replace,
    /// The third argument for each character of the first, or a part of the first.
    RegexpReplace,
    /// The texts of an array with the second argument between them.
    Join,
}

fn growth(name: &str) -> Option<Growth> {
    Some(match name {
        "repeat" => Growth::Repeat,
        "replace" => Growth::Replace,
        "regexp_replace" => Growth::RegexpReplace,
        "array_to_string" | "list_to_string" | "array_join" | "list_join" => Growth::Join,
        "concat" | "concat_ws" | "overlay" | "make_array" | "make_list" | "array_append" | "array_prepend"
        | "array_cat" | "array_concat" | "list_concat" | "array_replace" | "named_struct" | "struct" => Growth::Sum(1),
        "initcap" | "lower" | "upper" | "translate" | "encode" | "to_hex" => Growth::Sum(4),
        "to_char" | "string_to_array" => Growth::Sum(20),
        _ => return None,
    })
}

/// What a bounded function does to the size of its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Growing {
    /// Adds them up.
    Adds,
    /// Multiplies one by another.
    Multiplies,
}

/// Whether a function is one of the bounded ones, and what it does.
pub(super) fn growing(function: &ScalarUDF) -> Option<Growing> {
    let sized = function.inner().downcast_ref::<SizedFunction>()?;
    Some(match sized.growth {
        Growth::Sum(_) => Growing::Adds,
        Growth::Repeat | Growth::Replace | Growth::RegexpReplace | Growth::Join => Growing::Multiplies,
    })
}

/// Puts the bounds around functions and around `||`.
#[derive(Debug)]
pub(super) struct BoundSizes;

impl FunctionRewrite for BoundSizes {
    fn name(&self) -> &str {
        "bound_sizes"
    }

    fn rewrite(&self, expr: Expr, _schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        Ok(match expr {
            Expr::ScalarFunction(ScalarFunction { func, args }) => match growth(func.name()) {
                Some(growth) if func.inner().downcast_ref::<SizedFunction>().is_none() => {
                    let sized = SizedFunction { signature: func.signature().clone(), inner: func, growth };
                    Transformed::yes(ScalarUDF::new_from_impl(sized).call(args))
                }
                _ => Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })),
            },
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) => {
                let func = Arc::new(ScalarUDF::new_from_impl(Concatenation::default()));
                let sized = SizedFunction { signature: func.signature().clone(), inner: func, growth: Growth::Sum(1) };
                Transformed::yes(ScalarUDF::new_from_impl(sized).call(vec![*left, *right]))
            }
            other => Transformed::no(other),
        })
    }
}

/// A function that is asked how large its result could be before it is run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct SizedFunction {
    inner: Arc<ScalarUDF>,
    signature: Signature,
    growth: Growth,
}

impl ScalarUDFImpl for SizedFunction {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    #[expect(deprecated, reason = "the engine still asks for it, and the function inside may have one of its own")]
    fn display_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.display_name(args)
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let lengths: Vec<Lengths> = args.args.iter().map(Lengths::of).collect();
        let mut slices = Vec::new();
        let (mut start, mut pending) = (0, 0_u64);
        for row in 0..rows {
            let size = self.growth.at_most(&args.args, &lengths, row);
            if size > MAX_VALUE {
                return Err(too_large());
            }
            if pending.saturating_add(size) > SLICE && row > start {
                slices.push((start, row - start));
                (start, pending) = (row, 0);
            }
            pending = pending.saturating_add(size);
        }
        if slices.is_empty() {
            return self.inner.invoke_with_args(args);
        }
        slices.push((start, rows - start));
        let rows_of_batch = u64::try_from(args.config_options.execution.batch_size.get()).unwrap_or(u64::MAX);
        let most = rows_of_batch.saturating_mul(BYTES_OF_ROW).max(MAX_VALUE);
        let mut made = 0_u64;
        let mut parts: Vec<ArrayRef> = Vec::new();
        for (offset, length) in slices {
            let slice = ScalarFunctionArgs {
                args: args.args.iter().map(|arg| slice(arg, offset, length)).collect(),
                arg_fields: args.arg_fields.clone(),
                number_rows: length,
                return_field: Arc::clone(&args.return_field),
                config_options: Arc::clone(&args.config_options),
            };
            let part = self.inner.invoke_with_args(slice)?.into_array(length)?;
            made = made.saturating_add(payload(&part));
            if made > most {
                return Err(too_large());
            }
            parts.push(part);
        }
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(concat(&parts)?))
    }
}

fn slice(arg: &ColumnarValue, offset: usize, length: usize) -> ColumnarValue {
    match arg {
        ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(offset, length)),
        ColumnarValue::Scalar(value) => ColumnarValue::Scalar(value.clone()),
    }
}

impl Growth {
    /// Bytes that the result of one row can have.
    fn at_most(self, args: &[ColumnarValue], lengths: &[Lengths], row: usize) -> u64 {
        let bytes = |at: usize| lengths.get(at).map_or(0, |of| of.bytes(row));
        match self {
            Self::Sum(times) => {
                lengths.iter().fold(0_u64, |sum, of| sum.saturating_add(of.bytes(row))).saturating_mul(times)
            }
            Self::Repeat => bytes(0).saturating_mul(integer(args.get(1), row)),
            Self::Replace => {
                // Without a piece to find, nothing is replaced.
                let pieces = bytes(0).checked_div(bytes(1)).unwrap_or(0);
                bytes(0).saturating_add(pieces.saturating_mul(bytes(2)))
            }
            Self::RegexpReplace => {
                // Each reference (`\1`) takes two bytes of the third argument and gives, over all matches, the first at most.
                let literal = bytes(0).saturating_add(1).saturating_mul(bytes(2));
                bytes(0).saturating_add(literal).saturating_add(bytes(0).saturating_mul(bytes(2) / 2))
            }
            Self::Join => {
                let between = bytes(1).saturating_add(bytes(2)).saturating_add(40);
                let count = lengths.first().map_or(0, |of| of.elements(row));
                bytes(0).saturating_add(count.saturating_mul(between))
            }
        }
    }
}

/// A number argument; what is none counts as the most.
fn integer(arg: Option<&ColumnarValue>, row: usize) -> u64 {
    let value = match arg {
        Some(ColumnarValue::Scalar(value)) => value.clone(),
        Some(ColumnarValue::Array(array)) => match ScalarValue::try_from_array(array, row) {
            Ok(value) => value,
            Err(_) => return u64::MAX,
        },
        None => return u64::MAX,
    };
    if value.is_null() {
        return 0;
    }
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(Some(number))) => u64::try_from(number).unwrap_or(0),
        _ => u64::MAX,
    }
}

/// The bytes of an argument's values.
enum Lengths {
    Same { bytes: u64, elements: u64 },
    Each(ArrayRef),
}

impl Lengths {
    fn of(arg: &ColumnarValue) -> Self {
        match arg {
            ColumnarValue::Array(array) => Self::Each(Arc::clone(array)),
            ColumnarValue::Scalar(value) => match value.to_array() {
                Ok(array) => Self::Same { bytes: value_bytes(&array, 0), elements: elements(&array, 0) },
                Err(_) => Self::Same { bytes: u64::MAX, elements: u64::MAX },
            },
        }
    }

    fn bytes(&self, row: usize) -> u64 {
        match self {
            Self::Same { bytes, .. } => *bytes,
            Self::Each(array) => value_bytes(array, row),
        }
    }

    fn elements(&self, row: usize) -> u64 {
        match self {
            Self::Same { elements, .. } => *elements,
            Self::Each(array) => elements(array, row),
        }
    }
}

/// The bytes of one value of an array.
pub(super) fn value_bytes(array: &ArrayRef, row: usize) -> u64 {
    if array.is_null(row) {
        return 0;
    }
    let bytes = match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).len(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).len(),
        DataType::Utf8View => array.as_string_view().value(row).len(),
        DataType::Binary => array.as_binary::<i32>().value(row).len(),
        DataType::LargeBinary => array.as_binary::<i64>().value(row).len(),
        DataType::BinaryView => array.as_binary_view().value(row).len(),
        DataType::List(_) => return payload(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => return payload(&array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => return payload(&array.as_fixed_size_list().value(row)),
        DataType::Struct(_) => {
            let fields = array.as_struct().columns().iter();
            return fields.fold(0_u64, |sum, field| sum.saturating_add(value_bytes(field, row)));
        }
        DataType::FixedSizeBinary(width) => return u64::try_from(*width).unwrap_or(u64::MAX),
        of if of.is_nested() => {
            let size = array.slice(row, 1).to_data().get_slice_memory_size();
            return size.map_or(u64::MAX, |size| u64::try_from(size).unwrap_or(u64::MAX));
        }
        // Numbers, times and their like: as text, if the function makes text of them.
        _ => 32,
    };
    bytes as u64
}

fn elements(array: &ArrayRef, row: usize) -> u64 {
    if array.is_null(row) {
        return 0;
    }
    match array.data_type() {
        DataType::List(_) => leaves(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => leaves(&array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => leaves(&array.as_fixed_size_list().value(row)),
        _ => 1,
    }
}

/// Elements of an array, those of inner arrays counted one by one.
fn leaves(array: &ArrayRef) -> u64 {
    match array.data_type() {
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            (0..array.len()).fold(0_u64, |sum, row| sum.saturating_add(elements(array, row)))
        }
        _ => array.len() as u64,
    }
}

/// The bytes of all values of an array.
fn payload(array: &ArrayRef) -> u64 {
    match array.data_type() {
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::Struct(_)
        | DataType::Map(..) => {
            (0..array.len()).fold(array.len() as u64 * 16, |sum, row| sum.saturating_add(value_bytes(array, row)))
        }
        // Fixed widths of at most 32 bytes.
        _ => array.len() as u64 * 32,
    }
}

/// `left || right` as a function: the operator itself has no place to ask for its size.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Concatenation {
    signature: Signature,
}

impl Default for Concatenation {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

/// Two arguments, and no other number.
fn two<T>(args: &[T]) -> Result<(&T, &T)> {
    match args {
        [left, right] => Ok((left, right)),
        _ => Err(DataFusionError::Internal("|| takes two arguments".into())),
    }
}

impl ScalarUDFImpl for Concatenation {
    fn name(&self) -> &str {
        "||"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let (left, right) = two(arg_types)?;
        let (left, right) = BinaryTypeCoercer::new(left, &Operator::StringConcat, right).get_input_types()?;
        Ok(vec![left, right])
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let (left, right) = two(arg_types)?;
        BinaryTypeCoercer::new(left, &Operator::StringConcat, right).get_result_type()
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        let (left, right) = two(args)?;
        Ok(format!("{left} || {right}"))
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let (left, right) = two(args)?;
        Ok(format!("{} || {}", left.schema_name(), right.schema_name()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let (left, right) = two(&arrays)?;
        let schema = Arc::new(Schema::new(vec![
            Field::new("left", left.data_type().clone(), true),
            Field::new("right", right.data_type().clone(), true),
        ]));
        let sides: [Arc<dyn PhysicalExpr>; 2] = [Arc::new(Column::new("left", 0)), Arc::new(Column::new("right", 1))];
        let [first, second] = sides;
        let operator = binary(first, Operator::StringConcat, second, &schema)?;
        let joined = operator.evaluate(&RecordBatch::try_new(schema, arrays)?)?;
        match joined {
            ColumnarValue::Array(array) if scalar => ScalarValue::try_from_array(&array, 0).map(ColumnarValue::Scalar),
            other => Ok(other),
        }
    }
}

/// Refuses a plan with a constant that is too large: in the output of a batch it stands in each row.
///
/// # Errors
/// 54000.
pub(super) fn check_constants(plan: &LogicalPlan) -> Result<()> {
    const TEXT: usize = 64 << 10;
    const LIST: usize = 512 << 10;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Literal(value, _) = expr {
                    let most = if value.data_type().is_nested() { LIST } else { TEXT };
                    if value.size() > most {
                        return Err(too_large());
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map(|_| ())
}

#[cfg(test)]
mod tests;
