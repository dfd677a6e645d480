//! What one record says, and how a caller puts it together.
//!
//! Field names are those of SPEC section 7. Everything that a client can choose (user, application, database) goes
//! through [`Shown`], which bounds its length and takes out what could fool a terminal.

use super::error::AuditError;
use crate::decision::RowFilter;
use crate::sql::SanitizedSql;
use crate::types::{DatasetName, DecisionId, Revision, Role, StatementId, TenantId, UserId, WorkspaceName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// A workspace was made.
    WorkspaceCreate,
    /// A workspace was entered.
    WorkspaceAccess,
    /// A workspace was changed.
    WorkspaceUpdate,
    /// A workspace was deleted.
    WorkspaceDelete,
    /// A statement ran, or was to run.
    QueryExecute,
    /// A running statement was cancelled.
    QueryCancel,
    /// Data was reached in another way than by a statement.
    DataAccess,
    /// Data left as an export.
    DataExport,
    /// Metadata was read.
    SchemaBrowse,
    /// An approval was asked for.
    ApprovalRequest,
    /// An approval was decided.
    ApprovalDecision,
    /// A policy refused something.
    PolicyViolation,
    /// Somebody connected, or tried to.
    Login,
    /// Catalog, policies, configuration or the log itself were loaded, reloaded or repaired.
    ConfigReload,
}

/// How it came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AuditResult {
    /// Done.
    Success,
    /// Not done, or not to the end.
    Failure,
    /// Not allowed.
    Denied,
}

/// What kind of thing it was done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ResourceType {
    /// A workspace.
    Workspace,
    /// A statement.
    Query,
    /// An export.
    Export,
    /// A dataset.
    Dataset,
    /// A connection.
    Session,
    /// The gateway itself.
    Gateway,
}

/// What the policies said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Effect {
    /// Allowed, under obligations.
    Allow,
    /// Allowed after an approval.
    RequireApproval,
    /// Refused.
    Deny,
}

/// Text that may come from a client, fit for a log: at most [`Shown::LENGTH`] characters, and no control,
/// bidirectional or line-separating character (each becomes U+FFFD; JSON escapes the rest of what it must).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Shown(String);

impl Shown {
    /// The most characters that are kept.
    pub(super) const LENGTH: usize = 256;

    pub(super) fn new(text: impl AsRef<str>) -> Self {
        let mut characters = text.as_ref().chars();
        let mut shown: String = characters
            .by_ref()
            .take(Self::LENGTH)
            .map(|c| {
                let misleading = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
                if c.is_control() || misleading { char::REPLACEMENT_CHARACTER } else { c }
            })
            .collect();
        if characters.next().is_some() {
            shown.push('…');
        }
        Self(shown)
    }
}

/// A value in `parameters`. There is no way to put SQL here.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct ParameterValue(ParameterKind);

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum ParameterKind {
    Flag(bool),
    Count(u64),
    Word(Shown),
}

impl From<bool> for ParameterValue {
    fn from(flag: bool) -> Self {
        Self(ParameterKind::Flag(flag))
    }
}

impl From<u64> for ParameterValue {
    fn from(count: u64) -> Self {
        Self(ParameterKind::Count(count))
    }
}

/// A word or a name: a setting's name, an SQLSTATE, an application. Never a statement, never a value of data.
impl From<&str> for ParameterValue {
    fn from(word: &str) -> Self {
        Self(ParameterKind::Word(Shown::new(word)))
    }
}

/// One column that a statement used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ColumnRecord {
    name: Shown,
    dataset: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mask: Option<Shown>,
}

impl ColumnRecord {
    /// A column of a dataset, and the mask it was seen through, as [`crate::decision::Mask::name`] names it.
    pub fn new(dataset: &DatasetName, name: &str, mask: Option<&str>) -> Self {
        Self { name: Shown::new(name), dataset: dataset.to_string(), mask: mask.map(Shown::new) }
    }
}

/// One row filter that was applied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RowFilterRecord {
    dataset: String,
    policy: String,
    expression: String,
}

impl RowFilterRecord {
    /// The policy's own text with its `:parameters`; their values are left out.
    pub fn new(dataset: &DatasetName, filter: &RowFilter) -> Self {
        Self { dataset: dataset.to_string(), policy: filter.policy.label(), expression: filter.expression.clone() }
    }
}

/// Whose statements a session's are.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// Who.
    pub user: &'a UserId,
    /// In which roles, as the catalog lists them.
    pub roles: &'a [Role],
    /// From where.
    pub client: IpAddr,
    /// In which workspace.
    pub workspace: &'a WorkspaceName,
    /// For which tenant.
    pub tenant: Option<&'a TenantId>,
    /// Why, as the session stated it.
    pub purpose: Option<&'a str>,
    /// The session: the resource, and the trace that its records belong to.
    pub session: &'a str,
}

