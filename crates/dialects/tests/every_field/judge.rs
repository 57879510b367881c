//! What became of a field.

use std::collections::BTreeSet;
use std::fmt;

use ringmain_core::{Capabilities, Dialect, Loss};
use ringmain_dialects::{Codec, TargetProfile, ir, registry};
use serde_json::Value;

/// One field, in requests that differ in it alone.
pub(crate) struct Case<'a> {
    /// Its path: `messages[1].content[0].text`.
    pub(crate) path: &'a str,
    /// Without it.
    pub(crate) without: &'a Value,
    /// With it, for each value that it may have.
    pub(crate) with: &'a [Value],
}

/// How it went wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// The same bytes with it and without, and not a word.
    Silent,
    /// Refused, but under another name.
    Refused(String),
    /// A valid request was not read.
    Unread(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("dropped silently"),
            Self::Refused(as_what) => write!(f, "refused under another name: {as_what}"),
            Self::Unread(why) => write!(f, "a valid request is not read: {why}"),
        }
    }
}

pub(crate) struct Judge {
    from: Dialect,
    pub(crate) fields: BTreeSet<String>,
    pub(crate) cases: usize,
    pub(crate) carried: usize,
    pub(crate) lost: usize,
    pub(crate) refused: usize,
    pub(crate) findings: BTreeSet<(String, Dialect, Verdict)>,
}

enum Fate {
    Carried,
    Lost,
    Refused,
    Wrong(Verdict),
}

impl Judge {
    pub(crate) fn new(from: Dialect) -> Self {
        let (fields, findings) = (BTreeSet::new(), BTreeSet::new());
        Self { from, fields, cases: 0, carried: 0, lost: 0, refused: 0, findings }
    }

    /// Judges one field. False where every dialect loses it, or refuses it, as a whole: nothing inside it fares otherwise.
    pub(crate) fn judge(&mut self, case: &Case<'_>) -> bool {
        self.fields.insert(plain(case.path));
        let mut somewhere = false;
        for to in Dialect::ALL.into_iter().filter(|to| *to != self.from) {
            let fates: Vec<Fate> = case.with.iter().map(|with| self.fate(to, case.path, case.without, with)).collect();
            // Of several values one may be the default.
            let mut default = fates.len() > 1;
            for fate in fates {
                self.cases += 1;
                somewhere |= !matches!(fate, Fate::Lost | Fate::Refused);
                match fate {
                    Fate::Carried => self.carried += 1,
                    Fate::Lost => self.lost += 1,
                    Fate::Refused => self.refused += 1,
                    Fate::Wrong(Verdict::Silent) if default => default = false,
                    Fate::Wrong(verdict) => drop(self.findings.insert((plain(case.path), to, verdict))),
                }
            }
        }
        somewhere
    }

    fn fate(&self, to: Dialect, path: &str, without: &Value, with: &Value) -> Fate {
        let source = codec(self.from);
        let request = match source.decode_request(with.to_string().as_bytes()) {
            Ok(request) => request,
            Err(why) => return Fate::Wrong(Verdict::Unread(why.to_string())),
        };
        let bare = match source.decode_request(without.to_string().as_bytes()) {
            Ok(request) => request,
            Err(why) => return Fate::Wrong(Verdict::Unread(format!("without it: {why}"))),
        };
        if request.remembered.iter().any(|field| touches(field, path)) {
            return Fate::Refused;
        }
        match (encode(to, &request), encode(to, &bare)) {
            (Err(refused), Err(before)) if refused == before => Fate::Refused,
            (Err(refused), _) if touches(&refused, path) => Fate::Refused,
            (Err(refused), _) => Fate::Wrong(Verdict::Refused(refused)),
            (Ok((_, losses)), _) if losses.iter().any(|loss| touches(&loss.field, path)) => Fate::Lost,
            // Of a field that is demanded the other value may be the one that is lost.
            (Ok(_), Ok((_, losses))) if losses.iter().any(|loss| touches(&loss.field, path)) => Fate::Lost,
            (Ok((body, _)), Ok((before, _))) if body == before => Fate::Wrong(Verdict::Silent),
            (Ok(_), _) => Fate::Carried,
        }
    }
}

type Sent = (Vec<u8>, Vec<Loss>);

/// The body for a target that can do everything, or the field it refuses.
fn encode(to: Dialect, request: &ir::Request) -> Result<Sent, String> {
    let model = match to {
        Dialect::AnthropicMessages => "claude-sonnet-4-5",
        Dialect::BedrockConverse => "anthropic.claude-sonnet-4-5",
        Dialect::Gemini => "gemini-2.5-flash",
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::CohereV2 => "some-model",
    };
    let profile = TargetProfile {
        model: model.to_owned(),
        capabilities: Capabilities::NONE,
        max_output_tokens: Some(64_000),
        ..TargetProfile::default()
    };
    match codec(to).encode_request(request, &profile) {
        Ok(encoded) => Ok((encoded.body, encoded.losses)),
        Err(unsupported) => Err(unsupported.field),
    }
}

fn codec(dialect: Dialect) -> &'static dyn Codec {
    registry::codec(dialect).unwrap()
}

/// Is one of these paths in the other, or the same?
fn touches(field: &str, path: &str) -> bool {
    let within = |whole: &str, part: &str| {
        part.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    within(field, path) || within(path, field)
}

/// A path without its numbers.
fn plain(path: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for letter in path.chars() {
        match letter {
            '[' => {
                inside = true;
                text.push_str("[]");
            }
            ']' => inside = false,
            _ if inside => {}
            letter => text.push(letter),
        }
    }
    text
}
