//! The models that are served, with the price of each mode.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use http::StatusCode;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::envelope::Refusal;
use super::limits::KNOWN_NAMES_MAX;
use crate::effort::Effort;
use crate::id::ModelId;
use crate::pricing::{Lifecycle, Mode, Model, Price, PriceTable};

/// Whose API this is.
const PROVIDER: &str = "anthropic";
/// The shortest prefix that is cached where the vendor does not say.
const CACHED_TOKENS_MIN: u64 = 1_024;

/// A model in one mode.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) id: ModelId,
    pub(super) context_tokens: u64,
    pub(super) max_output_tokens: u64,
    pub(super) cached_tokens_min: u64,
    pub(super) default_effort: Option<Effort>,
    pub(super) price: Price,
    /// Whether its price depends on where it is served.
    pub(super) knows_places: bool,
}

/// The models that are served.
#[derive(Debug)]
pub(super) struct Catalogue {
    prices: Arc<PriceTable>,
    on: Date,
    /// What was looked up before, by the name that was asked for.
    known: RwLock<HashMap<String, HashMap<Mode, Arc<Served>>>>,
}

impl Catalogue {
    pub(super) fn new(prices: Arc<PriceTable>, on: Date) -> Self {
        Self { prices, on, known: RwLock::default() }
    }

    /// The model that `name` stands for. No guess: what has no price is not served.
    pub(super) fn served(&self, name: &str, mode: Mode) -> Result<Arc<Served>, Refusal> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(served) = known.get(name).and_then(|modes| modes.get(&mode)) {
            return Ok(Arc::clone(served));
        }
        drop(known);
        let served = Arc::new(self.look_up(name, mode)?);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < KNOWN_NAMES_MAX {
            known.entry(name.to_owned()).or_default().insert(mode, Arc::clone(&served));
        }
        Ok(served)
    }

    fn look_up(&self, name: &str, mode: Mode) -> Result<Served, Refusal> {
        let shown: String = name.chars().take(80).collect();
        let unknown = || Refusal::new(StatusCode::NOT_FOUND, format!("model: {shown}"));
        let resolved = self.prices.resolve_name(name, PROVIDER, self.on).map_err(|_| unknown())?;
        let model = resolved.model;
        if model.provider != PROVIDER {
            return Err(unknown());
        }
        let price = resolved.price(self.on, mode);
        let price = price.map_err(|error| Refusal::invalid(format!("model: {error}")))?;
        Ok(Served {
            id: model.id.clone(),
            context_tokens: model.context_tokens,
            max_output_tokens: model.max_output_tokens,
            cached_tokens_min: model.min_cache_tokens.unwrap_or(CACHED_TOKENS_MIN),
            default_effort: model.default_effort,
            price,
            knows_places: model.us_multiplier.is_some(),
        })
    }

    /// The answer of `GET /v1/models`.
    pub(super) fn list(&self) -> Bytes {
        let models = self.prices.models().filter(|model| self.is_offered(model));
        let data: Vec<Value> = models.map(described).collect();
        let id = |model: Option<&Value>| model.and_then(|model| model.get("id").cloned());
        let (first, last) = (id(data.first()), id(data.last()));
        let page = json!({ "data": data, "has_more": false, "first_id": first, "last_id": last });
        Bytes::from(page.to_string())
    }

    /// The answer of `GET /v1/models/ID`.
    pub(super) fn one(&self, name: &str) -> Result<Bytes, Refusal> {
        let served = self.served(name, Mode::default())?;
        let model = self.prices.model(&served.id.0).map(described);
        Ok(Bytes::from(model.unwrap_or_default().to_string()))
    }

    fn is_offered(&self, model: &Model) -> bool {
        model.provider == PROVIDER
            && model.status != Lifecycle::Retired
            && model.period(self.on).is_ok()
    }
}

fn described(model: &Model) -> Value {
    let released = model.released.map(|day| format!("{day}T00:00:00Z"));
    json!({
        "type": "model",
        "id": model.id.0,
        "display_name": model.id.0,
        "created_at": released.unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned()),
    })
}