/// Whose statements a session's are: written out once, for as many records as say it.
///
/// The default says nothing, and what says nothing of whose it is can't be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Who(Option<Arc<str>>);

impl Who {
    /// Writes it out.
    pub fn new(about: &About<'_>) -> Self {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Members {
            user_id: Shown,
            #[serde(skip_serializing_if = "Option::is_none")]
            user_role: Option<Shown>,
            client_ip: IpAddr,
            resource_type: ResourceType,
            resource_id: Shown,
            workspace_id: Shown,
            #[serde(skip_serializing_if = "Option::is_none")]
            tenant_id: Option<Shown>,
            #[serde(skip_serializing_if = "Option::is_none")]
            purpose: Option<Shown>,
            trace_id: Shown,
        }
        let members = Members {
            user_id: Shown::new(about.user),
            user_role: shown_roles(about.roles),
            client_ip: about.client,
            resource_type: ResourceType::Query,
            resource_id: Shown::new(about.session),
            workspace_id: Shown::new(about.workspace),
            tenant_id: about.tenant.map(Shown::new),
            purpose: about.purpose.map(Shown::new),
            trace_id: Shown::new(about.session),
        };
        Self(members_of(&members).ok())
    }
}

fn shown_roles<'a>(roles: impl IntoIterator<Item = &'a Role>) -> Option<Shown> {
    let roles: Vec<&str> = roles.into_iter().map(Role::as_str).collect();
    (!roles.is_empty()).then(|| Shown::new(roles.join(",")))
}

/// The members of what serializes as an object, without its braces.
fn members_of(object: &impl Serialize) -> serde_json::Result<Arc<str>> {
    let object = serde_json::to_string(object)?;
    Ok(object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default().into())
}

/// A statement, what it reads, and through what: written out once, for as many records as say it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Used(Option<Arc<str>>);

impl Used {
    /// Its datasets, the columns that it uses of them, and the row filters that are applied.
    ///
    /// # Errors
    /// [`AuditError::Unavailable`] if it can't be written out.
    pub fn new<'a>(
        datasets: impl IntoIterator<Item = &'a DatasetName>,
        columns: Vec<ColumnRecord>,
        row_filters: Vec<RowFilterRecord>,
    ) -> Result<Self, AuditError> {
        Self::of(Text::default(), datasets, columns, row_filters)
    }

    /// The same with the statement's text and fingerprint, and whether these are in it: a text that is too long to stand
    /// there as it is wants [`AuditRecord::statement`].
    ///
    /// # Errors
    /// As [`Used::new`].
    pub fn with_statement<'a>(
        (sql, fingerprint): (&SanitizedSql, u64),
        datasets: impl IntoIterator<Item = &'a DatasetName>,
        columns: Vec<ColumnRecord>,
        row_filters: Vec<RowFilterRecord>,
    ) -> Result<(Self, bool), AuditError> {
        let fits = sql.as_str().len() <= LONGEST_TEXT;
        let text = Text { sanitized_query: fits.then(|| sql.as_str()), fingerprint: fits.then(|| digits(fingerprint)) };
        Ok((Self::of(text, datasets, columns, row_filters)?, fits))
    }

    fn of<'a>(
        text: Text<'_>,
        datasets: impl IntoIterator<Item = &'a DatasetName>,
        columns: Vec<ColumnRecord>,
        row_filters: Vec<RowFilterRecord>,
    ) -> Result<Self, AuditError> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Members<'a> {
            #[serde(flatten)]
            text: Text<'a>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            datasets: Vec<String>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            columns: Vec<ColumnRecord>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            row_filters: Vec<RowFilterRecord>,
        }
        let datasets = datasets.into_iter().map(DatasetName::to_string).collect();
        let members = members_of(&Members { text, datasets, columns, row_filters }).map_err(AuditError::unavailable)?;
        Ok(Self(Some(members).filter(|members| !members.is_empty())))
    }
}

/// A statement, as a record has it.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Text<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sanitized_query: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
}

fn digits(fingerprint: u64) -> String {
    format!("{fingerprint:016x}")
}

/// The longest text of a statement that is kept, in bytes.
const LONGEST_TEXT: usize = 1 << 16;

/// What the policies decided about a statement: written out once, for as many records as say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided(Arc<str>);

