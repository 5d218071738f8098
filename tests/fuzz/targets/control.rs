//! A control plane under any life; see `sim::fuzz::control`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| kumiki::sim::fuzz::control::control(octets));
