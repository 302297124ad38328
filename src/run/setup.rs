//! What a run is given: its limits as data, and the ports it works through.

use std::collections::BTreeMap;

use crate::budget::{Account, Charge, Limits, PhaseLimits, ScopeId};
use crate::event::{PhaseForecast, RunEvent};
use crate::id::RunId;
use crate::plan::report::Hashes;
use crate::ports::agent::AgentBackend;
use crate::ports::pace::Pacer;
use crate::ports::route::CallStages;
use crate::ports::script::{AgentCall, Execution, Outcome};
use crate::ports::stop::StopSignal;
use crate::run::routes::Routes;

/// Agents at once, where nothing else is said: the client's own cap.
pub const CONCURRENCY_DEFAULT: u32 = 16;
/// Agents at once, at most.
pub const CONCURRENCY_MAX: u32 = 256;
/// How long agents wait for the first of their prefix group.
const STAGGER_MILLISECONDS: u64 = 5_000;

/// A budget that other runs take from too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WiderBudget {
    /// Its name, such as `day 2026-11-25 UTC`.
    pub name: String,
    /// The most that all runs may take together.
    pub limits: Limits,
    /// What others have taken or reserved.
    pub taken: Charge,
    /// Agents of others, which are off the limit already: agents are counted by name, and those of
    /// others are not known here.
    pub agents_taken: u64,
}

/// A run as data.
#[derive(Clone)]
pub struct RunSetup {
    /// Its id.
    pub run_id: RunId,
    /// `meta.name`.
    pub workflow: String,
    /// Limits of the whole run.
    pub limits: Limits,
    /// Wider budgets that the run is held to as well: a day's, a project's.
    pub wider: Vec<WiderBudget>,
    /// Limits of phases.
    pub phase_limits: PhaseLimits,
    /// Limits of every single agent.
    pub agent_limits: Limits,
    /// Soft thresholds in thousandths of a limit.
    pub thresholds_per_mille: Vec<u16>,
    /// Agents at once; held between 1 and [`CONCURRENCY_MAX`].
    pub concurrency: u32,
    /// How long agents wait for the first of their prefix group; 0 starts all at once.
    pub stagger_milliseconds: u64,
    /// Whether requests go only while the budget is expected to finish the agents called earlier.
    /// Without it a short budget is spread over all slots, and most agents end half done.
    pub finishes_first: bool,
    /// What the script reads as `budget.total`, output tokens: no agent starts once they are spent.
    pub turn_budget_tokens: Option<u64>,
    /// Of which so many were spent before the script began.
    pub turn_spent_tokens: u64,
    /// The plan's routes, with their prices.
    pub routes: Routes,
    /// What the plan expects, by phase title.
    pub forecasts: BTreeMap<String, PhaseForecast>,
    /// The seed of a simulated run.
    pub seed: Option<u64>,
    /// What the run is a function of.
    pub hashes: Hashes,
}

impl RunSetup {
    /// A run without limits, routes or forecasts, with the client's concurrency and
    /// stagger, warning at 75 and 90 %.
    pub fn new(run_id: RunId, workflow: &str) -> Self {
        Self {
            run_id,
            workflow: workflow.to_owned(),
            limits: Limits::NONE,
            wider: Vec::new(),
            phase_limits: PhaseLimits::default(),
            agent_limits: Limits::NONE,
            thresholds_per_mille: vec![750, 900],
            concurrency: CONCURRENCY_DEFAULT,
            stagger_milliseconds: STAGGER_MILLISECONDS,
            finishes_first: true,
            turn_budget_tokens: None,
            turn_spent_tokens: 0,
            routes: Routes::default(),
            forecasts: BTreeMap::new(),
            seed: None,
            hashes: Hashes::default(),
        }
    }
}

/// What a run works through.
pub struct RunPorts<'a> {
    /// The script.
    pub execution: &'a mut dyn Execution,
    /// What carries out its agents.
    pub backend: &'a mut dyn AgentBackend,
    /// Which stage a call belongs to.
    pub stages: &'a dyn CallStages,
    /// Results of an earlier run, where it is resumed; else [`NoReplay`].
    pub replay: &'a mut dyn Replay,
    /// Slows virtual time down to be watched.
    pub pacer: &'a mut dyn Pacer,
    /// Whether somebody wants it to end.
    pub stop: &'a dyn StopSignal,
    /// Given the account and the run's scope in it, once the run is over and nothing is reserved any
    /// more; to be kept.
    pub keep: &'a mut dyn FnMut(&Account, ScopeId),
    /// Told everything as it happens.
    pub on_event: &'a mut dyn FnMut(&RunEvent),
}

/// Results of an earlier run. Asked once per call, in call order.
pub trait Replay {
    /// The result of `call`, where it is known; it costs nothing then.
    fn outcome(&mut self, call: &AgentCall) -> Option<Outcome>;
}

/// Nothing is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoReplay;

impl Replay for NoReplay {
    fn outcome(&mut self, _: &AgentCall) -> Option<Outcome> {
        None
    }
}
