//! A scripted execution, small agents, and one way to run them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};

use flyball::agents::{Arms, ResultSource, SimulatedBackend, SimulatedRequest, Workload};
use flyball::budget::{Bound, Limits, OutputCap};
use flyball::event::{RunEvent, RunReport};
use flyball::id::{CallId, ModelId, RunId, StageKey};
use flyball::money::Picodollars;
use flyball::ports::agent::AgentJob;
use flyball::ports::pace::NoPacer;
use flyball::ports::price::RequestPrice;
use flyball::ports::route::{CallStages, WrittenRoute};
use flyball::ports::script::{
    AgentCall, EngineError, Execution, ExecutionNotes, Finish, Outcome, Status, Swallowed,
};
use flyball::ports::stop::{NeverStop, StopSignal};
use flyball::pricing::{CacheTtl, Mode, PriceTable, shipped_files};
use flyball::run::{NoReplay, Replay, RunPorts, RunSetup, run};
use flyball::seed::{Seed, key_of};
use flyball::tokens::TokenUsage;

pub(crate) const MODEL: &str = "claude-haiku-4-5";

pub(crate) fn price(model: &str) -> Arc<dyn RequestPrice> {
    static TABLE: OnceLock<PriceTable> = OnceLock::new();
    let table = TABLE.get_or_init(|| PriceTable::parse(&shipped_files()).unwrap());
    let on = jiff::civil::date(2026, 11, 22);
    let named = table.resolve_name(model, "bedrock", on).unwrap();
    Arc::new(named.price(on, Mode::default()).unwrap())
}

/// What the script does when an agent's call rejects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnReject {
    Throw,
    Swallow,
}

/// Waves of agents with a barrier after each.
pub(crate) struct Waves {
    left: VecDeque<Vec<AgentCall>>,
    ready: Vec<AgentCall>,
    open: BTreeSet<CallId>,
    on_reject: OnReject,
    finish: Option<Finish>,
    rejected: Vec<String>,
    pub(crate) outcomes: BTreeMap<CallId, Outcome>,
    pub(crate) time: u64,
    pub(crate) output_tokens: u64,
}

impl Waves {
    pub(crate) fn new(sizes: &[u32], on_reject: OnReject) -> Self {
        let mut next = 1;
        let mut left = VecDeque::new();
        for (wave, size) in sizes.iter().enumerate() {
            let calls = (next..next + size).map(|id| call(id, &format!("wave {wave}")));
            left.push_back(calls.collect());
            next += size;
        }
        let ready: Vec<AgentCall> = left.pop_front().unwrap_or_default();
        let finish = ready.is_empty().then(returned);
        let open = ready.iter().map(|call| call.id).collect();
        Self {
            left,
            ready,
            open,
            on_reject,
            finish,
            rejected: Vec::new(),
            outcomes: BTreeMap::new(),
            time: 0,
            output_tokens: 0,
        }
    }

    pub(crate) fn edit(mut self, edit: impl Fn(&mut AgentCall)) -> Self {
        self.ready.iter_mut().chain(self.left.iter_mut().flatten()).for_each(edit);
        self
    }
}

fn returned() -> Finish {
    Finish::Returned { value: Some("\"ok\"".to_owned()), line: Some(9) }
}

pub(crate) fn call(id: u32, phase: &str) -> AgentCall {
    AgentCall {
        id: CallId(id),
        prompt: format!("do part {id}").into(),
        label: Some(format!("part:{id}").into()),
        phase: Some(phase.into()),
        schema: None,
        model: None,
        effort: None,
        agent_type: None,
        worktree: false,
        stall_milliseconds: None,
        child_workflow: None,
        line: None,
        column: None,
    }
}

impl Execution for Waves {
    fn calls(&mut self) -> Vec<AgentCall> {
        std::mem::take(&mut self.ready)
    }

    fn deliver(
        &mut self,
        call: CallId,
        outcome: Outcome,
        output_tokens: u64,
    ) -> Result<(), EngineError> {
        if !self.open.remove(&call) || self.finish.is_some() {
            return Err(EngineError::NotOpen(call.0));
        }
        self.output_tokens += output_tokens;
        if let Outcome::Rejected { name, message } = &outcome {
            self.rejected.push(message.clone());
            if self.on_reject == OnReject::Throw {
                let (name, message) = (name.clone(), message.clone());
                self.finish = Some(Finish::Threw { name, message, place: None });
            }
        }
        self.outcomes.insert(call, outcome);
        if self.open.is_empty() && self.finish.is_none() {
            match self.left.pop_front() {
                Some(wave) => {
                    self.open = wave.iter().map(|call| call.id).collect();
                    self.ready = wave;
                }
                None => self.finish = Some(returned()),
            }
        }
        Ok(())
    }

    fn advance_to(&mut self, milliseconds: u64) -> Result<(), EngineError> {
        assert!(milliseconds >= self.time, "time goes back");
        self.time = milliseconds;
        Ok(())
    }

    fn status(&mut self) -> Status {
        self.finish.clone().map_or(
            Status::Waiting { open_calls: self.open.len() as u32, next_timer_milliseconds: None },
            Status::Finished,
        )
    }

