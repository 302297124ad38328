//! What the calls of the trials cost on given models: token use drawn per agent, priced per
//! request. Pure arithmetic over recorded trials; runs no script.

use std::sync::Arc;

use crate::effort::Effort;
use crate::id::ModelId;
use crate::money::Picodollars;
use crate::plan::frame::{Frame, FrameStage, Recorded};
use crate::plan::setup::{ModelFacts, Setup, StageTraits};
use crate::plan::trial::CallRecord;
use crate::pricing::Price;
use crate::seed::Seed;
use crate::tokens::TokenUsage;
use crate::usage::{AgentDraws, AgentUsage, Draws, Pins, Prefix, RunDraws, StageDraws};

/// What a stage runs on.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The model.
    pub model: ModelId,
    /// Its facts.
    pub facts: ModelFacts,
    /// Its price; `None` where it has none on that day.
    pub price: Option<Price>,
    /// The name whose price that is, where it is not the model's own.
    pub priced_as: Option<Arc<str>>,
    /// The effort.
    pub effort: Option<Effort>,
}

impl Choice {
    /// Whether agents cost the same on both.
    pub fn costs_like(&self, other: &Self) -> bool {
        self.model == other.model
            && self.effort == other.effort
            && self.facts == other.facts
            && self.price == other.price
    }
}

/// One stage of one sample under one choice of models.
#[derive(Clone, Copy, Debug, Default)]
pub struct StageCost {
    /// Agents, those marked done included.
    pub agents: u32,
    /// Agents that are paid.
    pub paid: u32,
    /// Final contexts, summed.
    pub context_tokens: u64,
    /// All classes, all requests.
    pub billed_tokens: u64,
    /// Generated.
    pub output_tokens: u64,
    /// First contexts, summed.
    pub first_context_tokens: u64,
    /// Requests.
    pub requests: u64,
    /// Requests above the model's price step.
    pub requests_above_step: u64,
    /// Dollars; meaningless if `unpriced`.
    pub cost: Picodollars,
    /// Whether a request had no price.
    pub unpriced: bool,
}

/// One sample under one choice of models.
#[derive(Clone, Debug, Default)]
pub struct SampleCost {
    /// By frame stage.
    pub stages: Vec<StageCost>,
}

impl SampleCost {
    /// Over all stages.
    pub fn total(&self) -> StageCost {
        self.stages.iter().fold(StageCost::default(), |sum, stage| sum.plus(stage))
    }
}

impl StageCost {
    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            agents: self.agents + other.agents,
            paid: self.paid + other.paid,
            context_tokens: self.context_tokens + other.context_tokens,
            billed_tokens: self.billed_tokens + other.billed_tokens,
            output_tokens: self.output_tokens + other.output_tokens,
            first_context_tokens: self.first_context_tokens + other.first_context_tokens,
            requests: self.requests + other.requests,
            requests_above_step: self.requests_above_step + other.requests_above_step,
            cost: self.cost + other.cost,
            unpriced: self.unpriced || other.unpriced,
        }
    }
}

/// One agent that is paid, as it is priced.
#[derive(Clone, Copy, Debug)]
pub struct PaidAgent<'a> {
    /// Index into [`Frame::samples`].
    pub sample: usize,
    /// Index into [`Frame::stages`].
    pub stage: usize,
    /// What it uses.
    pub usage: &'a AgentUsage,
    /// Dollars.
    pub cost: Picodollars,
    /// The part of them that its first prompt takes: loading its context.
    pub loading: Picodollars,
}

/// One agent with its price: what per-agent bands are made of.
#[derive(Clone, Copy, Debug)]
pub struct AgentCost {
    /// Index into [`Frame::stages`].
    pub stage: usize,
    /// Final context.
    pub context_tokens: u64,
    /// Requests.
    pub requests: u32,
    /// Output of each request but the last.
    pub step_output_tokens: u64,
    /// Output of the last request.
    pub final_output_tokens: u64,
    /// Dollars.
    pub cost: Picodollars,
}

impl AgentCost {
    /// Output of all its requests.
    pub fn output_tokens(&self) -> u64 {
        let steps = u64::from(self.requests.saturating_sub(1));
        self.step_output_tokens * steps + self.final_output_tokens
    }

    /// What is kept of `agent`.
    pub fn of(agent: &PaidAgent<'_>) -> Self {
        Self {
            stage: agent.stage,
            context_tokens: agent.usage.final_context_tokens,
            requests: agent.usage.requests,
            step_output_tokens: step_output(agent.usage),
            final_output_tokens: agent.usage.final_output_tokens,
            cost: agent.cost,
        }
    }
}

