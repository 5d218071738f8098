//! Kumiki: a router that replaces the switch.
pub mod api;
pub mod base;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod dataplane;
#[cfg(dpdk)]
pub mod dpdk;
pub mod fib;
pub mod lab;
pub mod os;
pub mod packet;
pub mod planner;
pub mod ports;
pub mod proto;
pub mod rib;
pub mod sim;
pub mod telemetry;
pub mod web;
pub mod wire;
