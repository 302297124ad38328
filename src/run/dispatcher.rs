//! Drives a script and its agents: slots in call order, money before every request.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::budget::{AccountError, Admission, Denial, Effects, Grant};
use crate::diagnostic::{Diagnostic, Severity};
use crate::event::{AgentEnding, RunEvent, RunReport, StopCause};
use crate::gate::Gate;
use crate::id::CallId;
use crate::ports::agent::{
    AgentEnd, AgentEvent, AgentJob, BackendEvent, Decision, RequestId, RequestWanted, StopReason,
};
use crate::ports::script::{AgentCall, EngineError, Outcome, Status};
use crate::ports::stop::Stop;
use crate::run::agent_at_work::{AgentAtWork, Refusal, label_of};
use crate::run::ending::{self, Ended};
use crate::run::request_desk::{Closed, DeskError, RequestDesk};
use crate::run::routes::StageRoute;
use crate::run::setup::{CONCURRENCY_MAX, RunPorts, RunSetup};
use crate::run::stagger::{Stagger, Start, prefix_group};
use crate::run::tally::Tally;
use crate::tokens::TokenUsage;

/// Runs a workflow to its end and reports it. Everything is in the report, failures too.
///
/// Nothing is reserved when it returns. Ends early only where [`RunPorts::stop`] says so, where
/// the backend falls silent or where the books stop to balance.
pub fn run<'a>(setup: &'a RunSetup, ports: RunPorts<'a>) -> RunReport {
    match RequestDesk::new(setup) {
        Ok(desk) => Dispatcher::new(setup, ports, desk).run(),
        Err(error) => ending::unstarted(setup, &ports, &error),
    }
}

pub(crate) struct Dispatcher<'a> {
    pub(crate) setup: &'a RunSetup,
    pub(crate) ports: RunPorts<'a>,
    pub(crate) desk: RequestDesk,
    pub(crate) tally: Tally,
    /// Calls without a slot, in call order.
    queue: VecDeque<AgentAtWork>,
    /// Agents with a slot that wait for their prefix.
    held: VecDeque<CallId>,
    /// Agents with a slot.
    agents: BTreeMap<CallId, AgentAtWork>,
    stagger: Stagger,
    pub(crate) now: u64,
    /// Why nothing new begins any more.
    pub(crate) ending: Option<Ended>,
}

impl<'a> Dispatcher<'a> {
    fn new(setup: &'a RunSetup, ports: RunPorts<'a>, desk: RequestDesk) -> Self {
        Self {
            setup,
            ports,
            desk,
            tally: Tally::default(),
            queue: VecDeque::new(),
            held: VecDeque::new(),
            agents: BTreeMap::new(),
            stagger: Stagger::new(setup.stagger_milliseconds),
            now: 0,
            ending: None,
        }
    }

    fn run(mut self) -> RunReport {
        let started = RunEvent::RunStarted {
            run: self.setup.run_id.clone(),
            workflow: self.setup.workflow.clone(),
            limit_usd: self.setup.limits.usd,
            concurrency: self.slots(),
            simulated: self.ports.backend.simulated(),
        };
        self.tell(&started);
        while self.begin_what_may() {
            let timer = self.next_timer();
            let BackendEvent { at_milliseconds, event } = self.ports.backend.next(timer);
            self.advance(at_milliseconds);
            self.handle(event, timer.is_none());
        }
        ending::report(self)
    }

    /// Starts what has a place; `false` once the run is over.
    fn begin_what_may(&mut self) -> bool {
        match self.ports.stop.stop() {
            Some(Stop::Now) => {
                self.end_with(Ended::Stopped(StopCause::Signal));
                self.leave_at_once();
                return false;
            }
            Some(Stop::Drain) => self.end_with(Ended::Stopped(StopCause::Signal)),
            None => {}
        }
        if self.ending.is_none() {
            self.take_calls();
            if let Status::Finished(finish) = self.ports.execution.status() {
                self.end_with(Ended::Script(finish));
            }
        }
        if self.ending.is_none() {
            self.fill_slots();
        }
        self.ending.is_none() || !self.agents.is_empty()
    }

