//! What is not there, by the words of a 404: the path, the model, or something that the request names. Only the first two
//! are the same for every caller.

/// Words of servers and of what stands in front of them for a path that is not there.
const NO_SUCH_PATH: [&str; 7] = [
    "404 page not found",
    "cannot post ",
    "file not found",
    "invalid url",
    "no route",
    "not found",
    "unknown request url",
];

/// Words for what one request names, and no other.
const THINGS: [&str; 25] = [
    "assistant",
    "attachment",
    "batch",
    "cached",
    "cachedcontent",
    "cachedcontents",
    "container",
    "conversation",
    "corpus",
    "dataset",
    "document",
    "file",
    "files",
    "fileobject",
    "guardrail",
    "image",
    "item",
    "prompt",
    "response",
    "session",
    "skill",
    "store",
    "thread",
    "upload",
    "voice",
];

/// Words for what all callers ask for.
const MODELS: [&str; 7] = ["model", "models", "model_id", "tunedmodels", "deployment", "deployments", "engine"];

/// Does it mean that there is nothing at this path at all, rather than no such model?
#[must_use]
pub fn is_path(message: &str) -> bool {
    let said = message.trim().to_ascii_lowercase();
    let begins = |words: &str| {
        // Else what follows is what was not found.
        let of_a_path = |rest: &str| {
            let rest = rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric() && c != '/');
            ["/", "get ", "post "].iter().any(|start| rest.starts_with(start)) || rest.is_empty()
        };
        said.strip_prefix(words).is_some_and(|rest| !words.ends_with("not found") || of_a_path(rest))
    };
    let page = said.starts_with('<') || said.starts_with("http status");
    page || NO_SUCH_PATH.into_iter().any(begins) && !said.contains("model")
}

/// Is it something that this one request names: a file, a conversation, an earlier answer? Where the words do not say what it
/// is, it is what all callers ask for.
pub(crate) fn is_of_request(message: &str) -> bool {
    let (of_model, of_thing) = names(message);
    of_thing && !of_model && !is_path(message)
}

/// Is it about a model, and about a thing that one request names? What is quoted, or behind "file not found: ", is a name
/// that the caller may have chosen.
fn names(message: &str) -> (bool, bool) {
    let said = message.to_ascii_lowercase();
    let subject = said.split_once(": ").map(|(subject, _)| subject).filter(|subject| {
        let subject = subject.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        subject.starts_with("no such") || subject.ends_with("not found") && subject != "not found"
    });
    let text = unquoted(subject.unwrap_or(&said));
    let words = text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.'));
    words.map(|word| word.trim_end_matches('.')).fold((false, false), |(of_model, of_thing), word| {
        (of_model || MODELS.contains(&word), of_thing || THINGS.contains(&word))
    })
}

fn unquoted(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    let (mut open, mut before) = (None, ' ');
    for c in message.chars() {
        match open {
            Some(quote) if c == quote => open = None,
            Some(_) => {}
            // The mark within `doesn't` opens nothing.
            None if matches!(c, '"' | '`') || c == '\'' && !before.is_alphanumeric() => open = Some(c),
            None => text.push(c),
        }
        before = c;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_caller_asks_for_is_told_from_what_one_names() {
        let of_all = [
            "",
            "Not Found",
            "404 page not found",
            "<html>404</html>",
            "Invalid URL (POST /v1/responses)",
            "Not Found: /v1/responses",
            "Resource not found",
            "File Not Found",
            "no Route matched with those values",
            "Requested entity was not found.",
            "The requested resource could not be found.",
            "model: claude-0",
            "The model `x` does not exist or you do not have access to it.",
            "model 'y' not found",
            "Model \"x\" not found",
            "'x' is not a model we know, and doesn't exist",
            "models/x is not found for API version v1beta",
            "Publisher Model `projects/p/x` was not found",
            "Unable to access model x. Please visit our list.",
            "AiError: No such model @cf/x or task",
            "The API deployment for this resource does not exist.",
            "Not found the model x or Permission denied",
            "404 Not Found: the model x",
            "simulated",
            "does not exist",
        ];
        for message in of_all {
            assert!(!is_of_request(message), "{message}");
        }
        let of_one = [
            "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.",
            "Previous response with id 'model' not found.",
            "Conversation with id 'conv_1' not found.",
            "Prompt with id 'pmpt_1' not found.",
            "Vector store with id 'vs_1' not found.",
            "No such File object: file-1",
            "File not found: model.pdf",
            "Skill not found: model-helper",
            "Not found: cached content metadata for 7.",
        ];
        for message in of_one {
            assert!(is_of_request(message) && !is_path(message), "{message}");
        }
    }
}
