//! A year of sums in a file, as so many requests would leave them, and how long questions about it take.
//!
//! `cargo run --release -p ringmain-state --example year -- [REQUESTS] [FILE | postgres://…]`, by default ten million and a
//! file of its own.
#![expect(clippy::print_stdout, reason = "a command line tool speaks on its standard streams")]

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ringmain_core::{Metered, Usage, WallTime};
use ringmain_state::analytics::{By, Question};
use ringmain_state::sums::{Grain, Of, Slice, Sums};
use ringmain_state::tls::Trust;
use ringmain_state::{Analytics, StateError, postgres, sqlite};

const TARGETS: u64 = 10;
const KEYS: u64 = 20;
const ROUTES: u64 = 3;
const TAGS: u64 = 5;
const DAY: u64 = Grain::Day.millis();
const HOUR: u64 = Grain::Hour.millis();
const MINUTE: u64 = Grain::Minute.millis();
/// Where the year ends: any moment that begins a day.
const END: u64 = 20_000 * DAY;
/// What a question may take.
const MOST: Duration = Duration::from_secs(1);
/// How often each is asked.
const TIMES: usize = 3;

/// Chance that is the same in each run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }
}

type Rows = HashMap<Of, Sums>;

/// One request's part of the sums.
fn one(chance: &mut Chance) -> Sums {
    let millis = |chance: &mut Chance, most| Duration::from_millis(50 + chance.below(most) * chance.below(most) / most);
    let usage = Usage { input: 1000 + chance.below(4000), output: chance.below(800), ..Usage::default() };
    let mut sums = Sums { requests: 1, served: 1, attempts: 1, usage, nanos: 12_345_678, ..Sums::default() };
    sums.first_token.add(millis(chance, 3000));
    sums.per_token.add(millis(chance, 100) / 10);
    sums.total.add(millis(chance, 20_000));
    sums
}

/// The sums of so many requests in the time that begins at `at`, for each grain that keeps it.
fn fill(rows: &mut Rows, chance: &mut Chance, at: u64, length: u64, requests: u64, grains: &[Grain]) {
    for _ in 0..requests {
        // A few do most: the product of two draws is seldom large.
        let few = |chance: &mut Chance, of: u64| chance.below(of) * chance.below(of) / of;
        let (target, key, route) = (few(chance, TARGETS), few(chance, KEYS), few(chance, ROUTES));
        let moment = WallTime(at + chance.below(length));
        let part = one(chance);
        for grain in grains {
            let each = Of {
                grain: *grain,
                at: grain.begin(moment),
                slice: String::new(),
                route: format!("route-{route}"),
                target: format!("provider-{}/model-{target}", target % 4),
                key: format!("key_{key}"),
                key_path: format!("acme/team-{}/key-{key}", key % 5),
            };
            for slice in Slice::ALL {
                rows.entry(each.narrowed(slice)).or_default().merge(&part);
            }
            let tag = Of { slice: format!("team={}", key % TAGS), ..each.narrowed(Slice::Whole) };
            rows.entry(tag).or_default().merge(&part);
        }
    }
}

/// Where the sums are.
enum Place {
    File(PathBuf),
    Server(postgres::Database),
}

impl Place {
    fn of(text: &str) -> Result<Self, StateError> {
        let is_server = text.starts_with("postgres://") || text.starts_with("postgresql://");
        Ok(if is_server {
            Self::Server(postgres::Database::new(text, &Trust::default())?)
        } else {
            Self::File(text.into())
        })
    }

    fn store(&self) -> Result<Box<dyn Analytics>, StateError> {
        Ok(match self {
            Self::File(path) => Box::new(sqlite::Records::read(path)?),
            Self::Server(database) => Box::new(postgres::Records::read(database)),
        })
    }

    fn add(&self, rows: Rows) -> Result<(), StateError> {
        match self {
            Self::File(path) => sqlite::add_sums(path, &mut rows.into_iter()),
            Self::Server(database) => postgres::add_sums(database, &mut rows.into_iter()),
        }
    }

    /// Are there any?
    fn is_filled(&self) -> Result<bool, StateError> {
        match self {
            Self::File(path) => Ok(path.exists()),
            Self::Server(_) => {
                let (_, all) = questions().swap_remove(0);
                Ok(!self.store()?.ask(&all)?.is_empty())
            }
        }
    }
}

