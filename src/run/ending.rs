//! How a run ended, in one word and in full.

use crate::budget::{AccountError, Balance};
use crate::diagnostic::{Diagnostic, Severity};
use crate::event::{
    AgentCounts, Dollars, LostWork, RUN_SCHEMA_VERSION, RequestCounts, RunEvent, RunReport,
    RunResult, RunStatus, ScriptReaction, StopCause,
};
use crate::ports::script::{ExecutionNotes, Finish};
use crate::run::dispatcher::Dispatcher;
use crate::run::setup::{RunPorts, RunSetup};
use crate::tokens::TokenUsage;

/// Why nothing new begins any more.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    /// The script ended.
    Script(Finish),
    /// Somebody ended it.
    Stopped(StopCause),
    /// The script engine failed.
    Engine(String),
    /// The account failed.
    Books(String),
    /// The backend has nothing more to say, though agents are open.
    Silence,
}

/// The report of a run that is over.
pub(crate) fn report(mut dispatcher: Dispatcher<'_>) -> RunReport {
    let notes = dispatcher.ports.execution.notes();
    tell_notes(&mut dispatcher, &notes);
    if let Err(error) = dispatcher.desk.verify() {
        let text = error.to_string();
        dispatcher.note(Diagnostic::new(Severity::Error, "run::books", text.clone()));
        dispatcher.ending = Some(Ended::Books(text));
    }
    let ended = dispatcher.ending.take().unwrap_or(Ended::Silence);
    if let Ended::Books(why) | Ended::Engine(why) = &ended {
        dispatcher.note(Diagnostic::new(Severity::Error, "run::ended", why.clone()));
    }
    if matches!(ended, Ended::Silence) {
        let text = "agents were open and their backend had nothing more to say";
        dispatcher.note(Diagnostic::new(Severity::Error, "run::silence", text));
    }
    let run = dispatcher.desk.run_balance();
    let desk = &dispatcher.desk;
    let (mut phases, stages) = dispatcher.tally.finish(|phase| dollars(&desk.phase_balance(phase)));
    for phase in &mut phases {
        phase.forecast = dispatcher.setup.forecasts.get(&phase.title).cloned();
    }
    let tally = std::mem::take(&mut dispatcher.tally);
    let (status, stopped_by) = status(&ended, &tally.agents);
    let swallowed = notes.swallowed.as_ref().map_or(0, |swallowed| swallowed.count);
    let script = reaction(&ended, &tally.lost, swallowed);
    let setup = dispatcher.setup;
    let report = RunReport {
        version: RUN_SCHEMA_VERSION,
        run_id: setup.run_id.clone(),
        workflow: setup.workflow.clone(),
        status,
        stopped_by,
        agents: tally.agents,
        cost_usd: dollars(&run),
        utilisation_per_mille: utilisation(&run),
        tokens: tally.tokens,
        phases,
        stages,
        denials: tally.denials,
        step_downs: tally.step_downs,
        lost: LostWork { script, swallowed, ..tally.lost },
        requests: tally.requests,
        wall_seconds: dispatcher.now.div_ceil(1_000),
        result: result(ended),
        unplanned_stages: tally.unplanned,
        diagnostics: tally.diagnostics,
        logs: notes.logs,
        simulated: dispatcher.ports.backend.simulated(),
        seed: setup.seed,
        hashes: setup.hashes.clone(),
    };
    let (account, scope) = dispatcher.desk.account();
    (dispatcher.ports.keep)(account, scope);
    let at_milliseconds = dispatcher.now;
    dispatcher.tell(&RunEvent::RunEnded { at_milliseconds, report: Box::new(report.clone()) });
    report
}

fn tell_notes(dispatcher: &mut Dispatcher<'_>, notes: &ExecutionNotes) {
    let at_milliseconds = dispatcher.now;
    for line in &notes.logs {
        dispatcher.tell(&RunEvent::Log { at_milliseconds, line: line.clone() });
    }
    // A fan-out that the budget cut loses many slots in the same words.
    let mut failures: Vec<(&str, u32)> = Vec::new();
    for line in &notes.failures {
        match failures.iter_mut().find(|(known, _)| known == line) {
            Some((_, count)) => *count += 1,
            None => failures.push((line, 1)),
        }
    }
    for (line, count) in failures {
        let times = if count > 1 { format!(" ({count} times)") } else { String::new() };
        let message = format!("{line}{times}");
        dispatcher.note(Diagnostic::new(Severity::Note, "run::failure", message));
    }
    for warning in &notes.warnings {
        dispatcher.note(warning.clone());
    }
}

