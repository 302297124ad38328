//! The balances of a tree of scopes, and the one place that reserves.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::amount::Amount;
use crate::budget::admission::{Admission, Ask, Grant, Judgement, judge};
use crate::budget::charge::Charge;
use crate::budget::denial::{Denial, DenialKind, Shortage};
use crate::budget::effects::{Balance, Decision, Effects};
use crate::budget::entry::{Entry, EntryKind};
use crate::budget::lease::{Lease, LeaseId};
use crate::budget::replay::replay;
use crate::budget::rows::Touched;
use crate::budget::scope::{Limits, Scope, ScopeId};
use crate::budget::waiters::{Place, Waiter, Waiters};
use crate::id::{AttemptId, OwnerId};

/// Scopes above one another, at most.
const DEPTH_MAX: usize = 16;
/// Where nothing else is said, warn at these thousandths of a limit.
const THRESHOLDS_PER_MILLE: [u16; 2] = [750, 900];

/// An in-memory account over a tree of scopes.
///
/// A reservation takes all scopes of its path or none. Attempts are remembered for as long as the
/// account lives, so that each is charged once.
#[derive(Debug)]
pub struct Account {
    pub(crate) scopes: BTreeMap<ScopeId, Scope>,
    pub(crate) next_scope: u32,
    pub(crate) attempts: BTreeMap<AttemptId, Attempt>,
    pub(crate) leases: BTreeMap<LeaseId, Lease>,
    pub(crate) next_lease: u64,
    pub(crate) waiters: Waiters,
    pub(crate) entries: Vec<Entry>,
    /// What changed since it was last written down; kept only where a store keeps the account.
    pub(crate) touched: Option<Touched>,
    pub(crate) thresholds_per_mille: Vec<u16>,
    waiting_max: usize,
    /// Why nothing is admitted any more; set where the books stopped to balance.
    pub(crate) broken: Option<String>,
}

/// What an account remembers of one attempt.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) scope: ScopeId,
    pub(crate) windows: Vec<ScopeId>,
    /// Everything that it is charged to, innermost first.
    pub(crate) path: Arc<[ScopeId]>,
    pub(crate) agent: Option<Arc<str>>,
    /// The slice that it was drawn from.
    pub(crate) lease: Option<LeaseId>,
    /// The process that holds it, where a store knows.
    pub(crate) owner: Option<OwnerId>,
    pub(crate) state: AttemptState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptState {
    /// In flight, with this reservation.
    Reserved(Charge),
    /// Ended; it took this.
    Closed(Charge),
    /// It never left.
    Released,
}

/// A call that makes no sense, or books that do not balance. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// No such scope in this account.
    #[error("scope {0} does not exist in this account; open it first")]
    UnknownScope(u32),
    /// Scopes nested too deep, or too many of them.
    #[error("scope `{0}` would be too deep; at most {DEPTH_MAX} scopes lie above one another")]
    TooDeep(String),
    /// Nothing that a raise could start from.
    #[error("{path} has no limit that {by} could raise")]
    NotLimited {
        /// The scope's path.
        path: String,
        /// The amount of the raise.
        by: Amount,
    },
    /// No such attempt.
    #[error("attempt `{0}` was never admitted here")]
    UnknownAttempt(AttemptId),
    /// No such lease.
    #[error("lease {0} was never given")]
    UnknownLease(u64),
    /// Records of a slice's journal are missing.
    #[error("lease {lease} has taken down {taken} records of its journal, and {from} comes next")]
    JournalGap {
        /// Which lease.
        lease: u64,
        /// So many are there.
        taken: u64,
        /// The number of the first that was sent.
        from: u64,
    },
    /// The attempt exists already.
    #[error("attempt `{0}` was used before; every sending needs its own")]
    AttemptUsed(AttemptId),
    /// The attempt has ended.
    #[error("attempt `{0}` has ended and cannot change its reservation")]
    AttemptClosed(AttemptId),
    /// The attempt has not ended.
    #[error("attempt `{0}` is in flight; settle it instead of correcting it")]
    AttemptOpen(AttemptId),
    /// The books do not balance; a bug. Everything is denied from here on.
    #[error("the account does not balance, so nothing is admitted: {0}")]
    Broken(String),
}

impl Default for Account {
    fn default() -> Self {
        Self::new()
    }
}

