package analytics.data_access

import rego.v1

default allow := false

allow if {
	input.user.id == "bob"
	input.dataset.name != "public.payroll"
}

allow if input.user.id == "dana"

# Expressions that the planner takes to cost more than a user's, that fail on no row, and a subquery that becomes a join.
filters := {
	"public.people": "lower(upper(lower(upper(lower(btrim(region)))))) = 'us'",
	"public.orders": "person_id IN (SELECT p.id FROM people p WHERE p.region = 'US')",
	"public.events": "kind <> 'internal'",
	"public.recent": "status <> 'secret'",
}

row_filters contains {"expression": filters[input.dataset.name]} if input.user.id == "bob"

masks := {
	"public.people": {
		"name": {"name": "partial", "prefix": 1, "suffix": 0, "pad": "***"},
		"email": {"name": "email"},
		"ssn": {"name": "last", "n": 4},
		"phone": {"name": "last", "n": 2},
		"birth_date": {"name": "year"},
		"salary": {"name": "round", "step": 10000},
		"notes": {"name": "redact"},
	},
	"public.events": {"note": {"name": "deny"}},
}

column_masks := masks[input.dataset.name] if input.user.id == "bob"
