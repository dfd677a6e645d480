//! Joins what the catalog says with the schemas that the files have: the step that makes a snapshot.

use super::finding::{Finding, Findings, Placed, did_you_mean};
use super::graph;
use super::model::{CatalogSnapshot, Column, Dataset, DatasetLocation, ForeignKey};
use super::names::holds_names;
use super::read_datasets::place_of_column;
use super::spec::{CatalogSpec, ColumnSpec, DatasetSpec, TagSpec};
use crate::decision::Mask;
use crate::types::{Classification, DatasetName, Revision, SqlType, Tag};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One column as the files, or the upstream's table, have it.
#[derive(Debug, Clone, PartialEq)]
pub struct InferredColumn {
    /// Its name, as the files spell it.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
    /// Whether it may hold NULL.
    pub nullable: bool,
}

/// A dataset's columns in the order of its files, partition columns among them.
pub type InferredSchema = Vec<InferredColumn>;

impl CatalogSpec {
    /// Joins the catalog with the schemas of its datasets.
    ///
    /// The findings are those of [`super::load`] and those of this step. There is a snapshot only if none of them is an
    /// error. A dataset without a schema is an error: what has not been read can't be governed.
    pub fn assemble(&self, schemas: &BTreeMap<DatasetName, InferredSchema>) -> (Option<CatalogSnapshot>, Vec<Finding>) {
        let mut findings = Findings(self.findings.clone());
        let tags = TagMeanings::new(&self.tags);
        let mut datasets = BTreeMap::new();
        for spec in self.datasets.values() {
            match schemas.get(&spec.name) {
                Some(schema) => {
                    let dataset = dataset(spec, schema, &tags, &mut findings);
                    check_keys(spec, schemas, &mut findings);
                    datasets.insert(spec.name.clone(), Arc::new(dataset));
                }
                None => {
                    let what = format!("the columns of dataset {} could not be read", spec.name);
                    findings.error(&spec.location_place, what, None);
                }
            }
        }
        if findings.has_errors() {
            return (None, findings.0);
        }
        let snapshot = CatalogSnapshot {
            revision: self.revision(schemas),
            sources: self.sources.clone(),
            tags: self.tags.iter().map(|(name, spec)| (name.clone(), spec.definition.clone())).collect(),
            datasets,
            users: self.users.clone(),
            workspaces: self.workspaces.clone(),
            roles: self.roles.clone(),
        };
        (Some(snapshot), findings.0)
    }

    /// Digest of texts and schemas: equal content, equal revision.
    fn revision(&self, schemas: &BTreeMap<DatasetName, InferredSchema>) -> Revision {
        let mut hash = Sha256::new();
        hash.update(self.digest);
        let mut text = |text: &str| {
            hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(text.as_bytes());
        };
        for spec in self.datasets.values() {
            text(&spec.name.to_string());
            if let DatasetLocation::Files { partition_columns, .. } = &spec.location {
                text(&partition_columns.join("\0"));
            }
            for column in schemas.get(&spec.name).into_iter().flatten() {
                text(&column.name);
                text(&column.sql_type.to_string());
                text(if column.nullable { "null" } else { "not null" });
            }
        }
        let digest: [u8; 32] = hash.finalize().into();
        let first = digest.first_chunk::<8>().copied().unwrap_or_default();
        Revision(u64::from_be_bytes(first))
    }
}

/// The tags with all that they imply worked out.
struct TagMeanings<'a> {
    tags: &'a BTreeMap<Tag, TagSpec>,
    closure: BTreeMap<Tag, BTreeSet<Tag>>,
}

impl<'a> TagMeanings<'a> {
    fn new(tags: &'a BTreeMap<Tag, TagSpec>) -> Self {
        let edges =
            tags.iter().map(|(name, spec)| (name.clone(), spec.definition.implies.iter().cloned().collect())).collect();
        Self { tags, closure: graph::closure(&edges) }
    }

