//! Filters over frames: what `kumiki capture` and `kumiki trace` let through.
//!
//! Read [`facts`] (what is read of a frame), [`expression`] (what can be said of it), [`mod@parse`]
//! (from words to an expression), [`program`] (what a worker runs) and [`problem`] (what is wrong
//! with a text, and where). The words are those of tcpdump where tcpdump has them.
//!
//! ```text
//! filter    = and { "or" and }
//! and       = not { "and" not }
//! not       = "not" not | "(" filter ")" | test
//! test      = [ "src" | "dst" ] [ "host" ] ADDRESS
//!           | [ "src" | "dst" ] "net" PREFIX
//!           | [ "src" | "dst" ] "port" NUMBER
//!           | [ "proto" ] ( "icmp6" | "tcp" | "udp" | "ospf" | "l2tp" | "sctp" ) | "proto" NUMBER
//!           | "ether" [ "src" | "dst" | "host" ] MAC
//!           | "vlan" [ NUMBER ]
//!           | "len" ( "<" | "<=" | "=" | "!=" | ">=" | ">" ) NUMBER
//!           | "reason" NAME
//! ```
//!
//! *Invariants*: pure; a filter has at most [`program::TESTS_MAX`] tests, so running one is
//! bounded; no frame makes it panic. A test about what a frame does not have is false, and its
//! `not` true.
//!
//! Absent on purpose: names of drop reasons, which are the data plane's; who has them compares.
#![forbid(unsafe_code)]

pub mod expression;
pub mod facts;
pub mod parse;
pub mod problem;
pub mod program;

pub use facts::Facts;
pub use parse::parse;
pub use problem::FilterError;
pub use program::Filter;
