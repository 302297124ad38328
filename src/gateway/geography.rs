//! Where requests are served that do not say where: what the workspace of a credential is set to,
//! which nobody tells but the answers. It can cost more in the US.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

/// Credentials that are remembered; beyond so many all are forgotten, and reserve more again.
const KNOWN_MAX: usize = 4_096;

/// The credentials whose last answer came from no place in particular.
#[derive(Debug, Default)]
pub(crate) struct Geography(RwLock<HashSet<u64>>);

impl Geography {
    /// Whether a request of `credential` that names no place may be served in the US.
    pub(crate) fn may_be_us(&self, credential: u64) -> bool {
        !self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&credential)
    }

    /// Takes note of where such a request was served, by a model whose price depends on it.
    pub(crate) fn seen(&self, credential: u64, is_us: bool) {
        // Nearly always nothing changes.
        if is_us == self.may_be_us(credential) {
            return;
        }
        let mut elsewhere = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if is_us {
            elsewhere.remove(&credential);
            return;
        }
        if elsewhere.len() >= KNOWN_MAX {
            elsewhere.clear();
        }
        elsewhere.insert(credential);
    }
}
