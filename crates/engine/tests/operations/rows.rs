//! Every operation at every provider of the catalog: what is asked, what its provider says, what it costs.

use ringmain_catalog::{Auth, Catalog, Endpoint, Model, Provider};
use ringmain_core::{Dialect, Money, Operation, Shape};
use serde_json::json;

use super::answers::{self, DOT, Said, WORDS};

/// The operations that have rows, in their order.
pub(crate) const OPERATIONS: [Operation; 10] = [
    Operation::Chat,
    Operation::CountTokens,
    Operation::Embeddings,
    Operation::Images,
    Operation::ImageEdits,
    Operation::Speech,
    Operation::Transcription,
    Operation::Moderation,
    Operation::Rerank,
    Operation::Passthrough,
];

/// Models of one provider that are asked in words of their own, each of which has a row.
const FAMILIES: &[(&str, Operation, &[&str])] = &[
    ("openai", Operation::Images, &["dall-e-3", "gpt-image-1"]),
    ("openai", Operation::ImageEdits, &["gpt-image-1"]),
    ("openai", Operation::Speech, &["tts-1", "gpt-4o-mini-tts"]),
    ("openai", Operation::Transcription, &["whisper-1", "gpt-4o-transcribe"]),
    ("stability", Operation::Images, &["stable-image-core"]),
    ("stability", Operation::ImageEdits, &["sd3.5-large"]),
    ("bedrock", Operation::Images, &["amazon.nova-canvas-v1:0", "stability.sd3-5-large-v1:0"]),
    ("bedrock", Operation::ImageEdits, &["amazon.nova-canvas-v1:0", "stability.sd3-5-large-v1:0"]),
    ("bedrock", Operation::Embeddings, &["amazon.titan-embed-text-v2:0", "cohere.embed-v4:0"]),
    ("bedrock", Operation::Rerank, &["cohere.rerank-v3-5:0", "amazon.rerank-v1:0"]),
    ("gemini", Operation::Images, &["gemini-2.5-flash-image", "imagen-4.0-generate-001"]),
    ("gemini", Operation::ImageEdits, &["gemini-2.5-flash-image"]),
    ("gemini", Operation::Transcription, &["gemini-2.5-flash"]),
    ("vertex", Operation::Images, &["gemini-2.5-flash-image", "imagen-4.0-generate-001"]),
    ("vertex", Operation::ImageEdits, &["gemini-2.5-flash-image"]),
    ("replicate", Operation::ImageEdits, &["black-forest-labs/flux-kontext-pro"]),
    ("sd-webui", Operation::Images, &["sd_xl_base_1.0"]),
    ("deepgram", Operation::Speech, &["aura-2"]),
];

/// In whose words an operation is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Words {
    Dialect(Dialect),
    Shape(Shape),
    /// Nobody is asked: the gateway estimates.
    Estimate,
    /// The caller's own.
    AsTheyAre,
}

/// One operation at one provider, by one model.
pub(crate) struct Row {
    pub(crate) operation: Operation,
    /// The kind of its provider.
    pub(crate) kind: String,
    pub(crate) words: Words,
    pub(crate) model: String,
    pub(crate) said: Said,
    /// What that costs by the catalog; `None` where it has no price for what is counted.
    pub(crate) cost: Option<Money>,
    /// The model that is asked, where the target's is none.
    passes: String,
    /// Its lines in a configuration, but for the keys.
    place: String,
    /// Two keys of it, as far as there are any.
    keys: Vec<&'static str>,
}

