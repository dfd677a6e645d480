# How much of it at once. The smallest of all limits wins, also against those of the workspace.
package analytics.data_access

policies["P-2026-013"] := {"title": "Limits", "owner": "data-governance@example.com"}

max_rows := {"RAW": 10000, "CURATED": 100000}

limits contains {"policy": "P-2026-013", "max_rows": max_rows[input.dataset.tier]}

# Without a second factor, less.
limits contains {"policy": "P-2026-013", "max_rows": 20000} if {
	input.dataset.tier == "CURATED"
	not input.user.mfa_verified
}
