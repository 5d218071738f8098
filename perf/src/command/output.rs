//! Where results go: the same two options for every command.

use crate::command::Outcome;
use crate::document::Document;
use crate::html;
use clap::Args;
use std::path::PathBuf;

/// Files that a command writes.
#[derive(Args, Clone, Debug, Default)]
pub struct OutputArguments {
    /// Write the results there, for `compare` and `report`
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Write a page with plots there
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub html: Option<PathBuf>,
}

impl OutputArguments {
    /// Writes what was asked for.
    pub fn write(&self, document: &Document) -> Outcome {
        if let Some(path) = &self.json {
            document.write(path)?;
        }
        if let Some(path) = &self.html {
            html::write(path, &document.title, std::slice::from_ref(document))?;
        }
        Ok(())
    }
}
