//! Where `unsafe` may stand, and what has to stand beside it.

use crate::Finding;
use crate::house::source::{Source, Tree, identifiers};

/// The rooms: files and folders that may have `unsafe`.
const ROOMS: &[&str] = &[
    "src/base/rcu.rs",
    "src/base/rcu/",
    "src/base/prefetch.rs",
    "src/dpdk/",
    "src/os/",
    "src/fib/simd.rs",
    "dpdk-sys/",
];

/// Lines between the reason and the `unsafe` of one statement.
const STATEMENT_LINES_MAX: usize = 3;

fn is_room(path: &str) -> bool {
    ROOMS.iter().any(|room| path == *room || (room.ends_with('/') && path.starts_with(room)))
}

fn has_unsafe(code: &str) -> bool {
    identifiers(code).any(|word| word == "unsafe")
}

/// `unsafe` outside its rooms.
pub fn rooms(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| !is_room(&file.path)) {
        for (line, code) in file.code.iter().enumerate() {
            if has_unsafe(code) {
                findings.push(format!(
                    "{}:{}: unsafe outside its rooms ({}); give a safe owner to one of them",
                    file.path,
                    line + 1,
                    ROOMS.join(", ")
                ));
            }
        }
    }
    findings
}

/// Chapters and programs that do not forbid `unsafe` although they have no room.
pub fn forbidden(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let is_root = matches!(
            file.path.as_str(),
            "src/main.rs" | "perf/src/lib.rs" | "appliance/src/lib.rs"
        );
        let folder = file.path.strip_suffix("mod.rs").unwrap_or(&file.path);
        let is_chapter = folder.starts_with("src/") && folder.matches('/').count() == 2;
        let has_mod = file.path.ends_with("/mod.rs") && is_chapter;
        let has_room = tree.files.iter().any(|other| {
            other.path.starts_with(folder) && is_room(&other.path) && other.path != file.path
        }) || is_room(&file.path);
        let forbids = file.code.iter().any(|code| code.trim() == "#![forbid(unsafe_code)]");
        if (is_root || (has_mod && !has_room)) && !forbids {
            findings.push(format!(
                "{}:1: it has no room for unsafe and does not say so; add #![forbid(unsafe_code)]",
                file.path
            ));
        }
    }
    findings
}

/// `unsafe` without the reason why it is sound.
pub fn reasons(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        for (line, code) in file.code.iter().enumerate() {
            if has_unsafe(code) && !is_reasoned(file, line, code) {
                findings.push(format!(
                    "{}:{}: unsafe without a reason; say above it in `// SAFETY:` (a function: \
                     `# Safety`) which facts make it sound and who guarantees them",
                    file.path,
                    line + 1
                ));
            }
        }
    }
    findings
}

fn is_reasoned(file: &Source, line: usize, code: &str) -> bool {
    let after = code.split("unsafe").nth(1).unwrap_or("").trim_start();
    let is_type =
        after.starts_with("extern") || code.contains(": unsafe") || code.contains("(unsafe");
    let is_declared = after.starts_with("fn") || after.starts_with("trait");
    if code.contains("#[unsafe(") || code.contains("#![") || code.contains("unsafe_") || is_type {
        return true;
    }
    let wanted = if is_declared { "# Safety" } else { "SAFETY:" };
    has_reason_above(file, line, wanted)
}

/// Goes up through comments and attributes, and through the beginning of the same statement.
fn has_reason_above(file: &Source, line: usize, wanted: &str) -> bool {
    let mut statement_lines = 0;
    for above in (0..=line).rev() {
        if file.comments[above].contains(wanted) {
            return true;
        }
        let code = file.code[above].trim();
        if above == line || code.is_empty() && !file.comments[above].trim().is_empty() {
            continue;
        }
        if code.is_empty() {
            return false;
        }
        if code.starts_with("#[") {
            continue;
        }
        let ends_statement = code.ends_with([';', '{', '}']);
        statement_lines += 1;
        if ends_statement || statement_lines > STATEMENT_LINES_MAX {
            return false;
        }
    }
    false
}
