//! The loop over cables in memory, with a clock that only moves when it is asked.

use super::*;
use crate::traffic::mix::Mix;
use crate::traffic::stream::{Destinations, Payload};
use kumiki::packet::HeapBuf;
use kumiki::ports::memory::{MemoryRx, MemoryTx, cable};

/// A microsecond passes whenever somebody looks.
struct StepClock(u64);

impl Clock for StepClock {
    fn ticks(&mut self) -> u64 {
        self.0 += 1000;
        self.0
    }

    fn hertz(&self) -> u64 {
        1_000_000_000
    }
}

struct HeapAlloc;

impl PacketAlloc<HeapBuf> for HeapAlloc {
    fn alloc(&mut self) -> Option<HeapBuf> {
        Some(HeapBuf::new(&[]))
    }
}

/// What a device does to the frames that pass it, by their number.
type Deed = fn(u64) -> Fate;

enum Fate {
    Pass,
    Lose,
    Double,
    Swap,
}

/// A device between the two ends.
struct Device {
    from: MemoryRx<HeapBuf>,
    deed: Deed,
    number: u64,
    held: Option<HeapBuf>,
}

impl PortRx<HeapBuf> for Device {
    fn receive(&mut self, burst: &mut Burst<HeapBuf>) -> usize {
        let mut arrived = Burst::new();
        self.from.receive(&mut arrived);
        let before = burst.len();
        // A double takes a place more.
        let mut room = burst.room();
        for packet in arrived.drain() {
            let fate = (self.deed)(self.number);
            self.number += 1;
            let copy = HeapBuf::new(packet.data());
            let out = match fate {
                Fate::Pass => vec![packet].into_iter().chain(self.held.take()).collect(),
                Fate::Lose => Vec::new(),
                Fate::Double => vec![packet, copy],
                Fate::Swap => {
                    self.held = Some(packet);
                    Vec::new()
                }
            };
            for packet in out {
                assert!(room > 0, "the burst is full");
                room -= 1;
                burst.extend([packet]);
            }
        }
        burst.len() - before
    }
}

fn end(rx: impl PortRx<HeapBuf> + 'static, tx: MemoryTx<HeapBuf>) -> End<HeapBuf> {
    let mac = MacAddress([2, 0, 0, 0, 0, 1]);
    End { rx: Box::new(rx), tx: Box::new(tx), mac, addresses: vec!["fd00::1".parse().unwrap()] }
}

fn engine(deed: Deed) -> Engine<HeapBuf, StepClock> {
    let (left, right) = cable(64);
    let device = Device { from: right.rx, deed, number: 0, held: None };
    let ends = vec![end(left.rx, left.tx), end(device, right.tx)];
    Engine::new(ends, Box::new(HeapAlloc), StepClock(0))
}

fn traffic(mix: &str, streams: u16) -> Traffic {
    Traffic {
        payload: Payload::Udp,
        mix: mix.parse().unwrap(),
        source: "2001:db8::1".parse().unwrap(),
        destinations: Destinations::within("", &["2001:db8:1::/48".parse().unwrap()], 16),
        streams,
        source_mac: MacAddress([2, 0, 0, 0, 0, 1]),
        next_hop_mac: MacAddress([2, 0, 0, 0, 0, 2]),
        hop_limit: 64,
    }
}

fn run(deed: Deed, mix: &str, streams: u16, plan: Plan) -> Outcome {
    engine(deed).run(&traffic(mix, streams), plan, &mut |_| {})
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_rate_is_kept_and_everything_arrives() {
    let outcome = run(|_| Fate::Pass, "imix", 3, Plan::timed(Some(12_000.0), SECOND));
    let ledger = &outcome.ledger;
    assert!(ledger.sent.abs_diff(12_000) <= 1, "{}", ledger.sent);
    assert_eq!((ledger.lost(), ledger.reordered, ledger.doubles), (0, 0, 0));
    let octets: u64 = 12_000 / 12 * (7 * 64 + 4 * 570 + 1518);
    assert!(ledger.sent_octets.abs_diff(octets) < 2 * 1518, "{}", ledger.sent_octets);
    assert_eq!(ledger.sent_octets, ledger.received_octets);
    assert!(ledger.latency_us(50.0) > 0.0);
    let sent: u64 = ledger.steps.iter().map(|step| step.sent).sum();
    assert_eq!((sent, ledger.steps.len()), (ledger.sent, 20));
}

#[test]
fn what_a_device_does_is_told() {
    let plan = Plan::timed(Some(10_000.0), SECOND);
    let lossy =
        run(|number| if number % 10 == 3 { Fate::Lose } else { Fate::Pass }, "128", 1, plan);
    assert!((lossy.ledger.loss_ratio() - 0.1).abs() < 0.001);
    assert_eq!(lossy.ledger.reordered, 0);
    let double =
        run(|number| if number % 100 == 3 { Fate::Double } else { Fate::Pass }, "128", 1, plan);
    assert_eq!((double.ledger.lost(), double.ledger.doubles), (0, 100));
    let swapped =
        run(|number| if number % 100 == 3 { Fate::Swap } else { Fate::Pass }, "64", 1, plan);
    assert_eq!((swapped.ledger.lost(), swapped.ledger.reordered), (0, 100));
}

#[test]
fn a_device_that_takes_nothing_makes_no_loss() {
    let (left, right) = cable(64);
    let ends = vec![end(left.rx, left.tx)];
    let mut engine = Engine::new(ends, Box::new(HeapAlloc), StepClock(0));
    let outcome = engine.run(&traffic("64", 1), Plan::timed(None, SECOND / 10), &mut |_| {});
    assert_eq!((outcome.ledger.sent, outcome.ledger.lost()), (64, 64));
    assert!(outcome.unsent > 0);
    drop(right);
}

#[test]
fn a_trial_ends_after_so_many_frames() {
    let plan = Plan { packets_per_second: None, duration: SECOND, packets_max: 1000 };
    let outcome = run(|_| Fate::Pass, "64", 1, plan);
    assert_eq!((outcome.ledger.sent, outcome.ledger.lost()), (1000, 0));
}

#[test]
fn an_end_answers_for_its_address_and_learns_that_of_others() {
    let (left, right) = cable(64);
    let mut near = end(left.rx, left.tx);
    near.addresses = vec!["fd00::a".parse().unwrap()];
    let mut far = end(right.rx, right.tx);
    far.mac = MacAddress([2, 0, 0, 0, 0, 9]);
    let mut engine = Engine::new(vec![near, far], Box::new(HeapAlloc), StepClock(0));
    assert_eq!(engine.resolve("fd00::1".parse().unwrap()), Some(MacAddress([2, 0, 0, 0, 0, 9])));
    assert_eq!(engine.resolve("fd00::77".parse().unwrap()), None);
}

#[test]
fn mixtures_are_sent_as_they_are_described() {
    assert_eq!(Mix::of(64).cycle(), [64]);
    let outcome = run(|_| Fate::Pass, "64:1,9018:1", 1, Plan::timed(Some(1000.0), SECOND));
    assert_eq!(outcome.ledger.lost(), 0);
}
