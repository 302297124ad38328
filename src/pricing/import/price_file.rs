//! A price file of the user's from what another table has and ours has not.

use std::fmt::Write as _;

use jiff::civil::Date;

use super::{Comparison, ImportedModel, ImportedPeriod};
use crate::pricing::model_section::tokenizer_name;
use crate::pricing::{
    DatedMultiplier, Model, Period, PriceFile, PriceStatus, PriceTable, PricingError, Rates, Tier,
    TokenClass,
};
use crate::tokens::Tokenizer;

/// Why no price file could be made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// A model was asked for that is neither new nor changed.
    #[error("`{0}` is neither new nor changed in that table")]
    NotThere(String),
    /// What was written does not read back.
    #[error("the price file that was made cannot be read: {0}")]
    Unreadable(#[from] PricingError),
}

/// A price file with the new and changed models of `comparison`, all of them or those named in
/// `only`. Imported prices are `observed`: they bill, and say that no vendor's page was read.
pub fn price_file(
    comparison: &Comparison,
    origin: &str,
    only: &[String],
) -> Result<PriceFile, WriteError> {
    let wanted = |id: &str| only.is_empty() || only.iter().any(|name| name == id);
    let known = |name: &&String| {
        comparison.new.iter().any(|model| model.id == **name)
            || comparison.changed.iter().any(|change| *change.model.id.0 == ***name)
    };
    if let Some(missing) = only.iter().find(|name| !known(name)) {
        return Err(WriteError::NotThere(missing.clone()));
    }
    let on = comparison.on;
    let mut text = format!(
        "# Made by `flyball pricing import` from {origin}.\n\
         # Compare the prices with their vendors' pages before relying on them.\n\
         schema = 1\nprovider = \"anthropic\"\n\n\
         [[source]]\nid = \"import\"\nurl = {}\nretrieved = {on}\n",
        quoted(origin)
    );
    for change in comparison.changed.iter().filter(|change| wanted(&change.model.id.0)) {
        write_changed(&mut text, change.model, change.period, on);
    }
    for model in comparison.new.iter().filter(|model| wanted(&model.id)) {
        write_new(&mut text, model, on);
    }
    let file = PriceFile { name: origin.to_owned(), text };
    PriceTable::parse(std::slice::from_ref(&file))?;
    Ok(file)
}

fn write_changed(text: &mut String, model: &Model, theirs: &ImportedPeriod, on: Date) {
    let from = theirs.from.filter(|from| *from <= on);
    let current = model.period(on).ok();
    let from = match (from, current) {
        (Some(from), Some(current)) if from < current.from => current.from,
        (Some(from), _) => from,
        (None, _) => on,
    };
    write_model(text, model);
    for period in model.periods.iter().filter(|period| period.from < from) {
        let until = period.until.map_or(from, |until| until.min(from));
        let until = if period.status.bills() { Some(until) } else { period.until };
        write_period(text, period, until);
    }
    let next = model.periods.iter().filter(|period| period.status.bills() && period.from > from);
    let until = next.map(|period| period.from).min().or_else(|| current.and_then(|own| own.until));
    write_imported(text, theirs, from, until, current);
    for period in model.periods.iter().filter(|period| period.from > from) {
        write_period(text, period, period.until);
    }
}

fn write_new(text: &mut String, model: &ImportedModel, on: Date) {
    let tokenizer = match model.provider.as_str() {
        "anthropic" => Tokenizer::Claude47,
        "openai" => Tokenizer::O200k,
        _ => Tokenizer::Other,
    };
    let lines = ["haiku", "sonnet", "opus", "fable", "mythos", "flash", "mini", "sol", "luna"];
    let line = lines.into_iter().find(|line| model.id.contains(line)).unwrap_or("other");
    let context = model.context_tokens.filter(|tokens| *tokens > 0);
    let _ = write!(text, "\n# Line, tokenizer and status are guesses from its name.\n[[model]]\n");
    let _ = writeln!(text, "id = {}", quoted(&model.id));
    let _ = writeln!(text, "provider = {}", quoted(&model.provider));
    let _ = writeln!(text, "line = \"{line}\"\nstatus = \"active\"");
    let _ = writeln!(text, "tokenizer = \"{}\"", tokenizer_name(tokenizer));
    let context = context.unwrap_or_else(|| {
        text.push_str("# The window is not given there: 200,000 is a guess.\n");
        200_000
    });
    let _ = writeln!(text, "context = {context}");
    let longest = model.max_output_tokens.filter(|tokens| *tokens > 0).unwrap_or_else(|| {
        text.push_str("# The longest output is not given there: the window bounds it.\n");
        context
    });
    let _ = writeln!(text, "max_output = {longest}");
    let mut periods = model.periods.iter().peekable();
    while let Some(period) = periods.next() {
        let until = periods.peek().and_then(|next| next.from);
        let from = period.from.unwrap_or_else(|| until.map_or(on, |until| until.min(on)));
        if until.is_none_or(|until| from < until) {
            write_imported(text, period, from, until, None);
        }
    }
}

