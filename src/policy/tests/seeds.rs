//! The shapes in which policies were written before there was this gateway: what reads, and what it says of the rest.

use super::world::{Question, allowed, denied, files, user};
use crate::policy::{Approval, PolicyBundle};

const WORKSPACE: &str = r#"# policies/workspace.rego
package analytics.workspace

# Default deny
default allow = false

# Allow workspace creation if user has analyst role
allow {
    input.action == "CREATE_WORKSPACE"
    input.user.roles[_] == "analyst"
    valid_workspace_type
    within_quota
}

# Validate workspace type for role
valid_workspace_type {
    input.workspace.type == "AD_HOC"
    input.user.roles[_] == "analyst"
}

valid_workspace_type {
    input.workspace.type == "MODEL_DEVELOPMENT"
    input.user.roles[_] == "data_scientist"
}

# Check user hasn't exceeded workspace quota
within_quota {
    count(input.user.activeWorkspaces) < max_workspaces[input.user.roles[0]]
}

max_workspaces := {
    "analyst": 3,
    "data_scientist": 5,
    "engineer": 10,
}
"#;

const DATA_ACCESS: &str = r#"# policies/data_access.rego
package analytics.data_access

default allow = false

# Allow access to anonymized data for all analysts
allow {
    input.action == "QUERY"
    input.dataset.tier == "ANONYMIZED"
    input.user.roles[_] == "analyst"
}

# Allow access to curated data if in same business unit
allow {
    input.action == "QUERY"
    input.dataset.tier == "CURATED"
    input.user.businessUnit == input.dataset.ownerBusinessUnit
}

# Raw data requires explicit approval
allow {
    input.action == "QUERY"
    input.dataset.tier == "RAW"
    has_raw_data_approval
}

has_raw_data_approval {
    approval := input.user.approvals[_]
    approval.datasetId == input.dataset.id
    approval.type == "RAW_DATA_ACCESS"
    approval.status == "APPROVED"
    time.now_ns() < approval.expiresAt
}
"#;

const EGRESS: &str = r#"# policies/egress.rego
package analytics.egress

default allow = false

# Allow small exports without approval
allow {
    input.action == "EXPORT"
    input.export.rowCount <= 1000
    input.export.byteSize <= 10485760  # 10 MB
    not contains_pii
    not contains_sensitive
}

# Larger exports require approval
allow {
    input.action == "EXPORT"
    has_export_approval
}

contains_pii {
    input.export.columns[_].classification == "PII"
}

contains_sensitive {
    input.export.columns[_].classification == "SENSITIVE"
}

has_export_approval {
    approval := input.user.approvals[_]
    approval.type == "EXPORT_REQUEST"
    approval.exportId == input.export.id
    approval.status == "APPROVED"
}
"#;

const PII_EXPORT: &str = r#"# policies/pii_export.rego
package governance

# Default deny for safety
default allow_export = false

# Allow export if all conditions met
allow_export {
    # Data is not classified as PROPRIETARY
    input.classification != "PROPRIETARY"
    
    # OR user has explicit exemption
    not input.classification == "PROPRIETARY"
} {
    # OR destination is approved
    input.destination.type == "governed_storage"
    input.destination.encrypted == true
}

# Provide alternatives when denied
alternatives[msg] {
    not allow_export
    input.classification == "PROPRIETARY"
    msg := "Use anonymized version: lacuna.anonymize(data, pii_columns)"
} {
    not allow_export
    input.classification == "PROPRIETARY"
    msg := sprintf("Save to governed location: %s", [approved_paths[_]])
}
"#;

const DATA_EXPORT: &str = r#"# policies/data_export.rego
package governance.export

import future.keywords.if
import future.keywords.in

# Policy metadata
metadata := {
    "id": "P-2024-001",
    "title": "PII Export Restrictions",
    "owner": "data-governance@example.com",
    "compliance": ["GDPR", "CCPA"],
    "version": "1.2.0",
    "last_updated": "2025-01-15"
}

# Helper: Check if data contains PII
contains_pii if {
    "PII" in input.source.tags
}

# Helper: Check if destination is approved
approved_destination if {
    input.destination.type == "governed_storage"
    input.destination.encrypted == true
}

approved_destination if {
    input.destination.type == "database"
    input.destination.classification_support == true
}

# Main policy: Allow export
default allow := false

