//! Answers to `show tenant` and `show l2tpv3`.
//!
//! Owns what of segments is shown, and in which words; how many MACs and frames there are is the
//! driver's to say. Cookies are never shown.

use super::plane::ControlPlane;
use super::query::milliseconds;
use super::tenant::{Body, MemberKey, MemberView, Obstacle};
use crate::api::ShowQuery;
use crate::api::show::ShowReply;
use crate::api::show_tenant::{MacPage, PseudowireRow, TenantMemberRow, TenantRow};
use crate::base::ids::TenantId;
use crate::base::time::Instant;
use crate::config::schema::Tenant;
use crate::fib::overlay::Pseudowire;
use crate::fib::tunnel_header::{Carrier, Cookie, Sublayer, UdpSum};
use crate::proto::tenant::View;
use crate::proto::tenant::epoch::Phase;

fn octets(cookie: Cookie) -> u8 {
    u8::try_from(cookie.octets()).unwrap_or(u8::MAX)
}

fn member_row(now: Instant, view: &MemberView) -> TenantMemberRow {
    let wanted = &view.wanted;
    let blocked_for_ms = match wanted.obstacle {
        Some(Obstacle::Loop(until)) => Some(milliseconds(until - now)),
        _ => None,
    };
    let kind = match wanted.body {
        Body::Circuit(_) => "port",
        Body::Pseudowire(_) => "pseudowire",
    };
    TenantMemberRow {
        member: view.id,
        kind: kind.to_owned(),
        name: wanted.name.clone(),
        is_forwarding: wanted.obstacle.is_none(),
        state_age_ms: milliseconds(now - view.since),
        reason: wanted.obstacle.map(|obstacle| obstacle.to_string()),
        blocked_for_ms,
        mtu: wanted.options.mtu,
        ..TenantMemberRow::default()
    }
}

fn pseudowire_row(
    now: Instant,
    tenant: String,
    view: &MemberView,
    ends: &Pseudowire,
) -> PseudowireRow {
    let Pseudowire { session, incoming, outgoing } = ends;
    let (encapsulation, remote_port, udp_checksum) = match outgoing.carrier {
        Carrier::Ip => ("ip", None, None),
        Carrier::Udp { remote_port, sum, .. } => {
            let sum = match sum {
                UdpSum::Full => "full",
                UdpSum::Zero => "zero",
            };
            ("udp", Some(remote_port), Some(sum.to_owned()))
        }
    };
    let wanted = &view.wanted;
    let origin = match wanted.key {
        MemberKey::Remote { .. } => "member",
        MemberKey::Static { .. } | MemberKey::Circuit { .. } => "static",
    };
    PseudowireRow {
        member: view.id,
        tenant,
        name: wanted.name.clone(),
        origin: origin.to_owned(),
        local: outgoing.local,
        remote: outgoing.remote,
        session_id: *session,
        remote_session_id: outgoing.session,
        encapsulation: encapsulation.to_owned(),
        remote_port,
        udp_checksum,
        cookie_octets: octets(incoming.cookie),
        remote_cookie_octets: octets(outgoing.cookie),
        is_cookie_changing: incoming.other_cookie.is_some(),
        sublayer: if outgoing.sublayer == Sublayer::None { "none" } else { "default" }.to_owned(),
        is_sequenced: outgoing.sublayer == Sublayer::Sequenced,
        is_forwarding: wanted.obstacle.is_none(),
        state_age_ms: milliseconds(now - view.since),
        reason: wanted.obstacle.map(|obstacle| obstacle.to_string()),
        mtu: wanted.options.mtu,
        underlay_mtu: wanted.mtu.outer,
        overhead_octets: wanted.mtu.overhead,
        configured_mtu: wanted.mtu.most,
    }
}

impl ControlPlane {
    /// The answer to a question about tenants.
    pub(super) fn tenant_answer(&self, now: Instant, query: &ShowQuery) -> ShowReply {
        match query {
            ShowQuery::L2tpv3 => ShowReply::L2tpv3(self.pseudowire_rows(now)),
            // Workers learn them; the daemon answers.
            ShowQuery::BridgeMac(_) => ShowReply::BridgeMac(MacPage::default()),
            _ => ShowReply::Tenant(self.tenant_rows(now)),
        }
    }

    /// `show tenant` and `show bridge-domain`, in the order of the configuration.
    fn tenant_rows(&self, now: Instant) -> Vec<TenantRow> {
        let known = self.tenants.membership.view();
        self.config.tenants.iter().map(|tenant| self.tenant_row(now, tenant, &known)).collect()
    }

    fn tenant_row(&self, now: Instant, tenant: &Tenant, known: &View) -> TenantRow {
        let views = self.tenants.members();
        let views: Vec<_> = views.filter(|v| v.wanted.key.tenant() == tenant.id).collect();
        let open = views.iter().filter(|view| view.wanted.obstacle.is_none());
        let state = match (self.is_tenant_active(tenant), open.clone().count()) {
            (false, _) => "inactive",
            (true, 0) => "blocked",
            (true, count) if count < views.len() => "degraded",
            (true, _) => "forwarding",
        };
        let reason = match state {
            "inactive" if tenant.ports.is_empty() => Some("it has no `ports`".to_owned()),
            "inactive" => Some("none of its ports is on this server".to_owned()),
            "blocked" => Some("none of its members forwards".to_owned()),
            "degraded" => Some(format!("{} of {} forward", open.clone().count(), views.len())),
            _ => None,
        };
        let announced = known.tenants.iter().find(|view| view.id.0 == tenant.id);
        let refused = known.members.iter().flat_map(|member| {
            let about = |id: &Option<TenantId>| id.is_none_or(|id| id.0 == tenant.id);
            let refusals = member.refusals.iter().filter(move |(id, _)| about(id));
            refusals.map(|(_, refusal)| format!("{}: {refusal}", member.router_id))
        });
        TenantRow {
            name: tenant.name.clone(),
            id: tenant.id,
            state: state.to_owned(),
            reason,
            domain: views.first().map(|view| view.domain),
            mtu: open.map(|view| view.wanted.options.mtu).min(),
            mac_count: 0,
            epoch: announced.map(|view| view.epoch),
            is_rotating: announced.is_some_and(|view| view.phase != Phase::Steady),
            members: views.iter().map(|view| member_row(now, view)).collect(),
            refused: if announced.is_some() { refused.collect() } else { Vec::new() },
        }
    }

    /// `show l2tpv3`, by session id.
    fn pseudowire_rows(&self, now: Instant) -> Vec<PseudowireRow> {
        let rows = self.tenants.members().filter_map(|view| match &view.wanted.body {
            Body::Pseudowire(ends) => {
                let tenant = self.tenant_name(view.wanted.key.tenant());
                Some(pseudowire_row(now, tenant, view, ends))
            }
            Body::Circuit(_) => None,
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by_key(|row| row.session_id);
        rows
    }
}
