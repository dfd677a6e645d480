//! What a loaded catalog is: immutable values that a statement pins and reads.

use crate::decision::{Limits, Mask};
use crate::types::{
    Classification, DatasetName, Redacted, Revision, Role, SqlType, Tag, TenantId, Tier, UserId, WorkspaceName,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// One version of everything that the catalog folder says. Cheap to share, never changed.
#[derive(Debug)]
pub struct CatalogSnapshot {
    /// Digest of the files and of the schemas that were inferred.
    pub revision: Revision,
    /// Where data lies, by name.
    pub sources: BTreeMap<String, Source>,
    /// Tags by name.
    pub tags: BTreeMap<Tag, TagDefinition>,
    /// Datasets by the name that clients use.
    pub datasets: BTreeMap<DatasetName, Arc<Dataset>>,
    /// Users by id.
    pub users: HashMap<UserId, Arc<User>>,
    /// Workspaces by name.
    pub workspaces: BTreeMap<WorkspaceName, Arc<Workspace>>,
    /// For each role, the roles that it includes, itself among them.
    pub roles: BTreeMap<Role, BTreeSet<Role>>,
}

impl CatalogSnapshot {
    /// The dataset that a folded name means, if the catalog names it.
    pub fn dataset(&self, name: &DatasetName) -> Option<&Arc<Dataset>> {
        self.datasets.get(name)
    }
}

/// Where data lies.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Its name in the catalog.
    pub name: String,
    /// What it is.
    pub kind: SourceKind,
    /// Region, for residency.
    pub region: Option<String>,
}

/// The kinds of source.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceKind {
    /// A folder or an object-store prefix, as written: a relative path is relative to the folder that holds the catalog folder.
    Files {
        /// `testdata/retail`, `/srv/lake`, `s3://bucket/prefix`.
        location: String,
    },
    /// A PostgreSQL server.
    Postgres {
        /// Where its connection string is to be had.
        dsn: DsnSource,
        /// How connections to it are shared.
        pool: PoolSettings,
        /// What the gateway may keep there in place of fences; `None`: it changes nothing.
        barrier: Option<BarrierSettings>,
    },
}

/// Where a connection string is to be had. It holds a password, so the catalog only says where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DsnSource {
    /// In an environment variable of this name.
    Env(String),
    /// In a file, by its absolute path.
    File(String),
}

/// How statements share the connections to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// A connection belongs to a statement or a transaction.
    Transaction,
    /// A connection belongs to a client's session, from its first statement to its end.
    Session,
}

/// What the gateway keeps in an upstream, in place of fences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BarrierSettings {
    /// Views with `security_barrier` (`barrier: views`).
    Views(ViewSettings),
    /// Roles with policies of row security (`barrier: rls`).
    Rows(RowSettings),
}

/// Roles and policies that the gateway keeps in an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowSettings {
    /// The most roles at a time.
    pub max: u32,
}

/// Views that the gateway keeps in an upstream, in place of fences (`barrier: views`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewSettings {
    /// The schema that holds them. It is the login's, and nobody else may create in it.
    pub schema: String,
    /// The most views at a time.
    pub max: u32,
}

/// The bounds of the pool of one upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSettings {
    /// The most connections at a time.
    pub max: u32,
    /// What a connection belongs to.
    pub mode: PoolMode,
    /// How long a statement waits for a connection.
    pub queue_timeout: Duration,
    /// How long a connection may lie unused before it is closed.
    pub idle_timeout: Duration,
    /// How long a client may be silent while its transaction holds a connection, before the client's connection ends.
    pub transaction_idle_timeout: Duration,
    /// How old a connection may become.
    pub max_lifetime: Duration,
    /// The most prepared statements that are kept on each connection.
    pub prepared_statements: u32,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            max: 10,
            mode: PoolMode::Transaction,
            queue_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(300),
            transaction_idle_timeout: Duration::from_secs(300),
            max_lifetime: Duration::from_secs(3600),
            prepared_statements: 256,
        }
    }
}

/// What a tag means everywhere.
#[derive(Debug, Clone, PartialEq)]
pub struct TagDefinition {
    /// Its name.
    pub name: Tag,
    /// Tags that it implies, directly.
    pub implies: BTreeSet<Tag>,
    /// What a column with it is at least.
    pub classification: Option<Classification>,
    /// Its own mask.
    pub mask: Option<Mask>,
}

