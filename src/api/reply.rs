//! What is answered.

use crate::api::event::Event;
use crate::api::show::ShowReply;
use crate::api::watch::{PacketRow, PathRow, WatchEnd, WatchStart};
use serde::{Deserialize, Serialize};

/// One line to a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// [`crate::api::API_VERSION`] of the router.
    pub version: u32,
    /// The answer.
    pub body: ReplyBody,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyBody {
    /// State.
    Show(Box<ShowReply>),
    /// The new configuration runs; one sentence for each thing that changed, for each that needs a
    /// restart, and for each that should have changed and did not.
    Applied {
        /// What changed at once.
        changes: Vec<String>,
        /// What the file says but only a restart can do.
        needs_restart: Vec<String>,
        /// What could not be done; all else was. Routers before this field did not tell.
        #[serde(default)]
        failures: Vec<String>,
    },
    /// What applying a configuration would do, in the same words.
    Difference {
        /// What would change at once.
        changes: Vec<String>,
        /// What only a restart could do.
        needs_restart: Vec<String>,
    },
    /// The wish is on its way to who carries it out.
    Done,
    /// Something happened.
    Event(Event),
    /// Packets follow.
    WatchStarted(WatchStart),
    /// A frame.
    Packet(Box<PacketRow>),
    /// The way of a packet.
    Path(Box<PathRow>),
    /// No more packets follow.
    WatchEnded(WatchEnd),
    /// It was not done.
    Error(ApiError),
}

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ApiError {
    /// The client speaks another version.
    #[error("this router speaks API version {ours}, the client {theirs}; use its own `kumiki`")]
    Version {
        /// The router's.
        ours: u32,
        /// The client's.
        theirs: u32,
    },
    /// The line was no request.
    #[error("request not understood: {0}")]
    Syntax(String),
    /// The configuration was refused; the text shows place and remedy.
    #[error("{0}")]
    Configuration(String),
    /// A filter was not understood; the text shows place and remedy.
    #[error("{0}")]
    Filter(String),
    /// There is no such port; the text lists those there are.
    #[error("{0}")]
    Port(String),
    /// A capture or trace cannot begin; the sentence says why, and what to do.
    #[error("{0}")]
    Watch(String),
    /// The router was started without what this needs; the sentence says with what.
    #[error("{0}")]
    Forbidden(String),
    /// The control plane did not answer in time.
    #[error("the control plane is busy; try again")]
    Busy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_of_a_router_that_tells_no_failures_is_understood() {
        let line = r#"{"applied":{"changes":["a"],"needs_restart":[]}}"#;
        let body: ReplyBody = serde_json::from_str(line).unwrap();
        let (changes, none) = (vec!["a".to_owned()], Vec::new());
        let expected = ReplyBody::Applied { changes, needs_restart: none.clone(), failures: none };
        assert_eq!(body, expected);
    }
}
