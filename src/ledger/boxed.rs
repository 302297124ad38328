//! A ledger of a kind that is only known once it is opened, used like any other.

use std::ops::ControlFlow;

use crate::budget::{AttemptRow, LeaseRow, ScopeRow, StoreError};
use crate::id::{AttemptId, RunId};
use crate::ledger::access::{EachRow, HeldRows, Ledger, Moment, ReadLedger, RowSource};
use crate::ledger::entry_row::{EntryFilter, EntryRow};
use crate::ledger::owner::OwnerRow;
use crate::ledger::plan_window_row::PlanWindowRow;
use crate::ledger::runs::RunRow;

impl<L: Ledger + ?Sized> Ledger for Box<L> {
    fn record_run(&mut self, run: &RunRow) -> Result<(), StoreError> {
        (**self).record_run(run)
    }

    fn record_plan_windows(&mut self, rows: &[PlanWindowRow]) -> Result<(), StoreError> {
        (**self).record_plan_windows(rows)
    }

    fn fill(&mut self, rows: RowSource<'_>) -> Result<(), StoreError> {
        (**self).fill(rows)
    }

    fn set_note(&mut self, note: Option<String>) {
        (**self).set_note(note);
    }
}

impl<L: ReadLedger + ?Sized> ReadLedger for Box<L> {
    fn scopes(&self) -> Result<Vec<ScopeRow>, StoreError> {
        (**self).scopes()
    }

    fn upper_scopes(&self, levels: usize) -> Result<Vec<ScopeRow>, StoreError> {
        (**self).upper_scopes(levels)
    }

    fn scope_by_path(&self, path: &str) -> Result<Option<ScopeRow>, StoreError> {
        (**self).scope_by_path(path)
    }

    fn attempt(&self, id: &AttemptId) -> Result<Option<AttemptRow>, StoreError> {
        (**self).attempt(id)
    }

    fn in_flight(&self) -> Result<Vec<AttemptRow>, StoreError> {
        (**self).in_flight()
    }

    fn leases(&self) -> Result<Vec<LeaseRow>, StoreError> {
        (**self).leases()
    }

    fn owners(&self) -> Result<Vec<OwnerRow>, StoreError> {
        (**self).owners()
    }

    fn held(&self) -> Result<HeldRows, StoreError> {
        (**self).held()
    }

    fn entries(&self, filter: &EntryFilter, limit: usize) -> Result<Vec<EntryRow>, StoreError> {
        (**self).entries(filter, limit)
    }

    fn stream(
        &self,
        each: &mut dyn FnMut(EntryRow) -> ControlFlow<()>,
    ) -> Result<Moment, StoreError> {
        (**self).stream(each)
    }

    fn every_row(&self, each: EachRow<'_>) -> Result<(), StoreError> {
        (**self).every_row(each)
    }

    fn runs(&self, limit: usize) -> Result<Vec<RunRow>, StoreError> {
        (**self).runs(limit)
    }

    fn run(&self, id: &RunId) -> Result<Option<RunRow>, StoreError> {
        (**self).run(id)
    }

    fn check_storage(&self) -> Result<(), StoreError> {
        (**self).check_storage()
    }

    fn plan_windows(&self, last: usize) -> Result<Vec<PlanWindowRow>, StoreError> {
        (**self).plan_windows(last)
    }
}
