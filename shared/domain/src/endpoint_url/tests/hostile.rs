//! URLs that try to get somewhere else than they seem to go.

use crate::endpoint_url::{EndpointUrl, TargetError, TargetPolicy};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Empty,
    Text,
    Form,
    Https,
    Credentials,
    Fragment,
    Port,
    Address,
    Name,
    Special,
    Single,
}

fn rule_of(error: &TargetError) -> Rule {
    match error {
        TargetError::Empty => Rule::Empty,
        TargetError::ForbiddenCharacter => Rule::Text,
        TargetError::Malformed(_) => Rule::Form,
        TargetError::NotHttps => Rule::Https,
        TargetError::Credentials => Rule::Credentials,
        TargetError::Fragment => Rule::Fragment,
        TargetError::PortZero => Rule::Port,
        TargetError::AddressNotPublic => Rule::Address,
        TargetError::InvalidName => Rule::Name,
        TargetError::SpecialName(_) => Rule::Special,
        TargetError::SingleLabel => Rule::Single,
        other => panic!("no hostile URL breaks this rule: {other}"),
    }
}

const HOSTILE: &[(&str, Rule)] = &[
    ("", Rule::Empty),
    (" \n ", Rule::Empty),
    // Schemes
    ("http://example.com/", Rule::Https),
    ("HTTP://example.com/", Rule::Https),
    ("ftp://example.com/", Rule::Https),
    ("file:///etc/passwd", Rule::Https),
    ("gopher://example.com/_x", Rule::Https),
    ("javascript:alert(1)", Rule::Https),
    ("data:text/plain,x", Rule::Https),
    ("wss://example.com/", Rule::Https),
    ("localhost:8080", Rule::Https),
    ("httpss://example.com", Rule::Https),
    ("blob:https://example.com/x", Rule::Https),
    // What the parser would forgive
    ("example.com/hook", Rule::Form),
    ("//example.com/hook", Rule::Form),
    ("https:example.com", Rule::Form),
    ("https:/example.com", Rule::Form),
    ("https:///example.com", Rule::Form),
    ("https://", Rule::Form),
    ("https://?x", Rule::Form),
    ("https://:443/", Rule::Form),
    ("https:\\\\example.com", Rule::Text),
    ("https://example.com\\@169.254.169.254/", Rule::Text),
    ("https://exa\tmple.com/", Rule::Text),
    ("https://example.com/a\r\nHost: evil", Rule::Text),
    ("https://example.com/a b", Rule::Text),
    ("https://example.com/\u{0}", Rule::Text),
    ("https://example.com/\u{2028}x", Rule::Text),
    ("https://exa%6dple%zz.com/", Rule::Form),
    ("https://example.com:99999/", Rule::Form),
    ("https://example.com:port/", Rule::Form),
    ("https://[::1", Rule::Form),
    ("https://[fe80::1%25eth0]/", Rule::Form),
    ("https://exa<mple.com/", Rule::Form),
    // Credentials
    ("https://user@example.com/", Rule::Credentials),
    ("https://user:secret@example.com/", Rule::Credentials),
    ("https://:@example.com/", Rule::Credentials),
    ("https://@example.com/", Rule::Credentials),
    ("https://example.com:443@127.0.0.1/", Rule::Credentials),
    ("https://example.com%2f@127.0.0.1/", Rule::Credentials),
    // Fragments and ports
    ("https://example.com/#", Rule::Fragment),
    ("https://example.com#@127.0.0.1/", Rule::Fragment),
    ("https://example.com:0/", Rule::Port),
    // IPv4, in all spellings
    ("https://127.0.0.1/", Rule::Address),
    ("https://127.0.0.1./", Rule::Address),
    ("https://127.1/", Rule::Address),
    ("https://127.0.1:8443/", Rule::Address),
    ("https://2130706433/", Rule::Address),
    ("https://0x7f000001/", Rule::Address),
    ("https://0x7f.1/", Rule::Address),
    ("https://0X7F.0x0.0x0.0x1/", Rule::Address),
    ("https://017700000001/", Rule::Address),
    ("https://0177.0.0.01/", Rule::Address),
    ("https://%31%32%37.0.0.1/", Rule::Address),
    ("https://１２７.０.０.１/", Rule::Address),
    ("https://127。0。0。1/", Rule::Address),
    ("https://①②⑦.0.0.1/", Rule::Address),
    ("https://0/", Rule::Address),
    ("https://0.0.0.0/", Rule::Address),
    ("https://10.0.0.1/", Rule::Address),
    ("https://172.16.0.1/", Rule::Address),
    ("https://172.31.255.255/", Rule::Address),
    ("https://192.168.0.1/", Rule::Address),
    ("https://100.64.0.1/", Rule::Address),
    ("https://169.254.169.254/latest/meta-data/", Rule::Address),
    ("https://2852039166/latest/meta-data/", Rule::Address),
    ("https://0xa9fea9fe/", Rule::Address),
    ("https://0251.0376.0251.0376/", Rule::Address),
    ("https://198.18.0.1/", Rule::Address),
    ("https://203.0.113.7/", Rule::Address),
    ("https://224.0.0.1/", Rule::Address),
    ("https://255.255.255.255/", Rule::Address),
    ("https://256.256.256.256/", Rule::Form),
    ("https://1.2.3.4.5/", Rule::Form),
    ("https://0x100000000/", Rule::Form),
    ("https://example.com.0x7f/", Rule::Form),
    // IPv6
    ("https://[::1]/", Rule::Address),
    ("https://[0:0:0:0:0:0:0:1]/", Rule::Address),
    ("https://[::]/", Rule::Address),
    ("https://[::ffff:127.0.0.1]/", Rule::Address),
    ("https://[::ffff:7f00:1]/", Rule::Address),
    ("https://[0:0:0:0:0:ffff:169.254.169.254]/", Rule::Address),
    ("https://[::127.0.0.1]/", Rule::Address),
    ("https://[64:ff9b::a9fe:a9fe]/", Rule::Address),
    ("https://[64:ff9b:1::10.0.0.1]/", Rule::Address),
    ("https://[2002:7f00:1::]/", Rule::Address),
    ("https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", Rule::Address),
    ("https://[fe80::1]/", Rule::Address),
    ("https://[fc00::1]/", Rule::Address),
    ("https://[fd00:ec2::254]/", Rule::Address),
    ("https://[ff02::1]/", Rule::Address),
    ("https://[2001:db8::1]/", Rule::Address),
    ("https://[3fff::1]/", Rule::Address),
    ("https://[5f00::1]/", Rule::Address),
    // Names
    ("https://localhost/", Rule::Special),
    ("https://LOCALHOST/", Rule::Special),
    ("https://localhost./", Rule::Special),
    ("https://ｌｏｃａｌｈｏｓｔ/", Rule::Special),
    ("https://loc\u{ad}alhost/", Rule::Special),
    ("https://local%68ost/", Rule::Special),
    ("https://app.localhost/", Rule::Special),
    ("https://metadata.google.internal/", Rule::Special),
    ("https://metadata.google.internal./", Rule::Special),
    ("https://metadata。google。internal/", Rule::Special),
    ("https://ip-10-0-0-1.ec2.internal/", Rule::Special),
    ("https://printer.local/", Rule::Special),
    ("https://router.home.arpa/", Rule::Special),
    ("https://1.0.0.127.in-addr.arpa/", Rule::Special),
    ("https://app.test/", Rule::Special),
    ("https://nowhere.invalid/", Rule::Special),
    ("https://wiki.corp/", Rule::Special),
    ("https://nas.lan/", Rule::Special),
    ("https://localhost.localdomain/", Rule::Special),
    ("https://facebookcorewwwi.onion/", Rule::Special),
    ("https://name.alt/", Rule::Special),
    ("https://internal/", Rule::Special),
    ("https://instance-data/", Rule::Single),
    ("https://com/", Rule::Single),
    ("https://com./", Rule::Single),
    ("https://./", Rule::Name),
    ("https://../", Rule::Name),
    ("https://a..example.com/", Rule::Name),
    ("https://.example.com/", Rule::Name),
    ("https://example.com../", Rule::Name),
    ("https://exa*mple.com/", Rule::Name),
    ("https://a,b.example.com/", Rule::Name),
];

