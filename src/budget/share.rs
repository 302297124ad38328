//! How much of one limit is taken.

use crate::budget::account::{Account, AccountError};
use crate::budget::effects::Balance;
use crate::budget::scope::ScopeId;
use crate::budget::unit::Unit;

/// How much of one limit of a scope is taken: settled, and held for what may still come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The scope's path, such as `run review / phase Verify`.
    pub scope: String,
    /// What is limited.
    pub unit: Unit,
    taken: i128,
    limit: i128,
}

impl Share {
    /// Whether more than `per_mille` of the limit is taken.
    pub fn is_above(&self, per_mille: u16) -> bool {
        self.taken.saturating_mul(1_000) > self.limit.saturating_mul(per_mille.into())
    }

    /// The same where `by` more of both is known elsewhere.
    #[must_use]
    pub fn carrying(mut self, by: u64) -> Self {
        self.taken = self.taken.saturating_add(by.into());
        self.limit = self.limit.saturating_add(by.into());
        self
    }

    /// Thousandths of the limit, rounded down; of a limit of nothing, all of it.
    pub fn per_mille(&self) -> u32 {
        let share = self.taken.saturating_mul(1_000).checked_div(self.limit);
        share.map_or(1_000, |share| u32::try_from(share).unwrap_or(u32::MAX))
    }
}

impl Account {
    /// What is taken of every limit on a path: of `scope`, of all above it, and of `windows`.
    pub fn shares(&self, scope: ScopeId, windows: &[ScopeId]) -> Result<Vec<Share>, AccountError> {
        let mut shares = Vec::new();
        for id in self.path_over(scope, windows)? {
            let scope = self.scope(id)?;
            let balance = Balance::of(scope);
            shares.extend(Unit::ALL.into_iter().filter_map(|unit| {
                let (settled, held) = balance.taken(unit);
                Some(Share {
                    scope: scope.path.to_string(),
                    unit,
                    taken: settled.saturating_add(held),
                    limit: balance.limits.get(unit)?,
                })
            }));
        }
        Ok(shares)
    }
}
