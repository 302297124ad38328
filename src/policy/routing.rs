//! What a policy decided for a stage, and why. Plain data for reports.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::effort::Effort;
use crate::gate::Gate;
use crate::id::ModelId;
use crate::money::Picodollars;

/// [`Routing::rule`] where no rule changed anything.
pub const AS_WRITTEN: &str = "as written";

/// [`Routing::rule`] where a rule matched and the script's own choice of model stood against it.
pub const PINNED: &str = "pinned by script";

/// What a policy decided for one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Routing {
    /// The model to run on; null for the model as written.
    pub model: Option<ModelId>,
    /// The effort to ask for; null to ask for none. Already what the model supports, where a rule
    /// chose model or effort; else what the script asks for.
    pub effort: Option<Effort>,
    /// The cap on output tokens of one request, if a rule sets one.
    pub output_cap_tokens: Option<u64>,
    /// Whether the stage may run.
    pub gate: Gate,
    /// Why not, in the rule's words.
    pub gate_reason: Option<String>,
    /// The rule that decided, or [`AS_WRITTEN`], or [`PINNED`].
    pub rule: String,
    /// The costs that decided, where a route was taken.
    pub costs: Option<RouteCosts>,
    /// Routes the rule wanted and did not get, in order.
    pub refusals: Vec<Refusal>,
    /// What else there is to say, such as an effort that was lowered to fit the model.
    pub notes: Vec<String>,
    /// Why each rule matched or did not, in file order.
    pub trace: Vec<RuleTrace>,
    /// What each step-down means for the stage, the lowest share first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub step_downs: Vec<StepDownRouting>,
}

/// Expected cost of the stage before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RouteCosts {
    /// As the script was written.
    pub as_written_usd: Picodollars,
    /// As routed.
    pub routed_usd: Picodollars,
}

/// A route that a rule wanted and did not get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// The rule.
    pub rule: String,
    /// The model as the rule names it.
    pub model: String,
    /// Why not.
    pub reason: String,
}

/// One step-down of a policy, and what it means for one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepDownRouting {
    /// Its name.
    pub rule: String,
    /// Its line in the policy file, from 1.
    pub line: u32,
    /// The share of a limit above which it applies, per mille.
    pub above_per_mille: u16,
    /// Whether it matched; not reached where an earlier one decided for the same share.
    pub outcome: RuleOutcome,
    /// Each of its conditions; empty for one that always matches, or was not reached.
    pub conditions: Vec<ConditionTrace>,
    /// Where agents of the stage go then; null where it matched and nothing may be taken, or did
    /// not match.
    pub route: Option<SteppedRoute>,
    /// Models it wanted and did not get, in order.
    pub refusals: Vec<Refusal>,
    /// What else there is to say.
    pub notes: Vec<String>,
}

/// A cheaper route for agents that start once a budget is used up to a share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SteppedRoute {
    /// The model.
    pub model: ModelId,
    /// The effort to ask for; null to ask for none.
    pub effort: Option<Effort>,
    /// Expected cost of the whole stage as routed.
    pub routed_usd: Picodollars,
    /// Expected cost of the whole stage on this model.
    pub stepped_usd: Picodollars,
}

/// What became of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleTrace {
    /// Its name.
    pub rule: String,
    /// Its line in the policy file, from 1.
    pub line: u32,
    /// Whether it matched.
    pub outcome: RuleOutcome,
    /// Each of its conditions; empty for a rule that always matches, or was not reached.
    pub conditions: Vec<ConditionTrace>,
}

/// Whether a rule matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RuleOutcome {
    /// Every condition holds: this rule decides.
    Matched,
    /// Some condition does not hold.
    Missed,
    /// An earlier rule decided.
    NotReached,
}

/// One condition held against one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConditionTrace {
    /// The condition as a sentence part: `role is fan-out`, `not isolation is worktree`.
    pub condition: String,
    /// What the stage has there.
    pub found: String,
    /// Whether it holds.
    pub holds: bool,
}
