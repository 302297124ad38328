//! What a run did, spent and lost: the published shape of its report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::band::Band;
use crate::budget::{Denial, Quantity, Unit};
use crate::diagnostic::Diagnostic;
use crate::effort::Effort;
use crate::id::{CallId, ModelId, RunId, StageKey};
use crate::money::Picodollars;
use crate::plan::report::Hashes;
use crate::tokens::TokenUsage;

/// The version of the JSON shape; grows when a field changes its meaning or goes away.
pub const RUN_SCHEMA_VERSION: u32 = 1;

/// What a run did, spent and lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// [`RUN_SCHEMA_VERSION`].
    pub version: u32,
    /// Its id.
    pub run_id: RunId,
    /// `meta.name`.
    pub workflow: String,
    /// How it ended, in one word.
    pub status: RunStatus,
    /// What stopped it, where something did.
    pub stopped_by: Option<StopCause>,
    /// Agents by how they ended.
    pub agents: AgentCounts,
    /// Dollars of the run's scope.
    pub cost_usd: Dollars,
    /// Share of the limit that was spent, in thousandths; null without a limit.
    pub utilisation_per_mille: Option<u32>,
    /// Tokens by class, all requests.
    pub tokens: TokenUsage,
    /// Per phase, in first-call order.
    pub phases: Vec<PhaseReport>,
    /// Per stage, in first-call order.
    pub stages: Vec<StageReport>,
    /// What was refused, equal refusals once.
    pub denials: Vec<SeenDenial>,
    /// Agents that started on a cheaper model because a budget was used up to a share, those of one
    /// stage, step-down and limit once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub step_downs: Vec<SteppedDown>,
    /// Agents without a result, and what the script made of it.
    pub lost: LostWork,
    /// Requests by what became of them.
    pub requests: RequestCounts,
    /// From begin to end, seconds rounded up; virtual where agents are simulated.
    pub wall_seconds: u64,
    /// How the script ended.
    pub result: RunResult,
    /// Names of stages that the plan did not know; they kept their model.
    pub unplanned_stages: Vec<String>,
    /// What was noticed.
    pub diagnostics: Vec<Diagnostic>,
    /// Lines of `log` and `console`.
    pub logs: Vec<String>,
    /// Whether agents were simulated and nothing was paid.
    pub simulated: bool,
    /// The root of all randomness of a simulated run.
    pub seed: Option<u64>,
    /// What the run is a function of.
    pub hashes: Hashes,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It returned and nothing was lost.
    Complete,
    /// It returned, though agents were refused or failed.
    Partial,
    /// The budget, a signal or the backend ended it.
    Stopped,
    /// The script threw, got stuck, or reached a limit.
    Failed,
}

impl RunStatus {
    /// The name used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// What stopped a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// A refused agent: the script threw after it.
    Budget,
    /// Somebody pressed Ctrl-C or asked it to end.
    Signal,
    /// What carries out agents stopped answering, or the books did not balance.
    Backend,
}

/// Agents by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentCounts {
    /// With a result.
    pub done: u32,
    /// Refused by a budget, before or during their work.
    pub denied: u32,
    /// Failed on their own.
    pub failed: u32,
    /// Answered from an earlier run, free of charge.
    pub replayed: u32,
    /// Ended or never begun because the run ended.
    pub stopped: u32,
}

impl AgentCounts {
    /// All of them.
    pub const fn total(&self) -> u32 {
        self.done + self.denied + self.failed + self.replayed + self.stopped
    }
}

/// Dollars of a scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dollars {
    /// Spent for good.
    pub spent: Picodollars,
    /// The limit, where there is one.
    pub limit: Option<Picodollars>,
    /// What requests in flight could still take: 0 at the end of a run.
    pub reserved: Picodollars,
}

/// One phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseReport {
    /// Its title; empty for agents outside any phase.
    pub title: String,
    /// Its agents.
    pub agents: AgentCounts,
    /// Its dollars.
    pub cost_usd: Dollars,
    /// Its tokens.
    pub tokens: TokenUsage,
    /// What the plan expected of it.
    pub forecast: Option<PhaseForecast>,
}

/// What a plan expected of a phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseForecast {
    /// Agents.
    pub agents: Band<u64>,
    /// Tokens of all classes.
    pub billed_tokens: Band<u64>,
    /// Dollars.
    pub cost_usd: Option<Band<Picodollars>>,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageReport {
    /// Its key.
    pub key: StageKey,
    /// Its name.
    pub name: String,
    /// Its phase.
    pub phase: String,
    /// The model it was routed to; agents that were stepped down ran on another.
    pub model: ModelId,
    /// The effort it was routed to.
    pub effort: Option<Effort>,
    /// The rule that chose it.
    pub rule: String,
    /// Its agents.
    pub agents: AgentCounts,
    /// What it cost.
    pub cost_usd: Picodollars,
    /// Its tokens.
    pub tokens: TokenUsage,
}

