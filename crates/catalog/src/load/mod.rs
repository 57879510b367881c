//! From the text of catalog files to a checked catalog, with every problem at once.

mod model;
mod provider;

use std::collections::BTreeMap;
use std::fmt;

use ringmain_core::Capabilities;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_saphyr::{Location, MessageFormatter as _, UserMessageFormatter};

use crate::quirk::{Documents, MaxTokensField, Pointer, Prefill, Quirks, StreamUsage, SystemRole, ToolIds, ToolSubset};
use crate::raw::{
    ModelFile, ProviderFile, RawDefault, RawDocuments, RawMaxTokensField, RawPrefill, RawQuirks, RawStreamUsage,
    RawSystemRole, RawToolIds, RawToolSubset, Text,
};
use crate::{Model, Provider};

/// Something wrong in a catalog file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file's name, as given.
    pub file: String,
    /// From 1; 0 where the problem has no place.
    pub line: u64,
    /// From 1, in characters; 0 where the problem has no place.
    pub column: u64,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message } = self;
        if *line == 0 { write!(f, "{file}: {message}") } else { write!(f, "{file}:{line}:{column}: {message}") }
    }
}

/// Everything that is wrong in the catalog files, in the order of files and lines: every mistake of meaning, and of
/// each file whose YAML or keys are wrong the first such mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// What has been read so far.
#[derive(Default)]
pub(crate) struct Loader {
    providers: BTreeMap<String, Loaded<Provider>>,
    models: BTreeMap<String, Vec<Loaded<Model>>>,
    problems: Vec<Problem>,
}

/// An entry with the place of what can only be checked when every file is read.
struct Loaded<T> {
    entry: T,
    file: String,
    at: Location,
    /// Names and their places: a provider's pools, a model's aliases.
    names: Vec<(String, Location)>,
}

