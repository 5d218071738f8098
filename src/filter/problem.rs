//! What is wrong with a filter, where, and what would be right.
//!
//! Owns [`FilterError`] and how it is shown.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use core::fmt;
use core::ops::Range;

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// The text.
    pub text: String,
    /// Octets of the text that are to blame.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What would be right there.
    pub expected: String,
}

/// Where to read what can be said.
const HELP: &str = "`kumiki capture --help` lists what a filter may say";

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = AnnotationKind::Primary.span(self.span.clone()).label(self.expected.as_str());
        let group = Group::with_title(Level::ERROR.primary_title(self.message.as_str()))
            .element(Snippet::source(self.text.as_str()).path("filter").annotation(place))
            .element(Level::HELP.message(HELP));
        f.write_str(&Renderer::plain().render(&[group]))
    }
}

impl core::error::Error for FilterError {}
