//! The section `datasets`: everything about a dataset that can be checked without its files.

use super::finding::{Findings, Place, Placed};
use super::load::{Known, Sections};
use super::model::{DatasetLocation, FileFormat, Source, SourceKind};
use super::names::{check_sql_name, escapes, is_package_part, sql_type};
use super::read_sources::CLASSIFICATIONS;
use super::reader::{Item, Table};
use super::spec::{ColumnSpec, DatasetSpec, ForeignKeySpec};
use super::system::SystemRelations;
use crate::types::{DatasetName, Tag, Tier};
use std::collections::{BTreeMap, BTreeSet};

const KEYS: [&str; 17] = [
    "name",
    "source",
    "location",
    "relation",
    "format",
    "partitions",
    "tier",
    "domain",
    "owner",
    "residency",
    "description",
    "discoverable",
    "row_filter",
    "entity_key",
    "keys",
    "columns",
    "classification",
];
const TIERS: [(&str, Tier); 4] =
    [("RAW", Tier::Raw), ("CURATED", Tier::Curated), ("ANONYMIZED", Tier::Anonymized), ("SYNTHETIC", Tier::Synthetic)];
const FORMATS: [(&str, FileFormat); 4] = [
    ("parquet", FileFormat::Parquet),
    ("csv", FileFormat::Csv),
    ("json", FileFormat::Json),
    ("arrow", FileFormat::Arrow),
];
/// Schemas that begin so are the gateway's own, as [`SystemRelations::SCHEMAS`] are.
const OWN_SCHEMA_PREFIX: &str = "__querygate";

/// What datasets refer to.
pub(super) struct References<'a> {
    pub(super) sources: &'a BTreeMap<String, Source>,
    pub(super) known_sources: &'a Known,
    pub(super) tags: &'a Known,
}

pub(super) fn datasets(
    sections: &Sections<'_>,
    references: &References<'_>,
    findings: &mut Findings,
) -> (BTreeMap<DatasetName, DatasetSpec>, Known) {
    let mut known = Known::new(sections.complete);
    let mut datasets = BTreeMap::new();
    for item in &sections.datasets {
        let named = item.entries().and_then(|entries| {
            let (_, name) = entries.into_iter().find(|(key, _)| key.as_str() == "name")?;
            Some(format!("dataset {:?}", name.node.as_scalar()?.as_str()))
        });
        let what = named.unwrap_or_else(|| "a dataset".to_owned());
        let Some(table) = Table::open(*item, &what, &KEYS, findings) else { continue };
        let Some(written) = table.required_text("name", findings) else { continue };
        let Some(name) = dataset_name(&written, findings) else { continue };
        let new = known.define("dataset", &name.to_string(), &written.place, findings);
        let spec = dataset(&table, name, references, findings);
        if let Some(spec) = spec.filter(|_| new) {
            datasets.insert(spec.name.clone(), spec);
        }
    }
    for key in datasets.values().flat_map(|dataset| &dataset.foreign_keys) {
        known.check("dataset", &key.references.to_string(), &key.place, findings);
    }
    (datasets, known)
}

fn dataset_name(written: &Placed<String>, findings: &mut Findings) -> Option<DatasetName> {
    let Some(name) = DatasetName::parse(&written.value) else {
        let help = Some("write schema.name, such as public.customers".into());
        findings.error(&written.place, format!("{:?} is no name of a dataset", written.value), help);
        return None;
    };
    let schema = name.schema().to_lowercase();
    if SystemRelations::SCHEMAS.contains(&schema.as_str()) || schema.starts_with(OWN_SCHEMA_PREFIX) {
        let what = format!("dataset {name} lies in the schema {:?}, which is the gateway's own", name.schema());
        findings.error(&written.place, what, Some(format!("call it public.{}", name.name())));
        return None;
    }
    let sound = check_sql_name("schema", name.schema(), written, findings)
        && check_sql_name("dataset", name.name(), written, findings);
    sound.then_some(name)
}

