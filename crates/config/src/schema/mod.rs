//! What a configuration file may say: one table, from which it is read, checked, suggested and documented.

mod reference;
mod table;

pub use reference::reference;
pub(crate) use table::{DEFAULTS, HEARTBEAT, OIDC, ROOT, SERVER, SHIFT, STATE, TELEMETRY};

/// One setting.
pub(crate) struct Setting {
    /// Its key; `header.*` stands for every key that begins so.
    pub(crate) key: &'static str,
    /// What it takes.
    pub(crate) shape: Shape,
    /// The value where nothing is written. Empty: none.
    pub(crate) default: &'static str,
    /// What it does, in a sentence.
    pub(crate) doc: &'static str,
    /// It has no effect yet: what it will do.
    pub(crate) later: Option<&'static str>,
}

/// What a setting takes.
pub(crate) enum Shape {
    /// Any text.
    Text,
    /// A key or password.
    Secret,
    /// `true` or `false`.
    Flag,
    /// A whole number within bounds.
    Whole {
        min: u64,
        max: u64,
    },
    /// A whole number from 1, perhaps in thousands or millions: `200k`.
    Count,
    /// A whole number from 1, or `auto`.
    WholeOrAuto {
        max: u64,
    },
    /// Bytes.
    Size,
    Duration,
    DurationOrOff,
    /// Two durations, `250ms..8s`.
    Range,
    /// Percent.
    Share,
    /// Dollars.
    Money,
    /// A number that counts relative to others.
    Weight,
    /// An address and a port.
    Address,
    /// `http` or `https`.
    Url,
    /// `> 50k`.
    Tokens,
    /// `$50/month`.
    Limit,
    /// `2027-01-31`.
    Date,
    /// `p95(ttft) > 2s`.
    Trend,
    /// `off`, a percentile or a duration.
    Hedge,
    /// `on`, `off` or how often.
    Switch,
    /// A name or glob.
    Pattern,
    /// `provider/model`.
    Target,
    Operation,
    Dialect,
    /// One of these words.
    Words(&'static [Word]),
    /// A mapping of these settings.
    Section(&'static [&'static [Setting]]),
    /// A mapping of the operator's own names.
    Named(&'static Shape),
    List(&'static Shape),
    /// One, or a list.
    OneOrMany(&'static Shape),
    /// A single value, or a mapping.
    Either(&'static Shape, &'static Shape),
}

/// One of a closed set of words.
pub(crate) struct Word {
    pub(crate) name: &'static str,
    /// It has no effect yet: what it will do.
    pub(crate) later: Option<&'static str>,
}

impl Shape {
    /// In words: "takes …".
    pub(crate) fn describe(&self) -> String {
        let words = match self {
            Self::Text => "text",
            Self::Secret => "a secret",
            Self::Flag => "true or false",
            Self::Whole { .. } | Self::Count => "a number",
            Self::WholeOrAuto { .. } => "a number or `auto`",
            Self::Size => "a size",
            Self::Duration => "a duration",
            Self::DurationOrOff => "a duration or `off`",
            Self::Range => "a range of durations",
            Self::Share => "a share",
            Self::Money => "an amount of money",
            Self::Weight => "a weight",
            Self::Address => "an address",
            Self::Url => "a URL",
            Self::Tokens => "a bound on tokens",
            Self::Limit => "a limit",
            Self::Date => "a date",
            Self::Trend => "a condition on a measure",
            Self::Hedge => "`off`, a percentile or a duration",
            Self::Switch => "`on`, `off` or a duration",
            Self::Pattern => "a name or glob",
            Self::Target => "`provider/model`",
            Self::Operation => "an operation",
            Self::Dialect => "a dialect",
            Self::Words(words) => {
                let names: Vec<String> = words.iter().map(|word| format!("`{}`", word.name)).collect();
                return names.join(", ");
            }
            Self::Section(_) => "a mapping of settings",
            Self::Named(_) => "a mapping of names",
            Self::List(of) => return format!("a list of: {}", of.describe()),
            Self::OneOrMany(of) => return format!("{}, or a list of them", of.describe()),
            Self::Either(single, many) => return format!("{} or {}", single.describe(), many.describe()),
        };
        words.to_owned()
    }

    /// Is it a single value?
    pub(crate) const fn is_single(&self) -> bool {
        !matches!(
            self,
            Self::Section(_) | Self::Named(_) | Self::List(_) | Self::OneOrMany(_) | Self::Either(..) | Self::Secret
        )
    }

    /// May a secret stand in it?
    pub(crate) fn holds_secrets(&self) -> bool {
        match self {
            Self::Secret => true,
            Self::Section(groups) => groups.iter().any(|group| group.iter().any(|row| row.shape.holds_secrets())),
            Self::Named(of) | Self::List(of) | Self::OneOrMany(of) => of.holds_secrets(),
            Self::Either(single, many) => single.holds_secrets() || many.holds_secrets(),
            _ => false,
        }
    }
}

impl Setting {
    /// The settings within, where it is a section of one group.
    pub(crate) const fn settings(&self) -> &'static [Self] {
        match self.shape {
            Shape::Section([group, ..]) => group,
            _ => &[],
        }
    }
}

/// The setting of this key.
pub(crate) fn find(groups: &'static [&'static [Setting]], key: &str) -> Option<&'static Setting> {
    let mut all = groups.iter().flat_map(|group| group.iter());
    all.find(|setting| match setting.key.strip_suffix('*') {
        Some(prefix) => key.len() > prefix.len() && key.starts_with(prefix),
        None => setting.key == key,
    })
}

/// The section that has a setting of this key, for one that stands in the wrong place.
pub(crate) fn elsewhere(key: &str) -> Option<String> {
    let mut found = None;
    walk(&mut |path, setting| {
        if setting.key == key && found.is_none() {
            found = path.rsplit_once('.').map(|(section, _)| section.to_owned());
        }
    });
    found
}

/// Every setting with its path, sections before what is in them. Routes repeat the defaults, and these only once.
pub(crate) fn walk(visit: &mut dyn FnMut(&str, &'static Setting)) {
    for group in ROOT {
        within("", group, visit);
    }
}

fn within(prefix: &str, settings: &'static [Setting], visit: &mut dyn FnMut(&str, &'static Setting)) {
    for setting in settings {
        let path = if prefix.is_empty() { setting.key.to_owned() } else { format!("{prefix}.{}", setting.key) };
        visit(&path, setting);
        inner(&path, &setting.shape, visit);
    }
}

fn inner(path: &str, shape: &'static Shape, visit: &mut dyn FnMut(&str, &'static Setting)) {
    match shape {
        Shape::Section(groups) => {
            for group in groups.iter().filter(|group| path != "routes[]" || !std::ptr::eq(**group, DEFAULTS)) {
                within(path, group, visit);
            }
        }
        Shape::Named(of) => inner(&format!("{path}.<name>"), of, visit),
        Shape::List(of) | Shape::OneOrMany(of) => inner(&format!("{path}[]"), of, visit),
        Shape::Either(_, many) => inner(path, many, visit),
        _ => {}
    }
}
