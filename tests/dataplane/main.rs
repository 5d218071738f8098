//! The data plane from outside: frames in; frames, punts and drop reasons out, on heap buffers.
//!
//! Read [`router`] (a worker with memory ports and a small world) and [`packets`] (what is sent to
//! it), then the claims: [`forward`], [`refuse`], [`local`], [`errors`], [`conserve`], [`idle`],
//! [`watch`], [`bfd`]; [`bridge`], [`tunnel`] and [`hostile`] have the segments of tenants
//! ([`segment`] is their world); [`repair`] has tunnels, and routers that send each other what they
//! repaired; [`spread`] has several workers, [`storm`] routes that change all the time.

mod bfd;
mod bridge;
mod conserve;
mod errors;
mod forward;
mod hostile;
mod idle;
mod local;
mod packets;
mod refuse;
mod repair;
mod router;
mod segment;
mod spread;
mod storm;
mod tunnel;
mod watch;
