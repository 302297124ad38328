//! Whether anything bounds the run. Owns the probes: executions whose results are as long as
//! their schemas allow, and lists without `maxItems` at two lengths that no slice in the script
//! reaches. A count that does not grow with them is bounded by the script.

use std::collections::BTreeMap;
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
const SLICE_MAX: u64 = 200;

/// Probes the script. `prices` is `None` where a model has no price; `sampled_max` is the most
/// agents of a sample, which no ceiling can be below.
pub fn probe(
    setup: &Setup,
    facts: &WorkflowFacts,
    workers: &mut dyn Workers,
    prices: Option<&AgentPrices>,
    sampled_max: u64,
) -> Result<Ceiling, PlanError> {
    let slices = facts.slices.iter().map(|slice| slice.limit).filter(|limit| *limit <= SLICE_MAX);
    let longest = slices.max().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(0);
    let length = LIST_LENGTH_MIN.max(longest + 3);
    let extremes =
        |list_length, booleans, enum_index| Extremes { list_length, booleans, enum_index };
    let tries = vec![
        extremes(length, Booleans::MoreWork, 0),
        extremes(length, Booleans::True, 0),
        extremes(length, Booleans::False, 1),
        extremes(length, Booleans::LessWork, 1),
    ];
    let first = run(setup, workers, &tries)?;
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
    let stopped = |trial: &Trial| trial.cut || matches!(trial.finish, Finish::LimitReached { .. });
    let lists = agents >= cap || grows || first.iter().chain(&longer).any(stopped);
    let open = lists || sampled_max > agents as u64;
    let runtime_agents = u64::from(setup.job.start.limits.agents);
    Ok(Ceiling {
        agents: (!open).then_some(agents as u64),
        cost_usd: prices.filter(|_| !open).map(|prices| price(trial, prices)),
        reasons: reasons(facts, trial, open, lists),
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
    let specs: Vec<TrialSpec> = tries
        .iter()
        .map(|extremes| TrialSpec {
            sample: 0,
            mode: TrialMode::Extreme(extremes.clone()),
            inspect: false,
        })
        .collect();
    Ok(workers.trials(setup, &specs)?)
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

/// What leaves the run open, or what closes it, with lines of the script. `lists` says whether the
/// length of lists has to do with it.
fn reasons(
    facts: &WorkflowFacts,
    trial: &Trial,
    open: bool,
    lists: bool,
) -> Vec<CeilingReason> {
    let place_of = |name: &str| {
        facts.array_properties.iter().find(|property| property.name == name).map(|p| p.place.line)
    };
    let mut named: Vec<Arc<str>> =
        trial.unbounded.iter().map(|path| path.rsplit('.').next().unwrap_or(path).into()).collect();
    named.sort();
    named.dedup();
    if open {
        let mut reasons: Vec<CeilingReason> = named
            .iter()
            .filter(|_| lists)
            .map(|name| CeilingReason {
                text: format!("`{name}` has no maxItems, and no slice limits what it fans out to"),
                line: place_of(name),
                open: true,
            })
            .collect();
        if reasons.is_empty() {
            reasons.push(CeilingReason {
                text: "how often a loop runs depends only on what agents answer".to_owned(),
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
