//! What becomes of requests, from wanting to be sent to being paid. A second part of
//! [`Dispatcher`].

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::budget::{Admission, Denial, Effects, Grant};
use crate::diagnostic::{Diagnostic, Severity};
use crate::event::RunEvent;
use crate::id::CallId;
use crate::ports::agent::{Decision, RequestId, RequestWanted, StopReason};
use crate::run::agent_at_work::Refusal;
use crate::run::dispatcher::Dispatcher;
use crate::run::ending::Ended;
use crate::run::request_desk::{Closed, DeskError, RequestDesk};
use crate::run::work_in_progress::Earlier;
use crate::tokens::TokenUsage;

impl Dispatcher<'_> {
    /// Sends held requests in call order, as far as what is left is expected to finish the agents
    /// before them. One that only its phase holds back does not hold back other phases.
    pub(crate) fn send_held_back(&mut self) {
        if self.held_back.is_empty() {
            return;
        }
        for wanted in self.affordable() {
            self.held_back.remove(&wanted.agent);
            self.ask(&wanted);
        }
    }

    fn affordable(&mut self) -> Vec<RequestWanted> {
        let run = self.desk.run_balance();
        let mut of_run = Earlier::default();
        let mut of_phases: BTreeMap<Arc<str>, Earlier> = BTreeMap::new();
        let (mut affordable, mut told) = (Vec::new(), Vec::new());
        for (call, agent) in &self.agents {
            if agent.needs.bound.is_zero() {
                continue; // it has not asked for anything yet
            }
            let remaining = agent.needs.remaining;
            let limited = self.setup.phase_limits.of(&agent.phase).is_some();
            let of_phase = limited.then(|| of_phases.entry(agent.phase.clone()).or_default());
            if let Some((wanted, was_told)) = self.held_back.get_mut(call) {
                let run_pays = of_run.leaves(&run, remaining);
                let phase_pays = of_phase.as_ref().is_none_or(|earlier| {
                    earlier.leaves(&self.desk.phase_balance(&agent.phase), remaining)
                });
                if !(run_pays && phase_pays) {
                    if !std::mem::replace(was_told, true) {
                        told.push(*call);
                    }
                    if run_pays {
                        continue;
                    }
                    break;
                }
                affordable.push(*wanted);
            }
            of_run.add(remaining);
            if let Some(earlier) = of_phase {
                earlier.add(remaining);
            }
        }
        for agent in told {
            self.tally.requests.held_back += 1;
            self.tell(&RunEvent::RequestHeldBack { at_milliseconds: self.now, agent });
        }
        affordable
    }

    /// A request asks to be sent. What has no price is refused: unknown is never free.
    pub(crate) fn wanted(&mut self, wanted: &RequestWanted) {
        let (request, call) = (wanted.request, wanted.agent);
        let Some(agent) = self.agents.get_mut(&call) else { return };
        if self.ending.is_some() {
            return self.refuse(request, call, Refusal::Stopping);
        }
        let Some(price) = agent.route.price.clone() else {
            let why = format!(
                "model `{}` has no price; add one to the price table or route `{}` elsewhere",
                agent.route.model, agent.route.name
            );
            return self.refuse(request, call, Refusal::Unpriced(why));
        };
        let cap_tokens = agent.route.output_cap_tokens;
        match RequestDesk::bound(wanted, price.as_ref(), cap_tokens) {
            Err(why) => self.refuse(request, call, Refusal::Unpriced(why.to_string())),
            Ok(bound) if self.setup.finishes_first => {
                agent.needs.bounded(agent.route.expected, bound);
                self.work.estimate(agent.kind(), &mut agent.needs);
                self.held_back.insert(call, (*wanted, false));
            }
            Ok(_) => self.ask(wanted),
        }
    }

    fn ask(&mut self, wanted: &RequestWanted) {
        let (request, call) = (wanted.request, wanted.agent);
        let Some(agent) = self.agents.get(&call) else { return };
        let (Some(price), Some(scope)) = (&agent.route.price, agent.scope) else { return };
        match self.desk.ask(wanted, scope, price, agent.route.output_cap_tokens) {
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

    pub(crate) fn refuse(&mut self, request: RequestId, call: CallId, refusal: Refusal) {
        let reason = refusal.message();
        self.desk.forget(request);
        if let Some(agent) = self.agents.get_mut(&call) {
            agent.refusal = Some(refusal);
        }
        self.ports.backend.decide(request, Decision::Refuse { reason });
    }

    pub(crate) fn begun(&mut self, request: RequestId, prompt: &TokenUsage) {
        let begun = self.desk.begun(request, prompt);
        if let Some((call, effects)) = self.check(begun) {
            self.tally.requests.shrunk += 1;
            if let Some(agent) = self.agents.get(&call) {
                self.stagger.warm(agent.prefix_group);
            }
            self.apply(effects);
        }
    }

    pub(crate) fn done(&mut self, request: RequestId, usage: &TokenUsage, stop: StopReason) {
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

    pub(crate) fn settled(&mut self, closed: Closed, usage: TokenUsage) {
        let Closed { agent: call, charge, effects } = closed;
        self.tally.tokens += usage;
        if let Some(agent) = self.agents.get_mut(&call) {
            agent.tokens += usage;
            agent.needs.spent += charge;
            self.work.estimate(agent.kind(), &mut agent.needs);
            self.stagger.warm(agent.prefix_group);
        }
        let run = self.desk.run_balance();
        self.tell(&RunEvent::RequestSettled {
            at_milliseconds: self.now,
            agent: call,
            tokens: usage,
            cost_usd: charge.usd,
            spent_usd: run.settled.usd,
            reserved_usd: run.reserved.usd,
        });
        self.apply(effects);
    }

    /// Carries out what a change of the balances decided for others.
    pub(crate) fn apply(&mut self, effects: Effects) {
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
}
