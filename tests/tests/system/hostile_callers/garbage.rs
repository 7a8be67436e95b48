//! Random requests to a route: most of them nearly good, with one thing or another wrong.

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use sam_template::HttpRoute;
use serde_json::{Value as Json, json};

/// What there is, and what is another project's.
pub(super) struct Ids {
    pub(super) project: String,
    pub(super) endpoint: String,
    pub(super) event: String,
    pub(super) foreign: Vec<String>,
}

/// Makes requests.
pub(super) struct Garbage {
    random: StdRng,
    operator: String,
    key: String,
    ids: Ids,
}

/// Parts of paths that are no ids.
const NO_IDS: [&str; 18] = [
    "%00",
    "%ff",
    "%25ff",
    "%2f",
    "..",
    "%2e%2e",
    "..%2f..%2fprojects",
    "%5c",
    "a%0d%0ab",
    "%F0%9F%98%80",
    "x?y",
    "%23",
    "null",
    "0",
    "-1",
    "%",
    "%zz",
    "evt_00000000000000000000000000",
];
/// Values that no field expects.
const TEXTS: [&str; 24] = [
    "null",
    "true",
    "0",
    "-0",
    "1e400",
    "-1",
    "1.5",
    "18446744073709551616",
    "123456789012345678901234567890",
    r#""""#,
    r#"" ""#,
    r#""\u0000""#,
    r#""\ud800""#,
    r#""\udc00\ud800""#,
    "[]",
    "{}",
    "[[[]]]",
    r#"[null,1,"a",{}]"#,
    r#"{"a":1,"a":2}"#,
    r#""é😀\uffff""#,
    "NaN",
    "'x'",
    "01",
    r#""\x""#,
];

impl Garbage {
    pub(super) fn new(operator: String, key: String, ids: Ids) -> Self {
        Self { random: StdRng::seed_from_u64(4), operator, key, ids }
    }

    fn one_in(&mut self, many: u32) -> bool {
        self.random.random_ratio(1, many)
    }

