package analytics.egress_test

import data.analytics.egress

small := {
	"action": "EXPORT",
	"user": {"id": "alice", "approvals": []},
	"export": {
		"id": "e1", "rowCount": 1000, "byteSize": 10485760, "format": "csv", "destination": "client",
		"columns": [{"name": "region", "tags": []}, {"name": "email", "tags": ["ANONYMIZED_EMAIL"]}],
	},
}

exposing := object.union(small, {"export": object.union(small.export, {
	"columns": [{"name": "email", "tags": ["EMAIL", "PII"]}],
})})

large := object.union(small, {"export": object.union(small.export, {"rowCount": 1001})})

approved(question) := object.union(question, {"user": {"approvals": [{
	"type": "EXPORT_REQUEST", "status": "APPROVED", "exportId": "e1", "expiresAt": 1736935200000000001,
}]}})

test_a_small_export_without_personal_data_leaves if egress.allow with input as small

test_an_export_with_personal_data_does_not if {
	not egress.allow with input as exposing
	"These columns leave in the clear: email." in egress.reasons with input as exposing
	"Mask or leave out personal and sensitive columns." in egress.alternatives with input as exposing
}

test_a_large_export_does_not if {
	not egress.allow with input as large
	"An export of more than 1,000 rows or 10 MB needs an approval." in egress.reasons with input as large
	"Aggregate, or take fewer rows." in egress.alternatives with input as large
	"Ask for an EXPORT_REQUEST approval." in egress.alternatives with input as large
}

test_with_an_approval_it_does if {
	egress.allow with input as approved(large)
	egress.allow with input as approved(exposing)
}

test_an_approval_runs_out_and_is_for_one_export if {
	not egress.allow with input as approved(large) with time.now_ns as 1736935200000000001
	other := object.union(large, {"export": {"id": "e2"}})
	not egress.allow with input as approved(other)
}

test_only_exports_are_asked_about if not egress.allow with input as object.union(small, {"action": "QUERY"})

test_the_policy_is_named if egress.metadata.id == "P-2026-014"
