//! Reranking: documents in the order of their relevance to a query, in Cohere's words, which others who rerank have taken
//! over.

use bytes::Bytes;
use ringmain_core::{Fault, Operation, Shape, Units, Usage};
use ringmain_dialects::shared::fields::Fields;
use ringmain_dialects::{Loss, Malformed, Unsupported};
use serde_json::{Map, Value, json};

use crate::talk::{Call, Once, Reply, Talk};
use crate::{Site, fault};

/// The most documents of one request.
const DOCUMENTS_MAX: usize = 10_000;
/// Documents that are ranked for one search unit.
const PER_SEARCH: usize = 100;

/// A request to rank documents.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// What is looked for.
    pub query: String,
    /// Where.
    pub documents: Vec<String>,
    /// The documents as they came, where they were more than texts.
    pub objects: Option<Vec<Value>>,
    /// How many of them are wanted.
    pub top_n: Option<u64>,
    /// The documents are wanted back.
    pub return_documents: bool,
    /// Of each document no more than so many tokens are read.
    pub max_tokens_per_doc: Option<u64>,
    /// Members nobody here knows.
    pub extra: Vec<String>,
}

impl Request {
    /// Reads a JSON body.
    ///
    /// # Errors
    /// A member has the wrong type, or there is nothing to rank.
    pub fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::parse(body)?;
        let query = fields.required_string("query")?;
        let Some(Value::Array(items)) = fields.value("documents") else {
            return Err(Malformed::new("documents", "expected a list of texts"));
        };
        if items.is_empty() || items.len() > DOCUMENTS_MAX {
            return Err(Malformed::new("documents", format!("expected 1 to {DOCUMENTS_MAX} documents")));
        }
        let documents = items.iter().enumerate().map(document).collect::<Result<_, _>>()?;
        let top_n = fields.count("top_n")?;
        let top_n = top_n.or(fields.count("top_k")?);
        Ok(Self {
            query,
            documents,
            top_n,
            return_documents: fields.value("return_documents") == Some(Value::Bool(true)),
            max_tokens_per_doc: fields.count("max_tokens_per_doc")?,
            extra: {
                // Which model is asked is read elsewhere.
                let _ = fields.value("model");
                fields.rest().into_iter().map(|extra| extra.field).collect()
            },
            objects: items.iter().any(|item| !item.is_string()).then_some(items),
        })
    }
}

/// The text of a document: some are objects that hold one.
fn document((at, item): (usize, &Value)) -> Result<String, Malformed> {
    match item {
        Value::String(text) => Ok(text.clone()),
        Value::Object(members) => match members.get("text") {
            Some(Value::String(text)) => Ok(text.clone()),
            // Fields to be ranked by, as text.
            _ => Ok(item.to_string()),
        },
        _ => Err(Malformed::new(format!("documents[{at}]"), "expected a text")),
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
    /// The documents' places and scores, the best first.
    pub results: Vec<(usize, Value)>,
    /// What is billed, where the provider says it.
    pub usage: Option<Usage>,
}

/// May the caller's own body go to a provider of this shape?
#[must_use]
pub fn takes_as_it_is(request: &Request, shape: Shape) -> bool {
    match shape {
        Shape::OpenAi => true,
        Shape::Cohere => request.objects.is_none() && !request.return_documents && request.extra.is_empty(),
        _ => false,
    }
}

/// The exchange for a request in this shape; `None` for one in which nothing is ranked.
#[must_use]
pub fn plan(shape: Shape, request: &Request, site: &Site<'_>) -> Option<Result<Plan, Unsupported>> {
    let documents = Value::from(request.documents.clone());
    let mut body =
        Map::from_iter([("query".to_owned(), request.query.as_str().into()), ("documents".to_owned(), documents)]);
    let mut carries = Vec::new();
    let mut set = |name: &str, value: Option<Value>| body.extend(value.map(|value| (name.to_owned(), value)));
    let top_n = request.top_n.map(Value::from);
    match shape {
        Shape::Cohere => {
            set("model", Some(site.model.into()));
            set("top_n", top_n);
            set("max_tokens_per_doc", request.max_tokens_per_doc.map(Value::from));
            carries.push("max_tokens_per_doc");
        }
        Shape::Jina => {
            set("model", Some(site.model.into()));
            set("top_n", top_n);
            // They are known here.
            set("return_documents", Some(false.into()));
        }
        Shape::Voyage => {
            set("model", Some(site.model.into()));
            set("top_k", top_n);
        }
        Shape::Bedrock => {
            set("top_n", top_n);
            set("api_version", site.family.contains("cohere.").then(|| 2.into()));
        }
        _ => return None,
    }
    let call = Call::post(site.path, &Value::Object(body));
    let count = request.documents.len();
    let talk = Box::new(Once::new(call, move |reply| read(shape, count, reply)));
    let given = [("max_tokens_per_doc", request.max_tokens_per_doc.is_some())];
    let lost = given.into_iter().filter(|(name, given)| *given && !carries.contains(name)).map(|(name, _)| name);
    let mut losses: Vec<Loss> =
        lost.map(str::to_owned).chain(request.extra.iter().cloned()).map(Loss::dropped).collect();
    // A document that is no text and holds none is ranked as it is written.
    let written = |item: &Value| !item.is_string() && !item.get("text").is_some_and(Value::is_string);
    if request.objects.iter().flatten().any(written) {
        losses.push(Loss::approximated("documents"));
    }
    Some(Ok(Plan { talk, losses }))
}

fn read(shape: Shape, count: usize, reply: &Reply) -> Result<Made, Fault> {
    let document = fault::json(&reply.body)?;
    if document.get("error").is_some_and(|error| !error.is_null()) {
        let fault = crate::decode_fault(Operation::Rerank, shape, 200, &reply.headers, &reply.body);
        return Err(fault::inside(fault));
    }
    let list = document["results"].as_array().or_else(|| document["data"].as_array());
    let list = list.filter(|list| !list.is_empty()).ok_or_else(fault::empty)?;
    let mut seen = vec![false; count];
    let mut results = Vec::with_capacity(list.len());
    for item in list {
        let at = item["index"].as_u64().and_then(|at| usize::try_from(at).ok());
        let (Some(at), score @ Value::Number(_)) = (at, &item["relevance_score"]) else {
            return Err(fault::unreadable("a result without a place or a score"));
        };
        match seen.get_mut(at) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(fault::unreadable("a result for no document, or for one twice")),
        }
        results.push((at, score.clone()));
    }
    Ok(Made { results, usage: usage(shape, count, &document) })
}

