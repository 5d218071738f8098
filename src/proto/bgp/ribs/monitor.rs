//! What has changed in the tables, for those who watch them.
//!
//! Owns [`Monitor`], and the ways to switch it on and to take what it noted. Only names are noted:
//! what holds is looked up when somebody has room for it.
//!
//! *Invariants*: nothing is noted that nobody watches, nor what is as it was: a decision that
//! changes nothing for those who watch is none to them. What is noted is taken after every input of
//! the speaker, so that no more waits here than one input or slice of work can cause.
//! *Standards*: RFC 7854 §5 (state compression), RFC 9069 §4.2.

use super::Ribs;
use super::adj_rib_in::Path;
use super::peer::PeerId;
use super::prefix_table::PrefixId;
use crate::base::prefix::Ipv6Prefix;
use crate::wire::bgp::Nlri;
use std::collections::VecDeque;

/// What is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Paths of peers.
    pub has_received: bool,
    /// What policies make of them.
    pub has_imported: bool,
    /// Best paths.
    pub has_best: bool,
}

/// What of a path is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathChange {
    /// What the peer says, and so perhaps what the policies make of it.
    Received,
    /// Only what the policies make of it.
    Imported,
}

/// What was noted; one for each speaker.
#[derive(Clone, Debug, Default)]
pub(super) struct Monitor {
    watched: Watched,
    paths: VecDeque<(PeerId, Nlri, PathChange)>,
    best: VecDeque<Ipv6Prefix>,
}

impl Ribs {
    /// Notes from now on what is watched, and nothing else.
    pub fn watch(&mut self, watched: Watched) {
        if self.monitor.watched != watched {
            self.monitor = Monitor { watched, ..Monitor::default() };
        }
    }

    /// The oldest path of a peer that came, changed or went and was not taken.
    pub fn poll_path(&mut self) -> Option<(PeerId, Nlri, PathChange)> {
        self.monitor.paths.pop_front()
    }

    /// The oldest prefix whose best path became another one, and that was not taken.
    pub fn poll_best(&mut self) -> Option<Ipv6Prefix> {
        self.monitor.best.pop_front()
    }

    /// A path came, changed or went. Of a peer that is down nothing is noted: all its paths are
    /// gone for whoever watches.
    pub(super) fn note_path(&mut self, path: &Path, change: PathChange) {
        let Watched { has_received, has_imported, .. } = self.monitor.watched;
        let is_watched = has_imported || has_received && change == PathChange::Received;
        if !is_watched || path.peer == PeerId::LOCAL {
            return;
        }
        if self.peer(path.peer).is_some_and(|state| state.is_up) {
            let prefix = self.prefixes.prefix(path.prefix);
            let nlri = Nlri { prefix, path_id: path.path_id };
            self.monitor.paths.push_back((path.peer, nlri, change));
        }
    }

    /// What is best for a prefix is another path, or the same one with other attributes.
    pub(super) fn note_best(&mut self, prefix: PrefixId) {
        if self.monitor.watched.has_best {
            self.monitor.best.push_back(self.prefixes.prefix(prefix));
        }
    }
}
