//! `smart`, `fast`, `image` and `embed`: routes nobody has to write.

use std::sync::Arc;

use crate::{Provider, Route, RouteTarget, Settings};

/// The built-in routes that no written route replaces, each over the pools of these providers: the best model of
/// each provider first, then the second of each, and on.
pub(super) fn routes(providers: &[Provider], written: &[Route], settings: &Arc<Settings>) -> Vec<Route> {
    let names = ringmain_catalog::Pools::default().named().map(|(name, _)| name);
    let free = names.into_iter().enumerate().filter(|(_, name)| written.iter().all(|route| &*route.name != *name));
    free.filter_map(|(pool, name)| {
        let targets = targets(providers, pool);
        (!targets.is_empty()).then(|| {
            let why = format!("built-in route `{name}`: the catalog's models for it at the configured providers");
            Route {
                name: name.into(),
                matcher: None,
                builtin: true,
                targets: targets.into(),
                settings: settings.clone(),
                by_match: why.as_str().into(),
                by_name: why.into(),
            }
        })
    })
    .collect()
}

fn targets(providers: &[Provider], pool: usize) -> Vec<RouteTarget> {
    let pools = providers.iter().map(|provider| provider.kind.pools.named()[pool].1).collect::<Vec<_>>();
    let most = pools.iter().map(|pool| pool.len()).max().unwrap_or_default();
    let ranked = (0..most).flat_map(|rank| pools.iter().enumerate().map(move |(at, pool)| (at, pool.get(rank))));
    ranked.filter_map(|(provider, model)| Some(RouteTarget::new(provider, model?.clone()))).collect()
}
