//! Asks a Kumiki router through its control socket.
//!
//! *Invariants*: one question, one connection, one answer; nobody is waited for longer than
//! two seconds.

use crate::api::show::ShowReply;
use crate::api::{API_VERSION, Reply, ReplyBody, Request, RequestBody, ShowQuery};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The socket.
    #[error("control socket: {0}")]
    Socket(#[from] io::Error),
    /// The line is no reply.
    #[error("unreadable reply: {0}")]
    Syntax(#[from] serde_json::Error),
    /// The router refused.
    #[error(transparent)]
    Refused(#[from] crate::api::ApiError),
    /// Another kind of reply than was asked for.
    #[error("a reply to another question")]
    Unexpected,
}

/// The state asked for.
pub fn show(socket: &Path, query: ShowQuery) -> Result<ShowReply, ClientError> {
    match ask(socket, RequestBody::Show(query))? {
        ReplyBody::Show(reply) => Ok(*reply),
        _ => Err(ClientError::Unexpected),
    }
}

/// Lets the control plane fail.
pub fn fail_control(socket: &Path) -> Result<(), ClientError> {
    match ask(socket, RequestBody::DebugPanicControl)? {
        ReplyBody::Done => Ok(()),
        _ => Err(ClientError::Unexpected),
    }
}

fn ask(socket: &Path, body: RequestBody) -> Result<ReplyBody, ClientError> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_WAIT))?;
    stream.set_write_timeout(Some(ANSWER_WAIT))?;
    let request = Request { version: API_VERSION, body };
    let mut line = serde_json::to_string(&request)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    if answer.is_empty() {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    match serde_json::from_str::<Reply>(&answer)?.body {
        ReplyBody::Error(error) => Err(error.into()),
        body => Ok(body),
    }
}
