//! The loop of the generator: what is due is sent, what came is booked.
//!
//! Owns [`Engine`]: one thread, one or two ends, one trial at a time. Sending and receiving take
//! turns, so that no clock need be compared with another.
//!
//! *Invariants*: a frame that a device did not take is kept and offered again; it counts as sent
//! when it was taken. Everything in flight at the end of a trial has [`DRAIN_MS`] to arrive.

use crate::traffic::frame::{Stamp, Template, recognise};
use crate::traffic::ledger::Ledger;
use crate::traffic::mix::FCS_OCTETS;
use crate::traffic::neighbour::{Heard, hear, solicitation};
use crate::traffic::pacer::Pacer;
use crate::traffic::stream::Traffic;
use kumiki::base::ids::MacAddress;
use kumiki::packet::{Burst, PacketAlloc, PacketBuf, PortRx, PortTx};
use std::net::Ipv6Addr;
use std::time::Duration;

/// Frames of a burst.
const BURST: usize = 32;
/// Silence after which nothing more is waited for, in milliseconds.
pub const DRAIN_MS: u64 = 200;
/// The end of a trial takes no longer than this, in milliseconds.
const DRAIN_MS_MAX: u64 = 3_000;
/// Receptions in a row from one end.
const RECEPTIONS: usize = 4;
/// Between two solicitations, and how many there are.
const ASK_MS: u64 = 200;
const ASK_COUNT: u32 = 25;

/// What time is measured with.
pub trait Clock {
    /// Ticks since some moment.
    fn ticks(&mut self) -> u64;
    /// Ticks of a second.
    fn hertz(&self) -> u64;
}

/// A port as the generator has it.
pub struct End<B> {
    /// Where frames come from.
    pub rx: Box<dyn PortRx<B>>,
    /// Where frames go to.
    pub tx: Box<dyn PortTx<B>>,
    /// Its MAC address.
    pub mac: MacAddress,
    /// Addresses for which it answers.
    pub addresses: Vec<Ipv6Addr>,
}

/// What one trial does.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Packets a second; `None` for as many as go.
    pub packets_per_second: Option<f64>,
    /// How long frames are sent.
    pub duration: Duration,
    /// Frames after which sending ends before the time is up.
    pub packets_max: u64,
}

impl Plan {
    /// A rate for a time.
    pub const fn timed(packets_per_second: Option<f64>, duration: Duration) -> Self {
        Self { packets_per_second, duration, packets_max: u64::MAX }
    }
}

/// What became of a trial.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The books.
    pub ledger: Ledger,
    /// How long frames were sent.
    pub seconds: f64,
    /// Frames that were due and not made: the generator or its device was late.
    pub missed: f64,
    /// Times the pool was empty.
    pub no_buffer: u64,
    /// Frames that the device never took.
    pub unsent: u64,
    /// Times the device took less than was offered: frames waited here in place of being lost.
    pub pushed_back: u64,
}

impl Outcome {
    /// Frames sent in a second.
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub fn sent_per_second(&self) -> f64 {
        self.ledger.sent as f64 / self.seconds.max(1e-9)
    }

    /// Frames that arrived, of those sent in a second.
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub fn received_per_second(&self) -> f64 {
        self.ledger.arrived() as f64 / self.seconds.max(1e-9)
    }
}

/// The generator and the sink; the first end sends, all receive.
pub struct Engine<B, C> {
    ends: Vec<End<B>>,
    alloc: Box<dyn PacketAlloc<B>>,
    clock: C,
    epoch: u8,
}

/// What is under way in a trial.
struct Sender<'a> {
    traffic: &'a Traffic,
    templates: Vec<(u16, Template)>,
    /// Place in the cycle of sizes, for each frame the template.
    cycle: Vec<usize>,
    at_size: usize,
    at_destination: usize,
    at_stream: u16,
    sequences: Vec<u32>,
}

