//! `GET /projects/{id}/usage`: what a project has used, for the operator.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use api::{And, ApiError, Filter, Params, TimeRange, auth::Caller};
use axum::{
    Json,
    extract::{Path, State},
};
use domain::{
    id::ProjectId,
    time::Timestamp,
    usage::{HOUR, Usage, day_of, hour_of},
};
use http::Uri;
use runtime::clock;
use serde::{Deserialize, Serialize};
use store::usage::Hour;
use utoipa::{IntoParams, ToSchema};

use crate::App;

/// A day.
const DAY: Duration = Duration::from_hours(24);

/// What is shown together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum By {
    /// Each hour for itself.
    #[default]
    Hour,
    /// Days, in UTC.
    Day,
}

impl By {
    fn length(self) -> Duration {
        match self {
            Self::Hour => HOUR,
            Self::Day => DAY,
        }
    }

    fn start_of(self, time: Timestamp) -> Timestamp {
        match self {
            Self::Hour => hour_of(time),
            Self::Day => day_of(time),
        }
    }

    /// How many there are without `since`, and the most of one answer.
    fn counts(self) -> (u32, u32) {
        match self {
            Self::Hour => (24, 31 * 24),
            Self::Day => (30, 400),
        }
    }
}

/// How usage is shown.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageFilter {
    /// `hour` or `day`. By hour, an answer has 31 days at most, and by day 400.
    #[param(inline)]
    by: Option<By>,
}

/// What a project has used in an hour or a day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
pub(crate) struct UsageView {
    #[schema(pattern = "^usage$", example = "usage")]
    object: &'static str,
    /// Unix seconds: when it began.
    #[schema(example = 1_767_225_600)]
    since: u64,
    /// Unix seconds: when it ends.
    #[schema(example = 1_767_229_200)]
    until: u64,
    /// Accepted events, with tests and system events.
    #[schema(example = 120)]
    events: u64,
    /// Deliveries: of these events to their recipients, and those that were sent again.
    #[schema(example = 240)]
    deliveries: u64,
    /// Bytes of these deliveries' data and metadata.
    #[schema(example = 61_440)]
    bytes: u64,
    /// Requests that were refused because of the project's limits.
    #[schema(example = 0)]
    refusals: u64,
    /// Whether all is counted: five minutes after the hour. Until then there may be more events.
    complete: bool,
}

/// Read the usage of a project
///
/// By hours or days, newest first, without those in which nothing was used. Events count in the
/// hour of their ids.
#[utoipa::path(
    get, path = "/projects/{id}/usage", tag = "Operator", operation_id = "getUsage",
    params(("id" = ProjectId, Path), UsageFilter, TimeRange),
    responses((status = 200, body = [UsageView], description = "The hours or days")),
    security(("operatorKey" = [])),
)]
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<Vec<UsageView>>, ApiError> {
    caller.operator()?;
    let names = <And<UsageFilter, TimeRange>>::names();
    let params = Params::read(uri.query(), &names.iter().map(String::as_str).collect::<Vec<_>>())?;
    let And(filter, times) = <And<UsageFilter, TimeRange>>::read(&params)?;
    let by = filter.by.unwrap_or_default();
    let range = range(by, times, clock::now())?;
    let id: ProjectId = id.parse().map_err(|_| ApiError::not_found("project"))?;
    let project = app.projects.get(id).await?.ok_or_else(|| ApiError::not_found("project"))?;
    let hours = app.hours.hours(project.id, range, clock::now()).await?;
    Ok(Json(views(by, &hours)))
}

/// From whole hours or days to whole ones.
fn range(by: By, times: TimeRange, now: Timestamp) -> Result<(Timestamp, Timestamp), ApiError> {
    let (usual, most) = by.counts();
    let length = by.length();
    let until = times.until.map_or(now, |until| until.0);
    let back = |count: u32| {
        let ago = u64::try_from((length * count).as_millis()).unwrap_or(u64::MAX);
        Timestamp::from_millis(until.millis().saturating_sub(ago))
    };
    let since = times.since.map_or(back(usual), |since| since.0);
    if since >= until {
        return Err(ApiError::validation("since", "must be before `until`"));
    }
    if until.since(since) > length * most {
        let message = format!("must be within {most} hours of `until`; ask for less, or by day");
        let message =
            if by == By::Day { format!("must be within {most} days of `until`") } else { message };
        return Err(ApiError::validation("since", message));
    }
    Ok((by.start_of(since), until))
}

fn views(by: By, hours: &[Hour]) -> Vec<UsageView> {
    let mut together: BTreeMap<Timestamp, (Usage, bool)> = BTreeMap::new();
    for hour in hours {
        let (usage, complete) =
            together.entry(by.start_of(hour.since)).or_insert((Usage::default(), true));
        *usage = usage.plus(hour.usage);
        *complete &= hour.is_closed;
    }
    let view = |(since, (usage, complete)): (Timestamp, (Usage, bool))| UsageView {
        object: "usage",
        since: since.seconds(),
        until: (since + by.length()).seconds(),
        events: usage.events,
        deliveries: usage.deliveries,
        bytes: usage.bytes,
        refusals: usage.refusals,
        complete,
    };
    together.into_iter().rev().map(view).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_003_725);

    fn times(since: Option<u64>, until: Option<u64>) -> TimeRange {
        let text = [("since", since), ("until", until)];
        let text = text.iter().filter_map(|(name, at)| Some(format!("{name}={}", (*at)?)));
        let text = text.collect::<Vec<_>>().join("&");
        TimeRange::read(&Params::read(Some(&text), &["since", "until"]).unwrap()).unwrap()
    }

    #[test]
    fn a_range_begins_with_a_whole_hour_or_day_and_is_bounded() {
        let (from, until) = range(By::Hour, times(None, None), NOW).unwrap();
        assert_eq!((from.seconds(), until), (1_800_003_600 - 86_400, NOW));
        let (from, _) = range(By::Day, times(Some(1_800_000_000), None), NOW).unwrap();
        assert_eq!(from.rfc_3339(), "2027-01-15T00:00:00Z");
        assert!(range(By::Hour, times(Some(1_800_003_725), None), NOW).is_err());
        assert!(range(By::Hour, times(Some(1_797_000_000), None), NOW).is_err());
        assert!(range(By::Day, times(Some(1_797_000_000), None), NOW).is_ok());
    }

    #[test]
    fn a_day_is_the_sum_of_its_hours_and_complete_when_all_are() {
        let hour = |number: u64, is_closed| Hour {
            since: day_of(NOW) + HOUR * u32::try_from(number).unwrap(),
            usage: Usage { events: 1, deliveries: 2, bytes: 3, refusals: number },
            is_closed,
        };
        let views = views(By::Day, &[hour(0, true), hour(1, false), hour(24, true)]);
        let shown: Vec<_> = views.iter().map(|it| (it.events, it.refusals, it.complete)).collect();
        assert_eq!(shown, [(1, 24, true), (2, 1, false)]);
    }
}
