//! Text on standard output, without dying when nobody reads it.
//!
//! Owns [`emit`]. Who closes the pipe (`| head`) has seen enough: that is no error.

use crate::base::exit::Exit;
use std::io::{self, Write};

/// Writes `text` and flushes. `Err` is how the command ends: successfully when the reader went
/// away.
pub fn emit(text: &str) -> Result<(), Exit> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Exit::Ok),
        Err(error) => {
            eprintln!("kumiki: cannot write: {error}");
            Err(Exit::Failed)
        }
    }
}
