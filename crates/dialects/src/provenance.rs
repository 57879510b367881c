//! Whose a signature or a sealed thought is.
//!
//! A model's thinking comes back to it with a proof, and a provider refuses a proof that another one made. A caller sends
//! back what it was given, whoever is asked next. So what goes to a caller of another vendor's dialect is marked with its
//! maker ([`Sealer`]), and what comes back is looked at before a target sees it ([`claim`]): its own is unmarked, another's
//! is left out, and that is reported.
//!
//! A mark is twenty letters and digits in front: where a proof is base64 it still is, and so passes SDKs that decode it.
//! What is native to the caller's dialect (a Claude's for callers of Anthropic's) has no mark, so that a conversation may
//! go on with the vendor itself.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use ringmain_core::{Dialect, Seed};

use crate::ir::{Block, BlockHead, BlockKind, Delta, Event, Request, Response, Role, Signatures};
use crate::loss::Loss;
use crate::shared::told;

const MARK: &str = "ringmainSealOf";
const TAG: usize = 6;

/// How a marked value begins in JSON; where a dialect writes it as the base64 of its text, how that begins.
static BEGINNINGS: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [Finder::new("\"ringmainSealOf"), Finder::new("\"cmluZ21haW5TZWFs")]);

/// Is there a mark in this JSON? Other text that looks like one is found too.
pub(crate) fn is_marked(json: &[u8]) -> bool {
    BEGINNINGS.iter().any(|beginning| beginning.find(json).is_some())
}

/// Who makes proofs, as far as others take them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker {
    dialect: Dialect,
    family: Family,
    tag: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// Anthropic's models take each other's proofs, wherever they are hosted.
    Claude,
    /// Google's too.
    Gemini,
    /// One provider's own.
    Other,
}

impl Maker {
    /// The maker behind a target: the dialect it is asked in, the configured provider's name, the model's.
    #[must_use]
    pub fn of(dialect: Dialect, provider: &str, model: &str) -> Self {
        let is_claude = model.contains("claude");
        let (family, name) = match dialect {
            Dialect::AnthropicMessages | Dialect::BedrockConverse if is_claude => (Family::Claude, "claude".to_owned()),
            Dialect::Gemini => (Family::Gemini, "gemini".to_owned()),
            // Keys of one provider may be of several accounts, and models of one host of several vendors.
            Dialect::BedrockConverse => (Family::Other, format!("{provider}/{model}")),
            Dialect::AnthropicMessages | Dialect::OpenAiResponses | Dialect::OpenAiChat | Dialect::CohereV2 => {
                (Family::Other, provider.to_owned())
            }
        };
        Self { dialect, family, tag: tag(&name) }
    }

    /// Are its proofs what callers of this dialect expect from the vendor itself?
    fn is_native(&self, caller: Dialect) -> bool {
        match caller {
            Dialect::AnthropicMessages | Dialect::BedrockConverse => self.family == Family::Claude,
            Dialect::Gemini => self.family == Family::Gemini,
            Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::CohereV2 => false,
        }
    }

    /// Its own of this, unmarked. `caller`: the dialect it came back in, which says whose an unmarked one is.
    fn own(&self, token: &str, caller: Dialect) -> Option<String> {
        if let Some((tag, token)) = token.strip_prefix(MARK).and_then(|rest| rest.split_at_checked(TAG)) {
            return (tag == self.tag).then(|| token.to_owned());
        }
        let is_own = match caller {
            // Two vendors' models answer there without a mark.
            Dialect::BedrockConverse if self.dialect == caller => (self.family == Family::Claude) == is_claudes(token),
            _ if caller == self.dialect => true,
            Dialect::AnthropicMessages => self.family == Family::Claude,
            Dialect::Gemini => self.family == Family::Gemini,
            Dialect::BedrockConverse | Dialect::OpenAiChat | Dialect::CohereV2 => {
                self.family == Family::Claude && is_claudes(token)
            }
            Dialect::OpenAiResponses => false,
        };
        is_own.then(|| token.to_owned())
    }
}

/// Could a Claude have issued it? Theirs are base64 of a protocol buffer whose first field is number 1 or 2.
fn is_claudes(token: &str) -> bool {
    token.starts_with(['C', 'E'])
}

/// Six letters and digits for a name.
fn tag(name: &str) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut left = Seed(0).draw(name).0;
    let mut next = || {
        let digit = usize::try_from(left % 62).unwrap_or_default();
        left /= 62;
        ALPHABET.get(digit).map_or('0', |byte| char::from(*byte))
    };
    (0..TAG).map(|_| next()).collect()
}

/// Are there any proofs in it?
#[must_use]
pub fn has_proofs(request: &Request) -> bool {
    request.turns.iter().flat_map(|turn| &turn.blocks).any(|block| match &block.kind {
        BlockKind::Reasoning { signature, redacted, .. } => signature.is_some() || redacted.is_some(),
        BlockKind::ToolCall { signature, .. } => signature.is_some(),
        _ => false,
    })
}

