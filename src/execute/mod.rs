//! The engines: the sole owners of files, pools and connections to data.
//!
//! An engine takes a [`GovernedStatement`](crate::govern::GovernedStatement) inside an [`ExecutionPermit`], and nothing else.

pub mod datafusion;
pub mod metadata;
mod permit;
pub mod upstream;

pub use permit::ExecutionPermit;