fn dataset(
    table: &Table<'_>,
    name: DatasetName,
    references: &References<'_>,
    findings: &mut Findings,
) -> Option<DatasetSpec> {
    if table.item("classification").is_some() {
        let help = Some("give each column its own classification, or a tag that has one".into());
        findings.error(&table.place_of("classification"), "a dataset has the classification of its columns", help);
    }
    let source = table.required_text("source", findings);
    let source_known = source
        .as_ref()
        .is_some_and(|source| references.known_sources.check("source", &source.value, &source.place, findings));
    let kind = source.as_ref().and_then(|source| references.sources.get(&source.value)).map(|source| &source.kind);
    let location = location(table, kind, source_known, findings);
    if table.item("tier").is_none() {
        let help = Some("write tier: RAW, CURATED, ANONYMIZED or SYNTHETIC".into());
        findings.error(&table.place, format!("{} has no tier", table.what), help);
    }
    let tier = table.word("tier", &TIERS, findings);
    let domain = domain(table, findings);
    let (owner_business_unit, steward) = owner(table, findings);
    let residency = residency(table, findings);
    let description = table.text("description", findings).map(|text| text.value);
    let discoverable = table.boolean("discoverable", findings);
    let row_filter = table.word("row_filter", &[("required", true), ("optional", false)], findings);
    let entity_key = table.text("entity_key", findings);
    let (primary_key, foreign_keys) = keys(table, findings);
    let columns = columns(table, references.tags, findings);
    check_discoverable(table, discoverable, findings);
    Some(DatasetSpec {
        place: table.place_of("name"),
        location_place: table.place_of(if table.item("relation").is_some() { "relation" } else { "location" }),
        name,
        source: source?.value,
        location: location?,
        tier: tier?,
        domain,
        owner_business_unit,
        steward,
        residency,
        description,
        discoverable: discoverable.unwrap_or(true),
        row_filter_required: row_filter.unwrap_or(false),
        entity_key,
        primary_key,
        foreign_keys,
        columns,
    })
}

/// A value that is no truth value must not make a hidden dataset visible: the error is there already, this says why.
fn check_discoverable(table: &Table<'_>, discoverable: Option<bool>, findings: &mut Findings) {
    if table.item("discoverable").is_some() && discoverable.is_none() {
        let what = "discoverable can't be read, so whether the dataset may be seen is not known";
        findings.error(&table.place_of("discoverable"), what, Some("write discoverable: false to hide it".into()));
    }
}

fn domain(table: &Table<'_>, findings: &mut Findings) -> Option<String> {
    let domain = table.text("domain", findings)?;
    if !is_package_part(&domain.value) {
        let what = format!("domain {:?} can't be part of the package governance.domains.<domain>", domain.value);
        findings.error(&domain.place, what, Some("use letters, digits and _ alone".into()));
        return None;
    }
    Some(domain.value)
}

fn owner(table: &Table<'_>, findings: &mut Findings) -> (Option<String>, Option<String>) {
    let Some(item) = table.item("owner") else { return (None, None) };
    let Some(owner) = Table::open(item, "owner", &["business_unit", "steward"], findings) else { return (None, None) };
    let mut text = |key| owner.text(key, findings).map(|text| text.value);
    (text("business_unit"), text("steward"))
}

fn residency(table: &Table<'_>, findings: &mut Findings) -> Vec<String> {
    let mut places = Vec::new();
    for place in table.texts("residency", findings) {
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let starts = place.value.bytes().take(2).filter(u8::is_ascii_lowercase).count() == 2;
        if starts && place.value.split('-').all(plain) {
            places.push(place.value);
        } else {
            let what = format!("residency {:?} is no region or country", place.value);
            findings.error(&place.place, what, Some("write it small, such as eu, de or eu-west-1".into()));
        }
    }
    places
}

