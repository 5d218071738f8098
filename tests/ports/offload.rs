//! What is asked of devices, and that one without it is a port all the same.

use crate::{Bench, close, inside, options};
use kumiki::dpdk::Grant;
use kumiki::ports::DeviceSpec;
use kumiki::ports::dpdk::{OpenOptions, open};

/// The grant of a device that is opened for `workers` workers of a router with one pool.
fn grant(bench: &Bench, spec: &DeviceSpec, workers: u16, paged_buffers: u32) -> Grant {
    let options =
        OpenOptions { workers, descriptors: 64, has_vlan: true, paged_buffers, ..options() };
    let port = open(&bench.eal, spec, &options, bench.pool).unwrap();
    let grant = port.grant;
    assert_eq!(usize::from(grant.queues), port.queues.len());
    println!("{}: {grant:?}", port.driver);
    close(port);
    grant
}

#[test]
fn flows_are_spread_where_a_device_can_and_has_several_queues() {
    inside("offload::flows_are_spread_where_a_device_can_and_has_several_queues", || {
        let bench = Bench::new();
        let null = DeviceSpec::Vdev("net_null0".into());
        let two = grant(&bench, &null, 2, 0);
        // In 22.11 it does not say how long a key may be, and gets none.
        assert_eq!((two.queues, two.spreads_flows), (2, true));
        let one = grant(&bench, &null, 1, 0);
        assert_eq!((one.queues, one.spreads_flows), (1, false));
    });
}

#[test]
fn buffers_are_freed_without_a_look_only_where_there_is_one_pool() {
    inside("offload::buffers_are_freed_without_a_look_only_where_there_is_one_pool", || {
        let bench = Bench::new();
        let null = DeviceSpec::Vdev("net_null0".into());
        let alone = grant(&bench, &null, 1, 0);
        let beside = grant(&bench, &null, 1, 8192);
        println!("alone: {}, beside another pool: {}", alone.frees_fast, beside.frees_fast);
        assert!(!beside.frees_fast);
    });
}

#[test]
fn a_device_with_fewer_queues_than_workers_opens_with_what_it_has() {
    inside("offload::a_device_with_fewer_queues_than_workers_opens_with_what_it_has", || {
        let bench = Bench::new();
        let tap = DeviceSpec::Tap("kumitap0".into());
        assert_eq!(grant(&bench, &tap, 17, 0).queues, 4);
    });
}

/// The hash of NICs, over an input of whole 32-bit words (Microsoft, "RSS hashing types").
fn toeplitz(key: &[u8], input: &[u8]) -> u32 {
    let bit = |octets: &[u8], place: usize| octets[place / 8] >> (7 - place % 8) & 1 == 1;
    let window = |place: usize| {
        (place..place + 32).fold(0_u32, |word, place| word << 1 | u32::from(bit(key, place)))
    };
    let places = (0..input.len() * 8).filter(|place| bit(input, *place));
    places.fold(0, |hash, place| hash ^ window(place))
}

#[test]
fn the_key_gives_both_directions_one_hash() {
    let key: Vec<u8> = [0x6d, 0x5a].into_iter().cycle().take(40).collect();
    let (here, there) = ([[1_u8; 16], [9; 16]], [[0x20_u8, 7], [0xc3, 0x50]]);
    let input = |first: usize| {
        let last = 1 - first;
        [&here[first][..], &here[last], &there[first], &there[last]].concat()
    };
    assert_eq!(toeplitz(&key, &input(0)), toeplitz(&key, &input(1)));
    let mut other = input(0);
    other[33] ^= 1;
    assert_ne!(toeplitz(&key, &input(0)), toeplitz(&key, &other), "ports count");
}
