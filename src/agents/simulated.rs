//! Agents on a virtual clock: nothing is sent, nothing is paid, and time jumps.
//!
//! The upstream honours `max_tokens`: an answer ends at its cap. Its agent then continues in a
//! request of its own, as the real client does, up to three times for one answer; what is left of
//! the answer after that is never written.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use crate::agents::arms::Arms;
use crate::agents::workload::{ResultSource, SimulatedRequest, Workload};
use crate::id::CallId;
use crate::ports::agent::{
    AgentBackend, AgentEnd, AgentEvent, AgentJob, BackendEvent, Decision, RequestId, RequestWanted,
    StopReason,
};
use crate::pricing::CacheTtl;
use crate::seed::{Seed, key_of_parts};
use crate::tokens::TokenUsage;

/// The longest time until an answer begins.
const FIRST_TOKEN_MILLISECONDS_MAX: u64 = 2_000;
/// How often a cut answer is continued.
const CONTINUATIONS_MAX: u32 = 3;
/// How often a request that broke off or never left is sent again.
const RETRIES_MAX: u32 = 2;

/// Agents on a virtual clock.
pub struct SimulatedBackend<'a> {
    workload: &'a mut dyn Workload,
    results: &'a mut dyn ResultSource,
    arms: Arms,
    seed: Seed,
    now: u64,
    pending: BinaryHeap<Reverse<(u64, u64, Pending)>>,
    sequence: u64,
    agents: BTreeMap<CallId, Agent>,
    requests: BTreeMap<RequestId, Sent>,
    next_request: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pending {
    Want(CallId),
    Begin(RequestId),
    Done(RequestId),
    Lost(RequestId),
    Unsent(RequestId),
    End(CallId),
}

struct Agent {
    job: AgentJob,
    left: VecDeque<SimulatedRequest>,
    continuations: u32,
    retries: u32,
    answer_tokens: u64,
    end: Option<AgentEnd>,
}

struct Sent {
    agent: CallId,
    request: SimulatedRequest,
    /// What it is billed for; known once it was sent.
    billed: TokenUsage,
    cut_tokens: u64,
}

impl Sent {
    /// How long what is billed takes: of an answer that is cut its part, so that what writes on has
    /// the rest and the whole takes as long as it was drawn to.
    fn duration_milliseconds(&self) -> u64 {
        let whole = self.request.duration_milliseconds;
        let drawn = self.request.usage.output;
        if self.cut_tokens == 0 || drawn == 0 {
            return whole;
        }
        let written = u128::from(drawn - self.cut_tokens);
        let part = (u128::from(whole) * written).div_ceil(u128::from(drawn));
        u64::try_from(part).unwrap_or(whole)
    }
}

/// What is drawn per request, so that the arms are independent.
#[derive(Clone, Copy)]
enum Draw {
    Dies = 1,
    Unsent = 2,
    Overruns = 3,
    Fails = 4,
}

impl<'a> SimulatedBackend<'a> {
    /// Agents that do what `workload` says and answer what `results` says.
    pub fn new(
        workload: &'a mut dyn Workload,
        results: &'a mut dyn ResultSource,
        arms: Arms,
        seed: Seed,
    ) -> Self {
        Self {
            workload,
            results,
            arms,
            seed,
            now: 0,
            pending: BinaryHeap::new(),
            sequence: 0,
            agents: BTreeMap::new(),
            requests: BTreeMap::new(),
            next_request: 1,
        }
    }

    fn schedule(&mut self, delay: u64, what: Pending) {
        self.sequence += 1;
        self.pending.push(Reverse((self.now.saturating_add(delay), self.sequence, what)));
    }

    fn drawn(&self, draw: Draw, key: u64, per_mille: u32) -> bool {
        per_mille > 0
            && self.seed.uniform(key_of_parts(&[draw as u64, key])) * 1_000.0 < f64::from(per_mille)
    }

    fn end(&mut self, agent: CallId, end: AgentEnd) {
        if let Some(known) = self.agents.get_mut(&agent) {
            known.end = Some(end);
            self.schedule(0, Pending::End(agent));
        }
    }

