//! What the agents of a client came to: its workflows by phase and call, beside the forecast that was
//! made of each, and what finishing them needs.
//!
//! Money is what was charged, by session and agent; this only adds up.

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::workflow_run::{WorkflowCall, WorkflowRun};
use crate::band::Band;
use crate::money::Picodollars;
use crate::plan::report::PlanReport;

/// What one agent, or the main loop of a session, has sent and was charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Requests that were sent.
    pub requests: u64,
    /// Requests that were refused by a budget, or for want of a price.
    pub refused_requests: u64,
    /// What was charged.
    pub usd: Picodollars,
    /// Whether its last request was refused.
    pub is_refused: bool,
}

/// By session and agent; no agent is the main loop.
pub type SpentByAgent = BTreeMap<(String, Option<String>), Spent>;

/// How a call ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum CallEnding {
    /// It has a result.
    Done,
    /// It had one before, and asked for nothing.
    DoneBefore,
    /// The last request of its agent was refused, and it has no result.
    Refused,
    /// It has no result for another reason: its agent failed, or the client ended first.
    Unfinished,
}

/// What one agent came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentOutcome {
    /// Its label; in a session without workflows, what it was asked for in a few words.
    pub label: String,
    /// How it ended; null for what is no call of a workflow.
    pub ending: Option<CallEnding>,
    /// Requests that were sent.
    pub requests: u64,
    /// Requests that were refused.
    pub refused_requests: u64,
    /// What it was charged.
    pub spent_usd: Picodollars,
}

/// Calls by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallCounts {
    /// With a result, those from before included.
    pub done: u64,
    /// Of those, how many had one before.
    pub done_before: u64,
    /// Refused by a budget.
    pub refused: u64,
    /// Without a result for another reason.
    pub unfinished: u64,
}

impl CallCounts {
    /// All calls that were started.
    pub const fn all(&self) -> u64 {
        self.done + self.refused + self.unfinished
    }

    /// Calls without a result.
    pub const fn left(&self) -> u64 {
        self.refused + self.unfinished
    }

    const fn add(&mut self, ending: CallEnding) {
        match ending {
            CallEnding::Done => self.done += 1,
            CallEnding::DoneBefore => {
                self.done += 1;
                self.done_before += 1;
            }
            CallEnding::Refused => self.refused += 1,
            CallEnding::Unfinished => self.unfinished += 1,
        }
    }
}

/// What was forecast of a workflow or of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Forecast {
    /// Agents.
    pub agents: Band<u64>,
    /// Dollars; null where a model has no price.
    pub cost_usd: Option<Band<Picodollars>>,
}

/// What a phase came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseOutcome {
    /// Its title; empty for agents outside any phase.
    pub title: String,
    /// Its calls.
    pub calls: CallCounts,
    /// What they were charged.
    pub spent_usd: Picodollars,
    /// What was forecast; null where nothing was.
    pub forecast: Option<Forecast>,
    /// Its agents, in the order they were started.
    pub agents: Vec<AgentOutcome>,
}

/// What finishing a workflow needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToFinish {
    /// Calls without a result, and those of phases that were forecast and not reached.
    pub agents: u64,
    /// About what they need.
    pub usd: Picodollars,
    /// More than this they need in 1 of 10 runs by the forecast; without one, if each needed as much
    /// as the dearest that ended.
    pub usd_high: Picodollars,
    /// What that is from, in words.
    pub basis: String,
}

/// What a workflow came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowOutcome {
    /// The session that started it.
    pub session: String,
    /// The id of its run, `wf_…`.
    pub run: String,
    /// Its name, where it is known.
    pub workflow: Option<String>,
    /// How the client says it ended; null where it says nothing.
    pub status: Option<String>,
    /// Where the client keeps its script.
    pub script: Option<String>,
    /// Its calls.
    pub calls: CallCounts,
    /// What they were charged.
    pub spent_usd: Picodollars,
    /// What was forecast; null where nothing was.
    pub forecast: Option<Forecast>,
    /// By phase, in the order of the script.
    pub phases: Vec<PhaseOutcome>,
    /// What finishing needs; null where nothing is left, or where nobody can say.
    pub to_finish: Option<ToFinish>,
}

