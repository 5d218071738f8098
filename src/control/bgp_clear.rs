//! Sessions of BGP that somebody wants anew, or whose routes shall be exchanged again.
//!
//! Owns who is meant and what is answered; what a session does then is the speaker's. Neighbours
//! that the configuration keeps down, or that are not on this server, stay as they are.
//!
//! *Standards*: RFC 4486 §4 (Administrative Reset), RFC 2918 §3 (route refresh).

use super::bgp_settings::Neighbor;
use super::plane::ControlPlane;
use super::report;
use crate::api::request::{ClearBgp, ClearWhat};
use crate::api::show_bgp::{BgpCleared, BgpClearedRow};
use crate::base::time::Instant;
use crate::config::did_you_mean;
use crate::proto::bgp::ribs::PeerId;
use crate::proto::bgp::speaker::Clear;

impl ControlPlane {
    /// Does what is asked to everybody who is meant.
    pub(super) fn clear_bgp(&mut self, now: Instant, asked: &ClearBgp) -> BgpCleared {
        let is_meant = |neighbor: &&Neighbor| {
            asked
                .neighbor
                .as_ref()
                .is_none_or(|name| neighbor.name == *name || neighbor.is_at(name))
        };
        let meant: Vec<Neighbor> = self.bgp.neighbors().iter().filter(is_meant).cloned().collect();
        if meant.is_empty() {
            let refusal = Some(self.nobody_is_called(asked.neighbor.as_deref()));
            return BgpCleared { refusal, ..BgpCleared::default() };
        }
        let mut neighbors = Vec::new();
        for neighbor in meant {
            let problem = match self.clearable(&neighbor) {
                Ok(peer) => {
                    self.clear_session(now, (peer, neighbor.name.as_str()), asked.what).err()
                }
                Err(problem) => Some(problem),
            };
            // Of all of them, those that have nothing to clear are not meant.
            if asked.neighbor.is_some() || problem.is_none() {
                neighbors.push(BgpClearedRow { name: neighbor.name, problem });
            }
        }
        let refusal = neighbors.is_empty().then(|| match asked.what {
            ClearWhat::Session => "no BGP neighbour has a session on this server".to_owned(),
            ClearWhat::In => "no BGP neighbour can be asked for its routes".to_owned(),
            ClearWhat::Out => "no BGP neighbour has a session that is up".to_owned(),
        });
        BgpCleared { refusal, neighbors }
    }

    /// The number of a neighbour with a session, or why there is none.
    fn clearable(&self, neighbor: &Neighbor) -> Result<PeerId, String> {
        let active = neighbor.state.as_ref().map_err(ToString::to_string)?;
        if active.shutdown.is_some() {
            return Err("its block shuts it down: remove `shutdown`".to_owned());
        }
        let known = self.bgp.number(&neighbor.id);
        known.ok_or_else(|| "it has no session yet".to_owned())
    }

    fn clear_session(
        &mut self,
        now: Instant,
        (peer, name): (PeerId, &str),
        what: ClearWhat,
    ) -> Result<(), String> {
        let wanted = match what {
            ClearWhat::Session => Clear::Session,
            ClearWhat::In => Clear::In,
            ClearWhat::Out => Clear::Out,
        };
        let (speaker, _) = self.bgp.parts().ok_or("BGP does not run")?;
        speaker.clear(now, peer, wanted).map_err(|error| error.to_string())?;
        self.event(report::bgp_cleared(now, name, what));
        Ok(())
    }

    /// Why nobody is meant, with who there is.
    fn nobody_is_called(&self, name: Option<&str>) -> String {
        let names: Vec<&str> =
            self.bgp.neighbors().iter().map(|neighbor| neighbor.name.as_str()).collect();
        match name {
            Some(name) if !names.is_empty() => {
                let near = did_you_mean(name, &names);
                let there = names.join(", ");
                format!("there is no BGP neighbour `{name}`{near}; there are: {there}")
            }
            _ => "there are no BGP neighbours".to_owned(),
        }
    }
}
