//! What leaves: rows counted against their caps and encoded as PostgreSQL encodes them.

mod budget;
mod copy;
mod encode;
mod encoded;
mod fields;
mod options;
mod rows;
mod stream;
mod time_zone;

pub use budget::ResultBudget;
pub use copy::{CopyCsv, CopyFormat, CopyText, ForceQuote};
pub use encoded::EncodedRows;
pub use fields::{
    FieldDescription, Format, PG_TYPE_KEY, field_descriptions, pg_type_of, pg_type_of_field, upstream_field,
    upstream_type_of_field,
};
pub use options::{ByteaOutput, DateStyle, EncodeOptions, FieldOrder, IntervalStyle};
pub use rows::{Progress, ResultRows};
pub use stream::{Outcome, RowStream, Rows};
pub use time_zone::TimeZone;
