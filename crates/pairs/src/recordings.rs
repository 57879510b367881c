//! Recorded exchanges, as they lie in their folders.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringmain_core::Dialect;
use serde_json::Value;

use crate::scope;

/// One exchange of a chat API.
#[derive(Debug)]
pub struct Exchange {
    /// Its name.
    pub id: String,
    /// What was spoken.
    pub dialect: Dialect,
    /// The request's body, where it is JSON.
    pub request: Option<Value>,
    /// The answer's status.
    pub status: u16,
    /// The answer.
    pub answer: Answer,
}

/// An answer's body.
#[derive(Debug)]
pub enum Answer {
    /// JSON; an array is a stream of its elements.
    Plain(Value),
    /// A stream, or words that are no JSON.
    Bytes(Vec<u8>),
    /// None.
    Nothing,
}

/// What was recorded.
#[derive(Debug, Default)]
pub struct Recordings {
    /// Chat, in the order of the names.
    pub chat: Vec<Exchange>,
    /// The other APIs: name, how many exchanges, what they are.
    pub other: Vec<(String, usize, &'static str)>,
}

impl Recordings {
    /// Reads every exchange below a folder.
    ///
    /// # Errors
    /// A file cannot be read, or an API is neither chat nor said to be something else: nothing is left out unseen.
    pub fn load(folder: &Path) -> Result<Self> {
        let mut all = Self::default();
        let mut apis: Vec<_> = entries(folder)?.into_iter().filter(|path| path.is_dir()).collect();
        apis.sort();
        for path in apis {
            let api = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut files = entries(&path)?;
            files.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
            files.sort();
            if files.is_empty() {
                continue;
            }
            match scope::of(&api) {
                Ok(dialect) => {
                    for file in files {
                        let read = || Exchange::of(dialect, &serde_json::from_slice(&fs::read(&file)?)?);
                        all.chat.push(read().with_context(|| format!("reading {}", file.display()))?);
                    }
                }
                Err(Some(what)) => all.other.push((api, files.len(), what)),
                Err(None) => anyhow::bail!("{api} is neither in a dialect nor said to be something else: see scope.rs"),
            }
        }
        Ok(all)
    }
}

fn entries(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let read = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    Ok(read.collect::<Result<Vec<_>, _>>()?.into_iter().map(|entry| entry.path()).collect())
}

/// Every recorded exchange's file with its API, in the order of the names.
pub(crate) fn files(folder: &Path) -> Result<Vec<(String, std::path::PathBuf)>> {
    let mut all = Vec::new();
    for path in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        let api = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let files = entries(&path)?.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "json"));
        all.extend(files.map(|file| (api.clone(), file)));
    }
    all.sort();
    Ok(all)
}

impl Exchange {
    pub(crate) fn of(dialect: Dialect, file: &Value) -> Result<Self> {
        let (request, response) = (&file["request"], &file["response"]);
        let text = |name: &str| response.get(name).and_then(Value::as_str);
        let answer = match (response.get("body"), text("body_text"), text("body_base64")) {
            (Some(body), _, _) if !body.is_null() => Answer::Plain(body.clone()),
            (_, Some(text), _) => Answer::Bytes(text.as_bytes().to_vec()),
            (_, _, Some(base64)) => Answer::Bytes(STANDARD.decode(base64)?),
            _ => Answer::Nothing,
        };
        let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok());
        Ok(Self {
            id: file["id"].as_str().context("no id")?.to_owned(),
            dialect,
            request: request.get("body").filter(|body| body.is_object()).cloned(),
            status: status.context("no status")?,
            answer,
        })
    }
}