    /// The tags and all that they imply.
    fn all<'t>(&self, own: impl IntoIterator<Item = &'t Tag>) -> BTreeSet<Tag> {
        own.into_iter()
            .flat_map(|tag| self.closure.get(tag).cloned().unwrap_or_else(|| BTreeSet::from([tag.clone()])))
            .collect()
    }

    fn implies(&self, tag: &Tag, implied: &Tag) -> bool {
        tag != implied && self.closure.get(tag).is_some_and(|all| all.contains(implied))
    }

    fn classification(&self, tags: &BTreeSet<Tag>) -> Option<Classification> {
        tags.iter().filter_map(|tag| self.tags.get(tag)?.definition.classification).max()
    }

    fn mask(&self, tag: &Tag) -> Option<&Mask> {
        self.tags.get(tag)?.definition.mask.as_ref()
    }

    /// Each mask that a column's own tags bring. From each of them the way goes on to implied tags until a tag has a mask
    /// of its own: that one stands before those behind it. A tag that is reached by a way without a mask, or that is
    /// written on the column itself, brings its mask although another tag on the column implies it too: a tag more on a
    /// column never uncovers it.
    fn masks(&self, own: &[Tag]) -> Vec<(Tag, Mask)> {
        let mut masks: Vec<(Tag, Mask)> = Vec::new();
        let mut seen: BTreeSet<Tag> = BTreeSet::new();
        let mut open: Vec<Tag> = own.iter().rev().cloned().collect();
        while let Some(tag) = open.pop() {
            if !seen.insert(tag.clone()) {
                continue;
            }
            match (self.mask(&tag), self.tags.get(&tag)) {
                (Some(mask), _) => masks.push((tag, mask.clone())),
                (None, Some(spec)) => open.extend(spec.implies.iter().rev().map(|implied| implied.value.clone())),
                (None, None) => {}
            }
        }
        masks
    }
}

fn dataset(spec: &DatasetSpec, schema: &InferredSchema, tags: &TagMeanings<'_>, findings: &mut Findings) -> Dataset {
    check_schema(spec, schema, findings);
    let listed: BTreeMap<&str, &ColumnSpec> =
        spec.columns.iter().map(|column| (column.name.value.as_str(), column)).collect();
    let columns: Vec<Column> = schema
        .iter()
        .filter_map(|inferred| match listed.get(inferred.name.as_str()) {
            Some(column) => Some(listed_column(column, inferred, tags, findings)),
            None if holds_names(&inferred.sql_type) => None,
            None => Some(unlisted_column(inferred)),
        })
        .collect();
    tell_unlisted(spec, &columns, findings);
    Dataset {
        name: spec.name.clone(),
        source: spec.source.clone(),
        location: spec.location.clone(),
        tier: spec.tier,
        domain: spec.domain.clone(),
        owner_business_unit: spec.owner_business_unit.clone(),
        steward: spec.steward.clone(),
        residency: spec.residency.clone(),
        description: spec.description.clone(),
        discoverable: spec.discoverable,
        row_filter_required: spec.row_filter_required,
        entity_key: spec.entity_key.as_ref().map(|key| key.value.clone()),
        primary_key: spec.primary_key.iter().map(|column| column.value.clone()).collect(),
        foreign_keys: spec
            .foreign_keys
            .iter()
            .map(|key| ForeignKey {
                columns: key.columns.iter().map(|column| column.value.clone()).collect(),
                references: key.references.clone(),
                referenced_columns: key.referenced_columns.clone(),
            })
            .collect(),
        columns,
    }
}

fn unlisted_column(inferred: &InferredColumn) -> Column {
    Column {
        name: inferred.name.clone(),
        sql_type: inferred.sql_type.clone(),
        nullable: inferred.nullable,
        classification: Classification::Internal,
        tags: BTreeSet::new(),
        own_tags: Vec::new(),
        tag_masks: Vec::new(),
        description: None,
        listed: false,
    }
}

fn listed_column(
    spec: &ColumnSpec,
    inferred: &InferredColumn,
    tags: &TagMeanings<'_>,
    findings: &mut Findings,
) -> Column {
    if let Some(declared) = spec.sql_type.as_ref().filter(|declared| declared.value != inferred.sql_type) {
        let what =
            format!("column {:?} is declared {} and the data has {}", inferred.name, declared.value, inferred.sql_type);
        findings.error(&declared.place, what, Some(format!("write type: {}, or leave it out", inferred.sql_type)));
    }
    if holds_names(&inferred.sql_type) {
        let what = format!(
            "column {:?} is of type {}: the upstream would look up whatever it is compared with",
            inferred.name, inferred.sql_type
        );
        findings.error(&spec.name.place, what, Some("take the column out, or show it as text in a view".into()));
    }
    let own = spec.classification.unwrap_or_default();
    let own_tags: Vec<Tag> = spec.tags.iter().map(|tag| tag.value.clone()).collect();
    let all_tags = tags.all(&own_tags);
    let tag_masks = tags.masks(&own_tags);
    for (tag, mask) in &tag_masks {
        if let Err(error) = mask.suits(&inferred.sql_type) {
            let place = spec
                .tags
                .iter()
                .find(|own| own.value == *tag || tags.implies(&own.value, tag))
                .map_or(&spec.name.place, |own| &own.place);
            let what = format!("tag {tag} can't be on column {:?}: {error}", inferred.name);
            findings.error(place, what, Some("take the tag off, or give it a mask that suits the type".into()));
        }
    }
    tell_redundant(spec, tags, findings);
    Column {
        name: inferred.name.clone(),
        sql_type: inferred.sql_type.clone(),
        nullable: inferred.nullable,
        classification: tags.classification(&all_tags).unwrap_or(own).max(own),
        tags: all_tags,
        own_tags,
        tag_masks,
        description: spec.description.clone(),
        listed: true,
    }
}