impl<'a> Sender<'a> {
    fn new(traffic: &'a Traffic) -> Self {
        let sizes = traffic.mix.sizes();
        let place = |octets: &u16| sizes.iter().position(|size| size == octets).unwrap_or(0);
        let cycle = traffic.mix.cycle().iter().map(place).collect();
        let templates =
            sizes.iter().map(|octets| (*octets, Template::new(traffic, *octets))).collect();
        let sequences = vec![0; usize::from(traffic.streams.max(1))];
        Self { traffic, templates, cycle, at_size: 0, at_destination: 0, at_stream: 0, sequences }
    }

    /// The next frame.
    fn fill<B: PacketBuf>(&mut self, packet: &mut B, epoch: u8, ticks: u64) -> bool {
        let destinations = &self.traffic.destinations.addresses;
        let (Some(place), Some(destination)) =
            (self.cycle.get(self.at_size), destinations.get(self.at_destination))
        else {
            return false;
        };
        let stream = usize::from(self.at_stream);
        let stamp =
            Stamp { epoch, stream: self.at_stream, sequence: self.sequences[stream], ticks };
        if self.templates[*place].1.fill(packet, stamp, destination).is_err() {
            return false;
        }
        self.sequences[stream] = self.sequences[stream].wrapping_add(1);
        let next = |at: usize, count: usize| if at + 1 >= count { 0 } else { at + 1 };
        self.at_size = next(self.at_size, self.cycle.len());
        self.at_destination = next(self.at_destination, destinations.len());
        self.at_stream = if stream + 1 >= self.sequences.len() { 0 } else { self.at_stream + 1 };
        true
    }
}

impl<B: PacketBuf, C: Clock> Engine<B, C> {
    /// Over one end or two.
    pub fn new(ends: Vec<End<B>>, alloc: Box<dyn PacketAlloc<B>>, clock: C) -> Self {
        Self { ends, alloc, clock, epoch: 0 }
    }

    /// One more end.
    pub fn add_end(&mut self, end: End<B>) {
        self.ends.push(end);
    }

    /// The ends.
    pub fn ends(&self) -> &[End<B>] {
        &self.ends
    }

    fn ticks_of_ms(&self, milliseconds: u64) -> u64 {
        self.clock.hertz() / 1000 * milliseconds
    }

    /// Runs a trial; `meanwhile` is told the seconds since its beginning, now and then.
    pub fn run(
        &mut self,
        traffic: &Traffic,
        plan: Plan,
        meanwhile: &mut dyn FnMut(f64),
    ) -> Outcome {
        self.epoch = self.epoch.wrapping_add(1);
        let hertz = self.clock.hertz();
        let begin = self.clock.ticks();
        let mut ledger = Ledger::new(self.epoch, traffic.streams.max(1), begin, hertz);
        let mut pacer = Pacer::new(plan.packets_per_second, hertz, begin);
        let mut sender = Sender::new(traffic);
        let mut pending = Burst::new();
        let end = begin.saturating_add(ticks(plan.duration, hertz));
        let (mut made, mut no_buffer, mut pushed_back, mut round) = (0_u64, 0, 0, 0_u32);
        let mut now = begin;
        while now < end && (made < plan.packets_max || !pending.is_empty()) {
            if pending.is_empty() {
                let left = usize::try_from(plan.packets_max - made).unwrap_or(usize::MAX);
                let due = pacer.due(now, BURST.min(left));
                for _ in 0..due {
                    let Some(mut packet) = self.alloc.alloc() else {
                        no_buffer += 1;
                        break;
                    };
                    let stamp_ticks = self.clock.ticks();
                    if sender.fill(&mut packet, self.epoch, stamp_ticks)
                        && pending.push(packet).is_ok()
                    {
                        made += 1;
                    }
                }
            }
            self.send(&mut pending, &mut ledger, now);
            pushed_back += u64::from(!pending.is_empty());
            self.receive(&mut ledger);
            now = self.clock.ticks();
            round = round.wrapping_add(1);
            if round.is_multiple_of(64) {
                meanwhile(seconds(now - begin, hertz));
            }
        }
        let seconds = seconds(now.saturating_sub(begin), hertz);
        let unsent = pending.len() as u64;
        B::release(&mut pending);
        self.drain(&mut ledger, meanwhile, begin);
        Outcome { ledger, seconds, missed: pacer.missed(), no_buffer, unsent, pushed_back }
    }

