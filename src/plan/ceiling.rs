//! Whether anything bounds the run. Owns what is claimed of it, and the reasons; which probes are
//! made is in probes.rs.

use std::collections::{BTreeMap, BTreeSet};

use crate::money::Picodollars;
use crate::plan::PlanError;
use crate::plan::probes::{self, Growing, Probes, stopped_by};
use crate::plan::report::{Ceiling, CeilingReason};
use crate::plan::setup::Setup;
use crate::plan::stage_schema;
use crate::plan::synth::Pushed;
use crate::plan::trial::Trial;
use crate::plan::workers::Workers;
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

/// Calls that no probe reached and that are named.
const UNREACHED_NAMED: usize = 3;

/// What the samples say that a ceiling must not contradict.
pub struct Sampled<'a> {
    /// The most agents of any sample: probes that do not reach it prove nothing.
    pub most_agents: u64,
    /// Lines from which a sample called `agent()`.
    pub lines: &'a BTreeSet<u32>,
}

/// What probing found.
pub struct Probed {
    /// The ceiling.
    pub ceiling: Ceiling,
    /// Lines of `agent()` calls that no sample and no probe reached. What leads there was not
    /// found, so that nobody knows how many agents it starts.
    pub unreached: Vec<u32>,
}

/// Probes the script. `prices` is `None` where a model has no price.
pub fn probe(
    setup: &Setup,
    facts: &WorkflowFacts,
    workers: &mut dyn Workers,
    prices: Option<&AgentPrices>,
    sampled: &Sampled<'_>,
) -> Result<Probed, PlanError> {
    // Without an agent there is no result that could be longer.
    if sampled.most_agents == 0 {
        let ceiling = Ceiling { agents: Some(0), ..unknown(setup) };
        return Ok(Probed { ceiling, unreached: Vec::new() });
    }
    let probes = Probes::explore(setup, facts, workers)?;
    let Some((widest, trial)) = probes.widest() else {
        return Ok(Probed { ceiling: unknown(setup), unreached: Vec::new() });
    };
    let all = || probes.trials.iter().chain(&probes.longer);
    let agents = all().map(|trial| trial.calls.len()).max().unwrap_or(0);
    let unreached = unreached(facts, sampled, all());
    let grows = probes.longer.as_ref().is_some_and(|longer| longer.calls.len() > trial.calls.len());
    let stopped = all().find_map(stopped_by);
    let is_capped = agents >= probes::cap(setup);
    let missed = (agents as u64) < sampled.most_agents;
    let open = is_capped || grows || stopped.is_some() || missed || !unreached.is_empty();
    let reasons = if is_capped || grows || stopped.is_some() {
        let growing = match probes.tries.get(widest) {
            Some(extremes) => probes::growing(setup, workers, extremes, trial)?,
            None => Growing::Unknown,
        };
        open_reasons(facts, &growing, trial, stopped.as_deref().filter(|_| !is_capped && !grows))
    } else if !unreached.is_empty() {
        unreached.iter().take(UNREACHED_NAMED).map(|line| unreached_reason(*line)).collect()
    } else if missed {
        vec![missed_reason()]
    } else {
        let numbers = if probes.numbers_decide() { maxima(trial) } else { Vec::new() };
        closed_reasons(facts, trial).into_iter().chain(numbers).collect()
    };
    let runtime_agents = u64::from(setup.job.start.limits.agents);
    let ceiling = Ceiling {
        agents: (!open).then_some(agents as u64),
        cost_usd: prices.filter(|_| !open).map(|prices| price(trial, prices)),
        reasons,
        runtime_agents,
        runtime_cost_usd: prices
            .map(|prices| prices.typical.map(|each| each.scale_ceil(runtime_agents.into(), 1))),
    };
    Ok(Probed { ceiling, unreached })
}

