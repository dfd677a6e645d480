//! The policies of one revision: loaded once, asked for every dataset of every statement.

use super::answer::PackageAnswer;
use super::cache::{DecisionCache, Key, SECOND_NS};
use super::check;
use super::engine::{Answer, Engines, Failed};
use super::load::{self, Loaded};
use super::merge::{self, Spoken};
use super::rego::Module;
use super::request::AccessRequest;
use super::{PolicyFinding, input};
use crate::catalog::{CatalogSnapshot, Dataset};
use crate::decision::Decision;
use crate::types::{DecisionId, Revision};
use moka::sync::Cache;
use regorus::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The package that is asked for each dataset.
pub(super) const DATA_ACCESS: &str = "analytics.data_access";
/// The packages of domains lie below this one.
pub(super) const DOMAINS: [&str; 2] = ["governance", "domains"];

/// The most datasets whose `input.dataset` is kept.
const DATASET_DOCUMENTS: u64 = 10_000;

/// One policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    /// Its name in messages: `policies/business_hours.rego`. A file `*_test.rego` holds tests and is never served.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl PolicyFile {
    /// Whether it holds tests.
    pub fn is_test(&self) -> bool {
        self.path.ends_with("_test.rego")
    }
}

/// All policies of one revision, compiled. It answers questions and changes nothing; share it in an `Arc`.
#[derive(Debug)]
pub struct PolicyBundle {
    revision: Revision,
    may_read_time: bool,
    warnings: Vec<PolicyFinding>,
    modules: Vec<(String, Module)>,
    engines: Engines,
    /// The domains that have a package, with the number of its question.
    domains: BTreeMap<String, Domain>,
    decisions: DecisionCache,
    documents: Cache<usize, (Arc<Dataset>, Value)>,
}

/// A domain's package.
#[derive(Debug)]
pub(super) struct Domain {
    pub(super) question: usize,
    pub(super) package: String,
    /// Whether it defines `allow`: then that must be true.
    pub(super) defines_allow: bool,
}

impl PolicyBundle {
    /// Compiles policies. Files `*_test.rego` are read for mistakes only.
    ///
    /// # Errors
    /// Every mistake of every file, with its place, if one of them keeps the policies from being served.
    pub fn load(files: &[PolicyFile]) -> Result<Self, Vec<PolicyFinding>> {
        let Loaded { revision, warnings, modules, engines, domains } = load::load(files)?;
        let documents = Cache::builder().max_capacity(DATASET_DOCUMENTS).build();
        // There is no way to the built-in but by its name.
        let may_read_time = files.iter().any(|file| !file.is_test() && file.text.contains("now_ns"));
        Ok(Self {
            revision,
            may_read_time,
            warnings,
            modules,
            engines,
            domains,
            decisions: DecisionCache::new(),
            documents,
        })
    }

    /// A digest of the files: equal texts, equal revision.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// What loading found that is worth a look and kept nothing from being served.
    pub fn warnings(&self) -> &[PolicyFinding] {
        &self.warnings
    }

    /// May this dataset be read like this, and with which obligations? It never fails: what goes wrong is a denial.
    pub fn decide(&self, request: &AccessRequest<'_>) -> Decision {
        let key = Key::of(request);
        if let Some(decision) = self.decisions.get(&key, request.now_ns) {
            return decision;
        }
        let (decision, read_time) = self.evaluate(request, &key);
        // A failure may pass (a deadline on a busy machine): it is not kept.
        let keep = !matches!(&decision, Decision::Deny(reason) if reason.unavailable);
        if keep {
            self.decisions.put(key, request, decision.clone(), read_time);
        }
        decision
    }

    /// The second since 1970 UTC for which decisions that are made now hold; `None`: no policy reads the time.
    pub fn second(&self, now_ns: i64) -> Option<i64> {
        self.may_read_time.then(|| now_ns.div_euclid(SECOND_NS))
    }

    /// Whether any policy speaks of other actions than reading. If none does, nothing can be written.
    pub fn grants_actions(&self) -> bool {
        self.modules.iter().any(|(_, module)| module.rules.iter().any(|rule| rule.name == "actions"))
    }

    /// Rules that can never do what they seem to: words that the catalog does not know, misspelt rules, masks that suit
    /// no column.
    pub fn check(&self, catalog: &CatalogSnapshot) -> Vec<PolicyFinding> {
        check::check(&self.modules, catalog)
    }

    /// The decision without the cache, and whether the time had a part in it.
    fn evaluate(&self, request: &AccessRequest<'_>, key: &Key) -> (Decision, bool) {
        let input = input::input(request, self.dataset_document(request.dataset));
        let mut read_time = false;
        let mut spoken = Vec::new();
        let domain = request.dataset.domain.as_deref().and_then(|domain| self.domains.get(domain));
        let corporate = (0, DATA_ACCESS, true);
        let packages =
            [Some(corporate), domain.map(|domain| (domain.question, domain.package.as_str(), domain.defines_allow))];
        for (question, package, must_allow) in packages.into_iter().flatten() {
            let answered = match self.engines.ask(question, &input, request.now_ns) {
                Ok(Answer { rules, read_time: read }) => {
                    read_time |= read;
                    PackageAnswer::read(&rules).map_err(|surprise| format!("Policy package {package}: {surprise}."))
                }
                Err(Failed { place: Some(place), .. }) => Err(format!("Policy package {package} failed at {place}.")),
                Err(Failed { place: None, .. }) => Err(format!("Policy package {package} gave no answer.")),
            };
            match answered {
                Ok(answer) => spoken.push(Spoken { package, answer, must_allow }),
                Err(why) => return (merge::unavailable(request, package, why, self.id(key, None)), read_time),
            }
        }
        let second = read_time.then_some(request.now_ns / 1_000_000_000);
        (merge::decide(request, &spoken, self.id(key, second)), read_time)
    }

    /// The same facts under the same policies have the same id.
    fn id(&self, key: &Key, second: Option<i64>) -> DecisionId {
        DecisionId::new(format!("d-{}", key.digest(self.revision.0, second)))
    }

    fn dataset_document(&self, dataset: &Arc<Dataset>) -> Value {
        let address = Arc::as_ptr(dataset).addr();
        if let Some((_, document)) = self.documents.get(&address) {
            return document;
        }
        let document = input::dataset(dataset);
        // The entry holds the dataset: its address means no other while the entry is there.
        self.documents.insert(address, (Arc::clone(dataset), document.clone()));
        document
    }
}
