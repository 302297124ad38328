//! Whether something may go ahead.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether something may go ahead.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// Yes.
    Allow,
    /// Only after somebody said yes.
    Ask,
    /// No.
    Deny,
}
