//! The client's end of the control socket.
//!
//! Owns [`Client`]: one request a line out, one reply a line in, and the sentence for everything
//! that can go wrong on the way. What is asked and answered is `api`'s.
//!
//! *Invariants*: an answer to `ask` arrives within the time its question may take, or is an error;
//! `events` wait for ever.

use crate::api::{
    API_VERSION, ApiError, Event, Reply, ReplyBody, Request, RequestBody, WatchEnd, WatchRequest,
};
use crate::base::exit::Exit;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the router listens unless told otherwise.
pub const SOCKET_DEFAULT: &str = "/run/kumiki/control.sock";

/// How long a router may take to show something: it says that it is busy after five seconds.
pub const SHOW_TIME_MAX: Duration = Duration::from_secs(7);

/// How long it may take to apply a configuration, which opens devices.
pub const APPLY_TIME_MAX: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error(
        "no router answers on {socket}: {reason}\n{remedy}",
        socket = socket.display()
    )]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// In words.
        reason: &'static str,
        /// What to do.
        remedy: String,
    },
    /// The socket is not for this user.
    #[error(
        "{socket} is not open to this user\n\
         Use sudo, or join the group that owns the socket.",
        socket = socket.display()
    )]
    Permission {
        /// The socket.
        socket: PathBuf,
    },
    /// Somebody listens, but says nothing.
    #[error(
        "the router on {socket} does not answer within {seconds} s: it is stopped, or very busy",
        socket = socket.display()
    )]
    Silent {
        /// The socket.
        socket: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// The connection broke.
    #[error("the connection to the router broke: {0}")]
    Broken(#[from] io::Error),
    /// What the router said could not be written.
    #[error("{0}")]
    Output(io::Error),
    /// The router closed without an answer.
    #[error("the router closed the connection without an answer")]
    Closed,
    /// The line was no reply.
    #[error("the router's answer was not understood: {0}")]
    Syntax(#[from] serde_json::Error),
    /// The router answered with another kind of reply.
    #[error("the router answered something else than was asked")]
    Unexpected,
    /// The router refused.
    #[error("{0}")]
    Refused(ApiError),
}

impl ClientError {
    /// What the shell gets back.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } | Self::Silent { .. } => Exit::Unreachable,
            Self::Permission { .. } | Self::Refused(ApiError::Forbidden(_)) => Exit::Permission,
            Self::Refused(ApiError::Configuration(_)) => Exit::Configuration,
            Self::Refused(ApiError::Filter(_) | ApiError::Port(_)) => Exit::Usage,
            _ => Exit::Failed,
        }
    }

    /// Prints the sentence and gives the exit.
    pub fn report(&self) -> Exit {
        eprintln!("kumiki: {self}");
        self.exit()
    }
}

/// What to do where nobody answers; `place` and `lab` are set inside of a lab.
fn remedy(place: Option<String>, lab: Option<String>) -> String {
    let lab = lab.unwrap_or_else(|| "lab".to_owned());
    match place.as_deref() {
        Some(place) if place.starts_with('s') => {
            format!("Start it with `kumiki lab start {place} --lab {lab}`, from outside.")
        }
        Some(place) => {
            let server = place.strip_prefix('h').map_or("s01".to_owned(), |n| format!("s{n}"));
            format!("On {place} no router runs; ask a server of the lab, such as {server}.")
        }
        None => "Start it with `kumiki run -c FILE`, or name its socket with --socket PATH or \
                 KUMIKI_SOCKET."
            .to_owned(),
    }
}

/// A connection to a router.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    socket: PathBuf,
}

