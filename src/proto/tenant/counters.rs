//! What is counted about members of tenants: each announcement that is not used has a reason.

crate::counters! {
    /// What the machine counted since it was made.
    pub struct Counters {
        @normal announced: "announcements", "Contents that this router has told OSPF.";
        @normal heard: "announcements", "Announcements of others that were read.";
        @normal pseudowires_up: "pseudowires", "Pseudowires that came.";
        @normal pseudowires_changed: "pseudowires", "Pseudowires that changed.";
        @normal pseudowires_down: "pseudowires", "Pseudowires that went.";
        @normal rotations: "events", "Changes of the cookies of a tenant.";
        @normal earlier_lives: "announcements", "Own announcements of a life before.";
        unreadable: "announcements", "Announcements that cannot be read.";
        other_version: "announcements", "Announcements of another enterprise or version.";
        no_tenant: "tenants", "Announced tenants with the id 0.";
        repeated: "tenants", "Tenants that a router announces twice.";
        mtu_too_small: "tenants", "Announced tenants with an MTU below 1280.";
        unknown_format: "tenants", "Announced tenants with a format that is not known here.";
        endpoint_not_unicast: "announcements", "Endpoints that are not the address of a router.";
        endpoint_own: "announcements", "Endpoints of others that are this router's.";
        endpoint_taken: "announcements", "Endpoints that another router had announced before.";
        session_id_collision: "sessions", "Sessions that got another id, because theirs was taken.";
        session_id_ambiguous: "pseudowires", "Pseudowires that wait for another id of theirs.";
        no_room: "times", "Tenants, pseudowires or announcements for which there was no room.";
    }
}
