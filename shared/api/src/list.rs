//! The conventions of lists: newest first, a bare array, `limit`, `after`, `before`, `order`;
//! headers `Link` (RFC 8288), `Has-More`, `Limit`.

use std::str::FromStr;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use store::{Order, Page, PageRequest};
use utoipa::IntoParams;

use crate::{ApiError, Filter, Params, TimeRange};

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;

/// The parameters that every list takes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// The most items of a page.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100, default = 20)]
    limit: Option<Limit>,
    /// Return the items after this one: the last id of the previous page.
    after: Option<String>,
    /// Return the items before this one. Not together with `after`.
    before: Option<String>,
    /// `desc` is newest first.
    #[param(inline, default = "desc")]
    order: Option<ListOrder>,
}

#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum ListOrder {
    Asc,
    Desc,
}

impl From<ListOrder> for Order {
    fn from(order: ListOrder) -> Self {
        match order {
            ListOrder::Asc => Self::Asc,
            ListOrder::Desc => Self::Desc,
        }
    }
}

/// The number of items of a page.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Limit(usize);

/// A limit that no page has.
#[derive(Debug, thiserror::Error)]
#[error("must be a whole number from 1 to {MAX_LIMIT}")]
struct NoLimit;

impl TryFrom<String> for Limit {
    type Error = NoLimit;

    fn try_from(text: String) -> Result<Self, NoLimit> {
        let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
        limit.map(Self).ok_or(NoLimit)
    }
}

/// Reads a list's parameters and its filters. 400 for a parameter that the list does not have.
pub fn page_request<Id, F>(query: Option<&str>) -> Result<(PageRequest<Id>, Params, F), ApiError>
where
    Id: FromStr<Err: std::fmt::Display>,
    F: Filter,
{
    let names = [ListParams::names(), F::names()].concat();
    let params = Params::read(query, &names.iter().map(String::as_str).collect::<Vec<_>>())?;
    let page = ListParams::read(&params)?;
    if page.after.is_some() && page.before.is_some() {
        return Err(ApiError::validation("before", "can't be combined with `after`"));
    }
    let request = PageRequest {
        limit: page.limit.map_or(DEFAULT_LIMIT, |limit| limit.0),
        order: page.order.map(Order::from).unwrap_or_default(),
        after: params.value("after")?,
        before: params.value("before")?,
        since: None,
        until: None,
    };
    let filter = F::read(&params)?;
    Ok((request, params, filter))
}

impl TimeRange {
    /// The request, within this time range.
    pub fn of<Id>(self, request: PageRequest<Id>) -> PageRequest<Id> {
        let (since, until) = (self.since.map(|since| since.0), self.until.map(|until| until.0));
        PageRequest { since, until, ..request }
    }
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
    // When the page was read backwards, the next page starts after its last item, and the previous
    // page ends where reading stopped.
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
