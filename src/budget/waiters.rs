//! The queue before a budget: fair per blocking scope.
//!
//! A request waits behind an earlier one only where that one waits for a scope of its own path. A
//! small late request may not starve a big early one on the same scope; a scope that is full does
//! not hold up requests that do not touch it.

use std::collections::{BTreeMap, BTreeSet};

use crate::budget::admission::Ask;
use crate::budget::denial::Shortage;
use crate::budget::scope::ScopeId;
use crate::id::AttemptId;

/// Place in the queue: order, then arrival.
pub(crate) type Place = (u64, u64);

#[derive(Clone, Debug)]
pub(crate) struct Waiter {
    pub(crate) ask: Ask,
    /// The scopes whose balance it waits for; those behind it may not take it.
    pub(crate) blocking: Vec<ScopeId>,
    pub(crate) shortage: Shortage,
    /// Scopes in which it takes what is left now, as in their last mile.
    pub(crate) short_in: Vec<ScopeId>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Waiters {
    queue: BTreeMap<Place, Waiter>,
    places: BTreeMap<AttemptId, Place>,
    arrivals: u64,
}

impl Waiters {
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn contains(&self, attempt: &AttemptId) -> bool {
        self.places.contains_key(attempt)
    }

    pub(crate) fn next_place(&mut self, order: u64) -> Place {
        self.arrivals += 1;
        (order, self.arrivals)
    }

    pub(crate) fn insert(&mut self, place: Place, waiter: Waiter) {
        self.places.insert(waiter.ask.attempt.clone(), place);
        self.queue.insert(place, waiter);
    }

    pub(crate) fn remove(&mut self, attempt: &AttemptId) -> Option<Waiter> {
        let place = self.places.remove(attempt)?;
        self.queue.remove(&place)
    }

    /// Who waits before `place` for any scope of `path`.
    pub(crate) fn ahead(&self, place: Place, path: &[ScopeId]) -> Option<&Waiter> {
        let earlier = self.queue.range(..place).map(|(_, waiter)| waiter);
        earlier.into_iter().find(|waiter| waiter.blocking.iter().any(|id| path.contains(id)))
    }

    /// Every scope that somebody waits for.
    pub(crate) fn blocking(&self) -> BTreeSet<ScopeId> {
        self.queue.values().flat_map(|waiter| waiter.blocking.iter().copied()).collect()
    }

    pub(crate) fn places(&self) -> Vec<Place> {
        self.queue.keys().copied().collect()
    }

    pub(crate) fn get(&self, place: Place) -> Option<&Waiter> {
        self.queue.get(&place)
    }

    pub(crate) fn of(&self, attempt: &AttemptId) -> Option<&Waiter> {
        self.queue.get(self.places.get(attempt)?)
    }

    pub(crate) fn of_mut(&mut self, attempt: &AttemptId) -> Option<&mut Waiter> {
        self.queue.get_mut(self.places.get(attempt)?)
    }

    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut Waiter> {
        self.queue.get_mut(&place)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waiter> {
        self.queue.values()
    }
}
