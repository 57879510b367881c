//! Questions about the ledger, and their answers.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use ringmain_core::{Metered, WallTime};

use crate::StateError;
use crate::sums::{Grain, Of, Slice, Sums};

/// By what sums are broken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    /// Not at all.
    Nothing,
    /// The operator's name of the provider.
    Provider,
    /// `provider/model`.
    Target,
    /// The provider's name of the model, whoever serves it.
    Model,
    /// The route.
    Route,
    /// The virtual key: its path, `acme/search/prod`.
    Key,
    /// The group of the key.
    Group,
    /// A tag: `team=search`.
    Tag,
}

impl By {
    /// Each with its name.
    pub const NAMED: [(&'static str, Self); 8] = [
        ("nothing", Self::Nothing),
        ("provider", Self::Provider),
        ("target", Self::Target),
        ("model", Self::Model),
        ("route", Self::Route),
        ("key", Self::Key),
        ("group", Self::Group),
        ("tag", Self::Tag),
    ];
}

impl FromStr for By {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::NAMED.into_iter().find(|(known, _)| *known == name).map(|(_, by)| by);
        found.ok_or_else(|| format!("one of {}", Self::NAMED.map(|(name, _)| name).join(", ")))
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// From the minute, hour or day that holds this moment…
    pub from: WallTime,
    /// …until before this one.
    pub to: WallTime,
    /// The length of each step in milliseconds; `None`: the whole window at once.
    pub step: Option<u64>,
    /// By what it is broken down.
    pub by: By,
    /// Only what has such a value: of a provider, target, model, route, key, tag, or group; a group has what is in those
    /// within it.
    pub only: Vec<(By, String)>,
    /// The time now: what is long gone is kept in coarser sums.
    pub now: WallTime,
}

impl Question {
    /// The coarsest sums that tell the steps apart and the window's ends to a hundredth, of those that are still kept.
    #[must_use]
    pub fn grain(&self) -> Grain {
        let window = self.to.0.saturating_sub(self.from.0);
        let fine = self.step.unwrap_or(window / 100).max(60_000);
        let kept = |grain: &Grain| grain.kept().is_none_or(|kept| self.from.0 >= self.now.0.saturating_sub(kept));
        let fits = |grain: &Grain| grain.millis() <= fine && self.step.is_none_or(|step| step % grain.millis() == 0);
        let coarsest = Grain::ALL.into_iter().rev().find(|grain| kept(grain) && fits(grain));
        coarsest.or_else(|| Grain::ALL.into_iter().find(kept)).unwrap_or(Grain::Day)
    }

    /// Is it about tags, by which sums are kept apart?
    #[must_use]
    pub fn is_of_tags(&self) -> bool {
        self.by == By::Tag || self.only.iter().any(|(by, _)| *by == By::Tag)
    }

    /// The sums that answer it: those that tell apart what it names, and nothing else if that can be.
    #[must_use]
    pub fn slice(&self) -> Slice {
        if self.is_of_tags() {
            return Slice::Tags;
        }
        let named = std::iter::once(self.by).chain(self.only.iter().map(|(by, _)| *by));
        let slices = named.filter_map(|by| match by {
            By::Nothing | By::Tag => None,
            By::Provider | By::Target | By::Model => Some(Slice::Target),
            By::Route => Some(Slice::Route),
            By::Key | By::Group => Some(Slice::Key),
        });
        slices.reduce(|one, other| if one == other { one } else { Slice::Each }).unwrap_or(Slice::Whole)
    }

    /// What is wrong with it.
    ///
    /// # Errors
    /// The window is empty, the steps are too many, or tags are asked for together with something else.
    pub fn check(&self) -> Result<(), String> {
        if self.from >= self.to {
            return Err("`from` is not before `to`".to_owned());
        }
        if self.step.is_some_and(|step| step == 0 || (self.to.0 - self.from.0) / step > STEPS_MAX) {
            return Err(format!("more than {STEPS_MAX} steps"));
        }
        let other = |by: By| !matches!(by, By::Tag | By::Nothing);
        if self.is_of_tags() && (other(self.by) || self.only.iter().any(|(by, _)| other(*by))) {
            return Err(
                "tags are summed on their own: they cannot be broken down, or filtered, by anything else".to_owned()
            );
        }
        Ok(())
    }
}

/// The most steps of one answer.
pub const STEPS_MAX: u64 = 2000;

/// The most lines of one answer: each takes some 3 KB while it is put together.
pub const LINES_MAX: usize = 50_000;

/// Puts stored sums of one slice together to an answer: of [`Question::slice`], or of the one that tells everything apart.
/// Those of another grain, window or value are left out.
#[derive(Debug)]
pub struct Fold<'q> {
    question: &'q Question,
    grain: Grain,
    begin: WallTime,
    lines: BTreeMap<WallTime, BTreeMap<String, Sums>>,
    count: usize,
}

/// What a stored sum is of, as far as answers tell it apart.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// As in [`Of`], and so is what follows.
    pub slice: &'a str,
    /// The route.
    pub route: &'a str,
    /// The target.
    pub target: &'a str,
    /// The path of the key.
    pub key_path: &'a str,
}

impl<'q> Fold<'q> {
    /// The beginning of an answer.
    #[must_use]
    pub fn new(question: &'q Question) -> Self {
        let grain = question.grain();
        let begin = grain.begin(question.from);
        Self { question, grain, begin, lines: BTreeMap::new(), count: 0 }
    }

