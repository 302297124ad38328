//! The simulated upstream: what it answers, what it charges, how it fails.

mod answers;
mod bills;
mod caching;
pub(crate) mod client;
mod command;
mod directives;
mod faults;
mod refusals;
pub(crate) mod replay;
pub(crate) mod stand;
mod wire;
