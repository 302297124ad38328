//! The table of BerriAI/litellm: one object per model name, prices per token, undated, tiers in the
//! names of the keys.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::number::{Per, rate};
use super::{Entry, ImportedModel, ImportedPeriod, left_out};
use crate::pricing::{Rates, Tier, TokenClass};

pub(super) fn read(models: &Map<String, Value>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (name, model) in models {
        let provider = match model.get("litellm_provider").and_then(Value::as_str) {
            Some("anthropic") => "anthropic",
            Some("openai") => "openai",
            Some("gemini") => "google",
            _ => continue,
        };
        let mode = model.get("mode").and_then(Value::as_str);
        if !matches!(mode, Some("chat" | "responses")) {
            continue;
        }
        // Fine-tuned models are named by what they are tuned from; their price is another.
        if name.starts_with("ft:") {
            continue;
        }
        let id = name.rsplit_once('/').map_or(name.as_str(), |(_, id)| id);
        entries.push(read_model(provider, id, model));
    }
    entries
}

fn read_model(provider: &str, id: &str, model: &Value) -> Entry {
    let Some(fields) = model.as_object() else { return left_out(provider, id, "no object") };
    let starts: BTreeSet<u64> = fields.keys().filter_map(|key| tier_start(key)).collect();
    let period = rates_above(fields, None).and_then(|rates| {
        let tier = |start: u64| {
            Ok(Tier { prompt_tokens_gt: start, rates: rates_above(fields, Some(start))? })
        };
        let tiers: Result<Vec<Tier>, String> = starts.into_iter().map(tier).collect();
        Ok(ImportedPeriod { from: None, rates, tiers: tiers? })
    });
    match period {
        Ok(period) => Ok(ImportedModel {
            provider: provider.to_owned(),
            id: id.to_owned(),
            // Of OpenAI's models it gives the longest prompt, which is less than the window.
            context_tokens: fields
                .get("max_input_tokens")
                .filter(|_| provider != "openai")
                .and_then(Value::as_u64),
            max_output_tokens: fields.get("max_output_tokens").and_then(Value::as_u64),
            periods: vec![period],
        }),
        Err(reason) => left_out(provider, id, reason),
    }
}

/// 200,000 for `input_cost_per_token_above_200k_tokens`; other suffixes are other modes.
fn tier_start(key: &str) -> Option<u64> {
    let thousands = key.strip_prefix("input_cost_per_token_above_")?.strip_suffix("k_tokens")?;
    thousands.parse::<u64>().ok()?.checked_mul(1_000)
}

fn rates_above(fields: &Map<String, Value>, start: Option<u64>) -> Result<Rates, String> {
    let read = |class: TokenClass| {
        let base = key(class);
        let tiered = start.map(|start| format!("{base}_above_{}k_tokens", start / 1_000));
        let value = tiered.and_then(|key| fields.get(&key)).or_else(|| fields.get(base));
        value.filter(|value| !value.is_null()).map(|value| rate(value, Per::Token)).transpose()
    };
    Rates::try_from_classes(read, |class| format!("no {class} price per token"))
}

const fn key(class: TokenClass) -> &'static str {
    match class {
        TokenClass::Input => "input_cost_per_token",
        TokenClass::Output => "output_cost_per_token",
        TokenClass::CacheWrite5m => "cache_creation_input_token_cost",
        TokenClass::CacheWrite1h => "cache_creation_input_token_cost_above_1hr",
        TokenClass::CacheRead => "cache_read_input_token_cost",
    }
}
