# What a session says it is for: SET querygate.purpose = '…'.
package analytics.data_access

policies["P-2026-008"] := {"title": "Purpose", "owner": "privacy@example.com"}

# Nobody agreed to have their personal data used for marketing.
denials contains {"policy": "P-2026-008", "columns": columns, "message": message} if {
	input.purpose == "marketing"
	input.dataset.tier in {"RAW", "CURATED"}
	columns := sort(used_with_tag("PII"))
	count(columns) > 0
	message := sprintf("Personal data is not used for marketing: %s.", [concat(", ", columns)])
}

alternatives contains {"order": 10, "message": message} if {
	input.purpose == "marketing"
	columns := sort(used_with_tag("PII"))
	count(columns) > 0
	message := sprintf("Leave these columns out: %s.", [concat(", ", columns)])
}

# Who reads raw data in an audit says what for.
audit_purposes := {"audit", "incident", "investigation"}

stated_audit_purpose if input.purpose in audit_purposes

denials contains {"policy": "P-2026-008", "message": "An audit of raw data states its purpose."} if {
	is_raw
	is_auditor
	in_audit
	not has_raw_data_approval
	not stated_audit_purpose
}

alternatives contains {"order": 10, "message": "State a purpose: SET querygate.purpose = 'audit'."} if {
	is_raw
	is_auditor
	in_audit
	not stated_audit_purpose
}
