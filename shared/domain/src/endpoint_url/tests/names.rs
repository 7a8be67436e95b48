//! Ordinary URLs, their spelling, and this service's own hosts.

use crate::endpoint_url::{EndpointUrl, MAX_URL_LENGTH, OwnHost, TargetError, TargetPolicy};

fn strict(text: &str) -> EndpointUrl {
    EndpointUrl::parse(text, TargetPolicy::Strict).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn ordinary_urls_are_allowed() {
    let urls = [
        "https://example.com",
        "https://hooks.example/",
        "https://example.com./hook",
        "HTTPS://Example.COM:8443/Hook?token=a%20b&x=%00",
        "https://a-b_c.example.com/",
        "https://xn--bcher-kva.example.com/",
        "https://bücher.example.com/straße?q=ü",
        "https://8.8.8.8/hook",
        "https://[2606:4700:4700::1111]:8443/hook",
        "https://internal.example.com/",
        "https://localhost.example.com/",
        "https://example.com/?next=http://127.0.0.1/",
        "https://example.com/@user",
        "https://3.example.com/",
    ];
    for url in urls {
        assert_eq!(strict(url).to_string(), url);
    }
}

#[test]
fn a_url_reads_back_as_written_and_compares_as_normalised() {
    let url = strict("  https://EXAMPLE.com:443 \n");
    assert_eq!(url.as_written(), "https://EXAMPLE.com:443");
    assert_eq!(url.normalised(), "https://example.com/");
    assert_eq!(url, strict("https://example.com/"));
    assert_ne!(url, strict("https://example.com/hook"));
    assert_eq!(serde_json::to_string(&url).unwrap(), "\"https://EXAMPLE.com:443\"");
    assert_eq!(serde_json::from_str::<EndpointUrl>("\"https://example.com/\"").unwrap(), url);
    assert!(serde_json::from_str::<EndpointUrl>("\"https://10.0.0.1/\"").is_err());
}

#[test]
fn debug_output_holds_no_path_or_query() {
    let debug = format!("{:?}", strict("https://example.com/secret?token=secret"));
    assert_eq!(debug, "EndpointUrl(https://example.com/…)");
}

#[test]
fn the_length_limit_holds_for_both_spellings() {
    let of_length = |length: usize| format!("https://example.com/{}", "a".repeat(length - 20));
    assert_eq!(strict(&of_length(MAX_URL_LENGTH)).as_written().len(), MAX_URL_LENGTH);
    let refused = |text: &str| EndpointUrl::parse(text, TargetPolicy::Strict).unwrap_err();
    assert_eq!(refused(&of_length(MAX_URL_LENGTH + 1)), TargetError::TooLong);
    assert_eq!(refused(&format!("https://example.com/{}", "é".repeat(500))), TargetError::TooLong);
}

#[test]
fn names_and_labels_have_the_lengths_of_dns() {
    let name = |labels: &[usize]| {
        labels.iter().map(|length| "a".repeat(*length)).collect::<Vec<_>>().join(".")
    };
    let judged = |name: String| {
        EndpointUrl::parse(&format!("https://{name}/"), TargetPolicy::Strict).map(drop)
    };
    assert_eq!(judged(name(&[63, 3])), Ok(()));
    assert!(judged(name(&[64, 3])).is_err());
    assert_eq!(judged(name(&[63, 63, 63, 61])), Ok(()));
    assert!(judged(name(&[63, 63, 63, 62])).is_err());
}

#[test]
fn the_local_policy_takes_plain_http_and_this_machine() {
    let allowed = [
        "http://127.0.0.1:9000/hook",
        "http://localhost:9000",
        "http://LocalHost./",
        "https://localhost/",
        "http://[::1]:9000/",
        "http://example.com/",
    ];
    for url in allowed {
        assert!(EndpointUrl::parse(url, TargetPolicy::Local).is_ok(), "{url}");
    }
    let refused = [
        "http://10.0.0.1/",
        "http://169.254.169.254/",
        "http://app.localhost/",
        "http://0.0.0.0:9000/",
        "ftp://localhost/",
    ];
    for url in refused {
        assert!(EndpointUrl::parse(url, TargetPolicy::Local).is_err(), "{url}");
    }
}

#[test]
fn messages_name_the_rule() {
    let message = |text: &str, policy| EndpointUrl::parse(text, policy).unwrap_err().to_string();
    assert_eq!(message("http://example.com", TargetPolicy::Strict), "url must use https");
    assert_eq!(message("ftp://example.com", TargetPolicy::Local), "url must use https or http");
    assert_eq!(
        message("https://a.internal", TargetPolicy::Strict),
        "url must not use a name under the special-use domain .internal"
    );
}

#[test]
fn urls_of_this_service_itself_are_refused() {
    let own: Vec<OwnHost> = ["hooks.example.com", "127.0.0.1:8080", "[::1]:8080", "localhost:8080"]
        .iter()
        .map(|host| host.parse().unwrap())
        .collect();
    let cases = [
        ("https://hooks.example.com/events", true),
        ("https://HOOKS.example.com.:8443/", true),
        ("https://other.example.com/", false),
        ("https://hooks.example.com.evil.example/", false),
        ("http://127.0.0.1:8080/", true),
        ("http://2130706433:8080/", true),
        ("http://127.0.0.1:9000/", false),
        ("http://[::1]:8080/", true),
        ("http://localhost:8080/", true),
        ("http://localhost/", false),
    ];
    for (url, refused) in cases {
        let parsed = EndpointUrl::parse(url, TargetPolicy::Local).unwrap();
        assert_eq!(parsed.refuse_own_host(&own).is_err(), refused, "{url}");
    }
    for text in ["", "a b", "host:port", "host:99999", "https://host"] {
        assert!(text.parse::<OwnHost>().is_err(), "{text:?}");
    }
}
