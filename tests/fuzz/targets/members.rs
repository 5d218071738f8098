//! Members of tenants before any announcements; see `sim::fuzz::members`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| kumiki::sim::fuzz::members::members(octets));