/// Says where a tag is written beside one that implies it, if that changes what is seen.
fn tell_redundant(spec: &ColumnSpec, tags: &TagMeanings<'_>, findings: &mut Findings) {
    for tag in &spec.tags {
        let Some(mask) = tags.mask(&tag.value) else { continue };
        let by = spec.tags.iter().find(|other| {
            tags.implies(&other.value, &tag.value) && tags.mask(&other.value).is_some_and(|other| other != mask)
        });
        if let Some(by) = by {
            let (by, tag_name) = (&by.value, &tag.value);
            let what =
                format!("tag {tag_name} is implied by {by} already; written out, its mask {mask} applies as well");
            findings.warning(&tag.place, what, Some(format!("leave {tag_name} out to have the mask of {by} alone")));
        }
    }
}

/// One warning for a dataset, with every column that the catalog does not list.
fn tell_unlisted(spec: &DatasetSpec, columns: &[Column], findings: &mut Findings) {
    let unlisted: Vec<&str> =
        columns.iter().filter(|column| !column.listed).map(|column| column.name.as_str()).collect();
    let (what, help) = match unlisted.as_slice() {
        [] => return,
        [one] => {
            (format!("column {one:?} of {} is not listed", spec.name), "it is INTERNAL; list it to say what it is")
        }
        many => (
            format!("{} columns of {} are not listed: {}", many.len(), spec.name, many.join(", ")),
            "they are INTERNAL; list them to say what they are",
        ),
    };
    findings.warning(&spec.place, what, Some(help.into()));
}

/// What the catalog says of columns, held against the columns that there are.
fn check_schema(spec: &DatasetSpec, schema: &InferredSchema, findings: &mut Findings) {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for column in schema {
        if !names.insert(&column.name) {
            let what = format!("the data of {} has the column {:?} twice", spec.name, column.name);
            findings.error(&spec.location_place, what, None);
        }
    }
    if schema.is_empty() {
        findings.error(&spec.location_place, format!("the data of {} has no columns", spec.name), None);
    }
    let mut must_be = |column: &Placed<String>, what: &str| {
        if !names.contains(column.value.as_str()) {
            let help = did_you_mean(&column.value, names.iter().copied())
                .unwrap_or_else(|| format!("its columns are {}", listing(&names)));
            findings.error(
                &column.place,
                format!("{what} {:?} is not in the data of {}", column.value, spec.name),
                Some(help),
            );
        }
    };
    for column in &spec.columns {
        must_be(&column.name, "column");
    }
    for column in spec.entity_key.iter() {
        must_be(column, "entity_key");
    }
    for column in &spec.primary_key {
        must_be(column, "key column");
    }
    for column in spec.foreign_keys.iter().flat_map(|key| &key.columns) {
        must_be(column, "key column");
    }
    if let DatasetLocation::Files { partition_columns, .. } = &spec.location {
        for column in partition_columns {
            let place = place_of_column(spec, column).clone();
            must_be(&Placed { value: column.clone(), place }, "partition column");
        }
    }
}

/// The other side of foreign keys: columns that are there, of the same type.
fn check_keys(spec: &DatasetSpec, schemas: &BTreeMap<DatasetName, InferredSchema>, findings: &mut Findings) {
    let find = |name: &DatasetName, column: &str| {
        schemas.get(name).and_then(|schema| schema.iter().find(|inferred| inferred.name == column))
    };
    for key in &spec.foreign_keys {
        let Some(referenced) = schemas.get(&key.references) else { continue };
        for (column, other) in key.columns.iter().zip(&key.referenced_columns) {
            match (find(&spec.name, &column.value), find(&key.references, other)) {
                (Some(here), Some(there)) if !comparable(&here.sql_type, &there.sql_type) => {
                    let what = format!(
                        "key column {:?} is {} and {}({other}) is {}",
                        column.value, here.sql_type, key.references, there.sql_type
                    );
                    findings.error(&key.place, what, None);
                }
                (_, None) => {
                    let help = did_you_mean(other, referenced.iter().map(|column| column.name.as_str()));
                    findings.error(&key.place, format!("{} has no column {other:?}", key.references), help);
                }
                (Some(_), Some(_)) | (None, Some(_)) => {}
            }
        }
    }
}

fn comparable(a: &SqlType, b: &SqlType) -> bool {
    a == b || (a.is_number() && b.is_number()) || (a.is_temporal() && b.is_temporal())
}

/// The first few names.
fn listing(names: &BTreeSet<&str>) -> String {
    const MOST: usize = 12;
    let shown: Vec<&str> = names.iter().take(MOST).copied().collect();
    let more = if names.len() > MOST { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}
