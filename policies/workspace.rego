# Who may create and enter workspaces.
package analytics.workspace

default allow := false

allow if {
	input.action == "CREATE_WORKSPACE"
	input.workspace.type in types_of_caller
	count(input.user.activeWorkspaces) < quota
}

allow if {
	input.action == "CHANGE_WORKSPACE"
	input.workspace.owner == input.user.id
}

# Who is a member, the catalog says; here, only whether there is somewhere to go.
allow if {
	input.action == "ENTER_WORKSPACE"
	input.workspace.status in {"ACTIVE", "IDLE"}
}

types := {
	"ANALYST": {"AD_HOC", "RECURRING_REPORT", "SHARED_ANALYSIS"},
	"DATA_SCIENTIST": {"AD_HOC", "MODEL_DEVELOPMENT", "SHARED_ANALYSIS"},
	"ENGINEER": {"AD_HOC", "RECURRING_REPORT"},
	"AUDITOR": {"AD_HOC", "AUDIT_INVESTIGATION"},
}

types_of_caller contains type if {
	some role in input.user.roles
	some type in types[role]
}

quotas := {"ANALYST": 3, "DATA_SCIENTIST": 5, "ENGINEER": 10, "AUDITOR": 5}

# The largest of one's roles.
quota := max({number | some role in input.user.roles; number := quotas[role]})

reasons contains message if {
	input.action == "CREATE_WORKSPACE"
	not input.workspace.type in types_of_caller
	message := sprintf("Your roles do not create workspaces of type %s.", [input.workspace.type])
}

reasons contains message if {
	input.action == "CREATE_WORKSPACE"
	count(input.user.activeWorkspaces) >= quota
	message := sprintf("You have %d active workspaces, and may have %d.", [count(input.user.activeWorkspaces), quota])
}

alternatives contains "Archive a workspace that you no longer use." if {
	input.action == "CREATE_WORKSPACE"
	count(input.user.activeWorkspaces) >= quota
}
