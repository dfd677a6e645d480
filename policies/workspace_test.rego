package analytics.workspace_test

import data.analytics.workspace

create(roles, type, active) := {
	"action": "CREATE_WORKSPACE",
	"user": {"id": "alice", "roles": roles, "activeWorkspaces": active},
	"workspace": {"type": type},
}

test_analysts_create_ad_hoc_workspaces if workspace.allow with input as create(["ANALYST"], "AD_HOC", [])

test_types_go_by_role if {
	question := create(["ANALYST"], "MODEL_DEVELOPMENT", [])
	not workspace.allow with input as question
	"Your roles do not create workspaces of type MODEL_DEVELOPMENT." in workspace.reasons with input as question
	workspace.allow with input as create(["DATA_SCIENTIST", "ANALYST"], "MODEL_DEVELOPMENT", [])
}

test_three_are_enough_for_an_analyst if {
	question := create(["ANALYST"], "AD_HOC", ["a", "b", "c"])
	not workspace.allow with input as question
	"You have 3 active workspaces, and may have 3." in workspace.reasons with input as question
	"Archive a workspace that you no longer use." in workspace.alternatives with input as question
	workspace.allow with input as create(["DATA_SCIENTIST", "ANALYST"], "AD_HOC", ["a", "b", "c"])
}

test_who_has_no_role_creates_nothing if not workspace.allow with input as create([], "AD_HOC", [])

test_owners_change_their_own if {
	question := {"action": "CHANGE_WORKSPACE", "user": {"id": "sam"}, "workspace": {"owner": "sam"}}
	workspace.allow with input as question
	not workspace.allow with input as object.union(question, {"user": {"id": "alice"}})
}

test_only_what_lives_is_entered if {
	question := {"action": "ENTER_WORKSPACE", "user": {"id": "sam"}, "workspace": {"status": "IDLE"}}
	workspace.allow with input as question
	not workspace.allow with input as object.union(question, {"workspace": {"status": "ARCHIVED"}})
}
