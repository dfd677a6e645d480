# Tests of the company's rules for reading data: `querygate test`.
package analytics.data_access_test

import data.analytics.data_access

# People -------------------------------------------------------------------------------------------------------------

alice := {
	"id": "alice", "roles": ["ANALYST"], "tenant": "acme", "businessUnit": "EU", "department": "SALES",
	"country": "DE", "mfa_verified": false, "approvals": [],
}

bob := object.union(alice, {"id": "bob", "tenant": "globex", "businessUnit": "US", "country": "US"})

dana := object.union(alice, {
	"id": "dana", "roles": ["DATA_SCIENTIST", "ANALYST"], "department": "ENGINEERING", "country": "FR",
	"mfa_verified": true,
})

erin := object.union(bob, {"id": "erin", "roles": ["ENGINEER"], "tenant": "acme", "department": "ENGINEERING"})

audrey := object.remove(
	object.union(alice, {
		"id": "audrey", "roles": ["AUDITOR"], "department": "COMPLIANCE", "country": "NL", "mfa_verified": true,
	}),
	["tenant"],
)

approval := {
	"type": "RAW_DATA_ACCESS", "status": "APPROVED", "datasetId": "public.payroll",
	"expiresAt": 1736935200000000001,
}

# In HR, with a second factor and an approval for the payroll that ends in a nanosecond.
approved := object.union(alice, {"department": "HR", "mfa_verified": true, "approvals": [approval]})

# Data ---------------------------------------------------------------------------------------------------------------

columns := [
	{"name": "id", "classification": "INTERNAL", "tags": []},
	{"name": "tenant_id", "classification": "INTERNAL", "tags": []},
	{"name": "email", "classification": "PROPRIETARY", "tags": ["EMAIL", "PII"]},
	{"name": "salary", "classification": "PROPRIETARY", "tags": ["SALARY", "SENSITIVE"]},
	{"name": "region", "classification": "PUBLIC", "tags": []},
]

people := {
	"id": "public.people", "name": "public.people", "tier": "CURATED", "domain": "people",
	"classification": "PROPRIETARY", "ownerBusinessUnit": "EU", "residency": [], "columns": columns,
}

payroll := object.union(people, {"id": "public.payroll", "name": "public.payroll", "tier": "RAW", "domain": "finance"})

investigations := object.union(payroll, {
	"id": "hr.investigations", "name": "hr.investigations", "domain": "hr", "residency": ["eu"],
})

summary := object.union(people, {"id": "public.people_summary", "name": "public.people_summary", "tier": "ANONYMIZED"})

lineitem := object.union(people, {"id": "tpch.lineitem", "name": "tpch.lineitem", "tier": "SYNTHETIC"})

# Questions ----------------------------------------------------------------------------------------------------------

retail := {"id": "retail", "type": "SHARED_ANALYSIS", "status": "ACTIVE"}

audit := {"id": "audit", "type": "AUDIT_INVESTIGATION", "status": "ACTIVE"}

production := {
	"name": "production", "network_zone": "corporate", "tls": true, "client_ip": "10.0.0.1", "region": "eu",
	"application_name": "psql",
}

ask(user, dataset) := {
	"action": "QUERY", "user": user, "dataset": dataset, "workspace": retail, "environment": production,
	"statement": {"kind": "SELECT", "columns_used": ["email", "id"], "is_aggregate": false},
}

# The policies of the reasons why this is denied.
why(input_) := {reason.policy |
	not data_access.allow with input as input_
	some reason in data_access.reasons with input as input_
}

# Tiers --------------------------------------------------------------------------------------------------------------

test_generated_and_de_identified_data_is_open if {
	data_access.allow with input as ask(erin, lineitem)
	data_access.allow with input as ask(erin, summary)
	count(data_access.row_filters) == 1 with input as ask(erin, lineitem)
}

test_curated_data_is_for_analysts if data_access.allow with input as ask(bob, people)

test_curated_data_is_for_its_own_business_unit if {
	own := object.union(people, {"ownerBusinessUnit": "US"})
	dev := object.union(ask(erin, own), {"environment": object.union(production, {"name": "development"})})
	data_access.allow with input as dev
}

test_curated_data_of_others_is_not_for_engineers if {
	why(ask(erin, people)) == {"P-2026-001", "P-2026-009"}
	"Use a dataset of tier ANONYMIZED or SYNTHETIC: they are open to you." in {alternative.message |
		some alternative in data_access.alternatives with input as ask(erin, people)
	}
}

test_who_has_no_business_unit_shares_none if {
	nobody := object.remove(erin, ["businessUnit"])
	orphan := object.remove(people, ["ownerBusinessUnit"])
	not data_access.allow with input as ask(nobody, orphan)
}