/// One dataset: a table as clients see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The name that clients use.
    pub name: DatasetName,
    /// Which source holds it.
    pub source: String,
    /// Where in that source.
    pub location: DatasetLocation,
    /// How far it is prepared.
    pub tier: Tier,
    /// Its domain: policies in `governance.domains.<domain>` are asked too.
    pub domain: Option<String>,
    /// The business unit that owns it.
    pub owner_business_unit: Option<String>,
    /// Whom to ask.
    pub steward: Option<String>,
    /// Where it may be read from; empty is anywhere.
    pub residency: Vec<String>,
    /// For people.
    pub description: Option<String>,
    /// `false`: for those without access it does not exist.
    pub discoverable: bool,
    /// Without a row filter from a policy there are no rows.
    pub row_filter_required: bool,
    /// What `min_group_size` counts.
    pub entity_key: Option<String>,
    /// The primary key's columns.
    pub primary_key: Vec<String>,
    /// Keys into other datasets.
    pub foreign_keys: Vec<ForeignKey>,
    /// All columns, in the order of the files or of the upstream's table.
    pub columns: Vec<Column>,
}

impl Dataset {
    /// The column with a folded name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The most restrictive classification of its columns.
    pub fn classification(&self) -> Classification {
        self.columns.iter().map(|column| column.classification).max().unwrap_or_default()
    }

    /// All tags of its columns.
    pub fn tags(&self) -> BTreeSet<Tag> {
        self.columns.iter().flat_map(|column| column.tags.iter().cloned()).collect()
    }
}

/// Where a dataset lies in its source.
#[derive(Debug, Clone, PartialEq)]
pub enum DatasetLocation {
    /// Files that a glob names, below the source's location.
    Files {
        /// `customers/*.parquet`, `events/**/*.parquet`, `regions.csv`.
        glob: String,
        /// Their format.
        format: FileFormat,
        /// Columns that stand in folder names (`year=2024/…`), in order.
        partition_columns: Vec<String>,
    },
    /// A relation of an upstream.
    Relation {
        /// Its schema there.
        schema: String,
        /// Its name there.
        name: String,
    },
}

/// The file formats that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileFormat {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values with a header line.
    Csv,
    /// One JSON object a line.
    Json,
    /// Arrow IPC file.
    Arrow,
}

/// A key into another dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// Columns here.
    pub columns: Vec<String>,
    /// The other dataset.
    pub references: DatasetName,
    /// Columns there.
    pub referenced_columns: Vec<String>,
}

/// One column of a dataset, with all that its tags mean worked out.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name, folded.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
    /// Whether it may hold NULL.
    pub nullable: bool,
    /// The most restrictive of its own and its tags' classifications.
    pub classification: Classification,
    /// Its tags and all that they imply.
    pub tags: BTreeSet<Tag>,
    /// The tags that the catalog wrote on it, in that order.
    pub own_tags: Vec<Tag>,
    /// Each mask that its tags bring, with the tag it comes from. A tag's own mask stands before those of the tags it
    /// implies: when a tag has one, those of its implied tags are not here.
    pub tag_masks: Vec<(Tag, Mask)>,
    /// For people.
    pub description: Option<String>,
    /// Whether the catalog lists it; one that it does not list is INTERNAL, and `check` says so.
    pub listed: bool,
}

/// A person or program that may connect.
#[derive(Debug, Clone)]
pub struct User {
    /// The name to connect with.
    pub id: UserId,
    /// The SCRAM-SHA-256 verifier in PostgreSQL's form, `SCRAM-SHA-256$4096:salt$stored:server`; `None`: no password login.
    pub verifier: Option<Redacted<String>>,
    /// Roles as the catalog lists them, in that order.
    pub roles: Vec<Role>,
    /// The tenant, if any.
    pub tenant: Option<TenantId>,
    /// Facts that policies read.
    pub attributes: UserAttributes,
}

/// Facts about a user that policies read (`input.user.*`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct UserAttributes {
    /// `businessUnit`
    pub business_unit: Option<String>,
    /// `department`
    pub department: Option<String>,
    /// `clearance`
    pub clearance: Option<Classification>,
    /// `country`
    pub country: Option<String>,
    /// `mfa_verified`
    pub mfa_verified: bool,
}

