//! What an upstream says of itself, and where that is not what the catalog says: `querygate check --connect`.
//!
//! Pure: facts in, findings out. A finding names relations and columns, never a login, a host or a value.

use super::finding::{Finding, FindingSeverity, Findings, Place};
use super::model::{BarrierSettings, DatasetLocation, SourceKind};
use super::names::upstream_type;
use super::spec::{CatalogSpec, DatasetSpec};
use crate::types::{SqlType, nearest};
use std::collections::{BTreeMap, BTreeSet};

/// The first version (`server_version_num`) that has all functions which forwarded statements may call.
const OLDEST_VERSION: u32 = 150_000;
/// How many names one finding lists.
const MOST_NAMES: usize = 8;

/// A relation's schema and name, as the upstream spells them.
pub type UpstreamName = (String, String);

/// What one upstream says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamFacts {
    /// The server, and what the source's login may do there.
    pub server: UpstreamServer,
    /// Tables, views and their like, without those of PostgreSQL itself.
    pub relations: BTreeMap<UpstreamName, UpstreamRelation>,
}

/// The server, and the rights of the source's login.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamServer {
    /// `server_version_num`: 150014 is 15.14.
    pub version: u32,
    /// Whether `version()` says that it is PostgreSQL, and not something that speaks like it.
    pub is_postgres: bool,
    /// The login is a superuser, or a member of a role that is.
    pub is_superuser: bool,
    /// The login is above row security.
    pub bypasses_row_security: bool,
    /// What else it may do that a reader need not: `CREATEROLE`, `membership in pg_read_server_files` …
    pub powers: Vec<String>,
}

/// What a relation is (`pg_class.relkind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamKind {
    /// An ordinary table.
    Table,
    /// A table that only its partitions have rows of.
    PartitionedTable,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A foreign table.
    ForeignTable,
}

impl UpstreamKind {
    /// Whether its rows are stored as they are shown: no expression makes or hides them.
    pub fn is_table(self) -> bool {
        match self {
            Self::Table | Self::PartitionedTable => true,
            Self::View | Self::MaterializedView | Self::ForeignTable => false,
        }
    }

    /// As people say it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Table => "a table",
            Self::PartitionedTable => "a partitioned table",
            Self::View => "a view",
            Self::MaterializedView => "a materialized view",
            Self::ForeignTable => "a foreign table",
        }
    }
}

/// Whether the upstream itself hides rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RowSecurity {
    /// It has no row security.
    #[default]
    None,
    /// Its policies hold for the source's login.
    Active,
    /// It has row security, and the login is above it.
    Bypassed,
}

/// A relation of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamRelation {
    /// What it is.
    pub kind: UpstreamKind,
    /// Whose partition, or whose child by inheritance, it is.
    pub parent: Option<UpstreamName>,
    /// Whether it has partitions or children: then its keys are unique only if it is partitioned.
    pub has_children: bool,
    /// Whether the upstream hides rows of it.
    pub row_security: RowSecurity,
    /// Whether the login may read any column of it.
    pub is_readable: bool,
    /// What the login may change in it: `INSERT`, `UPDATE`, `DELETE`, `TRUNCATE`.
    pub writes: Vec<String>,
    /// Whether an extension brought it.
    pub is_of_extension: bool,
    /// What `COMMENT ON` says.
    pub comment: Option<String>,
    /// Its columns, in order.
    pub columns: Vec<UpstreamColumn>,
    /// What is unique in it, the primary key first.
    pub unique: Vec<UniqueKey>,
    /// Its foreign keys, by name.
    pub foreign: Vec<UpstreamForeignKey>,
}

/// A column of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamColumn {
    /// Its name.
    pub name: String,
    /// Its type, as `format_type` writes it.
    pub type_name: String,
    /// Whether it may hold NULL.
    pub nullable: bool,
    /// Whether the login may read it.
    pub is_readable: bool,
    /// What `COMMENT ON` says.
    pub comment: Option<String>,
}

impl UpstreamColumn {
    /// Its type in the catalog's terms.
    pub fn sql_type(&self) -> SqlType {
        upstream_type(&self.type_name)
    }
}

/// Columns that no two rows have alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueKey {
    /// Whether it is the primary key.
    pub is_primary: bool,
    /// Its columns.
    pub columns: Vec<String>,
}

/// A foreign key that all rows are known to meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamForeignKey {
    /// Columns here.
    pub columns: Vec<String>,
    /// The other relation.
    pub references: UpstreamName,
    /// Columns there.
    pub referenced_columns: Vec<String>,
}

