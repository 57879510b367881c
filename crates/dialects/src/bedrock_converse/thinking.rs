//! How much the model is to think, in each vendor's words: a token budget for older Claudes, an effort for newer ones, an
//! effort under other names for Nova and OpenAI's open models.

use ringmain_core::Capabilities;
use serde_json::{Map, Value, json};

use super::conversation::Conversation;
use super::family::Family;
use super::request_encode::Context;
use crate::ir::{Effort, Reasoning, ToolChoice};
use crate::shared::claude_version::Version;

/// The smallest budget that is taken.
const LEAST_BUDGET: u64 = 1024;

/// What is asked for.
#[derive(Debug, Default)]
pub(super) struct Thinking {
    mode: Option<Mode>,
    /// Beside the mode, in `outputConfig`.
    effort: Option<Effort>,
    visible: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Off,
    Budget(u64),
    Adaptive,
    /// Nova's and OpenAI's open models' way.
    Effort(Effort),
}

impl Thinking {
    fn of(mode: Mode) -> Self {
        Self { mode: Some(mode), ..Self::default() }
    }

    /// The budget, where thinking is counted in tokens.
    pub(super) fn budget(&self) -> Option<u64> {
        match self.mode {
            Some(Mode::Budget(tokens)) => Some(tokens),
            Some(Mode::Off | Mode::Adaptive | Mode::Effort(_)) | None => None,
        }
    }

    /// The word for `outputConfig.effort`.
    pub(super) fn effort(&self) -> Option<&'static str> {
        self.effort.map(Effort::as_str)
    }

    /// Writes what goes under the model's own fields.
    pub(super) fn write(&self, context: &mut Context<'_>, fields: &mut Map<String, Value>) {
        let Some(mode) = self.mode else { return };
        let nova = matches!(context.family, Family::Nova { .. });
        let (name, value) = match mode {
            Mode::Effort(effort) if nova => {
                ("reasoningConfig", json!({ "type": "enabled", "maxReasoningEffort": effort.as_str() }))
            }
            Mode::Off if nova => ("reasoningConfig", json!({ "type": "disabled" })),
            Mode::Effort(effort) => ("reasoning_effort", effort.as_str().into()),
            Mode::Off => ("thinking", json!({ "type": "disabled" })),
            Mode::Adaptive => ("thinking", json!({ "type": "adaptive" })),
            Mode::Budget(tokens) => ("thinking", json!({ "type": "enabled", "budget_tokens": tokens })),
        };
        let place = format!("additionalModelRequestFields.{name}");
        let value = match value {
            Value::Object(mut object) => {
                let display = self.visible.filter(|_| matches!(mode, Mode::Budget(_) | Mode::Adaptive));
                if let Some(shown) = display {
                    object.insert("display".to_owned(), if shown { "summarized" } else { "omitted" }.into());
                }
                context.put_back.restore(&place, &mut object);
                Value::Object(object)
            }
            value => value,
        };
        fields.insert(name.to_owned(), value);
    }
}

/// Decides.
pub(super) fn plan(context: &mut Context<'_>, conversation: &Conversation) -> Thinking {
    let Some(reasoning) = &context.request.reasoning else { return Thinking::default() };
    if context.own {
        // Proofs of others were taken out of a tool loop that can then not be continued by thinking.
        let broken = context.request.signatures.lack_some() && conversation.lacks_thinking();
        if broken && reasoning.budget_tokens.is_some_and(|tokens| tokens > 0) {
            context.dropped("thinking");
            return Thinking::default();
        }
        return own(context.family, reasoning);
    }
    if reasoning.effort == Some(Effort::None) || reasoning.budget_tokens == Some(0) {
        // Not thinking is the default, and a model that cannot think may not know the field.
        let thinks = match context.family {
            Family::Claude => context.profile.capabilities.contains(Capabilities::REASONING),
            Family::Nova { thinks } => thinks,
            Family::Cohere | Family::Mistral | Family::GptOss | Family::Other => false,
        };
        return if thinks { Thinking::of(Mode::Off) } else { Thinking::default() };
    }
    // A turn of the model's own cannot be continued by thinking first.
    let unable = !context.can(Capabilities::REASONING, true);
    if unable || conversation.ends_with_assistant() {
        context.dropped("reasoning_effort");
        return Thinking::default();
    }
    match context.family {
        Family::Claude => claude(context, reasoning, conversation),
        Family::Nova { thinks: true } | Family::GptOss => in_words(context, reasoning),
        Family::Nova { thinks: false } | Family::Cohere | Family::Mistral | Family::Other => {
            context.dropped("reasoning_effort");
            Thinking::default()
        }
    }
}

