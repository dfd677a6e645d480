# Raw data of some domains is for some departments.
package analytics.data_access

policies["P-2026-007"] := {"title": "Departments", "owner": "data-governance@example.com"}

departments := {"finance": {"FINANCE", "HR", "COMPLIANCE"}, "hr": {"HR", "COMPLIANCE"}}

denials contains {"policy": "P-2026-007", "message": message} if {
	is_raw
	allowed := departments[input.dataset.domain]
	not in_department(allowed)
	message := sprintf("Raw data of domain %s is for the departments %s.", [
		input.dataset.domain,
		concat(", ", sort(allowed)),
	])
}

in_department(allowed) if input.user.department in allowed
