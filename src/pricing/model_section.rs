//! From a `[[model]]` of a price file to a [`Model`], multipliers folded in.

use std::collections::BTreeMap;

use crate::effort::Effort;
use crate::id::{ModelId, PriceId};
use crate::pricing::document::Section;
use crate::pricing::{
    DatedMultiplier, Feature, Lifecycle, Mode, Model, Multiplier, Period, Price, PriceStatus,
    PricingError, Rates, Tier, TokenClass,
};
use crate::tokens::Tokenizer;

pub(super) const MODEL_KEYS: &[&str] = &[
    "id",
    "provider",
    "line",
    "rank",
    "status",
    "released",
    "retires",
    "retires_not_before",
    "tokenizer",
    "context",
    "max_output",
    "min_cache",
    "efforts",
    "default_effort",
    "takes",
    "us_multiplier",
    "ids",
    "price",
];
const PERIOD_KEYS: &[&str] = &[
    "from",
    "until",
    "status",
    "basis",
    "sources",
    "checked",
    "input",
    "output",
    "cache_write_5m",
    "cache_write_1h",
    "cache_read",
    "batch",
    "fast",
    "tier",
];
const TIER_KEYS: &[&str] =
    &["prompt_tokens_gt", "input", "output", "cache_write_5m", "cache_write_1h", "cache_read"];
const FACTOR_KEYS: &[&str] = &["multiplier", "from", "until"];
const TOKENIZERS: &[(Tokenizer, &str)] = &[
    (Tokenizer::ClaudeOld, "claude-old"),
    (Tokenizer::Claude47, "claude-4.7"),
    (Tokenizer::O200k, "o200k"),
    (Tokenizer::Other, "other"),
];

/// The name of a tokenizer in price files.
pub(super) fn tokenizer_name(tokenizer: Tokenizer) -> &'static str {
    TOKENIZERS.iter().find(|(known, _)| *known == tokenizer).map_or("other", |(_, name)| name)
}

pub(super) fn read_model(section: &Section, provider: &str) -> Result<Model, PricingError> {
    let id = ModelId::from(section.text_required("id", "\"claude-haiku-5-5\"")?.to_owned());
    let required = |key| section.count(key)?.ok_or_else(|| section.missing(key, "200_000"));
    let us_multiplier = section.multiplier("us_multiplier")?;
    let tokenizers: Vec<Tokenizer> = TOKENIZERS.iter().map(|(tokenizer, _)| *tokenizer).collect();
    let efforts = read_efforts(section)?;
    let default_effort = section.one_of("default_effort", &Effort::ALL, Effort::name)?;
    if default_effort.is_some_and(|effort| !efforts.contains(&effort)) {
        let problem = "`default_effort` is not among `efforts`";
        return Err(section.fault_at("default_effort", problem, "add it to efforts"));
    }
    Ok(Model {
        provider: section.text("provider")?.unwrap_or(provider).to_owned(),
        line: section.text_required("line", "\"haiku\"")?.to_owned(),
        rank: read_rank(section)?,
        status: section
            .one_of("status", &Lifecycle::ALL, Lifecycle::name)?
            .ok_or_else(|| section.missing("status", "\"active\""))?,
        tokenizer: section
            .one_of("tokenizer", &tokenizers, tokenizer_name)?
            .ok_or_else(|| section.missing("tokenizer", "\"claude-4.7\""))?,
        context_tokens: required("context")?,
        max_output_tokens: required("max_output")?,
        min_cache_tokens: section.count("min_cache")?,
        efforts,
        default_effort,
        takes: read_takes(section)?,
        released: section.date("released")?,
        retires: section.date("retires")?,
        retires_not_before: section.date("retires_not_before")?,
        us_multiplier,
        ids: read_ids(section)?,
        periods: read_periods(section, &id, us_multiplier)?,
        id,
    })
}

/// Unranked models come last in every order.
const UNRANKED: u32 = 0;

