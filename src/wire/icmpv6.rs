//! icmpv6.
