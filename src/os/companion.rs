//! companion.
