//! What may happen between this router and one L2TP peer.
//!
//! Owns the inputs and the settings; what the peer's machine wants done stands in
//! [`super::action`].

use super::limits::{
    END_ID_OCTETS_MAX, HELLO_TIME, HELLO_TIME_MAX, HELLO_TIME_MIN, RETRANSMISSIONS,
    RETRANSMISSIONS_MAX,
};
use crate::base::ids::RouterId;
use crate::base::time::Duration;
use crate::wire::l2tp::{
    Cookie, DigestKind, PseudowireType, Sequencing, SessionId, SharedSecret, Sublayer,
};
use core::fmt;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// There shall be a control connection.
    Start,
    /// There shall be none: the peer is told, and nothing is taken from it.
    Stop,
    /// Connections shall be like this from now on. What the peer was told stays as it was.
    Settings(Box<Settings>),
    /// There shall be this session; one with the same circuit or id is taken away.
    Session(SessionSettings),
    /// There shall be no session for this circuit.
    RemoveSession(EndId),
    /// The circuit behind a session has changed.
    Circuit {
        /// Which.
        end: EndId,
        /// How it is.
        circuit: Circuit,
    },
    /// A control message came from the peer's address, from the T bit on.
    Received {
        /// The message.
        octets: Vec<u8>,
    },
    /// A data message came from the peer.
    DataReceived,
}

/// Who asks for what both ends want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Initiative {
    /// This end does, and so may the other: ties are broken.
    #[default]
    Active,
    /// This end waits.
    Passive,
}

/// Whether a circuit can carry frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Circuit {
    /// It can.
    #[default]
    Active,
    /// It cannot.
    Inactive,
}

/// Whether who looks on can read cookies in control messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CookieHiding {
    /// It can: not every peer reads hidden AVPs.
    #[default]
    Clear,
    /// It cannot (RFC 3931 §5.3).
    Hidden,
}

/// §4.3: how messages are authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// What messages are signed with. An empty password makes it a check of integrity, which
    /// §4.1.1.2 wants over IP at least.
    pub secret: SharedSecret,
    /// What a message may be signed with as well, while both ends get another secret.
    pub other_secret: Option<SharedSecret>,
    /// How digests are made; a peer's may be of the other kind.
    pub digest: DigestKind,
    /// Whether cookies are hidden.
    pub cookies: CookieHiding,
}

/// What an administrator decides about a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Our name.
    pub host_name: String,
    /// Our number.
    pub router_id: RouterId,
    /// What we carry.
    pub capabilities: Vec<PseudowireType>,
    /// Who asks for the connection.
    pub initiative: Initiative,
    /// How messages are authenticated; `None` where they are not.
    pub authentication: Option<Authentication>,
    /// After so long a silence the peer is asked whether it is there.
    pub hello_time: Duration,
    /// How often a message is sent again before the peer is taken for dead.
    pub retransmissions: u32,
}

impl Settings {
    /// Those of a router that carries Ethernet, with every default of RFC 3931.
    pub fn new(host_name: &str, router_id: RouterId) -> Self {
        Self {
            host_name: host_name.to_owned(),
            router_id,
            capabilities: vec![PseudowireType::ETHERNET, PseudowireType::ETHERNET_VLAN],
            initiative: Initiative::Active,
            authentication: None,
            hello_time: HELLO_TIME,
            retransmissions: RETRANSMISSIONS,
        }
    }

    /// The settings as they are used.
    pub(super) fn bounded(mut self) -> Self {
        self.hello_time = self.hello_time.clamp(HELLO_TIME_MIN, HELLO_TIME_MAX);
        self.retransmissions = self.retransmissions.clamp(1, RETRANSMISSIONS_MAX);
        if self.host_name.is_empty() {
            // "MUST be at least 1 octet."
            self.host_name = self.router_id.to_string();
        }
        self
    }
}

/// The circuit that a session is for, by the name that both ends know: a Remote End ID.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndId(Vec<u8>);

impl EndId {
    /// The circuit of this name; `None` where it is too long.
    pub fn new(name: &[u8]) -> Option<Self> {
        (name.len() <= END_ID_OCTETS_MAX).then(|| Self(name.to_vec()))
    }

    /// The name as it is sent.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for EndId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for EndId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndId({self})")
    }
}

/// What data messages towards one end need; that end says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataFormat {
    /// The cookie.
    pub cookie: Cookie,
    /// The sublayer.
    pub sublayer: Sublayer,
    /// Which of them are numbered.
    pub sequencing: Sequencing,
}

impl DataFormat {
    /// §5.4.4: "Data sequencing may only be requested when there is an L2-Specific Sublayer
    /// present".
    pub fn is_consistent(&self) -> bool {
        self.sequencing == Sequencing::None || self.sublayer != Sublayer::None
    }
}

/// A session that shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// For which circuit.
    pub end: EndId,
    /// How the peer shall call it: the owner knows which ids of this router are free.
    pub local: SessionId,
    /// What it carries.
    pub pseudowire: PseudowireType,
    /// What data messages to us need. Numbers are wanted with a sublayer only.
    pub receive: DataFormat,
    /// Who asks for it.
    pub initiative: Initiative,
    /// How its circuit is.
    pub circuit: Circuit,
}
