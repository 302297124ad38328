//! Slices of balance that are lent to a process, which then admits requests without asking anybody.
//! The lender's side, and a third part of [`Account`]; the borrower's is [`crate::budget::Slice`].
//!
//! A slice is taken from every scope of a path or from none, and only where there is ample
//! headroom. What is drawn from it moves from *leased* to *reserved*, never past a limit. Only its
//! own return ends it: time alone gives nothing back.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::budget::account::{Account, AccountError, Attempt, AttemptState};
use crate::budget::charge::Charge;
use crate::budget::effects::{Effects, Overrun};
use crate::budget::entry::EntryKind;
use crate::budget::scope::{Scope, ScopeId};
use crate::budget::slice::Record;
use crate::budget::unit::Unit;
use crate::id::{AttemptId, OwnerId, PriceId};

/// Slices are lent only from scopes that have room for so many of the asker's requests.
pub const HEADROOM_BOUNDS_MIN: i128 = 1_000;
/// One slice is at most this part of the headroom, so that others find some too.
const SHARE: i128 = 8;

/// A slice. Its number is never used twice, which fences off a borrower whose slice was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(pub(crate) u64);

impl LeaseId {
    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What a process wants to be lent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseAsk {
    /// The innermost scope of the path.
    pub scope: ScopeId,
    /// The calendar windows that are charged besides.
    pub windows: Vec<ScopeId>,
    /// The bound of one request, which headroom is measured in.
    pub bound: Charge,
    /// How many of these it wants at most.
    pub bounds: u64,
}

/// A slice that was lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lent {
    /// Which.
    pub lease: LeaseId,
    /// How much more may be drawn from it than before.
    pub slice: Charge,
}

/// Whether a borrower may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseStanding {
    /// It may.
    Held,
    /// It is to give the slice back: somebody waits for its balance, or a scope of its path would
    /// lend nothing now, because it is paused, above its limit, or counts agents.
    Recalled,
    /// The slice is not its own any more.
    Ended,
}

/// A request that was admitted from a slice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawn {
    /// Its attempt.
    pub attempt: AttemptId,
    /// Whose request it is.
    pub agent: Option<Arc<str>>,
    /// The row of the price table that it is priced by.
    pub price: Option<PriceId>,
    /// What it may take.
    pub charge: Charge,
}

/// What the lender remembers of a slice.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) scope: ScopeId,
    pub(crate) windows: Vec<ScopeId>,
    pub(crate) path: Arc<[ScopeId]>,
    /// What may still be drawn from it.
    pub(crate) left: Charge,
    /// So many records of its borrower's journal were taken down.
    pub(crate) taken: u64,
    pub(crate) held: bool,
    pub(crate) owner: Option<OwnerId>,
}

impl Account {
    /// Lends a slice, where every scope of the path has ample headroom; `None` where one has not,
    /// is paused, counts agents, or has somebody waiting.
    pub fn lend(&mut self, ask: &LeaseAsk) -> Result<Option<Lent>, AccountError> {
        self.still_balanced()?;
        let path = self.path_over(ask.scope, &ask.windows)?;
        let Some(slice) = self.slice_of(&path, ask.bound, ask.bounds) else { return Ok(None) };
        let lease = LeaseId(self.next_lease);
        let next = self.next_lease.checked_add(1);
        self.next_lease = next.ok_or_else(|| AccountError::Broken("no more leases".to_owned()))?;
        let (scope, windows) = (ask.scope, ask.windows.clone());
        let known = Lease {
            scope,
            windows,
            path: path.into(),
            left: Charge::ZERO,
            taken: 0,
            held: true,
            owner: None,
        };
        self.leases.insert(lease, known);
        self.lend_to(lease, slice);
        Ok(Some(Lent { lease, slice }))
    }

