//! Rust sources as the rules see them: the text, a masked copy, which lines are test code, and imported paths.

/// One Rust source file.
pub(super) struct RustFile {
    /// Relative to the root, with forward slashes.
    pub(super) path: String,
    pub(super) lines: usize,
    /// The text with comments blanked and the insides of literals replaced by `_`; same length, same lines.
    pub(super) masked: String,
    /// For each line (from 0) whether it is compiled only for tests.
    test_lines: Vec<bool>,
}

impl RustFile {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let masked = mask(text);
        let lines = text.lines().count();
        let mut test_lines = vec![is_test_path(path); lines];
        for (start, end) in test_regions(&masked) {
            let (first, last) = (line_of(&masked, start), line_of(&masked, end));
            for line in first..=last {
                if let Some(flag) = test_lines.get_mut(line - 1) {
                    *flag = true;
                }
            }
        }
        Self { path: path.to_owned(), lines, masked, test_lines }
    }

    /// The crate folder under `crates/`, or the first path part for anything else (`xtask`, `tests`).
    pub(super) fn krate(&self) -> &str {
        self.path.strip_prefix("crates/").unwrap_or(&self.path).split('/').next().unwrap_or("")
    }

    /// Masked lines outside test code, with their numbers from 1.
    pub(super) fn shipped_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.masked
            .lines()
            .enumerate()
            .filter(|(index, _)| !self.is_test_line(index + 1))
            .map(|(i, line)| (i + 1, line))
    }

    /// Whether the line (from 1) is test code.
    pub(super) fn is_test_line(&self, line: usize) -> bool {
        self.test_lines.get(line - 1).copied().unwrap_or(false)
    }

    /// Every path a `use` statement names, groups spelled out, with the line the statement begins on.
    pub(super) fn imports(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for at in word_starts(&self.masked, "use") {
            let rest = &self.masked[at + 3..];
            let Some(end) = rest.find(';') else { continue };
            let statement: String = rest[..end].split_whitespace().collect::<Vec<_>>().join(" ");
            let mut paths = Vec::new();
            expand_use(&statement, "", &mut paths);
            found.extend(paths.into_iter().map(|path| (line_of(&self.masked, at), path)));
        }
        found
    }
}

/// Whether the file's place says that all of it is test code.
pub(super) fn is_test_path(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.split('/').any(|part| matches!(part, "tests" | "benches" | "fuzz" | "examples"))
        || name == "tests.rs"
        || name.ends_with("_tests.rs")
}

/// The line, from 1, of a byte offset.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

fn is_ident(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Offsets where `word` stands alone, not as a part of a longer identifier.
pub(super) fn word_starts(text: &str, word: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let ends_open = word.as_bytes().last().is_some_and(|byte| !is_ident(*byte));
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(|at| *at == 0 || !is_ident(bytes[at - 1]))
        .filter(|at| ends_open || bytes.get(at + word.len()).is_none_or(|byte| !is_ident(*byte)))
        .collect()
}

/// The offset of the brace that closes the one at `open`, in masked text.
pub(super) fn closing_brace(masked: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in masked.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Spans from a `cfg(test)` attribute to the end of the item it stands on.
fn test_regions(masked: &str) -> Vec<(usize, usize)> {
    masked
        .match_indices("#[cfg(test)]")
        .filter_map(|(start, _)| {
            let item = start + masked[start..].find(['{', ';'])?;
            let end = if masked.as_bytes()[item] == b'{' { closing_brace(masked, item)? } else { item };
            Some((start, end))
        })
        .collect()
}

/// Splits `a::{b, c::d}` into `a::b` and `a::c::d`.
fn expand_use(tree: &str, prefix: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let plain = tree.split(" as ").next().unwrap_or(tree).trim();
        if !plain.is_empty() {
            paths.push(format!("{prefix}{plain}"));
        }
        return;
    };
    let prefix = format!("{prefix}{}", tree[..open].trim());
    let inner = tree[open + 1..].trim_end().strip_suffix('}').unwrap_or(&tree[open + 1..]);
    let (mut depth, mut start) = (0_usize, 0);
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                expand_use(&inner[start..at], &prefix, paths);
                start = at + 1;
            }
            _ => {}
        }
    }
    expand_use(&inner[start..], &prefix, paths);
}

/// Blanks comments with spaces and the insides of string and character literals with `_`, keeping line ends, so that
/// words and braces in the result are code.
pub(super) fn mask(text: &str) -> String {
    let mut out = text.as_bytes().to_vec();
    let mut at = 0;
    while at < out.len() {
        let Some((end, fill)) = region_at(text, at) else {
            at += 1;
            continue;
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = fill;
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The end of the comment or literal that begins at `at`, and what to fill it with.
fn region_at(text: &str, at: usize) -> Option<(usize, u8)> {
    let bytes = text.as_bytes();
    let rest = &bytes[at..];
    match rest[0] {
        b'/' if rest.starts_with(b"//") => Some((find_from(bytes, at, b"\n").unwrap_or(bytes.len()), b' ')),
        b'/' if rest.starts_with(b"/*") => Some((block_comment_end(bytes, at), b' ')),
        b'"' => Some((string_end(bytes, at), b'_')),
        b'r' => {
            let before = at.checked_sub(1).map(|index| bytes[index]);
            let starts_word = match before {
                Some(b'b' | b'c') => at < 2 || !is_ident(bytes[at - 2]),
                Some(byte) => !is_ident(byte),
                None => true,
            };
            starts_word.then(|| raw_string_end(bytes, at)).flatten().map(|end| (end, b'_'))
        }
        b'\'' => char_end(text, at).map(|end| (end, b'_')),
        _ => None,
    }
}

fn find_from(bytes: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    bytes[from..].windows(needle.len()).position(|window| window == needle).map(|found| from + found)
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0_usize, start);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if bytes[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn raw_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let hashes = bytes[start + 1..].iter().take_while(|byte| **byte == b'#').count();
    let quote = start + 1 + hashes;
    if bytes.get(quote) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    Some(find_from(bytes, quote + 1, &close).map_or(bytes.len(), |found| found + close.len()))
}

/// A quote begins a character literal when an escape or exactly one character and a quote follow; else a lifetime.
fn char_end(text: &str, start: usize) -> Option<usize> {
    let rest = text.get(start + 1..)?;
    let first = rest.chars().next()?;
    if first == '\\' {
        let close = rest.get(2..)?.find('\'')?;
        return Some(start + 1 + 2 + close + 1);
    }
    rest[first.len_utf8()..].starts_with('\'').then(|| start + 1 + first.len_utf8() + 1)
}
