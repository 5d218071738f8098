//! Who is at the other end of a connection that the router opens: a cache of RPKI, a station of
//! BMP.
//!
//! Owns what such an end is called.

use core::net::Ipv6Addr;

/// Its name, or its address and port where it has none.
pub(super) fn label(name: Option<&str>, (address, port): (Ipv6Addr, u16)) -> String {
    name.map_or_else(|| format!("[{address}]:{port}"), str::to_owned)
}
