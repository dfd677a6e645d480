//! The document that policies read as `input`, built straight from the facts.
//!
//! INVARIANT: a fact that is not known is absent, never null: `input.user.businessUnit == input.dataset.ownerBusinessUnit`
//! must not hold because neither is known.
//!
//! `user.roles` is an array: the user's own roles, spelled as the catalog spells them and in its order, then those that
//! they include, sorted.

use super::request::{AccessRequest, Approval};
use crate::catalog::{Column, Dataset, Principal, WorkspaceKind};
use crate::types::Role;
use regorus::{Rc, Value};
use std::collections::BTreeMap;

/// The whole document.
pub(super) fn input(request: &AccessRequest<'_>, dataset: Value) -> Value {
    let mut input = Fields::default();
    input.text("action", request.action.word());
    input.set("user", user(request));
    input.set("workspace", workspace(request));
    input.set("dataset", dataset);
    input.set("statement", statement(request));
    input.set("environment", environment(request));
    input.optional("purpose", request.purpose);
    input.done()
}

/// `input.dataset`: the same for every request about it.
pub(super) fn dataset(dataset: &Dataset) -> Value {
    let name = dataset.name.to_string();
    let mut fields = Fields::default();
    fields.text("id", &name);
    fields.text("name", &name);
    fields.text("tier", dataset.tier.as_str());
    fields.text("classification", dataset.classification().as_str());
    fields.set("tags", texts(dataset.tags().iter().map(|tag| tag.as_str())));
    fields.optional("domain", dataset.domain.as_deref());
    fields.optional("ownerBusinessUnit", dataset.owner_business_unit.as_deref());
    fields.set("residency", texts(dataset.residency.iter().map(String::as_str)));
    fields.set("columns", dataset.columns.iter().map(column).collect::<Vec<_>>().into());
    fields.done()
}

fn column(column: &Column) -> Value {
    let mut fields = Fields::default();
    fields.text("name", &column.name);
    fields.text("type", &column.sql_type.to_string());
    fields.text("classification", column.classification.as_str());
    fields.set("tags", texts(column.tags.iter().map(|tag| tag.as_str())));
    fields.set("listed", column.listed.into());
    fields.done()
}

fn user(request: &AccessRequest<'_>) -> Value {
    let user = request.principal.user();
    let attributes = &user.attributes;
    let mut fields = Fields::default();
    fields.text("id", user.id.as_str());
    fields.set("roles", texts(roles(request.principal).map(Role::as_str)));
    fields.optional("tenant", user.tenant.as_ref().map(|tenant| tenant.as_str()));
    fields.optional("businessUnit", attributes.business_unit.as_deref());
    fields.optional("department", attributes.department.as_deref());
    fields.optional("clearance", attributes.clearance.map(|clearance| clearance.as_str()));
    fields.optional("country", attributes.country.as_deref());
    fields.set("mfa_verified", attributes.mfa_verified.into());
    fields.set("approvals", request.approvals.iter().map(approval).collect::<Vec<_>>().into());
    // The gateway asks for a session that is in a workspace: that one is active.
    fields.set("activeWorkspaces", texts([request.workspace.name.as_str()]));
    fields.done()
}

/// Own roles in the catalog's order, then the included ones.
pub(super) fn roles(principal: &Principal) -> impl Iterator<Item = &Role> {
    let own = &principal.user().roles;
    own.iter().chain(principal.roles().iter().filter(move |role| !own.contains(role)))
}

fn approval(approval: &Approval) -> Value {
    let mut fields = Fields::default();
    fields.text("type", &approval.kind);
    fields.text("status", &approval.status);
    fields.optional("datasetId", approval.dataset.as_deref());
    fields.optional("exportId", approval.export.as_deref());
    fields.set("expiresAt", approval.expires_at_ns.into());
    fields.done()
}

fn workspace(request: &AccessRequest<'_>) -> Value {
    let mut fields = Fields::default();
    fields.text("id", request.workspace.name.as_str());
    fields.text("type", workspace_type(request.workspace.kind));
    fields.text("status", "ACTIVE");
    fields.optional("owner", request.workspace.owner.as_ref().map(|owner| owner.as_str()));
    fields.done()
}

/// The word for a type of workspace in catalogs and policies.
pub(super) fn workspace_type(kind: WorkspaceKind) -> &'static str {
    match kind {
        WorkspaceKind::AdHoc => "AD_HOC",
        WorkspaceKind::RecurringReport => "RECURRING_REPORT",
        WorkspaceKind::ModelDevelopment => "MODEL_DEVELOPMENT",
        WorkspaceKind::AuditInvestigation => "AUDIT_INVESTIGATION",
        WorkspaceKind::SharedAnalysis => "SHARED_ANALYSIS",
    }
}

fn statement(request: &AccessRequest<'_>) -> Value {
    let mut fields = Fields::default();
    fields.text("kind", request.statement.kind);
    fields.set("columns_used", texts(request.statement.columns_used.iter().map(String::as_str)));
    fields.set("is_aggregate", request.statement.is_aggregate.into());
    fields.done()
}

fn environment(request: &AccessRequest<'_>) -> Value {
    let environment = request.environment;
    let mut fields = Fields::default();
    fields.text("name", &environment.name);
    fields.text("region", &environment.region);
    fields.text("network_zone", &environment.network_zone);
    fields.text("client_ip", &environment.client_ip.to_string());
    fields.set("tls", environment.tls.into());
    fields.text("application_name", &environment.application_name);
    fields.done()
}

fn text(text: &str) -> Value {
    Value::String(Rc::from(text))
}

fn texts<'a>(words: impl IntoIterator<Item = &'a str>) -> Value {
    words.into_iter().map(text).collect::<Vec<_>>().into()
}

/// An object that is being filled.
#[derive(Default)]
struct Fields(BTreeMap<Value, Value>);

impl Fields {
    fn set(&mut self, name: &str, value: Value) {
        self.0.insert(text(name), value);
    }

    fn text(&mut self, name: &str, value: &str) {
        self.set(name, text(value));
    }

    fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    fn done(self) -> Value {
        self.0.into()
    }
}
