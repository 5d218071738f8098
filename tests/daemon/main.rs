//! The threads of a router, over buffers and ports in memory.

mod bench;
mod config;
mod feeds;
mod pages;
mod record;
mod threads;
mod watch;
