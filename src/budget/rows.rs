//! An account as a store keeps it: plain rows, and the trait of those who keep them.
//!
//! A store knows no rules. It hands out rows, and takes back what the rules changed, both within
//! one transaction that nobody else can come between.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::budget::charge::Charge;
use crate::budget::effects::Balance;
use crate::budget::entry::EntryKind;
use crate::budget::lease::LeaseId;
use crate::budget::scope::{Limits, ScopeId};
use crate::budget::unit::Unit;
use crate::id::{AttemptId, OwnerId};

/// One scope with its balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeRow {
    /// Which.
    pub id: ScopeId,
    /// Above it.
    pub parent: Option<ScopeId>,
    /// Its path in words, such as `project shop / run review-7`.
    pub path: Arc<str>,
    /// Its limits.
    pub limits: Limits,
    /// Whether it admits nothing new.
    pub paused: bool,
    /// Spent for good.
    pub settled: Charge,
    /// What requests in flight may still take.
    pub reserved: Charge,
    /// What processes that were lent slices may still draw from them.
    pub leased: Charge,
    /// Whether somebody waits for what is leased.
    pub recalled: bool,
    /// Agents that spent something.
    pub agents_settled: u64,
    /// Agents that have only reserved so far.
    pub agents_reserved: u64,
    /// The last threshold that was warned of, by position in [`Unit::ALL`].
    pub warned_per_mille: [u16; Unit::ALL.len()],
}

impl ScopeRow {
    /// Its balance.
    pub fn balance(&self) -> Balance {
        Balance {
            limits: self.limits,
            settled: self.settled,
            reserved: self.reserved,
            leased: self.leased,
            agents_settled: self.agents_settled,
            agents_reserved: self.agents_reserved,
        }
    }
}

/// How an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptEnd {
    /// In flight.
    Reserved,
    /// Ended; it took its charge.
    Closed,
    /// It never left.
    Released,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    /// Which.
    pub id: AttemptId,
    /// The innermost scope it is charged to.
    pub scope: ScopeId,
    /// The calendar windows it is charged to besides.
    pub windows: Vec<ScopeId>,
    /// Everything it is charged to, innermost first.
    pub path: Arc<[ScopeId]>,
    /// Whose request it is, where agents are counted.
    pub agent: Option<Arc<str>>,
    /// The slice that it was drawn from.
    pub lease: Option<LeaseId>,
    /// The process that holds it; given by the store when it is new.
    pub owner: Option<OwnerId>,
    /// How it stands.
    pub end: AttemptEnd,
    /// Its reservation, or what it took.
    pub charge: Charge,
}

/// One slice that was lent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRow {
    /// Which.
    pub id: LeaseId,
    /// The innermost scope it is taken from.
    pub scope: ScopeId,
    /// The calendar windows it is taken from besides.
    pub windows: Vec<ScopeId>,
    /// Everything it is taken from, innermost first.
    pub path: Arc<[ScopeId]>,
    /// What may still be drawn from it.
    pub left: Charge,
    /// So many records of its borrower's journal were taken down.
    pub taken: u64,
    /// Whether it is out.
    pub held: bool,
    /// The process that it was lent to; given by the store when it is new.
    pub owner: Option<OwnerId>,
}

/// What an account needs to decide a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// These scopes, with everything above them.
    pub scopes: BTreeSet<ScopeId>,
    /// Scopes with these paths in words, where they exist, with everything above them.
    pub paths: BTreeSet<Arc<str>>,
    /// These attempts, where they exist, with everything they are charged to, and their agents.
    pub attempts: BTreeSet<AttemptId>,
    /// Everything in flight of these agents, and where they were counted.
    pub agents: BTreeSet<Arc<str>>,
    /// These slices, with everything they are taken from. Those that attempts were drawn from
    /// belong to what is wanted of attempts.
    pub leases: BTreeSet<LeaseId>,
}

/// What a store found of it.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Scopes.
    pub scopes: Vec<ScopeRow>,
    /// Attempts.
    pub attempts: Vec<AttemptRow>,
    /// Scopes in which an agent was counted for good.
    pub counted: Vec<(ScopeId, Arc<str>)>,
    /// Slices.
    pub leases: Vec<LeaseRow>,
    /// The number of the next scope.
    pub next_scope: u32,
    /// The number of the next slice.
    pub next_lease: u64,
}

/// What a batch changed.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Scopes as they are now.
    pub scopes: Vec<ScopeRow>,
    /// Attempts as they are now.
    pub attempts: Vec<AttemptRow>,
    /// Scopes in which an agent was counted for good.
    pub counted: Vec<(ScopeId, Arc<str>)>,
    /// Slices as they are now.
    pub leases: Vec<LeaseRow>,
    /// What happened, in order.
    pub entries: Vec<EntryKind>,
}

impl Changes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        let Self { scopes, attempts, counted, leases, entries } = self;
        scopes.is_empty()
            && attempts.is_empty()
            && counted.is_empty()
            && leases.is_empty()
            && entries.is_empty()
    }
}

impl Changes {
    /// Whether something is held from now on that no process is known to hold.
    pub fn is_held_by_nobody(&self) -> bool {
        let attempt = |row: &AttemptRow| row.end == AttemptEnd::Reserved && row.owner.is_none();
        self.attempts.iter().any(attempt)
            || self.leases.iter().any(|row| row.held && row.owner.is_none())
    }
}

/// Names of what changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touched {
    pub(crate) scopes: BTreeSet<ScopeId>,
    pub(crate) attempts: BTreeSet<AttemptId>,
    pub(crate) leases: BTreeSet<LeaseId>,
    pub(crate) counted: Vec<(ScopeId, Arc<str>)>,
}

/// Why a store could not do its part. Nothing was changed, save for [`Self::Uncertain`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody else holds it for longer than we wait.
    #[error("the ledger is in use by another process: {0}")]
    Busy(String),
    /// It cannot be reached, read or written; the reason says which.
    #[error("the ledger cannot be used: {0}")]
    Unusable(String),
    /// What it holds makes no sense.
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
    /// A newer flyball wrote it.
    #[error(
        "the ledger has schema {found}, and this flyball knows {known}: use the flyball that wrote it, or a newer one"
    )]
    Newer {
        /// What it has.
        found: i64,
        /// What this program knows.
        known: i64,
    },
    /// The connection broke between commit and acknowledgement: the batch was kept or not.
    #[error("nobody knows whether the ledger kept the last change: {0}")]
    Uncertain(String),
}

/// Keeps an account for longer than a process.
pub trait Store {
    /// One transaction: finds what is `wanted`, hands it to `work`, keeps what that changed. Nobody
    /// else reads or writes these rows in between. `work` is called once at most; where it changed
    /// nothing, nothing is written.
    ///
    /// # Errors
    /// Nothing was kept, unless [`StoreError::Uncertain`].
    fn transact(
        &mut self,
        wanted: &Wanted,
        work: &mut dyn FnMut(Rows) -> Changes,
    ) -> Result<(), StoreError>;
}

impl<S: Store + ?Sized> Store for Box<S> {
    fn transact(
        &mut self,
        wanted: &Wanted,
        work: &mut dyn FnMut(Rows) -> Changes,
    ) -> Result<(), StoreError> {
        (**self).transact(wanted, work)
    }
}
