//! A ledger in memory: what tests use, and runs that nobody has to remember. Gone with the process.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use jiff::Timestamp;

use crate::budget::{
    AttemptEnd, AttemptRow, Changes, LeaseId, LeaseRow, Rows, ScopeId, ScopeRow, Store, StoreError,
    Wanted, names_in,
};
use crate::id::{AttemptId, OwnerId, RunId};
use crate::ledger::access::{AnyRow, EachRow, HeldRows, Ledger, Moment, ReadLedger, RowSource};
use crate::ledger::check::writable;
use crate::ledger::clock::Clock;
use crate::ledger::entry_row::{EntryFilter, EntryRow};
use crate::ledger::failure::{Fault, holds_something};
use crate::ledger::gather::{Source, gather};
use crate::ledger::owner::{self, Liveness, OwnerRow};
use crate::ledger::plan_window_row::PlanWindowRow;
use crate::ledger::runs::RunRow;

/// A ledger in memory. Clones share it, as processes share a file.
#[derive(Debug)]
pub struct MemoryLedger {
    kept: Arc<Mutex<Kept>>,
    now: Clock,
    note: Option<String>,
    /// What it holds is its own for as long as this lives.
    own: Option<(OwnerId, Arc<()>)>,
}

impl Clone for MemoryLedger {
    fn clone(&self) -> Self {
        Self { kept: Arc::clone(&self.kept), now: self.now, note: self.note.clone(), own: None }
    }
}

#[derive(Debug, Default)]
struct Kept {
    scopes: BTreeMap<ScopeId, ScopeRow>,
    attempts: BTreeMap<AttemptId, AttemptRow>,
    /// In the order they were admitted.
    admitted: Vec<AttemptId>,
    counted: BTreeSet<(Arc<str>, ScopeId)>,
    leases: BTreeMap<LeaseId, LeaseRow>,
    owners: BTreeMap<OwnerId, (Timestamp, Weak<()>)>,
    entries: Vec<EntryRow>,
    runs: BTreeMap<RunId, RunRow>,
    plan_windows: Vec<PlanWindowRow>,
}

impl MemoryLedger {
    /// An empty one. `now` dates its entries.
    pub fn new(now: Clock) -> Self {
        Self { kept: Arc::default(), now, note: None, own: None }
    }

    fn kept(&self) -> Result<MutexGuard<'_, Kept>, StoreError> {
        locked(&self.kept)
    }
}

fn locked(kept: &Mutex<Kept>) -> Result<MutexGuard<'_, Kept>, StoreError> {
    let poisoned = "another thread died while it held the ledger in memory";
    kept.lock().map_err(|_| StoreError::Unusable(poisoned.to_owned()))
}

impl Source for Kept {
    fn scope(&self, id: ScopeId) -> Result<Option<ScopeRow>, Fault> {
        Ok(self.scopes.get(&id).cloned())
    }

    fn scope_at(&self, path: &str) -> Result<Option<ScopeRow>, Fault> {
        Ok(self.scopes.values().find(|row| *row.path == *path).cloned())
    }

    fn attempt(&self, id: &AttemptId) -> Result<Option<AttemptRow>, Fault> {
        Ok(self.attempts.get(id).cloned())
    }

    fn in_flight(&self, agent: &str) -> Result<Vec<AttemptRow>, Fault> {
        let its = |row: &&AttemptRow| {
            row.end == AttemptEnd::Reserved && row.agent.as_deref() == Some(agent)
        };
        Ok(self.attempts.values().filter(its).cloned().collect())
    }

    fn counted(&self, agent: &str) -> Result<Vec<ScopeId>, Fault> {
        let its = self.counted.iter().filter(|(counted, _)| **counted == *agent);
        Ok(its.map(|(_, scope)| *scope).collect())
    }

    fn lease(&self, id: LeaseId) -> Result<Option<LeaseRow>, Fault> {
        Ok(self.leases.get(&id).cloned())
    }

    fn next_lease(&self) -> Result<u64, Fault> {
        Ok(self.leases.keys().next_back().map_or(1, |id| id.0.saturating_add(1)))
    }

    fn next_scope(&self) -> Result<u32, Fault> {
        let full = || Fault::Unusable("it has as many scopes as it can number".to_owned());
        let last = self.scopes.keys().next_back();
        last.map_or(Ok(0), |id| id.0.checked_add(1).ok_or_else(full))
    }
}

