//! Fields without a word in the intermediate representation: put back where they came from, or reported.

use std::collections::BTreeMap;

use ringmain_core::Dialect;
use serde_json::{Map, Value};

use crate::ir::Request;
use crate::loss::Loss;

/// A request's extras, by the place of the object they belong to.
#[derive(Debug)]
pub(crate) struct PutBack<'a> {
    by_place: BTreeMap<&'a str, Vec<(&'a str, &'a Value)>>,
    foreign: Vec<Loss>,
}

impl<'a> PutBack<'a> {
    /// Of a caller of the dialect that is written every field may go back; of another none.
    pub(crate) fn new(request: &'a Request, own: Dialect) -> Self {
        let mut by_place: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        let mut foreign = Vec::new();
        for extra in &request.extras {
            if request.dialect == own {
                let (place, field) = extra.field.rsplit_once('.').unwrap_or(("", &extra.field));
                by_place.entry(place).or_default().push((field, &extra.value));
            } else {
                foreign.push(Loss::dropped(extra.field.clone()));
            }
        }
        Self { by_place, foreign }
    }

    /// Adds to the object what was found at its place in the caller's request.
    pub(crate) fn restore(&mut self, place: &str, object: &mut Map<String, Value>) {
        for (field, value) in self.by_place.remove(place).into_iter().flatten() {
            object.insert(field.to_owned(), value.clone());
        }
    }

    /// Takes one field that was found at a place.
    pub(crate) fn take(&mut self, place: &str, field: &str) -> Option<&'a Value> {
        let fields = self.by_place.get_mut(place)?;
        let at = fields.iter().position(|(known, _)| *known == field)?;
        Some(fields.remove(at).1)
    }

    /// What went nowhere.
    pub(crate) fn losses(self) -> impl Iterator<Item = Loss> {
        let name = |place: &str, field: &str| {
            if place.is_empty() { field.to_owned() } else { format!("{place}.{field}") }
        };
        let left = self.by_place.into_iter().flat_map(move |(place, fields)| {
            fields.into_iter().map(move |(field, _)| Loss::dropped(name(place, field)))
        });
        self.foreign.into_iter().chain(left)
    }
}
