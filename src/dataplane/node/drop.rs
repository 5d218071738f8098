//! The end of dropped packets: a whole burst goes back to its pool.
//!
//! They were counted by the node that dropped them, which knows why.

use crate::dataplane::graph::{Ctx, Next};
use crate::packet::{Burst, PacketBuf};

/// Frees a burst.
pub fn drop<B: PacketBuf>(_: &mut Ctx<'_, B>, burst: &mut Burst<B>, _: &mut Next<B>) {
    B::release(burst);
}
