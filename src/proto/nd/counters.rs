//! What Neighbour Discovery counts: one reason, one counter.

use crate::wire::nd::NdError;

crate::counters! {
    /// What Neighbour Discovery counted.
    pub struct NdCounters {
        @normal received: "packets", "ND messages received.";
        @normal router_solicitations: "packets", "Valid router solicitations.";
        @normal router_advertisements: "packets", "Valid router advertisements of other routers.";
        @normal neighbor_solicitations: "packets", "Valid neighbour solicitations.";
        @normal neighbor_advertisements: "packets", "Valid neighbour advertisements.";
        redirects_ignored: "packets", "Redirects: a router does not follow them.";
        @normal solicitations_sent: "packets", "Neighbour solicitations sent, probes included.";
        @normal advertisements_sent: "packets", "Neighbour advertisements sent.";
        @normal router_advertisements_sent: "packets", "Router advertisements sent.";

        bad_truncated: "packets", "A field or option reaches beyond the packet.";
        bad_version: "packets", "Not IPv6.";
        bad_extension: "packets", "Extension headers that cannot be followed.";
        bad_fragment: "packets", "ND message in a fragment.";
        bad_protocol: "packets", "Not ICMPv6.";
        bad_type: "packets", "Not an ND message.";
        bad_hop_limit: "packets", "Hop limit is not 255.";
        bad_checksum: "packets", "Wrong checksum.";
        bad_code: "packets", "Code is not 0.";
        bad_option_zero: "packets", "Option of length 0.";
        bad_option_length: "packets", "Option whose length does not fit its type.";
        bad_prefix_length: "packets", "Prefix longer than 128 bits.";
        bad_link_layer: "packets", "Link-layer address that is no station's.";
        bad_source_multicast: "packets", "Source is a multicast address.";
        bad_source_scope: "packets", "Router message from an address that is not link-local.";
        bad_target_multicast: "packets", "Target is a multicast address.";
        bad_anonymous_link_layer: "packets", "Link-layer address without source address.";
        bad_probe_destination: "packets", "Probe that is not for a solicited-node group.";
        bad_solicited_multicast: "packets", "Solicited advertisement for a multicast address.";
        bad_redirect_destination: "packets", "Redirect for a multicast destination.";
        bad_redirect_target: "packets", "Redirect to neither a router nor the destination.";

        port_down: "inputs", "Message or packet on a port that is not up.";
        port_unknown: "inputs", "Input for a port number that cannot exist.";
        looped: "packets", "Own messages that came back.";
        probe_looped: "packets", "Own probes for duplicates that came back.";
        @normal other_target: "packets", "Solicitation for an address that is not ours.";
        tentative_target: "packets", "Solicitation for an own address that is still probed.";
        advertiser_unknown: "packets", "Advertisement of a neighbour without entry.";
        advertisement_without_mac: "packets", "Answer without MAC while one is asked for.";
        @normal not_advertising: "packets", "Router solicitation on a port without advertisements.";
        address_claimed: "packets", "Somebody else speaks for an established own address.";
        duplicates: "addresses", "Own addresses that somebody else has.";
        addresses_refused: "addresses", "Own addresses beyond the limit of a port.";
        inconsistent: "fields", "Fields in which other routers disagree.";

        resolve_refused: "packets", "Packet for a neighbour that cannot be one.";
        @normal queue_replaced: "packets",
            "Oldest packet that waited for a MAC and made room for a newer one (RFC 4861 §7.2.2).";
        queue_refused: "packets", "Packet that found the global queue full.";
        queue_evicted: "packets", "Waiting packet whose entry was evicted.";
        entries_evicted: "entries", "Entries that made room for newer ones.";
        static_refused: "entries", "Static entries beyond the limit.";
        mac_changed: "entries", "Neighbours that got another MAC.";
        resolutions_failed: "entries", "Neighbours that never answered.";
        probes_failed: "entries", "Neighbours that no longer answer.";
    }
}

impl NdCounters {
    /// The counter of a refused packet.
    pub(super) fn count(&mut self, error: NdError) {
        let counter = match error {
            NdError::Truncated(_) => &mut self.bad_truncated,
            NdError::Version(_) => &mut self.bad_version,
            NdError::Chain(_) => &mut self.bad_extension,
            NdError::Fragment => &mut self.bad_fragment,
            NdError::Protocol(_) => &mut self.bad_protocol,
            NdError::Kind(_) => &mut self.bad_type,
            NdError::HopLimit(_) => &mut self.bad_hop_limit,
            NdError::Checksum => &mut self.bad_checksum,
            NdError::Code(_) => &mut self.bad_code,
            NdError::OptionLengthZero { .. } => &mut self.bad_option_zero,
            NdError::OptionLength { .. } => &mut self.bad_option_length,
            NdError::PrefixLength(_) => &mut self.bad_prefix_length,
            NdError::LinkLayerAddress(_) => &mut self.bad_link_layer,
            NdError::SourceMulticast => &mut self.bad_source_multicast,
            NdError::SourceNotLinkLocal => &mut self.bad_source_scope,
            NdError::TargetMulticast => &mut self.bad_target_multicast,
            NdError::LinkLayerWithoutSource => &mut self.bad_anonymous_link_layer,
            NdError::ProbeDestination => &mut self.bad_probe_destination,
            NdError::SolicitedToMulticast => &mut self.bad_solicited_multicast,
            NdError::RedirectDestinationMulticast => &mut self.bad_redirect_destination,
            NdError::RedirectTarget => &mut self.bad_redirect_target,
        };
        *counter += 1;
    }
}