allow if {
    # Public data can go anywhere
    input.source.classification == "PUBLIC"
}

allow if {
    # Internal data to internal systems
    input.source.classification == "INTERNAL"
    input.destination.scope == "internal"
}

allow if {
    # Proprietary data only to approved destinations
    input.source.classification == "PROPRIETARY"
    approved_destination
}

allow if {
    # Exception granted by data steward
    input.exception_approved == true
    input.exception_approver_role == "data_steward"
}

# Provide helpful alternatives when denied
alternatives[msg] {
    not allow
    contains_pii
    msg := "Anonymize PII: lacuna.anonymize(data, pii_columns=['email', 'phone', 'address'])"
}

alternatives[msg] {
    not allow
    input.destination.type == "file"
    msg := sprintf("Save to governed storage: %v", [approved_paths[0]])
}

alternatives[msg] {
    not allow
    msg := "Request exception: lacuna.request_exception(purpose='...', approver='data-steward@example.com')"
}

# List of approved export paths
approved_paths := [
    "/governed/workspace/",
    "/governed/reports/",
    "s3://company-governed-data/"
]
"#;

const MARKETING: &str = r#"# policies/marketing_domain.rego
package governance.domains.marketing

# Marketing team owns policies for marketing data
metadata := {
    "domain": "marketing",
    "owner": "marketing-data-lead@example.com",
    "inherits": ["governance.export"]  # Inherit corporate policies
}

# Domain-specific classification
classify_marketing_data[classification] {
    input.source.table_name == "campaigns"
    classification := {
        "tier": "INTERNAL",
        "tags": ["MARKETING", "CAMPAIGN_DATA"],
        "steward": "marketing-data-lead@example.com"
    }
}

classify_marketing_data[classification] {
    input.source.table_name == "customer_segments"
    classification := {
        "tier": "PROPRIETARY",  # Contains customer intelligence
        "tags": ["MARKETING", "PROPRIETARY", "CUSTOMER_INTELLIGENCE"],
        "steward": "marketing-data-lead@example.com"
    }
}

# Marketing-specific export rules
allow_marketing_export {
    input.source.tags[_] == "MARKETING"
    input.user.department == "marketing"
    input.destination.type == "marketing_automation_platform"
}
"#;

const ENVIRONMENT: &str = r#"package governance.environment_aware

allow_looser_in_dev {
    input.environment == "development"
    input.source.classification == "PROPRIETARY"
    input.destination.type == "local_file"
    input.destination.path_prefix == "/tmp/"
}

# Stricter in production
allow_strict_in_prod {
    input.environment == "production"
    input.source.classification == "PROPRIETARY"
    input.destination.type == "governed_storage"
    input.destination.encrypted == true
}
"#;

const TIME_BASED: &str = r#"package governance.time_based

import time

# Customer data older than 90 days requires special access
requires_retention_approval {
    input.source.tags[_] == "CUSTOMER_DATA"
    data_age_days := time.diff_days(time.now_ns(), input.source.created_at)
    data_age_days > 90
    not input.user.role == "compliance_officer"
}
"#;

const PURPOSE: &str = r#"package governance.purpose_based

allow_for_analytics {
    input.purpose == "analytics"
    input.source.tags[_] == "CUSTOMER_DATA"
    input.destination.type == "analytics_warehouse"
}

deny_for_marketing {
    input.purpose == "marketing"
    input.source.tags[_] == "CUSTOMER_DATA"
    not input.user.consent_management_certified == true
}
"#;