fn location(
    table: &Table<'_>,
    kind: Option<&SourceKind>,
    source_known: bool,
    findings: &mut Findings,
) -> Option<DatasetLocation> {
    match kind {
        Some(SourceKind::Files { .. }) => {
            refuse_keys(table, &["relation"], "files", findings);
            files_location(table, findings)
        }
        Some(SourceKind::Postgres { .. }) => {
            refuse_keys(table, &["location", "format", "partitions"], "postgres", findings);
            relation_location(table, findings)
        }
        // The source is unknown or broken, and that has been told; the path can still be checked.
        None => {
            let location = table.text("location", findings)?;
            if let Some(why) = escapes(&location.value).filter(|_| source_known || table.item("relation").is_none()) {
                findings.error(&location.place, format!("location {:?}: {why}", location.value), None);
            }
            None
        }
    }
}

fn refuse_keys(table: &Table<'_>, keys: &[&str], kind: &str, findings: &mut Findings) {
    for key in keys.iter().filter(|key| table.item(key).is_some()) {
        let what = format!("a dataset of a source of kind {kind} has no {key}");
        findings.error(&table.place_of(key), what, None);
    }
}

fn files_location(table: &Table<'_>, findings: &mut Findings) -> Option<DatasetLocation> {
    if table.item("location").is_none() {
        let help = Some("such as customers/*.parquet, relative to its source's location".into());
        findings.error(&table.place, format!("{} has no location", table.what), help);
    }
    let glob = table.text("location", findings);
    let partition_columns = table.texts("partitions", findings);
    let named = table.word("format", &FORMATS, findings);
    let mut sound = true;
    for column in &partition_columns {
        sound &= check_sql_name("partition column", &column.value, column, findings);
    }
    let glob = glob?;
    if let Some(why) = escapes(&glob.value) {
        findings.error(&glob.place, format!("location {:?}: {why}", glob.value), None);
        return None;
    }
    if glob.value.matches('[').count() != glob.value.matches(']').count() {
        findings.error(&glob.place, format!("location {:?} has a [ without its ]", glob.value), None);
        return None;
    }
    let format = named.or_else(|| format_by_extension(&glob.value));
    if format.is_none() && table.item("format").is_none() {
        let help = Some("write format: parquet, csv, json or arrow".into());
        findings.error(&glob.place, format!("the format of {:?} can't be told from its name", glob.value), help);
    }
    let format = format.filter(|_| sound)?;
    let partition_columns = partition_columns.into_iter().map(|column| column.value).collect();
    Some(DatasetLocation::Files { glob: glob.value, format, partition_columns })
}

fn format_by_extension(glob: &str) -> Option<FileFormat> {
    let (_, extension) = glob.rsplit('/').next()?.rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "parquet" | "pq" => Some(FileFormat::Parquet),
        "csv" => Some(FileFormat::Csv),
        "json" | "jsonl" | "ndjson" => Some(FileFormat::Json),
        "arrow" | "feather" | "ipc" => Some(FileFormat::Arrow),
        _ => None,
    }
}

fn relation_location(table: &Table<'_>, findings: &mut Findings) -> Option<DatasetLocation> {
    if table.item("relation").is_none() {
        let help = Some("such as relation: sales.customers".into());
        findings.error(&table.place, format!("{} has no relation", table.what), help);
    }
    let relation = table.text("relation", findings)?;
    let Some(name) = DatasetName::parse(&relation.value) else {
        let help = Some("write schema.name as it is upstream".into());
        findings.error(&relation.place, format!("{:?} is no name of a relation", relation.value), help);
        return None;
    };
    Some(DatasetLocation::Relation { schema: name.schema().to_owned(), name: name.name().to_owned() })
}

fn keys(table: &Table<'_>, findings: &mut Findings) -> (Vec<Placed<String>>, Vec<ForeignKeySpec>) {
    let Some(item) = table.item("keys") else { return (Vec::new(), Vec::new()) };
    let Some(keys) = Table::open(item, "keys", &["primary", "foreign"], findings) else {
        return (Vec::new(), Vec::new());
    };
    let primary = keys.texts("primary", findings);
    let foreign = match keys.item("foreign") {
        Some(item) => item.list("foreign", findings),
        None => Vec::new(),
    };
    (primary, foreign.into_iter().filter_map(|item| foreign_key(item, findings)).collect())
}

