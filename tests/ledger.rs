//! Ledgers: one suite for every kind, and what only a file on a disk can suffer.

mod contract;
mod desk;
mod export;
mod failures;
mod group_commit;
#[cfg(feature = "shuttle")]
mod interleavings;
mod kill;
mod kill_leased;
mod laws;
mod model;
mod operations;
mod stand;
mod uncertain;
