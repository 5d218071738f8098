//! Events of tenants in words.

use super::{Body, MemberView};
use crate::api::{Event, Severity};
use crate::base::ids::{MacAddress, RouterId};
use crate::base::time::{Duration, Instant};
use crate::control::report::Draft;
use crate::fib::overlay::OverlayError;
use crate::proto::tenant::{DownReason, Notice};

/// A member forwards now, or does not any more, or has another MTU.
pub(super) fn tenant_member(now: Instant, tenant: &str, view: &MemberView) -> Event {
    let wanted = &view.wanted;
    let (what, is_pseudowire) = match &wanted.body {
        Body::Circuit(_) => (wanted.name.clone(), false),
        Body::Pseudowire(_) => (format!("pseudowire to {}", wanted.name), true),
    };
    let (severity, state) = match (wanted.obstacle, is_pseudowire) {
        (None, true) => (Severity::Info, format!("forwards, MTU {}", wanted.options.mtu)),
        (None, false) => (Severity::Info, "forwards".to_owned()),
        (Some(obstacle), _) => (Severity::Warning, format!("does not forward: {obstacle}")),
    };
    Draft::new(now, severity, "tenant.member", format!("tenant {tenant}: {what} {state}"))
        .with("tenant", tenant)
        .with("member", &wanted.name)
        .with("is_forwarding", wanted.obstacle.is_none())
        .with("mtu", wanted.options.mtu)
        .finish()
}

/// More members changed at once than are told of one by one.
pub(super) fn more_members(now: Instant, count: usize) -> Event {
    let text = format!("{count} more members of tenants changed; see `show tenant`");
    Draft::new(now, Severity::Info, "tenant.member", text).with("count", count).finish()
}

/// There are more members than numbers.
pub(super) fn members_full(now: Instant, count: usize) -> Event {
    let text = format!("{count} members of tenants are left out: the router has no more numbers");
    Draft::new(now, Severity::Error, "tenant.full", text).with("count", count).finish()
}

/// What was put together contradicts itself.
pub(super) fn overlay_refused(now: Instant, error: &OverlayError) -> Event {
    let text = format!("the segments of tenants stay as they are: {error}");
    Draft::new(now, Severity::Error, "tenant.refused", text).finish()
}

/// A MAC is heard behind two members again and again.
pub(super) fn mac_moves(
    now: Instant,
    tenant: &str,
    mac: MacAddress,
    ([from, to], blocked): (&[String; 2], Option<(String, Duration)>),
) -> Event {
    let what =
        format!("{mac} moves between {from} and {to} again and again: a loop, or a MAC twice");
    let then = match &blocked {
        Some((name, span)) => format!(
            "; {name} is blocked for {} s (`kumiki clear tenant {tenant}` ends that)",
            span.as_secs()
        ),
        None => String::new(),
    };
    Draft::new(now, Severity::Warning, "tenant.loop", format!("tenant {tenant}: {what}{then}"))
        .with("tenant", tenant)
        .with("mac", mac)
        .with("from", from)
        .with("to", to)
        .with("blocked", blocked.map_or_else(String::new, |(name, _)| name))
        .finish()
}

/// Blocks were ended by hand.
pub(super) fn cleared(now: Instant, count: usize) -> Event {
    let text = format!("{count} blocked ports of tenants forward again, as was asked");
    Draft::new(now, Severity::Info, "tenant.clear", text).with("count", count).finish()
}

/// A member of the cluster has the tenant no more, or cannot be reached.
pub(super) fn member_down(
    now: Instant,
    tenant: &str,
    remote: RouterId,
    reason: &DownReason,
) -> Event {
    let text = format!("tenant {tenant}: the pseudowire to {remote} is gone: {reason}");
    Draft::new(now, Severity::Info, "tenant.member", text)
        .with("tenant", tenant)
        .with("member", remote)
        .finish()
}

/// Something about members that an administrator should know.
pub(super) fn membership_notice(now: Instant, tenant: Option<&str>, notice: &Notice) -> Event {
    let of = tenant.map_or_else(String::new, |tenant| format!("tenant {tenant}: "));
    let (severity, text) = match notice {
        Notice::Refused { router_id, refusal, .. } => {
            (Severity::Warning, format!("{of}{router_id} is not heard: {refusal}"))
        }
        Notice::Renumbered { name, session } => {
            let text =
                format!("{of}the session from {} is not {session}: it is taken", name.remote);
            (Severity::Info, text)
        }
        Notice::TooManyTenants { max } => {
            (Severity::Error, format!("{max} tenants are announced, and there are more"))
        }
    };
    Draft::new(now, severity, "tenant.announcement", text)
        .with("tenant", tenant.unwrap_or_default())
        .finish()
}
