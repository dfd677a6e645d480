//! The gateway itself: where a statement's stages meet. It implements what sessions and the wire need of the layers below.
//!
//! Order of a run, each step a condition of the next: govern, reserve, record the beginning, plan, verify, run.

mod describe;
mod explain;
mod forward;
mod inspect;
mod login;
mod metadata;
mod ready;
mod record;
mod rehearsal;
mod run;
mod serving;
mod transaction;
mod upstreams;
mod write;

pub use inspect::{facts_by, facts_of};
pub use login::Door;
pub use ready::ReadyStatements;
pub use rehearsal::{Rehearsal, error_lines, local_context};
pub use run::GatewayEngine;
pub use serving::{Folders, Loaded, Serving, read_policies};
pub use upstreams::Upstreams;

use crate::audit::{AuditRecord, AuditSink, fresh_id};
use crate::catalog::{Principal, Workspace};
use crate::error::{ErrorReport, SqlState};
use crate::execute::datafusion::{DataFusionEngine, MaskKey};
use crate::quota::{Clock, Quota};
use crate::session::StatementContext;
use crate::sql::Templates;
use crate::types::{DecisionId, Redacted};
use chrono::{DateTime, Utc};
use std::sync::{Arc, PoisonError, RwLock};

/// The version that clients are told: tools look at it to choose their metadata queries.
pub const SERVER_VERSION: &str = "15.14";

/// One gateway: what serves now, the engine, the audit log and the quotas.
pub struct Gateway {
    pub(crate) serving: RwLock<Arc<Serving>>,
    engine: Arc<DataFusionEngine>,
    audit: Arc<dyn AuditSink>,
    quota: Quota,
    clock: Arc<dyn Clock>,
    master_key: Redacted<Vec<u8>>,
    started: DateTime<Utc>,
    templates: Templates,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("serving", &self.serving().catalog.revision).finish_non_exhaustive()
    }
}

/// What a gateway is made of.
#[derive(Debug)]
pub struct GatewayParts {
    /// What serves first.
    pub serving: Serving,
    /// The embedded engine.
    pub engine: Arc<DataFusionEngine>,
    /// The audit log.
    pub audit: Arc<dyn AuditSink>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The key that workspaces' mask keys are derived from.
    pub master_key: Redacted<Vec<u8>>,
}

impl Gateway {
    /// Puts a gateway together.
    pub fn new(parts: GatewayParts) -> Self {
        let GatewayParts { serving, engine, audit, clock, master_key } = parts;
        Self {
            serving: RwLock::new(Arc::new(serving)),
            engine,
            audit,
            quota: Quota::new(Arc::clone(&clock)),
            started: clock.now(),
            clock,
            master_key,
            templates: Templates::default(),
        }
    }

    /// What serves now. A statement takes it once and keeps it.
    pub fn serving(&self) -> Arc<Serving> {
        Arc::clone(&self.serving.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces what serves, from the next statement on, and records it. If it can't be recorded, the old stays.
    ///
    /// # Errors
    /// 58000 if the audit log is not available.
    pub async fn replace(&self, serving: Serving) -> Result<(), ErrorReport> {
        let record = AuditRecord::new(&AuditRecord::event_id(), crate::audit::Action::ConfigReload)
            .resource(crate::audit::ResourceType::Gateway, "catalog and policies")
            .parameter("catalogRevision", serving.catalog.revision.to_string().as_str())
            .parameter("policyRevision", serving.policies.revision().to_string().as_str());
        self.audit.event(record).await.map_err(|error| error.report())?;
        *self.serving.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(serving);
        Ok(())
    }

    /// The engine, for benchmarks and for the wiring of stores.
    pub fn engine(&self) -> &Arc<DataFusionEngine> {
        &self.engine
    }

    fn mask_key(&self, workspace: &Workspace) -> MaskKey {
        MaskKey::derive(&self.master_key, &workspace.name)
    }

    /// Who and where, by the catalog that serves now: a user who was removed, or a role that was taken away, is so from
    /// the next statement on, whatever the connection was opened with.
    fn now(&self, context: &StatementContext) -> Result<Moment, ErrorReport> {
        let serving = self.serving();
        let user = serving.catalog.users.get(&context.principal.user().id).cloned();
        let workspace = serving.catalog.workspaces.get(&context.workspace.name).cloned();
        let (Some(user), Some(workspace)) = (user, workspace) else {
            return Err(no_longer());
        };
        let principal = serving.principal(user);
        if !principal.may_enter(&workspace) {
            return Err(no_longer());
        }
        let decision = DecisionId::new(fresh_id());
        Ok(Moment { serving, principal, workspace, decision, now: self.clock.now() })
    }
}

fn no_longer() -> ErrorReport {
    ErrorReport::new(SqlState::INSUFFICIENT_PRIVILEGE, "this connection may no longer be used")
        .with_hint("Connect again; if that fails, ask the workspace's owner.")
}

/// Everything that one statement is decided by.
struct Moment {
    serving: Arc<Serving>,
    principal: Arc<Principal>,
    workspace: Arc<Workspace>,
    decision: DecisionId,
    now: DateTime<Utc>,
}

impl Moment {
    fn now_ns(&self) -> i64 {
        // Past the year 2262 the time has no such number; no policy would allow anything.
        self.now.timestamp_nanos_opt().unwrap_or(i64::MAX)
    }
}
