//! A small catalog and the people in it, for tests.

use crate::catalog::{
    CatalogSnapshot, Column, Dataset, DatasetLocation, FileFormat, Principal, TagDefinition, User, UserAttributes,
    Workspace, WorkspaceKind, WorkspaceLimits,
};
use crate::decision::{Decision, DenyReason, Limits, Mask, Obligations};
use crate::policy::Action;
use crate::policy::{AccessRequest, Approval, Environment, PolicyBundle, PolicyFile, StatementFacts};
use crate::types::{Classification, DatasetName, Revision, Role, SqlType, Tag, TenantId, Tier};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A Wednesday, 10:00 UTC.
pub(super) const WEDNESDAY_10: i64 = 1_736_935_200_000_000_000;
pub(super) const HOUR: i64 = 3_600_000_000_000;

pub(super) fn files(texts: &[(&str, &str)]) -> Vec<PolicyFile> {
    texts.iter().map(|(path, text)| PolicyFile { path: (*path).into(), text: (*text).into() }).collect()
}

/// A bundle of one file in `analytics.data_access`.
pub(super) fn bundle(rules: &str) -> PolicyBundle {
    bundles(&[("p.rego", &format!("package analytics.data_access\n{rules}"))])
}

pub(super) fn bundles(texts: &[(&str, &str)]) -> PolicyBundle {
    PolicyBundle::load(&files(texts)).unwrap_or_else(|findings| panic!("{findings:#?}"))
}

pub(super) fn allowed(decision: Decision) -> Obligations {
    match decision {
        Decision::Allow(obligations) => obligations,
        other => panic!("{other:#?}"),
    }
}

pub(super) fn denied(decision: Decision) -> DenyReason {
    match decision {
        Decision::Deny(reason) => reason,
        other => panic!("{other:#?}"),
    }
}

pub(super) fn column(name: &str, sql_type: SqlType, tags: &[&str], tag_masks: &[(&str, Mask)]) -> Column {
    Column {
        name: name.into(),
        sql_type,
        nullable: true,
        classification: if tags.is_empty() { Classification::Internal } else { Classification::Proprietary },
        tags: tags.iter().map(Tag::new).collect(),
        own_tags: tags.first().map(Tag::new).into_iter().collect(),
        tag_masks: tag_masks.iter().map(|(tag, mask)| (Tag::new(tag), mask.clone())).collect(),
        description: None,
        listed: true,
    }
}

pub(super) fn people() -> Dataset {
    Dataset {
        name: DatasetName::new("public", "people"),
        source: "lake".into(),
        location: DatasetLocation::Files {
            glob: "people/*.parquet".into(),
            format: FileFormat::Parquet,
            partition_columns: vec![],
        },
        tier: Tier::Curated,
        domain: None,
        owner_business_unit: Some("EU".into()),
        steward: None,
        residency: vec![],
        description: None,
        discoverable: true,
        row_filter_required: false,
        entity_key: None,
        primary_key: vec![],
        foreign_keys: vec![],
        columns: vec![
            column("id", SqlType::BigInt, &[], &[]),
            column("tenant_id", SqlType::Text, &[], &[]),
            column("email", SqlType::Text, &["EMAIL", "PII"], &[("EMAIL", Mask::Email)]),
            column("name", SqlType::Text, &["PII"], &[("PII", Mask::Redact)]),
            column("salary", SqlType::Numeric { precision: 10, scale: 2 }, &["SENSITIVE"], &[]),
            column("notes", SqlType::Text, &[], &[]),
            column("region", SqlType::Text, &[], &[]),
        ],
    }
}

pub(super) fn tags() -> BTreeMap<Tag, TagDefinition> {
    let tag = |name: &str, implies: &[&str], mask: Option<Mask>| {
        let definition = TagDefinition {
            name: Tag::new(name),
            implies: implies.iter().map(Tag::new).collect(),
            classification: None,
            mask,
        };
        (Tag::new(name), definition)
    };
    BTreeMap::from([
        tag("PII", &[], Some(Mask::Redact)),
        tag("EMAIL", &["PII"], Some(Mask::Email)),
        tag("SENSITIVE", &[], None),
    ])
}

