//! Writing UPDATEs: many prefixes in few messages.
//!
//! Owns [`Ribs::write`]. Slots come sorted by attribute set, so that a message takes all prefixes
//! of a set that fit; withdrawals of any sets share messages.
//!
//! *Invariants*: no message is longer than was agreed on. What is written is what is so when it is
//! written, not when it changed. No more than a message comes beyond what was asked for, and one
//! withdrawal or End-of-RIB: what is begun is counted.
//! *Standards*: RFC 4271 §4.3, RFC 4724 §2 (End-of-RIB), RFC 8654 §4 (a route whose attributes fit
//! into no message is withdrawn).

use super::adj_rib_out::{ExportGroup, Member, Slot};
use super::attributes::{AttributeTable, AttributesId};
use super::next_hops::{NextHopId, NextHops};
use super::peer::PeerId;
use super::prefix_table::PrefixTable;
use super::{Deferral, Ribs};
use crate::base::cursor::Writer;
use crate::wire::bgp::attribute::AttributeTooLong;
use crate::wire::bgp::message::{EXTENDED_OCTETS_MAX, HEADER_OCTETS, MESSAGE_OCTETS_MAX};
use crate::wire::bgp::update::{put_announcement, put_withdrawal};
use crate::wire::bgp::{Agreement, NextHop, Nlri};

/// Octets of an UPDATE with nothing in it, and of the header of its one attribute with prefixes.
const UPDATE_OCTETS: usize = HEADER_OCTETS + 4 + 4;
/// Address family and subsequent one.
const FAMILY_OCTETS: usize = 3;

/// What a call has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Written {
    /// Whether the peer has been told everything that is so.
    pub is_drained: bool,
    /// Whether End-of-RIB was written: the first table is out.
    pub is_end_of_rib: bool,
    /// RFC 7313 §4: whether everything that the peer asked for again is out.
    pub is_refreshed: bool,
    /// Paths that were looked at.
    pub slot_count: usize,
}

/// What is being put into messages.
struct Packer<'a> {
    attributes: &'a AttributeTable,
    next_hops: &'a NextHops,
    prefixes: &'a PrefixTable,
    group: &'a ExportGroup,
    peer: PeerId,
    agreement: Agreement,
    own_next_hop: NextHop,
    deferral: Deferral,
    /// Prefixes of a set, and the octets that they may and do have.
    run: Vec<Nlri>,
    run_set: Option<AttributesId>,
    run_left: usize,
    withdrawn: Vec<Nlri>,
    withdrawn_left: usize,
}

impl Ribs {
    /// Appends what a peer has still to be told until `octets_max` octets are there, or a message
    /// more, and one withdrawal or End-of-RIB; nothing where it is not told anything.
    pub fn write(&mut self, peer: PeerId, octets_max: usize, writer: &mut Writer) -> Written {
        let mut groups = self.groups.iter_mut().flatten();
        let Some(group) = groups.find(|group| group.members.contains_key(&peer)) else {
            return Written::default();
        };
        let Some(mut member) = group.members.remove(&peer) else { return Written::default() };
        let mut packer = Packer {
            attributes: &self.attributes,
            next_hops: &self.next_hops,
            prefixes: &self.prefixes,
            group,
            peer,
            agreement: member.settings.agreement,
            own_next_hop: member.settings.own_next_hop,
            deferral: self.deferral,
            run: Vec::new(),
            run_set: None,
            run_left: 0,
            withdrawn: Vec::new(),
            withdrawn_left: 0,
        };
        let written = packer.fill(&mut member, writer.len() + octets_max, writer);
        group.members.insert(peer, member);
        group.tidy();
        written
    }

    /// Whether a peer has still to be told the end of its first table.
    pub fn owes_end_of_rib(&self, peer: PeerId) -> bool {
        let mut groups = self.groups.iter().flatten();
        let member = groups.find_map(|group| group.members.get(&peer));
        member.is_some_and(|member| member.is_end_of_rib_due)
    }

