//! The same work by one agent instead of many: depth instead of width. One growing context that
//! every request reads again, against one context for each agent; priced on the same samples by
//! the same model. Pure arithmetic over recorded trials.

use crate::band::{self, Band};
use crate::effort::Effort;
use crate::money::Picodollars;
use crate::plan::costing::{Choice, PaidAgent, cost_samples, request_cost};
use crate::plan::evaluation::{self, Priced};
use crate::plan::fitting::FIT_RULE;
use crate::plan::frame::{Frame, FrameStage};
use crate::plan::report::OneAgentPlan;
use crate::plan::routing::{self, Routed};
use crate::plan::setup::{ModelFacts, Setup};
use crate::policy::SESSION;
use crate::tokens::TokenUsage;
use crate::usage::{AgentUsage, Prefix};

/// A conversation is summed up when it fills so much of the window, per mille. Claude Code does so
/// by itself, somewhat below the window.
pub const COMPACTED_AT_PER_MILLE: u64 = 800;
/// Tokens of such a summary: its output, and what the conversation goes on with.
pub const SUMMARY_TOKENS: u64 = 6_000;
/// The point where one way overtakes the other is looked for up to so many agents: the runtime's
/// most.
const AGENTS_MAX: u32 = 1_000;
/// In so many samples.
const SAMPLES_LOOKED_AT: usize = 32;
/// Shares of the requests that one agent might be left with, per cent: what several agents read and
/// conclude each for itself, one has to only once. How much that is no transcript tells, so the plan
/// says how much it would have to be.
const LEFT_PER_CENT: [u32; 9] = [90, 80, 70, 60, 50, 40, 30, 20, 10];

/// The work of the plan by one agent: on the session's model, and where most requests are routed to
/// another, on that. Empty where a run has but one agent, or a price is missing.
pub fn compare(setup: &Setup, frame: &Frame, priced: &Priced) -> Vec<OneAgentPlan> {
    let several = priced.costs.iter().filter(|sample| sample.total().paid > 1).count();
    if several * 2 <= priced.costs.len() {
        return Vec::new();
    }
    let Ok(session) = setup.named(SESSION) else { return Vec::new() };
    let mut models = vec![routing::choice_on(setup, &session, None).0];
    models
        .extend(busiest(priced).filter(|choice| models.iter().all(|of| of.model != choice.model)));
    models.iter().filter_map(|choice| on(setup, frame, priced, choice)).collect()
}

/// What most requests are routed to.
fn busiest(priced: &Priced) -> Option<Choice> {
    let requests_on = |choice: &Choice| -> u64 {
        let on = priced.routes.iter().enumerate().filter(|(_, of)| of.choice.model == choice.model);
        let of = |(stage, _): (usize, _)| -> u64 {
            priced
                .costs
                .iter()
                .filter_map(|cost| cost.stages.get(stage))
                .map(|cost| cost.requests)
                .sum()
        };
        on.map(of).sum()
    };
    priced
        .routes
        .iter()
        .map(|routed| &routed.choice)
        .max_by_key(|choice| requests_on(choice))
        .cloned()
}

/// The choices of all stages were they on the model of `base`, at the efforts and caps that they are
/// planned with: a stage's own effort where no rule sets one.
fn planned_on(setup: &Setup, frame: &Frame, priced: &Priced, base: &Choice) -> Option<Vec<Choice>> {
    let model = setup.named(&base.model.0).ok()?.model;
    let choice = |(stage, routed): (&FrameStage, &Routed)| {
        let ruled = Some(&routed.routing).filter(|_| routed.plan.rule != FIT_RULE);
        let effort = match ruled {
            Some(routing) => routing.effort.map(Effort::name),
            None => stage.identity.effort.as_deref(),
        };
        let cap = ruled.and_then(|routing| routing.output_cap_tokens);
        let mut facts = ModelFacts::of(model);
        facts.max_output_tokens = facts.max_output_tokens.min(cap.unwrap_or(u64::MAX));
        Choice { effort: setup.effort_on(model, effort), facts, ..base.clone() }
    };
    Some(frame.stages.iter().zip(&priced.routes).map(choice).collect())
}

