//! Values as the schema reads them, with their places.

use std::net::SocketAddr;
use std::time::Duration;

use ringmain_core::{Limit, Money, WallTime};
use secrecy::SecretString;

use super::trend::Trend;
use super::value;
use crate::TokenBound;
use crate::diagnostic::Span;
use crate::schema::Setting;

/// A value that was read.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    Text(String),
    Secret(SecretString),
    Flag(bool),
    Whole(u64),
    Number(f64),
    /// `None`: `off`.
    Duration(Option<Duration>),
    Range(Duration, Duration),
    Address(SocketAddr),
    Tokens(TokenBound),
    Trend(Trend),
    Percentile(u8),
    Money(Money),
    Limit(Limit),
    Date(WallTime),
    Word(&'static str),
    Section(Section),
    List(Vec<Field>),
    /// Written, and not taken: the problem is noted.
    Invalid,
}

/// A value, its place, and its path for messages.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) span: Span,
    pub(crate) path: String,
    /// What the file says, for messages: variables by their names, no secrets. Empty for lists and mappings.
    pub(crate) written: String,
    /// It holds a variable: what is known of the value may not be said.
    pub(crate) outside: bool,
    pub(crate) data: Data,
}

/// The fields of a mapping, in file order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Section {
    pub(crate) fields: Vec<Field>,
}

impl Section {
    pub(crate) fn get(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    pub(crate) fn section(&self, key: &str) -> Option<&Self> {
        self.get(key)?.section()
    }

    pub(crate) fn list(&self, key: &str) -> &[Field] {
        match self.get(key).map(|field| &field.data) {
            Some(Data::List(items)) => items,
            _ => &[],
        }
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    pub(crate) fn secret(&self, key: &str) -> Option<&SecretString> {
        match &self.get(key)?.data {
            Data::Secret(secret) => Some(secret),
            _ => None,
        }
    }

    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        match self.get(key)?.data {
            Data::Number(number) => Some(number),
            _ => None,
        }
    }

    pub(crate) fn whole(&self, key: &str) -> Option<u64> {
        match self.get(key)?.data {
            Data::Whole(number) => Some(number),
            _ => None,
        }
    }

    /// The setting of this key, if it was written and taken.
    pub(crate) fn taken(&self, key: &str) -> Option<&Field> {
        self.get(key).filter(|field| !field.is_invalid())
    }
}

impl Field {
    pub(crate) const fn is_invalid(&self) -> bool {
        matches!(self.data, Data::Invalid)
    }

    pub(crate) const fn section(&self) -> Option<&Section> {
        match &self.data {
            Data::Section(section) => Some(section),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            Data::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// One section as several may say it: the first that has a value decides, else the schema's default.
#[derive(Clone)]
pub(crate) struct Layers<'a> {
    sections: Vec<&'a Section>,
    settings: &'static [Setting],
}

macro_rules! reads {
    ($(#[$doc:meta])* $name:ident, $pattern:pat => $value:expr, $type:ty) => {
        $(#[$doc])*
        pub(crate) fn $name(&self, key: &str) -> Option<$type> {
            match self.data(key)? {
                $pattern => Some($value),
                _ => None,
            }
        }
    };
}

impl<'a> Layers<'a> {
    pub(crate) fn new(sections: impl IntoIterator<Item = &'a Section>, settings: &'static [Setting]) -> Self {
        Self { sections: sections.into_iter().collect(), settings }
    }

    /// The layers of a section within these.
    pub(crate) fn within(&self, key: &str) -> Self {
        let sections = self.sections.iter().filter_map(|section| section.section(key)).collect();
        let settings = self.settings.iter().find(|setting| setting.key == key);
        Self { sections, settings: settings.map_or(&[], Setting::settings) }
    }

    /// Did anyone write it?
    pub(crate) fn written(&self, key: &str) -> bool {
        self.sections.iter().any(|section| section.get(key).is_some())
    }

    /// What it says, as written or by default.
    pub(crate) fn data(&self, key: &str) -> Option<Data> {
        let mut written = self.sections.iter().filter_map(|section| section.get(key));
        if let Some(field) = written.find(|field| !field.is_invalid()) {
            return Some(field.data.clone());
        }
        let setting = self.settings.iter().find(|setting| setting.key == key)?;
        value::parse(&setting.shape, setting.default).ok()
    }

    reads!(text, Data::Text(text) => text, String);
    reads!(flat_duration, Data::Duration(duration) => duration, Option<Duration>);
    reads!(range, Data::Range(from, to) => (from, to), (Duration, Duration));
    reads!(number, Data::Number(number) => number, f64);
    reads!(whole, Data::Whole(number) => number, u64);
    reads!(word, Data::Word(word) => word, &'static str);
    reads!(money, Data::Money(money) => money, Money);
    reads!(list, Data::List(items) => items, Vec<Field>);
    reads!(address, Data::Address(address) => address, SocketAddr);

    /// A duration that cannot be `off`.
    pub(crate) fn duration(&self, key: &str) -> Duration {
        self.flat_duration(key).flatten().unwrap_or_default()
    }
}
