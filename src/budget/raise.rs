//! Raising a limit by an amount, whatever it is by then.

use crate::amount::Amount;
use crate::budget::account::{Account, AccountError};
use crate::budget::effects::Effects;
use crate::budget::scope::ScopeId;

impl Account {
    /// Adds `by` to the limit of a live scope in the unit of `by`. Raises add up: each starts from
    /// the limit as it is then. Who waits may be admitted.
    ///
    /// # Errors
    /// The scope is unknown, or has no limit that `by` could raise.
    pub fn raise_limits(&mut self, scope: ScopeId, by: Amount) -> Result<Effects, AccountError> {
        let known = self.scope(scope)?;
        let raised = known
            .limits
            .raised(by)
            .ok_or_else(|| AccountError::NotLimited { path: known.path.to_string(), by })?;
        self.set_limits(scope, raised)
    }
}
