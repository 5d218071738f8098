//! A worker under any frames; see `sim::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| kumiki::sim::fuzz::graph(octets));