impl Kept {
    fn write(&mut self, changes: Changes, own: Option<OwnerId>, now: Clock, note: Option<&str>) {
        let at = to_milliseconds(now());
        self.scopes.extend(changes.scopes.into_iter().map(|row| (row.id, row)));
        for row in changes.leases {
            self.leases.insert(row.id, LeaseRow { owner: row.owner.or(own), ..row });
        }
        for row in changes.attempts {
            let row = AttemptRow { owner: row.owner.or(own), ..row };
            if !self.attempts.contains_key(&row.id) {
                self.admitted.push(row.id.clone());
            }
            self.attempts.insert(row.id.clone(), row);
        }
        self.counted.extend(changes.counted.into_iter().map(|(scope, agent)| (agent, scope)));
        for kind in changes.entries {
            let attempt = kind.attempt().and_then(|id| self.attempts.get(id));
            let row = EntryRow {
                sequence: self.entries.len() as u64,
                at,
                scope: kind.scope().or_else(|| attempt.map(|row| row.scope)),
                agent: attempt.and_then(|row| row.agent.clone()),
                note: note.map(str::to_owned),
                kind,
            };
            self.entries.push(row);
        }
    }

    fn take(&mut self, row: AnyRow) {
        match row {
            AnyRow::Scope(row) => drop(self.scopes.insert(row.id, row)),
            AnyRow::Attempt(row) => {
                self.admitted.push(row.id.clone());
                self.attempts.insert(row.id.clone(), row);
            }
            AnyRow::Counted(scope, agent) => drop(self.counted.insert((agent, scope))),
            AnyRow::Lease(row) => drop(self.leases.insert(row.id, row)),
            AnyRow::Entry(row) => self.entries.push(row),
            AnyRow::Run(row) => drop(self.runs.insert(row.id.clone(), row)),
            AnyRow::PlanWindow(row) => self.plan_windows.push(row),
        }
    }

    fn every_row(&self) -> impl Iterator<Item = AnyRow> + '_ {
        let attempts = self.admitted.iter().filter_map(|id| self.attempts.get(id));
        let counted = self.counted.iter();
        let scopes = self.scopes.values().cloned().map(AnyRow::Scope);
        scopes
            .chain(attempts.cloned().map(AnyRow::Attempt))
            .chain(counted.map(|(agent, scope)| AnyRow::Counted(*scope, Arc::clone(agent))))
            .chain(self.leases.values().cloned().map(AnyRow::Lease))
            .chain(self.entries.iter().cloned().map(AnyRow::Entry))
            .chain(self.runs.values().cloned().map(AnyRow::Run))
            .chain(self.plan_windows.iter().cloned().map(AnyRow::PlanWindow))
    }

    fn in_flight(&self) -> Vec<AttemptRow> {
        let rows = self.admitted.iter().filter_map(|id| self.attempts.get(id));
        rows.filter(|row| row.end == AttemptEnd::Reserved).cloned().collect()
    }

    fn leases_held(&self) -> Vec<LeaseRow> {
        self.leases.values().filter(|row| row.held).cloned().collect()
    }

    fn owners(&self) -> Vec<OwnerRow> {
        let in_flight = self.in_flight().into_iter().filter_map(|row| row.owner);
        let leased = self.leases.values().filter(|row| row.held).filter_map(|row| row.owner);
        let holding: BTreeSet<OwnerId> = in_flight.chain(leased).collect();
        let row = |id: OwnerId| {
            let (since, alive) = self.owners.get(&id)?;
            let dead = alive.strong_count() == 0;
            Some(OwnerRow {
                id,
                host: owner::host(),
                process: std::process::id(),
                since: *since,
                liveness: if dead { Liveness::Dead } else { Liveness::Alive },
            })
        };
        holding.into_iter().filter_map(row).collect()
    }

    /// The scope and everything below it.
    fn below(&self, top: ScopeId) -> BTreeSet<ScopeId> {
        let mut below = BTreeSet::from([top]);
        // Children have higher numbers than their parents.
        for row in self.scopes.values() {
            if row.parent.is_some_and(|parent| below.contains(&parent)) {
                below.insert(row.id);
            }
        }
        below
    }
}

impl Store for MemoryLedger {
    fn transact(
        &mut self,
        wanted: &Wanted,
        work: &mut dyn FnMut(Rows) -> Changes,
    ) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.kept);
        let mut kept = locked(&shared)?;
        let told = |fault: Fault| fault.told("memory");
        let changes = work(gather(&*kept, wanted).map_err(told)?);
        if !changes.is_empty() {
            writable(&changes).map_err(told)?;
            if self.own.is_none() && changes.is_held_by_nobody() {
                let id = OwnerId(kept.owners.len() as u64 + 1);
                let alive = Arc::new(());
                kept.owners.insert(id, (to_milliseconds((self.now)()), Arc::downgrade(&alive)));
                self.own = Some((id, alive));
            }
            let own = self.own.as_ref().map(|(id, _)| *id).filter(|_| changes.is_held_by_nobody());
            kept.write(changes, own, self.now, self.note.as_deref());
        }
        Ok(())
    }
}

impl Ledger for MemoryLedger {
    fn record_run(&mut self, run: &RunRow) -> Result<(), StoreError> {
        let row = RunRow {
            started_at: to_milliseconds(run.started_at),
            ended_at: run.ended_at.map(to_milliseconds),
            ..run.clone()
        };
        self.kept()?.runs.insert(run.id.clone(), row);
        Ok(())
    }

