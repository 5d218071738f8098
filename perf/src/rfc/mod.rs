//! The tests of the RFCs as machines: which trial comes next, and what the trials together say.
//!
//! Read [`search`] (throughput: the highest rate with no loss, or with little), [`burst`] (the
//! longest burst without loss), [`outage`] (how long traffic stood still). None of them touches a
//! port or a clock; `command::rfc` carries trials to the generator and results back.
//!
//! *Standards*: RFC 2544 §26.1, §26.2, §26.4; RFC 5180 §5; RFC 8219 §5 and §7; RFC 9004; RFC 6201
//! §4; RFC 6412 §3 and RFC 6413 §8 in what one stream at a constant rate can tell.
//!
// Gap: RFC 8219 §7.3.2 (IPDV), and the tests that need a second stream of other traffic (RFC 2544
// §11, §12: filters, management frames; RFC 5180 §5.4: extension headers).

pub mod burst;
pub mod outage;
pub mod search;
