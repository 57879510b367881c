//! The document of the API, and a word of welcome.

use serde_json::Value;

use crate::Ask;
use crate::answer::{Answer, Problem};

const DOCUMENT: &str = include_str!("openapi.json");

/// `GET /api/openapi.json`
pub(crate) async fn document(_: Ask<'_>) -> Result<Answer, Problem> {
    let document: Result<Value, _> = serde_json::from_str(DOCUMENT);
    document.map(Answer::Json).map_err(|error| {
        Problem::new(http::StatusCode::INTERNAL_SERVER_ERROR, format!("the document cannot be read: {error}"))
    })
}

/// `GET /`
pub(crate) async fn welcome(_: Ask<'_>) -> Result<Answer, Problem> {
    let text = "Ringmain. The dashboard is not available yet; /metrics and the API of /api/openapi.json are.\n";
    Ok(Answer::Text("text/plain; charset=utf-8", text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_document_and_the_table_say_the_same() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let told: BTreeSet<String> = paths
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .collect();
        let served = crate::table::TABLE.iter().map(|entry| format!("{} {}", entry.method, entry.path));
        assert_eq!(told, served.collect::<BTreeSet<_>>());
    }
}
