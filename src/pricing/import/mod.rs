//! Reading other people's price tables, comparing them with ours, and turning what is new into a
//! price file of the user's. Owns the three formats; never changes a table by itself.
//!
//! Standard prices of Anthropic, `OpenAI` and Google are compared. Factors for batch, fast and US-only
//! service are not: two of the three formats do not have all of them.

mod compare;
mod genai_prices;
mod litellm;
mod model_prices;
mod number;
mod price_file;

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde_json::Value;

use crate::pricing::{Rates, Tier};

pub use compare::{Change, Coming, Comparison, Difference, compare};
pub use price_file::{WriteError, price_file};

/// The formats that are recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportFormat {
    /// `prices/new_data/v2/data.json` of `pydantic/genai-prices`.
    GenaiPrices,
    /// `model_prices_and_context_window.json` of `BerriAI/litellm`.
    Litellm,
    /// `snapshot.json` of the `model-prices` package.
    ModelPrices,
}

impl ImportFormat {
    /// The project's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GenaiPrices => "genai-prices",
            Self::Litellm => "litellm",
            Self::ModelPrices => "model-prices",
        }
    }
}

/// Another table, as far as it is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Its format.
    pub format: ImportFormat,
    /// Its models, in its order.
    pub models: Vec<ImportedModel>,
    /// What was left out, and why.
    pub not_understood: Vec<NotUnderstood>,
}

impl Imported {
    /// A second entry of one name that says something else is not understood; nobody here knows
    /// which of the two is right. `places` remembers where a name's model is: a table may have
    /// hundreds of thousands.
    fn add(&mut self, model: ImportedModel, places: &mut BTreeMap<(String, String), usize>) {
        let place =
            places.entry((model.provider.clone(), model.id.clone())).or_insert(self.models.len());
        match self.models.get(*place) {
            None => self.models.push(model),
            Some(other) if other.periods == model.periods => {}
            Some(_) => self.not_understood.push(NotUnderstood {
                name: format!("{}/{}", model.provider, model.id),
                reason: "listed twice with different prices; the first is used".to_owned(),
            }),
        }
    }
}

/// One model of another table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedModel {
    /// `anthropic`, `openai` or `google`.
    pub provider: String,
    /// Its identifier there.
    pub id: String,
    /// The window in tokens, where given.
    pub context_tokens: Option<u64>,
    /// The longest output in tokens, where given.
    pub max_output_tokens: Option<u64>,
    /// Standard prices, ascending by first day.
    pub periods: Vec<ImportedPeriod>,
}

impl ImportedModel {
    /// The period in force on a day.
    pub fn period(&self, on: Date) -> Option<&ImportedPeriod> {
        self.periods.iter().rev().find(|period| period.from.is_none_or(|from| from <= on))
    }
}

/// Standard prices from a day on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedPeriod {
    /// First day; unknown if absent.
    pub from: Option<Date>,
    /// The rates.
    pub rates: Rates,
    /// Tiers by prompt length, ascending.
    pub tiers: Vec<Tier>,
}

/// An entry that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotUnderstood {
    /// Provider and identifier.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Why a text is no price table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Not JSON.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// JSON of another shape.
    #[error(
        "not a price table that is known here: give genai-prices' v2 data.json, litellm's \
         model_prices_and_context_window.json, or model-prices' snapshot.json"
    )]
    UnknownFormat,
}

/// Reads another table, telling its format by its shape.
pub fn read(text: &str) -> Result<Imported, ImportError> {
    let root: Value =
        serde_json::from_str(text).map_err(|error| ImportError::NotJson(error.to_string()))?;
    let (format, entries) = match &root {
        Value::Array(providers) if providers.iter().all(|one| one.get("models").is_some()) => {
            (ImportFormat::GenaiPrices, genai_prices::read(providers))
        }
        Value::Object(map) => match map.get("prices") {
            Some(Value::Object(prices)) => (ImportFormat::ModelPrices, model_prices::read(prices)),
            _ if map.values().any(|entry| entry.get("litellm_provider").is_some()) => {
                (ImportFormat::Litellm, litellm::read(map))
            }
            _ => return Err(ImportError::UnknownFormat),
        },
        _ => return Err(ImportError::UnknownFormat),
    };
    let mut imported = Imported { format, models: Vec::new(), not_understood: Vec::new() };
    let mut places = BTreeMap::new();
    for entry in entries {
        match entry {
            Ok(model) => imported.add(model, &mut places),
            Err(left_out) => imported.not_understood.push(left_out),
        }
    }
    Ok(imported)
}

/// An entry as a format's reader yields it.
type Entry = Result<ImportedModel, NotUnderstood>;

fn left_out(provider: &str, id: &str, reason: impl Into<String>) -> Entry {
    Err(NotUnderstood { name: format!("{provider}/{id}"), reason: reason.into() })
}
