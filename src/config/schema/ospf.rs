//! `[ospf]`: OSPFv3 on the fabric ports.

use super::keys::{BlockDoc, KeyDoc, KeyKind};
use crate::base::ids::RouterId;
use crate::base::time::Duration;
use serde::{Deserialize, Serialize};

/// `[ospf]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Help neighbours through their graceful restarts (RFC 5187). Default: true.
    pub graceful_restart_helper: bool,
    /// RFC 8405 delays before SPF: quiet. Default: 0 ms.
    pub spf_delay_initial: Duration,
    /// RFC 8405: after a first event. Default: 10 ms.
    pub spf_delay_short: Duration,
    /// RFC 8405: when events keep coming. Default: 50 ms.
    pub spf_delay_long: Duration,
    /// RFC 6976: how long one place in the order of updates waits for the one before, at most
    /// 100 ms; zero for no order. Default: 25 ms.
    pub order_step: Duration,
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
            graceful_restart_helper: true,
            spf_delay_initial: Duration::ZERO,
            spf_delay_short: Duration::from_millis(10),
            spf_delay_long: Duration::from_millis(50),
            order_step: Duration::from_millis(25),
        }
    }
}

/// The keys of `[ospf]`.
pub const OSPF: BlockDoc = BlockDoc {
    name: "ospf",
    is_list: false,
    help: "OSPFv3 on the fabric ports. Both ends of a cable need the same hello and dead \
           intervals.",
    keys: &[
        KeyDoc {
            name: "router_id",
            kind: KeyKind::RouterId,
            unit: "",
            default: "10.0.0.0 + cluster.number",
            needs_restart: false,
            help: "Router-id, unique in the cluster. Changing it restarts every adjacency.",
        },
        KeyDoc {
            name: "hello_interval",
            kind: KeyKind::Integer { minimum: 1, maximum: 65535 },
            unit: "seconds",
            default: "1",
            needs_restart: false,
            help: "Time between hellos.",
        },
        KeyDoc {
            name: "dead_interval",
            kind: KeyKind::Integer { minimum: 2, maximum: 65535 },
            unit: "seconds",
            default: "3",
            needs_restart: false,
            help: "Silence after which a neighbour is dead; longer than hello_interval. Carrier \
                   loss acts at once and does not wait for it.",
        },
        KeyDoc {
            name: "retransmit_interval",
            kind: KeyKind::Integer { minimum: 1, maximum: 3600 },
            unit: "seconds",
            default: "1",
            needs_restart: false,
            help: "Time until an LSA, a database description or a request without answer is sent \
                   again.",
        },
        KeyDoc {
            name: "cost",
            kind: KeyKind::Integer { minimum: 1, maximum: 65535 },
            unit: "",
            default: "10",
            needs_restart: false,
            help: "Cost of a fabric port that has no cost of its own.",
        },
        KeyDoc {
            name: "mtu_ignore",
            kind: KeyKind::Boolean,
            unit: "",
            default: "false",
            needs_restart: false,
            help: "Accept neighbours whose MTU differs (RFC 2328 §10.6). Large packets may then \
                   vanish; better repair the MTU.",
        },
        KeyDoc {
            name: "graceful_restart_helper",
            kind: KeyKind::Boolean,
            unit: "",
            default: "true",
            needs_restart: false,
            help: "Help neighbours that restart gracefully (RFC 5187): for their grace period they \
                   count as adjacent, until the topology changes.",
        },
        KeyDoc {
            name: "spf_delay_initial_ms",
            kind: KeyKind::Integer { minimum: 0, maximum: 60000 },
            unit: "milliseconds",
            default: "0",
            needs_restart: false,
            help: "Delay before SPF after a first event in a quiet network (RFC 8405 \
                   INITIAL_SPF_DELAY).",
        },
        KeyDoc {
            name: "spf_delay_short_ms",
            kind: KeyKind::Integer { minimum: 0, maximum: 60000 },
            unit: "milliseconds",
            default: "10",
            needs_restart: false,
            help: "Delay while events that may belong together arrive (RFC 8405 SHORT_SPF_DELAY).",
        },
        KeyDoc {
            name: "spf_delay_long_ms",
            kind: KeyKind::Integer { minimum: 0, maximum: 60000 },
            unit: "milliseconds",
            default: "50",
            needs_restart: false,
            help: "Delay when events keep coming (RFC 8405 LONG_SPF_DELAY). In areas of more than \
                   256 routers, a millisecond for each four of them keeps starts of the whole \
                   area short.",
        },
        KeyDoc {
            name: "order_step_ms",
            kind: KeyKind::Integer { minimum: 0, maximum: 100 },
            unit: "milliseconds",
            default: "25",
            needs_restart: false,
            help: "Routers take a change over one after the other, those furthest from a failure \
                   first, so that packets meet no loop meanwhile (RFC 6976); so long each waits \
                   for the one before, one second at most in all. 0 for no order. The same on \
                   every router.",
        },
    ],
};
