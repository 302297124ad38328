//! What a plan says. Owns the published shape of the plan artifact; computes nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::band::Band;
use crate::diagnostic::Diagnostic;
use crate::effort::Effort;
use crate::gate::Gate;
use crate::id::{ModelId, StageKey};
use crate::money::Picodollars;
use crate::plan::widths::TreeCounts;
use crate::role::Role;

/// The version of the JSON shape; grows when a field changes its meaning or goes away.
pub const PLAN_SCHEMA_VERSION: u32 = 1;

/// A plan: what a workflow would cost, how its stages are routed, and what was assumed.
/// The artifact that `run --plan` executes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanReport {
    /// [`PLAN_SCHEMA_VERSION`].
    pub version: u32,
    /// First eight hex digits of a hash over everything that the plan is a function of: `hashes`,
    /// `seed`, `samples`, `prices_on` and what was asked for.
    pub plan_id: String,
    /// `meta.name`.
    pub workflow: String,
    /// The script as given on the command line (path, name or `example:NAME`).
    pub source: String,
    /// Whether the plan is within its budget.
    pub verdict: Verdict,
    /// Over the whole run.
    pub totals: Quantities,
    /// Per phase, in first-use order.
    pub phases: Vec<PhasePlan>,
    /// Per stage, in first-call order.
    pub stages: Vec<StagePlan>,
    /// How runs end, most probable first.
    pub endings: Vec<EndingPlan>,
    /// What drives the cost, strongest first.
    pub drivers: Vec<Driver>,
    /// Whether anything bounds the run.
    pub ceiling: Ceiling,
    /// Cost of the same samples with every stage on the session model, and as written, medians.
    pub savings: Savings,
    /// The same work by one agent: on the session's model, and where most requests are routed to
    /// another, on that. Empty where there is nothing to compare.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub one_agent: Vec<OneAgentPlan>,
    /// Ways to get within the budget; empty where it is met.
    pub to_fit: Vec<FitOption>,
    /// What was assumed and how to pin it.
    pub assumptions: Vec<Assumption>,
    /// Messages about the script, the policy and the inputs.
    pub diagnostics: Vec<Diagnostic>,
    /// Most agents at work at once: the median over samples and the most seen.
    pub peak_concurrency: PeakConcurrency,
    /// The model that stages without one run on.
    pub session_model: ModelId,
    /// The policy's name.
    pub policy: String,
    /// The day whose prices apply, `YYYY-MM-DD`.
    pub prices_on: String,
    /// The root of all randomness.
    pub seed: u64,
    /// How many samples: those asked for, or the first ones of a script that reaches a limit before
    /// its first agent.
    pub samples: u32,
    /// What was asked for, so that the plan can be executed as it was made.
    pub request: PlanRequest,
    /// What the plan is a function of.
    pub hashes: Hashes,
    /// P90 cost of the runs that complete: the budget to set if none is.
    pub suggested_budget_usd: Option<Picodollars>,
}

/// Bands of the main quantities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quantities {
    /// `agent()` calls.
    pub agents: Band<u64>,
    /// Final contexts summed over agents: what Claude Code shows as tokens.
    pub context_tokens: Band<u64>,
    /// Tokens of all classes summed over requests: what dollars come from.
    pub billed_tokens: Band<u64>,
    /// Dollars, as routed. Null where a model has no price.
    pub cost_usd: Option<Band<Picodollars>>,
    /// From the first to the last agent, seconds.
    pub wall_seconds: Band<u64>,
}

/// One progress group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhasePlan {
    /// Its title; empty for agents outside any phase.
    pub title: String,
    /// Its bands.
    #[serde(flatten)]
    pub quantities: Quantities,
    /// Median final context of one agent.
    pub context_per_agent_tokens_p50: u64,
    /// Keys of its stages.
    pub stages: Vec<StageKey>,
}

/// One stage: agents with the same phase, agent type, schema, requested model and effort, working
/// tree and label skeleton.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StagePlan {
    /// Stable over samples and over edits elsewhere in the script.
    pub key: StageKey,
    /// The same for all stages that differ only in effort or working tree; absent where it is `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<StageKey>,
    /// A name people can type, unique in the plan: the label skeleton, else the phase.
    pub name: String,
    /// Its phase; empty for none.
    pub phase: String,
    /// `opts.agentType`.
    pub agent_type: Option<String>,
    /// Line of its first call; for display only.
    pub line: Option<u32>,
    /// Its part.
    pub role: Role,
    /// Its bands.
    #[serde(flatten)]
    pub quantities: Quantities,
    /// Median final context of one agent.
    pub context_per_agent_tokens_p50: u64,
    /// P90 of one agent's final context.
    pub context_per_agent_tokens_p90: u64,
    /// Share of its requests whose prompt is above the routed model's price step, per mille;
    /// null where the model has none.
    pub requests_above_step_per_mille: Option<u32>,
    /// What was asked for and what was chosen.
    pub route: RoutePlan,
}