test_the_policies_that_spoke_are_named if {
	ids := {policy.id | some policy in data_access.metadata with input as ask(alice, people)}
	ids == {"P-2026-001", "P-2026-011", "P-2026-012", "P-2026-013"}
}

# Raw data -----------------------------------------------------------------------------------------------------------

test_raw_data_is_read_with_an_approval if data_access.allow with input as ask(approved, payroll)

test_an_approval_that_ran_out_is_none if {
	not data_access.allow with input as ask(approved, payroll) with time.now_ns as 1736935200000000001
}

test_an_approval_is_for_one_dataset if {
	not data_access.allow with input as ask(approved, object.union(payroll, {"id": "public.other"}))
}

test_an_approval_that_was_denied_is_none if {
	refused := object.union(approved, {"approvals": [object.union(approval, {"status": "DENIED"})]})
	not data_access.allow with input as ask(refused, payroll)
}

test_without_an_approval_one_is_asked_for if {
	lacking := object.union(approved, {"approvals": []})
	why(ask(lacking, payroll)) == {"P-2026-002"}
	data_access.requires_approval == {"RAW_DATA_ACCESS"} with input as ask(lacking, payroll)
	"Use public.people_summary, which is open to you." in {alternative.message |
		some alternative in data_access.alternatives with input as ask(lacking, payroll)
	}
}

test_an_approval_that_would_not_do_is_not_asked_for if {
	count(data_access.requires_approval) == 0 with input as ask(alice, payroll)
}

test_auditors_read_raw_data_in_audit_workspaces if {
	question := object.union(ask(audrey, payroll), {"workspace": audit, "purpose": "audit"})
	data_access.allow with input as question
	not data_access.allow with input as object.union(question, {"workspace": retail})
}

# Business hours: Wednesday 10:00 UTC is 11:00 in Berlin ----------------------------------------------------------------

test_raw_data_has_hours if {
	lasting := object.union(approved, {"approvals": [object.union(approval, {"expiresAt": 1999999999000000000})]})
	question := ask(lasting, payroll)
	data_access.allow with input as question with time.now_ns as 1736964000000000000 - 1
	not data_access.allow with input as question with time.now_ns as 1736964000000000000
	not data_access.allow with input as question with time.now_ns as 1736920799000000000
	data_access.allow with input as question with time.now_ns as 1736920800000000000
	saturday := 1737194400000000000
	not data_access.allow with input as question with time.now_ns as saturday
	why(question) == set() with time.now_ns as 1736964000000000000 - 1
}

test_the_reason_names_the_hours if {
	lasting := object.union(approved, {"approvals": [object.union(approval, {"expiresAt": 1999999999000000000})]})
	messages := {reason.message |
		some reason in data_access.reasons with input as ask(lasting, payroll) with time.now_ns as 1736964000000000000
	}
	messages == {"Data of tier RAW is read from Monday to Friday, 7 to 19 o'clock (Europe/Berlin)."}
}

test_curated_data_has_no_hours if {
	data_access.allow with input as ask(alice, people) with time.now_ns as 1737200000000000000
}

test_the_hours_are_those_of_the_business_unit if {
	data_access.zone == "America/New_York" with input as ask(bob, people)
	data_access.zone == "UTC" with input as ask(object.remove(bob, ["businessUnit"]), people)
}

# Second factor, residency, network, department ------------------------------------------------------------------------

test_raw_data_needs_a_second_factor if {
	"P-2026-004" in why(ask(object.union(approved, {"mfa_verified": false}), payroll))
	"P-2026-004" in why(ask(object.remove(approved, ["mfa_verified"]), payroll))
	"Sign in with a second factor." in {alternative.message |
		some alternative in data_access.alternatives with input as ask(alice, payroll)
	}
}

test_data_stays_where_it_must if {
	here := object.union(people, {"residency": ["eu"]})
	data_access.allow with input as ask(alice, here)
	why(ask(bob, here)) == {"P-2026-005"}
	why(ask(object.remove(alice, ["country"]), here)) == {"P-2026-005"}
	data_access.allow with input as ask(bob, object.union(people, {"residency": ["eu", "us"]}))
	why(ask(alice, object.union(people, {"residency": ["mars"]}))) == {"P-2026-005"}
}

test_foreign_networks_see_what_is_open if {
	guest := object.union(production, {"network_zone": "guest"})
	why(object.union(ask(alice, people), {"environment": guest})) == {"P-2026-006"}
	data_access.allow with input as object.union(ask(alice, summary), {"environment": guest})
	"Connect from the company's network or its VPN." in {alternative.message |
		some alternative in data_access.alternatives with input as object.union(ask(alice, people), {"environment": guest})
	}
}

test_raw_data_travels_encrypted if {
	plain := object.union(production, {"tls": false})
	why(object.union(ask(approved, payroll), {"environment": plain})) == {"P-2026-006"}
	loopback := object.union(plain, {"network_zone": "local"})
	data_access.allow with input as object.union(ask(approved, payroll), {"environment": loopback})
}