    /// Begins the end: the first reason counts. Agents without a request in flight end now.
    pub(crate) fn end_with(&mut self, ended: Ended) {
        if self.ending.is_some() {
            return;
        }
        self.ending = Some(ended);
        for call in self.ports.execution.calls() {
            self.take_call(call);
        }
        for agent in std::mem::take(&mut self.queue) {
            self.tell_end(&agent, AgentEnding::Stopped, "the run ended before it began");
        }
        for call in std::mem::take(&mut self.held) {
            if let Some(agent) = self.agents.remove(&call) {
                self.tell_end(&agent, AgentEnding::Stopped, "the run ended before it began");
            }
        }
        for request in self.desk.waiting() {
            let closed = self.desk.unsent(request);
            if let Some(Closed { agent, effects, .. }) = self.check(closed) {
                self.refuse(request, agent, Refusal::Stopping);
                self.apply(effects);
            }
        }
    }

    /// Charges what is in flight at its full reservation and leaves.
    fn leave_at_once(&mut self) {
        for request in self.desk.in_flight() {
            let closed = self.desk.lost(request);
            if self.check(closed).is_some() {
                self.tally.requests.expired += 1;
            }
        }
        for (call, agent) in std::mem::take(&mut self.agents) {
            self.ports.backend.abandon(call);
            self.tell_end(&agent, AgentEnding::Stopped, "the run was stopped at once");
        }
    }

    fn slots(&self) -> u32 {
        self.setup.concurrency.clamp(1, CONCURRENCY_MAX)
    }

    /// When something other than the backend wants to act.
    fn next_timer(&mut self) -> Option<u64> {
        if self.ending.is_some() {
            return None;
        }
        let script = match self.ports.execution.status() {
            Status::Waiting { next_timer_milliseconds, .. } => next_timer_milliseconds,
            Status::Finished(_) => None,
        };
        let held = if self.held.is_empty() { None } else { self.stagger.deadline(self.now) };
        script.into_iter().chain(held).min()
    }

    fn advance(&mut self, to: u64) {
        if to <= self.now {
            return;
        }
        self.now = to;
        self.ports.pacer.wait_until(to);
        if self.ending.is_none() {
            let advanced = self.ports.execution.advance_to(to);
            self.engine(advanced);
        }
    }

    fn engine(&mut self, result: Result<(), EngineError>) {
        if let Err(error) = result {
            self.end_with(Ended::Engine(error.to_string()));
        }
    }

    /// Takes over the calls that the script made; replayed ones are answered at once.
    fn take_calls(&mut self) {
        loop {
            let calls = self.ports.execution.calls();
            if calls.is_empty() || self.ending.is_some() {
                return;
            }
            for call in calls {
                self.take_call(call);
            }
        }
    }

    fn take_call(&mut self, call: AgentCall) {
        let stage = self.ports.stages.stage(&call);
        let planned = self.setup.routes.get(stage).cloned().map(Ok);
        let route = planned.unwrap_or_else(|| {
            let written = self.ports.stages.as_written(&call)?;
            Ok(StageRoute::unplanned(written.stage_name, written.model, written.effort))
        });
        let label = label_of(&call);
        let phase = call.phase.clone().unwrap_or_default();
        let (route, refused): (StageRoute, Option<String>) = match route {
            Ok(route) if route.gate == Gate::Deny => {
                let why = format!("policy rule `{}` denies stage `{}`", route.rule, route.name);
                (route, Some(why))
            }
            Ok(route) => (route, None),
            Err(why) => {
                let model = crate::id::ModelId(call.model.as_deref().unwrap_or("").to_owned());
                (StageRoute::unplanned(label.to_string(), model, None), Some(why))
            }
        };
        let at_milliseconds = self.now;
        if self.tally.called(&phase, stage, &route) {
            self.tell(&RunEvent::PhaseStarted { at_milliseconds, phase: Arc::clone(&phase) });
        }
        self.tell(&RunEvent::AgentQueued {
            at_milliseconds,
            agent: call.id,
            label: Arc::clone(&label),
            phase: Arc::clone(&phase),
            model: route.model.clone(),
        });
        let replayed = self.ports.replay.outcome(&call);
        let prefix_group = prefix_group(&call, &route);
        let agent = AgentAtWork {
            call,
            stage,
            route,
            label,
            phase,
            prefix_group,
            scope: None,
            requests_sent: 0,
            tokens: TokenUsage::default(),
            refusal: None,
        };
        match (replayed, refused) {
            (Some(outcome), _) => {
                self.tell_end(&agent, AgentEnding::Replayed, "");
                self.deliver(agent.call.id, outcome, 0);
            }
            (None, Some(why)) => {
                self.tell_end(&agent, AgentEnding::Failed, &why);
                self.deliver(agent.call.id, rejected("Error", why), 0);
            }
            (None, None) => self.queue.push_back(agent),
        }
    }

