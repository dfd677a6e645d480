//! Relations: which CTE, dataset or system relation a name means, and the `rN` that stands for it.

use super::from::FromState;
use super::known_type::is_vector;
use super::query::{QueryColumn, alias_columns, column_aliases, rename};
use super::{Resolver, engine_name, place_of};
use crate::catalog::Dataset;
use crate::govern::error::{ResolveError, ResolveFault, refuse};
use crate::govern::lineage::Lineage;
use crate::govern::names::{first_ident, fold, ident, nearest, object_name, parts};
use crate::govern::resolved::{RelationTarget, RelationUse};
use crate::govern::scope::{Namespace, Relation, RelationColumn};
use crate::govern::statement::GovernedStatement;
use crate::types::DatasetName;
use sqlparser::ast::{ObjectName, TableAlias, TableAliasColumnDef, TableFactor};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A table alias as it was written, folded.
pub(super) struct WrittenAlias {
    pub(super) name: Option<String>,
    pub(super) columns: Vec<String>,
}

impl WrittenAlias {
    pub(super) fn read(alias: Option<&TableAlias>) -> Result<Self, ResolveError> {
        let Some(TableAlias { explicit: _, name, columns, at }) = alias else {
            return Ok(Self { name: None, columns: Vec::new() });
        };
        if at.is_some() {
            return Err(refuse("AT in an alias", "Leave it out.").at(place_of(name)));
        }
        Ok(Self { name: Some(fold(name)), columns: column_aliases(columns)? })
    }
}

/// A relation that a query brings into a FROM clause: a CTE, a derived table, a table function.
pub(super) struct Brought {
    pub(super) name: String,
    pub(super) columns: Vec<QueryColumn>,
    pub(super) influence: Lineage,
    /// Whether it is a function that gives one column.
    pub(super) is_value: bool,
}

