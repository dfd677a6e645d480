# From networks that are not ours, only data that is open to everybody.
package analytics.data_access

policies["P-2026-006"] := {"title": "Network zones", "owner": "security@example.com"}

untrusted_zones := {"external", "guest", "internet", "public"}

denials contains {"policy": "P-2026-006", "message": message} if {
	input.environment.network_zone in untrusted_zones
	input.dataset.tier in {"RAW", "CURATED"}
	message := sprintf("Data of tier %s is not read from network zone %s.", [
		input.dataset.tier,
		input.environment.network_zone,
	])
}

alternatives contains {"order": 30, "message": "Connect from the company's network or its VPN."} if {
	input.environment.network_zone in untrusted_zones
	input.dataset.tier in {"RAW", "CURATED"}
}

# Raw data does not travel in the clear.
denials contains {"policy": "P-2026-006", "message": "Raw data is read over an encrypted connection only."} if {
	is_raw
	not input.environment.tls
	not input.environment.network_zone == "local"
}