/// The model chosen for a stage, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoutePlan {
    /// `opts.model` as written; null for the session model.
    pub requested: Option<String>,
    /// The model it would run on without a policy.
    pub as_written: ModelId,
    /// The model it runs on.
    pub model: ModelId,
    /// The name whose price applies, where that is not the model's own: a regional name can be
    /// dearer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priced_as: Option<String>,
    /// The effort it runs at; null where the model has none.
    pub effort: Option<Effort>,
    /// The standing cap on output tokens per request.
    pub output_cap_tokens: u64,
    /// The policy rule that decided, or why none did: `fanout`, `as written`, `pinned by script`.
    pub rule: String,
    /// Whether the policy denies this stage or asks before it.
    pub gate: Gate,
    /// Routes that were refused on the way, step-downs too, each with its reason.
    pub refusals: Vec<RouteRefusal>,
    /// Cheaper routes for agents that start once a budget is used up to a share, the lowest share
    /// first. No band includes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub step_downs: Vec<StepDownPlan>,
}

/// The cheaper route of agents that start once a budget is used up to a share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepDownPlan {
    /// The policy's step-down.
    pub rule: String,
    /// It applies above this share of any limit that the agent is held to, per mille, settled and
    /// reserved together.
    pub above_per_mille: u16,
    /// The model.
    pub model: ModelId,
    /// The name whose price applies, where that is not the model's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priced_as: Option<String>,
    /// The effort it runs at; null where the model has none.
    pub effort: Option<Effort>,
    /// The standing cap on output tokens per request.
    pub output_cap_tokens: u64,
    /// What one agent of the stage costs there, mean of the samples.
    pub per_agent_usd_mean: Picodollars,
    /// What one costs as routed.
    pub routed_per_agent_usd_mean: Picodollars,
}

/// A model that a rule wanted and did not get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RouteRefusal {
    /// The rule.
    pub rule: String,
    /// The model.
    pub model: String,
    /// Why not.
    pub reason: String,
}

/// Whether the plan is within its budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The gate that follows from it.
    pub gate: Gate,
    /// One word for it.
    pub outcome: VerdictOutcome,
    /// Why, one line each: the budget and each policy threshold that has something to say. Where the
    /// plan is denied, what denies it comes first.
    pub reasons: Vec<String>,
    /// What denies the plan, where its budgets do not: `policy ci`, `--fit`, the name of a paused
    /// budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied_by: Option<String>,
    /// The budgets it was held against.
    pub budgets: Vec<BudgetVerdict>,
    /// The same without the budgets that the run shares with others, which are not what they were when
    /// the plan is executed; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apart: Option<Box<Verdict>>,
}

/// One word for a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictOutcome {
    /// No budget was given.
    NoBudget,
    /// Within budget as often as the policy wants.
    Within,
    /// Passes the budget more often than the policy wants.
    AtRisk,
    /// The median run passes the budget.
    Over,
    /// A model has no price, so dollars are unknown.
    Unpriced,
    /// The script started no agent.
    NoAgents,
}

/// A budget and how often the samples pass it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetVerdict {
    /// As written, such as `10usd`; of a wider budget, what is left of it.
    pub amount: String,
    /// The wider budget that it is, or that of a phase: `day 2026-11-25 UTC`, `project shop`,
    /// `phase Verify`; absent for the run's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The whole of a wider budget, where something of it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// How many of 1,000 runs pass it.
    pub exceeded_per_mille: u32,
    /// Half the 95 % interval of that, from the number of samples.
    pub error_per_mille: u32,
    /// How many of 1,000 the policy tolerates.
    pub tolerated_per_mille: u32,
}

/// The work of all agents done by one, in one growing conversation that each request reads again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OneAgentPlan {
    /// Its model.
    pub model: ModelId,
    /// Its dollars.
    pub cost_usd: Band<Picodollars>,
    /// The time it takes, seconds.
    pub wall_seconds: Band<u64>,
    /// How often its conversation fills the window and is summed up, median.
    pub compactions_p50: u32,
    /// The agents of the plan, all on that model.
    pub fan_out_cost_usd: Band<Picodollars>,
    /// Share of that which goes into loading each agent's first context, per mille.
    pub loading_per_mille: u32,
    /// The least share of the requests that one agent has to be spared to be no dearer, since it has
    /// read already what the others read each for itself, per cent in steps of 10: 0 where it is not
    /// dearer anyway; null where no share is enough.
    pub spared_per_cent: Option<u32>,
    /// From how many agents on the agents of the plan are cheaper than one, in the median sample;
    /// null where they never are, up to what the runtime allows.
    pub fan_out_cheaper_from_agents: Option<u32>,
}

/// How some of the runs end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndingPlan {
    /// What they share: the return line and status, or the message of the throw.
    pub name: String,
    /// The line of the return or throw.
    pub line: Option<u32>,
    /// The child workflow's file that the line is in; absent for the script itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Whether the script returned; else it threw, waits for ever, or reached a limit.
    pub returned: bool,
    /// Whether the run did what it is for: it returned, and not early without results.
    pub completes: bool,
    /// How many of 1,000 runs end so.
    pub per_mille: u32,
    /// What they cost.
    pub cost_usd: Option<Band<Picodollars>>,
    /// Their agents.
    pub agents: Band<u64>,
}

