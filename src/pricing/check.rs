//! Findings about a price table that parses and may still be wrong.

use jiff::civil::Date;

use crate::diagnostic::{Diagnostic, Severity};
use crate::money::Rate;
use crate::pricing::{Lifecycle, Model, Period, PriceTable, Rates, TokenClass};

/// Rates outside these bounds are likely typed in another unit: a price per token (0.000003) or
/// per thousand tokens where dollars per million belong. In picodollars per token.
const PLAUSIBLE_MIN: Rate = Rate::from_pico_per_token(1_000);
const PLAUSIBLE_MAX: Rate = Rate::from_pico_per_token(2_000_000_000);

/// A price that nobody compared with its sources for this many days may have changed.
const CHECKED_DAYS_MAX: i32 = 90;

/// Looks through `table` as of the day `today`. Errors and warnings need somebody's attention;
/// notes are worth knowing.
pub fn check(table: &PriceTable, today: Date) -> Vec<Diagnostic> {
    let mut findings = Findings::default();
    for model in table.models() {
        check_lifecycle(&mut findings, model, today);
        check_periods(&mut findings, model, today);
        for period in &model.periods {
            check_rates(&mut findings, period);
            check_age(&mut findings, period, today);
        }
    }
    check_aliases(&mut findings, table, today);
    findings.0
}

#[derive(Default)]
struct Findings(Vec<Diagnostic>);

impl Findings {
    fn add(&mut self, severity: Severity, code: &str, message: String, help: &str) {
        self.0.push(Diagnostic::new(severity, code, message).with_help(help));
    }

    fn warn(&mut self, code: &str, message: String, help: &str) {
        self.add(Severity::Warning, code, message, help);
    }

    fn note(&mut self, code: &str, message: String, help: &str) {
        self.add(Severity::Note, code, message, help);
    }
}

fn check_lifecycle(findings: &mut Findings, model: &Model, today: Date) {
    let id = &model.id;
    if let Some(retires) = model.retires {
        if retires <= today && model.status != Lifecycle::Retired {
            let message =
                format!("{id} was to be retired on {retires} and is listed as in service");
            findings.warn("pricing::retired", message, "set status = \"retired\", or the new day");
        } else if retires > today {
            let message = format!("{id} retires on {retires}");
            findings.note(
                "pricing::retires",
                message,
                "route its stages elsewhere before that day",
            );
        }
    }
    if model.max_output_tokens > model.context_tokens {
        let message = format!("{id} can generate more than its window holds");
        findings.warn("pricing::limits", message, "swap context and max_output?");
    }
    if let Some(period) = model.periods.first()
        && model.released.is_some_and(|released| period.from < released)
    {
        let message = format!("{id} has a price from {}, before its release", period.from);
        findings.warn("pricing::dates", message, "correct `released` or `from`");
    }
}

fn check_periods(findings: &mut Findings, model: &Model, today: Date) {
    let id = &model.id;
    let billing: Vec<&Period> =
        model.periods.iter().filter(|period| period.status.bills()).collect();
    if billing.is_empty() {
        let message = format!("{id} has announced prices only and cannot be priced");
        findings.warn("pricing::announced-only", message, "confirm a period");
    }
    for (period, next) in billing.iter().zip(billing.iter().skip(1)) {
        if period.until.is_some_and(|until| until < next.from) {
            let (from, until) = (period.until.unwrap_or(period.from), next.from);
            let message = format!("{id} has no price from {from} until {until}");
            findings.warn("pricing::gap", message, "let one period end on the day the next begins");
        }
    }
    if let Some(ended) = billing.last().and_then(|period| period.until)
        && ended <= today
    {
        let message = format!("the last price of {id} ended on {ended}: it cannot be priced");
        findings.warn("pricing::ended", message, "add the period that follows");
    }
    for period in model.periods.iter().filter(|period| !period.status.bills()) {
        let from = period.from;
        if from <= today {
            let message = format!("the price of {id} announced for {from} was never confirmed");
            let help = "read the vendor's page: set status = \"confirmed\", or remove the period";
            findings.warn("pricing::announcement-due", message, help);
        } else {
            let message = format!("{id}: a change of price is announced for {from}");
            findings.note("pricing::announced", message, "it does not bill until it is confirmed");
        }
    }
}

fn check_rates(findings: &mut Findings, period: &Period) {
    let id = &period.id;
    let mut base: Option<&Rates> = None;
    let tiers = period.tiers.iter().map(|tier| (Some(tier.prompt_tokens_gt), &tier.rates));
    for (above, rates) in std::iter::once((None, &period.rates)).chain(tiers) {
        let place =
            above.map_or_else(|| id.to_string(), |above| format!("{id} above {above} tokens"));
        for class in TokenClass::ALL {
            let Some(rate) = rates.get(class) else { continue };
            if rate > Rate::default() && (rate < PLAUSIBLE_MIN || rate > PLAUSIBLE_MAX) {
                let dollars = rate.usd_per_million().to_decimal();
                let message = format!("{place}: {class} is ${dollars} per million tokens");
                findings.warn("pricing::unit", message, "prices are dollars per million tokens");
            }
            if base.and_then(|base| base.get(class)).is_some_and(|below| rate < below) {
                let message = format!("{place}: {class} is cheaper than for shorter prompts");
                findings.warn("pricing::tier", message, "compare the tier with its source");
            }
        }
        check_order(findings, &place, rates);
        base = Some(rates);
    }
}

/// Relations that hold for every price published so far.
fn check_order(findings: &mut Findings, place: &str, rates: &Rates) {
    use TokenClass::{CacheRead, CacheWrite1h, CacheWrite5m, Input, Output};
    let expected =
        [(Input, Output), (Input, CacheWrite5m), (CacheWrite5m, CacheWrite1h), (CacheRead, Input)];
    for (low, high) in expected {
        if let (Some(lower), Some(higher)) = (rates.get(low), rates.get(high))
            && lower > higher
        {
            let message = format!("{place}: {low} costs more than {high}");
            findings.warn("pricing::order", message, "compare both with their source");
        }
    }
}

fn check_age(findings: &mut Findings, period: &Period, today: Date) {
    let open = period.until.is_none_or(|until| today < until);
    let Some(checked) = period.checked.filter(|_| open) else { return };
    let days = (today - checked).get_days();
    if days > CHECKED_DAYS_MAX {
        let message = format!("{} was last checked {days} days ago, on {checked}", period.id);
        findings.note("pricing::old", message, "compare it with its source, then set `checked`");
    }
}

fn check_aliases(findings: &mut Findings, table: &PriceTable, today: Date) {
    for alias in table.aliases().filter(|alias| alias.covers(today)) {
        let name = &alias.name;
        if table.model(name).is_some() {
            let message = format!("the alias `{name}` is hidden by the model of that name");
            findings.warn("pricing::alias-hidden", message, "rename the alias");
        }
        let Some(model) = table.model(&alias.target) else { continue };
        if model.status == Lifecycle::Retired {
            let message = format!("the alias `{name}` stands for {}, which is retired", model.id);
            findings.warn(
                "pricing::alias-retired",
                message,
                "let it stand for the model's successor",
            );
        }
    }
}