    /// Lends more to a slice that is held, on the same terms.
    pub fn lend_more(
        &mut self,
        lease: LeaseId,
        bound: Charge,
        bounds: u64,
    ) -> Result<Option<Lent>, AccountError> {
        self.still_balanced()?;
        let known = self.leases.get(&lease).filter(|lease| lease.held);
        let Some(path) = known.map(|lease| Arc::clone(&lease.path)) else { return Ok(None) };
        let Some(slice) = self.slice_of(&path, bound, bounds) else { return Ok(None) };
        self.lend_to(lease, slice);
        Ok(Some(Lent { lease, slice }))
    }

    /// Whether the borrower of a slice may go on.
    ///
    /// What a scope is now decides, not that somebody changed it: a slice of which all is drawn at
    /// that moment has nothing to call back, and what its requests leave would be drawn again.
    pub fn lease_standing(&self, lease: LeaseId) -> LeaseStanding {
        let Some(known) = self.leases.get(&lease).filter(|lease| lease.held) else {
            return LeaseStanding::Ended;
        };
        let unwanted =
            |scope: &Scope| scope.recalled || !scope.lends_by_its_state() || !scope.within_limits();
        let called = self.with_scopes(&known.path).iter().any(|(_, scope)| unwanted(scope));
        if called { LeaseStanding::Recalled } else { LeaseStanding::Held }
    }

    /// Takes down the journal of a slice from its record number `from` on. Records that were taken
    /// down before are left out: a reservation that shrank and grew since would otherwise go through
    /// all of that again, against a balance that was drawn by others meanwhile. So a journal can be
    /// sent as often as one likes, in part or as a whole.
    ///
    /// # Errors
    /// The slice was never lent, or records before `from` are missing. A record that makes no sense
    /// is told in its place, and those after it are taken down all the same.
    pub fn take_down(
        &mut self,
        lease: LeaseId,
        from: u64,
        records: &[Record],
    ) -> Result<Vec<Result<Effects, AccountError>>, AccountError> {
        let known = self.leases.get(&lease).ok_or(AccountError::UnknownLease(lease.0))?;
        let Some(before) = known.taken.checked_sub(from) else {
            return Err(AccountError::JournalGap { lease: lease.0, taken: known.taken, from });
        };
        let before = usize::try_from(before).unwrap_or(usize::MAX);
        let new = records.get(before..).unwrap_or(&[]);
        let done = new.iter().map(|record| self.take_down_one(lease, record)).collect();
        if let Some(known) = self.leases.get_mut(&lease) {
            known.taken = known.taken.saturating_add(new.len() as u64);
        }
        if !new.is_empty() {
            self.touch_lease(lease);
        }
        Ok(done)
    }

    /// What ended here before its borrower said so was reconciled too early: then the borrower knows
    /// better, and what it took is corrected.
    fn take_down_one(&mut self, lease: LeaseId, record: &Record) -> Result<Effects, AccountError> {
        let known = record.attempt().and_then(|attempt| self.attempts.get(attempt));
        let taken = match known.map(|known| known.state) {
            Some(AttemptState::Closed(taken)) => Some(taken),
            _ => None,
        };
        match (record, taken) {
            (Record::Promise(_) | Record::WrittenOut, _) => Ok(Effects::default()),
            (Record::Draw(drawn), None) => self.draw(lease, drawn),
            (Record::Draw(drawn), Some(taken)) => {
                self.correct(&drawn.attempt, taken.max(drawn.charge))
            }
            (Record::Settle(attempt, used), None) => self.settle(attempt, *used),
            (Record::Settle(attempt, used), Some(_)) => self.correct(attempt, *used),
            (Record::Release(attempt), None) => self.release(attempt),
            (Record::Release(attempt), Some(_)) => self.correct(attempt, Charge::ZERO),
            (Record::Expire(attempt), _) => self.expire(attempt),
        }
    }

