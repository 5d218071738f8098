//! Bridge domains, their members, and which frames of a port belong to them.
//!
//! Owns [`Member`] with the two things it can be, [`BridgeDomain`] (who gets what is flooded) and
//! [`PortCircuits`] (from a frame's tag to its member). Which of them there are is put together in
//! [`crate::fib::overlay`]; where a MAC is, is learned by `dataplane::mac_table`.
//!
//! *Invariants*: a member belongs to one domain. Nothing leaves a domain: there is no table that
//! leads from one to another.
//! *Standards*: IEEE 802.1Q clause 6.9 (a tag with VLAN id 0 is a priority, not a VLAN), RFC 4762
//! §4.4 (split horizon).
//! Gap: a trunk's VLANs share one table of MACs (IEEE 802.1Q clause 8.8.7, shared learning).

use crate::base::ids::{DomainId, MemberId, PortId};

/// VLAN ids, 0 and 4095 included.
const VLAN_COUNT: usize = 4096;

/// How many group and unknown frames a member may send into its domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StormLimit {
    /// Frames a second, at each worker.
    pub frames_per_second: u32,
    /// Frames at once.
    pub burst: u32,
}

impl Default for StormLimit {
    /// What some hundred hosts ask and announce; far below what would fill a link when it is copied
    /// to every member.
    fn default() -> Self {
        Self { frames_per_second: 2_000, burst: 1_000 }
    }
}

/// MACs of one member that are learned unless it is said otherwise: a large virtualisation host.
pub const MACS_PER_MEMBER_DEFAULT: u32 = 4096;

/// Which frames of a port an attachment circuit has, and what becomes of their tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CircuitVlan {
    /// Access: frames without a tag.
    Untagged,
    /// Access: frames of this VLAN. The tag comes off on the way in and goes on on the way out.
    Tagged(u16),
    /// Trunk: frames with and without a tag, as they are; of the tagged ones these VLANs only.
    Trunk(VlanSet),
}

/// A set of VLAN ids.
#[derive(Clone, PartialEq, Eq)]
pub struct VlanSet(Box<[u64; VLAN_COUNT / 64]>);

impl VlanSet {
    /// All VLANs.
    pub fn all() -> Self {
        Self(Box::new([u64::MAX; VLAN_COUNT / 64]))
    }

    /// These VLANs.
    pub fn of(vlans: &[u16]) -> Self {
        let mut set = Self(Box::new([0; VLAN_COUNT / 64]));
        for vlan in vlans {
            if let Some(word) = set.0.get_mut(usize::from(vlan / 64)) {
                *word |= 1 << (vlan % 64);
            }
        }
        set
    }

    /// Whether it has this VLAN.
    #[inline]
    pub fn contains(&self, vlan: u16) -> bool {
        self.0.get(usize::from(vlan / 64)).is_some_and(|word| word >> (vlan % 64) & 1 == 1)
    }
}

impl core::fmt::Debug for VlanSet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let count: u32 = self.0.iter().map(|word| word.count_ones()).sum();
        write!(f, "VlanSet({count})")
    }
}

/// A port, or some VLANs of it, bound to a bridge domain. The port has no VLAN of its own, whose
/// tag would go on every frame that leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circuit {
    /// The port.
    pub port: PortId,
    /// Which of its frames.
    pub vlan: CircuitVlan,
}

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// The number is free.
    Absent,
    /// An attachment circuit, whose frames leave by a port …
    Circuit {
        /// … this one, …
        port: PortId,
        /// … with this tag put on; 0 is none.
        vlan: u16,
    },
    /// A pseudowire; the number of its header.
    Pseudowire(u16),
}

/// What a member may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemberState {
    /// Send and receive.
    #[default]
    Forwarding,
    /// Nothing: the control plane has blocked it, for a loop for example.
    Blocked,
}

/// A member as the packet path has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The domain it belongs to; 0 where there is no member.
    pub domain: DomainId,
    /// What it is.
    pub kind: MemberKind,
    /// What it may do.
    pub state: MemberState,
    /// Largest IP packet in the frames that it takes, in octets.
    pub mtu: u16,
    /// MACs that are learned from it, at most.
    pub mac_limit: u32,
    /// What it may flood.
    pub storm: StormLimit,
}

impl Member {
    /// Nobody.
    pub(super) const ABSENT: Self = Self {
        domain: DomainId(0),
        kind: MemberKind::Absent,
        state: MemberState::Blocked,
        mtu: 0,
        mac_limit: 0,
        storm: StormLimit { frames_per_second: 0, burst: 0 },
    };

