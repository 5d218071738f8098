//! From words to an expression.
//!
//! Owns [`parse`]. *Invariants*: a text of more than [`TEXT_OCTETS_MAX`] octets, with more than
//! [`TESTS_MAX`] tests or nested deeper than [`DEPTH_MAX`] is refused, so that neither parsing nor
//! running needs more stack or time than those; any text is an expression or an error that names a
//! place inside it.

use crate::base::ids::MacAddress;
use crate::base::prefix::Ipv6Prefix;
use crate::filter::expression::{Comparison, End, Expression, Test};
use crate::filter::facts::PROTOCOLS;
use crate::filter::problem::FilterError;
use crate::filter::program::TESTS_MAX;
use crate::wire::ethernet::VLAN_ID_MASK;
use core::net::Ipv6Addr;
use core::ops::Range;

/// Longest text.
pub const TEXT_OCTETS_MAX: usize = 4096;
/// Parentheses and `not`s inside each other.
pub const DEPTH_MAX: usize = 16;

const WORDS: &[&str] =
    &["host", "src", "dst", "net", "port", "proto", "ether", "vlan", "len", "reason", "not"];

/// The expression that a text says; `None` where it says nothing, which everything passes.
pub fn parse(text: &str) -> Result<Option<Expression>, FilterError> {
    if text.len() > TEXT_OCTETS_MAX {
        let message = format!("a filter of more than {TEXT_OCTETS_MAX} octets");
        let expected = "say it shorter, with `net` for example".to_owned();
        return Err(FilterError { text: String::new(), span: 0..0, message, expected });
    }
    let mut parser = Parser { text, words: words(text), at: 0, test_count: 0, depth: 0 };
    if parser.words.is_empty() {
        return Ok(None);
    }
    let expression = parser.either()?;
    match parser.peek() {
        None => Ok(Some(expression)),
        Some(")") => Err(parser.wrong("a `)` without its `(`", "remove it")),
        Some(word) => {
            let message = format!("`{word}` does not go on from what is before it");
            Err(parser.wrong(&message, "`and` or `or` is missing before it"))
        }
    }
}

/// The places of the words.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut kind_before = Kind::Blank;
    for (at, letter) in text.char_indices() {
        let kind = Kind::of(letter);
        let end = at + letter.len_utf8();
        match found.last_mut() {
            Some(last) if kind == kind_before && kind.joins() => last.end = end,
            _ if kind == Kind::Blank => {}
            _ => found.push(at..end),
        }
        kind_before = kind;
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Blank,
    Parenthesis,
    Operator,
    Word,
}

impl Kind {
    fn of(letter: char) -> Self {
        match letter {
            '(' | ')' => Self::Parenthesis,
            '<' | '>' | '=' | '!' | '&' | '|' => Self::Operator,
            _ if letter.is_whitespace() => Self::Blank,
            _ => Self::Word,
        }
    }

    const fn joins(self) -> bool {
        matches!(self, Self::Word | Self::Operator)
    }
}