fn foreign_key(item: Item<'_>, findings: &mut Findings) -> Option<ForeignKeySpec> {
    let table = Table::open(item, "a foreign key", &["columns", "references"], findings)?;
    let columns = table.texts("columns", findings);
    let written = table.required_text("references", findings)?;
    let parsed = written.value.split_once('(').and_then(|(name, rest)| {
        let listed = rest.trim_end().strip_suffix(')')?;
        let referenced: Vec<String> = listed.split(',').map(|column| column.trim().to_owned()).collect();
        let sound = referenced.iter().all(|column| !column.is_empty());
        Some((DatasetName::parse(name.trim())?, referenced)).filter(|_| sound)
    });
    let Some((references, referenced_columns)) = parsed else {
        let help = Some("write schema.name(column), such as public.regions(id)".into());
        findings.error(&written.place, format!("references {:?} can't be read", written.value), help);
        return None;
    };
    if columns.len() != referenced_columns.len() {
        let what = format!("the key has {} columns and references {}", columns.len(), referenced_columns.len());
        findings.error(&table.place, what, None);
        return None;
    }
    Some(ForeignKeySpec { place: written.place, columns, references, referenced_columns })
}

fn columns(table: &Table<'_>, tags: &Known, findings: &mut Findings) -> Vec<ColumnSpec> {
    let mut seen = BTreeSet::new();
    let mut columns = Vec::new();
    let Some(item) = table.item("columns") else { return columns };
    for item in item.list("columns", findings) {
        let help = item.node.as_scalar().map(|word| format!("write {{name: {}}}", word.as_str()));
        if let Some(help) = help {
            findings.error(&item.place(), "a column must be a mapping", Some(help));
            continue;
        }
        let keys = ["name", "type", "classification", "tags", "description"];
        let Some(column) = Table::open(item, "a column", &keys, findings) else { continue };
        let Some(name) = column.required_text("name", findings) else { continue };
        if !seen.insert(name.value.clone()) {
            let what = format!("column {:?} is listed twice", name.value);
            findings.error(&name.place, what, Some("keep one of the two".into()));
        }
        let sound = check_sql_name("column", &name.value, &name, findings);
        let sql_type = declared_type(&column, findings);
        let classification = column.word("classification", &CLASSIFICATIONS, findings);
        let tags = column_tags(&column, tags, findings);
        let description = column.text("description", findings).map(|text| text.value);
        if sound {
            columns.push(ColumnSpec { name, sql_type, classification, tags, description });
        }
    }
    columns
}

fn declared_type(column: &Table<'_>, findings: &mut Findings) -> Option<Placed<crate::types::SqlType>> {
    let written = column.text("type", findings)?;
    let parsed = sql_type(&written.value);
    if parsed.is_none() {
        let help = Some("use PostgreSQL's names: text, bigint, numeric(10,2), date, timestamp …".into());
        findings.error(&written.place, format!("there is no type {:?}", written.value), help);
    }
    Some(Placed { value: parsed?, place: written.place })
}

fn column_tags(column: &Table<'_>, known: &Known, findings: &mut Findings) -> Vec<Placed<Tag>> {
    let mut tags = Vec::new();
    for Placed { value, place } in column.texts("tags", findings) {
        if known.complete && !known.names.contains(&value) {
            let near = super::finding::did_you_mean(&value, known.names.iter().map(String::as_str));
            let help = near.unwrap_or_else(|| format!("say what it means: tags: {{{value}: {{}}}}"));
            findings.error(&place, format!("there is no tag {value:?}"), Some(help));
        }
        tags.push(Placed { value: Tag::new(&value), place });
    }
    tags
}

/// Where something stands, for the checks that need the files' schemas.
pub(super) fn place_of_column<'a>(dataset: &'a DatasetSpec, name: &str) -> &'a Place {
    dataset.columns.iter().find(|column| column.name.value == name).map_or(&dataset.place, |column| &column.name.place)
}
