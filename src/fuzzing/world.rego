package analytics.data_access

default allow := false

secret if input.dataset.name in {"public.vault", "hr.secret"}

allow if input.user.id == "alice"

allow if {
	input.user.id in {"bob", "carol"}
	not secret
}

unmask contains "email" if input.user.id == "alice"

row_filters contains {"expression": "region = :region", "params": {"region": "EU"}, "for_columns": ["region"]} if {
	input.user.id != "alice"
}

row_filters contains {"expression": "EXISTS (SELECT 1 FROM public.visits v WHERE v.id = person)", "for_columns": ["person"]} if {
	input.user.id == "bob"
}

column_masks["salary"] := {"name": "round", "step": 10000} if input.user.id == "bob"

limits := {"min_group_size": 5} if {
	input.user.id == "carol"
	input.dataset.name == "public.people"
}

column_masks["zqdenied"] := {"name": "deny"} if input.user.id != "alice"