fn read_rank(section: &Section) -> Result<u32, PricingError> {
    let Some(rank) = section.count("rank")? else { return Ok(UNRANKED) };
    u32::try_from(rank).map_err(|_| section.fault_at("rank", "`rank` is too large", "below 2^32"))
}

fn read_efforts(section: &Section) -> Result<Vec<Effort>, PricingError> {
    let mut efforts = Vec::new();
    for name in section.texts("efforts")? {
        let effort = Effort::from_name(&name).ok_or_else(|| {
            let names = Effort::ALL.map(Effort::name).join(", ");
            section.fault_at("efforts", format!("no effort `{name}`"), format!("one of {names}"))
        })?;
        efforts.push(effort);
    }
    efforts.sort_unstable();
    efforts.dedup();
    Ok(efforts)
}

fn read_takes(section: &Section) -> Result<Option<Vec<Feature>>, PricingError> {
    if section.get("takes").is_none() {
        return Ok(None);
    }
    let mut takes = Vec::new();
    for name in section.texts("takes")? {
        let known = Feature::ALL.into_iter().find(|feature| feature.name() == name);
        takes.push(known.ok_or_else(|| {
            let names = Feature::ALL.map(Feature::name).join(", ");
            section.fault_at("takes", format!("no feature `{name}`"), format!("some of {names}"))
        })?);
    }
    takes.sort_unstable();
    takes.dedup();
    Ok(Some(takes))
}

fn read_ids(section: &Section) -> Result<BTreeMap<String, Vec<String>>, PricingError> {
    let mut ids = BTreeMap::new();
    if let Some(table) = section.section("ids", "ids", None)? {
        for (provider, _) in table.entries() {
            ids.insert(provider.to_owned(), table.texts(provider)?);
        }
    }
    Ok(ids)
}

fn read_periods(
    section: &Section,
    id: &ModelId,
    us: Option<Multiplier>,
) -> Result<Vec<Period>, PricingError> {
    let rows = section.sections("price", "[[model.price]]", PERIOD_KEYS)?;
    let mut periods: Vec<Period> = Vec::with_capacity(rows.len());
    for row in &rows {
        let period = read_period(row, id, us)?;
        let clash = periods.iter().find(|other| {
            other.status.bills() == period.status.bills()
                && other.until.is_none_or(|until| period.from < until)
                && period.until.is_none_or(|until| other.from < until)
        });
        if let Some(other) = clash {
            let problem = format!("{} overlaps the period from {}", period.id, other.from);
            let help = "periods are half-open, [from, until): end one on the day the next begins";
            return Err(row.fault_at("from", problem, help));
        }
        periods.push(period);
    }
    if periods.is_empty() {
        return Err(section.missing("price", "a [[model.price]] table with from, input and output"));
    }
    periods.sort_by_key(|period| (period.from, !period.status.bills()));
    Ok(periods)
}

fn read_period(
    row: &Section,
    model: &ModelId,
    us: Option<Multiplier>,
) -> Result<Period, PricingError> {
    let from = row.date("from")?.ok_or_else(|| row.missing("from", "2026-10-07"))?;
    let until = row.date("until")?;
    if until.is_some_and(|until| until <= from) {
        let help = "`until` is the first day after the period; leave it out while it is open";
        return Err(row.fault_at("until", "`until` is not after `from`", help));
    }
    let status = row.one_of("status", &PriceStatus::ALL, PriceStatus::name)?;
    let mut period = Period {
        id: PriceId::from(format!("{model}@{from}")),
        from,
        until,
        status: status.ok_or_else(|| row.missing("status", "\"confirmed\""))?,
        basis: row.owned("basis")?,
        sources: row.texts("sources")?,
        checked: row.date("checked")?,
        rates: read_rates(row)?,
        tiers: read_tiers(row)?,
        batch: read_factor(row, "batch")?,
        fast: read_factor(row, "fast")?,
        prices: Default::default(),
    };
    fold_modes(row, &mut period, us)?;
    Ok(period)
}

