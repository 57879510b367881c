//! Every operation at every API that answers it in a shape of its own: what is asked, what its provider says, what it costs.

use ringmain_core::Operation;
use serde_json::{Value, json};

/// 1 by 1.
const DOT: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/// So that a price by the million is the cost.
const MILLION: u64 = 1_000_000;

/// One operation at one API.
pub(crate) struct Row {
    pub(crate) operation: Operation,
    /// The kind of its provider.
    pub(crate) kind: &'static str,
    pub(crate) model: &'static str,
    /// What the provider says to its first question, its second…
    pub(crate) said: Vec<Value>,
    /// What that costs, in dollars; `None` where the catalog has no price.
    pub(crate) cost: Option<f64>,
}

impl Row {
    /// Its provider's lines in a configuration, at `http://a.test`.
    pub(crate) fn provider(&self) -> String {
        let (root, more) = match self.kind {
            "azure-openai" | "cohere" | "gemini" | "stability" | "black-forest-labs" | "replicate" => ("", "keys: [k]"),
            "sd-webui" => ("", "keys: []"),
            "bedrock" => ("", "region: us-east-1, keys: [{ access_key: AKIDEXAMPLE, secret_key: secretsecret }]"),
            "vertex" => ("", "region: us-central1, project: p, keys: [{ access_token: t }]"),
            _ => ("/v1", "keys: [k]"),
        };
        format!("{{ kind: {}, base_url: \"http://a.test{root}\", {more} }}", self.kind)
    }

    /// The caller's path and body.
    pub(crate) fn asked(&self) -> (&'static str, Value) {
        match self.operation {
            Operation::Chat => {
                ("/v1/chat/completions", json!({"model": "r", "messages": [{"role": "user", "content": "x"}]}))
            }
            Operation::Embeddings => ("/v1/embeddings", json!({"model": "r", "input": "x"})),
            Operation::Images => ("/v1/images/generations", json!({"model": "r", "prompt": "x"})),
            Operation::ImageEdits => {
                let image = json!([{"image_url": format!("data:image/png;base64,{DOT}")}]);
                ("/v1/images/edits", json!({"model": "r", "prompt": "x", "images": image}))
            }
            Operation::Moderation => ("/v1/moderations", json!({"model": "r", "input": "x"})),
            Operation::Rerank => ("/v1/rerank", json!({"model": "r", "query": "x", "documents": ["a", {"text": "b"}]})),
            other => unreachable!("no request for {other}"),
        }
    }
}

/// What a server that follows OpenAI says.
pub(crate) fn of_openai(operation: Operation) -> Value {
    let usage = json!({"prompt_tokens": MILLION, "completion_tokens": 0, "total_tokens": MILLION});
    match operation {
        Operation::Chat => json!({
            "id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}],
        }),
        Operation::Embeddings => {
            json!({"object": "list", "model": "m", "data": [{"index": 0, "embedding": [1, 2]}], "usage": usage})
        }
        Operation::Images | Operation::ImageEdits => json!({"created": 1, "data": [{"b64_json": DOT}]}),
        Operation::Moderation => json!({"id": "m", "model": "m", "results": [{"flagged": false}]}),
        Operation::Rerank => ranked("results", &json!({"search_units": 1})),
        other => unreachable!("no answer to {other}"),
    }
}

