//! Finds the routing that keeps the most capability within an amount. Pure: costs per sample come
//! in, choices go out; knows no policy, price or script.
//!
//! **Capability** of a routing is the sum over stages of `weight × rank`: a step up the ladder
//! counts as much as the stage matters (reduce 4, single 2, fan-out 1), however many agents it
//! has. Among routings of equal capability the one with the lower P90 wins, then the one that
//! comes first in the order candidates are given in.
//!
//! **Within the amount** means that the nearest-rank quantile over samples of the summed cost is
//! at most the amount. Samples are shared by all stages and candidates, so correlated stages are
//! seen as such; quantiles of stages are never added.
//!
//! Branch and bound: exact where it ends within [`WORK_MAX`], which a handful of stages always
//! does; else the best found, with a proved bound on what could still be gained.

mod relaxation;
mod search;

use serde::{Deserialize, Serialize};

use crate::band::quantile;
use crate::id::ModelId;
use crate::money::{PICO_PER_USD, Picodollars};
use crate::role::Role;

/// The most single-sample additions one search may do: what keeps it to tens of milliseconds.
pub const WORK_MAX: u64 = 8_000_000;

/// The most stages, candidates per stage and samples of a search.
pub const STAGES_MAX: usize = 1_000;
/// See [`STAGES_MAX`].
pub const CANDIDATES_MAX: usize = 64;
/// See [`STAGES_MAX`].
pub const SAMPLES_MAX: usize = 100_000;

/// Costs above this count as this: no plan has such a stage, and sums stay exact.
const COST_MAX_PICO: i128 = 1_000_000_000 * PICO_PER_USD;

/// What to fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FitInput {
    /// The stages, in any order; results keep it.
    pub stages: Vec<FitStage>,
    /// The most that the quantile may cost.
    pub amount: Picodollars,
    /// Which quantile, per mille: 900 is P90.
    pub per_mille: usize,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FitStage {
    /// Its name, for results.
    pub name: String,
    /// How much a step of capability matters here; see [`importance`].
    pub weight: u16,
    /// The models it may run on.
    pub candidates: Vec<FitCandidate>,
}

/// One stage on one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FitCandidate {
    /// The model.
    pub model: ModelId,
    /// Its capability: the model's step on the ladder, weakest 0.
    pub rank: u16,
    /// Cost of the whole stage in each sample; zero where the stage does not run.
    pub costs: Vec<Picodollars>,
    /// Whether it may be chosen.
    pub allowed: bool,
    /// Why not, or why only this one.
    pub reason: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// The most capable routing found within the amount.
    Within(FitRouting),
    /// Nothing found is within the amount; the cheapest routing found.
    TooLittle(FitRouting),
}

/// A model for each stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FitRouting {
    /// One per stage, in the order of the input.
    pub choices: Vec<FitChoice>,
    /// The quantile of its cost, P90 by default.
    pub cost_p90: Picodollars,
    /// The sum of `weight × rank`.
    pub capability: u64,
    /// No routing within the amount has more than this; equals `capability` where exact.
    pub capability_bound: u64,
    /// Whether the search proved that there is none better.
    pub exact: bool,
}

/// The model of one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FitChoice {
    /// The stage.
    pub stage: String,
    /// The model.
    pub model: ModelId,
    /// Its place among the stage's candidates.
    pub candidate: usize,
}

/// Why there is nothing to search.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// A stage may run on nothing.
    #[error("stage {stage} has no model it may run on{}", listed(.reasons))]
    NoCandidate {
        /// The stage.
        stage: String,
        /// `model: reason` of each candidate.
        reasons: Vec<String>,
    },
    /// Candidates disagree on the number of samples, or there are none.
    #[error("{stage} on {model} has {found} samples where {expected} are needed")]
    Samples {
        /// The stage.
        stage: String,
        /// The model.
        model: ModelId,
        /// Its samples.
        found: usize,
        /// The samples of the first candidate, at least 1.
        expected: usize,
    },
    /// A named limit was passed.
    #[error("{found} {what}; a fit takes at most {limit}")]
    TooLarge {
        /// `stages`, `candidates` or `samples`.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many are taken.
        limit: usize,
    },
}

fn listed(reasons: &[String]) -> String {
    if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) }
}

/// The weight of a stage: bringing results together counts most, wide repeated work least.
pub const fn importance(role: Role) -> u16 {
    match role {
        Role::Reduce => 4,
        Role::Single => 2,
        Role::FanOut => 1,
    }
}

/// Finds the most capable routing within the amount, or the cheapest one where there is none.
pub fn fit(input: &FitInput) -> Result<Fit, FitError> {
    check(input)?;
    let table = Table::of(input);
    let least = search::cheapest(&table);
    if least.quantile > table.amount {
        return Ok(Fit::TooLittle(table.routing(input, &least, least.capability)));
    }
    let bound = relaxation::Relaxations::of(&table).bound_at_root();
    let most = search::most_capable(&table, least.choices);
    let capability_bound = if most.exact { most.capability } else { bound };
    Ok(Fit::Within(table.routing(input, &most, capability_bound)))
}

