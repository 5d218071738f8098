//! What can be said of a frame.
//!
//! Owns [`Expression`] and [`Test`], and their spelling, which [`mod@crate::filter::parse`] reads.

use crate::base::ids::MacAddress;
use crate::base::prefix::Ipv6Prefix;
use crate::filter::facts::{Facts, Ipv6Facts, PROTOCOLS};
use core::fmt;

/// Which end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where it comes from.
    Source,
    /// Where it goes to.
    Destination,
    /// One of the two.
    Either,
}

impl End {
    fn holds<T>(self, source: T, destination: T, is_it: impl Fn(T) -> bool) -> bool {
        match self {
            Self::Source => is_it(source),
            Self::Destination => is_it(destination),
            Self::Either => is_it(source) || is_it(destination),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Source => "src ",
            Self::Destination => "dst ",
            Self::Either => "",
        }
    }
}

/// A comparison of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `=`
    Equal,
    /// `!=`
    Other,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
}

impl Comparison {
    /// Every comparison with its spelling.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Less, "<"),
        (Self::LessOrEqual, "<="),
        (Self::Equal, "="),
        (Self::Other, "!="),
        (Self::GreaterOrEqual, ">="),
        (Self::Greater, ">"),
    ];

    const fn holds(self, left: u32, right: u32) -> bool {
        match self {
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Equal => left == right,
            Self::Other => left != right,
            Self::GreaterOrEqual => left >= right,
            Self::Greater => left > right,
        }
    }
}

/// A question with one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// `host`, `net`: an address lies in a prefix.
    Net(End, Ipv6Prefix),
    /// `port`: of TCP, UDP or SCTP.
    Port(End, u16),
    /// `proto`: the upper layer.
    Protocol(u8),
    /// `ether`: a MAC.
    Mac(End, MacAddress),
    /// `vlan`: this id, or any tag.
    Vlan(Option<u16>),
    /// `len`: octets of the frame.
    Length(Comparison, u32),
    /// `reason`: why it was dropped.
    Reason(Box<str>),
}

impl Test {
    /// The answer for a frame.
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Net(end, prefix) => facts.ipv6.is_some_and(|ipv6| {
                end.holds(ipv6.source, ipv6.destination, |address| prefix.contains(address))
            }),
            Self::Port(end, port) => {
                facts.ipv6.and_then(|ipv6| ipv6.ports).is_some_and(|(source, destination)| {
                    end.holds(source, destination, |p| p == *port)
                })
            }
            Self::Protocol(number) => {
                facts.ipv6.is_some_and(|Ipv6Facts { protocol, .. }| protocol == Some(*number))
            }
            Self::Mac(end, mac) => facts.ethernet.is_some_and(|ethernet| {
                end.holds(ethernet.source, ethernet.destination, |other| other == *mac)
            }),
            Self::Vlan(None) => facts.vlan.is_some(),
            Self::Vlan(wanted) => facts.vlan == *wanted,
            Self::Length(comparison, octets) => comparison.holds(facts.length, *octets),
            Self::Reason(name) => facts.reason == Some(&**name),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(end, prefix) if prefix.length() == 128 => {
                write!(f, "{}host {}", end.word(), prefix.address())
            }
            Self::Net(end, prefix) => write!(f, "{}net {prefix}", end.word()),
            Self::Port(end, port) => write!(f, "{}port {port}", end.word()),
            Self::Protocol(number) => match PROTOCOLS.iter().find(|(_, n)| n == number) {
                Some((name, _)) => f.write_str(name),
                None => write!(f, "proto {number}"),
            },
            Self::Mac(End::Either, mac) => write!(f, "ether host {mac}"),
            Self::Mac(end, mac) => write!(f, "ether {}{mac}", end.word()),
            Self::Vlan(None) => f.write_str("vlan"),
            Self::Vlan(Some(id)) => write!(f, "vlan {id}"),
            Self::Length(comparison, octets) => {
                let spelling = Comparison::ALL.iter().find(|(other, _)| other == comparison);
                write!(f, "len {} {octets}", spelling.map_or("", |(_, word)| word))
            }
            Self::Reason(name) => write!(f, "reason {name}"),
        }
    }
}

/// Tests, put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// One test.
    Test(Test),
    /// It does not hold.
    Not(Box<Expression>),
    /// Both hold.
    And(Box<Expression>, Box<Expression>),
    /// One of them holds.
    Or(Box<Expression>, Box<Expression>),
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Test(test) => test.fmt(f),
            Self::Not(inner) => write!(f, "not ({inner})"),
            Self::And(left, right) => write!(f, "({left}) and ({right})"),
            Self::Or(left, right) => write!(f, "({left}) or ({right})"),
        }
    }
}
