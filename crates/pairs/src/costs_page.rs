//! The page of costs, in Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ringmain_core::{Money, Usage};

use crate::costs::{Bill, Outcome, Why};

/// Exchanges, what they used and what they cost, by target and by whether the provider said so.
type Sums<'a> = BTreeMap<(&'a str, bool), (usize, Usage, Money)>;

/// The page.
#[must_use]
pub fn page(bills: &[Bill]) -> String {
    let mut sums = Sums::new();
    let mut unpriced: BTreeMap<Why, BTreeMap<&str, usize>> = BTreeMap::new();
    for bill in bills {
        let (cost, told) = match bill.outcome {
            Outcome::Priced(cost) => (cost, false),
            Outcome::Told(cost) => (cost, true),
            Outcome::Unpriced(why) => {
                let name =
                    if matches!(why, Why::NoModel | Why::NoPrice | Why::NoUsage) { &bill.target } else { &bill.api };
                *unpriced.entry(why).or_default().entry(name).or_default() += 1;
                continue;
            }
        };
        let sum = sums.entry((&bill.target, told)).or_insert((0, Usage::default(), Money::ZERO));
        *sum = (sum.0 + 1, sum.1 + bill.usage.unwrap_or_default(), sum.2 + cost);
    }
    let priced: usize = sums.values().map(|(count, ..)| count).sum();
    let mut page = format!(
        "# What recorded traffic costs\n\nMade by `cargo xtask costs --write`. Of {} recorded exchanges {priced} are priced, \
         each as the gateway prices it: its use read from the recorded answer, its price from the catalog, or from the answer \
         where the provider's answers are bills (*told*). `crates/pairs/tests/costs.tsv` holds what each of them costs, worked \
         out apart from this program from public price tables; a test compares the two to a billionth of a cent.\n\n\
         Not in any answer, and so not in any cost: fees for searches that OpenAI's and Gemini's servers make, and discounts \
         of a contract.\n",
        bills.len()
    );
    table(&mut page, &sums);
    reasons(&mut page, &unpriced);
    page
}

fn table(page: &mut String, sums: &Sums<'_>) {
    page.push_str(
        "\n## Priced\n\n| target | exchanges | input | read from cache | written to cache | output | other | cost |\n\
         |---|---:|---:|---:|---:|---:|---|---:|\n",
    );
    let mut all = Money::ZERO;
    for ((target, told), (count, usage, cost)) in sums {
        all += *cost;
        let written = usage.cache_written();
        let other = [
            ("images", u64::from(usage.units.images)),
            ("searches", usage.units.searches),
            ("audio tokens", usage.audio_input + usage.audio_output),
            ("image tokens", usage.image_input + usage.image_output),
            ("audio ms", usage.units.audio_ms),
        ];
        let other: Vec<String> =
            other.into_iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")).collect();
        let told = if *told { " *told*" } else { "" };
        // Writing to memory cannot fail.
        let _ = writeln!(
            page,
            "| `{target}`{told} | {count} | {} | {} | {written} | {} | {} | {cost} |",
            usage.input,
            usage.cache_read,
            usage.output,
            other.join(", ")
        );
    }
    let _ = writeln!(page, "| all | | | | | | | {all} |");
}

fn reasons(page: &mut String, unpriced: &BTreeMap<Why, BTreeMap<&str, usize>>) {
    page.push_str("\n## Not priced\n\n| why | exchanges | which |\n|---|---:|---|\n");
    for (why, which) in unpriced {
        let count: usize = which.values().sum();
        let names: Vec<String> = which.iter().map(|(name, count)| format!("`{name}` {count}")).collect();
        let _ = writeln!(page, "| {} | {count} | {} |", why.words(), names.join(", "));
    }
}
