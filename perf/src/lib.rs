//! Measuring: the home of the packet generator, of the searches for limits, and of the benches.
//!
//! What belongs here drives the router from outside and reports ratios against a baseline of the
//! same run, latency as histograms.
//!
// Gap: the packet generator, the throughput search (RFC 2544, RFC 9004, RFC 5180) and the benches;
// until they are here, `kumiki lab test` is what measures: loss and outage of real packets.
#![forbid(unsafe_code)]
