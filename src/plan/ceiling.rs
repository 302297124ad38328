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
const STAGES_STRETCHED_MAX: usize = 6;
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
    let mut probes = Probes { setup, workers, tries: Vec::new(), trials: Vec::new() };
    let longer = probes.explore(facts)?;
    let Some((widest, trial)) = most_calls(&probes.trials) else {
        return Ok(Probed { ceiling: unknown(setup), unreached: Vec::new() });
    };
    let all = || probes.trials.iter().chain(&longer);
    let agents = all().map(|trial| trial.calls.len()).max().unwrap_or(0);
    let unreached = unreached(facts, sampled, all());
    let grows = longer.as_ref().is_some_and(|longer| longer.calls.len() > trial.calls.len());
    let stopped = all().find_map(stopped_by);
    let is_capped = agents >= probes.cap();
    let missed = (agents as u64) < sampled.most_agents;
    let open = is_capped || grows || stopped.is_some() || missed || !unreached.is_empty();
    let reasons = if is_capped || grows || stopped.is_some() {
        let extremes = probes.tries.get(widest).cloned();
        let growing = match extremes {
            Some(extremes) => growing(setup, &mut *probes.workers, &extremes, trial)?,
            None => Growing::Unknown,
        };
        open_reasons(facts, &growing, trial, stopped.as_deref().filter(|_| !is_capped && !grows))
    } else if !unreached.is_empty() {
        unreached.iter().take(UNREACHED_NAMED).map(|line| unreached_reason(*line)).collect()
    } else if missed {
        vec![missed_reason()]
    } else {
        closed_reasons(facts)
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

/// Extreme executions so far, and what each answered.
struct Probes<'a> {
    setup: &'a Setup,
    workers: &'a mut dyn Workers,
    tries: Vec<Extremes>,
    trials: Vec<Trial>,
}

impl Probes<'_> {
    /// Batches of probes until one leaves no doubt that the run is open: such probes are the dear
    /// ones, and others like it would say the same. The last, where all of them stayed within
    /// bounds, is the widest with longer lists.
    fn explore(&mut self, facts: &WorkflowFacts) -> Result<Option<Trial>, PlanError> {
        let slices = facts.slices.iter().map(|slice| slice.limit);
        let longest = slices.filter(|limit| *limit <= SLICE_MAX).max();
        let longest = longest.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(0);
        let list_length = LIST_LENGTH_MIN.max(longest + 3);
        let of = |booleans| Extremes { list_length, booleans, enum_index: 0 };
        self.run(vec![of(Booleans::MoreWork)])?;
        if !self.is_settled() {
            self.run([Booleans::True, Booleans::False, Booleans::LessWork].map(of).to_vec())?;
        }
        if !self.is_settled()
            && let Some(widest) = self.widest()
        {
            // Words decide too: the widest of the four again with the other words of each enum.
            let word = |enum_index| Extremes { enum_index, ..widest.clone() };
            self.run((1..ENUM_WORDS).map(word).collect())?;
        }
        if self.is_settled() {
            return Ok(None);
        }
        let has_open_lists = |(_, trial): (usize, &Trial)| !trial.unbounded.is_empty();
        match self.widest() {
            Some(widest) if most_calls(&self.trials).is_some_and(has_open_lists) => {
                let longer = Extremes { list_length: list_length * 2 + 1, ..widest };
                let mode = TrialMode::Extreme(longer);
                Ok(run(self.setup, self.workers, std::iter::once(mode))?.pop())
            }
            _ => Ok(None),
        }
    }

    fn run(&mut self, tries: Vec<Extremes>) -> Result<(), PlanError> {
        let modes = tries.iter().cloned().map(TrialMode::Extreme);
        self.trials.extend(run(self.setup, self.workers, modes)?);
        self.tries.extend(tries);
        Ok(())
    }

    fn cap(&self) -> usize {
        self.setup.job.start.limits.agents as usize
    }

    fn is_settled(&self) -> bool {
        self.trials.iter().any(|trial| is_over(trial, self.cap()))
    }

    fn widest(&self) -> Option<Extremes> {
        most_calls(&self.trials).and_then(|(widest, _)| self.tries.get(widest)).cloned()
    }
}

