//! The table of the documentation: every operation at every provider of the catalog.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ringmain_catalog::{Catalog, Endpoint, Provider};
use ringmain_core::{Operation, Shape};

use super::rows::Row;

const HEAD: &str = "\
# Operations and providers

What of each provider can be asked through the gateway, and how that is tested. `cargo xtask operations` writes this file
from the catalog and the tests; a test holds it fresh. *Shape*: in whose words the provider is asked; callers write OpenAI's
(Cohere's for rerank), the chat dialects each of six. *Recording*: answers of the real provider, or of another of the same
shape, are read in a test. *Table*: success, failover, cancelling, a limit and the cost of it, over memory pipes in
`crates/engine/tests/operations.rs` (`audio.rs` beside it for speech), for this shape. *Simulator*: the built binary against a simulated provider of this shape,
asked by the vendors' SDKs or by hand.

Not one of these could be checked against a recording of the real thing, and rests on the published reference alone: the
images of Stability AI, Bedrock, Gemini, Imagen, Black Forest Labs and Stable Diffusion WebUI; images as a stream; embeddings
and rerank of Jina; speech and transcription of every shape; embeddings, images and rerank by Bedrock's `InvokeModel`; rerank of Together; moderation of Mistral. Of
Replicate there is one recorded prediction. The limits on a batch of embeddings are those of the references (OpenAI 2048 inputs
and 300,000 tokens, Cohere 96, Gemini 100, Voyage 1000 and 120,000), of what users report (Mistral 512 and 16,384), and for Jina
(512) a guess on the safe side.
";

/// What recordings of real providers are read for, by shape; see `crates/operations/tests/recordings.rs`.
const RECORDED: [(Operation, Shape); 9] = [
    (Operation::Embeddings, Shape::OpenAi),
    (Operation::Embeddings, Shape::Mistral),
    (Operation::Embeddings, Shape::Cohere),
    (Operation::Embeddings, Shape::Gemini),
    (Operation::Embeddings, Shape::Voyage),
    (Operation::Images, Shape::OpenAi),
    (Operation::ImageEdits, Shape::OpenAi),
    (Operation::Rerank, Shape::Cohere),
    (Operation::Rerank, Shape::Voyage),
];

/// What the suite of SDKs asks of simulated providers; see `tests/sdk`.
const SIMULATED: &[(Operation, Shape)] = &[
    (Operation::Embeddings, Shape::OpenAi),
    (Operation::Embeddings, Shape::Mistral),
    (Operation::Embeddings, Shape::Cohere),
    (Operation::Embeddings, Shape::Gemini),
    (Operation::Embeddings, Shape::Voyage),
    (Operation::Embeddings, Shape::Jina),
    (Operation::Embeddings, Shape::Bedrock),
    (Operation::Images, Shape::OpenAi),
    (Operation::Images, Shape::Stability),
    (Operation::Images, Shape::Bedrock),
    (Operation::Images, Shape::Gemini),
    (Operation::Images, Shape::BlackForestLabs),
    (Operation::Images, Shape::Replicate),
    (Operation::Images, Shape::SdWebui),
    (Operation::ImageEdits, Shape::OpenAi),
    (Operation::ImageEdits, Shape::Stability),
    (Operation::Moderation, Shape::OpenAi),
    (Operation::Moderation, Shape::Mistral),
    (Operation::Rerank, Shape::Cohere),
    (Operation::Rerank, Shape::Jina),
    (Operation::Rerank, Shape::Voyage),
    (Operation::Rerank, Shape::Bedrock),
    (Operation::Speech, Shape::OpenAi),
    (Operation::Speech, Shape::ElevenLabs),
    (Operation::Transcription, Shape::OpenAi),
    (Operation::Transcription, Shape::Deepgram),
];

/// The shapes of `crates/engine/tests/audio.rs`, for both of its operations.
const AUDIO: [Shape; 4] = [Shape::OpenAi, Shape::Gemini, Shape::Deepgram, Shape::ElevenLabs];

/// The operations that have rows, in their order.
const OPERATIONS: [Operation; 9] = [
    Operation::Chat,
    Operation::CountTokens,
    Operation::Embeddings,
    Operation::Images,
    Operation::ImageEdits,
    Operation::Speech,
    Operation::Transcription,
    Operation::Moderation,
    Operation::Rerank,
];

/// The whole document.
pub(crate) fn document(catalog: &Catalog, rows: &[Row]) -> String {
    let tabled: BTreeSet<(Operation, Shape)> = rows
        .iter()
        .filter_map(|row| Some((row.operation, shaped(catalog.provider(row.kind)?, row.operation)?.shape)))
        .collect();
    let mut text = HEAD.to_owned();
    for operation in OPERATIONS {
        let _ = write!(text, "\n## {operation}\n\n| provider | works | shape | tested |\n|---|---|---|---|\n");
        let mut providers: Vec<&Provider> = catalog.providers().collect();
        providers.sort_by_key(|provider| provider.id.as_str());
        for provider in providers {
            let (works, shape, tested) = cells(provider, operation, &tabled);
            let _ = writeln!(text, "| {} | {works} | {shape} | {tested} |", provider.id);
        }
    }
    text
}

/// The endpoint that callers of OpenAI's shape reach; else any.
fn shaped(provider: &Provider, operation: Operation) -> Option<&Endpoint> {
    let of = || provider.endpoints.iter().filter(|endpoint| endpoint.operation == operation);
    of().find(|endpoint| endpoint.dialect.is_none()).or_else(|| of().next())
}

fn cells(provider: &Provider, operation: Operation, tabled: &BTreeSet<(Operation, Shape)>) -> (String, String, String) {
    let Some(endpoint) = shaped(provider, operation) else {
        let counted = operation == Operation::CountTokens && provider.endpoint(Operation::Chat, None).is_some();
        let works = if counted { "by an estimate" } else { "not offered" };
        return (works.to_owned(), "—".to_owned(), "—".to_owned());
    };
    if matches!(operation, Operation::Chat | Operation::CountTokens) {
        let dialects: BTreeSet<String> = provider
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.operation == operation)
            .filter_map(|endpoint| endpoint.dialect.map(|dialect| dialect.to_string()))
            .collect();
        let shape = dialects.into_iter().collect::<Vec<_>>().join(", ");
        return ("yes".to_owned(), shape, "recording, simulator".to_owned());
    }
    let key = (operation, endpoint.shape);
    if !ringmain_operations::serves(operation, endpoint.shape) {
        return ("not yet".to_owned(), endpoint.shape.to_string(), "—".to_owned());
    }
    let tests = [
        ("recording", RECORDED.contains(&key)),
        ("table", tabled.contains(&key) || operation.is_of_audio() && AUDIO.contains(&endpoint.shape)),
        ("simulator", SIMULATED.contains(&key)),
    ];
    let tested: Vec<&str> = tests.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
    ("yes".to_owned(), endpoint.shape.to_string(), tested.join(", "))
}
