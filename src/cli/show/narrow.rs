//! One port, route, neighbour or policy instead of all of them.
//!
//! Owns [`Narrow`]: the router answers with all ports and with all routes of OSPF; what was asked
//! for is picked here.

use crate::api::show::ShowReply;
use crate::base::prefix::Ipv6Prefix;
use crate::cli::show::words::Destination;

/// What of an answer is wanted; everything where nothing is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrow {
    /// Only this port.
    pub port: Option<String>,
    /// Only what is exchanged with this BGP neighbour.
    pub neighbor: Option<String>,
    /// Only this policy.
    pub policy: Option<String>,
    /// Only this tenant.
    pub tenant: Option<String>,
    /// Only the L2TPv3 session of this id here.
    pub session: Option<u32>,
    /// Only this prefix, or the longest match for this address.
    pub destination: Option<Destination>,
}

impl Narrow {
    /// Leaves in the answer what is wanted.
    pub fn pick(&self, reply: &mut ShowReply) {
        let is_port = |name: &str| self.port.as_deref().is_none_or(|port| port == name);
        match reply {
            ShowReply::Port(rows) => rows.retain(|row| is_port(&row.name)),
            ShowReply::OspfInterface(rows) => rows.retain(|row| is_port(&row.port)),
            ShowReply::Bfd(rows) => rows.retain(|row| is_port(&row.port)),
            ShowReply::BgpNeighbor(rows) => {
                if let Some(name) = &self.neighbor {
                    rows.retain(|row| row.is_called(name));
                }
            }
            ShowReply::Tenant(rows) => {
                rows.retain(|row| self.tenant.as_ref().is_none_or(|name| *name == row.name));
            }
            ShowReply::L2tpv3(rows) => {
                rows.retain(|row| self.session.is_none_or(|session| session == row.session_id));
            }
            ShowReply::OspfRoute(rows) => self.pick_routes(rows, |row| row.prefix),
            ShowReply::OspfRepair(repairs) => self.pick_routes(&mut repairs.rows, |row| row.prefix),
            _ => {}
        }
    }

    fn pick_routes<R>(&self, rows: &mut Vec<R>, prefix: impl Fn(&R) -> Ipv6Prefix) {
        match self.destination {
            None => {}
            Some(Destination::Prefix(wanted)) => rows.retain(|row| prefix(row) == wanted),
            Some(Destination::Address(address)) => {
                rows.retain(|row| prefix(row).contains(address));
                let longest = rows.iter().map(|row| prefix(row).length()).max();
                rows.retain(|row| Some(prefix(row).length()) == longest);
            }
        }
    }

