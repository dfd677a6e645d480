//! Relations that the gateway itself serves: `pg_catalog`, `information_schema`, `querygate`.
//!
//! Their rows are made for one principal from what that principal may see, so reading them needs no decision.

use crate::types::{DatasetName, SqlType};
use std::collections::BTreeMap;

/// The columns of every system relation, by name.
#[derive(Debug, Clone, Default)]
pub struct SystemRelations {
    /// Relation to columns, in order.
    pub relations: BTreeMap<DatasetName, Vec<SystemColumn>>,
    /// What `tableoid` is in each row of a relation.
    pub oids: BTreeMap<DatasetName, u32>,
}

/// A column of a system relation.
#[derive(Debug, Clone, PartialEq)]
pub struct SystemColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
}

impl SystemRelations {
    /// Schemas whose relations only the gateway serves; no dataset can lie in them.
    pub const SCHEMAS: [&'static str; 3] = ["pg_catalog", "information_schema", "querygate"];

    /// The columns of a system relation, if there is one of that name.
    pub fn columns(&self, name: &DatasetName) -> Option<&[SystemColumn]> {
        self.relations.get(name).map(Vec::as_slice)
    }
}
