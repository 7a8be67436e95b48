//! Properties of the canonical form over random input.

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::{
    bodies::bodies,
    canonical, canonicalise,
    model::{as_javascript, models, written_badly},
};

proptest! {
    #[test]
    fn json_comes_out_as_ecmascript_prints_it(model in models(), seed in any::<u64>()) {
        let input = written_badly(&model, seed);
        prop_assert_eq!(canonical(&input), as_javascript(&model), "{}", input);
    }

    #[test]
    fn canonical_text_is_left_alone(model in models(), seed in any::<u64>()) {
        let once = canonical(&written_badly(&model, seed));
        prop_assert_eq!(canonical(&once), once);
    }

    #[test]
    fn whole_bodies_of_every_shape_are_canonical(
        model in models(),
        seed in any::<u64>(),
        user_id in any::<String>(),
    ) {
        for body in bodies(&canonical(&written_badly(&model, seed)), &user_id) {
            prop_assert_eq!(canonical(&body), body);
        }
    }

    #[test]
    fn a_number_is_never_given_another_value(
        text in r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
    ) {
        let output = canonical(&text);
        prop_assert_eq!(written_out(&output), written_out(&text));
        let printed = ryu_js::Buffer::new().format(text.parse::<f64>().unwrap()).to_owned();
        if written_out(&printed) == written_out(&text) {
            prop_assert_eq!(output, printed, "its value is one that JavaScript prints");
        } else {
            prop_assert_eq!(output, text, "JavaScript can't hold it");
        }
    }

    #[test]
    fn valid_json_is_what_serde_json_takes_for_it(
        text in r#"[\[\]{}:,"0-9a-fA-F\\u .eE+\-truefalsn\n/\x00]{0,24}"#,
    ) {
        let theirs = serde_json::from_str::<Box<RawValue>>(&text).is_ok();
        prop_assert_eq!(canonicalise(text.as_bytes()).is_ok(), theirs);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = canonicalise(&bytes);
    }

    #[test]
    fn broken_json_never_panics_and_its_offset_is_in_the_text(
        model in models(),
        seed in any::<u64>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut input = written_badly(&model, seed).into_bytes();
        input.truncate(cut.index(input.len()));
        if let Err(error) = canonicalise(&input) {
            prop_assert!(error.offset <= input.len());
        }
    }
}

/// A number without exponent: its sign, and its digits before and after the point without needless
/// zeros.
fn written_out(text: &str) -> (bool, String, String) {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (integer, fraction) = mantissa
        .trim_start_matches('-')
        .split_once('.')
        .unwrap_or((mantissa.trim_start_matches('-'), ""));
    let exponent: i32 = exponent.parse().unwrap();
    let zeros = "0".repeat(usize::try_from(exponent.unsigned_abs()).unwrap());
    let digits = format!("{zeros}{integer}{fraction}{zeros}");
    let point = i32::try_from(zeros.len() + integer.len()).unwrap() + exponent;
    let (integer, fraction) = digits.split_at(usize::try_from(point).unwrap());
    let (integer, fraction) = (integer.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let zero = integer.is_empty() && fraction.is_empty();
    (text.starts_with('-') && !zero, integer.to_owned(), fraction.to_owned())
}
