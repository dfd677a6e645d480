# Who sees what tags mask. Whoever is not named here sees the mask.
# To unmask a tag unmasks the tags that imply it: PII would show all of NAME, EMAIL, PHONE, SSN, IBAN, BIRTH_DATE.
package analytics.data_access

policies["P-2026-010"] := {"title": "Unmasking", "owner": "privacy@example.com"}

# Data scientists match people by address.
unmask contains "EMAIL" if {
	has_role("DATA_SCIENTIST")
	input.user.mfa_verified
}

# An investigation knows whom it is about.
unmask contains tag if {
	is_auditor
	in_audit
	input.user.mfa_verified
	input.purpose == "investigation"
	some tag in ["EMAIL", "NAME", "NOTES"]
}

speaking contains "P-2026-010" if count(unmask) > 0
