//! What this dialect calls the fields that all share.

use crate::ir::Words;

/// The table.
pub(super) static WORDS: Words = Words {
    fields: &[
        ("max_tokens", "generationConfig.maxOutputTokens"),
        ("temperature", "generationConfig.temperature"),
        ("top_p", "generationConfig.topP"),
        ("top_k", "generationConfig.topK"),
        ("seed", "generationConfig.seed"),
        ("frequency_penalty", "generationConfig.frequencyPenalty"),
        ("presence_penalty", "generationConfig.presencePenalty"),
        ("stop", "generationConfig.stopSequences"),
        ("n", "generationConfig.candidateCount"),
        ("logprobs", "generationConfig.responseLogprobs"),
        ("top_logprobs", "generationConfig.logprobs"),
        ("response_format", "generationConfig.responseMimeType"),
        ("tool_choice", "toolConfig.functionCallingConfig"),
        ("reasoning.effort", "generationConfig.thinkingConfig.thinkingLevel"),
        ("reasoning.budget_tokens", "generationConfig.thinkingConfig.thinkingBudget"),
        ("reasoning.visible", "generationConfig.thinkingConfig.includeThoughts"),
        ("system", "systemInstruction"),
        ("messages", "contents"),
    ],
    members: &[
        ("signature", "thoughtSignature"),
        ("arguments", "functionCall.args"),
        ("is_error", "functionResponse.response"),
        ("filename", "inlineData.displayName"),
    ],
    tools: &[],
};
