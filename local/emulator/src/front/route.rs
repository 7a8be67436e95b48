//! Which function a request goes to: by a route of the HTTP API, or by a URL of its own, which is a
//! path here.
//!
//! Of several routes that match, the most specific wins: segment by segment a fixed text beats a
//! `{variable}`, which beats a `{greedy+}` one; then a method beats `ANY`; `$default` comes last
//! (API Gateway, "Routes for HTTP APIs").

use std::collections::BTreeMap;

use sam_template::{Function, FunctionUrl, HttpRoute};

use super::path::decode;

/// Every route of a deployment, the most specific first.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    routes: Vec<Route>,
    default: Option<String>,
}

#[derive(Debug, Clone)]
struct Route {
    method: Option<String>,
    segments: Vec<Segment>,
    key: String,
    function: String,
    via: EntryPoint,
}

/// By what a request reaches a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryPoint {
    /// The HTTP API, which waits for a whole answer.
    HttpApi,
    /// The function's own URL, by which it streams.
    Url(FunctionUrl),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Fixed(String),
    Variable(String),
    Greedy(String),
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The function's short name.
    pub function: String,
    /// `GET /projects/{id}` or `$default`.
    pub route_key: String,
    /// Values of the path's variables, decoded.
    pub path_parameters: BTreeMap<String, String>,
    /// By what it gets there.
    pub via: EntryPoint,
}

impl RouteTable {
    /// The routes of these functions.
    pub fn of(functions: &[Function]) -> Self {
        let mut table = Self::default();
        for function in functions {
            for route in &function.routes {
                table.add(route, &function.name);
            }
            if let Some(url) = &function.url {
                table.add_url(url, &function.name);
            }
        }
        table.routes.sort_by_key(|route| (ranks(&route.segments), route.method.is_none()));
        table
    }

    fn add(&mut self, route: &HttpRoute, function: &str) {
        if route.path == "$default" {
            self.default = Some(function.to_owned());
            return;
        }
        self.routes.push(Route {
            method: (route.method != "ANY").then(|| route.method.clone()),
            segments: segments_of(&route.path).map(Segment::of).collect(),
            key: route.key(),
            function: function.to_owned(),
            via: EntryPoint::HttpApi,
        });
    }

    /// A function URL takes every method, and its events have the route key `$default`.
    fn add_url(&mut self, url: &FunctionUrl, function: &str) {
        self.routes.push(Route {
            method: None,
            segments: segments_of(&url.path).map(Segment::of).collect(),
            key: "$default".to_owned(),
            function: function.to_owned(),
            via: EntryPoint::Url(url.clone()),
        });
    }

    /// The most specific route for this method and still encoded path.
    pub fn find(&self, method: &str, path: &str) -> Option<Match> {
        let found = self.routes.iter().find_map(|route| {
            let right_method = route.method.as_ref().is_none_or(|wanted| wanted == method);
            let path_parameters = right_method.then(|| values(&route.segments, path)).flatten()?;
            Some(Match {
                function: route.function.clone(),
                route_key: route.key.clone(),
                path_parameters,
                via: route.via.clone(),
            })
        });
        let default = || {
            let function = self.default.clone()?;
            Some(Match {
                function,
                route_key: "$default".to_owned(),
                path_parameters: BTreeMap::new(),
                via: EntryPoint::HttpApi,
            })
        };
        found.or_else(default)
    }
}

impl Segment {
    fn of(text: &str) -> Self {
        match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            None => Self::Fixed(text.to_owned()),
            Some(name) => match name.strip_suffix('+') {
                Some(name) => Self::Greedy(name.to_owned()),
                None => Self::Variable(name.to_owned()),
            },
        }
    }
}

fn ranks(segments: &[Segment]) -> Vec<u8> {
    let rank = |segment: &Segment| match segment {
        Segment::Fixed(_) => 0,
        Segment::Variable(_) => 1,
        Segment::Greedy(_) => 2,
    };
    segments.iter().map(rank).collect()
}

