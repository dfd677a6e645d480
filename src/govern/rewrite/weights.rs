//! Joins beside a dataset with `min_group_size`: whether a query block can make one entity count for more than another.
//!
//! Two questions are answered from the block's resolved tree. Can its conditions choose, by who an entity is, how many
//! rows it is joined with? They can't, if each of them names one relation alone, which only takes rows away, or says that
//! two columns are equal, which goes by what the data is. And does each row of the dataset come out of the joins at most
//! once? It does, if the other relations are looked up by a key, from the dataset or from one that is looked up itself.
//!
//! What is not understood counts as a yes to the first and a no to the second question.

use crate::catalog::Dataset;
use crate::decision::{Mask, Obligations};
use crate::govern::resolved::RelationUse;
use sqlparser::ast::{
    BinaryOperator, Expr, Join, JoinConstraint, JoinOperator, Select, TableFactor, TableWithJoins, visit_expressions,
};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A dataset in a block's FROM clause.
pub(super) struct Member {
    at: usize,
    alias: String,
    dataset: Arc<Dataset>,
    /// Columns and what the tree calls them, of those that are as distinct as in the files.
    telling: Vec<(String, String)>,
}

impl Member {
    pub(super) fn new(at: usize, relation: &RelationUse, dataset: &Arc<Dataset>, obligations: &Obligations) -> Self {
        // A mask makes different values alike; a hash does not.
        let is_telling = |name: &String| match obligations.column_masks.get(name).map(|mask| &mask.mask) {
            None | Some(Mask::Hash) => true,
            Some(_) => false,
        };
        let names = dataset.columns.iter().map(|column| column.name.clone()).filter(is_telling);
        let telling = names.map(|name| (name.clone(), engine_name(relation, &name).to_owned())).collect();
        Self { at, alias: relation.alias.clone(), dataset: Arc::clone(dataset), telling }
    }

    fn engine(&self, column: &str) -> Option<&str> {
        self.telling.iter().find(|(name, _)| name == column).map(|(_, engine)| engine.as_str())
    }
}

/// What the tree calls a column of a relation.
pub(super) fn engine_name<'a>(relation: &'a RelationUse, column: &'a str) -> &'a str {
    relation.renamed.get(column).map_or(column, String::as_str)
}

/// Whether an expression is a column under an alias.
pub(super) fn is_of(column: &Expr, alias: &str) -> bool {
    plain_column(column).is_some_and(|(of, _)| of == alias)
}

fn plain_column(expr: &Expr) -> Option<(&str, &str)> {
    match expr {
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [alias, column] => Some((&alias.value, &column.value)),
            _longer => None,
        },
        Expr::Nested(inner) => plain_column(inner),
        _computed => None,
    }
}

/// The conditions of a block that may bear on its joins.
pub(super) struct Joins {
    conditions: Vec<Condition>,
}

/// One condition, of those with AND between them.
struct Condition {
    expr: Expr,
    /// Of an outer join: the aliases on its right side. An equality holds for the rows of such a join only between its
    /// sides; on one side alone it lets rows stay that do not meet it.
    outer_right: Option<BTreeSet<String>>,
}

/// The conditions, understood.
pub(super) struct Equalities {
    /// Pairs of a relation's alias and a column's name.
    pairs: Vec<[(String, String); 2]>,
}

impl Joins {
    /// What WHERE and the joins of a block say.
    pub(super) fn of(select: &Select) -> Self {
        let mut joins = Self { conditions: Vec::new() };
        if let Some(condition) = &select.selection {
            joins.add(condition, None);
        }
        select.from.iter().for_each(|item| joins.item(item));
        joins
    }

    fn item(&mut self, item: &TableWithJoins) {
        self.factor(&item.relation);
        for Join { relation, global: _, join_operator } in &item.joins {
            self.factor(relation);
            let (constraint, outer) = match join_operator {
                JoinOperator::Join(constraint)
                | JoinOperator::Inner(constraint)
                | JoinOperator::CrossJoin(constraint)
                | JoinOperator::StraightJoin(constraint) => (constraint, false),
                JoinOperator::Left(constraint)
                | JoinOperator::LeftOuter(constraint)
                | JoinOperator::Right(constraint)
                | JoinOperator::RightOuter(constraint)
                | JoinOperator::FullOuter(constraint)
                | JoinOperator::Semi(constraint)
                | JoinOperator::LeftSemi(constraint)
                | JoinOperator::RightSemi(constraint)
                | JoinOperator::Anti(constraint)
                | JoinOperator::LeftAnti(constraint)
                | JoinOperator::RightAnti(constraint)
                | JoinOperator::AsOf { match_condition: _, constraint } => (constraint, true),
                JoinOperator::CrossApply
                | JoinOperator::OuterApply
                | JoinOperator::ArrayJoin
                | JoinOperator::LeftArrayJoin
                | JoinOperator::InnerArrayJoin => continue,
            };
            let mut right = BTreeSet::new();
            aliases(relation, &mut right);
            match constraint {
                JoinConstraint::On(condition) => self.add(condition, outer.then_some(&right)),
                // Resolving made ON of these.
                JoinConstraint::Using(_) | JoinConstraint::Natural | JoinConstraint::None => {}
            }
        }
    }

