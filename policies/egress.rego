# What may leave. A result that is read on a screen is not asked about here; an export is.
package analytics.egress

metadata := {"id": "P-2026-014", "title": "Egress", "owner": "security@example.com"}

default allow := false

small if {
	input.export.rowCount <= 1000
	input.export.byteSize <= 10485760 # 10 MB
}

# Columns that leave in the clear and should not. A masked column has lost these tags.
exposed contains column.name if {
	some column in input.export.columns
	some tag in column.tags
	tag in {"PII", "SENSITIVE"}
}

allow if {
	input.action == "EXPORT"
	small
	count(exposed) == 0
}

allow if {
	input.action == "EXPORT"
	some approval in input.user.approvals
	approval.type == "EXPORT_REQUEST"
	approval.exportId == input.export.id
	approval.status == "APPROVED"
	time.now_ns() < approval.expiresAt
}

reasons contains "An export of more than 1,000 rows or 10 MB needs an approval." if {
	not allow
	not small
}

reasons contains message if {
	not allow
	count(exposed) > 0
	message := sprintf("These columns leave in the clear: %s.", [concat(", ", sort(exposed))])
}

alternatives contains "Mask or leave out personal and sensitive columns." if {
	not allow
	count(exposed) > 0
}

alternatives contains "Aggregate, or take fewer rows." if {
	not allow
	not small
}

alternatives contains "Ask for an EXPORT_REQUEST approval." if not allow
