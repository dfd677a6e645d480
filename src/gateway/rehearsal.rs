//! Governing without a connection: for `querygate explain`, golden cases and benchmarks. It runs nothing.

use super::Serving;
use super::explain::{denial, governance, shows_as_denial};
use super::forward::{forwarded_lines, session_answers};
use super::run::query_of;
use crate::audit::{About, Who};
use crate::catalog::{Principal, Workspace};
use crate::config::Deployment;
use crate::error::{ErrorReport, SqlState};
use crate::execute::metadata::LastResult;
use crate::execute::upstream::Holdings;
use crate::pipeline::{GovernedOutcome, PipelineError, Question, govern_statement};
use crate::policy::Environment;
use crate::session::StatementContext;
use crate::sql::{ParseBounds, ParsedStatement, parse};
use crate::types::{DecisionId, SessionId, UserId, WorkspaceName};
use chrono::Utc;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// What a statement is governed by, without anybody being connected.
#[derive(Debug, Clone, Copy)]
pub struct Rehearsal<'a> {
    /// Catalog and policies.
    pub serving: &'a Serving,
    /// Where the gateway would run.
    pub deployment: &'a Deployment,
}

impl Rehearsal<'_> {
    /// What `EXPLAIN (GOVERNANCE)` would show a user who connects from this machine over TLS, now.
    ///
    /// # Errors
    /// What the client would be told.
    pub fn explain(
        &self,
        user: &str,
        workspace: &str,
        purpose: Option<&str>,
        text: &str,
    ) -> Result<Vec<String>, ErrorReport> {
        let (_, workspace) = who(self.serving, user, workspace)?;
        let decision = DecisionId::new("rehearsal");
        let statement = one(text)?;
        match self.govern(user, workspace.name.as_str(), purpose, &statement) {
            Ok(governed) => {
                let mut lines = governance(&governed, &decision, &workspace);
                let session = session_answers(user, workspace.name.as_str());
                lines.extend(forwarded_lines(&governed, &statement, &session, &self.serving.upstreams));
                Ok(lines)
            }
            Err(error) if shows_as_denial(&error) => Ok(denial(&error, &decision)),
            Err(error) => Err(error.report(&decision, Some(text))),
        }
    }

    /// Governs one statement.
    ///
    /// # Errors
    /// As the pipeline's; an unknown user or workspace is told as a relation that does not exist would be.
    pub fn govern(
        &self,
        user: &str,
        workspace: &str,
        purpose: Option<&str>,
        statement: &ParsedStatement,
    ) -> Result<GovernedOutcome, PipelineError> {
        let unknown = |what: &str| {
            PipelineError::Resolve(
                crate::govern::ResolveFault::UndefinedObject(format!("{what} of the rehearsal")).into(),
            )
        };
        let (principal, workspace) = who(self.serving, user, workspace).map_err(|_| unknown("user or workspace"))?;
        let query = query_of(statement).map_err(|_| unknown("query"))?;
        let client_ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let environment = Environment {
            name: self.deployment.name.clone(),
            region: self.deployment.region.clone(),
            network_zone: self.deployment.zone_of(client_ip).to_owned(),
            client_ip,
            tls: true,
            application_name: "querygate explain".to_owned(),
        };
        let search_path = ["public".to_owned()];
        govern_statement(
            query,
            &Question {
                decision: &DecisionId::new("rehearsal"),
                catalog: &self.serving.catalog,
                policies: &self.serving.policies,
                system: &self.serving.system,
                principal: &principal,
                workspace: &workspace,
                environment: &environment,
                purpose,
                approvals: &[],
                search_path: &search_path,
                now_ns: Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX),
                kind: "SELECT",
            },
        )
    }
}

/// The connection that a user would have from this machine: for the tour, tests and benchmarks.
///
/// # Errors
/// 3D000 if there is no such user or workspace, or the user may not enter it.
pub fn local_context(serving: &Serving, user: &str, workspace: &str) -> Result<StatementContext, ErrorReport> {
    let (principal, workspace) = who(serving, user, workspace)?;
    let session = SessionId::new(format!("local-{user}"));
    let who = Who::new(&About {
        user: &principal.user().id,
        roles: &principal.user().roles,
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        workspace: &workspace.name,
        tenant: principal.user().tenant.as_ref(),
        purpose: None,
        session: session.as_str(),
    });
    Ok(StatementContext {
        session,
        principal: Arc::new(principal),
        workspace,
        environment: Arc::new(Environment {
            name: "development".into(),
            region: "local".into(),
            network_zone: "internal".into(),
            client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            tls: true,
            application_name: "querygate".into(),
        }),
        purpose: None,
        search_path: vec!["public".into()],
        time_zone: "+00:00".into(),
        statement_timeout: None,
        notices: false,
        settings: Arc::default(),
        holdings: Holdings::default(),
        last_result: LastResult::default(),
        who,
        transaction: None,
    })
}

fn who(serving: &Serving, user: &str, workspace: &str) -> Result<(Principal, Arc<Workspace>), ErrorReport> {
    let catalog = &serving.catalog;
    let user = catalog.users.get(&UserId::new(user)).cloned();
    let workspace = catalog.workspaces.get(&WorkspaceName::new(workspace)).cloned();
    let (Some(user), Some(workspace)) = (user, workspace) else {
        return Err(ErrorReport::new(SqlState::INVALID_CATALOG_NAME, "no such user or workspace in the catalog"));
    };
    let principal = Principal::authenticated(user, catalog);
    if !principal.may_enter(&workspace) {
        return Err(ErrorReport::new(SqlState::INVALID_CATALOG_NAME, "the user may not enter the workspace"));
    }
    Ok((principal, workspace))
}

/// The one statement of a text.
fn one(text: &str) -> Result<ParsedStatement, ErrorReport> {
    let mut statements = parse(text, &ParseBounds::default()).map_err(|error| error.report())?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        _ => Err(ErrorReport::new(SqlState::SYNTAX_ERROR, "exactly one statement can be explained")),
    }
}

/// An error as psql prints it.
pub fn error_lines(report: &ErrorReport) -> Vec<String> {
    let mut lines = vec![format!("{}:  {}: {}", report.severity.as_str(), report.sqlstate, report.message)];
    lines.extend(report.detail.iter().map(|detail| format!("DETAIL:  {detail}")));
    lines.extend(report.hint.iter().map(|hint| format!("HINT:  {hint}")));
    lines
}