    fn factor(&mut self, factor: &TableFactor) {
        if let TableFactor::NestedJoin { table_with_joins, alias: _ } = factor {
            self.item(table_with_joins);
        }
    }

    fn add(&mut self, condition: &Expr, outer_right: Option<&BTreeSet<String>>) {
        match condition {
            Expr::Nested(inner) => self.add(inner, outer_right),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.add(left, outer_right);
                self.add(right, outer_right);
            }
            one => self.conditions.push(Condition { expr: one.clone(), outer_right: outer_right.cloned() }),
        }
    }

    /// The conditions, if none of them can tell one entity from another.
    ///
    /// # Errors
    /// The names of the relations that a condition mixes.
    pub(super) fn read(self, members: &[Member]) -> Result<Equalities, String> {
        let mut pairs = Vec::new();
        for Condition { expr, outer_right } in self.conditions {
            let named: Vec<&Member> = members.iter().filter(|member| names(&expr, &member.alias)).collect();
            if named.len() < 2 {
                continue;
            }
            let equal = match &expr {
                Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => plain_column(left).zip(plain_column(right)),
                _other => None,
            };
            let Some((left, right)) = equal else {
                let named: Vec<&str> = named.iter().map(|member| member.dataset.name.name()).collect();
                return Err(named.join(" and "));
            };
            if outer_right.is_none_or(|of| of.contains(left.0) != of.contains(right.0)) {
                pairs.push([left, right].map(|(alias, column)| (alias.to_owned(), column.to_owned())));
            }
        }
        Ok(Equalities { pairs })
    }
}

impl Equalities {
    /// Whether each row of one member comes out of the joins at most once.
    pub(super) fn each_once(&self, of: usize, members: &[Member]) -> bool {
        let (mut known, mut open): (Vec<&Member>, Vec<&Member>) = members.iter().partition(|member| member.at == of);
        while let Some(place) = open.iter().position(|member| self.is_looked_up(member, &known)) {
            known.push(open.swap_remove(place));
        }
        open.is_empty()
    }

    /// Whether a member has at most one row for each row of those that are known: a key of it is equal to columns of them.
    /// A key is its primary key, and what a foreign key of a known one refers to.
    fn is_looked_up(&self, member: &Member, known: &[&Member]) -> bool {
        let is_given = |column: &String| {
            let Some(engine) = member.engine(column) else { return false };
            self.pairs.iter().any(|[left, right]| {
                let gives = |own: &(String, String), other: &(String, String)| {
                    own.0 == member.alias && own.1 == engine && known.iter().any(|known| known.alias == other.0)
                };
                gives(left, right) || gives(right, left)
            })
        };
        let referenced = known
            .iter()
            .flat_map(|known| known.dataset.foreign_keys.iter())
            .filter(|key| key.references == member.dataset.name)
            .map(|key| &key.referenced_columns);
        std::iter::once(&member.dataset.primary_key)
            .chain(referenced)
            .any(|key| !key.is_empty() && key.iter().all(is_given))
    }
}

/// Whether a column under an alias stands anywhere in an expression, its subqueries included.
fn names(expr: &Expr, alias: &str) -> bool {
    let visited = visit_expressions(expr, |part| match part {
        Expr::CompoundIdentifier(parts) if parts.first().is_some_and(|first| first.value == alias) => {
            ControlFlow::Break(())
        }
        // Its whole row.
        Expr::Identifier(name) if name.value == alias => ControlFlow::Break(()),
        _other => ControlFlow::Continue(()),
    });
    visited.is_break()
}

/// The aliases of the tables in one item of FROM.
fn aliases(factor: &TableFactor, found: &mut BTreeSet<String>) {
    match factor {
        TableFactor::Table { alias: Some(alias), .. } => {
            found.insert(alias.name.value.clone());
        }
        TableFactor::NestedJoin { table_with_joins, alias: _ } => {
            aliases(&table_with_joins.relation, found);
            table_with_joins.joins.iter().for_each(|join| aliases(&join.relation, found));
        }
        _not_a_dataset => {}
    }
}