fn on(setup: &Setup, frame: &Frame, priced: &Priced, choice: &Choice) -> Option<OneAgentPlan> {
    let choices = planned_on(setup, frame, priced, choice)?;
    let mut sides = Sides { choice, one_hour: setup.job.cache_one_hour, of: Vec::new() };
    let pins = evaluation::pins(setup, frame);
    let costs = cost_samples(setup, frame, &choices, &pins, &mut |agent| sides.add(agent));
    let sampled: Vec<&Side> = sides.of.iter().filter(|side| side.agents > 0).collect();
    if costs.iter().any(|cost| cost.total().unpriced)
        || sampled.iter().any(|side| side.one.unpriced)
    {
        return None;
    }
    let money = |read: fn(&Side) -> Picodollars| {
        Band::of(&sampled.iter().map(|side| read(side)).collect::<Vec<_>>())
    };
    let fan_out: Picodollars = sampled.iter().map(|side| side.fan_out).sum();
    let loading: Picodollars = sampled.iter().map(|side| side.loading).sum();
    let seconds = |side: &&Side| side.one.milliseconds.div_ceil(1_000);
    let compactions: Vec<u32> = sampled.iter().map(|side| side.one.compactions).collect();
    Some(OneAgentPlan {
        model: choice.model.clone(),
        cost_usd: money(|side| side.one.cost)?,
        wall_seconds: Band::of(&sampled.iter().map(seconds).collect::<Vec<_>>())?,
        compactions_p50: Band::of(&compactions)?.p50,
        fan_out_cost_usd: money(|side| side.fan_out)?,
        loading_per_mille: per_mille(loading, fan_out),
        fan_out_cheaper_from_agents: sides.overtaken(),
        spared_per_cent: sides.spared(),
    })
}

fn per_mille(part: Picodollars, whole: Picodollars) -> u32 {
    let share = (part.pico().saturating_mul(1_000)).checked_div(whole.pico());
    share.and_then(|share| u32::try_from(share).ok()).unwrap_or(0)
}

/// Both ways through every sample.
struct Sides<'a> {
    choice: &'a Choice,
    one_hour: bool,
    /// By sample.
    of: Vec<Side>,
}

/// Both ways through one sample.
#[derive(Default)]
struct Side {
    agents: u32,
    fan_out: Picodollars,
    loading: Picodollars,
    one: OneAgent,
    /// The same with only a share of the requests, by [`LEFT_PER_CENT`], while that is looked for.
    left: [OneAgent; LEFT_PER_CENT.len()],
    /// The agents with what each takes in the fan-out, while the point is looked for.
    members: Vec<(AgentUsage, Picodollars)>,
    /// The number of agents from which the fan-out has stayed the cheaper one.
    cheaper_from: Option<u32>,
}

impl Sides<'_> {
    fn add(&mut self, agent: &PaidAgent<'_>) {
        let looks = agent.sample < SAMPLES_LOOKED_AT;
        while self.of.len() <= agent.sample {
            self.of.push(Side::default());
        }
        let Some(side) = self.of.get_mut(agent.sample) else { return };
        side.loading += agent.loading;
        if looks {
            side.members.push((*agent.usage, agent.cost));
            for (one, per_cent) in side.left.iter_mut().zip(LEFT_PER_CENT) {
                one.take(agent.usage, per_cent, self.choice, self.one_hour);
            }
        }
        side.take(agent.usage, agent.cost, self.choice, self.one_hour);
    }

    /// From how many agents on the fan-out is the cheaper way, in the median sample; `None` where
    /// it never is, up to what the runtime allows. A sample that is too small to tell goes on with
    /// the same agents again.
    fn overtaken(&self) -> Option<u32> {
        let mut points: Vec<u32> = Vec::new();
        for side in self.of.iter().filter(|side| !side.members.is_empty()) {
            let mut longer = Side { one: side.one.clone(), ..Side::default() };
            (longer.agents, longer.fan_out) = (side.agents, side.fan_out);
            longer.cheaper_from = side.cheaper_from;
            let mut again = side.members.iter().cycle();
            while longer.cheaper_from.is_none() && longer.agents < AGENTS_MAX {
                let Some((usage, cost)) = again.next() else { break };
                longer.take(usage, *cost, self.choice, self.one_hour);
            }
            points.push(longer.cheaper_from.unwrap_or(u32::MAX));
        }
        points.sort_unstable();
        band::quantile(&points, 500).filter(|point| *point <= AGENTS_MAX)
    }
}

