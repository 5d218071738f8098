//! One block of the file, read key by key.
//!
//! Owns [`BlockReader`]: it looks keys up in the block's [`BlockDoc`], checks type and range
//! against it, notes where each key stands, and collects what is wrong in [`Findings`]. Which keys
//! make which value is the business of `load`.
//!
//! *Invariants*: a key that is asked for has a [`KeyDoc`]; when a block is finished, every
//! documented key was asked for. So documentation and loader cannot diverge.

use crate::config::problem::{KeyPath, Problem, ProblemKind};
use crate::config::schema::keys::{self, BlockDoc, KeyDoc, KeyKind};
use core::fmt::Display;
use core::ops::Range;
use core::str::FromStr;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

/// What the loader learned beside the values: problems and places.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is wrong so far.
    pub problems: Vec<Problem>,
    /// Where each key and each block stands.
    pub places: BTreeMap<KeyPath, Range<usize>>,
}

impl Findings {
    /// Adds a problem; its place is that of its key, else of its block.
    pub fn add(&mut self, mut problem: Problem) {
        if problem.span.is_none()
            && let Some(path) = &problem.path
        {
            let place = self.places.get(path).or_else(|| self.places.get(&path.whole_block()));
            problem.span = place.cloned();
        }
        self.problems.push(problem);
    }

    /// Whether the block of this key has a problem already.
    pub fn is_broken(&self, path: &KeyPath) -> bool {
        let block = path.whole_block();
        self.problems.iter().any(|p| p.path.as_ref().is_some_and(|p| p.whole_block() == block))
    }
}

/// A number or a string, where both are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A whole number.
    Number(i64),
    /// A string.
    Text(String),
}

/// A block of the file while it is read.
pub struct BlockReader<'a> {
    doc: &'static BlockDoc,
    outer: Option<usize>,
    index: Option<usize>,
    table: &'a DeTable<'a>,
    asked: BTreeSet<&'static str>,
    findings: &'a mut Findings,
}

impl<'a> BlockReader<'a> {
    /// Starts on a block. `span` is its header.
    pub fn new(
        doc: &'static BlockDoc,
        index: Option<usize>,
        block: (&'a DeTable<'a>, Range<usize>),
        findings: &'a mut Findings,
    ) -> Self {
        let (table, span) = block;
        findings.places.insert(KeyPath { block: doc.name, outer: None, index, key: "" }, span);
        Self { doc, outer: None, index, table, asked: BTreeSet::new(), findings }
    }

    /// Starts on a block within one of several.
    pub fn nested(
        doc: &'static BlockDoc,
        (outer, index): (usize, usize),
        block: (&'a DeTable<'a>, Range<usize>),
        findings: &'a mut Findings,
    ) -> Self {
        let (table, span) = block;
        let path = KeyPath::nested(doc.name, (outer, index), "");
        findings.places.insert(path, span);
        let asked = BTreeSet::new();
        Self { doc, outer: Some(outer), index: Some(index), table, asked, findings }
    }

    /// The place of a key of this block.
    pub fn path(&self, key: &'static str) -> KeyPath {
        KeyPath { block: self.doc.name, outer: self.outer, index: self.index, key }
    }

    /// Adds a problem.
    pub fn add(&mut self, problem: Problem) {
        self.findings.add(problem);
    }

    /// Whether the key is written.
    pub fn has(&self, key: &str) -> bool {
        find(self.table, key).is_some()
    }

    /// Whether something of this block is wrong already.
    pub fn is_broken(&self) -> bool {
        self.findings.is_broken(&self.path(""))
    }

    /// Adds a way out to the last problem, which is with this key.
    pub fn amend_last(&mut self, path: &KeyPath, help: &str) {
        if let Some(problem) = self.findings.problems.last_mut()
            && problem.path.as_ref() == Some(path)
        {
            problem.help = Some(help.to_owned());
        }
    }

    /// Adds "required" for a key that has no default.
    pub fn missing(&mut self, key: &'static str) {
        if self.has(key) {
            return;
        }
        let kind = self.key_doc(key).kind;
        let message = "required and not given";
        let problem = Problem::new(
            ProblemKind::Missing,
            self.path(key),
            message,
            format!("add `{key} = …`: {kind}"),
        );
        self.add(problem);
    }

    /// Adds "this value is wrong" and says what would be right.
    pub fn wrong(&mut self, key: &'static str, message: impl Into<String>) {
        let doc = self.key_doc(key);
        let unit = if doc.unit.is_empty() { String::new() } else { format!(", in {}", doc.unit) };
        let expected = format!("must be {}{unit}", doc.kind);
        let problem = Problem::new(ProblemKind::Value, self.path(key), message, expected);
        self.add(problem);
    }

