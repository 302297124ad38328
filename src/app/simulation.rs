//! A simulated run as one more sample of its plan: the same stages, draws and invented results,
//! behind the ports of the executor.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agents::{ResultSource, SimulatedRequest, Workload, requests_of};
use crate::id::{CallId, StageKey};
use crate::plan::cast::{Cast, Placed};
use crate::plan::setup::{ModelFacts, Setup, StageTraits};
use crate::ports::agent::AgentJob;
use crate::ports::price::RequestPrice;
use crate::ports::route::{CallStages, WrittenRoute};
use crate::ports::script::{AgentCall, Outcome};
use crate::run::Replay;
use crate::seed::Seed;
use crate::usage::{Prefix, TokenCounter};

/// How requests of a stage that no plan knew are priced, by the name of their model.
pub(super) type PriceOf<'a> = dyn Fn(&str) -> Option<Arc<dyn RequestPrice>> + 'a;

/// What all ports of a simulated run share.
pub(super) struct Simulation<'a> {
    setup: &'a Setup,
    price_of: Box<PriceOf<'a>>,
    run_agents: u32,
    counter: TokenCounter,
    state: RefCell<State<'a>>,
}

struct State<'a> {
    cast: Cast<'a>,
    /// Several ports ask about one call.
    placed: BTreeMap<CallId, Placed>,
}

impl State<'_> {
    fn place(&mut self, call: &AgentCall) -> Placed {
        *self.placed.entry(call.id).or_insert_with(|| self.cast.place(call))
    }
}

impl<'a> Simulation<'a> {
    /// A run of `setup`'s plan that is expected to have `run_agents` agents.
    pub(super) fn new(setup: &'a Setup, run_agents: u32, price_of: Box<PriceOf<'a>>) -> Self {
        // Samples of the plan are children 0, 1, …; a run is none of them.
        let seed = Seed::new(setup.job.seed).child(u64::MAX);
        let state = State { cast: Cast::new(setup, seed), placed: BTreeMap::new() };
        let counter = TokenCounter::load();
        Self { setup, price_of, run_agents, counter, state: RefCell::new(state) }
    }

    fn answer(&self, call: &AgentCall, text_tokens: u64) -> Outcome {
        let state = &mut *self.state.borrow_mut();
        let placed = state.place(call);
        let answer = state.cast.answer(placed, call, text_tokens);
        state.cast.delivered(placed);
        match answer {
            Some(Ok(answer)) => answer.outcome,
            Some(Err(error)) => {
                Outcome::Rejected { name: "TypeError".to_owned(), message: error.to_string() }
            }
            None => Outcome::Null,
        }
    }

    fn requests(&self, job: &AgentJob) -> Vec<SimulatedRequest> {
        let call = &job.call;
        let (provider, on) = (&self.setup.job.provider, self.setup.job.on);
        let Ok(model) = self.setup.table.resolve(&job.model.0, provider, on) else {
            return Vec::new();
        };
        let state = &mut *self.state.borrow_mut();
        let placed = state.place(call);
        let (Some(own), Some(written)) = (state.cast.stage(placed), state.cast.traits(placed))
        else {
            return Vec::new();
        };
        let routed = StageTraits {
            role: job.role,
            kind: written.kind,
            model: ModelFacts::of(model),
            effort: job.effort,
            worktree: call.worktree,
            prefix_group: job.prefix_group,
        };
        let traits = routed.agent(self.counter.count(&call.prompt), self.run_agents);
        let pins = self.setup.pins(&own.name);
        let Some(usage) = state.cast.usage(placed, &traits, &pins) else { return Vec::new() };
        let prefix = match (call.worktree, job.prefix_written) {
            (true, _) => Prefix::Private,
            (false, true) => Prefix::Read,
            (false, false) => Prefix::Written,
        };
        requests_of(&usage, prefix, self.setup.job.cache_one_hour, model.max_output_tokens)
    }
}

/// Stages and model names as the plan knows them.
impl CallStages for Simulation<'_> {
    fn stage(&self, call: &AgentCall) -> StageKey {
        let state = &mut *self.state.borrow_mut();
        let placed = state.place(call);
        state.cast.stage(placed).map_or(StageKey(0), |stage| stage.key)
    }

    fn work(&self, call: &AgentCall) -> StageKey {
        let state = &mut *self.state.borrow_mut();
        let placed = state.place(call);
        state.cast.stage(placed).map_or(StageKey(0), |stage| StageKey(stage.work))
    }

    fn as_written(&self, call: &AgentCall) -> Result<WrittenRoute, String> {
        let named = self.setup.written(call.model.as_deref())?;
        let state = &mut *self.state.borrow_mut();
        let placed = state.place(call);
        let name = state.cast.stage(placed).map(|stage| stage.name.to_string());
        Ok(WrittenRoute {
            stage_name: name.unwrap_or_default(),
            price: (self.price_of)(named.priced_as.as_deref().unwrap_or(&named.model.id.0)),
            model: named.model.id.clone(),
            effort: self.setup.effort_on(named.model, call.effort.as_deref()),
        })
    }
}

/// What agents do.
pub(super) struct Work<'a, 'b>(pub(super) &'b Simulation<'a>);

impl Workload for Work<'_, '_> {
    fn requests(&mut self, job: &AgentJob) -> Vec<SimulatedRequest> {
        self.0.requests(job)
    }
}

/// What agents answer.
pub(super) struct Results<'a, 'b>(pub(super) &'b Simulation<'a>);

impl ResultSource for Results<'_, '_> {
    fn result(&mut self, call: &AgentCall, answer_tokens: u64) -> Outcome {
        self.0.answer(call, answer_tokens)
    }
}

/// Agents that `--done` marks: their answers are known and cost nothing.
pub(super) struct Done<'a, 'b>(pub(super) &'b Simulation<'a>);

/// Length of the answer of an agent that was done before, tokens: its own is not known.
const DONE_ANSWER_TOKENS: u64 = 300;

impl Replay for Done<'_, '_> {
    fn outcome(&mut self, call: &AgentCall) -> Option<Outcome> {
        let done = {
            let state = &mut *self.0.state.borrow_mut();
            let placed = state.place(call);
            state.cast.is_done(placed, call)
        };
        done.then(|| self.0.answer(call, DONE_ANSWER_TOKENS))
    }
}
