//! What a question is about, where the target has no place for it.

use ringmain_core::Dialect;

use crate::codec::Unsupported;
use crate::ir::{Block, BlockKind, Request, Role};

/// Words of the dialects for parts that hold media, or name a file that does.
const MEDIA: [&str; 15] = [
    "image",
    "document",
    "audio",
    "video",
    "file",
    "image_url",
    "video_url",
    "input_image",
    "input_audio",
    "input_video",
    "input_file",
    "inlineData",
    "inline_data",
    "fileData",
    "container_upload",
];

/// Refuses media of the user's that only the caller's dialect has a word for: a model that is not shown them would answer
/// another question.
///
/// # Errors
/// There are such; the first.
pub(crate) fn check(request: &Request, own: Dialect) -> Result<(), Unsupported> {
    for (at, turn) in request.turns.iter().enumerate().filter(|(_, turn)| turn.role == Role::User) {
        for (nth, block) in turn.blocks.iter().enumerate() {
            let inner: &[Block] = match &block.kind {
                BlockKind::ToolResult { content, .. } => content,
                _ => &[],
            };
            if std::iter::once(block).chain(inner).any(|block| is_foreign_media(block, own)) {
                let field = format!("messages[{at}].content[{nth}]");
                return Err(Unsupported { field, reason: "the target has no place for such media".to_owned() });
            }
        }
    }
    Ok(())
}

fn is_foreign_media(block: &Block, own: Dialect) -> bool {
    let BlockKind::Opaque { dialect, value } = &block.kind else { return false };
    let kind = value.get("type").and_then(serde_json::Value::as_str);
    *dialect != own && MEDIA.iter().any(|word| kind == Some(word) || value.get(word).is_some())
}
