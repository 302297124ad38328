//! All prices that are in force for one invocation, and how a model's name is found in them.

mod builder;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::id::PriceId;
use crate::pricing::name::{NAME_BYTES_MAX, spellings};
use crate::pricing::nearest::nearest;
use crate::pricing::{
    Alias, Fee, Mode, Model, Multiplier, NamePrefix, Price, PricingError, Reserved,
    SubscriptionPlan, Unpriced, canonical,
};

/// Aliases of aliases followed at most.
const ALIAS_STEPS_MAX: usize = 4;

/// A price file's text, and the name to call it in messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceFile {
    /// A path or, for a shipped file, its name.
    pub name: String,
    /// TOML.
    pub text: String,
}

/// The price files inside this program. User files come after them.
pub fn shipped_files() -> Vec<PriceFile> {
    macro_rules! shipped {
        ($($file:literal),+) => {
            vec![$(PriceFile {
                name: concat!("pricing/", $file).to_owned(),
                text: include_str!(concat!("../../pricing/", $file)).to_owned(),
            }),+]
        };
    }
    shipped!["anthropic.toml", "openai.toml", "google.toml", "aliases.toml", "plans.toml"]
}

/// Where a price was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its short name inside its file.
    pub id: String,
    /// Its address, or package and version.
    pub url: String,
    /// The licence of its data, if it is somebody's table.
    pub licence: Option<String>,
    /// When it was read.
    pub retrieved: Option<Date>,
}

/// Models, aliases, fees and plans of all price files together.
#[derive(Clone, Debug)]
pub struct PriceTable {
    models: Vec<Model>,
    names: BTreeMap<String, usize>,
    aliases: BTreeMap<String, Vec<Alias>>,
    prefixes: Vec<NamePrefix>,
    reserved: Vec<Reserved>,
    fees: Vec<Fee>,
    plans: Vec<SubscriptionPlan>,
    sources: Vec<Source>,
    hash: String,
}

/// Why a name is no model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnknownReason {
    /// In no table.
    NotListed,
    /// An alias that has no row for that provider and day.
    AliasNotInForce,
    /// A name that means something else.
    Reserved(String),
}

/// A name that stands for no model here. It is never billed: the caller denies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct UnknownModel {
    /// The name as given.
    pub name: String,
    /// The provider it was looked up for.
    pub provider: String,
    /// The day it was looked up for.
    pub on: Date,
    /// Why not.
    pub reason: UnknownReason,
    /// Names that are near, nearest first.
    pub nearest: Vec<String>,
}

impl UnknownModel {
    fn sentence(&self) -> String {
        let Self { name, provider, on, .. } = self;
        let shown: String = name.chars().take(80).collect();
        let what = match &self.reason {
            UnknownReason::NotListed => format!("no price table knows the model `{shown}`"),
            UnknownReason::AliasNotInForce => {
                format!("the alias `{shown}` stands for no model on {provider} on {on}")
            }
            UnknownReason::Reserved(reason) => format!("`{shown}` is not a model: {reason}"),
        };
        if self.nearest.is_empty() {
            format!("{what}; `flyball pricing list` shows all, a price file of yours can add it")
        } else {
            format!("{what}; near: {}", self.nearest.join(", "))
        }
    }
}

/// A model as a name asked for it.
#[derive(Clone, Debug)]
pub struct Resolved<'t> {
    /// The model.
    pub model: &'t Model,
    /// What the name's regional prefix does to the price.
    pub uplift: Multiplier,
    /// Each spelling on the way, the name as given first, the model's id last.
    pub via: Vec<String>,
}

impl Resolved<'_> {
    /// The price of requests that use this name. A regional endpoint is already regional: US-only
    /// inference on top of it is not offered and has no price.
    pub fn price(&self, on: Date, mode: Mode) -> Result<Price, Unpriced> {
        if mode.us && !self.uplift.is_one() {
            return Err(Unpriced::NoMode { model: self.model.id.clone(), mode, on });
        }
        self.model.price(on, mode)?.times(self.uplift)
    }
}

impl PriceTable {
    /// Reads price files; a model, alias, fee, plan or prefix in a later file replaces the one of
    /// the same name in an earlier file.
    pub fn parse(files: &[PriceFile]) -> Result<Self, PricingError> {
        let mut table = builder::build(files)?;
        table.hash = canonical::hash(&table);
        Ok(table)
    }

    /// SHA-256, in hex, of everything that decides a price: equal for equal prices, whatever the
    /// files, comments and sources.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The model that `name` stands for on `provider` (`anthropic` is first-party) on a day: an
    /// id, an alias, or either with `[1m]`, a provider or region prefix, a date or `@default`
    /// around it. Never by prefix.
    pub fn resolve(&self, name: &str, provider: &str, on: Date) -> Result<&Model, UnknownModel> {
        self.resolve_name(name, provider, on).map(|resolved| resolved.model)
    }

