//! Each codec against its API's published shapes.

use bytes::Bytes;
use http::HeaderMap;
use ringmain_core::{Shape, Usage};
use serde_json::{Value, json};

use super::{Made, Request, Site, codec, takes_as_it_is, write};
use crate::talk::{Payload, Reply, Turn};

fn request(body: &Value) -> Request {
    Request::read(body.to_string().as_bytes()).unwrap()
}

fn bodies(shape: Shape, model: &str, request: &Request) -> (Vec<Value>, Vec<String>) {
    let site = Site::new(model, "/embed");
    let planned = codec(shape).unwrap().plan(request, &site).map_err(|no| no.to_string()).unwrap();
    let sent = planned.talks.into_iter().map(|mut talk| match talk.next(None).unwrap() {
        Turn::Call { call, .. } => match call.payload {
            Payload::Json(parts) => serde_json::from_slice(&parts.concat()).unwrap(),
            other => panic!("{other:?}"),
        },
        Turn::Done(_) => panic!("done before it began"),
    });
    (sent.collect(), planned.losses.into_iter().map(|loss| loss.field).collect())
}

fn hear(shape: Shape, model: &str, body: &Value) -> Result<Made, String> {
    let planned = codec(shape).unwrap().plan(&request(&json!({"input": "a"})), &Site::new(model, "/"));
    let mut talks = planned.map_err(|no| no.to_string())?.talks;
    let _ = talks[0].next(None);
    match talks[0].next(Some(&Reply { headers: HeaderMap::new(), body: Bytes::from(body.to_string()) })) {
        Ok(Turn::Done(made)) => Ok(made),
        Ok(Turn::Call { .. }) => panic!("it goes on"),
        Err(fault) => Err(fault.class.to_string()),
    }
}

#[test]
fn words_of_each() {
    let asked = request(&json!({
        "model": "embed", "input": ["one", "two"], "dimensions": 256, "input_type": "query", "user": "u", "truncate": "END",
    }));
    let table = [
        (
            Shape::OpenAi,
            "text-embedding-3-small",
            json!({"model": "text-embedding-3-small", "dimensions": 256, "user": "u", "encoding_format": "float", "input": ["one", "two"]}),
            vec!["input_type", "truncate"],
        ),
        (
            Shape::Voyage,
            "voyage-3.5",
            json!({"model": "voyage-3.5", "output_dimension": 256, "input_type": "query", "input": ["one", "two"]}),
            vec!["user", "truncate"],
        ),
        (
            Shape::Jina,
            "jina-embeddings-v3",
            json!({"model": "jina-embeddings-v3", "dimensions": 256, "task": "retrieval.query", "input": ["one", "two"]}),
            vec!["user", "truncate"],
        ),
        (
            Shape::Cohere,
            "embed-v4.0",
            json!({"model": "embed-v4.0", "input_type": "search_query", "embedding_types": ["float"], "output_dimension": 256, "texts": ["one", "two"]}),
            vec!["user", "truncate"],
        ),
        (
            Shape::Mistral,
            "codestral-embed",
            json!({"model": "codestral-embed", "output_dimension": 256, "input": ["one", "two"]}),
            vec!["input_type", "user", "truncate"],
        ),
        (
            Shape::Bedrock,
            "us.cohere.embed-v4:0",
            json!({"input_type": "search_query", "embedding_types": ["float"], "output_dimension": 256, "texts": ["one", "two"]}),
            vec!["user", "truncate"],
        ),
    ];
    for (shape, model, body, lost) in table {
        let (sent, losses) = bodies(shape, model, &asked);
        assert_eq!(sent, [body], "{shape}");
        assert_eq!(losses, lost, "{shape}");
    }
    let (sent, _) = bodies(Shape::Gemini, "gemini-embedding-001", &asked);
    let one = json!({
        "model": "models/gemini-embedding-001", "content": {"parts": [{"text": "one"}]},
        "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 256,
    });
    assert_eq!(sent[0]["requests"][0], one);
    let (sent, _) = bodies(Shape::Bedrock, "amazon.titan-embed-text-v2:0", &asked);
    assert_eq!(sent, [json!({"inputText": "one", "dimensions": 256}), json!({"inputText": "two", "dimensions": 256})]);
}

#[test]
fn batches_are_split() {
    let texts: Vec<String> = (0..250).map(|at| format!("text {at}")).collect();
    let asked = request(&json!({ "input": texts }));
    let table = [
        (Shape::OpenAi, "m", 1),
        (Shape::Mistral, "m", 1),
        (Shape::Cohere, "m", 3),
        (Shape::Gemini, "m", 3),
        (Shape::Bedrock, "amazon.titan-embed-text-v2:0", 250),
    ];
    for (shape, model, calls) in table {
        assert_eq!(bodies(shape, model, &asked).0.len(), calls, "{shape}");
    }
    let (sent, _) = bodies(Shape::Cohere, "m", &asked);
    assert_eq!(sent[2]["texts"], json!(texts[192..]));
    // By their length too.
    let long = request(&json!({"input": ["x".repeat(30_000), "x".repeat(30_000), "y", "x".repeat(99_000), "z"]}));
    let lengths = |shape| {
        let (sent, _) = bodies(shape, "m", &long);
        sent.iter().map(|body| body["input"].as_array().unwrap().len()).collect::<Vec<_>>()
    };
    assert_eq!((lengths(Shape::Mistral), lengths(Shape::OpenAi)), (vec![1, 2, 1, 1], vec![5]));
    assert!(takes_as_it_is(&long, "text-embedding-3-small"));
    assert!(!takes_as_it_is(&request(&json!({"input": vec!["x"; 2049]})), "m"));
    let query = request(&json!({"input": "x", "input_type": "query"}));
    assert!(!takes_as_it_is(&query, "openai/text-embedding-3-small") && takes_as_it_is(&query, "nv-embedqa"));
}

