//! Address ranges: their ends, their neighbours, and the addresses that embed others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use crate::endpoint_url::{
    TargetPolicy,
    address::{GLOBAL_UNICAST_V6, SPECIAL_V4, SPECIAL_V6, is_global},
};

fn special_v4(address: u32) -> bool {
    SPECIAL_V4
        .iter()
        .any(|range| (u32::from(range.first)..=u32::from(range.last())).contains(&address))
}

fn special_v6(address: u128) -> bool {
    let global = u128::from(GLOBAL_UNICAST_V6.first)..=u128::from(GLOBAL_UNICAST_V6.last());
    let special = SPECIAL_V6
        .iter()
        .any(|range| (u128::from(range.first)..=u128::from(range.last())).contains(&address));
    special || !global.contains(&address)
}

fn judge_v4(address: u32) -> bool {
    is_global(Ipv4Addr::from(address).into())
}

fn judge_v6(address: u128) -> bool {
    is_global(Ipv6Addr::from(address).into())
}

#[test]
fn the_ends_of_each_ipv4_range_are_refused_and_its_neighbours_judged_by_their_own_range() {
    for range in &SPECIAL_V4 {
        let (first, last) = (u32::from(range.first), u32::from(range.last()));
        assert!(!judge_v4(first), "first of {}", range.purpose);
        assert!(!judge_v4(last), "last of {}", range.purpose);
        for neighbour in [first.checked_sub(1), last.checked_add(1)].into_iter().flatten() {
            assert_eq!(
                judge_v4(neighbour),
                !special_v4(neighbour),
                "neighbour of {}",
                range.purpose
            );
        }
    }
}

#[test]
fn the_ends_of_each_ipv6_range_are_refused_and_its_neighbours_judged_by_their_own_range() {
    for range in &SPECIAL_V6 {
        let (first, last) = (u128::from(range.first), u128::from(range.last()));
        assert!(!judge_v6(first), "first of {}", range.purpose);
        assert!(!judge_v6(last), "last of {}", range.purpose);
        for neighbour in [first - 1, last + 1] {
            assert_eq!(
                judge_v6(neighbour),
                !special_v6(neighbour),
                "neighbour of {}",
                range.purpose
            );
        }
    }
    let (first, last) = (u128::from(GLOBAL_UNICAST_V6.first), u128::from(GLOBAL_UNICAST_V6.last()));
    assert!(judge_v6(first) && !judge_v6(first - 1), "the start of 2000::/3");
    assert!(judge_v6(last) && !judge_v6(last + 1), "the end of 2000::/3");
}

#[test]
fn ranges_start_where_their_prefix_does_and_do_not_overlap() {
    for (index, range) in SPECIAL_V4.iter().enumerate() {
        assert!(range.contains(range.first) && range.contains(range.last()), "{}", range.purpose);
        let before = index.checked_sub(1).map(|index| SPECIAL_V4[index].last());
        assert!(
            before.is_none_or(|before| before < range.first),
            "{} is out of order",
            range.purpose
        );
        assert_eq!(
            u32::from(range.first).trailing_zeros().max(32 - range.prefix),
            u32::from(range.first).trailing_zeros()
        );
    }
    for range in &SPECIAL_V6 {
        assert!(range.contains(range.first) && range.contains(range.last()), "{}", range.purpose);
    }
}

