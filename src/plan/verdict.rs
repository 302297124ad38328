//! Whether a plan is within its budget, and how sure that is.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a share of samples, between 0 and 1,000"
)]

use crate::amount::{Amount, percent};
use crate::band::quantile;
use crate::calibrate::WindowRate;
use crate::money::Picodollars;
use crate::plan::endings::per_mille;
use crate::plan::report::{BudgetVerdict, VerdictOutcome};

/// The samples' totals that budgets are held against.
pub struct Outcomes<'a> {
    /// Dollars; `None` where a model has no price.
    pub cost: Option<&'a [Picodollars]>,
    /// Billed tokens.
    pub billed_tokens: &'a [u64],
    /// Output tokens.
    pub output_tokens: &'a [u64],
    /// Agents.
    pub agents: &'a [u64],
    /// What a percent of a plan window is worth, where that was learned.
    pub window_rates: &'a [WindowRate],
}

/// One budget held against the samples; `None` where they say nothing about it: a plan window
/// needs a history of its own, dollars need prices.
///
/// A share of a plan window is held as the dollars that it is worth at least.
pub fn hold(amount: Amount, outcomes: &Outcomes<'_>, tolerated: u32) -> Option<BudgetVerdict> {
    let costly = |limit: Picodollars| {
        let costs = outcomes.cost?;
        Some((costs.iter().filter(|cost| **cost > limit).count(), costs.len()))
    };
    let above = |values: &[u64], limit: u64| values.iter().filter(|value| **value > limit).count();
    let (exceeding, samples) = match amount {
        Amount::Usd(limit) => costly(limit)?,
        Amount::BilledTokens(limit) => {
            (above(outcomes.billed_tokens, limit), outcomes.billed_tokens.len())
        }
        Amount::OutputTokens(limit) => {
            (above(outcomes.output_tokens, limit), outcomes.output_tokens.len())
        }
        Amount::Agents(limit) => (above(outcomes.agents, limit), outcomes.agents.len()),
        Amount::PlanWindow { window, milli_percent } => {
            let rate = outcomes.window_rates.iter().find(|rate| rate.window == window)?;
            costly(rate.worth(milli_percent))?
        }
    };
    Some(BudgetVerdict {
        amount: amount.to_string(),
        scope: None,
        of: None,
        exceeded_per_mille: per_mille(exceeding, samples),
        error_per_mille: error_per_mille(exceeding, samples),
        tolerated_per_mille: tolerated,
    })
}

/// How a share of a plan window was held, or why it was not; `None` for other amounts.
pub fn say_window(amount: Amount, outcomes: &Outcomes<'_>) -> Option<String> {
    let Amount::PlanWindow { window, .. } = amount else { return None };
    let rate = outcomes.window_rates.iter().find(|rate| rate.window == window);
    let Some(rate) = rate else {
        return Some(format!(
            "{amount} cannot be judged: what 1% is worth is not calibrated, see flyball budget show"
        ));
    };
    let mut costs = outcomes.cost?.to_vec();
    costs.sort_unstable();
    let share = |per_mille| Some(percent(rate.share(quantile(&costs, per_mille)?)));
    let (low, high) = (rate.low, rate.high);
    Some(format!(
        "{amount} is soft: a run takes at most {} of the window typically and {} in 1 of 10, where \
         1% is worth {low}, the low end of {low} to {high} at list price",
        share(500)?,
        share(900)?,
    ))
}

/// Half the width of the 95 % Wilson interval for `part` of `whole`, in thousandths, rounded up:
/// unlike the normal approximation it does not claim certainty where no sample exceeded.
pub fn error_per_mille(part: usize, whole: usize) -> u32 {
    let n = whole.max(1) as f64;
    let p = part as f64 / n;
    let z = 1.96_f64;
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    (half * 1000.0).ceil() as u32
}

/// The word for the worst of the budgets; see `hold`.
pub fn word_for(exceeded_per_mille: Option<u32>, tolerated_per_mille: u32) -> VerdictOutcome {
    match exceeded_per_mille {
        None => VerdictOutcome::NoBudget,
        Some(exceeded) if exceeded > 500 => VerdictOutcome::Over,
        Some(exceeded) if exceeded > tolerated_per_mille => VerdictOutcome::AtRisk,
        Some(_) => VerdictOutcome::Within,
    }
}
