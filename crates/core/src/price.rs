//! What a model costs, exactly.

use crate::{Billed, Money, Quality, Units, Usage};

/// A model's list price. What is not known is `None`, never zero: a caller must be able to tell "free" from "unpriced".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Price {
    /// For what is billed by the token.
    pub tokens: Option<TokenPrices>,
    /// For each generated image of the default size and quality.
    pub per_image: Option<Money>,
    /// For each generated image of these sizes and qualities; the first that fits holds.
    pub images: Vec<ImagePrice>,
    /// For each minute of audio.
    pub per_minute: Option<Money>,
    /// For each million characters of text (speech).
    pub per_million_characters: Option<Money>,
    /// For each request, on top of its tokens (search fees, rerank units).
    pub per_request: Option<Money>,
    /// For each search the provider made while it answered, on top of its tokens.
    pub per_search: Option<Money>,
}

/// What one image of a size and quality costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImagePrice {
    /// Width and height in pixels, either way round; any where `None`.
    pub size: Option<(u32, u32)>,
    /// Any where `None`.
    pub quality: Option<Quality>,
    /// For each.
    pub each: Money,
}

impl ImagePrice {
    fn fits(&self, units: &Units) -> bool {
        self.has_size(units) && self.has_quality(units)
    }

    fn has_size(&self, units: &Units) -> bool {
        let made = (units.width, units.height);
        self.size.is_none_or(|(width, height)| made == (width, height) || made == (height, width))
    }

    fn has_quality(&self, units: &Units) -> bool {
        self.quality.is_none_or(|quality| quality == units.quality)
    }
}

/// Prices in dollars per million tokens. A kind without a price of its own costs what it is a part of costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenPrices {
    /// Input that touched no cache.
    pub input: Money,
    /// Output, reasoning included.
    pub output: Money,
    /// Input read from the prompt cache; the input price where `None`.
    pub cache_read: Option<Money>,
    /// Input written to the prompt cache; the input price where `None`.
    pub cache_write: Option<Money>,
    /// Input written to the one-hour prompt cache (Anthropic); the price of `cache_write` where `None`.
    pub cache_write_1h: Option<Money>,
    /// Audio input; the input price where `None`.
    pub audio_input: Option<Money>,
    /// Audio read from the prompt cache; the price of `cache_read` where `None`.
    pub cache_read_audio: Option<Money>,
    /// Audio output; the output price where `None`.
    pub audio_output: Option<Money>,
    /// Images the model reads; the input price where `None`.
    pub image_input: Option<Money>,
    /// Images the model makes; the output price where `None`.
    pub image_output: Option<Money>,
    /// Other prices for a request with a long prompt.
    pub long: Option<LongContext>,
}

/// The prices of a whole request whose input is longer than a threshold, per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongContext {
    /// The longest input, in tokens, at the usual prices.
    pub above: u64,
    /// As in [`TokenPrices`].
    pub input: Money,
    /// As in [`TokenPrices`].
    pub output: Money,
    /// As in [`TokenPrices`].
    pub cache_read: Option<Money>,
    /// As in [`TokenPrices`].
    pub cache_write: Option<Money>,
    /// As in [`TokenPrices`].
    pub cache_write_1h: Option<Money>,
}

impl Price {
    /// What one request with this usage costs. `None` where no price fits what is counted.
    ///
    /// A model with prices for tokens and for images is billed by the token where tokens are counted. `per_request` is
    /// for each search where searches are counted and have no price of their own. What a provider says of its bill in
    /// money is not looked at: whoever asks knows whether to believe it.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Option<Money> {
        let units = &usage.units;
        let tokens = self.tokens.filter(|_| usage.total() > 0 || units.is_none()).map(|price| price.cost(usage));
        let images = match units.images {
            0 => None,
            _ if tokens.is_some() => None,
            count => self.of_image(units).map(|each| Money(each.0 * i128::from(count))),
        };
        let audio = self.per_minute.filter(|_| units.audio_ms > 0 && tokens.is_none());
        let audio = audio.map(|minute| Money(minute.0 * i128::from(units.audio_ms) / 60_000));
        let text = self.per_million_characters.filter(|_| units.characters > 0 && tokens.is_none());
        let text = text.map(|million| million.per_million(units.characters));
        let found = [tokens, images, audio, text].into_iter().flatten().reduce(|sum, part| sum + part);
        let searches = |each: Money| Money(each.0 * i128::from(units.searches));
        match (found, self.per_search, self.per_request) {
            (Some(found), Some(each), _) if units.searches > 0 => Some(found + searches(each)),
            (None, _, Some(each)) if units.searches > 0 => Some(searches(each)),
            (Some(found), _, Some(each)) => Some(found + Money(each.0 * i128::from(units.searches.max(1)))),
            (found, ..) => found,
        }
    }

    /// Does it cost nothing, whatever is asked?
    #[must_use]
    pub fn is_free(&self) -> bool {
        *self == Self { tokens: Some(TokenPrices::default()), ..Self::default() }
    }

    /// What one image of this size and quality costs.
    fn of_image(&self, units: &Units) -> Option<Money> {
        self.images.iter().find(|price| price.fits(units)).map(|price| price.each).or(self.per_image)
    }

    /// What one request for these images may cost at most: of a size that is not said or not in the list, and of a quality
    /// that is not said, the dearest. `None` where no price is known.
    #[must_use]
    pub fn most_of_images(&self, asked: &Units) -> Option<Money> {
        let listed = |price: &ImagePrice| price.size.is_some() && price.has_size(asked);
        let any_size = self.images.iter().any(|price| price.size.is_some()) && !self.images.iter().any(listed);
        let any_quality = asked.quality == Quality::Usual && self.images.iter().any(|price| price.quality.is_some());
        let each = if any_size || any_quality {
            let may_fit =
                |price: &&ImagePrice| (any_size || price.has_size(asked)) && (any_quality || price.has_quality(asked));
            self.images.iter().filter(may_fit).map(|price| price.each).chain(self.per_image).max()
        } else {
            self.of_image(asked)
        };
        each.map(|each| Money(each.0 * i128::from(asked.images)))
    }

    /// What one request for this many images costs, at the default size and quality. `None` where that is not known.
    #[must_use]
    pub fn cost_of_images(&self, count: u64) -> Option<Money> {
        self.per_image.map(|each| Money(each.0 * i128::from(count)))
    }
}

