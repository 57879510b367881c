//! `ringmain models`: the catalog as a table.

use std::process::ExitCode;

use ringmain_catalog::Model;
use ringmain_core::Money;

use crate::cli::Models;
use crate::commands::say;
use crate::rules_file;

/// Prints the models, with prices in dollars per million tokens.
pub(crate) fn run(arguments: &Models) -> anyhow::Result<ExitCode> {
    let catalog = rules_file::catalog(arguments.catalog.as_deref())?;
    let wanted = arguments.filter.as_deref().unwrap_or_default().to_ascii_lowercase();
    say(&format!("{:<52} {:>9} {:>9} {:>9} {:>9}  capabilities", "model", "input/M", "output/M", "window", "max out"));
    let mut shown = 0;
    for model in catalog.models() {
        let name = format!("{}/{}", model.provider, model.name);
        if name.to_ascii_lowercase().contains(&wanted) {
            say(&line(&name, model));
            shown += 1;
        }
    }
    say(&format!("{shown} models; prices in US dollars per million tokens, as of the dates in models/*.yaml"));
    Ok(ExitCode::SUCCESS)
}

fn line(name: &str, model: &Model) -> String {
    let tokens = model.price.as_ref().and_then(|price| price.tokens.as_ref());
    let money = |amount: Option<Money>| amount.map_or("-".to_owned(), |amount| format!("{:.3}", amount.as_dollars()));
    let count = |count: Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
    let capabilities: Vec<_> = model.capabilities.names().collect();
    format!(
        "{name:<52} {:>9} {:>9} {:>9} {:>9}  {}",
        money(tokens.map(|tokens| tokens.input)),
        money(tokens.map(|tokens| tokens.output)),
        count(model.context_window),
        count(model.max_output),
        capabilities.join(" ")
    )
}
