//! Questions about the latest records: summed when asked. What stores with sums of their own are compared with.

use std::collections::HashMap;

use ringmain_core::{Metered, RequestId, WallTime};
use ringmain_routing::Record;

use super::Records;
use crate::StateError;
use crate::analytics::{Analytics, Fold, Line, Question, Search, amount, grain_since, is_in_scope};
use crate::distinct::Distinct;
use crate::ledger::Entry;
use crate::sums::{Batch, Of, Slice, Sums};

impl Records {
    fn sums(&self) -> HashMap<Of, Sums> {
        let entries: Vec<Entry> = self.all().iter().map(|record| Entry::of(record)).collect();
        let (mut batch, mut distinct) = (Batch::default(), Distinct::default());
        entries.iter().for_each(|entry| batch.add(entry, &mut distinct));
        batch.sums()
    }
}

impl Analytics for Records {
    fn ask(&self, question: &Question) -> Result<Vec<Line>, StateError> {
        let sums = self.sums();
        let (mut fold, slice) = (Fold::new(question), question.slice());
        for (of, sum) in sums.iter().filter(|(of, _)| slice.holds(&of.slice)) {
            fold.add(of, sum);
        }
        fold.done()
    }

    fn search(&self, search: &Search) -> Result<Vec<RequestId>, StateError> {
        let mut found: Vec<_> = self.all().into_iter().filter(|record| fits(record, search)).collect();
        found.sort_by_key(|record| std::cmp::Reverse((record.at, record.id)));
        Ok(found.iter().take(search.most).map(|record| record.id).collect())
    }

    fn used(
        &self,
        scope: &str,
        of: Metered,
        since: WallTime,
        now: WallTime,
    ) -> Result<Vec<(WallTime, u64)>, StateError> {
        let grain = grain_since(since, now);
        let sums = self.sums();
        let counts = sums.iter().filter(|(what, _)| {
            let of_keys = what.grain == grain && Slice::Key.holds(&what.slice);
            of_keys && what.at >= grain.begin(since) && is_in_scope(what, scope)
        });
        Ok(counts.map(|(what, sum)| (what.at, amount(sum, of))).collect())
    }
}

fn fits(record: &Record, search: &Search) -> bool {
    let is = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|wanted| wanted == value);
    let entry = Entry::of(record);
    let key = record.facts.key.as_ref();
    let is_key = |wanted: &String| key.is_some_and(|key| *key.id == **wanted || key.to_string() == *wanted);
    let is_tag = |wanted: &String| record.facts.tags.iter().any(|(name, value)| format!("{name}={value}") == *wanted);
    let outcome = match search.outcome.as_deref() {
        None => true,
        Some("ok") => entry.fault.is_none(),
        Some("failed") => entry.fault.is_some(),
        Some(class) => entry.fault == Some(class),
    };
    record.at >= search.from
        && record.at < search.to
        && is(&search.route, &record.route)
        && is(&search.model, &record.facts.model)
        && search.target.as_ref().is_none_or(|wanted| entry.target.as_ref() == Some(wanted))
        && search.key.as_ref().is_none_or(is_key)
        && search.tag.as_ref().is_none_or(is_tag)
        && outcome
}
