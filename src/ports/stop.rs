//! Somebody wants the run to end.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// How a run is to be ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Start nothing more; requests in flight are seen to their end, so that they cost what they
    /// cost.
    Drain,
    /// Leave at once; requests in flight are charged at their full reservation.
    Now,
}

/// Asked before everything the dispatcher does.
pub trait StopSignal {
    /// The strongest wish so far.
    fn stop(&self) -> Option<Stop>;
}

/// `true` drains.
impl StopSignal for AtomicBool {
    fn stop(&self) -> Option<Stop> {
        self.load(Ordering::Relaxed).then_some(Stop::Drain)
    }
}

/// How often somebody pressed Ctrl-C: once drains, twice leaves at once.
impl StopSignal for AtomicU8 {
    fn stop(&self) -> Option<Stop> {
        match self.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Stop::Drain),
            _ => Some(Stop::Now),
        }
    }
}

/// Nobody will.
#[derive(Clone, Copy, Debug, Default)]
pub struct NeverStop;

impl StopSignal for NeverStop {
    fn stop(&self) -> Option<Stop> {
        None
    }
}
