//! The two kinds of numbers that an end gives out: of control connections and of sessions.
//!
//! Owns [`ConnectionId`] and [`SessionId`]. Each end chooses those that it is called by; a number
//! in a message is one of the receiver.
//!
//! *Invariants*: none of them is zero, which says in both places that there is none yet.
//! *Standards*: RFC 3931 §3.2.1 (control connections), §4.1 (sessions).

use core::fmt;
use core::num::NonZeroU32;
use serde::{Deserialize, Serialize};

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(NonZeroU32);

        impl $name {
            /// The one of this number; `None` for zero.
            pub const fn new(number: u32) -> Option<Self> {
                match NonZeroU32::new(number) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }

            /// Its number.
            pub const fn get(self) -> u32 {
                self.0.get()
            }

            /// Its number, or the zero that stands for none.
            pub const fn number_of(id: Option<Self>) -> u32 {
                match id {
                    Some(id) => id.get(),
                    None => 0,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

identifier! {
    /// A control connection as its receiver has named it.
    ConnectionId
}
identifier! {
    /// A session as its receiver has named it; zero stands before control messages.
    SessionId
}
