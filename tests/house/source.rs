//! The files of the repository, each taken apart: code, comments, tests.
//!
//! Owns the walk and a lexer that knows just enough of Rust to tell code from comments and strings.
//!
//! *Invariants*: taking apart keeps the lines: line 7 of `code` is line 7 of the file, with blanks
//! where comments, strings and characters were.

use std::collections::BTreeSet;
use std::path::Path;

/// Folders and files that are not ours to judge.
const SKIPPED: &[&str] = &["target", ".git", "Cargo.lock", "LICENSE-APACHE", "LICENSE-MIT"];

/// All files that a rule may look at.
pub struct Tree {
    /// Sorted by path.
    pub files: Vec<Source>,
}

/// One text file.
pub struct Source {
    /// Relative to the repository, with `/`.
    pub path: String,
    /// As it is.
    pub lines: Vec<String>,
    /// Rust: only the code.
    pub code: Vec<String>,
    /// Rust: only the comments.
    pub comments: Vec<String>,
    /// Rust: which lines are only there for tests.
    pub is_test: Vec<bool>,
}

impl Tree {
    /// The repository.
    pub fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut texts = Vec::new();
        walk(root, root, &mut texts);
        texts.sort();
        let texts: Vec<(&str, &str)> =
            texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        Self::of(&texts)
    }

    /// Made-up files.
    pub fn of(texts: &[(&str, &str)]) -> Self {
        let mut files: Vec<Source> =
            texts.iter().map(|&(path, text)| Source::new(path, text)).collect();
        let tests: BTreeSet<String> = files.iter().flat_map(Source::modules_for_tests).collect();
        for file in &mut files {
            let is_test = tests.iter().any(|stem| {
                file.path == format!("{stem}.rs") || file.path.starts_with(&format!("{stem}/"))
            });
            if is_test {
                file.is_test.fill(true);
            }
        }
        Self { files }
    }

    /// The Rust files.
    pub fn rust(&self) -> impl Iterator<Item = &Source> {
        self.files.iter().filter(|file| file.is_rust())
    }
}

fn walk(root: &Path, folder: &Path, texts: &mut Vec<(String, String)>) {
    let entries = std::fs::read_dir(folder).expect("a folder of the repository can be read");
    for entry in entries {
        let path = entry.expect("its entries can be read").path();
        let below = path.strip_prefix(root).expect("the walk stays inside");
        let name = below.to_string_lossy().replace('\\', "/");
        if SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, texts);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            texts.push((name, text));
        }
    }
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let (code, comments) =
            if has_end(path, ".rs") { split(text) } else { (String::new(), String::new()) };
        let code: Vec<String> = code.lines().map(str::to_owned).collect();
        let comments = comments.lines().map(str::to_owned).collect();
        let is_file_of_tests = path.starts_with("tests/")
            || path.contains("/tests/")
            || path.ends_with("/tests.rs")
            || path.contains("/benches/");
        let mut is_test = vec![is_file_of_tests; code.len()];
        for (first, last) in inline_tests(&code) {
            is_test[first..=last].fill(true);
        }
        Self { path: path.to_owned(), lines, code, comments, is_test }
    }

    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        has_end(&self.path, ".rs")
    }

    /// `base` of `src/base/time.rs`, `main` of `src/main.rs`; nothing outside the main crate.
    pub fn layer(&self) -> Option<&str> {
        let below = self.path.strip_prefix("src/")?;
        below.split('/').next().map(|name| name.trim_end_matches(".rs"))
    }

    /// The code that is not for tests, with its line numbers from 1.
    pub fn product(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.code.iter().zip(&self.is_test).enumerate();
        lines.filter(|(_, (_, is_test))| !**is_test).map(|(line, (code, _))| (line + 1, &**code))
    }

    /// The same as one text; lines of tests are empty.
    pub fn product_text(&self) -> String {
        let lines = self.code.iter().zip(&self.is_test);
        lines
            .map(|(code, is_test)| if *is_test { "\n".into() } else { format!("{code}\n") })
            .collect()
    }

    /// `src/fib/oracle` where `src/fib/mod.rs` has `#[cfg(test)] mod oracle;`.
    fn modules_for_tests(&self) -> Vec<String> {
        let (folder, file) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let stem = file.trim_end_matches(".rs");
        let folder = if matches!(stem, "mod" | "lib" | "main") {
            folder.to_owned()
        } else {
            format!("{folder}/{stem}")
        };
        let mut stems = Vec::new();
        for (line, code) in self.code.iter().enumerate() {
            if let Some(name) = code.trim().strip_suffix(';').and_then(module_name)
                && line > 0
                && self.code[line - 1].trim() == "#[cfg(test)]"
            {
                stems.push(format!("{folder}/{name}"));
            }
        }
        stems
    }
}