impl Sides<'_> {
    /// The least share of the requests, per cent, that one agent has to be spared to be no dearer in
    /// the median sample: 0 where it is not dearer anyway; `None` where a tenth is still too many.
    fn spared(&self) -> Option<u32> {
        let mut needed: Vec<u32> = Vec::new();
        for side in self.of.iter().filter(|side| !side.members.is_empty()) {
            let mut shares = side.left.iter().zip(LEFT_PER_CENT);
            let enough =
                shares.find(|(one, _)| one.cost <= side.fan_out).map(|(_, left)| 100 - left);
            let none = side.one.cost <= side.fan_out;
            needed.push(if none { 0 } else { enough.unwrap_or(u32::MAX) });
        }
        needed.sort_unstable();
        band::quantile(&needed, 500).filter(|spared| *spared < 100)
    }
}

impl Side {
    /// One more agent, both ways.
    fn take(&mut self, usage: &AgentUsage, cost: Picodollars, choice: &Choice, one_hour: bool) {
        self.agents += 1;
        self.fan_out += cost;
        self.one.take(usage, 100, choice, one_hour);
        if self.fan_out >= self.one.cost {
            self.cheaper_from = None;
        } else if self.cheaper_from.is_none() {
            self.cheaper_from = Some(self.agents);
        }
    }
}

/// One agent that does the work of all, one after the other, in one conversation.
#[derive(Clone, Debug, Default)]
struct OneAgent {
    /// Tokens of the conversation so far.
    context: u64,
    /// How many of them the cache holds.
    cached: u64,
    cost: Picodollars,
    milliseconds: u64,
    compactions: u32,
    unpriced: bool,
    /// Hundredths of a request that are left over from what was asked so far.
    owed_per_cent: u32,
}

impl OneAgent {
    /// Does the work of an agent: `left_per_cent` of its requests with what each adds, on top of what
    /// is there. Its instructions and what they quote of others are there already.
    fn take(&mut self, agent: &AgentUsage, left_per_cent: u32, choice: &Choice, one_hour: bool) {
        if self.context == 0 {
            self.context = agent.first_context_tokens;
        }
        let full = choice.facts.context_tokens.saturating_mul(COMPACTED_AT_PER_MILLE) / 1_000;
        let mut before = agent.first_context_tokens;
        for request in agent.each_request(Prefix::Private, one_hour) {
            let now = request.usage.prompt();
            self.owed_per_cent += left_per_cent;
            let is_asked = self.owed_per_cent >= 100;
            let added = std::mem::replace(&mut before, now);
            if !is_asked {
                continue;
            }
            self.owed_per_cent -= 100;
            self.context += now.saturating_sub(added);
            if self.context > full {
                self.compact(agent, choice, one_hour);
            }
            self.ask(request.usage.output, choice, one_hour);
            self.milliseconds += request.duration_milliseconds;
        }
        self.context += agent.final_output_tokens * u64::from(left_per_cent) / 100;
    }

    /// Sums the conversation up, and goes on with that.
    fn compact(&mut self, agent: &AgentUsage, choice: &Choice, one_hour: bool) {
        self.context = self.context.min(choice.facts.context_tokens);
        self.ask(SUMMARY_TOKENS, choice, one_hour);
        self.milliseconds += agent.duration_of(SUMMARY_TOKENS);
        self.compactions += 1;
        self.context = agent.first_context_tokens + SUMMARY_TOKENS;
        self.cached = agent.shared_prefix_tokens;
    }

    /// One request over the whole conversation.
    fn ask(&mut self, output_tokens: u64, choice: &Choice, one_hour: bool) {
        let cache_read = self.cached.min(self.context);
        let write = self.context - cache_read;
        let mut usage = TokenUsage { cache_read, output: output_tokens, ..TokenUsage::default() };
        if one_hour {
            usage.cache_write_1h = write;
        } else {
            usage.cache_write_5m = write;
        }
        self.cached = self.context;
        match request_cost(choice, usage) {
            Some(cost) => self.cost += cost,
            None => self.unpriced = true,
        }
    }
}