/// A quantity that explains the spread of the cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Driver {
    /// What `--assume` takes: `Find.findings`, `Find.requests`, `Verify.refuted`. Empty for whether
    /// a stage runs, which nothing pins.
    pub key: String,
    /// In words: `findings per agent of Find`.
    pub name: String,
    /// Share of the variance of the cost that it explains and that no driver before it does, per
    /// mille.
    pub share_per_mille: u32,
    /// Its own P10, P50 and P90, as `--assume` takes them; for whether a stage runs, how often.
    pub p10: String,
    /// See `p10`.
    pub p50: String,
    /// See `p10`.
    pub p90: String,
    /// Median cost with it pinned at P10, P50 and P90; only for the strongest three that can be.
    pub response: Vec<DriverPoint>,
}

/// The median cost with a driver pinned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DriverPoint {
    /// The value as `--assume` takes it.
    pub value: String,
    /// Median cost.
    pub cost_usd_p50: Option<Picodollars>,
    /// Median agents.
    pub agents_p50: u64,
    /// On how many samples it was measured; absent where on all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u32>,
}

/// Whether anything bounds the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ceiling {
    /// The most agents the script or its schemas allow, which is proved; null where nothing does.
    pub agents: Option<u64>,
    /// What that many agents would cost if each cost its stage's P99 per agent in the samples: an
    /// estimate, which nothing proves. Null where agents are unbounded.
    pub cost_usd: Option<Picodollars>,
    /// What leaves it open, or what closes it: the property and its line.
    pub reasons: Vec<CeilingReason>,
    /// The runtime's cap on agents per run.
    pub runtime_agents: u64,
    /// What that many agents would cost at P10 and P90 per agent.
    pub runtime_cost_usd: Option<[Picodollars; 2]>,
}

/// One thing that bounds the run, or fails to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CeilingReason {
    /// In words.
    pub text: String,
    /// Line in the script.
    pub line: Option<u32>,
    /// Whether it leaves the run unbounded.
    pub open: bool,
}

/// Costs of the same samples under other routings, medians.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Savings {
    /// As routed.
    pub routed_usd_p50: Option<Picodollars>,
    /// As the script was written.
    pub as_written_usd_p50: Option<Picodollars>,
    /// With every stage on the session model.
    pub session_usd_p50: Option<Picodollars>,
    /// What the named policy would cost, where the policy in force changes nothing.
    pub suggestion: Option<Suggestion>,
}

/// Another policy and what it would cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Suggestion {
    /// The policy's name.
    pub policy: String,
    /// Median cost under it.
    pub cost_usd_p50: Picodollars,
}

/// One way to get within the budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FitOption {
    /// What to do, in words.
    pub text: String,
    /// The flag that does it, if one does.
    pub flag: Option<String>,
    /// P90 of the cost then.
    pub cost_usd_p90: Option<Picodollars>,
}

/// Something the numbers rest on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Assumption {
    /// In words, with its source.
    pub text: String,
    /// The flag that pins it, such as `--assume Find.findings=4`.
    pub pin: Option<String>,
}

/// How many agents work at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeakConcurrency {
    /// Median over samples.
    pub p50: u32,
    /// Most over samples.
    pub max: u32,
    /// The cap in force.
    pub cap: u32,
}

/// What a plan was asked for, as given on the command line or by defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanRequest {
    /// `args` as JSON text; null where there are none or they are a string.
    pub args_json: Option<String>,
    /// `args` as a string, where they are one.
    pub args_text: Option<String>,
    /// The session's model as asked for.
    pub model: String,
    /// The session's effort; null for the model's default.
    pub effort: Option<Effort>,
    /// Whose aliases and prices apply.
    pub provider: String,
    /// The policy: a shipped name or a file.
    pub policy: String,
    /// `--budget`.
    pub budgets: Vec<String>,
    /// `--fit`: the amount that a routing was looked for within.
    #[serde(default)]
    pub fit: Option<String>,
    /// `budget.total` of the script, in output tokens.
    pub turn_budget_tokens: Option<u64>,
    /// Agents at work at once.
    pub concurrency: u32,
    /// Whether caches are written for an hour.
    pub cache_one_hour: bool,
    /// `--assume`.
    pub assumptions: Vec<String>,
    /// `--result`, values read in.
    pub results: Vec<String>,
    /// `--done`.
    pub done: Vec<String>,
    /// What was counted below `--scope`; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<TreeCounts>,
}

/// SHA-256 of everything a plan is a function of, in lower-case hex.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hashes {
    /// The script's text, with the texts of the child workflows it may call.
    pub script: String,
    /// `args`, `--assume`, `--result`, `--done` and the scope's counts.
    pub args: String,
    /// The policy's text.
    pub policy: String,
    /// The price tables.
    pub prices: String,
    /// The usage model.
    pub usage: String,
}
