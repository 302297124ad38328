//! Balances recomputed from entries.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::budget::charge::Charge;
use crate::budget::effects::Balance;
use crate::budget::entry::{Entry, EntryKind};
use crate::budget::lease::LeaseId;
use crate::budget::scope::ScopeId;
use crate::id::AttemptId;

/// The balances that follow from `entries`, per scope.
pub fn replay(entries: &[Entry]) -> BTreeMap<ScopeId, Balance> {
    let mut replay = Replay::default();
    for entry in entries {
        replay.take(&entry.kind);
    }
    replay.balances()
}

/// Recomputes balances from entries, one after the other: sums over what each attempt took, without
/// the account's own bookkeeping. Holds open attempts only, so that millions of entries fit.
#[derive(Debug, Default)]
pub struct Replay {
    parents: BTreeMap<ScopeId, Option<ScopeId>>,
    balances: BTreeMap<ScopeId, Balance>,
    /// Attempts that are open, or released and may still turn out to have left.
    attempts: HashMap<AttemptId, Known>,
    /// Slices that are out: what they are taken from, and what may still be drawn.
    leases: HashMap<LeaseId, (Arc<[ScopeId]>, Charge)>,
    /// Open attempts of each agent in each scope, and whether one was settled.
    agents: HashMap<(ScopeId, Arc<str>), (u64, bool)>,
}

#[derive(Clone, Debug)]
struct Known {
    path: Arc<[ScopeId]>,
    agent: Option<Arc<str>>,
    lease: Option<LeaseId>,
    reserved: Charge,
    open: bool,
}

impl Replay {
    /// Takes the next entry.
    pub fn take(&mut self, kind: &EntryKind) {
        match kind {
            EntryKind::Open { scope, parent, carried, .. } => {
                self.parents.insert(*scope, *parent);
                self.balances.entry(*scope).or_default().settled += *carried;
            }
            EntryKind::Limit { scope, limits } => {
                self.balances.entry(*scope).or_default().limits = *limits;
            }
            EntryKind::Pause { .. } | EntryKind::Overrun { .. } => {}
            EntryKind::Lease { lease, scope, windows, charge } => {
                if !self.leases.contains_key(lease) {
                    let path = self.path_of(*scope, windows).into();
                    self.leases.insert(*lease, (path, Charge::ZERO));
                }
                self.change_lease(Some(*lease), *charge, Charge::ZERO);
            }
            EntryKind::Return { lease, charge, .. } => {
                self.change_lease(Some(*lease), Charge::ZERO, *charge);
                self.leases.remove(lease);
            }
            EntryKind::Reserve { attempt, scope, windows, agent, lease, charge, .. } => {
                let path: Arc<[ScopeId]> = self.path_of(*scope, windows).into();
                let known = Known {
                    path,
                    agent: agent.clone(),
                    lease: *lease,
                    reserved: *charge,
                    open: true,
                };
                self.change_lease(*lease, Charge::ZERO, *charge);
                self.charge(&known, |balance| balance.reserved += *charge);
                self.count_agent(&known, 1, false);
                self.attempts.insert(attempt.clone(), known);
            }
            EntryKind::Extend { attempt, charge } => self.change(attempt, |known| known + *charge),
            EntryKind::Shrink { attempt, charge } => {
                self.change(attempt, |known| known.minus(*charge));
            }
            EntryKind::Release { attempt } => {
                if let Some(mut known) = self.attempts.remove(attempt) {
                    self.give_back(&known);
                    self.change_lease(known.lease, known.reserved, Charge::ZERO);
                    self.count_agent(&known, -1, false);
                    known.open = false;
                    self.attempts.insert(attempt.clone(), known);
                }
            }
            EntryKind::Settle { attempt, charge } | EntryKind::Expire { attempt, charge } => {
                if let Some(known) = self.attempts.remove(attempt) {
                    self.give_back(&known);
                    if known.open {
                        let (freed, beyond) =
                            (known.reserved.minus(*charge), charge.minus(known.reserved));
                        self.change_lease(known.lease, freed, Charge::ZERO);
                        self.change_lease(known.lease, Charge::ZERO, beyond);
                    }
                    self.charge(&known, |balance| balance.settled += *charge);
                    self.count_agent(&known, if known.open { -1 } else { 0 }, true);
                }
            }
            EntryKind::Correct { scope, windows, before, charge, .. } => {
                for id in self.path_of(*scope, windows) {
                    let balance = self.balances.entry(id).or_default();
                    balance.settled = balance.settled.minus(*before) + *charge;
                }
            }
        }
    }

    /// The attempts in flight, with what they have reserved.
    pub fn in_flight(&self) -> BTreeMap<AttemptId, Charge> {
        let open = self.attempts.iter().filter(|(_, known)| known.open);
        open.map(|(attempt, known)| (attempt.clone(), known.reserved)).collect()
    }

    /// The balances that follow from what was taken, per scope.
    pub fn balances(mut self) -> BTreeMap<ScopeId, Balance> {
        for ((scope, _), (open, settled)) in &self.agents {
            let balance = self.balances.entry(*scope).or_default();
            balance.agents_settled += u64::from(*settled);
            balance.agents_reserved += u64::from(!settled && *open > 0);
        }
        self.balances
    }

    /// A scope and its windows, each with everything above it, each once.
    fn path_of(&self, scope: ScopeId, windows: &[ScopeId]) -> Vec<ScopeId> {
        let mut path = Vec::new();
        for start in std::iter::once(&scope).chain(windows) {
            let mut next = Some(*start);
            while let Some(id) = next {
                if !path.contains(&id) {
                    path.push(id);
                }
                next = self.parents.get(&id).copied().flatten();
            }
        }
        path
    }

    fn charge(&mut self, known: &Known, change: impl Fn(&mut Balance)) {
        for id in known.path.iter() {
            change(self.balances.entry(*id).or_default());
        }
    }

    fn give_back(&mut self, known: &Known) {
        if known.open {
            let reserved = known.reserved;
            self.charge(known, |balance| balance.reserved = balance.reserved.minus(reserved));
        }
    }

    fn change(&mut self, attempt: &AttemptId, to: impl Fn(Charge) -> Charge) {
        let Some(mut known) = self.attempts.remove(attempt) else { return };
        self.give_back(&known);
        let before = known.reserved;
        known.reserved = to(before);
        let reserved = known.reserved;
        self.change_lease(known.lease, before.minus(reserved), Charge::ZERO);
        self.change_lease(known.lease, Charge::ZERO, reserved.minus(before));
        self.charge(&known, |balance| balance.reserved += reserved);
        self.attempts.insert(attempt.clone(), known);
    }

    fn count_agent(&mut self, known: &Known, open: i64, settled: bool) {
        let Some(agent) = &known.agent else { return };
        for id in known.path.iter() {
            let count = self.agents.entry((*id, Arc::clone(agent))).or_default();
            count.0 = count.0.saturating_add_signed(open);
            count.1 |= settled;
        }
    }
    /// What a slice that is out may give up more, and less.
    fn change_lease(&mut self, lease: Option<LeaseId>, more: Charge, less: Charge) {
        let Some((path, left)) = lease.and_then(|lease| self.leases.get_mut(&lease)) else {
            return;
        };
        let less = less.min(*left + more);
        *left = (*left + more).minus(less);
        for id in path.iter() {
            let balance = self.balances.entry(*id).or_default();
            balance.leased = (balance.leased + more).minus(less);
        }
    }
}
