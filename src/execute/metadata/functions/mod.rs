//! PostgreSQL's system functions, and those of its everyday functions that DataFusion lacks or has otherwise.
//!
//! INVARIANT: a function that looks something up answers from [`MetadataSnapshot::tables`] alone: for what the principal
//! may not see it answers as for what does not exist. Functions that would write, sleep or read files are not here,
//! and sizes are NULL.

mod arrays;
mod call;
mod datetime;
mod definitions;
mod names;
mod numbers;
mod patterns;
mod privileges;
mod session;
mod text;

pub(super) use definitions::{format_type, index_definition};

use self::call::{Call, Definition, Returns};
use super::relations::TYPE_KEY;
use super::rows::{self, Cell};
use super::snapshot::MetadataSnapshot;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// All functions of this module, answering for one principal. Where a name is also DataFusion's own, PostgreSQL's
/// meaning is here: register these over the others. Names that start with `__` are for [`super::adapt`] alone and must
/// be on no allow-list.
pub fn functions(snapshot: &Arc<MetadataSnapshot>) -> Vec<Arc<ScalarUDF>> {
    definitions()
        .map(|definition| Arc::new(ScalarUDF::new_from_impl(SystemFunction::new(definition, Arc::clone(snapshot)))))
        .collect()
}

/// The names of all functions of this module that a statement may call, sorted.
pub fn function_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = definitions().map(|d| d.name).filter(|name| !name.starts_with("__")).collect();
    names.sort_unstable();
    names
}

fn definitions() -> impl Iterator<Item = &'static Definition> {
    [
        arrays::FUNCTIONS,
        datetime::FUNCTIONS,
        definitions::FUNCTIONS,
        names::FUNCTIONS,
        numbers::FUNCTIONS,
        privileges::FUNCTIONS,
        session::FUNCTIONS,
        text::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}

/// One function with the snapshot that it answers from.
#[derive(Debug)]
struct SystemFunction {
    definition: &'static Definition,
    snapshot: Arc<MetadataSnapshot>,
    signature: Signature,
}

impl SystemFunction {
    fn new(definition: &'static Definition, snapshot: Arc<MetadataSnapshot>) -> Self {
        let (least, most) = definition.arity;
        let signature = if most == usize::MAX {
            TypeSignature::VariadicAny
        } else {
            let of = |count| if count == 0 { TypeSignature::Nullary } else { TypeSignature::Any(count) };
            TypeSignature::OneOf((least..=most).map(of).collect())
        };
        Self { definition, snapshot, signature: Signature::new(signature, definition.volatility) }
    }
}

impl PartialEq for SystemFunction {
    fn eq(&self, other: &Self) -> bool {
        self.definition.name == other.definition.name && Arc::ptr_eq(&self.snapshot, &other.snapshot)
    }
}

impl Eq for SystemFunction {}

impl Hash for SystemFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.definition.name.hash(state);
    }
}

impl ScalarUDFImpl for SystemFunction {
    fn name(&self) -> &str {
        self.definition.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(match self.definition.returns {
            Returns::Positions => call::positions_type(arguments),
            of => of.kind().data_type(),
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let field = Field::new(self.name(), self.return_type(&types)?, true);
        Ok(Arc::new(match self.definition.returns {
            Returns::Name => field.with_metadata([(TYPE_KEY.to_owned(), "name".to_owned())].into()),
            _as_it_is => field,
        }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        if let Some(whole) = self.definition.whole {
            return whole(&args);
        }
        let scalar = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)))
            && self.definition.volatility != Volatility::Volatile;
        let count = if scalar { 1 } else { args.number_rows };
        let mut cells = Vec::with_capacity(count);
        for row in 0..count {
            let arguments: Vec<ScalarValue> = args
                .args
                .iter()
                .map(|argument| match argument {
                    ColumnarValue::Scalar(value) => Ok(value.clone()),
                    ColumnarValue::Array(values) => ScalarValue::try_from_array(values, row),
                })
                .collect::<Result<_>>()?;
            cells.push(self.answer(&arguments, &types)?);
        }
        let array: ArrayRef = rows::array(&self.definition.returns.kind(), &cells)?;
        Ok(if scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
        } else {
            ColumnarValue::Array(array)
        })
    }
}

impl SystemFunction {
    fn answer(&self, arguments: &[ScalarValue], types: &[DataType]) -> Result<Cell> {
        if self.definition.strict && arguments.iter().any(ScalarValue::is_null) {
            return Ok(Cell::Null);
        }
        (self.definition.run)(&Call { snapshot: &self.snapshot, arguments, types })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_function_is_defined_twice() {
        let mut names: Vec<&str> = definitions().map(|definition| definition.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn functions_that_write_wait_or_read_files_are_absent() {
        let absent = ["pg_sleep", "pg_read_file", "pg_terminate_backend", "lo_import", "pg_stat_file"];
        assert!(absent.iter().all(|name| !function_names().contains(name)));
    }
}
