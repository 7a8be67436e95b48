//! Which IP addresses belong to the public internet.
//!
//! IPv4 is everything less the special ranges; IPv6 is only the allocated global unicast block less
//! its special ranges, so that whatever IANA invents outside of it is refused by default.
//!
//! # Pitfalls
//!
//! Some addresses embed another one. IPv4-mapped (`::ffff:10.0.0.1`) and NAT64
//! (`64:ff9b::10.0.0.1`) lie outside of `2000::/3`, 6to4 and Teredo inside of it. All of them are
//! refused, even when the embedded address is public: no customer publishes a webhook there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of IPv4 addresses that no request may go to.
#[derive(Debug, Clone, Copy)]
pub struct RangeV4 {
    /// The first address.
    pub first: Ipv4Addr,
    /// How many leading bits all addresses of the range share, 1 to 32.
    pub prefix: u32,
    /// What the range is for, and where that is written.
    pub purpose: &'static str,
}

/// A range of IPv6 addresses.
#[derive(Debug, Clone, Copy)]
pub struct RangeV6 {
    /// The first address.
    pub first: Ipv6Addr,
    /// How many leading bits all addresses of the range share, 1 to 128.
    pub prefix: u32,
    /// What the range is for, and where that is written.
    pub purpose: &'static str,
}

/// IANA IPv4 Special-Purpose Address Registry, multicast, and one cloud's address that only looks
/// public.
///
/// Three entries (AS112 twice, AMT) are reachable by the registry, but are anycast infrastructure
/// without web servers.
pub const SPECIAL_V4: [RangeV4; 19] = [
    v4([0, 0, 0, 0], 8, "this network (RFC 791)"),
    v4([10, 0, 0, 0], 8, "private use (RFC 1918)"),
    v4([100, 64, 0, 0], 10, "carrier-grade NAT (RFC 6598)"),
    v4([127, 0, 0, 0], 8, "loopback (RFC 1122)"),
    v4(
        [168, 63, 129, 16],
        32,
        "Azure's host agent, public only in looks (Azure virtual network documentation)",
    ),
    v4([169, 254, 0, 0], 16, "link local, with cloud metadata (RFC 3927)"),
    v4([172, 16, 0, 0], 12, "private use (RFC 1918)"),
    v4([192, 0, 0, 0], 24, "IETF protocol assignments (RFC 6890)"),
    v4([192, 0, 2, 0], 24, "documentation, TEST-NET-1 (RFC 5737)"),
    v4([192, 31, 196, 0], 24, "AS112 (RFC 7535)"),
    v4([192, 52, 193, 0], 24, "automatic multicast tunneling (RFC 7450)"),
    v4([192, 88, 99, 0], 24, "6to4 relays, deprecated (RFC 7526)"),
    v4([192, 168, 0, 0], 16, "private use (RFC 1918)"),
    v4([192, 175, 48, 0], 24, "direct delegation AS112 (RFC 7534)"),
    v4([198, 18, 0, 0], 15, "benchmarking (RFC 2544)"),
    v4([198, 51, 100, 0], 24, "documentation, TEST-NET-2 (RFC 5737)"),
    v4([203, 0, 113, 0], 24, "documentation, TEST-NET-3 (RFC 5737)"),
    v4([224, 0, 0, 0], 4, "multicast (RFC 5771)"),
    v4([240, 0, 0, 0], 4, "reserved, with the limited broadcast address (RFC 1112, RFC 8190)"),
];

/// The one IPv6 block that IANA allocates global unicast addresses from.
pub const GLOBAL_UNICAST_V6: RangeV6 = v6([0x2000, 0, 0], 3, "global unicast (RFC 4291)");

/// The entries of the IANA IPv6 Special-Purpose Address Registry that lie within
/// [`GLOBAL_UNICAST_V6`].
pub const SPECIAL_V6: [RangeV6; 5] = [
    v6([0x2001, 0, 0], 23, "IETF protocol assignments: Teredo, ORCHID, benchmarking (RFC 2928)"),
    v6([0x2001, 0xdb8, 0], 32, "documentation (RFC 3849)"),
    v6([0x2002, 0, 0], 16, "6to4 (RFC 3056)"),
    v6([0x2620, 0x4f, 0x8000], 48, "direct delegation AS112 (RFC 7534)"),
    v6([0x3fff, 0, 0], 20, "documentation (RFC 9637)"),
];

/// Whether the address belongs to the public internet, by IANA's special-purpose registries.
#[must_use]
pub fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !SPECIAL_V4.iter().any(|range| range.contains(v4)),
        IpAddr::V6(v6) => {
            GLOBAL_UNICAST_V6.contains(v6) && !SPECIAL_V6.iter().any(|range| range.contains(v6))
        }
    }
}

impl RangeV4 {
    /// Whether the address is in this range.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        (u32::from(address) ^ u32::from(self.first)) >> (u32::BITS - self.prefix) == 0
    }

    /// The last address.
    #[must_use]
    pub fn last(&self) -> Ipv4Addr {
        (u32::from(self.first) | u32::MAX.unbounded_shr(self.prefix)).into()
    }
}

impl RangeV6 {
    /// Whether the address is in this range.
    #[must_use]
    pub fn contains(&self, address: Ipv6Addr) -> bool {
        (u128::from(address) ^ u128::from(self.first)) >> (u128::BITS - self.prefix) == 0
    }

    /// The last address.
    #[must_use]
    pub fn last(&self) -> Ipv6Addr {
        (u128::from(self.first) | u128::MAX.unbounded_shr(self.prefix)).into()
    }
}

const fn v4([a, b, c, d]: [u8; 4], prefix: u32, purpose: &'static str) -> RangeV4 {
    RangeV4 { first: Ipv4Addr::new(a, b, c, d), prefix, purpose }
}

const fn v6([a, b, c]: [u16; 3], prefix: u32, purpose: &'static str) -> RangeV6 {
    RangeV6 { first: Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix, purpose }
}
