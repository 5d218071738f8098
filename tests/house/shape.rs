//! How files, functions and lines look.

use crate::Finding;
use crate::house::source::{Source, Tree};

/// Lines of a file, tests not counted.
const FILE_LINES_MAX: usize = 800;
/// Lines of tests beside the code; more move to a file of their own.
const INLINE_TEST_LINES_MAX: usize = 150;
/// Lines of a function.
const FUNCTION_LINES_MAX: usize = 70;
/// Parameters of a function, its receiver not counted.
const PARAMETERS_MAX: usize = 5;
/// Columns of a line.
const COLUMNS_MAX: usize = 100;

/// Files that do not say in their first lines what they are.
pub fn headers(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let first = file.lines.iter().find(|line| !line.trim().is_empty());
        let said = first.and_then(|line| line.strip_prefix("//!")).unwrap_or("").trim();
        if said.split(' ').count() < 3 {
            findings.push(format!(
                "{}:1: no `//!` sentence at the top; say what the file is, what it owns and what \
                 it leaves to whom",
                file.path
            ));
        }
    }
    findings
}

/// Files that are too long, or have too many tests beside the code.
pub fn files(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let product = file.product().count();
        let inline = file.code.len() - product;
        if product > FILE_LINES_MAX {
            findings.push(format!(
                "{}:{}: {product} lines are more than {FILE_LINES_MAX}; cut it by subject",
                file.path,
                file.lines.len()
            ));
        }
        if product > 0 && inline > INLINE_TEST_LINES_MAX {
            let first = file.is_test.iter().position(|is_test| *is_test).unwrap_or(0) + 1;
            findings.push(format!(
                "{}:{first}: {inline} lines of tests are more than {INLINE_TEST_LINES_MAX}; move \
                 them to a file `tests.rs` in a folder of this name",
                file.path
            ));
        } else if product == 0 && inline > 0 && file.lines[0].contains("cfg(test)") {
            findings.push(format!("{}:1: a file of tests only is named tests.rs", file.path));
        }
    }
    findings
}

/// Functions that do not fit a screen or want too much at once.
pub fn functions(tree: &Tree) -> Vec<Finding> {
    tree.rust().flat_map(functions_of).collect()
}

fn functions_of(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let code = file.code.join("\n");
    for (start, _) in code.match_indices("fn ") {
        let is_word =
            code[..start].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
        let name = code[start + 3..].split(['(', '<']).next().unwrap_or("").trim();
        if is_word || name.is_empty() || name.contains(char::is_whitespace) {
            continue;
        }
        let line = 1 + code[..start].matches('\n').count();
        let Some((parameters, body)) = signature(&code[start..]) else { continue };
        if parameters > PARAMETERS_MAX {
            findings.push(format!(
                "{}:{line}: {name} has {parameters} parameters, more than {PARAMETERS_MAX}; make \
                 a struct of those that belong together",
                file.path
            ));
        }
        let lines = 1 + code[start..start + body].matches('\n').count();
        if lines > FUNCTION_LINES_MAX {
            findings.push(format!(
                "{}:{line}: {name} has {lines} lines, more than {FUNCTION_LINES_MAX}; give its \
                 steps names",
                file.path
            ));
        }
    }
    findings
}

/// How many parameters the function at the start of `code` has, and where its body ends.
fn signature(code: &str) -> Option<(usize, usize)> {
    let open = parameters_open(code)?;
    let mut list = String::new();
    let (mut depth, mut close) = (0_i32, open);
    let mut before = ' ';
    for (at, letter) in code[open..].char_indices() {
        match letter {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '>' if before != '-' && before != '=' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            close = open + at;
            break;
        }
        if depth > 1 || at > 0 {
            list.push(if depth > 1 && letter == ',' { ' ' } else { letter });
        }
        before = letter;
    }
    let count = list
        .split(',')
        .map(str::trim)
        .filter(|parameter| !parameter.is_empty() && !is_receiver(parameter))
        .count();
    Some((count, close + body_length(&code[close..])))
}

fn is_receiver(parameter: &str) -> bool {
    let name = parameter.split(':').next().unwrap_or(parameter);
    name.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == "self")
        && !name.trim_start().starts_with('_')
}

/// Where the list of parameters opens: the first `(` outside of `<…>`.
fn parameters_open(code: &str) -> Option<usize> {
    let (mut depth, mut before) = (0_i32, ' ');
    for (at, letter) in code.char_indices() {
        match letter {
            '<' => depth += 1,
            '>' if before != '-' => depth -= 1,
            '(' if depth == 0 => return Some(at),
            '{' | ';' => return None,
            _ => {}
        }
        before = letter;
    }
    None
}

/// Length of everything up to the end of the body, or to the `;` of a function without one.
fn body_length(code: &str) -> usize {
    let mut depth = 0_i32;
    for (at, letter) in code.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth <= 0 {
                    return at;
                }
            }
            ';' if depth == 0 && !code[..at].ends_with(|l: char| l.is_alphanumeric()) => return at,
            ';' if depth == 0 && !code[..at].contains('[') => return at,
            _ => {}
        }
    }
    code.len()
}

/// Lines that do not fit, or end in blanks.
pub fn lines(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ours = |path: &str| {
        [".rs", ".c", ".h", ".sh"].iter().any(|end| path.ends_with(end))
            || matches!(path, "dev" | ".ci/run")
    };
    for file in tree.files.iter().filter(|file| ours(&file.path)) {
        for (line, text) in file.lines.iter().enumerate() {
            let columns = text.chars().count();
            if columns > COLUMNS_MAX {
                findings.push(format!(
                    "{}:{}: {columns} columns are more than {COLUMNS_MAX}; wrap it",
                    file.path,
                    line + 1
                ));
            }
            if text.ends_with([' ', '\t', '\r']) {
                findings.push(format!("{}:{}: blanks at the end", file.path, line + 1));
            }
        }
    }
    findings
}