impl Row {
    fn new(catalog: &Catalog, provider: &Provider, operation: Operation, words: Words, model: &str) -> Self {
        let said = match words {
            Words::Dialect(dialect) if operation == Operation::Chat => answers::shaped_chat(dialect),
            Words::Dialect(dialect) => answers::counted(dialect),
            Words::Shape(shape) => answers::shaped(operation, shape, model),
            Words::AsTheyAre => answers::shaped(operation, Shape::OpenAi, model),
            Words::Estimate => Said { acts: Vec::new(), usage: ringmain_core::Usage::default() },
        };
        let is_counted = operation != Operation::CountTokens;
        let passes = match words {
            Words::AsTheyAre => self::model(catalog, provider, Operation::Chat, |_| true),
            _ => String::new(),
        };
        let asked = if passes.is_empty() { model } else { &passes };
        let price = catalog.model(&provider.id, asked).and_then(|known| known.price.as_ref()).filter(|_| is_counted);
        let root = provider.base_url.as_deref().and_then(|url| url.splitn(4, '/').nth(3)).unwrap_or_default();
        let root = if root.is_empty() { String::new() } else { format!("/{root}") };
        let (more, keys) = match provider.auth {
            Auth::None => ("", vec![]),
            Auth::AwsSigV4 => (
                ", region: us-east-1",
                vec![
                    "{ access_key: AKIDEXAMPLE, secret_key: secretsecret }",
                    "{ access_key: AKIDEXAMPLF, secret_key: secretsecref }",
                ],
            ),
            Auth::GoogleOAuth => {
                (", region: us-central1, project: p", vec!["{ access_token: t }", "{ access_token: u }"])
            }
            _ => ("", vec!["k-one", "k-two"]),
        };
        Self {
            operation,
            kind: provider.id.clone(),
            words,
            model: model.to_owned(),
            cost: match operation {
                // Where it is estimated nobody is asked.
                Operation::CountTokens => (!said.acts.is_empty()).then_some(Money::ZERO),
                _ => price.and_then(|price| price.cost(&said.usage)),
            },
            said,
            passes,
            place: format!("kind: {}, base_url: \"http://a.test{root}\"{more}", provider.id),
            keys,
        }
    }

    /// Its provider in a configuration, with so many keys at most.
    pub(crate) fn provider(&self, keys: usize) -> String {
        let keys: Vec<&str> = self.keys.iter().copied().take(keys).collect();
        format!("{{ {}, keys: [{}] }}", self.place, keys.join(", "))
    }

    /// Why there is no other target, or key, to go to.
    pub(crate) fn fails_over(&self) -> Result<(), &'static str> {
        match (self.words, self.keys.len()) {
            (Words::Estimate, _) => Err("nobody is asked"),
            (Words::AsTheyAre, 0..2) => Err("no keys"),
            _ => Ok(()),
        }
    }

    /// The caller's path, its type and its body.
    pub(crate) fn asked(&self) -> (String, &'static str, String) {
        const JSON: &str = "application/json";
        let said = json!([{"role": "user", "content": "x"}]);
        let of_bedrock = json!([{"role": "user", "content": [{"text": "x"}]}]);
        let of_gemini = json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}]});
        let counts = self.operation == Operation::CountTokens;
        let (path, body) = match (self.operation, self.words) {
            (Operation::Chat | Operation::CountTokens, Words::Dialect(dialect)) => match dialect {
                Dialect::OpenAiChat => ("/v1/chat/completions", json!({"model": "r", "messages": said})),
                Dialect::OpenAiResponses if counts => {
                    ("/v1/responses/input_tokens", json!({"model": "r", "input": "x"}))
                }
                Dialect::OpenAiResponses => ("/v1/responses", json!({"model": "r", "input": "x"})),
                Dialect::AnthropicMessages if counts => {
                    ("/v1/messages/count_tokens", json!({"model": "r", "messages": said}))
                }
                Dialect::AnthropicMessages => {
                    ("/v1/messages", json!({"model": "r", "max_tokens": 16, "messages": said}))
                }
                Dialect::Gemini if counts => ("/v1beta/models/r:countTokens", of_gemini),
                Dialect::Gemini => ("/v1beta/models/r:generateContent", of_gemini),
                Dialect::BedrockConverse if counts => {
                    ("/model/r/count-tokens", json!({"input": {"converse": {"messages": of_bedrock}}}))
                }
                Dialect::BedrockConverse => ("/model/r/converse", json!({"messages": of_bedrock})),
                Dialect::CohereV2 => ("/v2/chat", json!({"model": "r", "messages": said})),
            },
            (Operation::CountTokens, _) => ("/v1/messages/count_tokens", json!({"model": "r", "messages": said})),
            (Operation::Embeddings, _) => ("/v1/embeddings", json!({"model": "r", "input": "x"})),
            (Operation::Images, _) => ("/v1/images/generations", json!({"model": "r", "prompt": "x"})),
            (Operation::ImageEdits, _) => {
                let image = json!([{"image_url": format!("data:image/png;base64,{DOT}")}]);
                ("/v1/images/edits", json!({"model": "r", "prompt": "x", "images": image}))
            }
            (Operation::Moderation, _) => ("/v1/moderations", json!({"model": "r", "input": "x"})),
            (Operation::Rerank, _) => {
                ("/v1/rerank", json!({"model": "r", "query": "x", "documents": ["a", {"text": "b"}]}))
            }
            (Operation::Speech, _) => {
                ("/v1/audio/speech", json!({"model": "r", "input": WORDS, "voice": "alloy", "response_format": "pcm"}))
            }
            (Operation::Passthrough, _) => ("/providers/a/v1/things", json!({"model": self.passes, "input": "x"})),
            (Operation::Transcription, _) => return form(),
            (other, words) => unreachable!("no request for {other} in {words:?}"),
        };
        (path.to_owned(), JSON, body.to_string())
    }
}

