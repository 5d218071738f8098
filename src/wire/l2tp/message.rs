//! Control messages: what the ends of a control connection say to each other.
//!
//! Owns [`Message`] with the body of each, and their encoding; [`mod@super::decode`] reads them.
//!
//! *Invariants*: a message that is encoded has every AVP that RFC 3931 §6 wants in it, its type
//! first and its digest second, and goes over any path of IPv6 in one piece.
//! *Standards*: RFC 3931 §5.4, §6; RFC 4719 (Ethernet); RFC 5641 (bits of the circuit status).
//! Gap: RFC 3931 §7.4: outgoing calls are read as far as they can be answered, and never made.

use super::avp::{self, AttributeType, Need, Veil};
use super::data::{Cookie, Sublayer};
use super::digest::{self, SharedSecret, Signer};
use super::header::{self, ControlHeader};
use super::hidden;
use super::ids::{ConnectionId, SessionId};
use super::result::{DisconnectCode, Reason, StopCode};
use crate::base::cursor::Writer;
use crate::base::ids::RouterId;
use core::fmt;
use serde::{Deserialize, Serialize};

/// §3.1: what a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageType {
    /// Start-Control-Connection-Request.
    Sccrq,
    /// Start-Control-Connection-Reply.
    Sccrp,
    /// Start-Control-Connection-Connected.
    Scccn,
    /// Stop-Control-Connection-Notification.
    StopCcn,
    /// Hello.
    Hello,
    /// Outgoing-Call-Request.
    Ocrq,
    /// Outgoing-Call-Reply.
    Ocrp,
    /// Outgoing-Call-Connected.
    Occn,
    /// Incoming-Call-Request.
    Icrq,
    /// Incoming-Call-Reply.
    Icrp,
    /// Incoming-Call-Connected.
    Iccn,
    /// Call-Disconnect-Notify.
    Cdn,
    /// WAN-Error-Notify.
    Wen,
    /// Set-Link-Info.
    Sli,
    /// Explicit Acknowledgement.
    Ack,
}

impl MessageType {
    /// Every type, in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Sccrq,
        Self::Sccrp,
        Self::Scccn,
        Self::StopCcn,
        Self::Hello,
        Self::Ocrq,
        Self::Ocrp,
        Self::Occn,
        Self::Icrq,
        Self::Icrp,
        Self::Iccn,
        Self::Cdn,
        Self::Wen,
        Self::Sli,
        Self::Ack,
    ];

    /// Its number.
    pub const fn number(self) -> u16 {
        match self {
            Self::Sccrq => 1,
            Self::Sccrp => 2,
            Self::Scccn => 3,
            Self::StopCcn => 4,
            Self::Hello => 6,
            Self::Ocrq => 7,
            Self::Ocrp => 8,
            Self::Occn => 9,
            Self::Icrq => 10,
            Self::Icrp => 11,
            Self::Iccn => 12,
            Self::Cdn => 14,
            Self::Wen => 15,
            Self::Sli => 16,
            Self::Ack => 20,
        }
    }

    pub(super) fn of(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// Whether it is about one session.
    pub const fn is_of_session(self) -> bool {
        !matches!(
            self,
            Self::Sccrq | Self::Sccrp | Self::Scccn | Self::StopCcn | Self::Hello | Self::Ack
        )
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sccrq => "SCCRQ",
            Self::Sccrp => "SCCRP",
            Self::Scccn => "SCCCN",
            Self::StopCcn => "StopCCN",
            Self::Hello => "HELLO",
            Self::Ocrq => "OCRQ",
            Self::Ocrp => "OCRP",
            Self::Occn => "OCCN",
            Self::Icrq => "ICRQ",
            Self::Icrp => "ICRP",
            Self::Iccn => "ICCN",
            Self::Cdn => "CDN",
            Self::Wen => "WEN",
            Self::Sli => "SLI",
            Self::Ack => "ACK",
        })
    }
}

/// What a session carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PseudowireType(pub u16);

impl PseudowireType {
    /// RFC 4719 §2.1: frames of one VLAN, its tag included.
    pub const ETHERNET_VLAN: Self = Self(4);
    /// RFC 4719 §2.1: every frame of a port.
    pub const ETHERNET: Self = Self(5);
}

impl fmt::Display for PseudowireType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ETHERNET_VLAN => f.pad("Ethernet VLAN"),
            Self::ETHERNET => f.pad("Ethernet"),
            Self(other) => f.pad(&format!("type {other}")),
        }
    }
}

/// §5.4.4: which data messages their receiver wants numbered.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Sequencing {
    /// None.
    #[default]
    None,
    /// Those that carry no IP.
    NonIp,
    /// All.
    All,
}

/// §5.4.5 and RFC 5641: how the circuit behind a session is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CircuitStatus(u16);