#[test]
fn answers() {
    let data = json!([{"index": 1, "embedding": [3, 4]}, {"index": 0, "embedding": [0.5, -1e-3]}]);
    let made = hear(Shape::OpenAi, "m", &json!({"data": data, "usage": {"prompt_tokens": 7}})).unwrap();
    assert_eq!(made.vectors, [[0.5, -1e-3], [3.0, 4.0]], "in the order of the inputs");
    assert_eq!(made.usage.unwrap().input, 7);
    let cohere = json!({"embeddings": {"float": [[1, 2]]}, "meta": {"billed_units": {"input_tokens": 3}}});
    assert_eq!(hear(Shape::Cohere, "m", &cohere).unwrap().usage.unwrap().input, 3);
    assert_eq!(
        hear(Shape::Bedrock, "cohere.embed-english-v3", &json!({"embeddings": [[1, 2]]})).unwrap().vectors,
        [[1.0, 2.0]]
    );
    let titan = json!({"embedding": [1], "inputTextTokenCount": 2});
    assert_eq!(hear(Shape::Bedrock, "amazon.titan-embed-text-v2:0", &titan).unwrap().vectors, [[1.0]]);
    assert_eq!(hear(Shape::Gemini, "m", &json!({"embeddings": [{"values": [1]}]})).unwrap().vectors, [[1.0]]);
    let coded = json!({"data": [{"index": 0, "embedding": "AACAPwAAAEA="}]});
    assert_eq!(hear(Shape::Voyage, "m", &coded).unwrap().vectors, [[1.0, 2.0]]);
    let gemini = json!({"embeddings": [{"values": [1]}], "usageMetadata": {"promptTokenCount": 4}});
    assert_eq!(hear(Shape::Gemini, "m", &gemini).unwrap().usage.unwrap().input, 4);
    for (body, class) in [(json!({}), "empty"), (json!({"embeddings": [["x"]]}), "protocol")] {
        assert_eq!(hear(Shape::Cohere, "m", &body).unwrap_err(), class);
    }
    assert_eq!(
        hear(Shape::OpenAi, "m", &json!({"error": {"message": "no", "code": "overloaded"}})).unwrap_err(),
        "overloaded"
    );
}

#[test]
fn a_vector_is_for_its_own_text() {
    let made = |vectors: &[&[f64]], tokens: Option<u64>| Made {
        vectors: vectors.iter().map(|v| v.to_vec()).collect(),
        usage: tokens.map(|input| Usage { input, ..Usage::default() }),
    };
    let asked = request(&json!({"input": ["a", "b"], "encoding_format": "base64", "dimensions": 2}));
    let whole = Made::joined(vec![made(&[&[1.0, 2.0]], Some(3)), made(&[&[3.0, 4.0]], Some(4))], &asked).unwrap();
    assert_eq!(whole.usage.unwrap().input, 7);
    let written: Value = serde_json::from_slice(&write(&whole, &asked, "id", "m", 7)).unwrap();
    assert_eq!(written["data"][1]["embedding"], "AABAQAAAgEA=");
    assert_eq!(written["usage"], json!({"prompt_tokens": 7, "total_tokens": 7}));
    let uncounted = Made::joined(vec![made(&[&[1.0, 2.0]], Some(3)), made(&[&[3.0, 4.0]], None)], &asked).unwrap();
    assert_eq!(uncounted.usage, None);
    let wrong = [
        vec![made(&[&[1.0, 2.0]], None)],
        vec![made(&[&[1.0], &[1.0, 2.0]], None)],
        vec![made(&[&[1.0], &[2.0]], None)],
        vec![],
        vec![made(&[&[], &[]], None)],
    ];
    for parts in wrong {
        assert!(Made::joined(parts.clone(), &asked).is_err(), "{parts:?}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let table = [
        (json!({}), "input: expected a text, a list of texts, or tokens"),
        (json!({"input": []}), "input: expected 1 to 8192 inputs"),
        (json!({"input": ["a", 1.5]}), "input[1]: expected a text"),
        (json!({"input": "a", "encoding_format": "int8"}), "encoding_format: expected `float` or `base64`"),
    ];
    for (body, problem) in table {
        assert_eq!(Request::read(body.to_string().as_bytes()).unwrap_err().to_string(), problem);
    }
    let tokens = request(&json!({"input": [1, 2, 3]}));
    let refused = codec(Shape::Cohere).unwrap().plan(&tokens, &Site::new("m", "/"));
    assert!(refused.err().unwrap().to_string().contains("tokens are of one model"));
    let (sent, _) = bodies(Shape::OpenAi, "m", &tokens);
    assert_eq!(sent[0]["input"], json!([[1, 2, 3]]));
    let short = request(&json!({"input": "a", "dimensions": 256}));
    for model in ["cohere.embed-english-v3", "amazon.titan-embed-text-v1"] {
        let refused = codec(Shape::Bedrock).unwrap().plan(&short, &Site::new(model, "/"));
        assert!(refused.err().unwrap().to_string().contains("vectors of one length"), "{model}");
    }
}