fn unreached<'t>(
    facts: &WorkflowFacts,
    sampled: &Sampled<'_>,
    trials: impl Iterator<Item = &'t Trial>,
) -> Vec<u32> {
    let mut reached = sampled.lines.clone();
    reached.extend(trials.flat_map(|trial| trial.lines.iter().copied()));
    // A script that renames `agent` has calls without lines.
    if reached.is_empty() {
        return Vec::new();
    }
    let lines = facts.agent_sites.iter().map(|site| site.place.line);
    let missing: BTreeSet<u32> = lines.filter(|line| !reached.contains(line)).collect();
    missing.into_iter().collect()
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

fn unreached_reason(line: u32) -> CeilingReason {
    CeilingReason { text: "agent() was never reached".to_owned(), line: Some(line), open: true }
}

/// What leaves the run open, with lines of the script. `stopped` is the limit at which a probe was
/// stopped, where that is all that is known.
fn open_reasons(
    facts: &WorkflowFacts,
    growing: &Growing,
    trial: &Trial,
    stopped: Option<&str>,
) -> Vec<CeilingReason> {
    let one = |text: String, line| vec![CeilingReason { text, line, open: true }];
    match (growing, stopped) {
        (Growing::With(pushed), _) => {
            let mut reasons: Vec<CeilingReason> = Vec::new();
            for (stage, pushed) in pushed {
                let stage = trial.stages.iter().find(|of| of.key.0 == *stage);
                let reason = grows_with(facts, pushed, stage.and_then(|stage| stage.line));
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
            reasons
        }
        (Growing::Loop, None) => one(
            "a loop ends only on what agents answer".to_owned(),
            trial.stages.last().and_then(|stage| stage.line),
        ),
        (_, Some(limit)) => {
            one(format!("not found: with long results the script passes a limit of {limit}"), None)
        }
        (Growing::Unknown, None) => {
            one("the number of agents grows with what agents answer".to_owned(), None)
        }
    }
}

/// Why the run grows with something that has no bound; `stage_line` is where the stage that
/// answers it is called.
fn grows_with(facts: &WorkflowFacts, pushed: &Pushed, stage_line: Option<u32>) -> CeilingReason {
    let path = pushed.path();
    let name = path.rsplit('.').next().unwrap_or(path);
    let property = facts.array_properties.iter().find(|property| property.name == name);
    let (text, line) = match pushed {
        Pushed::List(_) => (
            format!("`{name}` has no maxItems, and no slice limits what it fans out to"),
            property.map(|property| property.place.line),
        ),
        Pushed::Number(_) | Pushed::BoundedNumber(_) => {
            (format!("`{name}` has no maximum that limits how many agents it starts"), stage_line)
        }
        Pushed::Text(_) if name.is_empty() => {
            ("a plain text decides how many agents start".to_owned(), stage_line)
        }
        Pushed::Text(_) => {
            (format!("the text of `{name}` decides how many agents start"), stage_line)
        }
    };
    CeilingReason { text, line, open: true }
}

/// The bounds of the numbers that a probe was answered.
fn maxima(trial: &Trial) -> Vec<CeilingReason> {
    let bound = |(stage, pushed): &(u64, Pushed)| {
        let Pushed::BoundedNumber(path) = pushed else { return None };
        let stage = trial.stages.iter().find(|of| of.key.0 == *stage)?;
        let schema = stage_schema::property(stage.schema.as_deref()?, path)?;
        let name = path.rsplit('.').next().unwrap_or(path);
        let text = format!("`{name}` has maximum {}", schema.get("maximum")?);
        Some(CeilingReason { text, line: stage.line, open: false })
    };
    trial.pushed.iter().filter_map(bound).collect()
}

/// What closes the run, with lines of the script; lists of child workflows and of schemas that are
/// put together have none.
fn closed_reasons(facts: &WorkflowFacts, trial: &Trial) -> Vec<CeilingReason> {
    let max_items = |name: &str, max: u64, line| CeilingReason {
        text: format!("`{name}` has maxItems {max}"),
        line,
        open: false,
    };
    let maxima = facts.array_properties.iter().filter_map(|property| {
        Some(max_items(&property.name, property.max_items?, Some(property.place.line)))
    });
    let known = |name: &str| facts.array_properties.iter().any(|property| property.name == name);
    let schemas = trial.stages.iter().filter_map(|stage| stage.schema.as_deref());
    let others: BTreeSet<(String, u64)> =
        schemas.flat_map(stage_schema::bounded_lists).filter(|(name, _)| !known(name)).collect();
    let others = others.iter().map(|(name, max)| max_items(name, *max, None));
    let slices = facts.slices.iter().map(|slice| CeilingReason {
        text: format!("a slice keeps {}", slice.limit),
        line: Some(slice.place.line),
        open: false,
    });
    maxima.chain(others).chain(slices).collect()
}
