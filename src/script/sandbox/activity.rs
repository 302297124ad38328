//! What a child is doing, as far as its limits depend on it.

use serde::{Deserialize, Serialize};

use super::frame::Kind;

/// What a child is doing. A text can take a parser for ever and a script an engine: of both, signs
/// of life are expected. Arithmetic ends by itself, and only the whole has a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activity {
    /// It reads text.
    Reading,
    /// It runs a script.
    Running,
    /// It does arithmetic over what scripts did.
    Reckoning,
}

impl Activity {
    /// What a child begins with when it is asked for `request`.
    pub(super) const fn of(request: Kind) -> Self {
        match request {
            Kind::Begin | Kind::Deliver | Kind::Advance => Self::Running,
            _ => Self::Reading,
        }
    }
}
