//! The RPKI says other things of some prefixes: their paths are judged anew, in slices.
//!
//! Owns [`Revalidation`] and [`Ribs::revalidate`]. What is told apart here is only which prefixes
//! are meant; the pass over all paths that looks at them is `loc_rib`'s.
//!
//! *Invariants*: a path is judged anew if and only if its prefix lies within one that was named
//! since the last pass ended. It is imported, decided and exported again, as RFC 6811 §5 wants it,
//! without asking its peer.
//! *Standards*: RFC 6811 §5, RFC 8481 §4.

use super::Ribs;
use super::adj_rib_in::Path;
use crate::base::prefix::Ipv6Prefix;
use crate::base::prefix_map::PrefixMap;

/// Of which prefixes the RPKI says something else; one for each speaker.
#[derive(Clone, Debug, Default)]
pub(super) struct Revalidation {
    changed: PrefixMap<()>,
}

impl Revalidation {
    /// A pass has looked at all paths since the last one was named.
    pub(super) fn finish(&mut self) {
        self.changed.clear();
    }
}

impl Ribs {
    /// The RPKI says other things of these prefixes, and of all within them.
    pub fn revalidate(&mut self, changed: impl IntoIterator<Item = Ipv6Prefix>) {
        let mut is_any = false;
        for prefix in changed {
            self.revalidation.changed.insert(prefix, ());
            is_any = true;
        }
        // Also for one that was named before: the pass may have gone by.
        if is_any {
            self.start_scan();
        }
    }

    /// Whether a pass over all paths is under way.
    pub const fn is_scanning(&self) -> bool {
        self.scan.is_some()
    }

    pub(super) fn is_revalidated(&self, path: &Path) -> bool {
        let changed = &self.revalidation.changed;
        !changed.is_empty() && changed.covers(self.prefixes.prefix(path.prefix))
    }
}
