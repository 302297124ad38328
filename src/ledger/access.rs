//! How a ledger is used besides its transactions: reading without keeping anybody from writing,
//! runs, and moving all of it.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::budget::{AttemptRow, LeaseRow, ScopeId, ScopeRow, Store, StoreError};
use crate::id::{AttemptId, RunId};
use crate::ledger::entry_row::{EntryFilter, EntryRow};
use crate::ledger::owner::OwnerRow;
use crate::ledger::plan_window_row::PlanWindowRow;
use crate::ledger::runs::RunRow;

/// Balances and attempts of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Every scope, in the order they were opened.
    pub scopes: Vec<ScopeRow>,
    /// Every attempt in flight, in the order they were admitted.
    pub in_flight: Vec<AttemptRow>,
}

/// Who holds what, of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldRows {
    /// Every process that holds a reservation or a slice, and whether it lives.
    pub owners: Vec<OwnerRow>,
    /// Every attempt in flight, in the order they were admitted.
    pub attempts: Vec<AttemptRow>,
    /// Every slice that is out, in the order they were lent.
    pub leases: Vec<LeaseRow>,
}

/// Any row of a ledger, on its way to another.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyRow {
    /// A scope with its balance.
    Scope(ScopeRow),
    /// An attempt, in flight or not.
    Attempt(AttemptRow),
    /// A scope in which an agent was counted for good.
    Counted(ScopeId, Arc<str>),
    /// A slice, out or not.
    Lease(LeaseRow),
    /// What happened.
    Entry(EntryRow),
    /// An execution of a workflow.
    Run(RunRow),
    /// What is known of a subscription's plan windows.
    PlanWindow(PlanWindowRow),
}

/// Takes rows one by one, until it fails.
pub type EachRow<'a> = &'a mut dyn FnMut(AnyRow) -> Result<(), StoreError>;

/// Hands out rows, in the order of [`ReadLedger::every_row`].
pub type RowSource<'a> = &'a mut dyn FnMut(EachRow<'_>) -> Result<(), StoreError>;

/// Reads a ledger. Each call sees one moment of it and waits for nobody who writes.
pub trait ReadLedger {
    /// Every scope, in the order they were opened.
    fn scopes(&self) -> Result<Vec<ScopeRow>, StoreError>;

    /// The scopes with at most `levels` names in their paths, in the order they were opened:
    /// however many runs and agents lie below them, these are few and soon read.
    fn upper_scopes(&self, levels: usize) -> Result<Vec<ScopeRow>, StoreError>;

    /// The scope with this path in words, such as `project shop / run review-7`.
    fn scope_by_path(&self, path: &str) -> Result<Option<ScopeRow>, StoreError>;

    /// An attempt.
    fn attempt(&self, id: &AttemptId) -> Result<Option<AttemptRow>, StoreError>;

    /// Every attempt in flight, in the order they were admitted.
    fn in_flight(&self) -> Result<Vec<AttemptRow>, StoreError>;

    /// Every slice that is out, in the order they were lent.
    fn leases(&self) -> Result<Vec<LeaseRow>, StoreError>;

    /// Every process that holds a reservation or a slice, and whether it lives.
    fn owners(&self) -> Result<Vec<OwnerRow>, StoreError>;

    /// All three of one moment, so that nobody's reservation is without its owner.
    fn held(&self) -> Result<HeldRows, StoreError>;

    /// The last `limit` entries that `filter` lets through, oldest first.
    fn entries(&self, filter: &EntryFilter, limit: usize) -> Result<Vec<EntryRow>, StoreError>;

    /// Hands every entry to `each`, oldest first, until it breaks. What they led to, as of the
    /// same moment.
    fn stream(
        &self,
        each: &mut dyn FnMut(EntryRow) -> ControlFlow<()>,
    ) -> Result<Moment, StoreError>;

    /// Hands every row to `each`: scopes in the order they were opened, attempts in the order they
    /// were admitted, who was counted where, slices in the order they were lent, entries oldest
    /// first, runs by id, what is known of plan windows in the order it was written.
    fn every_row(&self, each: EachRow<'_>) -> Result<(), StoreError>;

    /// The last `limit` runs, the latest first.
    fn runs(&self, limit: usize) -> Result<Vec<RunRow>, StoreError>;

    /// One run.
    fn run(&self, id: &RunId) -> Result<Option<RunRow>, StoreError>;

    /// Looks whether what it is stored in is whole, where it is stored in a file of its own: what no
    /// question reads can be damaged too.
    ///
    /// # Errors
    /// It is damaged, or cannot be read.
    fn check_storage(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// What is known of plan windows, in the order it was written: every limit, and of the last
    /// `last` rows what was seen.
    fn plan_windows(&self, last: usize) -> Result<Vec<PlanWindowRow>, StoreError>;
}

/// A ledger that can be written.
pub trait Ledger: Store + ReadLedger + Send {
    /// Remembers a run, or what it has become.
    fn record_run(&mut self, run: &RunRow) -> Result<(), StoreError>;

    /// Writes down what is known of plan windows, after what is there already, in one transaction.
    fn record_plan_windows(&mut self, rows: &[PlanWindowRow]) -> Result<(), StoreError>;

    /// Takes over everything that `rows` hands out, as it is, in one transaction.
    ///
    /// # Errors
    /// The ledger holds something already, or cannot be written; or what `rows` failed of. Nothing
    /// was kept, unless [`StoreError::Uncertain`].
    fn fill(&mut self, rows: RowSource<'_>) -> Result<(), StoreError>;

    /// What the entries of the transactions from now on have as their note.
    fn set_note(&mut self, note: Option<String>);
}
