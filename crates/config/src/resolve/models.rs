//! The setting `models` of a provider.

use std::collections::BTreeMap;

use ringmain_catalog::{Model, Provider as Kind};
use ringmain_core::{Money, Price, TokenPrices};

use crate::OwnModel;
use crate::diagnostic::Code;
use crate::raw::{Data, Field, Section, nearest, quoted};
use crate::resolve::Resolver;

impl Resolver<'_> {
    /// What the operator says of this provider's models, by name. What is wrong is noted and left out.
    pub(super) fn own_models(&mut self, section: &Section, kind: &Kind) -> BTreeMap<String, OwnModel> {
        let fields = section.section("models").map(|models| models.fields.as_slice()).unwrap_or_default();
        fields.iter().filter_map(|field| Some((field.key.clone(), self.own_model(field, kind)?))).collect()
    }

    fn own_model(&mut self, field: &Field, kind: &Kind) -> Option<OwnModel> {
        let (is, price) = match &field.data {
            Data::Section(section) => (section.get("is"), section.get("price")),
            _ => (Some(field), None),
        };
        if field.is_invalid() || [is, price].into_iter().flatten().any(Field::is_invalid) {
            return None;
        }
        let price = match price {
            Some(price) => Some(self.own_price(price)?),
            None => None,
        };
        let mut model = match is {
            Some(is) => Some(self.named_model(is, kind)?.clone()),
            // The price of a model that the catalog knows by this name.
            None => self.catalog.model(&kind.id, &field.key).cloned(),
        };
        if is.is_none() && price.is_none() {
            let message = format!("`{}` says nothing of the model", field.path);
            let help = "write what it is, `is: gpt-4o`, what it costs, `price: { input: $2.5, output: $10 }`, or both";
            self.problems.error(Code::Missing, field.span, &field.path, message).help(help);
            return None;
        }
        if let (Some(model), Some(price)) = (&mut model, &price) {
            model.price = Some(price.clone());
        }
        let price = price.or_else(|| model.as_ref()?.price.clone());
        Some(OwnModel { is: model, price })
    }

    /// The catalog's entry by this name: of the provider's own kind, or `kind/model`.
    fn named_model(&mut self, is: &Field, kind: &Kind) -> Option<&Model> {
        let catalog = self.catalog;
        let name = is.text()?;
        let elsewhere = || name.split_once('/').and_then(|(kind, model)| catalog.model(kind, model));
        if let Some(model) = catalog.model(&kind.id, name).or_else(elsewhere) {
            return Some(model);
        }
        let shown = if is.outside { is.written.clone() } else { quoted(name) };
        let message = format!("the catalog does not know the model `{shown}`");
        let near = nearest(name, catalog.models_of(&kind.id).map(|model| model.name.as_str()));
        let help = match near.map(str::to_owned).or_else(|| catalog.nearest(name, 1).into_iter().next()) {
            Some(near) if !is.outside => format!("did you mean `{near}`?"),
            _ => "`ringmain models` lists what it knows: a model of this kind by its name, of another as `kind/model`"
                .to_owned(),
        };
        self.problems.error(Code::UnknownModel, is.span, &is.path, message).help(help);
        None
    }

    fn own_price(&mut self, field: &Field) -> Option<Price> {
        let section = field.section()?;
        if section.fields.iter().any(Field::is_invalid) {
            return None;
        }
        let money = |key: &str| -> Option<Money> {
            match section.get(key)?.data {
                Data::Money(money) => Some(money),
                _ => None,
            }
        };
        let tokens = money("input").map(|input| TokenPrices {
            input,
            output: money("output").unwrap_or_default(),
            cache_read: money("cache_read"),
            cache_write: money("cache_write"),
            ..TokenPrices::default()
        });
        let price = Price {
            tokens,
            per_image: money("per_image"),
            per_minute: money("per_minute"),
            per_million_characters: money("per_million_characters"),
            ..Price::default()
        };
        let other = ["output", "cache_read", "cache_write"].into_iter().find_map(|key| section.get(key));
        if let (None, Some(other)) = (tokens, other) {
            let message = format!("`{}` has no `input` beside it", other.path);
            let help = "a price by the token says both, though one may be `$0`";
            self.problems.error(Code::Missing, other.span, &other.path, message).help(help);
            return None;
        }
        if price == Price::default() {
            let message = format!("`{}` is empty", field.path);
            let help = "write dollars for a million tokens: `{ input: $2.5, output: $10 }`";
            self.problems.error(Code::Missing, field.span, &field.path, message).help(help);
            return None;
        }
        Some(price)
    }
}
