//! What kind of work a stage does, apart from its role in the plan.

use serde::{Deserialize, Serialize};

/// The kind of work, guessed from words. A role says how many agents there are and what they read;
/// the kind says how long one of them works.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum StageKind {
    /// Nothing is known.
    #[default]
    General,
    /// Finding out or building: many tool calls.
    Research,
    /// Checking one claim: few tool calls.
    Verify,
    /// Writing up what others found: a long prompt, few requests.
    Synthesis,
    /// One answer, no tools.
    Trivial,
}

impl StageKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::General, Self::Research, Self::Verify, Self::Synthesis, Self::Trivial];

    /// The name used in model files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::Research => "research",
            Self::Verify => "verify",
            Self::Synthesis => "synthesis",
            Self::Trivial => "trivial",
        }
    }
}
