//! The filters of a list: one struct for each, which is both read and documented.

use domain::time::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;

use crate::{ApiError, Params};

/// What a list can be filtered by.
///
/// Every struct with [`IntoParams`] and [`Deserialize`] is a filter: its fields are the parameters,
/// and their doc comments the documentation. All fields are optional.
pub trait Filter: Sized {
    /// The names of its parameters.
    fn names() -> Vec<String>;
    /// Reads them. 400 with the parameter's name and rule.
    fn read(params: &Params) -> Result<Self, ApiError>;
}

impl<T: DeserializeOwned + IntoParams> Filter for T {
    fn names() -> Vec<String> {
        T::into_params(|| None).into_iter().map(|parameter| parameter.name).collect()
    }

    fn read(params: &Params) -> Result<Self, ApiError> {
        params.read_as()
    }
}

/// Two filters together.
#[derive(Debug)]
pub struct And<A, B>(pub A, pub B);

impl<A: Filter, B: Filter> Filter for And<A, B> {
    fn names() -> Vec<String> {
        [A::names(), B::names()].concat()
    }

    fn read(params: &Params) -> Result<Self, ApiError> {
        Ok(Self(A::read(params)?, B::read(params)?))
    }
}

/// A list without filters.
#[derive(Debug, Deserialize, IntoParams)]
pub struct NoFilter {}

/// The time range of a list.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TimeRange {
    /// Unix seconds: from this time on.
    #[param(value_type = Option<u64>, maximum = 99_999_999_999_i64)]
    pub since: Option<UnixSeconds>,
    /// Unix seconds: before this time.
    #[param(value_type = Option<u64>, maximum = 99_999_999_999_i64)]
    pub until: Option<UnixSeconds>,
}

/// Unix seconds from here on are milliseconds by mistake: this is the year 5138.
pub const ABSURD_SECONDS: u64 = 100_000_000_000;

/// A moment in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct UnixSeconds(pub Timestamp);

/// A text that is not a number of seconds.
#[derive(Debug, thiserror::Error)]
#[error("must be Unix seconds, not milliseconds")]
pub struct NotSeconds;

impl TryFrom<String> for UnixSeconds {
    type Error = NotSeconds;

    fn try_from(text: String) -> Result<Self, NotSeconds> {
        let seconds = text.parse().ok().filter(|&seconds| seconds < ABSURD_SECONDS);
        seconds.map(|seconds| Self(Timestamp::from_seconds(seconds))).ok_or(NotSeconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Colour {
        Red,
        Green,
    }

    #[derive(Debug, Deserialize, IntoParams)]
    struct ByColour {
        #[param(value_type = Option<String>)]
        colour: Option<Colour>,
    }

    fn read<F: Filter>(query: &str) -> Result<F, ApiError> {
        let names = F::names();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        F::read(&Params::read(Some(query), &names)?)
    }

    #[test]
    fn milliseconds_are_not_taken_for_seconds() {
        let moment = |text: &str| {
            read::<TimeRange>(&format!("since={text}"))
                .map(|range| range.since.map(|since| since.0))
                .map_err(|error| error.status())
        };
        assert_eq!(moment("1767225600").unwrap(), Some(Timestamp::from_seconds(1_767_225_600)));
        assert_eq!(moment("").unwrap(), None);
        for text in ["1767225600000", "18446744073709551615", "-1", "1.5", "now"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_filters_fields_are_its_parameters_and_a_wrong_word_is_refused_with_the_right_ones() {
        let And(by_colour, times) =
            read::<And<ByColour, TimeRange>>("colour=green&until=5").unwrap();
        assert_eq!(by_colour.colour, Some(Colour::Green));
        assert_eq!((times.since, times.until.map(|until| until.0.seconds())), (None, Some(5)));
        assert!(read::<ByColour>("colour=").unwrap().colour.is_none());
        let refused = |query: &str| read::<ByColour>(query).unwrap_err().to_string();
        assert!(refused("colour=blue").ends_with("error: must be one of: red, green"));
        assert!(
            refused("color=red")
                .ends_with("error: no such query parameter; the parameters are: colour")
        );
    }
}
