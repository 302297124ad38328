//! Counts what happened, for metrics and for whoever watches.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::gateway::access::{Access, Fate};
use crate::gateway::route::Routed;
use crate::money::Picodollars;
use crate::tokens::TokenUsage;

/// So many of the last requests are remembered.
const RECENT_MAX: usize = 200;

/// Counts since the gateway was started.
#[derive(Debug, Default)]
pub struct Tallies {
    in_flight: AtomicU64,
    waiting: AtomicU64,
    free: AtomicU64,
    again: AtomicU64,
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    tally: Tally,
    recent: VecDeque<Recent>,
}

/// Sums over the requests that are over.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests by how they ended.
    pub fates: BTreeMap<Fate, u64>,
    /// Charged in all.
    pub charged: Picodollars,
    /// Tokens in all, where they are known.
    pub usage: TokenUsage,
    /// Requests whose `max_tokens` was lowered.
    pub clamped: u64,
    /// Of those, how many ended because they reached it.
    pub cut_by_cap: u64,
    /// Attempts that were sent with another model or effort than asked for.
    pub rewritten: u64,
    /// Attempts that a rule wanted to change so and could not.
    pub kept: u64,
    /// Time that requests waited for balance.
    pub waited_seconds: f64,
}

/// A request that is over, and when that was.
#[derive(Clone, Debug)]
pub struct Recent {
    /// When it was over.
    pub at: Timestamp,
    /// What happened.
    pub access: Access,
}

impl Tallies {
    /// Takes down a request that is over.
    pub fn record(&self, access: Access) {
        let mut rest = self.rest();
        let tally = &mut rest.tally;
        *tally.fates.entry(access.fate).or_default() += 1;
        if let Some(charged) = access.charged {
            tally.charged += charged;
        }
        if let Some(usage) = access.usage {
            tally.usage += usage;
        }
        let (asked, sent) = access.output_cap_tokens;
        tally.clamped += u64::from(sent < asked && access.charged.is_some());
        tally.cut_by_cap += u64::from(access.cut_by_cap);
        match access.routed.as_deref() {
            Some(Routed::Sent { .. }) => tally.rewritten += 1,
            Some(Routed::Kept { .. }) => tally.kept += 1,
            None => {}
        }
        tally.waited_seconds += access.waited.as_secs_f64();
        if rest.recent.len() >= RECENT_MAX {
            rest.recent.pop_front();
        }
        rest.recent.push_back(Recent { at: Timestamp::now(), access });
    }

    /// The sums.
    pub fn tally(&self) -> Tally {
        self.rest().tally.clone()
    }

    /// The last requests, oldest first.
    pub fn recent(&self) -> Vec<Recent> {
        self.rest().recent.iter().cloned().collect()
    }

    /// Requests that were sent and are not over.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Requests that wait for balance.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Requests that cost nothing and were passed on.
    pub fn free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    /// Attempts after one of the same request that cost nothing.
    pub fn sent_again(&self) -> u64 {
        self.again.load(Ordering::Relaxed)
    }

    pub(crate) fn tries_again(&self) {
        self.again.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn passed_free(&self) {
        self.free.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn flies(&self) -> Counted<'_> {
        Counted::new(&self.in_flight)
    }

    pub(crate) fn waits(&self) -> Counted<'_> {
        Counted::new(&self.waiting)
    }

    pub(crate) fn landed(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts one for as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted<'a>(&'a AtomicU64);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }

    /// Counts on until somebody else takes it back.
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
