//! How much the model is to think: a token budget for older models, an effort for newer ones.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::conversation::Conversation;
use super::request_encode::Context;
use crate::ir::{Effort, Reasoning, ToolChoice};
use crate::shared::claude_version::Version;
use ringmain_core::Capabilities;

/// The smallest budget the API takes.
const LEAST_BUDGET: u64 = 1024;

/// What is asked for.
#[derive(Debug, Default)]
pub(super) struct Thinking {
    mode: Option<Mode>,
    effort: Option<Effort>,
    visible: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Off,
    Budget(u64),
    Adaptive,
}

impl Thinking {
    /// The budget, where thinking is counted in tokens.
    pub(super) fn budget(&self) -> Option<u64> {
        match self.mode {
            Some(Mode::Budget(tokens)) => Some(tokens),
            Some(Mode::Off | Mode::Adaptive) | None => None,
        }
    }

    /// The word for `output_config.effort`.
    pub(super) fn effort(&self) -> Option<&'static str> {
        self.effort.map(Effort::as_str)
    }

    /// The value of `thinking`.
    pub(super) fn into_value(self, context: &mut Context<'_>) -> Option<Value> {
        let mut value = match self.mode? {
            Mode::Off => Map::from_iter([("type".to_owned(), "disabled".into())]),
            Mode::Adaptive => Map::from_iter([("type".to_owned(), "adaptive".into())]),
            Mode::Budget(tokens) => {
                Map::from_iter([("type".to_owned(), "enabled".into()), ("budget_tokens".to_owned(), json!(tokens))])
            }
        };
        let display = match self.visible {
            _ if self.mode == Some(Mode::Off) => None,
            Some(true) => Some("summarized"),
            Some(false) => Some("omitted"),
            None => None,
        };
        if let Some(display) = display {
            value.insert("display".to_owned(), display.into());
        }
        context.put_back.restore("thinking", &mut value);
        Some(Value::Object(value))
    }
}

/// Decides.
pub(super) fn plan(context: &mut Context<'_>, conversation: &Conversation) -> Thinking {
    let Some(reasoning) = &context.request.reasoning else { return Thinking::default() };
    if context.own {
        // A tool loop that a model elsewhere began, whose proofs were taken out, cannot be continued by thinking.
        if conversation.lacks_thinking() && reasoning.budget_tokens.is_some_and(|tokens| tokens > 0) {
            context.dropped("thinking");
            return Thinking::default();
        }
        return own(reasoning);
    }
    let known = context.profile.capabilities;
    if reasoning.effort == Some(Effort::None) || reasoning.budget_tokens == Some(0) {
        // Not thinking is the default, and a model that cannot think may not know the field.
        let mode = known.contains(Capabilities::REASONING).then_some(Mode::Off);
        return Thinking { mode, ..Thinking::default() };
    }
    // A turn of the model's own cannot be continued by thinking first.
    let unable = !known.is_empty() && !known.contains(Capabilities::REASONING);
    if unable || conversation.ends_with_assistant() {
        context.dropped("reasoning_effort");
        return Thinking::default();
    }
    if context.version.is_some_and(|version| version >= Version::ADAPTIVE) {
        return adaptive(context, reasoning);
    }
    // With a budget the API refuses a forced tool, and a tool loop whose last call does not begin with its signed
    // thinking ("a final assistant message must start with a thinking block"): such a history came from another model or
    // through a dialect without signatures. The call matters more than the thinking. Adaptive thinking has neither rule.
    let forced = context.choice.as_deref().is_some_and(ToolChoice::is_forced);
    if forced || conversation.lacks_thinking() {
        context.dropped("reasoning_effort");
        return Thinking::default();
    }
    budgeted(context, reasoning)
}

