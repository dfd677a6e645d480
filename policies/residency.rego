# Data that must stay in a place is read from a country of that place.
package analytics.data_access

policies["P-2026-005"] := {"title": "Residency", "owner": "privacy@example.com"}

countries := {
	"eu": {
		"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
		"IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
	},
	"us": {"US"},
	"apac": {"AU", "JP", "SG"},
}

resides_where_the_data_does if count(input.dataset.residency) == 0

resides_where_the_data_does if {
	some place in input.dataset.residency
	input.user.country in countries[place]
}

denials contains {"policy": "P-2026-005", "message": message} if {
	not resides_where_the_data_does
	places := concat(", ", [upper(place) | some place in input.dataset.residency])
	message := sprintf("This data is read only from countries of: %s.", [places])
}
