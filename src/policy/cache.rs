//! Decisions that were made, under everything that they could have read.
//!
//! A key is a text of bytes that two requests share only if policies can't tell them apart; nothing in it is hashed away.
//! The dataset stands in it as the address of its catalog entry, which the cached decision keeps alive: while the entry
//! is there, no other dataset can have that address. A decision that asked for the time holds for the second in which it
//! was made. The bundle is not in the key: each bundle has its own cache.

use super::input::{roles, workspace_type};
use super::request::{AccessRequest, Circumstances};
use crate::catalog::{Dataset, TagDefinition};
use crate::decision::Decision;
use crate::types::Tag;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// The most decisions that are kept; the one that was used longest ago goes first.
const DECISIONS: u64 = 20_000;
pub(super) const SECOND_NS: i64 = 1_000_000_000;

/// Cached decisions.
pub(super) struct DecisionCache {
    decisions: Cache<Key, Arc<Made>>,
}

/// Everything that a decision may depend on, but for the time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key(Arc<[u8]>);

struct Made {
    decision: Decision,
    /// The second for which it holds; `None`: always.
    second: Option<i64>,
    /// Keeps the address in the key from being used again.
    _dataset: Arc<Dataset>,
}

impl DecisionCache {
    pub(super) fn new() -> Self {
        let decisions = Cache::builder().max_capacity(DECISIONS).eviction_policy(EvictionPolicy::lru()).build();
        Self { decisions }
    }

    pub(super) fn get(&self, key: &Key, now_ns: i64) -> Option<Decision> {
        let made = self.decisions.get(key)?;
        let holds = made.second.is_none_or(|second| second == now_ns.div_euclid(SECOND_NS));
        holds.then(|| made.decision.clone())
    }

    pub(super) fn put(&self, key: Key, request: &AccessRequest<'_>, decision: Decision, read_time: bool) {
        let second = read_time.then(|| request.now_ns.div_euclid(SECOND_NS));
        self.decisions.insert(key, Arc::new(Made { decision, second, _dataset: Arc::clone(request.dataset) }));
    }
}

impl std::fmt::Debug for DecisionCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DecisionCache({})", self.decisions.entry_count())
    }
}

impl Key {
    /// Every fact of a request that `input` or the merging of answers reads, each with its length before it.
    pub(super) fn of(request: &AccessRequest<'_>) -> Self {
        let mut key = Bytes(Vec::with_capacity(512));
        key.number(Arc::as_ptr(request.dataset).addr() as u64);
        key.circumstances(&request.circumstances());
        key.text(request.action.word());
        key.list(request.statement.columns_used.iter().map(String::as_str));
        key.flag(request.statement.is_aggregate);
        let masking: BTreeSet<&Tag> =
            request.dataset.columns.iter().flat_map(|column| column.tag_masks.iter().map(|(tag, _)| tag)).collect();
        for tag in masking {
            key.list(implied(request.tags, tag).into_iter().map(Tag::as_str));
        }
        Self(key.0.into())
    }

    /// A short text that differs when the key does, but for chance.
    pub(super) fn digest(&self, salt: u64, second: Option<i64>) -> String {
        use sha2::{Digest, Sha256};
        let mut hasher = Sha256::new();
        hasher.update(salt.to_le_bytes());
        hasher.update(second.unwrap_or(i64::MIN).to_le_bytes());
        // An address says nothing from one run to the next.
        hasher.update(self.0.get(8..).unwrap_or_default());
        hex::encode(hasher.finalize().get(..8).unwrap_or_default())
    }
}

impl Circumstances<'_> {
    /// Bytes that two of these share only if no policy can tell them apart.
    pub fn key(&self) -> Vec<u8> {
        let mut key = Bytes(Vec::with_capacity(512));
        key.circumstances(self);
        key.0
    }
}

/// A tag and all tags that it implies, over any number of steps.
pub(super) fn implied<'a>(tags: &'a BTreeMap<Tag, TagDefinition>, tag: &'a Tag) -> BTreeSet<&'a Tag> {
    let mut found = BTreeSet::from([tag]);
    let mut open = vec![tag];
    while let Some(tag) = open.pop() {
        for next in tags.get(tag).into_iter().flat_map(|definition| &definition.implies) {
            if found.insert(next) {
                open.push(next);
            }
        }
    }
    found
}

/// Bytes that can be read in one way only.
struct Bytes(Vec<u8>);

impl Bytes {
    fn circumstances(&mut self, of: &Circumstances<'_>) {
        let user = of.principal.user();
        let attributes = &user.attributes;
        self.text(user.id.as_str());
        self.list(roles(of.principal).map(|role| role.as_str()));
        self.optional(user.tenant.as_ref().map(|tenant| tenant.as_str()));
        self.optional(attributes.business_unit.as_deref());
        self.optional(attributes.department.as_deref());
        self.optional(attributes.clearance.map(|clearance| clearance.as_str()));
        self.optional(attributes.country.as_deref());
        self.flag(attributes.mfa_verified);
        self.text(of.workspace.name.as_str());
        self.text(workspace_type(of.workspace.kind));
        self.optional(of.workspace.owner.as_ref().map(|owner| owner.as_str()));
        self.text(of.kind);
        let environment = of.environment;
        self.text(&environment.name);
        self.text(&environment.region);
        self.text(&environment.network_zone);
        match environment.client_ip {
            IpAddr::V4(address) => self.bytes(&address.octets()),
            IpAddr::V6(address) => self.bytes(&address.octets()),
        }
        self.flag(environment.tls);
        self.text(&environment.application_name);
        self.optional(of.purpose);
        self.number(of.approvals.len() as u64);
        for approval in of.approvals {
            self.text(&approval.kind);
            self.text(&approval.status);
            self.optional(approval.dataset.as_deref());
            self.optional(approval.export.as_deref());
            self.number(approval.expires_at_ns.cast_unsigned());
        }
    }

    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn flag(&mut self, flag: bool) {
        self.0.push(u8::from(flag));
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn optional(&mut self, text: Option<&str>) {
        self.flag(text.is_some());
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn list<'a>(&mut self, texts: impl Iterator<Item = &'a str>) {
        let count_at = self.0.len();
        self.number(0);
        let mut count = 0_u64;
        for text in texts {
            self.text(text);
            count += 1;
        }
        if let Some(place) = self.0.get_mut(count_at..count_at + 8) {
            place.copy_from_slice(&count.to_le_bytes());
        }
    }
}
