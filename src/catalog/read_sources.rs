//! The sections `sources` and `tags`.

use super::finding::{Findings, Place, Placed};
use super::graph;
use super::load::{Known, Sections};
use super::model::{Source, SourceKind, TagDefinition};
use super::names::check_label;
use super::read_upstream::postgres_source;
use super::reader::{Item, Table};
use super::spec::TagSpec;
use crate::decision::{Mask, MaskError};
use crate::types::{Classification, Tag};
use std::collections::{BTreeMap, BTreeSet};

/// Tags that always exist: the egress rules know them.
const SEED_TAGS: [&str; 2] = ["PII", "SENSITIVE"];
/// The gateway writes such tags itself.
const RESERVED_PREFIXES: [&str; 2] = ["DERIVED_FROM_", "ANONYMIZED_"];

/// The words of classifications.
pub(super) const CLASSIFICATIONS: [(&str, Classification); 3] = [
    ("PUBLIC", Classification::Public),
    ("INTERNAL", Classification::Internal),
    ("PROPRIETARY", Classification::Proprietary),
];

/// The sources, where each is named, and all names that there are.
pub(super) fn sources(
    sections: &Sections<'_>,
    findings: &mut Findings,
) -> (BTreeMap<String, Source>, BTreeMap<String, Place>, Known) {
    let mut known = Known::new(sections.complete);
    let (mut sources, mut places) = (BTreeMap::new(), BTreeMap::new());
    for item in &sections.sources {
        let keys = ["name", "kind", "location", "region", "dsn_env", "dsn_file", "pool", "barrier"];
        let Some(table) = Table::open(*item, "a source", &keys, findings) else { continue };
        let Some(name) = table.required_text("name", findings) else { continue };
        let new = known.define("source", &name.value, &name.place, findings);
        let sound = check_label("source", &name, findings);
        let Some(kind) = source_kind(&table, &name.value, findings) else { continue };
        let region = table.text("region", findings).map(|region| region.value);
        if new && sound {
            places.insert(name.value.clone(), name.place);
            sources.insert(name.value.clone(), Source { name: name.value, kind, region });
        }
    }
    (sources, places, known)
}

fn source_kind(table: &Table<'_>, name: &str, findings: &mut Findings) -> Option<SourceKind> {
    if table.item("kind").is_none() {
        let help = Some("write kind: files or kind: postgres".into());
        findings.error(&table.place, format!("source {name:?} has no kind"), help);
    }
    let postgres = table.word("kind", &[("files", false), ("postgres", true)], findings)?;
    let others: &[&str] = if postgres { &["location"] } else { &["dsn_env", "dsn_file", "pool", "barrier"] };
    for key in others.iter().filter(|key| table.item(key).is_some()) {
        let kind = if postgres { "postgres" } else { "files" };
        findings.error(&table.place_of(key), format!("a source of kind {kind} has no {key}"), None);
    }
    if postgres { postgres_source(table, name, findings) } else { files_source(table, name, findings) }
}

fn files_source(table: &Table<'_>, name: &str, findings: &mut Findings) -> Option<SourceKind> {
    if table.item("location").is_none() {
        let help = Some("name a folder, or an address such as s3://bucket/prefix".into());
        findings.error(&table.place, format!("source {name:?} has no location"), help);
    }
    let location = table.text("location", findings)?;
    match location.value.split_once("://") {
        None => {}
        Some(("s3", path)) if !path.trim_start_matches('/').is_empty() && !path.starts_with('/') => {}
        Some(("s3", _)) => {
            findings.error(&location.place, "the location names no bucket", Some("write s3://bucket/prefix".into()));
            return None;
        }
        Some((scheme, _)) => {
            let what = format!("locations of kind {scheme}:// can't be read");
            findings.error(&location.place, what, Some("use a folder or s3://bucket/prefix".into()));
            return None;
        }
    }
    Some(SourceKind::Files { location: location.value })
}

