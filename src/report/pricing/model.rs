//! All that is known about one model.

use std::fmt::Write as _;

use jiff::civil::Date;
use serde_json::{Value, json};

use super::{five_cells, rates_json, table, tokens, wrapped};
use crate::pricing::{
    Alias, DatedMultiplier, Mode, Model, Multiplier, Period, PriceTable, Resolved,
};
use crate::report::Page;

/// One model as asked for by name, as of a day.
pub fn model(prices: &PriceTable, resolved: &Resolved, on: Date, page: Page) -> String {
    let model = resolved.model;
    let mut text = resolved.via.join(" = ");
    text.push('\n');
    if !resolved.uplift.is_one() {
        let _ = writeln!(
            text,
            "  regional endpoint: {} times the list price, included in the modes below",
            resolved.uplift
        );
    }
    facts(&mut text, prices, model, page);
    modes(&mut text, resolved, on, page);
    text += "\nperiods (UTC, until is exclusive), standard rates\n";
    periods(&mut text, model, on, page);
    sources(&mut text, prices, model, page);
    text
}

fn facts(text: &mut String, prices: &PriceTable, model: &Model, page: Page) {
    let mut line = |label: &str, value: String| {
        if !value.is_empty() {
            *text += &wrapped(&format!("  {label:<8} "), &value, 11, page);
        }
    };
    let date = |label: &str, date: Option<Date>| date.map(|date| format!(", {label} {date}"));
    let mut standing = format!("{} {}, {}", model.provider, model.line, model.status.name());
    let dates = [
        date("released", model.released),
        date("retires", model.retires),
        date("not retired before", model.retires_not_before),
    ];
    standing.extend(dates.into_iter().flatten());
    line("model", standing);
    line(
        "tokens",
        format!(
            "window {}, output up to {}{}",
            tokens(model.context_tokens),
            tokens(model.max_output_tokens),
            model
                .min_cache_tokens
                .map_or_else(String::new, |least| { format!(", caches from {}", tokens(least)) })
        ),
    );
    let efforts: Vec<&str> = model.efforts.iter().map(|effort| effort.name()).collect();
    let default = model.default_effort.map(|effort| format!(" (default {})", effort.name()));
    line("effort", efforts.join(", ") + default.as_deref().unwrap_or(""));
    let ids: Vec<String> = model
        .ids
        .iter()
        .flat_map(|(provider, ids)| ids.iter().map(move |id| format!("{id} ({provider})")))
        .collect();
    line("also", ids.join(", "));
    for alias in direct_aliases(prices, model) {
        line("alias", alias_line(alias, ""));
        for indirect in prices.aliases().filter(|other| other.target == alias.name) {
            line("", alias_line(indirect, &format!(", through {}", alias.name)));
        }
    }
}

fn direct_aliases<'a>(
    prices: &'a PriceTable,
    model: &'a Model,
) -> impl Iterator<Item = &'a Alias> + 'a {
    prices.aliases().filter(|alias| *alias.target == *model.id.0)
}

fn alias_line(alias: &Alias, through: &str) -> String {
    let mut text = format!("{}{through}", alias.name);
    for (word, day) in [("from", alias.from), ("until", alias.until)] {
        if let Some(day) = day {
            let _ = write!(text, " {word} {day}");
        }
    }
    if !alias.providers.is_empty() {
        let _ = write!(text, " on {}", alias.providers.join(", "));
    }
    if let Some(note) = &alias.note {
        let _ = write!(text, ". {note}");
    }
    text
}

/// The rates in force, one line a mode and tier.
fn modes(text: &mut String, resolved: &Resolved, on: Date, page: Page) {
    let mut rows = Vec::new();
    let mut refused = String::new();
    for mode in Mode::ALL {
        match resolved.price(on, mode) {
            Ok(price) => rows.extend(price.steps().map(|step| {
                let label = step
                    .prompt_tokens_gt
                    .map_or_else(|| mode.name(), |above| format!("  prompt > {}", tokens(above)));
                std::iter::once(label).chain(five_cells(&step.rates)).collect()
            })),
            Err(unpriced) if mode == Mode::default() => refused = unpriced.to_string(),
            Err(_) => {}
        }
    }
    let _ = writeln!(text, "\nUSD per million tokens on {on}");
    if rows.is_empty() {
        *text += &wrapped("  ", &refused, 2, page);
    } else {
        let header = ["mode", "input", "output", "write 5m", "write 1h", "read"];
        *text += &table(&header, rows, page);
    }
}