impl Decided {
    /// What it was, the labels of the policies that spoke, and which version of the policies it was.
    ///
    /// # Errors
    /// [`AuditError::Unavailable`] if it can't be written out.
    pub fn new(effect: Effect, policies: &[String], revision: &Revision) -> Result<Self, AuditError> {
        #[derive(Serialize)]
        struct Members<'a> {
            effect: Effect,
            policies: &'a [String],
            revision: String,
        }
        let members = Members { effect, policies, revision: revision.to_string() };
        Ok(Self(members_of(&members).map_err(AuditError::unavailable)?))
    }
}

/// What a record says. `timestamp` is set by the sink, `previousHash` and `hash` by the log.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecord {
    pub(super) event_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_id: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_role: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_ip: Option<IpAddr>,
    pub(super) action: Action,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resource_type: Option<ResourceType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resource_id: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) workspace_id: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tenant_id: Option<Shown>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) parameters: BTreeMap<&'static str, ParameterValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<AuditResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sanitized_query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fingerprint: Option<String>,
    #[serde(skip)]
    pub(super) used: Used,
    #[serde(skip)]
    pub(super) who: Option<Who>,
    #[serde(skip)]
    pub(super) policy_decision: Option<(DecisionId, Decided)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) purpose: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trace_id: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) export_manifest: Option<Shown>,
}

/// A fresh UUID of version 7: it sorts by time, to the millisecond. Its random bits are those of a generator that the system
/// has seeded, for two are made for each statement, and asking the system takes longer than all the rest of it.
pub fn fresh_id() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let milliseconds = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &rand::random()).into_uuid().to_string()
}

impl AuditRecord {
    /// A record of an action; everything else is added by the methods below.
    pub fn new(event: &StatementId, action: Action) -> Self {
        Self {
            event_id: event.as_str().to_owned(),
            timestamp: String::new(),
            user_id: None,
            user_role: None,
            client_ip: None,
            action,
            resource_type: None,
            resource_id: None,
            workspace_id: None,
            tenant_id: None,
            parameters: BTreeMap::new(),
            result: None,
            sanitized_query: None,
            fingerprint: None,
            used: Used::default(),
            who: None,
            policy_decision: None,
            rows: None,
            bytes: None,
            duration_ms: None,
            purpose: None,
            trace_id: None,
            export_manifest: None,
        }
    }

    /// A fresh `eventId`.
    pub fn event_id() -> StatementId {
        StatementId::new(fresh_id())
    }

    /// Who.
    #[must_use]
    pub fn user(mut self, user: &UserId) -> Self {
        self.user_id = Some(Shown::new(user));
        self
    }