test_raw_data_is_for_its_departments if {
	why(ask(object.union(approved, {"department": "SALES"}), payroll)) == {"P-2026-007"}
	why(ask(object.remove(approved, ["department"]), payroll)) == {"P-2026-007"}
	data_access.allow with input as ask(alice, object.union(people, {"domain": "finance"}))
}

# Purpose --------------------------------------------------------------------------------------------------------------

test_personal_data_is_not_for_marketing if {
	question := object.union(ask(alice, people), {"purpose": "marketing"})
	why(question) == {"P-2026-008"}
	some reason in data_access.reasons with input as question
	reason.columns == ["email"]
	{"order": 10, "message": "Leave these columns out: email."} in data_access.alternatives with input as question
	without := object.union(question, {"statement": {"kind": "SELECT", "columns_used": ["id"], "is_aggregate": false}})
	data_access.allow with input as without
}

test_an_audit_of_raw_data_states_its_purpose if {
	question := object.union(ask(audrey, investigations), {"workspace": audit})
	why(question) == {"P-2026-008"}
	{"order": 10, "message": "State a purpose: SET querygate.purpose = 'audit'."} in data_access.alternatives with input as question
	data_access.allow with input as object.union(question, {"purpose": "investigation"})
	not data_access.allow with input as object.union(question, {"purpose": "curiosity"})
}

# Development and production -------------------------------------------------------------------------------------------

test_engineers_repair_in_production_and_say_so if {
	own := object.union(people, {"ownerBusinessUnit": "US"})
	question := ask(erin, own)
	why(question) == {"P-2026-009"}
	some reason in data_access.reasons with input as question
	reason.columns == ["email"]
	{"order": 20, "message": "State a purpose: SET querygate.purpose = 'incident'."} in data_access.alternatives with input as question
	data_access.allow with input as object.union(question, {"purpose": "incident"})
	analyst_too := object.union(erin, {"roles": ["ENGINEER", "ANALYST"]})
	data_access.allow with input as ask(analyst_too, own)
}

test_no_raw_data_in_test_environments if {
	staging := object.union(production, {"name": "staging"})
	why(object.union(ask(approved, payroll), {"environment": staging})) == {"P-2026-009"}
}

# Masks ----------------------------------------------------------------------------------------------------------------

test_data_scientists_with_a_second_factor_see_addresses if {
	data_access.unmask == {"EMAIL"} with input as ask(dana, people)
	data_access.unmask == set() with input as ask(object.union(dana, {"mfa_verified": false}), people)
	data_access.unmask == set() with input as ask(alice, people)
	some policy in data_access.metadata with input as ask(dana, people)
	policy.id == "P-2026-010"
}

test_an_investigation_knows_whom_it_is_about if {
	question := object.union(ask(audrey, people), {"workspace": audit, "purpose": "investigation"})
	data_access.unmask == {"EMAIL", "NAME", "NOTES"} with input as question
	data_access.unmask == set() with input as object.union(question, {"workspace": retail})
	data_access.unmask == set() with input as object.union(question, {"purpose": "audit"})
}

# Rows -----------------------------------------------------------------------------------------------------------------

filters(question) := {[filter.expression, object.get(filter, "params", {})] |
	some filter in data_access.row_filters with input as question
}

test_rows_of_ones_tenant_and_region if {
	filters(ask(alice, people)) == {
		["tenant_id = :tenant", {"tenant": "acme"}],
		["region = :region", {"region": "EU"}],
	}
	filters(ask(bob, people)) == {
		["tenant_id = :tenant", {"tenant": "globex"}],
		["region = :region", {"region": "US"}],
	}
}

test_who_has_no_tenant_sees_no_tenants_rows if {
	["false", {}] in filters(ask(object.remove(alice, ["tenant"]), people))
}

test_who_has_no_business_unit_sees_no_regions_rows if {
	["region = :region", {"region": ""}] in filters(ask(object.remove(alice, ["businessUnit"]), people))
}

test_auditors_see_all_rows if filters(ask(audrey, people)) == {["true", {}]}

test_events_have_the_region_of_the_person if {
	events := object.union(people, {"name": "public.events", "id": "public.events"})
	subquery := "person_id in (select p.id from public.people p where p.region = :region)"
	[subquery, {"region": "EU"}] in filters(ask(alice, events))
	filters(ask(audrey, events)) == {["true", {}]}
}

# Limits ---------------------------------------------------------------------------------------------------------------

max_rows(question) := min({limits.max_rows | some limits in data_access.limits with input as question})

test_limits_by_tier if {
	max_rows(ask(approved, payroll)) == 10000
	max_rows(ask(dana, people)) == 100000
	max_rows(ask(alice, people)) == 20000
	count(data_access.limits) == 0 with input as ask(alice, lineitem)
}