    /// Like [`Self::resolve`], with what a regional prefix does to the price.
    pub fn resolve_name(
        &self,
        name: &str,
        provider: &str,
        on: Date,
    ) -> Result<Resolved<'_>, UnknownModel> {
        let unknown = |reason| self.unknown(name, provider, on, reason);
        if name.len() > NAME_BYTES_MAX {
            return Err(unknown(UnknownReason::NotListed));
        }
        let mut via = vec![name.to_owned()];
        // Most requests name a model by its id.
        if let Some(model) = self.model(name).filter(|model| *model.id.0 == *name) {
            return Ok(Resolved { model, uplift: Multiplier::ONE, via });
        }
        for (spelling, uplift) in spellings(name.trim(), &self.prefixes) {
            if via.last() != Some(&spelling) {
                via.push(spelling.clone());
            }
            if let Some(model) = self.model(&spelling) {
                if *model.id.0 != *spelling {
                    via.push(model.id.0.to_string());
                }
                return Ok(Resolved { model, uplift, via });
            }
            let lower = spelling.to_ascii_lowercase();
            if self.aliases.contains_key(&lower) {
                let model = self.follow(&lower, provider, on, &mut via);
                let model = model.ok_or_else(|| unknown(UnknownReason::AliasNotInForce))?;
                return Ok(Resolved { model, uplift, via });
            }
            if let Some(reserved) = self.reserved.iter().find(|reserved| reserved.name == lower) {
                return Err(unknown(UnknownReason::Reserved(reserved.reason.clone())));
            }
        }
        Err(unknown(UnknownReason::NotListed))
    }

    fn follow(
        &self,
        alias: &str,
        provider: &str,
        on: Date,
        via: &mut Vec<String>,
    ) -> Option<&Model> {
        let mut name = alias;
        for _ in 0..ALIAS_STEPS_MAX {
            let rows = self.aliases.get(name)?;
            let named = |row: &&Alias| row.providers.iter().any(|named| named == provider);
            let own = rows.iter().any(|row| named(&row));
            let mut rows =
                rows.iter().filter(|row| if own { named(row) } else { row.providers.is_empty() });
            name = rows.find(|row| row.covers(on))?.target.as_str();
            via.push(name.to_owned());
            if let Some(model) = self.model(name) {
                return Some(model);
            }
        }
        None
    }

    fn unknown(&self, name: &str, provider: &str, on: Date, reason: UnknownReason) -> UnknownModel {
        let names = self.names.keys().chain(self.aliases.keys()).map(String::as_str);
        let nearest = match reason {
            UnknownReason::NotListed => nearest(name, names, 3),
            _ => Vec::new(),
        };
        UnknownModel {
            name: name.to_owned(),
            provider: provider.to_owned(),
            on,
            reason,
            nearest: nearest.into_iter().map(str::to_owned).collect(),
        }
    }

    /// The dearest known rate of each class on a day, over all models, tiers and regions folded
    /// in: what a model without a price may be billed at on request. `None` where nothing is
    /// priced.
    pub fn dearest(&self, on: Date) -> Option<Price> {
        let prices: Vec<Price> =
            self.models.iter().filter_map(|model| model.price(on, Mode::default()).ok()).collect();
        let rates = prices
            .iter()
            .flat_map(Price::steps)
            .map(|step| step.rates)
            .reduce(|dearest, rates| dearest.max(&rates))?;
        let id = PriceId::from(format!("the dearest known rates@{on}"));
        Some(Price::new(id, Mode::default(), rates, Vec::new()))
    }

    /// The model with exactly that identifier, on any provider.
    pub fn model(&self, id: &str) -> Option<&Model> {
        self.names.get(id).and_then(|index| self.models.get(*index))
    }

    /// The model that another table calls `name`: like [`Self::model`], decorations removed. No
    /// alias counts: tables list models.
    pub(super) fn model_listed_as(&self, name: &str) -> Option<&Model> {
        if name.len() > NAME_BYTES_MAX {
            return None;
        }
        let spellings = spellings(name, &self.prefixes);
        let mut plain = spellings.iter().filter(|(_, uplift)| uplift.is_one());
        plain.find_map(|(spelling, _)| self.model(spelling))
    }

    /// Every model, in the order of the files.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.iter()
    }

    /// Every row of every alias, by name.
    pub fn aliases(&self) -> impl Iterator<Item = &Alias> {
        self.aliases.values().flatten()
    }

    /// Everybody who is known to offer models: vendors, clouds and gateways.
    pub fn providers(&self) -> BTreeSet<&str> {
        let vendors = self.models.iter().map(|model| model.provider.as_str());
        let of_ids = self.models.iter().flat_map(|model| model.ids.keys().map(String::as_str));
        let of_aliases = self.aliases().flat_map(|row| row.providers.iter().map(String::as_str));
        vendors.chain(of_ids).chain(of_aliases).collect()
    }

    /// What may stand before an identifier.
    pub fn prefixes(&self) -> &[NamePrefix] {
        &self.prefixes
    }

    /// Names that scripts use and that are no model.
    pub fn reserved(&self) -> &[Reserved] {
        &self.reserved
    }

    /// The fee for `id` at `provider`, if it is known.
    pub fn fee(&self, provider: &str, id: &str) -> Option<&Fee> {
        self.fees.iter().find(|fee| fee.provider == provider && fee.id == id)
    }

    /// Every fee.
    pub fn fees(&self) -> &[Fee] {
        &self.fees
    }

    /// The subscription with that short name, present or former.
    pub fn plan(&self, provider: &str, id: &str) -> Option<&SubscriptionPlan> {
        let of_provider = || self.plans.iter().filter(|plan| plan.provider == provider);
        of_provider()
            .find(|plan| plan.id == id)
            .or_else(|| of_provider().find(|plan| plan.formerly.iter().any(|name| name == id)))
    }

    /// Every subscription.
    pub fn plans(&self) -> &[SubscriptionPlan] {
        &self.plans
    }

    /// Every source that a price names.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }
}
