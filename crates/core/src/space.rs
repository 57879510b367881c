//! Which vectors may be compared: those of one model, whoever serves it.

/// The space of an embedding model's vectors, by its name: the same at every provider that serves the model.
///
/// Providers write names differently: with an owner (`openai/text-embedding-3-small`), a vendor or a region
/// (`us.cohere.embed-v4:0`), with or without a `.0` at the end. Names that differ otherwise are taken for different models:
/// vectors of two models look alike and compare to nothing, and a doubt may cost a failover but never an index.
#[must_use]
pub fn embedding_space(model: &str) -> String {
    let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
    let mut name = name.split(':').next().unwrap_or_default();
    while let Some((before, after)) = name.split_once('.')
        && !before.is_empty()
        && before.bytes().all(|byte| byte.is_ascii_alphabetic())
    {
        name = after;
    }
    name.strip_suffix(".0").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::embedding_space;

    #[test]
    fn one_model_under_many_names() {
        let same = [
            ("text-embedding-3-small", "openai/text-embedding-3-small"),
            ("embed-v4.0", "us.cohere.embed-v4:0"),
            ("embed-english-v3.0", "cohere.embed-english-v3"),
            ("amazon.titan-embed-text-v2:0", "titan-embed-text-v2"),
            ("BAAI/bge-m3", "baai/bge-m3"),
        ];
        for (one, two) in same {
            assert_eq!(embedding_space(one), embedding_space(two));
        }
        let other = [
            ("text-embedding-3-small", "text-embedding-3-large"),
            ("voyage-3", "voyage-3.5"),
            ("embed-english-v3.0", "embed-multilingual-v3.0"),
            ("gemini-embedding-001", "text-embedding-004"),
        ];
        for (one, two) in other {
            assert_ne!(embedding_space(one), embedding_space(two));
        }
    }
}