    /// Gives slots to waiting calls, first come first served, and starts who is not held.
    fn fill_slots(&mut self) {
        for call in std::mem::take(&mut self.held) {
            self.start(call);
        }
        while self.agents.len() < self.slots() as usize && self.ending.is_none() {
            let Some(mut agent) = self.queue.pop_front() else { return };
            let call = agent.call.id;
            match self.desk.open_agent(call, &agent.phase) {
                Ok(scope) => agent.scope = Some(scope),
                Err(error) => {
                    self.queue.push_front(agent);
                    return self.end_with(Ended::Books(error.to_string()));
                }
            }
            self.agents.insert(call, agent);
            self.start(call);
        }
    }

    fn start(&mut self, call: CallId) {
        let Some(agent) = self.agents.get(&call) else { return };
        let group = agent.prefix_group;
        let Start::Now { prefix_written } = self.stagger.ask(group, call, self.now) else {
            self.held.push_back(call);
            return;
        };
        let job = AgentJob {
            call: agent.call.clone(),
            stage: agent.stage,
            role: agent.route.role,
            model: agent.route.model.clone(),
            effort: agent.route.effort,
            prefix_group: group,
            prefix_written,
        };
        self.tell(&RunEvent::AgentStarted { at_milliseconds: self.now, agent: call });
        self.ports.backend.start(job);
    }

    fn handle(&mut self, event: AgentEvent, silence_is_final: bool) {
        match event {
            AgentEvent::RequestWanted(wanted) => self.wanted(&wanted),
            AgentEvent::MessageStart { request, prompt } => self.begun(request, &prompt),
            AgentEvent::RequestDone { request, usage, stop } => self.done(request, &usage, stop),
            AgentEvent::RequestLost { request } => {
                let closed = self.desk.lost(request);
                if let Some(closed) = self.check(closed) {
                    self.tally.requests.expired += 1;
                    self.settled(closed, TokenUsage::default());
                }
            }
            AgentEvent::RequestUnsent { request } => {
                let closed = self.desk.unsent(request);
                if let Some(Closed { agent, effects, .. }) = self.check(closed) {
                    self.tally.requests.released += 1;
                    self.tally.requests.sent -= 1;
                    if let Some(agent) = self.agents.get_mut(&agent) {
                        agent.requests_sent = agent.requests_sent.saturating_sub(1);
                    }
                    self.apply(effects);
                }
            }
            AgentEvent::Ended { agent, end } => self.ended(agent, end),
            AgentEvent::Wake => {}
            AgentEvent::Idle if silence_is_final => {
                self.end_with(Ended::Silence);
                self.leave_at_once();
            }
            AgentEvent::Idle => {}
        }
    }

    /// A request asks to be sent. What has no price is refused: unknown is never free.
    fn wanted(&mut self, wanted: &RequestWanted) {
        let (request, call) = (wanted.request, wanted.agent);
        let Some(agent) = self.agents.get(&call) else { return };
        if self.ending.is_some() {
            return self.refuse(request, call, Refusal::Stopping);
        }
        let price = self.setup.prices.get(&agent.route.model).cloned();
        let (Some(price), Some(scope)) = (price, agent.scope) else {
            let why = format!(
                "model `{}` has no price; add one to the price table or route `{}` elsewhere",
                agent.route.model, agent.route.name
            );
            return self.refuse(request, call, Refusal::Unpriced(why));
        };
        match self.desk.ask(wanted, scope, &price, agent.route.output_cap_tokens) {
            Ok(Admission::Admitted(grant)) => self.proceed(request, call, &grant),
            Ok(Admission::Waiting(shortage)) => {
                self.tally.requests.waited += 1;
                let at_milliseconds = self.now;
                self.tell(&RunEvent::RequestWaiting { at_milliseconds, agent: call, shortage });
            }
            Ok(Admission::Refused(denial)) => self.deny(request, call, denial),
            Err(DeskError::NoPrice(why)) => {
                self.refuse(request, call, Refusal::Unpriced(why.to_string()));
            }
            Err(error) => {
                self.refuse(request, call, Refusal::Stopping);
                self.end_with(Ended::Books(error.to_string()));
            }
        }
    }

