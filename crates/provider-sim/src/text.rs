//! What a healthy simulated model says: a function of the conversation alone, so that a checker can recompute it.

/// Words of a healthy answer where nothing else is asked for.
pub const DEFAULT_WORDS: usize = 16;

/// The text a healthy model answers to `last_user_text`, of `words` words separated by one space.
///
/// The second word is [`text_hash`] of the user text; some words hold characters of two, three and four bytes. Every
/// provider label and dialect gives the same text, so an answer can be checked whichever target gave it.
#[must_use]
pub fn expected_text(last_user_text: &str, words: usize) -> String {
    join(&answer_words(last_user_text, words, 0))
}

/// [`expected_text`] where the last user message held `images` images: one more word, `[images:N]`, acknowledges them.
#[must_use]
pub fn expected_text_with_images(last_user_text: &str, words: usize, images: usize) -> String {
    join(&answer_words(last_user_text, words, images))
}

/// The visible reasoning of a healthy model, where reasoning was asked for.
#[must_use]
pub fn expected_reasoning(last_user_text: &str) -> String {
    join(&reasoning_words(last_user_text))
}

/// Eight hex digits that name a text. White space does not count, so joining or splitting text blocks changes nothing.
#[must_use]
pub fn text_hash(text: &str) -> String {
    let hash = text.chars().filter(|c| !c.is_whitespace()).fold(FNV_START, |hash, c| fnv(hash, c as u64));
    format!("{:08x}", fold32(hash))
}

/// Sixteen hex digits that stand for a credential in the log. It names a key; it is not meant to protect one.
#[must_use]
pub fn key_hash(key: &str) -> String {
    format!("{:016x}", hash64(key.as_bytes()))
}

/// FNV-1a over bytes.
pub(crate) fn hash64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(FNV_START, |hash, byte| fnv(hash, u64::from(*byte)))
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

const fn fnv(hash: u64, value: u64) -> u64 {
    (hash ^ value).wrapping_mul(0x0100_0000_01b3)
}

const fn fold32(hash: u64) -> u64 {
    (hash ^ (hash >> 32)) & 0xffff_ffff
}

pub(crate) fn answer_words(text: &str, words: usize, images: usize) -> Vec<String> {
    let hash = text_hash(text);
    let mut all: Vec<String> = (0..words)
        .map(|i| match i % 8 {
            1 => hash.clone(),
            3 => format!("naïve{i}"),
            5 => format!("東京{i}"),
            7 => format!("🚀{i}"),
            _ => format!("w{i}"),
        })
        .collect();
    if images > 0 {
        all.push(format!("[images:{images}]"));
    }
    all
}

pub(crate) fn reasoning_words(text: &str) -> Vec<String> {
    let hash = text_hash(text);
    (0..8).map(|i| if i == 1 { hash.clone() } else { format!("r{i}") }).collect()
}

fn join(words: &[String]) -> String {
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_depends_on_the_user_text_only_up_to_white_space() {
        assert_eq!(expected_text("a b", 16), expected_text("a\n b", 16));
        assert_ne!(expected_text("a b", 16), expected_text("a c", 16));
        assert_eq!(expected_text("x", 0), "");
        assert_eq!(expected_text("x", 16).split(' ').count(), 16);
        assert!(expected_text("x", 16).contains("東京5"));
        assert!(expected_text_with_images("x", 3, 2).ends_with(" [images:2]"));
    }

    #[test]
    fn a_key_hash_does_not_hold_the_key() {
        assert_eq!(key_hash("sk-secret").len(), 16);
        assert!(!key_hash("sk-secret").contains("secret"));
    }
}