/// The report of a run whose account could not be opened.
pub(crate) fn unstarted(setup: &RunSetup, ports: &RunPorts<'_>, error: &AccountError) -> RunReport {
    RunReport {
        version: RUN_SCHEMA_VERSION,
        run_id: setup.run_id.clone(),
        workflow: setup.workflow.clone(),
        status: RunStatus::Stopped,
        stopped_by: Some(StopCause::Backend),
        agents: AgentCounts::default(),
        cost_usd: Dollars { limit: setup.limits.usd, ..Dollars::default() },
        utilisation_per_mille: None,
        tokens: TokenUsage::default(),
        phases: Vec::new(),
        stages: Vec::new(),
        denials: Vec::new(),
        step_downs: Vec::new(),
        lost: LostWork::default(),
        requests: RequestCounts::default(),
        wall_seconds: 0,
        result: RunResult::Unfinished,
        unplanned_stages: Vec::new(),
        diagnostics: vec![Diagnostic::new(Severity::Error, "run::books", error.to_string())],
        logs: Vec::new(),
        simulated: ports.backend.simulated(),
        seed: setup.seed,
        hashes: setup.hashes.clone(),
    }
}

fn dollars(balance: &Balance) -> Dollars {
    Dollars {
        spent: balance.settled.usd,
        limit: balance.limits.usd,
        reserved: balance.reserved.usd,
    }
}

/// Thousandths of the limit that were spent, rounded down.
fn utilisation(balance: &Balance) -> Option<u32> {
    let limit = balance.limits.usd?.pico();
    let share = balance.settled.usd.pico().saturating_mul(1_000).checked_div(limit)?;
    u32::try_from(share).ok()
}

/// A script that throws after a refused agent was stopped by the budget, whatever it threw: a
/// `null` of a refused agent surfaces as a `TypeError` as often as the refusal itself does.
fn status(ended: &Ended, agents: &AgentCounts) -> (RunStatus, Option<StopCause>) {
    match ended {
        Ended::Stopped(cause) => (RunStatus::Stopped, Some(*cause)),
        Ended::Books(_) | Ended::Silence => (RunStatus::Stopped, Some(StopCause::Backend)),
        Ended::Script(Finish::Returned { .. }) if agents.denied + agents.failed > 0 => {
            (RunStatus::Partial, None)
        }
        Ended::Script(Finish::Returned { .. }) => (RunStatus::Complete, None),
        Ended::Script(_) if agents.denied > 0 => (RunStatus::Stopped, Some(StopCause::Budget)),
        Ended::Script(_) | Ended::Engine(_) => (RunStatus::Failed, None),
    }
}

fn reaction(ended: &Ended, lost: &LostWork, swallowed: u32) -> ScriptReaction {
    match ended {
        _ if lost.count == 0 => ScriptReaction::NothingLost,
        Ended::Script(Finish::Returned { .. }) if swallowed > 0 => ScriptReaction::Swallowed,
        Ended::Script(Finish::Returned { .. }) => ScriptReaction::Returned,
        Ended::Script(_) => ScriptReaction::Threw,
        _ => ScriptReaction::Stopped,
    }
}

fn result(ended: Ended) -> RunResult {
    match ended {
        Ended::Script(Finish::Returned { value, line }) => RunResult::Returned { value, line },
        Ended::Script(Finish::Threw { name, message, place }) => {
            let line = place.as_ref().map(|place| place.line);
            let file = place.and_then(|place| place.file).map(|file| file.to_string());
            RunResult::Threw { name, message, line, file }
        }
        Ended::Script(Finish::Stuck) => RunResult::Stuck,
        Ended::Script(Finish::LimitReached { limit }) => RunResult::LimitReached { limit },
        Ended::Engine(message) => RunResult::EngineFailed { message },
        Ended::Stopped(_) | Ended::Books(_) | Ended::Silence => RunResult::Unfinished,
    }
}
