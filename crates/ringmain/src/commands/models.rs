//! `ringmain models`: the catalog as a table, of its models or of its providers.

use std::process::ExitCode;

use ringmain_catalog::{Model, Provider};
use ringmain_core::Money;

use crate::cli::Models;
use crate::commands::say;
use crate::rules_file;

/// Prints the models, with prices in dollars per million tokens.
pub(crate) fn run(arguments: &Models) -> anyhow::Result<ExitCode> {
    let catalog = rules_file::catalog(arguments.catalog.as_deref())?;
    let wanted = arguments.filter.as_deref().unwrap_or_default().to_ascii_lowercase();
    if arguments.providers {
        let kinds = catalog.providers().filter(|kind| kind.id.contains(&wanted));
        say(&format!("{:<18} {:<22} environment", "kind", "name"));
        kinds.for_each(|kind| say(&format!("{:<18} {:<22} {}", kind.id, kind.name, variables(kind))));
        return Ok(ExitCode::SUCCESS);
    }
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

/// `CO_API_KEY or COHERE_API_KEY; another address: CO_API_URL`
fn variables(kind: &Provider) -> String {
    let any = |names: &[String]| names.join(" or ");
    let mut words = Vec::new();
    match kind.env.as_slice() {
        [] if kind.key_optional => words.push("needs no key".to_owned()),
        [] => words.push("its keys stand in the file".to_owned()),
        names => words.push(any(names)),
    }
    if !kind.credentials_env.is_empty() {
        words.push(format!("or {} with {}", any(&kind.credentials_env), any(&kind.project_env)));
    }
    if !kind.region_env.is_empty() {
        words.push(format!("region: {}", any(&kind.region_env)));
    }
    if !kind.base_url_env.is_empty() {
        let needed = if kind.base_url.is_some() { "another address" } else { "its address, which it needs" };
        words.push(format!("{needed}: {}", any(&kind.base_url_env)));
    }
    words.join("; ")
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

#[cfg(test)]
mod tests {
    use ringmain_catalog::Catalog;

    use super::*;

    #[test]
    fn a_provider_tells_which_variables_are_read() {
        let catalog = Catalog::embedded().unwrap();
        let said = |id: &str| variables(catalog.provider(id).unwrap());
        assert_eq!(said("groq"), "GROQ_API_KEY");
        assert_eq!(said("cohere"), "CO_API_KEY or COHERE_API_KEY; another address: CO_API_URL");
        let azure = "AZURE_OPENAI_API_KEY or AZURE_API_KEY; its address, which it needs: AZURE_OPENAI_ENDPOINT";
        assert_eq!(said("azure-openai"), azure);
        assert!(said("vertex").contains("or GOOGLE_APPLICATION_CREDENTIALS with GOOGLE_VERTEX_PROJECT"));
    }
}
