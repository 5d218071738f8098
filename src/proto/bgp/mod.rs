//! BGP-4 (RFC 4271, RFC 4760) as pure machines and tables.
//!
//! The tables: read [`ribs`] first; its own text says in which order to read on. [`transport`] is
//! the border to TCP: what is asked of it and what is heard. [`limits`] has every bound.

pub mod limits;
pub mod ribs;
pub mod transport;
