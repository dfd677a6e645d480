//! The catalog held against its PostgreSQL sources: `querygate check --connect`, and what `querygate init` starts from.

use super::serving::Folders;
use super::upstreams::{unreachable, unusable};
use crate::catalog::{CatalogSpec, DatasetSpec, DsnSource, Finding, PoolSettings, SourceKind, UpstreamFacts, load};
use crate::execute::upstream::{Dsn, Pool, SessionSettings, UpstreamError, dsn};
use std::time::Duration;
use tokio::time::Instant;

/// How long an upstream may take to tell all about itself.
const ANSWER: Duration = Duration::from_secs(120);
/// The owner of the connection: no user has this name.
const OWNER: &str = "\0inspection";

impl Folders {
    /// What the PostgreSQL sources of the catalog say of themselves that the catalog does not, or says otherwise. A source
    /// that can't be read is a finding, and the others are still read.
    pub async fn compare(&self) -> Vec<Finding> {
        let (Some(spec), _) = load(&self.catalog_files(&mut Vec::new())) else { return Vec::new() };
        let mut findings = Vec::new();
        for source in spec.sources().values() {
            let SourceKind::Postgres { dsn, .. } = &source.kind else { continue };
            match dsn::read(dsn).map_err(UpstreamError::from) {
                Err(error) => findings.push(of_source(&spec, &source.name, &error, &unusable)),
                Ok(dsn) => match facts(&source.name, dsn).await {
                    Err(error) => findings.push(of_source(&spec, &source.name, &error, &unreachable)),
                    Ok(facts) => findings.extend(spec.compare(&source.name, &facts)),
                },
            }
        }
        findings
    }
}

/// Placed as loading places it: at the first dataset of the source, or else at the source.
fn of_source(
    spec: &CatalogSpec,
    source: &str,
    error: &UpstreamError,
    finding: &dyn Fn(&DatasetSpec, &UpstreamError) -> Finding,
) -> Finding {
    match spec.datasets().find(|dataset| dataset.source == source) {
        Some(first) => finding(first, error),
        None => spec.source_error(source, format!("source {source:?} can't be read: {error}"), None),
    }
}

async fn facts(name: &str, dsn: Dsn) -> Result<UpstreamFacts, UpstreamError> {
    let pool = Pool::new(name, dsn, PoolSettings { max: 1, ..PoolSettings::default() })?;
    let deadline = Some(Instant::now() + ANSWER);
    let facts = async { pool.lease(OWNER, &SessionSettings::default(), deadline).await?.facts(deadline).await }.await;
    pool.drain(Duration::ZERO).await;
    facts
}

/// What a server says of itself, by a connection string that no catalog names yet.
///
/// # Errors
/// Why not, in words that hold no part of the connection string.
pub async fn facts_of(dsn: &DsnSource) -> Result<UpstreamFacts, String> {
    let dsn = dsn::read(dsn).map_err(|error| error.to_string())?;
    facts("init", dsn).await.map_err(|error| error.to_string())
}

/// The same by the connection string itself.
///
/// # Errors
/// As [`facts_of`].
pub async fn facts_by(dsn: &str) -> Result<UpstreamFacts, String> {
    let dsn = dsn::parse(dsn).map_err(|error| error.to_string())?;
    facts("init", dsn).await.map_err(|error| error.to_string())
}
