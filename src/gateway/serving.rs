//! What serves at one moment: a catalog, the policies and the files behind it, loaded together or not at all.

use super::{ReadyStatements, Upstreams};
use crate::catalog::{CatalogFile, CatalogSnapshot, Finding, Principal, SystemRelations, User, load};
use crate::execute::datafusion::{DataFusionEngine, RawTables};
use crate::execute::metadata::system_relations;
use crate::policy::{PolicyBundle, PolicyFile};
use crate::types::UserId;
use moka::sync::Cache;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One consistent version of everything that decisions are made from. A statement pins one from its first step to its
/// last row.
#[derive(Debug)]
pub struct Serving {
    /// The catalog.
    pub catalog: Arc<CatalogSnapshot>,
    /// The policies.
    pub policies: Arc<PolicyBundle>,
    /// The files behind the catalog's datasets.
    pub raw: RawTables,
    /// The connections to the catalog's PostgreSQL sources.
    pub upstreams: Upstreams,
    /// Those of its users who asked for something, with the roles that theirs include.
    pub principals: Cache<UserId, Arc<Principal>>,
    /// Statements that are ready for their upstreams.
    pub ready: ReadyStatements,
    /// Relations that the gateway itself serves.
    pub system: SystemRelations,
}

/// The most users whose roles are kept.
const PRINCIPALS: u64 = 100_000;

impl Serving {
    /// The principal that a user of this version's catalog is.
    pub(super) fn principal(&self, user: Arc<User>) -> Arc<Principal> {
        self.principals.get_with_by_ref(&user.id.clone(), || Arc::new(Principal::authenticated(user, &self.catalog)))
    }
}

/// Where catalog and policies lie.
#[derive(Debug, Clone)]
pub struct Folders {
    /// The folder with `*.yaml`.
    pub catalog: PathBuf,
    /// The folder with `*.rego`.
    pub policies: PathBuf,
}

/// What loading gave: something to serve only if nothing in it is an error.
#[derive(Debug)]
pub struct Loaded {
    /// What can serve.
    pub serving: Option<Serving>,
    /// Every mistake and every warning.
    pub findings: Vec<Finding>,
}

impl Folders {
    /// Reads both folders, opens files and upstreams and checks all of it against each other.
    pub async fn load(&self, engine: &DataFusionEngine) -> Loaded {
        self.load_again(engine, &Upstreams::default()).await
    }

    /// The same, with connections to upstreams that are there already: those that stay what they are are kept.
    pub async fn load_again(&self, engine: &DataFusionEngine, before: &Upstreams) -> Loaded {
        let mut findings = Vec::new();
        let catalog_files = self.catalog_files(&mut findings);
        let policy_files = texts(&self.policies, &["rego"], &mut findings);
        let policy_files: Vec<PolicyFile> =
            policy_files.into_iter().map(|(path, text)| PolicyFile { path, text }).collect();

        let (spec, found) = load(&catalog_files);
        if spec.is_none() {
            findings.extend(found);
        }
        let mut catalog = None;
        let mut raw = RawTables::default();
        let mut upstreams = Upstreams::default();
        if let Some(mut spec) = spec {
            let base = self.catalog.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
            let base = base.canonicalize().unwrap_or_else(|_| base.to_path_buf());
            let (tables, unusable) = engine.open(&mut spec, &base).await;
            findings.extend(unusable);
            raw = RawTables::new(tables);
            let opened = Upstreams::open(&spec, before).await;
            findings.extend(opened.findings);
            upstreams = opened.upstreams;
            let mut schemas = raw.schemas();
            schemas.extend(opened.schemas);
            // These repeat what loading found.
            let (snapshot, found) = spec.assemble(&schemas);
            findings.extend(found);
            catalog = snapshot;
        }
        let policies = match PolicyBundle::load(&policy_files) {
            Ok(bundle) => Some(bundle),
            Err(found) => {
                findings.extend(found);
                None
            }
        };
        if let (Some(catalog), Some(policies)) = (&catalog, &policies) {
            findings.extend(policies.check(catalog));
        }
        let sound = !findings.iter().any(Finding::is_error);
        let serving = match (catalog, policies) {
            (Some(catalog), Some(policies)) if sound => Some(Serving {
                catalog: Arc::new(catalog),
                policies: Arc::new(policies),
                raw,
                upstreams,
                principals: Cache::new(PRINCIPALS),
                ready: ReadyStatements::default(),
                system: system_relations(),
            }),
            _ => None,
        };
        Loaded { serving, findings }
    }

    pub(super) fn catalog_files(&self, findings: &mut Vec<Finding>) -> Vec<CatalogFile> {
        let files = texts(&self.catalog, &["yaml", "yml"], findings).into_iter();
        files.map(|(path, text)| CatalogFile { path, text }).collect()
    }
}

/// The files of a folder with one of some extensions, sorted by name. What can't be read is a finding.
fn texts(folder: &Path, extensions: &[&str], findings: &mut Vec<Finding>) -> Vec<(String, String)> {
    let unreadable = |path: &Path, error: &io::Error| {
        Finding::in_file(path.display().to_string(), format!("can't be read: {error}"))
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            findings.push(unreadable(folder, &error));
            return Vec::new();
        }
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|of| extensions.iter().any(|wanted| of == *wanted)))
        .collect();
    paths.sort();
    let mut texts = Vec::new();
    for path in paths {
        match std::fs::read_to_string(&path) {
            Ok(text) => texts.push((path.display().to_string(), text)),
            Err(error) => findings.push(unreadable(&path, &error)),
        }
    }
    texts
}

/// The policies of a folder, for those who need just them.
///
/// # Errors
/// The first file that can't be read.
pub fn read_policies(folder: &Path) -> Result<Vec<PolicyFile>, Finding> {
    let mut findings = Vec::new();
    let files = texts(folder, &["rego"], &mut findings);
    match findings.into_iter().next() {
        Some(finding) => Err(finding),
        None => Ok(files.into_iter().map(|(path, text)| PolicyFile { path, text }).collect()),
    }
}
