//! Who may come in.

use super::{Gateway, GatewayEngine};
use crate::audit::{Action, AuditRecord, AuditResult, ResourceType};
use crate::catalog::{Principal, Workspace};
use crate::config::Deployment;
use crate::error::{ErrorReport, SqlState};
use crate::policy::Environment;
use crate::session::{Session, SessionLimits, SessionStart};
use crate::types::{Redacted, UserId, WorkspaceName};
use crate::wire::{Gatekeeper, LoginAttempt, SessionOpening};
use async_trait::async_trait;
use std::sync::Arc;

/// The gateway as the wire sees it.
#[derive(Debug)]
pub struct Door {
    gateway: Arc<Gateway>,
    deployment: Deployment,
    limits: SessionLimits,
}

impl Door {
    /// The door of a gateway: where it runs, what networks clients come from, and the bounds of their sessions.
    pub fn new(gateway: Arc<Gateway>, deployment: Deployment, limits: SessionLimits) -> Self {
        Self { gateway, deployment, limits }
    }
}

#[async_trait]
impl Gatekeeper for Door {
    fn verifier(&self, user: &str) -> Option<Redacted<String>> {
        self.gateway.serving().catalog.users.get(&UserId::new(user))?.verifier.clone()
    }

    fn login(&self, user: &str, database: &str) -> Result<(Arc<Principal>, Arc<Workspace>), ErrorReport> {
        let serving = self.gateway.serving();
        // A workspace that one may not enter is as unknown as one that does not exist.
        let unknown = || {
            ErrorReport::fatal(SqlState::INVALID_CATALOG_NAME, format!("database \"{database}\" does not exist"))
                .with_hint("The database names a workspace that you are a member of.")
        };
        let user = serving.catalog.users.get(&UserId::new(user)).cloned().ok_or_else(unknown)?;
        let workspace = serving.catalog.workspaces.get(&WorkspaceName::new(database)).cloned().ok_or_else(unknown)?;
        let principal = Principal::authenticated(user, &serving.catalog);
        if !principal.may_enter(&workspace) {
            return Err(unknown());
        }
        Ok((Arc::new(principal), workspace))
    }

    async fn audit_login(&self, attempt: &LoginAttempt, result: Result<(), &ErrorReport>) -> Result<(), ErrorReport> {
        let record = AuditRecord::new(&AuditRecord::event_id(), Action::Login)
            .user(&UserId::new(&attempt.user))
            .workspace(&WorkspaceName::new(&attempt.database))
            .client(attempt.peer.ip())
            .resource(ResourceType::Session, attempt.session.as_str())
            .trace(attempt.session.as_str())
            .parameter("application", attempt.application_name.as_str())
            .parameter("tls", attempt.tls);
        let record = match result {
            Ok(()) => record.result(AuditResult::Success),
            Err(report) => record.result(AuditResult::Denied).parameter("sqlstate", report.sqlstate.0),
        };
        self.gateway.audit.event(record).await.map_err(|error| error.report())
    }

    async fn open_session(&self, opening: SessionOpening) -> Result<Session, ErrorReport> {
        let client_ip = opening.peer.ip();
        let application = opening.startup_parameters.get("application_name").cloned().unwrap_or_default();
        Session::start(SessionStart {
            engine: Arc::new(GatewayEngine(Arc::clone(&self.gateway))),
            session: opening.session,
            principal: opening.principal,
            workspace: opening.workspace,
            environment: Environment {
                name: self.deployment.name.clone(),
                region: self.deployment.region.clone(),
                network_zone: self.deployment.zone_of(client_ip).to_owned(),
                client_ip,
                tls: opening.tls,
                application_name: application,
            },
            startup_parameters: opening.startup_parameters,
            backend_pid: opening.backend_pid,
            limits: self.limits,
        })
    }
}
