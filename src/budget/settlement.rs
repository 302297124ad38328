//! How a reservation changes and ends. A second part of [`Account`].

use std::sync::Arc;

use crate::budget::account::{Account, AccountError, Attempt, AttemptState};
use crate::budget::charge::Charge;
use crate::budget::denial::{Denial, DenialKind, Shortage, Warning};
use crate::budget::effects::{Effects, Overrun};
use crate::budget::entry::EntryKind;
use crate::budget::scope::{Scope, ScopeId};
use crate::budget::unit::Unit;
use crate::id::AttemptId;

impl Account {
    /// Lowers a reservation to at most `to`, in every unit. What came free can admit who waits.
    pub fn shrink(&mut self, attempt: &AttemptId, to: Charge) -> Result<Effects, AccountError> {
        let (path, reserved) = self.in_flight(attempt)?;
        let lease = self.lease_of(attempt);
        let kept = reserved.min(to);
        let freed = reserved.minus(kept);
        let mut effects = Effects::default();
        if freed.is_zero() {
            return Ok(effects);
        }
        for id in path.iter() {
            if let Some(scope) = self.scope_mut(*id) {
                scope.reserved = scope.reserved.minus(freed);
            }
            self.touch_scope(*id);
        }
        self.give_to_lease(lease, freed);
        self.set_state(attempt, AttemptState::Reserved(kept));
        self.record(EntryKind::Shrink { attempt: attempt.clone(), charge: freed });
        self.pump(&mut effects)?;
        Ok(effects)
    }

    /// Raises a reservation by `by`, at once or not at all: it is in flight, so it never waits and
    /// passes those who do. `Some` says what was short.
    pub fn extend(
        &mut self,
        attempt: &AttemptId,
        by: Charge,
    ) -> Result<Option<Denial>, AccountError> {
        self.still_balanced()?;
        let (path, reserved) = self.in_flight(attempt)?;
        for id in path.iter().rev() {
            if let Some(shortage) = short_of(self.scope(*id)?, by) {
                self.recall(&path);
                return Ok(Some(Denial { kind: DenialKind::Exhausted, shortage }));
            }
        }
        // One that was drawn from a slice settles with it, so the slice grows by as much.
        if let Some(lease) = self.lease_of(attempt).filter(|lease| self.is_held(*lease)) {
            self.lend_to(lease, by);
            self.take_from_lease(Some(lease), by);
        }
        for id in path.iter() {
            if let Some(scope) = self.scope_mut(*id) {
                scope.reserved += by;
            }
            self.touch_scope(*id);
        }
        self.set_state(attempt, AttemptState::Reserved(reserved + by));
        self.record(EntryKind::Extend { attempt: attempt.clone(), charge: by });
        Ok(None)
    }

    /// Ends an attempt that took `used`. Always recorded, even above the reservation or a limit:
    /// refusing it would hide what was spent. A second settle of the same attempt changes nothing;
    /// one after a release means that it left after all, and is an overrun in full.
    pub fn settle(&mut self, attempt: &AttemptId, used: Charge) -> Result<Effects, AccountError> {
        let known = self.attempt(attempt)?;
        let reserved = match known.state {
            AttemptState::Closed(_) => {
                return Ok(Effects { already_closed: true, ..Effects::default() });
            }
            AttemptState::Reserved(charge) => Some(charge),
            AttemptState::Released => None,
        };
        self.record(EntryKind::Settle { attempt: attempt.clone(), charge: used });
        let mut effects = Effects::default();
        // What was given back holds nothing any more: all of this is beyond it.
        let beyond = used.minus(reserved.unwrap_or(Charge::ZERO));
        if !beyond.is_zero() {
            self.record(EntryKind::Overrun { attempt: attempt.clone(), charge: beyond });
            effects.overrun = Some(Overrun { attempt: attempt.clone(), beyond });
        }
        self.close(attempt, reserved, Some(used), &mut effects)?;
        Ok(effects)
    }

    /// Ends an attempt that never left: it takes nothing. A waiting one is withdrawn.
    pub fn release(&mut self, attempt: &AttemptId) -> Result<Effects, AccountError> {
        if self.waiters.contains(attempt) {
            return self.withdraw(attempt).map(|(_, effects)| effects);
        }
        let AttemptState::Reserved(reserved) = self.attempt(attempt)?.state else {
            return Ok(Effects { already_closed: true, ..Effects::default() });
        };
        self.record(EntryKind::Release { attempt: attempt.clone() });
        let mut effects = Effects::default();
        self.close(attempt, Some(reserved), None, &mut effects)?;
        Ok(effects)
    }

    /// Ends an attempt whose cost is unknown: it takes its full reservation.
    pub fn expire(&mut self, attempt: &AttemptId) -> Result<Effects, AccountError> {
        let AttemptState::Reserved(reserved) = self.attempt(attempt)?.state else {
            return Ok(Effects { already_closed: true, ..Effects::default() });
        };
        self.record(EntryKind::Expire { attempt: attempt.clone(), charge: reserved });
        let mut effects = Effects::default();
        self.close(attempt, Some(reserved), Some(reserved), &mut effects)?;
        Ok(effects)
    }