impl Account {
    /// An account without scopes, with an endless queue and thresholds at 75 and 90 %.
    pub fn new() -> Self {
        Self {
            scopes: BTreeMap::new(),
            next_scope: 0,
            attempts: BTreeMap::new(),
            leases: BTreeMap::new(),
            next_lease: 0,
            waiters: Waiters::default(),
            entries: Vec::new(),
            touched: None,
            thresholds_per_mille: THRESHOLDS_PER_MILLE.to_vec(),
            waiting_max: usize::MAX,
            broken: None,
        }
    }

    /// The same with room for `waiting_max` waiting requests; more are refused as busy.
    #[must_use]
    pub fn with_waiting_max(mut self, waiting_max: usize) -> Self {
        self.waiting_max = waiting_max;
        self
    }

    /// The same with other soft thresholds, in thousandths of a limit.
    #[must_use]
    pub fn with_thresholds(mut self, mut per_mille: Vec<u16>) -> Self {
        per_mille.sort_unstable();
        self.thresholds_per_mille = per_mille;
        self
    }

    /// Opens a scope. `name` is shown in paths, such as `run review`.
    pub fn open(
        &mut self,
        parent: Option<ScopeId>,
        name: &str,
        limits: Limits,
    ) -> Result<ScopeId, AccountError> {
        self.open_carrying(parent, name, limits, Charge::ZERO)
    }

    /// The same for a scope that has spent `carried` elsewhere before.
    pub fn open_carrying(
        &mut self,
        parent: Option<ScopeId>,
        name: &str,
        limits: Limits,
        carried: Charge,
    ) -> Result<ScopeId, AccountError> {
        let path = match parent {
            None => Arc::from(name),
            Some(parent) => {
                if self.branch(parent)?.len() >= DEPTH_MAX {
                    return Err(AccountError::TooDeep(name.to_owned()));
                }
                Arc::from(format!("{} / {name}", self.scope(parent)?.path))
            }
        };
        let id = ScopeId(self.next_scope);
        let next = self.next_scope.checked_add(1);
        self.next_scope = next.ok_or_else(|| AccountError::TooDeep(name.to_owned()))?;
        let settled = carried;
        self.scopes.insert(id, Scope { settled, ..Scope::new(parent, path, limits) });
        self.touch_scope(id);
        self.record(EntryKind::Open { scope: id, parent, name: name.to_owned(), carried });
        self.record(EntryKind::Limit { scope: id, limits });
        Ok(id)
    }

    /// Sets the limits of a live scope. Raising them can admit who waits; lowering them below
    /// what is taken takes nothing back from requests and admits nothing until that is over; slices
    /// are [called back](Self::lease_standing). The same ones again change nothing.
    pub fn set_limits(&mut self, scope: ScopeId, limits: Limits) -> Result<Effects, AccountError> {
        if self.scope(scope)?.limits == limits {
            return Ok(Effects::default());
        }
        if let Some(scope) = self.scope_mut(scope) {
            scope.limits = limits;
            scope.warned_per_mille = Default::default();
        }
        self.touch_scope(scope);
        self.record(EntryKind::Limit { scope, limits });
        let mut effects = Effects::default();
        self.pump(&mut effects)?;
        Ok(effects)
    }

    /// Lets a scope admit nothing new; who asks waits. What is in flight goes on and may extend.
    pub fn pause(&mut self, scope: ScopeId) -> Result<(), AccountError> {
        self.set_paused(scope, true)
    }

    /// Lets a paused scope admit again.
    pub fn resume(&mut self, scope: ScopeId) -> Result<Effects, AccountError> {
        self.set_paused(scope, false)?;
        let mut effects = Effects::default();
        self.pump(&mut effects)?;
        Ok(effects)
    }

    fn set_paused(&mut self, id: ScopeId, paused: bool) -> Result<(), AccountError> {
        if self.scope(id)?.paused == paused {
            return Ok(());
        }
        if let Some(scope) = self.scope_mut(id) {
            scope.paused = paused;
        }
        self.touch_scope(id);
        self.record(EntryKind::Pause { scope: id, paused });
        Ok(())
    }

