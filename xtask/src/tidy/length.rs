//! Small on purpose: a file is read in one sitting, a function fits a screen.

use super::Finding;
use super::source::{RustFile, closing_brace, line_of, word_starts};
use super::tree::Tree;

/// Lines a file may have.
const FILE_LIMIT: usize = 600;
/// Lines from which a file is listed as growing.
const FILE_NOTE: usize = 400;
/// Lines of code a function's body may have, as `clippy::too_many_lines` counts them.
const FUNCTION_LIMIT: usize = 70;
/// Lines no reason excuses.
const FUNCTION_CEILING: usize = 150;

/// Files over the limit.
pub(super) fn check_files(tree: &Tree, found: &mut Vec<Finding>) {
    for file in tree.rust.iter().filter(|file| file.lines > FILE_LIMIT) {
        let what = format!("{} lines, {FILE_LIMIT} at most", file.lines);
        found.push(Finding::new(&file.path, FILE_LIMIT + 1, what, "split it where a second reason to change begins"));
    }
}

/// Files that are within the limit but no longer small.
pub(super) fn long_files(tree: &Tree) -> Vec<String> {
    let growing = tree.rust.iter().filter(|file| file.lines > FILE_NOTE && file.lines <= FILE_LIMIT);
    growing.map(|file| format!("{} has {} lines; {FILE_LIMIT} is the limit", file.path, file.lines)).collect()
}

/// Functions over the limit without a stated reason, and functions beyond any reason.
pub(super) fn check_functions(tree: &Tree, found: &mut Vec<Finding>) {
    for file in &tree.rust {
        for function in functions(file) {
            let Function { name, line, length, excused } = function;
            let hint = "name its steps and make them functions";
            if length > FUNCTION_CEILING {
                let what = format!("`{name}` has {length} lines of code, never more than {FUNCTION_CEILING}");
                found.push(Finding::new(&file.path, line, what, hint));
            } else if length > FUNCTION_LIMIT && !excused {
                let what = format!("`{name}` has {length} lines of code, {FUNCTION_LIMIT} at most");
                let hint = format!("{hint}, or give `#[expect(clippy::too_many_lines, reason = \"…\")]`");
                found.push(Finding::new(&file.path, line, what, hint));
            }
        }
    }
}

/// A function with a body.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) line: usize,
    /// Lines of code between its braces: blank lines and comments are not counted.
    pub(super) length: usize,
    /// Whether it carries an `expect` with a reason.
    pub(super) excused: bool,
}

/// Every function of the file that has a body.
pub(super) fn functions(file: &RustFile) -> Vec<Function> {
    let text = &file.masked;
    let mut functions = Vec::new();
    for at in word_starts(text, "fn") {
        let rest = text[at + 2..].trim_start();
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        // `fn(…)` without a name is a pointer type.
        if name.is_empty() {
            continue;
        }
        let Some(open) = body_start(text, at) else { continue };
        let Some(close) = closing_brace(text, open) else { continue };
        let body = &text[open + 1..close];
        let length = body.lines().filter(|line| !line.trim().is_empty()).count();
        let before = &text[..at];
        let attributes = &before[before.rfind([';', '{', '}']).map_or(0, |end| end + 1)..];
        let excused = attributes.contains("too_many_lines") && attributes.contains("reason");
        functions.push(Function { name, line: line_of(text, at), length, excused });
    }
    functions
}

/// The brace that opens the body; none for a declaration. Brackets are skipped, so that `[u8; 4]` in a signature
/// does not end it.
fn body_start(text: &str, from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}
