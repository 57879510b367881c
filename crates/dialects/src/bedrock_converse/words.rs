//! What this dialect calls the fields that all share.

use crate::ir::Words;

/// The table.
pub(super) static WORDS: Words = Words {
    fields: &[
        ("max_tokens", "inferenceConfig.maxTokens"),
        ("temperature", "inferenceConfig.temperature"),
        ("top_p", "inferenceConfig.topP"),
        ("top_k", "additionalModelRequestFields.top_k"),
        ("stop", "inferenceConfig.stopSequences"),
        ("response_format", "outputConfig.textFormat"),
        ("tool_choice", "toolConfig.toolChoice"),
        ("reasoning.effort", "outputConfig.effort"),
        ("reasoning.budget_tokens", "additionalModelRequestFields.thinking.budget_tokens"),
        ("reasoning.visible", "additionalModelRequestFields.thinking.display"),
    ],
    members: &[
        ("citations", "citationsContent.citations"),
        ("is_error", "toolResult.status"),
        ("signature", "reasoningContent.reasoningText.signature"),
        ("redacted", "reasoningContent.redactedContent"),
        ("filename", "document.name"),
        ("arguments", "toolUse.input"),
    ],
    tools: &[],
};
