//! Octets of a client on their way to lines.
//!
//! Owns [`Lines`]: what has come and is not taken yet, and the end of a line that is too long.
//!
//! *Invariants*: holds at most the longest line and what came with its end; of a line that is
//! longer nothing is kept, and its end is reported in its place. Every octet is looked at once.

/// The end of what has come.
const NEWLINE: u8 = b'\n';

/// What was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A line, without its end.
    Whole(Vec<u8>),
    /// A line longer than the limit has ended.
    TooLong,
}

/// What can be taken next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Front {
    /// Nothing: the end of the line has not come.
    #[default]
    Open,
    /// The line up to here.
    Whole(usize),
    /// A line of which nothing was kept.
    TooLong,
}

/// The input of one client.
#[derive(Debug)]
pub struct Lines {
    octets: Vec<u8>,
    /// Where the first line begins; what stands before was taken.
    start: usize,
    /// No line ends between `start` and here.
    searched: usize,
    front: Front,
    /// The line is too long already.
    is_skipping: bool,
    limit: usize,
}

impl Lines {
    /// Takes lines of up to `limit` octets.
    pub fn new(limit: usize) -> Self {
        let (octets, front) = (Vec::new(), Front::Open);
        Self { octets, start: 0, searched: 0, front, is_skipping: false, limit }
    }

    /// Whether [`Self::take`] yields something.
    pub fn has_line(&self) -> bool {
        self.front != Front::Open
    }

    /// Octets kept.
    pub fn len(&self) -> usize {
        self.octets.len() - self.start
    }

    /// Whether nothing is kept and nothing can be taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && !self.has_line()
    }

    /// More has come.
    pub fn push(&mut self, mut more: &[u8]) {
        if self.is_skipping {
            let Some(end) = more.iter().position(|octet| *octet == NEWLINE) else { return };
            more = more.get(end + 1..).unwrap_or(&[]);
            self.is_skipping = false;
            self.front = Front::TooLong;
        }
        self.octets.extend_from_slice(more);
        self.search();
    }

    /// The next line, if its end has come.
    pub fn take(&mut self) -> Option<Line> {
        let line = match core::mem::take(&mut self.front) {
            Front::Open => return None,
            Front::TooLong => Line::TooLong,
            Front::Whole(end) => {
                let line = self.octets.get(self.start..end).unwrap_or(&[]).to_vec();
                self.start = end + 1;
                Line::Whole(line)
            }
        };
        self.search();
        self.forget();
        Some(line)
    }

    /// Looks for the end of the first line in what was not looked at.
    fn search(&mut self) {
        if self.front != Front::Open {
            return;
        }
        let from = self.searched.max(self.start);
        let rest = self.octets.get(from..).unwrap_or(&[]);
        match rest.iter().position(|octet| *octet == NEWLINE).map(|at| from + at) {
            Some(end) if end - self.start > self.limit => {
                self.start = end + 1;
                self.front = Front::TooLong;
            }
            Some(end) => self.front = Front::Whole(end),
            None if self.len() > self.limit => {
                self.start = self.octets.len();
                self.is_skipping = true;
                self.forget();
            }
            None => self.searched = self.octets.len(),
        }
    }

    /// Gives back the memory of what was taken, once that is more than what is left.
    fn forget(&mut self) {
        if self.start <= self.len() {
            return;
        }
        self.octets.drain(..self.start);
        self.octets.shrink_to(self.octets.len() * 2);
        if let Front::Whole(end) = &mut self.front {
            *end -= self.start;
        }
        self.searched = self.searched.saturating_sub(self.start);
        self.start = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(lines: &mut Lines) -> Vec<Line> {
        core::iter::from_fn(|| lines.take()).collect()
    }

    #[test]
    fn lines_come_out_however_they_came_in() {
        let mut lines = Lines::new(4);
        lines.push(b"ab\n\ncd");
        assert_eq!(all(&mut lines), [Line::Whole(b"ab".to_vec()), Line::Whole(Vec::new())]);
        lines.push(b"ef\ng");
        assert_eq!(all(&mut lines), [Line::Whole(b"cdef".to_vec())]);
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn a_line_that_is_too_long_is_reported_at_its_end_and_not_kept() {
        let mut lines = Lines::new(4);
        lines.push(b"x\n12345");
        assert_eq!(all(&mut lines), [Line::Whole(b"x".to_vec())]);
        assert_eq!(lines.len(), 0);
        lines.push(&[b'6'; 1000]);
        assert!(lines.is_empty() && lines.octets.capacity() < 1000);
        lines.push(b"7\nab\n123456\ncd\n");
        let (ab, cd) = (Line::Whole(b"ab".to_vec()), Line::Whole(b"cd".to_vec()));
        assert_eq!(all(&mut lines), [Line::TooLong, ab, Line::TooLong, cd]);
    }

    #[test]
    fn many_short_lines_cost_no_more_than_their_octets() {
        let mut lines = Lines::new(100);
        lines.push(&b"x\n".repeat(1_000_000));
        assert_eq!(all(&mut lines).len(), 1_000_000);
        assert!(lines.is_empty() && lines.octets.capacity() < 100);
    }

    proptest! {
        #[test]
        fn lines_are_those_of_a_split(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(1_usize..30, 1..20),
        ) {
            let mut lines = Lines::new(12);
            let (mut rest, mut found) = (text.as_slice(), Vec::new());
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                lines.push(now);
                found.extend(all(&mut lines));
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            let mut expected: Vec<_> = text.split(|octet| *octet == b'\n').collect();
            expected.pop();
            let line = |line: &[u8]| match line.len() {
                0..=12 => Line::Whole(line.to_vec()),
                _ => Line::TooLong,
            };
            prop_assert_eq!(found, expected.into_iter().map(line).collect::<Vec<_>>());
        }
    }
}