    /// In which roles, as the catalog lists them.
    #[must_use]
    pub fn roles<'a>(mut self, roles: impl IntoIterator<Item = &'a Role>) -> Self {
        self.user_role = shown_roles(roles);
        self
    }

    /// From where.
    #[must_use]
    pub fn client(mut self, address: IpAddr) -> Self {
        self.client_ip = Some(address);
        self
    }

    /// To what.
    #[must_use]
    pub fn resource(mut self, kind: ResourceType, id: &str) -> Self {
        self.resource_type = Some(kind);
        self.resource_id = Some(Shown::new(id));
        self
    }

    /// In which workspace.
    #[must_use]
    pub fn workspace(mut self, workspace: &WorkspaceName) -> Self {
        self.workspace_id = Some(Shown::new(workspace));
        self
    }

    /// For which tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: Option<&TenantId>) -> Self {
        self.tenant_id = tenant.map(Shown::new);
        self
    }

    /// One more fact. Never a value of data, never SQL.
    #[must_use]
    pub fn parameter(mut self, name: &'static str, value: impl Into<ParameterValue>) -> Self {
        self.parameters.insert(name, value.into());
        self
    }

    /// How it came out, for a record that stands alone. A begun record has none.
    #[must_use]
    pub fn result(mut self, result: AuditResult) -> Self {
        self.result = Some(result);
        self
    }

    /// The statement, without its literals. Of one longer than 64 kB the log keeps the first 64 kB, and says so in
    /// `parameters.statementBytes`: the fingerprint, datasets and columns are of the whole.
    #[must_use]
    pub fn statement(mut self, sql: &SanitizedSql, fingerprint: u64) -> Self {
        let text = sql.as_str();
        if text.len() > LONGEST_TEXT {
            let mut kept = String::with_capacity(LONGEST_TEXT);
            kept.extend(text.chars().scan(0, |bytes: &mut usize, c| {
                *bytes += c.len_utf8();
                (*bytes <= LONGEST_TEXT).then_some(c)
            }));
            kept.push('…');
            self.sanitized_query = Some(kept);
            self = self.parameter("statementBytes", text.len() as u64);
        } else {
            self.sanitized_query = Some(text.to_owned());
        }
        self.fingerprint = Some(digits(fingerprint));
        self
    }

    /// What it reads.
    #[must_use]
    pub fn used(mut self, used: &Used) -> Self {
        self.used = used.clone();
        self
    }

    /// Whose statement it is, from where, where and why: in place of the methods that say one of these each.
    #[must_use]
    pub fn who(mut self, who: &Who) -> Self {
        self.who = Some(who.clone());
        self
    }

    /// The record as one JSON object.
    pub(super) fn json(&self) -> Result<String, AuditError> {
        let unwritten = || AuditError::unavailable("whose statement it is can't be written out");
        let who = self.who.as_ref().map(|who| who.0.as_deref().ok_or_else(unwritten)).transpose()?;
        let mut json = serde_json::to_string(self).map_err(AuditError::unavailable)?;
        json.pop();
        for members in who.into_iter().chain(self.used.0.as_deref()) {
            json.push(',');
            json.push_str(members);
        }
        if let Some((id, decided)) = &self.policy_decision {
            json.push_str(r#","policyDecision":{"id":"#);
            json.push_str(&serde_json::to_string(id.as_str()).map_err(AuditError::unavailable)?);
            json.push(',');
            json.push_str(&decided.0);
            json.push('}');
        }
        json.push('}');
        Ok(json)
    }

    /// What the policies decided, under the name that errors and log lines have for it.
    #[must_use]
    pub fn decision(mut self, id: &DecisionId, decided: &Decided) -> Self {
        self.policy_decision = Some((id.clone(), decided.clone()));
        self
    }

    /// Why, as the session stated it.
    #[must_use]
    pub fn purpose(mut self, purpose: Option<&str>) -> Self {
        self.purpose = purpose.map(Shown::new);
        self
    }

    /// The trace that it belongs to.
    #[must_use]
    pub fn trace(mut self, trace: &str) -> Self {
        self.trace_id = Some(Shown::new(trace));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_the_names_of_the_contract_and_only_what_is_known_is_there() {
        let people = DatasetName::new("public", "people");
        let record = AuditRecord::new(&"e1".into(), Action::QueryExecute)
            .user(&"ana".into())
            .roles([&Role::from("ANALYST"), &Role::from("AUDITOR")])
            .client("10.0.0.7".parse().unwrap())
            .resource(ResourceType::Query, "e1")
            .workspace(&"adhoc".into())
            .tenant(Some(&"acme".into()))
            .parameter("rowsAtMost", 10)
            .used(&Used::new([&people], vec![ColumnRecord::new(&people, "email", Some("email"))], Vec::new()).unwrap())
            .purpose(Some("billing"))
            .trace("t1");
        let json: serde_json::Value = serde_json::from_str(&record.json().unwrap()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "eventId": "e1", "userId": "ana", "userRole": "ANALYST,AUDITOR", "clientIp": "10.0.0.7",
                "action": "QUERY_EXECUTE", "resourceType": "QUERY", "resourceId": "e1", "workspaceId": "adhoc",
                "tenantId": "acme", "parameters": {"rowsAtMost": 10}, "datasets": ["public.people"],
                "columns": [{"name": "email", "dataset": "public.people", "mask": "email"}],
                "purpose": "billing", "traceId": "t1",
            })
        );
    }

    #[test]
    fn what_a_client_chooses_is_bounded_and_can_not_fool_a_terminal() {
        let hostile = format!("a\u{1b}[2J\n\u{202e}\u{85}{}", "é".repeat(10_000));
        let shown = Shown::new(&hostile);
        assert_eq!(shown.0.chars().count(), Shown::LENGTH + 1);
        assert!(shown.0.starts_with("a\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}é"));
        assert!(shown.0.ends_with('…'));
        assert_eq!(Shown::new("Zoë 北京").0, "Zoë 北京");
    }

    #[test]
    fn a_row_filter_shows_its_parameters_names_and_not_their_values() {
        use crate::decision::{ParamValue, PolicyRef};
        let filter = RowFilter {
            expression: "region = :region".into(),
            params: BTreeMap::from([("region".into(), ParamValue::Text("EU-secret".into()))]),
            policy: PolicyRef::package("analytics.data_access"),
        };
        let json =
            serde_json::to_string(&RowFilterRecord::new(&DatasetName::new("public", "people"), &filter)).unwrap();
        assert!(json.contains("region = :region") && !json.contains("secret"), "{json}");
    }
}