fn write_model(text: &mut String, model: &Model) {
    let _ = write!(text, "\n[[model]]\nid = {}\n", quoted(&model.id.0));
    let _ = writeln!(text, "provider = {}", quoted(&model.provider));
    let _ = writeln!(text, "line = {}", quoted(&model.line));
    if model.rank > 0 {
        let _ = writeln!(text, "rank = {}", model.rank);
    }
    let _ = writeln!(text, "status = \"{}\"", model.status.name());
    let _ = writeln!(text, "tokenizer = \"{}\"", tokenizer_name(model.tokenizer));
    let _ = writeln!(
        text,
        "context = {}\nmax_output = {}",
        model.context_tokens, model.max_output_tokens
    );
    if let Some(tokens) = model.min_cache_tokens {
        let _ = writeln!(text, "min_cache = {tokens}");
    }
    if !model.efforts.is_empty() {
        let efforts: Vec<String> =
            model.efforts.iter().map(|effort| quoted(effort.name())).collect();
        let _ = writeln!(text, "efforts = [{}]", efforts.join(", "));
    }
    if let Some(effort) = model.default_effort {
        let _ = writeln!(text, "default_effort = \"{}\"", effort.name());
    }
    if let Some(factor) = model.us_multiplier {
        let _ = writeln!(text, "us_multiplier = \"{factor}\"");
    }
    let dates = [
        ("released", model.released),
        ("retires", model.retires),
        ("retires_not_before", model.retires_not_before),
    ];
    for (key, date) in dates {
        write_date(text, key, date);
    }
    if !model.ids.is_empty() {
        let lists = model.ids.iter().map(|(provider, ids)| {
            let ids: Vec<String> = ids.iter().map(|id| quoted(id)).collect();
            format!("{} = [{}]", quoted(provider), ids.join(", "))
        });
        let _ = writeln!(text, "ids = {{ {} }}", lists.collect::<Vec<_>>().join(", "));
    }
}

/// A period of ours, its end moved; sources stay behind in the file that declares them.
fn write_period(text: &mut String, period: &Period, until: Option<Date>) {
    let _ = write!(text, "\n[[model.price]]\nfrom = {}\n", period.from);
    write_date(text, "until", until);
    let _ = writeln!(text, "status = \"{}\"", period.status.name());
    if let Some(basis) = &period.basis {
        let _ = writeln!(text, "basis = {}", quoted(basis));
    }
    write_date(text, "checked", period.checked);
    write_rates(text, &period.rates);
    write_factor(text, "batch", period.batch);
    write_factor(text, "fast", period.fast);
    write_tiers(text, &period.tiers);
}

/// A period of theirs. Cache rates and factors on which they are silent stay as in ours.
fn write_imported(
    text: &mut String,
    theirs: &ImportedPeriod,
    from: Date,
    until: Option<Date>,
    ours: Option<&Period>,
) {
    let _ = write!(text, "\n[[model.price]]\nfrom = {from}\n");
    write_date(text, "until", until);
    let status = PriceStatus::Observed.name();
    let _ = write!(text, "status = \"{status}\"\nbasis = \"imported\"\nsources = [\"import\"]\n");
    write_rates(text, &filled(theirs.rates, ours.map(|ours| ours.rates)));
    if let Some(ours) = ours {
        write_factor(text, "batch", ours.batch);
        write_factor(text, "fast", ours.fast);
    }
    let tiers: Vec<Tier> = theirs
        .tiers
        .iter()
        .map(|tier| {
            let own = ours.map_or(&[][..], |ours| ours.tiers.as_slice());
            let own = own.iter().find(|own| own.prompt_tokens_gt == tier.prompt_tokens_gt);
            let own = own.map(|own| own.rates).or_else(|| ours.map(|ours| ours.rates));
            Tier { rates: filled(tier.rates, own), ..*tier }
        })
        .collect();
    write_tiers(text, &tiers);
}

fn filled(theirs: Rates, ours: Option<Rates>) -> Rates {
    let own = |class| ours.and_then(|rates| rates.get(class));
    Rates {
        cache_write_5m: theirs.cache_write_5m.or_else(|| own(TokenClass::CacheWrite5m)),
        cache_write_1h: theirs.cache_write_1h.or_else(|| own(TokenClass::CacheWrite1h)),
        cache_read: theirs.cache_read.or_else(|| own(TokenClass::CacheRead)),
        ..theirs
    }
}

fn write_tiers(text: &mut String, tiers: &[Tier]) {
    for tier in tiers {
        let start = tier.prompt_tokens_gt;
        let _ = write!(text, "\n[[model.price.tier]]\nprompt_tokens_gt = {start}\n");
        write_rates(text, &tier.rates);
    }
}

fn write_rates(text: &mut String, rates: &Rates) {
    for class in TokenClass::ALL {
        if let Some(rate) = rates.get(class) {
            let _ = writeln!(text, "{class} = \"{}\"", rate.usd_per_million().to_decimal());
        }
    }
}

fn write_factor(text: &mut String, key: &str, factor: Option<DatedMultiplier>) {
    let Some(factor) = factor else { return };
    let mut parts = format!("multiplier = \"{}\"", factor.multiplier);
    for (name, date) in [("from", factor.from), ("until", factor.until)] {
        if let Some(date) = date {
            let _ = write!(parts, ", {name} = {date}");
        }
    }
    let _ = writeln!(text, "{key} = {{ {parts} }}");
}

fn write_date(text: &mut String, key: &str, date: Option<Date>) {
    if let Some(date) = date {
        let _ = writeln!(text, "{key} = {date}");
    }
}

/// As a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
