//! What columns are, where an expression stands: their types, and of which relations' rows they come.

use super::leakproof::Operand;
use crate::govern::names::fold;
use sqlparser::ast::Ident;
use std::collections::{BTreeMap, BTreeSet};

/// Of whose rows a value comes.
#[derive(Debug, Clone, Default)]
pub(super) struct Touches {
    /// Governed relations, by place.
    pub(super) relations: BTreeSet<usize>,
    /// Whether also of something that is evaluated by itself: a table function, a grouping. A condition on it has a place
    /// that is no relation's scan.
    pub(super) elsewhere: bool,
    /// Whether also of something that is not known.
    pub(super) unknown: bool,
}

impl Touches {
    pub(super) fn of(relation: usize) -> Self {
        Self { relations: BTreeSet::from([relation]), ..Self::default() }
    }

    pub(super) fn elsewhere() -> Self {
        Self { elsewhere: true, ..Self::default() }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.relations.extend(&other.relations);
        self.elsewhere |= other.elsewhere;
        self.unknown |= other.unknown;
    }
}

/// One column of a FROM item, or of a query.
#[derive(Debug, Clone, Default)]
pub(super) struct Output {
    /// What it is in a comparison; `None`: to evaluate it may fail or tell.
    pub(super) operand: Option<Operand>,
    pub(super) touches: Touches,
}

/// A query's columns by name, and what running it may do.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) columns: Vec<(String, Output)>,
    /// Whether it can neither fail nor tell, on whatever rows it is run.
    pub(super) is_quiet: bool,
    /// Whether it gives one row at most.
    pub(super) is_single: bool,
}

impl Asked {
    /// With the names that an alias gives, which may be fewer.
    pub(super) fn renamed(mut self, names: impl Iterator<Item = String>) -> Self {
        for ((name, _), renamed) in self.columns.iter_mut().zip(names) {
            *name = renamed;
        }
        self
    }
}

/// One item of FROM.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) columns: Vec<(String, Output)>,
    /// What a column is that has no name here.
    pub(super) otherwise: Option<Output>,
    /// The governed relation, if it is one itself.
    pub(super) relation: Option<usize>,
    /// Whether it is on a side of an outer join that may be missing.
    pub(super) is_nullable: bool,
}

/// The FROM of a block, and of those around it.
pub(super) struct Scope<'s> {
    pub(super) items: BTreeMap<String, Item>,
    pub(super) outer: Option<&'s Scope<'s>>,
}

impl<'s> Scope<'s> {
    pub(super) fn new(outer: Option<&'s Scope<'s>>) -> Self {
        Self { items: BTreeMap::new(), outer }
    }

    /// The column that `alias.name` means.
    pub(super) fn column(&self, names: &[Ident]) -> Option<&Output> {
        let [alias, name] = names else { return None };
        let alias = fold(alias);
        let mut scope = self;
        loop {
            if let Some(item) = scope.items.get(&alias) {
                let name = fold(name);
                let named = item.columns.iter().find(|(column, _)| *column == name).map(|(_, output)| output);
                return named.or(item.otherwise.as_ref());
            }
            scope = scope.outer?;
        }
    }

    /// The governed relation of this block that has an alias.
    pub(super) fn relation(&self, alias: &Ident) -> Option<usize> {
        self.items.get(&fold(alias)).and_then(|item| item.relation)
    }
}