    /// Takes down a request that its borrower admitted from a slice, or that its reservation is
    /// another now. The slice pays for it, so no limit is asked. Said twice, it changes nothing.
    ///
    /// A slice that was taken back pays for nothing: then the reservation is an overrun, above a
    /// limit where need be. It was admitted, and what it may take must not be hidden.
    pub fn draw(&mut self, lease: LeaseId, drawn: &Drawn) -> Result<Effects, AccountError> {
        if let Some(known) = self.attempts.get(&drawn.attempt) {
            let AttemptState::Reserved(reserved) = known.state else {
                return Ok(Effects::default());
            };
            return self.redraw(&drawn.attempt, known.lease, reserved, drawn.charge);
        }
        let known = self.leases.get(&lease).ok_or(AccountError::UnknownLease(lease.0))?;
        let (held, path) = (known.held, Arc::clone(&known.path));
        let (scope, windows) = (known.scope, known.windows.clone());
        let (lease, charge) = (held.then_some(lease), drawn.charge);
        self.take_from_lease(lease, charge);
        for id in path.iter() {
            if let Some(scope) = self.scope_mut(*id) {
                scope.reserve(charge, drawn.agent.as_ref());
            }
            self.touch_scope(*id);
        }
        let (attempt, agent) = (drawn.attempt.clone(), drawn.agent.clone());
        let known = Attempt {
            scope,
            windows: windows.clone(),
            path,
            agent: agent.clone(),
            lease,
            owner: None,
            state: AttemptState::Reserved(charge),
        };
        self.attempts.insert(attempt.clone(), known);
        self.touch_attempt(&attempt);
        let price = drawn.price.clone();
        self.record(EntryKind::Reserve { attempt, scope, windows, agent, price, lease, charge });
        Ok(self.unpaid(&drawn.attempt, if held { Charge::ZERO } else { charge }))
    }

    /// What was reserved and no slice paid for.
    fn unpaid(&mut self, attempt: &AttemptId, beyond: Charge) -> Effects {
        if beyond.is_zero() {
            return Effects::default();
        }
        self.record(EntryKind::Overrun { attempt: attempt.clone(), charge: beyond });
        let overrun = Some(Overrun { attempt: attempt.clone(), beyond });
        Effects { overrun, ..Effects::default() }
    }

    fn redraw(
        &mut self,
        attempt: &AttemptId,
        lease: Option<LeaseId>,
        reserved: Charge,
        charge: Charge,
    ) -> Result<Effects, AccountError> {
        let (more, less) = (charge.minus(reserved), reserved.minus(charge));
        let paid_for = lease.is_some_and(|lease| self.is_held(lease));
        let mut unpaid = Effects::default();
        if !more.is_zero() {
            let (path, _) = self.in_flight(attempt)?;
            self.take_from_lease(lease, more);
            for id in path.iter() {
                if let Some(scope) = self.scope_mut(*id) {
                    scope.reserved += more;
                }
                self.touch_scope(*id);
            }
            self.set_state(attempt, AttemptState::Reserved(reserved + more));
            self.record(EntryKind::Extend { attempt: attempt.clone(), charge: more });
            unpaid = self.unpaid(attempt, if paid_for { Charge::ZERO } else { more });
        }
        // Whoever waits may find room now: here, where the slice was given back meanwhile, or by
        // what others freed.
        if less.is_zero() {
            return Ok(unpaid);
        }
        Ok(Effects { overrun: unpaid.overrun, ..self.shrink(attempt, charge)? })
    }

    /// Ends a slice: what was not drawn is free for all. What was drawn stays reserved, as if it
    /// had been admitted here. A slice that has ended is left as it is.
    pub fn give_back(&mut self, lease: LeaseId) -> Result<Effects, AccountError> {
        let known = self.leases.get_mut(&lease).ok_or(AccountError::UnknownLease(lease.0))?;
        if !known.held {
            return Ok(Effects { already_closed: true, ..Effects::default() });
        }
        known.held = false;
        let (scope, left) = (known.scope, known.left);
        known.left = Charge::ZERO;
        let path = Arc::clone(&known.path);
        for id in path.iter() {
            if let Some(scope) = self.scope_mut(*id) {
                scope.leased = scope.leased.minus(left);
                scope.recalled &= !scope.leased.is_zero();
            }
            self.touch_scope(*id);
        }
        self.touch_lease(lease);
        self.record(EntryKind::Return { lease, scope, charge: left });
        let mut effects = Effects::default();
        self.pump(&mut effects)?;
        Ok(effects)
    }

