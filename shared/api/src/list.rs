//! The conventions of lists: newest first, a bare array, `limit`, `after`, `before`, `order`;
//! headers `Link` (RFC 8288), `Has-More`, `Limit`.

use std::str::FromStr;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::HeaderValue;
use serde::Serialize;
use store::{Order, Page, PageRequest};
use utoipa::IntoParams;

use crate::{ApiError, Params};

/// The parameters that every list takes.
const LIST_PARAMS: [&str; 4] = ["limit", "after", "before", "order"];
const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;

/// [`LIST_PARAMS`] for the API's document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "only described, never read: `page_request` reads them")]
pub struct ListParams {
    /// The most items of a page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u8>,
    /// The id of the item behind which the page starts: the last one of the page before.
    after: Option<String>,
    /// The id of the item before which the page ends. Not together with `after`.
    before: Option<String>,
    /// `desc` is newest first.
    #[param(inline, default = "desc")]
    order: Option<ListOrder>,
}

#[derive(utoipa::ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "see `ListParams`")]
enum ListOrder {
    Asc,
    Desc,
}

/// Reads a list's parameters, and beside them those of `filters`.
pub fn page_request<Id>(
    query: Option<&str>,
    filters: &[&str],
) -> Result<(PageRequest<Id>, Params), ApiError>
where
    Id: FromStr<Err: std::fmt::Display>,
{
    let params = Params::read(query, &[&LIST_PARAMS, filters].concat())?;
    let limit = match params.text("limit") {
        None => DEFAULT_LIMIT,
        Some(text) => {
            text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or_else(|| {
                ApiError::validation(
                    "limit",
                    format!("must be a whole number from 1 to {MAX_LIMIT}"),
                )
            })?
        }
    };
    let request = PageRequest {
        limit,
        order: params
            .one_of("order", &[("asc", Order::Asc), ("desc", Order::Desc)])?
            .unwrap_or_default(),
        after: params.value("after")?,
        before: params.value("before")?,
        since: params.moment("since")?,
        until: params.moment("until")?,
    };
    if request.after.is_some() && request.before.is_some() {
        return Err(ApiError::validation("before", "can't be combined with `after`"));
    }
    Ok((request, params))
}

/// A page as an answer. `first_id` is the id of an item, to link to the page before.
pub fn listed<Id, T: Serialize>(
    path: &str,
    params: &Params,
    request: &PageRequest<Id>,
    page: &Page<T>,
    id: impl Fn(&T) -> String,
) -> Response {
    let backwards = request.before.is_some();
    let link = |rel: &str, name: &str, cursor: &str| {
        let rest = params.without(&["after", "before"]);
        let separator = if rest.is_empty() { "" } else { "&" };
        format!("<{path}?{rest}{separator}{name}={cursor}>; rel=\"{rel}\"")
    };
    let ends = (page.items.first().map(&id), page.items.last().map(&id));
    // Reading backwards, the page's own last item is where it goes on forwards, and where the
    // reading stopped is where it goes on backwards.
    let (next, prev) = if backwards {
        (ends.1, page.has_more.then(|| page.last_seen.clone()).flatten())
    } else {
        (
            page.has_more.then(|| page.last_seen.clone()).flatten(),
            ends.0.filter(|_| request.after.is_some()),
        )
    };
    let links: Vec<_> =
        [next.map(|id| link("next", "after", &id)), prev.map(|id| link("prev", "before", &id))]
            .into_iter()
            .flatten()
            .collect();

    let mut response = Json(&page.items).into_response();
    let headers = response.headers_mut();
    headers
        .insert("has-more", HeaderValue::from_static(if page.has_more { "true" } else { "false" }));
    headers.insert("limit", HeaderValue::from(request.limit));
    if let Ok(value) = HeaderValue::from_str(&links.join(", "))
        && !links.is_empty()
    {
        headers.insert("link", value);
    }
    response
}