pub(super) fn tags(sections: &Sections<'_>, findings: &mut Findings) -> (BTreeMap<Tag, TagSpec>, Known) {
    let mut known = Known::new(sections.complete);
    let mut tags: BTreeMap<Tag, TagSpec> = BTreeMap::new();
    for section in &sections.tags {
        let Some(entries) = section.entries() else {
            let help = Some("write tags: {EMAIL: {classification: PROPRIETARY, mask: {name: email}}}".into());
            findings.error(&section.place(), "tags must be a mapping of a name to its meaning", help);
            continue;
        };
        for (key, item) in entries {
            let place = super::yaml::place_of(section.file, key.span());
            let name = Placed { value: key.as_str().to_owned(), place };
            let new = known.define("tag", &name.value, &name.place, findings);
            if let Some(prefix) = RESERVED_PREFIXES.iter().find(|prefix| name.value.starts_with(**prefix)) {
                findings.error(&name.place, format!("tags that begin with {prefix} are made by the gateway"), None);
            }
            let sound = check_label("tag", &name, findings);
            let spec = tag(&name, item, findings);
            if new && sound {
                tags.insert(Tag::new(&name.value), spec);
            }
        }
    }
    for seed in SEED_TAGS {
        known.names.insert(seed.to_owned());
        tags.entry(Tag::new(seed)).or_insert_with(|| TagSpec { definition: bare(seed), implies: Vec::new() });
    }
    check_implied(&tags, &known, findings);
    (tags, known)
}

fn bare(name: &str) -> TagDefinition {
    TagDefinition { name: Tag::new(name), implies: BTreeSet::new(), classification: None, mask: None }
}

fn tag(name: &Placed<String>, item: Item<'_>, findings: &mut Findings) -> TagSpec {
    let mut spec = TagSpec { definition: bare(&name.value), implies: Vec::new() };
    if item.is_null() {
        return spec;
    }
    let what = format!("tag {:?}", name.value);
    let keys = ["classification", "implies", "mask", "description"];
    let Some(table) = Table::open(item, &what, &keys, findings) else { return spec };
    spec.definition.classification = table.word("classification", &CLASSIFICATIONS, findings);
    spec.definition.mask = table.item("mask").and_then(|item| mask(item, findings));
    table.text("description", findings);
    spec.implies = table
        .texts("implies", findings)
        .into_iter()
        .map(|implied| Placed { value: Tag::new(&implied.value), place: implied.place })
        .collect();
    spec.definition.implies = spec.implies.iter().map(|implied| implied.value.clone()).collect();
    spec
}

/// A mask specification with its mistakes at their place.
fn mask(item: Item<'_>, findings: &mut Findings) -> Option<Mask> {
    let suggestion = match item.node.as_scalar() {
        Some(word) if Mask::NAMES.contains(&word.as_str()) => Some(format!("write {{name: {}}}", word.as_str())),
        _ => None,
    };
    match Mask::from_json(&item.json()) {
        Ok(mask) => Some(mask),
        Err(error) => {
            let known = || format!("masks are {}", Mask::NAMES.join(", "));
            let help = match &error {
                MaskError::Unknown { suggestion: Some(near), .. } => Some(format!("did you mean {near:?}?")),
                MaskError::Unknown { suggestion: None, .. } => Some(known()),
                MaskError::Argument { .. } | MaskError::Type { .. } => suggestion,
            };
            let place = item
                .entries()
                .and_then(|entries| entries.into_iter().find(|(key, _)| key.as_str() == "name"))
                .map_or_else(|| item.place(), |(_, name)| name.place());
            findings.error(&place, error.to_string(), help);
            None
        }
    }
}

fn check_implied(tags: &BTreeMap<Tag, TagSpec>, known: &Known, findings: &mut Findings) {
    for spec in tags.values() {
        for implied in &spec.implies {
            known.check("tag", implied.value.as_str(), &implied.place, findings);
        }
    }
    let edges: BTreeMap<Tag, Vec<Tag>> =
        tags.iter().map(|(name, spec)| (name.clone(), spec.definition.implies.iter().cloned().collect())).collect();
    for circle in graph::circles(&edges) {
        let path: Vec<&str> = circle.iter().map(Tag::as_str).collect();
        let first_step = circle
            .first()
            .and_then(|tag| tags.get(tag))
            .zip(circle.get(1))
            .and_then(|(spec, next)| spec.implies.iter().find(|implied| implied.value == *next));
        if let Some(step) = first_step {
            let help = Some("take one of these out".into());
            findings.error(&step.place, format!("tags imply each other in a circle: {}", path.join(" -> ")), help);
        }
    }
}
