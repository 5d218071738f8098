//! Hints to the processor that an address will be read soon.
//!
//! Owns the safe face of the prefetch instruction; who reads what when belongs to the caller. On
//! processors other than x86-64 the hints do nothing.
//!
//! *Invariants*: a hint changes no state that a program can see, whatever the address.

/// Hints that `target` will be read soon.
#[inline(always)]
pub fn prefetch_read<T>(target: &T) {
    prefetch_pointer(core::ptr::from_ref(target));
}

/// Hints that `slice[index]` will be read soon; an index outside is harmless.
#[inline(always)]
pub fn prefetch_index<T>(slice: &[T], index: usize) {
    prefetch_pointer(slice.as_ptr().wrapping_add(index));
}

/// Hints that `pointer` will be read soon; it need not lead anywhere.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn prefetch_pointer<T>(pointer: *const T) {
    use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: PREFETCHT0 does not fault and reads nothing that the program sees, for any address
    // (Intel SDM volume 2B, PREFETCHh); SSE is part of every x86-64.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(pointer.cast()) }
}

/// Hints nothing here.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub fn prefetch_pointer<T>(_pointer: *const T) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_index_is_harmless() {
        let numbers = [1_u64, 2, 3];
        prefetch_read(&numbers);
        prefetch_index(&numbers, 1);
        prefetch_index(&numbers, usize::MAX / 16);
        assert_eq!(numbers, [1, 2, 3]);
    }
}