pub(super) fn user(id: &str, roles: &[&str], unit: &str) -> User {
    User {
        id: id.into(),
        verifier: None,
        roles: roles.iter().map(Role::new).collect(),
        tenant: Some(TenantId::new("acme")),
        attributes: UserAttributes { business_unit: Some(unit.into()), ..UserAttributes::default() },
    }
}

pub(super) fn catalog(datasets: Vec<Dataset>) -> CatalogSnapshot {
    let role = |name: &str, includes: &[&str]| {
        let all = includes.iter().chain([&name]).map(Role::new).collect::<BTreeSet<_>>();
        (Role::new(name), all)
    };
    CatalogSnapshot {
        revision: Revision(1),
        sources: BTreeMap::new(),
        tags: tags(),
        datasets: datasets.into_iter().map(|dataset| (dataset.name.clone(), Arc::new(dataset))).collect(),
        users: HashMap::new(),
        workspaces: BTreeMap::new(),
        roles: BTreeMap::from([
            role("ANALYST", &[]),
            role("DATA_SCIENTIST", &["ANALYST"]),
            role("ENGINEER", &["ANALYST"]),
            role("AUDITOR", &[]),
            role("analyst", &[]),
        ]),
    }
}

/// One question; change what a test is about.
pub(super) struct Question {
    pub(super) user: User,
    pub(super) workspace: Workspace,
    pub(super) dataset: Arc<Dataset>,
    pub(super) statement: StatementFacts,
    pub(super) environment: Environment,
    pub(super) purpose: Option<String>,
    pub(super) approvals: Vec<Approval>,
    pub(super) now_ns: i64,
    pub(super) catalog: CatalogSnapshot,
}

impl Question {
    pub(super) fn new() -> Self {
        Self::about(people())
    }

    pub(super) fn about(dataset: Dataset) -> Self {
        let statement = Limits::default();
        Self {
            user: user("alice", &["ANALYST"], "EU"),
            workspace: Workspace {
                name: "retail".into(),
                kind: WorkspaceKind::SharedAnalysis,
                owner: Some("sam".into()),
                members: BTreeSet::new(),
                member_roles: BTreeSet::new(),
                datasets: BTreeSet::new(),
                limits: WorkspaceLimits { statement, concurrent_statements: 1, statements_a_day: 1, engine_memory: 1 },
            },
            statement: StatementFacts {
                kind: "SELECT",
                columns_used: dataset.columns.iter().map(|column| column.name.clone()).collect(),
                is_aggregate: false,
            },
            environment: Environment {
                name: "production".into(),
                region: "eu-west-1".into(),
                network_zone: "corporate".into(),
                client_ip: [127, 0, 0, 1].into(),
                tls: true,
                application_name: "psql".into(),
            },
            purpose: None,
            approvals: vec![],
            now_ns: WEDNESDAY_10,
            catalog: catalog(vec![dataset.clone()]),
            dataset: Arc::new(dataset),
        }
    }

    pub(super) fn ask(&self, bundle: &PolicyBundle) -> Decision {
        self.ask_to(Action::Query, bundle)
    }

    pub(super) fn ask_to(&self, action: Action, bundle: &PolicyBundle) -> Decision {
        let principal = Principal::authenticated(Arc::new(self.user.clone()), &self.catalog);
        bundle.decide(&AccessRequest {
            principal: &principal,
            workspace: &self.workspace,
            action,
            dataset: &self.dataset,
            tags: &self.catalog.tags,
            statement: &self.statement,
            environment: &self.environment,
            purpose: self.purpose.as_deref(),
            approvals: &self.approvals,
            now_ns: self.now_ns,
        })
    }
}