    /// Calls back what is leased of these scopes: somebody waits for it.
    pub(crate) fn recall(&mut self, scopes: &[ScopeId]) {
        for id in scopes {
            let Some(scope) = self.scope_mut(*id) else { continue };
            if !scope.recalled && !scope.leased.is_zero() {
                scope.recalled = true;
                self.touch_scope(*id);
            }
        }
    }

    pub(crate) fn lease_of(&self, attempt: &AttemptId) -> Option<LeaseId> {
        self.attempts.get(attempt)?.lease
    }

    /// What a request did not need goes back to the slice it was drawn from.
    pub(crate) fn give_to_lease(&mut self, lease: Option<LeaseId>, charge: Charge) {
        self.change_lease(lease, |left| (left + charge, charge, Charge::ZERO));
    }

    /// What a request needs, or needed beyond its reservation, comes from the slice as far as it
    /// reaches.
    pub(crate) fn take_from_lease(&mut self, lease: Option<LeaseId>, charge: Charge) {
        self.change_lease(lease, |left| (left.minus(charge), Charge::ZERO, left.min(charge)));
    }

    /// Changes what is left of a slice that is held, and what its scopes have leased: by how much
    /// more, and by how much less.
    fn change_lease(
        &mut self,
        lease: Option<LeaseId>,
        change: impl Fn(Charge) -> (Charge, Charge, Charge),
    ) {
        let Some(id) = lease else { return };
        let Some(lease) = self.leases.get_mut(&id).filter(|lease| lease.held) else { return };
        let (left, more, less) = change(lease.left);
        if more.is_zero() && less.is_zero() {
            return;
        }
        lease.left = left;
        let path = Arc::clone(&lease.path);
        for scope in path.iter() {
            if let Some(scope) = self.scope_mut(*scope) {
                scope.leased = (scope.leased + more).minus(less);
            }
            self.touch_scope(*scope);
        }
        self.touch_lease(id);
    }

    pub(crate) fn is_held(&self, lease: LeaseId) -> bool {
        self.leases.get(&lease).is_some_and(|lease| lease.held)
    }

    pub(crate) fn lend_to(&mut self, lease: LeaseId, slice: Charge) {
        self.give_to_lease(Some(lease), slice);
        self.touch_lease(lease);
        let Some(known) = self.leases.get(&lease) else { return };
        let (scope, windows) = (known.scope, known.windows.clone());
        self.record(EntryKind::Lease { lease, scope, windows, charge: slice });
    }

    /// So many bounds as every scope of the path can spare, at most `bounds`.
    fn slice_of(&self, path: &[ScopeId], bound: Charge, bounds: u64) -> Option<Charge> {
        let mut bounds = bounds;
        let asked_for: BTreeSet<ScopeId> = self.waiters.blocking();
        for (id, scope) in self.with_scopes(path) {
            let free = !scope.recalled && scope.lends_by_its_state();
            if !free || asked_for.contains(&id) {
                return None;
            }
            for unit in Unit::ALL {
                let Some(left) = scope.left(unit) else { continue };
                if left < 0 {
                    return None;
                }
                let Some(room) = left.checked_div(bound.get(unit)) else { continue };
                if room < HEADROOM_BOUNDS_MIN {
                    return None;
                }
                bounds = bounds.min(u64::try_from(room / SHARE).unwrap_or(u64::MAX));
            }
        }
        (bounds > 0).then(|| bound.scaled(bounds, 1))
    }

    fn touch_lease(&mut self, lease: LeaseId) {
        if let Some(touched) = &mut self.touched {
            touched.leases.insert(lease);
        }
    }
}
