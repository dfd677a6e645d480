# Development against production: engineers build on the shape of production data, not on its people.
package analytics.data_access

policies["P-2026-009"] := {"title": "Development and production", "owner": "security@example.com"}

# Somebody who is an engineer and nothing that works with the data itself.
only_engineer if {
	has_role("ENGINEER")
	count({role | some role in curated_roles; has_role(role)}) == 0
}

repair_purposes := {"debugging", "incident"}

has_repair_purpose if input.purpose in repair_purposes

denials contains {"policy": "P-2026-009", "columns": columns, "message": message} if {
	input.environment.name == "production"
	input.dataset.tier == "CURATED"
	only_engineer
	not has_repair_purpose
	columns := sort(used_with_tag("PII") | used_with_tag("SENSITIVE"))
	count(columns) > 0
	message := sprintf("Engineers use these columns in production to repair something, and say so: %s.", [concat(", ", columns)])
}

alternatives contains {"order": 20, "message": "State a purpose: SET querygate.purpose = 'incident'."} if {
	input.environment.name == "production"
	only_engineer
	not has_repair_purpose
}

# No raw data where software is tried out.
denials contains {"policy": "P-2026-009", "message": "There is no raw data in test environments."} if {
	input.environment.name in {"test", "staging"}
	is_raw
}
