//! Moderation: is this text acceptable? In OpenAI's words; Mistral has categories of its own.

use bytes::Bytes;
use ringmain_core::{Fault, Operation, Shape, Usage};
use ringmain_dialects::shared::fields::Fields;
use ringmain_dialects::{Loss, Malformed, Unsupported};
use serde_json::{Map, Value, json};

use crate::talk::{Call, Once, Reply, Talk};
use crate::{Site, fault};

/// The model of a request that names none.
pub const DEFAULT_MODEL: &str = "omni-moderation-latest";
/// The most inputs of one request.
const INPUTS_MAX: usize = 2048;

/// OpenAI's categories. <https://platform.openai.com/docs/api-reference/moderations>
const CATEGORIES: [&str; 13] = [
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
];

/// Mistral's that mean what one of OpenAI's means. The others (health, law, money, personal data) are topics, and no
/// reason to refuse. <https://docs.mistral.ai/capabilities/guardrailing>
const OF_MISTRAL: [(&str, &str); 7] = [
    ("sexual", "sexual"),
    ("hate_and_discrimination", "hate"),
    ("violence_and_threats", "violence"),
    ("dangerous_and_criminal_content", "illicit"),
    ("dangerous", "illicit"),
    ("criminal", "illicit"),
    ("selfharm", "self-harm"),
];

/// A request to judge texts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// What is to be judged; the parts of one input are one text.
    pub texts: Vec<String>,
    /// Some of it is no text.
    pub has_images: bool,
    /// Members nobody here knows.
    pub extra: Vec<String>,
}

impl Request {
    /// Reads a JSON body.
    ///
    /// # Errors
    /// A member has the wrong type, or there is nothing to judge.
    pub fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::parse(body)?;
        let expected = || Malformed::new("input", "expected a text, a list of texts, or a list of parts");
        let mut request = Self::default();
        match fields.value("input") {
            Some(Value::String(text)) => request.texts.push(text),
            Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
                let texts = items.into_iter().filter_map(|item| match item {
                    Value::String(text) => Some(text),
                    _ => None,
                });
                request.texts.extend(texts);
            }
            // A list of typed parts is one input.
            Some(Value::Array(parts)) if parts.iter().all(Value::is_object) => {
                let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
                request.has_images = texts.len() < parts.len();
                request.texts.push(texts.join("\n"));
            }
            _ => return Err(expected()),
        }
        if request.texts.is_empty() || request.texts.len() > INPUTS_MAX {
            return Err(Malformed::new("input", format!("expected 1 to {INPUTS_MAX} inputs")));
        }
        // Which model is asked is read elsewhere.
        let _ = fields.value("model");
        request.extra = fields.rest().into_iter().map(|extra| extra.field).collect();
        Ok(request)
    }
}

/// What is to be done for one request.
pub struct Plan {
    /// The exchange.
    pub talk: Box<dyn Talk<Made>>,
    /// What it does not carry.
    pub losses: Vec<Loss>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// One for each input, in OpenAI's shape.
    pub results: Vec<Value>,
    /// Tokens, where the provider counts them.
    pub usage: Option<Usage>,
}

/// The exchange for a request in this shape; `None` for one in which nothing is judged, or the caller's own body serves.
#[must_use]
pub fn plan(shape: Shape, request: &Request, site: &Site<'_>) -> Option<Result<Plan, Unsupported>> {
    if shape != Shape::Mistral {
        return None;
    }
    if request.has_images {
        let reason = "this provider judges text alone".to_owned();
        return Some(Err(Unsupported { field: "input".to_owned(), reason }));
    }
    let call = Call::post(site.path, &json!({"model": site.model, "input": request.texts}));
    let count = request.texts.len();
    let talk = Box::new(Once::new(call, move |reply| read_mistral(count, reply)));
    let mut losses: Vec<Loss> = request.extra.iter().cloned().map(Loss::dropped).collect();
    losses.push(Loss::approximated("results.categories"));
    Some(Ok(Plan { talk, losses }))
}

fn read_mistral(count: usize, reply: &Reply) -> Result<Made, Fault> {
    let document = fault::json(&reply.body)?;
    if document["object"] == "error" || document.get("error").is_some_and(|error| !error.is_null()) {
        let fault = crate::decode_fault(Operation::Moderation, Shape::OpenAi, 200, &reply.headers, &reply.body);
        return Err(fault::inside(fault));
    }
    let list = document["results"].as_array().filter(|list| !list.is_empty()).ok_or_else(fault::empty)?;
    if list.len() != count {
        return Err(fault::unreadable(format!("{} verdicts for {count} inputs", list.len())));
    }
    let results = list.iter().map(of_mistral).collect::<Option<Vec<_>>>();
    let results = results.ok_or_else(|| fault::unreadable("a verdict without categories"))?;
    let counted = document["usage"]["prompt_tokens"].as_u64();
    Ok(Made { results, usage: counted.map(|input| Usage { input, ..Usage::default() }) })
}

