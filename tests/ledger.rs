//! Ledgers: one suite for every kind, and what only a file on a disk can suffer.

mod borrower;
mod contract;
mod copy;
mod desk;
mod export;
mod failures;
mod group_commit;
#[cfg(feature = "shuttle")]
mod interleavings;
mod kill;
mod kill_leased;
#[cfg(unix)]
mod kill_points;
mod laws;
mod lease_model;
mod lending;
mod lending_laws;
mod lending_reference;
mod model;
#[cfg(unix)]
mod names;
mod older_schema;
mod operations;
mod plan_windows;
pub(crate) mod postgres;
mod reconcile;
mod slices;
mod stand;
mod uncertain;