fn form() -> (String, &'static str, String) {
    let part = |head: &str, body: &str| format!("--XyZ\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n");
    let file = part("name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg", "sound");
    let body = file + &part("name=\"model\"", "r") + "--XyZ--\r\n";
    ("/v1/audio/transcriptions".to_owned(), "multipart/form-data; boundary=XyZ", body)
}

/// All that the catalog offers.
pub(crate) fn all(catalog: &Catalog) -> Vec<Row> {
    let of = |operation| catalog.providers().flat_map(move |provider| rows(catalog, provider, operation));
    OPERATIONS.into_iter().flat_map(of).collect()
}

fn rows(catalog: &Catalog, provider: &Provider, operation: Operation) -> Vec<Row> {
    let row = |words, model: &str| Row::new(catalog, provider, operation, words, model);
    let endpoints: Vec<&Endpoint> =
        provider.endpoints.iter().filter(|endpoint| endpoint.operation == operation).collect();
    match operation {
        Operation::Passthrough => vec![row(Words::AsTheyAre, "passthrough")],
        Operation::CountTokens if endpoints.is_empty() => {
            let chats = provider.endpoint(Operation::Chat, None).is_some();
            let model = model(catalog, provider, operation, |_| true);
            chats.then(|| row(Words::Estimate, &model)).into_iter().collect()
        }
        Operation::Chat | Operation::CountTokens => {
            let dialects: Vec<Dialect> = endpoints.iter().filter_map(|endpoint| endpoint.dialect).collect();
            let at = |dialect| {
                let model = model(catalog, provider, operation, |model| {
                    provider.endpoints_for(operation, &model.name).any(|endpoint| endpoint.dialect == Some(dialect))
                });
                row(Words::Dialect(dialect), &model)
            };
            dialects.into_iter().map(at).collect()
        }
        _ => {
            let Some(endpoint) = endpoints.iter().find(|endpoint| endpoint.dialect.is_none()) else {
                return Vec::new();
            };
            let family = FAMILIES.iter().find(|(kind, of, _)| *kind == provider.id && *of == operation);
            let models = family.map_or_else(
                || vec![model(catalog, provider, operation, |_| true)],
                |(.., models)| models.iter().map(|model| (*model).to_owned()).collect(),
            );
            models.iter().map(|model| row(Words::Shape(endpoint.shape), model)).collect()
        }
    }
}

