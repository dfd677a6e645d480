//! A statement whose every name is bound: what it reads, what it uses of it, what its outputs come from.

use super::lineage::Lineage;
use crate::catalog::Dataset;
use crate::types::DatasetName;
use sqlparser::ast::{Expr, Query};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A statement that has been resolved. It names relations only as `__querygate.rN`.
///
/// INVARIANT: only `resolve` makes one; what was not understood is not in it.
#[derive(Debug)]
pub struct ResolvedStatement {
    pub(super) query: Box<Query>,
    pub(super) relations: Vec<RelationUse>,
    pub(super) functions: BTreeSet<String>,
    pub(super) output: Vec<ResolvedOutput>,
    pub(super) is_aggregate: bool,
    pub(super) blocks: Vec<BlockFacts>,
    pub(super) home: Option<String>,
}

impl ResolvedStatement {
    /// The tree, with `__querygate.rN` for each relation reference.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// What each `rN` stands for and what is used of it, by position.
    pub fn relations(&self) -> &[RelationUse] {
        &self.relations
    }

    /// Names of the functions that are called.
    pub fn functions(&self) -> &BTreeSet<String> {
        &self.functions
    }

    /// The output columns.
    pub fn output(&self) -> &[ResolvedOutput] {
        &self.output
    }

    /// Whether every output of the outermost block is an aggregate or a grouping key.
    pub fn is_aggregate(&self) -> bool {
        self.is_aggregate
    }

    /// The query blocks that read relations directly.
    pub fn blocks(&self) -> &[BlockFacts] {
        &self.blocks
    }

    /// The datasets that are read.
    pub fn datasets(&self) -> BTreeMap<DatasetName, Arc<Dataset>> {
        self.relations
            .iter()
            .filter_map(|relation| match &relation.target {
                RelationTarget::Dataset(dataset) => Some((dataset.name.clone(), Arc::clone(dataset))),
                RelationTarget::System(_) => None,
            })
            .collect()
    }

    /// The columns that are used of a dataset, by name or by `*`, over all references to it.
    pub fn columns_used(&self, dataset: &DatasetName) -> BTreeSet<String> {
        self.uses_of(dataset).flat_map(|relation| relation.columns.keys().cloned()).collect()
    }

    /// The columns of a dataset that are named, not only reached by `*`, over all references to it.
    pub fn columns_named(&self, dataset: &DatasetName) -> BTreeSet<String> {
        self.uses_of(dataset)
            .flat_map(|relation| relation.columns.iter())
            .filter(|(_, column)| column.explicit)
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn uses_of<'a>(&'a self, dataset: &'a DatasetName) -> impl Iterator<Item = &'a RelationUse> {
        self.relations.iter().filter(move |relation| match &relation.target {
            RelationTarget::Dataset(target) => target.name == *dataset,
            RelationTarget::System(_) => false,
        })
    }
}

/// One reference to a relation.
#[derive(Debug, Clone)]
pub struct RelationUse {
    /// `r0`, `r1` …
    pub key: String,
    /// The alias that the tree gives it.
    pub alias: String,
    /// What it stands for.
    pub target: RelationTarget,
    /// The columns that are used of it. A whole-row reference and `*` use all that are not denied.
    pub columns: BTreeMap<String, ColumnUse>,
    /// Whether there is a whole-row reference to it.
    pub whole: bool,
    /// What the tree calls each visible column, where an alias's column list renames it.
    pub renamed: BTreeMap<String, String>,
}

/// What a relation reference stands for.
#[derive(Debug, Clone)]
pub enum RelationTarget {
    /// A dataset of the catalog.
    Dataset(Arc<Dataset>),
    /// A relation that the gateway itself serves.
    System(DatasetName),
}

/// How a column is used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnUse {
    /// Where.
    pub places: BTreeSet<Place>,
    /// Whether it is named, not only reached by `*`, NATURAL or a whole row.
    pub explicit: bool,
}

/// A place where a column can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a select list or VALUES.
    Output,
    /// In WHERE, HAVING or FILTER.
    Predicate,
    /// In ON, USING or NATURAL.
    Join,
    /// In GROUP BY.
    Group,
    /// In ORDER BY or DISTINCT ON.
    Order,
    /// In a window definition.
    Window,
    /// In an argument of a function; another place says where the call stands.
    Argument,
}

/// One output column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedOutput {
    /// The name that the client sees, as PostgreSQL would name it.
    pub name: String,
    /// What it was computed from.
    pub lineage: Lineage,
}

/// One query block (a SELECT) that reads relations directly.
#[derive(Debug, Clone, Default)]
pub struct BlockFacts {
    /// Positions of the relations in its own FROM clause.
    pub relations: Vec<usize>,
    /// How many other things make its rows: WITH queries, derived tables, VALUES and table functions in its FROM clause, and
    /// functions that give a set among its outputs.
    pub others: usize,
    /// Whether it has GROUP BY or an aggregate, so that each row that it gives stands for a group.
    pub grouped: bool,
    /// Its aggregates, anywhere in it.
    pub aggregates: Vec<AggregateFacts>,
}

/// One aggregate call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AggregateFacts {
    /// Its name.
    pub name: String,
    /// Whether its arguments are plain columns and constants alone, and it has neither FILTER nor ORDER BY.
    pub plain: bool,
    /// Whether equal values count once.
    pub distinct: bool,
    /// The columns among its arguments, as the tree names them.
    pub columns: Vec<Expr>,
}
