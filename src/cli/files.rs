//! Files that a configuration names, read from disk.
//!
//! Owns [`ConfigFolder`]: relative paths start at the folder of the configuration; and
//! [`warnings`], which need the text again for their lines.

use crate::config::{
    Advice, Config, ConfigErrors, FileError, FileSource, Overrides, Source, advice, lines, load,
};
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
pub fn load_text(file: &Path, text: &str, overrides: &Overrides) -> Result<Config, ConfigErrors> {
    let origin = file.display().to_string();
    load(&Source { origin: &origin, text, overrides, files: &ConfigFolder::of(file) })
}

/// What can run and is probably not meant, each with its line.
pub fn warnings(
    file: &Path,
    text: &str,
    overrides: &Overrides,
    config: &Config,
) -> Vec<(Option<usize>, Advice)> {
    let origin = file.display().to_string();
    let files = ConfigFolder::of(file);
    let advice = advice(config);
    if advice.is_empty() {
        return Vec::new();
    }
    let places = lines(&Source { origin: &origin, text, overrides, files: &files });
    let line = |advice: &Advice| {
        places.get(&advice.path).or_else(|| places.get(&advice.path.whole_block())).copied()
    };
    advice.into_iter().map(|advice| (line(&advice), advice)).collect()
}
