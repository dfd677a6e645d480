# How the files of this folder become one answer. Read this one first.
#
# Every other file of this package has one idea and adds to these sets:
#
#   grants     why somebody may read a dataset: one is enough
#   missing    what would have been a grant, told when there is none
#   denials    why somebody may not, whatever grants there are: one is enough
#   row_filters, column_masks, unmask, limits, alternatives, requires_approval: as the README's table says
#
# An entry says whose it is (`"policy": "P-2026-004"`); `policies` holds the title and the owner of each.
# Nothing is allowed that no file grants, and leaving a file out can't uncover anything: tags mask by themselves.
package analytics.data_access

default allow := false

allow if {
	count(grants) > 0
	count(denials) == 0
}

reasons contains denial if some denial in denials

reasons contains lack if {
	count(grants) == 0
	some lack in missing
}

# The policies that had a say in this answer.
metadata contains object.union(policies[id], {"id": id}) if some id in speaking

speaking contains entry.policy if some entry in grants

speaking contains entry.policy if some entry in reasons

speaking contains entry.policy if some entry in row_filters

speaking contains entry.policy if some entry in limits

# Words that the other files share.
has_role(role) if role in input.user.roles

is_auditor if has_role("AUDITOR")

in_audit if input.workspace.type == "AUDIT_INVESTIGATION"

# The columns of the statement that carry a tag.
used_with_tag(tag) := {column.name |
	some column in input.dataset.columns
	column.name in input.statement.columns_used
	tag in column.tags
}