struct Parser<'a> {
    text: &'a str,
    words: Vec<Range<usize>>,
    at: usize,
    test_count: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).and_then(|place| self.text.get(place.clone()))
    }

    fn take(&mut self, accepted: &[&str]) -> bool {
        let is_there = self.peek().is_some_and(|word| accepted.contains(&word));
        self.at += usize::from(is_there);
        is_there
    }

    /// An error at the next word.
    fn wrong(&self, message: &str, expected: &str) -> FilterError {
        let end = self.text.trim_end().len();
        let span = self.words.get(self.at).cloned().unwrap_or(end..end);
        FilterError {
            text: self.text.to_owned(),
            span,
            message: message.to_owned(),
            expected: expected.to_owned(),
        }
    }

    fn either(&mut self) -> Result<Expression, FilterError> {
        let mut left = self.both()?;
        while self.take(&["or", "||"]) {
            left = Expression::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Expression, FilterError> {
        let mut left = self.one()?;
        while self.take(&["and", "&&"]) {
            left = Expression::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Expression, FilterError> {
        if self.depth == DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} parentheses or `not`s inside each other");
            return Err(self.wrong(&message, "one too many"));
        }
        self.depth += 1;
        let expression = if self.take(&["not", "!"]) {
            Expression::Not(Box::new(self.one()?))
        } else if self.take(&["("]) {
            let inner = self.either()?;
            if !self.take(&[")"]) {
                return Err(self.wrong("a `(` without its `)`", "`)` is missing here"));
            }
            inner
        } else {
            self.test_count += 1;
            if self.test_count > TESTS_MAX {
                let message = format!("more than {TESTS_MAX} tests");
                return Err(self.wrong(&message, "one too many"));
            }
            Expression::Test(self.test()?)
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn test(&mut self) -> Result<Test, FilterError> {
        let end = if self.take(&["src"]) {
            End::Source
        } else if self.take(&["dst"]) {
            End::Destination
        } else {
            End::Either
        };
        if self.take(&["net"]) {
            return self.value("a prefix such as 2001:db8::/32").map(|net| Test::Net(end, net));
        }
        if self.take(&["port"]) {
            return self.value("a port from 0 to 65535").map(|port| Test::Port(end, port));
        }
        if self.take(&["host"]) || end != End::Either {
            let address: Ipv6Addr = self.value("an address such as 2001:db8::1")?;
            return Ok(Test::Net(end, Ipv6Prefix::host(address)));
        }
        if self.take(&["ether"]) {
            return self.ether();
        }
        if self.take(&["proto"]) {
            return self.protocol();
        }
        if self.take(&["vlan"]) {
            return self.vlan();
        }
        if self.take(&["len"]) {
            return self.length();
        }
        if self.take(&["reason"]) {
            return self.reason();
        }
        self.bare()
    }

    /// A value that stands for itself: a protocol, an address.
    fn bare(&mut self) -> Result<Test, FilterError> {
        let Some(word) = self.peek() else {
            return Err(self.wrong("the filter ends too early", "a test is missing here"));
        };
        if PROTOCOLS.iter().any(|(name, _)| *name == word) {
            return self.protocol();
        }
        if let Ok(address) = word.parse() {
            self.at += 1;
            return Ok(Test::Net(End::Either, Ipv6Prefix::host(address)));
        }
        let near = |known: &&&str| strsim::damerau_levenshtein(known, word);
        let nearest = WORDS.iter().min_by_key(near).filter(|known| near(known) <= 2);
        let expected = match nearest {
            Some(known) => format!("`{known}` is a word that is known"),
            None => format!("one of {}, or a protocol", WORDS.join(", ")),
        };
        Err(self.wrong(&format!("`{word}` is not known"), &expected))
    }

    fn value<T: core::str::FromStr>(&mut self, expected: &str) -> Result<T, FilterError> {
        let Some(word) = self.peek() else {
            return Err(self.wrong("the filter ends too early", &format!("here goes {expected}")));
        };
        let value = word
            .parse()
            .map_err(|_| self.wrong(&format!("`{word}` is not {expected}"), expected))?;
        self.at += 1;
        Ok(value)
    }

    fn ether(&mut self) -> Result<Test, FilterError> {
        let end = if self.take(&["src"]) {
            End::Source
        } else if self.take(&["dst"]) {
            End::Destination
        } else {
            self.take(&["host"]);
            End::Either
        };
        self.value::<MacAddress>("a MAC such as 52:54:00:12:34:56").map(|mac| Test::Mac(end, mac))
    }

    fn protocol(&mut self) -> Result<Test, FilterError> {
        let word = self.peek().unwrap_or("");
        if let Some((_, number)) = PROTOCOLS.iter().find(|(name, _)| *name == word) {
            self.at += 1;
            return Ok(Test::Protocol(*number));
        }
        self.value("icmp6, tcp, udp, ospf, l2tp, sctp or a number to 255").map(Test::Protocol)
    }

    fn vlan(&mut self) -> Result<Test, FilterError> {
        let is_number = |word: &str| word.starts_with(|letter: char| letter.is_ascii_digit());
        if !self.peek().is_some_and(is_number) {
            return Ok(Test::Vlan(None));
        }
        let place = self.at;
        let id: u16 = self.value("a VLAN id from 0 to 4095")?;
        if id > VLAN_ID_MASK {
            self.at = place;
            return Err(self.wrong("no VLAN has this id", "a VLAN id from 0 to 4095"));
        }
        Ok(Test::Vlan(Some(id)))
    }

    fn length(&mut self) -> Result<Test, FilterError> {
        let word = self.peek().unwrap_or("");
        let spelling = if word == "==" { "=" } else { word };
        let Some((comparison, _)) = Comparison::ALL.iter().find(|(_, other)| *other == spelling)
        else {
            return Err(self.wrong("`len` compares", "one of <, <=, =, !=, >=, >"));
        };
        self.at += 1;
        self.value("a number of octets").map(|octets| Test::Length(*comparison, octets))
    }

    fn reason(&mut self) -> Result<Test, FilterError> {
        let expected = "a reason as `kumiki show errors --all` names it, such as no_route";
        let is_name = |word: &str| {
            word.bytes()
                .all(|octet| octet.is_ascii_lowercase() || matches!(octet, b'_' | b'0'..=b'9'))
        };
        match self.peek() {
            Some(word) if is_name(word) => {
                self.at += 1;
                Ok(Test::Reason(word.into()))
            }
            Some(word) => Err(self.wrong(&format!("`{word}` is not a reason"), expected)),
            None => Err(self.wrong("the filter ends too early", expected)),
        }
    }
}

/// The error for a reason that the data plane does not have; `known` are those that it has.
pub fn check_reasons(
    text: &str,
    expression: &Expression,
    known: impl Fn(&str) -> bool,
) -> Result<(), FilterError> {
    let mut open = vec![expression];
    while let Some(expression) = open.pop() {
        match expression {
            Expression::Test(Test::Reason(name)) if !known(name) => {
                let is_it = |place: &Range<usize>| text.get(place.clone()) == Some(name);
                let span = words(text).into_iter().find(is_it).unwrap_or(0..text.len());
                return Err(FilterError {
                    text: text.to_owned(),
                    span,
                    message: format!("this router drops nothing for the reason `{name}`"),
                    expected: "`kumiki show errors --all` lists the reasons".to_owned(),
                });
            }
            Expression::Test(_) => {}
            Expression::Not(inner) => open.push(inner),
            Expression::And(left, right) | Expression::Or(left, right) => {
                open.extend([&**left, &**right]);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