fn read_rates(row: &Section) -> Result<Rates, PricingError> {
    let missing = |class: TokenClass| row.missing(class.key(), "\"0.10\"");
    Rates::try_from_classes(|class| row.rate(class), missing)
}

fn read_tiers(row: &Section) -> Result<Vec<Tier>, PricingError> {
    let base = read_rates(row)?;
    let mut tiers: Vec<Tier> = Vec::new();
    for section in row.sections("tier", "[[model.price.tier]]", TIER_KEYS)? {
        let above = section.count("prompt_tokens_gt")?;
        let above = above.ok_or_else(|| section.missing("prompt_tokens_gt", "100_000"))?;
        let rates = read_rates(&section)?;
        let uneven = TokenClass::ALL
            .into_iter()
            .find(|class| base.get(*class).is_some() != rates.get(*class).is_some());
        if let Some(class) = uneven {
            let help = "a tier gives the same rates as its period: nothing is inherited";
            return Err(section.fault(format!("`{class}` is in the period or its tier only"), help));
        }
        if tiers.last().is_some_and(|last| last.prompt_tokens_gt >= above) {
            let help = "list tiers by rising prompt_tokens_gt";
            return Err(section.fault_at("prompt_tokens_gt", "tiers are out of order", help));
        }
        tiers.push(Tier { prompt_tokens_gt: above, rates });
    }
    Ok(tiers)
}

/// `batch = "0.5"` or `fast = { multiplier = "2", until = 2026-11-30 }`.
fn read_factor(row: &Section, key: &'static str) -> Result<Option<DatedMultiplier>, PricingError> {
    if row.get(key).is_none_or(|value| !value.get_ref().is_table()) {
        let factor = row.multiplier(key)?;
        return Ok(factor.map(|multiplier| DatedMultiplier {
            multiplier,
            from: None,
            until: None,
        }));
    }
    let Some(table) = row.section(key, key, Some(FACTOR_KEYS))? else { return Ok(None) };
    let multiplier = table.multiplier("multiplier")?;
    Ok(Some(DatedMultiplier {
        multiplier: multiplier.ok_or_else(|| table.missing("multiplier", "\"2\""))?,
        from: table.date("from")?,
        until: table.date("until")?,
    }))
}

/// Computes the price of every mode that the period offers, so that looking one up multiplies
/// nothing. Fast batches are not offered by any vendor as far as is confirmed.
fn fold_modes(
    row: &Section,
    period: &mut Period,
    us: Option<Multiplier>,
) -> Result<(), PricingError> {
    for mode in Mode::ALL {
        let asked = [
            (mode.batch, period.batch.map(|factor| factor.multiplier)),
            (mode.fast, period.fast.map(|factor| factor.multiplier)),
            (mode.us, us),
        ];
        if (mode.batch && mode.fast) || asked.iter().any(|(on, factor)| *on && factor.is_none()) {
            continue;
        }
        let factors: Vec<Multiplier> =
            asked.into_iter().filter_map(|(on, factor)| factor.filter(|_| on)).collect();
        let fold = |rates: &Rates| {
            factors.iter().try_fold(*rates, |rates, factor| rates.times(*factor)).map_err(|class| {
                let problem = format!(
                    "`{class}` in mode {} is not a whole number of picodollars per token",
                    mode.name()
                );
                row.fault(problem, "write the rate or the factor with fewer digits")
            })
        };
        let first = fold(&period.rates)?;
        let tiers = period.tiers.iter();
        let tiers: Result<Vec<_>, PricingError> =
            tiers.map(|tier| Ok((tier.prompt_tokens_gt, fold(&tier.rates)?))).collect();
        if let Some(slot) = period.prices.get_mut(mode.index()) {
            *slot = Some(Price::new(period.id.clone(), mode, first, tiers?));
        }
    }
    Ok(())
}
