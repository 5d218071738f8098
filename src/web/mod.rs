//! The gateway: a process of its own that shows a router to a browser and to collectors.
//!
//! Absent on purpose: any way to a router but its control socket.
// Gap: the gateway itself; `kumiki show --json` and `kumiki monitor --json` are there for programs.
#![forbid(unsafe_code)]
