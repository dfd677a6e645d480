//! Which columns and relations a name can mean at one place of a statement ("Table Expressions" and "Value
//! Expressions" in PostgreSQL's manual).
//!
//! Aliases in the tree are unique along a chain of enclosing scopes, so that no engine can read a reference otherwise.

use super::error::ResolveFault;
use super::lineage::Lineage;
use super::names::{column_expr, nearest};
use crate::types::{DatasetName, SqlType};
use sqlparser::ast::Expr;
use std::collections::BTreeSet;
use std::rc::Rc;

/// A relation in a FROM clause.
#[derive(Debug)]
pub(super) struct Relation {
    /// What the statement calls it.
    pub name: String,
    /// Its schema, if it was given no alias: then `schema.name.column` may be written too.
    pub schema: Option<String>,
    /// What the tree calls it.
    pub alias: String,
    /// Its visible columns.
    pub columns: Vec<RelationColumn>,
    /// Its place among the statement's `rN`, if it is one.
    pub key: Option<usize>,
    /// Its columns that are denied, and of what dataset.
    pub denied: Option<(DatasetName, BTreeSet<String>)>,
    /// Whether its rows are plain values: those of a function that gives one column.
    pub is_value: bool,
}

/// A column of a relation.
#[derive(Debug, Clone)]
pub(super) struct RelationColumn {
    /// What the statement calls it.
    pub name: String,
    /// What the tree calls it.
    pub engine: String,
    /// What it was computed from.
    pub lineage: Lineage,
    /// For an `rN`: its name there.
    pub source: Option<String>,
    /// Its type, as far as it can be told without an engine.
    pub sql_type: Option<SqlType>,
}

/// A column that can be named without a qualifier.
#[derive(Debug, Clone)]
pub(super) struct NamespaceColumn {
    /// What the statement calls it.
    pub name: String,
    /// What stands for it in the tree.
    pub expr: Expr,
    /// The relations' columns that it is: more than one if USING or NATURAL merged them.
    pub parts: Vec<(Rc<Relation>, usize)>,
}

/// What one FROM item, or all of a block's, makes known.
#[derive(Debug, Clone, Default)]
pub(super) struct Namespace {
    /// Relations that can qualify a column.
    pub relations: Vec<Rc<Relation>>,
    /// Columns in the order of `*`.
    pub columns: Vec<NamespaceColumn>,
    /// Aliases of relations on a side of an outer join that may be missing.
    pub nullable: BTreeSet<String>,
}

impl Namespace {
    /// Of a single relation.
    pub(super) fn of(relation: Relation) -> Self {
        let relation = Rc::new(relation);
        let columns = relation
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| NamespaceColumn {
                name: column.name.clone(),
                expr: column_expr(&relation.alias, &column.engine),
                parts: vec![(Rc::clone(&relation), at)],
            })
            .collect();
        Self { relations: vec![relation], columns, nullable: BTreeSet::new() }
    }

    /// Adds the relations of another FROM item, and its columns after the own ones.
    pub(super) fn join(&mut self, other: Self) -> Result<(), ResolveFault> {
        self.join_relations(&other)?;
        self.columns.extend(other.columns);
        Ok(())
    }

    /// Adds the relations alone.
    pub(super) fn join_relations(&mut self, other: &Self) -> Result<(), ResolveFault> {
        for right in &other.relations {
            let clash = self.relations.iter().any(|left| {
                left.name == right.name
                    && (left.schema.is_none() || right.schema.is_none() || left.schema == right.schema)
            });
            if clash {
                return Err(ResolveFault::DuplicateAlias(right.name.clone()));
            }
        }
        self.relations.extend(other.relations.iter().map(Rc::clone));
        self.nullable.extend(other.nullable.iter().cloned());
        Ok(())
    }

    /// All relations may be missing from a row.
    pub(super) fn set_nullable(&mut self) {
        self.nullable.extend(self.relations.iter().map(|relation| relation.alias.clone()));
    }

    /// The one column of this name, for USING; a denied one is told as such.
    pub(super) fn column_for_using(&self, name: &str, side: &str) -> Result<&NamespaceColumn, ResolveFault> {
        let mut found = self.columns.iter().filter(|column| column.name == name);
        match (found.next(), found.next()) {
            (Some(column), None) => Ok(column),
            (Some(_), Some(_)) => Err(ResolveFault::AmbiguousColumn(name.to_owned())),
            (None, _) => Err(self.denied(name).unwrap_or_else(|| {
                ResolveFault::InvalidReference(format!(
                    "column \"{name}\" specified in USING clause does not exist in {side} table"
                ))
            })),
        }
    }

    fn denied(&self, name: &str) -> Option<ResolveFault> {
        self.relations.iter().find_map(|relation| relation.denied_column(name))
    }
}

