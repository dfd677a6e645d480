# Rows belong to tenants. Everybody sees those of their own, in every dataset that has the column.
package analytics.data_access

policies["P-2026-011"] := {"title": "Tenants", "owner": "data-governance@example.com"}

row_filters contains {
	"policy": "P-2026-011",
	"expression": "tenant_id = :tenant",
	"params": {"tenant": input.user.tenant},
	"for_columns": ["tenant_id"],
} if {
	not is_auditor
}

# Who belongs to no tenant sees no tenant's rows.
row_filters contains {"policy": "P-2026-011", "expression": "false", "for_columns": ["tenant_id"]} if {
	not is_auditor
	not input.user.tenant
}

# Auditors see the rows of all tenants, and that is said in so many words: some datasets show nothing without a filter.
row_filters contains {"policy": "P-2026-011", "expression": "true", "for_columns": ["tenant_id"]} if is_auditor
