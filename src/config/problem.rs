//! What is wrong with a configuration: the place, the key and what would be right.
//!
//! Owns [`Problem`], [`ConfigErrors`] and how they are shown. Finding problems is the business of
//! `load` and `validate`.
//!
//! *Invariants*: every problem names a key or a place, and says what would be right; a report is
//! sorted by place, so that it reads like the file.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use core::fmt;
use core::ops::Range;

/// Problems one report lists; a wrong file of prefixes could otherwise fill the screen.
pub const PROBLEM_MAX: usize = 50;

/// The place of a key in a configuration, whether it is written there or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath {
    /// Name of the block.
    pub block: &'static str,
    /// For a block within one of several: in which of those, from zero.
    pub outer: Option<usize>,
    /// Which block of that name, from zero; `None` where there can be only one.
    pub index: Option<usize>,
    /// Name of the key; empty for the block itself.
    pub key: &'static str,
}

impl KeyPath {
    /// A key of a block that exists once.
    pub const fn single(block: &'static str, key: &'static str) -> Self {
        Self { block, outer: None, index: None, key }
    }

    /// A key of one of several blocks.
    pub const fn listed(block: &'static str, index: usize, key: &'static str) -> Self {
        Self { block, outer: None, index: Some(index), key }
    }

    /// A key of one of several blocks within one of several.
    pub const fn nested(
        block: &'static str,
        (outer, index): (usize, usize),
        key: &'static str,
    ) -> Self {
        Self { block, outer: Some(outer), index: Some(index), key }
    }

    /// The block this key is in.
    pub fn whole_block(&self) -> Self {
        Self { key: "", ..self.clone() }
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(outer), Some((block, _))) = (self.outer, self.block.rsplit_once('.')) {
            write!(f, "[[{block}]] {} ", outer + 1)?;
        }
        match self.index {
            Some(index) => write!(f, "[[{}]] {}", self.block, index + 1)?,
            None => write!(f, "[{}]", self.block)?,
        }
        if self.key.is_empty() { Ok(()) } else { write!(f, " {}", self.key) }
    }
}

/// The kind of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// Not TOML.
    Syntax,
    /// A block or key that does not exist.
    Unknown,
    /// A value of the wrong type or out of range.
    Value,
    /// A required key is missing.
    Missing,
    /// Two keys that cannot both hold.
    Conflict,
    /// A file that is named cannot be read or used.
    File,
}

/// A line of another file than the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The file.
    pub origin: String,
    /// The number of the line, from one.
    pub line: usize,
    /// The line.
    pub text: String,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of thing.
    pub kind: ProblemKind,
    /// The offending key; `None` where there is none (syntax, unknown blocks).
    pub path: Option<KeyPath>,
    /// What is wrong.
    pub message: String,
    /// What would be right, short, beside the place.
    pub expected: String,
    /// How to get there, if more words are needed.
    pub help: Option<String>,
    /// Octets of the configuration; filled in by the loader.
    pub span: Option<Range<usize>>,
    /// The line of another file that is to blame.
    pub excerpt: Option<Excerpt>,
}

impl Problem {
    /// A problem with a key.
    pub fn new(
        kind: ProblemKind,
        path: KeyPath,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            path: Some(path),
            message: message.into(),
            expected: expected.into(),
            help: None,
            span: None,
            excerpt: None,
        }
    }

    /// The same with a way out.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The sentence: key, then what is wrong.
    pub fn title(&self) -> String {
        match &self.path {
            Some(path) => format!("{path}: {}", self.message),
            None => self.message.clone(),
        }
    }
}

/// Everything that is wrong with one configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    /// Name of the configuration, usually its path.
    origin: String,
    /// Its text.
    text: String,
    /// What is wrong, in order of the file; never empty.
    problems: Vec<Problem>,
}

impl ConfigErrors {
    /// A report on `text`, known to people as `origin`.
    pub fn new(origin: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        assert!(!problems.is_empty(), "a report without problems is no error");
        problems.sort_by_key(|problem| problem.span.as_ref().map_or(0, |span| span.start));
        Self { origin: origin.to_owned(), text: text.to_owned(), problems }
    }

    /// What is wrong, in order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Line and column of a problem, both from one.
    pub fn line_and_column(&self, problem: &Problem) -> Option<(usize, usize)> {
        let start = problem.span.as_ref()?.start;
        Some(line_and_column(&self.text, start))
    }

    /// For people, without colour.
    pub fn plain(&self) -> String {
        self.render(&Renderer::plain())
    }

    /// For people at a terminal, with colour.
    pub fn coloured(&self) -> String {
        self.render(&Renderer::styled())
    }

    fn render(&self, renderer: &Renderer) -> String {
        let mut text = String::new();
        for problem in self.problems.iter().take(PROBLEM_MAX) {
            text.push_str(&self.render_one(problem, renderer));
            text.push_str("\n\n");
        }
        let count = self.problems.len();
        let noun = if count == 1 { "error" } else { "errors" };
        text.push_str(&format!("{count} {noun} in {}", self.origin));
        if count > PROBLEM_MAX {
            text.push_str(&format!(", the first {PROBLEM_MAX} shown"));
        }
        text
    }

    fn render_one(&self, problem: &Problem, renderer: &Renderer) -> String {
        let mut group = Group::with_title(Level::ERROR.primary_title(problem.title()));
        if let Some(excerpt) = &problem.excerpt {
            let span = 0..excerpt.text.len();
            group = group.element(
                Snippet::source(excerpt.text.as_str())
                    .path(excerpt.origin.as_str())
                    .line_start(excerpt.line)
                    .annotation(AnnotationKind::Primary.span(span).label(&problem.expected)),
            );
        }
        match &problem.span {
            Some(span) => {
                let snippet = Snippet::source(self.text.as_str()).path(self.origin.as_str());
                let annotation = match &problem.excerpt {
                    None => AnnotationKind::Primary.span(span.clone()).label(&problem.expected),
                    Some(_) => AnnotationKind::Context.span(span.clone()).label("named here"),
                };
                group = group.element(snippet.annotation(annotation));
            }
            // Without a place, what would be right still has to be said.
            None if problem.excerpt.is_none() && !problem.expected.is_empty() => {
                group = group.element(Level::NOTE.message(problem.expected.as_str()));
            }
            None => {}
        }
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.plain())
    }
}

impl core::error::Error for ConfigErrors {}

/// Line and column of an octet of `text`, both from one; the column counts characters.
pub fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before.get(line_start..).unwrap_or("").chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let text = "a = 1\nbö = 2\n";
        assert_eq!(line_and_column(text, 0), (1, 1));
        assert_eq!(line_and_column(text, 6), (2, 1));
        assert_eq!(line_and_column(text, 10), (2, 4));
        assert_eq!(line_and_column(text, 999), (3, 1));
    }

    #[test]
    fn paths_read_like_the_file() {
        assert_eq!(KeyPath::single("ospf", "cost").to_string(), "[ospf] cost");
        assert_eq!(KeyPath::listed("port", 1, "mtu").to_string(), "[[port]] 2 mtu");
        assert_eq!(KeyPath::listed("port", 1, "").to_string(), "[[port]] 2");
        let path = KeyPath::nested("policy.clause", (0, 2), "action");
        assert_eq!(path.to_string(), "[[policy]] 1 [[policy.clause]] 3 action");
    }
}
