#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| posthaste_fuzz::message(bytes));