fn check(input: &FitInput) -> Result<(), FitError> {
    let limited = |what, found, limit| {
        if found > limit { Err(FitError::TooLarge { what, found, limit }) } else { Ok(()) }
    };
    limited("stages", input.stages.len(), STAGES_MAX)?;
    let mut first: Option<usize> = None;
    for stage in &input.stages {
        limited("candidates", stage.candidates.len(), CANDIDATES_MAX)?;
        if !stage.candidates.iter().any(|candidate| candidate.allowed) {
            let reason = |candidate: &FitCandidate| {
                let why = candidate.reason.as_deref().unwrap_or("not allowed");
                format!("{}: {why}", candidate.model)
            };
            let reasons = stage.candidates.iter().map(reason).collect();
            return Err(FitError::NoCandidate { stage: stage.name.clone(), reasons });
        }
        for candidate in stage.candidates.iter().filter(|candidate| candidate.allowed) {
            let found = candidate.costs.len();
            limited("samples", found, SAMPLES_MAX)?;
            let expected = *first.get_or_insert(found.max(1));
            if found != expected {
                let (stage, model) = (stage.name.clone(), candidate.model.clone());
                return Err(FitError::Samples { stage, model, found, expected });
            }
        }
    }
    Ok(())
}

/// The input without what cannot be chosen, as plain numbers. Stages are ordered by how much their
/// choice moves the cost, most first: that prunes earliest.
struct Table {
    stages: Vec<Row>,
    amount: i128,
    samples: usize,
    /// How many samples may pass the amount.
    excess_max: usize,
}

/// One stage: its place in the input, and its candidates, most capable first.
struct Row {
    index: usize,
    options: Vec<Choice>,
}

/// One candidate that is not beaten by another one of its stage.
struct Choice {
    index: usize,
    capability: u64,
    costs: Vec<i128>,
    /// Of `costs`.
    sum: i128,
}

impl Table {
    fn of(input: &FitInput) -> Self {
        let samples = input
            .stages
            .iter()
            .flat_map(|stage| &stage.candidates)
            .find(|candidate| candidate.allowed)
            .map_or(1, |candidate| candidate.costs.len());
        let rank = (samples * input.per_mille.min(1_000)).div_ceil(1_000).max(1);
        let mut stages: Vec<Row> = input.stages.iter().enumerate().map(Row::of).collect();
        stages.sort_by_key(|row| std::cmp::Reverse(row.spread()));
        Self { stages, amount: input.amount.pico(), samples, excess_max: samples - rank }
    }

    /// The quantile of `totals`, which it reorders.
    fn quantile(&self, totals: &mut [i128]) -> i128 {
        let rank = self.samples - self.excess_max - 1;
        if rank < totals.len() { *totals.select_nth_unstable(rank).1 } else { 0 }
    }

    fn routing(&self, input: &FitInput, found: &search::Found, bound: u64) -> FitRouting {
        let mut picked: Vec<(usize, usize)> = self
            .stages
            .iter()
            .zip(&found.choices)
            .filter_map(|(row, choice)| Some((row.index, row.options.get(*choice)?.index)))
            .collect();
        picked.sort_unstable();
        let choices = input
            .stages
            .iter()
            .zip(picked)
            .filter_map(|(stage, (_, candidate))| {
                let model = stage.candidates.get(candidate)?.model.clone();
                Some(FitChoice { stage: stage.name.clone(), model, candidate })
            })
            .collect();
        FitRouting {
            choices,
            cost_p90: Picodollars::from_pico(found.quantile),
            capability: found.capability,
            capability_bound: bound,
            exact: found.exact,
        }
    }
}

impl Row {
    fn of((index, stage): (usize, &FitStage)) -> Self {
        let weight = u64::from(stage.weight);
        let mut options: Vec<Choice> = Vec::new();
        let allowed = stage.candidates.iter().enumerate().filter(|(_, c)| c.allowed);
        for (index, candidate) in allowed {
            let costs: Vec<i128> =
                candidate.costs.iter().map(|cost| cost.pico().clamp(0, COST_MAX_PICO)).collect();
            let capability = weight * u64::from(candidate.rank);
            let option = Choice { index, capability, sum: costs.iter().sum(), costs };
            if !options.iter().any(|other| other.beats(&option)) {
                options.retain(|other| !option.beats(other));
                options.push(option);
            }
        }
        options.sort_by_key(|option| (std::cmp::Reverse(option.capability), option.sum));
        Self { index, options }
    }

    /// How much the choice moves the cost: the sum over samples between dearest and cheapest.
    fn spread(&self) -> i128 {
        let sums = self.options.iter().map(|option| option.sum);
        sums.clone().max().unwrap_or(0) - sums.min().unwrap_or(0)
    }
}

impl Choice {
    /// Whether it is at least as capable and nowhere dearer.
    fn beats(&self, other: &Self) -> bool {
        self.capability >= other.capability
            && self.costs.iter().zip(&other.costs).all(|(mine, theirs)| mine <= theirs)
    }
}

/// The nearest-rank quantile of the cost of a routing: `choices` names one candidate per stage.
/// `None` where a choice does not exist or there are no samples.
pub fn quantile_of(input: &FitInput, choices: &[usize]) -> Option<Picodollars> {
    let mut totals: Vec<Picodollars> = Vec::new();
    for (stage, choice) in input.stages.iter().zip(choices) {
        let costs = &stage.candidates.get(*choice)?.costs;
        totals.resize(costs.len(), Picodollars::ZERO);
        for (total, cost) in totals.iter_mut().zip(costs) {
            *total += *cost;
        }
    }
    totals.sort_unstable();
    quantile(&totals, input.per_mille)
}