    /// Adds a stored sum.
    pub fn add(&mut self, of: &Of, sums: &Sums) {
        let names = Names { slice: &of.slice, route: &of.route, target: &of.target, key_path: &of.key_path };
        if of.grain == self.grain
            && let Some(place) = self.place(of.at, names)
        {
            place.merge(sums);
        }
    }

    /// Where a stored sum of the question's grain is to be added; `None` where it is none of the answer's. A row costs no
    /// memory of its own: a year can be a million of them.
    pub fn place(&mut self, at: WallTime, of: Names<'_>) -> Option<&mut Sums> {
        let question = self.question;
        if at < self.begin || at >= question.to || Slice::Tags.holds(of.slice) != question.is_of_tags() {
            return None;
        }
        if !question.only.iter().all(|(by, value)| fits(of, *by, value)) {
            return None;
        }
        let at = match question.step {
            Some(step) => WallTime(self.begin.0 + (at.0 - self.begin.0) / step * step),
            None => self.begin,
        };
        let line = self.lines.entry(at).or_default();
        let name = value_of(of, question.by);
        if !line.contains_key(name) {
            self.count += 1;
            if self.count > LINES_MAX {
                return None;
            }
            line.insert(name.to_owned(), Sums::default());
        }
        line.get_mut(name)
    }

    /// The answer.
    ///
    /// # Errors
    /// It has more than [`LINES_MAX`] lines.
    pub fn done(self) -> Result<Vec<Line>, StateError> {
        if self.count > LINES_MAX {
            return Err(StateError::TooMuch(LINES_MAX));
        }
        let lines = self.lines.into_iter();
        Ok(lines.flat_map(|(at, line)| line.into_iter().map(move |(name, sums)| Line { at, name, sums })).collect())
    }
}

/// Is it of this value, or of a group within it?
fn fits(of: Names<'_>, by: By, value: &str) -> bool {
    let own = value_of(of, by);
    let within = || !value.is_empty() && own.strip_prefix(value).is_some_and(|rest| rest.starts_with('/'));
    own == value || by == By::Group && within()
}

fn value_of(of: Names<'_>, by: By) -> &str {
    match by {
        By::Nothing => "",
        By::Provider => of.target.split_once('/').map_or("", |(provider, _)| provider),
        By::Target => of.target,
        By::Model => of.target.split_once('/').map_or("", |(_, model)| model),
        By::Route => of.route,
        By::Key => of.key_path,
        By::Group => of.key_path.rsplit_once('/').map_or("", |(group, _)| group),
        By::Tag => of.slice,
    }
}

/// Does what this sum is of count towards a scope, `key:<id>` or `group:<path>`?
#[must_use]
pub fn is_in_scope(of: &Of, scope: &str) -> bool {
    match scope.split_once(':') {
        Some(("key", id)) => of.key == id,
        Some(("group", path)) => of.key_path.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')),
        _ => false,
    }
}

/// The grain from which what was used since then is told: to the minute, while that is kept.
#[must_use]
pub fn grain_since(since: WallTime, now: WallTime) -> Grain {
    let kept = |grain: &Grain| grain.kept().is_none_or(|kept| since.0 >= now.0.saturating_sub(kept));
    Grain::ALL.into_iter().find(kept).unwrap_or(Grain::Day)
}

/// Of what a limit counts. Whom a limit refused is in the ledger, and used nothing of it.
#[must_use]
pub fn amount(sums: &Sums, of: Metered) -> u64 {
    match of {
        Metered::Requests => sums.requests.saturating_sub(sums.limited),
        Metered::Tokens => sums.usage.total(),
        Metered::Money => u64::try_from(sums.nanos).unwrap_or_default(),
        Metered::Concurrency => 0,
    }
}

/// One line of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When the step begins.
    pub at: WallTime,
    /// The value it is broken down by; empty where it has none.
    pub name: String,
    /// The sums.
    pub sums: Sums,
}

/// Which requests are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// From this moment…
    pub from: WallTime,
    /// …until before this one.
    pub to: WallTime,
    /// On this route.
    pub route: Option<String>,
    /// Served or last tried by it.
    pub target: Option<String>,
    /// The model as the caller wrote it.
    pub model: Option<String>,
    /// The key's id, or its path for people.
    pub key: Option<String>,
    /// A tag, `team=search`.
    pub tag: Option<String>,
    /// How it ended: `ok`, `failed`, or the class of a failure.
    pub outcome: Option<String>,
    /// At most so many, newest first.
    pub most: usize,
}

/// Answers questions. Calls may take a while: never for the request path.
pub trait Analytics: fmt::Debug + Send + Sync {
    /// Sums over a window, by step and breakdown, in order of both.
    ///
    /// # Errors
    /// The store cannot be read.
    fn ask(&self, question: &Question) -> Result<Vec<Line>, StateError>;

    /// The ids of requests that fit, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    fn search(&self, search: &Search) -> Result<Vec<ringmain_core::RequestId>, StateError>;

    /// What a key (`key:<id>`) or a group (`group:<path>`) has used of something since then: moments and amounts.
    ///
    /// # Errors
    /// The store cannot be read.
    fn used(
        &self,
        scope: &str,
        of: Metered,
        since: WallTime,
        now: WallTime,
    ) -> Result<Vec<(WallTime, u64)>, StateError>;
}
