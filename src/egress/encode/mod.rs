//! Arrow values as PostgreSQL writes them, text and binary ("Data Types" in the manual; the `_out` and `_send` functions).
//!
//! A column is looked at once for each batch ([`Column::new`]); after that each value costs one match.

mod column;
mod list;
mod number;
mod record;
mod text;
mod time;

pub(super) use column::{Column, put_sized, too_large};
