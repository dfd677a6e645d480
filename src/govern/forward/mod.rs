//! Forwarding: a governed statement as text for an upstream PostgreSQL.
//!
//! [`forward`] puts derived tables over the upstream's relations in place of `__querygate.rN` ([`relation`]), masks as SQL
//! ([`mask`]), a barrier for each by analysis ([`leak`]), and everything else in names of `pg_catalog` ([`translate`]).
//! The text is then read by PostgreSQL's own grammar and proved ([`verify`], [`expected`], [`guarded`]).
//!
//! The upstream's session must be pinned: `search_path = pg_catalog`, `standard_conforming_strings = on`, the server's
//! encoding UTF8. Names of outputs are the tree's; those of the client are [`GovernedStatement::output`]'s.
//!
//! Pure: nothing here knows a connection, and no key is in a text.

mod bounds;
mod clock;
mod expected;
mod functions;
mod guarded;
mod leak;
mod mask;
mod relation;
mod rows;
mod translate;
pub mod verify;
mod verify_rows;
mod verify_write;
mod views;
mod walk;
mod write;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod write_tests;

pub use clock::follows_clock;
pub use leak::Barrier;
pub use rows::{RowSecurity, RowTables, SecuredRelation};
pub use views::BarrierView;
pub use write::MARK;

use super::statement::{ColumnValue, GovernedStatement, GovernedTarget};
use crate::catalog::{Dataset, DatasetLocation};
use crate::error::{ErrorReport, SqlState};
use crate::sql::{PrintError, on_deep_stack, print_checked};
use crate::types::{DatasetName, SqlType};
use leak::Barriers;
use mask::KeyParameters;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use verify::ForwardVerifyError;

/// What a governed relation's derived table calls the upstream's relation.
const ROW_ALIAS: &str = "__querygate_t";
/// The same for a relation that a policy reads.
const RAW_ALIAS: &str = "__querygate_f";

/// What forwarding reads beside the statement.
#[derive(Debug, Clone, Copy)]
pub struct ForwardContext<'a> {
    /// How many parameters the client's statement has, `$1` to `$n`.
    pub parameters: usize,
    /// The types that the client declared for them, `None` for one that it left to the server. May be shorter.
    pub parameter_types: &'a [Option<SqlType>],
    /// What functions without arguments that ask for the session answer, by name (`current_user`, `version` …): they are
    /// put in as constants. One that is not here is refused.
    pub session: &'a BTreeMap<String, String>,
    /// Datasets whose relation is known to be a table of the upstream, partitioned or not. Any other may be a view, which
    /// may hide rows itself, and is always fenced.
    pub tables: &'a BTreeSet<DatasetName>,
}

/// A statement for an upstream, proved to read governed relations alone.
///
/// INVARIANT: only [`forward`] makes one, from a [`GovernedStatement`]. It can't be cloned.
#[derive(Debug)]
pub struct ForwardedStatement {
    source: String,
    text: String,
    relations: Vec<ForwardedRelation>,
    extra: Vec<ExtraParameter>,
    views: Vec<BarrierView>,
    rows: Option<RowSecurity>,
}

impl ForwardedStatement {
    /// The source of the catalog that it goes to.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text to send, as one statement.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How each relation is kept apart, for `EXPLAIN (GOVERNANCE)`.
    pub fn relations(&self) -> &[ForwardedRelation] {
        &self.relations
    }

    /// The parameters to bind after the client's, in this order, each a `bytea`. Their values are the key's: they may not
    /// reach a log.
    pub fn extra_parameters(&self) -> &[ExtraParameter] {
        &self.extra
    }

    /// The views that the text reads. It means what was governed only if each of them is in the upstream, as defined here
    /// and with `security_barrier`.
    pub fn views(&self) -> &[BarrierView] {
        &self.views
    }

    /// The role that it must be run as; it means what was governed only if that has these policies in the upstream, and
    /// no others. Run as anybody else, the relations whose rows they hide have no rows. `None`: the login itself.
    pub fn row_security(&self) -> Option<&RowSecurity> {
        self.rows.as_ref()
    }
}

/// A parameter that the gateway adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtraParameter {
    /// [`super::mask::KeyBlocks::inner`]
    InnerKeyBlock,
    /// [`super::mask::KeyBlocks::outer`]
    OuterKeyBlock,
}