impl Client {
    /// Connects.
    pub fn connect(socket: &Path) -> Result<Self, ClientError> {
        let unreachable = |reason| {
            let word = |name: &str| std::env::var(name).ok();
            let remedy = remedy(word("KUMIKI_LAB_PLACE"), word("KUMIKI_LAB_NAME"));
            ClientError::Unreachable { socket: socket.to_owned(), reason, remedy }
        };
        let stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => {
                ClientError::Permission { socket: socket.to_owned() }
            }
            io::ErrorKind::NotFound => unreachable("there is no such socket"),
            io::ErrorKind::ConnectionRefused => unreachable("nobody listens there any more"),
            io::ErrorKind::InvalidInput => unreachable("the path is too long for a socket"),
            _ => ClientError::Broken(error),
        })?;
        stream.set_write_timeout(Some(SHOW_TIME_MAX))?;
        Ok(Self { stream: BufReader::new(stream), socket: socket.to_owned() })
    }

    fn send(&mut self, body: RequestBody) -> Result<(), ClientError> {
        let mut line = serde_json::to_string(&Request { version: API_VERSION, body })?;
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes())?;
        Ok(())
    }

    fn receive(&mut self) -> Result<ReplyBody, ClientError> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(ClientError::Closed);
        }
        let reply: Reply = serde_json::from_str(&line)?;
        match reply.body {
            ReplyBody::Error(error) => Err(ClientError::Refused(error)),
            body => Ok(body),
        }
    }

    /// Asks once.
    pub fn ask(&mut self, body: RequestBody) -> Result<ReplyBody, ClientError> {
        let limit = match body {
            RequestBody::ConfigApply { .. } | RequestBody::ConfigDiff { .. } => APPLY_TIME_MAX,
            _ => SHOW_TIME_MAX,
        };
        self.ask_within(body, limit)
    }

    fn ask_within(&mut self, body: RequestBody, limit: Duration) -> Result<ReplyBody, ClientError> {
        self.stream.get_ref().set_read_timeout(Some(limit))?;
        self.send(body).and_then(|()| self.receive()).map_err(|error| match error {
            // What a socket's time limit is called depends on the system.
            ClientError::Broken(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                ClientError::Silent { socket: self.socket.clone(), seconds: limit.as_secs() }
            }
            other => other,
        })
    }

    /// The connection, for who ends it from outside.
    pub fn connection(&self) -> io::Result<UnixStream> {
        self.stream.get_ref().try_clone()
    }

    /// Asks for packets and hands every reply but the last to `consume`.
    pub fn watch(
        mut self,
        request: WatchRequest,
        mut consume: impl FnMut(&ReplyBody) -> io::Result<()>,
    ) -> Result<WatchEnd, ClientError> {
        let started = self.ask(RequestBody::Watch(request))?;
        if !matches!(started, ReplyBody::WatchStarted(_)) {
            return Err(ClientError::Unexpected);
        }
        consume(&started).map_err(ClientError::Output)?;
        self.stream.get_mut().set_read_timeout(None)?;
        loop {
            match self.receive()? {
                ReplyBody::WatchEnded(end) => return Ok(end),
                body @ (ReplyBody::Packet(_) | ReplyBody::Path(_)) => {
                    consume(&body).map_err(ClientError::Output)?;
                }
                _ => return Err(ClientError::Unexpected),
            }
        }
    }

    /// Asks for events and hands each to `consume` until that says stop or the router ends.
    pub fn events(
        mut self,
        mut consume: impl FnMut(&Event) -> io::Result<()>,
    ) -> Result<(), ClientError> {
        self.send(RequestBody::Monitor)?;
        self.stream.get_mut().set_read_timeout(None)?;
        loop {
            match self.receive()? {
                ReplyBody::Event(event) => consume(&event)?,
                _ => return Err(ClientError::Unexpected),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_that_stands_still_is_not_waited_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let mut client = Client::connect(&socket).unwrap();
        let error = client
            .ask_within(
                RequestBody::Show(crate::api::ShowQuery::Version),
                Duration::from_millis(10),
            )
            .unwrap_err();
        assert_eq!(error.exit().code(), 69);
        assert!(error.to_string().contains("does not answer within"), "{error}");
    }

    #[test]
    fn inside_of_a_lab_the_remedy_is_one_of_the_lab() {
        let at = |place: &str| remedy(Some(place.to_owned()), Some("trial".to_owned()));
        assert!(at("s03").contains("`kumiki lab start s03 --lab trial`"));
        assert!(
            at("h02").starts_with("On h02 no router runs; ask a server of the lab, such as s02")
        );
        assert!(at("fabric").ends_with("such as s01."));
    }

    #[test]
    fn a_router_that_does_not_run_is_said_with_path_and_remedy() {
        let error = Client::connect(Path::new("/nonexistent/control.sock")).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.exit().code(), 69);
        assert!(
            text.contains("/nonexistent/control.sock") && text.contains("kumiki run"),
            "{text}"
        );
    }
}
