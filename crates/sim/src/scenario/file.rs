//! The file's form. Every key is known; a duration, share or rate is what it says.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::values::{Answer, Around, Count, Factor, Part, Rate, Span};

/// One scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What happens, in a few words.
    pub title: String,
    /// What it shows, in a few sentences.
    #[serde(default)]
    pub shows: String,
    /// The configuration it is meant for, relative to the file. For the library; the command is given one.
    #[serde(default)]
    pub config: Option<String>,
    /// How long requests arrive.
    #[serde(rename = "for")]
    pub length: Span,
    /// How many.
    pub traffic: Traffic,
    /// What they ask for.
    pub requests: Vec<Request>,
    /// How the targets answer; one that is not named answers well.
    #[serde(default)]
    pub targets: Vec<Target>,
    /// What must come out.
    #[serde(default)]
    pub expect: Expect,
}

/// How many requests arrive.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Requests a second.
    pub rate: Rate,
    /// At random times (`poisson`, the default) or evenly (`constant`).
    #[serde(default)]
    pub arrivals: Arrivals,
    /// Other rates from a time on.
    #[serde(default)]
    pub steps: Vec<StepTo>,
    /// Times with a multiple of the rate.
    #[serde(default)]
    pub surges: Vec<SurgeOf>,
    /// A wave over the day: `rate` is its top.
    #[serde(default)]
    pub diurnal: Option<Diurnal>,
}

/// How requests are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// At random.
    #[default]
    Poisson,
    /// Evenly.
    Constant,
}

/// Another rate.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepTo {
    /// From then on.
    pub at: Span,
    /// Requests a second.
    pub rate: Rate,
}

/// A time with more requests.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SurgeOf {
    /// When it begins.
    pub at: Span,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub length: Span,
    /// How many times as many.
    pub times: Factor,
}

/// A wave.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diurnal {
    /// From low to low.
    pub period: Span,
    /// The low, as a share of the top.
    pub low: Part,
}

/// One kind of request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The model, as the caller writes it.
    pub model: Spanned<String>,
    /// What is asked; `chat` by default.
    #[serde(default)]
    pub operation: Option<Spanned<String>>,
    /// Its share of the requests, relative to the others'.
    #[serde(default)]
    pub share: Option<Part>,
    /// Share of streams; all by default.
    #[serde(default)]
    pub stream: Option<Part>,
    /// Input tokens.
    #[serde(default)]
    pub input: Option<Around<Count>>,
    /// Output tokens.
    #[serde(default)]
    pub output: Option<Around<Count>>,
    /// The caller's cap on output tokens.
    #[serde(default)]
    pub max_output: Option<Count>,
    /// What the model must be able to do: `tools`, `vision`, …
    #[serde(default)]
    pub needs: Vec<Spanned<String>>,
    /// The caller's `x-ringmain-timeout`.
    #[serde(default)]
    pub timeout: Option<Span>,
    /// The caller hangs up after this long.
    #[serde(default)]
    pub patience: Option<Span>,
    /// Request headers that routes may look at.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The caller's tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// How some targets answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// `provider/model`, or a glob.
    pub to: Spanned<String>,
    /// Time to the first useful token.
    #[serde(default)]
    pub first_token: Option<Around<Span>>,
    /// Time for each output token after it.
    #[serde(default)]
    pub per_token: Option<Around<Span>>,
    /// Answers at once from which on it slows down.
    #[serde(default)]
    pub capacity: Option<Count>,
    /// Answers at once beyond which it says 503.
    #[serde(default)]
    pub refuses_above: Option<Count>,
    /// What each key may send.
    #[serde(default)]
    pub limits: Option<Limits>,
    /// When it is not well.
    #[serde(default)]
    pub events: Vec<Happening>,
}

/// A provider's limit of each key.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests a minute.
    #[serde(default)]
    pub rpm: Option<Count>,
    /// Tokens a minute.
    #[serde(default)]
    pub tpm: Option<Count>,
}

/// A time in which a target is not as usual: it answers something else, is slow, or has another price.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Happening {
    /// When it begins.
    pub at: Spanned<Span>,
    /// How long it lasts; without, to the end.
    #[serde(default, rename = "for")]
    pub length: Option<Span>,
    /// It comes again, from one beginning to the next.
    #[serde(default)]
    pub every: Option<Span>,
    /// How often it comes; without, to the end.
    #[serde(default)]
    pub times: Option<Count>,
    /// Share of the attempts that meet it; all by default.
    #[serde(default)]
    pub share: Option<Part>,
    /// Only with this key of the provider, counted from 1.
    #[serde(default)]
    pub key: Option<Count>,
    /// What it answers: a status, `refused`, `reset`, `timeout`, `empty`, `cut`.
    #[serde(default)]
    pub answers: Option<Answer>,
    /// The `Retry-After` of that answer.
    #[serde(default)]
    pub retry_after: Option<Span>,
    /// How long that answer takes.
    #[serde(default)]
    pub after: Option<Around<Span>>,
    /// How many times as long everything takes.
    #[serde(default)]
    pub slow: Option<Factor>,
    /// How many times as much it costs.
    #[serde(default)]
    pub price: Option<Factor>,
}

/// Bounds on what must come out. What is not said may be anything.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Requests served, at least.
    #[serde(default)]
    pub success: Option<Part>,
    /// Attempts for each request, at most.
    #[serde(default)]
    pub attempts: Option<f64>,
    /// The 99th percentile of the time to the first token, at most.
    #[serde(default)]
    pub first_token_p99: Option<Span>,
    /// Until the hurt targets have lost three quarters of their share, at most.
    #[serde(default)]
    pub leave: Option<Span>,
    /// Until they have three quarters of it again, at most.
    #[serde(default, rename = "return")]
    pub back: Option<Span>,
    /// Attempts on hurt targets while they are hurt, at most.
    #[serde(default)]
    pub to_hurt: Option<Count>,
    /// Cost beside that of plain ordered retry, at most.
    #[serde(default)]
    pub cost: Option<Part>,
}

impl Scenario {
    /// Reads a scenario from YAML (or JSON).
    ///
    /// # Errors
    /// The text is not YAML, a key is not known, or a value is not one; with the line.
    pub fn read(text: &str) -> anyhow::Result<Self> {
        let scenario: Self = serde_saphyr::from_str(text)?;
        anyhow::ensure!(!scenario.requests.is_empty(), "`requests` is empty: say what callers ask for");
        anyhow::ensure!(!scenario.length.0.is_zero(), "`for` is no time at all");
        Ok(scenario)
    }
}
