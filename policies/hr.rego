# The domain hr: it can narrow what the company's rules allow, never widen it.
package governance.domains.hr

metadata := {
	"id": "HR-001",
	"title": "Investigations",
	"owner": "hr@example.com",
}

default allow := false

allow if input.user.department == "HR"

allow if {
	"AUDITOR" in input.user.roles
	input.workspace.type == "AUDIT_INVESTIGATION"
}

reasons contains "Investigations are for HR, and for auditors in an audit workspace." if not allow

# What was found is for HR. Others see that there is something.
column_masks["findings"] := {"name": "constant", "value": "(withheld)"} if not input.user.department == "HR"

limits := {"max_rows": 500}
