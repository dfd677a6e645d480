//! What the catalog's files say, before the files' own schemas are known.

use super::finding::{Finding, FindingSeverity, Place, Placed};
use super::model::{DatasetLocation, Source, TagDefinition, User, Workspace};
use crate::types::{Classification, DatasetName, Role, SqlType, Tag, Tier, UserId, WorkspaceName};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A catalog as read from its texts. It can serve only once [`CatalogSpec::assemble`] has joined it with the schemas of
/// its files; one with mistakes never becomes a snapshot, but can be looked at further for more of them.
#[derive(Debug)]
pub struct CatalogSpec {
    pub(super) sources: BTreeMap<String, Source>,
    pub(super) source_places: BTreeMap<String, Place>,
    pub(super) tags: BTreeMap<Tag, TagSpec>,
    pub(super) datasets: BTreeMap<DatasetName, DatasetSpec>,
    pub(super) users: HashMap<UserId, Arc<User>>,
    pub(super) workspaces: BTreeMap<WorkspaceName, Arc<Workspace>>,
    pub(super) roles: BTreeMap<Role, BTreeSet<Role>>,
    pub(super) digest: [u8; 32],
    pub(super) findings: Vec<Finding>,
}

impl CatalogSpec {
    /// Where data lies, by name.
    pub fn sources(&self) -> &BTreeMap<String, Source> {
        &self.sources
    }

    /// The datasets whose schemas are needed, by name.
    pub fn datasets(&self) -> impl Iterator<Item = &DatasetSpec> {
        self.datasets.values()
    }

    /// Tells which columns stand in folder names (`year=2024/…`), where the catalog left that to be seen from the files.
    /// What the catalog says itself stays.
    pub fn set_partition_columns(&mut self, dataset: &DatasetName, columns: Vec<String>) {
        if let Some(DatasetSpec { location: DatasetLocation::Files { partition_columns, .. }, .. }) =
            self.datasets.get_mut(dataset)
            && partition_columns.is_empty()
        {
            *partition_columns = columns;
        }
    }
}

/// One dataset as the catalog describes it.
#[derive(Debug, Clone)]
pub struct DatasetSpec {
    /// The name that clients use.
    pub name: DatasetName,
    /// Which source holds it; always one of [`CatalogSpec::sources`].
    pub source: String,
    /// Where in that source.
    pub location: DatasetLocation,
    pub(super) place: Place,
    pub(super) location_place: Place,
    pub(super) tier: Tier,
    pub(super) domain: Option<String>,
    pub(super) owner_business_unit: Option<String>,
    pub(super) steward: Option<String>,
    pub(super) residency: Vec<String>,
    pub(super) description: Option<String>,
    pub(super) discoverable: bool,
    pub(super) row_filter_required: bool,
    pub(super) entity_key: Option<Placed<String>>,
    pub(super) primary_key: Vec<Placed<String>>,
    pub(super) foreign_keys: Vec<ForeignKeySpec>,
    pub(super) columns: Vec<ColumnSpec>,
}

impl DatasetSpec {
    /// The types that the catalog gives to columns (`type: timestamp`): a reader of CSV or JSON takes these instead of
    /// guessing.
    pub fn declared_types(&self) -> impl Iterator<Item = (&str, &SqlType)> {
        self.columns.iter().filter_map(|column| Some((column.name.value.as_str(), &column.sql_type.as_ref()?.value)))
    }

    /// An error about the dataset's files, placed where the catalog names them.
    pub fn location_error(&self, what: impl Into<String>, suggestion: Option<String>) -> Finding {
        self.at_location(FindingSeverity::Error, what.into(), suggestion)
    }

    /// A warning about the dataset's relation, placed in the same way.
    pub fn location_warning(&self, what: impl Into<String>, suggestion: Option<String>) -> Finding {
        self.at_location(FindingSeverity::Warning, what.into(), suggestion)
    }

    fn at_location(&self, severity: FindingSeverity, what: String, suggestion: Option<String>) -> Finding {
        Finding {
            file: self.location_place.file.to_string(),
            line: self.location_place.line,
            column: self.location_place.column,
            severity,
            what,
            suggestion,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct ColumnSpec {
    pub(super) name: Placed<String>,
    pub(super) sql_type: Option<Placed<SqlType>>,
    pub(super) classification: Option<Classification>,
    pub(super) tags: Vec<Placed<Tag>>,
    pub(super) description: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct ForeignKeySpec {
    pub(super) place: Place,
    pub(super) columns: Vec<Placed<String>>,
    pub(super) references: DatasetName,
    pub(super) referenced_columns: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct TagSpec {
    pub(super) definition: TagDefinition,
    /// `implies`, with places.
    pub(super) implies: Vec<Placed<Tag>>,
}
