//! Rows of the schema `querygate`: what a person may know of the datasets, and how it is shown to them.

use super::relations::Relation;
use super::rows::{Cell, Rows};
use super::snapshot::{MetadataSnapshot, VisibleDataset};
use crate::catalog::Column;
use crate::types::Classification;
use std::collections::BTreeSet;

/// Adds the rows of a relation of `querygate`.
pub(super) fn fill(snapshot: &MetadataSnapshot, relation: &Relation, rows: &mut Rows) {
    match relation.name.name() {
        "my_datasets" => snapshot.view().datasets.iter().for_each(|visible| dataset(visible, rows)),
        "my_columns" => snapshot.view().datasets.iter().for_each(|visible| columns(visible, rows)),
        "last_result_columns" => last_result(snapshot, rows),
        _ => {}
    }
}

/// The columns of a dataset that may be seen, with what masks them.
fn seen(visible: &VisibleDataset) -> impl Iterator<Item = (&Column, Option<&str>)> {
    visible.dataset.columns.iter().filter_map(|column| {
        let shown = visible.columns.iter().find(|shown| shown.name == column.name)?;
        Some((column, shown.mask.as_deref()))
    })
}

/// Classification and tags are those of the columns that may be seen: those of a denied column would tell of it. With
/// no column to be seen there is no classification.
fn dataset(visible: &VisibleDataset, rows: &mut Rows) {
    let dataset = &visible.dataset;
    let tags: BTreeSet<&str> =
        seen(visible).flat_map(|(column, _)| column.tags.iter().map(crate::types::Tag::as_str)).collect();
    let classification = seen(visible).map(|(column, _)| column.classification).max();
    rows.push([
        ("name", dataset.name.to_string().into()),
        ("description", dataset.description.clone().into()),
        ("tier", dataset.tier.as_str().into()),
        ("classification", classification.map(Classification::as_str).into()),
        ("tags", tags.into_iter().collect::<Vec<_>>().into()),
        ("domain", dataset.domain.clone().into()),
        ("owner", dataset.owner_business_unit.clone().into()),
        ("steward", dataset.steward.clone().into()),
        ("access", visible.access.as_str().into()),
        ("row_filter", visible.row_filter.into()),
    ]);
}

fn columns(visible: &VisibleDataset, rows: &mut Rows) {
    for (column, mask) in seen(visible) {
        rows.push([
            ("dataset", visible.dataset.name.to_string().into()),
            ("column", column.name.as_str().into()),
            ("type", column.sql_type.to_string().into()),
            ("classification", column.classification.as_str().into()),
            ("tags", column.tags.iter().map(crate::types::Tag::as_str).collect::<Vec<_>>().into()),
            ("mask", mask.into()),
            ("description", column.description.clone().into()),
        ]);
    }
}

fn last_result(snapshot: &MetadataSnapshot, rows: &mut Rows) {
    for (position, column) in (1..).zip(&snapshot.facts().last_result) {
        rows.push([
            ("ordinal_position", Cell::Int(position)),
            ("name", column.name.as_str().into()),
            ("type", column.type_name.as_str().into()),
            ("classification", column.classification.as_str().into()),
            ("tags", column.tags.clone().into()),
            ("mask", column.mask.clone().into()),
        ]);
    }
}
