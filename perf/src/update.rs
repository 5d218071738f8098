//! Updates of a table of prefixes: from a file, or made up.
//!
//! Owns [`Update`]. A file has one update a line, in order: `A PREFIX` announces, `W PREFIX`
//! withdraws.

use crate::rib::{BrokenLines, Rib, RibError, read_text};
use kumiki::base::prefix::Ipv6Prefix;
use kumiki::base::prng::Prng;
use std::path::Path;

/// One update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// The prefix is there, perhaps again.
    Announce(Ipv6Prefix),
    /// It is gone.
    Withdraw(Ipv6Prefix),
}

/// Withdrawals among a thousand made-up updates: what a peer of the public table sends.
const WITHDRAWALS_PER_MILLE: u64 = 23;

/// Reads a file.
pub fn read(path: &Path, broken: BrokenLines) -> Result<Vec<Update>, RibError> {
    let text = read_text(path)?;
    let mut updates = Vec::new();
    for (number, line) in text.lines().enumerate() {
        match parse(line.trim()) {
            Ok(update) => updates.push(update),
            Err(reason) => {
                let error = RibError::Line { path: path.to_owned(), line: number + 1, reason };
                match broken {
                    BrokenLines::Refuse => return Err(error),
                    BrokenLines::Skip => eprintln!("left out: {error}"),
                }
            }
        }
    }
    Ok(updates)
}

fn parse(line: &str) -> Result<Update, String> {
    let (word, prefix) = line.split_once(' ').ok_or("neither `A PREFIX` nor `W PREFIX`")?;
    let prefix = prefix.trim().parse::<Ipv6Prefix>().map_err(|error| error.to_string())?;
    match word {
        "A" => Ok(Update::Announce(prefix)),
        "W" => Ok(Update::Withdraw(prefix)),
        _ => Err(format!("`{word}` is neither A (announce) nor W (withdraw)")),
    }
}

/// `count` updates of prefixes of a table, always the same: most of them say again what is known.
pub fn made_up(rib: &Rib, count: usize) -> Vec<Update> {
    let mut random = Prng::new(0x0075_7064);
    let mut updates = Vec::with_capacity(count);
    while updates.len() < count && !rib.prefixes.is_empty() {
        let place = usize::try_from(random.below(rib.prefixes.len() as u64)).unwrap_or(0);
        let Some(prefix) = rib.prefixes.get(place).copied() else { break };
        if random.below(1000) < WITHDRAWALS_PER_MILLE {
            updates.push(Update::Withdraw(prefix));
        }
        updates.push(Update::Announce(prefix));
    }
    updates.truncate(count);
    updates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_updates_or_say_why_not() {
        let prefix = "2001:db8::/32".parse().unwrap();
        assert_eq!(parse("A 2001:db8::/32"), Ok(Update::Announce(prefix)));
        assert_eq!(parse("W 2001:db8::/32"), Ok(Update::Withdraw(prefix)));
        assert!(parse("X 2001:db8::/32").unwrap_err().contains("neither A"));
        assert!(parse("A 2001:db8::/129").is_err() && parse("").is_err());
    }

    #[test]
    fn made_up_updates_withdraw_a_few_in_a_hundred() {
        let updates = made_up(&Rib::cluster(), 10_000);
        let gone = updates.iter().filter(|update| matches!(update, Update::Withdraw(_))).count();
        assert_eq!(updates.len(), 10_000);
        assert!((150..320).contains(&gone), "{gone}");
    }
}
