//! The PostgreSQL sources of a catalog: a pool for each, and what their relations are.
//!
//! A source that can't be reached when the catalog is loaded is a mistake like any other: nothing is served of relations
//! that nobody has seen.

use crate::catalog::{
    BarrierSettings, CatalogSpec, DatasetLocation, DatasetSpec, Finding, InferredColumn, InferredSchema, PoolSettings,
    Source, SourceKind, upstream_type,
};
use crate::execute::upstream::{
    Dsn, Lease, Managed, ManagedRows, ManagedViews, Means, Pool, Relation, RelationKind, SessionSettings,
    UpstreamError, dsn,
};
use crate::govern::forward::RowTables;
use crate::types::DatasetName;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long an upstream may take to tell what one relation is.
const ANSWER: Duration = Duration::from_secs(30);
/// The owner of connections that read an upstream's catalogs: no user has this name.
const OWNER: &str = "\0gateway";

/// The upstreams of one version of the catalog.
#[derive(Debug, Clone, Default)]
pub struct Upstreams {
    by_source: BTreeMap<String, Upstream>,
    tables: Arc<BTreeSet<DatasetName>>,
    /// Of sources with roles and policies.
    rows: Arc<RowTables>,
}

#[derive(Clone)]
struct Upstream {
    dsn: Dsn,
    pool: Pool,
    managed: Option<Managed>,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream").field("pool", &self.pool).finish_non_exhaustive()
    }
}

/// What opening the upstreams of a catalog gave.
pub(super) struct Opened {
    pub(super) upstreams: Upstreams,
    /// The columns of each dataset whose relation was found.
    pub(super) schemas: BTreeMap<DatasetName, InferredSchema>,
    pub(super) findings: Vec<Finding>,
}

impl Upstreams {
    /// Connects to each source that datasets lie in, and reads what their relations are. A pool of `before` is taken over
    /// if it would be the same; one that is not goes when the last statement on it has ended.
    pub(super) async fn open(spec: &CatalogSpec, before: &Self) -> Opened {
        let mut opened = Opened { upstreams: Self::default(), schemas: BTreeMap::new(), findings: Vec::new() };
        let mut tables = BTreeSet::new();
        let mut rows = RowTables::default();
        for source in spec.sources().values() {
            let datasets: Vec<&DatasetSpec> = spec.datasets().filter(|dataset| dataset.source == source.name).collect();
            let (SourceKind::Postgres { dsn, pool, barrier }, Some(first)) = (&source.kind, datasets.first()) else {
                continue;
            };
            let upstream = match dsn::read(dsn)
                .map_err(UpstreamError::from)
                .and_then(|dsn| before.pool(source, dsn, pool, barrier.as_ref()))
            {
                Ok(upstream) => upstream,
                Err(error) => {
                    opened.findings.push(unusable(first, &error));
                    continue;
                }
            };
            match upstream.pool.lease(OWNER, &SessionSettings::default(), Some(Instant::now() + ANSWER)).await {
                Ok(mut lease) => {
                    match &upstream.managed {
                        Some(Managed::Views(views)) => {
                            opened.findings.extend(adopt(views, &mut lease, spec, &datasets).await);
                        }
                        Some(Managed::Rows(roles)) => {
                            let found = secure(roles, &mut lease, spec, (&datasets, &mut rows)).await;
                            opened.findings.extend(found.unwrap_or_else(|error| vec![unreachable(first, &error)]));
                        }
                        None => {}
                    }
                    look(lease, &datasets, &mut tables, &mut opened).await;
                }
                Err(error) => opened.findings.push(unreachable(first, &error)),
            }
            opened.upstreams.by_source.insert(source.name.clone(), upstream);
        }
        opened.upstreams.tables = Arc::new(tables);
        opened.upstreams.rows = Arc::new(rows);
        opened
    }

    fn pool(
        &self,
        source: &Source,
        dsn: Dsn,
        settings: &PoolSettings,
        barrier: Option<&BarrierSettings>,
    ) -> Result<Upstream, UpstreamError> {
        let before = self.by_source.get(&source.name).filter(|before| before.dsn == dsn);
        let kept = before.and_then(|before| before.managed.as_ref());
        let managed = match (kept, barrier) {
            (_, None) => None,
            (Some(kept @ Managed::Views(views)), Some(BarrierSettings::Views(settings)))
                if views.settings() == settings =>
            {
                Some(kept.clone())
            }
            (Some(kept @ Managed::Rows(rows)), Some(BarrierSettings::Rows(settings)))
                if rows.settings() == settings =>
            {
                Some(kept.clone())
            }
            (_, Some(BarrierSettings::Views(settings))) => {
                Some(Managed::Views(Arc::new(ManagedViews::new(settings.clone()))))
            }
            (_, Some(BarrierSettings::Rows(settings))) => {
                Some(Managed::Rows(Arc::new(ManagedRows::new(settings.clone()))))
            }
        };
        let pool = match before.filter(|before| before.pool.settings() == settings) {
            Some(before) => before.pool.clone(),
            None => Pool::new(&source.name, dsn.clone(), settings.clone())?,
        };
        Ok(Upstream { dsn, pool, managed })
    }

    /// What the gateway keeps in a source.
    pub(super) fn managed(&self, source: &str) -> Option<&Managed> {
        self.by_source.get(source)?.managed.as_ref()
    }