/// Would the API refuse to go on: does it think with a budget, in a tool loop whose last call does not begin with its
/// thinking? Such a call was made by a model elsewhere. Looks for words first: most bodies are not opened.
pub(super) fn is_stuck(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Request<'a> {
        #[serde(borrow)]
        messages: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        content: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
    }
    let says = |word: &str| memmem::find(body, word.as_bytes()).is_some();
    if !says("\"budget_tokens\"") || !says("\"tool_result\"") {
        return false;
    }
    let Ok(Request { messages }) = serde_json::from_slice(body) else { return false };
    let kinds = |message: &RawValue| -> Vec<String> {
        let blocks = serde_json::from_str::<Message<'_>>(message.get());
        let blocks = blocks.and_then(|message| serde_json::from_str::<Vec<Head<'_>>>(message.content.get()));
        blocks.into_iter().flatten().map(|head| head.kind.into_owned()).collect()
    };
    let [.., asked, results] = messages.as_slice() else { return false };
    let asked = kinds(asked);
    kinds(results).iter().any(|kind| kind == "tool_result")
        && asked.iter().any(|kind| kind == "tool_use")
        && !asked.first().is_some_and(|kind| matches!(kind.as_str(), "thinking" | "redacted_thinking"))
}

/// Is there an empty signature, as thinking has that came from a model without any? Other text that looks like one is
/// found too.
pub(super) fn is_unsigned(body: &[u8]) -> bool {
    static SIGNATURE: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new("\"signature\""));
    SIGNATURE.find_iter(body).any(|at| {
        let value = body.get(at + "\"signature\"".len()..).unwrap_or_default().trim_ascii_start();
        value.strip_prefix(b":").is_some_and(|value| value.trim_ascii_start().starts_with(b"\"\""))
    })
}

/// The caller wrote this dialect: what it said, as it said it.
fn own(reasoning: &Reasoning) -> Thinking {
    let mode = match (reasoning.budget_tokens, reasoning.effort, reasoning.visible) {
        (Some(tokens), _, _) => Some(Mode::Budget(tokens)),
        (None, Some(Effort::None), _) => Some(Mode::Off),
        (None, Some(_), None) => None,
        (None, _, _) => Some(Mode::Adaptive),
    };
    let effort = reasoning.effort.filter(|effort| *effort != Effort::None);
    Thinking { mode, effort, visible: reasoning.visible }
}

fn adaptive(context: &mut Context<'_>, reasoning: &Reasoning) -> Thinking {
    let asked = reasoning.effort.or_else(|| reasoning.budget_tokens.map(Effort::of_budget));
    let effort = asked.map(|effort| if effort == Effort::Minimal { Effort::Low } else { effort });
    if effort != reasoning.effort {
        context.approximated("reasoning_effort");
    }
    // The first adaptive models know no `xhigh`; a request that is refused helps nobody.
    let early = context.version.is_some_and(|version| version < Version::NO_SAMPLING);
    let effort = match effort {
        Some(Effort::Highest) if early => {
            context.approximated("reasoning_effort");
            Some(Effort::High)
        }
        effort => effort,
    };
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
    // Shown is what a budget gives anyway, and older hosts do not know the field.
    let visible = reasoning.visible.filter(|visible| !visible);
    Thinking { mode: Some(Mode::Budget(tokens)), effort: None, visible }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinking_that_nobody_signed() {
        assert!(is_unsigned(br#"{"type":"thinking","thinking":"x","signature":""}"#));
        assert!(is_unsigned(b"{\"signature\": \"EqQB\"}{\"signature\" : \"\"}"));
        assert!(!is_unsigned(br#"{"type":"thinking","thinking":"\"signature\":\"\"","signature":"EqQB"}"#));
        assert!(!is_unsigned(br#"{"signature"#));
    }

    #[test]
    fn a_loop_that_another_model_began() {
        let body = |first: &str, thinking: &str| {
            format!(
                r#"{{"thinking":{thinking},"messages":[{{"role":"user","content":"hi"}},{{"role":"assistant","content":[{first}{{"type":"tool_use","id":"c","name":"f","input":{{}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"c","content":"1"}}]}}]}}"#
            )
        };
        let budget = r#"{"type":"enabled","budget_tokens":2000}"#;
        assert!(is_stuck(body("", budget).as_bytes()));
        assert!(is_stuck(body(r#"{"type":"text","text":"x"},"#, budget).as_bytes()));
        for own in
            [r#"{"type":"thinking","thinking":"x","signature":"s"},"#, r#"{"type":"redacted_thinking","data":"s"},"#]
        {
            assert!(!is_stuck(body(own, budget).as_bytes()), "{own}");
        }
        assert!(!is_stuck(body("", r#"{"type":"adaptive"}"#).as_bytes()));
        assert!(!is_stuck(br#"{"budget_tokens":1,"tool_result":1}"#));
    }
}