    fn pick<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts.choose(&mut self.random).copied().unwrap_or_default()
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.random.random_range(0..most);
        (0..length).map(|_| self.random.random()).collect()
    }

    /// A whole request, as bytes.
    pub(super) fn request(&mut self, route: &HttpRoute) -> Vec<u8> {
        let method = if self.one_in(15) {
            self.pick(&[
                "HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "DELETE", "POST", "GET", "BREW", "get",
            ])
            .to_owned()
        } else {
            route.method.clone()
        };
        let body = if matches!(method.as_str(), "GET" | "HEAD") && !self.one_in(10) {
            Vec::new()
        } else {
            self.body(route)
        };
        let mut request = format!(
            "{method} {}{} HTTP/1.1\r\nconnection: close\r\n",
            self.path(route),
            self.query()
        )
        .into_bytes();
        self.headers(route, &mut request);
        request.extend(format!("content-length: {}\r\n\r\n", body.len()).into_bytes());
        request.extend(body);
        request
    }

    fn path(&mut self, route: &HttpRoute) -> String {
        let good = match route.path.as_str() {
            path if path.starts_with("/projects") => self.ids.project.clone(),
            path if path.starts_with("/events") || path.starts_with("/webhooks/messages") => {
                self.ids.event.clone()
            }
            path if path.starts_with("/webhooks/topics") => "own.topic".to_owned(),
            _ => self.ids.endpoint.clone(),
        };
        let parts = route.path.split('/').map(|part| match part {
            fixed if !fixed.starts_with('{') => fixed.to_owned(),
            _ if self.one_in(2) => good.clone(),
            _ if self.one_in(3) => {
                self.ids.foreign.choose(&mut self.random).cloned().unwrap_or_default()
            }
            _ if self.one_in(8) => "x".repeat(3_000),
            _ => self.pick(&NO_IDS).to_owned(),
        });
        parts.collect::<Vec<_>>().join("/")
    }

    fn query(&mut self) -> String {
        if self.one_in(2) {
            return String::new();
        }
        let names = [
            "limit",
            "after",
            "before",
            "order",
            "since",
            "until",
            "kind",
            "status",
            "topic",
            "endpoint_id",
            "message_id",
            "outcome",
            "page",
            "x",
            "",
        ];
        let values = [
            "",
            "0",
            "1",
            "101",
            "-1",
            "99999999999999999999",
            "asc",
            "%00",
            "%ff",
            "%",
            "*",
            "task.*",
            "a,b",
            "%0d%0a",
            "+",
            "'",
            "evt_1",
        ];
        let count = self.random.random_range(1..4);
        let pairs: Vec<_> = (0..count)
            .map(|_| {
                let value = if self.one_in(4) {
                    self.ids.foreign[2].clone()
                } else {
                    self.pick(&values).to_owned()
                };
                format!("{}={value}", self.pick(&names))
            })
            .collect();
        format!("?{}", pairs.join("&"))
    }

    fn headers(&mut self, route: &HttpRoute, request: &mut Vec<u8>) {
        let mut add = |line: &[u8]| {
            request.extend(line);
            request.extend(b"\r\n");
        };
        add(b"host: localhost");
        match self.random.random_range(0..20) {
            0 => {}
            1 => add(b"authorization: Bearer \xff\xfe"),
            2 => add(b"authorization: Basic eDp5"),
            3 => add(format!("authorization: Bearer {}", "k".repeat(4_000)).as_bytes()),
            4..12 if !route.path.starts_with("/projects") => {
                add(format!("authorization: Bearer {}", self.key).as_bytes());
            }
            _ => add(format!(
                "authorization: Bearer {}\r\nposthaste-project: {}",
                self.operator, self.ids.project
            )
            .as_bytes()),
        }
        match self.random.random_range(0..16) {
            0 => {}
            1 => add(b"content-type: text/plain"),
            2 => add(b"content-type: \xff"),
            3 => add(b"content-type: application/json; charset=utf-16"),
            4 => add(b"content-type: application/json\r\ncontent-encoding: gzip"),
            _ => add(b"content-type: application/json"),
        }
        match self.random.random_range(0..16) {
            0 => add(b"idempotency-key: \xc3\xa9"),
            1 => add(format!("idempotency-key: {}", "i".repeat(256)).as_bytes()),
            2 => add(b"idempotency-key: a\r\nidempotency-key: b"),
            3 => add(b"idempotency-key:"),
            4 => add(b"posthaste-project: proj_1"),
            5 => add(b"x-many: \x80\x81"),
            6 => add("x-n: y\r\n".repeat(60).trim_end().as_bytes()),
            7 => add(format!("x-long: {}", "z".repeat(4_000)).as_bytes()),
            8 => add(b"expect: 100-continue"),
            9 => add(b"x-forwarded-proto: javascript\r\nx-forwarded-host: evil"),
            10 => add(b"cookie: a=\xff; b"),
            11 => add(b"x-http-method-override: DELETE"),
            _ => {}
        }
    }

    /// A body that the route would take.
    fn good(&mut self, route: &HttpRoute) -> Json {
        match (route.method.as_str(), route.path.as_str()) {
            (_, "/events") => {
                json!({"kind": "task.created", "data": {"a": 1}, "user_id": "u",
                    "metadata": {"m": 1}, "created_at": 5})
            }
            (_, "/events/batch") => {
                json!({"events": [{"kind": "task.created", "data": 1}, {"kind": "task.failed",
                    "data": {}}]})
            }
            ("POST" | "PUT" | "PATCH", path)
                if path.starts_with("/webhooks/endpoints") && !path.contains("secret") =>
            {
                json!({
                    "url": "https://example.com/", "topics": ["*"], "name": "n", "description": "d",
                    "metadata": {"a": "b"}, "headers": {"x-a": "b"},
                    "signatures": ["standard"], "body": "event", "timeout_seconds": 5,
                    "retry_schedule": [5], "status": "active"
                })
            }
            (_, path) if path.contains("secret") => json!({"overlap_seconds": 60}),
            (_, path) if path.contains("topics") => json!({"description": "d"}),
            (_, path) if path.contains("keys") => json!({"name": "k", "scopes": ["read"]}),
            (_, path) if path.starts_with("/projects") => json!({"name": "p", "brand": "Acme"}),
            _ => {
                json!({"endpoint_id": self.ids.endpoint, "url": "https://example.com/", "name": "n",
                    "since": 1, "dry_run": true})
            }
        }
    }

    fn body(&mut self, route: &HttpRoute) -> Vec<u8> {
        let good = self.good(route);
        let text = good.to_string();
        match self.random.random_range(0..16) {
            0 => Vec::new(),
            1 => self.bytes(200),
            2 => self.pick(&TEXTS).into(),
            3 => format!("\u{feff}{text}").into_bytes(),
            4 => format!("{text}\0").into_bytes(),
            5 => format!("{text}{text}").into_bytes(),
            6 => text.as_bytes()[..self.random.random_range(0..text.len())].to_vec(),
            7 => {
                let mut bytes = text.into_bytes();
                let (place, byte) =
                    (self.random.random_range(0..bytes.len()), self.random.random());
                bytes[place] = byte;
                bytes
            }
            8 => {
                let depth = *[100, 127, 200, 100_000].choose(&mut self.random).unwrap_or(&1);
                let (open, close) = if self.one_in(2) { ("[", "]") } else { (r#"{"a":"#, "}") };
                self.with_field(good, &format!("{}1{}", open.repeat(depth), close.repeat(depth)))
            }
            9 => self.with_field(good, &format!("\"{}\"", "é\\\"".repeat(50_000))),
            10 => format!("{},\"colour\":1}}", text.trim_end_matches('}')).into_bytes(),
            11 => {
                // A key that is there twice.
                let first = text
                    .split_once(',')
                    .map_or(text.as_str(), |(first, _)| first)
                    .trim_start_matches('{')
                    .trim_end_matches('}');
                text.replacen('{', &format!("{{{first},"), 1).into_bytes()
            }
            12 => {
                self.with_field(good, &format!("[{}]", vec!["\"task.created\""; 5_000].join(",")))
            }
            _ => {
                let value = self.pick(&TEXTS).to_owned();
                self.with_field(good, &value)
            }
        }
    }

    /// The body with another value in one of its fields, or within one.
    fn with_field(&mut self, mut good: Json, value: &str) -> Vec<u8> {
        const MARK: &str = "\"~\"";
        let fields = good
            .as_object_mut()
            .map(|fields| fields.values_mut().collect::<Vec<_>>())
            .unwrap_or_default();
        let place = self.random.random_range(0..fields.len().max(1));
        if let Some(field) = fields.into_iter().nth(place) {
            match field {
                Json::Array(items) if !items.is_empty() && self.random.random_ratio(1, 2) => {
                    items[0] = json!("~");
                }
                Json::Object(members) if self.random.random_ratio(1, 2) => {
                    drop(members.insert("~".to_owned(), json!("~")));
                }
                field => *field = json!("~"),
            }
        }
        good.to_string().replace(MARK, value).into_bytes()
    }
}

/// Requests, to be read by people.
pub(super) fn shown(requests: &[Vec<u8>]) -> String {
    requests
        .iter()
        .map(|request| String::from_utf8_lossy(&request[..request.len().min(600)]).into_owned())
        .collect::<Vec<_>>()
        .join("\n----\n")
}
