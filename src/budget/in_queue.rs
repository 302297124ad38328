//! What can be done to a request that waits.

use crate::budget::account::{Account, AccountError};
use crate::budget::effects::Effects;
use crate::budget::scope::ScopeId;
use crate::id::AttemptId;

impl Account {
    /// A waiting request takes from now on what `scope` has left, not below its floor: somebody knows
    /// that it will never have enough for the standing cap. It keeps its place. Nothing where it does
    /// not wait.
    pub fn shorten(
        &mut self,
        attempt: &AttemptId,
        scope: ScopeId,
    ) -> Result<Effects, AccountError> {
        let mut effects = Effects::default();
        if let Some(waiter) = self.waiters.of_mut(attempt) {
            waiter.short_in.push(scope);
            self.pump(&mut effects)?;
        }
        Ok(effects)
    }

    /// Takes a waiting request out of the queue; `false` where it does not wait.
    pub fn withdraw(&mut self, attempt: &AttemptId) -> Result<(bool, Effects), AccountError> {
        let withdrawn = self.waiters.remove(attempt).is_some();
        let mut effects = Effects::default();
        if withdrawn {
            self.pump(&mut effects)?;
        }
        Ok((withdrawn, effects))
    }
}
