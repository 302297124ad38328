//! The locks of what many threads draw from at once. With the feature `shuttle` they are those of a
//! scheduler that tries one interleaving after another.

#[cfg(not(feature = "shuttle"))]
pub(super) use std::sync::{Condvar, Mutex, MutexGuard, RwLock, atomic::AtomicU64};

#[cfg(feature = "shuttle")]
pub(super) use shuttle::sync::{Condvar, Mutex, MutexGuard, RwLock, atomic::AtomicU64};

pub(super) use std::sync::atomic::Ordering;
pub(super) use std::sync::{Arc, PoisonError};