/// A model of the provider for this: one whose sum is known, else the first that has a price, else the first; any name where none is known.
fn model(catalog: &Catalog, provider: &Provider, operation: Operation, fits: impl Fn(&Model) -> bool) -> String {
    let of = || catalog.models_of(&provider.id).filter(|model| model.kind.serves(operation) && fits(model));
    let is_known = |model: &&Model| {
        SUMS.iter().any(|(of, kind, name, _)| *of == operation && *kind == provider.id && *name == model.name)
    };
    let found = of().find(is_known).or_else(|| of().find(|model| model.price.is_some())).or_else(|| of().next());
    found.map_or_else(|| "m".to_owned(), |model| model.name.clone())
}

/// Sums that were worked out by hand from the price lists: a row, and its cost in dollars.
pub(crate) const SUMS: &[(Operation, &str, &str, Option<f64>)] = &[
    // 1000 tokens at $2.5 a million, 100 at $10.
    (Operation::Chat, "openai", "gpt-4o", Some(0.0035)),
    (Operation::Embeddings, "openai", "text-embedding-3-small", Some(0.02)),
    (Operation::Embeddings, "azure-openai", "text-embedding-3-small", Some(0.022)),
    (Operation::Embeddings, "mistral", "mistral-embed", Some(0.1)),
    (Operation::Embeddings, "gemini", "gemini-embedding-001", Some(0.15)),
    (Operation::Embeddings, "bedrock", "amazon.titan-embed-text-v2:0", Some(0.02)),
    (Operation::Embeddings, "bedrock", "cohere.embed-v4:0", Some(0.12)),
    (Operation::Embeddings, "jina", "jina-embeddings-v3", None),
    (Operation::Images, "openai", "dall-e-3", Some(0.04)),
    (Operation::Images, "stability", "stable-image-core", Some(0.03)),
    (Operation::Images, "bedrock", "stability.sd3-5-large-v1:0", Some(0.08)),
    (Operation::Images, "gemini", "gemini-2.5-flash-image", Some(0.039)),
    (Operation::Images, "vertex", "gemini-2.5-flash-image", Some(0.039)),
    (Operation::Images, "sd-webui", "sd_xl_base_1.0", None),
    (Operation::ImageEdits, "openai", "gpt-image-1", Some(0.042)),
    (Operation::ImageEdits, "stability", "sd3.5-large", Some(0.065)),
    // Eleven characters at $15, $30, $50 a million.
    (Operation::Speech, "openai", "tts-1", Some(0.000_165)),
    (Operation::Speech, "deepgram", "aura-2", Some(0.000_33)),
    // 4 tokens at $0.5 a million, 25 of sound at $9.
    (Operation::Speech, "gemini", "gemini-3.8-flash-tts", Some(0.000_227)),
    // Sound alone, and of it no tokens: its price cannot be told.
    (Operation::Speech, "openai", "gpt-4o-mini-tts", None),
    (Operation::Transcription, "openai", "whisper-1", Some(0.006)),
    // 100 tokens at $2.5 a million, 10 at $10.
    (Operation::Transcription, "openai", "gpt-4o-transcribe", Some(0.000_35)),
    (Operation::Transcription, "deepgram", "nova-3", Some(0.0043)),
    (Operation::Transcription, "elevenlabs", "scribe_v2", Some(0.003_666_7)),
    (Operation::Moderation, "openai", "omni-moderation-latest", Some(0.0)),
    (Operation::Rerank, "cohere", "rerank-v3.5", Some(0.002)),
    (Operation::Rerank, "bedrock", "cohere.rerank-v3-5:0", Some(0.002)),
    (Operation::Rerank, "bedrock", "amazon.rerank-v1:0", Some(0.001)),
    (Operation::Rerank, "jina", "jina-reranker-v2-base-multilingual", Some(0.05)),
];