impl CircuitStatus {
    /// A: it is ready.
    const ACTIVE_BIT: u16 = 0x0001;
    /// N: it is a new one. RFC 5641: sent for those who know nothing newer, ignored when read.
    const NEW_BIT: u16 = 0x0002;
    /// RFC 5641: all bits that mean something.
    const KNOWN: u16 = 0x007f;
    /// RFC 5641: the pseudowire stands by.
    const STANDBY_BIT: u16 = 0x0040;

    /// Ready, and new.
    pub const NEW_ACTIVE: Self = Self(Self::ACTIVE_BIT | Self::NEW_BIT);
    /// Not ready, and new.
    pub const NEW_INACTIVE: Self = Self(Self::NEW_BIT);
    /// Ready.
    pub const ACTIVE: Self = Self(Self::ACTIVE_BIT);
    /// Not ready.
    pub const INACTIVE: Self = Self(0);

    /// The status with these bits: "Reserved bits MUST be … ignored upon receipt".
    pub const fn of(bits: u16) -> Self {
        Self(bits & Self::KNOWN)
    }

    /// Its bits.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether frames may be sent towards it.
    pub const fn is_active(self) -> bool {
        self.0 & Self::ACTIVE_BIT != 0
    }

    /// Whether the session was set up since it was provisioned.
    pub const fn is_new(self) -> bool {
        self.0 & Self::NEW_BIT != 0
    }

    /// Whether another pseudowire is used instead.
    pub const fn is_standby(self) -> bool {
        self.0 & Self::STANDBY_BIT != 0
    }
}

impl fmt::Debug for CircuitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CircuitStatus({:#04x})", self.0)
    }
}

/// §6.1 and §6.2: who an end is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Its name, at least one octet.
    pub host_name: String,
    /// Its number.
    pub router_id: RouterId,
    /// How it calls the connection.
    pub connection: ConnectionId,
    /// What it carries.
    pub capabilities: Vec<PseudowireType>,
    /// Its random value; there is one where it authenticates messages.
    pub nonce: Option<Vec<u8>>,
    /// Of an SCCRQ: it wants one connection only.
    pub tie_breaker: Option<u64>,
    /// What it is.
    pub vendor_name: Option<String>,
    /// How many messages it takes before it has acknowledged one.
    pub receive_window: Option<u16>,
}

/// §6.4: the connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Why.
    pub reason: Reason<StopCode>,
    /// How the sender calls the connection, where it had said so.
    pub connection: Option<ConnectionId>,
}

/// Which session a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallIds {
    /// As the sender calls it. A CDN may have none: the sender never made a session.
    pub local: Option<SessionId>,
    /// As the receiver calls it; `None` before it has said how.
    pub remote: Option<SessionId>,
}

/// §6.6: a session shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRequest {
    /// As the sender calls it.
    pub local: SessionId,
    /// For people who compare logs.
    pub serial: u32,
    /// What it carries.
    pub pseudowire: PseudowireType,
    /// Which circuit of the receiver it is for.
    pub remote_end: Vec<u8>,
    /// How the sender's circuit is.
    pub circuit: CircuitStatus,
    /// What data messages to the sender need.
    pub cookie: Cookie,
    /// One session only for this circuit.
    pub tie_breaker: Option<u64>,
    /// What data messages to the sender need.
    pub sublayer: Sublayer,
    /// What data messages to the sender need.
    pub sequencing: Sequencing,
}

/// §6.7: a session can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallReply {
    /// As the sender calls it.
    pub local: SessionId,
    /// As the receiver calls it.
    pub remote: Option<SessionId>,
    /// How the sender's circuit is.
    pub circuit: CircuitStatus,
    /// What data messages to the sender need.
    pub cookie: Cookie,
    /// What data messages to the sender need.
    pub sublayer: Sublayer,
    /// What data messages to the sender need.
    pub sequencing: Sequencing,
}

/// §6.8: a session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallConnected {
    /// As the sender calls it.
    pub local: SessionId,
    /// As the receiver calls it.
    pub remote: Option<SessionId>,
    /// How the sender's circuit is, where that has changed.
    pub circuit: Option<CircuitStatus>,
    /// What data messages to the sender need, where that has changed.
    pub sublayer: Option<Sublayer>,
    /// What data messages to the sender need, where that has changed.
    pub sequencing: Option<Sequencing>,
}

/// §6.12: a session ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// Which.
    pub ids: CallIds,
    /// Why.
    pub reason: Reason<DisconnectCode>,
}

/// §6.14: the circuit of a session has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    /// As the sender calls it.
    pub local: SessionId,
    /// As the receiver calls it.
    pub remote: Option<SessionId>,
    /// How the sender's circuit is, where that is what has changed.
    pub circuit: Option<CircuitStatus>,
}