    /// Whether it is a pseudowire: what came by one never leaves by one.
    #[inline]
    pub const fn is_pseudowire(&self) -> bool {
        matches!(self.kind, MemberKind::Pseudowire(_))
    }
}

/// Who gets what is flooded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BridgeDomain {
    /// The members, circuits first: what comes by a pseudowire goes to these only.
    pub members: Box<[MemberId]>,
    /// How many of them are circuits.
    pub circuit_count: usize,
}

/// Who a frame of a port belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortCircuits {
    untagged: Option<MemberId>,
    /// By VLAN; none has 0.
    tagged: Box<[MemberId; VLAN_COUNT]>,
    /// VLANs whose tags come off.
    stripped: VlanSet,
}

/// The member that a frame belongs to, and what is to be done to its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Belonging {
    /// The member.
    pub member: MemberId,
    /// Whether the tag comes off.
    pub is_stripped: bool,
}

impl Default for PortCircuits {
    fn default() -> Self {
        let tagged = Box::new([MemberId(0); VLAN_COUNT]);
        Self { untagged: None, tagged, stripped: VlanSet::of(&[]) }
    }
}

impl PortCircuits {
    /// Whether frames without a tag are bridged, so that the port routes none of them.
    #[inline]
    pub const fn takes_untagged(&self) -> bool {
        self.untagged.is_some()
    }

    /// Whose a frame is; `None` for frames that are not bridged. VLAN id 0 counts as no tag.
    #[inline]
    pub fn of_frame(&self, vlan: Option<u16>) -> Option<Belonging> {
        match vlan {
            None | Some(0) => self.untagged.map(|member| Belonging { member, is_stripped: false }),
            Some(vlan) => {
                let member = self.tagged.get(usize::from(vlan)).copied()?;
                let is_stripped = self.stripped.contains(vlan);
                (member != MemberId(0)).then_some(Belonging { member, is_stripped })
            }
        }
    }

    /// Gives frames of the port to a circuit; false where another one has some of them already.
    pub(super) fn add(&mut self, vlan: &CircuitVlan, member: MemberId) -> bool {
        let is_trunk = matches!(vlan, CircuitVlan::Trunk(_));
        if is_trunk || *vlan == CircuitVlan::Untagged {
            if self.untagged.is_some() {
                return false;
            }
            self.untagged = Some(member);
        }
        let wanted = |number: u16| match vlan {
            CircuitVlan::Untagged => false,
            CircuitVlan::Tagged(only) => number == *only,
            CircuitVlan::Trunk(set) => set.contains(number),
        };
        for (number, place) in (0_u16..).zip(self.tagged.iter_mut()).skip(1) {
            if !wanted(number) {
                continue;
            }
            if *place != MemberId(0) {
                return false;
            }
            *place = member;
            let word = self.stripped.0.get_mut(usize::from(number / 64));
            if let Some(word) = word.filter(|_| !is_trunk) {
                *word |= 1 << (number % 64);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_vlan_loses_its_tag_and_a_trunk_keeps_it() {
        let mut circuits = PortCircuits::default();
        assert!(circuits.add(&CircuitVlan::Tagged(10), MemberId(1)));
        assert!(circuits.add(&CircuitVlan::Trunk(VlanSet::of(&[20, 4094])), MemberId(2)));
        let stripped = Belonging { member: MemberId(1), is_stripped: true };
        let kept = Belonging { member: MemberId(2), is_stripped: false };
        assert_eq!(circuits.of_frame(Some(10)), Some(stripped));
        for vlan in [None, Some(0), Some(20), Some(4094)] {
            assert_eq!(circuits.of_frame(vlan), Some(kept), "{vlan:?}");
        }
        assert_eq!(circuits.of_frame(Some(30)), None);
        assert!(circuits.takes_untagged());
    }

    #[test]
    fn frames_belong_to_one_circuit() {
        let mut circuits = PortCircuits::default();
        assert!(circuits.add(&CircuitVlan::Untagged, MemberId(1)));
        assert!(!circuits.add(&CircuitVlan::Untagged, MemberId(2)));
        assert!(circuits.add(&CircuitVlan::Tagged(10), MemberId(2)));
        assert!(!circuits.add(&CircuitVlan::Tagged(10), MemberId(3)));
        assert!(!circuits.add(&CircuitVlan::Trunk(VlanSet::all()), MemberId(4)));
    }
}
