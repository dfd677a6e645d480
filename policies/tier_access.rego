# Who may read data of which tier. Raw data has a file of its own: raw_data.rego.
package analytics.data_access

policies["P-2026-001"] := {"title": "Access by tier", "owner": "data-governance@example.com"}

# Generated and de-identified data is self-service.
grants contains {"policy": "P-2026-001", "message": "generated and de-identified data is open to everybody"} if {
	input.dataset.tier in {"SYNTHETIC", "ANONYMIZED"}
}

# Curated data: those whose work it is, and the business unit that owns it.
curated_roles := {"ANALYST", "AUDITOR", "DATA_SCIENTIST"}

grants contains {"policy": "P-2026-001", "message": "curated data is for analysts and auditors"} if {
	input.dataset.tier == "CURATED"
	some role in curated_roles
	has_role(role)
}

grants contains {"policy": "P-2026-001", "message": "curated data is for the business unit that owns it"} if {
	input.dataset.tier == "CURATED"
	input.user.businessUnit == input.dataset.ownerBusinessUnit
}

missing contains {
	"policy": "P-2026-001",
	"message": "Curated data is for analysts, data scientists, auditors, and for the business unit that owns it.",
} if {
	input.dataset.tier == "CURATED"
}

alternatives contains {"order": 40, "message": "Use a dataset of tier ANONYMIZED or SYNTHETIC: they are open to you."} if {
	input.dataset.tier == "CURATED"
	count(grants) == 0
}
