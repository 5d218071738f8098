//! BGP-4 (RFC 4271, RFC 4760) as pure machines and tables.
//!
//! [`transport`] is the border to TCP: what is asked of it and what is heard.

pub mod transport;
