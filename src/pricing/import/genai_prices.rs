//! The table of pydantic/genai-prices: an array of providers, prices per million tokens, either
//! plain or `{ base, tiers: [{ start, price }] }`, in dated lists.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::number::{Per, rate};
use super::{Entry, ImportedModel, ImportedPeriod, left_out};
use crate::money::Rate;
use crate::pricing::{Rates, Tier, TokenClass};

const PROVIDERS: &[&str] = &["anthropic", "openai", "google"];

pub(super) fn read(providers: &[Value]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for provider in providers {
        let name = provider.get("id").and_then(Value::as_str).unwrap_or("");
        let models = provider.get("models").and_then(Value::as_array);
        if !PROVIDERS.contains(&name) {
            continue;
        }
        for model in models.into_iter().flatten() {
            entries.push(read_model(name, model));
        }
    }
    entries
}

fn read_model(provider: &str, model: &Value) -> Entry {
    let id = model.get("id").and_then(Value::as_str).unwrap_or("");
    if provider != "anthropic" && id.starts_with("claude-") {
        return left_out(provider, id, "a cloud's price of another vendor's model");
    }
    let periods = match model.get("prices") {
        Some(Value::Array(rows)) => rows.iter().map(read_row).collect(),
        Some(prices) => read_prices(prices, None).map(|period| vec![period]),
        None => Err("no prices".to_owned()),
    };
    match periods {
        Ok(mut periods) => {
            periods.sort_by_key(|period| period.from);
            Ok(ImportedModel {
                provider: provider.to_owned(),
                id: id.to_owned(),
                context_tokens: model.get("context_window").and_then(Value::as_u64),
                max_output_tokens: None,
                periods,
            })
        }
        Err(reason) => left_out(provider, id, reason),
    }
}

fn read_row(row: &Value) -> Result<ImportedPeriod, String> {
    let from = match row.get("constraint") {
        None | Some(Value::Null) => None,
        Some(constraint) => {
            let day = constraint.get("start_date").and_then(Value::as_str);
            let day: Option<Date> = day.and_then(|day| day.parse().ok());
            Some(day.ok_or("a constraint other than a start date")?)
        }
    };
    read_prices(row.get("prices").ok_or("no prices")?, from)
}

fn read_prices(prices: &Value, from: Option<Date>) -> Result<ImportedPeriod, String> {
    let prices = prices.as_object().ok_or("prices are no object")?;
    let mut starts = BTreeSet::new();
    for class in TokenClass::ALL {
        let tiers = prices.get(key(class)).and_then(|price| price.get("tiers"));
        for tier in tiers.and_then(Value::as_array).into_iter().flatten() {
            starts.insert(tier.get("start").and_then(Value::as_u64).ok_or("a tier without start")?);
        }
    }
    let rates = rates_above(prices, None)?;
    let tiers = starts.into_iter().map(|start| {
        Ok(Tier { prompt_tokens_gt: start, rates: rates_above(prices, Some(start))? })
    });
    let tiers: Result<Vec<Tier>, String> = tiers.collect();
    Ok(ImportedPeriod { from, rates, tiers: tiers? })
}

fn rates_above(prices: &Map<String, Value>, start: Option<u64>) -> Result<Rates, String> {
    let read = |class: TokenClass| {
        prices.get(key(class)).map(|price| read_price(price, start)).transpose()
    };
    Rates::try_from_classes(read, |class| format!("no {class} price per token"))
}

fn read_price(price: &Value, start: Option<u64>) -> Result<Rate, String> {
    let Some(base) = price.get("base") else { return rate(price, Per::Million) };
    let tiers = price.get("tiers").and_then(Value::as_array);
    let mut reached = tiers.into_iter().flatten().filter(|tier| {
        let from = tier.get("start").and_then(Value::as_u64);
        start.is_some_and(|start| from.is_some_and(|from| from <= start))
    });
    let last = reached.next_back().and_then(|tier| tier.get("price"));
    rate(last.unwrap_or(base), Per::Million)
}

const fn key(class: TokenClass) -> &'static str {
    match class {
        TokenClass::Input => "input_mtok",
        TokenClass::Output => "output_mtok",
        TokenClass::CacheWrite5m => "cache_write_mtok",
        TokenClass::CacheWrite1h => "cache_write_1h_mtok",
        TokenClass::CacheRead => "cache_read_mtok",
    }
}