fn periods(text: &mut String, model: &Model, on: Date, page: Page) {
    let mut rows = Vec::new();
    for period in &model.periods {
        let now = period.status.bills() && period.covers(on);
        let mark = if now { "*" } else { " " };
        let until = period.until.map_or_else(|| "open".to_owned(), |until| until.to_string());
        let label = format!("{mark} {} to {until}", period.from);
        rows.push(std::iter::once(label).chain(five_cells(&period.rates)).collect());
        for tier in &period.tiers {
            let label = format!("    prompt > {}", tokens(tier.prompt_tokens_gt));
            rows.push(std::iter::once(label).chain(five_cells(&tier.rates)).collect());
        }
    }
    *text += &table(&["", "input", "output", "write 5m", "write 1h", "read"], rows, page);
    for period in &model.periods {
        let mut notes = vec![period.status.name().to_owned()];
        notes.extend(period.basis.clone());
        notes.extend(factor("batch", period.batch));
        notes.extend(factor("fast", period.fast));
        *text += &wrapped(&format!("  {}: ", period.from), &notes.join("; "), 14, page);
    }
    if let Some(us) = model.us_multiplier.filter(|us| *us != Multiplier::ONE) {
        let _ = writeln!(text, "  US-only inference times {us}");
    }
}

fn factor(name: &str, factor: Option<DatedMultiplier>) -> Option<String> {
    let factor = factor?;
    let from = factor.from.map_or_else(String::new, |from| format!(" from {from}"));
    let until = factor.until.map_or_else(String::new, |until| format!(" until {until}"));
    Some(format!("{name} times {}{from}{until}", factor.multiplier))
}

fn sources(text: &mut String, prices: &PriceTable, model: &Model, page: Page) {
    let named = |id: &String| model.periods.iter().any(|period| period.sources.contains(id));
    let mut sources = prices.sources().iter().filter(|source| named(&source.id)).peekable();
    if sources.peek().is_some() {
        text.push_str("\nsources\n");
    }
    for source in sources {
        let read = source.retrieved.map_or_else(String::new, |day| format!(", read {day}"));
        *text += &wrapped("  ", &format!("{}{read}", source.url), 4, page);
    }
}

/// The same for programs.
pub fn model_json(prices: &PriceTable, resolved: &Resolved, on: Date) -> Value {
    let model = resolved.model;
    let by_mode: serde_json::Map<String, Value> = Mode::ALL
        .into_iter()
        .filter_map(|mode| {
            let price = resolved.price(on, mode).ok()?;
            let steps = price.steps().map(|step| {
                json!({
                    "prompt_tokens_gt": step.prompt_tokens_gt,
                    "rates": rates_json(&step.rates),
                })
            });
            Some((mode.name(), steps.collect()))
        })
        .collect();
    let aliases = direct_aliases(prices, model).map(|alias| {
        json!({
            "name": alias.name,
            "providers": alias.providers,
            "from": alias.from,
            "until": alias.until,
            "note": alias.note,
        })
    });
    json!({
        "version": 1,
        "on": on,
        "table_sha256": prices.hash(),
        "name_resolved": resolved.via,
        "regional_multiplier": resolved.uplift.to_string(),
        "id": model.id,
        "vendor": model.provider,
        "line": model.line,
        "rank": model.rank,
        "status": model.status.name(),
        "released": model.released,
        "retires": model.retires,
        "retires_not_before": model.retires_not_before,
        "tokenizer": model.tokenizer,
        "context_tokens": model.context_tokens,
        "max_output_tokens": model.max_output_tokens,
        "min_cache_tokens": model.min_cache_tokens,
        "efforts": model.efforts,
        "default_effort": model.default_effort,
        "us_multiplier": model.us_multiplier.map(|us| us.to_string()),
        "ids": model.ids,
        "aliases": aliases.collect::<Vec<_>>(),
        "price_id": model.period(on).ok().map(|period| &period.id),
        "unpriced": resolved.price(on, Mode::default()).err().map(|error| error.to_string()),
        "usd_per_million_tokens": by_mode,
        "periods": model.periods.iter().map(period_json).collect::<Vec<_>>(),
    })
}

fn period_json(period: &Period) -> Value {
    let factor = |factor: Option<DatedMultiplier>| {
        factor.map(|factor| {
            json!({
                "multiplier": factor.multiplier.to_string(),
                "from": factor.from,
                "until": factor.until,
            })
        })
    };
    let tiers = period.tiers.iter().map(|tier| {
        json!({ "prompt_tokens_gt": tier.prompt_tokens_gt, "rates": rates_json(&tier.rates) })
    });
    json!({
        "id": period.id,
        "from": period.from,
        "until": period.until,
        "status": period.status.name(),
        "basis": period.basis,
        "sources": period.sources,
        "checked": period.checked,
        "rates": rates_json(&period.rates),
        "tiers": tiers.collect::<Vec<_>>(),
        "batch": factor(period.batch),
        "fast": factor(period.fast),
    })
}