    /// Asks for a reservation. It is admitted, waits in the queue, or is refused; if it waits, the
    /// [`Effects`] of a later call decide it.
    pub fn reserve(&mut self, ask: Ask) -> Result<Admission, AccountError> {
        if self.attempts.contains_key(&ask.attempt) || self.waiters.contains(&ask.attempt) {
            return Err(AccountError::AttemptUsed(ask.attempt));
        }
        self.still_balanced()?;
        let path = self.path(&ask)?;
        let place = self.waiters.next_place(ask.order);
        let judgement = judge(&ask, &self.with_scopes(&path), &[]);
        let (blocking, shortage) = match judgement {
            Judgement::Exhausted(shortage) => {
                return Ok(Admission::Refused(Denial { kind: DenialKind::Exhausted, shortage }));
            }
            Judgement::Wait { blocking, shortage } => (blocking, shortage),
            Judgement::Fits(cap) => match self.waiters.ahead(place, &path) {
                None => return self.admit(&ask, &path, cap).map(Admission::Admitted),
                Some(earlier) => {
                    let common = path.iter().filter(|id| earlier.blocking.contains(id));
                    let common: Vec<ScopeId> = common.copied().collect();
                    // What the earlier one lacks elsewhere is none of this one's business.
                    let scopes = self.with_scopes(&common);
                    let shortage = match judge(&earlier.ask, &scopes, &earlier.short_in) {
                        Judgement::Exhausted(shortage) | Judgement::Wait { shortage, .. } => {
                            shortage
                        }
                        Judgement::Fits(_) => earlier.shortage.clone(),
                    };
                    (common, shortage)
                }
            },
        };
        self.recall(&blocking);
        if self.waiters.len() >= self.waiting_max {
            return Ok(Admission::Refused(Denial { kind: DenialKind::Busy, shortage }));
        }
        let waiter = Waiter { ask, blocking, shortage: shortage.clone(), short_in: Vec::new() };
        self.waiters.insert(place, waiter);
        Ok(Admission::Waiting(shortage))
    }

    /// The balance of a scope.
    pub fn balance(&self, scope: ScopeId) -> Result<Balance, AccountError> {
        self.scope(scope).map(Balance::of)
    }

    /// The path of a scope in words, such as `run review / phase Verify`.
    pub fn name(&self, scope: ScopeId) -> Result<&str, AccountError> {
        self.scope(scope).map(|scope| &*scope.path)
    }

    /// How many requests wait.
    pub fn waiting(&self) -> usize {
        self.waiters.len()
    }

    /// Who waits and for what, in the order they will be served.
    pub fn queue(&self) -> impl Iterator<Item = (&AttemptId, &Shortage)> {
        self.waiters.iter().map(|waiter| (&waiter.ask.attempt, &waiter.shortage))
    }

    /// Everything that happened, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Recomputes every balance from the entries and compares.
    pub fn verify(&self) -> Result<(), AccountError> {
        self.still_balanced()?;
        let replayed = replay(&self.entries);
        let untouched = Balance::default();
        for (id, scope) in &self.scopes {
            let kept = Balance::of(scope);
            let summed = *replayed.get(id).unwrap_or(&untouched);
            if kept != summed {
                return Err(AccountError::Broken(format!(
                    "{} holds {kept:?}, its entries sum to {summed:?}",
                    scope.path
                )));
            }
        }
        Ok(())
    }

    /// Decides whom the balances can serve now, front first.
    pub(crate) fn pump(&mut self, effects: &mut Effects) -> Result<(), AccountError> {
        if self.waiters.len() == 0 {
            return Ok(());
        }
        let mut roots = self.scopes.iter().filter(|(_, scope)| scope.parent.is_none());
        let root = roots.next().map(|(id, _)| *id).filter(|_| roots.next().is_none());
        let mut blocked: Vec<ScopeId> = Vec::new();
        for place in self.waiters.places() {
            // Nobody gets past a root that all have in common.
            if root.is_some_and(|root| blocked.contains(&root)) {
                break;
            }
            self.pump_one(place, &mut blocked, effects)?;
        }
        Ok(())
    }

    fn pump_one(
        &mut self,
        place: Place,
        blocked: &mut Vec<ScopeId>,
        effects: &mut Effects,
    ) -> Result<(), AccountError> {
        let Some(waiter) = self.waiters.get(place) else { return Ok(()) };
        let path = self.path(&waiter.ask)?;
        let behind: Vec<ScopeId> = path.iter().filter(|id| blocked.contains(id)).copied().collect();
        let judgement = judge(&waiter.ask, &self.with_scopes(&path), &waiter.short_in);
        let admission = match judgement {
            Judgement::Exhausted(shortage) => {
                Admission::Refused(Denial { kind: DenialKind::Exhausted, shortage })
            }
            Judgement::Fits(cap) if behind.is_empty() => {
                let ask = waiter.ask.clone();
                Admission::Admitted(self.admit(&ask, &path, cap)?)
            }
            Judgement::Fits(_) => {
                if let Some(waiter) = self.waiters.get_mut(place) {
                    waiter.blocking = behind;
                }
                return Ok(());
            }
            Judgement::Wait { blocking, shortage } => {
                blocked.extend(&blocking);
                self.recall(&blocking);
                if let Some(waiter) = self.waiters.get_mut(place) {
                    waiter.blocking = blocking;
                    waiter.shortage = shortage;
                }
                return Ok(());
            }
        };
        if let Some(attempt) = self.waiters.get(place).map(|waiter| waiter.ask.attempt.clone()) {
            self.waiters.remove(&attempt);
            effects.decisions.push(Decision { attempt, admission });
        }
        Ok(())
    }

