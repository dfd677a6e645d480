//! Object identifiers: digests of names.
//!
//! INVARIANT: an identifier depends on the catalog alone, never on who asks, so that gaps and order tell nothing of what
//! is hidden.

use crate::catalog::CatalogSnapshot;
use crate::types::DatasetName;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};

/// The schema `pg_catalog`.
pub(super) const PG_CATALOG: u32 = 11;
/// The schema `public`.
pub(super) const PUBLIC: u32 = 2200;
/// The schema `information_schema`.
pub(super) const INFORMATION_SCHEMA: u32 = 13207;
/// The schema `querygate`.
pub(super) const QUERYGATE: u32 = 15900;
/// The role that owns everything.
pub(super) const OWNER: u32 = 10;
/// The access method of tables.
pub(super) const HEAP: u32 = 2;
/// The access method of keys.
pub(super) const BTREE: u32 = 403;
/// The tablespace of everything.
pub(super) const DEFAULT_TABLESPACE: u32 = 1663;
/// `pg_class`, as `pg_description.classoid` names it.
pub(super) const CLASS_RELATION: u32 = 1259;
/// `pg_constraint`.
pub(super) const CONSTRAINT_RELATION: u32 = 2606;

/// The first identifier that PostgreSQL gives to what users make.
const FIRST: u32 = 16384;

/// The identifiers of one dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DatasetOids {
    /// The table.
    pub(super) table: u32,
    /// The index of its primary key.
    pub(super) index: u32,
    /// The primary key.
    pub(super) primary_key: u32,
    /// Each foreign key, in the catalog's order.
    pub(super) foreign_keys: Vec<u32>,
}

/// All identifiers of one catalog.
#[derive(Debug, Default)]
pub(super) struct Oids {
    datasets: BTreeMap<DatasetName, DatasetOids>,
    schemas: BTreeMap<String, u32>,
}

impl Oids {
    /// Gives every dataset and schema of the catalog its identifiers; no two are equal.
    pub(super) fn of(catalog: &CatalogSnapshot) -> Self {
        let mut taken = HashSet::new();
        let mut give = |what: &str| {
            let mut oid = digest(what);
            while !taken.insert(oid) {
                oid = oid.checked_add(1).filter(|next| *next <= i32::MAX.unsigned_abs()).unwrap_or(FIRST);
            }
            oid
        };
        let mut oids = Self::default();
        for (name, dataset) in &catalog.datasets {
            let schema = name.schema();
            if !oids.schemas.contains_key(schema) {
                let oid = if schema == "public" { PUBLIC } else { give(&format!("schema {schema}")) };
                oids.schemas.insert(schema.to_owned(), oid);
            }
            let foreign_keys =
                (0..dataset.foreign_keys.len()).map(|number| give(&format!("foreign key {name} {number}"))).collect();
            let ids = DatasetOids {
                table: give(&format!("table {name}")),
                index: give(&format!("index {name}")),
                primary_key: give(&format!("primary key {name}")),
                foreign_keys,
            };
            oids.datasets.insert(name.clone(), ids);
        }
        oids
    }

    /// A dataset's identifiers.
    pub(super) fn dataset(&self, name: &DatasetName) -> Option<&DatasetOids> {
        self.datasets.get(name)
    }

    /// A schema's identifier.
    pub(super) fn schema(&self, name: &str) -> Option<u32> {
        match name {
            "pg_catalog" => Some(PG_CATALOG),
            "public" => Some(PUBLIC),
            "information_schema" => Some(INFORMATION_SCHEMA),
            "querygate" => Some(QUERYGATE),
            other => self.schemas.get(other).copied(),
        }
    }
}

/// The identifier of a role.
pub(super) fn role(user: &str) -> u32 {
    digest(&format!("role {user}"))
}

/// The identifier of a database.
pub(super) fn database(name: &str) -> u32 {
    digest(&format!("database {name}"))
}

/// A number from 16384 to 2^31 - 1, so that clients which read it as a signed one get the same.
fn digest(what: &str) -> u32 {
    let hash = Sha256::digest(what.as_bytes());
    let word = hash.iter().take(4).fold(0_u32, |word, byte| (word << 8) | u32::from(*byte));
    FIRST + word % (i32::MAX.unsigned_abs() - FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_in_the_range_of_users_objects_and_depend_on_the_name_alone() {
        for name in ["a", "b", "table public.customers"] {
            assert!((FIRST..=i32::MAX.unsigned_abs()).contains(&digest(name)));
            assert_eq!(digest(name), digest(name));
        }
        assert_ne!(digest("a"), digest("b"));
    }
}
