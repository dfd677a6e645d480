# Curated data about people: those of one's own region.
package analytics.data_access

policies["P-2026-012"] := {"title": "Regions", "owner": "privacy@example.com"}

# A business unit that is not known has no region, and no rows.
region := object.get(input.user, "businessUnit", "")

row_filters contains {
	"policy": "P-2026-012",
	"expression": "region = :region",
	"params": {"region": region},
	"for_columns": ["region"],
} if {
	input.dataset.tier == "CURATED"
	not is_auditor
}

# Events carry no region of their own: they have that of the person.
row_filters contains {
	"policy": "P-2026-012",
	"expression": "person_id in (select p.id from public.people p where p.region = :region)",
	"params": {"region": region},
} if {
	input.dataset.name == "public.events"
	not is_auditor
}