/// Leaves in the request the proofs that this maker takes, unmarked; the others are lost, in the caller's words.
pub fn claim(request: &mut Request, maker: &Maker) -> Vec<Loss> {
    let mut losses = Vec::new();
    let caller = request.dialect;
    for (at, turn) in request.turns.iter_mut().enumerate().filter(|(_, turn)| turn.role == Role::Assistant) {
        for (nth, block) in turn.blocks.iter_mut().enumerate() {
            let mut look = |token: &mut Option<String>, field: &str| {
                let Some(given) = token.take() else { return };
                *token = maker.own(&given, caller);
                if token.is_none() {
                    losses.push(Loss::dropped(format!("messages[{at}].content[{nth}].{field}")));
                }
            };
            match &mut block.kind {
                BlockKind::Reasoning { signature, redacted, .. } => {
                    look(signature, "signature");
                    look(redacted, "redacted");
                }
                BlockKind::ToolCall { signature, .. } => look(signature, "signature"),
                _ => {}
            }
        }
    }
    for loss in &mut losses {
        loss.field = told::name(request, &loss.field);
    }
    for turn in request.turns.iter_mut().filter(|turn| turn.role == Role::Assistant) {
        // A thought that was nothing but its proof.
        turn.blocks.retain(|block| {
            !matches!(&block.kind, BlockKind::Reasoning { text, signature: None, redacted: None } if text.is_empty())
        });
    }
    request.signatures = Signatures::Targets { lacking: !losses.is_empty() };
    losses
}

/// Marks the proofs of an answer on their way to a caller of another dialect.
#[derive(Debug)]
pub struct Sealer {
    /// `None`: they are native to the caller's dialect.
    mark: Option<String>,
    /// Blocks of a stream whose first piece has been marked.
    begun: BTreeSet<(u32, bool)>,
}

impl Sealer {
    /// For an answer of this maker to a caller of this dialect.
    #[must_use]
    pub fn new(maker: &Maker, caller: Dialect) -> Self {
        let mark = (!maker.is_native(caller)).then(|| format!("{MARK}{}", maker.tag));
        Self { mark, begun: BTreeSet::new() }
    }

    /// A whole answer.
    pub fn response(&self, response: &mut Response) {
        response.blocks.iter_mut().for_each(|block| self.block(block));
    }

    /// The next event of a stream. Pieces of one proof concatenate: the first gets the mark.
    pub fn event(&mut self, event: &mut Event) {
        match event {
            Event::BlockStart { head: BlockHead::Whole(block), .. } => self.block(block),
            Event::Delta { index, delta: Delta::Signature(piece) } if self.begun.insert((*index, false)) => {
                self.token(piece);
            }
            Event::Delta { index, delta: Delta::Redacted(piece) } if self.begun.insert((*index, true)) => {
                self.token(piece);
            }
            _ => {}
        }
    }

    fn block(&self, block: &mut Block) {
        match &mut block.kind {
            BlockKind::Reasoning { signature, redacted, .. } => {
                signature.iter_mut().chain(redacted).for_each(|token| self.token(token));
            }
            BlockKind::ToolCall { signature: Some(token), .. } => self.token(token),
            _ => {}
        }
    }

