//! Captures as ports: a file that is received from, a file that is sent to.
//!
//! Owns the classic capture format, both byte orders and both time resolutions on reading. Packets
//! of a capture come as fast as they are asked for; times are written as the caller gives them.
//!
//! *Invariants*: a damaged file ends the reception and is told by [`PcapRx::error`]; it never
//! yields half a packet. Packets longer than a frame may be are counted and skipped.
//! *Standards*: draft-ietf-opsawg-pcap-07 (PCAP Capture File Format), link type 1 (Ethernet).

use crate::base::time::Instant;
use crate::packet::buf::FRAME_OCTETS_MAX;
use crate::packet::{Burst, PacketAlloc, PacketBuf, PortRx, PortTx};
use std::io::{self, Read, Write};

/// Magic numbers: times in microseconds and in nanoseconds.
const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOS: u32 = 0xa1b2_3c4d;

/// Octets of the file header and of a record header.
const FILE_HEADER_OCTETS: usize = 24;
const RECORD_HEADER_OCTETS: usize = 16;

/// Link type of Ethernet.
const LINKTYPE_ETHERNET: u32 = 1;

/// Longest record believed in; more means that the file is damaged.
const RECORD_OCTETS_MAX: u32 = 262_144;

/// Why a capture cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PcapError {
    /// The file cannot be read, or ends within a packet.
    #[error("the capture cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Not the classic format.
    #[error("this is no classic capture (magic {0:#010x}); convert with `editcap -F pcap`")]
    Magic(u32),
    /// Not Ethernet.
    #[error("the capture has link type {0}, Ethernet (1) is wanted")]
    LinkType(u32),
    /// A record longer than any packet.
    #[error("a record of {0} octets: the capture is damaged")]
    Record(u32),
}

/// A capture that is received from.
pub struct PcapRx<R, A> {
    source: R,
    alloc: A,
    is_swapped: bool,
    is_at_end: bool,
    error: Option<PcapError>,
    skipped_count: u64,
    record: Vec<u8>,
}

impl<R: Read, A> PcapRx<R, A> {
    /// Reads the file header; buffers come from `alloc`.
    pub fn open(mut source: R, alloc: A) -> Result<Self, PcapError> {
        let mut header = [0; FILE_HEADER_OCTETS];
        source.read_exact(&mut header)?;
        let magic = word(&header, 0, false);
        let is_swapped = match magic {
            MAGIC_MICROS | MAGIC_NANOS => false,
            _ if [MAGIC_MICROS, MAGIC_NANOS].contains(&magic.swap_bytes()) => true,
            other => return Err(PcapError::Magic(other)),
        };
        // The upper bits tell of a frame check sequence.
        match word(&header, 20, is_swapped) & 0x0fff_ffff {
            LINKTYPE_ETHERNET => {}
            other => return Err(PcapError::LinkType(other)),
        }
        let (is_at_end, error, skipped_count) = (false, None, 0);
        Ok(Self { source, alloc, is_swapped, is_at_end, error, skipped_count, record: Vec::new() })
    }

    /// Whether the last packet was received.
    pub const fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Why the reception ended early.
    pub const fn error(&self) -> Option<&PcapError> {
        self.error.as_ref()
    }

    /// Packets that were longer than a frame may be, or found no buffer.
    pub const fn skipped_count(&self) -> u64 {
        self.skipped_count
    }

