//! An answer that broke off after part of it was with the caller, and the rest of it (ADR 12).

use std::pin::Pin;
use std::sync::Arc;

use ringmain_core::{Dialect, Fault, Usage};
use ringmain_dialects::continuation::{self, Barrier, Said, SoFar};
use ringmain_routing::Stop;

use crate::attempt::{Attempts, Won};
use crate::inspect::Inspected;

/// The rest of an answer that is to be asked for.
#[derive(Debug)]
pub struct Rest {
    /// What the caller has; `None` where nothing was said yet.
    text: Option<String>,
    /// About so many tokens of it are with the caller.
    pub tokens: u64,
    /// What all halves before have used.
    pub used: Usage,
    /// What broke it off: what the caller is told if nobody goes on with it.
    pub fault: Fault,
}

impl Rest {
    /// The rest of this answer, if somebody else can go on with it.
    ///
    /// # Errors
    /// Nobody can, and why.
    pub fn of(request: &Inspected, so_far: &SoFar, used: Usage, fault: &Fault) -> Result<Self, Barrier> {
        let text = match so_far.said()? {
            Said::Text(text) => Some(text.to_owned()),
            Said::Nothing => None,
        };
        let decoded = request.decoded().map_err(|_| Barrier::Unknown)?;
        if let Some(barrier) = continuation::barred(decoded) {
            return Err(barrier);
        }
        Ok(Self { text, tokens: so_far.tokens(), used, fault: fault.clone() })
    }

    /// What the caller has.
    #[must_use]
    pub fn said(&self) -> Said<'_> {
        self.text.as_deref().map_or(Said::Nothing, Said::Text)
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// What the caller is told where nobody goes on with it: what broke it off, not what happened to those who tried.
    #[must_use]
    pub fn given_up(&self, why: &str) -> Fault {
        let mut fault = self.fault.clone();
        fault.detail = Some(match fault.detail {
            Some(detail) => format!("{detail}; {why}"),
            None => why.to_owned(),
        });
        fault
    }
}

/// Somebody else is being looked for.
pub type Resuming = Pin<Box<dyn Future<Output = (Box<Attempts>, Result<Won, Stop>)> + Send>>;

/// Looks for somebody to go on.
#[must_use]
pub fn resume(attempts: Box<Attempts>, rest: Arc<Rest>) -> Resuming {
    Box::pin(attempts.go_on(rest))
}

/// Does a caller of one dialect see signatures of thinking that a provider of the other gives?
#[must_use]
pub const fn signs(provider: Dialect, caller: Dialect) -> bool {
    const fn knows(dialect: Dialect) -> bool {
        match dialect {
            Dialect::AnthropicMessages | Dialect::BedrockConverse | Dialect::OpenAiResponses => true,
            Dialect::OpenAiChat | Dialect::Gemini | Dialect::CohereV2 => false,
        }
    }
    knows(provider) && knows(caller)
}