impl Relation {
    /// The fault of naming a denied column, if the name is one's.
    pub(super) fn denied_column(&self, name: &str) -> Option<ResolveFault> {
        let (dataset, columns) = self.denied.as_ref()?;
        columns.contains(name).then(|| ResolveFault::DeniedColumn { dataset: dataset.clone(), column: name.to_owned() })
    }
}

/// One block's namespace and those around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    /// This block's.
    pub namespace: &'a Namespace,
    /// The enclosing block's.
    pub outer: Option<&'a Scope<'a>>,
}

impl<'a> Scope<'a> {
    /// This scope and those around it, the innermost first.
    pub(super) fn chain(&'a self) -> impl Iterator<Item = &'a Scope<'a>> {
        std::iter::successors(Some(self), |scope| scope.outer)
    }

    /// What an unqualified name means. `Ok(None)`: nothing in any scope.
    pub(super) fn column(&'a self, name: &str) -> Result<Option<&'a NamespaceColumn>, ResolveFault> {
        for scope in self.chain() {
            if let Some(column) = scope.own_column(name)? {
                return Ok(Some(column));
            }
        }
        Ok(None)
    }

    /// What an unqualified name means in this block alone.
    pub(super) fn own_column(&self, name: &str) -> Result<Option<&'a NamespaceColumn>, ResolveFault> {
        let mut found = self.namespace.columns.iter().filter(|column| column.name == name);
        match (found.next(), found.next()) {
            (Some(column), None) => Ok(Some(column)),
            (Some(_), Some(_)) => Err(ResolveFault::AmbiguousColumn(name.to_owned())),
            (None, _) => self.namespace.denied(name).map_or(Ok(None), Err),
        }
    }

    /// What a qualifier means. `Ok(None)`: nothing in any scope.
    pub(super) fn relation(
        &'a self,
        schema: Option<&str>,
        name: &str,
    ) -> Result<Option<(&'a Rc<Relation>, &'a Namespace)>, ResolveFault> {
        for scope in self.chain() {
            let mut found = scope.namespace.relations.iter().filter(|relation| {
                relation.name == name && schema.is_none_or(|schema| relation.schema.as_deref() == Some(schema))
            });
            match (found.next(), found.next()) {
                (Some(relation), None) => return Ok(Some((relation, scope.namespace))),
                (Some(_), Some(_)) => return Err(ResolveFault::AmbiguousAlias(name.to_owned())),
                (None, _) => {}
            }
        }
        Ok(None)
    }

    /// The type of a column as the tree names it.
    pub(super) fn type_of(&'a self, alias: &str, column: &str) -> Option<&'a SqlType> {
        let mut relations = self.chain().flat_map(|scope| scope.namespace.relations.iter());
        let relation = relations.find(|relation| relation.alias == alias)?;
        relation.columns.iter().find(|known| known.engine == column)?.sql_type.as_ref()
    }

    /// A column name in scope that is near, as it could be written.
    pub(super) fn near_column(&'a self, name: &str) -> Option<String> {
        let columns = self.chain().flat_map(|scope| scope.namespace.columns.iter());
        nearest(name, columns.map(|column| column.name.as_str())).map(str::to_owned)
    }
}

/// The WITH queries that are known at one place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ctes<'a> {
    /// Of the nearest WITH.
    pub entries: &'a [Cte],
    /// Of those around it.
    pub outer: Option<&'a Ctes<'a>>,
}

/// A WITH query.
#[derive(Debug, Clone)]
pub(super) struct Cte {
    /// What the statement calls it.
    pub name: String,
    /// What the tree calls it.
    pub engine: String,
    /// Its columns; `None` while the part that may not refer to it is read.
    pub columns: Option<Vec<RelationColumn>>,
    /// What chose its rows.
    pub influence: Lineage,
    /// How much the engine plans for each reference to it: expressions and columns.
    pub cost: usize,
}

impl<'a> Ctes<'a> {
    /// No WITH query at all.
    pub(super) const NONE: Ctes<'static> = Ctes { entries: &[], outer: None };

    /// The nearest WITH query of a name.
    pub(super) fn find(&'a self, name: &str) -> Option<&'a Cte> {
        std::iter::successors(Some(self), |ctes| ctes.outer)
            .find_map(|ctes| ctes.entries.iter().find(|cte| cte.name == name))
    }
}
