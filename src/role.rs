//! What part a stage plays in a workflow.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The part a stage plays, set over all samples of a plan.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Four or more agents in the median sample, even if sequential or pooled.
    FanOut,
    /// Its prompt quotes the results of three or more agents.
    Reduce,
    /// Neither.
    Single,
}

impl Role {
    /// The name used in policies and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FanOut => "fan-out",
            Self::Reduce => "reduce",
            Self::Single => "single",
        }
    }
}
