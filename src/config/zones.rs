//! Where the gateway runs and where its clients come from.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A loopback client's zone, unless the configuration names another.
const LOOPBACK_ZONE: &str = "internal";
/// The zone of a client that no network names.
const OTHER_ZONE: &str = "external";

/// What policies read as `input.environment`: the same for all connections but for the client's zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// `environment.name`: `development`, `production` … Without it `development`.
    pub name: String,
    /// `environment.region`: where the gateway runs. Without it `local`.
    pub region: String,
    /// `environment.network_zones`: networks that have a name.
    pub network_zones: Vec<NetworkZone>,
}

impl Deployment {
    /// The zone of a client: that of the narrowest network that holds its address; without one `internal` for loopback and
    /// `external` for all others. An IPv4 address in IPv6 dress counts as IPv4.
    pub fn zone_of(&self, client: IpAddr) -> &str {
        let client = client.to_canonical();
        let narrowest =
            self.network_zones.iter().filter(|zone| zone.holds(client)).max_by_key(|zone| zone.prefix_length);
        match narrowest {
            Some(zone) => &zone.zone,
            None if client.is_loopback() => LOOPBACK_ZONE,
            None => OTHER_ZONE,
        }
    }
}

/// One network with a name: `{cidr = "10.0.0.0/8", zone = "office"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkZone {
    network: IpAddr,
    prefix_length: u8,
    /// Its name in policies.
    pub zone: String,
}

/// A text that is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a network such as 10.0.0.0/8 or fd00::/8, with no bits set after its prefix")]
pub struct NotANetwork;

impl NetworkZone {
    /// A network in CIDR form and its zone.
    ///
    /// # Errors
    /// [`NotANetwork`] if the text is none, or has bits after the prefix (`10.1.0.0/8`), which is a slip of the pen.
    pub fn new(cidr: &str, zone: impl Into<String>) -> Result<Self, NotANetwork> {
        let (address, length) = cidr.split_once('/').ok_or(NotANetwork)?;
        let network = IpAddr::from_str(address).map_err(|_| NotANetwork)?;
        let prefix_length: u8 = length.parse().map_err(|_| NotANetwork)?;
        let (bits, width) = bits(network);
        if prefix_length > width || masked(bits, width, prefix_length) != bits {
            return Err(NotANetwork);
        }
        Ok(Self { network, prefix_length, zone: zone.into() })
    }

    pub(super) fn is_same_network(&self, other: &Self) -> bool {
        self.network == other.network && self.prefix_length == other.prefix_length
    }

    fn holds(&self, client: IpAddr) -> bool {
        let ((network, width), (client, client_width)) = (bits(self.network), bits(client));
        width == client_width && masked(client, width, self.prefix_length) == network
    }
}

impl fmt::Display for NetworkZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} is {}", self.network, self.prefix_length, self.zone)
    }
}

/// An address as a number, and how many bits it has.
fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

/// The first bits of a number, the others zero.
fn masked(bits: u128, width: u8, prefix_length: u8) -> u128 {
    let host_bits = u32::from(width.saturating_sub(prefix_length));
    bits.checked_shr(host_bits).and_then(|prefix| prefix.checked_shl(host_bits)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_network_names_the_zone() {
        let zone = |cidr, zone: &str| NetworkZone::new(cidr, zone).expect(cidr);
        let deployment = Deployment {
            name: "production".into(),
            region: "eu".into(),
            network_zones: vec![
                zone("10.0.0.0/8", "office"),
                zone("10.9.0.0/16", "lab"),
                zone("fd00::/8", "vpn"),
                zone("127.0.0.2/32", "proxy"),
            ],
        };
        for (client, expected) in [
            ("10.1.2.3", "office"),
            ("10.9.2.3", "lab"),
            ("::ffff:10.9.2.3", "lab"),
            ("fd12::1", "vpn"),
            ("127.0.0.1", "internal"),
            ("127.0.0.2", "proxy"),
            ("::1", "internal"),
            ("8.8.8.8", "external"),
            ("2001:db8::1", "external"),
        ] {
            assert_eq!(deployment.zone_of(client.parse().expect(client)), expected, "{client}");
        }
        let all = Deployment { network_zones: vec![zone("0.0.0.0/0", "all")], ..deployment };
        assert_eq!(all.zone_of("8.8.8.8".parse().expect("address")), "all");
        assert_eq!(all.zone_of("2001:db8::1".parse().expect("address")), "external");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for wrong in ["10.0.0.0", "10.0.0.0/33", "10.1.0.0/8", "::/129", "a/8", "10.0.0.0/x", ""] {
            assert_eq!(NetworkZone::new(wrong, "z"), Err(NotANetwork), "{wrong}");
        }
    }
}
