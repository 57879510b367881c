//! The words of OpenTelemetry's conventions for generative AI, and what of ours each stands for. The only place they are in.
//! <https://opentelemetry.io/docs/specs/semconv/gen-ai/>

use ringmain_core::Operation;

/// What is done: `chat`, `embeddings`.
pub const OPERATION: &str = "gen_ai.operation.name";
/// Whose model it is, in the conventions' words.
pub const PROVIDER: &str = "gen_ai.provider.name";
/// The model that was asked for.
pub const REQUEST_MODEL: &str = "gen_ai.request.model";
/// The most output tokens that were asked for.
pub const MAX_TOKENS: &str = "gen_ai.request.max_tokens";
/// The model that answered.
pub const RESPONSE_MODEL: &str = "gen_ai.response.model";
/// All input tokens, cached ones included.
pub const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
/// All output tokens, reasoning included.
pub const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
/// Input read from the provider's prompt cache.
pub const CACHE_READ: &str = "gen_ai.usage.cache_read.input_tokens";
/// Input written to it.
pub const CACHE_WRITE: &str = "gen_ai.usage.cache_creation.input_tokens";
/// Which tokens a value counts: [`INPUT`] or [`OUTPUT`].
pub const TOKEN_TYPE: &str = "gen_ai.token.type";
/// A value of [`TOKEN_TYPE`].
pub const INPUT: &str = "input";
/// A value of [`TOKEN_TYPE`].
pub const OUTPUT: &str = "output";
/// The class of a failure.
pub const ERROR: &str = "error.type";
/// The name of the process.
pub const SERVICE: &str = "service.name";
/// Its version.
pub const SERVICE_VERSION: &str = "service.version";

/// The route.
pub const ROUTE: &str = "ringmain.route";
/// The request's id: what `x-ringmain-request-id` says.
pub const REQUEST_ID: &str = "ringmain.request.id";
/// The virtual key, by its path for people.
pub const KEY: &str = "ringmain.key";
/// Who served, or was asked: `provider/model` in the operator's words.
pub const TARGET: &str = "ringmain.target";
/// How many attempts a request took.
pub const ATTEMPTS: &str = "ringmain.attempts";
/// Was the attempt made beside another?
pub const HEDGE: &str = "ringmain.hedge";
/// Did it bring the answer?
pub const SERVED: &str = "ringmain.served";
/// Seconds to the first useful token.
pub const FIRST_TOKEN: &str = "ringmain.first_token_s";
/// What it cost in dollars; left out where that is not known.
pub const COST: &str = "ringmain.cost_usd";
/// What precedes the name of a tag.
pub const TAG: &str = "ringmain.tag.";

/// Tokens of an attempt, by type.
pub const TOKENS: (&str, &str, &str) =
    ("gen_ai.client.token.usage", "{token}", "Tokens of input and output of each answer");
/// How long an attempt took.
pub const DURATION: (&str, &str, &str) =
    ("gen_ai.client.operation.duration", "s", "How long providers took to answer, or to fail");
/// How long the caller waited for the first token of a stream.
pub const FIRST: (&str, &str, &str) =
    ("gen_ai.server.time_to_first_token", "s", "From a request to the first useful token of its answer");
/// How long it waited for each token after it.
pub const EACH: (&str, &str, &str) =
    ("gen_ai.server.time_per_output_token", "s", "For each output token after the first");

/// Where the buckets of token counts end, as the conventions recommend it.
pub const TOKEN_BOUNDS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
/// Those of durations.
pub const DURATION_BOUNDS: &[f64] =
    &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/// Those of the time to the first token.
pub const FIRST_BOUNDS: &[f64] =
    &[0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Those of the time for each token.
pub const EACH_BOUNDS: &[f64] = &[0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5];

/// An operation in the conventions' words; ours where they have none.
#[must_use]
pub const fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Chat => "chat",
        Operation::Embeddings => "embeddings",
        other => other.as_str(),
    }
}

/// A provider of our catalog in the conventions' words; ours where they have none.
#[must_use]
pub fn provider(kind: &str) -> &str {
    match kind {
        "azure-openai" => "azure.ai.openai",
        "bedrock" => "aws.bedrock",
        "gemini" => "gcp.gemini",
        "vertex" => "gcp.vertex_ai",
        "mistral" => "mistral_ai",
        "xai" => "x_ai",
        // openai, anthropic, cohere, deepseek, groq, perplexity are the same in both.
        other => other,
    }
}