    fn proceed(&mut self, request: RequestId, call: CallId, grant: &Grant) {
        self.desk.sent(request, grant.output_cap_tokens);
        self.tally.requests.sent += 1;
        self.tally.requests.clamped += u32::from(grant.clamped);
        if let Some(agent) = self.agents.get_mut(&call) {
            agent.requests_sent += 1;
        }
        self.tell(&RunEvent::RequestReserved {
            at_milliseconds: self.now,
            agent: call,
            reserved_usd: grant.reserved.usd,
            output_cap_tokens: grant.output_cap_tokens,
            clamped: grant.clamped,
        });
        let output_cap_tokens = grant.output_cap_tokens;
        self.ports.backend.decide(request, Decision::Proceed { output_cap_tokens });
    }

    fn deny(&mut self, request: RequestId, call: CallId, denial: Denial) {
        if let Some(agent) = self.agents.get(&call) {
            self.tally.denied(agent, &denial);
        }
        let at_milliseconds = self.now;
        self.tell(&RunEvent::Denied { at_milliseconds, agent: call, denial: denial.clone() });
        self.refuse(request, call, Refusal::Budget(denial));
    }

    fn refuse(&mut self, request: RequestId, call: CallId, refusal: Refusal) {
        let reason = refusal.message();
        self.desk.forget(request);
        if let Some(agent) = self.agents.get_mut(&call) {
            agent.refusal = Some(refusal);
        }
        self.ports.backend.decide(request, Decision::Refuse { reason });
    }

    fn begun(&mut self, request: RequestId, prompt: &TokenUsage) {
        let begun = self.desk.begun(request, prompt);
        if let Some((call, effects)) = self.check(begun) {
            self.tally.requests.shrunk += 1;
            if let Some(agent) = self.agents.get(&call) {
                self.stagger.warm(agent.prefix_group);
            }
            self.apply(effects);
        }
    }

    fn done(&mut self, request: RequestId, usage: &TokenUsage, stop: StopReason) {
        self.tally.requests.cut += u32::from(stop == StopReason::MaxTokens);
        match self.desk.done(request, usage) {
            Ok(closed) => self.settled(closed, *usage),
            // It was paid for, and we cannot say how much: charge the most and begin nothing more.
            Err(error) => {
                let closed = self.desk.lost(request);
                if let Some(closed) = self.check(closed) {
                    self.tally.requests.expired += 1;
                    self.settled(closed, *usage);
                }
                self.end_with(Ended::Books(error.to_string()));
            }
        }
    }

    fn settled(&mut self, closed: Closed, usage: TokenUsage) {
        let Closed { agent: call, cost, effects } = closed;
        self.tally.tokens += usage;
        if let Some(agent) = self.agents.get_mut(&call) {
            agent.tokens += usage;
            self.stagger.warm(agent.prefix_group);
        }
        let run = self.desk.run_balance();
        self.tell(&RunEvent::RequestSettled {
            at_milliseconds: self.now,
            agent: call,
            tokens: usage,
            cost_usd: cost,
            spent_usd: run.settled.usd,
            reserved_usd: run.reserved.usd,
        });
        self.apply(effects);
    }

    /// Carries out what a change of the balances decided for others.
    fn apply(&mut self, effects: Effects) {
        let at_milliseconds = self.now;
        if let Some(overrun) = effects.overrun {
            self.tally.requests.overruns += 1;
            let message = format!(
                "attempt `{}` took {} more than the most it could: the upstream did not keep its \
                 output cap, or the prompt was longer than its bound",
                overrun.attempt, overrun.beyond.usd
            );
            self.note(Diagnostic::new(Severity::Warning, "run::overrun", message));
        }
        for warning in effects.warnings {
            self.tell(&RunEvent::Threshold { at_milliseconds, warning });
        }
        for decision in effects.decisions {
            let Some((request, call)) = self.desk.request_of(&decision.attempt) else { continue };
            match decision.admission {
                Admission::Admitted(grant) if self.ending.is_none() => {
                    self.proceed(request, call, &grant);
                }
                Admission::Admitted(_) => {
                    let closed = self.desk.unsent(request);
                    self.refuse(request, call, Refusal::Stopping);
                    if let Some(closed) = self.check(closed) {
                        self.apply(closed.effects);
                    }
                }
                Admission::Refused(denial) => self.deny(request, call, denial),
                Admission::Waiting(_) => {}
            }
        }
    }

