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

    /// Both, beside each other where that is quicker: the vocabulary takes as long to load as a
    /// small plan takes to make.
    fn trials_while_counting(
        &mut self,
        setup: &Setup,
        specs: &[TrialSpec],
        texts: &[String],
    ) -> Result<(Vec<Trial>, Vec<u64>), EngineError> {
        let trials = self.trials(setup, specs)?;
        Ok((trials, self.count_tokens(texts)))
    }

    /// Does `task` for every number below `count`, beside each other where there are cores.
    fn side_by_side(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
        (0..count).for_each(task);
    }
}
