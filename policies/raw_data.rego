# Raw data is read with an approval, or by an auditor in an audit workspace.
package analytics.data_access

policies["P-2026-002"] := {"title": "Raw data by approval", "owner": "data-governance@example.com"}

is_raw if input.dataset.tier == "RAW"

grants contains {"policy": "P-2026-002", "message": "an approval for this raw data is held"} if {
	is_raw
	has_raw_data_approval
}

grants contains {"policy": "P-2026-002", "message": "auditors read raw data in audit workspaces"} if {
	is_raw
	is_auditor
	in_audit
}

has_raw_data_approval if {
	some approval in input.user.approvals
	approval.datasetId == input.dataset.id
	approval.type == "RAW_DATA_ACCESS"
	approval.status == "APPROVED"
	time.now_ns() < approval.expiresAt
}

missing contains {"policy": "P-2026-002", "message": "Raw data is read with an approval (RAW_DATA_ACCESS)."} if is_raw

requires_approval contains "RAW_DATA_ACCESS" if {
	is_raw
	count(grants) == 0
	count(denials) == 0
}

# Where the same question can be asked of prepared data.
prepared := {"public.payroll": "public.people_summary"}

alternatives contains {"order": 10, "message": sprintf("Use %s, which is open to you.", [instead])} if {
	instead := prepared[input.dataset.name]
}

alternatives contains {"order": 20, "message": "Ask the dataset's steward for a RAW_DATA_ACCESS approval."} if {
	is_raw
	count(grants) == 0
}