    /// The same as what a statement's text may be made with.
    pub(super) fn means(&self, source: &str) -> Option<Means<'_>> {
        Some(match self.managed(source)? {
            Managed::Views(views) => Means::Views { schema: &views.settings().schema },
            Managed::Rows(_) => Means::Rows(&self.rows),
        })
    }

    /// The connections of a source.
    pub(super) fn get(&self, source: &str) -> Option<&Pool> {
        self.by_source.get(source).map(|upstream| &upstream.pool)
    }

    /// The datasets that are tables of their upstreams.
    pub(super) fn tables(&self) -> &Arc<BTreeSet<DatasetName>> {
        &self.tables
    }

    /// Ends all connections, those that work after a time.
    pub async fn drain(&self, grace: Duration) {
        futures::future::join_all(self.by_source.values().map(|upstream| upstream.pool.drain(grace))).await;
    }
}

/// Looks whether views may be kept in a source, and which there are.
async fn adopt(views: &ManagedViews, lease: &mut Lease, spec: &CatalogSpec, datasets: &[&DatasetSpec]) -> Vec<Finding> {
    let (schema, mut findings) = (&views.settings().schema, Vec::new());
    for dataset in datasets {
        if matches!(&dataset.location, DatasetLocation::Relation { schema: of, .. } if of == schema) {
            let what = format!("dataset {} lies in the schema {schema}, which holds the gateway's views", dataset.name);
            findings.push(dataset.location_error(what, Some("give the views a schema of their own".into())));
        }
    }
    let Some(first) = datasets.first() else { return findings };
    match views.adopt(lease, Some(Instant::now() + ANSWER)).await {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => {
            let what = format!("the schema {schema} for the views of source {:?} {fault}", first.source);
            let help = format!(
                "have an administrator run CREATE SCHEMA {schema} AUTHORIZATION <the login>, which no other role is a member \
                 of and nobody else may create in; or take barrier out"
            );
            findings.push(spec.source_error(&first.source, what, Some(help)));
        }
        Err(error) => findings.push(unreachable(first, &error)),
    }
    findings
}

/// Looks whether roles may be kept in a source, which there are, and which of its tables they can be given.
async fn secure(
    roles: &ManagedRows,
    lease: &mut Lease,
    spec: &CatalogSpec,
    (datasets, rows): (&[&DatasetSpec], &mut RowTables),
) -> Result<Vec<Finding>, UpstreamError> {
    let Some(first) = datasets.first() else { return Ok(Vec::new()) };
    if let Err(fault) = roles.adopt(lease, Some(Instant::now() + ANSWER)).await? {
        let what = format!("the login of source {:?}, whose barrier is rls, {fault}", first.source);
        let help = "have an administrator run ALTER ROLE <the login> CREATEROLE, or take barrier out";
        return Ok(vec![spec.source_error(&first.source, what, Some(help.into()))]);
    }
    let mut findings = Vec::new();
    for dataset in datasets {
        let DatasetLocation::Relation { schema, name } = &dataset.location else { continue };
        match ManagedRows::fit(lease, (schema, name), Some(Instant::now() + ANSWER)).await? {
            None => {}
            Some(Ok(())) => _ = rows.secured.insert(dataset.name.clone()),
            Some(Err(fault)) => {
                if fault.leaves_readable() {
                    rows.plain.insert(dataset.name.clone());
                }
                let (what, help) = fault.told(schema, name);
                findings.push(dataset.location_warning(what, Some(help)));
            }
        }
    }
    Ok(findings)
}

/// Reads the relations of one source's datasets.
async fn look(mut lease: Lease, datasets: &[&DatasetSpec], tables: &mut BTreeSet<DatasetName>, opened: &mut Opened) {
    for dataset in datasets {
        let DatasetLocation::Relation { schema, name } = &dataset.location else { continue };
        let relation = match lease.relation(schema, name, Some(Instant::now() + ANSWER)).await {
            Ok(relation) => relation,
            Err(error) => {
                opened.findings.push(unreachable(dataset, &error));
                return;
            }
        };
        match relation.ok_or("does not exist").and_then(usable) {
            Ok(Relation { kind, columns }) => {
                if kind == RelationKind::Table {
                    tables.insert(dataset.name.clone());
                }
                let columns = columns.into_iter().map(|column| InferredColumn {
                    sql_type: upstream_type(&column.type_name),
                    name: column.name,
                    nullable: column.nullable,
                });
                opened.schemas.insert(dataset.name.clone(), columns.collect());
            }
            Err(problem) => {
                let what = format!("relation {schema}.{name} {problem} in source {:?}", dataset.source);
                let help = "relations are named schema.name, as the upstream spells them";
                opened.findings.push(dataset.location_error(what, Some(help.into())));
            }
        }
    }
}

fn usable(relation: Relation) -> Result<Relation, &'static str> {
    match relation.kind {
        RelationKind::NoRows => Err("is no table and no view"),
        RelationKind::Table | RelationKind::Other if relation.columns.is_empty() => Err("has no columns"),
        RelationKind::Table | RelationKind::Other => Ok(relation),
    }
}

/// The connection string or its certificates.
pub(super) fn unusable(dataset: &DatasetSpec, error: &UpstreamError) -> Finding {
    dataset.location_error(
        format!("source {:?} can't be used: {error}", dataset.source),
        Some("the connection string is where the source's dsn_env or dsn_file says".into()),
    )
}

pub(super) fn unreachable(dataset: &DatasetSpec, error: &UpstreamError) -> Finding {
    dataset.location_error(
        format!("source {:?} can't be read: {error}", dataset.source),
        Some(
            "nothing is served while a source of the catalog can't be reached: start it, or take its datasets out"
                .into(),
        ),
    )
}
