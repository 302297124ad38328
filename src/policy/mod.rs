//! Routing rules and budgets as people write them. Owns the file format, matching and the decision
//! which route a rule may take; prices nothing itself: costs come from the caller's [`Candidates`].
//!
//! Must not know: price tables, the usage model, plans, clocks, files. Texts are passed in.

mod action;
mod budgets;
mod candidate;
mod condition;
mod error;
mod facts;
mod number_range;
mod pattern;
#[expect(clippy::module_inception, reason = "the noun of this room")]
mod policy;
mod reader;
mod request_facts;
mod router;
mod routing;
mod rule;
mod spelling;
mod step_down;
mod stepper;
mod thresholds;
mod when;

pub use action::{Action, ModelName, Pinned};
pub use budgets::{BudgetLimit, BudgetScope};
pub use candidate::{Candidate, Candidates, SESSION};
pub use error::PolicyError;
pub use facts::StageFacts;
pub use pattern::Pattern;
pub use policy::{Policy, Questions, Unpriced};
pub use request_facts::RequestFacts;
pub use routing::{
    AS_WRITTEN, ConditionTrace, PINNED, Refusal, RouteCosts, Routing, RuleOutcome, RuleTrace,
    StepDownRouting, SteppedRoute,
};
pub use rule::Rule;
pub use step_down::StepDown;
pub use stepper::RoutedStage;
pub use thresholds::{Judgement, PlanLimits, PlanMeasures, Thresholds};

/// The shipped policy in force where nobody names one.
pub const POLICY_DEFAULT: &str = "as-written";

/// The largest policy file that is read, bytes.
pub const POLICY_BYTES_MAX: usize = 256 * 1024;

/// The most rules a policy may have.
pub const POLICY_RULES_MAX: usize = 1_000;

/// The most step-downs a policy may have.
pub const POLICY_STEP_DOWNS_MAX: usize = 100;

/// The policies that come with flyball: name and text, the default first.
pub fn shipped() -> &'static [(&'static str, &'static str)] {
    &[
        ("as-written", include_str!("../../policies/as-written.toml")),
        ("haiku-fanout", include_str!("../../policies/haiku-fanout.toml")),
        ("frugal", include_str!("../../policies/frugal.toml")),
        ("quality", include_str!("../../policies/quality.toml")),
        ("ci", include_str!("../../policies/ci.toml")),
    ]
}
