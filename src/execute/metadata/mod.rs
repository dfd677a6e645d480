//! `pg_catalog`, `information_schema` and `querygate` as one principal sees them, and PostgreSQL's system functions.
//!
//! Everything here is made from a [`VisibleCatalog`]: what is not in it appears in no relation, in no function's answer
//! and in no error. Object identifiers are digests of names, the same for everyone, so that they tell nothing of what
//! is hidden. Counts, sizes and statistics of datasets are hidden data: they are never shown.
//!
//! [`adapt`] turns what PostgreSQL clients write about the catalog (`::regclass`, `OPERATOR(pg_catalog.~)`, scalar
//! look-ups) into what DataFusion can plan. It runs on governed trees, right before planning.

mod adapt;
mod content;
mod fixed;
mod functions;
mod information_schema;
mod oid;
mod own;
mod relations;
mod rows;
mod snapshot;

pub use adapt::{SystemRelationOf, adapt};
pub use functions::{function_names, functions};
pub use relations::system_relations;
pub use snapshot::{
    DatasetAccess, LastResult, MetadataSnapshot, ResultColumn, SessionFacts, VisibleCatalog, VisibleColumn,
    VisibleDataset,
};

#[cfg(test)]
mod tests;
