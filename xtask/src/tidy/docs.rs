//! Names in documents exist: paths, tasks, and commands of the binary.

use clap::CommandFactory;

use super::Finding;
use super::source::{RustFile, closing_brace, word_starts};
use super::tree::{Document, Tree};

/// What a path of this repository begins with.
const PATH_STARTS: &[&str] = &["crates/", "docs/", "xtask/", "tests/", "bench/", ".ci/", "fuzz/"];

/// Words by which a README says that a command is planned.
const ABSENT: &[&str] = &["not available", "not yet", "planned"];

/// Checks every document.
pub(super) fn check(tree: &Tree, found: &mut Vec<Finding>) {
    let tasks: Vec<String> =
        crate::Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let commands = subcommands(&tree.rust);
    for document in &tree.docs {
        let is_readme = document.path == "README.md";
        let mut absent_section = false;
        for line in code_lines(document) {
            if line.text.starts_with('#') && !line.fenced {
                absent_section = says_absent(line.text);
            }
            for code in line.code() {
                check_path(tree, document, line.number, code, found);
                if let Some(task) = word_after(code, "cargo xtask ")
                    && !tasks.iter().any(|known| known == task)
                {
                    let hint = format!("the tasks are {}", tasks.join(", "));
                    found.push(Finding::new(
                        &document.path,
                        line.number,
                        format!("no task `cargo xtask {task}`"),
                        hint,
                    ));
                }
                if is_readme
                    && !absent_section
                    && !says_absent(line.text)
                    && let Some(command) = word_after(code, "ringmain ")
                    && !commands.iter().any(|known| known == command)
                {
                    let what = format!("the binary has no command `ringmain {command}`");
                    let hint = "correct it, or say on the line or in its heading that it is not available";
                    found.push(Finding::new(&document.path, line.number, what, hint));
                }
            }
        }
    }
}

fn says_absent(text: &str) -> bool {
    let text = text.to_lowercase();
    ABSENT.iter().any(|word| text.contains(word))
}

/// A line of a document and whether it stands in a fenced block.
struct Line<'a> {
    number: usize,
    text: &'a str,
    fenced: bool,
}

impl<'a> Line<'a> {
    /// The parts set as code: the whole of a fenced line, or what stands between backticks.
    fn code(&self) -> Vec<&'a str> {
        if self.fenced { vec![self.text] } else { self.text.split('`').skip(1).step_by(2).collect() }
    }
}

fn code_lines(document: &Document) -> Vec<Line<'_>> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (index, text) in document.text.lines().enumerate() {
        if text.trim_start().starts_with("```") {
            fenced = !fenced;
        } else {
            lines.push(Line { number: index + 1, text, fenced });
        }
    }
    lines
}

/// A backticked path, without a `:line` suffix, when it is spelled out: no wildcard, placeholder or ellipsis.
fn check_path(tree: &Tree, document: &Document, line: usize, code: &str, found: &mut Vec<Finding>) {
    if !PATH_STARTS.iter().any(|start| code.starts_with(start)) || code.contains(['*', '<', '{', '…', ' ', '$']) {
        return;
    }
    let path = code.split(':').next().unwrap_or(code);
    if let Some((_, name)) = code.split_once("::") {
        let text = std::fs::read_to_string(tree.root.join(path)).unwrap_or_default();
        if word_starts(&text, name).is_empty() {
            let hint = "a page that says what proves something names what is there";
            found.push(Finding::new(&document.path, line, format!("`{path}` has no `{name}`"), hint));
        }
    }
    if !tree.root.join(path).exists() {
        let hint = "correct the path, or name the place in words if it is yet to come";
        found.push(Finding::new(&document.path, line, format!("`{path}` does not exist"), hint));
    }
}

/// The command word after `start`, when `start` begins the code or follows a prompt or `NAME=value` settings.
fn word_after<'a>(code: &'a str, start: &str) -> Option<&'a str> {
    let at = code.find(start)?;
    let leads = code[..at].split_whitespace().all(|word| word == "$" || word.contains('='));
    let word = code[at + start.len()..].split(|c: char| !c.is_ascii_lowercase() && c != '-').next()?;
    (leads && !word.is_empty() && !word.starts_with('-')).then_some(word)
}

/// The commands of the binary: the variants of its `Subcommand` enums, in kebab case.
fn subcommands(files: &[RustFile]) -> Vec<String> {
    let mut names = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with("crates/ringmain/src/")) {
        for derive in word_starts(&file.masked, "Subcommand") {
            let rest = &file.masked[derive..];
            let is_derive = rest.split('\n').next().is_some_and(|line| line.trim_end().ends_with(")]"));
            let Some(open) = rest.find('{').filter(|_| is_derive) else { continue };
            let Some(close) = closing_brace(&file.masked, derive + open) else { continue };
            names.extend(variants(&file.masked[derive + open + 1..close]));
        }
    }
    names
}

/// Capitalised words that begin a line at the enum's own depth.
fn variants(body: &str) -> Vec<String> {
    let mut depth = 0_i32;
    let mut names = Vec::new();
    for line in body.lines() {
        let text = line.trim();
        if depth == 0 && text.starts_with(|c: char| c.is_ascii_uppercase()) {
            names.push(kebab(text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or(text)));
        }
        for byte in line.bytes() {
            match byte {
                b'{' | b'(' | b'[' => depth += 1,
                b'}' | b')' | b']' => depth -= 1,
                _ => {}
            }
        }
    }
    names
}

fn kebab(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}