/// The text of a file, in the language that it is written in.
#[derive(Clone, Copy)]
pub(crate) enum Written<'a> {
    /// As people write it.
    Yaml(&'a str),
    /// As it is built into the program.
    Json(&'a str),
}

impl Loader {
    /// Reads the files that are built into the program: an object with each file under its name.
    pub(crate) fn read_built_in(&mut self, files: &str) {
        match serde_json::from_str::<BTreeMap<&str, &RawValue>>(files) {
            Ok(files) => files.into_iter().for_each(|(file, text)| self.read(file, Written::Json(text.get()))),
            Err(error) => self.problem("catalog.json", None, error.to_string()),
        }
    }

    /// Reads one file. Its name says what it is: `providers/<id>.yaml` or `models/<id>.yaml`.
    pub(crate) fn read(&mut self, file: &str, text: Written<'_>) {
        let mut parts = file.rsplit(['/', '\\']);
        let stem = parts.next().and_then(|name| name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml")));
        let Some(id) = stem.filter(|id| !id.is_empty()) else {
            return self.problem(file, None, "a catalog file's name ends in `.yaml`");
        };
        match parts.next() {
            Some("providers") => self.read_provider(file, id, text),
            Some("models") => self.read_models(file, id, text),
            _ => self.problem(file, None, "a catalog file is in a folder `providers` or `models`"),
        }
    }

    fn read_provider(&mut self, file: &str, id: &str, text: Written<'_>) {
        let Some(raw) = self.parse::<ProviderFile>(file, text) else { return };
        let loaded = provider::resolve(&mut Scope { loader: self, file }, id, raw);
        self.providers.insert(id.to_owned(), loaded);
    }

    /// Entries replace entries of the same name, so that an operator's file need hold only what differs.
    fn read_models(&mut self, file: &str, provider: &str, text: Written<'_>) {
        let Some(raw) = self.parse::<ModelFile>(file, text) else { return };
        let fresh = model::resolve(&mut Scope { loader: self, file }, provider, raw);
        let entries = self.models.entry(provider.to_owned()).or_default();
        entries.retain(|old| fresh.iter().all(|new| new.entry.name != old.entry.name));
        entries.extend(fresh);
    }

    fn parse<T: DeserializeOwned>(&mut self, file: &str, text: Written<'_>) -> Option<T> {
        let read = match text {
            Written::Yaml(text) => serde_saphyr::from_str(text).map_err(|error| {
                let message = UserMessageFormatter.format_message(error.without_snippet()).into_owned();
                (error.location(), message)
            }),
            Written::Json(text) => serde_json::from_str(text).map_err(|error| (None, error.to_string())),
        };
        read.map_err(|(at, message)| self.problem(file, at, message)).ok()
    }

    fn problem(&mut self, file: &str, at: Option<Location>, message: impl Into<String>) {
        let (line, column) = at.map_or((0, 0), |at| (at.line(), at.column()));
        self.problems.push(Problem { file: file.to_owned(), line, column, message: message.into() });
    }

    /// The checks between files, and the result.
    pub(crate) fn finish(mut self) -> Result<(Vec<Provider>, Vec<Model>), Problems> {
        let mut found = Vec::new();
        for (provider, models) in &self.models {
            if !self.providers.contains_key(provider) {
                let file = models.first().map_or(provider, |model| &model.file);
                found.push((
                    file.clone(),
                    None,
                    format!("there is no provider `{provider}`: no `providers/{provider}.yaml`"),
                ));
            }
            found.extend(duplicates(provider, models));
        }
        for (id, provider) in &self.providers {
            let known = |name: &str| self.models.get(id).is_some_and(|list| list.iter().any(|m| m.entry.name == name));
            for (name, at) in provider.names.iter().filter(|(name, _)| !known(name)) {
                found.push((provider.file.clone(), Some(*at), format!("`models/{id}.yaml` has no model `{name}`")));
            }
        }
        for (file, at, message) in found {
            self.problem(&file, at, message);
        }
        if !self.problems.is_empty() {
            self.problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
            return Err(Problems(self.problems));
        }
        let providers = self.providers.into_values().map(|loaded| loaded.entry).collect();
        Ok((providers, self.models.into_values().flatten().map(|loaded| loaded.entry).collect()))
    }
}

/// Names and aliases that two models of one provider share.
fn duplicates(provider: &str, models: &[Loaded<Model>]) -> Vec<(String, Option<Location>, String)> {
    let mut seen = BTreeMap::new();
    let mut found = Vec::new();
    for loaded in models {
        let own = std::iter::once((&loaded.entry.name, loaded.at));
        for (name, at) in own.chain(loaded.names.iter().map(|(name, at)| (name, *at))) {
            if let Some(first) = seen.insert(name, &loaded.entry.name) {
                let message = format!("`{name}` of `{provider}` is already the name of `{first}`");
                found.push((loaded.file.clone(), Some(at), message));
            }
        }
    }
    found
}

/// The loader while it reads one file.
struct Scope<'a> {
    loader: &'a mut Loader,
    file: &'a str,
}

impl Scope<'_> {
    fn problem(&mut self, at: Location, message: impl Into<String>) {
        self.loader.problem(self.file, Some(at), message);
    }

    /// A word of a closed list, or a problem that lists the words.
    fn word<T: Copy>(&mut self, text: &Text, known: &[(&str, T)]) -> Option<T> {
        let found = known.iter().find(|(name, _)| *name == text.value).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            self.problem(text.referenced, format!("unknown word `{}`; one of: {}", text.value, names.join(", ")));
        }
        found
    }

    fn capabilities(&mut self, words: &[Text]) -> Capabilities {
        let known = words.iter().filter_map(|text| self.word(text, &Capabilities::NAMED));
        known.fold(Capabilities::NONE, Capabilities::with)
    }

    fn pointer(&mut self, text: &Text) -> Option<Pointer> {
        let pointer = Pointer::parse(&text.value);
        if pointer.is_none() {
            self.problem(text.referenced, format!("`{}` is not a JSON pointer to a member: `/a/b`", text.value));
        }
        pointer
    }

    fn defaults(&mut self, raw: Vec<RawDefault>) -> Vec<(Pointer, serde_json::Value)> {
        raw.into_iter().filter_map(|raw| Some((self.pointer(&raw.at)?, raw.value))).collect()
    }

    fn quirks(&mut self, raw: RawQuirks) -> Quirks {
        Quirks {
            remove: raw.remove.iter().filter_map(|text| self.pointer(text)).collect(),
            rename: raw.rename.into_iter().filter_map(|r| Some((self.pointer(&r.at)?, r.to))).collect(),
            default: self.defaults(raw.default),
            only: raw.only,
            stream_usage: raw.stream_usage.map(|word| match word {
                RawStreamUsage::OnRequest => StreamUsage::OnRequest,
                RawStreamUsage::Always => StreamUsage::Always,
                RawStreamUsage::Never => StreamUsage::Never,
            }),
            ends_without_done: raw.ends_without_done,
            max_tokens_field: raw.max_tokens_field.map(|word| match word {
                RawMaxTokensField::MaxTokens => MaxTokensField::MaxTokens,
                RawMaxTokensField::MaxCompletionTokens => MaxTokensField::MaxCompletionTokens,
            }),
            tool_ids: raw.tool_ids.map(|word| match word {
                RawToolIds::Any => ToolIds::Any,
                RawToolIds::NineAlphanumeric => ToolIds::NineAlphanumeric,
            }),
            system_role: raw.system_role.map(|word| match word {
                RawSystemRole::Either => SystemRole::Either,
                RawSystemRole::System => SystemRole::System,
                RawSystemRole::User => SystemRole::User,
            }),
            assistant_after_tool: raw.assistant_after_tool,
            alternate_roles: raw.alternate_roles,
            refuses_reasoning: raw.refuses_reasoning,
            prefill: raw.prefill.map(|word| match word {
                RawPrefill::Trailing => Prefill::Trailing,
                RawPrefill::Prefix => Prefill::Prefix,
                RawPrefill::ContinueFinalMessage => Prefill::ContinueFinalMessage,
            }),
            documents: raw.documents.map(|word| match word {
                RawDocuments::File => Documents::File,
                RawDocuments::DocumentUrl => Documents::DocumentUrl,
            }),
            tool_subset: raw.tool_subset.map(|word| match word {
                RawToolSubset::Choice => ToolSubset::Choice,
                RawToolSubset::List => ToolSubset::List,
            }),
        }
    }
}
