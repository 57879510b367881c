//! Sums over the ledger by minute, hour and day: what analytics and budgets are read from, so that a year is a few
//! thousand rows and not ten million.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;
use ringmain_core::{KeyName, Money, Units, Usage, WallTime};

use crate::distinct::Distinct;
use crate::histogram::Histogram;
use crate::ledger::{AttemptRow, Entry};

/// How long the time is that a sum is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grain {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day, in UTC.
    Day,
}

impl Grain {
    /// All of them, finest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// In milliseconds.
    #[must_use]
    pub const fn millis(self) -> u64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    /// How long sums of it are kept, in milliseconds; `None`: for ever.
    #[must_use]
    pub const fn kept(self) -> Option<u64> {
        match self {
            Self::Minute => Some(2 * 86_400_000),
            Self::Hour => Some(92 * 86_400_000),
            Self::Day => None,
        }
    }

    /// Its number in stores.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Minute => 0,
            Self::Hour => 1,
            Self::Day => 2,
        }
    }

    /// The beginning of the one that holds `at`.
    #[must_use]
    pub const fn begin(self, at: WallTime) -> WallTime {
        WallTime(at.0 / self.millis() * self.millis())
    }
}

/// Which sums there are of one time: over everything, by one thing each, by all of them together, and by tag. A question
/// is answered from the fewest rows that tell what it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slice {
    /// By route, target and key together.
    Each,
    /// Over everything.
    Whole,
    /// By route.
    Route,
    /// By target.
    Target,
    /// By key.
    Key,
    /// By tag, one sum for each.
    Tags,
}

impl Slice {
    /// Those that hold every request once.
    pub const ALL: [Self; 5] = [Self::Each, Self::Whole, Self::Route, Self::Target, Self::Key];

    /// Its name in stores. Tags have their own: `team=search`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Each => "",
            Self::Whole => "*",
            Self::Route => "*route",
            Self::Target => "*target",
            Self::Key => "*key",
            Self::Tags => "=",
        }
    }

    /// Is a sum of this name one of them?
    #[must_use]
    pub fn holds(self, name: &str) -> bool {
        if self == Self::Tags { name.contains('=') } else { self.name() == name }
    }
}

/// What a sum is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Of {
    /// How long.
    pub grain: Grain,
    /// From when on.
    pub at: WallTime,
    /// The name of its [`Slice`], or the tag its requests have, `team=search`. What it does not tell apart is empty below.
    pub slice: String,
    /// The route.
    pub route: String,
    /// `provider/model`; empty where none was tried.
    pub target: String,
    /// The id of the key; empty without one.
    pub key: String,
    /// Its path for people: `acme/search/prod`.
    pub key_path: String,
}

impl Of {
    /// Where the same counts in another slice.
    #[must_use]
    pub fn narrowed(&self, slice: Slice) -> Self {
        let told =
            |by: Slice, text: &str| if slice == by || slice == Slice::Each { text.to_owned() } else { String::new() };
        Self {
            grain: self.grain,
            at: self.at,
            slice: slice.name().to_owned(),
            route: told(Slice::Route, &self.route),
            target: told(Slice::Target, &self.target),
            key: told(Slice::Key, &self.key),
            key_path: told(Slice::Key, &self.key_path),
        }
    }
}

/// What is summed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sums {
    /// Requests.
    pub requests: u64,
    /// Those that got a whole answer.
    pub served: u64,
    /// Those refused for a limit of ours.
    pub limited: u64,
    /// Those whose caller went away.
    pub cancelled: u64,
    /// Those refused for what they say: malformed, too long, or against a content filter.
    pub rejected: u64,
    /// Those served after another target had failed.
    pub failovers: u64,
    /// Upstream attempts.
    pub attempts: u64,
    /// Attempts that failed.
    pub attempts_failed: u64,
    /// Tokens.
    pub usage: Usage,
    /// Billionths of a dollar that attempts cost, as far as that is known.
    pub nanos: i64,
    /// Attempts whose cost is not known.
    pub unpriced: u64,
    /// Billionths of a dollar that the providers' prompt caches saved; negative where writing them cost more.
    pub saved_nanos: i64,
    /// To the first useful token.
    pub first_token: Histogram,
    /// For each output token after it.
    pub per_token: Histogram,
    /// To the end.
    pub total: Histogram,
}

