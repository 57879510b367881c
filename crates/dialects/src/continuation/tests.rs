use ringmain_core::{Dialect, Usage};
use ringmain_wire::event_stream::EventStreamFramer;
use ringmain_wire::sse::SseFramer;

use super::*;
use crate::ir::fold::Fold;
use crate::ir::grammar::Checker;
use crate::ir::{Block, BlockHead, BlockKind, Delta, Event, Finish, OutputFormat, Request, Response, Role, Turn};
use crate::{Codec, Framing, StreamStart, registry};

/// Both halves as one, with the second in pieces of every size.
fn joined(first: &str, second: &str, form: Form) -> Result<String, Diverged> {
    let mut whole = None;
    for size in 1..=second.chars().count().max(1) {
        let mut seam = Seam::after(first, form);
        let mut text = first.to_owned();
        let chars: Vec<char> = second.chars().collect();
        let pieces = chars.chunks(size).map(|piece| piece.iter().collect::<String>());
        let said = pieces.map(|piece| seam.push(&piece)).chain([Ok(String::new())]).try_for_each(|new| {
            text.push_str(&new?);
            Ok(())
        });
        let said = said.and_then(|()| seam.end().map(|rest| text.push_str(&rest)));
        let said = said.map(|()| text);
        let known = whole.get_or_insert_with(|| said.clone());
        assert_eq!(*known, said, "{first:?} + {second:?} in pieces of {size}");
    }
    whole.unwrap()
}

#[test]
fn what_is_said_twice_is_heard_once() {
    use Form::{Instruction, Prefill};
    let cases = [
        // Nothing is said again.
        ("Once upon", " a time", Prefill, "Once upon a time"),
        ("Once upon ", "a time", Prefill, "Once upon a time"),
        ("extra", "ordinary", Prefill, "extraordinary"),
        ("bana", "na", Prefill, "banana"),
        ("he had", " had it", Prefill, "he had had it"),
        ("x = 1", "1;", Prefill, "x = 11;"),
        ("1, 2", ", 2, 3", Prefill, "1, 2, 2, 3"),
        ("if a {\n    b\n}\n}", "\n}\n}", Prefill, "if a {\n    b\n}\n}\n}\n}"),
        ("東京は", "日本の", Prefill, "東京は日本の"),
        // One word, several, white space of another kind.
        ("w2 naïve3", "naïve3 w4", Prefill, "w2 naïve3 w4"),
        ("over the", "the lazy dog", Instruction, "over the lazy dog"),
        ("the quick brown fox", "quick  brown\nfox jumps", Instruction, "the quick brown fox jumps"),
        ("the quick brown fox\n", "brown fox jumps", Instruction, "the quick brown fox\njumps"),
        ("the quick brown fox ", "brown fox", Instruction, "the quick brown fox "),
        ("over the extra", "over the extraordinary", Instruction, "over the extraordinary"),
        ("the quick brown", " quick brown fox", Instruction, "the quick brown fox"),
        ("東京は日本の首都", "日本の首都です", Instruction, "東京は日本の首都です"),
        ("🚀7 w8", "w8", Instruction, "🚀7 w8"),
        ("w0 69674466", "69674466 w2", Instruction, "w0 69674466 w2"),
        ("w0 69674466", "69674466 w2", Prefill, "w0 69674466 w2"),
        ("x = 1", "1;", Instruction, "x = 1;"),
        // The white space at the end was not shown, and comes again.
        ("end.\n", "\n\nNext", Prefill, "end.\n\nNext"),
        ("end. ", " Next", Prefill, "end. Next"),
        // The whole answer again.
        ("Once upon", "Once upon a time", Instruction, "Once upon a time"),
        ("I", "I think", Instruction, "I think"),
        // Another word that begins alike.
        ("the cat sat on a ma", "mat", Prefill, "the cat sat on a mamat"),
        ("see the", "them", Prefill, "see thethem"),
    ];
    for (first, second, form, whole) in cases {
        assert_eq!(joined(first, second, form).as_deref(), Ok(whole), "{first:?} + {second:?}");
    }
}