/// Prices every sample with one choice per frame stage.
pub fn cost_samples(
    setup: &Setup,
    frame: &Frame,
    choices: &[Choice],
    pins: &[Pins],
    each: &mut dyn FnMut(&PaidAgent<'_>),
) -> Vec<SampleCost> {
    let lanes = lanes(frame, choices, pins, &|_| true);
    let samples = frame.samples.iter().enumerate();
    samples.map(|(index, sample)| cost_sample(setup, (index, sample), &lanes, each)).collect()
}

/// Prices every sample anew where only the stages in `changed` differ from what `known` was priced
/// with, in pins and not in choices: the others keep their costs.
pub fn recost_samples(
    setup: &Setup,
    frame: &Frame,
    choices: &[Choice],
    pins: &[Pins],
    changed: &[bool],
    known: &[SampleCost],
) -> Vec<SampleCost> {
    let is_changed = |stage: usize| changed.get(stage).copied().unwrap_or(false);
    let lanes = lanes(frame, choices, pins, &is_changed);
    let recost = |(sample, known): (&Recorded, &SampleCost)| {
        let mut cost = cost_sample(setup, (0, sample), &lanes, &mut |_| {});
        for (stage, (into, before)) in cost.stages.iter_mut().zip(&known.stages).enumerate() {
            if !is_changed(stage) {
                *into = *before;
            }
        }
        cost
    };
    frame.samples.iter().zip(known).map(recost).collect()
}

/// Prices one stage alone: its cost in each sample. The stage is taken to share its prefix with
/// nobody else.
pub fn cost_stage(
    setup: &Setup,
    frame: &Frame,
    stage: usize,
    choice: &Choice,
    pins: &Pins,
    each: &mut dyn FnMut(&PaidAgent<'_>),
) -> Vec<StageCost> {
    let choices = vec![choice.clone(); frame.stages.len()];
    let pins = vec![*pins; frame.stages.len()];
    let mut lanes = lanes(frame, &choices, &pins, &|other| other == stage);
    for (position, lane) in lanes.iter_mut().enumerate() {
        lane.group = usize::from(position != stage);
    }
    let costs = |(index, sample): (usize, &Recorded)| {
        let cost = cost_sample(setup, (index, sample), &lanes, each);
        cost.stages.get(stage).copied().unwrap_or_default()
    };
    frame.samples.iter().enumerate().map(costs).collect()
}

/// How the agents of one stage are priced.
struct Lane<'a> {
    traits: StageTraits,
    choice: &'a Choice,
    pins: &'a Pins,
    tokens_per_byte: f64,
    /// Which prefix its agents share, counted from 0.
    group: usize,
    /// Whether its agents are priced; else they only warm the cache for others.
    priced: bool,
}

impl Lane<'_> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive number of tokens, far below 2^53"
    )]
    fn prompt_tokens(&self, bytes: u32) -> u64 {
        (f64::from(bytes) * self.tokens_per_byte) as u64
    }
}

fn lanes<'a>(
    frame: &Frame,
    choices: &'a [Choice],
    pins: &'a [Pins],
    priced: &dyn Fn(usize) -> bool,
) -> Vec<Lane<'a>> {
    let mut groups: Vec<u64> = Vec::new();
    let lane = |(position, ((stage, choice), pins)): (usize, ((&FrameStage, _), _))| {
        let choice: &'a Choice = choice;
        let mut traits = stage.traits.clone();
        traits.model = choice.facts;
        traits.effort = choice.effort;
        traits.prefix_group =
            crate::plan::setup::prefix_group(&stage.identity, &choice.model.0, choice.effort);
        let known = groups.iter().position(|group| *group == traits.prefix_group);
        let group = known.unwrap_or_else(|| {
            groups.push(traits.prefix_group);
            groups.len() - 1
        });
        let tokens_per_byte = stage.tokens_per_byte;
        Lane { traits, choice, pins, tokens_per_byte, group, priced: priced(position) }
    };
    frame.stages.iter().zip(choices).zip(pins).enumerate().map(lane).collect()
}

