//! Balances once more, from the entries alone: sums over what each attempt took, without the
//! account's own bookkeeping.

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

/// Recomputes balances from entries, one after the other. Holds open attempts only, so that
/// millions of entries fit; what many entries share, such as a path, is looked up once and then
/// known by its number.
#[derive(Debug, Default)]
pub struct Replay {
    scopes: Vec<Kept>,
    numbers: HashMap<ScopeId, usize>,
    /// Numbers of scopes, innermost first.
    paths: Vec<Arc<[usize]>>,
    paths_from: HashMap<ScopeId, Vec<PathFrom>>,
    /// Attempts that are open, or released and may still turn out to have left.
    attempts: HashMap<AttemptId, Known>,
    /// Slices that are out: the path they are taken from, and what may still be drawn.
    leases: HashMap<LeaseId, (usize, Charge)>,
    agents: HashMap<Arc<str>, usize>,
    shares: Vec<Share>,
    /// By agent and path.
    shares_of: HashMap<(usize, usize), usize>,
}

#[derive(Debug)]
struct Kept {
    id: ScopeId,
    parent: Option<ScopeId>,
    balance: Balance,
}

/// A path that begins at some scope.
#[derive(Debug)]
struct PathFrom {
    windows: Box<[ScopeId]>,
    path: usize,
}

/// What an agent has open on a path, and whether anything of it was settled.
#[derive(Debug)]
struct Share {
    agent: usize,
    path: usize,
    open: u64,
    settled: bool,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    path: usize,
    share: Option<usize>,
    lease: Option<LeaseId>,
    reserved: Charge,
    open: bool,
}