/// The caller wrote this dialect: what it said, as it said it.
fn own(family: Family, reasoning: &Reasoning) -> Thinking {
    if let (Family::Nova { .. } | Family::GptOss, Some(effort), None) =
        (family, reasoning.effort, reasoning.budget_tokens)
    {
        return Thinking::of(if effort == Effort::None { Mode::Off } else { Mode::Effort(effort) });
    }
    let mode = match (reasoning.budget_tokens, reasoning.effort, reasoning.visible) {
        (Some(tokens), _, _) => Some(Mode::Budget(tokens)),
        (None, Some(Effort::None), _) => Some(Mode::Off),
        (None, Some(_), None) => None,
        (None, _, _) => Some(Mode::Adaptive),
    };
    let effort = reasoning.effort.filter(|effort| *effort != Effort::None);
    Thinking { mode, effort, visible: reasoning.visible }
}

fn claude(context: &mut Context<'_>, reasoning: &Reasoning, conversation: &Conversation) -> Thinking {
    if context.version.is_some_and(|version| version >= Version::ADAPTIVE) {
        return adaptive(context, reasoning);
    }
    // With a budget a forced tool is refused, and so is a tool loop whose last call does not begin with its signed
    // thinking: such a history came from another model or through a dialect without signatures. The call matters more.
    let forced = context.choice.as_deref().is_some_and(ToolChoice::is_forced);
    if forced || conversation.lacks_thinking() {
        context.dropped("reasoning_effort");
        return Thinking::default();
    }
    budgeted(context, reasoning)
}

fn adaptive(context: &mut Context<'_>, reasoning: &Reasoning) -> Thinking {
    let asked = reasoning.effort.or_else(|| reasoning.budget_tokens.map(Effort::of_budget));
    // The first adaptive models know no `xhigh`; a request that is refused helps nobody.
    let early = context.version.is_some_and(|version| version < Version::NO_SAMPLING);
    let effort = asked.map(|effort| match effort {
        Effort::Minimal => Effort::Low,
        Effort::Highest if early => Effort::High,
        effort => effort,
    });
    if effort != reasoning.effort {
        context.approximated("reasoning_effort");
    }
    Thinking { mode: Some(Mode::Adaptive), effort, visible: reasoning.visible }
}

fn budgeted(context: &mut Context<'_>, reasoning: &Reasoning) -> Thinking {
    let asked = reasoning.budget_tokens.unwrap_or(reasoning.effort.unwrap_or(Effort::Medium).budget_tokens());
    let mut tokens = asked.max(LEAST_BUDGET);
    let limits = [context.request.sampling.max_output_tokens, context.profile.max_output_tokens];
    let cap = limits.into_iter().flatten().min();
    if let Some(cap) = cap.filter(|cap| *cap <= tokens) {
        // The budget must be below the limit. The limit is the caller's word about cost, so it is the budget that
        // gives way, and half is left for the answer.
        tokens = cap / 2;
        if tokens < LEAST_BUDGET {
            context.dropped("reasoning_effort");
            return Thinking::default();
        }
    }
    if reasoning.budget_tokens != Some(tokens) {
        context.approximated("reasoning_effort");
    }
    // Shown is what a budget gives anyway, and older models do not know the field.
    let visible = reasoning.visible.filter(|visible| !visible);
    Thinking { visible, ..Thinking::of(Mode::Budget(tokens)) }
}

/// Low, medium or high.
fn in_words(context: &mut Context<'_>, reasoning: &Reasoning) -> Thinking {
    let asked = reasoning.effort.or_else(|| reasoning.budget_tokens.map(Effort::of_budget));
    let sampling = &context.request.sampling;
    let limited = sampling.max_output_tokens.is_some() || sampling.temperature.is_some() || sampling.top_p.is_some();
    let nova = matches!(context.family, Family::Nova { .. });
    let effort = match asked.unwrap_or(Effort::Medium) {
        Effort::None | Effort::Minimal | Effort::Low => Effort::Low,
        Effort::Medium => Effort::Medium,
        // Nova thinks hard only where nothing limits its answer.
        Effort::High | Effort::Highest if nova && limited => Effort::Medium,
        Effort::High | Effort::Highest => Effort::High,
    };
    if reasoning.effort != Some(effort) {
        context.approximated("reasoning_effort");
    }
    Thinking::of(Mode::Effort(effort))
}
