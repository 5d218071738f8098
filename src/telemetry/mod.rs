//! What a router counts, made ready for those who collect it.
//!
//! Absent on purpose: counting. Counters belong to the thread that writes them; here they are only
//! named, summed and written out.
// Gap: the catalogue, histograms and the exporters; `kumiki show errors` and `show runtime` have
// the counters until then.
#![forbid(unsafe_code)]
