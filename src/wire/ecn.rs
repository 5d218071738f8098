//! The two bits of Explicit Congestion Notification, into a tunnel and out of it.
//!
//! Owns [`leave_tunnel`]. Into a tunnel the bits are copied with the rest of the traffic class
//! (RFC 6040 §4.1, normal mode), which needs no function.
//!
//! *Invariants*: congestion that the outer header tells of is never lost: it is told on, or the
//! packet is dropped.
//! *Standards*: RFC 6040 §4.2 (decapsulation), RFC 3168 §5 (code points).

/// The bits in a traffic class.
pub const ECN_MASK: u8 = 0b11;
/// Not ECN-capable.
pub const NOT_ECT: u8 = 0b00;
/// ECN-capable, code point 1.
pub const ECT_1: u8 = 0b01;
/// ECN-capable, code point 0.
pub const ECT_0: u8 = 0b10;
/// Congestion experienced.
pub const CE: u8 = 0b11;

/// The traffic class that a packet leaves a tunnel with, of those of both headers: the inner one
/// with the bits of figure 4; `None` where the packet has to be dropped.
#[inline]
pub const fn leave_tunnel(outer: u8, inner: u8) -> Option<u8> {
    let bits = match (inner & ECN_MASK, outer & ECN_MASK) {
        // "If the inner ECN field is Not-ECT, the decapsulator MUST NOT propagate any other ECN
        // codepoint onwards … if the outer is CE, the decapsulator MUST drop the packet."
        (NOT_ECT, CE) => return None,
        (NOT_ECT, _) => NOT_ECT,
        (CE, _) | (_, CE) => CE,
        (ECT_0, ECT_1) => ECT_1,
        (inner, _) => inner,
    };
    Some(inner & !ECN_MASK | bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_rfc_holds() {
        // Rows: the inner field; columns: Not-ECT, ECT(0), ECT(1), CE (RFC 6040 figure 4).
        let table = [
            (NOT_ECT, [Some(NOT_ECT), Some(NOT_ECT), Some(NOT_ECT), None]),
            (ECT_0, [Some(ECT_0), Some(ECT_0), Some(ECT_1), Some(CE)]),
            (ECT_1, [Some(ECT_1), Some(ECT_1), Some(ECT_1), Some(CE)]),
            (CE, [Some(CE), Some(CE), Some(CE), Some(CE)]),
        ];
        for (inner, row) in table {
            for (outer, expected) in [NOT_ECT, ECT_0, ECT_1, CE].into_iter().zip(row) {
                assert_eq!(leave_tunnel(outer, inner), expected, "{outer:02b} on {inner:02b}");
                // The rest of the inner class stays, that of the outer is gone.
                let with_class = leave_tunnel(0xb8 | outer, 0x28 | inner);
                assert_eq!(with_class, expected.map(|bits| 0x28 | bits));
            }
        }
    }
}