fn ranked(list: &str, billed: &Value) -> Value {
    let results = json!([{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]);
    let mut answer = json!({"usage": {"total_tokens": MILLION}});
    answer[list] = results;
    if billed.get("search_units").is_some() {
        answer = json!({"id": "r", "results": answer[list], "meta": {"billed_units": billed}});
    }
    answer
}

fn row(
    operation: Operation,
    kind: &'static str,
    model: &'static str,
    cost: impl Into<Option<f64>>,
    said: impl IntoIterator<Item = Value>,
) -> Row {
    Row { operation, kind, model, said: said.into_iter().collect(), cost: cost.into() }
}

pub(crate) fn all() -> Vec<Row> {
    let mut all = vec![row(Operation::Chat, "openai", "gpt-4o", 2.5, [of_openai(Operation::Chat)])];
    all.extend(embeddings());
    all.extend(images());
    all.extend(judgements());
    all
}

fn embeddings() -> Vec<Row> {
    let of = |kind, model, cost, said| row(Operation::Embeddings, kind, model, cost, [said]);
    let list = || of_openai(Operation::Embeddings);
    let gemini = json!({"embeddings": [{"values": [1, 2]}], "usageMetadata": {"promptTokenCount": MILLION}});
    let cohere = json!({"embeddings": {"float": [[1, 2]]}, "meta": {"billed_units": {"input_tokens": MILLION}}});
    let titan = json!({"embedding": [1, 2], "inputTextTokenCount": MILLION});
    vec![
        of("openai", "text-embedding-3-small", Some(0.02), list()),
        of("azure-openai", "text-embedding-3-small", Some(0.022), list()),
        of("mistral", "mistral-embed", Some(0.1), list()),
        of("voyage", "voyage-3.5", Some(0.06), list()),
        of("jina", "jina-embeddings-v3", None, list()),
        of("cohere", "embed-v4.0", Some(0.12), cohere.clone()),
        of("gemini", "gemini-embedding-001", Some(0.15), gemini),
        of("bedrock", "amazon.titan-embed-text-v2:0", Some(0.02), titan),
        of("bedrock", "cohere.embed-v4:0", Some(0.12), cohere),
    ]
}

fn images() -> Vec<Row> {
    let url = format!("data:image/png;base64,{DOT}");
    let generated = json!({
        "candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": DOT}}]}, "finishReason": "STOP"}],
    });
    let predicted = json!({"predictions": [{"mimeType": "image/png", "bytesBase64Encoded": DOT}]});
    let stability = json!({"image": DOT, "finish_reason": "SUCCESS", "seed": 7});
    let amazon = json!({"images": [DOT], "error": null});
    let on_bedrock = json!({"seeds": [7], "finish_reasons": [null], "images": [DOT]});
    let job = json!({"id": "j", "polling_url": "http://a.test/v1/get_result?id=j"});
    let ready = json!({"id": "j", "status": "Ready", "result": {"sample": url}});
    let begun = json!({"id": "p", "status": "starting", "output": null, "error": null});
    let over = json!({"id": "p", "status": "succeeded", "output": [url], "error": null});
    let webui = json!({"images": [DOT], "parameters": {}, "info": "{}"});
    let of = |kind, model, cost, said: Vec<Value>| row(Operation::Images, kind, model, cost, said);
    let openai = || of_openai(Operation::Images);
    let edit = |kind, model, cost, said: Value| row(Operation::ImageEdits, kind, model, cost, [said]);
    vec![
        of("openai", "dall-e-3", Some(0.04), vec![openai()]),
        of("azure-openai", "our-deployment", None, vec![openai()]),
        of("stability", "stable-image-core", Some(0.03), vec![stability.clone()]),
        of("bedrock", "amazon.nova-canvas-v1:0", None, vec![amazon]),
        of("bedrock", "stability.sd3-5-large-v1:0", Some(0.08), vec![on_bedrock]),
        of("gemini", "gemini-2.5-flash-image", Some(0.039), vec![generated.clone()]),
        of("gemini", "imagen-4.0-generate-001", None, vec![predicted.clone()]),
        of("vertex", "gemini-2.5-flash-image", Some(0.039), vec![generated.clone()]),
        of("vertex", "imagen-4.0-generate-001", None, vec![predicted]),
        of("black-forest-labs", "flux-pro-1.1", Some(0.04), vec![job, ready]),
        of("replicate", "black-forest-labs/flux-1.1-pro", Some(0.04), vec![begun, over]),
        of("sd-webui", "sd_xl_base_1.0", None, vec![webui]),
        edit("openai", "gpt-image-1", Some(0.042), openai()),
        edit("stability", "sd3.5-large", Some(0.065), stability),
        edit("gemini", "gemini-2.5-flash-image", Some(0.039), generated),
    ]
}

fn judgements() -> Vec<Row> {
    let judged = |kind, model, cost, said| row(Operation::Moderation, kind, model, cost, [said]);
    let verdict = json!({"categories": {"sexual": false}, "category_scores": {"sexual": 0.1}});
    let mistral = json!({"id": "m", "model": "m", "results": [verdict], "usage": {"prompt_tokens": 3}});
    let ranks = |kind, model, cost, said| row(Operation::Rerank, kind, model, cost, [said]);
    let by_search = ranked("results", &json!({"search_units": 1}));
    let by_token = |list| ranked(list, &json!({}));
    let uncounted = json!({ "results": [{"index": 1, "relevance_score": 0.9}] });
    vec![
        judged("openai", "omni-moderation-latest", Some(0.0), of_openai(Operation::Moderation)),
        judged("mistral", "mistral-moderation-2603", Some(0.0), mistral),
        ranks("openai-compatible", "bge-reranker", None, by_search.clone()),
        ranks("cohere", "rerank-v3.5", Some(0.002), by_search),
        ranks("jina", "jina-reranker-v2-base-multilingual", Some(0.05), by_token("results")),
        ranks("voyage", "rerank-2.5", Some(0.05), by_token("data")),
        ranks("bedrock", "cohere.rerank-v3-5:0", Some(0.002), uncounted.clone()),
        ranks("bedrock", "amazon.rerank-v1:0", Some(0.001), uncounted),
    ]
}
