//! From where somebody comes, as coarse as it takes to tell one party from another.

use std::net::{IpAddr, Ipv6Addr};

/// The network of an address: itself in IPv4; in IPv6 its first 48 bits, which is what one customer of a provider has at most.
pub(super) fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_address_in_ipv4_and_a_site_in_ipv6() {
        let rows = [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:7:1::1", "2001:db8:7::"),
            ("2001:db8:7:ffff:1:2:3:4", "2001:db8:7::"),
            ("2001:db8:8::1", "2001:db8:8::"),
        ];
        for (address, expected) in rows {
            assert_eq!(network(address.parse().expect("an address")), expected, "{address}");
        }
    }
}
