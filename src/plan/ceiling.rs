//! Whether anything bounds the run. Owns the probes: executions whose results are as long as
//! their schemas allow, and lists without `maxItems` at two lengths that no slice in the script
//! reaches. A count that does not grow with them is bounded by the script.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::money::Picodollars;
use crate::plan::PlanError;
use crate::plan::report::{Ceiling, CeilingReason};
use crate::plan::setup::Setup;
use crate::plan::synth::{Booleans, Extremes};
use crate::plan::trial::{Trial, TrialMode, TrialSpec};
use crate::plan::workers::Workers;
use crate::ports::script::Finish;
use crate::workflow::WorkflowFacts;

/// Per-agent costs that a number of agents is priced with.
pub struct AgentPrices {
    /// P99 per agent by stage key.
    pub p99_by_stage: BTreeMap<u64, Picodollars>,
    /// P99 per agent over all stages, for stages that no sample met.
    pub p99: Picodollars,
    /// P10 and P90 over samples of the mean per agent.
    pub typical: [Picodollars; 2],
}

const LIST_LENGTH_MIN: usize = 12;
/// Words of an enum that are tried.
const ENUM_WORDS: usize = 4;
const SLICE_MAX: u64 = 200;
/// Stages that are stretched alone, at most.
const STAGES_STRETCHED_MAX: usize = 8;

/// Probes the script. `prices` is `None` where a model has no price; `most_sampled` is the most
/// agents of any sample: probes that do not reach it prove nothing.
pub fn probe(
    setup: &Setup,
    facts: &WorkflowFacts,
    workers: &mut dyn Workers,
    prices: Option<&AgentPrices>,
    most_sampled: u64,
) -> Result<Ceiling, PlanError> {
    // Without an agent there is no result that could be longer.
    if most_sampled == 0 {
        return Ok(Ceiling { agents: Some(0), ..unknown(setup) });
    }
    let slices = facts.slices.iter().map(|slice| slice.limit).filter(|limit| *limit <= SLICE_MAX);
    let longest = slices.max().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(0);
    let length = LIST_LENGTH_MIN.max(longest + 3);
    let extremes =
        |list_length, booleans, enum_index| Extremes { list_length, booleans, enum_index };
    let booleans = [Booleans::MoreWork, Booleans::True, Booleans::False, Booleans::LessWork];
    let mut tries: Vec<Extremes> =
        booleans.iter().map(|booleans| extremes(length, *booleans, 0)).collect();
    let mut first = run(setup, workers, &tries)?;
    // Words decide too: the widest of the four again with the other words of each enum.
    if let Some(widest) = most_calls(&first).and_then(|(widest, _)| tries.get(widest)).cloned() {
        let words: Vec<Extremes> =
            (1..ENUM_WORDS).map(|enum_index| Extremes { enum_index, ..widest.clone() }).collect();
        first.extend(run(setup, workers, &words)?);
        tries.extend(words);
    }
    let Some((widest, trial)) = most_calls(&first) else { return Ok(unknown(setup)) };
    let cap = setup.job.start.limits.agents as usize;
    let longer = match tries.get(widest) {
        Some(extremes) if !trial.unbounded.is_empty() && trial.calls.len() < cap => {
            let longer = Extremes { list_length: length * 2 + 1, ..extremes.clone() };
            run(setup, workers, std::slice::from_ref(&longer))?
        }
        _ => Vec::new(),
    };
    let agents = first.iter().chain(&longer).map(|trial| trial.calls.len()).max().unwrap_or(0);
    let grows = longer.iter().any(|longer| longer.calls.len() > trial.calls.len());
    let missed = (agents as u64) < most_sampled;
    // A script that could not take results this long is not known to be bounded.
    let stopped = |trial: &Trial| trial.cut || matches!(trial.finish, Finish::LimitReached { .. });
    let grows = grows || first.iter().chain(&longer).any(stopped);
    let open = agents >= cap || grows || missed;
    let growing = match tries.get(widest) {
        Some(extremes) if agents >= cap || grows => growing(setup, workers, extremes, trial)?,
        _ => BTreeSet::new(),
    };
    let runtime_agents = u64::from(setup.job.start.limits.agents);
    Ok(Ceiling {
        agents: (!open).then_some(agents as u64),
        cost_usd: prices.filter(|_| !open).map(|prices| price(trial, prices)),
        reasons: if missed && agents < cap && !grows {
            vec![missed_reason()]
        } else {
            reasons(facts, trial, open.then_some(&growing))
        },
        runtime_agents,
        runtime_cost_usd: prices
            .map(|prices| prices.typical.map(|each| each.scale_ceil(runtime_agents.into(), 1))),
    })
}

