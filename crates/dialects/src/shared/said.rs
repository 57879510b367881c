//! How far an error is believed. Its status says of what kind it is, its own words only which of the causes it was that have
//! this status; a word that says another kind is no witness. Without a status, in a stream or under a success, words decide.

use ringmain_core::FaultClass;

/// What an error says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Said {
    /// One cause by a name of its own: a code, a sentence that is known.
    Cause(FaultClass),
    /// A kind, as statuses have them.
    Kind(FaultClass),
}

/// What an error is that its status alone would make `by_status`: the first of what it says that can be, else that.
pub(crate) fn class(by_status: Option<FaultClass>, said: impl IntoIterator<Item = Said>) -> FaultClass {
    let mut said = said.into_iter().filter_map(|said| match (by_status, said) {
        (None, Said::Cause(class) | Said::Kind(class)) => Some(class),
        (Some(kind), Said::Cause(class)) => causes(kind, class).then_some(class),
        (Some(_), Said::Kind(_)) => None,
    });
    said.next().or(by_status).unwrap_or(FaultClass::Server)
}

/// Do providers give the statuses of this kind to this, too?
fn causes(kind: FaultClass, class: FaultClass) -> bool {
    use FaultClass::{Auth, BadRequest, Billing, Context, Gone, Overloaded, RateLimit, Refusal, Server};
    let others: &[FaultClass] = match kind {
        BadRequest => &[Context, Refusal, Billing, Auth, Gone],
        Auth => &[Billing, Refusal, Gone, BadRequest],
        Gone => &[BadRequest],
        RateLimit => &[Billing, Overloaded],
        // A prompt too long for a server that fails on it is no sign of an outage.
        Server => &[Overloaded, Context],
        _ => &[],
    };
    kind == class || others.contains(&class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_stands_above_words_that_say_another_kind() {
        use FaultClass as F;
        let table = [
            (400, Said::Kind(F::Server), F::BadRequest),
            (400, Said::Cause(F::Server), F::BadRequest),
            (400, Said::Kind(F::Auth), F::BadRequest),
            (400, Said::Cause(F::Auth), F::Auth),
            (400, Said::Cause(F::RateLimit), F::BadRequest),
            (403, Said::Kind(F::BadRequest), F::Auth),
            (403, Said::Cause(F::Refusal), F::Refusal),
            (402, Said::Cause(F::RateLimit), F::Billing),
            (404, Said::Cause(F::Billing), F::Gone),
            (413, Said::Kind(F::Server), F::Context),
            (429, Said::Kind(F::BadRequest), F::RateLimit),
            (429, Said::Cause(F::Billing), F::Billing),
            (500, Said::Kind(F::BadRequest), F::Server),
            (500, Said::Cause(F::Billing), F::Server),
            (529, Said::Cause(F::Billing), F::Overloaded),
        ];
        for (status, said, expected) in table {
            assert_eq!(class(FaultClass::of_status(status), [said]), expected, "{status} {said:?}");
            let told = match said {
                Said::Cause(class) | Said::Kind(class) => class,
            };
            assert_eq!(class(None, [said]), told, "without a status");
        }
        assert_eq!(class(None, []), F::Server);
        let both = [Said::Kind(F::BadRequest), Said::Cause(F::Overloaded), Said::Cause(F::Billing)];
        assert_eq!(class(Some(F::RateLimit), both), F::Overloaded, "the first that can be");
    }
}