fn has_end(path: &str, end: &str) -> bool {
    path.ends_with(end)
}

/// `tests` of `pub mod tests`.
fn module_name(text: &str) -> Option<&str> {
    let mut words = text.split_whitespace().skip_while(|word| word.starts_with("pub"));
    (words.next() == Some("mod")).then(|| words.next()).flatten()
}

/// First and last line, from 0, of everything inline under `#[cfg(test)]`.
fn inline_tests(code: &[String]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (first, line) in code.iter().enumerate() {
        if line.trim() != "#[cfg(test)]" {
            continue;
        }
        let mut depth = 0_usize;
        'item: for (last, line) in code.iter().enumerate().skip(first + 1) {
            for letter in line.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                if depth == 0 && matches!(letter, '}' | ';') {
                    found.push((first, last));
                    break 'item;
                }
            }
        }
    }
    found
}

/// What the lexer is inside of.
enum Inside {
    Code,
    Line,
    Block(usize),
    Text,
    Raw(usize),
}

/// The code and the comments of a Rust text.
fn split(text: &str) -> (String, String) {
    let letters: Vec<char> = text.chars().collect();
    let (mut code, mut comments) = (String::new(), String::new());
    let mut inside = Inside::Code;
    let mut at = 0;
    while at < letters.len() {
        let (next, taken, is_comment, is_code) = token(&letters, at, &inside);
        for &letter in &letters[at..at + taken] {
            let blank = if letter == '\n' { '\n' } else { ' ' };
            code.push(if is_code { letter } else { blank });
            comments.push(if is_comment { letter } else { blank });
        }
        at += taken;
        inside = next;
    }
    (code, comments)
}

/// One step of the lexer: what comes next, how many letters, whether they are comment or code.
fn token(letters: &[char], at: usize, inside: &Inside) -> (Inside, usize, bool, bool) {
    let (this, next) = (letters[at], letters.get(at + 1).copied().unwrap_or('\n'));
    match *inside {
        Inside::Code => match (this, next) {
            ('/', '/') => (Inside::Line, 2, true, false),
            ('/', '*') => (Inside::Block(1), 2, true, false),
            ('"', _) => (Inside::Text, 1, false, true),
            ('r', '"' | '#') if !is_word(letters, at) => match raw_start(letters, at) {
                Some(hashes) => (Inside::Raw(hashes), hashes + 2, false, false),
                None => (Inside::Code, 1, false, true),
            },
            ('\'', _) => (Inside::Code, character(letters, at), false, false),
            _ => (Inside::Code, 1, false, true),
        },
        Inside::Line if this == '\n' => (Inside::Code, 1, false, true),
        Inside::Line => (Inside::Line, 1, true, false),
        Inside::Block(depth) => match (this, next) {
            ('/', '*') => (Inside::Block(depth + 1), 2, true, false),
            ('*', '/') if depth == 1 => (Inside::Code, 2, true, false),
            ('*', '/') => (Inside::Block(depth - 1), 2, true, false),
            _ => (Inside::Block(depth), 1, true, false),
        },
        Inside::Text => match this {
            '\\' if at + 1 < letters.len() => (Inside::Text, 2, false, false),
            '"' => (Inside::Code, 1, false, true),
            _ => (Inside::Text, 1, false, false),
        },
        Inside::Raw(hashes) => {
            let end = this == '"' && letters[at + 1..].iter().take(hashes).all(|&l| l == '#');
            if end {
                (Inside::Code, hashes + 1, false, false)
            } else {
                (Inside::Raw(hashes), 1, false, false)
            }
        }
    }
}

