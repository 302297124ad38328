//! Backends that forget to say things, and fall silent.

use std::collections::VecDeque;

use flyball::budget::Limits;
use flyball::event::{RunReport, RunStatus, StopCause};
use flyball::id::CallId;
use flyball::money::Picodollars;
use flyball::ports::agent::{
    AgentBackend, AgentEnd, AgentEvent, AgentJob, BackendEvent, Decision, RequestId, RequestWanted,
    StopReason,
};
use flyball::ports::pace::NoPacer;
use flyball::ports::script::Outcome;
use flyball::ports::stop::NeverStop;
use flyball::pricing::CacheTtl;
use flyball::run::{NoReplay, RunPorts, run};
use flyball::tokens::TokenUsage;

use super::fixture::{ByPhase, Case, OnReject, Waves};

/// Says what it was told to say.
struct Scripted {
    events: VecDeque<AgentEvent>,
    proceeded: Vec<u64>,
}

impl AgentBackend for Scripted {
    fn start(&mut self, _: AgentJob) {}

    fn decide(&mut self, request: RequestId, decision: Decision) {
        if matches!(decision, Decision::Proceed { .. }) {
            self.proceeded.push(request.0);
        }
    }

    fn abandon(&mut self, _: CallId) {}

    fn next(&mut self, until: Option<u64>) -> BackendEvent {
        let quiet = if until.is_some() { AgentEvent::Wake } else { AgentEvent::Idle };
        let event = self.events.pop_front().unwrap_or(quiet);
        BackendEvent { at_milliseconds: until.unwrap_or(0), event }
    }

    fn simulated(&self) -> bool {
        false
    }
}

fn wanted(number: u64) -> AgentEvent {
    AgentEvent::RequestWanted(RequestWanted {
        request: RequestId(number),
        agent: CallId(number as u32),
        prompt_tokens_max: 20_000,
        asked_output_tokens: 8_000,
        thinking_tokens: 0,
        cache_write: CacheTtl::FiveMinutes,
    })
}

fn ended(agent: u32, end: AgentEnd) -> AgentEvent {
    AgentEvent::Ended { agent: CallId(agent), end }
}

/// Two agents; the budget pays for one request at a time (at most $0.065 each).
fn two_agents(finishes_first: bool, events: Vec<AgentEvent>) -> (RunReport, Vec<u64>) {
    let mut case = Case::new(Picodollars::ZERO, 1);
    case.setup.limits = Limits::usd("0.1".parse().unwrap());
    case.setup.finishes_first = finishes_first;
    case.setup.stagger_milliseconds = 0;
    let mut backend = Scripted { events: events.into(), proceeded: Vec::new() };
    let report = run(
        &case.setup,
        RunPorts {
            execution: &mut Waves::new(&[2], OnReject::Swallow),
            backend: &mut backend,
            stages: &ByPhase(case.price.clone()),
            replay: &mut NoReplay,
            pacer: &mut NoPacer,
            stop: &NeverStop,
            keep: &mut |_, _| {},
            on_event: &mut |_| {},
        },
    );
    (report, backend.proceeded)
}

#[test]
fn an_agent_that_ends_while_it_waits_leaves_nothing_behind() {
    for finishes_first in [true, false] {
        let usage = TokenUsage { fresh: 10_000, output: 10, ..TokenUsage::default() };
        let (report, proceeded) = two_agents(
            finishes_first,
            vec![
                wanted(1),
                wanted(2),
                ended(2, AgentEnd::Failed("crashed".to_owned())),
                AgentEvent::RequestDone {
                    request: RequestId(1),
                    usage,
                    stop: StopReason::Complete,
                },
                ended(1, AgentEnd::Finished(Outcome::Text("fine".to_owned()))),
            ],
        );
        assert_eq!(proceeded, [1]);
        assert_eq!((report.agents.done, report.agents.failed), (1, 1));
        assert_eq!(report.status, RunStatus::Partial);
        assert_eq!(report.cost_usd.reserved, Picodollars::ZERO);
    }
}

#[test]
fn a_request_whose_end_was_never_told_is_charged_in_full() {
    let end = || AgentEnd::Finished(Outcome::Text("fine".to_owned()));
    let (report, _) = two_agents(true, vec![wanted(1), ended(1, end()), ended(2, end())]);
    assert_eq!((report.agents.done, report.requests.expired), (2, 1));
    assert_eq!(report.cost_usd.spent, "0.065".parse().unwrap());
    assert_eq!(report.cost_usd.reserved, Picodollars::ZERO);
}

#[test]
fn a_silent_backend_ends_the_run_with_a_report() {
    let (report, _) = two_agents(true, vec![wanted(1)]);
    assert_eq!((report.status, report.stopped_by), (RunStatus::Stopped, Some(StopCause::Backend)));
    assert_eq!(report.agents.stopped, 2);
    assert_eq!(report.cost_usd.reserved, Picodollars::ZERO);
    assert!(report.diagnostics.iter().any(|diagnostic| diagnostic.code == "run::silence"));
}
