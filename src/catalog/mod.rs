//! The catalog: what data there is, who people are, what workspaces exist.
//!
//! Loading is pure: texts in, a [`CatalogSnapshot`] or a list of mistakes out. Reading the folder and inferring file
//! schemas are the shell's work: [`load`] the texts, infer a schema for each of [`CatalogSpec::datasets`], then
//! [`CatalogSpec::assemble`].

mod assemble;
mod finding;
mod graph;
mod load;
mod model;
mod names;
mod read_access;
mod read_datasets;
mod read_sources;
mod read_upstream;
mod read_workspaces;
mod reader;
mod spec;
mod system;
mod upstream;
mod yaml;

#[cfg(test)]
mod tests;

pub use assemble::{InferredColumn, InferredSchema};
pub use finding::{Finding, FindingSeverity, check_report};
pub use load::{CatalogFile, load};
pub use model::{
    BarrierSettings, CatalogSnapshot, Column, Dataset, DatasetLocation, DsnSource, FileFormat, ForeignKey, PoolMode,
    PoolSettings, Principal, RowSettings, Source, SourceKind, TagDefinition, User, UserAttributes, ViewSettings,
    Workspace, WorkspaceKind, WorkspaceLimits,
};
pub use names::upstream_type;
pub use spec::{CatalogSpec, DatasetSpec};
pub use system::{SystemColumn, SystemRelations};
pub use upstream::{
    RowSecurity, UniqueKey, UpstreamColumn, UpstreamFacts, UpstreamForeignKey, UpstreamKind, UpstreamName,
    UpstreamRelation, UpstreamServer, beside_loading,
};
