//! Records as they are read back.

use super::record::{Action, AuditResult};
use super::verify::{VerifyFailure, VerifyOptions, VerifyReport, walk};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// One record of the log. `result` is absent in a begun record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedRecord {
    /// Both records of a statement carry the same.
    pub event_id: String,
    /// When it was recorded, RFC 3339, UTC, microseconds.
    pub timestamp: String,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// In which roles, comma separated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_role: Option<String>,
    /// From which address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<String>,
    /// What was done.
    pub action: Action,
    /// To what kind of thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// To which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// In which workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<String>,
    /// For which tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// More facts.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub parameters: serde_json::Map<String, serde_json::Value>,
    /// How it came out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<AuditResult>,
    /// The statement without its literals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sanitized_query: Option<String>,
    /// Equal for statements of one shape, 16 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The datasets that it read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub datasets: Vec<String>,
    /// The columns that it used, with their masks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<serde_json::Value>,
    /// The row filters that were applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub row_filters: Vec<serde_json::Value>,
    /// What the policies decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_decision: Option<serde_json::Value>,
    /// Rows that left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Bytes that left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How long it took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The trace that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// What was exported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export_manifest: Option<serde_json::Value>,
    /// The hash of the record before it.
    pub previous_hash: String,
    /// Its own.
    pub hash: String,
}

/// Reads a log from its beginning, proving it on the way. Blocking. Records that come before a broken one have been
/// given to `each` when the failure is returned.
///
/// # Errors
/// The first broken record.
pub fn read(folder: &Path, mut each: impl FnMut(LoggedRecord)) -> Result<VerifyReport, VerifyFailure> {
    walk(folder, &VerifyOptions::default(), &mut each)
}
