//! Resolving: binds every name of a statement to the catalog, and rebuilds the tree from what was understood.
//!
//! INVARIANT: the tree is rebuilt node by node from matches that name every field; nothing is copied unread. What is not
//! understood is refused by name (0A000).

mod call;
mod data_type;
mod expr;
mod from;
mod join;
mod known_type;
mod literal;
mod operator;
mod order;
mod policy;
mod projection;
mod query;
mod relation;
mod select;
mod special;
mod with;

pub(super) use data_type::is_of_upstreams;
pub(super) use join::{binary, call};
pub(super) use literal::text_value;
pub(super) use policy::{PolicyExpression, resolve_policy_expression};

use super::error::{Location, ResolveError, ResolveFault};
use super::lineage::Lineage;
use super::names;
use super::resolved::{AggregateFacts, BlockFacts, Place, RelationTarget, RelationUse, ResolvedStatement};
use super::scope::{Ctes, Namespace, Scope};
use crate::catalog::{CatalogSnapshot, DatasetLocation, Source, SourceKind, SystemRelations, Workspace};
use crate::sql::functions;
use crate::types::DatasetName;
use sqlparser::ast::{Expr, Ident, Query, Value, visit_expressions_mut};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Token, Tokenizer};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// All that names are looked up in.
#[derive(Debug, Clone, Copy)]
pub struct ResolveContext<'a> {
    /// The datasets that there are.
    pub catalog: &'a CatalogSnapshot,
    /// The workspace: if it lists datasets, no others exist.
    pub workspace: &'a Workspace,
    /// The relations that the gateway itself serves.
    pub system: &'a SystemRelations,
    /// Schemas for names without one, in order. `pg_catalog` is searched first unless it is among them.
    pub search_path: &'a [String],
    /// The name of the connection's database: the only one that may qualify a name.
    pub database: &'a str,
    /// Columns that the decisions deny, by dataset: `*`, NATURAL and whole rows leave them out, naming one is
    /// [`ResolveFault::DeniedColumn`].
    pub denied: &'a BTreeMap<DatasetName, BTreeSet<String>>,
    /// Datasets that do not exist for this user. Ask [`undiscoverable`] which to decide about beforehand.
    pub invisible: &'a BTreeSet<DatasetName>,
}

/// Binds every name of a query.
///
/// # Errors
/// The first fault in reading order, as PostgreSQL would tell it, or 0A000 for what is not understood.
pub fn resolve(query: &Query, context: &ResolveContext<'_>) -> Result<ResolvedStatement, ResolveError> {
    let mut resolver = Resolver {
        context,
        relations: Vec::new(),
        functions: BTreeSet::new(),
        blocks: Vec::new(),
        cte_names: BTreeSet::new(),
        depth: 0,
        cost: 0,
        repeated: 0,
        policy: None,
        upstream_only: None,
        vectors: false,
    };
    let namespace = Namespace::default();
    let scope = Scope { namespace: &namespace, outer: None };
    let resolved = resolver.query(query, &scope, &Ctes::NONE)?;
    let home = resolver.home();
    if let Some(refusal) = resolver
        .upstream_only
        .take_if(|_| !resolver.relations.iter().all(is_upstreams) || (resolver.relations.is_empty() && home.is_none()))
    {
        return Err(refusal);
    }
    let mut query = resolved.query;
    if home.is_none() && (resolver.relations.is_empty() || !resolver.relations.iter().all(is_upstreams)) {
        without_collations(&mut query);
    }
    Ok(ResolvedStatement {
        query: Box::new(query),
        relations: resolver.relations,
        functions: resolver.functions,
        output: resolved.columns.into_iter().map(query::QueryColumn::into_output).collect(),
        is_aggregate: resolved.is_aggregate,
        blocks: resolver.blocks,
        home,
    })
}