    /// Replaces what an ended attempt took, once its true cost is known.
    pub fn correct(&mut self, attempt: &AttemptId, used: Charge) -> Result<Effects, AccountError> {
        let known = self.attempt(attempt)?.clone();
        let taken = match known.state {
            AttemptState::Closed(taken) => taken,
            AttemptState::Released => return self.settle(attempt, used),
            AttemptState::Reserved(_) => return Err(AccountError::AttemptOpen(attempt.clone())),
        };
        if taken == used {
            return Ok(Effects { already_closed: true, ..Effects::default() });
        }
        self.record(EntryKind::Correct {
            attempt: attempt.clone(),
            scope: known.scope,
            windows: known.windows.clone(),
            before: taken,
            charge: used,
        });
        for id in known.path.iter() {
            if let Some(scope) = self.scope_mut(*id) {
                scope.settled = scope.settled.minus(taken) + used;
            }
            self.touch_scope(*id);
        }
        self.set_state(attempt, AttemptState::Closed(used));
        let mut effects = Effects::default();
        self.warn(&known.path, &mut effects);
        self.pump(&mut effects)?;
        Ok(effects)
    }

    /// What an attempt in flight has reserved; `None` where it is not in flight.
    pub fn reservation(&self, attempt: &AttemptId) -> Option<Charge> {
        self.in_flight(attempt).ok().map(|(_, charge)| charge)
    }

    fn close(
        &mut self,
        attempt: &AttemptId,
        reserved: Option<Charge>,
        settled: Option<Charge>,
        effects: &mut Effects,
    ) -> Result<(), AccountError> {
        let known = self.attempt(attempt)?.clone();
        for id in known.path.iter() {
            self.touch_scope(*id);
            let Some(scope) = self.scope_mut(*id) else { continue };
            if reserved.is_none() {
                scope.reserve(Charge::ZERO, known.agent.as_ref());
            }
            let counted =
                scope.close(reserved.unwrap_or(Charge::ZERO), settled, known.agent.as_ref());
            if counted && let (Some(touched), Some(agent)) = (&mut self.touched, &known.agent) {
                touched.counted.push((*id, Arc::clone(agent)));
            }
        }
        if let Some(reserved) = reserved {
            let used = settled.unwrap_or(Charge::ZERO);
            self.give_to_lease(known.lease, reserved.minus(used));
            self.take_from_lease(known.lease, used.minus(reserved));
        }
        let state = settled.map_or(AttemptState::Released, AttemptState::Closed);
        self.set_state(attempt, state);
        self.warn(&known.path, effects);
        self.pump(effects)
    }

    fn warn(&mut self, path: &[ScopeId], effects: &mut Effects) {
        for threshold in self.thresholds_per_mille.clone() {
            for id in path.iter().rev() {
                let Some(scope) = self.scope_mut(*id) else { continue };
                effects.warnings.extend(passed(scope, threshold));
            }
        }
    }

    pub(crate) fn attempt(&self, attempt: &AttemptId) -> Result<&Attempt, AccountError> {
        let unknown = || AccountError::UnknownAttempt(attempt.clone());
        self.attempts.get(attempt).ok_or_else(unknown)
    }

    /// What it is charged to, and its reservation.
    pub(crate) fn in_flight(
        &self,
        attempt: &AttemptId,
    ) -> Result<(Arc<[ScopeId]>, Charge), AccountError> {
        let known = self.attempt(attempt)?;
        match known.state {
            AttemptState::Reserved(charge) => Ok((Arc::clone(&known.path), charge)),
            _ => Err(AccountError::AttemptClosed(attempt.clone())),
        }
    }

    pub(crate) fn set_state(&mut self, attempt: &AttemptId, state: AttemptState) {
        if let Some(known) = self.attempts.get_mut(attempt) {
            known.state = state;
        }
        self.touch_attempt(attempt);
    }
}

/// The first unit in which `by` more does not fit into `scope` now.
fn short_of(scope: &Scope, by: Charge) -> Option<Shortage> {
    let (short, limit) = Unit::ALL.into_iter().find_map(|unit| {
        let (limit, left) = (scope.limits.get(unit)?, scope.left(unit)?);
        (left < 0 || by.get(unit) > left).then_some((unit, limit))
    })?;
    Some(Shortage {
        scope: scope.path.to_string(),
        unit: short,
        limit: short.quantity(limit),
        settled: short.quantity(scope.settled(short)),
        reserved: short.quantity(scope.held(short)),
        leased: short.leased(scope.leased.get(short)),
        needed: short.quantity(by.get(short)),
        paused: false,
    })
}

/// The warnings of `scope` for `threshold`, each said once.
fn passed(scope: &mut Scope, threshold: u16) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (position, unit) in Unit::ALL.into_iter().enumerate() {
        let Some(limit) = scope.limits.get(unit) else { continue };
        let settled = scope.settled(unit);
        let at = settled.saturating_mul(1_000) >= limit.saturating_mul(threshold.into());
        let Some(warned) = scope.warned_per_mille.get_mut(position) else { continue };
        if !at || *warned >= threshold || limit <= 0 {
            continue;
        }
        *warned = threshold;
        warnings.push(Warning {
            scope: scope.path.to_string(),
            unit,
            threshold_per_mille: threshold,
            settled: unit.quantity(settled),
            limit: unit.quantity(limit),
        });
    }
    warnings
}
