//! What one principal may know at one moment, and the relations made of it.

use super::oid::Oids;
use super::relations::relation;
use super::rows::Rows;
use super::{content, information_schema, own};
use crate::catalog::{CatalogSnapshot, Column, Dataset};
use crate::types::{DatasetName, SettingValues};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::error::DataFusionError;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What a principal may know of the catalog. What is not in it does not exist for them.
#[derive(Debug, Clone, Default)]
pub struct VisibleCatalog {
    /// Datasets whose existence the principal may know.
    pub datasets: Vec<VisibleDataset>,
}

/// One dataset whose existence the principal may know.
#[derive(Debug, Clone)]
pub struct VisibleDataset {
    /// The dataset as the catalog has it; its columns are shown only as far as `columns` says.
    pub dataset: Arc<Dataset>,
    /// The columns that the principal may see, with what masks them. One that is denied is not among them.
    pub columns: Vec<VisibleColumn>,
    /// Whether a row filter applies.
    pub row_filter: bool,
    /// How it may be read. Only one that is allowed is in `pg_catalog` and `information_schema`.
    pub access: DatasetAccess,
}

/// A column that the principal may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisibleColumn {
    /// Its name.
    pub name: String,
    /// The mask that applies, as people read it: `partial(2, 2, '***')`. `None`: in the clear.
    pub mask: Option<String>,
}

/// How a principal may read a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DatasetAccess {
    /// It may be read, as filters and masks say.
    Allowed,
    /// After somebody approved.
    NeedsApproval,
    /// Not, but its existence is no secret.
    Denied,
}

impl DatasetAccess {
    /// The word in `querygate.my_datasets`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::NeedsApproval => "needs approval",
            Self::Denied => "denied",
        }
    }
}

/// Facts about the session that system relations and functions answer from.
#[derive(Debug, Clone, Default)]
pub struct SessionFacts {
    /// The user's id.
    pub user: String,
    /// The workspace: what the connection gave as its database.
    pub database: String,
    /// Workspaces that the user may enter, for `\l`; `database` need not be among them.
    pub databases: Vec<String>,
    /// Schemas in which plain names are looked up, in order.
    pub search_path: Vec<String>,
    /// What BackendKeyData told the client.
    pub backend_pid: i32,
    /// What `SHOW` and `current_setting()` answer, by lower-case name.
    pub settings: Arc<SettingValues>,
    /// Such as `15.0`; what ParameterStatus told the client.
    pub server_version: String,
    /// When the gateway started: microseconds since 1970 UTC.
    pub started_at_us: i64,
    /// When the statement (or its transaction) started: microseconds since 1970 UTC.
    pub now_us: i64,
    /// The columns of the session's last result, for `querygate.last_result_columns`.
    pub last_result: Vec<ResultColumn>,
}

/// One column of a result that has left, with what was done to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResultColumn {
    /// Its name in the result.
    pub name: String,
    /// Its type.
    pub type_name: String,
    /// The most restrictive classification of all it was computed from.
    pub classification: String,
    /// Its tags, `ANONYMIZED_…` and `DERIVED_FROM_…` among them.
    pub tags: Vec<String>,
    /// The mask that was applied.
    pub mask: Option<String>,
}

/// The columns of a session's last result: what one statement leaves for the next. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct LastResult(Arc<Mutex<Arc<Vec<ResultColumn>>>>);

impl LastResult {
    /// The columns; none before the first result.
    pub fn get(&self) -> Arc<Vec<ResultColumn>> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces them.
    pub fn set(&self, columns: Arc<Vec<ResultColumn>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = columns;
    }
}

/// One dataset as it appears in `pg_class`: allowed, with the columns that may be seen, numbered without gaps.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) visible: VisibleDataset,
    pub(super) oid: u32,
    pub(super) schema: u32,
    pub(super) columns: Vec<TableColumn>,
    pub(super) primary_key: Option<PrimaryKey>,
    pub(super) foreign_keys: Vec<Reference>,
}

