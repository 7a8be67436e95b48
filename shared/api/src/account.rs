//! What a request has caused: charged to its project, and told in the one log line that it gets.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use lambda_http::{RequestExt, request::RequestContext};
use runtime::clock;
use store::tally::{Caller, Tally};

use crate::auth::Authenticates;

/// Layer of all routes. Reads are charged afterwards: only then is it known how many they are.
pub(crate) async fn account<S: Authenticates>(
    State(state): State<S>,
    request: Request,
    next: Next,
) -> Response {
    let (route, id, ip) = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => {
            (context.route_key.clone(), context.request_id.clone(), context.http.source_ip.clone())
        }
        _ => (None, None, None),
    };
    // A path that is no route's; `$default` would not say which.
    let route = route.filter(|route| route != "$default");
    let route = route.unwrap_or_else(|| format!("{} {}", request.method(), request.uri().path()));
    let tally = Arc::new(Tally::default());
    let response = tally.of(next.run(request)).await;
    let (budgets, caller) = (state.authenticator().budgets(), tally.caller());
    // The operator's own reads are nobody's.
    if let (Some(budgets), Some(Caller::Key(_, access))) = (budgets, caller) {
        budgets.charge_reads(access, tally.reads(), clock::now()).await;
    }
    let key = match caller {
        Some(Caller::Key(key, _)) => key.to_string(),
        Some(Caller::Operator(_)) => "operator".to_owned(),
        None => String::new(),
    };
    let project = caller.map(|caller| caller.access().project().to_string()).unwrap_or_default();
    tracing::info!(
        %key, %project, %route, status = response.status().as_u16(),
        deliveries = tally.deliveries(), reads = tally.reads(), request_id = id.unwrap_or_default(),
        ip = ip.unwrap_or_default(),
        "request"
    );
    response
}
