//! Where two halves of an answer meet. Models say again what they are to go on from, though it was asked of them or
//! though it was not: the second half's beginning is compared with the first half's end, and what comes twice is taken
//! out. Until it is clear whether it does, the second half is held; that is never longer than the window.
//!
//! White space is equal to white space, however much. What counts as said again, and not as a word that comes twice:
//! two words or more, or one long one; a single short word only where the second half does not begin with white space
//! (an answer that goes on after a word does), the word ends there, and it is not a number, which may well go on with the
//! same digits. A number counts where the model was asked to say its last words again, and where it is long. In text
//! without spaces between words, a character is as good a beginning as a word.
//!
//! A model may also give the whole answer again. That is followed for as long as it is the same, and when it has caught
//! up, the rest is the rest. If it is another answer, the two cannot be made one.

use super::Form;

/// Bytes of the first half's end that are compared, at most.
const WINDOW: usize = 512;
/// Bytes of one word that are no accident.
const LONG: usize = 12;
/// Digits of one number that are no accident.
const LONG_NUMBER: usize = 6;
/// Bytes that agree with the first half's beginning, from which on it is the whole answer again.
const AGAIN: usize = 64;
/// From here on scripts without spaces between words begin: CJK and what lies above.
const UNSPACED: char = '\u{2E80}';

/// The second half is another answer than the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Diverged;

/// Joins the text of a second half to that of a first.
#[derive(Debug)]
pub struct Seam {
    first: String,
    /// Where a repetition may begin, in `first`; the longest first.
    starts: Vec<usize>,
    form: Form,
    held: String,
    /// The second half is the whole answer again, and has come to here in `first`.
    follows: Option<usize>,
    joined: bool,
    /// Bytes taken out.
    trimmed: usize,
}

/// How far two texts agree.
enum Agree {
    /// All of the first, with this many bytes of the second.
    Whole(usize),
    /// All of the second, with this many bytes of the first.
    SoFar(usize),
    /// They do not; so many bytes of the first did.
    No(usize),
}

impl Seam {
    /// After this first half, of which the other was asked for in this form.
    #[must_use]
    pub fn after(first: &str, form: Form) -> Self {
        let joined = form == Form::Anew;
        Self {
            starts: if joined { Vec::new() } else { starts(first) },
            first: if joined { String::new() } else { first.to_owned() },
            form,
            held: String::new(),
            follows: None,
            joined,
            trimmed: 0,
        }
    }

    /// Bytes of the second half that were said before and are taken out.
    #[must_use]
    pub const fn trimmed(&self) -> usize {
        self.trimmed
    }

    /// Takes more of the second half; gives what is new.
    ///
    /// # Errors
    /// It is another answer.
    pub fn push(&mut self, more: &str) -> Result<String, Diverged> {
        if self.joined {
            return Ok(more.to_owned());
        }
        self.held.push_str(more);
        self.decide(false)
    }

    /// No more of the second half comes; gives what is held.
    ///
    /// # Errors
    /// It is another answer.
    pub fn end(&mut self) -> Result<String, Diverged> {
        if self.joined { Ok(String::new()) } else { self.decide(true) }
    }

    fn decide(&mut self, ends: bool) -> Result<String, Diverged> {
        if let Some(at) = self.follows {
            return self.follow(at, ends);
        }
        let held = self.held.trim_start();
        if held.is_empty() && !ends {
            return Ok(String::new());
        }
        let led = self.held.len() - held.len();
        // Who goes on after a word begins with the space that follows it.
        if led > 0 && self.form == Form::Prefill && !self.first.ends_with(char::is_whitespace) {
            return Ok(self.join(0));
        }
        let agreed = match agree(&self.first, held) {
            Agree::SoFar(at) if at >= AGAIN && self.first.len() > WINDOW => {
                self.follows = Some(at);
                self.held.clear();
                return self.follow(at, ends);
            }
            Agree::SoFar(_) if !ends => return Ok(String::new()),
            Agree::SoFar(at) | Agree::No(at) => at,
            Agree::Whole(_) => 0,
        };
        for start in &self.starts {
            let again = &self.first[*start..];
            let end = match agree(again, held) {
                Agree::Whole(end) => end,
                Agree::SoFar(at) if ends && again[at..].trim().is_empty() => held.len(),
                Agree::SoFar(_) if !ends => return Ok(String::new()),
                Agree::SoFar(_) | Agree::No(_) => continue,
            };
            match is_again(again, held, end, led > 0, ends, self.form) {
                Some(true) => return Ok(self.join(led + end)),
                Some(false) => {}
                None => return Ok(String::new()),
            }
        }
        if agreed >= AGAIN {
            return Err(Diverged);
        }
        let space = self.common_space();
        Ok(self.join(space))
    }

