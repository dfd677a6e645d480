//! Rows of a system relation on their way into a record batch.

use super::relations::{Kind, Relation};
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array,
    IntervalMonthDayNanoArray, ListBuilder, RecordBatch, StringArray, StringBuilder, TimestampMicrosecondArray,
    UInt32Array, UInt32Builder, new_null_array,
};
use datafusion::arrow::array::{BooleanBuilder, Int16Builder, Int32Builder, Int64Builder};
use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::error::{DataFusionError, Result};
use std::sync::Arc;

/// One value.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Cell {
    /// NULL; in a column that is never NULL, the type's zero.
    #[default]
    Null,
    Bool(bool),
    /// Any whole number, an oid or a point in time (microseconds since 1970) among them.
    Int(i64),
    Float(f64),
    Text(String),
    Interval(IntervalMonthDayNano),
    List(Vec<Cell>),
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i32> for Cell {
    fn from(value: i32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<u32> for Cell {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Cell>> From<Vec<T>> for Cell {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl Cell {
    fn interval(&self) -> Option<IntervalMonthDayNano> {
        if let Self::Interval(value) = self { Some(*value) } else { None }
    }

    fn boolean(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    fn int<T: TryFrom<i64>>(&self) -> Option<T> {
        if let Self::Int(value) = self { T::try_from(*value).ok() } else { None }
    }

    fn float(&self) -> Option<f64> {
        if let Self::Float(value) = self { Some(*value) } else { None }
    }

    fn text(&self) -> Option<&str> {
        if let Self::Text(value) = self { Some(value) } else { None }
    }

    /// Reads PostgreSQL's text form of a value. `None` if it is none of the type.
    pub(super) fn parse(kind: &Kind, text: &str) -> Option<Self> {
        match kind {
            Kind::Bool => Some(Self::Bool(text == "t")),
            Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Oid => text.parse().ok().map(Self::Int),
            Kind::Float4 | Kind::Float8 => text.parse().ok().map(Self::Float),
            Kind::Text => Some(Self::Text(text.to_owned())),
            Kind::Array(element) => {
                let inner = text.trim_start_matches('{').trim_end_matches('}');
                let parts = inner.split([' ', ',']).filter(|part| !part.is_empty());
                parts.map(|part| Self::parse(element, part)).collect::<Option<_>>().map(Self::List)
            }
            Kind::TimestampTz | Kind::Timestamp | Kind::Date | Kind::Interval | Kind::Bytea | Kind::Numeric => None,
        }
    }

    /// What a column that is never NULL holds when nobody gave a value.
    fn zero(kind: &Kind) -> Self {
        match kind {
            Kind::Bool => Self::Bool(false),
            Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Oid => Self::Int(0),
            Kind::Float4 | Kind::Float8 => Self::Float(0.0),
            Kind::Text => Self::Text(String::new()),
            Kind::Array(_) => Self::List(Vec::new()),
            Kind::TimestampTz | Kind::Timestamp | Kind::Date | Kind::Interval | Kind::Bytea | Kind::Numeric => {
                Self::Null
            }
        }
    }
}

/// Rows of one relation.
#[derive(Debug)]
pub(super) struct Rows {
    relation: &'static Relation,
    columns: Vec<Vec<Cell>>,
}

impl Rows {
    /// No rows yet.
    pub(super) fn of(relation: &'static Relation) -> Self {
        Self { relation, columns: relation.columns.iter().map(|_| Vec::new()).collect() }
    }

    /// Adds a row. Columns that are not named are NULL, or zero where they can't be NULL.
    pub(super) fn push<const N: usize>(&mut self, cells: [(&str, Cell); N]) {
        self.push_all(cells.into_iter().collect());
    }

    /// The same for a row whose columns are known only when it is made.
    pub(super) fn push_all(&mut self, mut cells: Vec<(&str, Cell)>) {
        debug_assert!(
            cells.iter().all(|(name, _)| self.relation.columns.iter().any(|column| column.name == *name)),
            "a cell of {} has no column: {cells:?}",
            self.relation.name
        );
        for (column, values) in self.relation.columns.iter().zip(&mut self.columns) {
            let given = cells.iter_mut().find(|(name, _)| *name == column.name).map(|(_, cell)| std::mem::take(cell));
            let cell = match given {
                Some(Cell::Null) | None if column.not_null => Cell::zero(&column.kind),
                Some(cell) => cell,
                None => Cell::Null,
            };
            values.push(cell);
        }
    }

    /// The rows as one batch.
    pub(super) fn batch(self) -> Result<RecordBatch> {
        let arrays: Vec<ArrayRef> = self
            .relation
            .columns
            .iter()
            .zip(&self.columns)
            .map(|(column, cells)| array(&column.kind, cells))
            .collect::<Result<_>>()?;
        Ok(RecordBatch::try_new(Arc::clone(&self.relation.schema), arrays)?)
    }
}

/// Values as an array of a type. A value of another type is NULL.
pub(super) fn array(kind: &Kind, cells: &[Cell]) -> Result<ArrayRef> {
    if cells.iter().all(|cell| *cell == Cell::Null) {
        return Ok(new_null_array(&kind.data_type(), cells.len()));
    }
    Ok(match kind {
        Kind::Bool => Arc::new(cells.iter().map(Cell::boolean).collect::<BooleanArray>()),
        Kind::Int2 => Arc::new(cells.iter().map(Cell::int).collect::<Int16Array>()),
        Kind::Int4 => Arc::new(cells.iter().map(Cell::int).collect::<Int32Array>()),
        Kind::Int8 => Arc::new(cells.iter().map(Cell::int).collect::<Int64Array>()),
        Kind::Oid => Arc::new(cells.iter().map(Cell::int).collect::<UInt32Array>()),
        Kind::Float4 => Arc::new(cells.iter().map(|cell| cell.float().map(|v| v as f32)).collect::<Float32Array>()),
        Kind::Float8 => Arc::new(cells.iter().map(Cell::float).collect::<Float64Array>()),
        Kind::Text => Arc::new(cells.iter().map(Cell::text).collect::<StringArray>()),
        Kind::TimestampTz => {
            Arc::new(cells.iter().map(Cell::int).collect::<TimestampMicrosecondArray>().with_timezone("+00:00"))
        }
        Kind::Timestamp => Arc::new(cells.iter().map(Cell::int).collect::<TimestampMicrosecondArray>()),
        Kind::Date => Arc::new(cells.iter().map(Cell::int).collect::<Date32Array>()),
        Kind::Interval => Arc::new(cells.iter().map(Cell::interval).collect::<IntervalMonthDayNanoArray>()),
        Kind::Array(element) => list(element, cells)?,
        Kind::Bytea | Kind::Numeric => {
            return Err(DataFusionError::Internal("a system relation has no values of this type".to_owned()));
        }
    })
}

fn list(element: &Kind, cells: &[Cell]) -> Result<ArrayRef> {
    macro_rules! build {
        ($builder:expr, $value:expr) => {{
            let mut lists = ListBuilder::new($builder);
            for cell in cells {
                if let Cell::List(elements) = cell {
                    for element in elements {
                        lists.values().append_option($value(element));
                    }
                }
                lists.append(matches!(cell, Cell::List(_)));
            }
            Arc::new(lists.finish()) as ArrayRef
        }};
    }
    Ok(match element {
        Kind::Bool => build!(BooleanBuilder::new(), Cell::boolean),
        Kind::Int2 => build!(Int16Builder::new(), Cell::int::<i16>),
        Kind::Int4 => build!(Int32Builder::new(), Cell::int::<i32>),
        Kind::Int8 => build!(Int64Builder::new(), Cell::int::<i64>),
        Kind::Oid => build!(UInt32Builder::new(), Cell::int::<u32>),
        Kind::Text => build!(StringBuilder::new(), Cell::text),
        Kind::Float4
        | Kind::Float8
        | Kind::TimestampTz
        | Kind::Timestamp
        | Kind::Date
        | Kind::Interval
        | Kind::Bytea
        | Kind::Numeric
        | Kind::Array(_) => {
            return Err(DataFusionError::Internal("a system relation has no lists of this type".to_owned()));
        }
    })
}
