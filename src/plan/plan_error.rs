//! Why there is no plan.

use serde::{Deserialize, Serialize};

use crate::diagnostic::Diagnostic;
use crate::ports::script::EngineError;

/// Why there is no plan. Crosses the process boundary as data.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
pub enum PlanError {
    /// The script was refused, or its process ended.
    #[error(transparent)]
    Script(#[from] EngineError),
    /// A text that the plan rests on cannot be used.
    #[error("{what}: {message}")]
    Input {
        /// Which: `prices`, `usage model`, `policy`.
        what: String,
        /// What is the matter with it.
        message: String,
        /// Places in it, if known.
        diagnostics: Vec<Diagnostic>,
    },
    /// A flag's value cannot be used.
    #[error("{flag}: {message}")]
    Flag {
        /// Which, with its dashes.
        flag: String,
        /// What is the matter with it and what would be right.
        message: String,
    },
}