#[test]
fn a_long_answer_given_again_is_followed() {
    let first: String = (0..400).map(|at| format!("word{at} ")).collect();
    let first = first.trim_end();
    let again = format!("{first} and the rest");
    for form in [Form::Prefill, Form::Instruction] {
        let mut seam = Seam::after(first, form);
        let mut rest = String::new();
        for piece in again.split_inclusive(' ') {
            rest += &seam.push(piece).unwrap();
        }
        rest += &seam.end().unwrap();
        assert_eq!(rest.trim_start(), "and the rest");
        assert!(seam.trimmed() >= first.len());
    }
    // Another answer that begins alike cannot be made one with it, and neither can a shorter one.
    let mut seam = Seam::after(first, Form::Instruction);
    let other = format!("{}and now for something else", &first[..200]);
    assert_eq!(seam.push(&other), Err(Diverged));
    let mut seam = Seam::after(first, Form::Instruction);
    assert_eq!(seam.push(&first[..100]), Ok(String::new()));
    assert_eq!(seam.end(), Err(Diverged));
}

fn start(index: u32, head: BlockHead) -> Event {
    Event::BlockStart { index, head }
}

fn text(index: u32, text: &str) -> Event {
    Event::Delta { index, delta: Delta::Text(text.to_owned()) }
}

fn thought(index: u32) -> Event {
    Event::Delta { index, delta: Delta::Reasoning("hm".to_owned()) }
}

const fn stop(index: u32) -> Event {
    Event::BlockStop { index }
}

fn begin() -> Event {
    Event::Start { id: "a".to_owned(), model: "m".to_owned(), created: None }
}

fn call(index: u32) -> Event {
    start(index, BlockHead::ToolCall { id: "c".to_owned(), name: "f".to_owned() })
}

fn usage(input: u64, output: u64) -> Event {
    Event::Usage(Usage { input, output, ..Usage::default() })
}

/// The events of the first half, then those of the second as the caller gets them.
fn one_of_two(first: &[Event], second: &[Event], form: Form) -> Vec<Event> {
    let mut so_far = SoFar::new(true);
    first.iter().for_each(|event| so_far.event(event, false));
    let said = match so_far.said().unwrap() {
        Said::Text(text) => text.to_owned(),
        Said::Nothing => String::new(),
    };
    let used = Usage { input: 10, output: 2, ..Usage::default() };
    let mut splice = Splice::new(so_far.place(), Seam::after(&said, form), form, used);
    let mut events = first.to_vec();
    for event in second {
        splice.event(event.clone(), &mut events).unwrap();
    }
    assert_eq!(Checker::check(&events), Ok(()), "{events:#?}");
    events
}

#[test]
fn a_second_half_goes_on_in_the_open_block() {
    let first = [begin(), start(0, BlockHead::Text), text(0, "Once upon")];
    let second = [
        begin(),
        start(0, BlockHead::Reasoning),
        thought(0),
        stop(0),
        start(1, BlockHead::Text),
        text(1, " a"),
        text(1, " time"),
        stop(1),
        usage(14, 3),
        Event::Finish(Finish::Stop),
    ];
    let got = one_of_two(&first, &second, Form::Instruction);
    let rest = [text(0, " a"), text(0, " time"), stop(0), usage(24, 5), Event::Finish(Finish::Stop)];
    assert_eq!(got[3..], rest);
}

#[test]
fn a_second_half_may_call_tools_or_say_nothing() {
    let first = [begin(), start(0, BlockHead::Text), text(0, "Let me look.")];
    let calls = [begin(), call(0), stop(0), Event::Finish(Finish::ToolUse)];
    let got = one_of_two(&first, &calls, Form::Prefill);
    assert_eq!(got[3..5], [stop(0), call(1)]);
    assert_eq!(got.last(), Some(&Event::Finish(Finish::ToolUse)));
    // What the first half used is told, though the second says nothing.
    let nothing = [begin(), Event::Finish(Finish::Stop)];
    let got = one_of_two(&first, &nothing, Form::Prefill);
    assert_eq!(got[3..], [stop(0), usage(10, 2), Event::Finish(Finish::Stop)]);
}

#[test]
fn an_answer_that_had_only_thought_is_given_anew() {
    let first = [begin(), start(0, BlockHead::Reasoning), thought(0)];
    let second = [
        begin(),
        start(0, BlockHead::Reasoning),
        thought(0),
        stop(0),
        start(1, BlockHead::Text),
        text(1, "Yes"),
        stop(1),
        usage(10, 2),
        Event::Finish(Finish::Stop),
    ];
    let got = one_of_two(&first, &second, Form::Anew);
    assert_eq!(got[3..6], [stop(0), start(1, BlockHead::Reasoning), thought(1)]);
    assert_eq!(got[7..10], [start(2, BlockHead::Text), text(2, "Yes"), stop(2)]);
}