fn run(
    setup: &Setup,
    workers: &mut dyn Workers,
    tries: &[Extremes],
) -> Result<Vec<Trial>, PlanError> {
    let modes = tries.iter().map(|extremes| TrialMode::Extreme(extremes.clone()));
    run_modes(setup, workers, modes)
}

fn run_modes(
    setup: &Setup,
    workers: &mut dyn Workers,
    modes: impl Iterator<Item = TrialMode>,
) -> Result<Vec<Trial>, PlanError> {
    let specs: Vec<TrialSpec> =
        modes.map(|mode| TrialSpec { sample: 0, mode, inspect: false }).collect();
    Ok(workers.trials(setup, &specs)?)
}

/// The lists without a bound that make the run longer as they grow: those of a stage that does so
/// alone, with the other lists short. All of them where no stage does it alone.
fn growing(
    setup: &Setup,
    workers: &mut dyn Workers,
    extremes: &Extremes,
    trial: &Trial,
) -> Result<BTreeSet<Arc<str>>, PlanError> {
    let mut stages: Vec<u64> = trial.unbounded.iter().map(|(stage, _)| *stage).collect();
    stages.dedup();
    stages.truncate(STAGES_STRETCHED_MAX);
    let short = Extremes { list_length: 1, ..extremes.clone() };
    let lengths = [extremes.list_length, extremes.list_length * 2 + 1];
    let modes = stages.iter().flat_map(|stage| {
        let stretched = |list_length| TrialMode::Stretched {
            extremes: short.clone(),
            stage: *stage,
            list_length,
        };
        lengths.map(stretched)
    });
    let trials = if stages.len() > 1 { run_modes(setup, workers, modes)? } else { Vec::new() };
    let cap = setup.job.start.limits.agents as usize;
    let grows = |pair: &[Trial]| match pair {
        [long, longer] => longer.calls.len() > long.calls.len() || long.calls.len() >= cap,
        _ => false,
    };
    let alone: Vec<u64> = stages
        .iter()
        .zip(trials.chunks(2))
        .filter_map(|(stage, pair)| grows(pair).then_some(*stage))
        .collect();
    let named = trial
        .unbounded
        .iter()
        .filter(|(stage, _)| alone.is_empty() || alone.contains(stage))
        .map(|(_, path)| path.rsplit('.').next().unwrap_or(path).into());
    Ok(named.collect())
}

fn most_calls(trials: &[Trial]) -> Option<(usize, &Trial)> {
    trials
        .iter()
        .enumerate()
        .max_by_key(|(position, trial)| (trial.calls.len(), std::cmp::Reverse(*position)))
}

fn unknown(setup: &Setup) -> Ceiling {
    Ceiling {
        agents: None,
        cost_usd: None,
        reasons: Vec::new(),
        runtime_agents: u64::from(setup.job.start.limits.agents),
        runtime_cost_usd: None,
    }
}

fn price(trial: &Trial, prices: &AgentPrices) -> Picodollars {
    let each = |call: &crate::plan::trial::CallRecord| {
        let key = trial.stages.get(call.stage as usize).map_or(0, |identity| identity.key.0);
        prices.p99_by_stage.get(&key).copied().unwrap_or(prices.p99)
    };
    trial.calls.iter().map(each).sum()
}

fn missed_reason() -> CeilingReason {
    CeilingReason {
        text: "not found: some samples start more agents than results at their extremes do"
            .to_owned(),
        line: None,
        open: true,
    }
}

/// What leaves the run open, or what closes it, with lines of the script. `growing` are the lists
/// that leave it open, `None` where it is closed.
fn reasons(
    facts: &WorkflowFacts,
    trial: &Trial,
    growing: Option<&BTreeSet<Arc<str>>>,
) -> Vec<CeilingReason> {
    let place_of = |name: &str| {
        facts.array_properties.iter().find(|property| property.name == name).map(|p| p.place.line)
    };
    if let Some(growing) = growing {
        let mut reasons: Vec<CeilingReason> = growing
            .iter()
            .map(|name| CeilingReason {
                text: format!("`{name}` has no maxItems, and no slice limits what it fans out to"),
                line: place_of(name),
                open: true,
            })
            .collect();
        if reasons.is_empty() {
            reasons.push(CeilingReason {
                text: "a loop ends only on what agents answer".to_owned(),
                line: trial.stages.last().and_then(|stage| stage.line),
                open: true,
            });
        }
        return reasons;
    }
    let maxima = facts.array_properties.iter().filter_map(|property| {
        Some(CeilingReason {
            text: format!("`{}` has maxItems {}", property.name, property.max_items?),
            line: Some(property.place.line),
            open: false,
        })
    });
    let slices = facts.slices.iter().map(|slice| CeilingReason {
        text: format!("a slice keeps {}", slice.limit),
        line: Some(slice.place.line),
        open: false,
    });
    maxima.chain(slices).collect()
}
