//! The meaning of a model file.

use ringmain_core::{Capabilities, Effort, Efforts, Money};
use serde_saphyr::{Location, Spanned};

use super::{Loaded, Scope};
use crate::model::{Model, ModelKind};
use crate::raw::{ModelFile, RawImagePrice, RawModel, RawPrice, Text};
use ringmain_core::{ImagePrice, LongContext, Price, Quality, TokenPrices};

pub(super) fn resolve(scope: &mut Scope<'_>, provider: &str, raw: ModelFile) -> Vec<Loaded<Model>> {
    let as_of = date(scope, raw.as_of);
    raw.models.into_iter().map(|model| entry(scope, provider, (&as_of, &raw.source), model)).collect()
}

fn entry(scope: &mut Scope<'_>, provider: &str, (as_of, source): (&str, &str), raw: RawModel) -> Loaded<Model> {
    let at = raw.name.referenced;
    let kinds = ModelKind::ALL.map(|kind| (kind.as_str(), kind));
    let kind = raw.kind.and_then(|text| scope.word(&text, &kinds)).unwrap_or(ModelKind::Chat);
    let mut entry = Model {
        provider: provider.to_owned(),
        capabilities: scope.capabilities(&raw.can),
        name: raw.name.value,
        aliases: raw.aliases.iter().map(|text| text.value.clone()).collect(),
        kind,
        price: raw.price.map(|raw| price(scope, raw)),
        context_window: raw.limits.context,
        max_output: raw.limits.output,
        max_thinking: raw.limits.thinking,
        efforts: efforts(scope, &raw.efforts),
        reasons_by_default: raw.reasons_by_default,
        quirks: scope.quirks(raw.quirks),
        retires: raw.retires.map(|text| date(scope, text)),
        as_of: raw.as_of.map_or_else(|| as_of.to_owned(), |text| date(scope, text)),
        source: raw.source.unwrap_or_else(|| source.to_owned()),
    };
    if entry.reasons_by_default {
        entry.capabilities = entry.capabilities.with(Capabilities::REASONING);
    }
    if let (Some(window), Some(output)) = (entry.context_window, entry.max_output)
        && output > window
    {
        scope.problem(at, format!("`{}` cannot answer {output} tokens in a window of {window}", entry.name));
    }
    let names = raw.aliases.into_iter().map(|text| (text.value, text.referenced)).collect();
    Loaded { entry, file: scope.file.to_owned(), at, names }
}

fn efforts(scope: &mut Scope<'_>, words: &[Text]) -> Efforts {
    let known = Effort::ALL.map(|effort| (effort.as_str(), effort));
    words.iter().filter_map(|text| scope.word(text, &known)).fold(Efforts::UNKNOWN, Efforts::with)
}

/// `YYYY-MM-DD`.
fn date(scope: &mut Scope<'_>, text: Text) -> String {
    let field = |range| text.value.get(range).filter(|part: &&str| part.bytes().all(|byte| byte.is_ascii_digit()));
    let number = |range| field(range).and_then(|part: &str| part.parse::<u16>().ok());
    let dashes = text.value.get(4..5) == Some("-") && text.value.get(7..8) == Some("-");
    let fits = number(0..4).is_some_and(|year| (2000..2200).contains(&year))
        && number(5..7).is_some_and(|month| (1..=12).contains(&month))
        && number(8..10).is_some_and(|day| (1..=31).contains(&day));
    if !(dashes && fits && text.value.len() == 10) {
        scope.problem(text.referenced, format!("`{}` is not a date: `2026-11-22`", text.value));
    }
    text.value
}

fn price(scope: &mut Scope<'_>, raw: Spanned<RawPrice>) -> Price {
    let at = raw.referenced;
    let raw = raw.value;
    let mut money = |amount: Option<f64>| amount.map(|dollars| dollars_of(scope, at, dollars));
    let parts = TokenPrices {
        input: money(raw.input).unwrap_or_default(),
        output: money(raw.output).unwrap_or_default(),
        cache_read: money(raw.cache_read),
        cache_write: money(raw.cache_write),
        cache_write_1h: money(raw.cache_write_1h),
        audio_input: money(raw.audio_input),
        cache_read_audio: money(raw.cache_read_audio),
        audio_output: money(raw.audio_output),
        image_input: money(raw.image_input),
        image_output: money(raw.image_output),
        long: raw.long.map(|long| LongContext {
            above: long.above,
            input: money(Some(long.input)).unwrap_or_default(),
            output: money(Some(long.output)).unwrap_or_default(),
            cache_read: money(long.cache_read),
            cache_write: money(long.cache_write),
            cache_write_1h: money(long.cache_write_1h),
        }),
    };
    let price = Price {
        tokens: raw.input.is_some().then_some(parts),
        per_image: money(raw.per_image),
        images: Vec::new(),
        per_minute: money(raw.per_minute),
        per_million_characters: money(raw.per_million_characters),
        per_request: money(raw.per_request),
        per_search: money(raw.per_search),
    };
    let price = Price { images: raw.images.into_iter().map(|raw| image_price(scope, at, raw)).collect(), ..price };
    if raw.input.is_none() && parts != TokenPrices::default() {
        scope.problem(at, "a price by the token begins with `input`");
    } else if price == Price::default() {
        scope.problem(at, "an empty price; leave `price` out where it is not known");
    }
    price
}

fn image_price(scope: &mut Scope<'_>, at: Location, raw: RawImagePrice) -> ImagePrice {
    const QUALITIES: [(&str, Quality); 4] =
        [("auto", Quality::Usual), ("low", Quality::Low), ("medium", Quality::Medium), ("high", Quality::High)];
    let size = raw.size.map(|text| {
        let parsed = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
        if parsed.is_none() {
            scope.problem(at, format!("`{text}` is not a size in pixels: `1024x1024`"));
        }
        parsed.unwrap_or_default()
    });
    let quality = raw.quality.and_then(|word| scope.word(&word, &QUALITIES));
    ImagePrice { size, quality, each: dollars_of(scope, at, raw.each) }
}

fn dollars_of(scope: &mut Scope<'_>, at: Location, dollars: f64) -> Money {
    if !(0.0..1_000_000.0).contains(&dollars) {
        scope.problem(at, format!("{dollars} is not a price in dollars"));
        return Money::ZERO;
    }
    Money::from_dollars(dollars)
}