    fn send(&mut self, pending: &mut Burst<B>, ledger: &mut Ledger, now: u64) {
        if pending.is_empty() {
            return;
        }
        let Some(first) = self.ends.first_mut() else { return };
        let all: u64 = pending.iter().map(|packet| u64::from(packet.len())).sum();
        let taken = first.tx.send(pending) as u64;
        if taken > 0 {
            let left: u64 = pending.iter().map(|packet| u64::from(packet.len())).sum();
            ledger.note_sent(now, taken, all - left + taken * u64::from(FCS_OCTETS));
        }
    }

    /// Takes what is there; says how many frames were of ours.
    fn receive(&mut self, ledger: &mut Ledger) -> usize {
        let mut count = 0;
        for at in 0..self.ends.len() {
            for _ in 0..RECEPTIONS {
                let mut burst = Burst::new();
                if self.ends[at].rx.receive(&mut burst) == 0 {
                    break;
                }
                let now = self.clock.ticks();
                for packet in burst.iter() {
                    if let Some(stamp) = recognise(packet.data()) {
                        ledger.note_received(now, stamp, packet.len());
                        count += 1;
                    } else {
                        ledger.foreign += 1;
                        self.answer(at, packet.data());
                    }
                }
                B::release(&mut burst);
            }
        }
        count
    }

    /// Answers where the frame asks for an address of this end; gives what it tells.
    fn answer(&mut self, at: usize, frame: &[u8]) -> Option<(Ipv6Addr, MacAddress)> {
        let end = &self.ends[at];
        match hear(frame, end.mac, &end.addresses)? {
            Heard::Asked(answer) => {
                self.send_frame(at, &answer);
                None
            }
            Heard::Told { address, mac } => Some((address, mac)),
        }
    }

    fn send_frame(&mut self, at: usize, octets: &[u8]) {
        let Some(mut packet) = self.alloc.alloc() else { return };
        if packet.append(octets).is_ok() {
            let mut burst = Burst::new();
            burst.extend([packet]);
            self.ends[at].tx.send(&mut burst);
            B::release(&mut burst);
        }
    }

    fn drain(&mut self, ledger: &mut Ledger, meanwhile: &mut dyn FnMut(f64), begin: u64) {
        let hertz = self.clock.hertz();
        let start = self.clock.ticks();
        let (silence, most) = (self.ticks_of_ms(DRAIN_MS), self.ticks_of_ms(DRAIN_MS_MAX));
        let (mut last, mut now) = (start, start);
        while now - last < silence && now - start < most && ledger.lost() > 0 {
            if self.receive(ledger) > 0 {
                last = now;
            }
            now = self.clock.ticks();
            meanwhile(seconds(now - begin, hertz));
        }
    }

    /// Asks through the first end who has `target`; `None` where nobody answers.
    pub fn resolve(&mut self, target: Ipv6Addr) -> Option<MacAddress> {
        let (mac, own) = {
            let first = self.ends.first()?;
            (first.mac, first.addresses.first().copied().unwrap_or(first.mac.link_local()))
        };
        let question = solicitation(mac, own, target);
        for _ in 0..ASK_COUNT {
            self.send_frame(0, &question);
            let until = self.clock.ticks() + self.ticks_of_ms(ASK_MS);
            while self.clock.ticks() < until {
                for at in 0..self.ends.len() {
                    let mut burst = Burst::new();
                    self.ends[at].rx.receive(&mut burst);
                    let told: Vec<_> =
                        burst.iter().filter_map(|packet| self.answer(at, packet.data())).collect();
                    B::release(&mut burst);
                    if let Some((_, mac)) = told.into_iter().find(|(who, _)| *who == target) {
                        return Some(mac);
                    }
                }
            }
        }
        None
    }
}

fn ticks(duration: Duration, hertz: u64) -> u64 {
    let ticks = duration.as_nanos() * u128::from(hertz) / 1_000_000_000;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "times of a trial")]
fn seconds(ticks: u64, hertz: u64) -> f64 {
    ticks as f64 / hertz as f64
}

#[cfg(test)]
mod tests;
