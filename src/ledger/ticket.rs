//! What a desk hands out for a request that was admitted, and what can be done with it.

use crate::budget::{Charge, Grant};
use crate::id::AttemptId;
use crate::ledger::borrowed::Borrowed;
use crate::ledger::sync::Arc;

/// A request that may be sent, until it is settled, released or expired.
#[derive(Debug)]
#[must_use = "what was reserved stays so until it is settled, released or expired"]
pub struct Ticket {
    /// Its attempt.
    pub attempt: AttemptId,
    /// On which terms.
    pub grant: Grant,
    pub(super) slice: Option<Arc<Borrowed>>,
}

impl Ticket {
    /// For what the ledger itself has admitted.
    pub const fn of_ledger(attempt: AttemptId, grant: Grant) -> Self {
        Self { attempt, grant, slice: None }
    }

    /// The same ticket for another thread.
    pub fn again(&self) -> Self {
        let Self { attempt, grant, slice } = self;
        Self { attempt: attempt.clone(), grant: grant.clone(), slice: slice.clone() }
    }

    /// Whether it was drawn from a slice, so that the desk can end it without the ledger.
    pub const fn is_drawn(&self) -> bool {
        self.slice.is_some()
    }
}

/// What can be done to a request that was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Lower its reservation to at most this.
    Shrink(Charge),
    /// End it: it took this.
    Settle(Charge),
    /// End it: it never left.
    Release,
    /// End it: it takes its full reservation.
    Expire,
}

/// What can be said of a request at once.
#[derive(Debug)]
pub enum Now {
    /// It may be sent.
    Admitted {
        /// Its terms.
        ticket: Ticket,
        /// Whether somebody has to see to it that the next ones need not wait:
        /// [`promise_ahead`](super::LeaseDesk::promise_ahead).
        runs_low: bool,
    },
    /// A slice might pay for it, after a wait: [`reserve_from_slice`](super::LeaseDesk::reserve_from_slice).
    MayWait,
    /// No slice will: the ledger has to be asked.
    AskLedger,
}
