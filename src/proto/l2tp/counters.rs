//! What is counted about an L2TP peer: each message that is not taken has a reason of its own.

crate::counters! {
    /// What the machine of a peer counted since it was made.
    pub struct Counters {
        @normal sent: "messages", "Control messages sent, with acknowledgements and repetitions.";
        @normal received: "messages", "Control messages that were taken.";
        @normal acknowledgements: "messages", "Acknowledgements that carried nothing else.";
        @normal connections: "connections", "Control connections that were established.";
        @normal sessions: "sessions", "Sessions that were established.";
        retransmitted: "messages", "Control messages sent again, because none acknowledged them.";
        malformed_header: "messages", "Control messages with a header that cannot be read.";
        wrong_version: "messages", "Control messages of L2TPv2.";
        unknown_connection: "messages", "Control messages for a connection that there is not.";
        not_started: "messages", "Control messages from a peer that is stopped.";
        digest_missing: "messages", "Control messages without the digest that they need.";
        digest_wrong: "messages", "Control messages with a wrong digest.";
        nonce_missing: "messages", "Starts of a connection without the nonce that they need.";
        nr_wrong: "messages", "Control messages that acknowledge what was never sent.";
        duplicate: "messages", "Control messages that had come before.";
        out_of_order: "messages", "Control messages that waited for one that was sent earlier.";
        out_of_window: "messages", "Control messages far ahead of those that are due.";
        malformed: "messages", "Control messages that lack something or cannot be read.";
        unknown_type: "messages", "Control messages of an unknown type that may be passed over.";
        unsupported: "messages", "Control messages of outgoing calls, and reports of errors.";
        ignored_avps: "AVPs", "AVPs without M that are not known or cannot be read.";
        wrong_state: "messages", "Control messages in a state that they are not for.";
        unknown_session: "messages", "Control messages for a session that there is not.";
        unknown_circuit: "messages", "Requests for a session of a circuit that there is not.";
        session_id_collision: "messages", "Sessions that the peer called as it calls another one.";
        ties_won: "ties", "Requests of the peer that lost against one of ours.";
        ties_lost: "ties", "Requests of ours that lost against one of the peer.";
        ties_equal: "ties", "Requests of both ends with the same tie breaker.";
        no_room: "times", "Connections, sessions or messages for which there was no room.";
        connections_lost: "connections", "Control connections that ended, whoever ended them.";
        connections_failed: "connections", "Control connections that did not come about.";
        sessions_lost: "sessions", "Sessions that ended, whoever ended them.";
        sessions_failed: "sessions", "Sessions that did not come about.";
    }
}