/// The datasets with `discoverable: false` that a query may mean: ask about these first, and put those without access
/// into [`ResolveContext::invisible`], so that no error can speak of them. It names too many rather than too few: each
/// whose name occurs as a word.
pub fn undiscoverable(query: &Query, catalog: &CatalogSnapshot) -> BTreeSet<DatasetName> {
    let hidden = catalog.datasets.values().filter(|dataset| !dataset.discoverable);
    mentioned(query, hidden.map(|dataset| &dataset.name).collect())
}

/// The datasets that a query may mean: too many rather than too few, as [`undiscoverable`].
pub fn meant(query: &Query, catalog: &CatalogSnapshot) -> BTreeSet<DatasetName> {
    mentioned(query, catalog.datasets.keys().collect())
}

/// Those of some datasets whose name occurs as a word.
fn mentioned(query: &Query, mut datasets: BTreeSet<&DatasetName>) -> BTreeSet<DatasetName> {
    if datasets.is_empty() {
        return BTreeSet::new();
    }
    let text = query.to_string();
    let dialect = PostgreSqlDialect {};
    if let Ok(tokens) = Tokenizer::new(&dialect, &text).with_unescape(false).tokenize() {
        let words: BTreeSet<String> = tokens
            .into_iter()
            .filter_map(|token| match token {
                Token::Word(word) => Some(word.value.to_lowercase()),
                _ => None,
            })
            .collect();
        datasets.retain(|name| words.contains(&name.name().to_lowercase()));
    }
    datasets.into_iter().cloned().collect()
}

/// How deeply queries and expressions may nest. Chains of operators and of set operations do not count. What the bound
/// allows fits a stack of 2 MiB; unoptimized code has larger frames.
const MAX_DEPTH: usize = if cfg!(debug_assertions) { 120 } else { 240 };

/// The most expressions and columns that references to WITH queries may bring. The engine plans each reference anew, so
/// that a chain of WITH queries which each read the last one twice doubles with each: thirty of them are more than any
/// memory holds.
const MAX_REPEATED: usize = 500_000;

/// What a query counts for in [`MAX_DEPTH`]: its frames are that much larger than an expression's.
const QUERY_DEPTH: usize = 8;

/// The state of one resolution.
struct Resolver<'a> {
    context: &'a ResolveContext<'a>,
    relations: Vec<RelationUse>,
    functions: BTreeSet<String>,
    blocks: Vec<BlockFacts>,
    cte_names: BTreeSet<String>,
    depth: usize,
    /// What the engine plans: expressions and output columns, those of a WITH query once for each reference to it.
    cost: usize,
    /// How much of it comes from references to WITH queries.
    repeated: usize,
    /// The refusal of the first thing that only an upstream has, should the statement turn out not to be for one.
    upstream_only: Option<ResolveError>,
    /// Whether a `tsvector` has been seen.
    vectors: bool,
    /// Set while a policy's expression is read instead of a user's statement.
    policy: Option<policy::PolicyScope<'a>>,
}

/// Where an expression stands.
#[derive(Clone, Copy)]
struct Ctx<'s> {
    scope: &'s Scope<'s>,
    ctes: &'s Ctes<'s>,
    place: Place,
    /// Inside the arguments of a function.
    argument: bool,
    /// What keeps aggregates out here, such as `WHERE`; `None`: they may stand here.
    no_aggregates: Option<&'static str>,
    /// What keeps window functions out here.
    no_windows: Option<&'static str>,
    /// A whole row may stand here as a value.
    row: bool,
    /// The block's named windows.
    windows: &'s BTreeMap<String, Lineage>,
}

impl Ctx<'_> {
    fn at(self, place: Place) -> Self {
        Self { place, row: false, ..self }
    }

    fn plain(self) -> Self {
        Self { row: false, ..self }
    }
}