/// Mistral's verdict as OpenAI's: its own categories are kept beside those it has no word for.
fn of_mistral(result: &Value) -> Option<Value> {
    let (said, scored) = (result["categories"].as_object()?, result["category_scores"].as_object()?);
    let mut categories: Map<String, Value> = CATEGORIES.iter().map(|name| ((*name).to_owned(), false.into())).collect();
    let mut scores: Map<String, Value> = CATEGORIES.iter().map(|name| ((*name).to_owned(), 0.into())).collect();
    let mut flagged = false;
    for (name, is) in said {
        let score = scored.get(name).cloned().unwrap_or_else(|| 0.into());
        let Some((_, known)) = OF_MISTRAL.iter().find(|(theirs, _)| theirs == name) else {
            categories.insert(name.clone(), is.clone());
            scores.insert(name.clone(), score);
            continue;
        };
        flagged |= *is == true;
        // Two of its categories are one of OpenAI's: the worse counts.
        if *is == true {
            categories.insert((*known).to_owned(), true.into());
        }
        if score.as_f64() > scores.get(*known).and_then(Value::as_f64) {
            scores.insert((*known).to_owned(), score);
        }
    }
    let read: Map<String, Value> = categories.keys().map(|name| (name.clone(), json!(["text"]))).collect();
    Some(json!({
        "flagged": flagged,
        "categories": categories,
        "category_scores": scores,
        "category_applied_input_types": read,
    }))
}

/// The answer in OpenAI's shape. `id`: of the request.
#[must_use]
pub fn write(made: &Made, id: &str, model: &str) -> Bytes {
    json!({"id": format!("modr-{id}"), "model": model, "results": made.results}).to_string().into()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::talk::{Payload, Turn};

    fn request(input: &Value) -> Result<Request, String> {
        Request::read(json!({ "input": input }).to_string().as_bytes()).map_err(|bad| bad.to_string())
    }

    fn hear(count: usize, body: &Value) -> Result<Made, String> {
        let reply = Reply { headers: HeaderMap::new(), body: body.to_string().into() };
        read_mistral(count, &reply).map_err(|fault| fault.class.to_string())
    }

    #[test]
    fn mistral_is_asked_in_its_words() {
        let asked = request(&json!(["a", "b"])).unwrap();
        let planned = plan(Shape::Mistral, &asked, &Site::new("m", "/moderations")).unwrap();
        let mut planned = planned.map_err(|no| no.to_string()).unwrap();
        let Turn::Call { call, .. } = planned.talk.next(None).unwrap() else { panic!("no call") };
        let Payload::Json(parts) = call.payload else { panic!("no JSON") };
        assert_eq!(
            serde_json::from_slice::<Value>(&parts.concat()).unwrap(),
            json!({"model": "m", "input": ["a", "b"]})
        );
        let parts = request(&json!([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "x"}}]));
        let refused = plan(Shape::Mistral, &parts.unwrap(), &Site::new("m", "/")).unwrap();
        assert!(refused.err().unwrap().to_string().contains("judges text alone"));
        assert!(plan(Shape::OpenAi, &asked, &Site::new("m", "/")).is_none());
        assert!(request(&json!([])).unwrap_err().contains("expected 1 to 2048"));
        assert!(request(&json!(7)).unwrap_err().contains("expected a text"));
    }

    #[test]
    fn its_verdict_is_openais() {
        let said = |selfharm: bool| {
            json!({
                "categories": {"selfharm": selfharm, "health": true, "dangerous": false, "criminal": false},
                "category_scores": {"selfharm": 0.9, "health": 0.8, "dangerous": 0.2, "criminal": 0.1},
            })
        };
        let body =
            json!({"id": "x", "model": "m", "results": [said(true), said(false)], "usage": {"prompt_tokens": 4}});
        let made = hear(2, &body).unwrap();
        let verdict = &made.results[0];
        assert_eq!((&verdict["flagged"], &verdict["categories"]["self-harm"]), (&json!(true), &json!(true)));
        assert_eq!(verdict["category_scores"]["illicit"], 0.2, "the worse of two");
        assert_eq!((&verdict["categories"]["hate"], &verdict["categories"]["health"]), (&json!(false), &json!(true)));
        assert_eq!(made.results[1]["flagged"], false, "a topic is no reason to refuse");
        assert_eq!(made.usage.unwrap().input, 4);
        assert_eq!(hear(1, &body).unwrap_err(), "protocol");
        assert_eq!(hear(1, &json!({"results": []})).unwrap_err(), "empty");
        assert_eq!(hear(1, &json!({"results": [{}]})).unwrap_err(), "protocol");
        let written: Value = serde_json::from_slice(&write(&made, "1", "m")).unwrap();
        assert_eq!((written["results"].as_array().unwrap().len(), written["id"].as_str()), (2, Some("modr-1")));
    }
}
