//! Claims about several OSPF machines on simulated cables.

mod adjacency;
mod arbitrary;
mod bfd;
mod boundary;
mod database;
mod harness;
mod opaque;
mod refusal;
mod restart;
mod tshark;
mod turns;
mod verify;
