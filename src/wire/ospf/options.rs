//! The two option fields: of routers (RFC 5340 §A.2) and of prefixes (§A.4.1.1).

/// The 24 bits with which routers say what they can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options(u32);

impl Options {
    /// V6: take part in IPv6 routing.
    pub const V6: Self = Self(0x01);
    /// E: AS-external-LSAs are flooded (not a stub area).
    pub const E: Self = Self(0x02);
    /// x: was MC of MOSPF.
    pub const X: Self = Self(0x04);
    /// N: an NSSA.
    pub const N: Self = Self(0x08);
    /// R: an active router; without it nobody routes through it.
    pub const R: Self = Self(0x10);
    /// DC: demand circuits (RFC 1793).
    pub const DC: Self = Self(0x20);
    /// AF: address families (RFC 5838).
    pub const AF: Self = Self(0x100);
    /// L: an LLS block follows the packet (RFC 5613).
    pub const L: Self = Self(0x200);
    /// AT: an authentication trailer follows the packet (RFC 7166).
    pub const AT: Self = Self(0x400);

    /// From the low 24 bits.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & 0x00ff_ffff)
    }

    /// The 24 bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Both.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The eight bits that stand with a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PrefixOptions(u8);

impl PrefixOptions {
    /// NU: not to be used for unicast routing.
    pub const NU: Self = Self(0x01);
    /// LA: an address of the advertising router itself.
    pub const LA: Self = Self(0x02);
    /// P: propagate out of an NSSA.
    pub const P: Self = Self(0x08);
    /// DN: not to be sent back into a VPN (RFC 4576).
    pub const DN: Self = Self(0x10);

    /// From all eight bits.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// All eight bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}