    fn key_doc(&self, key: &str) -> &'static KeyDoc {
        match self.doc.key(key) {
            Some(doc) => doc,
            None => unreachable!("[{}] {key} is read and not documented", self.doc.name),
        }
    }

    /// The raw value, if written; remembers its place.
    fn value(&mut self, key: &'static str) -> Option<&'a DeValue<'a>> {
        let doc = self.key_doc(key);
        self.asked.insert(doc.name);
        let value = find(self.table, key)?;
        let path = self.path(key);
        self.findings.places.insert(path, value.span());
        Some(value.get_ref())
    }

    fn wrong_type(&mut self, key: &'static str, value: &DeValue<'_>) {
        let kind = self.key_doc(key).kind;
        self.wrong(key, format!("{} is not right here", describe(value)));
        let is_number_in_quotes = matches!(kind, KeyKind::Integer { .. })
            && value.as_str().is_some_and(|text| text.parse::<i64>().is_ok());
        if is_number_in_quotes && let Some(problem) = self.findings.problems.last_mut() {
            problem.help = Some("write the number without quotes".to_owned());
        }
    }

    /// A string.
    pub fn text(&mut self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong_type(key, value);
        }
        text
    }

    /// A string that something is parsed from.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, key: &'static str) -> Option<T> {
        let text = self.text(key)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(key, format!("{error}"));
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        let is_true = value.as_bool();
        if is_true.is_none() {
            self.wrong_type(key, value);
        }
        is_true
    }

    /// One of the words of the documentation.
    pub fn choice<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let KeyKind::Choice(documented) = self.key_doc(key).kind else {
            unreachable!("[{}] {key} is read as a choice", self.doc.name)
        };
        debug_assert!(words.iter().map(|(word, _)| *word).eq(documented.iter().copied()), "{key}");
        let text = self.text(key)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        self.wrong(key, format!("`{text}` is none of the words"));
        let near = keys::habit(&text, documented.iter().copied());
        if let Some(near) = near.or_else(|| nearest(&text, documented.iter().copied()))
            && let Some(problem) = self.findings.problems.last_mut()
        {
            problem.help = Some(format!("did you mean \"{near}\"?"));
        }
        None
    }

    /// A whole number within the documented range.
    pub fn integer<T: TryFrom<i64>>(&mut self, key: &'static str) -> Option<T> {
        let KeyKind::Integer { minimum, maximum } = self.key_doc(key).kind else {
            unreachable!("[{}] {key} is read as a number", self.doc.name)
        };
        let value = self.value(key)?;
        let Some(written) = value.as_integer() else {
            self.wrong_type(key, value);
            return None;
        };
        let number =
            in_range(written, minimum, maximum).and_then(|number| T::try_from(number).ok());
        if number.is_none() {
            self.wrong(key, format!("{written} is out of range"));
        }
        number
    }

    /// An array of whole numbers within the documented range.
    pub fn integers<T: TryFrom<i64>>(&mut self, key: &'static str) -> Option<Vec<T>> {
        let KeyKind::Integers { minimum, maximum } = self.key_doc(key).kind else {
            unreachable!("[{}] {key} is read as a list of numbers", self.doc.name)
        };
        self.list(key, |value| {
            let number = in_range(value.as_integer()?, minimum, maximum)?;
            T::try_from(number).ok()
        })
    }

    /// An array of strings.
    pub fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        self.list(key, |value| value.as_str().map(str::to_owned))
    }

    /// An array of strings that something is parsed from; one string is an array of one.
    pub fn parsed_list<T: FromStr<Err: Display>>(&mut self, key: &'static str) -> Option<Vec<T>> {
        let value = self.value(key)?;
        let items: Vec<(&str, Option<Range<usize>>)> = match (value.as_str(), value.as_array()) {
            (Some(text), _) => vec![(text, None)],
            (None, Some(items)) => {
                let text = |item: &'a Spanned<DeValue<'a>>| {
                    item.get_ref().as_str().map(|text| (text, Some(item.span())))
                };
                let Some(texts) = items.iter().map(text).collect() else {
                    self.wrong_type(key, value);
                    return None;
                };
                texts
            }
            (None, None) => {
                self.wrong_type(key, value);
                return None;
            }
        };
        let mut parsed = Vec::with_capacity(items.len());
        for (text, span) in items {
            match text.parse() {
                Ok(value) => parsed.push(value),
                Err(error) => {
                    self.wrong(key, format!("{error}"));
                    if let (Some(span), Some(problem)) = (span, self.findings.problems.last_mut()) {
                        problem.span = Some(span);
                    }
                    return None;
                }
            }
        }
        Some(parsed)
    }

    /// A whole number or a string; which ones are right is for the caller to say.
    pub fn scalar(&mut self, key: &'static str) -> Option<Scalar> {
        let value = self.value(key)?;
        if let Some(text) = value.as_str() {
            return Some(Scalar::Text(text.to_owned()));
        }
        let number = value.as_integer().and_then(|number| in_range(number, 0, i64::MAX));
        if number.is_none() {
            self.wrong_type(key, value);
        }
        number.map(Scalar::Number)
    }

    fn list<T>(
        &mut self,
        key: &'static str,
        convert: impl Fn(&DeValue<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let value = self.value(key)?;
        let Some(items) = value.as_array() else {
            self.wrong_type(key, value);
            return None;
        };
        let mut converted = Vec::with_capacity(items.len());
        for item in items.iter() {
            match convert(item.get_ref()) {
                Some(one) => converted.push(one),
                None => {
                    self.wrong(
                        key,
                        format!("{} in the list is not right", describe(item.get_ref())),
                    );
                    if let Some(problem) = self.findings.problems.last_mut() {
                        problem.span = Some(item.span());
                    }
                    return None;
                }
            }
        }
        Some(converted)
    }

    /// Ends the block: keys that do not exist are errors.
    pub fn finish(mut self) {
        for key in self.doc.keys {
            debug_assert!(self.asked.contains(key.name), "[{}] {} unread", self.doc.name, key.name);
        }
        self.check_names("", self.table);
    }

    /// Looks for names that nobody knows, in the block or a table of it; `within` is its name and
    /// a dot.
    fn check_names(&mut self, within: &str, table: &'a DeTable<'a>) {
        for (name, value) in table {
            let full = format!("{within}{}", name.get_ref());
            if self.doc.key(&full).is_some() {
                continue;
            }
            let inner = format!("{full}.");
            if self.doc.keys.iter().any(|key| key.name.starts_with(&inner)) {
                match value.get_ref().as_table() {
                    Some(table) => self.check_names(&inner, table),
                    None => {
                        let message = format!("{} is not right here", describe(value.get_ref()));
                        let expected = format!("must be a table: {full} = {{ … }}");
                        self.wrong_name((ProblemKind::Value, value.span()), message, expected);
                    }
                }
                continue;
            }
            let block = format!("{}.{full}", self.doc.name);
            match keys::block(&block) {
                Some(doc) if has_shape(doc, value.get_ref()) => {}
                Some(doc) => {
                    let (message, expected) = wrong_shape(doc);
                    self.wrong_name((ProblemKind::Value, name.span()), message, expected);
                }
                None => self.unknown(&full, name.span()),
            }
        }
    }

    fn unknown(&mut self, name: &str, span: Range<usize>) {
        let at = (ProblemKind::Unknown, span);
        if let Some(absence) = keys::absence(self.doc.name, name) {
            return self.wrong_name(at, absence.reason.to_owned(), absence.instead.to_owned());
        }
        let within = format!("{}.", self.doc.name);
        let blocks = keys::BLOCKS.iter().filter_map(|block| block.name.strip_prefix(&within));
        let known = self.doc.keys.iter().map(|key| key.name).chain(blocks);
        let near = keys::habit(name, known.clone());
        let expected = match near.or_else(|| nearest(name, known.clone())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", known.collect::<Vec<_>>().join(", ")),
        };
        self.wrong_name(at, format!("there is no key `{name}`"), expected);
    }

    fn wrong_name(
        &mut self,
        (kind, span): (ProblemKind, Range<usize>),
        message: String,
        expected: String,
    ) {
        let mut problem = Problem::new(kind, self.path(""), message, expected);
        problem.span = Some(span);
        self.add(problem);
    }
}