fn segments_of(path: &str) -> std::str::Split<'_, char> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

fn values(segments: &[Segment], path: &str) -> Option<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    let mut parts = segments_of(path);
    for segment in segments {
        let part = parts.next()?;
        match segment {
            Segment::Fixed(text) if decode(part) == *text => {}
            Segment::Variable(name) if !part.is_empty() => {
                drop(values.insert(name.clone(), decode(part)));
            }
            Segment::Greedy(name) if !part.is_empty() => {
                let rest: Vec<&str> = std::iter::once(part).chain(parts.by_ref()).collect();
                values.insert(name.clone(), decode(&rest.join("/")));
            }
            _ => return None,
        }
    }
    parts.next().is_none().then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(routes: &[(&str, &str)]) -> RouteTable {
        let mut table = RouteTable::default();
        for (method, path) in routes {
            table.add(&HttpRoute { method: (*method).into(), path: (*path).into() }, "f");
        }
        table.routes.sort_by_key(|route| (ranks(&route.segments), route.method.is_none()));
        table
    }

    fn key(table: &RouteTable, method: &str, path: &str) -> Option<String> {
        table.find(method, path).map(|found| found.route_key)
    }

    #[test]
    fn the_most_specific_route_wins_whatever_the_order() {
        let mut routes = [
            ("ANY", "$default"),
            ("ANY", "/{proxy+}"),
            ("GET", "/events/{id}"),
            ("ANY", "/events/stream"),
            ("GET", "/events/stream"),
            ("GET", "/events/{id}/{rest+}"),
        ];
        for _ in 0..routes.len() {
            routes.rotate_left(1);
            let table = table(&routes);
            assert_eq!(key(&table, "GET", "/events/stream").unwrap(), "GET /events/stream");
            assert_eq!(key(&table, "POST", "/events/stream").unwrap(), "ANY /events/stream");
            assert_eq!(key(&table, "GET", "/events/evt_1").unwrap(), "GET /events/{id}");
            assert_eq!(
                key(&table, "GET", "/events/evt_1/a/b").unwrap(),
                "GET /events/{id}/{rest+}"
            );
            assert_eq!(key(&table, "DELETE", "/events/evt_1").unwrap(), "ANY /{proxy+}");
            assert_eq!(key(&table, "GET", "/").unwrap(), "$default");
        }
    }

    #[test]
    fn a_functions_own_url_wins_over_variables_with_every_method() {
        let mut table = table(&[("GET", "/events/{id}"), ("ANY", "$default")]);
        table.add_url(&FunctionUrl { path: "/events/stream".into(), cors: None }, "stream");
        table.routes.sort_by_key(|route| (ranks(&route.segments), route.method.is_none()));
        for method in ["GET", "POST"] {
            let found = table.find(method, "/events/stream").unwrap();
            assert_eq!((found.function.as_str(), found.route_key.as_str()), ("stream", "$default"));
            assert!(matches!(found.via, EntryPoint::Url(_)));
        }
        assert_eq!(table.find("GET", "/events/stream2").unwrap().via, EntryPoint::HttpApi);
    }

    #[test]
    fn without_a_default_route_what_nothing_matches_is_not_found() {
        let table = table(&[("GET", "/events/{id}")]);
        for (method, path) in [
            ("POST", "/events/1"),
            ("GET", "/events"),
            ("GET", "/events/"),
            ("GET", "/events/1/"),
            ("GET", "/events/1/2"),
        ] {
            assert_eq!(key(&table, method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn path_parameters_are_decoded_after_the_path_was_split() {
        let table = table(&[("GET", "/a/{id}/b/{rest+}")]);
        let found = table.find("GET", "/a/x%2Fy%20z/b/c/%C3%A4").unwrap();
        let expected = [("id", "x/y z"), ("rest", "c/ä")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(found.path_parameters, expected.into());
    }
}