/// One relation of a forwarded statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardedRelation {
    /// `r0`, `r1` …
    pub key: String,
    /// The dataset.
    pub dataset: DatasetName,
    /// How it is kept apart from what the user wrote.
    pub barrier: Barrier,
    /// Why, in the user's terms, without constants.
    pub reason: String,
    /// How many of the user's conditions stand below the fence too.
    pub copied: usize,
    /// The view that stands in the fence's place: schema and name.
    pub view: Option<String>,
    /// The role whose row security stands in the fence's place.
    pub role: Option<String>,
}

/// Why a statement is not forwarded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// Relations that no single upstream holds: 0A000.
    #[error("a statement over several sources is not supported")]
    Mixed,
    /// What the gateway does not forward: 0A000.
    #[error("{what} is not supported")]
    NotSupported {
        /// What was found.
        what: String,
        /// What works instead, as sentences.
        hint: String,
    },
    /// More than a planner should be given: 54001.
    #[error("statement too complex")]
    TooComplex,
    /// The text does not mean the tree: XX000.
    #[error("{0}")]
    Print(#[from] PrintError),
    /// The second reading does not prove it: XX000.
    #[error("{0}")]
    Verify(#[from] ForwardVerifyError),
    /// The statement is not what governing makes: XX000.
    #[error("statement could not be forwarded: {0}")]
    Broken(&'static str),
}

impl ForwardError {
    /// What the client is told; the rest is for the log.
    pub fn report(&self) -> ErrorReport {
        match self {
            Self::Mixed => ErrorReport::new(SqlState::FEATURE_NOT_SUPPORTED, self.to_string()).with_hint(
                "Ask each source in a statement of its own: datasets of one PostgreSQL source can be joined with each \
                 other, not yet with files, other sources or system relations.",
            ),
            Self::NotSupported { hint, .. } => {
                ErrorReport::new(SqlState::FEATURE_NOT_SUPPORTED, self.to_string()).with_hint(hint.clone())
            }
            Self::TooComplex => ErrorReport::new(SqlState("54001"), self.to_string())
                .with_hint("Split the statement, or use fewer WITH queries and joins."),
            Self::Print(_) | Self::Verify(_) | Self::Broken(_) => {
                ErrorReport::new(SqlState::INTERNAL_ERROR, "statement could not be verified as governed")
                    .with_detail("The statement was not run.")
            }
        }
    }
}

/// The upstream that a statement must be forwarded to; `None`: it reads none, and runs in the gateway. One that reads no
/// relation at all goes to its [`GovernedStatement::home`].
///
/// # Errors
/// [`ForwardError::Mixed`] if it reads an upstream and anything else.
pub fn upstream_of(statement: &GovernedStatement) -> Result<Option<&str>, ForwardError> {
    let mut upstreams = BTreeSet::new();
    let mut elsewhere = false;
    for relation in statement.relations() {
        match &relation.target {
            GovernedTarget::System(_) => elsewhere = true,
            GovernedTarget::Dataset(governed) => {
                for dataset in std::iter::once(&governed.dataset).chain(governed.raw_relations.values()) {
                    match upstream_of_dataset(dataset) {
                        Some(source) => _ = upstreams.insert(source),
                        None => elsewhere = true,
                    }
                }
            }
        }
    }
    match (upstreams.pop_first(), upstreams.is_empty(), elsewhere) {
        (None, _, false) => Ok(statement.home()),
        (None, ..) => Ok(None),
        (Some(source), true, false) => Ok(Some(source)),
        (Some(_), ..) => Err(ForwardError::Mixed),
    }
}

fn upstream_of_dataset(dataset: &Arc<Dataset>) -> Option<&str> {
    match dataset.location {
        DatasetLocation::Relation { .. } => Some(&dataset.source),
        DatasetLocation::Files { .. } => None,
    }
}

/// Makes the text of a governed statement for its upstream, and proves it.
///
/// # Errors
/// [`ForwardError`]: nothing may be sent.
pub fn forward(
    statement: &GovernedStatement,
    context: &ForwardContext<'_>,
) -> Result<ForwardedStatement, ForwardError> {
    on_deep_stack(|| forward_on_this_stack(statement, context, Managed::Nothing))
}

/// The same with views of a schema in the place of fences, where they can be.
///
/// # Errors
/// As [`forward`].
pub fn forward_with_views(
    statement: &GovernedStatement,
    context: &ForwardContext<'_>,
    schema: &str,
) -> Result<ForwardedStatement, ForwardError> {
    on_deep_stack(|| forward_on_this_stack(statement, context, Managed::Views(schema)))
}

/// The same with native row security in the place of fences, where it can be.
///
/// # Errors
/// As [`forward`].
pub fn forward_with_rows(
    statement: &GovernedStatement,
    context: &ForwardContext<'_>,
    tables: &RowTables,
) -> Result<ForwardedStatement, ForwardError> {
    on_deep_stack(|| forward_on_this_stack(statement, context, Managed::Rows(tables)))
}

/// What may stand in the place of fences.
#[derive(Debug, Clone, Copy)]
enum Managed<'a> {
    Nothing,
    /// Views of a schema.
    Views(&'a str),
    /// Policies on these tables.
    Rows(&'a RowTables),
}

fn forward_on_this_stack(
    statement: &GovernedStatement,
    context: &ForwardContext<'_>,
    managed: Managed<'_>,
) -> Result<ForwardedStatement, ForwardError> {
    let source = upstream_of(statement)?.ok_or(ForwardError::Broken("it reads no upstream"))?.to_owned();
    bounds::check_tree(statement.query())?;
    if !context.parameter_types.iter().flatten().all(walk::is_type_of_values) {
        return Err(ForwardError::NotSupported {
            what: "a parameter of a type whose values are names".to_owned(),
            hint: "Declare a type of values, such as text or bigint, or none.".to_owned(),
        });
    }
    let inner = context.parameters.saturating_add(1);
    let key = KeyParameters { inner, outer: inner.saturating_add(1) };
    let mut fences = leak::barriers(statement, context);
    match managed {
        Managed::Views(schema) if statement.write().is_none() => {
            views::choose(statement, &mut fences, context, schema, key)?;
        }
        Managed::Rows(tables) if statement.write().is_none() => {
            rows::choose(statement, &mut fences, context, tables)?;
        }
        Managed::Nothing | Managed::Views(_) | Managed::Rows(_) => {}
    }
    let text = match statement.write() {
        Some(write) => write::text(statement, write, &fences, context, key)?,
        None => print_checked(&translate::statement(statement, &fences, context, key)?)?,
    };
    bounds::check_text(&text)?;
    let verified = match statement.write() {
        Some(write) => verify_write::verify_text(&text, (statement, write), &fences, context, key),
        None => verify::verify_text(&text, statement, &fences, context, key),
    };
    verified.map_err(ForwardError::Verify)?;
    let views: BTreeMap<&str, &BarrierView> =
        fences.relations.values().filter_map(|fenced| fenced.view.as_ref()).map(|view| (view.name(), view)).collect();
    let views = views.into_values().cloned().collect();
    let extra = if reads_key(statement) {
        vec![ExtraParameter::InnerKeyBlock, ExtraParameter::OuterKeyBlock]
    } else {
        Vec::new()
    };
    let relations = relations(statement, &fences);
    Ok(ForwardedStatement { source, text, relations, extra, views, rows: fences.rows })
}

fn relations(statement: &GovernedStatement, fences: &Barriers) -> Vec<ForwardedRelation> {
    let described = statement.relations().iter().filter_map(|relation| match &relation.target {
        GovernedTarget::System(_) => None,
        GovernedTarget::Dataset(dataset) => fences.get(&relation.key).map(|fenced| ForwardedRelation {
            key: relation.key.clone(),
            dataset: dataset.dataset.name.clone(),
            barrier: fenced.barrier,
            reason: fenced.reason.clone(),
            copied: fenced.copied.len(),
            view: fenced.view.as_ref().map(|view| format!("{}.{}", view.schema(), view.name())),
            role: fenced.role.clone(),
        }),
    });
    described.collect()
}

/// Whether a mask that the text holds names the key's parameters.
fn reads_key(statement: &GovernedStatement) -> bool {
    statement.relations().iter().any(|relation| match &relation.target {
        GovernedTarget::System(_) => false,
        GovernedTarget::Dataset(dataset) => dataset.columns.iter().any(|column| match &column.value {
            ColumnValue::Masked(mask) => dataset.used.contains(&column.name) && mask::reads_key(mask),
            ColumnValue::Clear | ColumnValue::Computed(_) => false,
        }),
    })
}