    /// Whether a peer has still to be told something.
    pub fn has_news(&self, peer: PeerId) -> bool {
        let mut groups = self.groups.iter().flatten();
        let found = groups.find_map(|group| group.members.get(&peer).map(|member| (group, member)));
        found.is_some_and(|(group, member)| {
            let is_walking = member.walk.is_some() && group.filling.is_none();
            let is_deferred = self.deferral == Deferral::Restarting;
            let is_due = member.is_end_of_rib_due && member.walk.is_none() && !is_deferred;
            let is_behind = member.batch_done < member.batch.len();
            is_walking || is_due || is_behind || group.journal.at(member.cursor).is_some()
        })
    }
}

impl Packer<'_> {
    fn fill(&mut self, member: &mut Member, end: usize, writer: &mut Writer) -> Written {
        let mut written = Written::default();
        while writer.len() + self.withdrawn_octets() < end {
            let Some(slot) = member.batch.get(member.batch_done).copied() else {
                self.flush(member, writer);
                self.finish_walk(member, &mut written, writer);
                let walked_from = member.walk;
                let has_more = self.group.gather(member);
                written.slot_count += self.gathered(walked_from, member);
                if !has_more && member.walk.is_none() {
                    // A walk that found nothing ends here as well.
                    self.finish_walk(member, &mut written, writer);
                    written.is_drained = self.group.journal.at(member.cursor).is_none();
                    if written.is_drained {
                        member.batch = Vec::new();
                        break;
                    }
                } else if member.walk.is_some() && member.batch.is_empty() {
                    // The group is not filled yet.
                    break;
                }
                continue;
            };
            let set = self.group.target(slot, self.peer);
            let is_unknown = set.is_none() && !member.told.has(slot);
            if is_unknown || (set.is_some() && self.is_deferred(slot)) {
                // The prefix of the former may be gone; the latter comes with another walk.
                member.batch_done += 1;
                continue;
            }
            let nlri = self.nlri(slot);
            if set.is_some_and(|set| !self.is_of_run(nlri, set)) {
                // There may be no room for another message behind the one that is begun.
                self.flush_run(member, writer);
                continue;
            }
            member.batch_done += 1;
            match set {
                Some(set) => self.announce((slot, nlri), set, member, writer),
                None => self.withdraw((slot, nlri), member, writer),
            }
        }
        self.flush(member, writer);
        written
    }

    /// Slots that were looked at for the next batch.
    fn gathered(&self, walked_from: Option<u32>, member: &Member) -> usize {
        let Some(from) = walked_from else { return member.batch.len() };
        let to = member.walk.map_or(self.group.slots.len(), |to| to as usize);
        to.saturating_sub(from as usize)
    }

    /// RFC 4724 §4.1: whether a peer is not told of a path yet.
    fn is_deferred(&self, slot: u32) -> bool {
        let is_own = |slot: &Slot| slot.source == PeerId::LOCAL;
        let slot = self.group.slots.get(slot as usize);
        self.deferral == Deferral::Restarting && !slot.is_some_and(is_own)
    }

    fn finish_walk(&self, member: &mut Member, written: &mut Written, writer: &mut Writer) {
        if member.walk.is_some() || self.deferral == Deferral::Restarting {
            return;
        }
        if core::mem::take(&mut member.is_end_of_rib_due) {
            put_withdrawal(writer, &[], self.agreement);
            member.counts.messages += 1;
            written.is_end_of_rib = true;
        }
        written.is_refreshed |= core::mem::take(&mut member.is_refresh_due);
    }

    const fn message_octets_max(&self) -> usize {
        match self.agreement.has_extended_messages {
            true => EXTENDED_OCTETS_MAX,
            false => MESSAGE_OCTETS_MAX,
        }
    }

    fn nlri(&self, slot: u32) -> Nlri {
        let (prefix, path_id) = self.group.name(slot);
        let path_id = if self.agreement.has_path_ids { path_id } else { 0 };
        Nlri { prefix: self.prefixes.prefix(prefix), path_id }
    }

    /// Whether an announcement goes into the message that is begun, if there is one.
    fn is_of_run(&self, nlri: Nlri, set: AttributesId) -> bool {
        let octets = nlri.octets(self.agreement.has_path_ids);
        self.run.is_empty() || (self.run_set == Some(set) && self.run_left >= octets)
    }

    /// Octets of the message of withdrawals that is begun: it may come beside another one.
    const fn withdrawn_octets(&self) -> usize {
        match self.withdrawn.is_empty() {
            true => 0,
            false => self.message_octets_max() - self.withdrawn_left,
        }
    }

    fn announce(
        &mut self,
        (slot, nlri): (u32, Nlri),
        set: AttributesId,
        member: &mut Member,
        writer: &mut Writer,
    ) {
        let octets = nlri.octets(self.agreement.has_path_ids);
        if self.run.is_empty() {
            self.run_set = Some(set);
            self.run_left = self.room(set);
        }
        if self.run_left < octets {
            member.counts.oversized += 1;
            self.withdraw((slot, nlri), member, writer);
            return;
        }
        self.run_left -= octets;
        self.run.push(nlri);
        member.tell(slot);
    }

    fn withdraw(&mut self, (slot, nlri): (u32, Nlri), member: &mut Member, writer: &mut Writer) {
        if !member.forget(slot) {
            return;
        }
        let octets = nlri.octets(self.agreement.has_path_ids);
        if self.withdrawn_left < octets {
            self.flush_withdrawn(member, writer);
            self.withdrawn_left = self.message_octets_max() - UPDATE_OCTETS - FAMILY_OCTETS;
        }
        self.withdrawn_left -= octets;
        self.withdrawn.push(nlri);
    }

    fn next_hop(&self, set: AttributesId) -> NextHop {
        let id = self.attributes.next_hop(set);
        let other = self.next_hops.gateway(id).filter(|_| id != NextHopId::OWN);
        other.map_or(self.own_next_hop, |gateway| gateway.next_hop)
    }

    /// Octets that prefixes of a set may have in a message.
    fn room(&self, set: AttributesId) -> usize {
        let next_hop = self.next_hop(set);
        let addresses = [next_hop.global, next_hop.link_local].into_iter().flatten().count();
        // The length of the next hop and a reserved octet.
        let reach = FAMILY_OCTETS + 2 + addresses * 16;
        let attributes = match self.agreement.has_four_octet_asn {
            true => self.attributes.octets(set).len(),
            false => self.narrow(set).map_or(usize::MAX, |narrow| narrow.len()),
        };
        let others = (UPDATE_OCTETS + reach).saturating_add(attributes);
        self.message_octets_max().saturating_sub(others)
    }

    /// RFC 6793 §4.2.2: the attributes for a speaker of old.
    fn narrow(&self, set: AttributesId) -> Result<Writer, AttributeTooLong> {
        let mut writer = Writer::default();
        self.attributes.attributes(set).encode(self.agreement, &mut writer)?;
        Ok(writer)
    }

    fn flush(&mut self, member: &mut Member, writer: &mut Writer) {
        self.flush_run(member, writer);
        self.flush_withdrawn(member, writer);
    }

    fn flush_run(&mut self, member: &mut Member, writer: &mut Writer) {
        let Some(set) = self.run_set.take().filter(|_| !self.run.is_empty()) else { return };
        let reach = (&self.next_hop(set), self.run.as_slice());
        match self.agreement.has_four_octet_asn {
            true => put_announcement(writer, reach, self.attributes.octets(set), self.agreement),
            false => match self.narrow(set) {
                Ok(narrow) => {
                    put_announcement(writer, reach, narrow.as_slice(), self.agreement);
                }
                Err(_) => unreachable!("there was no room for a prefix then"),
            },
        }
        member.counts.messages += 1;
        self.run.clear();
    }

    fn flush_withdrawn(&mut self, member: &mut Member, writer: &mut Writer) {
        if !self.withdrawn.is_empty() {
            put_withdrawal(writer, &self.withdrawn, self.agreement);
            member.counts.messages += 1;
            self.withdrawn.clear();
        }
        self.withdrawn_left = 0;
    }
}