    fn ended(&mut self, call: CallId, end: AgentEnd) {
        let Some(agent) = self.agents.remove(&call) else { return };
        self.stagger.ended(agent.prefix_group, call);
        let (ending, outcome, message) = judge_end(&agent, end);
        self.tell_end(&agent, ending, &message);
        self.deliver(call, outcome, agent.tokens.output);
    }

    fn deliver(&mut self, call: CallId, outcome: Outcome, output_tokens: u64) {
        if self.ending.is_none() {
            let delivered = self.ports.execution.deliver(call, outcome, output_tokens);
            self.engine(delivered);
        }
    }

    fn tell_end(&mut self, agent: &AgentAtWork, ending: AgentEnding, message: &str) {
        let cost_usd = self.desk.agent_cost(agent.scope);
        self.tally.ended(agent, ending, cost_usd, message);
        self.tell(&RunEvent::AgentFinished {
            at_milliseconds: self.now,
            agent: agent.call.id,
            ending,
            tokens: agent.tokens,
            cost_usd,
        });
    }

    /// A failure of the books ends the run: what cannot be accounted for is not spent.
    fn check<T>(&mut self, result: Result<T, DeskError>) -> Option<T> {
        let error = match result {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        if matches!(error, DeskError::Account(AccountError::Broken(_))) {
            self.end_with(Ended::Books(error.to_string()));
        }
        self.note(Diagnostic::new(Severity::Error, "run::accounting", error.to_string()));
        None
    }

    pub(crate) fn note(&mut self, diagnostic: Diagnostic) {
        let at_milliseconds = self.now;
        self.tell(&RunEvent::Diagnostic { at_milliseconds, diagnostic: diagnostic.clone() });
        self.tally.diagnostics.push(diagnostic);
    }

    pub(crate) fn tell(&mut self, event: &RunEvent) {
        (self.ports.on_event)(event);
    }
}

fn rejected(name: &str, message: String) -> Outcome {
    Outcome::Rejected { name: name.to_owned(), message }
}

/// What an agent's end means, what the script is told, and why in words.
///
/// Refused before its first request it never existed, so the call rejects as the client's own
/// budget does. Refused in its work it ends as the real client does after a terminal API error:
/// the call resolves to `null`.
fn judge_end(agent: &AgentAtWork, end: AgentEnd) -> (AgentEnding, Outcome, String) {
    match (&agent.refusal, end) {
        (Some(Refusal::Budget(denial)), _) if agent.requests_sent == 0 => {
            let message = format!(
                "Workflow budget exceeded ({}). Stopping further agent() calls. In-flight agents \
                 will complete; their results are preserved.",
                denial.shortage
            );
            let outcome = rejected("WorkflowBudgetExceededError", message);
            (AgentEnding::DeniedAtStart, outcome, denial.to_string())
        }
        (Some(Refusal::Budget(denial)), _) => {
            (AgentEnding::DeniedInWork, Outcome::Null, denial.to_string())
        }
        (Some(Refusal::Stopping), _) => {
            (AgentEnding::Stopped, Outcome::Null, "the run was stopped".to_owned())
        }
        (Some(Refusal::Unpriced(why)), _) => {
            (AgentEnding::Failed, rejected("Error", why.clone()), why.clone())
        }
        (None, AgentEnd::Finished(outcome)) => (AgentEnding::Done, outcome, String::new()),
        (None, AgentEnd::Failed(why)) => (AgentEnding::Failed, Outcome::Null, why),
        (None, AgentEnd::Refused) => {
            (AgentEnding::Failed, Outcome::Null, "the backend ended it without a reason".to_owned())
        }
    }
}