/// A workspace: what clients give as the database name.
#[derive(Debug, Clone, PartialEq)]
pub struct Workspace {
    /// Its name.
    pub name: WorkspaceName,
    /// Its type, which sets its limits.
    pub kind: WorkspaceKind,
    /// Who owns it.
    pub owner: Option<UserId>,
    /// Who may enter, the owner among them.
    pub members: BTreeSet<UserId>,
    /// Roles whose holders may enter.
    pub member_roles: BTreeSet<Role>,
    /// The datasets in it; empty: all of the catalog.
    pub datasets: BTreeSet<DatasetName>,
    /// Its bounds: those of its type, with the catalog's overrides.
    pub limits: WorkspaceLimits,
}

impl Workspace {
    /// Whether a dataset is in it.
    pub fn holds(&self, dataset: &DatasetName) -> bool {
        self.datasets.is_empty() || self.datasets.contains(dataset)
    }
}

/// The types of workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkspaceKind {
    /// Temporary exploration.
    AdHoc,
    /// Scheduled reports.
    RecurringReport,
    /// Models.
    ModelDevelopment,
    /// Audits and incidents.
    AuditInvestigation,
    /// Shared between teams.
    SharedAnalysis,
}

impl WorkspaceKind {
    /// Every type, with its word in catalogs and policies.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("AD_HOC", Self::AdHoc),
        ("RECURRING_REPORT", Self::RecurringReport),
        ("MODEL_DEVELOPMENT", Self::ModelDevelopment),
        ("AUDIT_INVESTIGATION", Self::AuditInvestigation),
        ("SHARED_ANALYSIS", Self::SharedAnalysis),
    ];

    /// The word in catalogs and policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AdHoc => "AD_HOC",
            Self::RecurringReport => "RECURRING_REPORT",
            Self::ModelDevelopment => "MODEL_DEVELOPMENT",
            Self::AuditInvestigation => "AUDIT_INVESTIGATION",
            Self::SharedAnalysis => "SHARED_ANALYSIS",
        }
    }

    /// The bounds of the type, before the catalog overrides any as the README's table has them.
    pub fn limits(self) -> WorkspaceLimits {
        const GB: u64 = 1 << 30;
        let of = |minutes: u64, concurrent_statements, statements_a_day, max_rows, gigabytes: u64| WorkspaceLimits {
            statement: Limits {
                max_rows: Some(max_rows),
                timeout: Some(Duration::from_secs(minutes * 60)),
                ..Limits::default()
            },
            concurrent_statements,
            statements_a_day,
            engine_memory: gigabytes * GB,
        };
        match self {
            Self::AdHoc => of(5, 3, 100, 50_000, 4),
            Self::RecurringReport => of(30, 5, 500, 1_000_000, 8),
            Self::ModelDevelopment => of(120, 10, 1_000, 10_000_000, 32),
            Self::AuditInvestigation => of(15, 3, 200, 10_000, 4),
            Self::SharedAnalysis => of(30, 5, 500, 100_000, 8),
        }
    }
}

/// Bounds of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkspaceLimits {
    /// For each statement.
    pub statement: Limits,
    /// Statements at one time.
    pub concurrent_statements: u32,
    /// Statements in one day (UTC).
    pub statements_a_day: u64,
    /// Memory of the engine for its statements, in bytes.
    pub engine_memory: u64,
}

/// Somebody who has proved who they are, on one connection. It exists only after authentication.
#[derive(Debug, Clone)]
pub struct Principal {
    user: Arc<User>,
    effective_roles: BTreeSet<Role>,
}

impl Principal {
    /// The principal of an authenticated connection: the user, and the roles that theirs include.
    pub fn authenticated(user: Arc<User>, catalog: &CatalogSnapshot) -> Self {
        let effective_roles = user
            .roles
            .iter()
            .flat_map(|role| catalog.roles.get(role).cloned().unwrap_or_else(|| BTreeSet::from([role.clone()])))
            .collect();
        Self { user, effective_roles }
    }

    /// Who it is.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Their roles and all that these include.
    pub fn roles(&self) -> &BTreeSet<Role> {
        &self.effective_roles
    }

    /// Whether they may enter a workspace.
    pub fn may_enter(&self, workspace: &Workspace) -> bool {
        workspace.owner.as_ref() == Some(&self.user.id)
            || workspace.members.contains(&self.user.id)
            || workspace.member_roles.iter().any(|role| self.effective_roles.contains(role))
    }
}