/// A refusal, and how often it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeenDenial {
    /// The scope that was short.
    pub scope: String,
    /// Of what.
    pub unit: Unit,
    /// The least that was needed, the smallest over those counted.
    pub needed: Quantity,
    /// What was left when it was last refused.
    pub left: Quantity,
    /// The label of the first agent that was refused.
    pub agent: String,
    /// How many agents were.
    pub count: u32,
    /// The last of them in full.
    pub last: Denial,
}

/// Agents of one stage that started on a cheaper model than it is routed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SteppedDown {
    /// The stage's key.
    pub stage: StageKey,
    /// Its name.
    pub name: String,
    /// Its phase.
    pub phase: String,
    /// The policy's step-down.
    pub rule: String,
    /// The share of a limit above which that applies, per mille.
    pub above_per_mille: u16,
    /// The model that the stage is routed to.
    pub from: ModelId,
    /// The model that these agents ran on.
    pub model: ModelId,
    /// The scope whose limit was used up so far.
    pub scope: String,
    /// Of what.
    pub unit: Unit,
    /// The share that was settled or reserved when the first of them started, per mille.
    pub share_per_mille: u32,
    /// The label of the first of them.
    pub agent: String,
    /// Their calls, in the order they started, the first 100.
    pub calls: Vec<CallId>,
    /// How many in all.
    pub count: u32,
    /// How many of them ended with a result.
    pub done: u32,
    /// What they cost.
    pub cost_usd: Picodollars,
}

/// Agents without a result.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LostWork {
    /// Which, in call order, the first 100.
    pub agents: Vec<LostAgent>,
    /// How many in all.
    pub count: u32,
    /// What was paid for them.
    pub cost_usd: Picodollars,
    /// What the script made of it.
    pub script: ScriptReaction,
    /// How many throws `parallel` and `pipeline` turned into `null`.
    pub swallowed: u32,
}

/// An agent without a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LostAgent {
    /// Its call.
    pub call: CallId,
    /// Its label.
    pub label: String,
    /// Its phase.
    pub phase: String,
    /// Why.
    pub reason: LostReason,
    /// What was paid for it.
    pub cost_usd: Picodollars,
    /// In words.
    pub message: String,
}

/// Why an agent has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LostReason {
    /// Refused before its first request; the script saw a `WorkflowBudgetExceededError`.
    DeniedAtStart,
    /// Refused during its work; the script saw `null`.
    DeniedInWork,
    /// It failed; the script saw `null` or an error.
    Failed,
    /// The run ended first.
    Stopped,
}

/// What the script made of lost agents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScriptReaction {
    /// Nothing was lost.
    #[default]
    NothingLost,
    /// It returned without noticing: `parallel` or `pipeline` turned the loss into `null`.
    Swallowed,
    /// It returned, having caught the loss or seen `null`.
    Returned,
    /// It threw.
    Threw,
    /// It was not asked: the run was ended.
    Stopped,
}

/// Requests by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestCounts {
    /// Sent.
    pub sent: u32,
    /// Had to wait for balance first.
    pub waited: u32,
    /// Waited so that agents called earlier could finish.
    pub held_back: u32,
    /// Sent with a lowered output cap, because the budget ended.
    pub clamped: u32,
    /// Answers that ended at their output cap.
    pub cut: u32,
    /// Whose reservation shrank when their answer began.
    pub shrunk: u32,
    /// Took more than was reserved.
    pub overruns: u32,
    /// Charged at their full reservation, since their outcome is unknown.
    pub expired: u32,
    /// Never left.
    pub released: u32,
}

/// How the script ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunResult {
    /// It returned.
    Returned {
        /// The value as JSON text, cut at 64 KiB; null for `undefined`.
        value: Option<String>,
        /// The line of the `return`.
        line: Option<u32>,
    },
    /// It threw.
    Threw {
        /// `error.name`.
        name: String,
        /// `error.message`.
        message: String,
        /// Where.
        line: Option<u32>,
        /// The child workflow's file that the line is in; absent for the script itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
    },
    /// It awaits something that can never settle.
    Stuck,
    /// It reached a limit.
    LimitReached {
        /// Which.
        limit: String,
    },
    /// The engine failed or refused it.
    EngineFailed {
        /// Why.
        message: String,
    },
    /// The run was ended before the script.
    Unfinished,
}