    fn record_plan_windows(&mut self, rows: &[PlanWindowRow]) -> Result<(), StoreError> {
        self.kept()?.plan_windows.extend(rows.iter().map(PlanWindowRow::as_kept));
        Ok(())
    }

    fn fill(&mut self, rows: RowSource<'_>) -> Result<(), StoreError> {
        let mut taken = Kept::default();
        rows(&mut |row| {
            taken.take(row);
            Ok(())
        })?;
        let mut kept = self.kept()?;
        if kept.every_row().next().is_some() {
            return Err(holds_something().told("memory"));
        }
        *kept = taken;
        Ok(())
    }

    fn set_note(&mut self, note: Option<String>) {
        self.note = note;
    }
}

impl ReadLedger for MemoryLedger {
    fn scopes(&self) -> Result<Vec<ScopeRow>, StoreError> {
        Ok(self.kept()?.scopes.values().cloned().collect())
    }

    fn upper_scopes(&self, levels: usize) -> Result<Vec<ScopeRow>, StoreError> {
        let kept = self.kept()?;
        let upper = kept.scopes.values().filter(|row| names_in(&row.path).count() <= levels);
        Ok(upper.cloned().collect())
    }

    fn scope_by_path(&self, path: &str) -> Result<Option<ScopeRow>, StoreError> {
        Ok(self.kept()?.scopes.values().find(|row| *row.path == *path).cloned())
    }

    fn attempt(&self, id: &AttemptId) -> Result<Option<AttemptRow>, StoreError> {
        Ok(self.kept()?.attempts.get(id).cloned())
    }

    fn in_flight(&self) -> Result<Vec<AttemptRow>, StoreError> {
        Ok(self.kept()?.in_flight())
    }

    fn entries(&self, filter: &EntryFilter, limit: usize) -> Result<Vec<EntryRow>, StoreError> {
        let kept = self.kept()?;
        let below = filter.within.map(|top| kept.below(top));
        let passes = |row: &&EntryRow| {
            let of = |attempt: &AttemptId| row.kind.attempt() == Some(attempt);
            below.as_ref().is_none_or(|below| row.scope.is_some_and(|id| below.contains(&id)))
                && filter.attempt.as_ref().is_none_or(of)
                && (filter.agent.is_none() || filter.agent == row.agent)
                && filter.since.is_none_or(|since| to_milliseconds(since) <= row.at)
        };
        let mut entries: Vec<EntryRow> =
            kept.entries.iter().rev().filter(passes).take(limit).cloned().collect();
        entries.reverse();
        Ok(entries)
    }

    fn stream(
        &self,
        each: &mut dyn FnMut(EntryRow) -> ControlFlow<()>,
    ) -> Result<Moment, StoreError> {
        let (entries, moment) = {
            let kept = self.kept()?;
            let scopes = kept.scopes.values().cloned().collect();
            (kept.entries.clone(), Moment { scopes, in_flight: kept.in_flight() })
        };
        for entry in entries {
            if each(entry).is_break() {
                break;
            }
        }
        Ok(moment)
    }

    fn every_row(&self, each: EachRow<'_>) -> Result<(), StoreError> {
        let rows: Vec<AnyRow> = self.kept()?.every_row().collect();
        rows.into_iter().try_for_each(each)
    }

    fn leases(&self) -> Result<Vec<LeaseRow>, StoreError> {
        Ok(self.kept()?.leases_held())
    }

    fn owners(&self) -> Result<Vec<OwnerRow>, StoreError> {
        Ok(self.kept()?.owners())
    }

    fn held(&self) -> Result<HeldRows, StoreError> {
        let kept = self.kept()?;
        Ok(HeldRows {
            owners: kept.owners(),
            attempts: kept.in_flight(),
            leases: kept.leases_held(),
        })
    }

    fn runs(&self, limit: usize) -> Result<Vec<RunRow>, StoreError> {
        let mut runs: Vec<RunRow> = self.kept()?.runs.values().cloned().collect();
        runs.sort_by(|a, b| (b.started_at, &b.id).cmp(&(a.started_at, &a.id)));
        runs.truncate(limit);
        Ok(runs)
    }

    fn run(&self, id: &RunId) -> Result<Option<RunRow>, StoreError> {
        Ok(self.kept()?.runs.get(id).cloned())
    }

    fn plan_windows(&self, last: usize) -> Result<Vec<PlanWindowRow>, StoreError> {
        let kept = self.kept()?;
        let rows = kept.plan_windows.iter().enumerate();
        let first = kept.plan_windows.len().saturating_sub(last);
        let is_asked = |(at, row): &(usize, &PlanWindowRow)| *at >= first || row.is_limit();
        Ok(rows.filter(is_asked).map(|(_, row)| row.clone()).collect())
    }
}

/// What a file keeps of an instant.
fn to_milliseconds(at: jiff::Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}