impl Replay {
    /// Takes the next entry.
    pub fn take(&mut self, kind: &EntryKind) {
        match kind {
            EntryKind::Open { scope, parent, carried, .. } => {
                self.open(*scope, *parent);
                self.change_balance(*scope, |balance| balance.settled += *carried);
            }
            EntryKind::Limit { scope, limits } => {
                self.change_balance(*scope, |balance| balance.limits = *limits);
            }
            EntryKind::Pause { .. } | EntryKind::Overrun { .. } => {}
            EntryKind::Lease { lease, scope, windows, charge } => {
                if !self.leases.contains_key(lease) {
                    let path = self.path_of(*scope, windows);
                    self.leases.insert(*lease, (path, Charge::ZERO));
                }
                self.change_lease(Some(*lease), *charge, Charge::ZERO);
            }
            EntryKind::Return { lease, charge, .. } => {
                self.change_lease(Some(*lease), Charge::ZERO, *charge);
                self.leases.remove(lease);
            }
            EntryKind::Reserve { attempt, scope, windows, agent, lease, charge, .. } => {
                let path = self.path_of(*scope, windows);
                let share = agent.as_ref().map(|agent| self.share(agent, path));
                if let Some(share) = self.share_mut(share) {
                    share.open += 1;
                }
                self.change_lease(*lease, Charge::ZERO, *charge);
                self.charge(path, |balance| balance.reserved += *charge);
                let known = Known { path, share, lease: *lease, reserved: *charge, open: true };
                self.attempts.insert(attempt.clone(), known);
            }
            EntryKind::Extend { attempt, charge } => self.change(attempt, |known| known + *charge),
            EntryKind::Shrink { attempt, charge } => {
                self.change(attempt, |known| known.minus(*charge));
            }
            EntryKind::Release { attempt } => {
                if let Some(known) = self.attempts.get(attempt).copied() {
                    self.give_back(known);
                    self.change_lease(known.lease, known.reserved, Charge::ZERO);
                    self.attempts.insert(attempt.clone(), Known { open: false, ..known });
                }
            }
            EntryKind::Settle { attempt, charge } | EntryKind::Expire { attempt, charge } => {
                if let Some(known) = self.attempts.remove(attempt) {
                    self.give_back(known);
                    if known.open {
                        self.change_reserved(known.lease, known.reserved, *charge);
                    }
                    self.charge(known.path, |balance| balance.settled += *charge);
                    if let Some(share) = self.share_mut(known.share) {
                        share.settled = true;
                    }
                }
            }
            EntryKind::Correct { scope, windows, before, charge, .. } => {
                let path = self.path_of(*scope, windows);
                self.charge(path, |balance| {
                    balance.settled = balance.settled.minus(*before) + *charge;
                });
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
        self.count_agents();
        self.scopes.into_iter().map(|kept| (kept.id, kept.balance)).collect()
    }

    /// Counts every agent once in each scope, however many paths lead it there.
    fn count_agents(&mut self) {
        self.shares.sort_unstable_by_key(|share| share.agent);
        for shares in self.shares.chunk_by(|one, other| one.agent == other.agent) {
            let mut counts: BTreeMap<usize, (u64, bool)> = BTreeMap::new();
            for share in shares {
                for scope in self.paths.get(share.path).iter().flat_map(|path| path.iter()) {
                    let count = counts.entry(*scope).or_default();
                    *count = (count.0.saturating_add(share.open), count.1 | share.settled);
                }
            }
            for (scope, (open, settled)) in counts {
                if let Some(Kept { balance, .. }) = self.scopes.get_mut(scope) {
                    balance.agents_settled += u64::from(settled);
                    balance.agents_reserved += u64::from(!settled && open > 0);
                }
            }
        }
    }

    fn open(&mut self, scope: ScopeId, parent: Option<ScopeId>) {
        let known = self.scopes.len();
        let number = self.number(scope);
        if number < known {
            // What was thought to lie above it is wrong from here on.
            self.paths_from.clear();
        }
        if let Some(kept) = self.scopes.get_mut(number) {
            kept.parent = parent;
        }
    }

    fn number(&mut self, id: ScopeId) -> usize {
        let scopes = &mut self.scopes;
        *self.numbers.entry(id).or_insert_with(|| {
            scopes.push(Kept { id, parent: None, balance: Balance::default() });
            scopes.len() - 1
        })
    }

    fn change_balance(&mut self, id: ScopeId, change: impl FnOnce(&mut Balance)) {
        let number = self.number(id);
        if let Some(kept) = self.scopes.get_mut(number) {
            change(&mut kept.balance);
        }
    }

    /// A scope and its windows, each with everything above it, each once.
    fn path_of(&mut self, scope: ScopeId, windows: &[ScopeId]) -> usize {
        let known = self.paths_from.get(&scope).into_iter().flatten();
        // The windows that were open last are the likeliest.
        if let Some(known) = known.rev().find(|known| *known.windows == *windows) {
            return known.path;
        }
        let mut path = Vec::new();
        for start in std::iter::once(&scope).chain(windows) {
            let mut next = Some(*start);
            while let Some(id) = next {
                let number = self.number(id);
                if path.contains(&number) {
                    break;
                }
                path.push(number);
                next = self.scopes.get(number).and_then(|kept| kept.parent);
            }
        }
        self.paths.push(path.into());
        let path = self.paths.len() - 1;
        let from = PathFrom { windows: windows.into(), path };
        self.paths_from.entry(scope).or_default().push(from);
        path
    }

    fn charge(&mut self, path: usize, change: impl Fn(&mut Balance)) {
        for scope in self.paths.get(path).iter().flat_map(|path| path.iter()) {
            if let Some(kept) = self.scopes.get_mut(*scope) {
                change(&mut kept.balance);
            }
        }
    }

    fn give_back(&mut self, known: Known) {
        if known.open {
            self.charge(known.path, |balance| {
                balance.reserved = balance.reserved.minus(known.reserved);
            });
            if let Some(share) = self.share_mut(known.share) {
                share.open = share.open.saturating_sub(1);
            }
        }
    }

    fn change(&mut self, attempt: &AttemptId, to: impl Fn(Charge) -> Charge) {
        let Some(known) = self.attempts.get_mut(attempt) else { return };
        let (before, after) = (known.reserved, to(known.reserved));
        known.reserved = after;
        let Known { path, lease, open, .. } = *known;
        self.change_reserved(lease, before, after);
        let before = if open { before } else { Charge::ZERO };
        self.charge(path, |balance| balance.reserved = balance.reserved.minus(before) + after);
    }

    /// What was drawn from a slice takes `after` now, and not `before`.
    fn change_reserved(&mut self, lease: Option<LeaseId>, before: Charge, after: Charge) {
        self.change_lease(lease, before.minus(after), Charge::ZERO);
        self.change_lease(lease, Charge::ZERO, after.minus(before));
    }

    /// What a slice that is out may give up more, and less.
    fn change_lease(&mut self, lease: Option<LeaseId>, more: Charge, less: Charge) {
        let Some((path, left)) = lease.and_then(|lease| self.leases.get_mut(&lease)) else {
            return;
        };
        let (path, less) = (*path, less.min(*left + more));
        *left = (*left + more).minus(less);
        self.charge(path, |balance| balance.leased = (balance.leased + more).minus(less));
    }

    fn share(&mut self, agent: &Arc<str>, path: usize) -> usize {
        let known = self.agents.get(agent).copied();
        let agent = known.unwrap_or_else(|| {
            let number = self.agents.len();
            self.agents.insert(Arc::clone(agent), number);
            number
        });
        let shares = &mut self.shares;
        *self.shares_of.entry((agent, path)).or_insert_with(|| {
            shares.push(Share { agent, path, open: 0, settled: false });
            shares.len() - 1
        })
    }

    fn share_mut(&mut self, share: Option<usize>) -> Option<&mut Share> {
        self.shares.get_mut(share?)
    }
}