fn year(place: &Place, requests: u64) -> Result<usize, StateError> {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut written = 0;
    for day in (1..=365).rev() {
        let mut rows = Rows::new();
        let begin = END - day * DAY;
        let grains: &[Grain] = match day {
            0..=2 => &Grain::ALL,
            3..=92 => &[Grain::Hour, Grain::Day],
            _ => &[Grain::Day],
        };
        fill(&mut rows, &mut chance, begin, DAY, requests / 365, grains);
        written += rows.len();
        place.add(rows)?;
    }
    Ok(written)
}

fn questions() -> Vec<(&'static str, Question)> {
    let year = Question {
        from: WallTime(END - 365 * DAY),
        to: WallTime(END),
        step: None,
        by: By::Nothing,
        only: Vec::new(),
        now: WallTime(END),
    };
    let from = |days: u64| WallTime(END - days * DAY);
    let only = |by, value: &str| vec![(by, value.to_owned())];
    let (target, key) = ("provider-0/model-0", "acme/team-0/key-0");
    vec![
        ("a year, all of it", year.clone()),
        ("a year by target", Question { by: By::Target, ..year.clone() }),
        ("a year by key", Question { by: By::Key, ..year.clone() }),
        ("a year by group", Question { by: By::Group, ..year.clone() }),
        ("a year by tag", Question { by: By::Tag, ..year.clone() }),
        ("a year by day and target", Question { by: By::Target, step: Some(DAY), ..year.clone() }),
        ("a year of one target by key", Question { by: By::Key, only: only(By::Target, target), ..year.clone() }),
        (
            "a year of one key by day and target",
            Question { by: By::Target, step: Some(DAY), only: only(By::Key, key), ..year.clone() },
        ),
        (
            "a year of one provider by route",
            Question { by: By::Route, only: only(By::Provider, "provider-0"), ..year.clone() },
        ),
        ("80 days by hour and target", Question { from: from(80), by: By::Target, step: Some(HOUR), ..year.clone() }),
        (
            "80 days of one group by hour and target",
            Question {
                from: from(80),
                by: By::Target,
                step: Some(HOUR),
                only: only(By::Group, "acme/team-0"),
                ..year.clone()
            },
        ),
        ("a day by minute and target", Question { from: from(1), by: By::Target, step: Some(MINUTE), ..year }),
    ]
}

/// The median of a few, and the rows of the answer.
fn time(work: &mut dyn FnMut() -> Result<usize, StateError>) -> Result<(Duration, usize), StateError> {
    let mut times = Vec::new();
    let mut rows = 0;
    for _ in 0..TIMES {
        let start = Instant::now();
        rows = work()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok((times[TIMES / 2], rows))
}

fn run() -> Result<bool, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let requests: u64 = arguments.next().map_or(Ok(10_000_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let own = folder.path().join("year.db").display().to_string();
    let place = Place::of(&arguments.next().unwrap_or(own))?;
    if place.is_filled()? {
        println!("there are sums already, and they are asked as they are\n");
    } else {
        let start = Instant::now();
        let rows = year(&place, requests)?;
        println!("{requests} requests: {rows} sums, written in {:.1} s\n", start.elapsed().as_secs_f64());
    }
    let store = place.store()?;
    let mut slow = false;
    println!("| question | lines | ms |\n|---|---:|---:|");
    let mut tell = |name: &str, (took, lines): (Duration, usize)| {
        println!("| {name} | {lines} | {:.1} |", took.as_secs_f64() * 1000.0);
        slow |= took > MOST;
    };
    for (name, question) in questions() {
        // As the API tells it: with quantiles.
        let mut ask = || {
            let lines = store.ask(&question)?;
            let told = lines.iter().filter_map(|line| line.sums.total.quantile(0.99)).count();
            Ok(told.max(lines.len()))
        };
        tell(name, time(&mut ask)?);
    }
    let (scope, of) = ("group:acme/team-0", Metered::Money);
    tell(
        "what a group has used in 30 days",
        time(&mut || Ok(store.used(scope, of, WallTime(END - 30 * DAY), WallTime(END))?.len()))?,
    );
    Ok(!slow)
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    Ok(if run()? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
