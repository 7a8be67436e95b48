//! The fuzz targets of `tests/fuzz` on stable Rust: over random bytes, over random spellings of
//! what they read, and over their seeds with a few bytes changed.

use proptest::prelude::*;
use system_tests::workspace;

#[expect(unreachable_pub, reason = "a crate of its own there")]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

type Target = fn(&[u8]);

/// Each target and its name.
const TARGETS: [(&str, Target); 8] = [
    ("event", targets::event),
    ("batch", targets::batch),
    ("url", targets::url),
    ("message", targets::message),
    ("cursor", targets::cursor),
    ("json", targets::json),
    ("secret", targets::secret),
    ("headers", targets::headers),
];

/// Input that a target takes: its seeds.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(workspace().join("tests/fuzz/seeds").join(target))
        .expect("each target has seeds");
    files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

#[test]
fn good_input_is_taken() {
    for (name, target) in TARGETS {
        for seed in seeds(name) {
            target(&seed);
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_break_nothing(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        for (_, target) in TARGETS {
            target(&bytes);
        }
    }

    #[test]
    fn random_spellings_break_nothing(
        text in r#"(https?:)?[\[\]{}:,"/\\@?#.%&=a-z0-9 _\-é\x00\r\n]{0,40}"#,
    ) {
        for (_, target) in TARGETS {
            target(text.as_bytes());
        }
    }

    #[test]
    fn good_input_with_changes_breaks_nothing(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()),
            1..6),
    ) {
        for (name, target) in TARGETS {
            let mut bytes = seed.get(&seeds(name)).clone();
            for (place, change, byte) in &changes {
                let place = place.index(bytes.len().max(1)).min(bytes.len());
                match change {
                    0 => bytes.insert(place, *byte),
                    1 => bytes.truncate(place),
                    2 => bytes.extend_from_within(place..),
                    _ => bytes.get_mut(place).into_iter().for_each(|there| *there = *byte),
                }
            }
            target(&bytes);
        }
    }
}
