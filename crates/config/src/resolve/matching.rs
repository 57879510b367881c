//! The section `match` of a route.

use ringmain_core::Operation;

use crate::raw::{Data, Field, Section};
use crate::{Matcher, Names};

/// The conditions of a route.
pub(super) fn matcher(section: &Section) -> Matcher {
    let mut matcher = Matcher::default();
    for field in &section.fields {
        if let Some(name) = field.key.strip_prefix("header.") {
            matcher.headers.push((name.to_ascii_lowercase(), names_of(field)));
        } else if let Some(name) = field.key.strip_prefix("tag.") {
            matcher.tags.push((name.to_owned(), names_of(field)));
        } else {
            match (field.key.as_str(), &field.data) {
                ("operation", Data::List(items)) => matcher.operations = operations(items),
                ("key", _) => matcher.key = Some(names_of(field)),
                ("model", _) => matcher.model = Some(names_of(field)),
                ("stream", Data::Flag(flag)) => matcher.stream = Some(*flag),
                ("tokens", Data::Tokens(bound)) => matcher.tokens = Some(*bound),
                _ => {}
            }
        }
    }
    matcher
}

fn operations(items: &[Field]) -> Vec<Operation> {
    let mut operations: Vec<Operation> = items.iter().filter_map(|item| item.text()?.parse().ok()).collect();
    // Counting a conversation's tokens concerns the model that would answer it.
    if operations.contains(&Operation::Chat) && !operations.contains(&Operation::CountTokens) {
        operations.push(Operation::CountTokens);
    }
    operations
}

/// The globs of a list, each of which was read as one before.
pub(super) fn names(items: &[Field]) -> Names {
    Names::new(items.iter().filter_map(Field::text)).unwrap_or_default()
}

fn names_of(field: &Field) -> Names {
    match &field.data {
        Data::List(items) => names(items),
        _ => Names::default(),
    }
}
