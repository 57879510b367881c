//! Problems as a person reads them: the place, the line, a caret, and what to do.

use std::fmt::Write as _;

use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Span};

/// A run of word characters this long with letters and digits is taken for a secret and not shown, wherever it stands.
const SECRET_LENGTH: usize = 20;

/// The most characters of a line that are shown.
const WIDTH: usize = 160;

impl Diagnostics {
    /// Every problem with its line, as compilers show them. `file` is the name to print, `text` what was read;
    /// secrets in it are shown as asterisks.
    #[must_use]
    pub fn render(&self, file: &str, text: &str, colour: bool) -> String {
        let lines: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches('\r')).collect();
        let mut out = String::new();
        for diagnostic in self {
            let line = diagnostic.line.checked_sub(1).and_then(|index| lines.get(index));
            one(&mut out, diagnostic, file, line.map(|line| self.masked(diagnostic.line, line)).as_deref(), colour);
            out.push('\n');
        }
        out
    }

    /// The line with asterisks in place of secrets; as many characters as before.
    fn masked(&self, number: usize, line: &str) -> String {
        let mut chars: Vec<char> = line.chars().collect();
        for span in self.secrets() {
            if let Some((from, to)) = within(*span, number, chars.len()) {
                chars[from..to].fill('*');
            }
        }
        mask_lookalikes(&mut chars);
        chars.into_iter().collect()
    }
}

/// The part of the line, as indices, that the span covers.
fn within(span: Span, number: usize, length: usize) -> Option<(usize, usize)> {
    if !(span.line..=span.end_line).contains(&number) {
        return None;
    }
    let from = if span.line == number { span.column.saturating_sub(1) } else { 0 };
    let to = if span.end_line == number { span.end_column.saturating_sub(1) } else { length };
    let to = to.min(length);
    (from < to).then_some((from, to))
}

/// A misspelt setting may hold a key as well: what looks like one is hidden too. Names of variables are shown.
pub(crate) fn mask_lookalikes(chars: &mut [char]) {
    let word = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '+' | '=');
    let mut at = 0;
    while at < chars.len() {
        let length = chars[at..].iter().take_while(|char| word(**char)).count();
        let run = &mut chars[at..at + length];
        let digits = run.iter().filter(|char| char.is_ascii_digit()).count();
        let upper = run.iter().any(char::is_ascii_uppercase);
        let lower = run.iter().any(char::is_ascii_lowercase);
        let prefixed = run.len() > 8 && ["sk-", "AIza", "gsk_", "xai-", "AKIA"].iter().any(|p| starts(run, p));
        if prefixed || (length >= SECRET_LENGTH && lower && (digits >= 4 || (upper && digits > 0)) && !dashed(run)) {
            run.fill('*');
        }
        at += length.max(1);
    }
}

fn starts(run: &[char], prefix: &str) -> bool {
    prefix.chars().zip(run).filter(|(a, b)| a == *b).count() == prefix.len()
}

/// `claude-sonnet-4-5-20250929`: words between dashes, none of them long, are a name.
fn dashed(run: &[char]) -> bool {
    run.split(|char| matches!(char, '-' | '_')).all(|part| part.len() <= 10)
}

fn one(out: &mut String, diagnostic: &Diagnostic, file: &str, line: Option<&str>, colour: bool) {
    let paint = |code: &str, text: &str| match colour {
        true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        false => text.to_owned(),
    };
    let (word, shade) = match diagnostic.severity {
        Severity::Error => ("error", "1;31"),
        Severity::Warning => ("warning", "1;33"),
    };
    let head = paint(shade, &format!("{word}[{}]", diagnostic.code.as_str()));
    let _ = writeln!(out, "{head}: {}", paint("1", &diagnostic.message));
    let bar = |text: &str| paint("1;34", text);
    if diagnostic.line == 0 {
        let _ = writeln!(out, "  {} {file}", bar("-->"));
    } else {
        let _ = writeln!(out, "  {} {file}:{}:{}", bar("-->"), diagnostic.line, diagnostic.column);
    }
    if let Some(line) = line {
        let number = diagnostic.line.to_string();
        let margin = " ".repeat(number.len());
        let (line, column) = window(line, diagnostic.column);
        let room = line.chars().count().saturating_sub(column).max(1);
        let carets = "^".repeat(diagnostic.length.clamp(1, room));
        let _ = writeln!(out, "{margin} {}", bar("|"));
        let _ = writeln!(out, "{} {line}", bar(&format!("{number} |")));
        let _ = writeln!(out, "{margin} {} {}{}", bar("|"), " ".repeat(column), paint(shade, &carets));
    }
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(out, "  {} {help}", bar("= help:"));
    }
}

/// A part of the line that holds the column, and the column as an index into it. Tabs become spaces.
fn window(line: &str, column: usize) -> (String, usize) {
    let index = column.saturating_sub(1);
    let from = if index + 40 > WIDTH { index.saturating_sub(40) } else { 0 };
    let shown = line.chars().skip(from).take(WIDTH);
    (shown.map(|char| if char.is_control() { ' ' } else { char }).collect(), index - from)
}