#[test]
fn what_nobody_can_go_on_with() {
    let cases: [(&[Event], bool, Result<(), Barrier>); 10] = [
        (&[start(0, BlockHead::Text), text(0, "so")], true, Ok(())),
        (&[start(0, BlockHead::Reasoning), thought(0)], false, Ok(())),
        (&[start(0, BlockHead::Reasoning), thought(0)], true, Err(Barrier::SignedReasoning)),
        (&[start(0, BlockHead::Reasoning), thought(0), stop(0)], true, Ok(())),
        // Who has said all there is may only have failed to say that it was all.
        (&[start(0, BlockHead::Text), text(0, "so"), stop(0)], false, Err(Barrier::Complete)),
        (&[start(0, BlockHead::Text), text(0, "so"), stop(0), start(1, BlockHead::Text)], false, Ok(())),
        (&[call(0)], false, Err(Barrier::ToolCall)),
        (&[call(0), stop(0)], false, Err(Barrier::ToolCall)),
        (&[start(0, BlockHead::Refusal)], false, Err(Barrier::Refusal)),
        (
            &[start(0, BlockHead::Text), Event::Delta { index: 0, delta: Delta::Citation("s".into()) }],
            false,
            Err(Barrier::NotText),
        ),
    ];
    for (events, signs, expected) in cases {
        let mut so_far = SoFar::new(true);
        events.iter().for_each(|event| so_far.event(event, signs));
        assert_eq!(so_far.said().map(|_| ()), expected, "{events:?}");
    }
    let mut long = SoFar::new(true);
    (0..300).for_each(|_| long.text(&"x".repeat(1024)));
    assert_eq!(long.said(), Err(Barrier::TooLong));
    assert!(long.is_empty(), "what is of no use is not kept");
}