impl UpstreamRelation {
    /// Whether no two rows have these columns alike. A key of a parent by inheritance says nothing of its children.
    pub fn is_unique(&self, columns: &BTreeSet<&str>) -> bool {
        let covers_children = !self.has_children || self.kind == UpstreamKind::PartitionedTable;
        covers_children
            && self.unique.iter().any(|key| key.columns.iter().all(|column| columns.contains(column.as_str())))
    }

    fn column(&self, name: &str) -> Option<&UpstreamColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl CatalogSpec {
    /// An error about a source, placed where the catalog names it.
    pub fn source_error(&self, source: &str, what: impl Into<String>, suggestion: Option<String>) -> Finding {
        let place = self.source_places.get(source);
        Finding {
            file: place.map_or_else(|| "catalog".to_owned(), |place| place.file.to_string()),
            line: place.map_or(0, |place| place.line),
            column: place.map_or(0, |place| place.column),
            severity: FindingSeverity::Error,
            what: what.into(),
            suggestion,
        }
    }

    /// Holds the catalog against what one of its PostgreSQL sources says of itself.
    ///
    /// What loading finds of the same source (columns that are not there, other types) is not said again.
    pub fn compare(&self, source: &str, facts: &UpstreamFacts) -> Vec<Finding> {
        let datasets: Vec<&DatasetSpec> = self.datasets.values().filter(|dataset| dataset.source == source).collect();
        let mut comparison = Comparison { spec: self, source, facts, findings: Findings::default() };
        if let Some(place) = self.source_places.get(source) {
            comparison.server(place);
            comparison.rights(place, &datasets);
        }
        for dataset in datasets {
            comparison.dataset(dataset);
        }
        comparison.findings.0
    }
}

struct Comparison<'a> {
    spec: &'a CatalogSpec,
    source: &'a str,
    facts: &'a UpstreamFacts,
    findings: Findings,
}

