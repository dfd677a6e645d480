//! What counts as one address, where connections and guesses are counted by address.

use std::net::{IpAddr, Ipv6Addr};

/// Where a connection comes from: an IPv4 address, or a network of IPv6 that one customer has whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Origin(IpAddr);

/// The first 56 bits of an IPv6 address: what providers give to one customer is seldom smaller, and 64 bits alone would
/// give whoever has a few of them a new name for each guess.
const NETWORK: u128 = u128::MAX << (128 - 56);

impl Origin {
    /// An IPv4 address in IPv6 dress counts as IPv4.
    pub(super) fn of(peer: IpAddr) -> Self {
        Self(match peer.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK)),
        })
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customers_network_is_one_address() {
        let of = |text: &str| Origin::of(text.parse().unwrap());
        assert_eq!(of("2001:db8:0:11::1"), of("2001:db8:0:22:ffff::2"));
        assert_ne!(of("2001:db8:0:100::1"), of("2001:db8:0:200::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