/// A visible column of a table.
#[derive(Debug)]
pub(super) struct TableColumn {
    /// Its number, from 1.
    pub(super) number: i64,
    /// The column in the catalog.
    pub(super) column: Column,
    /// What masks it.
    pub(super) mask: Option<String>,
}

/// A primary key, all of whose columns may be seen.
#[derive(Debug)]
pub(super) struct PrimaryKey {
    pub(super) oid: u32,
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) columns: Vec<i64>,
}

/// A foreign key, both of whose sides may be seen.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) oid: u32,
    pub(super) name: String,
    pub(super) columns: Vec<i64>,
    pub(super) table: u32,
    pub(super) table_name: DatasetName,
    pub(super) referenced: Vec<i64>,
    pub(super) referenced_names: Vec<String>,
    /// The index of the referenced table's primary key, or 0. PostgreSQL would name the index on the referenced columns;
    /// the catalog has no other than this, and JDBC shows no key without one.
    pub(super) index: u32,
}

impl Table {
    /// Its name.
    pub(super) fn name(&self) -> &DatasetName {
        &self.visible.dataset.name
    }

    /// The number of a column of this name.
    pub(super) fn number(&self, column: &str) -> Option<i64> {
        self.columns.iter().find(|c| c.column.name == column).map(|c| c.number)
    }

    /// The name of a column of this number.
    pub(super) fn column_name(&self, number: i64) -> Option<&str> {
        self.columns.iter().find(|c| c.number == number).map(|c| c.column.name.as_str())
    }

    fn numbers(&self, columns: &[String]) -> Option<Vec<i64>> {
        columns.iter().map(|column| self.number(column)).collect()
    }
}

/// System relations and functions for one principal at one moment. Relations are made when they are first asked for.
pub struct MetadataSnapshot {
    catalog: Arc<CatalogSnapshot>,
    view: Arc<VisibleCatalog>,
    facts: SessionFacts,
    derived: OnceLock<Derived>,
}

#[derive(Debug)]
struct Derived {
    oids: Oids,
    tables: Vec<Table>,
}

impl std::fmt::Debug for MetadataSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetadataSnapshot").field("user", &self.facts.user).finish_non_exhaustive()
    }
}

impl MetadataSnapshot {
    /// What one principal sees. Cheap: nothing is worked out before a relation or a look-up asks for it. An empty view
    /// does for a statement that reads no system relation and calls no look-up function.
    pub fn new(catalog: Arc<CatalogSnapshot>, view: Arc<VisibleCatalog>, facts: SessionFacts) -> Self {
        Self { catalog, view, facts, derived: OnceLock::new() }
    }