fn load(text: &str) -> Result<PolicyBundle, String> {
    PolicyBundle::load(&files(&[("p.rego", text)]))
        .map_err(|findings| findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

#[test]
fn seven_of_nine_read_as_they_are() {
    for text in [WORKSPACE, DATA_ACCESS, EGRESS, DATA_EXPORT, MARKETING, ENVIRONMENT, PURPOSE] {
        if let Err(findings) = load(text) {
            panic!("{findings}\n{text}");
        }
    }
}

#[test]
fn all_seven_read_together() {
    let all = [WORKSPACE, DATA_ACCESS, EGRESS, DATA_EXPORT, MARKETING, ENVIRONMENT, PURPOSE];
    let names: Vec<String> = (0..all.len()).map(|number| format!("p{number}.rego")).collect();
    let all: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(all).collect();
    assert!(PolicyBundle::load(&files(&all)).is_ok());
}

#[test]
fn a_chained_body_is_named_with_what_to_write() {
    let findings = load(PII_EXPORT).err().unwrap_or_default();
    assert!(findings.contains("p.rego:14:3: error: a second body after the first (`} {`) is not read"), "{findings}");
    assert!(findings.contains("write the head again before the second body: `allow_export { … }`"), "{findings}");
    let repaired = PII_EXPORT
        .replace("} {\n    # OR destination", "}\n\nallow_export {\n    # OR destination")
        .replace("} {\n    not allow_export", "}\n\nalternatives[msg] {\n    not allow_export")
        .replace("approved_paths[_]", "\"/governed\"");
    load(&repaired).unwrap_or_else(|findings| panic!("{findings}"));
}

#[test]
fn an_import_of_a_built_in_is_named_with_what_to_write() {
    let findings = load(TIME_BASED).err().unwrap_or_default();
    assert!(findings.contains("p.rego:3:8: error: `import time` is no import of Rego"), "{findings}");
    assert!(findings.contains("delete the line"), "{findings}");
    // The next thing that it would have failed on: there is no such function, in OPA either.
    let findings = load(&TIME_BASED.replace("import time\n", "")).err().unwrap_or_default();
    assert!(findings.contains("there is no function time.diff_days"), "{findings}");
    assert!(findings.contains("did you mean time."), "{findings}");
}

#[test]
fn the_data_access_seed_decides() {
    let bundle = load(DATA_ACCESS).unwrap_or_else(|findings| panic!("{findings}"));
    let mut question = Question::new();
    question.user = user("alice", &["analyst"], "EU");
    // Curated, of her own business unit.
    allowed(question.ask(&bundle));
    question.user = user("alice", &["analyst"], "US");
    denied(question.ask(&bundle));
    // De-identified, for analysts: spelled as the catalog spells the role.
    let mut summary = super::world::people();
    summary.tier = crate::types::Tier::Anonymized;
    question.dataset = summary.into();
    allowed(question.ask(&bundle));
    question.user = user("alice", &["ANALYST"], "US");
    denied(question.ask(&bundle));
    // Raw, with an approval that has not run out.
    let mut raw = super::world::people();
    raw.tier = crate::types::Tier::Raw;
    question.dataset = raw.into();
    denied(question.ask(&bundle));
    question.approvals = vec![Approval {
        kind: "RAW_DATA_ACCESS".into(),
        status: "APPROVED".into(),
        dataset: Some("public.people".into()),
        export: None,
        expires_at_ns: question.now_ns + 1_500_000_000,
    }];
    allowed(question.ask(&bundle));
    question.now_ns += 2_000_000_000;
    denied(question.ask(&bundle));
}

#[test]
fn a_domain_seed_without_an_allow_narrows_nothing() {
    let both = [("a.rego", "package analytics.data_access\nallow := true"), ("b.rego", MARKETING)];
    let bundle = PolicyBundle::load(&files(&both)).unwrap_or_else(|findings| panic!("{findings:#?}"));
    let mut dataset = super::world::people();
    dataset.domain = Some("marketing".into());
    let given = allowed(Question::about(dataset).ask(&bundle));
    let owners: Vec<Option<&str>> = given.policies.iter().map(|policy| policy.owner.as_deref()).collect();
    assert_eq!(owners, [None, Some("marketing-data-lead@example.com")]);
}

/// The shape of the export seed, asked as the gateway asks: future keywords beside v0 heads, metadata, alternatives.
#[test]
fn the_export_seeds_shape_gives_reasons_and_alternatives() {
    let text = DATA_EXPORT
        .replace("package governance.export", "package analytics.data_access")
        .replace("input.source.", "input.dataset.");
    let bundle = load(&text).unwrap_or_else(|findings| panic!("{findings}"));
    let reason = denied(Question::new().ask(&bundle));
    assert_eq!(reason.policies[0].label(), "P-2024-001 (PII Export Restrictions)");
    assert_eq!(reason.policies[0].owner.as_deref(), Some("data-governance@example.com"));
    assert!(reason.alternatives[0].starts_with("Anonymize PII"), "{reason:?}");
    assert_eq!(reason.alternatives.len(), 2);
}

#[test]
fn what_reaches_outside_is_refused() {
    for (call, named) in [
        ("http.send({\"url\": \"http://x\"}).status_code == 200", "http.send"),
        ("http[\"send\"]({\"url\": \"http://x\"}).status_code == 200", "http.send"),
        ("opa.runtime().env.HOME == \"x\"", "opa.runtime"),
        ("rand.intn(\"a\", 2) == 1", "rand.intn"),
        ("uuid.rfc4122(\"a\") != \"\"", "uuid.rfc4122"),
        ("net.lookup_ip_addr(\"x\")", "net.lookup_ip_addr"),
        ("time.clock([time.now_ns(), \"Local\"])[0] > 8", "time zone \"Local\""),
        ("nosuch.function(1)", "there is no function nosuch.function"),
        ("lowr(\"A\") == \"a\"", "did you mean lower?"),
    ] {
        let findings = load(&format!("package analytics.data_access\nallow if {call}")).err().unwrap_or_default();
        assert!(findings.contains(named) && findings.contains("p.rego:2:"), "{call}: {findings}");
    }
}

#[test]
fn both_syntaxes_make_one_package() {
    let both = [
        ("a.rego", "package analytics.data_access\ndefault allow = false\nallow { granted[_] == \"yes\" }"),
        ("b.rego", "package analytics.data_access\ngranted contains \"yes\" if input.user.id == \"alice\""),
    ];
    let bundle = PolicyBundle::load(&files(&both)).unwrap_or_else(|findings| panic!("{findings:#?}"));
    allowed(Question::new().ask(&bundle));
}

#[test]
fn mistakes_have_their_place() {
    for (text, place) in [
        ("package a\n\nallow if {\n  input.x ==\n}\n", "p.rego:5:1: error: "),
        ("package a\nallow if x", "p.rego:2:10: error: "),
        ("package querygate.mine\n", "p.rego:1:1: error: packages below querygate"),
        ("package a\nx := \"\u{0}\"", "p.rego:2:7: error: control character"),
        ("", "p.rego"),
    ] {
        let findings = load(text).err().unwrap_or_default();
        assert!(findings.contains(place), "{text:?}: {findings}");
    }
    let twice = PolicyBundle::load(&files(&[("p.rego", "package a"), ("p.rego", "package b")]));
    assert!(twice.is_err());
}

#[test]
fn equal_texts_have_equal_revisions() {
    let revision = |texts: &[(&str, &str)]| PolicyBundle::load(&files(texts)).map(|bundle| bundle.revision()).ok();
    let one = revision(&[("a.rego", "package a"), ("b.rego", "package b")]);
    assert_eq!(one, revision(&[("b.rego", "package b"), ("a.rego", "package a")]));
    assert_ne!(one, revision(&[("a.rego", "package a"), ("b.rego", "package b2")]));
}

/// regorus takes rules of other files for undefined when a package is read as a whole: see `spread.rs`.
#[test]
fn a_package_of_several_files_is_the_same_through_an_import() {
    let lib =
        [("a.rego", "package lib\nunrelated := 1"), ("b.rego", "package lib\nblocked if input.user.id == \"alice\"")];
    for rules in [
        "import data.lib\nallow if not lib.blocked",
        "import data.lib as l\nallow if not l.blocked",
        "import data.lib.blocked\nallow if not blocked",
        "allow if not data.lib.blocked",
        "allow if not data[\"lib\"].blocked",
    ] {
        let policy = format!("package analytics.data_access\n{rules}");
        let all = [lib[0], lib[1], ("c.rego", policy.as_str())];
        let bundle = PolicyBundle::load(&files(&all)).unwrap_or_else(|findings| panic!("{rules}: {findings:#?}"));
        denied(Question::new().ask(&bundle));
        let mut question = Question::new();
        question.user = user("bob", &["ANALYST"], "EU");
        allowed(question.ask(&bundle));
    }
    for rules in [
        "allow if data.lib[\"x\"][_]\nx if data.lib[input.x]",
        "import data.lib\nallow if count(lib) == 1",
        "allow if count(data) > 0",
    ] {
        let policy = format!("package analytics.data_access\n{rules}");
        let all = [lib[0], lib[1], ("c.rego", policy.as_str())];
        let findings = PolicyBundle::load(&files(&all)).err().unwrap_or_default();
        assert!(
            findings.iter().any(|f| f.what == "package lib has several files: it can't be read as a whole"),
            "{rules}: {findings:#?}"
        );
    }
}
