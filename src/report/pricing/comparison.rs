//! Another price table against ours.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{dollars, rates_json, table, tokens, wrapped};
use crate::money::Rate;
use crate::pricing::import::{Comparison, Difference, ImportedModel, ImportedPeriod};
use crate::report::Page;

/// Names shown per list; all are in the JSON.
const SHOWN_MAX: usize = 12;

/// The comparison for people.
pub fn comparison(comparison: &Comparison, format: &str, page: Page) -> String {
    let mut text = format!("{format} against the prices in force on {}\n", comparison.on);
    let changed = comparison.changed.len();
    let _ = writeln!(
        text,
        "  {} equal, {changed} changed, {} coming, {} new, {} not understood",
        comparison.equal,
        comparison.coming.len(),
        comparison.new.len(),
        comparison.not_understood.len()
    );
    let mut rows = Vec::new();
    for change in &comparison.changed {
        for (index, difference) in change.differences.iter().enumerate() {
            let name = if index == 0 { change.model.id.to_string() } else { String::new() };
            rows.push(vec![
                name,
                place(difference),
                shown(difference.ours),
                shown(difference.theirs),
            ]);
        }
    }
    if !rows.is_empty() {
        text += "\nchanged, USD per million tokens\n";
        text += &table(&["model", "rate", "ours", "theirs"], rows, page);
    }
    for coming in &comparison.coming {
        if let Some(from) = coming.period.from {
            let (id, rates) = (&coming.model.id, &coming.period.rates);
            let (input, output) = (dollars(rates.input), dollars(rates.output));
            let _ = writeln!(text, "coming: {id} on {from}: input {input}, output {output}");
        }
    }
    if !comparison.new.is_empty() {
        text += "\nnew\n";
    }
    let mut by_vendor: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for model in &comparison.new {
        by_vendor.entry(&model.provider).or_default().push(&model.id);
    }
    for (vendor, ids) in by_vendor {
        text += &wrapped(&format!("  {vendor}: "), &listed(&ids), 4, page);
    }
    not_understood(&mut text, comparison, page);
    text
}

fn not_understood(text: &mut String, comparison: &Comparison, page: Page) {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for entry in comparison.not_understood {
        by_reason.entry(&entry.reason).or_default().push(&entry.name);
    }
    if !by_reason.is_empty() {
        text.push_str("\nnot understood\n");
    }
    for (reason, names) in by_reason {
        *text += &wrapped(&format!("  {reason}: "), &listed(&names), 4, page);
    }
}

fn listed(names: &[&str]) -> String {
    let mut text = names.iter().take(SHOWN_MAX).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN_MAX {
        let _ = write!(text, " and {} more (--format json)", names.len() - SHOWN_MAX);
    }
    text
}

fn place(difference: &Difference) -> String {
    match difference.prompt_tokens_gt {
        None => difference.class.to_string(),
        Some(above) => format!("{} > {}", difference.class, tokens(above)),
    }
}

fn shown(rate: Option<Rate>) -> String {
    rate.map_or_else(|| "none".to_owned(), dollars)
}

/// The comparison for programs.
pub fn comparison_json(comparison: &Comparison, format: &str) -> Value {
    let changed = comparison.changed.iter().map(|change| {
        let differences = change.differences.iter().map(|difference| {
            json!({
                "prompt_tokens_gt": difference.prompt_tokens_gt,
                "class": difference.class.key(),
                "ours": exact(difference.ours),
                "theirs": exact(difference.theirs),
            })
        });
        json!({ "id": change.model.id, "differences": differences.collect::<Vec<_>>() })
    });
    let coming = comparison
        .coming
        .iter()
        .map(|coming| json!({ "id": coming.model.id, "period": period_json(coming.period) }));
    let not_understood = comparison
        .not_understood
        .iter()
        .map(|entry| json!({ "name": entry.name, "reason": entry.reason }));
    json!({
        "version": 1,
        "on": comparison.on,
        "format": format,
        "equal": comparison.equal,
        "changed": changed.collect::<Vec<_>>(),
        "coming": coming.collect::<Vec<_>>(),
        "new": comparison.new.iter().map(|model| model_json(model)).collect::<Vec<_>>(),
        "not_understood": not_understood.collect::<Vec<_>>(),
    })
}

fn exact(rate: Option<Rate>) -> Option<String> {
    rate.map(|rate| rate.usd_per_million().to_decimal())
}

fn model_json(model: &ImportedModel) -> Value {
    json!({
        "id": model.id,
        "vendor": model.provider,
        "periods": model.periods.iter().map(period_json).collect::<Vec<_>>(),
    })
}

fn period_json(period: &ImportedPeriod) -> Value {
    let tiers = period.tiers.iter().map(|tier| {
        json!({ "prompt_tokens_gt": tier.prompt_tokens_gt, "rates": rates_json(&tier.rates) })
    });
    json!({
        "from": period.from,
        "rates": rates_json(&period.rates),
        "tiers": tiers.collect::<Vec<_>>(),
    })
}
