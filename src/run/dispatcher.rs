//! Drives a script and its agents: slots in call order, money before every request.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::budget::AccountError;
use crate::diagnostic::{Diagnostic, Severity};
use crate::event::{AgentEnding, RunEvent, RunReport, StopCause};
use crate::gate::Gate;
use crate::id::{CallId, ModelId};
use crate::ports::agent::{AgentEnd, AgentEvent, AgentJob, BackendEvent, RequestWanted};
use crate::ports::route::WrittenRoute;
use crate::ports::script::{AgentCall, EngineError, Outcome, Status};
use crate::ports::stop::Stop;
use crate::run::agent_at_work::{AgentAtWork, Refusal, label_of};
use crate::run::ending::{self, Ended};
use crate::run::request_desk::{Closed, DeskError, RequestDesk};
use crate::run::routes::StageRoute;
use crate::run::setup::{CONCURRENCY_MAX, RunPorts, RunSetup};
use crate::run::stagger::{Stagger, Start, prefix_group};
use crate::run::tally::Tally;
use crate::run::turn::{self, Turn};
use crate::run::work_in_progress::{Needs, WorkInProgress};
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
    pub(crate) agents: BTreeMap<CallId, AgentAtWork>,
    pub(crate) stagger: Stagger,
    /// Requests that may not go yet, by agent in call order; `true` once that was told.
    pub(crate) held_back: BTreeMap<CallId, (RequestWanted, bool)>,
    pub(crate) work: WorkInProgress,
    pub(crate) now: u64,
    turn: Turn,
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
            held_back: BTreeMap::new(),
            work: WorkInProgress::default(),
            now: 0,
            turn: Turn::new(setup),
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
        let mut answered = true;
        while answered && self.ending.is_none() {
            self.run_due_timers();
            self.take_calls();
            if let Status::Finished(finish) = self.ports.execution.status() {
                self.end_with(Ended::Script(finish));
            } else {
                answered = self.fill_slots();
            }
        }
        if self.ending.is_none() {
            self.send_held_back();
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
        for (call, (wanted, _)) in std::mem::take(&mut self.held_back) {
            self.refuse(wanted.request, call, Refusal::Stopping);
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
            let Some(Closed { agent, charge, .. }) = self.check(closed) else { continue };
            self.tally.requests.expired += 1;
            if let Some(agent) = self.agents.get_mut(&agent) {
                agent.needs.spent += charge;
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

    /// Timers of the script that are due without time moving on.
    fn run_due_timers(&mut self) {
        let status = self.ports.execution.status();
        if let Status::Waiting { next_timer_milliseconds: Some(due), .. } = status
            && due <= self.now
        {
            let advanced = self.ports.execution.advance_to(self.now);
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
        let route = planned.unwrap_or_else(|| self.route_unplanned(&call));
        let label = label_of(&call);
        let phase = call.phase.clone().unwrap_or_default();
        let (route, refused): (StageRoute, Option<String>) = match route {
            Ok(route) if route.gate == Gate::Deny => {
                let why = format!("policy rule `{}` denies stage `{}`", route.rule, route.name);
                (route, Some(why))
            }
            Ok(route) => (route, None),
            Err(why) => {
                let model = ModelId::from(call.model.as_deref().unwrap_or("").to_owned());
                let (stage_name, price, effort) = (label.to_string(), None, None);
                let nowhere = WrittenRoute { stage_name, model, price, effort };
                (StageRoute::unplanned(nowhere), Some(why))
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
        let prefix_group = prefix_group(&call, &route.model, route.effort);
        let agent = AgentAtWork {
            call,
            stage,
            route,
            label,
            phase,
            prefix_group,
            scope: None,
            needs: Needs::default(),
            requests_sent: 0,
            tokens: TokenUsage::default(),
            stepped: None,
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

    fn route_unplanned(&self, call: &AgentCall) -> Result<StageRoute, String> {
        let written = self.ports.stages.as_written(call)?;
        let akin = self.setup.routes.akin(self.ports.stages.work(call), &written);
        Ok(akin.unwrap_or_else(|| StageRoute::unplanned(written)))
    }

    /// Gives slots to waiting calls, first come first served, and starts who is not held. `true`
    /// where the script was answered instead, so that it may want something else.
    fn fill_slots(&mut self) -> bool {
        for call in std::mem::take(&mut self.held) {
            self.start(call);
        }
        let mut answered = false;
        while self.agents.len() < self.slots() as usize && self.ending.is_none() {
            let Some(mut agent) = self.queue.pop_front() else { break };
            let call = agent.call.id;
            if let Some(outcome) = self.turn.refusal() {
                if let Some(said) = self.turn.tell() {
                    self.note(said);
                }
                self.tell_end(&agent, AgentEnding::DeniedAtStart, turn::USED_UP);
                self.deliver(call, outcome, 0);
                answered = true;
                continue;
            }
            match self.desk.open_agent(call, &agent.phase) {
                Ok(scope) => agent.scope = Some(scope),
                Err(error) => {
                    self.queue.push_front(agent);
                    self.end_with(Ended::Books(error.to_string()));
                    break;
                }
            }
            self.agents.insert(call, agent);
            self.start(call);
        }
        answered
    }

    fn start(&mut self, call: CallId) {
        let Some(agent) = self.agents.get(&call) else { return };
        let step = self.step_of(agent);
        let group = step.as_ref().map_or(agent.prefix_group, |step| {
            prefix_group(&agent.call, &step.to.model, step.to.effort)
        });
        let Start::Now { prefix_written } = self.stagger.ask(group, call, self.now) else {
            self.held.push_back(call);
            return;
        };
        if let Some(step) = step {
            self.step_down(call, &step);
        }
        let Some(agent) = self.agents.get_mut(&call) else { return };
        agent.prefix_group = group;
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
                    self.tally.requests.sent = self.tally.requests.sent.saturating_sub(1);
                    if let Some(agent) = self.agents.get_mut(&agent) {
                        agent.requests_sent = agent.requests_sent.saturating_sub(1);
                    }
                    self.apply(effects);
                }
            }
            AgentEvent::Ended { agent, end } => self.ended(agent, end),
            AgentEvent::Idle if silence_is_final => {
                self.end_with(Ended::Silence);
                self.leave_at_once();
            }
            AgentEvent::Idle | AgentEvent::Wake => {}
        }
    }

    fn ended(&mut self, call: CallId, end: AgentEnd) {
        self.close_open_requests(call);
        let Some(agent) = self.agents.remove(&call) else { return };
        self.stagger.ended(agent.prefix_group, call);
        let (ending, outcome, message) = judge_end(&agent, end);
        self.tell_end(&agent, ending, &message);
        self.deliver(call, outcome, agent.tokens.output);
    }

    /// An agent that ended leaves nothing behind, even where its backend forgot to say so.
    fn close_open_requests(&mut self, call: CallId) {
        self.held_back.remove(&call);
        for (request, was_sent) in self.desk.open_requests_of(call) {
            let closed = if was_sent { self.desk.lost(request) } else { self.desk.unsent(request) };
            let Some(closed) = self.check(closed) else { continue };
            self.tally.requests.expired += u32::from(was_sent);
            self.settled(closed, TokenUsage::default());
        }
    }

    fn deliver(&mut self, call: CallId, outcome: Outcome, output_tokens: u64) {
        self.turn.spend(output_tokens);
        if self.ending.is_none() {
            let delivered = self.ports.execution.deliver(call, outcome, output_tokens);
            self.engine(delivered);
        }
    }

    fn tell_end(&mut self, agent: &AgentAtWork, ending: AgentEnding, message: &str) {
        let spent = agent.needs.spent;
        let cost_usd = spent.usd;
        if ending == AgentEnding::Done {
            let kind = agent.kind();
            self.work.finished(kind, spent);
            for other in self.agents.values_mut().filter(|other| other.kind() == kind) {
                self.work.estimate(kind, &mut other.needs);
            }
        }
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
    pub(crate) fn check<T>(&mut self, result: Result<T, DeskError>) -> Option<T> {
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
        (None, AgentEnd::Denied(why)) => (AgentEnding::DeniedInWork, Outcome::Null, why),
        (None, AgentEnd::Refused) => {
            (AgentEnding::Failed, Outcome::Null, "the backend ended it without a reason".to_owned())
        }
    }
}
