//! One thing that happened during a run.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::budget::{Denial, Shortage, Unit, Warning};
use crate::diagnostic::Diagnostic;
use crate::event::report::RunReport;
use crate::id::{CallId, ModelId, RunId};
use crate::money::Picodollars;
use crate::tokens::TokenUsage;

/// Something that happened during a run. Times are milliseconds since it began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    /// The run began.
    RunStarted {
        /// Its id.
        run: RunId,
        /// The workflow's name.
        workflow: String,
        /// Its limit in dollars.
        limit_usd: Option<Picodollars>,
        /// Most agents at once.
        concurrency: u32,
        /// Whether nothing is paid.
        simulated: bool,
    },
    /// The first agent of a phase was called.
    PhaseStarted {
        /// When.
        at_milliseconds: u64,
        /// The phase's title; empty for agents outside any phase.
        phase: Arc<str>,
    },
    /// The script called an agent.
    AgentQueued {
        /// When.
        at_milliseconds: u64,
        /// Which.
        agent: CallId,
        /// Its label.
        label: Arc<str>,
        /// Its phase.
        phase: Arc<str>,
        /// The model it is routed to; by the time it starts, it may be stepped down.
        model: ModelId,
    },
    /// An agent starts on a cheaper model than its stage is routed to, because a budget is used up
    /// to a share. Told right before it starts.
    SteppedDown {
        /// When.
        at_milliseconds: u64,
        /// Which.
        agent: CallId,
        /// The name of its stage.
        stage: String,
        /// The policy's step-down.
        rule: String,
        /// The share of a limit above which that applies, per mille.
        above_per_mille: u16,
        /// The model that the stage is routed to.
        from: ModelId,
        /// The model that it runs on.
        model: ModelId,
        /// The scope whose limit is used up so far.
        scope: String,
        /// Of what.
        unit: Unit,
        /// The share that is settled or reserved, per mille.
        share_per_mille: u32,
    },
    /// An agent got its slot.
    AgentStarted {
        /// When.
        at_milliseconds: u64,
        /// Which.
        agent: CallId,
    },
    /// An agent ended.
    AgentFinished {
        /// When.
        at_milliseconds: u64,
        /// Which.
        agent: CallId,
        /// How.
        ending: AgentEnding,
        /// All its requests.
        tokens: TokenUsage,
        /// What they cost.
        cost_usd: Picodollars,
    },
    /// A request was admitted and sent.
    RequestReserved {
        /// When.
        at_milliseconds: u64,
        /// Whose.
        agent: CallId,
        /// The most it can cost.
        reserved_usd: Picodollars,
        /// Its `max_tokens`.
        output_cap_tokens: u64,
        /// Whether that was lowered because the budget ends.
        clamped: bool,
    },
    /// A request waits for balance.
    RequestWaiting {
        /// When.
        at_milliseconds: u64,
        /// Whose.
        agent: CallId,
        /// What it waits for.
        shortage: Shortage,
    },
    /// A request goes later, so that agents called earlier can finish within the budget.
    RequestHeldBack {
        /// When.
        at_milliseconds: u64,
        /// Whose.
        agent: CallId,
    },
    /// A request ended.
    RequestSettled {
        /// When.
        at_milliseconds: u64,
        /// Whose.
        agent: CallId,
        /// What it used.
        tokens: TokenUsage,
        /// What it cost.
        cost_usd: Picodollars,
        /// What the run has spent now.
        spent_usd: Picodollars,
        /// What requests in flight may still take.
        reserved_usd: Picodollars,
    },
    /// A request was refused for good.
    Denied {
        /// When.
        at_milliseconds: u64,
        /// Whose.
        agent: CallId,
        /// Why.
        denial: Denial,
    },
    /// A soft threshold was passed.
    Threshold {
        /// When.
        at_milliseconds: u64,
        /// Which.
        warning: Warning,
    },
    /// The script logged a line.
    Log {
        /// When.
        at_milliseconds: u64,
        /// The line.
        line: String,
    },
    /// Something worth telling.
    Diagnostic {
        /// When.
        at_milliseconds: u64,
        /// What.
        diagnostic: Diagnostic,
    },
    /// The run ended.
    RunEnded {
        /// When.
        at_milliseconds: u64,
        /// Everything about it.
        report: Box<RunReport>,
    },
}

/// How an agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentEnding {
    /// With a result.
    Done,
    /// Its result was known from an earlier run.
    Replayed,
    /// It was refused before its first request.
    DeniedAtStart,
    /// It was refused in the middle of its work.
    DeniedInWork,
    /// It failed.
    Failed,
    /// The run was stopped.
    Stopped,
}