fn cost_sample(
    setup: &Setup,
    (index, sample): (usize, &Recorded),
    lanes: &[Lane<'_>],
    each: &mut dyn FnMut(&PaidAgent<'_>),
) -> SampleCost {
    let seed = Seed::new(setup.job.seed).child(u64::from(sample.number));
    let run = RunDraws::new(seed);
    let mut stage_draws: Vec<Option<StageDraws>> = vec![None; lanes.len()];
    let mut caches: Vec<Option<Warmth>> = vec![None; lanes.len().max(2)];
    let mut cost = SampleCost { stages: vec![StageCost::default(); lanes.len()] };
    let run_agents = u32::try_from(sample.calls.len()).unwrap_or(u32::MAX);
    for call in &sample.calls {
        let stage = call.stage as usize;
        let (Some(lane), Some(into)) = (lanes.get(stage), cost.stages.get_mut(stage)) else {
            continue;
        };
        // Refused by the turn's budget, or still without a slot when the script ended.
        if call.started == u64::MAX {
            continue;
        }
        into.agents += 1;
        if call.done {
            continue;
        }
        let prefix = match caches.get_mut(lane.group) {
            Some(cache) if !lane.traits.worktree => prefix_of(setup, call, cache),
            _ => Prefix::Private,
        };
        if !lane.priced {
            continue;
        }
        let Some(stage_draw) = stage_draws.get_mut(stage) else { continue };
        let stage_draw =
            stage_draw.get_or_insert_with(|| StageDraws::new(seed, sample.work_of(stage)));
        let draws =
            Draws { run: &run, stage: stage_draw, agent: &AgentDraws::new(seed, call.identity) };
        let prompt = lane.prompt_tokens(call.prompt_bytes);
        let agent = setup.usage.agent(&lane.traits.agent(prompt, run_agents), &draws, lane.pins);
        let before = into.cost;
        let loading = add_agent(into, &agent, prefix, lane.choice, setup.job.cache_one_hour);
        let cost = into.cost - before;
        each(&PaidAgent { sample: index, stage, usage: &agent, cost, loading });
    }
    cost
}

/// When a shared prefix can be read from the cache, virtual milliseconds.
#[derive(Clone, Copy, Debug)]
struct Warmth {
    from: u64,
    until: u64,
}

/// The first of a group writes the shared prefix, the others read it while it is kept. Where
/// nobody is held for the first one's response, those that start before it write their own.
fn prefix_of(setup: &Setup, call: &CallRecord, cache: &mut Option<Warmth>) -> Prefix {
    let keep = if setup.job.cache_one_hour { 3_600_000 } else { 300_000 };
    let until = call.ended.saturating_add(keep);
    match cache {
        Some(warmth) if warmth.until >= call.started => {
            warmth.until = until.max(warmth.until);
            if call.started >= warmth.from { Prefix::Read } else { Prefix::Written }
        }
        _ => {
            let held = setup.job.prefix_stagger_milliseconds > 0;
            let response = if held { 0 } else { call.ended.saturating_sub(call.started) / 8 };
            *cache = Some(Warmth { from: call.started.saturating_add(response), until });
            Prefix::Written
        }
    }
}

/// Output of one request before the last, rounded up.
fn step_output(agent: &AgentUsage) -> u64 {
    let steps = u64::from(agent.requests.saturating_sub(1));
    if steps == 0 {
        return 0;
    }
    agent.output_tokens.saturating_sub(agent.final_output_tokens).div_ceil(steps)
}

/// Adds what an agent takes; what its first prompt takes of it.
fn add_agent(
    into: &mut StageCost,
    agent: &AgentUsage,
    prefix: Prefix,
    choice: &Choice,
    one_hour: bool,
) -> Picodollars {
    let mut loading = Picodollars::ZERO;
    into.paid += 1;
    into.context_tokens += agent.final_context_tokens;
    into.first_context_tokens += agent.first_context_tokens;
    let step = choice.price.as_ref().and_then(Price::step_tokens);
    for (index, request) in agent.each_request(prefix, one_hour).enumerate() {
        into.requests += 1;
        into.billed_tokens += request.usage.billed();
        into.output_tokens += request.usage.output;
        let prompt = request.usage.prompt();
        if step.is_some_and(|step| prompt > step) {
            into.requests_above_step += 1;
        }
        match request_cost(choice, request.usage) {
            Some(cost) => into.cost += cost,
            None => into.unpriced = true,
        }
        if index == 0 {
            let prompt = TokenUsage { output: 0, ..request.usage };
            loading = request_cost(choice, prompt).unwrap_or(Picodollars::ZERO);
        }
    }
    loading
}

/// What one request takes; `None` without a price.
pub fn request_cost(choice: &Choice, usage: TokenUsage) -> Option<Picodollars> {
    let price = choice.price.as_ref()?;
    price.cost(&as_billed(usage, price, usage.prompt())).ok()
}

/// Where a provider does not bill cache writes as such, they are prompt tokens like any other.
fn as_billed(usage: TokenUsage, price: &Price, prompt: u64) -> TokenUsage {
    if price.rates(prompt).bills_cache_writes() {
        return usage;
    }
    TokenUsage {
        fresh: usage.fresh + usage.cache_write_5m + usage.cache_write_1h,
        cache_write_5m: 0,
        cache_write_1h: 0,
        ..usage
    }
}