#[test]
fn tokens_are_pieces_where_pieces_are_small() {
    let mut words = SoFar::default();
    ["Once", " upon", " a", " time"].iter().for_each(|word| words.text(word));
    assert_eq!(words.tokens(), 4);
    let mut lumps = SoFar::default();
    (0..4).for_each(|_| lumps.text(&"0123456789".repeat(10)));
    assert_eq!(lumps.tokens(), 100);
    let mut written = SoFar::new(true);
    written.json_text(br#"\u00e9\n\"x\""#);
    assert_eq!(written.said(), Ok(Said::Text("é\n\"x\"")));
}

#[test]
fn the_rest_is_asked_for() {
    let mut request = Request::new(Dialect::OpenAiChat);
    request.turns.push(Turn::new(Role::User, vec![Block::text("Tell me.")]));
    request.sampling.max_output_tokens = Some(10);
    let said = Said::Text("Once upon ");
    let prefill = ask(&request, said, 4, Form::Prefill);
    assert_eq!(prefill.turns.last().unwrap(), &Turn::new(Role::Assistant, vec![Block::text("Once upon")]));
    assert_eq!((prefill.sampling.max_output_tokens, prefill.stream, prefill.include_usage), (Some(6), true, true));
    let instruction = ask(&request, said, 40, Form::Instruction);
    assert_eq!(instruction.sampling.max_output_tokens, Some(1), "a model is never asked for nothing");
    let [.., answer, asked] = instruction.turns.as_slice() else { panic!("{:?}", instruction.turns) };
    assert_eq!((answer.role, asked.role), (Role::Assistant, Role::User));
    let BlockKind::Text { text, .. } = &asked.blocks[0].kind else { panic!("{asked:?}") };
    assert!(text.ends_with("\n\nOnce upon"), "{text}");
    // What the caller began stays the beginning.
    request.turns.push(Turn::new(Role::Assistant, vec![Block::text("Well: ")]));
    let begun = ask(&request, said, 4, Form::Prefill);
    assert_eq!(begun.turns[1].blocks, [Block::text("Well: Once upon")]);
    assert_eq!(ask(&request, Said::Nothing, 4, Form::Anew).turns, request.turns);
    // What must be asked of one alone.
    assert_eq!(barred(&request), None);
    request.output = OutputFormat::Json;
    assert_eq!(barred(&request), Some(Barrier::Structured));
}

/// A stream of each dialect, relayed up to every event, and gone on with: its own reader finds one whole answer.
#[test]
fn a_relayed_stream_is_taken_up_where_it_stands() {
    let dialects = [
        Dialect::OpenAiChat,
        Dialect::OpenAiResponses,
        Dialect::AnthropicMessages,
        Dialect::Gemini,
        Dialect::CohereV2,
        Dialect::BedrockConverse,
    ];
    let words = ["Once", " upon", " \"a\"", " t\u{ef}me", "\n"];
    for dialect in dialects {
        let codec = registry::codec(dialect).unwrap();
        let framing = Framing::of_provider(dialect);
        let start_of = StreamStart { id: "id-1".into(), model: "m".into(), created: 7, include_usage: true, framing };
        let mut encoder = codec.stream_encoder(&start_of);
        let mut events = vec![begin(), start(0, BlockHead::Reasoning), thought(0), stop(0), start(1, BlockHead::Text)];
        events.extend(words.iter().map(|word| text(1, word)));
        let frames = events.iter().map(|event| {
            let mut bytes = Vec::new();
            encoder.event(event, &mut bytes);
            bytes
        });
        let frames: Vec<Vec<u8>> = frames.collect();
        for cut in 6..=frames.len() {
            let mut tap = codec.tap();
            tap.so_far().keep();
            let mut relayed = frames[..cut].concat();
            for (name, data) in read(framing, &relayed) {
                assert!(!tap.event(name.as_deref(), &data).malformed, "{dialect}");
            }
            let said: String = words[..cut - 5].concat();
            assert_eq!(tap.so_far().said(), Ok(Said::Text(&said)), "{dialect} after {cut}");
            let place = tap.so_far().place();
            let mut splice = Splice::new(
                place,
                Seam::after(&said, Form::Prefill),
                Form::Prefill,
                Usage { output: 2, ..Usage::default() },
            );
            let mut encoder = tap.take_over(&StreamStart { id: "other".into(), ..start_of.clone() });
            let second = [
                begin(),
                start(0, BlockHead::Text),
                text(0, " and so"),
                text(0, " on"),
                stop(0),
                usage(3, 4),
                Event::Finish(Finish::Stop),
            ];
            let mut out = Vec::new();
            second.into_iter().for_each(|event| splice.event(event, &mut out).unwrap());
            out.iter().for_each(|event| encoder.event(event, &mut relayed));
            let response = decoded(codec, framing, &relayed);
            let texts = response.blocks.iter().filter_map(|block| match &block.kind {
                BlockKind::Text { text, .. } => Some(text.as_str()),
                _ => None,
            });
            assert_eq!(texts.collect::<Vec<_>>(), [format!("{said} and so on")], "{dialect} after {cut}");
            assert_eq!((response.finish, response.usage.unwrap().output), (Finish::Stop, 6), "{dialect} after {cut}");
            assert!(dialect == Dialect::BedrockConverse || response.id == "a", "{dialect}: {}", response.id);
        }
    }
}

fn read(framing: Framing, stream: &[u8]) -> Vec<(Option<String>, Vec<u8>)> {
    let bytes = bytes::Bytes::copy_from_slice(stream);
    let mut frames = Vec::new();
    if framing == Framing::EventStream {
        let mut framer = EventStreamFramer::new(1 << 20);
        framer.push(bytes);
        while let Some(frame) = framer.next().unwrap() {
            frames.push((Some(frame.event().into_owned()), frame.data().into_owned()));
        }
    } else {
        let mut framer = SseFramer::new(1 << 20);
        framer.push(bytes);
        while let Some(frame) = framer.next().unwrap() {
            frames.push((frame.event().map(str::to_owned), frame.data().into_owned()));
        }
    }
    frames
}

fn decoded(codec: &dyn Codec, framing: Framing, stream: &[u8]) -> Response {
    let (mut decoder, mut events) = (codec.stream_decoder(), Vec::new());
    for (name, data) in read(framing, stream) {
        decoder.event(name.as_deref(), &data, &mut events).unwrap();
    }
    decoder.end(false, &mut events).unwrap();
    assert_eq!(Checker::check(&events), Ok(()));
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.event(event));
    fold.finish().unwrap().unwrap()
}
