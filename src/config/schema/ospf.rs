//! `[ospf]`: OSPFv3 on the fabric ports.

use crate::base::ids::RouterId;
use crate::base::time::Duration;
use serde::Serialize;

/// `[ospf]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OspfSettings {
    /// Router-id. Default (`None`): 10.0.0.0 + router number.
    pub router_id: Option<RouterId>,
    /// Time between hellos, whole seconds. Default: 1 s, as the paper's author used.
    pub hello_interval: Duration,
    /// Silence after which a neighbour is dead, whole seconds. Default: 3 s.
    pub dead_interval: Duration,
    /// Time until an LSA, DD packet or request is sent again. Default: 1 s.
    pub retransmit_interval: Duration,
    /// Cost of a fabric port without a known speed, 1 to 65535. Default: 10.
    pub cost: u16,
    /// Accept neighbours whose MTU differs. Default: false (RFC 5340 §4.2.2, RFC 2328 §10.6).
    pub mtu_ignore: bool,
    /// RFC 8405 delays before SPF: quiet. Default: 0 ms.
    pub spf_delay_initial: Duration,
    /// RFC 8405: after a first event. Default: 50 ms.
    pub spf_delay_short: Duration,
    /// RFC 8405: when events keep coming. Default: 1000 ms.
    pub spf_delay_long: Duration,
}

impl Default for OspfSettings {
    fn default() -> Self {
        Self {
            router_id: None,
            hello_interval: Duration::from_secs(1),
            dead_interval: Duration::from_secs(3),
            retransmit_interval: Duration::from_secs(1),
            cost: 10,
            mtu_ignore: false,
            spf_delay_initial: Duration::ZERO,
            spf_delay_short: Duration::from_millis(50),
            spf_delay_long: Duration::from_millis(1000),
        }
    }
}
