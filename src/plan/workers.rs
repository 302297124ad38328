//! Who carries out what a plan computes: threads, tokenizers. The planner only says what.

use crate::plan::setup::Setup;
use crate::plan::trial::{Trial, TrialSpec};
use crate::ports::script::EngineError;

/// Runs trials and counts tokens. Results come in the order of what was asked, whatever ran them.
pub trait Workers {
    /// Runs one trial per spec.
    fn trials(&mut self, setup: &Setup, specs: &[TrialSpec]) -> Result<Vec<Trial>, EngineError>;

    /// Counts o200k tokens of each text.
    fn count_tokens(&mut self, texts: &[String]) -> Vec<u64>;
}
