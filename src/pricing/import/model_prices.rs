//! The snapshot of the `model-prices` package: by provider and model, a list of dated rates per
//! million tokens, with the hour-long cache write as a multiple of the input rate.

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::number::{Per, rate};
use super::{Entry, ImportedModel, ImportedPeriod, left_out};
use crate::money::Rate;
use crate::pricing::{Multiplier, Rates, Tier, TokenClass};

const PROVIDERS: &[&str] = &["anthropic", "openai", "google"];

pub(super) fn read(prices: &Map<String, Value>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (provider, models) in prices {
        if !PROVIDERS.contains(&provider.as_str()) {
            continue;
        }
        for (id, modes) in models.as_object().into_iter().flatten() {
            entries.push(read_model(provider, id, modes));
        }
    }
    entries
}

fn read_model(provider: &str, id: &str, modes: &Value) -> Entry {
    let Some(rows) = modes.get("standard").and_then(Value::as_array) else {
        return left_out(provider, id, "no standard price");
    };
    let mut periods: Vec<ImportedPeriod> = Vec::new();
    for row in rows {
        match read_row(provider, row) {
            // A row that repeats its predecessor only records that somebody looked again; two of
            // one day are a correction.
            Ok(Some(period)) => match periods.last_mut() {
                Some(last) if last.rates == period.rates && last.tiers == period.tiers => {}
                Some(last) if last.from == period.from => *last = period,
                _ => periods.push(period),
            },
            Ok(None) => {}
            Err(reason) => return left_out(provider, id, reason),
        }
    }
    if periods.is_empty() {
        return left_out(provider, id, "no standard price");
    }
    Ok(ImportedModel {
        provider: provider.to_owned(),
        id: id.to_owned(),
        context_tokens: None,
        max_output_tokens: None,
        periods,
    })
}

/// `None` for a row without rates: the mode was not offered then.
fn read_row(provider: &str, row: &Value) -> Result<Option<ImportedPeriod>, String> {
    let Some(rates) = row.get("rates").filter(|rates| !rates.is_null()) else { return Ok(None) };
    let from = match row.get("start") {
        None | Some(Value::Null) => None,
        Some(start) => {
            let day = start.as_str().and_then(|moment| moment.get(..10));
            let day: Option<Date> = day.and_then(|day| day.parse().ok());
            Some(day.ok_or("a start that is no date")?)
        }
    };
    // OpenAI's multiple is that of a twelve-hour cache, for which there is no class here.
    let multiple = rates.get("cache_write_1h_multiple").filter(|_| provider == "anthropic");
    let multiple = multiple.and_then(|value| Multiplier::from_decimal(&value.to_string()));
    let base = read_rates(rates, multiple)?;
    let mut tiers = Vec::new();
    for tier in rates.get("tiers").and_then(Value::as_array).into_iter().flatten() {
        let above = tier.get("above").and_then(Value::as_u64).ok_or("a tier without `above`")?;
        tiers.push(Tier { prompt_tokens_gt: above, rates: read_rates(tier, multiple)? });
    }
    tiers.sort_by_key(|tier| tier.prompt_tokens_gt);
    Ok(Some(ImportedPeriod { from, rates: base, tiers }))
}

fn read_rates(rates: &Value, multiple: Option<Multiplier>) -> Result<Rates, String> {
    let named = |key: &str| -> Result<Option<Rate>, String> {
        let value = rates.get(key).filter(|value| !value.is_null());
        value.map(|value| rate(value, Per::Million)).transpose()
    };
    let written = named("cache_write")?.is_some();
    let read = |class| match class {
        TokenClass::Input => named("input"),
        TokenClass::Output => named("output"),
        TokenClass::CacheWrite5m => named("cache_write"),
        TokenClass::CacheRead => named("cache_read"),
        TokenClass::CacheWrite1h => {
            let input = named("input")?;
            Ok(multiple.filter(|_| written).zip(input).and_then(|(times, rate)| times.of(rate)))
        }
    };
    Rates::try_from_classes(read, |class| format!("no {class} price per token"))
}