    /// Carries out one step; `None` where it belongs to an agent that is gone.
    fn step(&mut self, what: Pending) -> Option<AgentEvent> {
        match what {
            Pending::Want(agent) => self.want(agent),
            Pending::Begin(request) => {
                let sent = self.requests.get(&request)?;
                let prompt = TokenUsage { output: 0, ..sent.billed };
                Some(AgentEvent::MessageStart { request, prompt })
            }
            Pending::Done(request) => self.done(request),
            Pending::Lost(request) => {
                self.again(request)?;
                Some(AgentEvent::RequestLost { request })
            }
            Pending::Unsent(request) => {
                self.again(request)?;
                Some(AgentEvent::RequestUnsent { request })
            }
            Pending::End(agent) => {
                let end = self.agents.remove(&agent)?.end.unwrap_or(AgentEnd::Refused);
                Some(AgentEvent::Ended { agent, end })
            }
        }
    }

    fn want(&mut self, agent: CallId) -> Option<AgentEvent> {
        let arms = self.arms;
        let known = self.agents.get_mut(&agent)?;
        let mut request = known.left.pop_front()?;
        if known.retries == 0 && known.continuations == 0 {
            apply(&arms, &mut request);
        }
        let cache_write = if request.usage.cache_write_1h > 0 {
            CacheTtl::OneHour
        } else {
            CacheTtl::FiveMinutes
        };
        let id = RequestId(self.next_request);
        self.next_request += 1;
        let sent = Sent { agent, request, billed: TokenUsage::default(), cut_tokens: 0 };
        self.requests.insert(id, sent);
        Some(AgentEvent::RequestWanted(RequestWanted {
            request: id,
            agent,
            prompt_tokens_max: request.prompt_tokens_max,
            asked_output_tokens: request.asked_output_tokens,
            thinking_tokens: request.thinking_tokens,
            cache_write,
        }))
    }

    fn send(&mut self, id: RequestId, cap: u64) {
        let arms = self.arms;
        let overruns = self.drawn(Draw::Overruns, id.0, arms.overruns_per_mille);
        let dies = self.drawn(Draw::Dies, id.0, arms.dies_per_mille);
        let unsent = self.drawn(Draw::Unsent, id.0, arms.unsent_per_mille);
        let Some(sent) = self.requests.get_mut(&id) else { return };
        let drawn = sent.request.usage;
        sent.billed = drawn;
        sent.billed.output = if arms.fills_output { cap } else { drawn.output.min(cap) };
        sent.cut_tokens = drawn.output.saturating_sub(cap);
        if overruns {
            sent.billed.output = cap + cap / 2;
            sent.billed.fresh = sent.request.prompt_tokens_max + sent.request.prompt_tokens_max / 2;
        }
        let duration = sent.duration_milliseconds();
        let first = (duration / 4).min(FIRST_TOKEN_MILLISECONDS_MAX);
        if unsent {
            self.schedule(first, Pending::Unsent(id));
            return;
        }
        self.schedule(first, Pending::Begin(id));
        if dies {
            self.schedule(duration.midpoint(first), Pending::Lost(id));
        } else {
            self.schedule(duration.max(first), Pending::Done(id));
        }
    }

    fn done(&mut self, id: RequestId) -> Option<AgentEvent> {
        let sent = self.requests.remove(&id)?;
        let agent = sent.agent;
        let usage = sent.billed;
        let fails = self.drawn(Draw::Fails, agent.0.into(), self.arms.fails_per_mille);
        let known = self.agents.get_mut(&agent)?;
        known.retries = 0;
        known.answer_tokens = usage.output;
        let cut = sent.cut_tokens > 0 && !self.arms.fills_output;
        if cut && known.continuations < CONTINUATIONS_MAX {
            known.continuations += 1;
            known.left.push_front(continuation(&sent));
        } else {
            known.continuations = 0;
        }
        if !known.left.is_empty() {
            self.schedule(0, Pending::Want(agent));
        } else if fails {
            self.end(agent, AgentEnd::Failed("simulated API error after retries".to_owned()));
        } else {
            let outcome = self.results.result(&known.job.call, known.answer_tokens);
            self.end(agent, AgentEnd::Finished(outcome));
        }
        let stop = if cut { StopReason::MaxTokens } else { StopReason::Complete };
        Some(AgentEvent::RequestDone { request: id, usage, stop })
    }

