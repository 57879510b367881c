//! The paths of the catalog against the paths real clients asked, as far as recordings are at hand.

use std::path::Path;

use ringmain_core::{Dialect, Operation};
use serde_json::Value;

use super::catalog;

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/recordings");

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn endpoints_are_where_clients_found_them() {
    if !Path::new(RECORDINGS).is_dir() {
        println!("skipped: no recordings at {RECORDINGS}");
        return;
    }
    use Operation::{Chat, CountTokens, Embeddings, ImageEdits, Moderation, Rerank, Speech, Transcription};
    let table = [
        ("openai.chat", "openai", Chat, Some(Dialect::OpenAiChat), false),
        ("openai.responses", "openai", Chat, Some(Dialect::OpenAiResponses), false),
        ("openai.embeddings", "openai", Embeddings, None, false),
        ("openai.moderations", "openai", Moderation, None, false),
        ("openai.images", "openai", ImageEdits, None, false),
        ("openai.audio_speech", "openai", Speech, None, false),
        ("openai.audio_transcriptions", "openai", Transcription, None, false),
        ("anthropic.messages", "anthropic", Chat, None, false),
        ("anthropic.count_tokens", "anthropic", CountTokens, None, false),
        ("gemini.generate", "gemini", Chat, None, false),
        ("gemini.stream", "gemini", Chat, None, true),
        ("gemini.count_tokens", "gemini", CountTokens, None, false),
        ("azure.chat", "azure-openai", Chat, Some(Dialect::OpenAiChat), false),
        ("azure.responses", "azure-openai", Chat, Some(Dialect::OpenAiResponses), false),
        ("azure.embeddings", "azure-openai", Embeddings, None, false),
        ("mistral.chat", "mistral", Chat, None, false),
        ("mistral.embeddings", "mistral", Embeddings, None, false),
        ("mistral.audio_transcriptions", "mistral", Transcription, None, false),
        ("groq.chat", "groq", Chat, None, false),
        ("deepseek.chat", "deepseek", Chat, None, false),
        ("deepseek.responses", "deepseek", Chat, Some(Dialect::OpenAiResponses), false),
        ("xai.chat", "xai", Chat, Some(Dialect::OpenAiChat), false),
        ("xai.responses", "xai", Chat, Some(Dialect::OpenAiResponses), false),
        ("xai.images", "xai", ImageEdits, None, false),
        ("openrouter.chat", "openrouter", Chat, Some(Dialect::OpenAiChat), false),
        ("openrouter.responses", "openrouter", Chat, Some(Dialect::OpenAiResponses), false),
        ("openrouter.embeddings", "openrouter", Embeddings, None, false),
        ("openrouter.audio_speech", "openrouter", Speech, None, false),
        ("openrouter.audio_transcriptions", "openrouter", Transcription, None, false),
        ("together.chat", "together", Chat, None, false),
        ("cerebras.chat", "cerebras", Chat, None, false),
        ("perplexity.chat", "perplexity", Chat, None, false),
        ("perplexity.embeddings", "perplexity", Embeddings, None, false),
        ("zai.chat", "zhipu", Chat, None, false),
        ("huggingface.chat", "huggingface", Chat, None, false),
        ("ollama.chat", "ollama", Chat, None, false),
        ("voyage.embeddings", "voyage", Embeddings, None, false),
        ("cohere.chat", "cohere", Chat, None, false),
        ("cohere.embed", "cohere", Embeddings, Some(Dialect::CohereV2), false),
        ("cohere.rerank", "cohere", Rerank, None, false),
        ("vertex.generate", "vertex", Chat, None, false),
        ("bedrock.converse", "bedrock", Chat, None, false),
        ("bedrock.converse_stream", "bedrock", Chat, None, true),
    ];
    for (api, id, operation, dialect, stream) in table {
        let catalog = catalog();
        let provider = catalog.provider(id).unwrap().placed(Some("fake-project"), Some("us-central1"));
        let endpoint = provider.endpoint(operation, dialect).unwrap_or_else(|| panic!("{api}: no endpoint"));
        let path = endpoint.stream_path.as_ref().filter(|_| stream).unwrap_or(&endpoint.path);
        let base = provider.base_url.as_deref().unwrap_or_default();
        let root = base.split("://").nth(1).and_then(|rest| rest.split_once('/')).map(|(_, path)| format!("/{path}"));
        let expected = format!("{}{}", root.unwrap_or_default(), path.replace("{model_segment}", "{model}"));
        let expected = expected.split('?').next().unwrap();
        let asked = asked(api);
        assert!(asked.iter().any(|path| fits(expected, path)), "{api}: {expected} is none of {asked:?}");
    }
}

/// The paths of one API's recordings.
fn asked(api: &str) -> Vec<String> {
    let folder = std::fs::read_dir(Path::new(RECORDINGS).join(api)).unwrap();
    let path = |file: std::fs::DirEntry| {
        let text = std::fs::read_to_string(file.path()).unwrap();
        let recording: Value = serde_json::from_str(&text).unwrap();
        recording["request"]["path"].as_str().unwrap_or_default().to_owned()
    };
    folder.flatten().map(path).collect()
}

fn fits(template: &str, path: &str) -> bool {
    match template.split_once("{model}") {
        Some((before, after)) => path.strip_prefix(before).is_some_and(|rest| rest.ends_with(after)),
        None => template == path,
    }
}