    /// Reads the next record into `record`; says whether there was one.
    fn read_record(&mut self) -> Result<bool, PcapError> {
        let mut header = [0; RECORD_HEADER_OCTETS];
        // The end of the file is an end only before the first octet of a record.
        let first = loop {
            match self.source.read(&mut header[..1]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if first == 0 {
            return Ok(false);
        }
        self.source.read_exact(&mut header[1..])?;
        let length = word(&header, 8, self.is_swapped);
        if length > RECORD_OCTETS_MAX {
            return Err(PcapError::Record(length));
        }
        self.record.resize(usize::try_from(length).unwrap_or_default(), 0);
        self.source.read_exact(&mut self.record)?;
        Ok(true)
    }
}

impl<B: PacketBuf, R: Read + Send, A: PacketAlloc<B>> PortRx<B> for PcapRx<R, A> {
    fn receive(&mut self, burst: &mut Burst<B>) -> usize {
        let before = burst.len();
        while burst.room() > 0 && !self.is_at_end {
            match self.read_record() {
                Ok(true) => {}
                end => {
                    self.is_at_end = true;
                    self.error = end.err();
                    break;
                }
            }
            if self.record.len() > usize::from(FRAME_OCTETS_MAX) {
                self.skipped_count += 1;
                continue;
            }
            let Some(mut packet) = self.alloc.alloc() else {
                self.skipped_count += 1;
                continue;
            };
            match packet.append(&self.record) {
                Ok(()) => burst.extend([packet]),
                Err(_) => self.skipped_count += 1,
            }
        }
        burst.len() - before
    }
}

/// A capture that is sent to.
pub struct PcapTx<W: Write> {
    sink: W,
    now: Instant,
    error: Option<io::Error>,
    record: Vec<u8>,
}

impl<W: Write> PcapTx<W> {
    /// Writes the file header; times are in nanoseconds.
    pub fn create(mut sink: W) -> io::Result<Self> {
        let mut header = Vec::with_capacity(FILE_HEADER_OCTETS);
        header.extend_from_slice(&MAGIC_NANOS.to_ne_bytes());
        header.extend_from_slice(&2_u16.to_ne_bytes());
        header.extend_from_slice(&4_u16.to_ne_bytes());
        header.extend_from_slice(&[0; 8]);
        header.extend_from_slice(&RECORD_OCTETS_MAX.to_ne_bytes());
        header.extend_from_slice(&LINKTYPE_ETHERNET.to_ne_bytes());
        sink.write_all(&header)?;
        Ok(Self { sink, now: Instant::ZERO, error: None, record: Vec::new() })
    }

    /// The time that the following packets get.
    pub const fn set_time(&mut self, now: Instant) {
        self.now = now;
    }

    /// Why nothing is taken any more.
    pub const fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    /// Writes one frame.
    pub fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        self.record.clear();
        self.record.extend_from_slice(frame);
        self.write_record()
    }

    /// Writes `self.record`.
    fn write_record(&mut self) -> io::Result<()> {
        let nanos = self.now.as_nanos();
        let clamp = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let length = u32::try_from(self.record.len()).unwrap_or(u32::MAX);
        let words = [clamp(nanos / 1_000_000_000), clamp(nanos % 1_000_000_000), length, length];
        for number in words {
            self.sink.write_all(&number.to_ne_bytes())?;
        }
        self.sink.write_all(&self.record)
    }

    /// Ends the capture and gives the file back.
    pub fn finish(mut self) -> io::Result<W> {
        self.sink.flush()?;
        self.error.map_or(Ok(self.sink), Err)
    }
}

impl<B: PacketBuf, W: Write + Send> PortTx<B> for PcapTx<W> {
    fn send(&mut self, burst: &mut Burst<B>) -> usize {
        let mut count = 0;
        while self.error.is_none() {
            let Some(packet) = burst.iter().next() else { break };
            self.record.clear();
            packet.copy_to(&mut self.record);
            match self.write_record() {
                Ok(()) => {
                    burst.take_front(1, drop);
                    count += 1;
                }
                Err(error) => self.error = Some(error),
            }
        }
        count
    }
}

/// The 32-bit number at `offset`, in this machine's byte order or the other one.
fn word(header: &[u8], offset: usize, is_swapped: bool) -> u32 {
    let octets = header.get(offset..offset + 4).and_then(|octets| octets.try_into().ok());
    let number = u32::from_ne_bytes(octets.unwrap_or_default());
    if is_swapped { number.swap_bytes() } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::HeapBuf;

    struct HeapAlloc;

    impl PacketAlloc<HeapBuf> for HeapAlloc {
        fn alloc(&mut self) -> Option<HeapBuf> {
            Some(HeapBuf::new(&[]))
        }
    }

    fn captured(frames: &[&[u8]]) -> Vec<u8> {
        let mut port = PcapTx::create(Vec::new()).unwrap();
        let mut burst = Burst::new();
        burst.extend(frames.iter().map(|frame| HeapBuf::new(frame)));
        port.set_time(Instant::from_millis(1500));
        assert_eq!(port.send(&mut burst), frames.len());
        port.finish().unwrap()
    }

    fn received(file: &[u8]) -> (Vec<Vec<u8>>, PcapRx<&[u8], HeapAlloc>) {
        let mut port = PcapRx::open(file, HeapAlloc).unwrap();
        let mut burst = Burst::new();
        PortRx::<HeapBuf>::receive(&mut port, &mut burst);
        (burst.drain().map(|packet| packet.data().to_vec()).collect(), port)
    }

    #[test]
    fn what_was_sent_is_received() {
        let jumbo = [7; 9014];
        let file = captured(&[b"first", &jumbo]);
        let (frames, port) = received(&file);
        assert_eq!(frames, [b"first".to_vec(), jumbo.to_vec()]);
        assert!(port.is_at_end() && port.error().is_none());
    }

    #[test]
    fn the_other_byte_order_is_read_too() {
        let mut file = Vec::new();
        let other = |number: u32| number.swap_bytes().to_ne_bytes();
        file.extend(other(MAGIC_MICROS));
        file.extend([0; 16]);
        file.extend(other(LINKTYPE_ETHERNET));
        file.extend([0; 8]);
        file.extend(other(2));
        file.extend(other(2));
        file.extend(b"ok");
        assert_eq!(received(&file).0, [b"ok".to_vec()]);
    }

    #[test]
    fn a_cut_file_yields_whole_packets_and_says_why_it_ended() {
        let file = captured(&[b"first", b"second"]);
        let (frames, port) = received(&file[..file.len() - 1]);
        assert_eq!(frames, [b"first".to_vec()]);
        assert!(matches!(port.error(), Some(PcapError::Io(_))));
    }

    #[test]
    fn an_absurd_record_ends_the_reception() {
        let mut file = captured(&[]);
        file.extend([0xff; 16]);
        let (frames, port) = received(&file);
        assert!(frames.is_empty());
        assert!(matches!(port.error(), Some(PcapError::Record(u32::MAX))));
    }

    #[test]
    fn what_is_no_ethernet_capture_is_refused() {
        assert!(matches!(PcapRx::open(&[1; 24][..], HeapAlloc), Err(PcapError::Magic(_))));
        let mut file = captured(&[]);
        file[20] = 101;
        assert!(matches!(PcapRx::open(&*file, HeapAlloc), Err(PcapError::LinkType(101))));
    }
}
