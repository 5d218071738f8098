//! An mbuf behaves as [`HeapBuf`] does, chains included, and every segment returns to the pool.

use super::*;
use crate::dpdk::{Eal, EalOptions, EalThread, MbufAlloc, Mempool};
use crate::packet::{HeapBuf, PacketAlloc};
use proptest::prelude::*;
use std::sync::Mutex;

/// Starts EAL on the first call, takes no other test's buffers into account.
fn with_pool(claim: impl FnOnce(&mut MbufAlloc) + Send) {
    static STARTED: Mutex<Option<(Eal, Mempool)>> = Mutex::new(None);
    let mut started = STARTED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (eal, pool) = started.get_or_insert_with(|| {
        let options =
            EalOptions { hugepages: Some(false), memory_mib: 32, ..EalOptions::default() };
        let eal = Eal::init(&options).unwrap();
        let pool = Mempool::create(&eal, "unit", 1024, 9000).unwrap();
        (eal, pool)
    });
    let before = pool.in_use_count();
    // The thread that started EAL is the main lcore; on a thread of its own every claim is alike.
    let outcome = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let thread = EalThread::register(eal).unwrap();
            claim(&mut MbufAlloc::new(*pool, &thread));
        });
        worker.join()
    });
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
    assert_eq!(pool.in_use_count(), before, "buffers were lost");
}

fn segment(alloc: &mut MbufAlloc, data: &[u8]) -> Mbuf {
    let mut packet = alloc.alloc().unwrap();
    packet.append(data).unwrap();
    packet
}

/// A packet of several segments, as memif makes them.
fn chain(alloc: &mut MbufAlloc, parts: &[&[u8]]) -> Mbuf {
    let mut whole = segment(alloc, parts[0]);
    for part in &parts[1..] {
        let next = segment(alloc, part);
        let length = next.len();
        whole.last_mut().next = next.into_raw();
        whole.fields_mut().nb_segs += 1;
        whole.fields_mut().pkt_len += length;
    }
    whole
}

fn octets(packet: &Mbuf) -> Vec<u8> {
    let mut out = Vec::new();
    packet.copy_to(&mut out);
    assert_eq!(out.len(), packet.len() as usize, "pkt_len is the sum of the segments");
    assert_eq!(packet.segments().count(), usize::from(packet.fields().nb_segs));
    out
}

#[test]
fn a_fresh_buffer_has_the_headroom_that_encapsulation_needs() {
    with_pool(|alloc| {
        let packet = alloc.alloc().unwrap();
        assert!(packet.headroom() >= crate::packet::buf::HEADROOM_OCTETS);
        assert!(packet.is_empty());
    });
}

#[test]
fn pull_up_makes_one_segment_and_frees_the_emptied_ones() {
    with_pool(|alloc| {
        let mut packet = chain(alloc, &[b"abc", b"defg", b"hi"]);
        packet.pull_up(5).unwrap();
        assert_eq!(packet.data(), b"abcde");
        packet.pull_up(9).unwrap();
        assert_eq!((packet.data(), packet.fields().nb_segs), (&b"abcdefghi"[..], 1));
        assert_eq!(packet.pull_up(10), Err(TooShort { wanted: 10, length: 9 }));
    });
}

#[test]
fn pull_up_uses_the_headroom_when_the_tail_is_full() {
    with_pool(|alloc| {
        let room = alloc.alloc().map(|packet| Mbuf::tailroom(packet.fields())).unwrap();
        let full = vec![1; usize::from(room)];
        let mut packet = chain(alloc, &[&full, b"tail"]);
        packet.pull_up(room + 4).unwrap();
        assert_eq!((packet.headroom(), packet.fields().nb_segs), (0, 1));
        assert_eq!(octets(&packet), [&full[..], b"tail"].concat());
    });
}

#[test]
fn a_packet_moves_back_to_have_room_in_front() {
    with_pool(|alloc| {
        let mut packet = chain(alloc, &[b"payload"]);
        let before = packet.headroom();
        packet.open_front(before + 72).unwrap();
        assert_eq!((packet.headroom(), packet.data()), (before + 72, &b"payload"[..]));
        assert!(packet.open_front(u16::MAX).is_err());
        assert_eq!(packet.data(), b"payload");
        let mut several = chain(alloc, &[b"pay", b"load"]);
        assert!(several.open_front(several.headroom() + 1).is_err());
    });
}

#[test]
fn truncate_frees_what_is_behind_the_cut() {
    with_pool(|alloc| {
        for length in 0..=9 {
            let mut packet = chain(alloc, &[b"abc", b"defg", b"hi"]);
            packet.truncate(length);
            assert_eq!(octets(&packet), &b"abcdefghi"[..length as usize]);
        }
    });
}

#[test]
fn trim_front_reaches_into_the_next_segment() {
    with_pool(|alloc| {
        let mut packet = chain(alloc, &[b"abc", b"defg"]);
        packet.trim_front(5).unwrap();
        assert_eq!(octets(&packet), b"fg");
        assert!(packet.trim_front(3).is_err());
        assert_eq!(octets(&packet), b"fg");
    });
}

#[test]
fn a_burst_returns_all_its_buffers_at_once() {
    with_pool(|alloc| {
        let mut burst = Burst::new();
        while burst.room() > 0 {
            burst.extend(alloc.alloc());
        }
        Mbuf::release(&mut burst);
        assert!(burst.is_empty());
    });
}

#[derive(Clone, Debug)]
enum Step {
    Prepend(u16),
    TrimFront(u16),
    Append(usize),
    Truncate(u32),
    PullUp(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u16..60).prop_map(Step::Prepend),
        (0_u16..80).prop_map(Step::TrimFront),
        (0_usize..4000).prop_map(Step::Append),
        (0_u32..6000).prop_map(Step::Truncate),
        (0_u16..9000).prop_map(Step::PullUp),
    ]
}

/// Takes the step on either buffer; says whether it succeeded.
fn take<B: PacketBuf>(packet: &mut B, step: &Step) -> bool {
    match step {
        Step::Prepend(count) => packet.prepend(*count).map(|place| place.fill(7)).is_ok(),
        Step::TrimFront(count) => packet.trim_front(*count).is_ok(),
        Step::Append(count) => packet.append(&vec![9; *count]).is_ok(),
        Step::Truncate(length) => {
            packet.truncate(*length);
            true
        }
        Step::PullUp(count) => packet.pull_up(*count).is_ok(),
    }
}

#[test]
fn an_mbuf_takes_the_steps_that_a_heap_buffer_takes() {
    with_pool(|alloc| {
        let steps = prop::collection::vec(step(), 1..30);
        let alloc = Mutex::new(alloc);
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let outcome = runner.run(&steps, |steps| {
            let mut mbuf = alloc.lock().unwrap().alloc().unwrap();
            let mut heap = HeapBuf::new(&[]);
            for step in &steps {
                let (did, would) = (take(&mut mbuf, step), take(&mut heap, step));
                // The rooms differ in size: a step that only one can take ends the comparison.
                if did != would {
                    prop_assert!(matches!(step, Step::Prepend(_) | Step::Append(_)));
                    break;
                }
                prop_assert_eq!(mbuf.data(), heap.data());
                prop_assert_eq!(mbuf.len(), heap.len());
            }
            Ok(())
        });
        outcome.unwrap();
    });
}