/// The limit that a probe was stopped at: a script that could not take results this long is not
/// known to be bounded.
fn stopped_by(trial: &Trial) -> Option<String> {
    match &trial.finish {
        Finish::LimitReached { limit } => Some(limit.clone()),
        _ => trial.cut.then(|| "bytes of a result".to_owned()),
    }
}

fn is_over(trial: &Trial, cap: usize) -> bool {
    trial.calls.len() >= cap || stopped_by(trial).is_some()
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

fn run(
    setup: &Setup,
    workers: &mut dyn Workers,
    modes: impl Iterator<Item = TrialMode>,
) -> Result<Vec<Trial>, PlanError> {
    let specs: Vec<TrialSpec> =
        modes.map(|mode| TrialSpec { sample: 0, mode, inspect: false }).collect();
    Ok(workers.trials(setup, &specs)?)
}

/// What makes the run grow.
enum Growing {
    /// These lists without a bound.
    Lists(BTreeSet<Arc<str>>),
    /// Something else: the run has no end even where lists are short.
    Loop,
    /// No list does it alone.
    Unknown,
}

/// The lists without a bound that make the run longer as they grow: those of a stage that does so
/// alone, with the other lists short.
fn growing(
    setup: &Setup,
    workers: &mut dyn Workers,
    extremes: &Extremes,
    trial: &Trial,
) -> Result<Growing, PlanError> {
    let cap = setup.job.start.limits.agents as usize;
    let short = Extremes { list_length: 1, ..extremes.clone() };
    let plain = run(setup, workers, std::iter::once(TrialMode::Extreme(short.clone())))?;
    if plain.iter().any(|trial| is_over(trial, cap)) {
        return Ok(Growing::Loop);
    }
    let mut stages: Vec<u64> = trial.unbounded.iter().map(|(stage, _)| *stage).collect();
    stages.dedup();
    stages.truncate(STAGES_STRETCHED_MAX);
    let mut stretch = |stages: &[u64], list_length: usize| {
        let mode = |stage: &u64| TrialMode::Stretched {
            extremes: short.clone(),
            stage: *stage,
            list_length,
        };
        run(setup, &mut *workers, stages.iter().map(mode))
    };
    let long = stretch(&stages, extremes.list_length)?;
    let (over, within): (Vec<_>, Vec<_>) =
        stages.iter().copied().zip(long).partition(|(_, long)| is_over(long, cap));
    let mut alone: BTreeSet<u64> = over.into_iter().map(|(stage, _)| stage).collect();
    // Only a list that starts agents at all can start more of them.
    let fewest = plain.iter().map(|trial| trial.calls.len()).max().unwrap_or(0);
    let within: Vec<_> = within.into_iter().filter(|(_, long)| long.calls.len() > fewest).collect();
    let left: Vec<u64> = within.iter().map(|(stage, _)| *stage).collect();
    let longer = stretch(&left, extremes.list_length * 2 + 1)?;
    for ((stage, long), longer) in within.iter().zip(&longer) {
        if longer.calls.len() > long.calls.len() {
            alone.insert(*stage);
        }
    }
    let named = trial
        .unbounded
        .iter()
        .filter(|(stage, _)| alone.contains(stage))
        .map(|(_, path)| path.rsplit('.').next().unwrap_or(path).into());
    let named: BTreeSet<Arc<str>> = named.collect();
    Ok(if named.is_empty() { Growing::Unknown } else { Growing::Lists(named) })
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
    let place_of = |name: &str| {
        facts.array_properties.iter().find(|property| property.name == name).map(|p| p.place.line)
    };
    let one = |text: String, line| vec![CeilingReason { text, line, open: true }];
    match (growing, stopped) {
        (Growing::Lists(names), _) => names
            .iter()
            .map(|name| CeilingReason {
                text: format!("`{name}` has no maxItems, and no slice limits what it fans out to"),
                line: place_of(name),
                open: true,
            })
            .collect(),
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

/// What closes the run, with lines of the script.
fn closed_reasons(facts: &WorkflowFacts) -> Vec<CeilingReason> {
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
