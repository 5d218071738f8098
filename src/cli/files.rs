//! Files that a configuration names, read from disk.
//!
//! Owns [`ConfigFolder`]: relative paths start at the folder of the configuration.

use crate::config::{ConfigErrors, FileError, FileSource, Overrides, Source, load};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder a configuration stands in.
#[derive(Clone, Debug)]
pub struct ConfigFolder {
    folder: PathBuf,
}

impl ConfigFolder {
    /// The folder of this configuration file.
    pub fn of(file: &Path) -> Self {
        Self { folder: file.parent().map(Path::to_owned).unwrap_or_default() }
    }
}

impl FileSource for ConfigFolder {
    fn read(&self, path: &str) -> Result<String, FileError> {
        fs::read_to_string(self.folder.join(path))
            .map_err(|error| FileError { reason: error.to_string() })
    }
}

/// Loads a file and the files it names.
pub fn load_text(
    file: &Path,
    text: &str,
    overrides: &Overrides,
) -> Result<crate::config::Config, ConfigErrors> {
    let origin = file.display().to_string();
    load(&Source { origin: &origin, text, overrides, files: &ConfigFolder::of(file) })
}