#[test]
fn known_addresses_are_judged_as_known() {
    let cases = [
        ("8.8.8.8", true),
        ("1.1.1.1", true),
        ("172.15.255.255", true),
        ("172.32.0.0", true),
        ("100.63.255.255", true),
        ("100.128.0.0", true),
        ("168.63.129.15", true),
        ("223.255.255.255", true),
        ("169.254.169.254", false), // cloud metadata
        ("169.254.170.2", false),   // ECS credentials
        ("168.63.129.16", false),   // Azure
        ("100.100.100.200", false), // Alibaba metadata
        ("192.0.0.192", false),     // Oracle metadata
        ("192.0.0.9", false),       // anycast, globally reachable, and no web server
        ("255.255.255.255", false),
        ("2606:4700:4700::1111", true),
        ("2a00:1450:4001:81b::200e", true),
        ("2001:4860:4860::8888", true),
        ("2001:200::1", true),
        ("::", false),
        ("::1", false),
        ("::ffff:8.8.8.8", false),
        ("::8.8.8.8", false),
        ("64:ff9b::8.8.8.8", false),
        ("64:ff9b:1::1", false),
        ("100::1", false),
        ("2001::1", false),    // Teredo
        ("2001:20::1", false), // ORCHIDv2
        ("2001:db8::1", false),
        ("2002:0808:0808::1", false),
        ("3fff::1", false),
        ("4000::1", false),
        ("5f00::1", false), // segment routing
        ("fc00::1", false),
        ("fd00:ec2::254", false), // EC2 metadata
        ("fe80::1", false),
        ("fec0::1", false),
        ("ff02::1", false),
    ];
    for (address, expected) in cases {
        assert_eq!(is_global(address.parse().unwrap()), expected, "{address}");
    }
}

#[test]
fn the_local_policy_adds_loopback_only() {
    let allowed = ["127.0.0.1", "127.255.255.254", "::1", "8.8.8.8"];
    let refused = [
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "0.0.0.0",
        "::",
        "::ffff:127.0.0.1",
        "fe80::1",
        "fd00::1",
    ];
    for address in allowed {
        assert!(TargetPolicy::Local.allows_address(address.parse().unwrap()), "{address}");
    }
    for address in refused {
        assert!(!TargetPolicy::Local.allows_address(address.parse().unwrap()), "{address}");
    }
    assert!(!TargetPolicy::Strict.allows_address("127.0.0.1".parse().unwrap()));
}

#[test]
fn the_policy_is_read_from_the_environments_words() {
    assert_eq!("strict".parse(), Ok(TargetPolicy::Strict));
    assert_eq!("local".parse(), Ok(TargetPolicy::Local));
    for text in ["", "Strict", "none", "local "] {
        assert!(text.parse::<TargetPolicy>().is_err(), "{text:?}");
    }
    assert_eq!(TargetPolicy::default(), TargetPolicy::Strict);
}

proptest! {
    #[test]
    fn every_ipv4_address_is_judged_by_the_ranges(address in any::<u32>()) {
        prop_assert_eq!(judge_v4(address), !special_v4(address));
    }

    #[test]
    fn addresses_within_a_special_range_are_refused(
        range in 0..SPECIAL_V4.len(),
        inside in any::<u32>(),
    ) {
        let range = SPECIAL_V4[range];
        let address = u32::from(range.first) | inside.unbounded_shr(range.prefix);
        prop_assert!(range.contains(address.into()));
        prop_assert!(!judge_v4(address));
    }

    #[test]
    fn addresses_within_a_special_ipv6_range_are_refused(
        range in 0..SPECIAL_V6.len(),
        inside in any::<u128>(),
    ) {
        let range = SPECIAL_V6[range];
        prop_assert!(!judge_v6(u128::from(range.first) | inside.unbounded_shr(range.prefix)));
    }

    #[test]
    fn nothing_outside_of_global_unicast_is_allowed(address in any::<u128>()) {
        prop_assert!(!judge_v6(address) || address >> 125 == 1);
        prop_assert_eq!(judge_v6(address), !special_v6(address));
        prop_assert_eq!(judge_v6(1 << 125 | address >> 3), !special_v6(1 << 125 | address >> 3));
    }

    #[test]
    fn no_address_gains_by_being_embedded(address in any::<u32>()) {
        let v4 = Ipv4Addr::from(address);
        let [.., a, b] = v4.to_ipv6_mapped().segments();
        let embedded = [
            v4.to_ipv6_mapped(),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, a, b),             // IPv4-compatible
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a, b),     // NAT64
            Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, a, b),     // local NAT64
            Ipv6Addr::new(0x2002, a, b, 0, 0, 0, 0, 1),        // 6to4
            Ipv6Addr::new(0x2001, 0, a, b, 0, 0, !a, !b),      // Teredo
        ];
        for address in embedded {
            let allowed = TargetPolicy::Local.allows_address(IpAddr::V6(address));
            prop_assert!(!allowed || address == Ipv6Addr::LOCALHOST);
        }
    }
}