    /// It is the whole answer again: what comes is compared with what follows in the first half at `at`.
    fn follow(&mut self, at: usize, ends: bool) -> Result<String, Diverged> {
        let after_space = self.first[..at].ends_with(char::is_whitespace);
        let held = if after_space { self.held.trim_start() } else { self.held.as_str() };
        let led = self.held.len() - held.len();
        match agree(&self.first[at..], held) {
            Agree::Whole(end) => Ok(self.join(led + end)),
            Agree::SoFar(more) if !ends => {
                self.follows = Some(at + more);
                self.held.clear();
                Ok(String::new())
            }
            Agree::SoFar(more) if self.first[at + more..].trim().is_empty() => Ok(self.join(self.held.len())),
            Agree::SoFar(_) | Agree::No(_) => Err(Diverged),
        }
    }

    /// Of the white space the second half begins with, what the first half ends with.
    fn common_space(&self) -> usize {
        let ends = &self.first[self.first.trim_end().len()..];
        let begins = self.held.chars().zip(ends.chars()).take_while(|(begin, end)| begin == end);
        begins.map(|(space, _)| space.len_utf8()).sum()
    }

    /// All that is held, but for `said` bytes of it.
    fn join(&mut self, said: usize) -> String {
        self.joined = true;
        self.trimmed = said + self.follows.unwrap_or(0);
        (self.first, self.starts) = (String::new(), Vec::new());
        let mut held = std::mem::take(&mut self.held);
        held.drain(..said);
        held
    }
}

/// The beginnings of words in the last part of `text`, and of characters where words have none.
fn starts(text: &str) -> Vec<usize> {
    let from = text.len().saturating_sub(WINDOW);
    let mut after_space = from == 0;
    let mut starts = Vec::new();
    for (at, c) in text.char_indices().filter(|(at, _)| *at >= from) {
        if !c.is_whitespace() && (after_space || c >= UNSPACED) {
            starts.push(at);
        }
        after_space = c.is_whitespace();
    }
    starts
}

/// Compares from the beginning of both, white space as white space.
fn agree(first: &str, second: &str) -> Agree {
    let (mut a, mut b) = (first.char_indices().peekable(), second.char_indices().peekable());
    loop {
        let (Some(&(at, x)), other) = (a.peek(), b.peek().copied()) else {
            return Agree::Whole(b.peek().map_or(second.len(), |(at, _)| *at));
        };
        let Some((place, y)) = other else { return Agree::SoFar(at) };
        match (x.is_whitespace(), y.is_whitespace()) {
            (true, true) => {
                while a.next_if(|(_, c)| c.is_whitespace()).is_some() {}
                while b.next_if(|(_, c)| c.is_whitespace()).is_some() {}
            }
            (false, false) if x == y => {
                a.next();
                b.next();
            }
            // The first half's last white space is not said again.
            (true, false) if first[at..].trim_start().is_empty() => return Agree::Whole(place),
            _ => return Agree::No(at),
        }
    }
}

/// Is what agrees a repetition? `None`: more must come to tell.
fn is_again(again: &str, held: &str, end: usize, led: bool, ends: bool, form: Form) -> Option<bool> {
    let again = again.trim_end();
    let says = |word: &&str| word.chars().any(char::is_alphanumeric) || !word.is_ascii();
    if again.split_whitespace().filter(says).count() >= 2 || again.len() >= LONG {
        return Some(true);
    }
    let is_number = again.chars().all(|c| c.is_ascii_digit() || c.is_ascii_punctuation());
    if led || is_number && form == Form::Prefill && again.len() < LONG_NUMBER {
        return Some(false);
    }
    match held.get(end..).and_then(|rest| rest.chars().next()) {
        Some(next) => Some(!next.is_alphanumeric() || held[..end].ends_with(char::is_whitespace)),
        None if ends => Some(true),
        None => None,
    }
}