#[test]
fn hostile_urls_are_refused_by_the_rule_that_they_break() {
    for (url, rule) in HOSTILE {
        let error = EndpointUrl::parse(url, TargetPolicy::Strict).expect_err(url);
        assert_eq!(rule_of(&error), *rule, "{url:?}: {error}");
    }
}

#[test]
fn the_local_policy_lets_no_hostile_url_through_but_to_loopback_or_without_tls() {
    for (url, _) in HOSTILE {
        if let Ok(allowed) = EndpointUrl::parse(url, TargetPolicy::Local) {
            let host = allowed.host().map(|host| host.to_string()).unwrap_or_default();
            let loopback = host.starts_with("127.")
                || ["[::1]", "localhost", "localhost."].contains(&host.as_str());
            let plain = allowed.normalised() == "http://example.com/";
            assert!(loopback || plain, "{url:?} went through as {host}");
        }
    }
}

#[test]
fn no_message_repeats_the_url() {
    for (url, _) in
        HOSTILE.iter().filter(|(url, _)| url.contains("secret") || url.contains("169.254"))
    {
        let message = EndpointUrl::parse(url, TargetPolicy::Strict).expect_err(url).to_string();
        assert!(!message.contains("secret") && !message.contains("169.254"), "{message}");
    }
}
