# Some tiers are read in business hours only. Auditors are exempt: an incident does not wait for the morning.
package analytics.data_access

policies["P-2026-003"] := {"title": "Business hours", "owner": "security@example.com"}

# The tiers that have hours; a tier that is not here is open day and night.
hours := {"RAW": {"from": 7, "until": 19}}

zones := {"EU": "Europe/Berlin", "US": "America/New_York", "APAC": "Asia/Tokyo"}

weekend := {"Saturday", "Sunday"}

# The clock on the wall of the user's business unit; UTC for those without one.
zone := object.get(zones, object.get(input.user, "businessUnit", ""), "UTC")

in_business_hours if {
	open := hours[input.dataset.tier]
	now := [time.now_ns(), zone]
	hour := time.clock(now)[0]
	hour >= open.from
	hour < open.until
	not time.weekday(now) in weekend
}

denials contains {"policy": "P-2026-003", "message": message} if {
	open := hours[input.dataset.tier]
	count(grants) > 0
	not is_auditor
	not in_business_hours
	message := sprintf("Data of tier %s is read from Monday to Friday, %d to %d o'clock (%s).", [
		input.dataset.tier,
		open.from,
		open.until,
		zone,
	])
}
