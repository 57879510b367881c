//! Fields that may leave no trace, each with the reason.

use ringmain_core::Dialect;
use ringmain_core::Dialect::{AnthropicMessages, BedrockConverse, CohereV2, Gemini, OpenAiChat, OpenAiResponses};

/// One excuse.
struct Rule {
    from: Dialect,
    /// The end of the path, without numbers.
    end: &'static str,
    /// To whom it says nothing; to all, where this is empty.
    to: &'static [Dialect],
    #[expect(dead_code, reason = "for the reader")]
    because: &'static str,
}

const fn rule(from: Dialect, end: &'static str, to: &'static [Dialect], because: &'static str) -> Rule {
    Rule { from, end, to, because }
}

const IN_PATH: &str = "where the dialect has it in the path, the engine puts it there";
const LABEL: &str = "a label that is demanded and that binds nothing";
const HELD: &str = "the answer is held to the schema either way";
const TEXT: &str = "text is what everybody gives";
const NOT_THINKING: &str = "not to think is what is done anyway; a level of it is carried or lost aloud";
const FETCHED: &str = "who fetches a picture sees what it is";
const MEETS: &str = "a result meets its call by the call's id";
const CHOOSES: &str = "that the model chooses is what is done anyway; any other choice is carried or lost aloud";

const RULES: &[Rule] = &[
    rule(OpenAiChat, "stream", &[Gemini, BedrockConverse], IN_PATH),
    rule(
        OpenAiChat,
        "stream_options.include_usage",
        &[],
        "usage is always asked for, and kept from who did not want it",
    ),
    rule(OpenAiChat, "response_format", &[], TEXT),
    rule(OpenAiChat, "response_format.json_schema.name", &[AnthropicMessages, Gemini], LABEL),
    rule(OpenAiChat, "response_format.json_schema.strict", &[AnthropicMessages, Gemini, BedrockConverse], HELD),
    rule(OpenAiResponses, "stream", &[Gemini, BedrockConverse], IN_PATH),
    rule(OpenAiResponses, "text.format", &[], TEXT),
    rule(OpenAiResponses, "text.format.name", &[AnthropicMessages, Gemini], LABEL),
    rule(OpenAiResponses, "text.format.strict", &[AnthropicMessages, Gemini, BedrockConverse], HELD),
    rule(
        OpenAiResponses,
        "input[].id",
        &[],
        "an item's id is its provider's bookkeeping; calls and results meet by `call_id`",
    ),
    rule(OpenAiResponses, "input[].name", &[], MEETS),
    rule(OpenAiResponses, "input[].status", &[], "what is sent back as said is complete"),
    rule(OpenAiResponses, "input[].type", &[], "a message is one, whether it says so or not"),
    rule(AnthropicMessages, "stream", &[Gemini, BedrockConverse], IN_PATH),
    rule(AnthropicMessages, "content[].caller", &[], "a direct call is what every call is; another is lost aloud"),
    rule(AnthropicMessages, "thinking", &[BedrockConverse, CohereV2], NOT_THINKING),
    rule(AnthropicMessages, "tool_choice", &[CohereV2], CHOOSES),
    rule(AnthropicMessages, "tools[].type", &[], "a tool without a type is a function"),
    rule(Gemini, "fileData.mimeType", &[OpenAiChat, OpenAiResponses, AnthropicMessages, CohereV2], FETCHED),
    rule(Gemini, "functionResponse.name", &[], MEETS),
    rule(Gemini, "propertyOrdering[]", &[], "the properties are written in this order; there is one here"),
    rule(Gemini, "systemInstruction.role", &[], "an instruction has one speaker"),
    rule(BedrockConverse, "toolConfig.toolChoice", &[CohereV2], CHOOSES),
    rule(BedrockConverse, "jsonSchema.name", &[AnthropicMessages, Gemini], LABEL),
    rule(CohereV2, "stream", &[Gemini, BedrockConverse], IN_PATH),
    rule(CohereV2, "response_format", &[], TEXT),
    rule(CohereV2, "thinking", &[AnthropicMessages, BedrockConverse], NOT_THINKING),
];

/// The number of the rule that excuses a field.
pub(crate) fn excuse(from: Dialect, path: &str, to: Dialect) -> Option<usize> {
    let fits = |rule: &Rule| {
        let ends = path == rule.end || path.strip_suffix(rule.end).is_some_and(|head| head.ends_with('.'));
        rule.from == from && ends && (rule.to.is_empty() || rule.to.contains(&to))
    };
    RULES.iter().position(fits)
}

/// All rules of a dialect: number and field.
pub(crate) fn rules(from: Dialect) -> impl Iterator<Item = (usize, &'static str)> {
    RULES.iter().enumerate().filter(move |(_, rule)| rule.from == from).map(|(nth, rule)| (nth, rule.end))
}
