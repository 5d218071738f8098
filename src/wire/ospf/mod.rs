//! ospf.
