//! What a policy is asked: the facts of one access, with nothing left to look up.

use crate::catalog::{Dataset, Principal, TagDefinition, Workspace};
use crate::types::Tag;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// What is to be done with a dataset: `input.action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It is read.
    Query,
    /// Rows of it are inserted, updated or deleted. Asked after [`Action::Query`], and only if that is allowed.
    Write,
}

impl Action {
    /// The word that policies have for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Query => "QUERY",
            Self::Write => "WRITE",
        }
    }
}

/// One question: may this principal do this with this dataset by this statement, now?
#[derive(Debug, Clone)]
pub struct AccessRequest<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// From which workspace.
    pub workspace: &'a Workspace,
    /// What is to be done.
    pub action: Action,
    /// About what.
    pub dataset: &'a Arc<Dataset>,
    /// What tags mean (`CatalogSnapshot::tags`): an `unmask` of a tag covers the tags that imply it.
    pub tags: &'a BTreeMap<Tag, TagDefinition>,
    /// With what.
    pub statement: &'a StatementFacts,
    /// From where.
    pub environment: &'a Environment,
    /// Why, as the session stated it (`SET querygate.purpose`).
    pub purpose: Option<&'a str>,
    /// What has been approved for this user.
    pub approvals: &'a [Approval],
    /// The time, in nanoseconds since 1970 UTC: what `time.now_ns()` says.
    pub now_ns: i64,
}

/// The part of a request that is the same for every dataset of a statement.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// From which workspace.
    pub workspace: &'a Workspace,
    /// `SELECT`, `COPY`, `EXPLAIN` …
    pub kind: &'static str,
    /// From where.
    pub environment: &'a Environment,
    /// Why, as the session stated it.
    pub purpose: Option<&'a str>,
    /// What has been approved for this user.
    pub approvals: &'a [Approval],
}

impl<'a> AccessRequest<'a> {
    pub(super) fn circumstances(&self) -> Circumstances<'a> {
        Circumstances {
            principal: self.principal,
            workspace: self.workspace,
            kind: self.statement.kind,
            environment: self.environment,
            purpose: self.purpose,
            approvals: self.approvals,
        }
    }
}

/// What a policy may know of a statement, for one dataset.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StatementFacts {
    /// `SELECT`, `COPY`, `EXPLAIN` …
    pub kind: &'static str,
    /// Columns of this dataset that the statement uses, by name or by `*`.
    pub columns_used: BTreeSet<String>,
    /// Whether every output is an aggregate or a grouping key.
    pub is_aggregate: bool,
}

/// Where a connection comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Environment {
    /// `development`, `production` …
    pub name: String,
    /// The region that the gateway runs in.
    pub region: String,
    /// The name that the configuration gives to the client's network.
    pub network_zone: String,
    /// The client's address.
    pub client_ip: IpAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// What the client calls itself. A client can claim anything here.
    pub application_name: String,
}

/// An approval that a user holds (`input.user.approvals[_]`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Approval {
    /// `RAW_DATA_ACCESS`, `EXPORT_REQUEST` …
    pub kind: String,
    /// `PENDING`, `APPROVED`, `DENIED`, `EXPIRED`.
    pub status: String,
    /// The dataset that it is for.
    pub dataset: Option<String>,
    /// The export that it is for.
    pub export: Option<String>,
    /// When it ends, in nanoseconds since 1970 UTC.
    pub expires_at_ns: i64,
}