/// Some bill by the token, some by the search.
fn usage(shape: Shape, count: usize, document: &Value) -> Option<Usage> {
    let billed = &document["meta"]["billed_units"];
    if let Some(input) = document["usage"]["total_tokens"].as_u64().or_else(|| billed["input_tokens"].as_u64()) {
        return Some(Usage { input, ..Usage::default() });
    }
    let told = billed["search_units"].as_u64();
    let by_search = matches!(shape, Shape::Cohere | Shape::Bedrock);
    let searches = told.or_else(|| by_search.then(|| count.div_ceil(PER_SEARCH) as u64))?;
    Some(Usage::of_units(Units { searches, ..Units::default() }))
}

/// The answer in Cohere's shape, with what Jina's callers look for beside it. `id`: of the request.
#[must_use]
pub fn write(made: &Made, request: &Request, id: &str, model: &str) -> Bytes {
    let text = |at: usize| {
        let object = request.objects.as_ref().and_then(|objects| objects.get(at)).filter(|object| object.is_object());
        object.cloned().or_else(|| request.documents.get(at).map(|text| json!({ "text": text })))
    };
    let result = |(at, score): &(usize, Value)| {
        let mut result = json!({"index": at, "relevance_score": score});
        if let Some(document) = text(*at).filter(|_| request.return_documents) {
            result["document"] = document;
        }
        result
    };
    let usage = made.usage.unwrap_or_default();
    let mut answer = json!({
        "id": id,
        "model": model,
        "results": made.results.iter().map(result).collect::<Vec<_>>(),
        "meta": {"api_version": {"version": "2"}},
    });
    if usage.units.searches > 0 {
        answer["meta"]["billed_units"] = json!({ "search_units": usage.units.searches });
    } else {
        answer["usage"] = json!({ "total_tokens": usage.input });
    }
    answer.to_string().into()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::talk::{Payload, Turn};

    fn asked(more: Value) -> Request {
        let mut body = json!({"model": "rerank", "query": "cats", "documents": ["a", {"text": "b"}, "c"]});
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        Request::read(body.to_string().as_bytes()).unwrap()
    }

    fn sent(shape: Shape, model: &str, request: &Request) -> (Value, Vec<String>, Box<dyn Talk<Made>>) {
        let planned = plan(shape, request, &Site::new(model, "/rerank")).unwrap();
        let mut planned = planned.map_err(|no| no.to_string()).unwrap();
        let Turn::Call { call, .. } = planned.talk.next(None).unwrap() else { panic!("no call") };
        let Payload::Json(parts) = call.payload else { panic!("no JSON") };
        let losses = planned.losses.into_iter().map(|loss| loss.field).collect();
        (serde_json::from_slice(&parts.concat()).unwrap(), losses, planned.talk)
    }

    fn hear(shape: Shape, body: &Value) -> Result<Made, String> {
        let (_, _, mut talk) = sent(shape, "cohere.m", &asked(json!({})));
        match talk.next(Some(&Reply { headers: HeaderMap::new(), body: body.to_string().into() })) {
            Ok(Turn::Done(made)) => Ok(made),
            Ok(Turn::Call { .. }) => panic!("it goes on"),
            Err(fault) => Err(fault.class.to_string()),
        }
    }

    #[test]
    fn words_of_each() {
        let request = asked(json!({"top_n": 2, "max_tokens_per_doc": 9, "priority": 1}));
        let base = json!({"query": "cats", "documents": ["a", "b", "c"]});
        let table = [
            (Shape::Cohere, "m", json!({"model": "m", "top_n": 2, "max_tokens_per_doc": 9}), vec!["priority"]),
            (
                Shape::Jina,
                "m",
                json!({"model": "m", "top_n": 2, "return_documents": false}),
                vec!["max_tokens_per_doc", "priority"],
            ),
            (Shape::Voyage, "m", json!({"model": "m", "top_k": 2}), vec!["max_tokens_per_doc", "priority"]),
            (
                Shape::Bedrock,
                "cohere.rerank-v3-5:0",
                json!({"top_n": 2, "api_version": 2}),
                vec!["max_tokens_per_doc", "priority"],
            ),
            (Shape::Bedrock, "amazon.rerank-v1:0", json!({"top_n": 2}), vec!["max_tokens_per_doc", "priority"]),
        ];
        for (shape, model, more, lost) in table {
            let (body, losses, _) = sent(shape, model, &request);
            let mut expected = base.clone();
            expected.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert_eq!((body, losses), (expected, lost.into_iter().map(str::to_owned).collect()), "{shape} {model}");
        }
        let (body, losses, _) = sent(Shape::Cohere, "m", &asked(json!({"documents": [{"title": "x"}]})));
        assert_eq!((body["documents"][0].as_str(), losses), (Some(r#"{"title":"x"}"#), vec!["documents".to_owned()]));
    }

    #[test]
    fn answers() {
        let results = json!([{"index": 2, "relevance_score": 0.9}, {"index": 0, "relevance_score": 1e-3}]);
        let cohere = json!({"results": results, "meta": {"billed_units": {"search_units": 1}}});
        let made = hear(Shape::Cohere, &cohere).unwrap();
        assert_eq!(made.results, [(2, json!(0.9)), (0, json!(1e-3))]);
        assert_eq!(made.usage.unwrap().units.searches, 1);
        assert_eq!(hear(Shape::Bedrock, &json!({ "results": results })).unwrap().usage.unwrap().units.searches, 1);
        let voyage = hear(Shape::Voyage, &json!({"data": results, "usage": {"total_tokens": 43}})).unwrap();
        assert_eq!(voyage.usage.unwrap().input, 43);
        let request = asked(json!({"return_documents": true}));
        let written: Value = serde_json::from_slice(&write(&voyage, &request, "id", "m")).unwrap();
        assert_eq!(written["results"][0], json!({"index": 2, "relevance_score": 0.9, "document": {"text": "c"}}));
        assert_eq!((&written["usage"], &written["id"]), (&json!({"total_tokens": 43}), &json!("id")));
        let wrong = [
            (json!({"results": []}), "empty"),
            (json!({"results": [{"index": 3, "relevance_score": 1}]}), "protocol"),
            (json!({"results": [{"index": 0, "relevance_score": 1}, {"index": 0, "relevance_score": 1}]}), "protocol"),
            (json!({"results": [{"index": 0}]}), "protocol"),
        ];
        for (body, class) in wrong {
            assert_eq!(hear(Shape::Cohere, &body).unwrap_err(), class, "{body}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let table = [
            (json!({"documents": ["a"]}), "query: is required"),
            (json!({"query": "a"}), "documents: expected a list of texts"),
            (json!({"query": "a", "documents": []}), "documents: expected 1 to 10000 documents"),
            (json!({"query": "a", "documents": ["x", 1]}), "documents[1]: expected a text"),
        ];
        for (body, problem) in table {
            assert_eq!(Request::read(body.to_string().as_bytes()).unwrap_err().to_string(), problem);
        }
        assert!(takes_as_it_is(&asked(json!({"documents": ["a"], "top_n": 1})), Shape::Cohere));
        assert!(!takes_as_it_is(&asked(json!({})), Shape::Cohere));
    }
}
