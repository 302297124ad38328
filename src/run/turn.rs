//! The output tokens that the script reads as `budget`. The client asks whether they are used up when
//! a call is made, which the engine does, and again when the call gets its slot.

use crate::diagnostic::{Diagnostic, Severity};
use crate::ports::script::{Outcome, grouped};
use crate::run::setup::RunSetup;

/// What a call is told that comes too late, in the report.
pub(crate) const USED_UP: &str = "the output tokens of the turn's budget are used up";

/// The turn's budget, and what is spent of it.
#[derive(Debug)]
pub(crate) struct Turn {
    total_tokens: Option<u64>,
    spent_tokens: u64,
    is_told: bool,
}

impl Turn {
    /// As it is when a run of `setup` begins.
    pub(crate) const fn new(setup: &RunSetup) -> Self {
        let (total_tokens, spent_tokens) = (setup.turn_budget_tokens, setup.turn_spent_tokens);
        Self { total_tokens, spent_tokens, is_told: false }
    }

    /// The script is given the result of an agent with so much output.
    pub(crate) const fn spend(&mut self, output_tokens: u64) {
        self.spent_tokens = self.spent_tokens.saturating_add(output_tokens);
    }

    /// What a call is answered that gets its slot too late.
    pub(crate) fn refusal(&self) -> Option<Outcome> {
        let total = self.total_tokens?;
        (self.spent_tokens >= total).then(|| Outcome::budget_exceeded(self.spent_tokens, total))
    }

    /// What is to be said of the first refusal.
    pub(crate) fn tell(&mut self) -> Option<Diagnostic> {
        let total = self.total_tokens.filter(|_| !self.is_told)?;
        self.is_told = true;
        let said = format!(
            "no agent starts any more: {} of the turn's {} output tokens are used up",
            grouped(self.spent_tokens),
            grouped(total)
        );
        Some(
            Diagnostic::new(Severity::Note, "run::turn-budget", said)
                .with_help("agents at work end; --turn-budget gives more"),
        )
    }
}