impl Resolver<'_> {
    /// A name in FROM.
    pub(super) fn named_relation(
        &mut self,
        name: &ObjectName,
        alias: Option<&TableAlias>,
        state: &mut FromState<'_>,
    ) -> Result<(TableFactor, Namespace), ResolveError> {
        let at = first_ident(name).and_then(place_of);
        let written =
            parts(name).ok_or_else(|| refuse("a function call as part of a relation's name", "Name it.").at(at))?;
        let alias = WrittenAlias::read(alias)?;
        if let [cte] = written.as_slice()
            && let Some(cte) = state.ctes.find(cte)
        {
            self.cost = self.cost.saturating_add(cte.cost);
            self.repeated = self.repeated.saturating_add(cte.cost);
            if self.repeated > super::MAX_REPEATED {
                return Err(ResolveFault::TooComplex.at(at));
            }
            let Some(columns) = cte.columns.clone() else {
                let what = format!("a reference to \"{}\" in its own non-recursive term", cte.name);
                return Err(refuse(
                    what,
                    "Write WITH RECURSIVE name AS (first UNION ALL second), with the reference in second.",
                )
                .at(at));
            };
            let columns = columns
                .into_iter()
                .map(|column| QueryColumn {
                    name: column.name,
                    engine: column.engine,
                    lineage: column.lineage,
                    sql_type: column.sql_type,
                })
                .collect();
            let brought =
                Brought { name: cte.name.clone(), columns, influence: cte.influence.clone(), is_value: false };
            let table = ObjectName::from(vec![ident(&cte.engine)]);
            let (alias, namespace) = self.bring(brought, &alias, state)?;
            return Ok((table_factor(table, alias), namespace));
        }
        let target = self.find(&written).map_err(|fault| fault.at(at))?;
        self.governed_relation(target, &alias, state)
    }

    /// Puts a query's columns under an alias.
    pub(super) fn bring(
        &mut self,
        brought: Brought,
        alias: &WrittenAlias,
        state: &mut FromState<'_>,
    ) -> Result<(TableAlias, Namespace), ResolveError> {
        let Brought { name, mut columns, influence, is_value } = brought;
        let name = alias.name.clone().unwrap_or(name);
        rename(&mut columns, &alias.columns, &name)?;
        let engine = state.take_alias(&name);
        state.influence.absorb_influence(&influence, false);
        let written = TableAlias {
            explicit: true,
            name: ident(&engine),
            columns: alias_columns(&alias.columns, &columns),
            at: None,
        };
        let relation = Relation {
            name,
            schema: None,
            alias: engine,
            columns: columns.iter().map(QueryColumn::relation_column).collect(),
            key: None,
            denied: None,
            is_value,
        };
        Ok((written, Namespace::of(relation)))
    }

    /// Gives a dataset or system relation its `rN`.
    fn governed_relation(
        &mut self,
        target: RelationTarget,
        alias: &WrittenAlias,
        state: &mut FromState<'_>,
    ) -> Result<(TableFactor, Namespace), ResolveError> {
        if let (RelationTarget::Dataset(dataset), Some(policy)) = (&target, &self.policy)
            && dataset.source != policy.source
        {
            return Err(
                refuse("a dataset of another source in a policy's expression", "Use datasets of one source.").into()
            );
        }
        let (own_name, sources, denied) = match &target {
            RelationTarget::Dataset(dataset) => {
                let denied = self.context.denied.get(&dataset.name);
                let columns = dataset.columns.iter().map(|column| column.name.clone()).collect();
                (dataset.name.clone(), columns, denied)
            }
            RelationTarget::System(name) => {
                let columns = self.context.system.columns(name).unwrap_or_default();
                (name.clone(), columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>(), None)
            }
        };
        let is_dataset = match &target {
            RelationTarget::Dataset(_) => true,
            RelationTarget::System(_) => false,
        };
        let is_denied = |column: &String| denied.is_some_and(|denied| denied.contains(column));
        // A column list names by position: it may not mean another column because one is denied.
        if let Some(column) = sources.iter().take(alias.columns.len()).find(|column| is_denied(column)) {
            return Err(ResolveFault::DeniedColumn { dataset: own_name, column: column.clone() }.into());
        }
        let sources: Vec<String> = sources.into_iter().filter(|column| !is_denied(column)).collect();
        let mut columns: Vec<QueryColumn> = sources
            .iter()
            .map(|column| QueryColumn {
                name: column.clone(),
                engine: column.clone(),
                lineage: if is_dataset {
                    Lineage::column(own_name.clone(), column.clone())
                } else {
                    Lineage::default()
                },
                sql_type: match &target {
                    RelationTarget::Dataset(dataset) => dataset.column(column).map(|of| of.sql_type.clone()),
                    RelationTarget::System(_) => None,
                },
            })
            .collect();
        let name = alias.name.clone().unwrap_or_else(|| own_name.name().to_owned());
        rename(&mut columns, &alias.columns, &name)?;
        let mut listed = alias_columns(&alias.columns, &columns);
        if let Some(row) = self.policy.and_then(|policy| policy.apart_from) {
            rename_apart(&mut columns, row);
            listed = columns.iter().map(|column| alias_column(&column.engine)).collect();
        }
        self.vectors |= columns.iter().filter_map(|column| column.sql_type.as_ref()).any(is_vector);
        let at = self.relations.len();
        let (schema, key) = match self.policy {
            None => (GovernedStatement::RELATION_SCHEMA, format!("r{at}")),
            Some(policy) => (GovernedStatement::RAW_SCHEMA, format!("f{}", policy.first_raw.saturating_add(at))),
        };
        let engine = state.take_alias(&name);
        state.block.relations.push(at);
        let factor = table_factor(
            object_name(schema, &key),
            TableAlias { explicit: true, name: ident(&engine), columns: listed, at: None },
        );
        let renamed = sources
            .iter()
            .zip(&columns)
            .filter(|(source, column)| **source != column.engine)
            .map(|(source, column)| (source.clone(), column.engine.clone()))
            .collect();
        let relation = Relation {
            name,
            schema: alias.name.is_none().then(|| own_name.schema().to_owned()),
            alias: engine.clone(),
            columns: columns
                .into_iter()
                .zip(sources)
                .map(|(column, source)| RelationColumn {
                    name: column.name,
                    engine: column.engine,
                    lineage: column.lineage,
                    source: Some(source),
                    sql_type: column.sql_type,
                })
                .collect(),
            key: Some(at),
            denied: denied.map(|denied| (own_name, denied.clone())),
            is_value: false,
        };
        self.relations.push(RelationUse {
            key,
            alias: engine,
            target,
            columns: BTreeMap::new(),
            whole: false,
            renamed,
        });
        Ok((factor, Namespace::of(relation)))
    }

    /// What a name means, by the search path.
    fn find(&self, written: &[String]) -> Result<RelationTarget, ResolveFault> {
        let (schema, name) = match written {
            [name] => (None, name),
            [schema, name] => (Some(schema), name),
            [database, schema, name] if database == self.context.database => (Some(schema), name),
            _other_database => return Err(ResolveFault::CrossDatabase(written.join("."))),
        };
        let found = match schema {
            Some(schema) => self.find_in(schema, name),
            None => self.schemas().find_map(|schema| self.find_in(schema, name)),
        };
        found.ok_or_else(|| {
            let name_as_written = match schema {
                Some(schema) => format!("{schema}.{name}"),
                None => name.clone(),
            };
            ResolveFault::UndefinedRelation { name: name_as_written, suggestion: self.near_relation(schema, name) }
        })
    }

    fn schemas(&self) -> impl Iterator<Item = &str> {
        let path = self.context.search_path;
        let implicit = (!path.iter().any(|schema| schema == "pg_catalog")).then_some("pg_catalog");
        implicit.into_iter().chain(path.iter().map(String::as_str))
    }

    fn find_in(&self, schema: &str, name: &str) -> Option<RelationTarget> {
        let name = DatasetName::new(schema, name);
        if self.context.system.columns(&name).is_some() {
            // What a system relation shows depends on who reads it: no policy can.
            return self.policy.is_none().then_some(RelationTarget::System(name));
        }
        let dataset = self.context.catalog.dataset(&name)?;
        self.is_visible(dataset).then(|| RelationTarget::Dataset(Arc::clone(dataset)))
    }

    pub(super) fn is_visible(&self, dataset: &Dataset) -> bool {
        if self.policy.is_some() {
            return true;
        }
        self.context.workspace.holds(&dataset.name) && !self.context.invisible.contains(&dataset.name)
    }

    /// A visible relation with a near name. One that hides from those without access is never suggested.
    fn near_relation(&self, schema: Option<&String>, name: &str) -> Option<String> {
        let known: BTreeSet<&DatasetName> = self
            .context
            .catalog
            .datasets
            .values()
            .filter(|dataset| dataset.discoverable && self.is_visible(dataset))
            .map(|dataset| &dataset.name)
            .collect();
        // Those on the search path first.
        let place = |name: &DatasetName| {
            let path = self.context.search_path;
            path.iter().position(|schema| schema == name.schema()).unwrap_or(path.len())
        };
        let same = known.iter().filter(|known| known.name() == name).min_by_key(|known| place(known));
        if let Some(found) = same {
            return Some(found.to_string());
        }
        let in_schema = |known: &&&DatasetName| schema.is_none_or(|schema| known.schema() == schema);
        let near = nearest(name, known.iter().filter(in_schema).map(|known| known.name()))?;
        let found =
            known.iter().filter(in_schema).filter(|known| known.name() == near).min_by_key(|known| place(known));
        found.map(ToString::to_string)
    }
}

impl FromState<'_> {
    /// An alias for the tree that no enclosing scope and no relation of this block has.
    pub(super) fn take_alias(&mut self, wanted: &str) -> String {
        let alias = engine_name(wanted, "t", |name| self.taken.contains(name));
        self.taken.insert(alias.clone());
        alias
    }
}

/// Gives columns that have the name of a column of `row` another one in the tree.
fn rename_apart(columns: &mut [QueryColumn], row: &Dataset) {
    let mut taken: BTreeSet<String> = row.columns.iter().map(|column| column.name.clone()).collect();
    taken.extend(columns.iter().map(|column| column.engine.clone()));
    for column in columns {
        if row.column(&column.engine).is_some() {
            column.engine =
                engine_name(&format!("inner_{}", column.engine), "inner_column", |name| taken.contains(name));
            taken.insert(column.engine.clone());
        }
    }
}

fn alias_column(name: &str) -> TableAliasColumnDef {
    TableAliasColumnDef { name: ident(name), data_type: None }
}

/// A plain table factor.
pub(super) fn table_factor(name: ObjectName, alias: TableAlias) -> TableFactor {
    TableFactor::Table {
        name,
        alias: Some(alias),
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}
