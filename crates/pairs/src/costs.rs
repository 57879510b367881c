//! What recorded exchanges cost by the catalog's prices, and why the others have no price. Read with what the gateway
//! reads an answer's use with: the codec of its dialect, or for other operations than chat their own reader.

use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use ringmain_catalog::Catalog;
use ringmain_core::{Billed, Money, Usage};
use ringmain_operations::talk::Reply;
use ringmain_operations::{counts, images};
use ringmain_wire::json::Object;
use serde_json::{Value, json};

use crate::recordings::{Exchange, files};
use crate::{check, scope};

/// One exchange, and what it cost.
#[derive(Debug)]
pub struct Bill {
    /// The exchange.
    pub id: String,
    /// The recorded API.
    pub api: String,
    /// `provider/model`, in the catalog's name of the provider.
    pub target: String,
    /// What the answer says it used.
    pub usage: Option<Usage>,
    /// What that cost.
    pub outcome: Outcome,
}

/// A cost, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// By the catalog's price.
    Priced(Money),
    /// By what the provider's answer says.
    Told(Money),
    /// Not at all.
    Unpriced(Why),
}

/// Why there is no cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The answer is an error, and free.
    Error,
    /// The answer does not say what was used.
    NoUsage,
    /// No provider of the catalog: a server of one's own, or a reseller with prices of its own.
    NoProvider,
    /// The catalog does not know the model.
    NoModel,
    /// The catalog knows the model, and no price of it.
    NoPrice,
    /// Its price is for something else than what was counted.
    NoFit,
    /// The gateway does not bill it: lists, counts of tokens, other dialects.
    NotBilled(&'static str),
}

impl Why {
    /// In words.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Error => "an error, which costs nothing".to_owned(),
            Self::NoUsage => "the answer does not say what it used".to_owned(),
            Self::NoProvider => "a reseller, or a server of one's own: not in the catalog".to_owned(),
            Self::NoModel => "the catalog does not know the model".to_owned(),
            Self::NoPrice => "the catalog knows no price of the model".to_owned(),
            Self::NoFit => "the price is not for what was counted".to_owned(),
            Self::NotBilled(what) => format!("not an operation with a bill: {what}"),
        }
    }
}

/// What each exchange below a folder costs, in the order of the names.
///
/// # Errors
/// The recordings or the catalog cannot be read.
pub fn bills(folder: &Path) -> Result<Vec<Bill>> {
    let catalog = Catalog::embedded().map_err(|problems| anyhow::anyhow!("the catalog: {problems}"))?;
    let mut bills = Vec::new();
    for (api, file) in files(folder)? {
        let read = || bill(&catalog, &api, &serde_json::from_slice(&std::fs::read(&file)?)?);
        bills.push(read().with_context(|| format!("reading {}", file.display()))?);
    }
    Ok(bills)
}

/// The ids of the catalog that recordings have other words for.
const NAMES: [(&str, &str); 4] =
    [("azure", "azure-openai"), ("bedrock_openai", "bedrock"), ("gemini_openai", "gemini"), ("zai", "zhipu")];
/// The endings of operations beside chat whose answers say what they used.
const COUNTED: [&str; 6] = [".embeddings", ".embed", ".rerank", ".moderations", ".audio_transcriptions", ".images"];

fn bill(catalog: &Catalog, api: &str, file: &Value) -> Result<Bill> {
    let maker = api.split('.').next().unwrap_or_default();
    let provider = NAMES.iter().find(|(recorded, _)| *recorded == maker).map_or(maker, |(_, id)| id);
    let model = model(file).unwrap_or_default();
    let status = file["response"]["status"].as_u64().unwrap_or_default();
    let usage = if (200..300).contains(&status) { usage(api, file) } else { Err(Why::Error) };
    let outcome = match usage {
        Ok(used) => price(catalog, provider, &model, used),
        Err(why) => Outcome::Unpriced(why),
    };
    Ok(Bill {
        id: file["id"].as_str().context("no id")?.to_owned(),
        api: api.to_owned(),
        target: format!("{provider}/{model}"),
        usage: usage.ok().flatten(),
        outcome,
    })
}

/// As the gateway does it: what the provider says stands above its list price where its answers are bills.
fn price(catalog: &Catalog, provider: &str, model: &str, usage: Option<Usage>) -> Outcome {
    let Some(kind) = catalog.provider(provider) else { return Outcome::Unpriced(Why::NoProvider) };
    if let (true, Some(Billed::Money(told))) = (kind.tells_cost, usage.and_then(|usage| usage.billed)) {
        return Outcome::Told(told);
    }
    let Some(known) = catalog.model(provider, model) else { return Outcome::Unpriced(Why::NoModel) };
    let Some(price) = &known.price else { return Outcome::Unpriced(Why::NoPrice) };
    if price.is_free() {
        return Outcome::Priced(Money::ZERO);
    }
    let Some(usage) = usage else { return Outcome::Unpriced(Why::NoUsage) };
    price.cost(&usage).map_or(Outcome::Unpriced(Why::NoFit), Outcome::Priced)
}

fn usage(api: &str, file: &Value) -> Result<Option<Usage>, Why> {
    match scope::of(api) {
        Ok(dialect) => {
            let exchange = Exchange::of(dialect, file).map_err(|_| Why::NoUsage)?;
            Ok(check::usage(&exchange))
        }
        Err(_) if COUNTED.iter().any(|ending| api.ends_with(ending)) => {
            Ok(of_other(api, &file["request"], &file["response"]["body"]))
        }
        Err(what) => Err(Why::NotBilled(what.unwrap_or("unknown"))),
    }
}

fn of_other(api: &str, request: &Value, body: &Value) -> Option<Usage> {
    let text = body.is_object().then(|| body.to_string())?;
    if api.ends_with(".images") {
        let reply = Reply { headers: HeaderMap::new(), body: Bytes::from(text) };
        let asked = &request["body"];
        let asked = json!({ "prompt": "an image", "size": asked["size"], "quality": asked["quality"] });
        let asked = images::Request::read(asked.to_string().as_bytes()).ok()?;
        return Some(images::openai::read(&reply).ok()?.billed(&asked));
    }
    counts::of(&Object::parse(text.as_bytes()).ok()?)
}

/// The model that was asked: in the body, in the path, or in a form.
fn model(file: &Value) -> Option<String> {
    let request = &file["request"];
    let in_body = request["body"]["model"].as_str().map(|model| model.trim_start_matches("models/").to_owned());
    let form = || match request["body_base64"].as_str() {
        Some(base64) => Some(String::from_utf8_lossy(&STANDARD.decode(base64).ok()?).into_owned()),
        None => request["body_text"].as_str().map(str::to_owned),
    };
    in_body.or_else(|| of_path(request["path"].as_str()?)).or_else(|| of_form(&form()?))
}

fn of_path(path: &str) -> Option<String> {
    let path = path.replace("%3A", ":").replace("%2F", "/");
    let (_, rest) = path.split_once("/models/").or_else(|| path.split_once("/model/"))?;
    let rest = rest.split('/').next()?;
    // Gemini's methods stand after a colon, and so do the versions of Bedrock's models.
    let method = rest.rsplit_once(':').filter(|(_, method)| method.chars().all(char::is_alphabetic));
    Some(method.map_or(rest, |(model, _)| model).to_owned())
}

fn of_form(form: &str) -> Option<String> {
    let (_, rest) = form.split_once("name=\"model\"")?;
    rest.lines().map(str::trim).find(|line| !line.is_empty() && !line.contains(':')).map(str::to_owned)
}