impl Sums {
    /// What is counted, by the names of columns in stores.
    pub const COUNTS: [&'static str; 25] = [
        "requests",
        "served",
        "limited",
        "cancelled",
        "failovers",
        "attempts",
        "attempts_failed",
        "input",
        "cache_read",
        "cache_write",
        "cache_write_1h",
        "output",
        "reasoning",
        "audio_input",
        "audio_output",
        "image_input",
        "image_output",
        "images",
        "audio_ms",
        "characters",
        "searches",
        "cost_nano",
        "unpriced",
        "saved_nano",
        "rejected",
    ];

    /// The counts, in the order of [`Sums::COUNTS`].
    #[must_use]
    pub fn counts(&self) -> [i64; 25] {
        let usage = &self.usage;
        let [images, audio_ms, characters, searches] = usage.units.counts();
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        [
            signed(self.requests),
            signed(self.served),
            signed(self.limited),
            signed(self.cancelled),
            signed(self.failovers),
            signed(self.attempts),
            signed(self.attempts_failed),
            signed(usage.input),
            signed(usage.cache_read),
            signed(usage.cache_write),
            signed(usage.cache_write_1h),
            signed(usage.output),
            signed(usage.reasoning),
            signed(usage.audio_input),
            signed(usage.audio_output),
            signed(usage.image_input),
            signed(usage.image_output),
            signed(images),
            signed(audio_ms),
            signed(characters),
            signed(searches),
            self.nanos,
            signed(self.unpriced),
            self.saved_nanos,
            signed(self.rejected),
        ]
    }

    /// Sums of these counts, in the order of [`Sums::COUNTS`], without times.
    #[must_use]
    pub fn of_counts(counts: [i64; 25]) -> Self {
        let count = |at: usize| counts.get(at).map_or(0, |count| u64::try_from(*count).unwrap_or_default());
        Self {
            requests: count(0),
            served: count(1),
            limited: count(2),
            cancelled: count(3),
            failovers: count(4),
            attempts: count(5),
            attempts_failed: count(6),
            usage: Usage {
                input: count(7),
                cache_read: count(8),
                cache_write: count(9),
                cache_write_1h: count(10),
                output: count(11),
                reasoning: count(12),
                audio_input: count(13),
                audio_output: count(14),
                image_input: count(15),
                image_output: count(16),
                units: Units::of_counts([count(17), count(18), count(19), count(20)]),
                ..Usage::default()
            },
            nanos: counts[21],
            unpriced: count(22),
            saved_nanos: counts[23],
            rejected: count(24),
            ..Self::default()
        }
    }

    /// Adds another's.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.served += other.served;
        self.limited += other.limited;
        self.cancelled += other.cancelled;
        self.rejected += other.rejected;
        self.failovers += other.failovers;
        self.attempts += other.attempts;
        self.attempts_failed += other.attempts_failed;
        self.usage += other.usage;
        self.nanos += other.nanos;
        self.unpriced += other.unpriced;
        self.saved_nanos += other.saved_nanos;
        self.first_token.merge(&other.first_token);
        self.per_token.merge(&other.per_token);
        self.total.merge(&other.total);
    }

    /// Adds a request as a whole: all but what its attempts used.
    fn add_request(&mut self, entry: &Entry) {
        let is = |class: &str| u64::from(entry.fault == Some(class));
        self.requests += 1;
        self.served += u64::from(entry.fault.is_none());
        self.limited += if entry.attempts.is_empty() { is("rate-limit") } else { 0 };
        self.cancelled += is("cancelled");
        self.rejected += is("bad-request") + is("context") + is("refusal");
        self.failovers += u64::from(entry.failovers > 0);
        if entry.fault.is_none() {
            // Of a plain answer the first token comes with the last.
            entry.first_token.filter(|_| entry.stream).inspect(|time| self.first_token.add(*time));
            entry.per_token.filter(|_| entry.stream).inspect(|time| self.per_token.add(*time));
            entry.total.inspect(|time| self.total.add(*time));
        }
    }

    /// Adds what one attempt used.
    fn add_attempt(&mut self, row: &AttemptRow) {
        self.attempts += 1;
        self.attempts_failed += u64::from(row.fault.is_some());
        self.usage += row.usage.unwrap_or_default();
        self.nanos += row.cost.map_or(0, Money::nanos);
        self.unpriced += u64::from(row.is_unpriced());
        self.saved_nanos += row.saved.map_or(0, Money::nanos);
    }
}

