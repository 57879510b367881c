//! One answer as every dialect's: what it used is the same on the other side, whatever the chunks. Recorded traffic goes
//! through all pairs in `ringmain-pairs`.

use ringmain_core::{Dialect, Usage};

use super::{decode, encode, folded, frames_as};
use crate::codec::{Framing, StreamStart};
use crate::ir::fold::unfold;
use crate::ir::{Block, Response};
use crate::registry::codec;

/// What everybody understands of an answer: its blocks, its reason to stop, and what it used.
type Gist<'a> = (&'a [Block], &'a crate::ir::Finish, Option<(u64, u64, u64)>);

fn gist(response: &Response) -> Gist<'_> {
    let usage = response.usage.map(|usage| (usage.input, usage.output, usage.cache_read));
    (&response.blocks, &response.finish, usage)
}

#[test]
fn usage_survives_every_dialect() {
    let usage = Usage { input: 100, cache_read: 40, output: 30, reasoning: 12, ..Usage::default() };
    let response = Response {
        id: "id_1".to_owned(),
        model: "m".to_owned(),
        blocks: vec![Block::text("Grüße, 世界 🌍")],
        usage: Some(usage),
        ..Response::default()
    };
    for to in Dialect::ALL {
        let codec = codec(to).unwrap();
        let back = codec.decode_response(&codec.encode_response(&response).body).unwrap();
        assert_eq!(gist(&back), gist(&response), "{to}");
        let start = StreamStart { include_usage: true, ..StreamStart::default() };
        let bytes = encode(codec.stream_encoder(&start), &unfold(&response));
        for size in 1..8 {
            let frames = frames_as(Framing::of_provider(to), bytes.chunks(size));
            let back = folded(decode(codec.stream_decoder(), &frames));
            assert_eq!(gist(&back), gist(&response), "{to} in pieces of {size}");
        }
    }
}