/// The value of a key, in a table of the block where there is a dot in its name.
fn find<'a>(table: &'a DeTable<'a>, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
    match key.split_once('.') {
        None => table.get(key),
        Some((outer, inner)) => find(table.get(outer)?.get_ref().as_table()?, inner),
    }
}

/// Whether a block is written as it must be: once, or as a list.
pub fn has_shape(doc: &BlockDoc, value: &DeValue<'_>) -> bool {
    match doc.is_list {
        true => {
            value.as_array().is_some_and(|list| list.iter().all(|item| item.get_ref().is_table()))
        }
        false => value.is_table(),
    }
}

/// What is said of a block that is not: what is wrong, and what would be right.
pub fn wrong_shape(doc: &BlockDoc) -> (String, String) {
    let message = match doc.is_list {
        true => format!("`{}` may be there several times", doc.name),
        false => format!("`{}` is there only once", doc.name),
    };
    (message, format!("write {}", doc.header()))
}

fn in_range(written: &DeInteger<'_>, minimum: i64, maximum: i64) -> Option<i64> {
    let number = i64::from_str_radix(written.as_str(), written.radix()).ok()?;
    (minimum..=maximum).contains(&number).then_some(number)
}

/// A value in words, for messages.
fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the string \"{text}\""),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(is_true) => is_true.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// The known word that was probably meant, if one is near enough.
pub fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    // One third of the word may be wrong; beyond that a suggestion is a guess.
    let distance_max = (word.chars().count() / 3).max(1);
    known
        .map(|candidate| (strsim::osa_distance(&word, candidate), candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// What was probably meant, in brackets and behind a space, to stand behind the wrong word; nothing
/// where no known word is near.
pub fn did_you_mean(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!(" (did you mean `{near}`?)"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let known = ["hello_interval", "dead_interval", "cost"];
        assert_eq!(nearest("hello-interval", known.into_iter()), Some("hello_interval"));
        assert_eq!(nearest("helo_intervall", known.into_iter()), Some("hello_interval"));
        assert_eq!(nearest("Cots", known.into_iter()), Some("cost"));
        assert_eq!(nearest("bandwidth", known.into_iter()), None);
        assert_eq!(did_you_mean("cots", &known), " (did you mean `cost`?)");
        assert_eq!(did_you_mean("bandwidth", &known), "");
    }
}