impl Comparison<'_> {
    fn server(&mut self, place: &Place) {
        let (server, source) = (&self.facts.server, self.source);
        if !server.is_postgres {
            let what = format!("source {source:?} does not say that it is PostgreSQL");
            let help = "what is promised of fences was tried on PostgreSQL alone";
            self.findings.warning(place, what, Some(help.into()));
        } else if server.version < OLDEST_VERSION {
            let version = format!("{}.{}", server.version / 10_000, server.version % 10_000);
            let what = format!("source {source:?} runs PostgreSQL {version}, which is older than 15");
            let help = "statements that call functions of PostgreSQL 15 will fail there";
            self.findings.warning(place, what, Some(help.into()));
        }
    }

    /// What the login may do that reading the catalog's relations does not need.
    fn rights(&mut self, place: &Place, datasets: &[&DatasetSpec]) {
        const HELP: &str = "give it a role with SELECT on the catalog's relations and nothing else";
        let (facts, source) = (self.facts, self.source);
        let mut warn = |what: String| self.findings.warning(place, what, Some(HELP.into()));
        if facts.server.is_superuser {
            warn(format!("the login of source {source:?} is a superuser, or may become one"));
            return;
        }
        if facts.server.bypasses_row_security {
            warn(format!("the login of source {source:?} has BYPASSRLS"));
        }
        // Managing row security needs the one, and owning the tables.
        let manages_rows = self.spec.manages_rows(source);
        let powers: Vec<&str> = facts.server.powers.iter().map(String::as_str).collect();
        let powers: Vec<&str> = powers.into_iter().filter(|power| !(manages_rows && *power == "CREATEROLE")).collect();
        if !powers.is_empty() {
            warn(format!("the login of source {source:?} has {}", powers.join(", ")));
        }
        let catalogued: BTreeSet<UpstreamName> = datasets.iter().filter_map(|dataset| relation_of(dataset)).collect();
        let is_known = |name: &UpstreamName, relation: &UpstreamRelation| {
            let parent = relation.parent.as_ref();
            catalogued.contains(name)
                || parent.is_some_and(|parent| catalogued.contains(parent))
                || self.spec.manages(source, name)
        };
        let (mut written, mut unknown) = (Vec::new(), Vec::new());
        for (name, relation) in &facts.relations {
            let is_owned = manages_rows && catalogued.contains(name);
            if !relation.writes.is_empty() && !is_owned && !self.spec.manages(source, name) {
                written.push(format!("{} ({})", dotted(name), relation.writes.join(", ")));
            }
            if relation.is_readable && !relation.is_of_extension && !is_known(name, relation) {
                unknown.push(dotted(name));
            }
        }
        if !written.is_empty() {
            warn(format!(
                "the login of source {source:?} may write to {}: {}",
                count(written.len()),
                listing(&written)
            ));
        }
        if !unknown.is_empty() {
            let what = format!(
                "the login of source {source:?} may read {} that the catalog does not name: {}",
                count(unknown.len()),
                listing(&unknown)
            );
            warn(what);
        }
    }

    fn dataset(&mut self, dataset: &DatasetSpec) {
        let Some(name) = relation_of(dataset) else { return };
        let Some(relation) = self.facts.relations.get(&name) else { return self.missing(dataset, &name) };
        self.kind(dataset, &name, relation);
        self.readable(dataset, &name, relation);
        self.row_security(dataset, &name, relation);
        self.keys(dataset, relation);
    }

    /// Loading says it too, without knowing what else there is: the text is the same.
    fn missing(&mut self, dataset: &DatasetSpec, name: &UpstreamName) {
        let names: Vec<String> = self.facts.relations.keys().map(dotted).collect();
        let wanted = dotted(name);
        let near = nearest(&wanted, names.iter().map(String::as_str)).map(|near| format!("did you mean {near:?}?"));
        let same_name = || {
            let elsewhere: Vec<String> =
                self.facts.relations.keys().filter(|(_, other)| *other == name.1).map(dotted).collect();
            (!elsewhere.is_empty()).then(|| format!("there is {}", listing(&elsewhere)))
        };
        let help = near.or_else(same_name).unwrap_or_else(|| {
            "relations are named schema.name, as the upstream spells them; a sequence or an index is none".to_owned()
        });
        let what = format!("relation {wanted} does not exist in source {:?}", self.source);
        self.findings.error(&dataset.location_place, what, Some(help));
    }

    fn kind(&mut self, dataset: &DatasetSpec, name: &UpstreamName, relation: &UpstreamRelation) {
        if !relation.kind.is_table() {
            let what = format!("{} is {} of source {:?}", dotted(name), relation.kind.words(), self.source);
            let help = "statements over it are always fenced: catalogue its tables where that costs too much";
            self.findings.warning(&dataset.location_place, what, Some(help.into()));
        }
        if let Some(parent) = &relation.parent {
            let what = format!("{} is a part of {} in source {:?}", dotted(name), dotted(parent), self.source);
            let beside = self
                .spec
                .datasets
                .values()
                .find(|other| other.source == dataset.source && relation_of(other).as_ref() == Some(parent));
            let help = match beside {
                Some(other) => format!("what policies say of {} does not hold for it: take it out", other.name),
                None => format!("catalogue {}, which stands for all its parts, and take this one out", dotted(parent)),
            };
            self.findings.warning(&dataset.location_place, what, Some(help));
        }
    }

    fn readable(&mut self, dataset: &DatasetSpec, name: &UpstreamName, relation: &UpstreamRelation) {
        let source = self.source;
        if !relation.is_readable {
            let what = format!("the login of source {source:?} may not read {}", dotted(name));
            let help = format!("grant it SELECT on {}, and USAGE on the schema {}", dotted(name), name.0);
            self.findings.error(&dataset.location_place, what, Some(help));
            return;
        }
        let closed: Vec<String> =
            relation.columns.iter().filter(|column| !column.is_readable).map(|column| column.name.clone()).collect();
        if !closed.is_empty() {
            let columns = if closed.len() == 1 { "column" } else { "columns" };
            let what = format!(
                "the login of source {source:?} may not read the {columns} {} of {}",
                listing(&closed),
                dotted(name)
            );
            let help = "statements that name them will fail: grant SELECT on them, or have a policy deny them";
            self.findings.warning(&dataset.location_place, what, Some(help.into()));
        }
    }

    fn row_security(&mut self, dataset: &DatasetSpec, name: &UpstreamName, relation: &UpstreamRelation) {
        let (what, help) = match relation.row_security {
            RowSecurity::None => return,
            // It is there for the gateway's roles, and loading says where it is not as they need it.
            RowSecurity::Bypassed if self.spec.manages_rows(self.source) => return,
            RowSecurity::Active => (
                format!("row security of {} hides rows from the login of source {:?}", dotted(name), self.source),
                "every user here sees what that login sees, and of that what policies here allow",
            ),
            RowSecurity::Bypassed => (
                format!("{} has row security, and the login of source {:?} is above it", dotted(name), self.source),
                "its policies hold for nobody here: give the login a role that they hold for, or write them here too",
            ),
        };
        self.findings.warning(&dataset.location_place, what, Some(help.into()));
    }

    /// Group sizes are counted by the catalog's keys: what is not unique there makes them wrong.
    fn keys(&mut self, dataset: &DatasetSpec, relation: &UpstreamRelation) {
        let source = self.source;
        if let Some(first) = dataset.primary_key.first() {
            let columns: BTreeSet<&str> = dataset.primary_key.iter().map(|column| column.value.as_str()).collect();
            if !relation.is_unique(&columns) {
                let listed: Vec<String> = dataset.primary_key.iter().map(|column| column.value.clone()).collect();
                let what = format!(
                    "nothing in source {source:?} keeps the primary key ({}) of {} unique",
                    listed.join(", "),
                    dataset.name
                );
                let help = "min_group_size believes the catalog's keys: make it unique there, or take the key out";
                self.findings.warning(&first.place, what, Some(help.into()));
            }
            for key in &dataset.primary_key {
                if relation.column(&key.value).is_some_and(|column| column.nullable && relation.kind.is_table()) {
                    let what =
                        format!("key column {:?} of {} may be NULL in source {source:?}", key.value, dataset.name);
                    self.findings.warning(
                        &key.place,
                        what,
                        Some("declare it NOT NULL there, or take the key out".into()),
                    );
                }
            }
        }
        for key in &dataset.foreign_keys {
            let Some(other) = self.spec.datasets.get(&key.references).filter(|other| other.source == source) else {
                continue;
            };
            let Some(there) = relation_of(other).and_then(|name| self.facts.relations.get(&name)) else { continue };
            let columns: BTreeSet<&str> = key.referenced_columns.iter().map(String::as_str).collect();
            if !there.is_unique(&columns) {
                let what = format!(
                    "nothing in source {source:?} keeps {}({}) unique, which a foreign key refers to",
                    key.references,
                    key.referenced_columns.join(", ")
                );
                let help = "min_group_size believes the catalog's keys: make it unique there, or take the key out";
                self.findings.warning(&key.place, what, Some(help.into()));
            }
        }
    }
}