/// What is known of an expression, beside its tree.
#[derive(Debug, Clone, Default)]
struct Facts {
    /// What it was computed from.
    lineage: Lineage,
    /// The aggregates of its own block in it.
    aggregates: Vec<AggregateFacts>,
    /// Whether it holds a window function.
    windows: bool,
    /// Whether it holds a subquery that does not aggregate.
    rows: bool,
    /// Whether it gives a set, and so more or fewer rows than its block would.
    sets: bool,
}

impl Facts {
    fn absorb(&mut self, other: Self) {
        self.lineage.absorb(&other.lineage);
        self.aggregates.extend(other.aggregates);
        self.windows |= other.windows;
        self.rows |= other.rows;
        self.sets |= other.sets;
    }
}

/// Takes collations out of what the embedded engine is to run: its texts compare by their bytes, as all those do that it
/// takes.
fn without_collations(query: &mut Query) {
    let _ = visit_expressions_mut(query, |expr| -> ControlFlow<()> {
        while let Expr::Collate { expr: inner, .. } = expr {
            let inner = std::mem::replace(inner.as_mut(), Expr::Value(Value::Null.into()));
            *expr = inner;
        }
        ControlFlow::Continue(())
    });
}

/// Whether a relation lies in an upstream.
fn is_upstreams(relation: &RelationUse) -> bool {
    match &relation.target {
        RelationTarget::Dataset(dataset) => matches!(dataset.location, DatasetLocation::Relation { .. }),
        RelationTarget::System(_) => false,
    }
}

impl Resolver<'_> {
    /// Where a statement that reads no relation is answered: by the one source that there is, if that is PostgreSQL, for
    /// then it means what it does beside that source's data. What asks for the session is answered here.
    fn home(&self) -> Option<String> {
        let [(name, Source { kind: SourceKind::Postgres { .. }, .. })] =
            self.context.catalog.sources.iter().collect::<Vec<_>>()[..]
        else {
            return None;
        };
        let asks_for_session =
            || self.functions.iter().any(|name| functions::lookup(name).is_some_and(|function| function.system));
        let reaches = || self.context.catalog.datasets.values().any(|of| of.source == *name && self.is_visible(of));
        (self.relations.is_empty() && !asks_for_session() && reaches()).then(|| name.clone())
    }

    /// Notes something that the embedded engine does not have. A policy's expression is for both engines.
    fn upstream_only(&mut self, what: impl Into<String>, hint: &str, at: Option<Location>) -> Result<(), ResolveError> {
        let refusal = super::error::refuse(what, hint).at(at);
        if self.policy.is_some() {
            return Err(refusal);
        }
        self.upstream_only.get_or_insert(refusal);
        Ok(())
    }

    /// Runs one level deeper.
    fn nested<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T, ResolveError>) -> Result<T, ResolveError> {
        self.deeper(1, run)
    }

    /// Runs so many levels deeper.
    fn deeper<T>(
        &mut self,
        levels: usize,
        run: impl FnOnce(&mut Self) -> Result<T, ResolveError>,
    ) -> Result<T, ResolveError> {
        let before = self.depth;
        self.depth = before.saturating_add(levels);
        if self.depth > MAX_DEPTH {
            self.depth = before;
            return Err(ResolveFault::TooComplex.into());
        }
        let result = run(self);
        self.depth = before;
        result
    }
}

/// Where an identifier stands in the text.
fn place_of(ident: &Ident) -> Option<Location> {
    Location::of(ident.span)
}

/// An alias for the tree: the wanted name if every engine reads it alike and it is not taken, else one like it.
fn engine_name(wanted: &str, fallback: &str, taken: impl Fn(&str) -> bool) -> String {
    let is_plain = names::is_simple(wanted)
        && !names::is_reserved(wanted)
        && !wanted.starts_with("__querygate")
        && wanted.len() <= 60;
    let base = if is_plain { wanted } else { fallback };
    if !taken(base) {
        return base.to_owned();
    }
    (2_usize..).map(|n| format!("{base}_{n}")).find(|name| !taken(name)).unwrap_or_default()
}
