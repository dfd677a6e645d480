//! The enforcement point: which relations and columns a statement means, and the statement as its user may run it.
//!
//! [`resolve()`] binds every name to the catalog and refuses what it does not understand; [`govern()`] puts row filters,
//! masks and group sizes in place; [`verify`] reads the result again without sharing code with either. Pure: no clock,
//! file or socket. Nothing here decides; that is `policy`.

mod display;
mod error;
pub mod forward;
mod lineage;
pub mod mask;
mod names;
mod resolve;
mod resolved;
mod rewrite;
mod scope;
mod statement;
pub mod verify;
mod write;

pub use display::NotGoverned;
pub use error::{GovernError, Location, NotWritten, ResolveError, ResolveFault};
pub use lineage::{Lineage, Reach, SourceColumn};
pub use resolve::{ResolveContext, meant, resolve, undiscoverable};
pub use resolved::{
    AggregateFacts, BlockFacts, ColumnUse, Place, RelationTarget, RelationUse, ResolvedOutput, ResolvedStatement,
};
pub use rewrite::{GovernContext, govern};
pub use statement::{
    ColumnValue, ExpectedScan, GovernedColumn, GovernedDataset, GovernedRelation, GovernedStatement, GovernedTarget,
    OutputColumn,
};
pub use write::{GovernedWrite, as_write};

#[cfg(test)]
pub(crate) mod tests;