impl CatalogSpec {
    /// Whether the gateway manages row security in a source.
    fn manages_rows(&self, source: &str) -> bool {
        match self.sources.get(source).map(|source| &source.kind) {
            Some(SourceKind::Postgres { barrier: Some(BarrierSettings::Rows(_)), .. }) => true,
            Some(SourceKind::Postgres { .. } | SourceKind::Files { .. }) | None => false,
        }
    }

    /// Whether a relation lies in a schema that the gateway manages itself.
    fn manages(&self, source: &str, (schema, _): &UpstreamName) -> bool {
        match self.sources.get(source).map(|source| &source.kind) {
            Some(SourceKind::Postgres { barrier: Some(BarrierSettings::Views(views)), .. }) => views.schema == *schema,
            Some(
                SourceKind::Postgres { barrier: Some(BarrierSettings::Rows(_)) | None, .. } | SourceKind::Files { .. },
            )
            | None => false,
        }
    }
}

fn relation_of(dataset: &DatasetSpec) -> Option<UpstreamName> {
    match &dataset.location {
        DatasetLocation::Relation { schema, name } => Some((schema.clone(), name.clone())),
        DatasetLocation::Files { .. } => None,
    }
}

fn dotted((schema, name): &UpstreamName) -> String {
    format!("{schema}.{name}")
}

fn count(number: usize) -> String {
    if number == 1 { "1 relation".to_owned() } else { format!("{number} relations") }
}

/// The first few names.
fn listing(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(MOST_NAMES).map(String::as_str).collect();
    let more = if names.len() > MOST_NAMES { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// Puts what a comparison found beside what loading found. Where both say the same of one place, the comparison's help
/// stands: it knows what else there is.
pub fn beside_loading(mut loaded: Vec<Finding>, compared: Vec<Finding>) -> Vec<Finding> {
    fn key(finding: &Finding) -> (&str, usize, usize, FindingSeverity, &str) {
        (&finding.file, finding.line, finding.column, finding.severity, &finding.what)
    }
    let said: BTreeSet<_> = compared.iter().map(key).collect();
    loaded.retain(|finding| !said.contains(&key(finding)));
    drop(said);
    loaded.extend(compared);
    loaded
}
