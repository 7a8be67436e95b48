//! Each HTTP function's routes, as the template has them and as the function serves them.
//!
//! A route that only the function knows is answered locally by its own router's tests, and on AWS
//! by the default route's 404.

use std::collections::BTreeSet;

use api::Routes;
use sam_template::Template;

use crate::draft::Draft;

#[test]
fn every_function_serves_its_routes_in_the_template_and_no_other() {
    let template = Draft::of_the_real_template().unwrap().read().unwrap();
    let url = template
        .function("stream")
        .and_then(|stream| stream.url.as_ref())
        .map(|url| format!("GET {}", url.path));
    assert_eq!(
        url.into_iter().collect::<BTreeSet<_>>(),
        keys(stream::routes()),
        "the path of stream's URL: template.yaml (left), its own (right)"
    );
    let own = [
        ("admin", keys(admin::routes())),
        ("endpoints", keys(endpoints::routes())),
        ("events", keys(events::routes())),
        ("logs", keys(logs::routes())),
    ];
    for (function, served) in own {
        assert_eq!(
            declared(&template, function),
            served,
            "the routes of {function}: template.yaml (left), its own (right)"
        );
    }
}

fn keys<App: Clone + Send + Sync + 'static>(routes: Routes<App>) -> BTreeSet<String> {
    let paths = serde_json::json!(routes.into_openapi().paths);
    let keys = paths.as_object().into_iter().flatten().flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flat_map(serde_json::Map::keys);
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    keys.collect()
}

/// But for the default route, which stands for no route of the function's.
fn declared(template: &Template, function: &str) -> BTreeSet<String> {
    let routes = template.function(function).into_iter().flat_map(|function| &function.routes);
    routes
        .filter(|route| route.path != "$default")
        .map(|route| format!("{} {}", route.method, route.path))
        .collect()
}
