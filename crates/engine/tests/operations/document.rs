//! The table of the documentation: every operation at every provider of the catalog, made of the rows that are tested.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ringmain_catalog::Catalog;
use ringmain_core::{Operation, Shape};

use super::rows::{OPERATIONS, Row, Words};

const HEAD: &str = "\
# Operations and providers

What of each provider can be asked through the gateway, and what of that is tested. `cargo xtask operations` writes this file
from the catalog and the rows of `crates/engine/tests/operations.rs`; a test holds it fresh. Every row here is run there, over
memory pipes, and no cell says more than that run:

- *asked in*: in whose words the provider is asked. Callers write OpenAI's (or Cohere's for embeddings and rerank), the chat
  dialects each of six.
- *works*: the provider's answer, in its own words, reaches the caller. Every row does.
- *fails over*: a 500, a 429, an empty answer, a connection that breaks and one that falls silent each end in the answer of
  the next target. What is passed through can go to another key of its provider alone.
- *cancelled*: a caller who leaves is felt by the provider within a second, and nobody else is asked.
- *limited*: a second request of a key that has one is a 429, and the provider does not hear of it.
- *billed*: the ledger has the cost of what the answer counts, at the catalog's price; of what is passed through, where the
  answer counts in OpenAI's words and the request names a chat model. *unknown*: the catalog has no price for
  the model, or the answer counts nothing that is priced; the ledger then holds null, never 0.
- *recorded*: answers of the real provider, or of another of the same shape, are read in a test. Where it is empty all rests on
  the published reference.

The built binary is asked against simulated providers of these shapes by the vendors' SDKs in `tests/sdk`. The limits on a
batch of embeddings are those of the references (OpenAI 2048 inputs and 300,000 tokens, Cohere 96, Gemini 100, Voyage 1000 and
120,000), of what users report (Mistral 512 and 16,384), and for Jina (512) a guess on the safe side. Of Replicate there is one
recorded prediction, and none of images as a stream.
";

/// What recordings of real providers are read for, by shape; see `crates/operations/tests/recordings.rs`. Those of chat
/// are of every dialect; see `docs/pairs.md`.
const RECORDED: [(Operation, Shape); 9] = [
    (Operation::Embeddings, Shape::OpenAi),
    (Operation::Embeddings, Shape::Mistral),
    (Operation::Embeddings, Shape::Cohere),
    (Operation::Embeddings, Shape::Gemini),
    (Operation::Embeddings, Shape::Voyage),
    (Operation::Images, Shape::OpenAi),
    (Operation::ImageEdits, Shape::OpenAi),
    (Operation::Rerank, Shape::Cohere),
    (Operation::Rerank, Shape::Voyage),
];

/// The whole document.
pub(crate) fn document(catalog: &Catalog, rows: &[Row]) -> String {
    let mut text = HEAD.to_owned();
    for operation in OPERATIONS {
        let of: Vec<&Row> = rows.iter().filter(|row| row.operation == operation).collect();
        let _ = write!(
            text,
            "\n## {operation}\n\n| provider | asked in | works | fails over | cancelled | limited | billed | recorded |\n\
             |---|---|---|---|---|---|---|---|\n"
        );
        let kinds: BTreeSet<(&str, Words)> = of.iter().map(|row| (row.kind.as_str(), row.words)).collect();
        for (kind, words) in &kinds {
            let rows: Vec<&Row> = of.iter().filter(|row| row.kind == *kind && row.words == *words).copied().collect();
            let _ = writeln!(text, "{}", line(kind, *words, &rows));
        }
        let others = catalog.providers().filter(|provider| of.iter().all(|row| row.kind != provider.id));
        let others: Vec<&str> = others.map(|provider| provider.id.as_str()).collect();
        if !others.is_empty() {
            let _ = writeln!(text, "\nNot offered by {}.", others.join(", "));
        }
    }
    text
}

fn line(kind: &str, words: Words, rows: &[&Row]) -> String {
    let fails_over = match (rows[0].fails_over(), words) {
        (Err(why), _) => format!("— {why}"),
        (Ok(()), Words::AsTheyAre) => "to another key".to_owned(),
        (Ok(()), _) => "yes".to_owned(),
    };
    let cancelled = if words == Words::Estimate { "— nobody is asked" } else { "yes" };
    let (asked, recorded) = match words {
        Words::Dialect(dialect) => (dialect.to_string(), "yes"),
        Words::Shape(shape) => {
            let is = RECORDED.contains(&(rows[0].operation, shape));
            (shape.to_string(), if is { "yes" } else { "" })
        }
        Words::Estimate => ("an estimate".to_owned(), ""),
        Words::AsTheyAre => ("the caller's own".to_owned(), ""),
    };
    format!("| {kind} | {asked} | yes | {fails_over} | {cancelled} | yes | {} | {recorded} |", billed(rows))
}

/// Which of the models' answers have a price.
fn billed(rows: &[&Row]) -> String {
    if rows[0].operation == Operation::CountTokens {
        return "counting is free".to_owned();
    }
    let unknown: Vec<&str> = rows.iter().filter(|row| row.cost.is_none()).map(|row| row.model.as_str()).collect();
    match (unknown.is_empty(), unknown.len() == rows.len()) {
        (true, _) => "yes".to_owned(),
        (false, true) => "unknown".to_owned(),
        (false, false) => format!("yes; unknown for {}", unknown.join(", ")),
    }
}
