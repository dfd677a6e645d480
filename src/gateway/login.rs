//! Who may come in.

use super::{Gateway, GatewayEngine};
use crate::audit::{Action, AuditRecord, AuditResult, ResourceType};
use crate::catalog::{CatalogSnapshot, Principal, Workspace};
use crate::config::Deployment;
use crate::error::{ErrorReport, SqlState};
use crate::policy::Environment;
use crate::session::{Session, SessionLimits, SessionStart};
use crate::types::{Redacted, Revision, UserId, WorkspaceName};
use crate::wire::auth::scram::{DEFAULT_ITERATIONS, SALT_BYTES, Verifier};
use crate::wire::{Gatekeeper, LoginAttempt, SessionOpening, VerifierForm};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The gateway as the wire sees it.
#[derive(Debug)]
pub struct Door {
    gateway: Arc<Gateway>,
    deployment: Deployment,
    limits: SessionLimits,
    forms: Mutex<(Revision, Forms)>,
}

/// The forms of the passwords of a catalog's users, and how many have each.
type Forms = Arc<BTreeMap<VerifierForm, u64>>;

impl Door {
    /// The door of a gateway: where it runs, what networks clients come from, and the bounds of their sessions.
    pub fn new(gateway: Arc<Gateway>, deployment: Deployment, limits: SessionLimits) -> Self {
        let catalog = Arc::clone(&gateway.serving().catalog);
        let forms = Mutex::new((catalog.revision, forms(&catalog)));
        Self { gateway, deployment, limits, forms }
    }

    fn forms(&self) -> Forms {
        let catalog = Arc::clone(&self.gateway.serving().catalog);
        let mut held = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0 != catalog.revision {
            *held = (catalog.revision, forms(&catalog));
        }
        Arc::clone(&held.1)
    }
}

fn forms(catalog: &CatalogSnapshot) -> Forms {
    let mut forms = BTreeMap::new();
    for verifier in catalog.users.values().filter_map(|user| user.verifier.as_ref()) {
        if let Some(verifier) = Verifier::parse(verifier.expose()) {
            *forms.entry(verifier.form()).or_default() += 1;
        }
    }
    Arc::new(forms)
}

/// The form that a number falls on if each has its share of all numbers.
fn form_of(forms: &BTreeMap<VerifierForm, u64>, number: u64) -> VerifierForm {
    let all: u128 = forms.values().map(|users| u128::from(*users)).sum();
    let mut left = (u128::from(number) * all) >> 64;
    for (form, users) in forms {
        match left.checked_sub(u128::from(*users)) {
            Some(after) => left = after,
            None => return *form,
        }
    }
    VerifierForm { iterations: DEFAULT_ITERATIONS, salt_bytes: SALT_BYTES }
}

#[async_trait]
impl Gatekeeper for Door {
    fn verifier(&self, user: &str) -> Option<Redacted<String>> {
        self.gateway.serving().catalog.users.get(&UserId::new(user))?.verifier.clone()
    }

    fn decoy_form(&self, number: u64) -> VerifierForm {
        form_of(&self.forms(), number)
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
        let record = match attempt.held_back {
            Some(attempts) => record.parameter("heldBack", attempts),
            None => record,
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_its_share_of_the_numbers() {
        let form = |iterations| VerifierForm { iterations, salt_bytes: 16 };
        let forms = BTreeMap::from([(form(4096), 3), (form(9000), 1)]);
        let shares = (0..1000_u64).filter(|part| form_of(&forms, part * (u64::MAX / 1000)) == form(4096)).count();
        assert!((749..=751).contains(&shares), "{shares}");
        assert_eq!(form_of(&forms, u64::MAX), form(9000));
        assert_eq!(form_of(&BTreeMap::new(), 7), form(DEFAULT_ITERATIONS));
    }
}