    /// What is not there, as a sentence, where something was named and the answer is empty.
    pub fn missing(&self, reply: &ShowReply) -> Option<String> {
        let is_empty = match reply {
            ShowReply::Port(rows) => rows.is_empty(),
            ShowReply::OspfInterface(rows) => rows.is_empty(),
            ShowReply::Bfd(rows) => self.port.is_some() && rows.is_empty(),
            ShowReply::OspfRoute(rows) => rows.is_empty(),
            ShowReply::OspfRepair(repairs) => repairs.rows.is_empty(),
            ShowReply::Route(rows) => rows.is_empty(),
            ShowReply::BgpRoute(rows) => self.destination.is_some() && rows.is_empty(),
            ShowReply::BgpAdvertised(rows) => self.destination.is_some() && rows.is_empty(),
            ShowReply::BgpReceived(rows) => self.destination.is_some() && rows.is_empty(),
            ShowReply::BgpPolicy(rows) => self.policy.is_some() && rows.is_empty(),
            ShowReply::Fib(rows) => rows.is_empty(),
            ShowReply::Tenant(rows) => self.tenant.is_some() && rows.is_empty(),
            ShowReply::L2tpv3(rows) => self.session.is_some() && rows.is_empty(),
            _ => false,
        };
        if !is_empty {
            return None;
        }
        if let Some(tenant) = &self.tenant {
            return Some(format!("there is no tenant `{tenant}`"));
        }
        if let Some(session) = self.session {
            return Some(format!("there is no L2TPv3 session {session} here"));
        }
        if let Some(policy) = &self.policy {
            return Some(format!("there is no policy `{policy}`"));
        }
        if let Some(port) = &self.port {
            return Some(match reply {
                ShowReply::Bfd(_) => format!("there is no BFD session on a port `{port}`"),
                _ => format!("there is no port `{port}` here"),
            });
        }
        let own = match reply {
            ShowReply::OspfRepair(repairs) => repairs.own_prefixes.as_slice(),
            _ => &[],
        };
        let neighbor = self.neighbor.as_deref();
        self.destination.map(|destination| match destination {
            Destination::Prefix(prefix) if neighbor.is_some() => {
                let neighbor = neighbor.unwrap_or_default();
                match reply {
                    ShowReply::BgpReceived(_) => format!("{neighbor} has not sent {prefix}"),
                    _ => format!("{neighbor} is not told of {prefix}"),
                }
            }
            Destination::Address(address) if own.iter().any(|own| own.contains(address)) => {
                if own.contains(&Ipv6Prefix::host(address)) {
                    format!("{address} is this router's own address, and needs no repair")
                } else {
                    format!("{address} is on a network of this router's ports, and needs no repair")
                }
            }
            Destination::Prefix(prefix) if own.contains(&prefix) => {
                format!("{prefix} is this router's own, and needs no repair")
            }
            Destination::Prefix(prefix) => format!("there is no route for {prefix}"),
            Destination::Address(address) => format!("no route leads to {address}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::show::OspfRouteRow;

    fn routes(prefixes: &[&str]) -> ShowReply {
        let row = |prefix: &&str| OspfRouteRow {
            prefix: prefix.parse().unwrap(),
            cost: 1,
            kind: "intra-area".to_owned(),
            next_hops: Vec::new(),
        };
        ShowReply::OspfRoute(prefixes.iter().map(row).collect())
    }

    #[test]
    fn an_address_picks_its_longest_match() {
        let address = "fd00::1".parse().unwrap();
        let narrow =
            Narrow { destination: Some(Destination::Address(address)), ..Narrow::default() };
        let mut reply = routes(&["fd00::/16", "fd00::/64", "fd01::/64"]);
        narrow.pick(&mut reply);
        assert_eq!(reply, routes(&["fd00::/64"]));
        assert_eq!(narrow.missing(&reply), None);
        narrow.pick(&mut reply);
        let mut reply = routes(&["fd01::/64"]);
        narrow.pick(&mut reply);
        assert_eq!(narrow.missing(&reply).unwrap(), "no route leads to fd00::1");
        assert_eq!(Narrow::default().missing(&reply), None, "nothing was named");
    }

    #[test]
    fn an_own_address_without_a_repair_is_explained() {
        let own_prefixes = vec!["fd00::1/128".parse().unwrap(), "fd00:1::/64".parse().unwrap()];
        let repairs = crate::api::show::OspfRepairs { own_prefixes, ..Default::default() };
        let reply = ShowReply::OspfRepair(repairs);
        let missing = |address: &str| {
            let destination = Some(Destination::Address(address.parse().unwrap()));
            Narrow { destination, ..Narrow::default() }.missing(&reply).unwrap()
        };
        assert_eq!(missing("fd00::1"), "fd00::1 is this router's own address, and needs no repair");
        assert!(missing("fd00:1::7").contains("is on a network of this router's ports"));
        assert_eq!(missing("fd00:2::1"), "no route leads to fd00:2::1");
    }

    #[test]
    fn a_port_that_is_not_there_is_said() {
        let narrow = Narrow { port: Some("p9".to_owned()), ..Narrow::default() };
        let reply = ShowReply::Port(Vec::new());
        assert_eq!(narrow.missing(&reply).unwrap(), "there is no port `p9` here");
    }
}
