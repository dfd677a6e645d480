# Raw data needs a second factor. (To see a masked value in the clear needs one too: unmask.rego.)
package analytics.data_access

policies["P-2026-004"] := {"title": "Second factor for sensitive data", "owner": "security@example.com"}

denials contains {"policy": "P-2026-004", "message": "Raw data needs a sign-in with a second factor."} if {
	is_raw
	not input.user.mfa_verified
}

alternatives contains {"order": 30, "message": "Sign in with a second factor."} if {
	is_raw
	not input.user.mfa_verified
}
