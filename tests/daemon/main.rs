//! The threads of a router, over buffers and ports in memory.

mod bench;
mod config;
mod feeds;
mod pages;
mod record;
mod tenants;
mod threads;
mod watch;