/// Whether the letter at `at` continues a word; `br"` starts one.
fn is_word(letters: &[char], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map(|place| letters[place]);
    let is_part = |letter: Option<char>| letter.is_some_and(|l| l.is_alphanumeric() || l == '_');
    match before(1) {
        Some('b' | 'c') => is_part(before(2)),
        other => is_part(other),
    }
}

/// How many `#` a raw string at `at` has; nothing where none starts (`r#type`).
fn raw_start(letters: &[char], at: usize) -> Option<usize> {
    let hashes = letters[at + 1..].iter().take_while(|&&letter| letter == '#').count();
    (letters.get(at + 1 + hashes) == Some(&'"')).then_some(hashes)
}

/// Length of the character literal at `at`, or 1 where it is a lifetime.
fn character(letters: &[char], at: usize) -> usize {
    match (letters.get(at + 1), letters.get(at + 2)) {
        (Some('\\'), _) => {
            let rest = letters[at + 3..].iter().position(|&letter| letter == '\'');
            rest.map_or(1, |length| length + 4)
        }
        (Some(_), Some('\'')) => 3,
        _ => 1,
    }
}

/// Every path of a `use`, written out: `a::{b, c::d}` is `a::b` and `a::c::d`.
pub fn expand_use(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree);
        return vec![path.split_whitespace().collect()];
    };
    let head: String = tree[..open].split_whitespace().collect();
    let body = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
    let mut paths = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in body.char_indices().chain([(body.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = body[start..at].trim();
                if !part.is_empty() {
                    paths.extend(expand_use(part).iter().map(|path| format!("{head}{path}")));
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    paths
}

/// A path somewhere in code.
pub struct Named {
    /// From 1.
    pub line: usize,
    /// `std::fs::File`.
    pub path: String,
    /// Whether it stands in a `use`.
    pub is_use: bool,
}

/// Every path in a text of code: those of `use` written out, and `a::b` in between.
pub fn paths(code: &str) -> Vec<Named> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((start, word)) = next_word(code, at) {
        let line = 1 + code[..start].matches('\n').count();
        at = start + word.len();
        if word == "use" {
            let end = code[at..].find(';').map_or(code.len(), |length| at + length);
            let written_out = expand_use(&code[at..end]);
            found.extend(written_out.into_iter().map(|path| Named { line, path, is_use: true }));
            at = end;
        } else if code[at..].starts_with("::") && !code[..start].ends_with("::") {
            let rest = code[start..].find(|l: char| !(l.is_alphanumeric() || l == '_' || l == ':'));
            let end = rest.map_or(code.len(), |length| start + length);
            let path = code[start..end].trim_end_matches(':').to_owned();
            found.push(Named { line, path, is_use: false });
            at = end;
        }
    }
    found
}

/// The next identifier from `at` on, and where it starts.
fn next_word(code: &str, at: usize) -> Option<(usize, &str)> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let start = at + code[at..].find(is_part)?;
    let length = code[start..].find(|letter| !is_part(letter)).unwrap_or(code.len() - start);
    Some((start, &code[start..start + length]))
}

/// Every identifier of a line of code.
pub fn identifiers(code: &str) -> impl Iterator<Item = &str> {
    code.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
        .filter(|w| !w.is_empty())
}
