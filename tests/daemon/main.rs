//! The threads of a router, over buffers and ports in memory.

mod threads;
