//! Tool calls of answers: a caller must be able to name each, and to tell one from the other.

use crate::ir::{BlockKind, Response};

/// The id of a call that has none. It holds the answer's id, so that two turns of a conversation do not share it.
pub(crate) fn made_up_id(response_id: &str, nth: usize) -> String {
    if response_id.is_empty() { format!("call_{nth}") } else { format!("call_{response_id}_{nth}") }
}

/// A plain answer whose calls all have ids.
pub(crate) fn identified(mut response: Response) -> Response {
    let ids = response.blocks.iter_mut().filter_map(|block| match &mut block.kind {
        BlockKind::ToolCall { id, .. } => Some(id),
        _ => None,
    });
    for (nth, id) in (1..).zip(ids) {
        if id.is_empty() {
            *id = made_up_id(&response.id, nth);
        }
    }
    response
}
