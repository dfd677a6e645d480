package governance.domains.hr_test

import data.governance.domains.hr

sam := {"user": {"id": "sam", "roles": ["ENGINEER"], "department": "HR"}, "workspace": {"type": "SHARED_ANALYSIS"}}

audrey := {"user": {"id": "audrey", "roles": ["AUDITOR"], "department": "COMPLIANCE"}, "workspace": {"type": "AUDIT_INVESTIGATION"}}

alice := {"user": {"id": "alice", "roles": ["ANALYST"], "department": "SALES"}, "workspace": {"type": "SHARED_ANALYSIS"}}

test_investigations_are_for_hr if hr.allow with input as sam

test_and_for_auditors_in_audit_workspaces if {
	hr.allow with input as audrey
	not hr.allow with input as object.union(audrey, {"workspace": {"type": "AD_HOC"}})
}

test_and_for_nobody_else if {
	not hr.allow with input as alice
	hr.reasons == {"Investigations are for HR, and for auditors in an audit workspace."} with input as alice
}

test_findings_are_for_hr if {
	not hr.column_masks.findings with input as sam
	hr.column_masks.findings.name == "constant" with input as audrey
}

test_the_policy_is_named if hr.metadata.id == "HR-001"

test_few_rows_at_once if hr.limits.max_rows == 500
