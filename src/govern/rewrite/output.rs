//! The classification, tags and masks of each output column, from its lineage (the inheritance of the specification's
//! section 2).
//!
//! What chose the rows counts for classification and tags as what the value was computed from does. A source that was
//! reached through aggregates alone, over a dataset whose groups have a least size, steps down by one (but never below
//! INTERNAL) and gives `DERIVED_FROM_<TAG>`. A masked source keeps its classification and gives `ANONYMIZED_<TAG>`.

use super::{GovernContext, decided};
use crate::catalog::{CatalogSnapshot, Column};
use crate::decision::{ColumnMask, Mask, MaskOrigin, Obligations};
use crate::govern::error::GovernError;
use crate::govern::lineage::Reach;
use crate::govern::resolved::ResolvedStatement;
use crate::govern::statement::OutputColumn;
use crate::types::{Classification, DatasetName, Tag};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn output_columns(
    resolved: &ResolvedStatement,
    decisions: &BTreeMap<DatasetName, Obligations>,
    context: &GovernContext<'_>,
) -> Result<Vec<OutputColumn>, GovernError> {
    let datasets = resolved.datasets();
    resolved
        .output
        .iter()
        .map(|output| {
            let mut column = OutputColumn {
                name: output.name.clone(),
                sources: output.lineage.value_sources(),
                classification: Classification::Public,
                tags: BTreeSet::new(),
                masks: BTreeSet::new(),
            };
            for ((dataset, source), reach) in output.lineage.sources() {
                let obligations = decided(decisions, dataset)?;
                let found = datasets.get(dataset).and_then(|dataset| dataset.column(source));
                let found = found.ok_or(GovernError::Broken("lineage names an unknown column"))?;
                add(&mut column, found, *reach, obligations, context.catalog);
            }
            Ok(column)
        })
        .collect()
}

/// Adds what one source brings.
fn add(output: &mut OutputColumn, source: &Column, reach: Reach, obligations: &Obligations, catalog: &CatalogSnapshot) {
    let stepped_down = reach.only_aggregated() && obligations.limits.min_group_size.is_some();
    let classification = if stepped_down { one_step_down(source.classification) } else { source.classification };
    output.classification = output.classification.max(classification);
    let mask = obligations.column_masks.get(&source.name).filter(|mask| mask.mask != Mask::Deny);
    let masked = mask.map(|mask| masked_tags(source, mask, catalog)).unwrap_or_default();
    for tag in &source.tags {
        output.tags.insert(match (masked.contains(tag), stepped_down) {
            (true, _) => Tag::new(format!("ANONYMIZED_{tag}")),
            (false, true) => Tag::new(format!("DERIVED_FROM_{tag}")),
            (false, false) => tag.clone(),
        });
    }
    if let Some(mask) = mask
        && reach.is_source()
    {
        output.masks.insert(format!("{}({})", mask.mask.name(), source.name));
    }
}

fn one_step_down(classification: Classification) -> Classification {
    match classification {
        Classification::Proprietary | Classification::Internal => Classification::Internal,
        Classification::Public => Classification::Public,
    }
}

/// The tags that a mask takes care of: all of the column's, if a policy set it; else those that bring a mask (the
/// strictest stands for all of them), and what these imply.
fn masked_tags(column: &Column, mask: &ColumnMask, catalog: &CatalogSnapshot) -> BTreeSet<Tag> {
    let mut pending: Vec<Tag> = match &mask.origin {
        MaskOrigin::Policy(_) => return column.tags.clone(),
        MaskOrigin::Tag(tag) => column.tag_masks.iter().map(|(tag, _)| tag.clone()).chain([Tag::new(tag)]).collect(),
    };
    let mut masked = BTreeSet::new();
    while let Some(tag) = pending.pop() {
        if masked.insert(tag.clone()) {
            let implied = catalog.tags.get(&tag).map(|definition| definition.implies.iter().cloned());
            pending.extend(implied.into_iter().flatten());
        }
    }
    masked
}
