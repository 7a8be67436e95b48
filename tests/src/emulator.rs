//! Another emulator of AWS, on which stacks run in place of the embedded stand-ins:
//! `POSTHASTE_TEST_AWS_ENDPOINT=URL cargo test --workspace --test system`.
//!
//! The stacks of one run share it, and would share queues and tables. Emulators take an access key
//! id of twelve digits for an account, so each stack has an account of its own.

/// Where such an emulator is.
const VARIABLE: &str = "POSTHASTE_TEST_AWS_ENDPOINT";

/// One stack's place in it.
pub(crate) struct Emulator {
    pub(crate) url: String,
    pub(crate) account: String,
}

impl Emulator {
    /// A new place, if the tests' environment names an emulator.
    pub(crate) fn of_environment() -> Option<Self> {
        let url = std::env::var(VARIABLE).ok().filter(|url| !url.is_empty())?;
        Some(Self { url, account: format!("{:012}", rand::random_range(1..1_000_000_000_000_u64)) })
    }
}
