//! Catalog texts in, a [`CatalogSpec`] and all mistakes out.
//!
//! Any file of the folder may hold any of the sections; `users.yaml` and `workspaces.yaml` are a habit, not a rule.

use super::finding::{Finding, Findings, Place};
use super::reader::{Item, Table};
use super::spec::CatalogSpec;
use super::{read_access, read_datasets, read_sources, read_workspaces, yaml};
use marked_yaml::Node;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a file of the catalog may hold at its top.
const SECTIONS: [&str; 6] = ["sources", "tags", "datasets", "roles", "users", "workspaces"];

/// One file of the catalog folder.
#[derive(Debug, Clone)]
pub struct CatalogFile {
    /// What findings call it, such as `catalog/users.yaml`.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// Reads a catalog's texts and checks everything that can be checked without its data.
///
/// Gives the findings of this step. Where there is a spec, [`CatalogSpec::assemble`] finds the rest, and says these
/// again; a spec with errors never becomes a snapshot. There is none only if no file could be read at all.
pub fn load(files: &[CatalogFile]) -> (Option<CatalogSpec>, Vec<Finding>) {
    let mut findings = Findings::default();
    let trees: Vec<(Arc<str>, Node)> = files
        .iter()
        .filter_map(|file| {
            let path: Arc<str> = Arc::from(file.path.as_str());
            let tree = yaml::parse(&path, &file.text, &mut findings)?;
            Some((path, tree))
        })
        .collect();
    if files.is_empty() {
        findings.0.push(Finding::in_file("catalog", "the catalog folder has no *.yaml file"));
    }
    if trees.is_empty() {
        return (None, findings.0);
    }
    let mut sections = Sections { complete: trees.len() == files.len(), ..Sections::default() };
    for (path, tree) in &trees {
        sections.add(Item { file: path, node: tree, key: None }, &mut findings);
    }
    let mut spec = read(&sections, &mut findings);
    spec.digest = digest(files);
    spec.findings.clone_from(&findings.0);
    (Some(spec), findings.0)
}

/// The entries of each section, over all files.
#[derive(Default)]
pub(super) struct Sections<'a> {
    /// Whether every file could be read. If not, a name that is nowhere may be in one of those that could not.
    pub(super) complete: bool,
    pub(super) sources: Vec<Item<'a>>,
    pub(super) tags: Vec<Item<'a>>,
    pub(super) datasets: Vec<Item<'a>>,
    pub(super) roles: Vec<Item<'a>>,
    pub(super) users: Vec<Item<'a>>,
    pub(super) workspaces: Vec<Item<'a>>,
}

impl<'a> Sections<'a> {
    fn add(&mut self, file: Item<'a>, findings: &mut Findings) {
        let Some(table) = Table::open(file, "the file", &SECTIONS, findings) else { return };
        let mut list = |section: &str, held: &mut Vec<Item<'a>>| {
            if let Some(item) = table.item(section).filter(|item| !item.is_null()) {
                held.extend(item.list(section, findings));
            }
        };
        list("sources", &mut self.sources);
        list("datasets", &mut self.datasets);
        list("users", &mut self.users);
        list("workspaces", &mut self.workspaces);
        self.tags.extend(table.item("tags").filter(|item| !item.is_null()));
        self.roles.extend(table.item("roles").filter(|item| !item.is_null()));
    }
}

/// The names that a section defines, whether or not the rest of their entries is sound: what references are held against.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) complete: bool,
    pub(super) names: BTreeSet<String>,
}

impl Known {
    pub(super) fn new(complete: bool) -> Self {
        Self { complete, names: BTreeSet::new() }
    }

    /// Takes a name in; one that is already there is an error, and gives false.
    pub(super) fn define(&mut self, what: &str, name: &str, place: &Place, findings: &mut Findings) -> bool {
        let new = self.names.insert(name.to_owned());
        if !new {
            findings.error(place, format!("{what} {name:?} is defined twice"), Some("keep one of the two".into()));
        }
        new
    }

    /// Checks a reference; an unknown name is an error, and gives false.
    pub(super) fn check(&self, what: &str, name: &str, place: &Place, findings: &mut Findings) -> bool {
        let known = self.names.contains(name);
        if !known && self.complete {
            let help = super::finding::did_you_mean(name, self.names.iter().map(String::as_str));
            findings.error(place, format!("there is no {what} {name:?}"), help);
        }
        known
    }
}

fn read(sections: &Sections<'_>, findings: &mut Findings) -> CatalogSpec {
    let (sources, source_places, known_sources) = read_sources::sources(sections, findings);
    let (tags, known_tags) = read_sources::tags(sections, findings);
    let (roles, known_roles) = read_access::roles(sections, findings);
    let (users, known_users) = read_access::users(sections, &known_roles, findings);
    let references = read_datasets::References { sources: &sources, known_sources: &known_sources, tags: &known_tags };
    let (datasets, known_datasets) = read_datasets::datasets(sections, &references, findings);
    let names = read_workspaces::Names { users: &known_users, roles: &known_roles, datasets: &known_datasets };
    let workspaces = read_workspaces::workspaces(sections, &names, findings);
    let digest = [0; 32];
    CatalogSpec { sources, source_places, tags, datasets, users, workspaces, roles, digest, findings: Vec::new() }
}

/// Digest of the texts. The files' names are left out: the same catalog elsewhere is the same catalog.
fn digest(files: &[CatalogFile]) -> [u8; 32] {
    let mut sorted: Vec<&CatalogFile> = files.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let mut hash = Sha256::new();
    for file in sorted {
        hash.update(u64::try_from(file.text.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(file.text.as_bytes());
    }
    hash.finalize().into()
}
