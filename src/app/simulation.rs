//! A simulated run as one more sample of its plan: the same stages, draws and invented results,
//! behind the ports of the executor.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agents::{ResultSource, SimulatedRequest, Workload, requests_of};
use crate::id::{CallId, StageKey};
use crate::plan::setup::{ModelFacts, Setup, StageTraits};
use crate::plan::stage::{Placement, StageIndex};
use crate::plan::synth::{SampleState, SynthCall};
use crate::ports::agent::AgentJob;
use crate::ports::route::{CallStages, WrittenRoute};
use crate::ports::script::{AgentCall, Outcome};
use crate::run::Replay;
use crate::seed::Seed;
use crate::usage::{AgentDraws, Draws, Prefix, RunDraws, StageDraws, StageKind, TokenCounter};

/// What all ports of a simulated run share.
pub(super) struct Simulation<'a> {
    setup: &'a Setup,
    seed: Seed,
    run_draws: RunDraws,
    run_agents: u32,
    counter: TokenCounter,
    state: RefCell<State>,
}

struct State {
    index: StageIndex,
    placed: BTreeMap<CallId, Placed>,
    /// By stage: results given so far.
    delivered: Vec<u32>,
    /// By stage: the kind of work, told by its first prompt as in the plan.
    kinds: Vec<StageKind>,
    sample: SampleState,
}

#[derive(Clone, Copy)]
struct Placed {
    placement: Placement,
    key: StageKey,
    /// Results of its stage that were given before it was called.
    delivered: u32,
}

impl<'a> Simulation<'a> {
    /// A run of `setup`'s plan that is expected to have `run_agents` agents.
    pub(super) fn new(setup: &'a Setup, run_agents: u32) -> Self {
        // Samples of the plan are children 0, 1, …; a run is none of them.
        let seed = Seed::new(setup.job.seed).child(u64::MAX);
        Self {
            setup,
            seed,
            run_draws: RunDraws::new(seed),
            run_agents,
            counter: TokenCounter::load(),
            state: RefCell::new(State {
                index: StageIndex::new(setup.label_templates.clone()),
                placed: BTreeMap::new(),
                delivered: Vec::new(),
                kinds: Vec::new(),
                sample: SampleState::new(seed),
            }),
        }
    }

    fn place(&self, call: &AgentCall) -> Placed {
        let state = &mut *self.state.borrow_mut();
        if let Some(placed) = state.placed.get(&call.id) {
            return *placed;
        }
        let placement = state.index.place(call);
        if placement.stage >= state.delivered.len() {
            state.delivered.push(0);
            if let Some(identity) = state.index.stages().get(placement.stage) {
                let usage = &self.setup.usage;
                let kind = usage.kind_of(&identity.skeleton, &identity.phase, &call.prompt);
                state.kinds.push(kind);
            }
        }
        let placed = Placed {
            placement,
            key: state.index.stages().get(placement.stage).map_or(StageKey(0), |of| of.key),
            delivered: state.delivered.get(placement.stage).copied().unwrap_or(0),
        };
        state.placed.insert(call.id, placed);
        placed
    }

    fn answer(&self, call: &AgentCall, text_tokens: u64) -> Outcome {
        let placed = self.place(call);
        let state = &mut *self.state.borrow_mut();
        let of = placed.placement.stage;
        let Some(identity) = state.index.stages().get(of) else { return Outcome::Null };
        let answer = self.setup.synthesizer.answer(
            &mut state.sample,
            &SynthCall {
                stage: identity.key,
                stage_name: &identity.name,
                identity: placed.placement.identity,
                ordinal: placed.placement.ordinal,
                delivered: placed.delivered,
                label: call.label.as_deref(),
                prompt: &call.prompt,
                schema: call.schema.as_ref(),
                text_tokens,
            },
        );
        if let Some(delivered) = state.delivered.get_mut(of) {
            *delivered += 1;
        }
        match answer {
            Ok(answer) => answer.outcome,
            Err(error) => {
                Outcome::Rejected { name: "TypeError".to_owned(), message: error.to_string() }
            }
        }
    }

    fn requests(&self, job: &AgentJob) -> Vec<SimulatedRequest> {
        let placed = self.place(&job.call);
        let state = self.state.borrow();
        let table = &self.setup.table;
        let Ok(model) = table.resolve(&job.model.0, &self.setup.job.provider, self.setup.job.on)
        else {
            return Vec::new();
        };
        let (Some(identity), call) = (state.index.stages().get(placed.placement.stage), &job.call)
        else {
            return Vec::new();
        };
        let traits = StageTraits {
            role: job.role,
            kind: state.kinds.get(placed.placement.stage).copied().unwrap_or(StageKind::General),
            model: ModelFacts::of(model),
            effort: job.effort,
            worktree: call.worktree,
            prefix_group: job.prefix_group,
        };
        let draws = Draws {
            run: &self.run_draws,
            stage: &StageDraws::new(self.seed, placed.key.0),
            agent: &AgentDraws::new(self.seed, placed.placement.identity),
        };
        let usage = self.setup.usage.agent(
            &traits.agent(self.counter.count(&call.prompt), self.run_agents),
            &draws,
            &self.setup.pins(&identity.name),
        );
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
        self.place(call).key
    }

    fn as_written(&self, call: &AgentCall) -> Result<WrittenRoute, String> {
        let placed = self.place(call);
        let named = self.setup.written(call.model.as_deref())?;
        let state = self.state.borrow();
        let name = state.index.stages().get(placed.placement.stage).map(|of| of.name.to_string());
        Ok(WrittenRoute {
            stage_name: name.unwrap_or_default(),
            price: named.price.ok().map(|price| Arc::new(price) as _),
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
        let placed = self.0.place(call);
        let name = {
            let state = self.0.state.borrow();
            state.index.stages().get(placed.placement.stage)?.name.clone()
        };
        let done = self.0.setup.assumptions.is_done(call.label.as_deref(), &name);
        done.then(|| self.0.answer(call, DONE_ANSWER_TOKENS))
    }
}
