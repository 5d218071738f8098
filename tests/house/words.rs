//! Words that must not stay: promises instead of work, tests that are off, traces of a machine.
//!
//! The words are cut in two here, so that this file does not find itself.

use crate::Finding;
use crate::house::source::Tree;

/// Words of unfinished work; what is missing is said with `// Gap:` and the section.
pub const BANNED: &[&str] = &[
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("for ", "now"),
    concat!("simpli", "fied"),
    concat!("in a ", "real"),
    concat!("place", "holder"),
];

/// Where home directories are.
const HOMES: &[&str] = &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];

/// Unfinished work.
pub fn banned(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        let mut before = String::new();
        for (line, text) in file.lines.iter().enumerate() {
            let text = text.to_lowercase();
            // A phrase may be broken over two lines of a comment.
            let joined = format!("{before} {}", words_of(&text));
            for word in BANNED {
                let small = word.to_lowercase();
                let is_new = !has_word(&before, &small);
                if has_word(&text, &small) || (is_new && has_word(&joined, &small)) {
                    // The beginning of a broken phrase is where a reader looks.
                    let start = if has_word(&text, &small) { line + 1 } else { line };
                    findings.push(format!(
                        "{}:{start}: `{word}`; do it, or confess it: `Gap: …` with the section",
                        file.path
                    ));
                }
            }
            before = words_of(&text);
        }
    }
    findings
}

/// A line without what marks it as a comment.
fn words_of(line: &str) -> String {
    line.trim().trim_start_matches(['/', '!', '#', '*', '>']).trim().to_owned()
}

/// Whether `word` stands in `text`, not as a part of a longer word.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |letter: Option<char>| letter.is_some_and(|l| l.is_alphanumeric() || l == '_');
    text.match_indices(word).any(|(at, _)| {
        let after = text[at + word.len()..].chars().next();
        !is_part(text[..at].chars().next_back()) && (word.ends_with('!') || !is_part(after))
    })
}

/// Tests that do not run.
pub fn ignored_tests(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        for (line, code) in file.code.iter().enumerate() {
            let attribute = code.trim().replace(' ', "");
            if attribute.starts_with("#[ignore]") || attribute.starts_with("#[ignore=") {
                findings.push(format!(
                    "{}:{}: a test that does not run; repair it, or skip at run time with a \
                     printed reason",
                    file.path,
                    line + 1
                ));
            }
        }
    }
    findings
}

/// Paths that exist on one machine only: home directories, and where this checkout is.
pub fn machine_paths(tree: &Tree) -> Vec<Finding> {
    machine_paths_from(tree, env!("CARGO_MANIFEST_DIR"))
}

/// The same for a checkout at `here`; one directly under the root has a name like any other.
pub fn machine_paths_from(tree: &Tree, here: &str) -> Vec<Finding> {
    let mut paths: Vec<&str> = HOMES.to_vec();
    if here.matches('/').count() > 1 {
        paths.push(here);
    }
    let mut findings = Vec::new();
    for file in &tree.files {
        for (line, text) in file.lines.iter().enumerate() {
            let is_start = |at: usize| {
                let before = text[..at].chars().next_back();
                !before.is_some_and(|letter| letter.is_alphanumeric() || "_-.".contains(letter))
            };
            let found = |path: &&&str| text.match_indices(**path).any(|(at, _)| is_start(at));
            if let Some(path) = paths.iter().find(found) {
                findings.push(format!(
                    "{}:{}: {path} is a path of one machine; write it relative to the repository",
                    file.path,
                    line + 1
                ));
            }
        }
    }
    findings
}