impl WorkflowOutcome {
    /// What `run` of `session` came to by what its agents were charged; `plan` is what was forecast.
    pub fn of(
        session: &str,
        run: &WorkflowRun,
        spent: &SpentByAgent,
        plan: Option<&PlanReport>,
    ) -> Self {
        let mut phases: Vec<PhaseOutcome> = Vec::new();
        for title in &run.phases {
            phase_called(&mut phases, title);
        }
        let mut of_title: HashMap<String, usize> = HashMap::new();
        for call in &run.calls {
            let agent = agent_of(session, call, spent);
            let at = *of_title
                .entry(call.phase.clone())
                .or_insert_with(|| phase_called(&mut phases, &call.phase));
            let Some(phase) = phases.get_mut(at) else { continue };
            phase.spent_usd += agent.spent_usd;
            if let Some(ending) = agent.ending {
                phase.calls.add(ending);
            }
            phase.agents.push(agent);
        }
        for planned in plan.iter().flat_map(|plan| &plan.phases) {
            let at = phase_called(&mut phases, &planned.title);
            let quantities = &planned.quantities;
            let forecast = Forecast { agents: quantities.agents, cost_usd: quantities.cost_usd };
            if let Some(phase) = phases.get_mut(at) {
                phase.forecast = Some(forecast);
            }
        }
        phases.retain(|phase| phase.calls.all() > 0 || phase.forecast.is_some());
        let mut calls = CallCounts::default();
        for phase in &phases {
            calls.done += phase.calls.done;
            calls.done_before += phase.calls.done_before;
            calls.refused += phase.calls.refused;
            calls.unfinished += phase.calls.unfinished;
        }
        let totals = plan.map(|plan| &plan.totals);
        let forecast =
            totals.map(|totals| Forecast { agents: totals.agents, cost_usd: totals.cost_usd });
        let spent_usd = phases.iter().map(|phase| phase.spent_usd).sum();
        let mut outcome = Self {
            session: session.to_owned(),
            run: run.id.clone(),
            workflow: run.workflow.clone(),
            status: run.status.clone(),
            script: run.script.as_ref().map(|script| script.display().to_string()),
            calls,
            spent_usd,
            forecast,
            phases,
            to_finish: None,
        };
        outcome.to_finish = outcome.left_over();
        outcome
    }

    /// What finishing needs: for each phase what one of its agents has taken, else what was forecast
    /// of one, else what one of the workflow has taken, or was forecast to take.
    fn left_over(&self) -> Option<ToFinish> {
        if self.calls.left() == 0 {
            return None;
        }
        let ended: Vec<Picodollars> = self.phases.iter().flat_map(taken).collect();
        let (mut agents, mut usd, mut sources) = (0, Picodollars::ZERO, Vec::new());
        for phase in &self.phases {
            let left = phase.calls.left();
            let own: Vec<Picodollars> = taken(phase).collect();
            let (number, per_agent, source) = if let Some(mean) = mean(&own).filter(|_| left > 0) {
                (left, mean, "what agents of the same phase took")
            } else if let Some((planned, per_agent)) = phase.forecast.and_then(each_of) {
                let number = if phase.calls.all() == 0 { planned } else { left };
                (number, per_agent, "the forecast")
            } else if let Some(mean) = mean(&ended) {
                (left, mean, "what other agents of the workflow took")
            } else {
                (left, self.forecast.and_then(each_of)?.1, "the forecast of the workflow")
            };
            if number > 0 {
                agents += number;
                usd += per_agent.scale_ceil(i128::from(number), 1);
                if !sources.contains(&source) {
                    sources.push(source);
                }
            }
        }
        let by_plan = self.forecast.and_then(|forecast| forecast.cost_usd);
        let by_plan = by_plan.map(|band| band.p90.saturating_sub_at_zero(self.spent_usd));
        let dearest = ended.iter().max().map(|each| each.scale_ceil(i128::from(agents), 1));
        let usd_high = by_plan.or(dearest)?.max(usd);
        Some(ToFinish { agents, usd, usd_high, basis: sources.join(" and ") })
    }
}

/// What agents that ended well have taken.
fn taken(phase: &PhaseOutcome) -> impl Iterator<Item = Picodollars> + '_ {
    let ended = phase.agents.iter().filter(|agent| agent.ending == Some(CallEnding::Done));
    ended.map(|agent| agent.spent_usd)
}

fn mean(amounts: &[Picodollars]) -> Option<Picodollars> {
    let number = i128::try_from(amounts.len()).ok().filter(|number| *number > 0)?;
    Some(amounts.iter().copied().sum::<Picodollars>().scale_ceil(1, number))
}

/// How many agents were forecast, medians, and what one of them costs.
fn each_of(forecast: Forecast) -> Option<(u64, Picodollars)> {
    let agents = forecast.agents.p50;
    (agents > 0).then_some(())?;
    Some((agents, forecast.cost_usd?.p50.scale_ceil(1, i128::from(agents))))
}

/// Where the phase called `title` is; it is added where it is not there.
fn phase_called(phases: &mut Vec<PhaseOutcome>, title: &str) -> usize {
    if let Some(at) = phases.iter().position(|phase| phase.title == title) {
        return at;
    }
    phases.push(PhaseOutcome {
        title: title.to_owned(),
        calls: CallCounts::default(),
        spent_usd: Picodollars::ZERO,
        forecast: None,
        agents: Vec::new(),
    });
    phases.len() - 1
}

fn agent_of(session: &str, call: &WorkflowCall, spent: &SpentByAgent) -> AgentOutcome {
    let of = |agent: &String| spent.get(&(session.to_owned(), Some(agent.clone())));
    let mut all = Spent::default();
    for one in call.agents.iter().filter_map(of) {
        all.requests += one.requests;
        all.refused_requests += one.refused_requests;
        all.usd += one.usd;
    }
    let last_refused = call.agents.last().and_then(of).is_some_and(|last| last.is_refused);
    let ending = match (call.has_result, all.requests + all.refused_requests, last_refused) {
        (true, 0, _) => CallEnding::DoneBefore,
        (true, ..) => CallEnding::Done,
        (false, _, true) => CallEnding::Refused,
        (false, ..) => CallEnding::Unfinished,
    };
    AgentOutcome {
        label: call.label.clone(),
        ending: Some(ending),
        requests: all.requests,
        refused_requests: all.refused_requests,
        spent_usd: all.usd,
    }
}