/// A control message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A connection shall be.
    Sccrq(Start),
    /// A connection can be.
    Sccrp(Start),
    /// A connection is.
    Scccn,
    /// A connection ends.
    StopCcn(Stop),
    /// Still there.
    Hello,
    /// A session shall be.
    Icrq(CallRequest),
    /// A session can be.
    Icrp(CallReply),
    /// A session is.
    Iccn(CallConnected),
    /// A session ends.
    Cdn(Disconnect),
    /// A circuit has changed.
    Sli(LinkInfo),
    /// Messages have arrived.
    Ack,
    /// §6.15: the same in a message without a single AVP.
    ZeroLengthBody,
    /// Of outgoing calls, or a report of errors: what is known of it is whom to answer.
    Foreign {
        /// What it is.
        kind: MessageType,
        /// Which session it is about.
        ids: CallIds,
    },
}

/// How a message is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Encoding<'a> {
    /// With what it is signed.
    pub signer: Option<Signer<'a>>,
    /// What hides its cookie: the secret, and a random vector for it.
    pub hiding: Option<(&'a SharedSecret, &'a [u8])>,
}

impl Message {
    /// What it is; `None` where it does not say.
    pub const fn kind(&self) -> Option<MessageType> {
        Some(match self {
            Self::Sccrq(_) => MessageType::Sccrq,
            Self::Sccrp(_) => MessageType::Sccrp,
            Self::Scccn => MessageType::Scccn,
            Self::StopCcn(_) => MessageType::StopCcn,
            Self::Hello => MessageType::Hello,
            Self::Icrq(_) => MessageType::Icrq,
            Self::Icrp(_) => MessageType::Icrp,
            Self::Iccn(_) => MessageType::Iccn,
            Self::Cdn(_) => MessageType::Cdn,
            Self::Sli(_) => MessageType::Sli,
            Self::Ack => MessageType::Ack,
            Self::ZeroLengthBody => return None,
            Self::Foreign { kind, .. } => *kind,
        })
    }

    /// Whether it only acknowledges: it has no number of its own (§4.2).
    pub const fn is_acknowledgement(&self) -> bool {
        matches!(self, Self::Ack | Self::ZeroLengthBody)
    }

    /// The message behind `header`, from the T bit on.
    pub fn encode(&self, header: &ControlHeader, encoding: &Encoding<'_>) -> Vec<u8> {
        let mut writer = Writer::with_capacity(256);
        header::put(&mut writer, header);
        if let Some(kind) = self.kind() {
            let number = kind.number().to_be_bytes();
            avp::put(&mut writer, AttributeType::MESSAGE_TYPE, Need::Mandatory, &number);
            if let Some(signer) = &encoding.signer {
                digest::put(&mut writer, signer.kind);
            }
        }
        self.put_body(&mut Body { writer: &mut writer, encoding });
        header::finish(&mut writer);
        if let (Some(_), Some(signer)) = (self.kind(), &encoding.signer) {
            digest::sign(writer.as_mut_slice(), signer);
        }
        writer.into_vec()
    }

    fn put_body(&self, body: &mut Body<'_>) {
        match self {
            Self::Sccrq(start) | Self::Sccrp(start) => put_start(body, start),
            Self::StopCcn(stop) => {
                body.put(AttributeType::RESULT_CODE, &stop.reason.encode());
                if let Some(connection) = stop.connection {
                    body.put_u32(AttributeType::ASSIGNED_CONTROL_CONNECTION_ID, connection.get());
                }
            }
            Self::Icrq(request) => put_request(body, request),
            Self::Icrp(reply) => put_reply(body, reply),
            Self::Iccn(connected) => put_connected(body, connected),
            Self::Cdn(disconnect) => {
                body.put(AttributeType::RESULT_CODE, &disconnect.reason.encode());
                body.put_ids(disconnect.ids);
            }
            Self::Sli(info) => {
                body.put_ids(CallIds { local: Some(info.local), remote: info.remote });
                if let Some(circuit) = info.circuit {
                    body.put_u16(AttributeType::CIRCUIT_STATUS, circuit.bits());
                }
            }
            Self::Foreign { ids, .. } => body.put_ids(*ids),
            Self::Scccn | Self::Hello | Self::Ack | Self::ZeroLengthBody => {}
        }
    }
}

/// AVPs behind the type and the digest.
struct Body<'a> {
    writer: &'a mut Writer,
    encoding: &'a Encoding<'a>,
}

