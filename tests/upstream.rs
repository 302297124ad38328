//! The simulated upstream: what it answers, what it charges, how it fails.

mod answers;
mod bills;
mod caching;
mod client;
mod command;
mod directives;
mod faults;
mod refusals;
mod stand;
mod wire;
