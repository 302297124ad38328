//! Why something was not admitted, as a value.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::budget::unit::{Quantity, Unit};

/// A scope that has too little left of something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shortage {
    /// The scope's path, such as `run review / phase Verify`.
    pub scope: String,
    /// What it has too little of.
    pub unit: Unit,
    /// Its limit.
    pub limit: Quantity,
    /// What is spent for good.
    pub settled: Quantity,
    /// What requests in flight may still take, and slices that are leased.
    pub reserved: Quantity,
    /// How much of that is leased to processes that admit from their own slice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leased: Option<Quantity>,
    /// The least that the refused request needed.
    pub needed: Quantity,
    /// Whether the scope was paused: then it lacks nothing, and admits again once resumed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DenialKind {
    /// Final: even if nothing in flight cost anything, the least bound would not fit. Where somebody
    /// knows what dead processes hold, that counts as spent.
    Exhausted,
    /// Retryable: it waited for as long as it may, or too many wait already.
    Busy,
}

/// A refusal that names the scope and the number needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Denial {
    /// Whether trying again can help.
    pub kind: DenialKind,
    /// What is short.
    #[serde(flatten)]
    pub shortage: Shortage,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scope, unit, limit, settled, reserved, leased, needed, paused } = self;
        if *paused {
            return write!(f, "{scope} is paused and admits nothing until it is resumed");
        }
        let (spent, most) = unit.say_both(*settled, *limit);
        write!(f, "{scope} has spent {spent} of {most} and reserved {}", unit.say(*reserved))?;
        if let Some(leased) = leased {
            write!(f, " ({} of it leased to processes)", unit.say(*leased))?;
        }
        write!(f, "; the next request needs at least {}", unit.say(*needed))
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            DenialKind::Exhausted => "budget exhausted",
            DenialKind::Busy => "budget busy",
        };
        write!(f, "{kind}: {}", self.shortage)
    }
}

/// A soft threshold of a scope was passed. Said once per scope, unit and threshold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// The scope's path.
    pub scope: String,
    /// What it counts.
    pub unit: Unit,
    /// The threshold, in thousandths of the limit.
    pub threshold_per_mille: u16,
    /// What is spent for good.
    pub settled: Quantity,
    /// The limit.
    pub limit: Quantity,
}
