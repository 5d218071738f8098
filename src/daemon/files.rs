//! The configuration on disk: the file, and the files it names.
//!
//! Owns [`ConfigFile`], which reads and loads; relative paths start at the folder of the
//! configuration. What is right is decided by `config`.

use crate::config::{Config, ConfigErrors, FileError, FileSource, Overrides, Source, load};
use crate::daemon::error::RunError;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the configuration comes from; one per process, owned by the main thread.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    path: PathBuf,
    overrides: Overrides,
}

impl ConfigFile {
    /// The file at `path`, with name and number from elsewhere.
    pub fn new(path: &Path, overrides: Overrides) -> Self {
        Self { path: path.to_owned(), overrides }
    }

    /// Reads and loads the file.
    pub fn read(&self) -> Result<Config, RunError> {
        let text = fs::read_to_string(&self.path)
            .map_err(|source| RunError::File { path: self.path.clone(), source })?;
        Ok(self.load(&self.path.display().to_string(), &text)?)
    }

    /// Loads a text as if it stood in `file`, with the same name and number from elsewhere.
    pub fn load_as(&self, file: &Path, text: &str) -> Result<Config, ConfigErrors> {
        Self::new(file, self.overrides.clone()).load(&file.display().to_string(), text)
    }

    /// Loads a text as if it stood in the file's place; `origin` is its name in messages.
    pub fn load(&self, origin: &str, text: &str) -> Result<Config, ConfigErrors> {
        load(&Source { origin, text, overrides: &self.overrides, files: self })
    }
}

impl FileSource for ConfigFile {
    fn read(&self, path: &str) -> Result<String, FileError> {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        fs::read_to_string(folder.join(path))
            .map_err(|error| FileError { reason: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::exit::Exit;

    const TEXT: &str = "[router]\nname = \"r1\"\n[[port]]\nname = \"p1\"\n\
                        device = \"af_packet:v1\"\nrole = \"routed\"\naddress = \"fd00:1::1/64\"\n\
                        [[route]]\nprefixes = \"more.txt\"\nvia = \"fd00:1::2\"\n";

    #[test]
    fn files_are_named_from_the_folder_of_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kumiki.toml");
        fs::write(&path, TEXT).unwrap();
        fs::write(folder.path().join("more.txt"), "2001:db8::/32\n").unwrap();
        let config = ConfigFile::new(&path, Overrides::default()).read().unwrap();
        assert_eq!(config.routes[0].prefixes.len(), 1);
    }

    #[test]
    fn a_missing_file_is_named() {
        let file = ConfigFile::new(Path::new("/nonexistent/k.toml"), Overrides::default());
        let error = file.read().unwrap_err();
        assert!(
            error.to_string().contains("/nonexistent/k.toml")
                && error.exit() == Exit::Configuration
        );
    }
}
