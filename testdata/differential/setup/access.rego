package analytics.data_access

import rego.v1

default allow := false

allow if {
	input.user.id in {"alice", "bob", "dana"}
	input.dataset.name != "public.secrets"
}

filters := {
	"alice": {
		"public.people": "region = 'EU'",
		"public.orders": "person IN (SELECT p.id FROM people p WHERE p.region = 'EU')",
	},
	"bob": {
		"public.people": "region IN ('US', 'APAC') OR region IS NULL",
		"public.items": "product <> 'drill'",
		"public.events": "kind <> 'leave'",
		"public.order_totals": "total > 100",
		"public.places": "pop > 20000",
		"public.kinds": "id <> 3",
	},
	"dana": {
		"public.people": "active",
		"public.orders": "amount < 500",
	},
}

row_filters contains {"expression": filters[input.user.id][input.dataset.name]}

masks := {
	"alice": {"public.people": {
		"email": {"name": "email"},
		"ssn": {"name": "last", "n": 4},
		"salary": {"name": "round", "step": 1000},
		"born": {"name": "year"},
		"notes": {"name": "redact"},
	}},
	"bob": {
		"public.people": {
			"name": {"name": "partial", "prefix": 2, "suffix": 1, "pad": "…"},
			"phone": {"name": "hash"},
			"salary": {"name": "topcode", "max": 60000},
			"created": {"name": "month"},
			"notes": {"name": "deny"},
			"code": {"name": "hash"},
		},
		"public.kinds": {"d": {"name": "month"}},
	},
	"dana": {
		"public.people": {
			"salary": {"name": "bucket", "edges": [0, 50000, 80000]},
			"notes": {"expression": "left(notes, 6)"},
			"uid": {"name": "null"},
			"boss": {"name": "hash"},
		},
		"public.events": {"at": {"name": "day"}},
	},
}

column_masks := masks[input.user.id][input.dataset.name]