impl TokenPrices {
    /// What these tokens cost, rounded down once to a picodollar.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Money {
        let price = self.at(usage.input);
        if let Some(Billed::Tokens { input, output }) = usage.billed {
            let both = i128::from(input) * price.input.0 + i128::from(output) * price.output.0;
            return Money(both / 1_000_000);
        }
        let cache_write = price.cache_write.unwrap_or(price.input);
        let fresh = usage.fresh_input();
        // What is cached is billed as cached, so audio and images have prices of their own only within the fresh part.
        let cached_audio = usage.cache_read_audio.min(usage.cache_read);
        let audio_in = usage.audio_input.saturating_sub(cached_audio).min(fresh);
        let cache_read = price.cache_read.unwrap_or(price.input);
        let image_in = usage.image_input.min(fresh - audio_in);
        let audio_out = usage.audio_output.min(usage.output);
        let image_out = usage.image_output.min(usage.output - audio_out);
        let parts = [
            (fresh - audio_in - image_in, price.input),
            (audio_in, price.audio_input.unwrap_or(price.input)),
            (image_in, price.image_input.unwrap_or(price.input)),
            (usage.cache_read - cached_audio, cache_read),
            (cached_audio, price.cache_read_audio.unwrap_or(cache_read)),
            (usage.cache_write, cache_write),
            (usage.cache_write_1h, price.cache_write_1h.unwrap_or(cache_write)),
            (usage.output - audio_out - image_out, price.output),
            (audio_out, price.audio_output.unwrap_or(price.output)),
            (image_out, price.image_output.unwrap_or(price.output)),
        ];
        // Summed before the division, so that parts of a picodollar are not lost with each of them.
        Money(parts.into_iter().map(|(count, price)| i128::from(count) * price.0).sum::<i128>() / 1_000_000)
    }

    /// The prices that hold for a request with this many input tokens.
    #[must_use]
    pub fn at(&self, input_tokens: u64) -> Self {
        match self.long {
            Some(long) if input_tokens > long.above => Self {
                input: long.input,
                output: long.output,
                cache_read: long.cache_read.or(self.cache_read),
                cache_write: long.cache_write.or(self.cache_write),
                cache_write_1h: long.cache_write_1h.or(self.cache_write_1h),
                ..*self
            },
            _ => *self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_images_the_dearest_counts_that_may_be_meant() {
        let price = |size, quality, each: f64| ImagePrice { size, quality, each: Money::from_dollars(each) };
        let (square, wide) = (Some((1024, 1024)), Some((1792, 1024)));
        let both = Price {
            per_image: Some(Money::from_dollars(0.04)),
            images: vec![
                price(square, Some(Quality::Low), 0.01),
                price(square, Some(Quality::High), 0.08),
                price(wide, Some(Quality::High), 0.12),
                price(wide, None, 0.09),
            ],
            ..Price::default()
        };
        let sizes = Price { images: vec![price(Some((256, 256)), None, 0.016)], ..both.clone() };
        let qualities = Price { images: vec![price(None, Some(Quality::High), 0.5)], ..both.clone() };
        let (small, odd, unsaid) = ((256, 256), (2048, 2048), (0, 0));
        let table = [
            (&both, 1, (1024, 1024), Quality::Low, 0.01),
            (&both, 3, (1024, 1024), Quality::Medium, 0.12),
            (&both, 2, (1024, 1792), Quality::High, 0.24),
            (&both, 1, (1024, 1792), Quality::Low, 0.09),
            (&both, 1, (1024, 1024), Quality::Usual, 0.08),
            (&both, 1, unsaid, Quality::Medium, 0.09),
            (&both, 2, unsaid, Quality::Usual, 0.24),
            (&both, 1, odd, Quality::High, 0.12),
            (&sizes, 2, small, Quality::Usual, 0.032),
            (&sizes, 1, odd, Quality::High, 0.04),
            (&qualities, 1, unsaid, Quality::Low, 0.04),
            (&qualities, 1, odd, Quality::Usual, 0.5),
        ];
        for (at, (price, images, (width, height), quality, dollars)) in table.into_iter().enumerate() {
            let asked = Units { images, width, height, quality, ..Units::default() };
            assert_eq!(price.most_of_images(&asked), Some(Money::from_dollars(dollars)), "{at}");
        }
        let asked = Units { images: 1, ..Units::default() };
        assert_eq!(Price::default().most_of_images(&asked), None, "unknown is not free");
    }
}