    fn notes(&mut self) -> ExecutionNotes {
        let first = self.rejected.first().cloned();
        let swallowed = first
            .filter(|_| self.on_reject == OnReject::Swallow)
            .map(|first| Swallowed { count: self.rejected.len() as u32, first, place: None });
        ExecutionNotes { logs: vec!["hello".to_owned()], swallowed, ..Default::default() }
    }
}

/// Two to four requests per agent, drawn by its call.
#[derive(Clone, Copy)]
pub(crate) struct SmallAgents(pub(crate) Seed);

impl Workload for SmallAgents {
    fn requests(&mut self, job: &AgentJob) -> Vec<SimulatedRequest> {
        let mut draw = self.0.stream(u64::from(job.call.id.0));
        let mut context = 16_000 + draw.below(4_000);
        let mut cached = if job.prefix_written { 11_000 } else { 0 };
        let requests = 2 + draw.below(3);
        (0..requests)
            .map(|index| {
                let grown = if index == 0 { 0 } else { 500 + draw.below(3_000) };
                context += grown;
                let usage = TokenUsage {
                    cache_read: cached,
                    cache_write_5m: context - cached,
                    // One answer in a hundred is longer than the standing cap.
                    output: if draw.chance(0.01) { 9_000 } else { 100 + draw.below(1_500) },
                    ..TokenUsage::default()
                };
                cached = context;
                SimulatedRequest {
                    usage,
                    prompt_tokens_max: context + grown * 3 + context / 20,
                    asked_output_tokens: 128_000,
                    thinking_tokens: 0,
                    duration_milliseconds: 2_000 + draw.below(20_000),
                }
            })
            .collect()
    }
}

impl SmallAgents {
    /// The largest least bound of a first request.
    pub(crate) fn least_bound(price: &dyn RequestPrice) -> Picodollars {
        let prompt = 20_000 + 20_000 / 20;
        let cap = OutputCap::new(128_000, 8_000, 0);
        let bound = Bound::of(price, prompt, cap.standing_tokens, CacheTtl::FiveMinutes).unwrap();
        bound.charge(cap.floor_tokens).usd
    }
}

pub(crate) struct Answers;

impl ResultSource for Answers {
    fn result(&mut self, call: &AgentCall, _: u64) -> Outcome {
        Outcome::Text(format!("result of {}", call.id.0))
    }
}

/// A phase is a stage; calls without a model of their own cost what is inside.
pub(crate) struct ByPhase(pub(crate) Arc<dyn RequestPrice>);

impl CallStages for ByPhase {
    fn stage(&self, call: &AgentCall) -> StageKey {
        StageKey(call.phase.as_deref().map_or(0, key_of))
    }

    fn as_written(&self, call: &AgentCall) -> Result<WrittenRoute, String> {
        let model = call.model.as_deref().unwrap_or(MODEL);
        if model == "unheard-of" {
            return Err("no model is called `unheard-of`".to_owned());
        }
        let stage_name = call.phase.as_deref().unwrap_or("none").to_owned();
        let price = match model {
            MODEL => Some(Arc::clone(&self.0)),
            "claude-unpriced" => None,
            other => Some(price(other)),
        };
        Ok(WrittenRoute { stage_name, model: ModelId::from(model), price, effort: None })
    }
}

pub(crate) struct Case<'a> {
    pub(crate) setup: RunSetup,
    pub(crate) price: Arc<dyn RequestPrice>,
    pub(crate) arms: Arms,
    pub(crate) seed: u64,
    pub(crate) stop: &'a dyn StopSignal,
    pub(crate) replay: Option<&'a mut dyn Replay>,
}

impl Case<'_> {
    pub(crate) fn new(limit: Picodollars, seed: u64) -> Self {
        let mut setup = RunSetup::new(RunId::from("wf_test"), "waves");
        setup.limits = Limits::usd(limit);
        setup.seed = Some(seed);
        let price = price(MODEL);
        Self { setup, price, arms: Arms::default(), seed, stop: &NeverStop, replay: None }
    }

    pub(crate) fn run(self, script: &mut Waves) -> RunReport {
        self.run_telling(script, &mut |_| {})
    }

    pub(crate) fn run_telling(
        self,
        script: &mut Waves,
        on_event: &mut dyn FnMut(&RunEvent),
    ) -> RunReport {
        let mut workload = SmallAgents(Seed::new(self.seed));
        self.run_with(&mut workload, script, on_event)
    }

    pub(crate) fn run_with(
        self,
        workload: &mut dyn Workload,
        script: &mut Waves,
        on_event: &mut dyn FnMut(&RunEvent),
    ) -> RunReport {
        let (seed, mut results) = (Seed::new(self.seed), Answers);
        let mut backend = SimulatedBackend::new(workload, &mut results, self.arms, seed);
        let mut no_replay = NoReplay;
        let replay: &mut dyn Replay = match self.replay {
            Some(replay) => replay,
            None => &mut no_replay,
        };
        let ports = RunPorts {
            execution: script,
            backend: &mut backend,
            stages: &ByPhase(self.price),
            replay,
            pacer: &mut NoPacer,
            stop: self.stop,
            keep: &mut |_, _| {},
            on_event,
        };
        run(&self.setup, ports)
    }
}
