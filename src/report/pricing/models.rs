//! The list of models with their prices on a day.

use std::fmt::Write as _;

use jiff::civil::Date;
use serde_json::{Value, json};

use super::{five_cells, rates_json, table, tokens};
use crate::pricing::{Lifecycle, Mode, Model, Price, PriceTable};
use crate::report::Page;

/// Every model of `vendor` (or of all), one line a tier.
pub fn models(
    prices: &PriceTable,
    vendor: Option<&str>,
    all: bool,
    on: Date,
    page: Page,
) -> String {
    let mut rows = Vec::new();
    let mut hidden = 0;
    for model in chosen(prices, vendor) {
        if model.status == Lifecycle::Retired && !all {
            hidden += 1;
            continue;
        }
        let name = model.id.to_string();
        match model.price(on, Mode::default()) {
            Ok(price) => {
                for step in price.steps() {
                    let label = step.prompt_tokens_gt.map_or_else(
                        || name.clone(),
                        |above| format!("  prompt > {}", tokens(above)),
                    );
                    rows.push(std::iter::once(label).chain(five_cells(&step.rates)).collect());
                }
            }
            Err(_) => rows.push(vec![name, "no price".to_owned()]),
        }
    }
    let header = ["model", "input", "output", "write 5m", "write 1h", "read"];
    let mut text = table(&header, rows, page);
    let _ = writeln!(text, "\nUSD per million tokens on {on}; - is not offered or not published");
    if hidden > 0 {
        let _ = writeln!(text, "{hidden} retired models: --all");
    }
    text
}

/// The same for programs, retired models included.
pub fn models_json(prices: &PriceTable, vendor: Option<&str>, on: Date) -> Value {
    let models: Vec<Value> = chosen(prices, vendor)
        .map(|model| {
            let price = model.price(on, Mode::default());
            json!({
                "id": model.id,
                "vendor": model.provider,
                "line": model.line,
                "rank": model.rank,
                "status": model.status.name(),
                "context_tokens": model.context_tokens,
                "max_output_tokens": model.max_output_tokens,
                "price_id": price.as_ref().ok().map(Price::id),
                "unpriced": price.as_ref().err().map(ToString::to_string),
                "usd_per_million_tokens": price.ok().map(|price| {
                    let steps = price.steps().map(|step| json!({
                        "prompt_tokens_gt": step.prompt_tokens_gt,
                        "rates": rates_json(&step.rates),
                    }));
                    steps.collect::<Vec<_>>()
                }),
            })
        })
        .collect();
    json!({ "version": 1, "on": on, "table_sha256": prices.hash(), "models": models })
}

fn chosen<'a>(prices: &'a PriceTable, vendor: Option<&'a str>) -> impl Iterator<Item = &'a Model> {
    prices.models().filter(move |model| vendor.is_none_or(|vendor| model.provider == vendor))
}
