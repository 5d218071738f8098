//! DPDK's own tables of IPv6 prefixes: `rte_fib6` and `rte_lpm6`.
//!
//! Owns [`Fib6`] and [`Lpm6`]. The router uses neither; our table is measured against them in one
//! run (`perf`).
//!
//! *Invariants*: a table is freed on drop; it is used by one thread at a time.
//! *Standards*: DPDK programmer's guide, "FIB library" and "LPM6 library".

use super::eal::Eal;
use super::failure::Failure;
use crate::base::prefix::Ipv6Prefix;
use core::ffi::c_void;
use core::ptr::NonNull;
use std::ffi::CString;

/// The group number that both use for "no route".
pub const NEXT_HOP_NONE: u32 = 0;

/// `rte_fib6` as a trie with next hops of four octets.
#[derive(Debug)]
pub struct Fib6 {
    raw: NonNull<c_void>,
}

impl Fib6 {
    /// A table for so many routes and groups of 256 entries.
    pub fn create(_eal: &Eal, name: &str, routes: u32, groups: u32) -> Result<Self, Failure> {
        let name = CString::new(name).unwrap_or_default();
        // SAFETY: the name is a terminated string; EAL runs (`_eal`).
        let raw = unsafe { dpdk_sys::kumiki_fib6_create(name.as_ptr(), routes, groups) };
        NonNull::new(raw).map(|raw| Self { raw }).ok_or_else(Failure::from_errno)
    }

    /// Looks up with AVX-512 from now on, or without. EAL must have been started with
    /// `--force-max-simd-bitwidth=512`.
    pub fn select(&mut self, width: Fib6Width) -> Result<(), Failure> {
        let is_wanted = i32::from(width == Fib6Width::Avx512);
        // SAFETY: a valid table, borrowed exclusively.
        Failure::check(unsafe { dpdk_sys::kumiki_fib6_use_avx512(self.raw.as_ptr(), is_wanted) })
    }

    /// Sets a route.
    pub fn add(&mut self, prefix: Ipv6Prefix, next_hop: u32) -> Result<(), Failure> {
        let (address, length) = (prefix.address().octets(), prefix.length());
        let (table, next_hop) = (self.raw.as_ptr(), u64::from(next_hop));
        // SAFETY: a valid table, borrowed exclusively; the address has 16 octets.
        let result =
            unsafe { dpdk_sys::kumiki_fib6_add(table, address.as_ptr(), length, next_hop) };
        Failure::check(result)
    }

    /// Removes a route.
    pub fn delete(&mut self, prefix: Ipv6Prefix) -> Result<(), Failure> {
        let (address, length) = (prefix.address().octets(), prefix.length());
        // SAFETY: as in `add`.
        let result =
            unsafe { dpdk_sys::kumiki_fib6_delete(self.raw.as_ptr(), address.as_ptr(), length) };
        Failure::check(result)
    }

    /// Looks addresses up; as many as there are next hops to be written.
    #[inline]
    pub fn lookup_burst(&self, addresses: &[[u8; 16]], next_hops: &mut [u64]) {
        let count = i32::try_from(addresses.len().min(next_hops.len())).unwrap_or(0);
        // SAFETY: a valid table; `count` addresses and next hops are there.
        unsafe {
            dpdk_sys::kumiki_fib6_lookup(
                self.raw.as_ptr(),
                addresses.as_ptr().cast(),
                next_hops.as_mut_ptr(),
                count,
            );
        }
    }
}

/// How `rte_fib6` looks up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fib6Width {
    /// One address at a time.
    Scalar,
    /// Sixteen at a time.
    Avx512,
}

impl Drop for Fib6 {
    fn drop(&mut self) {
        // SAFETY: a valid table that nobody uses any more.
        unsafe { dpdk_sys::kumiki_fib6_free(self.raw.as_ptr()) };
    }
}

/// `rte_lpm6`.
#[derive(Debug)]
pub struct Lpm6 {
    raw: NonNull<c_void>,
}

impl Lpm6 {
    /// A table for so many routes and groups of 256 entries.
    pub fn create(_eal: &Eal, name: &str, routes: u32, groups: u32) -> Result<Self, Failure> {
        let name = CString::new(name).unwrap_or_default();
        // SAFETY: the name is a terminated string; EAL runs (`_eal`).
        let raw = unsafe { dpdk_sys::kumiki_lpm6_create(name.as_ptr(), routes, groups) };
        NonNull::new(raw).map(|raw| Self { raw }).ok_or_else(Failure::from_errno)
    }

    /// Sets a route.
    pub fn add(&mut self, prefix: Ipv6Prefix, next_hop: u32) -> Result<(), Failure> {
        let (address, length) = (prefix.address().octets(), prefix.length());
        // SAFETY: a valid table, borrowed exclusively; the address has 16 octets.
        let result = unsafe {
            dpdk_sys::kumiki_lpm6_add(self.raw.as_ptr(), address.as_ptr(), length, next_hop)
        };
        Failure::check(result)
    }

    /// Removes a route.
    pub fn delete(&mut self, prefix: Ipv6Prefix) -> Result<(), Failure> {
        let (address, length) = (prefix.address().octets(), prefix.length());
        // SAFETY: as in `add`.
        let result =
            unsafe { dpdk_sys::kumiki_lpm6_delete(self.raw.as_ptr(), address.as_ptr(), length) };
        Failure::check(result)
    }

    /// Looks addresses up, as many as there are next hops to be written; -1 where nothing matched.
    #[inline]
    pub fn lookup_burst(&self, addresses: &[[u8; 16]], next_hops: &mut [i32]) {
        let count = u32::try_from(addresses.len().min(next_hops.len())).unwrap_or(0);
        // SAFETY: a valid table; `count` addresses and next hops are there.
        unsafe {
            dpdk_sys::kumiki_lpm6_lookup(
                self.raw.as_ptr(),
                addresses.as_ptr().cast(),
                next_hops.as_mut_ptr(),
                count,
            );
        }
    }
}

impl Drop for Lpm6 {
    fn drop(&mut self) {
        // SAFETY: a valid table that nobody uses any more.
        unsafe { dpdk_sys::kumiki_lpm6_free(self.raw.as_ptr()) };
    }
}