    /// Sends a request that came to nothing once more, or gives its agent up.
    fn again(&mut self, id: RequestId) -> Option<()> {
        let sent = self.requests.remove(&id)?;
        let known = self.agents.get_mut(&sent.agent)?;
        known.retries += 1;
        if known.retries > RETRIES_MAX {
            self.end(sent.agent, AgentEnd::Failed("simulated connection lost".to_owned()));
        } else {
            known.left.push_front(sent.request);
            self.schedule(0, Pending::Want(sent.agent));
        }
        Some(())
    }
}

/// The request that writes on where `sent` was cut: its prompt is what was there and what came.
fn continuation(sent: &Sent) -> SimulatedRequest {
    let context = sent.billed.prompt();
    let usage = TokenUsage {
        cache_read: context,
        cache_write_5m: sent.billed.output,
        output: sent.cut_tokens,
        ..TokenUsage::default()
    };
    let whole = sent.request.duration_milliseconds;
    SimulatedRequest {
        usage,
        prompt_tokens_max: usage.prompt(),
        duration_milliseconds: whole.saturating_sub(sent.duration_milliseconds()),
        ..sent.request
    }
}

/// What misbehaves in the request itself.
fn apply(arms: &Arms, request: &mut SimulatedRequest) {
    request.usage.fresh += arms.longer_prompt_tokens;
    request.prompt_tokens_max += arms.longer_prompt_tokens;
    if arms.misses_cache {
        request.usage.cache_write_5m += std::mem::take(&mut request.usage.cache_read);
    }
}

impl AgentBackend for SimulatedBackend<'_> {
    fn start(&mut self, job: AgentJob) {
        let id = job.call.id;
        let left = self.workload.requests(&job).into();
        let agent = Agent { job, left, continuations: 0, retries: 0, answer_tokens: 0, end: None };
        let nothing_to_do = agent.left.is_empty();
        self.agents.insert(id, agent);
        if nothing_to_do {
            self.end(id, AgentEnd::Failed("the simulated agent has no requests".to_owned()));
        } else {
            self.schedule(0, Pending::Want(id));
        }
    }

    fn decide(&mut self, request: RequestId, decision: Decision) {
        match decision {
            Decision::Proceed { output_cap_tokens } => self.send(request, output_cap_tokens),
            Decision::Refuse { .. } => {
                if let Some(sent) = self.requests.remove(&request) {
                    self.end(sent.agent, AgentEnd::Refused);
                }
            }
        }
    }

    fn abandon(&mut self, agent: CallId) {
        self.agents.remove(&agent);
        self.requests.retain(|_, sent| sent.agent != agent);
    }

    fn next(&mut self, until_milliseconds: Option<u64>) -> BackendEvent {
        loop {
            let due = self.pending.peek().map(|Reverse((at, _, _))| *at);
            let event = match (due, until_milliseconds) {
                (Some(at), Some(until)) if at > until => AgentEvent::Wake,
                (None, Some(_)) => AgentEvent::Wake,
                (None, None) => AgentEvent::Idle,
                (Some(at), _) => {
                    self.now = self.now.max(at);
                    let Some(Reverse((_, _, what))) = self.pending.pop() else { continue };
                    match self.step(what) {
                        Some(event) => event,
                        None => continue,
                    }
                }
            };
            if event == AgentEvent::Wake {
                self.now = self.now.max(until_milliseconds.unwrap_or(0));
            }
            return BackendEvent { at_milliseconds: self.now, event };
        }
    }

    fn simulated(&self) -> bool {
        true
    }
}