impl Body<'_> {
    fn put(&mut self, kind: AttributeType, value: &[u8]) {
        avp::put(self.writer, kind, Need::Mandatory, value);
    }

    fn put_u16(&mut self, kind: AttributeType, value: u16) {
        self.put(kind, &value.to_be_bytes());
    }

    fn put_u32(&mut self, kind: AttributeType, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    fn put_u64(&mut self, kind: AttributeType, value: Option<u64>) {
        if let Some(value) = value {
            self.put(kind, &value.to_be_bytes());
        }
    }

    fn put_ids(&mut self, ids: CallIds) {
        self.put_u32(AttributeType::LOCAL_SESSION_ID, SessionId::number_of(ids.local));
        self.put_u32(AttributeType::REMOTE_SESSION_ID, SessionId::number_of(ids.remote));
    }

    /// "A missing Assigned Cookie AVP … indicates that the Cookie field should not be present".
    fn put_cookie(&mut self, cookie: Cookie) {
        let kind = AttributeType::ASSIGNED_COOKIE;
        match self.encoding.hiding {
            _ if cookie.is_empty() => {}
            None => self.put(kind, cookie.as_slice()),
            Some((secret, vector)) => {
                self.put(AttributeType::RANDOM_VECTOR, vector);
                let value = hidden::hide(kind, cookie.as_slice(), &[], secret, vector);
                avp::put_as(self.writer, (kind, Need::Mandatory, Veil::Hidden), &value);
            }
        }
    }

    fn put_sublayer(&mut self, sublayer: Sublayer) {
        let number = match sublayer {
            Sublayer::None => 0,
            Sublayer::Default => 1,
        };
        self.put_u16(AttributeType::L2_SPECIFIC_SUBLAYER, number);
    }

    fn put_sequencing(&mut self, sequencing: Sequencing) {
        let level = match sequencing {
            Sequencing::None => 0,
            Sequencing::NonIp => 1,
            Sequencing::All => 2,
        };
        self.put_u16(AttributeType::DATA_SEQUENCING, level);
    }
}

fn put_start(body: &mut Body<'_>, start: &Start) {
    if let Some(nonce) = &start.nonce {
        body.put(AttributeType::NONCE, nonce);
    }
    body.put(AttributeType::HOST_NAME, super::result::bounded(&start.host_name).as_bytes());
    body.put_u32(AttributeType::ROUTER_ID, start.router_id.0);
    body.put_u32(AttributeType::ASSIGNED_CONTROL_CONNECTION_ID, start.connection.get());
    let types: Vec<u8> = start.capabilities.iter().flat_map(|kind| kind.0.to_be_bytes()).collect();
    body.put(AttributeType::PSEUDOWIRE_CAPABILITIES_LIST, &types);
    if let Some(window) = start.receive_window {
        body.put_u16(AttributeType::RECEIVE_WINDOW_SIZE, window);
    }
    body.put_u64(AttributeType::TIE_BREAKER, start.tie_breaker);
    if let Some(name) = &start.vendor_name {
        // "The M bit for this AVP SHOULD be set to 0".
        let name = super::result::bounded(name);
        avp::put(body.writer, AttributeType::VENDOR_NAME, Need::Optional, name.as_bytes());
    }
}

fn put_request(body: &mut Body<'_>, request: &CallRequest) {
    body.put_ids(CallIds { local: Some(request.local), remote: None });
    // "The M bit for this AVP SHOULD be set to 0".
    let serial = request.serial.to_be_bytes();
    avp::put(body.writer, AttributeType::SERIAL_NUMBER, Need::Optional, &serial);
    body.put_u16(AttributeType::PSEUDOWIRE_TYPE, request.pseudowire.0);
    body.put(AttributeType::REMOTE_END_ID, &request.remote_end);
    body.put_u16(AttributeType::CIRCUIT_STATUS, request.circuit.bits());
    body.put_cookie(request.cookie);
    body.put_u64(AttributeType::TIE_BREAKER, request.tie_breaker);
    body.put_sublayer(request.sublayer);
    body.put_sequencing(request.sequencing);
}

fn put_reply(body: &mut Body<'_>, reply: &CallReply) {
    body.put_ids(CallIds { local: Some(reply.local), remote: reply.remote });
    body.put_u16(AttributeType::CIRCUIT_STATUS, reply.circuit.bits());
    body.put_cookie(reply.cookie);
    body.put_sublayer(reply.sublayer);
    body.put_sequencing(reply.sequencing);
}

fn put_connected(body: &mut Body<'_>, connected: &CallConnected) {
    body.put_ids(CallIds { local: Some(connected.local), remote: connected.remote });
    if let Some(circuit) = connected.circuit {
        body.put_u16(AttributeType::CIRCUIT_STATUS, circuit.bits());
    }
    if let Some(sublayer) = connected.sublayer {
        body.put_sublayer(sublayer);
    }
    if let Some(sequencing) = connected.sequencing {
        body.put_sequencing(sequencing);
    }
}
