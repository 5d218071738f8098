//! L2TPv3 packets, and its control connection under any life; see `sim::fuzz::l2tp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| kumiki::sim::fuzz::l2tp::l2tp(octets));