    fn token(&self, token: &mut String) {
        if let Some(mark) = &self.mark {
            token.insert_str(0, mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Turn;
    use crate::ir::fold::unfold;
    use Dialect::{AnthropicMessages, BedrockConverse, Gemini, OpenAiChat, OpenAiResponses};

    const CLAUDE: (Dialect, &str, &str) = (AnthropicMessages, "anthropic", "claude-sonnet-4-5");
    const CLAUDE_AT_AWS: (Dialect, &str, &str) = (BedrockConverse, "bedrock", "us.anthropic.claude-sonnet-4-5");
    const GOOGLE: (Dialect, &str, &str) = (Gemini, "gemini", "gemini-3-pro");
    const OPENAI: (Dialect, &str, &str) = (OpenAiResponses, "openai", "gpt-5");
    const AZURE: (Dialect, &str, &str) = (OpenAiResponses, "azure", "gpt-5");
    const NOVA: (Dialect, &str, &str) = (BedrockConverse, "bedrock", "amazon.nova-pro-v1:0");

    fn maker((dialect, provider, model): (Dialect, &str, &str)) -> Maker {
        Maker::of(dialect, provider, model)
    }

    fn answer() -> Response {
        Response {
            blocks: vec![
                BlockKind::Reasoning { text: "hm".into(), signature: Some("EqQB".into()), redacted: None }.into(),
                BlockKind::Reasoning { text: String::new(), signature: None, redacted: Some("EmwK".into()) }.into(),
                BlockKind::ToolCall {
                    id: "c".into(),
                    name: "f".into(),
                    arguments: "{}".into(),
                    signature: Some("Eabc".into()),
                }
                .into(),
            ],
            ..Response::default()
        }
    }

    /// The proofs that `next` is shown of an answer of `first`, which went through a caller of this dialect.
    fn through(first: (Dialect, &str, &str), caller: Dialect, next: (Dialect, &str, &str)) -> usize {
        let mut response = answer();
        Sealer::new(&maker(first), caller).response(&mut response);
        let mut request = Request::new(caller);
        request.turns.push(Turn::new(Role::Assistant, response.blocks));
        let losses = claim(&mut request, &maker(next));
        assert_eq!(request.signatures, Signatures::Targets { lacking: !losses.is_empty() });
        let blocks = &request.turns[0].blocks;
        let left: Vec<&str> = blocks
            .iter()
            .flat_map(|block| match &block.kind {
                BlockKind::Reasoning { signature, redacted, .. } => vec![signature.as_deref(), redacted.as_deref()],
                BlockKind::ToolCall { signature, .. } => vec![signature.as_deref()],
                _ => Vec::new(),
            })
            .flatten()
            .collect();
        assert!(left.iter().all(|token| ["EqQB", "EmwK", "Eabc"].contains(token)), "{left:?}");
        assert_eq!(left.len() + losses.len(), 3);
        left.len()
    }

    #[test]
    fn a_proof_goes_back_to_whom_it_is_of_and_to_nobody_else() {
        for caller in Dialect::ALL {
            for (at, first) in [CLAUDE, GOOGLE, OPENAI, AZURE, NOVA].into_iter().enumerate() {
                for (other, next) in [CLAUDE, GOOGLE, OPENAI, AZURE, NOVA].into_iter().enumerate() {
                    let expected = if at == other { 3 } else { 0 };
                    assert_eq!(through(first, caller, next), expected, "{first:?} through {caller} to {next:?}");
                }
            }
            assert_eq!(through(CLAUDE, caller, CLAUDE_AT_AWS), 3, "Anthropic's models share theirs");
            assert_eq!(through(CLAUDE_AT_AWS, caller, CLAUDE), 3);
        }
    }

    #[test]
    fn what_is_left_out_is_named_as_the_caller_named_it() {
        let input = r#"{"model":"m","input":[{"role":"user","content":"a"},
            {"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"gAAA"},
            {"type":"function_call","call_id":"c","name":"f","arguments":"{}"}]}"#;
        let codec = crate::registry::codec(OpenAiResponses).unwrap();
        let mut request = codec.decode_request(input.as_bytes()).unwrap();
        assert_eq!(claim(&mut request, &maker(CLAUDE)), [Loss::dropped("input[1].encrypted_content")]);
        assert_eq!(request.turns[1].blocks.len(), 1);
    }

    #[test]
    fn what_is_native_to_the_caller_is_not_marked() {
        for (first, caller) in [(CLAUDE, AnthropicMessages), (CLAUDE_AT_AWS, AnthropicMessages), (GOOGLE, Gemini)] {
            let mut response = answer();
            Sealer::new(&maker(first), caller).response(&mut response);
            assert_eq!(response, answer());
        }
    }

    #[test]
    fn a_mark_is_base64_and_is_found() {
        let mut response = answer();
        Sealer::new(&maker(GOOGLE), OpenAiChat).response(&mut response);
        let BlockKind::Reasoning { signature: Some(token), .. } = &response.blocks[0].kind else { panic!() };
        assert!(token.len() % 4 == 0 && token.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{token}");
        assert!(is_marked(format!("{{\"signature\":\"{token}\"}}").as_bytes()));
        use base64::Engine as _;
        let blob = base64::engine::general_purpose::STANDARD.encode(token);
        assert!(is_marked(format!("{{\"redactedContent\":\"{blob}\"}}").as_bytes()));
        assert!(!is_marked(br#"{"signature":"EqQB"}"#));
    }

    #[test]
    fn a_stream_is_marked_as_the_whole_is() {
        let (mut whole, maker) = (answer(), maker(GOOGLE));
        Sealer::new(&maker, OpenAiChat).response(&mut whole);
        let mut sealer = Sealer::new(&maker, OpenAiChat);
        let mut fold = crate::ir::fold::Fold::default();
        for mut event in unfold(&answer()).into_iter().flat_map(in_pieces) {
            sealer.event(&mut event);
            fold.event(event);
        }
        assert_eq!(fold.finish().unwrap().unwrap().blocks, whole.blocks);
    }

    /// Each proof as two deltas.
    fn in_pieces(event: Event) -> Vec<Event> {
        match event {
            Event::Delta { index, delta: Delta::Signature(token) } => {
                let (one, two) = token.split_at(2);
                [one, two].map(|piece| Event::Delta { index, delta: Delta::Signature(piece.into()) }).into()
            }
            event => vec![event],
        }
    }
}