/// Sums of a batch, to be added to those that are stored. Requests are summed where nothing tells them apart; by grain,
/// slice and tag only at the end, once for all that are alike.
#[derive(Debug, Default)]
pub struct Batch<'r>(HashMap<Alike<'r>, Part, RandomState>);

/// Sums of what is alike, and the slices its tags are summed in.
#[derive(Debug)]
struct Part {
    sums: Sums,
    tags: BTreeSet<String>,
}

/// What requests are alike in, or attempts of them: wherever one counts, the others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Alike<'r> {
    minute: WallTime,
    route: &'r str,
    target: &'r str,
    key: Option<&'r KeyName>,
    tags: &'r [(String, String)],
}

impl<'r> Batch<'r> {
    /// Adds a request. `distinct`: which tags are summed apart.
    pub fn add(&mut self, entry: &'r Entry, distinct: &mut Distinct) {
        self.at(entry, entry.target.as_deref().unwrap_or_default(), distinct).add_request(entry);
        for row in &entry.attempts {
            self.at(entry, &row.target, distinct).add_attempt(row);
        }
    }

    fn at(&mut self, entry: &'r Entry, target: &'r str, distinct: &mut Distinct) -> &mut Sums {
        let minute = Grain::Minute.begin(entry.at);
        let alike = Alike { minute, route: &entry.route, target, key: entry.key.as_ref(), tags: &entry.tags };
        let slices = || {
            let slice = |(name, value): &(String, String)| distinct.slice(minute, name, value);
            // Each once, also where several are summed as one.
            Part { sums: Sums::default(), tags: entry.tags.iter().map(slice).collect() }
        };
        &mut self.0.entry(alike).or_insert_with(slices).sums
    }

    /// Every sum, in no order.
    #[must_use]
    pub fn sums(self) -> HashMap<Of, Sums> {
        let mut all: HashMap<Of, Sums> = HashMap::new();
        for (alike, Part { mut sums, tags }) in self.0 {
            // Sizes cannot be summed; what was billed is in the money, and cached audio in what was cached.
            let units = Units::of_counts(sums.usage.units.counts());
            sums.usage = Usage { billed: None, cache_read_audio: 0, units, ..sums.usage };
            for grain in Grain::ALL {
                let each = alike.each(grain);
                for slice in Slice::ALL {
                    all.entry(each.narrowed(slice)).or_default().merge(&sums);
                }
                for slice in &tags {
                    let of = Of { slice: slice.clone(), ..each.narrowed(Slice::Whole) };
                    all.entry(of).or_default().merge(&sums);
                }
            }
        }
        all
    }
}

impl Alike<'_> {
    /// Where they count when everything is told apart. A minute is in one hour, and an hour in one day.
    fn each(&self, grain: Grain) -> Of {
        Of {
            grain,
            at: grain.begin(self.minute),
            slice: Slice::Each.name().to_owned(),
            route: self.route.to_owned(),
            target: self.target.to_owned(),
            key: self.key.map(|key| key.id.to_string()).unwrap_or_default(),
            key_path: self.key.map(ToString::to_string).unwrap_or_default(),
        }
    }
}