    /// Takes every scope of `path`. The judgement said that it fits; that is checked once more
    /// after the write, because a bug here would spend money.
    fn admit(&mut self, ask: &Ask, path: &[ScopeId], cap: u64) -> Result<Grant, AccountError> {
        let charge = ask.bound.charge(cap);
        for id in path {
            if let Some(scope) = self.scope_mut(*id) {
                scope.reserve(charge, ask.agent.as_ref());
            }
            self.touch_scope(*id);
        }
        if let Some(over) = self.with_scopes(path).iter().find(|(_, scope)| !scope.within_limits())
        {
            let reason = format!("{} was admitted above its limit", over.1.path);
            for id in path {
                if let Some(scope) = self.scope_mut(*id) {
                    scope.close(charge, None, ask.agent.as_ref());
                }
            }
            self.broken = Some(reason.clone());
            return Err(AccountError::Broken(reason));
        }
        let attempt = Attempt {
            scope: ask.scope,
            windows: ask.windows.clone(),
            path: path.into(),
            agent: ask.agent.clone(),
            lease: None,
            owner: None,
            state: AttemptState::Reserved(charge),
        };
        self.attempts.insert(ask.attempt.clone(), attempt);
        self.touch_attempt(&ask.attempt);
        self.record(EntryKind::Reserve {
            attempt: ask.attempt.clone(),
            scope: ask.scope,
            windows: ask.windows.clone(),
            agent: ask.agent.clone(),
            price: ask.price.clone(),
            lease: None,
            charge,
        });
        let clamped = cap < ask.cap.standing_tokens;
        Ok(Grant { output_cap_tokens: cap, reserved: charge, clamped })
    }

    pub(crate) fn still_balanced(&self) -> Result<(), AccountError> {
        self.broken.clone().map_or(Ok(()), |reason| Err(AccountError::Broken(reason)))
    }

    pub(crate) fn record(&mut self, kind: EntryKind) {
        let sequence = self.entries.len() as u64;
        self.entries.push(Entry { sequence, kind });
    }

    pub(crate) fn touch_scope(&mut self, id: ScopeId) {
        if let Some(touched) = &mut self.touched {
            touched.scopes.insert(id);
        }
    }

    pub(crate) fn touch_attempt(&mut self, attempt: &AttemptId) {
        if let Some(touched) = &mut self.touched {
            touched.attempts.insert(attempt.clone());
        }
    }

    pub(crate) fn scope(&self, id: ScopeId) -> Result<&Scope, AccountError> {
        self.scopes.get(&id).ok_or(AccountError::UnknownScope(id.0))
    }

    pub(crate) fn scope_mut(&mut self, id: ScopeId) -> Option<&mut Scope> {
        self.scopes.get_mut(&id)
    }

    /// `scope` and everything above it, innermost first.
    fn branch(&self, scope: ScopeId) -> Result<Vec<ScopeId>, AccountError> {
        let mut branch = Vec::with_capacity(8);
        let mut next = Some(scope);
        while let Some(id) = next {
            next = self.scope(id)?.parent;
            branch.push(id);
        }
        Ok(branch)
    }

    /// Everything that `ask` is charged to, each once: its scope's branch, then its windows'.
    pub(crate) fn path(&self, ask: &Ask) -> Result<Vec<ScopeId>, AccountError> {
        self.path_over(ask.scope, &ask.windows)
    }

    pub(crate) fn path_over(
        &self,
        scope: ScopeId,
        windows: &[ScopeId],
    ) -> Result<Vec<ScopeId>, AccountError> {
        let mut path = self.branch(scope)?;
        for window in windows {
            for id in self.branch(*window)? {
                if !path.contains(&id) {
                    path.push(id);
                }
            }
        }
        Ok(path)
    }

    pub(crate) fn with_scopes(&self, path: &[ScopeId]) -> Vec<(ScopeId, &Scope)> {
        path.iter().filter_map(|id| self.scope(*id).ok().map(|scope| (*id, scope))).collect()
    }
}