    /// A system relation with its rows; `None` if there is none of that name.
    ///
    /// # Errors
    /// Only if rows and columns of a relation do not go together, which is a fault of this module.
    pub fn table(&self, name: &DatasetName) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let Some(relation) = relation(name) else { return Ok(None) };
        let mut rows = Rows::of(relation);
        match name.schema() {
            "pg_catalog" => content::fill(self, relation, &mut rows),
            "information_schema" => information_schema::fill(self, relation, &mut rows),
            _ => own::fill(self, relation, &mut rows),
        }
        let table = MemTable::try_new(Arc::clone(&relation.schema), vec![vec![rows.batch()?]])?;
        Ok(Some(Arc::new(table)))
    }

    /// Facts about the session.
    pub(super) fn facts(&self) -> &SessionFacts {
        &self.facts
    }

    /// All that the principal may know, datasets that may not be read among it.
    pub(super) fn view(&self) -> &VisibleCatalog {
        &self.view
    }

    /// The tables that the principal may read, by name.
    pub(super) fn tables(&self) -> &[Table] {
        &self.derived().tables
    }

    /// The table of an identifier.
    pub(super) fn table_of(&self, oid: u32) -> Option<&Table> {
        self.tables().iter().find(|table| table.oid == oid)
    }

    /// The identifier of a schema that the principal sees.
    pub(super) fn schema_oid(&self, name: &str) -> Option<u32> {
        self.schemas().into_iter().find(|(schema, _)| schema == name).map(|(_, oid)| oid)
    }

    /// The name of a schema that the principal sees.
    pub(super) fn schema_name(&self, oid: u32) -> Option<String> {
        self.schemas().into_iter().find(|(_, schema)| *schema == oid).map(|(name, _)| name)
    }

    /// The schemas that the principal sees: the system's, `public`, and those of visible tables.
    pub(super) fn schemas(&self) -> BTreeMap<String, u32> {
        let system = ["information_schema", "pg_catalog", "public", "querygate"].into_iter();
        let schemas = system.chain(self.tables().iter().map(|table| table.name().schema()));
        schemas.filter_map(|name| Some((name.to_owned(), self.derived().oids.schema(name)?))).collect()
    }

    /// Schemas in the order in which plain names are looked up, `pg_catalog` first unless it is named.
    pub(super) fn search_path(&self) -> Vec<&str> {
        let path: Vec<&str> = self.facts.search_path.iter().map(String::as_str).collect();
        if path.contains(&"pg_catalog") { path } else { [vec!["pg_catalog"], path].concat() }
    }

    fn derived(&self) -> &Derived {
        self.derived.get_or_init(|| {
            let oids = Oids::of(&self.catalog);
            let mut tables: Vec<Table> = self
                .view
                .datasets
                .iter()
                .filter(|visible| visible.access == DatasetAccess::Allowed)
                .filter_map(|visible| table(visible, &oids))
                .collect();
            tables.sort_by(|a, b| a.name().cmp(b.name()));
            let references: Vec<Vec<Reference>> =
                tables.iter().map(|table| references(table, &tables, &oids)).collect();
            for (table, references) in tables.iter_mut().zip(references) {
                table.foreign_keys = references;
            }
            Derived { oids, tables }
        })
    }
}

fn table(visible: &VisibleDataset, oids: &Oids) -> Option<Table> {
    let dataset = &visible.dataset;
    let ids = oids.dataset(&dataset.name)?;
    let mask_of = |name: &str| visible.columns.iter().find(|column| column.name == name);
    let seen = dataset.columns.iter().filter_map(|column| Some((column, mask_of(&column.name)?.mask.clone())));
    let columns = (1..).zip(seen).map(|(number, (column, mask))| TableColumn { number, column: column.clone(), mask });
    let mut table = Table {
        visible: visible.clone(),
        oid: ids.table,
        schema: oids.schema(dataset.name.schema())?,
        columns: columns.collect(),
        primary_key: None,
        foreign_keys: Vec::new(),
    };
    if let Some(columns) = table.numbers(&dataset.primary_key).filter(|columns| !columns.is_empty()) {
        let name = format!("{}_pkey", dataset.name.name());
        table.primary_key = Some(PrimaryKey { oid: ids.primary_key, index: ids.index, name, columns });
    }
    Some(table)
}

/// The foreign keys of a table that lead to tables and columns which the principal sees too.
fn references(table: &Table, tables: &[Table], oids: &Oids) -> Vec<Reference> {
    let dataset = &table.visible.dataset;
    let ids = oids.dataset(&dataset.name).map(|ids| ids.foreign_keys.as_slice()).unwrap_or_default();
    let reference = |(key, oid): (&crate::catalog::ForeignKey, &u32)| {
        let target = tables.iter().find(|other| *other.name() == key.references)?;
        let referenced = target.numbers(&key.referenced_columns)?;
        Some(Reference {
            oid: *oid,
            name: format!("{}_{}_fkey", dataset.name.name(), key.columns.join("_")),
            columns: table.numbers(&key.columns)?,
            table: target.oid,
            table_name: target.name().clone(),
            referenced,
            referenced_names: key.referenced_columns.clone(),
            index: target.primary_key.as_ref().map_or(0, |primary| primary.index),
        })
    };
    dataset.foreign_keys.iter().zip(ids).filter_map(reference).collect()
}
