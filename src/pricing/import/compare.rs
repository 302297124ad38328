//! What another table says that ours does not.

use jiff::civil::Date;

use super::{Imported, ImportedModel, ImportedPeriod, NotUnderstood};
use crate::money::Rate;
use crate::pricing::{Model, PriceTable, Rates, Tier, TokenClass};

/// Another table against ours, on one day.
#[derive(Clone, Debug)]
pub struct Comparison<'a> {
    /// The day whose prices are compared.
    pub on: Date,
    /// Models that ours does not list.
    pub new: Vec<&'a ImportedModel>,
    /// Models whose prices differ.
    pub changed: Vec<Change<'a>>,
    /// Changes the other table has for later days and ours has not.
    pub coming: Vec<Coming<'a>>,
    /// How many models have equal prices.
    pub equal: usize,
    /// What was left out of the other table, and why.
    pub not_understood: &'a [NotUnderstood],
}

/// One model with different prices.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// Our model.
    pub model: &'a Model,
    /// Their period.
    pub period: &'a ImportedPeriod,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// One rate that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The tier, by its prompt tokens; the first if absent.
    pub prompt_tokens_gt: Option<u64>,
    /// The class.
    pub class: TokenClass,
    /// Our rate.
    pub ours: Option<Rate>,
    /// Their rate.
    pub theirs: Option<Rate>,
}

/// A change of price that the other table dates later.
#[derive(Clone, Copy, Debug)]
pub struct Coming<'a> {
    /// Our model.
    pub model: &'a Model,
    /// Their period.
    pub period: &'a ImportedPeriod,
}

/// Compares the standard prices of `imported` with those of `table` on a day.
pub fn compare<'a>(table: &'a PriceTable, imported: &'a Imported, on: Date) -> Comparison<'a> {
    let mut comparison = Comparison {
        on,
        new: Vec::new(),
        changed: Vec::new(),
        coming: Vec::new(),
        equal: 0,
        not_understood: &imported.not_understood,
    };
    for theirs in &imported.models {
        let Some(model) = table.model_listed_as(&theirs.id) else {
            comparison.new.push(theirs);
            continue;
        };
        for period in &theirs.periods {
            let later = period.from.is_some_and(|from| on < from);
            let known = |from| {
                model
                    .periods
                    .iter()
                    .any(|own| own.from == from && same(own.rates, &own.tiers, period))
            };
            if later && !period.from.is_some_and(known) {
                comparison.coming.push(Coming { model, period });
            }
        }
        let Some(period) = theirs.period(on) else { continue };
        let differences = differences(model, period, on);
        // One model may be listed there under several of its names.
        let told = comparison.changed.iter().any(|change| change.model.id == model.id);
        if differences.is_empty() {
            comparison.equal += 1;
        } else if !told {
            comparison.changed.push(Change { model, period, differences });
        }
    }
    comparison
}

fn same(rates: Rates, tiers: &[Tier], theirs: &ImportedPeriod) -> bool {
    steps_differ(Some(rates), tiers, theirs).is_empty()
}

fn differences(model: &Model, theirs: &ImportedPeriod, on: Date) -> Vec<Difference> {
    match model.period(on) {
        Ok(ours) => steps_differ(Some(ours.rates), &ours.tiers, theirs),
        Err(_) => steps_differ(None, &[], theirs),
    }
}

fn steps_differ(ours: Option<Rates>, tiers: &[Tier], theirs: &ImportedPeriod) -> Vec<Difference> {
    let mut found = Vec::new();
    rates_differ(None, ours, Some(theirs.rates), &mut found);
    let starts = tiers.iter().chain(&theirs.tiers).map(|tier| tier.prompt_tokens_gt);
    let mut starts: Vec<u64> = starts.collect();
    starts.sort_unstable();
    starts.dedup();
    for start in starts {
        let at = |tiers: &[Tier]| {
            tiers.iter().find(|tier| tier.prompt_tokens_gt == start).map(|tier| tier.rates)
        };
        rates_differ(Some(start), at(tiers), at(&theirs.tiers), &mut found);
    }
    found
}

/// A class on which the other table is silent while it gives the others is no difference.
fn rates_differ(
    prompt_tokens_gt: Option<u64>,
    ours: Option<Rates>,
    theirs: Option<Rates>,
    found: &mut Vec<Difference>,
) {
    for class in TokenClass::ALL {
        let own = ours.and_then(|rates| rates.get(class));
        let other = theirs.and_then(|rates| rates.get(class));
        let silent = theirs.is_some() && other.is_none();
        if own != other && !silent {
            found.push(Difference { prompt_tokens_gt, class, ours: own, theirs: other });
        }
    }
}
