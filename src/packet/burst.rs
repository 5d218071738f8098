//! A burst: up to 64 owned packets that travel together.
//!
//! Owns [`Burst`]. Packets never get lost in one: whoever drains it decides, and dropping the burst
//! frees what is still inside.
//!
//! *Invariants*: `slots[..len]` are `Some`, the rest `None`.

/// Packets a burst holds at most.
pub const BURST_MAX: usize = 64;

/// Up to [`BURST_MAX`] packets, in order.
pub struct Burst<B> {
    slots: [Option<B>; BURST_MAX],
    len: usize,
}

impl<B> Default for Burst<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Burst<B> {
    /// An empty burst.
    pub const fn new() -> Self {
        Self { slots: [const { None }; BURST_MAX], len: 0 }
    }

    /// Packets inside.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Packets that still fit.
    #[inline]
    pub const fn room(&self) -> usize {
        BURST_MAX - self.len
    }

    /// Appends a packet, or gives it back when the burst is full.
    #[inline]
    pub fn push(&mut self, packet: B) -> Result<(), B> {
        match self.slots.get_mut(self.len) {
            Some(slot) => {
                *slot = Some(packet);
                self.len += 1;
                Ok(())
            }
            None => Err(packet),
        }
    }

    /// Takes the last packet.
    #[inline]
    pub fn pop(&mut self) -> Option<B> {
        self.len = self.len.checked_sub(1)?;
        self.slots.get_mut(self.len)?.take()
    }

    /// The packets in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = &B> {
        self.slots.iter().take(self.len).flatten()
    }

    /// The packets in order, to change in place.
    #[inline]
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut B> {
        self.slots.iter_mut().take(self.len).flatten()
    }

    /// The packet at a place, counted from zero.
    #[inline]
    pub fn get_mut(&mut self, place: usize) -> Option<&mut B> {
        self.slots.get_mut(place)?.as_mut()
    }

    /// Shows every packet to `look`, in order; what it takes out of the slot leaves the burst, the
    /// others close up. Packets that stay first are not moved.
    #[inline]
    pub fn sift(&mut self, mut look: impl FnMut(&mut Option<B>)) {
        let len = self.len;
        let mut kept = 0;
        for index in 0..len {
            let Some(slot) = self.slots.get_mut(index) else { break };
            look(slot);
            if slot.is_some() {
                if kept != index {
                    self.slots.swap(kept, index);
                }
                kept += 1;
            }
        }
        self.len = kept;
    }

    /// Takes all packets in order; the burst is empty afterwards.
    #[inline]
    pub fn drain(&mut self) -> impl Iterator<Item = B> + '_ {
        let len = core::mem::take(&mut self.len);
        self.slots.iter_mut().take(len).filter_map(Option::take)
    }

    /// Removes the first `count` packets, which the device has taken over, through `taken`; the
    /// others move to the front.
    pub fn take_front(&mut self, count: usize, mut taken: impl FnMut(B)) {
        let count = count.min(self.len);
        for slot in self.slots.iter_mut().take(count) {
            if let Some(packet) = slot.take() {
                taken(packet);
            }
        }
        self.slots.rotate_left(count);
        self.len -= count;
    }
}

impl<B> Extend<B> for Burst<B> {
    /// Appends packets; those beyond [`BURST_MAX`] are dropped, so callers ask [`Burst::room`]
    /// first.
    fn extend<T: IntoIterator<Item = B>>(&mut self, packets: T) {
        for packet in packets {
            debug_assert!(self.room() > 0, "burst overflow");
            drop(self.push(packet));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_burst_gives_the_packet_back() {
        let mut burst = Burst::new();
        assert!((0..BURST_MAX).all(|n| burst.push(n).is_ok()));
        assert_eq!(burst.push(99), Err(99));
        assert_eq!(burst.drain().count(), BURST_MAX);
        assert!(burst.is_empty());
    }

    #[test]
    fn what_is_sifted_out_leaves_no_holes() {
        let mut burst = Burst::new();
        burst.extend(0..6);
        let mut odd = Vec::new();
        burst.sift(|slot| odd.extend(slot.take_if(|number| *number % 2 == 1)));
        assert_eq!((burst.len(), odd), (3, vec![1, 3, 5]));
        assert_eq!(burst.drain().collect::<Vec<_>>(), [0, 2, 4]);
    }

    #[test]
    fn what_the_device_left_moves_to_the_front() {
        let mut burst = Burst::new();
        burst.extend(0..5);
        let mut taken = Vec::new();
        burst.take_front(3, |packet| taken.push(packet));
        assert_eq!(taken, [0, 1, 2]);
        assert_eq!(burst.iter().copied().collect::<Vec<_>>(), [3, 4]);
        assert_eq!(burst.pop(), Some(4));
    }
}
