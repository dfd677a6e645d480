//! What comes out of governing: the only thing that an executor takes.

use super::write::GovernedWrite;
use crate::catalog::Dataset;
use crate::decision::{Limits, Mask};
use crate::types::{Classification, DatasetName, Tag};
use sqlparser::ast::{Expr, Query};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A statement whose every relation is a governed relation.
///
/// INVARIANT: only `govern` makes one. It can't be cloned: each run is decided anew.
#[derive(Debug)]
pub struct GovernedStatement {
    pub(super) query: Box<Query>,
    pub(super) relations: Vec<GovernedRelation>,
    pub(super) output: Vec<OutputColumn>,
    pub(super) limits: Limits,
    pub(super) write: Option<GovernedWrite>,
    pub(super) home: Option<String>,
}

impl GovernedStatement {
    /// The schema under which the tree names its governed relations: `__querygate.r0`, `__querygate.r1` …
    pub const RELATION_SCHEMA: &'static str = "__querygate";
    /// The schema under which a row filter or an expression mask names the raw relations it reads: `__querygate_raw.f0` …
    pub const RAW_SCHEMA: &'static str = "__querygate_raw";

    /// The tree to run. It names relations only as `__querygate.rN`, each with an alias.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// What each `rN` is, by position.
    pub fn relations(&self) -> &[GovernedRelation] {
        &self.relations
    }

    /// Lineage of each output column.
    pub fn output(&self) -> &[OutputColumn] {
        &self.output
    }

    /// The PostgreSQL source that answers it though it reads no relation; `None`: it reads some, or the gateway answers it.
    pub fn home(&self) -> Option<&str> {
        self.home.as_deref()
    }

    /// What it writes; `None`: nothing.
    pub fn write(&self) -> Option<&GovernedWrite> {
        self.write.as_ref()
    }

    /// The bounds that the decisions set.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What an engine may scan to answer it, by `rN`: anything else in a plan is a hole.
    pub fn expected_scans(&self) -> BTreeMap<String, ExpectedScan> {
        self.relations.iter().map(|relation| (relation.key.clone(), ExpectedScan::of(&relation.target))).collect()
    }
}

/// What an engine may scan for one `rN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedScan {
    /// The dataset or system relation.
    pub relation: DatasetName,
    /// The governed columns that the statement uses; `None`: a system relation, all of it.
    pub columns: Option<BTreeSet<String>>,
    /// Whether a row filter stands over it.
    pub filtered: bool,
    /// The columns that a mask stands over.
    pub masked: BTreeSet<String>,
    /// Datasets that the filter and the masks read besides, by `fN`.
    pub raw: BTreeMap<String, DatasetName>,
}

impl ExpectedScan {
    fn of(target: &GovernedTarget) -> Self {
        match target {
            GovernedTarget::System(name) => Self {
                relation: name.clone(),
                columns: None,
                filtered: false,
                masked: BTreeSet::new(),
                raw: BTreeMap::new(),
            },
            GovernedTarget::Dataset(dataset) => Self {
                relation: dataset.dataset.name.clone(),
                columns: Some(dataset.used.clone()),
                filtered: dataset.filter.is_some(),
                masked: dataset
                    .columns
                    .iter()
                    .filter(|column| match column.value {
                        ColumnValue::Clear => false,
                        ColumnValue::Masked(_) | ColumnValue::Computed(_) => true,
                    })
                    .map(|column| column.name.clone())
                    .collect(),
                raw: dataset.raw_relations.iter().map(|(key, of)| (key.clone(), of.name.clone())).collect(),
            },
        }
    }
}

/// One reference to a relation, as its user may see it.
#[derive(Debug)]
pub struct GovernedRelation {
    /// `r0`, `r1` …
    pub key: String,
    /// What it stands for.
    pub target: GovernedTarget,
}

/// What a governed relation stands for.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each relation of a statement, and most are datasets")]
pub enum GovernedTarget {
    /// A relation that the gateway itself serves.
    System(DatasetName),
    /// A dataset behind its row filter and masks.
    Dataset(GovernedDataset),
}

/// A dataset behind its row filter and masks: a masked projection over a row filter, with nothing of the user's inside.
#[derive(Debug)]
pub struct GovernedDataset {
    /// The dataset.
    pub dataset: Arc<Dataset>,
    /// The columns that can be seen, in the dataset's order. Denied ones are not here.
    pub columns: Vec<GovernedColumn>,
    /// All row filters, joined by AND, parameters bound. Column references are plain names of the dataset's raw
    /// columns; subqueries name their relations as `__querygate_raw.fN`. `None`: every row.
    pub filter: Option<Expr>,
    /// The raw relations that the filter and the masks read, by `fN`.
    pub raw_relations: BTreeMap<String, Arc<Dataset>>,
    /// Columns that the statement uses, by the resolver's reading: an engine that scans another is stopped.
    pub used: BTreeSet<String>,
}

/// One column of a governed dataset.
#[derive(Debug)]
pub struct GovernedColumn {
    /// Its name.
    pub name: String,
    /// What it gives.
    pub value: ColumnValue,
}

/// What a governed column gives.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would make every reader open it, for a few bytes a column")]
pub enum ColumnValue {
    /// The value.
    Clear,
    /// The masked value; never [`Mask::Deny`] or [`Mask::Expression`].
    Masked(Mask),
    /// A policy author's expression over the raw row.
    Computed(Expr),
}

/// One output column and what it was computed from.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputColumn {
    /// Its name, as the client sees it.
    pub name: String,
    /// The dataset columns that it was computed from.
    pub sources: BTreeSet<(DatasetName, String)>,
    /// The most restrictive classification of all that it was computed from.
    pub classification: Classification,
    /// The union of their tags, after masks and aggregates (`ANONYMIZED_…`, `DERIVED_FROM_…`).
    pub tags: BTreeSet<Tag>,
    /// The masks that were applied to what it was computed from, as `mask(column)`.
    pub masks: BTreeSet<String>,
}
