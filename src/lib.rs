//! Kumiki: a router that replaces the switch.
//!
//! Servers are cabled directly to each other, in a ring or anything denser, and on each of them
//! this program forwards for its neighbours. This text is the map; every folder has a chapter of
//! its own in its `mod.rs`.
//!
//! # The two halves
//!
//! The **pure half** decides. It has no clock, no socket, no thread and no hash map: time, bytes
//! and seeds come in as arguments, packets and changes go out as values, and the same inputs give
//! the same run, bit for bit. [`wire`] turns bytes into values that cannot be wrong and back.
//! [`proto`] has one machine for each protocol, none of which knows another. [`rib`] holds all
//! routes that anybody announced, chooses, and compiles the chosen ones. [`control`] owns all of
//! these as one value. [`config`] reads the operator's file, [`api`] says what can be asked of a
//! router, [`planner`] computes with topologies, and [`sim`] runs many control planes against each
//! other in a world of its own. [`filter`] says which frames somebody wants to see.
//!
//! The **other half** carries. [`fib`] is all that a worker reads: prefixes, next hops, ports, in
//! one immutable snapshot. [`packet`] has the buffers, [`dataplane`] the nodes a packet passes and
//! the loop around them, [`ports`] the devices as queues, `dpdk` the owners of what DPDK gives out,
//! [`os`] the few system calls that `std` lacks. [`daemon`] has the threads, the clock, the sockets
//! and the signals. [`telemetry`] and [`web`] show, [`cli`] asks and prints, [`lab`] makes a whole
//! cluster in network namespaces. [`base`] are the words that all of them use.
//!
//! # Who may use whom
//!
//! Arrows point down only. The two halves meet in one place: a `Forwarding` snapshot flows down
//! from [`control`], punted frames flow up to it. `tests/house.rs` reads this table and refuses
//! everything else; a new arrow is added here first, with its reason in the commit.
//!
//! ```text
//! base -> std
//! wire, fib, packet, config, os -> base
//! rib -> fib, base
//! filter -> wire, base
//! dataplane, daemon, sim, cli -> filter     (one parser at both ends of the socket)
//! planner, api -> config, base
//! proto -> wire, base                      (one protocol never uses another)
//! control -> proto, rib, fib, config, api, wire, base
//! dataplane -> proto, packet, fib, wire, base   (sessions of BFD run on the workers)
//! dpdk -> packet, base, dpdk_sys
//! ports -> packet, dpdk, os, base
//! telemetry -> control, dataplane, ports, base
//! daemon -> control, dataplane, ports, dpdk, os, telemetry, fib, packet, config, api, base
//! sim -> control, dataplane, planner, config, api, fib, packet, wire, base
//! sim -> proto                             (a fuzzer drives one machine without its owner)
//! cli -> api, config, planner, sim, base
//! cli -> wire                              (a table of BGP in a file is octets of a format)
//! lab -> api, config, planner, os, base
//! web -> api, base                         (it talks to the daemon through its socket)
//! main -> cli, daemon, lab, web
//! ```
//!
//! # Threads
//!
//! | thread | owns | never does |
//! |---|---|---|
//! | worker, one a configured core | its queues, counters, snapshot reader | lock, allocate |
//! | control | the [`control::ControlPlane`], the publisher of snapshots | block |
//! | host I/O | TUN device, sockets, signals | touch protocol state but by message |
//!
//! A worker runs to completion and sleeps when nothing arrives. What the threads say to each other
//! goes through bounded rings; a full ring is counted, never waited for.
//!
//! # The way of a packet
//!
//! A burst of up to 64 frames comes from a [`packet::PortRx`]. `ethernet-input` takes off Ethernet
//! and VLAN, `ipv6-input` checks the header (RFC 8200), `ipv6-lookup` asks the [`fib::Fib`] for the
//! whole burst at once, `ipv6-rewrite` takes a next hop from the group by the hash of the flow,
//! lowers the hop limit, compares the MTU and writes the Ethernet header, and `port-output` sends.
//! What is for the router itself turns off at `ipv6-local`: echo requests are answered in place,
//! everything else is punted to the control thread or to the kernel. What cannot go on becomes an
//! ICMPv6 error or a [`dataplane::DropReason`], and is counted either way:
//! received + injected + copied + generated + originated = sent + punted + captured + dropped +
//! absorbed, where copies are those that [`dataplane::tap`] and flooding make, and BFD sessions
//! originate and absorb. `docs/graph.md` has the whole graph.
//!
//! Frames of a tenant turn off at `ethernet-input` where their port, or their VLAN of it, belongs
//! to a [`fib::Overlay`], and at `ipv6-input` where they come in L2TPv3 for this router.
//! `bridge-input` learns where they come from ([`dataplane::mac_table`]), `bridge-forward` and
//! `bridge-flood` send them to other members of their domain, by a port or, through `l2tpv3-encap`,
//! as an outer packet that is looked up like any other.
//!
//! # The way of a route
//!
//! A punted OSPF packet is parsed by [`wire`] and handled by the machine in [`proto`], whose
//! shortest paths become [`base::route`] updates. The [`rib::Rib`] keeps every candidate with its
//! source, selects one for each prefix, resolves its gateways to neighbours, and compiles a
//! [`fib::Forwarding`] that shares all that did not change with the one before. The publisher in
//! [`base::rcu`] swaps one pointer; a worker sees the new world with its next burst, and the old
//! one is freed by the control thread when no worker can read it any more.
//!
//! A lost cable does not wait for this. Each next hop has one atomic byte that says whether it is
//! alive, so that every prefix behind it moves to its other next hops at once. The BFD session of a
//! port, which a worker runs, writes it as well as the control thread.
//!
//! # Where to begin
//!
//! Read [`base::machine`] (the shape of every protocol), [`control`] (the border of the pure half),
//! [`fib::forwarding`] and [`dataplane::graph`]. Then pick a protocol: its files are named by the
//! chapters of its RFC.

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
pub mod filter;
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
